#!/usr/bin/env python3
"""Draws where the local server's time goes while it is under load: a flame graph for each kind of request, as SVG.

usage: flame.py SERVER DIRECTORY; SERVER is a `clearview` with symbols. `make flame` builds one and runs this. It needs perf,
redis-server and wrk, takes half a minute, and sends to 127.0.0.1 alone.
"""

import html
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import gateways
from gateways import Scene
from peers import Cell, classify, load

SECONDS = 5
WIDTH, HEIGHT, LETTER = 1400, 17, 6.6
THINNEST = 1.5
HASH = re.compile(r"::h[0-9a-f]{16}$")


class Frame:
    """A function under one caller, with the samples that it or those it calls were seen in."""

    def __init__(self) -> None:
        self.samples, self.calls = 0, {}

    def add(self, stack: list[str]) -> None:
        """Adds a sample, outermost function first."""
        frame = self
        frame.samples += 1
        for name in stack:
            frame = frame.calls.setdefault(name, Frame())
            frame.samples += 1

    def depth(self) -> int:
        """Returns the number of functions of the deepest stack."""
        return 1 + max((frame.depth() for frame in self.calls.values()), default=0)


def main(server: Path, directory: Path) -> None:
    """Records and draws each kind of request."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        scene = Scene(Path(work))
        try:
            clearview = gateways.clearview(scene, server)
            for cell in (Cell("", "same", 16), Cell("", "new", 16)):
                load(scene, clearview, cell, 1)
            loads: dict[str, Callable[[], object]] = {
                "classify-hit": lambda: classify(scene, clearview, 16, SECONDS),
                "chat-hit": lambda: load(scene, clearview, Cell("chat-hit", "same", 16), SECONDS),
                "chat-miss": lambda: load(scene, clearview, Cell("chat-miss", "new", 16), SECONDS),
            }
            for name, ask in loads.items():
                kept = directory / f"{name}.svg"
                root = folded(recorded(Path(work) / f"{name}.data", clearview.group, ask))
                kept.write_text(drawn(root, f"{name}: {server.name}, {root.samples} samples of CPU time"))
                print(f"{kept}: {root.samples} samples")
        finally:
            scene.end()


def recorded(data: Path, process: int, ask: Callable[[], object]) -> Iterable[str]:
    """Samples a process by its CPU clock while it is asked; virtual machines hide the processor's own counters."""
    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(1.5)  # The warm-up is not recorded.
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "199", "--call-graph", "dwarf,65528", "-p", str(process)]
    subprocess.run([*command, "-o", str(data), "--", "sleep", str(SECONDS - 1)], check=True, stderr=subprocess.DEVNULL)
    asking.join()
    script = ["perf", "script", "-i", str(data), "--no-inline", "--max-stack", "1024", "-F", "comm,ip,sym"]
    return subprocess.run(script, check=True, capture_output=True, text=True).stdout.splitlines()


def folded(lines: Iterable[str]) -> Frame:
    """Reads stacks as perf prints them: the thread's name, then each function from the innermost out, then an empty line."""
    root, stack = Frame(), []
    for line in [*lines, ""]:
        if line.startswith((" ", "\t")):
            name = line.split(maxsplit=1)[1] if len(line.split(maxsplit=1)) > 1 else "[unknown]"
            stack.append(HASH.sub("", name))
        elif stack:
            root.add(stack[::-1])
            stack = []
    return root


def drawn(root: Frame, title: str) -> str:
    """Returns the graph: callers below, a width for each share of the samples; what is too thin to see is left out."""
    height = HEIGHT * (root.depth() + 2)
    boxes: list[str] = []

    def draw(name: str, frame: Frame, left: float, level: int) -> None:
        width = WIDTH * frame.samples / max(root.samples, 1)
        if width < THINNEST:
            return
        top = height - HEIGHT * (level + 1)
        letters = int(width / LETTER)
        text = html.escape(name if len(name) <= letters else name[: max(letters - 2, 0)] + "..") if letters > 3 else ""
        share = 100 * frame.samples / max(root.samples, 1)
        hue = 20 + sum(map(ord, name.split("::")[0])) % 40
        boxes.append(
            f'<g><title>{html.escape(name)}: {share:.1f} %</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}" '
            f'height="{HEIGHT - 1}" fill="hsl({hue},80%,{62 + level % 3 * 4}%)"/>'
            f'<text x="{left + 3:.1f}" y="{top + 12}">{text}</text></g>'
        )
        for called, inner in sorted(frame.calls.items()):
            draw(called, inner, left, level + 1)
            left += WIDTH * inner.samples / max(root.samples, 1)

    draw("all", root, 0, 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">'
        f'<text x="4" y="13">{html.escape(title)}</text>{"".join(boxes)}</svg>\n'
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
