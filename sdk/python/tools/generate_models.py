#!/usr/bin/env python3
"""Writes fallow/models.py and fallow/_routes.py from docs/openapi.json; `--check` says whether they are current.

The schema leaves two things open that Python has to know. That a string is money: MONEY names those fields. And
what may be absent: moments, messages, the amounts of OPTIONAL_MONEY, and numbers of the models in MEASURED but for
those of ALWAYS_KNOWN.
"""
import argparse
import json
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "fallow"
SCHEMA = PACKAGE.parent.parent.parent / "docs" / "openapi.json"

MONEY = {
    "amount", "available", "budget", "charged", "close", "earned", "held", "high", "low", "mean", "month_budget",
    "month_used", "open", "pending", "refunded", "spent_30_days", "total", "total_budget", "total_used", "used",
    "deposited", "fee", "net", "owed", "spent", "withdrawn", "credited", "cost",
    "egress_charged",
}
OPTIONAL_MONEY = {
    "month_budget", "owed", "price_ceiling_per_hour", "price_floor_per_hour", "spot_floor_per_hour", "spot_floor_set_per_hour",
    "spot_price_per_hour", "total_budget", "egress_price_per_gb",
    "ProjectView.budget", "PricePart.price_per_hour",  # each of a model alone
}
MEASURED = {"DeviceSample", "HostSample", "WorkloadSample"}
ALWAYS_KNOWN = {"device", "lease", "xid"}
SCALARS = {
    ("string", "uint64"): ("int", "0"),
    ("string", "int64"): ("int", "0"),
    ("integer", "uint32"): ("int", "0"),
    ("integer", "int32"): ("int", "0"),
    ("number", "double"): ("float", "0.0"),
    ("boolean", None): ("bool", "False"),
    ("string", "byte"): ("bytes", 'b""'),
    ("string", "date-time"): ("Optional[datetime]", "None"),
    ("string", "duration-seconds"): ("Optional[timedelta]", "None"),
    ("string", None): ("str", '""'),
}
HEAD = '"""{what} Made from docs/openapi.json by tools/generate_models.py; do not edit."""\n'


def ref_of(schema):
    return schema["$ref"].rsplit("/", 1)[1]


def is_money(name, schema):
    return schema.get("type") == "string" and "format" not in schema and (name in MONEY or name.endswith("_per_hour")
                                                                          or name.endswith("_per_gb_hour")
                                                                          or name.endswith("_per_gb"))


def typed(name, schema, schemas, model=""):
    """(annotation, default)"""
    if "$ref" in schema:
        target = ref_of(schema)
        if "enum" in schemas[target]:
            return target, f"{target}.{schemas[target]['enum'][0]}"
        return f'Optional["{target}"]', "None"
    if schema["type"] == "array":
        item, _ = typed(name, schema["items"], schemas)
        if item.startswith("Optional["):
            item = item[len("Optional["):-1]
        return f"List[{item}]", "dataclasses.field(default_factory=list)"
    if is_money(name, schema):
        return ("Optional[Decimal]", "None") if {name, f"{model}.{name}"} & OPTIONAL_MONEY else ("Decimal", "Decimal(0)")
    annotation, default = SCALARS[schema["type"], schema.get("format")]
    if model in MEASURED and name not in ALWAYS_KNOWN:
        return f"Optional[{annotation}]", "None"
    return annotation, default


def answer_of(operation):
    """(type of the answer or None, is it a stream)"""
    for status, response in operation["responses"].items():
        if status != "default":
            for kind, content in response.get("content", {}).items():
                if kind in ("application/json", "text/event-stream"):
                    return ref_of(content["schema"]), kind == "text/event-stream"
    return None, False


def reachable(names, schemas):
    found, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for schema in schemas[name].get("properties", {}).values():
            schema = schema.get("items", schema)
            if "$ref" in schema:
                todo.append(ref_of(schema))
    return found


def models(document):
    schemas = document["components"]["schemas"]
    answers = [answer_of(operation)[0] for path in document["paths"].values() for operation in path.values()]
    names = sorted(reachable(["Problem", *(name for name in answers if name)], schemas))
    lines = [HEAD.format(what="What the API answers: frozen values, money as Decimal."),
             "import dataclasses",
             "from datetime import datetime, timedelta",
             "from decimal import Decimal",
             "from typing import List, Optional",
             "",
             "from ._wire import OpenEnum",
             ""]
    for name in names:
        if "enum" in schemas[name]:
            lines += ["", f"class {name}(OpenEnum):"]
            lines += [f'    {value} = "{value}"' for value in schemas[name]["enum"]]
            lines += [""]
    for name in names:
        if "enum" in schemas[name]:
            continue
        lines += ["", "@dataclasses.dataclass(frozen=True)", f"class {name}:"]
        fields = schemas[name]["properties"]
        for field_name, schema in fields.items():
            annotation, default = typed(field_name, schema, schemas, name)
            lines.append(f"    {field_name}: {annotation} = {default}")
        if not fields:
            lines.append("    pass")
        lines.append("")
    return "\n".join(lines)


def routes(document):
    lines = [HEAD.format(what="Every operation of the API."),
             "from dataclasses import dataclass",
             "from typing import Any, Dict, FrozenSet, Optional, Type",
             "",
             "from . import models",
             "",
             "",
             "@dataclass(frozen=True)",
             "class Route:",
             "    method: str",
             "    path: str",
             "    in_path: FrozenSet[str]",
             "    in_query: FrozenSet[str]",
             "    in_body: FrozenSet[str]",
             "    answer: Optional[Type[Any]]",
             "    is_stream: bool",
             "",
             "",
             "ROUTES: Dict[str, Route] = {"]
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        if path.startswith("/v1/artifacts"):
            continue  # bytes, not JSON: artifacts.py
        for method, operation in operations.items():
            answer, is_stream = answer_of(operation)
            if answer is None:
                continue  # a file, for people
            places = {place: sorted(each["name"] for each in operation.get("parameters", []) if each["in"] == place)
                      for place in ("path", "query")}
            body = operation.get("requestBody")
            in_body = []
            if body:
                schema = body["content"]["application/json"]["schema"]
                in_body = sorted(set(schemas[ref_of(schema)]["properties"]) - set(places["path"]))
            lines += [f'    "{operation["operationId"]}": Route(',
                      f'        "{method.upper()}", "{path}", frozenset({places["path"]!r}),',
                      f'        frozenset({places["query"]!r}),',
                      f"        frozenset({in_body!r}),",
                      f"        models.{answer}, {is_stream}),"]
    return "\n".join([*lines, "}", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a file is out of date")
    arguments = parser.parse_args()
    document = json.loads(SCHEMA.read_text())
    for name, text in (("models.py", models(document)), ("_routes.py", routes(document))):
        path = PACKAGE / name
        if arguments.check:
            if not path.exists() or path.read_text() != text:
                sys.exit(f"{path} is not what docs/openapi.json says; run: python3 sdk/python/tools/generate_models.py")
        else:
            path.write_text(text)


if __name__ == "__main__":
    main()
