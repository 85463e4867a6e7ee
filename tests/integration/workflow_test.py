#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""workflow_test.py - whole workflows: the order of jobs, conditions, matrices, called workflows, several jobs at one time, and their end."""
import glob
import json
import os
import re
import signal
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, descendants, equal, main  # noqa: E402

ROW = re.compile(r"^  (success|failure|cancelled|skipped) +([\d.]+) s  (.*)$", re.M)


class Flow(Job):
    """A workflow file as text; files of src/ may be further ones."""

    def __init__(self, text, files=None):
        super().__init__([], files=files)
        self.write("workflow.yml", textwrap.dedent(text))
        self.write("policy.yml", "version: 1\n")


def flow(text, *options, rc=0, files=None, **more):
    job = Flow(text, files)
    try:
        r = job.run(*options, **more)
        r.rows = {name.split("  (")[0]: result for result, _, name in ROW.findall(r.out)}
        r.records = {}
        for path in sorted(glob.glob(os.path.join(job.dir, "record*.jsonl"))):
            with open(path, encoding="utf-8") as file:
                r.records[os.path.basename(path)] = [json.loads(line) for line in file]
        equal(r.rc, rc, "exit status", r)
        return r
    finally:
        job.close()


@case("", "jobs run in the order of what they need, with its results and outputs; a failure skips what needs it, and always() runs all the same")
def _():
    r = flow("""
        on: push
        jobs:
          last:
            needs: [bad, never]
            if: always()
            steps: [ { run: "echo '@@last=${{ needs.bad.result }} ${{ needs.never.result }}@@'" } ]
          never: { needs: bad, steps: [ { run: echo @@never=ran@@ } ] }
          bad: { needs: first, steps: [ { run: "echo '@@bad=${{ needs.first.outputs.v }} ${{ needs.first.result }}@@'; exit 3" } ] }
          onfail: { needs: never, if: failure(), steps: [ { run: echo @@onfail=ran@@ } ] }
          first:
            outputs: { v: "${{ steps.s.outputs.v }}" }
            steps: [ { id: s, run: echo v=one >>$GITHUB_OUTPUT } ]
        """, rc=1)
    equal(r.marks, {"bad": "one success", "last": "failure skipped", "onfail": "ran"}, "what ran", r)
    equal(r.rows, {"last": "success", "never": "skipped", "bad": "failure", "onfail": "success", "first": "success"}, "table", r)


@case("", "a matrix becomes its combinations, each with its name, its values and a record of its own; --matrix picks")
def _():
    text = """
        on: push
        jobs:
          t:
            strategy: { matrix: { os: [a, b], v: [1, 2], exclude: [ { os: b, v: 1 } ], include: [ { os: a, v: 2, more: x } ] } }
            runs-on: ubuntu-latest
            steps: [ { run: "echo '@@${{ matrix.os }}${{ matrix.v }}=${{ matrix.more }} ${{ strategy.job-index }}/${{ strategy.job-total }}@@'" } ]
        """
    r = flow(text)
    equal(r.marks, {"a1": " 0/3", "a2": "x 1/3", "b2": " 2/3"}, "combinations", r)
    equal(list(r.rows), ["t (a, 1)", "t (a, 2)", "t (b, 2)"], "names", r)
    equal(sorted(r.records), ["record.01-t-a-1.jsonl", "record.02-t-a-2.jsonl", "record.03-t-b-2.jsonl"], "records", r)
    r = flow(text, "--matrix", "os=A", "--matrix", "v=2")
    equal(r.marks, {"a2": "x 1/3"}, "the picked one", r)
    r = flow(text, "--job", "t", "--matrix", "os=nonesuch", rc=2)
    check("no combination of it is what --matrix asks for" in r.out and not r.marks, "a pick that fits nothing", r)


@case("", "a matrix may come from the output of another job")
def _():
    r = flow("""
        on: push
        jobs:
          plan: { outputs: { m: "${{ steps.s.outputs.m }}" }, steps: [ { id: s, run: "echo 'm={\\"v\\":[7,8]}' >>$GITHUB_OUTPUT" } ] }
          t:
            needs: plan
            strategy: { matrix: "${{ fromJSON(needs.plan.outputs.m) }}" }
            steps: [ { run: "echo @@v${{ matrix.v }}=ran@@" } ]
        """)
    equal(r.rows, {"plan": "success", "t (7)": "success", "t (8)": "success"}, "table", r)


