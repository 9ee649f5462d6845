"""Creates the template's stack in moto, as far as moto goes: what CloudFormation would resolve is resolved, and looked up.

    .venv/bin/python tests/scripts/create_stack.py Cache=none Waf=off

Prints one JSON object: what was made and what was not, each function's environment and role, tables, logs, secrets, outputs.
Fails when something refers to a missing resource, or a service would not take the properties.
"""

import io
import ipaddress
import itertools
import json
import os
import sys
import warnings
import zipfile

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")

import boto3
from botocore.validate import ParamValidator
from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends

from translated import SUBSTITUTED, Conditions, check, dependencies, references, translate

STACK, REGION, ACCOUNT = "clearview", "us-east-1", "123456789012"
BUCKET, KEY = "code", "functions.zip"

# Resources that moto's CloudFormation does not know, and its API does, with the call that CloudFormation would make: the
# parameter that is the resource's name, and the properties that the call has no parameter for.
CALLED = {
    "AWS::ApiGateway::Deployment": ("apigateway", "create_deployment", None, set()),
    "AWS::ApiGateway::RestApi": ("apigateway", "import_rest_api", None, {"EndpointConfiguration", "MinimumCompressionSize", "Name", "Parameters"}),
    "AWS::ApiGateway::Stage": ("apigateway", "create_stage", None, {"AccessLogSetting", "MethodSettings"}),
    "AWS::AppConfig::Application": ("appconfig", "create_application", None, set()),
    "AWS::AppConfig::ConfigurationProfile": ("appconfig", "create_configuration_profile", None, set()),
    "AWS::AppConfig::HostedConfigurationVersion": ("appconfig", "create_hosted_configuration_version", None, set()),
    "AWS::Backup::BackupVault": ("backup", "create_backup_vault", None, set()),
    "AWS::Budgets::Budget": ("budgets", "create_budget", None, set()),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "put_metric_alarm", None, set()),
    "AWS::CodeDeploy::Application": ("codedeploy", "create_application", "applicationName", set()),
    "AWS::CodeDeploy::DeploymentGroup": ("codedeploy", "create_deployment_group", "deploymentGroupName", set()),
    "AWS::Lambda::Alias": ("lambda", "create_alias", None, set()),
    "AWS::Lambda::EventInvokeConfig": ("lambda", "put_function_event_invoke_config", None, set()),
    "AWS::Lambda::EventSourceMapping": ("lambda", "create_event_source_mapping", None, set()),
    "AWS::Lambda::Permission": ("lambda", "add_permission", "StatementId", set()),
    "AWS::Logs::MetricFilter": ("logs", "put_metric_filter", "filterName", set()),
    "AWS::SNS::Subscription": ("sns", "subscribe", None, set()),
    "AWS::Scheduler::Schedule": ("scheduler", "create_schedule", "Name", set()),
    "AWS::SecretsManager::Secret": ("secretsmanager", "create_secret", "Name", {"GenerateSecretString"}),
    "AWS::WAFv2::WebACL": ("wafv2", "create_web_acl", None, set()),
    "AWS::WAFv2::LoggingConfiguration": ("wafv2", "put_logging_configuration", None, set()),
    "AWS::WAFv2::WebACLAssociation": ("wafv2", "associate_web_acl", None, set()),
}

# Types that moto's CloudFormation knows, but makes before the API: the call, for those that refer to it.
CALLED_AFTER_THE_API = {
    "AWS::IAM::ManagedPolicy": ("iam", "create_policy", "PolicyName", set()),
}

# Resources that cannot be made here: the reason; the call that would make them, whose parameters are checked; the attributes
# that others may ask of them, by CloudFormation's reference.
UNMADE = {
    "AWS::ApiGateway::Account": ("moto has one for itself", None, ()),
    "AWS::Backup::BackupPlan": ("the API has other names for its parts", None, ()),
    "AWS::Backup::BackupSelection": ("moto has none", ("backup", "create_backup_selection"), ()),
    "AWS::CloudWatch::CompositeAlarm": ("moto has alarms of metrics alone", ("cloudwatch", "put_composite_alarm"), ("Arn",)),
    "AWS::EC2::EgressOnlyInternetGateway": ("moto has its API alone; one of another network stands for it", None, ()),
    "AWS::EC2::VPCCidrBlock": ("moto gives a network IPv6 addresses when it is made, or never", None, ()),
    "AWS::ElastiCache::ServerlessCache": (
        "moto has clusters alone",
        ("elasticache", "create_serverless_cache"),
        ("ARN", "Endpoint.Address", "Endpoint.Port"),
    ),
    "AWS::ElastiCache::User": ("moto has those of Redis alone", ("elasticache", "create_user"), ("Arn",)),
    "AWS::ElastiCache::UserGroup": ("moto has none", ("elasticache", "create_user_group"), ()),
    "AWS::Logs::QueryDefinition": ("moto has none", ("logs", "put_query_definition"), ()),
    "AWS::SecretsManager::RotationSchedule": ("moto would call the function, which is not built", None, ()),
    "AWS::XRay::SamplingRule": ("moto has none", ("xray", "create_sampling_rule"), ()),
}

