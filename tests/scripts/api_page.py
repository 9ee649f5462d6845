"""Writes docs/API.md from openapi.yaml: each endpoint with its request, answer, limits and errors. The limits are those of the
table in docs/LIMITS.md.

    .venv/bin/python tests/scripts/api_page.py [--check]

With --check it fails when the page is not what it would write.
"""

import json
import pathlib
import re
import sys
import textwrap

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "API.md"
LIMITS = ROOT / "docs" / "LIMITS.md"
METHODS = ("get", "post", "put", "delete")
# Every endpoint answers these in the same way, so the page says them once.
COMMON = ("405", "413", "415", "500")
HEAD = """# The API

`make api` writes this page from [openapi.yaml](../openapi.yaml), the contract. Do not edit it here.
[QUICKSTART.md](QUICKSTART.md) goes through an app's requests. [LIMITS.md](LIMITS.md) explains
limits, errors, headers and signatures. Limits that every endpoint has, such as requests of one
address and the size of a body, are there alone.
"""


def limits_by_endpoint(page):
    """The rows of the table of limits, as items of a list, for each endpoint that a row names by its method and path."""
    found = {}
    for row in page.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) != 4:
            continue
        limit, policy, applies, default = cells
        method = None
        for name in re.findall(r"`([^`]+)`", applies):
            # `POST /v1/rerank`, `/v2/rerank`: the second has the method of the first.
            method, path = name.split(" ", 1) if " " in name else (method, name)
            item = f"- {limit}{f' ({policy})' if policy else ''}: {default}"
            found.setdefault((method, path), []).append(wrapped(item, "  "))
    return found


