#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""engine_test.py - the steps of a job as GitHub runs them: conditions, contexts, environment, shells, outputs, command files.

Most rows are workflows that check themselves: a step fails where something is not as GitHub has it."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main  # noqa: E402
from engine import EngineRun, engine, popen, steps_of  # noqa: E402

# (sentence, steps, further keys of the job, contexts): every one of them ends with success
HOLDS = [
    ("env of workflow, job and step lie over one another, and values of one map do not see each other", """
        - env: { B: "${{ env.A }}", A: step }
          run: test "$A" = step && test "$B" = job && test "${{ env.A }}" = step
        - run: test "$A" = job && test -z "$B"
     """, "env: { A: job }", None),
    ("what a step writes to GITHUB_ENV is there for later steps and not for itself", """
        - run: |
            echo "X=1" >>"$GITHUB_ENV"
            test -z "$X"
        - run: test "$X" = 1 && test "${{ env.X }}" = 1
        - env: { X: own }
          run: test "$X" = own
        - run: test "$X" = 1
     """, "", None),
    ("a heredoc keeps its lines, a CR is a byte like any other, and the last of one name counts", r"""
        - id: w
          run: |
            printf 'A<<EOF\nx\n\ny=1\nEOF\nB=1\r\nB=2\r\nC=a=b<<c\n' >>"$GITHUB_ENV"
            printf 'N<<E\r\nv\r\nE\r\n' >>"$GITHUB_OUTPUT"
        - env: { N: "${{ steps.w.outputs.n }}" }
          run: |
            test "$A" = "$(printf 'x\n\ny=1')"
            test "$B" = "$(printf '2\r')"
            test "$C" = 'a=b<<c'
            test "$N" = "$(printf 'v\r')"
     """, "", None),
    ("GITHUB_PATH: the newest entry first, one that is there already becomes the newest, blank lines are none", r"""
        - run: printf '/a\n\n/b\r\n/a\n' >>"$GITHUB_PATH"
        - run: case $PATH in /a:/b:/usr*) ;; *) echo "$PATH"; exit 1;; esac
        - run: echo /b >>"$GITHUB_PATH"
        - run: case $PATH in /b:/a:/usr*) ;; *) echo "$PATH"; exit 1;; esac
     """, "", None),
    ("outcome and conclusion: continue-on-error, skipped, success", """
        - { id: a, run: exit 3, continue-on-error: true }
        - { id: b, run: exit 0, if: false }
        - { id: c, run: "true" }
        - run: test "${{ join(steps.*.outcome) }}/${{ join(steps.*.conclusion) }}" = failure,skipped,success/success,skipped,success
        - run: test "${{ steps.nope.outcome == null && job.status }}" = success
     """, "", None),
    ("continue-on-error is an expression, and sees what the step saw", """
        - { id: a, run: exit 1, env: { OK: "true" }, continue-on-error: "${{ env.OK == 'true' }}" }
        - run: test ${{ steps.a.conclusion }} = success
     """, "", None),
    ("working-directory: the default, one of the step, and the empty text, which is the workspace", """
        - { run: mkdir -p d/e, working-directory: "" }
        - run: test "$PWD" = "$GITHUB_WORKSPACE/d"
        - { run: 'test "$PWD" = "$GITHUB_WORKSPACE/d/e"', working-directory: "d/${{ 'e' }}" }
        - { run: 'test "$PWD" = "$GITHUB_WORKSPACE"', working-directory: "" }
     """, "defaults: { run: { working-directory: d } }", None),
    ("shells: bash without pipefail by default, with it when it is named, sh, python, an own one", """
        - run: false | true
        - { run: "false | true", shell: bash, id: p, continue-on-error: true }
        - run: test ${{ steps.p.outcome }} = failure
        - { run: 'test -z "$BASH_VERSION"', shell: sh }
        - { run: "import sys; sys.exit(0 if __file__.endswith('.py') else 1)", shell: python }
        - { run: 'case $0 in */run*.sh) exit 1;; esac', shell: "bash {0}" }
        - { run: 'test "$1" = "a b"', shell: 'bash {0} "a b"' }
        - { run: 'echo $- | grep -q e', shell: "bash -e {0}" }
     """, "", None),
    ("a script that is one line with CRLF ends its lines as Linux has them", """
        - run: "test 1 = 1\\r\\ntest 2 = 2\\r\\n"
     """, "", None),
    ("github, runner, matrix, strategy, needs, inputs, vars and secrets are there as they were given", """
        - run: |
            test "${{ github.event_name }}-${{ github.job }}-${{ github.workspace }}" = push-j-/work
            test "$GITHUB_EVENT_NAME-$GITHUB_JOB-$GITHUB_WORKSPACE" = push-j-/work
            test "${{ runner.os }}$RUNNER_OS" = LinuxLinux
            test "${{ matrix.os }}${{ strategy.job-index }}${{ needs.a.outputs.v }}" = x11.0
            test "${{ inputs.flag }}${{ vars.V }}" = truev
            test "${{ secrets.S }}" = sssssssss
            test -z "$GITHUB_TOKEN"
            test -z "${{ secrets.NONE }}"
     """, "", {"github": {"event_name": "push", "event": {}, "token": "t"}, "matrix": {"os": "x"}, "strategy": {"job-index": 1},
               "needs": {"a": {"outputs": {"v": "1.0"}, "result": "success"}}, "inputs": {"flag": True}, "vars": {"V": "v"},
               "secrets": {"S": "sssssssss"}}),
    ("GITHUB_ACTION is the step's id or its internal name, its repository and ref are there and empty", """
        - run: test "$GITHUB_ACTION" = __run && test "${GITHUB_ACTION_REF-unset}" = "" && test "${GITHUB_ACTION_REPOSITORY-unset}" = ""
        - run: test "$GITHUB_ACTION" = __run_2
        - { id: mine, run: 'test "$GITHUB_ACTION" = mine && test "${{ github.action }}" = mine' }
     """, "", None),
    ("what the forge says about the job nobody overrides, and CI is set only where nobody sets it", """
        - { run: 'test "$GITHUB_JOB" = j && test "$CI" = no && test "$GITHUB_OWN" = 1', env: { GITHUB_JOB: x, CI: "no", GITHUB_OWN: 1 } }
        - run: test "$CI" = true && test "$GITHUB_ACTIONS" = true
     """, "", None),
    ("the event lies where GITHUB_EVENT_PATH says, and nobody writes it", """
        - run: |
            grep -q '"number": 7' "$GITHUB_EVENT_PATH"
            ! echo x >>"$GITHUB_EVENT_PATH"
     """, "", {"github": {"event_name": "pull_request", "event": {"number": 7}}}),
    ("always() and failure() run behind a failure that was forgiven only where they should", """
        - { run: exit 1, continue-on-error: true }
        - { id: f, if: failure(), run: "true" }
        - { id: s, run: "true" }
        - { if: always(), run: 'test ${{ steps.f.outcome }}${{ steps.s.outcome }} = skippedsuccess' }
     """, "", None),
    ("outputs: empty, with equals signs, with a NUL-free megabyte minus a line, and of a name in any case", """
        - id: o
          run: |
            echo "e=" >>"$GITHUB_OUTPUT"
            echo "q=a=b=c" >>"$GITHUB_OUTPUT"
            { printf 'BIG='; head -c 1000000 /dev/zero | tr '\\0' x; echo; } >>"$GITHUB_OUTPUT"
        - env: { Q: "${{ steps.o.outputs.Q }}", E: "${{ steps.o.outputs.e }}" }
          run: test "$Q" = a=b=c && test -z "$E"
        - if: startsWith(steps.o.outputs.big, 'xxx') && endsWith(steps.o.outputs.big, 'x')
          run: echo "seen=1" >>"$GITHUB_ENV"
        - run: test "$seen" = 1
     """, "", None),
    ("a name with a hyphen in GITHUB_ENV reaches programs, and an expression finds it", """
        - run: echo "my-option=1" >>"$GITHUB_ENV"
        - run: env | grep -qx my-option=1 && test "${{ env.my-option }}" = 1
     """, "", None),
    ("timeout-minutes that cannot be evaluated is told and is none", """
        - { run: "true", timeout-minutes: "${{ fromJSON('no') }}" }
     """, "", None),
    ("a condition sees the step's own env", """
        - { if: "env.MINE == 'yes'", env: { MINE: "yes" }, id: a, run: "true" }
        - run: test ${{ steps.a.outcome }} = success
     """, "", None),
    ("hashFiles sees the workspace as the steps before it left it, in a script, a condition and a step's env", """
        - id: a
          run: |
            printf x >one.lock; mkdir d; printf y >d/two.lock
            echo "want=$(python3 -c 'import hashlib as h; s = lambda b: h.sha256(b).digest(); print(h.sha256(s(b"y") + s(b"x")).hexdigest())')" >>"$GITHUB_OUTPUT"
        - env: { H: "${{ hashFiles('**/*.lock') }}" }
          run: test "$H" = ${{ steps.a.outputs.want }} && test ${{ hashFiles('**/*.lock') }} = "$H" && test -z "${{ hashFiles('none') }}"
        - { id: b, if: "hashFiles('d/*.lock') != hashFiles('one.lock')", run: "true" }
        - run: test ${{ steps.b.outcome }} = success
     """, "", None),
    ("env of a map that is an expression", """
        - { env: "${{ fromJSON('{\\"A\\": 1, \\"B\\": true}') }}", run: 'test "$A$B" = 1true' }
     """, "", None),
]


