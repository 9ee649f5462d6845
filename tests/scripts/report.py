"""Draws figures as one HTML file without scripts or anything from elsewhere.

report.py bench DIRECTORY FILE     the newest run in a directory of `make bench`, beside its marks and the runs before it
report.py evaluate ROWS FILE       the rows that `judge-evaluation --json ROWS` has judged: calibration, classes, misses
"""

import html
import json
import math
import pathlib
import sys

STYLE = """
:root{color-scheme:light dark;--paper:light-dark(#faf9f7,#141413);--card:light-dark(#fff,#1c1b1a);--ink:light-dark(#1c1b19,#eceae6);
--soft:light-dark(#5d5a54,#aba79f);--line:light-dark(#e2dfd8,#353330);--accent:light-dark(#0b5f58,#6fc7bd);--bad:light-dark(#a1321f,#f29b87);
--good:light-dark(#1d6b3a,#86cf9d);--sand:light-dark(#b08a3c,#cfb27a)}
body{margin:0 auto;max-width:1040px;padding:32px 24px;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:28px;letter-spacing:-.02em;margin:0}h2{font-size:18px;margin:0 0 12px}p{margin:4px 0 0;color:var(--soft);max-width:70ch}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:24px;margin-top:24px;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}th{text-align:left;font-weight:500;color:var(--soft)}
th,td{padding:5px 12px 5px 0;border-top:1px solid var(--line);white-space:nowrap}td.n,th.n{text-align:right}td.w{white-space:normal}
svg{display:block;max-width:100%;height:auto}text{fill:var(--soft);font-size:12px}.axis{stroke:var(--line)}
.met{color:var(--good)}.missed{color:var(--bad)}.a{fill:var(--accent)}.b{fill:var(--sand)}.bad{fill:var(--bad)}.good{fill:var(--good)}
.line{fill:none;stroke:var(--accent);stroke-width:2}.ideal{stroke:var(--soft);stroke-dasharray:4 4}
"""

escape = html.escape


def number(value):
    """A value with about three digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def page(title, lead, sections):
    """The whole file."""
    parts = "".join(f"<section><h2>{escape(name)}</h2>{body}</section>" for name, body in sections if body)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1><p>{escape(lead)}</p>{parts}</html>\n"
    )


def table(names, rows, numbers=()):
    """Rows of cells, which are HTML already."""
    kind = lambda n: ' class="n"' if n in numbers else ""
    head = "".join(f"<th{kind(n)}>{escape(name)}</th>" for n, name in enumerate(names))
    body = "".join("<tr>" + "".join(f"<td{kind(n)}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def drawing(width, height, label, parts):
    """A picture with words for those who do not see it."""
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def bars(rows, label, unit):
    """Named bars on one scale of logarithms: from a tenth of the smallest to the largest."""
    rows = [(name, value) for name, value in rows if value and value > 0]
    if not rows:
        return ""
    low = math.log10(min(value for _, value in rows)) - 0.3
    high = math.log10(max(value for _, value in rows))
    parts = []
    for n, (name, value) in enumerate(rows):
        y = n * 24
        length = 8 + 520 * (math.log10(value) - low) / max(high - low, 0.01)
        parts.append(f'<text x="300" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="a" x="308" y="{y + 4}" width="{length:.0f}" height="14" rx="2"/>')
        parts.append(f'<text x="{316 + length:.0f}" y="{y + 15}">{number(value)} {escape(unit)}</text>')
    return drawing(940, len(rows) * 24, label, parts)


def lines(points, label, unit):
    """A line through (x, y), both from 0; x on a scale of logarithms if it grows by more than a hundred."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    wide = max(xs) / max(min(xs), 1) > 100
    place = (lambda x: math.log10(max(x, 1)) / math.log10(max(xs))) if wide else (lambda x: (x - min(xs)) / max(max(xs) - min(xs), 1))
    top = max(ys) * 1.15 or 1
    at = [(60 + 380 * place(x), 150 - 130 * y / top, x, y) for x, y in points]
    parts = ['<line class="axis" x1="60" y1="150" x2="440" y2="150"/>', '<line class="axis" x1="60" y1="20" x2="60" y2="150"/>']
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in at)
    parts.append(f'<polyline class="line" points="{path}"/>')
    for x, y, of, value in at:
        parts.append(f'<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{number(value)} {escape(unit)}</text>')
        parts.append(f'<text x="{x:.1f}" y="168" text-anchor="middle">{of:,}</text>')
    return drawing(500, 176, label, parts)


