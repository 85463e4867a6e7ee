#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_schema_test.py - the record's schema, its document and the table that drydock writes by say the same."""
import copy
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import record_schema  # noqa: E402
from dd import AS_USER, DRYDOCK, FETCH, Job, case, check, equal, main, run, step  # noqa: E402

ROOT = record_schema.ROOT


@case("", "configs/record.schema.json is what `drydock record schema` prints")
def _():
    printed = subprocess.run([DRYDOCK, "record", "schema"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(ROOT, "configs/record.schema.json"), encoding="utf-8") as file:
        check(printed == file.read(), "they differ: build/drydock record schema >configs/record.schema.json; scripts/record-doc")


@case("", "docs/record.md names every event and every field as the schema does")
def _():
    done = subprocess.run([os.path.join(ROOT, "scripts/record-doc"), "--check"], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stderr)


@case("", "the schema is a schema, and every definition is of the event that it is called by")
def _():
    schema = record_schema.schema()
    record_schema.jsonschema.Draft202012Validator.check_schema(schema)
    check(len(schema["$defs"]) > 10, "hardly any event")
    equal([d["properties"]["event"]["const"] for d in schema["$defs"].values()], list(schema["$defs"]), "names")
    equal([one["$ref"] for one in schema["oneOf"]], ["#/$defs/" + name for name in schema["$defs"]], "references")


@case("R-13", "a long allowlist is written once for all steps of a phase, a short one each time, and every reader knows")
def _():
    def job(n, steps=4):
        return Job([step(f"s{i}", "true", FETCH) for i in range(steps)], {"fetch": {"egress": [{"host": f"h{i}.test"} for i in range(n)]}})

    short, long = job(32), job(33)
    try:
        opened = short.run().events("gate.open")
        equal([len(e["entries"]) for e in opened], [32] * 4, "entries of a short list")
        r = long.run()
        equal(r.rc, 0, "exit status", r)
        opened = r.events("gate.open")
        equal([len(e.get("entries", [])) for e in opened], [33, 0, 0, 0], "entries of a long list", r)
        equal([e.get("entries_in") for e in opened], [None] + [opened[0]["seq"]] * 3, "where the others have theirs", r)
        equal(record_schema.complaints(r.record), [], "what the schema says", r)
        for argv in (["record", "verify", "record.jsonl"], ["record", "show", "record.jsonl"], ["record", "report", "record.jsonl"],
                     ["policy", "suggest", "record.jsonl"], ["policy", "replay", "record.jsonl", "--policy", "policy.yml"]):
            done = subprocess.run([*AS_USER, DRYDOCK, *argv], cwd=long.dir, capture_output=True, text=True, check=False)
            equal(done.returncode, 0, f"{argv}: {done.stderr}")
            check(argv[1] != "report" or done.stdout.count("and 21 more") == 4, "the report does not have the list for every step")
    finally:
        short.close()
        long.close()


@case("", "a line with a field too many, too few, of another type or in another place does not fit")
def _():
    lines = run([step("a", "true")]).record
    equal(record_schema.complaints(lines), [], "a record as it was written")

    def wrong(what, change):
        changed = copy.deepcopy(lines)
        change(changed)
        check(record_schema.complaints(changed), f"nobody minds {what}")
    start = next(i for i, e in enumerate(lines) if e["event"] == "step.start")
    close = next(i for i, e in enumerate(lines) if e["event"] == "gate.close")
    wrong("an unknown field", lambda r: r[0].update(newer=1))
    wrong("a missing field", lambda r: r[start].pop("match"))
    wrong("a missing field of an object", lambda r: r[close]["kernel"].pop("denied_packets"))
    wrong("a number for a text", lambda r: r[start].update(name=1))
    wrong("a word that is none", lambda r: r[start].update(gate="ajar"))
    wrong("an event of a step without one", lambda r: r[start].update(step=None))
    wrong("an event of the run with a phase", lambda r: r[0].update(phase="build"))
    wrong("an unknown event", lambda r: r[0].update(event="run.begin"))
    wrong("an item of another type", lambda r: r[close].update(receipt=[1]))


if __name__ == "__main__":
    main()