def wrapped(text, indent=""):
    """A paragraph in lines of 100 characters."""
    text = re.sub(r"\s+", " ", text).strip()
    return textwrap.fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def cell(text):
    """A text as the cell of a table."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


class Page:
    """The page of one contract."""

    def __init__(self, openapi):
        self.openapi = openapi
        self.limits = limits_by_endpoint(LIMITS.read_text())

    def resolved(self, node):
        """The node that a reference stands for."""
        while "$ref" in node:
            target = self.openapi
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            node = {**target, **{name: value for name, value in node.items() if name != "$ref"}}
        return node

    def merged(self, schema):
        """A schema with the parts of an `allOf` put together."""
        schema = self.resolved(schema)
        whole = {name: value for name, value in schema.items() if name != "allOf"}
        for part in map(self.merged, schema.get("allOf", [])):
            for name, value in part.items():
                if name == "properties":
                    whole["properties"] = {**value, **whole.get("properties", {})}
                elif name == "required":
                    whole["required"] = [*whole.get("required", []), *value]
                else:
                    whole.setdefault(name, value)
        return whole

    def kind(self, schema):
        """A type with its bounds, in a few words."""
        schema = self.merged(schema)
        if "enum" in schema:
            return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
        kind = schema.get("type", "any JSON")
        if "enum" in schema.get("items", {}):
            return f"list of {self.kind(schema['items'])}"
        words = [{"integer": "integer", "array": "list", "boolean": "true or false"}.get(kind, kind)]
        if schema.get("format") in ("date-time", "date"):
            words = ["time, RFC 3339" if schema["format"] == "date-time" else "date"]
        least, most = schema.get("minLength"), schema.get("maxLength")
        if most is not None:
            words.append(f"{least or 0} to {most} characters")
        elif (least or 0) > 1:
            words.append(f"{least} characters or more")
        least, most = schema.get("minItems"), schema.get("maxItems")
        if least is not None or most is not None:
            words.append(f"{least or 0} to {most} of them" if most else f"{least} or more of them")
        least, most = schema.get("minimum"), schema.get("maximum")
        if most is not None:
            words.append(f"{least or 0} to {most}")
        elif least:
            words.append(f"{least} or more")
        return ", ".join(words)

    def fields(self, schema, prefix=""):
        """Rows of a table: each member of an object, and of the objects in it."""
        schema = self.merged(schema)
        if schema.get("type") == "array":
            yield from self.fields(schema["items"], f"{prefix}[].")
            return
        required = schema.get("required", [])
        for name, described in schema.get("properties", {}).items():
            member = self.merged(described)
            inner = member
            shown = f"{prefix}{name}".replace(".[]", "[]")
            yield shown, self.kind(member), name in required, member.get("description", "")
            if member.get("type") == "array":
                inner, shown = self.merged(member["items"]), f"{shown}[]"
            if "properties" in inner:
                yield from self.fields(inner, f"{shown}.")
            values = inner.get("additionalProperties")
            if isinstance(values, dict):
                yield from self.fields(values, f"{shown}.NAME.")
        for values in [schema.get("additionalProperties")] if not schema.get("properties") else []:
            if isinstance(values, dict):
                yield from self.fields(values, f"{prefix}NAME.")

    def table(self, schema, request):
        """The members of a body as a table."""
        rows = list(self.fields(schema))
        if not rows:
            return []
        if request:
            lines = ["| field | type | required | meaning |", "|---|---|---|---|"]
            lines += [f"| `{n}` | {cell(k)} | {'yes' if r else 'no'} | {cell(d)} |" for n, k, r, d in rows]
        else:
            lines = ["| field | type | meaning |", "|---|---|---|"]
            lines += [f"| `{n}`{'' if r else '?'} | {cell(k)} | {cell(d)} |" for n, k, r, d in rows]
        return [*lines, ""]

    def example(self, content, title):
        """The first example of a body."""
        for example in content.get("examples", {}).values():
            value = self.resolved(example).get("value")
            if isinstance(value, (dict, list)):
                text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
                return [f"{title}:", "", "```json", text, "```", ""]
        return []

    def parameters(self, operation):
        """Path and query parameters as a table."""
        rows = [self.resolved(parameter) for parameter in operation.get("parameters", [])]
        rows = [row for row in rows if row["in"] in ("path", "query")]
        if not rows:
            return []
        lines = ["| parameter | in | type | required | meaning |", "|---|---|---|---|---|"]
        for row in rows:
            required = "yes" if row.get("required") else "no"
            kind = cell(self.kind(row["schema"]))
            lines.append(f"| `{row['name']}` | {row['in']} | {kind} | {required} | {cell(row.get('description', ''))} |")
        return [*lines, ""]

    def headers(self, operation):
        """The request headers that are particular to an operation."""
        rows = [self.resolved(parameter) for parameter in operation.get("parameters", [])]
        names = [row["name"] for row in rows if row["in"] == "header" and row["name"] != "X-Correlation-ID"]
        return [wrapped(f"Headers: {', '.join(f'`{name}`' for name in names)}."), ""] if names else []

    def credential(self, operation):
        """The credential that an operation asks for."""
        schemes = [name for entry in operation.get("security", []) for name in entry]
        names = [self.resolved(parameter)["name"] for parameter in operation.get("parameters", [])]
        if "bearerToken" in schemes:
            return "bearer token"
        if "Signature" in names:
            return "[signature](LIMITS.md#signatures) of an admin key"
        return "none"

    def answers(self, operation, limits):
        """The answers that succeed, with their bodies, then the limits and the errors."""
        lines, errors = [], {}
        for status, response in operation["responses"].items():
            response = self.resolved(response)
            content = response.get("content", {})
            if not status.startswith("2"):
                if status not in COMMON:
                    errors.setdefault(response["description"], []).append(status)
                continue
            lines += [wrapped(f"**Answer {status}.** {response['description']}."), ""]
            for kind, body in content.items():
                if kind.endswith("json"):
                    lines += self.table(body["schema"], request=False)
                    lines += self.example(body, "For example")
                else:
                    lines += [f"Content type `{kind}`.", ""]
        lines += limits
        if errors:
            items = [wrapped(f"- {', '.join(statuses)} {description}", "  ") for description, statuses in errors.items()]
            lines += ["**Errors**", "", *items, ""]
        return lines

    def endpoint(self, path, method, operation):
        """The section of one endpoint."""
        lines = [f"### {method.upper()} {path}", "", wrapped(f"{operation['summary']}."), ""]
        lines += [f"Credential: {self.credential(operation)}.", ""]
        if operation.get("description"):
            lines += [wrapped(operation["description"]), ""]
        lines += self.parameters(operation) + self.headers(operation)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body:
            lines += ["**Request**", "", *self.table(body["schema"], request=True), *self.example(body, "For example")]
        limits = self.limits.get((method.upper(), path), [])
        if limits:
            limits = ["**Limits**, by default", "", *limits, ""]
        return lines + self.answers(operation, limits)

    def text(self):
        """The whole page."""
        operations = [
            (path, method, operation)
            for path, item in self.openapi["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        ]
        unknown = set(self.limits) - {(method.upper(), path) for path, method, _ in operations}
        if unknown:
            sys.exit(f"docs/LIMITS.md names endpoints that openapi.yaml does not have: {sorted(unknown)}")
        lines = [HEAD]
        for paragraph in self.openapi["info"]["description"].strip().split("\n\n"):
            lines += [wrapped(paragraph), ""]
        lines += ["Every endpoint also answers, in the same form:", ""]
        for name in ("MethodNotAllowed", "PayloadTooLarge", "UnsupportedMediaType", "Internal"):
            status = {"MethodNotAllowed": 405, "PayloadTooLarge": 413, "UnsupportedMediaType": 415, "Internal": 500}[name]
            description = self.openapi["components"]["responses"][name]["description"]
            lines.append(wrapped(f"- {status} {description}", "  "))
        lines += ["", "A `?` after a field of an answer: it can be absent.", "", "| endpoint | does |", "|---|---|"]
        for path, method, operation in operations:
            anchor = re.sub(r"[^a-z0-9_ -]", "", f"{method} {path}".lower()).replace(" ", "-")
            lines.append(f"| [`{method.upper()} {path}`](#{anchor}) | {cell(operation['summary'])} |")
        for tag in self.openapi["tags"]:
            lines += ["", f"## {tag['name'].capitalize()}", "", wrapped(f"{tag['description']}."), ""]
            for path, method, operation in operations:
                if operation["tags"][0] == tag["name"]:
                    lines += self.endpoint(path, method, operation)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def main():
    text = Page(yaml.safe_load((ROOT / "openapi.yaml").read_text())).text()
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text)
    elif FILE.read_text() != text:
        sys.exit("docs/API.md is not in step with openapi.yaml: run `make api`")


if __name__ == "__main__":
    main()
