"""The time to the first words of a streamed reply, on one connection, next to the provider asked directly in the same breath."""

import json
import socket
import statistics
import time
from urllib.parse import urlsplit

from gateways import Gateway, question

FIRST_WORD = b"The"
PAIRS = 150
SLOWEST = 20  # seconds


class Connection:
    """A connection to a gateway that is kept, and made anew when the gateway has ended it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.parts, self.socket, self.asked = gateway, urlsplit(gateway.url), None, 0

    def first_token(self, model: str) -> float:
        """Asks a new question, and returns the milliseconds until the first word of its reply; reads it to its end."""
        key = self.gateway.keys[self.asked % len(self.gateway.keys)]
        self.asked += 1
        body = json.dumps(question(f"{time.monotonic_ns()}", model, streams=True)).encode()
        headers = {"Host": self.parts.netloc, "Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        headers |= self.gateway.headers | {"Content-Length": str(len(body))}
        head = f"POST {self.parts.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if self.socket is None:
            self.socket = socket.create_connection((self.parts.hostname, self.parts.port), SLOWEST)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        since, first, answer = time.perf_counter(), None, b""
        self.socket.sendall(head.encode() + b"\r\n" + body)
        while not answer.endswith(b"0\r\n\r\n"):
            piece = self.socket.recv(65_536)
            if not piece:
                self.socket = None
                break
            answer += piece
            if first is None and FIRST_WORD in answer:
                first = time.perf_counter() - since
        status = answer.split(b" ", 2)[1] if answer else b"none"
        if first is None or status != b"200":
            raise RuntimeError(f"{self.gateway.name}: no reply in a stream but {answer[:300]!r}")
        return 1000 * first


def added_to_first_token(running: list[Gateway], model: str) -> dict[str, dict[str, float]]:
    """Asks everybody in turn; the first of them is the provider, which each is compared with."""
    connections = [Connection(gateway) for gateway in running]
    for connection in connections:
        for _ in range(5):
            connection.first_token(model)
    times = [[connection.first_token(model) for connection in connections] for _ in range(PAIRS)]
    found = {}
    for at, gateway in enumerate(running):
        added = sorted(row[at] - row[0] for row in times)
        found[gateway.name] = {
            "p50": statistics.median(row[at] for row in times),
            "added p50": statistics.median(added),
            "added p99": added[int(0.99 * (PAIRS - 1))],
        }
    return found