def bench(directory, file):
    """The newest run, beside the runs of its kind before it."""
    runs = [json.loads(path.read_text()) for path in sorted(pathlib.Path(directory).glob("*.json"))]
    if not runs:
        sys.exit(f"{directory} has no run: `make bench` makes one")
    run = runs[-1]
    before = [other for other in runs[:-1] if other["kind"] == run["kind"]][-9:]
    figures = run["figures"]
    marked = {name: figure for name, figure in figures.items() if figure["mark"]}
    verdict = lambda figure: '<span class="met">met</span>' if figure["met"] else '<span class="missed">missed</span>'
    past = lambda name: [other["figures"][name]["value"] for other in before if name in other["figures"]]
    rows = [
        (escape(name), f'{number(figure["value"])} {escape(figure["unit"])}', escape(figure["mark"]), verdict(figure), spark(past(name) + [figure["value"]]))
        for name, figure in marked.items()
    ]
    growth = {}
    for name, figure in figures.items():
        parts = name.split(".")
        if parts[0] == "growth" and len(parts) == 4 and parts[2].isdigit() and parts[3] == "cpu":
            growth.setdefault(parts[1], []).append((int(parts[2]), figure["value"]))
    durations = [(name, figure["value"]) for name, figure in figures.items() if figure["unit"] == "ms" and name.split(".")[-1] in ("p50", "p99", "p999")]
    others = [(escape(name), f'{number(figure["value"])} {escape(figure["unit"])}', spark(past(name) + [figure["value"]])) for name, figure in figures.items() if not figure["mark"]]
    met = sum(1 for figure in marked.values() if figure["met"])
    lead = f'Commit {run["commit"]}, {run["time"]}, {run["processors"]} processors, load average before {run["loadAverageBefore"]}, {run["kind"]} run.'
    sections = [
        (f"{met} of {len(marked)} marks met", table(("figure", "value", "mark", "", "runs before"), rows, (1, 2))),
        ("Latencies", bars(durations, "Latencies in milliseconds", "ms")),
        *((f"CPU of a request as {what} grow", lines(sorted(points), f"CPU of a request by number of {what}", "us")) for what, points in growth.items() if len(points) > 1),
        ("Other figures", table(("figure", "value", "runs before"), others, (1,))),
    ]
    write(file, page("ClearView: speed and cost", lead, sections))


def spark(values):
    """Small bars, the last of them this run's."""
    if len(values) < 2 or max(values) <= 0:
        return ""
    parts = [
        f'<rect class="{"a" if n == len(values) - 1 else "b"}" x="{n * 9}" y="{20 - max(1, 20 * value / max(values)):.1f}" width="7" height="{max(1, 20 * value / max(values)):.1f}"/>'
        for n, value in enumerate(values)
    ]
    return drawing(len(values) * 9, 20, f"{len(values)} runs, the last is this one", parts)


