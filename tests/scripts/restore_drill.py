"""The monthly restore drill: restores each table that cannot be derived again beside the live one, looks at it, removes it.

    .venv/bin/python tests/scripts/restore_drill.py --prefix clearview-live-

Nothing live is changed. Prints one JSON line per table, and on standard error how far it is; fails if a table is missing items, is older than an hour, or took
more than four hours. `--rehearse` copies items instead of asking for a point in time, as a table service of one's own has
no backups: `--endpoint-url http://127.0.0.1:8000 --prefix clearview- --rehearse`.
"""

import argparse
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import boto3

TABLES = ("quota", "identity", "settings", "usage", "audit", "conversations")
RECOVERY_TIME_SECONDS = 4 * 3600
RECOVERY_POINT_SECONDS = 3600


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", default="clearview-live-", help="what the tables' names start with")
    parser.add_argument("--endpoint-url", help="another place than AWS's own")
    parser.add_argument("--rehearse", action="store_true", help="copy items instead of restoring a point in time")
    parser.add_argument("--poll-seconds", type=float, default=20, help="how often to ask whether a table is there")
    return parser.parse_args()


class Progress:
    """Says on standard error which step of which table is under way: once, and again with each minute that it takes."""

    def __init__(self, table, number):
        self.table, self.number, self.since, self.said = table, number, time.monotonic(), None

    def __call__(self, step):
        seconds = time.monotonic() - self.since
        if self.said == (step, seconds // 60):
            return
        self.said = (step, seconds // 60)
        print(f"{self.number} of {len(TABLES)}, {self.table}: {step} (after {seconds:.0f} s)", file=sys.stderr, flush=True)


def items(client, table, **more):
    """Every item of a table, page by page."""
    pages = client.get_paginator("scan").paginate(TableName=table, **more)
    for page in pages:
        yield from page["Items"]


def keys(client, table):
    """The keys of every item of a table."""
    names = [key["AttributeName"] for key in client.describe_table(TableName=table)["Table"]["KeySchema"]]
    return {json.dumps([item[name] for name in names], sort_keys=True) for item in items(client, table)}


def restorable(client, live):
    """The latest second that the table can be restored to; some five minutes ago."""
    backups = client.describe_continuous_backups(TableName=live)["ContinuousBackupsDescription"]
    return backups["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"]


def restore(client, live, copy, noted, poll_seconds, progress):
    """Restores a table beside itself as it was after `noted`; how old what it holds is, in seconds."""
    progress("waiting for a point in time that can be restored, some five minutes")
    while (latest := restorable(client, live)) < noted:
        if (datetime.now(timezone.utc) - noted).total_seconds() > RECOVERY_POINT_SECONDS:
            sys.exit(f"{live} cannot be restored to a time within the last hour: {latest}")
        time.sleep(poll_seconds)
    client.restore_table_to_point_in_time(SourceTableName=live, TargetTableName=copy, RestoreDateTime=latest)
    while client.describe_table(TableName=copy)["Table"]["TableStatus"] != "ACTIVE":
        progress("restoring, twenty minutes at least")
        time.sleep(poll_seconds)
    return (datetime.now(timezone.utc) - latest).total_seconds()


def rehearse(client, live, copy, _noted, _poll_seconds, progress):
    """Copies a table item by item; the copy is of this moment."""
    progress("copying")
    table = client.describe_table(TableName=live)["Table"]
    client.create_table(
        TableName=copy,
        KeySchema=table["KeySchema"],
        AttributeDefinitions=table["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )
    for item in items(client, live):
        client.put_item(TableName=copy, Item=item)
    return 0.0


def drill(client, live, rehearsed, poll_seconds, progress):
    """Restores, compares, removes; what came of it."""
    copy = f"{live}-drill-{datetime.now(timezone.utc):%Y%m%d%H%M%S}"
    started = time.monotonic()
    progress("noting its keys")
    expected = keys(client, live)
    # A point in time is a whole second.
    noted = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
    age = (rehearse if rehearsed else restore)(client, live, copy, noted, poll_seconds, progress)
    seconds = time.monotonic() - started
    progress("comparing")
    try:
        restored = keys(client, copy)
    finally:
        progress("removing the copy")
        client.delete_table(TableName=copy)
    # An item noted before and missing in the copy was deleted in between, if the live table has lost it too.
    missing = expected - restored
    missing = len(missing & keys(client, live)) if missing else 0
    return {
        "table": live,
        "items": len(restored),
        "missing": missing,
        "ageSeconds": round(age),
        "seconds": round(seconds, 1),
        "passed": missing == 0 and age <= RECOVERY_POINT_SECONDS and seconds <= RECOVERY_TIME_SECONDS,
    }


def main():
    asked = arguments()
    client = boto3.client("dynamodb", endpoint_url=asked.endpoint_url)
    failed = False
    for number, table in enumerate(TABLES, 1):
        name = asked.prefix + table
        result = drill(client, name, asked.rehearse, asked.poll_seconds, Progress(name, number))
        print(json.dumps(result), flush=True)
        failed = failed or not result["passed"]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
