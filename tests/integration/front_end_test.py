#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""front_end_test.py - a front end that drydock does not know: steps that appear late, outputs, and what no front end may have."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import BUILD, Job, Run, case, check, equal, main, py  # noqa: E402

FRONT_END = os.path.abspath(os.path.join(BUILD, "fake_front_end"))
POLICY = {"version": 1, "steps": [{"phase": "fetch", "match": {"id": "make"}}, {"phase": "fetch", "match": {"run": "echo the answer is *", "env": ["ANSWER"]}}],
          "phases": {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}},
          "credentials": {"token": {"from": {"env": "A_TOKEN"}, "for": {"phase": "fetch", "steps": ["make"]}, "as": {"env": "TOKEN"}}}}


def front_end(*more, rc=1):
    check(os.access(FRONT_END, os.X_OK), f"{FRONT_END} is not built: make build/fake_front_end")
    job = Job([])
    try:
        job.write("p.yml", json.dumps(POLICY))
        done = subprocess.run([FRONT_END, "p.yml", "src", "record.jsonl", *more], cwd=job.dir, env=job.environ({"A_TOKEN": "0123456789-canary"}),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        r = Run(job.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)
        equal(r.rc, rc, "exit status", r)
        return r
    finally:
        job.close()


@case("", "a second front end runs a late step, an always step after a failure, and hands an output to the next step")
def _():
    r = front_end()
    equal(r.mark("answer"), "42", "the output of the first step in the second", r)
    equal(r.mark("always"), "yes", "the step that always runs", r)
    check("never" not in r.marks, "a step ran after the failure", r)
    check("late" in r.marks, "the late step did not run", r)
    equal([e["outcome"] for e in r.events("step.end")], ["succeeded", "succeeded", "failed", "succeeded", "succeeded"], "outcomes", r)
    equal(r.events("run.end")[0]["status"], "failed", "the front end's judgement", r)


@case("", "a step that the written one brought has its grant and a name of its own, and holds no credential")
def _():
    r = front_end()
    starts = r.events("step.start")
    late, first = starts[-1], starts[0]
    equal(late["brought_by"], "make", "what brought it", r)
    equal((late["step"], late["phase"], late["phase_why"], late["seccomp"]), ("make#2", "fetch", first["phase_why"], first["seccomp"]), "its grant", r)
    equal([e["gate"] for e in (first, late)], ["open", "open"], "gates", r)
    equal(r.mark("late"), "no token", "the lease of the written step", r)
    equal([e["step"] for e in r.events("cred.grant")], ["make"], "who was granted the credential", r)
    check("begins make (make), 1 leases" in r.out and "begins make#2 (Post make), 0 leases" in r.out, "what the sink heard", r)


@case("", "rules match the written text: a recipe that was evaluated to something else keeps the phase, and the record says what ran")
def _():
    r = front_end()
    use = r.events("step.start", step="use")[0]
    equal(use["phase"], "fetch", "phase", r)
    equal(use["match"]["run"], "echo the answer is ${{ answer }}", "what rules are held against", r)
    equal(use["evaluated"], 'echo "@@answer=$ANSWER@@"', "what ran", r)
    check("evaluated" not in r.events("step.start", step="fail")[0], "a step that ran as it is written has `evaluated`", r)


@case("", "the sink hears the head of the record's chain")
def _():
    r = front_end()
    head = r.out.rsplit("head ", 1)[1].split()[0]
    check(len(head) == 64 and int(head, 16), f"no head: {head}", r)


@case("X-08", "a cancelled job still runs what always runs, and the same signal is not taken for a second one")
def _():
    check(os.access(FRONT_END, os.X_OK), f"{FRONT_END} is not built: make build/fake_front_end")
    job = Job([])
    try:
        job.write("p.yml", json.dumps(POLICY))
        with subprocess.Popen([FRONT_END, "p.yml", "src", "record.jsonl", "", "echo @@sleeps=yes@@; sleep 60"], cwd=job.dir,
                              env=job.environ({"A_TOKEN": "0123456789-canary"}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            out = []
            for line in child.stdout:
                out.append(line)
                if "@@sleeps=yes@@" in line:
                    child.terminate()
        r = Run(job.dir, child.returncode, "".join(out), 0)
        equal(r.rc, 130, "exit status", r)
        equal(r.mark("always"), "yes", "the step that always runs", r)
        check("never" not in r.marks and "late" not in r.marks, "another step ran after the cancel", r)
        equal([e["outcome"] for e in r.events("step.end")], ["succeeded", "succeeded", "cancelled", "succeeded"], "outcomes", r)
        equal(r.events("run.end")[0]["status"], "cancelled", "status", r)
    finally:
        job.close()


# What a step may try to leave instead of a file; tests/unit/step_channel_test.c reads all of it.
LEFT = {
    "removed": "rm -f output",
    "a link to a secret": "ln -sf /etc/passwd output",
    "a link to the other end": "ln -sf /proc/self/environ output",
    "a FIFO": "rm -f output; mkfifo output",
    "a directory": "rm -f output; mkdir output",
    "more bytes than fit": "head -c 1048577 /dev/zero >output",
    "a gigabyte of bytes that are not there": "truncate -s 1G output",
}


@case("A-07", "what stands in the place of an output is told and not taken; the directory is not the step's own, so that most of it cannot be tried")
def _():
    for what, script in LEFT.items():
        r = front_end(f"cd /run/drydock/channel; ({script}) 2>/dev/null || echo @@kept=yes@@")
        if "bytes" in what:
            check("what it left in `output` is not taken" in r.out, f"{what} is not told", r)
        else:
            equal(r.marks.get("kept"), "yes", f"{what} was possible", r)
        equal(r.events("run.end")[0]["status"], "failed", f"the job, with {what}", r)


@case("A-07", "a file of the channel is the step's own: what a process left behind writes to it later reaches nobody")
def _():
    r = front_end(py("""
        if os.fork() == 0:
            os.setsid()
            out = open("/run/drydock/channel/output", "w")
            while True:
                out.write("answer=late\\n"); out.flush(); time.sleep(0.001)
        mark("late", "forked")
    """))
    equal(r.mark("late"), "forked", "the late step", r)


if __name__ == "__main__":
    main()
