"""Asks a provider through the real client libraries: model_clients.py openai|bedrock HOST:PORT. Prints what came back as JSON."""

import json
import sys

QUESTION = json.dumps(
    {"preference": "hide crypto", "posts": [{"id": "a", "text": "crypto now"}, {"id": "b", "text": "a cat"}]}
)
SYSTEM = "You filter a feed."
SCHEMA = {
    "type": "object",
    "properties": {
        "verdicts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "score": {"type": "number"}},
                "required": ["id", "score"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["verdicts"],
    "additionalProperties": False,
}


def scores(answer):
    return {verdict["id"]: verdict["score"] for verdict in answer["verdicts"]}


def openai(address):
    import openai

    client = openai.OpenAI(base_url=f"http://{address}/v1", api_key="sk-test", max_retries=0, timeout=10)
    try:
        completion = client.chat.completions.create(
            model="cheap",
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "verdicts", "strict": True, "schema": SCHEMA},
            },
        )
    except openai.APIError as error:
        return {"error": type(error).__name__}
    answer = json.loads(completion.choices[0].message.content)
    return {"scores": scores(answer), "inputTokens": completion.usage.prompt_tokens}


def bedrock(address):
    import boto3

    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"http://{address}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    answer = client.converse(
        modelId="anthropic.claude-v1:0",
        system=[{"text": SYSTEM}],
        messages=[{"role": "user", "content": [{"text": QUESTION}]}],
        inferenceConfig={"maxTokens": 1000},
        toolConfig={
            "tools": [{"toolSpec": {"name": "verdicts", "inputSchema": {"json": SCHEMA}}}],
            "toolChoice": {"tool": {"name": "verdicts"}},
        },
    )
    tool = answer["output"]["message"]["content"][0]["toolUse"]
    return {"scores": scores(tool["input"]), "inputTokens": answer["usage"]["inputTokens"]}


if __name__ == "__main__":
    print(json.dumps({"openai": openai, "bedrock": bedrock}[sys.argv[1]](sys.argv[2])))
