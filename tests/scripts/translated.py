"""template.yaml as SAM hands it to CloudFormation, and what is live of it for some values of its parameters."""

import logging
import pathlib
import re

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PSEUDO = {"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}
SUBSTITUTED = re.compile(r"\$\{([^!}]+)\}")


def translate(parameters, code):
    """The template by SAM's own translator, and the values of its parameters: those given, and the defaults."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    api = template["Resources"]["Api"]["Properties"]
    include = api["DefinitionBody"]["Fn::Transform"]
    assert include["Name"] == "AWS::Include", include
    api["DefinitionBody"] = yaml_parse((ROOT / include["Parameters"]["Location"]).read_text())
    # As `sam package` does once it has built and uploaded the functions.
    template["Globals"]["Function"]["CodeUri"] = code
    unknown = set(parameters) - set(template["Parameters"])
    assert not unknown, f"no such parameters: {unknown}"
    values = {name: of["Default"] for name, of in template["Parameters"].items()} | parameters
    # Of feature toggles that SAM's own service has.
    logging.disable(logging.WARNING)
    return Translator({}, Parser()).translate(template, dict(values)), values


class Conditions:
    """Which conditions hold, for some values of the parameters."""

    def __init__(self, template, values):
        self.named, self.values = template["Conditions"], values

    def hold(self, condition):
        if isinstance(condition, str):
            return self.hold(self.named[condition])
        ((function, operands),) = condition.items()
        if function == "Condition":
            return self.hold(operands)
        if function == "Fn::Equals":
            one, other = (self.values[side["Ref"]] if isinstance(side, dict) else side for side in operands)
            return str(one) == str(other)
        if function == "Fn::Not":
            return not self.hold(operands[0])
        return {"Fn::And": all, "Fn::Or": any}[function](self.hold(operand) for operand in operands)

    def decided(self, value):
        """A value with every Fn::If decided, and without what is AWS::NoValue."""
        no_value = {"Ref": "AWS::NoValue"}
        if isinstance(value, list):
            return [member for member in map(self.decided, value) if member != no_value]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return self.decided(then if self.hold(condition) else otherwise)
        members = {name: self.decided(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member != no_value}

    def live(self, group):
        """The members of a group that there are, decided."""
        live = {name: of for name, of in group.items() if "Condition" not in of or self.hold(of["Condition"])}
        return {name: self.decided({key: member for key, member in of.items() if key != "Condition"}) for name, of in live.items()}


def references(value):
    """Every (name, attribute or None) that a value asks for."""
    if isinstance(value, list):
        for member in value:
            yield from references(member)
    elif isinstance(value, dict):
        for function, operand in value.items():
            if function == "Ref":
                yield operand, None
            elif function == "Fn::GetAtt":
                name, attribute = operand if isinstance(operand, list) else operand.split(".", 1)
                yield name, attribute
            elif function == "Fn::Sub":
                text, own = operand if isinstance(operand, list) else (operand, {})
                yield from references(own)
                for found in set(SUBSTITUTED.findall(text)) - set(own):
                    name, _, attribute = found.partition(".")
                    yield name, attribute or None
            else:
                yield from references(operand)


def dependencies(resource):
    """Returns the names that a resource depends on."""
    named = resource.get("DependsOn", [])
    return [named] if isinstance(named, str) else named


def check(resources, outputs, values):
    """Fails where something refers to what is not there, for these values of the parameters."""
    for place, value in [*resources.items(), *outputs.items()]:
        for name, attribute in references(value):
            there = name in resources or (attribute is None and (name in values or name in PSEUDO))
            assert there, f"{place} refers to {name}, which is not there"
        for name in dependencies(value):
            assert name in resources, f"{place} depends on {name}, which is not there"
