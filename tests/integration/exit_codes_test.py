#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""exit_codes_test.py - the exit status tells job failed from operator error from broken host."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import PUSH, ROOT, Job, Skip, case, check, equal, main, run, step  # noqa: E402


def status(job, *options, **more):
    try:
        return job.run(*options, **more)
    finally:
        job.close()


@case("", "0: the job succeeded; continue-on-error does not spoil it")
def _():
    run([step("a", "true"), step("b", "exit 3", **{"continue-on-error": True}), step("c", "echo @@c=ran@@")]).mark("c")


@case("", "1: a step failed, and the steps after it do not run")
def _():
    r = run([step("a", "exit 7"), step("b", "echo @@b=ran@@")], rc=1)
    check("b" not in r.marks, "the next step ran", r)
    ends = r.events("step.end", exit=7)
    equal(len(ends), 1, "step.end with exit 7", r)


@case("", "1: a step killed by a signal failed")
def _():
    r = run([step("a", "kill -SEGV $$")], rc=1)
    check(r.events("step.end"), "no step.end", r)


@case("", "1: a working directory or a shell that does not exist fails the step, as a shell would say it")
def _():
    for key, value in (("working-directory", "nonesuch"), ("working-directory", "README"), ("shell", "nonesuch {0}")):
        r = run([step("a", "echo @@a=ran@@", **{key: value})], rc=1)
        check("a" not in r.marks, "the step ran", r)
        check("nonesuch" in r.out or "README" in r.out, "no reason", r)
    r = run([step("a", "true", **{"working-directory": "nonesuch", "continue-on-error": True}), step("b", "echo @@b=ran@@")])
    equal(r.mark("b"), "ran", "the step after one that may fail", r)


@case("", "2: usage, a workflow that does not parse, what is not supported yet - with the position")
def _():
    equal(status(Job([step("a", "true")]), "--no-such-option").rc, 2, "unknown option")
    for text in ("jobs: [\n", "jobs: {a: {runs-on: x, steps: [{uses: 'docker://alpine'}]}}\n", "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo ${{ github.sh\n",
                 "jobs: {}\n", "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - {run: x, if: \"alwys()\"}\n"):
        job = Job([step("a", "true")])
        job.write("workflow.yml", text)
        r = status(job)
        equal(r.rc, 2, f"exit status for {text!r}", r)
        check("workflow.yml:" in r.out, f"no position for {text!r}", r)


@case("", "2: a drydock that is made setuid or setgid by its caller runs nothing")
def _():
    if not ROOT:
        raise Skip("calling with two different ids takes root")
    for ids in (["--ruid=47124"], ["--rgid=47124", "--keep-groups"]):
        r = status(Job([step("a", "echo @@a=ran@@")]), prefix=["setpriv", *ids])
        equal(r.rc, 2, f"exit status with {ids}", r)
        check("a" not in r.marks and "setuid" in r.out, "the step ran, or no reason was given", r)


@case("X-09", "3: a record for which the disk has no room runs nothing, and the reason comes with its remedy")
def _():
    job = Job([step("a", "echo @@a=ran@@")])
    disk = os.path.join(job.dir, "disk")
    os.mkdir(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)   # of this test's own mount namespace
    try:
        with open(os.path.join(disk, "fill"), "wb") as file:
            file.write(b"0" * 65536)
        r = job.run("--record", "disk/record.jsonl")
    finally:
        subprocess.run(["umount", disk], check=True)
        job.close()
    equal(r.rc, 3, "exit status", r)
    check("a" not in r.marks, "the step ran without a record", r)
    check("No space left" in r.out and "free some space" in r.out, "neither reason nor remedy", r)
    check("the step it ran" not in r.out, "no step ran, and one is spoken of", r)


@case("", "2: no such job, no such workflow")
def _():
    equal(status(Job([step("a", "true")]), "--job", "nonesuch").rc, 2, "unknown job")
    job = Job([step("a", "true")])
    os.unlink(os.path.join(job.dir, "workflow.yml"))
    equal(status(job).rc, 2, "missing workflow")


@case("", "4: a push step of a pull request is refused before anything runs")
def _():
    job = Job([step("a", "echo @@a=ran@@"), step("publish", "echo @@p=ran@@", PUSH)], {"push": {"trust": "protected", "artifacts": ["x"]}})
    job.write("event.json", json.dumps({"pull_request": {"head": {"repo": {"fork": True, "full_name": "evil/x"}}, "base": {"repo": {"full_name": "acme/x"}}},
                                        "repository": {"full_name": "acme/x"}}))
    r = status(job, "--event", "event.json")
    equal(r.rc, 4, "exit status", r)
    check("p" not in r.marks, "the push step ran", r)


@case("C-14", "3: a credential whose source is not there, or that others may write, ends the run before its first step, and the remedy is said")
def _():
    for mode, said in ((None, "No such file"), (0o666, "chmod go-w"), (0o600, None)):
        job = Job([step("a", "echo @@a=ran@@"), step("publish", "true", PUSH)], {"push": {"artifacts": ["x"]}},
                  credentials={"t": {"from": {"file": "token"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}})
        if mode:
            os.chmod(job.write("token", "s3cret-value"), mode)
        r = status(job)
        equal(r.rc, 3 if said else 0, f"exit status with mode {mode}", r)
        equal("a" in r.marks, said is None, f"did the first step run with mode {mode}", r)
        check(not said or (said in r.out and "--secret NAME=FILE" in r.out), "no reason or no remedy", r)


@case("", "shells, working directories and environments are what GitHub would give")
def _():
    r = run([step("d", 'case $- in *e*) echo "@@fail=1@@" ;; esac; echo "@@pwd=$PWD@@"; echo "@@e=$A-$B-$C@@"', env={"C": "3"}),
             step("w", 'echo "@@wd=$PWD@@"', **{"working-directory": "sub"}), step("p", "import os; print('@@py=%s@@' % os.environ['GITHUB_WORKSPACE'])", shell="python3 {0}"),
             step("s", "echo @@sh=$0@@", shell="sh")], workflow_env={"A": "1", "B": "2"}, files={"sub/x": "x"})
    equal(r.mark("fail"), "1", "errexit", r)
    equal(r.mark("pwd"), "/work", "working directory", r)
    equal(r.mark("e"), "1-2-3", "environment", r)
    equal(r.mark("wd"), "/work/sub", "working-directory", r)
    equal(r.mark("py"), "/work", "python shell", r)


@case("", "options about a plan are refused where a job is run, and nothing runs")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        for option in ("--json", "--rules", "--syscalls"):
            r = job.run(option)
            check(r.rc == 2 and "ran" not in r.marks and "--dry-run" in r.out, option, r)
            equal(job.run(option, "--dry-run").rc, 0, f"{option} with --dry-run")
    finally:
        job.close()


if __name__ == "__main__":
    main()
