#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""golden_test.py - the plans of twelve workflows as projects write them are, word for word, those in tests/golden.

Every directory there has workflow.yml and policy.yml (and egress/NAME.yml, so that no package manager of this host is asked), and the plan of each
job as text and as JSON. UPDATE_GOLDEN=1 writes them anew: read the difference before you commit it. Values in the JSON that are the same as in an
earlier step are folded to "as in step N of JOB", so that the files show what differs."""
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, case, check, equal, main  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
GOLDEN = "tests/golden"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
FOLDED = ("egress", "env", "limits", "mounts", "landlock", "seccomp", "with")
NAMES = ("apt-build", "c-cmake", "container-push", "cron-maintenance", "docs-site", "go", "monorepo-matrix", "node", "pr-checks", "python",
         "release-artifacts", "rust")


def jobs_of(name):
    """Their ids, in order, without a YAML library: the golden workflows indent by two."""
    with open(os.path.join(ROOT, GOLDEN, name, "workflow.yml"), encoding="utf-8") as file:
        return re.findall(r"^  ([A-Za-z_][\w-]*):", file.read().split("\njobs:\n")[1], re.M)


def plan(name, job, *options):
    where = f"{GOLDEN}/{name}"
    argv = [DRYDOCK, "plan", f"{where}/workflow.yml", "--policy", f"{where}/policy.yml", "--workspace", where, "--job", job, *options]
    with tempfile.TemporaryDirectory(prefix="dd-golden-") as copy:   # a plan in this repository would name its commit
        shutil.copytree(os.path.join(ROOT, where), os.path.join(copy, where))
        done = subprocess.run(argv, cwd=copy, env={"PATH": "/nonexistent", "LANG": "C.UTF-8"}, capture_output=True, check=False)
    check(done.returncode == 0, f"{' '.join(argv)}: exit status {done.returncode}\n{done.stderr.decode()}")
    return done.stdout.decode()


def fold(plans):
    """The plans of all jobs, shorter: what an earlier step has too, that step is named for."""
    first = {}

    def once(holder, key, where):
        text = json.dumps([key, holder[key]], sort_keys=True)
        if text in first and len(text) > 60:
            holder[key] = f"as in {first[text]}"
        first.setdefault(text, where)

    for job, data in plans.items():
        for step in data["steps"]:
            for key in FOLDED:
                once(step, key, f"step {step['index']} of {job}")
            if isinstance(step["egress"], dict):
                once(step["egress"], "rules", f"step {step['index']} of {job}")
    return plans


def dump(value, indent=""):
    """JSON with every container that fits on one line of 150 characters on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + len(indent) <= 150 or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(k)}: {dump(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + dump(v, inner) for v in value) + f"\n{indent}]"


def as_text(name):
    return "\n".join(plan(name, job) for job in jobs_of(name))


def as_json(name):
    plans = {}
    for job in jobs_of(name):
        data = json.loads(plan(name, job, "--json"))
        plans.update({j["id"]: j for j in data.get("jobs", [{**data, "id": job}])})   # one that calls a workflow brings its jobs
    for data in plans.values():
        del data["every_step_sees"]   # the same for every job of every workflow, and in the text
    return dump(fold(plans)) + "\n"


def compare(name, file, got):
    path = os.path.join(ROOT, GOLDEN, name, file)
    if UPDATE:
        with open(path, "w", encoding="utf-8") as out:
            out.write(got)
        return
    with open(path, encoding="utf-8") as golden:
        want = golden.read()
    if got != want:
        lines = list(difflib.unified_diff(want.splitlines(), got.splitlines(), f"{GOLDEN}/{name}/{file}", "now", lineterm="", n=2))
        raise AssertionError("\n".join(lines[:80] + ([f"... and {len(lines) - 80} more lines"] if len(lines) > 80 else []))
                             + "\nIf this is meant: UPDATE_GOLDEN=1 tests/integration/golden_test.py, and read the difference")


@case("", "there is a golden plan for every workflow in tests/golden, and at least twelve of them")
def _():
    equal(sorted(n for n in os.listdir(os.path.join(ROOT, GOLDEN)) if os.path.isdir(os.path.join(ROOT, GOLDEN, n))), sorted(NAMES), "directories")
    check(len(NAMES) >= 12, "fewer than twelve")


@case("", "asking no program of this host: the plan of every job is the same twice, and differs by job")
def _():
    for name in NAMES:
        plans = [plan(name, job, "--json") for job in jobs_of(name)]
        equal(plans, [plan(name, job, "--json") for job in jobs_of(name)], f"{name}, planned twice")
        equal(len(set(plans)), len(plans), f"{name}: different plans")


def register(name):
    @case("", f"{name}: the plan of every job in words")
    def _():
        compare(name, "plan.txt", as_text(name))

    @case("", f"{name}: the plan of every job for tools")
    def _():
        compare(name, "plan.json", as_json(name))


for each in NAMES:
    register(each)

if __name__ == "__main__":
    main()