def holds(sentence, steps, head, contexts):
    @case("", sentence)
    def _():
        engine(steps_of(steps, head), contexts)


for row in HOLDS:
    holds(*row)


@case("", "an error in a step's env fails it, also where its condition does not hold and continue-on-error would forgive")
def _():
    r = engine(steps_of("""
        - { id: a, if: false, continue-on-error: true, env: { A: "${{ fromJSON('x') }}" }, run: "true" }
        - { if: always(), run: 'echo @@a=${{ steps.a.outcome }}/${{ steps.a.conclusion }}@@' }
    """), result="failure")
    equal(r.mark("a"), "failure/failure", "outcome", r)


@case("", "an error in a condition fails the step, and continue-on-error does not forgive it")
def _():
    r = engine(steps_of("""
        - { id: a, if: fromJSON('x'), continue-on-error: true, run: "true" }
        - { if: always(), run: 'echo @@a=${{ steps.a.outcome }}/${{ steps.a.conclusion }}@@' }
    """), result="failure")
    equal(r.mark("a"), "failure/failure", "outcome", r)


@case("", "an error in a script or directory fails the step, and continue-on-error forgives it")
def _():
    r = engine(steps_of("""
        - { id: a, continue-on-error: true, run: "echo ${{ fromJSON('x') }}" }
        - { id: b, continue-on-error: true, run: "true", working-directory: /etc/passwd }
        - run: echo @@a=${{ steps.a.outcome }}/${{ steps.b.conclusion }}@@
    """))
    equal(r.mark("a"), "failure/success", "outcome", r)


