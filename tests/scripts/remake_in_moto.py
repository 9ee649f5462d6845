"""Rehearses the loss of a whole stack in moto: copies of its tables are restored under their names, and its old keys are forgotten.

Not rehearsed, because moto cannot do it: AWS Backup's own restore jobs, and the import of the tables into a new stack.
"""

import sys

import boto3
from moto import mock_aws

from create_stack import REGION, STACK, make

KEPT = ("quota", "identity", "settings", "usage", "audit", "conversations")
USER = {"owner": {"S": "user#u_kept"}, "item": {"S": "profile"}}
# Where the public keys are published (docs/OPERATIONS.md, Remove).
KEYS = {
    "identity": {"owner": {"S": "keys"}, "item": {"S": "public"}},
    "settings": {"name": {"S": "keys"}},
}


def name(table):
    return f"clearview-live-{table}"


def copy(tables):
    """An on-demand copy of each kept table."""
    made = {}
    for table in KEPT:
        details = tables.create_backup(TableName=name(table), BackupName=f"copy-{table}")["BackupDetails"]
        made[table] = details["BackupArn"]
    return made


def restore(tables, copies):
    """The tables under their own names, with what a restore leaves out switched on again."""
    for table, arn in copies.items():
        tables.restore_table_from_backup(TargetTableName=name(table), BackupArn=arn)
        tables.update_time_to_live(
            TableName=name(table), TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
        )
        tables.update_continuous_backups(
            TableName=name(table), PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def main():
    with mock_aws():
        make(["Cache=none", "Waf=off"])
        tables = boto3.client("dynamodb", region_name=REGION)
        tables.put_item(TableName=name("identity"), Item={**USER, "tier": {"S": "pro"}})
        for table, key in KEYS.items():
            tables.put_item(TableName=name(table), Item={**key, "jwks": {"S": "of secrets that are gone"}})
        copies = copy(tables)
        boto3.client("cloudformation", region_name=REGION).delete_stack(StackName=STACK)
        for table in set(KEPT) & {there.removeprefix("clearview-live-") for there in tables.list_tables()["TableNames"]}:
            tables.delete_table(TableName=name(table))
        restore(tables, copies)
        # The new stack's secrets are of version 1; what is published is newer, and auth would refuse to go back.
        for table, key in KEYS.items():
            tables.delete_item(TableName=name(table), Key=key)
        assert tables.get_item(TableName=name("identity"), Key=USER)["Item"]["tier"]["S"] == "pro"
        for table, key in KEYS.items():
            assert "Item" not in tables.get_item(TableName=name(table), Key=key)
        for table in KEPT:
            lives = tables.describe_time_to_live(TableName=name(table))["TimeToLiveDescription"]
            assert lives["TimeToLiveStatus"] == "ENABLED", table
    print(f"restored {len(copies)} tables", file=sys.stdout)


if __name__ == "__main__":
    main()
