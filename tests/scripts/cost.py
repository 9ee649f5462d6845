"""The cost of a month of ClearView, line by line: `make cost`.

Prices with their dates and sources are in tests/prices/us-east-1.json, what is used in tests/prices/units.json; the
alarms are counted in template.yaml. `--figure` prints nothing but dollars of infrastructure for 20,000 daily users; `--check` fails if the traffic of 20,000 daily users costs more than it may.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAYS = 30
HOURS = 730
SCALES = (1_000, 20_000, 100_000, 1_000_000)
MOST_FOR_20K = 80.0
ALARMS_OF_STATISTICS = 1
# Resources that are there only where there are assistants: a line of chat.
OPTIONAL = re.compile(r"^  \w+:\n    Type: \S+\n    Condition: HasAssistants\n(?:    .*\n|\n)*", re.M)

PRICES = json.loads((ROOT / "tests/prices/us-east-1.json").read_text())
UNITS = json.loads((ROOT / "tests/prices/units.json").read_text())


def unit(name):
    """The value of a unit, from whichever group it is in."""
    return next(group[name]["value"] for group in UNITS.values() if isinstance(group, dict) and name in group)


def dollars_of(written):
    """A price: a number, or the name of the constant that records are priced with."""
    if not isinstance(written, str):
        return written
    source = (ROOT / "shared/src/telemetry/cost.rs").read_text()
    return float(re.search(rf"pub const {written}: f64 = ([0-9._]+);", source)[1].replace("_", ""))


def price(name, amount):
    """Dollars for an amount in the unit of the price, beyond what is free."""
    of = PRICES["prices"][name]
    return max(0.0, amount - of.get("freePerMonth", 0)) * dollars_of(of["price"])


def gateway(requests):
    """Dollars for requests to the REST API, which are cheaper by the hundred million."""
    dollars, left = 0.0, requests
    for size, per_million in PRICES["prices"]["gatewayRequestsMillion"]["tiers"]:
        here = left if size is None else min(left, size)
        dollars += here / 1e6 * dollars_of(per_million)
        left -= here
    return dollars


def alarms():
    """Metrics of alarms, and composite alarms, in the template, but for those of jobs, of detect, of chat and of statistics."""
    text = OPTIONAL.sub("", (ROOT / "template.yaml").read_text())
    of_expressions = text.count("MetricStat:")
    of_one_metric = len(re.findall(r"^      MetricName: ", text, re.M))
    return of_expressions + of_one_metric - sum(alarms_of_jobs()) - alarms_of_detect() - alarms_of_chat() - ALARMS_OF_STATISTICS, text.count("Type: AWS::CloudWatch::CompositeAlarm")


def alarms_of_detect():
    """Metrics of alarms that are there for detect alone."""
    text = (ROOT / "template.yaml").read_text()
    return len(re.findall(r"^ +Metric: .*(?:Value: detect|DetectFunction) ", text, re.M))


def alarms_of_chat():
    """Metrics of alarms that are there for chat alone, also where there is no assistant."""
    text = OPTIONAL.sub("", (ROOT / "template.yaml").read_text())
    return len(re.findall(r"^ +Metric: .*(?:Value: chat|ChatFunction) ", text, re.M))


def alarms_of_jobs():
    """Metrics of alarms that are there for jobs alone: always, and only where jobs are taken."""
    text = (ROOT / "template.yaml").read_text()
    always = len(re.findall(r"^ +Metric: .*(?:Value: jobs|JobsFunction|WorkerFunction|WebhooksFunction) ", text, re.M))
    own = len(re.findall(r"^  Jobs\w+:\n    Type: AWS::CloudWatch::Alarm\n", text, re.M))
    return always, own


def month(users):
    """Returns the units that so many daily users use in a month."""
    classify = users * unit("classifyRequestsPerUserDay") * DAYS
    posts = users * unit("postsPerUserDay") * DAYS
    judged = posts * (1 - unit("hitRate"))
    per_request = posts / max(classify, 1)
    waits = classify * (1 - unit("hitRate") ** per_request)
    refreshes, looks = (users * unit(name) * DAYS for name in ("refreshesPerUserDay", "usageReadsPerUserDay"))
    registrations = users * unit("registrationsPerUserDay") * DAYS
    others = refreshes + looks + registrations
    return {
        "classify": classify,
        "others": others,
        "refreshes": refreshes,
        "looks": looks,
        "registrations": registrations,
        "posts": posts,
        "judged": judged,
        "calls": waits,
        "requests": classify + others,
        "seconds": (classify + others) * unit("millisPerClassifyCached") / 1e3,
        "seconds_of_models": waits * unit("millisPerModelCall") / 1e3,
    }


def infrastructure(users, waf=True, cache=True):
    """The lines of the bill for infrastructure: what, how much of it, dollars."""
    m = month(users)
    keyed = m["classify"] * unit("keyedShare")
    writes = (m["classify"] - keyed) * unit("writesPerClassify") + keyed * unit("writesPerKeyedClassify")
    writes += m["judged"] * unit("writesPerJudgedPost") + m["calls"] * unit("writesPerModelCall")
    writes += m["refreshes"] * unit("writesPerRefresh") + m["registrations"] * unit("writesPerRegistration")
    writes += users * DAYS * unit("writesPerUserDayClosed")
    reads = keyed * unit("readsPerKeyedClassify") + m["judged"] * unit("readsPerMissedPost") + m["refreshes"] * unit("readsPerRefresh") + m["looks"] * unit("readsPerUsage")
    noted = (m["refreshes"] + m["registrations"]) / DAYS * unit("auditDaysOfSessions")
    stored = users / 1e6 * unit("tableGigabytesPerMillionUsers") + noted * unit("bytesPerAuditEntry") / 1e9
    lines = m["classify"] * unit("bytesLoggedPerClassify") + m["others"] * unit("bytesLoggedPerOther")
    of_each_request = unit("bytesLoggedByPlatform") + (unit("bytesPerFirewallLine") if waf else 0)
    logged = (lines + m["requests"] * of_each_request) / 1e9
    units = m["classify"] * unit("cacheUnitsPerClassify") / 1e6
    kept = max(PRICES["prices"]["cacheGigabyteHour"]["minimumGigabytes"], m["judged"] / DAYS * unit("bytesPerVerdictCached") / 1e9)
    read, composite = alarms()
    memory = unit("memoryGigabytes")
    metrics = unit("metrics") - sum(unit(f"metricsOf{workload}") for workload in ("Rank", "Detect", "Jobs", "Chat"))
    secrets = unit("secrets") - unit("secretsOfJobs")
    bill = [
        ("API Gateway, million requests", m["requests"] / 1e6, gateway(m["requests"])),
        ("Lambda, million invocations", m["requests"] / 1e6, price("invocationsMillion", m["requests"] / 1e6)),
        ("Lambda, thousand GB-seconds of ours", m["seconds"] * memory / 1e3, price("gigabyteSecondArm", m["seconds"] * memory)),
        ("Lambda, thousand GB-seconds waiting for models", m["seconds_of_models"] * memory / 1e3, price("gigabyteSecondArm", m["seconds_of_models"] * memory)),
        ("DynamoDB, million writes", writes / 1e6, price("tableWritesMillion", writes / 1e6)),
        ("DynamoDB, million reads", reads / 1e6, price("tableReadsMillion", reads / 1e6)),
        ("DynamoDB, GB kept and recoverable", stored, price("tableGigabyteMonth", stored) + price("recoveryGigabyteMonth", stored)),
        ("CloudWatch, GB of logs", logged, price("logGigabyte", logged) + price("logGigabyteMonthKept", logged)),
        ("CloudWatch, metrics", metrics, price("metricMonth", metrics if users else 0)),
        ("CloudWatch, metrics of alarms", read, price("alarmMetricMonth", read) + price("compositeAlarmMonth", composite)),
        ("X-Ray, million traces (1 %)", m["requests"] / 1e8, price("tracesMillion", m["requests"] / 1e8)),
        ("Secrets", secrets, price("secretMonth", secrets)),
        ("Egress, GB", m["requests"] * unit("bytesPerAnswer") / 1e9, price("egressGigabyte", m["requests"] * unit("bytesPerAnswer") / 1e9)),
    ]
    if cache:
        bill.append(("Valkey, GB kept", kept, price("cacheGigabyteHour", kept * HOURS)))
        bill.append(("Valkey, million units", units, price("cacheUnitsMillion", units)))
    if waf:
        rules = unit("firewallRules")
        fixed = price("firewallMonth", 1) + price("firewallRuleMonth", rules)
        bill.append(("WAF, rules", rules, fixed))
        bill.append(("WAF, million requests", m["requests"] / 1e6, price("firewallRequestsMillion", m["requests"] / 1e6)))
    return bill


def models(posts, calls):
    """Dollars for models that judge so many posts in so many calls."""
    read = calls * unit("tokensPerCall") + posts * unit("tokensPerPost")
    written = posts * unit("tokensPerVerdict") + calls * unit("reasoningTokensPerCall")
    return price("modelInputTokensMillion", read / 1e6) + price("modelOutputTokensMillion", written / 1e6)


def total(bill):
    return sum(dollars for _, _, dollars in bill)


def show(users):
    bill = infrastructure(users)
    print(f"\n{users:,} daily users: {month(users)['requests']:,.0f} requests and {month(users)['posts']:,.0f} posts a month")
    for what, amount, dollars in bill:
        print(f"  {what:<48}{amount:>14,.2f}{dollars:>14,.2f}")
    print(f"  {'infrastructure':<62}{total(bill):>14,.2f}")
    m = month(users)
    with_cache, without = models(m["judged"], m["calls"]), models(m["posts"], m["classify"])
    name = PRICES["prices"]["modelInputTokensMillion"]["model"]
    print(f"  {f'models, if {name} judges (local: nothing)':<62}{with_cache:>14,.2f}")
    if without:
        print(f"  {'the same without any cache':<62}{without:>14,.2f}  ({100 * (1 - with_cache / without):.0f} % saved)")
        print(f"  {'dollars for 1,000 requests, models included':<62}{(total(bill) + with_cache) / m['requests'] * 1e3:>14,.4f}")


def detect(per_second):
    """Prints what so many captures a second cost all month, if each device sends one each 5 s, and what spares which part of it."""
    captures = per_second * 86_400 * DAYS
    print(f"\ndetect at {per_second:,} captures a second around the clock, one each 5 s of a device: {captures / 1e9:,.1f} billion a month")
    print(f"  {'':<44}{'ours':>14}{'paid model':>14}{'together':>14}")
    reuse, pace, doubt = unit("detectCallsSaved"), unit("detectPaceSaved"), unit("detectInDoubt")
    for what, saved, paced, paid in (
        ("every capture judged by a paid model", 0, 0, 1),
        ("with reuse and cache", reuse, 0, 1),
        ("with reuse, cache and pace", reuse, pace, 1),
        ("the same, and the cascade", reuse, pace, doubt),
        ("the same, by the embedded model alone", reuse, pace, 0),
    ):
        ours, models = detect_bill(captures * (1 - paced), saved, paid)
        print(f"  {what:<44}{ours:>14,.0f}{models:>14,.0f}{ours + models:>14,.0f}")


def detect_bill(requests, saved, paid):
    """Dollars of a month's captures for infrastructure and for models: so much saved by reuse, so much judged by a paid model."""
    known, judged = requests * saved, requests * (1 - saved)
    seconds = (known * unit("detectMillisKnown") + judged * unit("detectMillisJudged")) / 1e3
    units = known * unit("detectCacheUnitsKnown") + judged * unit("detectCacheUnitsJudged")
    logged = requests * (unit("detectBytesLogged") + unit("bytesLoggedByPlatform") + unit("bytesPerFirewallLine")) / 1e9
    ours = gateway(requests) + price("invocationsMillion", requests / 1e6)
    ours += price("gigabyteSecondArm", seconds * unit("detectGigabytes")) + price("firewallRequestsMillion", requests / 1e6)
    ours += price("cacheUnitsMillion", units / 1e6) + price("tableWritesMillion", judged / 1e6) + price("logGigabyte", logged)
    ours += price("metricMonth", unit("metricsOfDetect")) + price("alarmMetricMonth", alarms_of_detect())
    return ours, judged * paid * unit("detectDollarsPerImage")