@case("L-01", "whoever listens hears which steps did not run, what was forgiven, annotations and summaries, by the step's number and masked")
def _():
    r = engine(steps_of("""
        - { run: exit 3, continue-on-error: true }
        - run: |
            echo '::add-mask::canary-sink'
            echo '::error file=a.c,line=7::it is canary-sink'
            echo 'also canary-sink' >"$GITHUB_STEP_SUMMARY"
        - { name: gone, if: failure(), run: "true" }
    """))
    heard = [line for line in r.out.splitlines() if line.startswith("heard ")]
    equal(heard[0], "heard forgiven 1", "forgiven", r)
    check(any(line.startswith("heard annotation 2 error it is *** a.c:7") for line in heard), f"annotation: {heard}", r)
    check("heard summary 2 9 also ***" in heard, f"summary: {heard}", r)
    check(any(line.startswith("heard not_run 3 gone failed=0 its condition does not hold") for line in heard), f"not run: {heard}", r)


@case("", "a display name that cannot be evaluated is shown as it is written, and the step runs")
def _():
    r = engine(steps_of("""
        - { name: "a ${{ fromJSON('x') }}", run: "true" }
        - { name: "b ${{ 1 }}", run: "true" }
    """))
    equal([name for _, name in r.begun], ["a ${{ fromJSON('x') }}", "b 1"], "names", r)