def evaluate(source, file):
    """Calibration, scores by label, classes, and the mistakes."""
    judged = [json.loads(line) for line in pathlib.Path(source).read_text().splitlines()]
    head, rows = judged[0], judged[1:]
    limit = head["hiddenFrom"]
    wrong = lambda row: (row["score"] >= limit) != row["hide"]
    classes = sorted({row["class"] for row in rows if row["class"]})
    share = lambda some: f"{100 * sum(row['score'] >= limit for row in some) / len(some):.1f} %" if some else "–"
    by_class = [(escape(name), str(len(some)), share(some)) for name in classes for some in [[row for row in rows if row["class"] == name]]]
    kinds = sorted({row["kind"] for row in rows})
    by_kind = [(escape(kind), str(len(some)), f"{100 * sum(map(wrong, some)) / len(some):.1f} %") for kind in kinds for some in [[row for row in rows if row["kind"] == kind]]]
    by_kind.sort(key=lambda row: -float(row[2].split()[0]))
    mistakes = sorted((row for row in rows if wrong(row)), key=lambda row: -abs(row["score"] - limit))
    shown = [(f'{row["score"]:.2f}', "missed" if row["hide"] else "hidden", escape(row["preference"]), f'<span class="w">{escape(row["post"][:160])}</span>') for row in mistakes[:100]]
    if not head["shown"]:
        shown = []
    lead = f'{head["judge"]}, {head["split"]}: {len(rows)} posts; hidden from {limit} on. {len(mistakes)} are judged wrongly.'
    sections = [
        ("Calibration: of the posts with a score, how many should be hidden", calibration(rows)),
        ("Scores of posts to hide and of posts to show", histogram(rows)),
        ("Hidden, by class", table(("class", "posts", "hidden"), by_class, (1, 2)) if by_class else ""),
        ("Judged wrongly, by kind", table(("kind", "posts", "wrong"), by_kind, (1, 2))),
        ("The surest mistakes", table(("score", "", "preference", "post"), shown, (0,)) if shown else "<p>Rows that are held out are not shown: nobody tunes by them.</p>"),
    ]
    write(file, page("ClearView: the embedded judge", lead, sections))


def calibration(rows):
    """The share of posts to hide in each tenth of the scores; a good judge stays near the broken line."""
    parts = ['<line class="ideal" x1="60" y1="260" x2="460" y2="20"/>', '<line class="axis" x1="60" y1="260" x2="460" y2="260"/>', '<line class="axis" x1="60" y1="20" x2="60" y2="260"/>']
    for n in range(10):
        inside = [row for row in rows if n / 10 <= row["score"] < (n + 1) / 10 or (n == 9 and row["score"] >= 1)]
        if not inside:
            continue
        mean = sum(row["score"] for row in inside) / len(inside)
        hide = sum(row["hide"] for row in inside) / len(inside)
        x, y = 60 + 400 * mean, 260 - 240 * hide
        parts.append(f'<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 2 * math.log10(len(inside)):.1f}"/>')
        parts.append(f'<text x="{x + 12:.1f}" y="{y + 4:.1f}">{len(inside):,} posts</text>')
    for n in (0, 0.5, 1):
        parts.append(f'<text x="{60 + 400 * n:.0f}" y="278" text-anchor="middle">score {n}</text><text x="52" y="{264 - 240 * n:.0f}" text-anchor="end">{100 * n:.0f} %</text>')
    return drawing(560, 286, "Share of posts to hide by score", parts)


def histogram(rows):
    """How many posts have which score, those to show upwards and those to hide downwards."""
    count = lambda hide, n: sum(1 for row in rows if row["hide"] == hide and min(int(row["score"] * 20), 19) == n)
    most = max(max(count(hide, n) for n in range(20)) for hide in (True, False)) or 1
    height = lambda some: 110 * math.log10(1 + some) / math.log10(1 + most)
    parts = ['<line class="axis" x1="60" y1="130" x2="660" y2="130"/>', '<text x="60" y="14">to show</text>', '<text x="60" y="256">to hide (bars on a scale of logarithms)</text>']
    for n in range(20):
        up, down = height(count(False, n)), height(count(True, n))
        parts.append(f'<rect class="good" x="{62 + 30 * n}" y="{130 - up:.1f}" width="26" height="{up:.1f}"/><rect class="bad" x="{62 + 30 * n}" y="130" width="26" height="{down:.1f}"/>')
    return drawing(680, 264, "Posts by score and label", parts)


def write(file, text):
    pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(file).write_text(text)
    print(f"Drawn in {file}")


if __name__ == "__main__":
    {"bench": bench, "evaluate": evaluate}[sys.argv[1]](*sys.argv[2:4])
