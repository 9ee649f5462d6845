"""The cost of keeping a post from steering the verdicts of its neighbours, by the way in which it is done.

The day is that of tests/src/bin/bench/sections/replay/trace.rs, drawn by another generator: counts are within some 5 % of the
bench's. One post in twenty is hidden unless HIDDEN says otherwise. Run: python3 tests/scripts/confirmations.py [HIDDEN]
"""

import bisect
import itertools
import json
import math
import random
import sys
from pathlib import Path

USERS, REQUESTS, NEW_POSTS, PAGE = 20_000, 67_000, 1_000, 20
HOUR = 3_600.0
DAY, EVENING, FRESH, KEPT = 24 * HOUR, 6 * HOUR, 6 * HOUR, 24 * HOUR
# Dollars per token of gpt-5-mini: read, written.
READ, WRITTEN = 0.25e-6, 2e-6
UNITS = json.loads((Path(__file__).parent.parent / "prices/units.json").read_text())["assumed"]


def sums(weights):
    return list(itertools.accumulate(weights))


def zipf(count):
    return [1 / (n + 1) for n in range(count)]


def draw(weights, dice):
    return min(bisect.bisect_right(weights, dice.random() * weights[-1]), len(weights) - 1)


def moment(dice):
    while True:
        at = dice.random() * DAY
        if 2 * dice.random() < 1 - 0.9 * math.cos((at / HOUR - 4) / 24 * math.tau):
            return at


def trace(dice):
    """Requests as (time, preference, posts), from the evening before to the end of the day."""
    suggested, own = sums(zipf(30)), sums(zipf(2_000))
    preferences = [("own", draw(own, dice)) if dice.random() < 0.05 else ("suggested", draw(suggested, dice)) for _ in range(USERS)]
    active = sums(math.exp(dice.gauss(0, 1)) for _ in range(USERS))
    posts = NEW_POSTS * 54 // 24
    born = [dice.uniform(0, 2 * DAY + EVENING) - DAY for _ in range(posts)]
    attention = zipf(posts)
    dice.shuffle(attention)
    before = (moment(dice) + EVENING - DAY for _ in range(REQUESTS))
    times = sorted([at for at in before if at >= 0] + [moment(dice) + EVENING for _ in range(REQUESTS)])
    step, feed, weights = None, [], []
    for at in times:
        if at // 300 != step:
            step = at // 300
            feed = [n for n in range(posts) if 0 <= step * 300 - born[n] < DAY]
            weights = sums(attention[n] * 0.5 ** ((step * 300 - born[n]) / (2 * HOUR)) for n in feed)
        page = set()
        while len(page) < PAGE:
            page.add(feed[draw(weights, dice)])
        yield at, preferences[draw(active, dice)], sorted(page)


def replay(views, hidden, way, most=50, sampled=0.0):
    """Calls, posts put to models, and dollars of the day."""
    hides, known, calls, asked = {}, {}, 0, 0
    dice = random.Random(7)

    def is_hidden(question):
        return hides.setdefault(question, random.Random(str(question)).random()) < hidden

    for at, preference, page in views:
        together, alone, again = [], [], 0
        for post in page:
            question = (preference, post)
            since, fresh, last = known.get(question, (-KEPT, False, False))
            if fresh and at - since < FRESH:
                continue
            by_itself = way == "when next asked" and last and at - since < KEPT
            (alone if by_itself else together).append(question)
        for question in alone:
            known[question] = (at, True, is_hidden(question))
        batches = [together[n : n + most] for n in range(0, len(together), most)]
        for question, batch in ((question, batch) for batch in batches for question in batch):
            suspect = len(batch) > 1 and is_hidden(question)
            again += (suspect and way == "at once") + (len(batch) > 1 and dice.random() < sampled)
            known[question] = (at, not (suspect and way == "when next asked"), is_hidden(question))
        if at >= EVENING:
            calls += len(batches) + len(alone) + again
            asked += len(together) + len(alone) + again
    unit = {name: value["value"] for name, value in UNITS.items()}
    read = calls * unit["tokensPerCall"] + asked * unit["tokensPerPost"]
    written = asked * unit["tokensPerVerdict"] + calls * unit["reasoningTokensPerCall"]
    return calls, asked, read * READ + written * WRITTEN


def main():
    hidden = float(sys.argv[1]) if len(sys.argv) > 1 else 0.05
    views = list(trace(random.Random(20261121)))
    base = replay(views, hidden, "never")
    print(f"{'hidden posts are judged once more':<44}{'calls':>16}{'posts':>10}{'dollars':>16}")
    for name, figures in [
        ("never", base),
        ("alone, when next asked", replay(views, hidden, "when next asked")),
        ("alone, at once", replay(views, hidden, "at once")),
        ("never; one post in ten is, hidden or not", replay(views, hidden, "never", sampled=0.1)),
        ("never; calls of 5 posts at most", replay(views, hidden, "never", most=5)),
        ("never; each post has a call of its own", replay(views, hidden, "never", most=1)),
    ]:
        calls, asked, dollars = figures
        more = [100 * (figures[n] / base[n] - 1) for n in (0, 2)]
        print(f"{name:<44}{calls:>8} {more[0]:>+6.1f} %{asked:>10}{dollars:>9.2f} {more[1]:>+5.1f} %")


if __name__ == "__main__":
    main()
