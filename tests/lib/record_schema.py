# SPDX-License-Identifier: Apache-2.0
"""record_schema.py - holds the lines of a record against configs/record.schema.json, which is what runner/record/event_table.c says.

dd.py asks for every record that a run of a test leaves, fake_record.py for every one that it makes up."""
import copy
import json
import os

import jsonschema

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
_validators = {}


def schema():
    with open(os.path.join(ROOT, "configs/record.schema.json"), encoding="utf-8") as file:
        return json.load(file)


def _lenient(definition):
    """The same, but a field may be missing, as in an older record."""
    if isinstance(definition, dict):
        return {k: _lenient(v) for k, v in definition.items() if k != "required"}
    return [_lenient(v) for v in definition] if isinstance(definition, list) else definition


def _of(event, older):
    if not _validators:
        for name, definition in schema()["$defs"].items():
            _validators[name, False] = jsonschema.Draft202012Validator(definition)
            _validators[name, True] = jsonschema.Draft202012Validator(_lenient(copy.deepcopy(definition)))
    return _validators.get((event, older))


def complaints(lines, older=False):
    """What is wrong with @lines (parsed events), one sentence each. @older: fields may be missing, but none may be another."""
    found = []
    for number, line in enumerate(lines, 1):
        check = _of(line.get("event"), older)
        if check is None:
            found.append(f"line {number}: no event {line.get('event')!r} in configs/record.schema.json")
            continue
        found += [f"line {number}: {line['event']}: {e.json_path}: {e.message[:300]}" for e in check.iter_errors(line)]
    return found
