#!/usr/bin/env python3
"""Compares ClearView with other gateways: one run, one machine, in turn, the same load, questions and provider for all.

usage: peers.py SERVER [--seconds 3] [--rounds 2] [--out DIRECTORY]; SERVER is the built program `clearview`. `make peers` runs
it. It sends to 127.0.0.1 alone and ends by itself. The figures are printed as tables and kept as JSON in the directory.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import gateways
from first_token import added_to_first_token
from gateways import HERE, Gateway, Scene

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cell:
    """A kind of load, and the gateways that can take it."""

    name: str
    mode: str
    connections: int
    model: str = "wait-0"
    streams: bool = False
    takes: Callable[[Gateway], bool] = lambda gateway: True


def cells() -> list[Cell]:
    """Returns the loads in the order of the tables."""

    def caching(gateway: Gateway) -> bool:
        return gateway.caches

    found = [Cell(f"same question, {n} at a time", "same", n, takes=caching) for n in (1, 16)]
    found.append(Cell("same question in a stream, 16 at a time", "same", 16, streams=True, takes=caching))
    for wait in (0, 3):
        found += [Cell(f"new questions, {wait} ms, {n} at a time", "new", n, f"wait-{wait}") for n in (1, 16)]
    found.append(Cell("new questions in a stream, 0 ms, 16 at a time", "new", 16, streams=True))
    return found


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("server", type=Path)
    options.add_argument("--seconds", type=int, default=3, help="of each measurement")
    options.add_argument("--rounds", type=int, default=2, help="how often each is repeated, in turn with the others")
    options.add_argument("--out", type=Path, default=Path("target/peers"))
    given = options.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        scene = Scene(Path(directory))
        try:
            report = measure(scene, given.server.resolve(), given.seconds, given.rounds)
        finally:
            scene.end()
    report["took"] = round(time.monotonic() - began)
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / f"{report['at'].replace(':', '')}.json"
    kept.write_text(json.dumps(report, indent=1) + "\n")
    print(tables(report))
    print(f"\n{report['took']} s; kept in {kept}")


def measure(scene: Scene, server: Path, seconds: int, rounds: int) -> dict:
    """Starts every gateway, loads them in turn, and returns all figures."""
    load_before = os.getloadavg()[0]
    starts = [
        gateways.direct, lambda s: gateways.clearview(s, server), lambda s: gateways.clearview(s, server, on_disk=True),
        gateways.smg, gateways.portkey, gateways.litellm,
    ]
    running = [start(scene) for start in starts]
    for gateway in running:
        for cell in (Cell("", "new", 16), Cell("", "same", 16), Cell("", "new", 16, "wait-3")):
            load(scene, gateway, cell, 1)
    taken: dict[str, dict[str, list[dict]]] = {}
    for _ in range(rounds):
        for cell in cells():
            for gateway in filter(cell.takes, running):
                figures = load(scene, gateway, cell, seconds)
                taken.setdefault(cell.name, {}).setdefault(gateway.name, []).append(figures)
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        "load before": load_before,
        "gateways": {g.name: {"version": g.version, "start s": round(g.started_in, 3), "MB": memory(g)} for g in running},
        "cells": {name: {g: joined(runs) for g, runs in of.items()} for name, of in taken.items()},
        "first token": {model: added_to_first_token(running, model) for model in gateways.MODELS},
        "classify": {str(n): classify(scene, running[1], n, seconds) for n in (1, 16)},
    }


def load(scene: Scene, gateway: Gateway, cell: Cell, seconds: int) -> dict:
    """Loads a gateway for some seconds after a short warm-up: answers, their times, the CPU of the gateway and its cache."""
    body = gateways.question("QUESTION" if cell.mode == "new" else "7", cell.model, cell.streams)
    return wrk(scene, gateway, gateway.url, body, cell, seconds)


def classify(scene: Scene, clearview: Gateway, connections: int, seconds: int) -> dict:
    """The same for a post that ClearView has judged before: a request that nobody else takes."""
    text = "A friend sold the old bicycle and bought a tent, then wrote at length about the weather in May"
    body = {"preference": "Hide crypto and diet ads, but keep recipes", "posts": [{"id": "1", "text": text}]}
    parts = urlsplit(clearview.url)
    return wrk(scene, clearview, f"{parts.scheme}://{parts.netloc}/v1/classify", body, Cell("", "same", connections), seconds)


def wrk(scene: Scene, gateway: Gateway, url: str, body: dict, cell: Cell, seconds: int) -> dict:
    """Runs wrk with one thread, twice: the first run warms up and is thrown away."""
    keys = scene.work / "keys"
    keys.write_text("\n".join(gateway.keys) + "\n")
    settings = {"KEYS": str(keys), "MODE": cell.mode, "BODY": json.dumps(body)}
    settings["HEADERS"] = "\n".join(f"{name}: {value}" for name, value in gateway.headers.items())

    def run(span: float) -> dict:
        command = [gateways.found("wrk"), "-t1", f"-c{cell.connections}", f"-d{span:g}s", "--timeout", "20s"]
        command += ["-s", str(HERE / "load.lua"), url]
        # The number of a run is part of each new question: none is ever asked twice.
        environment = os.environ | settings | {"RUN": str(time.monotonic_ns())}
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        return json.loads(output.splitlines()[-1])

    run(1)
    # Requests that wrk has left behind are still being answered.
    time.sleep(0.3)
    calls, cpu = scene.calls(), (cpu_of(gateway.group), cpu_of(gateway.redis))
    figures = run(seconds)
    requests = figures["requests"] or 1
    figures["cpu us"] = 1e6 * (cpu_of(gateway.group) - cpu[0]) / requests
    figures["cache cpu us"] = 1e6 * (cpu_of(gateway.redis) - cpu[1]) / requests
    figures["calls"] = (scene.calls() - calls) / requests
    figures["rate"] = requests / figures["seconds"]
    print(f"{gateway.name}, {cell.name or 'warm-up'}: {figures['rate']:,.0f}/s", file=sys.stderr, flush=True)
    return figures


def processes(group: int) -> Iterable[list[str]]:
    """Yields the number and the fields after the name of each process of a group."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = stat.parent.name, stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest[2]) == group:
            yield [number, *rest]