# Attributes of what moto does make, that it does not know.
UNKNOWN_TO_MOTO = {
    ("AWS::EC2::VPC", "Ipv6CidrBlocks"): ["2600:1f18:1234:5600::/56"],
    ("AWS::Lambda::Version", "Version"): "1",
}


def call_of(resources, name):
    """The call that makes a resource; None where moto's CloudFormation does."""
    kind = resources.get(name, {}).get("Type")
    kinds_referred_to = (resources.get(other, {}).get("Type") for other, _ in references(resources.get(name, {})))
    if kind in CALLED_AFTER_THE_API and "AWS::ApiGateway::RestApi" in kinds_referred_to:
        return CALLED_AFTER_THE_API[kind]
    return CALLED.get(kind)


def stand_in(kind, name, attribute):
    """Returns the stand-in for a reference to a resource that is not made: of the right form, and recognisable."""
    assert attribute is None or attribute in UNMADE[kind][2], f"{kind} has no attribute {attribute}"
    if attribute and attribute.upper() == "ARN":
        return f"arn:aws:unmade:{REGION}:{ACCOUNT}:{name}"
    if kind == "AWS::EC2::EgressOnlyInternetGateway":
        ec2 = boto3.client("ec2")
        network = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        return ec2.create_egress_only_internet_gateway(VpcId=network)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    return "6379" if attribute == "Endpoint.Port" else f"unmade-{name}".lower()


def cidr(block, count, bits):
    """Fn::Cidr, which moto does not know: the first blocks of a network, each with so many bits for hosts."""
    if isinstance(block, dict):
        place, blocks = block["Fn::Select"]
        block = blocks[place]
    network = ipaddress.ip_network(block)
    parts = network.subnets(new_prefix=network.max_prefixlen - bits)
    return [str(part) for part in itertools.islice(parts, count)]


def replaced(value, known):
    """A value with every reference that `known` has an answer for replaced by it."""
    if isinstance(value, list):
        return [replaced(member, known) for member in value]
    if not isinstance(value, dict):
        return value
    if set(value) & {"Ref", "Fn::GetAtt"}:
        answer = known(*next(references(value)))
        return value if answer is None else answer
    if isinstance(value.get("Fn::Sub"), str):
        def answer(match):
            name, _, attribute = match[1].partition(".")
            return known(name, attribute or None) or match[0]
        return {"Fn::Sub": SUBSTITUTED.sub(answer, value["Fn::Sub"])}
    members = {name: replaced(member, known) for name, member in value.items()}
    return cidr(*members["Fn::Cidr"]) if "Fn::Cidr" in members else members


def shaped(value, shape, left_out=frozenset()):
    """Properties as the parameters of a call: under its names, which differ in case, and of its types."""
    if shape.type_name == "structure":
        names = {member.lower(): member for member in shape.members}
        named = {names.get(name.lower(), name): of for name, of in value.items() if name not in left_out}
        strange = set(named) - set(shape.members)
        assert not strange, f"{shape.name} has no {strange}"
        return {name: shaped(of, shape.members[name]) for name, of in named.items()}
    if shape.type_name == "list":
        return [shaped(member, shape.member) for member in value]
    if shape.type_name == "map":
        return {name: shaped(of, shape.value) for name, of in value.items()}
    if shape.type_name == "boolean":
        return str(value).lower() == "true"
    if shape.type_name == "blob":
        return json.dumps(value).encode()
    if shape.type_name == "string" and isinstance(value, dict):
        return json.dumps(value)
    types = {"integer": int, "long": int, "double": float, "float": float, "string": str}
    return types.get(shape.type_name, lambda same: same)(value)