def rank(requests=1_000_000):
    """Print the cost of so many requests for a ranking of 10 items, by the samples of each."""
    called = requests * (1 - unit("rankHitRate"))
    base = gateway(requests) + price("invocationsMillion", requests / 1e6)
    print(f"\nrank: {requests:,} requests for a ranking of 10 items, {unit('rankHitRate'):.0%} of them known")
    for samples in (1, 3):
        calls = called * samples
        dollars = price("modelInputTokensMillion", calls * unit("rankTokensRead") / 1e6)
        dollars += price("modelOutputTokensMillion", calls * unit("rankTokensWritten") / 1e6)
        # Samples are asked side by side: a request waits for one.
        waiting = price("gigabyteSecondArm", called * unit("millisPerModelCall") / 1e3 * unit("memoryGigabytes"))
        # Each is charged; one that is asked for is kept, and the cost of its calls noted.
        written = price("tableWritesMillion", (requests + called + calls * unit("writesPerModelCall")) / 1e6)
        ours = base + waiting + written
        print(f"  {f'{samples} samples each: infrastructure, models':<48}{ours:>14,.2f}{dollars:>14,.2f}")
    metrics = unit("metricsOfRank") * dollars_of(PRICES["prices"]["metricMonth"]["price"])
    print(f"  {'its metrics':<62}{metrics:>14,.2f}")


