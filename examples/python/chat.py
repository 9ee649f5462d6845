"""Chats with OpenAI's own client, streamed: chat.py URL TOKEN [ASSISTANT]. The access token is its API key."""

import sys

import openai

url, token = sys.argv[1:3]
assistant = sys.argv[3] if len(sys.argv) > 3 else "demo"
client = openai.OpenAI(base_url=f"{url}/v1", api_key=token, timeout=60)
try:
    stream = client.chat.completions.create(
        # The operator has defined the assistants; a request names one of them, never a model.
        model=assistant,
        messages=[{"role": "user", "content": "How does a sourdough starter get through a cold week?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        if chunk.usage:
            print(f"\n{chunk.usage.prompt_tokens} tokens read, {chunk.usage.completion_tokens} written")
except openai.NotFoundError as error:
    sys.exit(f"{error.message} (QUICKSTART.md shows how to start a server that chats)")
except openai.RateLimitError as error:
    # `insufficient_quota` is the day's end: waiting a minute does not help.
    sys.exit(f"Too much for now: {error.code}")
