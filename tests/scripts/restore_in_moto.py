"""Runs the restore drill as it is run in AWS, against moto, whose latest point in time stands still: here it moves with the clock."""

import os
import sys
from datetime import datetime, timezone

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
sys.argv[1:] = ["--prefix", "clearview-", "--poll-seconds", "0.1"]

import boto3
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends

import restore_drill

restorable = restore_drill.restorable


def with_moving_time(client, live):
    """The drill's client, once moto's clock was moved on."""
    backups = dynamodb_backends["123456789012"]["us-east-1"].tables[live].continuous_backups
    backups["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"] = datetime.now(timezone.utc).timestamp()
    return restorable(client, live)


with mock_aws():
    client = boto3.client("dynamodb")
    for name in restore_drill.TABLES:
        table = f"clearview-{name}"
        key = [{"AttributeName": "key", "AttributeType": "S"}]
        schema = [{"AttributeName": "key", "KeyType": "HASH"}]
        client.create_table(TableName=table, KeySchema=schema, AttributeDefinitions=key, BillingMode="PAY_PER_REQUEST")
        enabled = {"PointInTimeRecoveryEnabled": True}
        client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=enabled)
        client.put_item(TableName=table, Item={"key": {"S": "kept"}})
    restore_drill.restorable = with_moving_time
    restore_drill.main()