@case("", "--jobs runs several at one time, each line with the name of its job; jobs of one concurrency group do not meet")
def _():
    body = "say() { echo @@$1=$(date +%s%N)@@; }; say NAME.begin; sleep 0.7; say NAME.end"
    text = "on: push\njobs:\n" + "".join("  %s: { GROUP steps: [ { run: '%s' } ] }\n" % (n, body.replace("NAME", n)) for n in ("one", "two"))
    r = flow(text.replace("GROUP", ""), "--jobs", "2")
    check(int(r.marks["two.begin"]) < int(r.marks["one.end"]) and int(r.marks["one.begin"]) < int(r.marks["two.end"]), "they did not run side by side", r)
    check(re.search(r"^\[one\]   \| @@one", r.out, re.M) and re.search(r"^\[two\]   \| @@two", r.out, re.M), "lines have no name", r)
    for options, group in (((), ""), (("--jobs", "2"), "concurrency: g,")):
        r = flow(text.replace("GROUP", group), *options)
        check(int(r.marks["two.begin"]) > int(r.marks["one.end"]), "they ran side by side", r)


@case("", "fail-fast ends the others of a matrix, unless it is false; max-parallel bounds how many run")
def _():
    text = """
        on: push
        jobs:
          t:
            strategy: { %s matrix: { v: [1, 2, 3] } }
            steps: [ { run: "echo '@@begin${{ matrix.v }}=ran@@'; [ ${{ matrix.v }} != 1 ]" } ]
        """
    r = flow(text % "", rc=1)
    equal(list(r.rows.values()), ["failure", "cancelled", "cancelled"], "with fail-fast", r)
    equal(r.marks, {"begin1": "ran"}, "what began", r)
    r = flow(text % "fail-fast: false,", rc=1)
    equal(list(r.rows.values()), ["failure", "success", "success"], "without fail-fast", r)
    long = """
        on: push
        jobs:
          t:
            strategy: { matrix: { v: [1, 2] } }
            steps: [ { run: "if [ ${{ matrix.v }} = 2 ]; then sleep 60; fi; exit 1" } ]
        """
    r = flow(long, "--jobs", "2", rc=1)
    equal(list(r.rows.values()), ["failure", "cancelled"], "a combination that runs is ended", r)
    check(r.took < 30, f"it took {r.took:.0f} s", r)


@case("", "continue-on-error of a job lets its failure pass, and says so")
def _():
    r = flow("""
        on: push
        jobs:
          may: { continue-on-error: true, steps: [ { run: exit 1 } ] }
          after: { needs: may, steps: [ { run: "echo '@@after=${{ needs.may.result }}@@'" } ] }
        """)
    equal(r.marks, {"after": "success"}, "what needs it", r)
    check("continue-on-error: it does not count" in r.out and r.rows["may"] == "failure", "not told", r)


CALLED = """
on:
  workflow_call:
    inputs: { who: { type: string, required: true }, loud: { type: boolean }, n: { type: number, default: 4 } }
    outputs: { said: { value: "${{ jobs.say.outputs.said }}" } }
env: { WHOSE: called }
jobs:
  say:
    outputs: { said: "${{ steps.s.outputs.said }}" }
    steps: [ { id: s, run: "echo '@@say=${{ inputs.who }} ${{ inputs.loud }} ${{ inputs.n }} '$WHOSE$TOP@@; echo said=hello-${{ inputs.who }} >>$GITHUB_OUTPUT" } ]
  skipped: { if: inputs.loud == false, steps: [ { run: echo @@quiet=ran@@ } ] }
"""


@case("", "a called workflow gets its inputs with their types, none of the caller's env, and gives its outputs back; its jobs are named by the way to them")
def _():
    text = """
        on: push
        env: { TOP: top }
        jobs:
          call: { uses: ./.github/workflows/called.yml, with: { who: "${{ github.event_name }}", loud: true } }
          after: { needs: call, steps: [ { run: "echo '@@after=${{ needs.call.outputs.said }} ${{ needs.call.result }}@@'" } ] }
        """
    r = flow(text, files={".github/workflows/called.yml": CALLED})
    equal(r.marks, {"say": "push true 4 called", "after": "hello-push success"}, "what it said", r)
    equal(r.rows, {"call": "success", "call / say": "success", "call / skipped": "skipped", "after": "success"}, "table", r)
    r = flow(text, "--job", "call/say", files={".github/workflows/called.yml": CALLED})
    equal(list(r.marks), ["say"], "one job of it", r)


