#!/usr/bin/env python3
"""Runs the built classify binary in the runtime interface emulator that SAM CLI ships, which is what stands between a
function and the world in `sam local`, and holds its answer against the local server's.

usage: rie.py DIRECTORY, the one of the built programs, such as target/debug. No Docker, free ports, half a minute at most.
"""

import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import samcli

PROJECT = Path(__file__).resolve().parents[2]
LONGEST_WAIT = 15  # seconds for anything that normally takes milliseconds


def main(directory):
    emulator = Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{architecture()}"
    with tempfile.TemporaryDirectory() as temporary:
        keys = str(Path(temporary) / "keys.json")
        arguments = ["--port", "0", "--table-port", "0", "--keys", keys]
        with running([str(directory / "clearview"), *arguments], {"CLEARVIEW_LOG": "off"}, stderr=subprocess.PIPE) as server:
            greeting = first_line(server)
            base, tables = re.findall(r"http://[0-9.:]+", greeting)
            token = post(f"{base}/v1/auth/register", {"deviceId": "emulated-device-1"})["accessToken"]
            event = json.loads((PROJECT / "events/classify/explain.json").read_text().replace("${ACCESS_TOKEN}", token))
            address, runtime_api = (f"127.0.0.1:{free_port()}" for _ in range(2))
            settings = {
                "AWS_ENDPOINT_URL_DYNAMODB": tables,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_LAMBDA_FUNCTION_NAME": "classify",
                "CLEARVIEW_LOG": "warn",
            }
            command = [str(emulator), "--log-level", "error", "--runtime-interface-emulator-address", address]
            command += ["--runtime-api-address", runtime_api, str(directory / "classify")]
            with running(command, settings):
                wait_for(address)
                answer = post(f"http://{address}/2015-03-31/functions/function/invocations", event)
            assert answer.get("statusCode") == 200, answer
            emulated = json.loads(answer["body"])
            body, bearer = json.loads(event["body"]), {"Authorization": f"Bearer {token}"}
            served = post(f"{base}/v1/classify?explain=true", body, bearer)
    posts = len(body["posts"])
    assert judgements(emulated) == judgements(served), (emulated, served)
    assert {result["source"] for result in emulated["results"]} == {"local"}, emulated
    # One fleet: what the function judged and charged, the server knows.
    assert {result["source"] for result in served["results"]} == {"cache"}, served
    assert (emulated["usage"]["used"], served["usage"]["used"]) == (posts, 2 * posts), (emulated, served)
    print(f"classify answers {posts} posts in the runtime interface emulator as on the local server")


def architecture():
    return {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]


@contextmanager
def running(command, settings, **streams):
    """A process with these settings and no others of ours; killed at the end, whatever happens."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLEARVIEW_"))}
    process = subprocess.Popen(command, env=inherited | settings, stdin=subprocess.DEVNULL, text=True, **streams)
    try:
        yield process
    finally:
        # Emulators end their function when they are told to end, not when they are killed.
        process.terminate()
        try:
            process.wait(LONGEST_WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def first_line(server):
    line = server.stderr.readline()
    assert "answers on" in line, line
    return line


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address):
    host, port = address.split(":")
    until = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def post(url, body, headers=None):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=LONGEST_WAIT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url}: {error} {error.read().decode()}")


def judgements(answer):
    """Returns the part of an answer that does not depend on which was asked first."""
    return [[result.get(name) for name in ("id", "label", "score", "reason", "matched")] for result in answer["results"]]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
