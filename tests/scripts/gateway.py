"""Writes gateway.json: what API Gateway needs of openapi.yaml, and nothing that its importer could stumble over.

    .venv/bin/python tests/scripts/gateway.py [--check]

That is paths, methods, path parameters, integrations, gateway responses. Functions check everything else, so the gateway
imports no schema, no model and no validator. With --check it fails when the file is not what it would write.
"""

import json
import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "gateway.json"
INTEGRATION = "x-amazon-apigateway-integration"
RESPONSES = "x-amazon-apigateway-gateway-responses"
# Of these alone, bodies reach a function as base64: a type that is listed is no text any more, and JSON must stay text.
BINARY = "x-amazon-apigateway-binary-media-types"


def path_parameters(path):
    """The parameters in a path's braces, which the importer wants declared."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def operation(path, described):
    """An operation with its integration; its answers are its function's."""
    slim = {name: value for name, value in described.items() if name.startswith("x-amazon-apigateway-")}
    slim["responses"] = {"200": {"description": "The function's answer"}}
    if parameters := path_parameters(path):
        slim["parameters"] = parameters
    return slim


def definition(openapi):
    """The gateway's definition of a contract."""
    paths = {
        path: {method: operation(path, described) for method, described in item.items() if INTEGRATION in described}
        for path, item in openapi["paths"].items()
    }
    # The API's name as template.yaml has it: whichever of the two AWS takes, metrics and sampling rule are of that name.
    info = {
        "title": {"Fn::Sub": "clearview-${Stage}"},
        "version": openapi["info"]["version"],
        "description": "Generated from openapi.yaml, which is the contract",
    }
    return {"openapi": openapi["openapi"], "info": info, "paths": paths, BINARY: openapi[BINARY], RESPONSES: openapi[RESPONSES]}


def main():
    text = json.dumps(definition(yaml.safe_load((ROOT / "openapi.yaml").read_text())), indent=1) + "\n"
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit("gateway.json is not in step with openapi.yaml: run `make gateway`")


if __name__ == "__main__":
    main()