class Calls:
    """Makes, or at least checks, what CloudFormation would make and moto's does not."""

    def __init__(self, resources):
        self.resources, self.answers = resources, {}

    def known(self, name, attribute):
        """Resolves a reference; None if moto's CloudFormation knows it."""
        kind = self.resources.get(name, {}).get("Type")
        if kind in UNMADE:
            return stand_in(kind, name, attribute)
        if call_of(self.resources, name):
            return self.made(name)
        return UNKNOWN_TO_MOTO.get((kind, attribute))

    def resolved(self, value):
        """A value with every reference resolved; before there is a stack, those to what this makes."""
        value = replaced(value, self.known)
        stacks = list(cloudformation_backends[ACCOUNT][REGION].stacks.values())
        return parsing.clean_json(value, stacks[0].resource_map) if stacks else value

    def parameters(self, name, service, operation, left_out=frozenset()):
        """A resource's properties as the parameters of a call, with every reference resolved."""
        client = boto3.client(service)
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
        properties = self.resolved(self.resources[name]["Properties"])
        wrapped = self.resources[name]["Type"].rpartition("::")[2]
        if wrapped == "LoggingConfiguration":
            properties = {wrapped: properties}
        return shaped(properties, shape, left_out), shape

    def made(self, name):
        """Makes a resource, and those that it refers to, unless that was done; what a reference to it gives."""
        if name not in self.answers:
            kind = self.resources[name]["Type"]
            service, operation, named, left_out = call_of(self.resources, name)
            parameters, shape = self.parameters(name, service, operation, left_out)
            if named:
                parameters.setdefault(named, name)
            if "AccountId" in shape.required_members:
                parameters["AccountId"] = ACCOUNT
            answer = getattr(boto3.client(service), operation)(**parameters)
            references_give = {
                "AWS::AppConfig::Application": answer.get("Id"),
                "AWS::AppConfig::ConfigurationProfile": answer.get("Id"),
                "AWS::AppConfig::HostedConfigurationVersion": str(answer.get("VersionNumber")),
                "AWS::Backup::BackupVault": answer.get("BackupVaultName"),
                "AWS::ApiGateway::Deployment": answer.get("id"),
                "AWS::ApiGateway::RestApi": answer.get("id"),
                "AWS::ApiGateway::Stage": parameters.get("stageName"),
                "AWS::CloudWatch::Alarm": parameters.get("AlarmName"),
                "AWS::CodeDeploy::Application": parameters.get("applicationName"),
                "AWS::IAM::ManagedPolicy": answer.get("Policy", {}).get("Arn"),
                "AWS::Lambda::Alias": answer.get("AliasArn"),
                "AWS::SecretsManager::Secret": answer.get("ARN"),
                "AWS::WAFv2::WebACL": answer.get("Summary", {}).get("ARN"),
            }
            self.answers[name] = references_give.get(kind, name)
        return self.answers[name]

    def checked(self, name):
        """Holds a resource that cannot be made against the parameters of the call that would."""
        _, call, _ = UNMADE[self.resources[name]["Type"]]
        if call:
            parameters, shape = self.parameters(name, *call)
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), f"{name}: {report.generate_report()}"


def create(resources, template, values):
    """Creates the stack of what moto's CloudFormation knows; the physical names in it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("bootstrap", "")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=archive.getvalue())
    body = {name: template[name] for name in ("Parameters", "Mappings")} | {"Resources": resources}
    cloudformation = boto3.client("cloudformation")
    parameters = [{"ParameterKey": name, "ParameterValue": str(value)} for name, value in values.items()]
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(body, default=str), Parameters=parameters)
    made = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    named = [of for of in made if "LogicalResourceId" in of]
    # moto makes the policy of a bucket or a queue, and lists it without a name.
    policies = [name for name, of in resources.items() if of["Type"] in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")]
    assert len(made) - len(named) == len(policies), "others than the policies of buckets and queues have no name"
    complete = {of["LogicalResourceId"]: of.get("PhysicalResourceId", "") for of in named if of["ResourceStatus"] == "CREATE_COMPLETE"}
    return complete | {name: name for name in policies}


def make(arguments):
    """Makes what can be made of the stack, with parameters such as Waf=off; resources, physical names, outputs, values."""
    warnings.simplefilter("ignore")
    template, values = translate(dict(argument.split("=", 1) for argument in arguments), f"s3://{BUCKET}/{KEY}")
    conditions = Conditions(template, values)
    resources, outputs = conditions.live(template["Resources"]), conditions.live(template["Outputs"])
    check(resources, outputs, values)
    unmade = {name: of["Type"] for name, of in resources.items() if of["Type"] in UNMADE}
    called = [name for name in resources if call_of(resources, name)]
    ours = {name: of for name, of in resources.items() if name not in unmade and name not in called}
    calls = Calls(resources)
    there = {
        name: {**replaced(of, calls.known), "DependsOn": [other for other in dependencies(of) if other in ours]}
        for name, of in ours.items()
    }
    made = create(there, template, values)
    for name in called:
        made[name] = calls.made(name)
    for name in unmade:
        calls.checked(name)
    outputs = {name: calls.resolved(of["Value"]) for name, of in outputs.items()}
    return resources, made, unmade, outputs


def main():
    with mock_aws():
        resources, made, unmade, outputs = make(sys.argv[1:])
        tables = boto3.client("dynamodb").list_tables()["TableNames"]
        secrets = [secret["ARN"] for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]]
        logs = [group["logGroupName"] for group in boto3.client("logs").describe_log_groups()["logGroups"]]
        roles = [role["Arn"] for role in boto3.client("iam").list_roles()["Roles"]]
        functions = {of["FunctionName"]: of for of in boto3.client("lambda").list_functions()["Functions"]}
        functions = {name: functions[made[name]] for name, of in resources.items() if of["Type"] == "AWS::Lambda::Function"}
    result = {
        "resources": {name: of["Type"] for name, of in resources.items()},
        "made": made,
        "unmade": {kind: UNMADE[kind][0] for kind in set(unmade.values())},
        "outputs": outputs,
        # CloudFormation makes text of what a parameter of type Number has given.
        "environments": {
            name: {variable: str(value) for variable, value in of["Environment"]["Variables"].items()}
            for name, of in functions.items()
        },
        "roles": {name: of["Role"] in roles for name, of in functions.items()},
        "tables": tables,
        "secrets": secrets,
        "logs": logs,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
