"""The gateways that are compared, each started as its own pages say, with nothing beyond 127.0.0.1."""

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
LONGEST_START = 150  # seconds
USERS = 64
BILLION = 1_000_000_000
MODELS = ("wait-0", "wait-3")


@dataclass
class Gateway:
    """One that runs: where it is asked, with which keys, and the processes whose time is its own."""

    name: str
    version: str
    url: str
    group: int
    keys: list[str]
    redis: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    caches: bool = True
    started_in: float = 0.0


class Scene:
    """Everything that runs, in one directory; all of it ends with it."""

    def __init__(self, work: Path) -> None:
        self.work, self.groups = work, []
        self.upstream_port = free_port()
        command = [sys.executable, str(HERE / "upstream.py"), str(self.upstream_port)]
        self.upstream = self.run("upstream", command, {})
        patient(f"http://127.0.0.1:{self.upstream_port}/v1/models")

    def run(self, name: str, command: list[str], settings: dict[str, str], directory: Path | None = None) -> int:
        """Starts a program in a group of its own; its output goes to a file of its name."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CLEARVIEW_"))}
        with (self.work / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env=inherited | settings, cwd=directory or self.work, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )
        self.groups.append(process)
        return process.pid

    def redis(self, name: str) -> tuple[int, int]:
        """Starts a redis-server that keeps nothing on disk: its port and its group."""
        port = free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(self.work)]
        group = self.run(f"{name}-redis", [found("redis-server"), *options], {})
        deadline = time.monotonic() + LONGEST_START
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return port, group

    def calls(self) -> int:
        """Returns how many calls the provider has received."""
        return call(f"http://127.0.0.1:{self.upstream_port}/v1/models")["calls"]

    def end(self) -> None:
        """Ends every program that was started here, and no other."""
        for process in reversed(self.groups):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self.groups):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def found(program: str) -> str:
    """Returns the path of a program of this virtual environment or of the machine."""
    beside = Path(sys.executable).parent / program
    path = str(beside) if beside.exists() else shutil.which(program)
    if path is None:
        sys.exit(f"{program} is missing: `make peers` says how to get it")
    return path


def call(url: str, body: object = None, headers: dict[str, str] | None = None) -> dict:
    """Gets JSON, or posts some and returns the answer's. A status other than success is an error."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    with contextlib.closing(connection):
        sent = None if body is None else json.dumps(body)
        connection.request("POST" if sent else "GET", parts.path, sent, {"Content-Type": "application/json"} | (headers or {}))
        answer = connection.getresponse()
        read = answer.read()
    if answer.status // 100 != 2:
        raise OSError(f"{answer.status} from {url}: {read[:300]!r}")
    return json.loads(read)


def patient(url: str, body: object = None, headers: dict[str, str] | None = None) -> dict:
    """The same, again and again until a program that is starting answers."""
    deadline = time.monotonic() + LONGEST_START
    while True:
        try:
            return call(url, body, headers)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                sys.exit(f"no answer from {url}: {error}")
            time.sleep(0.005)


def question(text: str = "7", model: str = "wait-0", streams: bool = False) -> dict:
    """Returns the body that everybody is sent."""
    body = {"model": model, "messages": [{"role": "user", "content": f"How large is lake number {text}, in square miles?"}]}
    return body | ({"stream": True} if streams else {})


def first_answer(gateway: Gateway, since: float) -> Gateway:
    """Asks until there is an answer, and notes how long it took from the start."""
    patient(gateway.url, question("1"), gateway.headers | {"Authorization": f"Bearer {gateway.keys[0]}"})
    gateway.started_in = time.monotonic() - since
    return gateway


def direct(scene: Scene) -> Gateway:
    """The provider itself."""
    url = f"http://127.0.0.1:{scene.upstream_port}/v1/chat/completions"
    return Gateway("provider, direct", "", url, scene.upstream, ["sk-peers"], caches=False)


