"""Serves the template's stack from moto, for `clearview doctor`; and bends it, one way for each line of standard input.

    .venv/bin/python tests/scripts/serve_stack.py Cache=none

    .venv/bin/python tests/scripts/serve_stack.py --left-behind clearview-live-quota

Prints the server's address, then `bent` after each line. Moto has no composite alarms and no ElastiCache. With
--left-behind there is no stack, but a table of an earlier one.
"""

import sys

import boto3
from moto import mock_aws
from moto.awslambda.models import lambda_backends
from moto.cloudformation.models import cloudformation_backends
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.secretsmanager.models import secretsmanager_backends

from create_stack import ACCOUNT, REGION, make


def client(service):
    return boto3.client(service, region_name=REGION)


def as_in_aws(made, outputs):
    """Does the work of CloudFormation that moto leaves out: outputs, rotation, expiry, recovery, settings of functions and methods."""
    for name in (name for name in made if name.endswith("Table")):
        expiry = {"Enabled": True, "AttributeName": "ttl"}
        client("dynamodb").update_time_to_live(TableName=made[name], TimeToLiveSpecification=expiry)
        recovery = {"PointInTimeRecoveryEnabled": True}
        client("dynamodb").update_continuous_backups(TableName=made[name], PointInTimeRecoverySpecification=recovery)
    for function in lambda_backends[ACCOUNT][REGION].list_functions():
        function.architectures = ["arm64"]
    (stack,) = cloudformation_backends[ACCOUNT][REGION].stacks.values()
    stack.output_map._output_json_map = {name: {"Value": value} for name, value in outputs.items()}
    for name in ("TokenKeysSecret", "SigningKeysSecret"):
        secret = secretsmanager_backends[ACCOUNT][REGION].secrets[outputs[name]]
        secret.rotation_requested = secret.rotation_enabled = True
    everything = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "2000"}
    destination = {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": "arn:aws:logs:x"}
    update_stage(outputs, [everything, destination])


def update_stage(outputs, operations):
    api, stage = outputs["ApiUrl"].split("//")[1].split(".")[0], outputs["ApiUrl"].split("/")[-1]
    client("apigateway").update_stage(restApiId=api, stageName=stage, patchOperations=operations)


def bends(made, outputs):
    """Ways in which a stack goes wrong, by name."""
    settings = {"CLEARVIEW_TABLE_PREFIX": "elsewhere-"}
    off = {"PointInTimeRecoveryEnabled": False}
    firewall = made.get("Firewall")
    schedule = next(one for one in client("scheduler").list_schedules()["Schedules"] if one["Name"] == made["DayCloseSchedule"])
    target = client("scheduler").get_schedule(Name=schedule["Name"])
    kept = {name: target[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    return {
        "recovery": lambda: client("dynamodb").update_continuous_backups(
            TableName=made["IdentityTable"], PointInTimeRecoverySpecification=off
        ),
        "expiry": lambda: client("dynamodb").update_time_to_live(
            TableName=made["QuotaTable"], TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"}
        ),
        "alarm": lambda: client("cloudwatch").delete_alarms(AlarmNames=[made["ErrorRate"]]),
        "silence": lambda: client("cloudwatch").disable_alarm_actions(AlarmNames=[made["HitRate"]]),
        "nobody": lambda: [
            client("sns").unsubscribe(SubscriptionArn=of["SubscriptionArn"])
            for of in client("sns").list_subscriptions()["Subscriptions"]
        ],
        "log": lambda: client("logs").delete_retention_policy(logGroupName="/clearview/live/auth"),
        "settings": lambda: client("lambda").update_function_configuration(
            FunctionName=made["UsageFunction"], Environment={"Variables": settings}
        ),
        "switch": lambda: client("lambda").put_function_concurrency(
            FunctionName=made["AuthFunction"], ReservedConcurrentExecutions=0
        ),
        "secret": lambda: client("secretsmanager").delete_secret(SecretId=outputs["AdminKeysSecret"]),
        "firewall-log": lambda: client("wafv2").delete_logging_configuration(ResourceArn=firewall),
        "letters": lambda: client("cloudwatch").set_alarm_state(
            AlarmName=made["DeadLetters"], StateValue="ALARM", StateReason="a day was not closed"
        ),
        "schedule": lambda: client("scheduler").update_schedule(State="DISABLED", **kept),
        "budget": lambda: client("budgets").delete_budget(AccountId=ACCOUNT, BudgetName="clearview-live"),
        "throttle": lambda: update_stage(
            outputs, [{"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5"}]
        ),
    }


def stack(parameters):
    """Makes the stack; the ways to bend it."""
    _, made, _, outputs = make(parameters)
    as_in_aws(made, outputs)
    return bends(made, outputs)


def left_behind(table):
    """Makes a table and nothing else, of which nothing can be bent."""
    key = {"AttributeName": "key"}
    client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[key | {"AttributeType": "S"}],
        KeySchema=[key | {"KeyType": "HASH"}],
    )
    return {}


def main():
    with mock_aws():
        alone = sys.argv[1:2] == ["--left-behind"]
        ways = left_behind(sys.argv[2]) if alone else stack(sys.argv[1:])
        server = ThreadedMotoServer(port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        print(f"{host}:{port}", flush=True)
        for line in sys.stdin:
            for name in ways if line.strip() == "all" else [line.strip()]:
                ways[name]()
            print("bent", flush=True)


if __name__ == "__main__":
    main()