def cpu_of(group: int | None) -> float:
    """Returns the CPU seconds that a group of processes has used."""
    if group is None:
        return 0.0
    return sum(int(fields[12]) + int(fields[13]) for fields in processes(group)) / TICK


def memory(gateway: Gateway) -> float:
    """Returns the memory of a gateway in MB; a page that several of its processes share counts once."""
    total = 0
    for number, *_ in processes(gateway.group):
        rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return round(total * 1024 / 1e6, 1)


def joined(runs: list[dict]) -> dict:
    """Returns the medians of repeated runs, with the least and the most of the rate; failures are added up."""
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    rates = [run["rate"] for run in runs]
    failures = {name: sum(run[name] for run in runs) for name in ("refused", "broken")}
    return middle | failures | {"rate least": min(rates), "rate most": max(rates)}


def tables(report: dict) -> str:
    """Returns the figures as tables of Markdown."""
    lines = [f"{report['at']}, {report['machine']}, load before {report['load before']:.1f}", ""]
    lines += ["| gateway | version | start to first answer | memory at the end |", "|---|---|---|---|"]
    for name, of in report["gateways"].items():
        lines.append(f"| {name} | {of['version']} | {1000 * of['start s']:,.0f} ms | {of['MB']:,.0f} MB |")
    for cell, of in report["cells"].items():
        own = of["ClearView"]["rate"]
        lines += ["", f"**{cell}**", ""]
        lines += ["| | answers/s (least to most) | to ClearView | p50 | p99 | CPU + its cache | calls | not 2xx, broken |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for name, run in of.items():
            spread = f"{run['rate least']:,.0f} to {run['rate most']:,.0f}"
            lines.append(
                f"| {name} | {run['rate']:,.0f} ({spread}) | {run['rate'] / own:.2f} | {run['p50']:.2f} ms | {run['p99']:.2f} ms "
                f"| {run['cpu us']:,.0f} + {run['cache cpu us']:,.0f} µs | {run['calls']:.2f} "
                f"| {run['refused']:,.0f}, {run['broken']:,.0f} |"
            )
    for model, of in report["first token"].items():
        lines += ["", f"**first token, {model}, one stream at a time**", ""]
        lines += ["| | p50 | added p50 | added p99 |", "|---|---|---|---|"]
        lines += [f"| {name} | {t['p50']:.2f} ms | {t['added p50']:.2f} ms | {t['added p99']:.2f} ms |" for name, t in of.items()]
    lines += ["", "**ClearView, a judged post at classify**", "", "| at a time | answers/s | p50 | p99 | CPU + its cache |"]
    lines.append("|---|---|---|---|---|")
    for n, run in report["classify"].items():
        lines.append(
            f"| {n} | {run['rate']:,.0f} | {run['p50']:.2f} ms | {run['p99']:.2f} ms "
            f"| {run['cpu us']:,.0f} + {run['cache cpu us']:,.0f} µs |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