@case("", "after a failure only always() and failure() run, the job has failed, and every step that did not run is told and recorded with its reason")
def _():
    r = engine(steps_of("""
        - { id: bad, run: exit 3 }
        - { id: no, run: "true" }
        - { id: c, if: cancelled(), run: "true" }
        - { id: f, if: "failure() && steps.bad.outcome == 'failure'", run: 'echo @@f=${{ job.status }}@@' }
        - { id: a, if: always(), run: 'echo @@a=1@@' }
    """), result="failure")
    equal((r.mark("f"), r.mark("a")), ("failure", "1"), "what ran", r)
    equal([(e["step"], e["outcome"]) for e in r.events("step.not_run")], [("no", "skipped"), ("c", "skipped")], "not run", r)
    check("an earlier step failed" in r.events("step.not_run")[0]["why"] and "cancelled()" in r.events("step.not_run")[1]["why"], "why", r)


@case("", "the outputs of a job reach whoever started it, without empty ones and without what holds a secret, and with who may have written them")
def _():
    r = engine(steps_of("""
        - id: s
          run: |
            echo "v=1" >>"$GITHUB_OUTPUT"
            echo "secret=x${{ secrets.S }}x" >>"$GITHUB_OUTPUT"
    """, """
        outputs:
          v: ${{ steps.s.outputs.v }}
          e: ${{ steps.s.outputs.none }}
          lit: a
          secret: ${{ steps.s.outputs.secret }}
    """), {"github": {}, "secrets": {"S": "hunter22"}})
    equal(r.outputs, {"v": "1", "lit": "a"}, "outputs", r)
    equal(r.origins, {"v": "steps.s.outputs.v", "lit": "-"}, "whose they are", r)
    check(r.noted("output `secret` of the job may hold a secret"), "told", r)
    check("hunter22" not in r.out, "the secret is shown", r)


@case("", "an output that cannot be evaluated fails the job")
def _():
    engine(steps_of("""
        - run: "true"
    """, "outputs: { v: \"${{ fromJSON('x') }}\" }"), result="failure")


@case("", "a step that takes longer than its timeout-minutes fails, and continue-on-error forgives that")
def _():
    r = engine(steps_of("""
        - { id: t, run: sleep 60, timeout-minutes: "${{ 0.01 }}", continue-on-error: true }
        - run: echo @@t=${{ steps.t.outcome }}@@
    """))
    equal(r.mark("t"), "failure", "outcome", r)


@case("", "a job that takes longer than its own timeout is cancelled, and what always() asks for follows")
def _():
    r = engine(steps_of("""
        - { id: t, run: sleep 60 }
        - { id: never, run: "true" }
        - { if: always(), run: 'echo @@a=${{ job.status }}/${{ steps.t.outcome }}/${{ steps.never.outcome }}@@' }
    """), {"github": {}, "timeout_sec": 1}, result="cancelled")
    equal(r.mark("a"), "cancelled/cancelled/skipped", "what ran", r)


