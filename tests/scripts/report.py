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
th,td{padding:5px 12px 5px 0;border-top:1px solid var(--line);white-space:nowrap}td.n,th.n{text-align:right}.w{white-space:normal;overflow-wrap:anywhere}
svg{display:block;max-width:100%;height:auto}text{fill:var(--soft);font-size:12px}.axis{stroke:var(--line)}
.met{color:var(--good)}.missed{color:var(--bad)}.a{fill:var(--accent)}.b{fill:var(--sand)}.bad{fill:var(--bad)}.good{fill:var(--good)}
.line{fill:none;stroke:var(--accent);stroke-width:2}.ideal{stroke:var(--soft);stroke-dasharray:4 4}.span{stroke:var(--soft);stroke-width:2}
.wide{min-width:860px}.soft{fill:var(--soft)}.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:24px}h3{font-size:15px;margin:0}
.keys{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;margin:0 0 12px;max-width:none}.keys i{display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:6px}
i.a{background:var(--accent)}i.b{background:var(--sand)}i.soft{background:var(--soft)}i.bad{background:var(--bad)}i.good{background:var(--good)}
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


QUANTILES = {"p50": "a", "p95": "b", "p99": "b", "p999": "soft", "longest": "soft"}


def spans(figures):
    """For each thing that was timed a line from its median to its slowest, on a scale of logarithms."""
    timed = {}
    # Growth has drawings of its own.
    for name, figure in ((name, figure) for name, figure in figures.items() if not name.startswith("growth.")):
        of, _, quantile = name.rpartition(".")
        if figure["unit"] == "ms" and quantile in QUANTILES and figure["value"] > 0:
            timed.setdefault(of, []).append((figure["value"], quantile, figure["met"] is False))
    if not timed:
        return ""
    values = [value for points in timed.values() for value, *_ in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.01))
    place = lambda value: 290 + 440 * (math.log10(value) - low) / (high - low)
    said = lambda value: f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"
    bottom = 24 + 26 * len(timed)
    parts = []
    for power in range(low, high + 1):
        x = place(10.0**power)
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="20" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="12" text-anchor="middle">{said(10.0**power)}</text>')
    for n, (of, points) in enumerate(sorted(timed.items(), key=lambda each: max(each[1]))):
        y = 38 + 26 * n
        points.sort()
        first, last = points[0][0], points[-1][0]
        parts.append(f'<text x="276" y="{y + 4}" text-anchor="end">{escape(of)}</text>')
        parts.append(f'<line class="span" x1="{place(first):.1f}" y1="{y}" x2="{place(last):.1f}" y2="{y}"/>')
        for value, quantile, missed in points:
            fill = "bad" if missed else QUANTILES[quantile]
            parts.append(f'<circle class="{fill}" cx="{place(value):.1f}" cy="{y}" r="5"><title>{quantile} {number(value)} ms</title></circle>')
        values = ", ".join(f"{quantile} {number(value)}" for value, quantile, _ in points)
        parts.append(f'<text x="746" y="{y + 4}">{values}</text>')
    keys = "".join(f'<span><i class="{kind}"></i>{name}</span>' for kind, name in (("a", "p50"), ("b", "p95, p99"), ("soft", "p999, longest"), ("bad", "misses its mark")))
    return f'<p class="keys">{keys}</p><div class="wide">' + drawing(990, bottom + 4, "Latencies in milliseconds, from the median to the slowest", parts) + "</div>"


