#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plan_test.py - the plan says what the run then does."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, FETCH, PUSH, Job, case, check, equal, main, step  # noqa: E402

PHASES = {"fetch": {"egress": [{"host": "allowed.test", "port": 443, "why": "libraries"}], "upload": "64KiB"}, "push": {"artifacts": ["dist/**"]}}
STEPS = [step("deps", "true", FETCH), step("make", "mkdir -p dist; echo x >dist/a", name="Make it"), step("publish", "true", PUSH)]


@case("", "phases, names and gates of the plan are those in the record of the run")
def _():
    job = Job(STEPS, PHASES)
    try:
        plan = job.run("--json", command="plan")
        equal(plan.rc, 0, "exit status of plan", plan)
        planned = json.loads(plan.out)
        check(not os.path.exists(os.path.join(job.dir, "record.jsonl")), "plan wrote a record")
        r = job.run()
        equal(r.rc, 0, "exit status", r)
    finally:
        job.close()
    starts = r.events("step.start")
    equal([s["phase"] for s in planned["steps"]], [s["phase"] for s in starts], "phases", r)
    equal([s["phase"] for s in starts], ["fetch", "build", "push"], "phases", r)
    equal([s["name"] for s in planned["steps"]], [s["name"] for s in starts], "names", r)


@case("", "the plan in words names every step, its phase, the rule that decided and the hosts it may reach")
def _():
    job = Job(STEPS, PHASES)
    try:
        r = job.run(command="plan")
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    for text in ("fetch", "build", "push", "allowed.test", "Make it", "policy.yml"):
        check(text in r.out, f"the plan does not say {text}", r)


@case("", "run --dry-run prints the same plan and runs nothing")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        plan, dry = job.run(command="plan"), job.run("--dry-run")
    finally:
        job.close()
    equal(dry.rc, 0, "exit status", dry)
    equal(dry.out, plan.out, "text", dry)


@case("", "without a policy every step is build, with no network and no credentials")
def _():
    job = Job(STEPS)
    try:
        job.argv = lambda *o, command="run": [DRYDOCK, command, "workflow.yml", "--workspace", "src", *([] if command == "plan" else ["--record", "record.jsonl"]), *o]
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        equal({e["phase"] for e in r.events("step.start")}, {"build"}, "phases", r)
    finally:
        job.close()


@case("", "the chain of the record holds, and one changed byte is found")
def _():
    job = Job([step("a", "true")])
    try:
        r = job.run()
        verify = [DRYDOCK, "record", "verify", "record.jsonl"]
        good = subprocess.run(verify, cwd=job.dir, env=job.environ(), capture_output=True, check=False)
        equal(good.returncode, 0, "verifying: " + good.stderr.decode(), r)
        with open(r.record_path, "rb") as file:
            lines = file.readlines()
        os.chmod(r.record_path, 0o600)
        for damaged in (lines[:1] + lines[2:], [lines[0].replace(b'"run.start"', b'"run.stort"'), *lines[1:]]):
            with open(r.record_path, "wb") as file:
                file.writelines(damaged)
            bad = subprocess.run(verify, cwd=job.dir, env=job.environ(), capture_output=True, check=False)
            check(bad.returncode != 0, "a damaged record passed", r)
    finally:
        job.close()


if __name__ == "__main__":
    main()
