"""A provider of OpenAI's chat protocol that always says the same, after a fixed time. `wait-3` is the model that takes 3 ms.

Usage: upstream.py PORT. It listens on 127.0.0.1 alone, and is as thin as Python allows, so that it costs little of the machine.
"""

import asyncio
import json
import re
import sys

try:
    from uvloop import run
except ImportError:
    from asyncio import run

WORDS = "The lake is calm in the morning and the boats go out before the wind comes up at noon.".split(" ")
USAGE = {"prompt_tokens": 24, "completion_tokens": 20, "total_tokens": 44}
MODEL = re.compile(rb'"model"\s*:\s*"wait-(\d+)"')
STREAM = re.compile(rb'"stream"\s*:\s*true')
WITH_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"transfer-encoding:\s*chunked", re.IGNORECASE)


def response(value: object) -> bytes:
    """Returns a value as a response."""
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def whole(wait: int) -> bytes:
    """Returns a whole reply with its head."""
    message = {"role": "assistant", "content": " ".join(WORDS), "refusal": None}
    return response({
        "id": "chatcmpl-peers", "object": "chat.completion", "created": 1795305600, "model": f"wait-{wait}",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
    })


def streamed(wait: int, usage: bool) -> list[bytes]:
    """Returns a reply in events, a word each: the head with the first word, and the rest."""
    base = {"id": "chatcmpl-peers", "object": "chat.completion.chunk", "created": 1795305600, "model": f"wait-{wait}"}
    deltas = [{"role": "assistant", "content": ""}] + [{"content": word + " "} for word in WORDS]
    events = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        events.append({**base, "choices": [], "usage": USAGE})
    frames = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
    chunks = [f"{len(frame):x}\r\n{frame}\r\n" for frame in frames]
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    return [(head + "".join(chunks[:2])).encode(), ("".join(chunks[2:]) + "0\r\n\r\n").encode()]


class Provider(asyncio.Protocol):
    """One connection: a request, its reply, the next."""

    replies: dict[tuple[int, bool, bool], list[bytes]] = {}
    calls = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head, start = self.read[:end], end + 4
            if CHUNKED.search(head):
                # No chunk of these requests holds the bytes of an end.
                last = self.read.find(b"0\r\n\r\n", start)
                stop = last + 5 if last >= 0 else len(self.read) + 1
            else:
                length = LENGTH.search(head)
                stop = start + (int(length[1]) if length else 0)
            if len(self.read) < stop:
                return
            body, self.read = self.read[start:stop], self.read[stop:]
            if head.startswith(b"POST"):
                self.answer(body)
            else:
                # Gateways look for models and health; the comparison reads how many calls came.
                models = [{"id": name, "object": "model"} for name in ("wait-0", "wait-3")]
                self.send([response({"object": "list", "data": models, "calls": Provider.calls})], 0)

    def answer(self, body: bytes) -> None:
        """Replies to a body after the time that its model takes."""
        Provider.calls += 1
        model = MODEL.search(body)
        wait = int(model[1]) if model else 0
        kind = (wait, bool(STREAM.search(body)), bool(WITH_USAGE.search(body)))
        reply = self.replies.get(kind)
        if reply is None:
            reply = self.replies[kind] = streamed(wait, kind[2]) if kind[1] else [whole(wait)]
        if wait:
            asyncio.get_running_loop().call_later(wait / 1000, self.send, reply, wait)
        else:
            self.send([b"".join(reply)], 0)

    def send(self, parts: list[bytes], wait: int) -> None:
        """Sends the first part, and the others as long after it as the model took for it."""
        if self.transport.is_closing():
            return
        self.transport.write(parts[0])
        if parts[1:]:
            asyncio.get_running_loop().call_later(wait / 1000, self.send, parts[1:], wait)


async def main(port: int) -> None:
    """Serves until it is ended."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    run(main(int(sys.argv[1])))