def cancelled(steps, when, times=1):
    """Ask for the end @times when the job has printed @when."""
    job = Job([])
    try:
        process = popen(job, steps_of(steps))
        out = b""
        for line in process.stdout:
            out += line
            if when.encode() in line and times:
                times -= 1
                process.send_signal(signal.SIGINT)
                if times:
                    when = "runs even so"
        process.wait(timeout=60)
        return EngineRun(job.dir, process.returncode, out.decode("utf-8", "replace"))
    finally:
        job.close()


@case("", "a cancelled step is cancelled, what always() and cancelled() ask for follows, nothing else does, and the job is cancelled")
def _():
    r = cancelled("""
        - { id: a, run: echo started; sleep 60, continue-on-error: true }
        - { id: b, run: "true" }
        - { id: f, if: failure(), run: "true" }
        - { if: cancelled(), run: 'echo @@c=1@@' }
        - { if: always(), run: 'echo "@@s=${{ join(steps.*.outcome) }}/${{ job.status }}@@"' }
    """, "| started")
    equal((r.mark("c"), r.mark("s"), r.result, r.rc), ("1", "cancelled,skipped,skipped/cancelled", "cancelled", 130), "what ran", r)


@case("", "a step that always() asks for goes on when the job is cancelled while it runs, and ends when somebody asks again")
def _():
    r = cancelled("""
        - { if: always(), run: echo started; sleep 1; echo @@through=1@@ }
        - { if: always(), run: 'echo @@after=${{ job.status }}@@' }
    """, "| started")
    equal((r.mark("through"), r.mark("after"), r.result), ("1", "cancelled", "cancelled"), "what ran", r)
    r = cancelled("""
        - { if: always(), name: a, run: echo started; sleep 60; echo @@through=1@@ }
        - { if: always(), name: b, run: "echo @@after=1@@" }
    """, "| started", times=2)
    check("through" not in r.marks and "after" not in r.marks, "what ran", r)


BROKEN = [
    ("neither form", "X=1\\nnonsense\\n", "neither NAME=VALUE"),
    ("a delimiter that never comes", "X=1\\nA<<EOF\\nx\\n", "delimiter"),
    ("a value whose last line has no end", "X=1\\nA<<EOF\\nx", "delimiter"),
    ("CRLF around one LF", "X=1\\nA<<E\\r\\nx\\nE\\n", "delimiter"),
    ("no name", "X=1\\n=x\\n", "no name"),
    ("no name before <<", "X=1\\n<<E\\nx\\nE\\n", "a name"),
    ("an empty delimiter", "X=1\\nA<<\\nx\\n\\n", "delimiter"),
]


@case("A-08", "of a file with an error in it nothing counts, the step fails, and the line is told; the step's other files count")
def _():
    for what, text, why in BROKEN:
        r = engine(steps_of(f"""
            - id: w
              continue-on-error: true
              run: |
                printf '{text}' >>"$GITHUB_ENV"
                echo "o=1" >>"$GITHUB_OUTPUT"
            - run: echo "@@seen=${{{{ steps.w.outcome }}}}${{X}}${{{{ steps.w.outputs.o }}}}@@"
        """))
        equal(r.mark("seen"), "failure1", what, r)
        check(r.noted("GITHUB_ENV cannot be read") and r.noted(why), f"told: {what}", r)


@case("", "command files count also after a failure, and NODE_OPTIONS is refused without failing the step")
def _():
    r = engine(steps_of("""
        - id: w
          continue-on-error: true
          run: |
            printf 'NODE_OPTIONS=--require=x\\nnode_options=1\\nA=1\\n' >>"$GITHUB_ENV"
            exit 3
        - run: echo "@@seen=$NODE_OPTIONS$node_options$A@@"
    """))
    equal(r.mark("seen"), "1", "what counts", r)
    check(r.noted("NODE_OPTIONS cannot be set by GITHUB_ENV"), "told", r)


main()