def chat(replies=1_000_000):
    """Print the cost of so many replies, each a stream that keeps an instance for as long as it takes."""
    asked = replies * (1 - unit("chatHitRate"))
    # A remembered reply is one write.
    writes = asked * unit("writesPerReply") + (replies - asked)
    # Beyond what is free: other workloads use that up.
    metrics = (unit("metricsOfChat") + 2) * dollars_of(PRICES["prices"]["metricMonth"]["price"])
    metrics += 5 * dollars_of(PRICES["prices"]["alarmMetricMonth"]["price"])
    streaming = price("gigabyteSecondArm", asked * unit("chatSecondsPerReply") * unit("memoryGigabytes"))
    holds = price("tableWritesMillion", writes / 1e6)
    base = gateway(replies) + price("invocationsMillion", replies / 1e6) + holds
    models = price("modelInputTokensMillion", asked * unit("chatTokensRead") / 1e6)
    models += price("modelOutputTokensMillion", asked * unit("chatTokensWritten") / 1e6)
    print(f"\nchat: {replies:,} replies, {unit('chatHitRate'):.0%} of them remembered")
    print(f"  {'infrastructure, of which streaming, models':<48}{base + streaming:>14,.2f}{streaming:>14,.2f}{models:>14,.2f}")
    print(f"  {'of which DynamoDB: tokens set aside and settled, costs noted':<62}{holds:>14,.2f}")
    print(f"  {'besides, if each of them is a turn of a conversation':<62}{turns(replies):>14,.2f}")
    print(f"  {'its metrics and alarms, where there are assistants':<62}{metrics:>14,.2f}")
    always = alarms_of_chat() * dollars_of(PRICES["prices"]["alarmMetricMonth"]["price"])
    print(f"  {'metrics of alarms that are always there':<62}{always:>14,.2f}")


