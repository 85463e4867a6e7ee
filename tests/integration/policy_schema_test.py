#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""policy_schema_test.py - configs/policy.schema.json, docs/policy.md and the parser's own tables say the same."""
import glob
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrong_policies  # noqa: E402
from dd import DRYDOCK, Skip, case, check, equal, main  # noqa: E402

try:
    import jsonschema
    import yaml
except ImportError as missing:
    jsonschema, yaml, MISSING = None, None, str(missing)

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def schema():
    with open(os.path.join(ROOT, "configs/policy.schema.json"), encoding="utf-8") as file:
        return json.load(file)


def validator():
    if jsonschema is None:
        raise Skip(MISSING + ": scripts/deps --test")
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def load(text):
    """YAML 1.2's core types, as an editor reads it (PyYAML's own are those of 1.1: `yes` is true there)."""
    class Core(yaml.SafeLoader):
        yaml_implicit_resolvers = {}
    for tag, pattern in (("bool", r"^(true|True|TRUE|false|False|FALSE)$"), ("int", r"^[-+]?[0-9]+$"), ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
                         ("null", r"^(~|null|Null|NULL|)$")):
        Core.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), None)
    return yaml.load(text, Loader=Core)


def judged_by_schema(check_with, text):
    return check_with.is_valid(load(text.decode()))


@case("", "every sample policy, and a policy of every single key, is fine for the schema")
def _():
    check_with = validator()
    samples = glob.glob(os.path.join(ROOT, "configs/policies/*.yml")) + [os.path.join(ROOT, "tests/demo/policy.yml")]
    check(len(samples) >= 4, "no samples")
    for path in samples:
        with open(path, "rb") as file:
            problems = [e.message for e in check_with.iter_errors(load(file.read().decode()))]
        check(not problems, f"{path}: {problems}")
    for name, text in wrong_policies.good_policies(wrong_policies.keys(DRYDOCK)):
        check(judged_by_schema(check_with, text), f"the schema refuses {name}: {text.decode()}")


@case("", "of the wrong policies the schema refuses all that a schema can know about, and none of the others")
def _():
    check_with = validator()
    wrong = [w for w in wrong_policies.all_wrong(wrong_policies.keys(DRYDOCK)) if w.schema != wrong_policies.NOT_YAML]
    lax = [w.name for w in wrong if w.schema == wrong_policies.SCHEMA and judged_by_schema(check_with, w.text)]
    strict = [w.name for w in wrong if w.schema == wrong_policies.BEYOND and not judged_by_schema(check_with, w.text)]
    check(not lax, f"the schema lets through: {lax}")
    check(not strict, f"said to be beyond a schema, but it refuses: {strict}")
    check(sum(w.schema == wrong_policies.SCHEMA for w in wrong) >= 150, "too few to mean something")


def places(definition, root):
    """The maps of keys below a node of the schema, followed through $ref: yields (path, set of keys)."""
    def resolve(node):
        while "$ref" in node:
            node = {**root["$defs"][node["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in node.items() if k != "$ref"}}
        return node

    def walk(node, path):
        node = resolve(node)
        if node.get("additionalProperties") is False and "properties" in node:
            yield path, set(node["properties"])
            for key, value in node["properties"].items():
                yield from walk(value, f"{path}.{key}" if path else key)
        for value in node.get("patternProperties", {}).values():
            yield from walk(value, path + ".*")
        if "items" in node:
            yield from walk(node["items"], path + "[]")
        for branch in node.get("anyOf", []):
            yield from walk(branch, path)
    yield from walk(definition, "")


@case("", "the schema has exactly the keys of the parser's tables, in the same places")
def _():
    theirs, ours = {}, {}
    for row in wrong_policies.keys(DRYDOCK):
        if row["supported"]:
            theirs.setdefault(row["in"], set()).add(row["key"])
    for path, keys in places(schema(), schema()):
        ours.setdefault(re.sub(r"^phases\.(fetch|build|push)", "phases.*", path), set()).update(keys)
    equal(ours, theirs, "keys")


@case("", "docs/policy.md has exactly the keys of the parser's tables")
def _():
    with open(os.path.join(ROOT, "docs/policy.md"), encoding="utf-8") as file:
        text = file.read().split("\n## All keys\n")[1].split("\n## ")[0]
    rows = wrong_policies.keys(DRYDOCK)
    documented = set(re.findall(r"^\| `([\w.*\[\]-]+)`(?: \([^)|]*\))? \|", text, re.M))
    parsed = {(row["in"] + "." if row["in"] else "") + row["key"] for row in rows}
    check(len(parsed) > 60, "the tables are gone")
    equal(sorted(parsed - documented), [], "keys that the reference does not have")
    equal(sorted(documented - parsed), [], "keys that only the reference has")
    for row in rows:
        name = (row["in"] + "." if row["in"] else "") + row["key"]
        line = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        equal("(required)" in line, row["required"], f"{name}: required in the reference")
        equal("not in this build" in line, not row["supported"], f"{name}: supported")


if __name__ == "__main__":
    main()