@case("", "--job says which jobs it runs without, also those behind them, and says nothing where there are none")
def _():
    text = "on: push\njobs:\n  a: { steps: [ { run: 'true' } ] }\n  b: { needs: a, steps: [ { run: 'true' } ] }\n  c: { needs: b, steps: [ { run: \"echo '@@c=${{ needs.b.result }}@@'\" } ] }\n"
    r = flow(text, "--job", "c")
    equal(r.marks, {"c": "success"}, "what ran", r)
    check("--job: c runs without what it needs (a, b): they count as done well, and have no outputs" in r.out, "not told", r)
    check("runs without" not in flow(text, "--job", "a").out and "runs without" not in flow(text).out, "told without a reason")


@case("", "a called workflow that calls itself, needs in a circle and a file that is not there are refused with their places")
def _():
    for text, says in (
            ("on: push\njobs:\n  a: { uses: ./.github/workflows/self.yml }\n", "deeper than"),
            ("on: push\njobs:\n  s: { steps: [ { run: x } ] }\n  a: { needs: b, steps: [ { run: x } ] }\n  b: { needs: a, steps: [ { run: x } ] }\n", "workflow.yml:4:15: error: job `a` waits for `b`"),
            ("on: push\njobs:\n  a: { uses: ./.github/workflows/none.yml }\n", "workflow.yml:3:14: error: ./.github/workflows/none.yml cannot be called"),
            ("on: push\njobs:\n  a: { uses: ./.github/workflows/../../x.yml }\n", "a workflow is called by"),
            ("on: push\njobs:\n  a: { uses: ./.github/workflows/link.yml }\n", "link")):
        job = Flow(text, {".github/workflows/self.yml": "on: workflow_call\njobs:\n  a: { uses: ./.github/workflows/self.yml }\n"})
        os.symlink("/etc/passwd", os.path.join(job.dir, "src/.github/workflows/link.yml"))
        try:
            r = job.run()
        finally:
            job.close()
        equal(r.rc, 2, f"exit status of {text!r}", r)
        check(says in r.out and "root:" not in r.out, f"{text!r} is not refused as {says!r}", r)


@case("", "inputs and vars of the command line reach expressions; what is missing or no number is refused before anything runs")
def _():
    text = """
        on: { workflow_dispatch: { inputs: { n: { type: number, required: true }, dry: { type: boolean, default: true } } } }
        jobs:
          a: { if: inputs.dry, steps: [ { run: "echo '@@a=${{ inputs.n }} ${{ vars.V }} ${{ github.event.inputs.dry }} ${{ github.event_name }}@@'" } ] }
        """
    r = flow(text, "--input", "n=3", "--var", "V=vee")
    equal(r.marks, {"a": "3 vee true workflow_dispatch"}, "values", r)
    r = flow(text, "--input", "n=3", "--input", "dry=false")
    check(not r.marks and r.rows == {"a": "skipped"}, "a condition on an input", r)
    for options in ((), ("--input", "n=x"), ("--input", "n=1", "--input", "m=2")):
        r = flow(text, *options, rc=2)
        check(not r.marks and "input" in r.out, "not refused", r)


@case("", "a job for another system does not run here and is told; one that this build cannot run is refused before anything runs, unless its `if` is false")
def _():
    r = flow("""
        on: push
        jobs:
          w: { runs-on: windows-latest, steps: [ { uses: a/b@v1 } ] }
          m: { runs-on: "${{ matrix.os }}", strategy: { matrix: { os: [ ubuntu-latest, macos-14 ] } }, steps: [ { run: "echo @@m=ran@@" } ] }
          off: { if: github.event_name == 'release', steps: [ { uses: a/b@v1 } ] }
        """)
    equal(r.rows, {"w": "skipped", "m (ubuntu-latest)": "success", "m (macos-14)": "skipped", "off": "skipped"}, "table", r)
    check("it runs on windows-latest, and this is Linux" in r.out and "its `if` is false" in r.out, "not told", r)
    r = flow("on: push\njobs:\n  a: { steps: [ { run: echo @@a=ran@@ } ] }\n  b: { needs: a, steps: [ { uses: a/b@v1 } ] }\n", rc=4)
    check("workflow.yml:4:35: error: `uses: a/b@v1` is not allowed by the policy" in r.out and not r.marks, "not refused", r)


@case("", "a push step of an untrusted event refuses the whole workflow before anything runs")
def _():
    job = Flow("on: push\njobs:\n  a: { steps: [ { run: echo @@a=ran@@ } ] }\n  b: { needs: a, steps: [ { id: publish, run: 'true' } ] }\n")
    job.write("policy.yml", "version: 1\nsteps: [ { phase: push, match: { id: publish } } ]\n")
    job.write("event.json", '{"pull_request": {"head": {"repo": {"full_name": "x/y"}}, "base": {"repo": {"full_name": "a/b"}}}}')
    try:
        r = job.run("--event", "event.json")
    finally:
        job.close()
    equal(r.rc, 4, "exit status", r)
    check(not r.marks, "something ran", r)