def lines(points, label, unit):
    """A line through (x, y), y from 0; x on a scale of logarithms if it grows by more than a hundred."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    scale = (lambda x: math.log10(max(x, 1))) if max(xs) / max(min(xs), 1) >= 100 else float
    first, width = scale(min(xs)), max(scale(max(xs)) - scale(min(xs)), 0.01)
    top = max(ys) * 1.25 or 1
    at = [(36 + 384 * (scale(x) - first) / width, 150 - 130 * y / top, x, y) for x, y in points]
    parts = ['<line class="axis" x1="16" y1="150" x2="440" y2="150"/>']
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in at)
    parts.append(f'<polyline class="line" points="{path}"/>')
    for x, y, of, value in at:
        parts.append(f'<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{number(value)} {escape(unit)}</text>')
        parts.append(f'<text x="{x:.1f}" y="168" text-anchor="middle">{of:,}</text>')
    return drawing(456, 176, label, parts)


def nearness(figure):
    """How much of its mark a figure has used, or reached: a bar that should not pass the line, or should reach it."""
    limit = float(figure["mark"].split()[-1])
    if limit <= 0:
        return ""
    share = min(figure["value"] / limit, 1.5)
    fill = "good" if figure["met"] else "bad"
    rest = f'<rect class="{fill}" x="0" y="6" width="{max(1, 100 * share):.0f}" height="8" rx="2"/><line class="ideal" x1="100" y1="0" x2="100" y2="20"/>'
    return drawing(154, 20, f"{100 * figure['value'] / limit:.0f} % of the mark", [rest])


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
    unit = lambda figure: {"us": "µs"}.get(figure["unit"], figure["unit"])
    said = lambda figure: f'{number(figure["value"])} {escape(unit(figure))}'
    # Those that miss their mark are what a reader looks for.
    rows = [
        (escape(name), said(figure), escape(figure["mark"].replace("<=", "≤").replace(">=", "≥")), verdict(figure), nearness(figure), spark(past(name) + [figure["value"]]))
        for name, figure in sorted(marked.items(), key=lambda each: (each[1]["met"], each[0]))
    ]
    growth = {}
    for name, figure in figures.items():
        parts = name.split(".")
        if parts[0] == "growth" and len(parts) == 4 and parts[2].isdigit() and parts[3] == "cpu":
            growth.setdefault(parts[1], []).append((int(parts[2]), figure["value"]))
    grown = [(what, sorted(points)) for what, points in growth.items() if len(points) > 1]
    drawn = "".join(f"<div><h3>as {escape(what)} grow</h3>{lines(points, f'CPU of a request by number of {what}', 'µs')}</div>" for what, points in grown)
    others = [(escape(name), said(figure), spark(past(name) + [figure["value"]])) for name, figure in figures.items() if not figure["mark"]]
    met = sum(1 for figure in marked.values() if figure["met"])
    lead = f'Commit {run["commit"]}, {run["time"]}, {run["processors"]} processors, load average before {run["loadAverageBefore"]}, {run["kind"]} run.'
    sections = [
        (f"{met} of {len(marked)} marks met", table(("figure", "value", "mark", "", "against its mark", "runs, this one last"), rows, (1, 2))),
        ("Latencies", spans(figures)),
        ("CPU of a request", f'<div class="grid">{drawn}</div>' if drawn else ""),
        ("Other figures", table(("figure", "value", "runs, this one last"), others, (1,))),
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
    groups = lambda field: [(name, [row for row in rows if row[field] == name]) for name in sorted({row[field] for row in rows if row[field]})]
    percent = lambda some, of: f"{100 * sum(map(of, some)) / len(some):.1f} %"
    hidden, to_hide = (lambda row: row["score"] >= limit), (lambda row: row["hide"])
    by_class = [(escape(name), str(len(some)), percent(some, to_hide), percent(some, hidden)) for name, some in groups("class")]

    def wrongly(field):
        found = sorted(((escape(name), len(some), sum(map(wrong, some)) / len(some)) for name, some in groups(field)), key=lambda row: -row[2])
        # Rows of a feed have no kind.
        rows = [(name, str(count), f"{100 * share:.1f} %") for name, count, share in found]
        return f"<div>{table((field, 'posts', 'wrong'), rows, (1, 2))}</div>" if rows else ""

    mistakes = sorted((row for row in rows if wrong(row)), key=lambda row: -abs(row["score"] - limit))
    wide = lambda text: f'<span class="w">{escape(text[:160])}</span>'
    shown = [(f'{row["score"]:.2f}', "missed" if row["hide"] else "hidden", wide(row["preference"]), wide(row["post"])) for row in mistakes[:100]]
    if not head["shown"]:
        shown = []
    split = "rows that tuned it" if head["shown"] else "rows held out"
    lead = f'{head["judge"]}, {split}: {len(rows):,} posts. A score of {limit} or more hides; {len(mistakes):,} are judged wrongly.'
    sections = [
        ("Calibration: of the posts with a score, how many should be hidden", calibration(rows)),
        ("Scores of posts to hide and of posts to show", histogram(rows, limit)),
        ("Hidden, by class", table(("class", "posts", "should be", "are hidden"), by_class, (1, 2, 3)) if by_class else ""),
        ("Judged wrongly", f'<div class="grid">{wrongly("kind")}{wrongly("language")}</div>'),
        ("The surest mistakes", table(("score", "", "preference", "post"), shown, (0,)) if shown else "<p>Rows that are held out are not shown: nobody tunes by them.</p>"),
    ]
    write(file, page("ClearView: the embedded judge", lead, sections))


def calibration(rows):
    """The share of posts to hide in each tenth of the scores; a good judge stays near the broken line."""
    parts = ['<line class="ideal" x1="60" y1="260" x2="660" y2="30"/>', '<line class="axis" x1="60" y1="260" x2="660" y2="260"/>']
    for n in range(10):
        inside = [row for row in rows if min(int(row["score"] * 10), 9) == n]
        parts.append(f'<text x="{90 + 60 * n}" y="298" text-anchor="middle">{len(inside):,}</text>')
        if not inside:
            continue
        mean = sum(row["score"] for row in inside) / len(inside)
        hide = sum(row["hide"] for row in inside) / len(inside)
        x, y = 60 + 600 * mean, 260 - 230 * hide
        parts.append(f'<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 2 * math.log10(len(inside)):.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 13:.1f}" text-anchor="middle">{100 * hide:.0f} %</text>')
    for n in range(0, 11, 2):
        parts.append(f'<text x="{60 + 60 * n}" y="278" text-anchor="middle">{n / 10:g}</text>')
    for n in (0, 0.5, 1):
        parts.append(f'<text x="50" y="{264 - 230 * n:.0f}" text-anchor="end">{100 * n:.0f} %</text>')
    parts.append('<text x="672" y="278">score</text><text x="672" y="298">posts</text>')
    return drawing(720, 304, "Share of posts to hide by score", parts)


def histogram(rows, limit):
    """How many posts have which score: those to show upwards, those to hide downwards, and which of them are judged wrongly."""
    count = lambda hide, n: sum(1 for row in rows if row["hide"] == hide and min(int(row["score"] * 20), 19) == n)
    most = max(max(count(hide, n) for n in range(20)) for hide in (True, False)) or 1
    height = lambda some: 105 * math.log10(1 + some) / math.log10(1 + most)
    parts = []
    for n in range(20):
        for hide in (False, True):
            some = count(hide, n)
            tall = height(some)
            fill = "bad" if (n / 20 >= limit) != hide else "good"
            top = 130 if hide else 130 - tall
            parts.append(f'<rect class="{fill}" x="{62 + 30 * n}" y="{top:.1f}" width="26" height="{tall:.1f}"/>')
            if some:
                parts.append(f'<text x="{75 + 30 * n}" y="{142 + tall if hide else 125 - tall:.1f}" text-anchor="middle">{some}</text>')
    parts.append('<line class="axis" x1="60" y1="130" x2="660" y2="130"/><text x="50" y="100" text-anchor="end">show</text><text x="50" y="170" text-anchor="end">hide</text>')
    parts.append(f'<line class="ideal" x1="{60 + 600 * limit:.0f}" y1="0" x2="{60 + 600 * limit:.0f}" y2="260"/>')
    for n in range(0, 11, 2):
        parts.append(f'<text x="{60 + 60 * n}" y="276" text-anchor="middle">{n / 10:g}</text>')
    keys = '<span><i class="good"></i>judged rightly</span><span><i class="bad"></i>judged wrongly</span><span>Heights are logarithms; the broken line is where hiding begins.</span>'
    return f'<p class="keys">{keys}</p>' + drawing(680, 282, "Posts by score and label", parts)


def write(file, text):
    pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(file).write_text(text)
    print(f"Drawn in {file}")


if __name__ == "__main__":
    {"bench": bench, "evaluate": evaluate}[sys.argv[1]](*sys.argv[2:4])