def clearview(scene: Scene, server: Path, on_disk: bool = False) -> Gateway:
    """ClearView with a shared cache; its tables are in its process, in memory as in `make bench`, or on disk."""
    name = "ClearView, tables on disk" if on_disk else "ClearView"
    cache, redis = scene.redis(name)
    port = free_port()
    assistants = {
        model: {"providers": {"free": f"openai:{model}"}, "maxOutput": 100, "maxInput": 2000, "cache": "shared"}
        for model in MODELS
    }
    free = {"posts": {"perDay": BILLION, "perMinute": BILLION}, "replies": {"perMinute": BILLION, "atOnce": 64}}
    plans = {"free": free | {"tokens": {"perDay": BILLION}}}
    settings = {
        "CLEARVIEW_CACHE_URL": f"redis://127.0.0.1:{cache}",
        "CLEARVIEW_OPENAI_BASE_URL": f"http://127.0.0.1:{scene.upstream_port}/v1",
        "CLEARVIEW_OPENAI_API_KEY": "sk-peers",
        "CLEARVIEW_ASSISTANTS": json.dumps(assistants),
        "CLEARVIEW_PLANS": json.dumps(plans),
        "CLEARVIEW_IP_PER_MINUTE": "1000000",
        "CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR": "1000000",
        "CLEARVIEW_LOG": "info",
    }
    command = [str(server), "--port", str(port), "--no-console"]
    command += ["--data-dir", str(scene.work / "state")] if on_disk else []
    since = time.monotonic()
    group = scene.run(name, command, settings)
    base = f"http://127.0.0.1:{port}"
    patient(f"{base}/health")
    keys = []
    for user in range(USERS):
        answer = call(f"{base}/v1/auth/register", {"deviceId": f"peers-device-{user:04}"})
        keys.append(answer["accessToken"])
        if user == 0:
            gateway = first_answer(Gateway(name, "", f"{base}/v1/chat/completions", group, keys, redis), since)
    version = subprocess.run([str(server), "--version"], capture_output=True, text=True, check=True)
    gateway.version = version.stdout.split()[-1]
    return gateway


def litellm(scene: Scene) -> Gateway:
    """LiteLLM's proxy with its cache and its limiter in Redis, a worker for each processor."""
    cache, redis = scene.redis("litellm")
    port, workers = free_port(), os.cpu_count() or 1
    base = f"http://127.0.0.1:{scene.upstream_port}/v1"
    price = {"input_cost_per_token": 1e-7, "output_cost_per_token": 4e-7}
    config = {
        "model_list": [
            {"model_name": m, "litellm_params": {"model": f"openai/{m}", "api_base": base, "api_key": "sk-peers"} | price}
            for m in MODELS
        ],
        "litellm_settings": {
            "cache": True, "cache_params": {"type": "redis", "host": "127.0.0.1", "port": cache, "ttl": 3600},
            "telemetry": False,
        },
        "router_settings": {"redis_host": "127.0.0.1", "redis_port": cache, "redis_password": ""},
        "general_settings": {"custom_auth": "limits.authenticate"},
    }
    # Its configuration is YAML, of which JSON is a part. It looks for the function beside it.
    (scene.work / "litellm.yaml").write_text(json.dumps(config))
    shutil.copy(HERE / "limits.py", scene.work)
    settings = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "NO_DOCS": "True",
        "PYTHONPATH": str(scene.work), "PYTHONUNBUFFERED": "1", "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
    }
    command = [found("litellm"), "--config", "litellm.yaml", "--host", "127.0.0.1", "--port", str(port)]
    # Workers that import it for longer than this are ended and started again, without end on a busy machine.
    command += ["--timeout_worker_healthcheck", "120"]
    since = time.monotonic()
    group = scene.run("litellm", [*command, "--num_workers", str(workers), "--telemetry", "False"], settings)
    keys = [f"sk-peers-{user:04}" for user in range(USERS)]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    gateway = Gateway("LiteLLM", python_version("litellm"), url, group, keys, redis)
    return first_answer(gateway, since)


def portkey(scene: Scene) -> Gateway:
    """Portkey's gateway as npm has it: without keys and limits, and the cache that it is asked for is not in that package."""
    port = free_port()
    package = HERE / "node_modules/@portkey-ai/gateway"
    config = {
        "provider": "openai", "custom_host": f"http://127.0.0.1:{scene.upstream_port}/v1",
        "cache": {"mode": "simple", "max_age": 3600},
    }
    since = time.monotonic()
    command = [found("node"), str(package / "build/start-server.js"), f"--port={port}", "--headless"]
    group = scene.run("portkey", command, {"NODE_ENV": "production"})
    version = json.loads((package / "package.json").read_text())["version"]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    headers = {"x-portkey-config": json.dumps(config)}
    gateway = Gateway("Portkey", version, url, group, ["sk-peers"], headers=headers, caches=False)
    return first_answer(gateway, since)


def smg(scene: Scene) -> Gateway:
    """SMG, a gateway in Rust in front of models: it neither caches nor counts by user."""
    port = free_port()
    worker = f"http://127.0.0.1:{scene.upstream_port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--worker-urls", worker, "--backend", "openai"]
    options += ["--prometheus-port", str(free_port()), "--prometheus-host", "127.0.0.1", "--log-level", "warn"]
    since = time.monotonic()
    group = scene.run("smg", [found("smg"), "launch", *options], {})
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    gateway = Gateway("SMG", python_version("smg"), url, group, ["sk-peers"], caches=False)
    return first_answer(gateway, since)


def python_version(package: str) -> str:
    """Returns the version of an installed package."""
    from importlib.metadata import version

    return version(package)
