"""Chats through real clients: chat_clients.py openai|langchain HOST:PORT TOKEN. Prints what each scenario came to as JSON.

The scenarios are in the order of the scripted provider's steps in tests/tests/requests/providers/chat_clients.rs.
"""

import json
import sys

ASSISTANT = "demo"
QUESTION = "Grüße, 世界 and all"
# More bytes than a free user has tokens in a day.
TOO_MUCH = "x" * 25_000


def refusal(error):
    """Reads a client's error."""
    return {"error": type(error).__name__, "status": getattr(error, "status_code", None), "code": getattr(error, "code", None)}


def outcomes(scenarios):
    """Runs the scenarios; each one's result, or the refusal that it raises."""
    import openai

    results = {}
    for name, scenario in scenarios.items():
        try:
            results[name] = scenario()
        except openai.APIError as error:
            results[name] = refusal(error)
    return results


def with_openai(address, token):
    import openai

    # A function, as apps have it whose tokens last 15 minutes.
    client = openai.OpenAI(base_url=f"http://{address}/v1", api_key=lambda: token, timeout=30)
    create = client.chat.completions.create
    messages = [{"role": "user", "content": QUESTION}]

    def ask(**more):
        return create(**{"model": ASSISTANT, "messages": messages, **more})

    def plain():
        reply = ask()
        choice = reply.choices[0]
        return {
            "text": choice.message.content,
            "finish": choice.finish_reason,
            "tokens": reply.usage.completion_tokens > 0,
            "request": bool(reply._request_id),
        }

    def streamed(**more):
        text, finish, usage, ids = "", None, None, set()
        for chunk in ask(stream=True, **more):
            ids.add(chunk.id)
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        return {"text": text, "finish": finish, "usage": usage is not None, "ids": len(ids)}

    def hang_up():
        with ask(stream=True) as stream:
            next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content)
        return "hung up"

    return outcomes(
        {
            "plain": plain,
            "streamed": streamed,
            "usage": lambda: streamed(stream_options={"include_usage": True}),
            "cut": streamed,
            "retry": plain,
            "hangUp": hang_up,
            "error": lambda: ask(model="gpt-5"),
            "tools": lambda: ask(tools=[]),
            "stranger": lambda: client.with_options(api_key="nobody").models.list().data,
            "limit": lambda: ask(messages=[{"role": "user", "content": TOO_MUCH}]),
            "models": lambda: [model.id for model in client.models.list()],
        }
    )


def with_langchain(address, token):
    from langchain_openai import ChatOpenAI

    def model(**more):
        return ChatOpenAI(base_url=f"http://{address}/v1", api_key=token, timeout=30, **{"model": ASSISTANT, **more})

    def plain():
        reply = model().invoke(QUESTION)
        return {
            "text": reply.content,
            "finish": reply.response_metadata["finish_reason"],
            "tokens": reply.usage_metadata["output_tokens"] > 0,
        }

    def streamed(**more):
        text, finish, usage = "", None, None
        for chunk in model(**more).stream(QUESTION):
            text += chunk.content
            finish = chunk.response_metadata.get("finish_reason") or finish
            usage = chunk.usage_metadata or usage
        return {"text": text, "finish": finish, "usage": usage is not None}

    def hang_up():
        stream = model().stream(QUESTION)
        next(chunk for chunk in stream if chunk.content)
        stream.close()
        return "hung up"

    return outcomes(
        {
            "plain": plain,
            "streamed": lambda: streamed(stream_usage=False),
            "usage": lambda: streamed(stream_usage=True),
            "cut": streamed,
            "retry": plain,
            "hangUp": hang_up,
            "error": lambda: model(model="gpt-5").invoke(QUESTION),
            "tools": lambda: model().bind(tools=[]).invoke(QUESTION),
            "limit": lambda: model().invoke(TOO_MUCH),
        }
    )


if __name__ == "__main__":
    clients = {"openai": with_openai, "langchain": with_langchain}
    print(json.dumps(clients[sys.argv[1]](*sys.argv[2:4])))