@case("", "a signal ends what runs, skips what waits, and lets always() follow; a second one ends that as well")
def _():
    text = """
        on: push
        jobs:
          long: { steps: [ { run: "echo @@long=began@@; sleep 120" } ] }
          next: { needs: long, steps: [ { run: echo @@next=ran@@ } ] }
          clean: { needs: long, if: always(), steps: [ { run: "echo @@clean=began@@; %s" } ] }
        """
    for last, signals in (("true", 1), ("sleep 120", 2)):
        job = Flow(text % last)
        process = job.popen()
        out = b""
        try:
            for awaited in (b"@@long=began@@", b"@@clean=began@@")[:signals]:
                while awaited + b"\n" not in out:
                    line = process.stdout.readline()
                    check(line, f"it ended before {awaited}: {out.decode()[-2000:]}")
                    out += line
                process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
            out = (out + rest).decode("utf-8", "replace")
            equal(process.returncode, 130, "exit status\n" + out[-1500:])
            rows = {name.split("  (")[0]: result for result, _, name in ROW.findall(out)}
            equal(rows, {"long": "cancelled", "next": "skipped", "clean": "success" if signals == 1 else "cancelled"}, "table\n" + out[-1500:])
            check("@@next=ran@@" not in out.replace("echo @@next=ran@@", ""), "what waited ran")
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            job.close()


@case("", "kill -9 of the process that hands out jobs leaves no job behind")
def _():
    job = Flow("on: push\njobs:\n  a: { steps: [ { run: 'echo @@a=began@@; sleep 120' } ] }\n  b: { steps: [ { run: 'true' } ] }\n")
    process = job.popen()
    try:
        while b"@@a=began@@\n" not in process.stdout.readline():
            check(process.poll() is None, "it ended early")
        below = descendants(process.pid)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 30
        left = below
        while left and time.monotonic() < deadline:
            left = [p for p in below if os.path.exists(f"/proc/{p}") and "Z" not in open(f"/proc/{p}/stat", encoding="latin-1").read().rsplit(")", 1)[1].split()[0]]
            time.sleep(0.05)
        check(not left, f"processes are left: {left}")
    finally:
        process.stdout.close()
        job.close()


@case("", "names of jobs and matrices that are control bytes or paths reach no terminal and no file name as they are")
def _():
    r = flow("""
        on: push
        jobs:
          a:
            name: "../../\\e]0;evil\\a ${{ matrix.x }}"
            strategy: { matrix: { x: [ "/etc/passwd", "\\e[2J" ] } }
            steps: [ { run: "true" } ]
          b: { name: "..", steps: [ { run: "true" } ] }
        """, "--jobs", "2")
    check("\x1b" not in r.out and "\x07" not in r.out, "a control byte is printed", r)
    equal(sorted(r.records), ["record.01-0-evil-etc-passwd.jsonl", "record.02-0-evil-2j.jsonl", "record.03-step.jsonl"], "records", r)


@case("", "a thousand jobs of 256 combinations are planned in bounded time, and refused as one run")
def _():
    jobs = "".join(f"  j{i}: {{ strategy: {{ matrix: *m }}, runs-on: x, steps: [ {{ run: 'true' }} ] }}\n" for i in range(1, 1000))
    text = "on: push\njobs:\n  j0: { strategy: { matrix: &m { a: [ 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 ], b: [ 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 ] } }, runs-on: x, steps: [ { run: 'true' } ] }\n" + jobs
    job = Flow("on: push\njobs: {}\n")
    job.write("workflow.yml", text)
    try:
        plan = job.run("--json", command="plan", timeout=120)
        equal(plan.rc, 0, "exit status of plan", plan)
        data = json.loads(plan.out)["jobs"]
        equal((len(data), sum(len(j["combinations"]) for j in data)), (1000, 256000), "jobs and combinations")
        check(plan.took < 60, f"the plan took {plan.took:.0f} s")
        run = job.run("--matrix", "a=99", timeout=120)
        check(run.rc == 2 and "no combination is what --matrix asks for" in run.out, "a run that picks nothing", run)
        run = job.run(timeout=120)
        check(run.rc == 2 and "more than 10000 jobs in one run" in run.out, "not refused", run)
    finally:
        job.close()


if __name__ == "__main__":
    main()