def turns(count):
    """Dollars for so many turns of conversations in a month: written, read before the next one, and kept for 30 days."""
    stored = count * unit("bytesPerTurn") / 1e9
    kept = price("tableGigabyteMonth", stored) + price("recoveryGigabyteMonth", stored)
    return price("tableWritesMillion", count * unit("writesPerTurn") / 1e6) + price("tableReadsMillion", count * unit("readsPerTurn") / 1e6) + kept


def jobs(posts=1_000_000, posts_per_job=500):
    """Print the cost of so many posts as jobs of this size, models apart."""
    count = posts / posts_per_job
    always, own = alarms_of_jobs()
    # The free tiers have been used up by the classifications.
    each = {name: dollars_of(of["price"]) for name, of in PRICES["prices"].items() if "price" in of}
    # Three mappings poll with five readers each, every 20 s; a job is sent, received and deleted, in pieces of 64 KB.
    polls = 3 * 5 * 3 * 60 * 24 * DAYS
    pieces = -(-posts_per_job * unit("bytesPerJobPost") // 65_536)
    messages = count * (2 * pieces + 1)
    bill = [
        ("alarms and the secret of webhooks, always", each["alarmMetricMonth"] * always + each["secretMonth"] * unit("secretsOfJobs")),
        ("alarms and metrics where jobs are taken", each["alarmMetricMonth"] * (own) + each["metricMonth"] * (2 * unit("metricsOfJobs"))),
        ("SQS, polls of idle queues and messages", each["queueRequestsMillion"] * ((polls + messages) / 1e6)),
        ("API Gateway, a submit and three polls", gateway(4 * count)),
        ("DynamoDB, charge and result", each["tableWritesMillion"] * (count * (1 + unit("writesPerJob")) / 1e6)),
        ("DynamoDB, reads of polls and workers", each["tableReadsMillion"] * (count * 6 / 1e6)),
        ("Lambda, workers", each["invocationsMillion"] * (5 * count / 1e6) + each["gigabyteSecondArm"] * (count * posts_per_job / 50 / 4 * unit("millisPerModelCall") / 1e3)),
    ]
    print(f"\njobs: {posts:,} posts a month in jobs of {posts_per_job}, besides the verdicts' own lines")
    for what, dollars in bill:
        print(f"  {what:<62}{dollars:>14,.2f}")
    print(f"  {'together':<62}{sum(dollars for _, dollars in bill):>14,.2f}")


def statistics(devices=20_000):
    """Print the cost of statistics for so many devices, by the seconds between their captures, beside a write for each detection."""
    hours = unit("statisticsHoursPerDay")
    slots = devices * hours * 12 * DAYS
    writes = slots * unit("statisticsWritesPerSlot") + devices * DAYS * unit("statisticsWritesPerUserDayClosed")
    reads = slots * unit("statisticsReadsPerSlotClosed")
    stored = slots * unit("statisticsBytesPerSlot") / 1e9
    print(f"\nstatistics: {devices:,} devices for {hours} hours a day")
    for seconds in (5, 10, 15):
        detections = slots * 300 / seconds
        counted = detections * unit("statisticsCacheUnits") / 1e6
        dollars = price("tableWritesMillion", writes / 1e6) + price("tableReadsMillion", reads / 1e6)
        dollars += price("tableGigabyteMonth", stored) + price("recoveryGigabyteMonth", stored) + price("cacheUnitsMillion", counted)
        each = {name: dollars_of(PRICES["prices"][name]["price"]) for name in ("metricMonth", "alarmMetricMonth")}
        dollars += each["metricMonth"] * unit("metricsOfStatistics") + each["alarmMetricMonth"] * ALARMS_OF_STATISTICS
        plain = price("tableWritesMillion", detections / 1e6)
        fewer = 100 * (1 - writes / detections)
        print(f"  {f'a capture each {seconds} s: {detections / 1e6:,.0f} million, {fewer:.0f} % fewer writes; a write for each':<62}{dollars:>14,.2f}{plain:>14,.2f}")


def main():
    if "--figure" in sys.argv:
        print(f"{total(infrastructure(20_000)):.2f}")
        return
    print(f"Prices of {PRICES['region']} as of {PRICES['asOf']}, in {PRICES['currency']} a month of {DAYS} days. {PRICES['note']}")
    idle, bare = total(infrastructure(0)), total(infrastructure(0, waf=False, cache=False))
    print(f"\nidle: {idle:,.2f} with the template's defaults; {bare:,.2f} with Waf=off Cache=none")
    for users in SCALES:
        show(users)
    rank()
    chat()
    jobs()
    statistics()
    for per_second in (2_000, 10_000, 20_000):
        detect(per_second)
    print("  From about a billion captures a month the same code runs cheaper in containers behind a load balancer.")
    if "--check" in sys.argv:
        check()


def check():
    """Fails where 20,000 daily users cost more than was asked for, or docs/OPERATIONS.md says something else than this bill."""
    of_20k = total(infrastructure(20_000))
    if of_20k > MOST_FOR_20K:
        sys.exit(f"infrastructure for 20,000 daily users costs {of_20k:.2f}, more than {MOST_FOR_20K:.0f}")
    page = (ROOT / "docs/OPERATIONS.md").read_text()
    bare = total(infrastructure(0, waf=False, cache=False))
    rows = [f"| none | {total(infrastructure(0)):,.0f} USD ({bare:,.0f} with `Waf=off Cache=none`) |"]
    rows += [f"| {users:,} | {total(infrastructure(users)):,.0f} USD |" for users in SCALES]
    for row in rows:
        if row not in page:
            sys.exit(f"docs/OPERATIONS.md, The bill, has no row that begins with {row}")


if __name__ == "__main__":
    main()
