#!/usr/bin/env python3
"""Runs every built function in the runtime interface emulator that SAM CLI ships, which is what stands between a function and
the world in `sam local`. Holds the answer of classify against the local server's, and lets a worker do a job that the emulated
function took.

usage: rie.py DIRECTORY, the one of the built programs, such as target/debug. No Docker, free ports, a minute at most.
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

# An event for each function but classify and jobs, and a part of its answer.
OTHERS = [
    ("admin", "admin/options-preflight", {"statusCode": 204}),
    ("auth", "auth/jwks", {"statusCode": 200}),
    ("chat", "chat/models", {"statusCode": 200}),
    ("detect", "detect/screenshot", {"statusCode": 200}),
    ("health", "health/health", {"statusCode": 200}),
    ("key-rotation", "key-rotation/unknown-form", {"errorType": "InvalidEvent"}),
    ("quota-reset", "quota-reset/close", {"closed": "2026-11-20"}),
    ("rank", "rank/brands", {"statusCode": 200}),
    ("usage", "usage/today", {"statusCode": 200}),
    ("webhooks", "webhooks/unreadable-message", {"batchItemFailures": [{"itemIdentifier": "5c1a6f7e-2a0b-4a5d-9d55-0d2f9c1b7e02"}]}),
    ("worker", "worker/unreadable-message", {"batchItemFailures": [{"itemIdentifier": "0e7b2b51-9d5f-4a5b-8f0e-6a4f2f0a7c11"}]}),
]


def main(directory):
    with tempfile.TemporaryDirectory() as temporary:
        keys = Path(temporary) / "keys.json"
        signing = {"CLEARVIEW_SIGNING_KEYS": json.dumps({"master": "m" * 64})}
        queues = f"http://127.0.0.1:{free_port()}"
        arguments = ["--port", "0", "--table-port", "0", "--queue-port", queues.rpartition(":")[2], "--keys", str(keys)]
        settings = signing | {"CLEARVIEW_LOG": "off"}
        with running([str(directory / "clearview"), *arguments], settings, stderr=subprocess.PIPE) as server:
            base, tables = re.findall(r"http://[0-9.:]+", first_line(server))
            token = post(f"{base}/v1/auth/register", {"deviceId": "emulated-device-1"})["accessToken"]
            settings = signing | {
                "AWS_ENDPOINT_URL_DYNAMODB": tables,
                "AWS_ENDPOINT_URL_SQS": queues,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_SAM_LOCAL": "true",
                "CLEARVIEW_LOG": "warn",
                "CLEARVIEW_QUEUE_URL": f"{queues}/000000000000/clearview-jobs",
                "CLEARVIEW_TOKEN_KEYS": keys.read_text(),
            }
            place = directory, settings
            posts = classify(place, base, token)
            job(place, base, token)
            for name, event, expected in OTHERS:
                with emulated(name, *place) as invoke:
                    answer = invoke(event_of(event, token))
                assert {member: answer.get(member) for member in expected} == expected, (name, answer)
    print(f"classify answers {posts} posts in the runtime interface emulator as on the local server, a job that was taken")
    print(f"there is done, and {len(OTHERS)} other functions answer their events")


def classify(place, base, token):
    """Holds the emulated function's answer against the local server's; returns the number of posts."""
    event = event_of("classify/explain", token)
    with emulated("classify", *place) as invoke:
        answer = invoke(event)
    assert answer.get("statusCode") == 200, answer
    ours, body = json.loads(answer["body"]), json.loads(event["body"])
    served = post(f"{base}/v1/classify?explain=true", body, {"Authorization": f"Bearer {token}"})
    posts = len(body["posts"])
    assert judgements(ours) == judgements(served), (ours, served)
    assert {result["source"] for result in ours["results"]} == {"local"}, ours
    # One fleet: what the function judged and charged, the server knows.
    assert {result["source"] for result in served["results"]} == {"cache"}, served
    assert (ours["usage"]["used"], served["usage"]["used"]) == (posts, 2 * posts), (ours, served)
    return posts


def job(place, base, token):
    """Submits a job to the emulated function; the local server's worker does it."""
    event = event_of("jobs/unknown-type", token)
    body = {"type": "rank", "query": "shoes", "items": [{"id": "a", "text": "Running shoes"}, {"id": "b", "text": "A hat"}]}
    with emulated("jobs", *place) as invoke:
        answer = invoke(event | {"body": json.dumps(body)})
    assert answer.get("statusCode") == 202, answer
    name, until = json.loads(answer["body"])["jobId"], time.monotonic() + LONGEST_WAIT
    while True:
        polled = get(f"{base}/v1/jobs/{name}", {"Authorization": f"Bearer {token}"})
        if polled["status"] != "queued":
            break
        assert time.monotonic() < until, polled
        time.sleep(0.05)
    assert polled["status"] == "done" and polled["result"]["results"][0]["id"] == "a", polled


@contextmanager
def emulated(name, directory, settings):
    """A function in the emulator: what invokes it with an event."""
    emulator = Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{architecture()}"
    address, runtime_api = (f"127.0.0.1:{free_port()}" for _ in range(2))
    command = [str(emulator), "--log-level", "error", "--runtime-interface-emulator-address", address]
    command += ["--runtime-api-address", runtime_api, str(directory / name)]
    # Its log is not for the terminal: a function that fails is one of the cases.
    with running(command, settings | {"AWS_LAMBDA_FUNCTION_NAME": name}, stdout=subprocess.DEVNULL):
        wait_for(address)
        yield lambda event: post(f"http://{address}/2015-03-31/functions/function/invocations", event)


def event_of(name, token):
    return json.loads((PROJECT / f"events/{name}.json").read_text().replace("${ACCESS_TOKEN}", token))


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
    return asked(urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"} | (headers or {})))


def get(url, headers):
    return asked(urllib.request.Request(url, headers=headers))


def asked(request):
    try:
        with urllib.request.urlopen(request, timeout=LONGEST_WAIT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{request.full_url}: {error} {error.read().decode()}")


def judgements(answer):
    """Returns the part of an answer that does not depend on which was asked first."""
    return [[result.get(name) for name in ("id", "label", "score", "reason", "matched")] for result in answer["results"]]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
