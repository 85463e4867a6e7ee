#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_rules_test.py - GitHub's rules, one small workflow for each: files that check themselves, through `drydock run` alone.

A row is: where the rule is (C, N, W: what GitHub's own programs do and its documentation does not say; 7.x: the life of a step), the rule as a
sentence, the workflow, and what is expected besides exit status 0. Most rows end with a step that fails where the rule does not hold."""
import os
import re
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main  # noqa: E402

STEPS = "on: push\njobs:\n  j:\n    runs-on: ubuntu-latest\n    steps:\n"


def steps(text):
    return STEPS + textwrap.indent(textwrap.dedent(text).strip("\n"), "      ") + "\n"


# ---- a job of steps: (row, sentence, steps, expectations) ----

JOBS = [
    # -- C: corrections --
    ("C1", "a CR before LF stays in a value of NAME=VALUE", r"""
        - run: printf 'A=1\r\n' >>"$GITHUB_ENV"
        - run: test "$A" = "$(printf '1\r')" && test ${#A} = 2
     """, {}),
    ("C1", "a heredoc whose lines and delimiter all carry a CR works", r"""
        - id: s
          run: printf 'A<<E\r\nx\r\nE\r\n' >>"$GITHUB_OUTPUT"
        - env: { A: "${{ steps.s.outputs.A }}" }
          run: test "$A" = "$(printf 'x\r')"
     """, {}),
    ("C1", "a delimiter with a CR is not the one without it", r"""
        - id: s
          continue-on-error: true
          run: printf 'A<<E\r\nx\nE\n' >>"$GITHUB_OUTPUT"
        - run: test "${{ steps.s.outcome }}-${{ steps.s.outputs.A }}" = failure-
     """, {}),
    ("C1", "GITHUB_PATH ends a line with LF, CR and CRLF", r"""
        - run: printf '/one\r/two\r\n/three\n' >>"$GITHUB_PATH"
        - run: case $PATH in /three:/two:/one:*) ;; *) exit 1;; esac
     """, {}),
    ("C3", "an empty working-directory is the workspace, no working-directory is the default", """
        - { run: mkdir -p a/b, working-directory: "" }
        - { run: 'test "$PWD" = "$GITHUB_WORKSPACE"', working-directory: "" }
        - { run: 'test "$PWD" = "$GITHUB_WORKSPACE"', working-directory: "${{ '' }}" }
     """, {}),
    ("C4", "an error in env fails a step whose `if` is false, and it is not skipped", """
        - { id: a, if: false, env: { X: "${{ fromJSON('{') }}" }, run: "true" }
        - { if: always(), run: 'echo "@@a=${{ steps.a.outcome }}/${{ steps.a.conclusion }}@@"' }
     """, {"rc": 1, "marks": {"a": "failure/failure"}}),
    ("C5", "GITHUB_ACTION is the id or __run, __run_2, and its repository and ref are there and empty; GITHUB_ACTION_PATH is not there", """
        - run: test "$GITHUB_ACTION" = __run && test "${GITHUB_ACTION_REPOSITORY+there}${GITHUB_ACTION_REPOSITORY}" = there
        - { id: own, run: 'test "$GITHUB_ACTION" = own && test "${GITHUB_ACTION_REF+there}${GITHUB_ACTION_REF}" = there' }
        - run: test "$GITHUB_ACTION" = __run_2 && test -z "${GITHUB_ACTION_PATH+there}" && test "${{ github.action }}" = __run_2
     """, {}),
    ("C15", "properties are split at commas and their keys are not trimmed", """
        - run: echo "::warning line=1, col=2,file=a::text"
     """, {"annotations": [{"level": "warning", "line": 1, "file": "a", "message": "text"}]}),
    ("C15", "an empty property is none, and names of commands have no case", """
        - run: echo "::WarNing title=,line=4::text"
     """, {"annotations": [{"level": "warning", "line": 4, "message": "text"}]}),
    ("C15", "the old form drops the text before it on the line", """
        - name: old
          run: |
            echo "some text ##[error]it failed"
     """, {"annotations": [{"level": "error", "message": "it failed"}], "hasnt": ["some text error"]}),
    ("C15", "a command that did something is not shown, and with echo it is", """
        - run: |
            echo "::group::first"
            echo "::echo::on"
            echo "::debug::second-debug"
            echo "::echo::OFF"
            echo "::debug::third-debug"
     """, {"has": ["| ::debug::second-debug"], "hasnt": ["third-debug\n"]}),
    ("C15", "the token that resumes has no case", """
        - run: |
            echo "::stop-commands::AbCdEf"
            echo "::error::one"
            echo "::abcdef::"
            echo "::error::two"
     """, {"annotations": [{"level": "error", "message": "two"}]}),
    ("C15", "echo and stop-commands end with their step", """
        - run: echo "::echo::on"; echo "::stop-commands::toke"
        - run: echo "::debug::quiet"; echo "::notice::heard"
     """, {"annotations": [{"level": "notice", "message": "heard"}], "hasnt": ["| ::debug::quiet"]}),
    ("C15", "a command that GitHub does not know is an ordinary line", """
        - run: echo "::nonesuch a=b::text"; echo "##[nonesuch]text"
     """, {"has": ["| ::nonesuch a=b::text", "| ##[nonesuch]text"], "annotations": []}),
    ("C16", "what is no number is no place, endLine alone is the line, endColumn alone the column", """
        - run: |
            echo "::error line=x,col=2::a"
            echo "::error endLine=7::b"
            echo "::error line=7,endColumn=3::c"
     """, {"annotations": [{"message": "a"}, {"message": "b", "line": 7, "end_line": 7}, {"message": "c", "line": 7, "column": 3, "end_column": 3}]}),
    ("C16", "columns without a line, and of several lines, are dropped", """
        - run: |
            echo "::error col=2,endColumn=3::a"
            echo "::error line=1,endLine=2,col=2,endColumn=3::b"
     """, {"annotations": [{"message": "a"}, {"message": "b", "line": 1, "end_line": 2}]}),
    ("C16", "an end before the beginning is dropped", """
        - run: |
            echo "::error line=5,endLine=4::a"
            echo "::error line=5,col=5,endColumn=4::b"
     """, {"annotations": [{"message": "a", "line": 5}, {"message": "b", "line": 5, "column": 5}]}),
    ("C17", "add-matcher is taken without a word, and remove-matcher takes an owner or a file", """
        - name: m
          run: |
            printf '{"problemMatcher":[{"owner":"o","severity":"notice","pattern":[{"regexp":"^found (.*)$","message":1}]}]}' >m.json
            echo "::add-matcher::m.json"
            echo "found one"
            echo "::remove-matcher::m.json"
            echo "found two"
            echo "::add-matcher::$PWD/m.json"
            echo "::remove-matcher owner=O::"
            echo "found three"
     """, {"annotations": [{"level": "notice", "message": "one"}], "hasnt": ["add-matcher:"], "has": ["| found three"]}),
    ("7.8", "a matcher of several patterns, and one that loops", """
        - name: m
          run: |
            cat >m.json <<'E'
            {"problemMatcher":[{"owner":"lint","pattern":[{"regexp":"^([^\\\\s].*)$","file":1},{"regexp":"^\\\\s+(\\\\d+):(\\\\d+)\\\\s+(\\\\w+)\\\\s+(.*)$","line":1,"column":2,"severity":3,"message":4,"loop":true}]}]}
            E
            touch a.js
            echo "::add-matcher::m.json"
            echo "a.js"
            echo "  1:2  error  one"
            echo "  3:4  warning  two"
     """, {"annotations": [{"level": "error", "file": "a.js", "line": 1, "column": 2, "message": "one"}, {"level": "warning", "file": "a.js", "line": 3, "column": 4, "message": "two"}]}),
    ("7.8", "a file of matchers that is not there fails the step", """
        - { id: a, continue-on-error: true, run: 'echo "::add-matcher::nonesuch.json"' }
        - run: test ${{ steps.a.outcome }} = failure
     """, {"has": ["it ended well and counts as failed: for the error above, in a command in its log"]}),
    # -- N1: one step, in order --
    ("N1", "values of one env map do not see each other", """
        - { env: { A: new, B: "${{ env.A }}" }, run: 'test "$A-$B" = new-' }
     """, {}),
    ("N1", "a condition sees env of its own step", """
        - { id: a, env: { A: x }, if: env.A == 'x', run: "true" }
        - { id: b, env: { A: x }, if: env.A != 'x', run: "exit 1" }
        - run: test "${{ steps.a.outcome }}-${{ steps.b.outcome }}" = success-skipped
     """, {}),
    ("N1", "a name that cannot be evaluated fails nothing", """
        - { name: "x ${{ fromJSON('{') }}", run: "true" }
     """, {}),
    ("N1", "a timeout-minutes that cannot be evaluated is told and there is none", """
        - { timeout-minutes: "${{ fromJSON('{') }}", run: sleep 0.1 }
     """, {"has": ["timeout-minutes"]}),
    ("N1", "command files count after a failure", """
        - { id: f, continue-on-error: true, run: 'echo "A=1" >>"$GITHUB_ENV"; echo "o=2" >>"$GITHUB_OUTPUT"; exit 9' }
        - run: test "$A${{ steps.f.outputs.o }}" = 12
     """, {}),
    ("N1", "of a step whose inputs cannot be evaluated nothing ran, so nothing was left", """
        - { id: f, continue-on-error: true, run: 'echo "A=${{ fromJSON(''{'') }}" >>"$GITHUB_ENV"' }
        - run: test "${{ steps.f.outcome }}/${{ steps.f.conclusion }}/$A" = failure/success/
     """, {}),
    ("N1", "an entry that is in GITHUB_PATH already becomes the newest", """
        - run: printf '/a\\n/b\\n' >>"$GITHUB_PATH"
        - run: printf '/a\\n' >>"$GITHUB_PATH"
        - run: case $PATH in /a:/b:*/a:*) exit 1;; /a:/b:*) ;; *) exit 1;; esac
     """, {}),
    ("N1", "NODE_OPTIONS is an error annotation, its pair is skipped, the step and its other pairs are not", """
        - { id: n, run: 'printf "NODE_OPTIONS=--x\\nnode_options=--x\\nB=2\\n" >>"$GITHUB_ENV"' }
        - run: test "$NODE_OPTIONS$node_options$B-${{ steps.n.outcome }}" = 2-success
     """, {"annotations": [{"level": "error"}, {"level": "error"}]}),
    ("N1", "a step that runs out of time fails with GitHub's sentence", """
        - { id: t, name: slow one, timeout-minutes: 0.01, continue-on-error: true, run: sleep 30 }
        - run: test "${{ steps.t.outcome }}/${{ steps.t.conclusion }}" = failure/success
     """, {"has": ["The action 'slow one' has timed out after 0.01 minutes."]}),
    ("N1", "a step that ignores SIGTERM is over at its timeout all the same", """
        - { id: t, timeout-minutes: 0.01, continue-on-error: true, run: "trap '' TERM INT; sleep 30; sleep 30" }
        - run: test ${{ steps.t.outcome }} = failure
     """, {}),
    ("N1", "a run step that fails says its exit code", """
        - { continue-on-error: true, run: exit 42 }
     """, {"has": ["42"]}),
    ("N1", "CI is set only where nobody sets it", """
        - run: test "$CI" = true
        - { env: { CI: "" }, run: 'test "${CI-unset}" = ""' }
        - run: echo CI=mine >>"$GITHUB_ENV"
        - run: test "$CI" = mine
     """, {}),
    ("N1", "the outcome of a forgiven failure is failure, its conclusion success, and the job goes on", """
        - { id: a, continue-on-error: true, run: exit 1 }
        - { id: b, if: failure(), run: "true" }
        - { id: c, if: success(), run: "true" }
        - run: test "${{ steps.a.outcome }},${{ steps.a.conclusion }},${{ steps.b.outcome }},${{ steps.c.outcome }},${{ job.status }}" = failure,success,skipped,success,success
     """, {}),
    ("N1", "a masked line of a summary is masked, and the summary has LF", r"""
        - run: |
            echo "::add-mask::sikrit-value"
            printf 'has sikrit-value\r\nmore\r\n' >>"$GITHUB_STEP_SUMMARY"
     """, {"summary": "has ***\nmore\n"}),
    # -- N5 --
    ("N5", "background steps are refused by their name before anything runs", """
        - { run: echo @@ran=1@@ }
        - { run: "true", background: true }
     """, {"rc": 2, "has": ["background"], "marks": {}}),
    ("N5", "wait, cancel and parallel are refused by their name", """
        - wait-all:
        - { run: echo @@ran=1@@ }
     """, {"rc": 2, "has": ["wait-all"], "marks": {}}),
    # -- N7: hashFiles --
    ("N7", "hashFiles is SHA-256 over the digests in the order of the walk, and empty where nothing matches", """
        - run: mkdir -p d; printf a >d/x.lock; printf b >y.lock
        - run: |
            want=$( { printf a | sha256sum; printf b | sha256sum; } | cut -c1-64 | xxd -r -p | sha256sum | cut -c1-64)
            test "${{ hashFiles('**/*.lock') }}" = "$want"
            test -z "${{ hashFiles('nothing/*') }}"
     """, {}),
    ("N7", "hashFiles takes away with `!`, several patterns in a text, and comments", """
        - run: printf a >a.txt; printf b >b.txt
        - run: |
            test "${{ hashFiles('*.txt', '!b.txt') }}" = "${{ hashFiles('a.txt') }}"
            test "${{ hashFiles('# no
            a.txt') }}" = "${{ hashFiles('a.txt') }}"
     """, {}),
    ("N7", "hashFiles follows links to directories only when asked, and a link to a file is read through", """
        - run: mkdir d; printf a >d/f; ln -s d link; ln -s d/f file
        - run: |
            test -z "${{ hashFiles('link/*') }}"
            test "${{ hashFiles('--follow-symbolic-links', 'link/*') }}" = "${{ hashFiles('d/f') }}"
            test "${{ hashFiles('file') }}" = "${{ hashFiles('d/f') }}"
            test "${{ hashFiles('link/f') }}" = "${{ hashFiles('d/f') }}"
     """, {}),
    ("N7", "hashFiles refuses an option that it does not know", """
        - { id: h, continue-on-error: true, run: "echo ${{ hashFiles('--nonesuch', 'a') }}" }
        - run: test ${{ steps.h.outcome }} = failure
     """, {}),
    ("N7", "a dangling link that matches makes hashFiles fail", """
        - run: ln -s nowhere dangling
        - { id: h, continue-on-error: true, run: "echo ${{ hashFiles('dangling') }}" }
        - run: test ${{ steps.h.outcome }} = failure
     """, {}),
    # -- N9 --
    ("N9", "files in /tmp, HOME and RUNNER_TEMP are there in the next step, at the same path", """
        - run: echo 1 >/tmp/one; echo 2 >"$HOME/two"; echo 3 >"$RUNNER_TEMP/three"; mkdir -p "$RUNNER_TOOL_CACHE/t"; printf '%s\\n' "W=$HOME:$RUNNER_TEMP:$RUNNER_TOOL_CACHE" >>"$GITHUB_ENV"
        - run: test "$(cat /tmp/one "$HOME/two" "$RUNNER_TEMP/three" | tr -d '\\n')" = 123 && test -d "$RUNNER_TOOL_CACHE/t" && test "$W" = "$HOME:$RUNNER_TEMP:$RUNNER_TOOL_CACHE"
     """, {}),
    ("N9", "RUNNER_TEMP is not below the workspace, and what is made there is no part of it", """
        - run: case $RUNNER_TEMP in "$GITHUB_WORKSPACE"/*) exit 1;; esac; touch "$RUNNER_TEMP/x"; test -z "$(find "$GITHUB_WORKSPACE" -name x)"
     """, {}),
    # -- 7.3 --
    ("7.3", "without a shell it is bash -e without pipefail, and bash that is named has it", """
        - run: false | true; test -n "$BASH_VERSION"; shopt -po pipefail | grep -q '+o'
        - { shell: bash, run: "shopt -po pipefail | grep -q -- '-o pipefail'" }
        - { id: e, continue-on-error: true, run: "false; true" }
        - run: test ${{ steps.e.outcome }} = failure
     """, {}),
    ("7.3", "sh -e, python, and a text of one's own with {0}", """
        - { shell: sh, run: 'case $- in *e*) ;; *) exit 1;; esac; case $0 in *.sh) ;; *) exit 1;; esac' }
        - { shell: python, run: "import sys, os\\nassert sys.argv[0].endswith('.py')\\nassert os.environ['GITHUB_ACTIONS'] == 'true'" }
        - { shell: "perl {0}", run: "exit(3) if $0 =~ /[.]sh$/; print 'ok'" }
        - { shell: 'bash -c "exit 0" {0}', run: "exit 1" }
     """, {}),
    ("7.3", "standard input is empty", """
        - run: test -z "$(cat)"
     """, {}),
    ("7.3", "the script is a file below RUNNER_TEMP or elsewhere, ends with LF lines and is not executable", """
        - run: test -f "$0" && test ! -x "$0" && case $0 in /*.sh) ;; *) exit 1;; esac
     """, {}),
    ("7.3", "working-directory may be absolute: the workspace, below /tmp, RUNNER_TEMP or HOME", """
        - run: mkdir -p /tmp/w1 "$RUNNER_TEMP/w2" "$HOME/w3" w4
        - { working-directory: /tmp/w1, run: 'test "$PWD" = /tmp/w1' }
        - { working-directory: "${{ runner.temp }}/w2", run: 'test "$PWD" = "$RUNNER_TEMP/w2"' }
        - { working-directory: "${{ github.workspace }}/w4", run: 'test "$PWD" = "$GITHUB_WORKSPACE/w4"' }
     """, {}),
    ("7.3", "a working-directory that is not there fails the step", """
        - { id: w, working-directory: nonesuch, continue-on-error: true, run: "true" }
        - run: test ${{ steps.w.outcome }} = failure
     """, {"has": ["nonesuch"]}),
    # -- 7.4: environment --
    ("7.4", "GITHUB_* and RUNNER_* cannot be overridden by env, GITHUB_ENV or the step", """
        - { env: { GITHUB_SHA: x, GITHUB_WORKSPACE: x, RUNNER_OS: x }, run: 'test "$GITHUB_SHA" = "${{ github.sha }}" && test "$GITHUB_WORKSPACE" = "${{ github.workspace }}" && test "$RUNNER_OS" = Linux' }
        - run: printf 'GITHUB_REF=x\\nRUNNER_TEMP=x\\n' >>"$GITHUB_ENV"
        - run: test "$GITHUB_REF" = "${{ github.ref }}" && test "$RUNNER_TEMP" = "${{ runner.temp }}"
     """, {}),
    ("7.4", "nor where the forge knows none of that name: then it is empty", """
        - { env: { GITHUB_HEAD_REF: x, GITHUB_ACTOR_ID: x }, run: 'test "${GITHUB_HEAD_REF+there}$GITHUB_HEAD_REF${GITHUB_ACTOR_ID+there}$GITHUB_ACTOR_ID" = therethere' }
     """, {}),
    ("7.4", "what the forge says is there: the variables of the list, GITHUB_TOKEN is not", """
        - run: |
            for n in GITHUB_ACTION GITHUB_ACTOR GITHUB_API_URL GITHUB_ENV GITHUB_EVENT_NAME GITHUB_EVENT_PATH GITHUB_GRAPHQL_URL GITHUB_JOB GITHUB_OUTPUT GITHUB_PATH GITHUB_REF GITHUB_REF_NAME \\
                GITHUB_REF_PROTECTED GITHUB_REF_TYPE GITHUB_REPOSITORY GITHUB_REPOSITORY_OWNER GITHUB_RETENTION_DAYS GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA GITHUB_STATE \\
                GITHUB_STEP_SUMMARY GITHUB_TRIGGERING_ACTOR GITHUB_WORKFLOW GITHUB_WORKFLOW_REF GITHUB_WORKFLOW_SHA GITHUB_WORKSPACE RUNNER_OS RUNNER_ARCH RUNNER_NAME RUNNER_ENVIRONMENT RUNNER_TEMP RUNNER_TOOL_CACHE \\
                RUNNER_WORKSPACE RUNNER_TRACKING_ID GITHUB_ACTIONS CI HOME PATH; do
              test -n "${!n}" || { echo "$n is empty"; bad=1; }
            done
            for n in GITHUB_BASE_REF GITHUB_HEAD_REF GITHUB_ACTION_REF GITHUB_ACTION_REPOSITORY; do
              test "${!n+there}" = there || { echo "$n is not there"; bad=1; }
            done
            test -z "${GITHUB_TOKEN+there}${ACTIONS_RUNTIME_TOKEN+there}${RUNNER_DEBUG+there}" && test -z "$bad"
            case $RUNNER_TRACKING_ID in github_????????-????-????-????-????????????) ;; *) exit 1;; esac
     """, {"git": True}),
    ("7.4", "later wins: job, GITHUB_ENV, step", """
        - run: echo "A=file" >>"$GITHUB_ENV"
        - run: test "$A" = file
        - { env: { A: step }, run: 'test "$A-${{ env.A }}" = step-step' }
        - run: test "$A-${{ env.A }}" = file-file
     """, {}),
    ("7.4", "PATH of an env stays behind the entries of GITHUB_PATH", """
        - run: echo /own >>"$GITHUB_PATH"
        - { env: { PATH: "/other:/usr/bin:/bin" }, run: 'test "$PATH" = /own:/other:/usr/bin:/bin' }
     """, {}),
    ("7.4", "names of variables have case, names of outputs have none", """
        - { id: o, run: 'echo "Name=1" >>"$GITHUB_OUTPUT"; printf "v=a\\nV=b\\n" >>"$GITHUB_ENV"' }
        - run: test "${{ steps.o.outputs.NAME }}${{ STEPS.O.Outputs.name }}" = 11 && test "$v$V" = ab
     """, {}),
    ("7.4", "an env value that is a number, a boolean or nothing is text as GitHub writes it", """
        - env: { A: 3.10, B: 1e3, C: true, D: , E: 0x1F, F: 0o17, G: 010, H: .5, I: "3.10", J: 1587106783762380000, K: Yes, L: .inf, M: -.INF, N: 2024-01-01 }
          run: test "$A,$B,$C,$D,$E,$F,$G,$H,$I,$J,$K,$L,$M,$N" = "3.1,1000,true,,31,15,10,0.5,3.10,1.58710678376238E+18,Yes,Infinity,-Infinity,2024-01-01"
     """, {}),
    # -- 7.5 --
    ("7.5", "a step whose children hold the output open does not hold the job", """
        - run: sleep 300 & echo started
        - run: "true"
     """, {"within": 30}),
    ("7.5", "timeout-minutes 0 is none", """
        - { timeout-minutes: 0, run: sleep 0.1 }
     """, {}),
    ("7.5", "the status of the job is what its steps came to: always(), failure(), success(), cancelled()", """
        - run: test ${{ job.status }} = success
        - { id: bad, run: exit 1 }
        - { if: always(), run: 'test "${{ job.status }}" = failure && echo @@always=1@@' }
        - { if: failure(), run: 'echo @@failure=1@@' }
        - { if: cancelled(), run: 'echo @@cancelled=1@@' }
        - { if: success(), run: 'echo @@success=1@@' }
        - run: echo @@bare=1@@
        - { if: "!cancelled()", run: 'echo @@not=1@@' }
     """, {"rc": 1, "marks": {"always": "1", "failure": "1", "not": "1"}}),
    ("7.5", "a condition without a status function has success() in front of it", """
        - { id: bad, run: exit 1 }
        - { if: "true", run: 'echo @@bare=1@@' }
        - { if: "'always()' == 'always()'", run: 'echo @@text=1@@' }
        - { if: "contains('a', 'a') || failure()", run: 'echo @@has=1@@' }
     """, {"rc": 1, "marks": {"has": "1"}}),
    ("7.5", "an error in a condition fails the step, and continue-on-error does not forgive it", """
        - { id: a, if: "fromJSON('{') == 1", continue-on-error: true, run: "true" }
        - { if: always(), run: 'echo "@@a=${{ steps.a.outcome }}@@"' }
     """, {"rc": 1, "marks": {"a": "failure"}}),
    ("7.5", "the environment of oom: a step is the first to go", """
        - run: test "$(cat /proc/self/oom_score_adj)" -ge 500
     """, {}),
    # -- 7.6: command files --
    ("7.6", "GITHUB_ENV is of later steps, not of the one that writes it", """
        - run: echo "A=1" >>"$GITHUB_ENV"; test -z "$A"
        - run: test "$A" = 1
     """, {}),
    ("7.6", "= before << is a value, << before = a heredoc, blank lines are none, a BOM is tolerated", r"""
        - id: s
          run: |
            printf '\xef\xbb\xbfA=x<<y\n\nB<<EOF=1\nline\nEOF=1\n' >>"$GITHUB_OUTPUT"
        - { env: { A: "${{ steps.s.outputs.A }}", B: "${{ steps.s.outputs.B }}" }, run: 'test "$A-$B" = "x<<y-line"' }
     """, {}),
    ("7.6", "a heredoc keeps blank lines and ends only at a line that is exactly its delimiter", r"""
        - id: s
          run: printf 'A<<E\n E\nE \n\nEE\nE\n' >>"$GITHUB_OUTPUT"
        - { env: { A: "${{ steps.s.outputs.A }}" }, run: 'test "$A" = "$(printf " E\nE \n\nEE")"' }
     """, {}),
    ("7.6", "an empty heredoc is an empty value", r"""
        - { id: s, run: "printf 'A=1\\nA<<E\\nE\\n' >>\"$GITHUB_OUTPUT\"" }
        - run: test -z "${{ steps.s.outputs.A }}" && ${{ steps.s.outputs.A == '' }}
     """, {}),
    ("7.6", "an error anywhere leaves nothing of the file and fails the step", r"""
        - { id: s, continue-on-error: true, run: "printf 'A=1\\nnonsense\\n' >>\"$GITHUB_ENV\"; echo o=1 >>\"$GITHUB_OUTPUT\"" }
        - run: test "${{ steps.s.outcome }}-$A-${{ steps.s.outputs.o }}" = failure--1
     """, {}),
    ("7.6", "the last value of a heredoc needs a line end, and a name before <<", r"""
        - { id: s, continue-on-error: true, run: "printf 'A<<E\\nx' >>\"$GITHUB_ENV\"" }
        - { id: t, continue-on-error: true, run: "printf '<<E\\nx\\nE\\n' >>\"$GITHUB_ENV\"" }
        - { id: u, continue-on-error: true, run: "printf '=x\\n' >>\"$GITHUB_ENV\"" }
        - run: test "${{ join(steps.*.outcome) }}" = failure,failure,failure
     """, {}),
    ("7.6", "the files are fresh for every step, empty, and of other names or contents than before", """
        - run: echo "A=1" >>"$GITHUB_ENV"; echo "o=1" >>"$GITHUB_OUTPUT"; echo x >>"$GITHUB_STEP_SUMMARY"; echo /p >>"$GITHUB_PATH"; echo "s=1" >>"$GITHUB_STATE"
        - run: for f in "$GITHUB_ENV" "$GITHUB_OUTPUT" "$GITHUB_STEP_SUMMARY" "$GITHUB_PATH" "$GITHUB_STATE"; do test -f "$f" && test ! -s "$f" && test -w "$f"; done
     """, {}),
    ("7.6", "github.output and its kin name the same files as the variables", """
        - run: test "${{ github.output }},${{ github.env }},${{ github.path }},${{ github.state }},${{ github.step_summary }}" = "$GITHUB_OUTPUT,$GITHUB_ENV,$GITHUB_PATH,$GITHUB_STATE,$GITHUB_STEP_SUMMARY"
     """, {}),
    ("7.6", "state of a script goes nowhere: no later step has it", """
        - run: echo "s=1" >>"$GITHUB_STATE"
        - run: test -z "${STATE_s+there}"
     """, {}),
    ("7.6", "a summary of exactly 1 MiB is kept, a larger one is an error that does not fail the step", """
        - { id: a, run: 'head -c 1048576 /dev/zero | tr "\\0" x >>"$GITHUB_STEP_SUMMARY"' }
        - { id: b, run: 'head -c 1048577 /dev/zero | tr "\\0" x >>"$GITHUB_STEP_SUMMARY"' }
        - run: test "${{ join(steps.*.outcome) }}" = success,success
     """, {"summaries": 1, "has": ["step_summary"]}),
    ("7.6", "an output of a step without an id is nobody's, and of one with a hyphen is read with ['...'] too", """
        - { id: my-step, run: 'echo "my-out=1" >>"$GITHUB_OUTPUT"' }
        - run: test "${{ steps.my-step.outputs.my-out }}${{ steps['my-step'].outputs['my-out'] }}" = 11
     """, {}),
    # -- 7.7: commands --
    ("7.7", "add-mask hides the value and each of its lines from the next line on", """
        - run: |
            printf '::add-mask::first-part%%0Asecond-part\\n'
            echo "shows first-part and second-part"
     """, {"has": ["| shows *** and ***"]}),
    ("7.7", "a value that is masked already is masked again without a word", """
        - run: |
            echo "::add-mask::hidden-value"; echo "::add-mask::hidden-value"
            echo "shows hidden-value"
     """, {"has": ["| shows ***"], "hasnt": ["cannot be masked"]}),
    ("7.7", "what is masked is masked in annotations and names, and an output that holds it reaches no other job", """
        - id: s
          run: |
            echo "::add-mask::hidden-value"
            echo "::error title=t hidden-value::m hidden-value"
            echo "o=hidden-value" >>"$GITHUB_OUTPUT"
        - { name: "step ${{ steps.s.outputs.o }}", run: "true" }
     """, {"annotations": [{"level": "error", "title": "t ***", "message": "m ***"}], "hasnt": ["step hidden-value"]}),
    ("7.7", "escapes of data and of properties, %25 last", """
        - run: |
            echo '::error title=a%3Ab%2Cc%25d::x%0Ay%25z%3A'
            echo '::error::%250A'
     """, {"annotations": [{"title": "a:b,c%d", "message": "x\ny%z%3A"}, {"message": "%0A"}]}),
    ("7.7", "blanks before a command are fine, text is not; both streams count", """
        - run: |
            echo "   ::notice::one"
            echo "x ::notice::two"
            echo "::notice::three" >&2
     """, {"annotations_any": [{"message": "one"}, {"message": "three"}]}),
    ("7.7", "debug is shown only where it is asked for", """
        - run: echo "::debug::quiet words"
     """, {"hasnt": ["| debug: quiet words", "##[debug]quiet words"]}),
    ("7.7", "a token of stop-commands that is a command, empty or pause-logging is refused, and the step fails", """
        - { id: a, continue-on-error: true, run: 'echo "::stop-commands::error"' }
        - { id: b, continue-on-error: true, run: 'echo "::stop-commands::"' }
        - { id: c, continue-on-error: true, run: 'echo "::stop-commands::pause-logging"' }
        - run: test "${{ join(steps.*.outcome) }}" = failure,failure,failure
     """, {}),
    ("7.7", "set-env and add-path do nothing and fail the step", """
        - { id: a, continue-on-error: true, run: 'echo "::set-env name=A::1"' }
        - { id: b, continue-on-error: true, run: 'echo "::add-path::/evil"' }
        - { id: c, continue-on-error: true, env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: "true" }, run: 'echo "::set-env name=A::1"' }
        - run: test -z "$A" && test "${{ join(steps.*.outcome) }}" = failure,failure,failure && case $PATH in *evil*) exit 1;; esac
     """, {}),
    ("7.7", "nothing that is printed sets an output or a state", """
        - { id: a, run: 'echo "::set-output name=o::1"; echo "::save-state name=s::1"' }
        - run: test -z "${{ steps.a.outputs.o }}$STATE_s" && test ${{ steps.a.outcome }} = success
     """, {"has": ["set-output", "GITHUB_OUTPUT"]}),
    ("7.7", "an echo that is neither on nor off fails the step", """
        - { id: a, continue-on-error: true, run: 'echo "::echo::maybe"' }
        - run: test ${{ steps.a.outcome }} = failure
     """, {}),
    ("7.7", "add-mask without a value is a warning, and an error annotation fails nothing", """
        - { id: a, run: 'echo "::add-mask::"; echo "::error::no failure"' }
        - run: test ${{ steps.a.outcome }} = success
     """, {}),
    ("7.5", "a condition over several lines, with functions of status in it", """
        - { id: a, run: exit 1, continue-on-error: true }
        - id: b
          if: |
            always() &&
            steps.a.outcome == 'failure' &&
            !cancelled()
          run: "true"
        - { id: c, if: "${{ !cancelled() && (failure() || steps.a.conclusion == 'success') }}", run: "true" }
        - run: test "${{ steps.b.outcome }}${{ steps.c.outcome }}" = successsuccess
     """, {}),
    ("7.5", "steps.X.outcome and conclusion of a step that has not run yet are empty", """
        - run: test -z "${{ steps.later.outcome }}${{ steps.later.conclusion }}${{ steps.later.outputs.v }}"
        - { id: later, run: 'echo v=1 >>"$GITHUB_OUTPUT"' }
     """, {}),
    ("7.5", "a script killed by a signal fails its step", """
        - { id: a, continue-on-error: true, run: 'kill -9 $$' }
        - run: test ${{ steps.a.outcome }} = failure
     """, {}),
    ("7.4", "an env that is empty is there and empty, and a variable of the caller is not there at all", """
        - { env: { EMPTY: "" }, run: 'test "${EMPTY-unset}" = "" && test "${SHOULD_NOT_LEAK-unset}" = unset' }
     """, {"env": {"SHOULD_NOT_LEAK": "1"}}),
    ("7.4", "values with quotes, dollars, line feeds and UTF-8 arrive as they are", """
        - id: s
          run: printf 'v<<E\\na"b $HOME `x` %s\\nE\\n' é >>"$GITHUB_OUTPUT"
        - env:
            V: ${{ steps.s.outputs.v }}
            W: |-
              line1
              line2 $(x) 'q'
          run: |
            test "$V" = "a\\"b \\$HOME \\`x\\` é"
            test "$W" = "$(printf "line1\\nline2 \\$(x) 'q'")"
     """, {}),
    ("7.6", "the last of one name in a file counts, and a later file over an earlier one", """
        - { id: s, run: 'printf "v=1\\nv=2\\n" >>"$GITHUB_OUTPUT"; printf "A=1\\nA=2\\n" >>"$GITHUB_ENV"' }
        - run: test "${{ steps.s.outputs.v }}$A" = 22; echo A=3 >>"$GITHUB_ENV"
        - run: test "$A" = 3
     """, {}),
    ("7.6", "a name with spaces around it keeps them in an output, and values keep theirs", """
        - { id: s, run: 'echo "v=  two  " >>"$GITHUB_OUTPUT"' }
        - { env: { V: "${{ steps.s.outputs.v }}" }, run: 'test "$V" = "  two  "' }
     """, {}),
    ("7.7", "a group and its end frame what is between them, in the log", """
        - name: g
          run: |
            echo "::group::My part"
            echo inside
            echo "::endgroup::"
     """, {"has": ["My part", "| inside"], "hasnt": ["| ::group::", "| ::endgroup::"]}),
    ("7.7", "a mask holds for later steps, and its value is not shown by the command itself", """
        - name: m
          run: |
            v=$(printf 'late%s' -value); echo "::add-mask::$v"
        - { name: later, run: "printf 'late%s\\n' -value" }
     """, {"has": ["| ***"], "hasnt": ["| late-value", "::add-mask::late-value"]}),
    ("8.6", "masked: the value in base64, and quoted for JSON", """
        - name: m
          run: |
            v=$(printf 'pass"word%s' -123456); echo "::add-mask::$v"
            printf '%s' "$v" | base64
            printf '%s\\n' 'pass\\"word-123456'
     """, {"hasnt": ["cGFzcyJ3b3JkLTEyMzQ1Ng", 'pass\\"word-123456\n']}),
    ("7.5", "a hundred megabytes of output, in bounded memory and to its end", """
        - { name: big, run: 'yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 100000000 >/dev/stderr; echo @@end=1@@' }
     """, {"rc": None, "within": 60}),
    # -- W1, W2, W3, W6 --
    ("W1", "anchors and aliases are understood", """
        - { env: &e { A: "1" }, run: test "$A" = 1 }
        - { env: *e, run: test "$A" = 1 }
     """, {}),
    ("W1", "a merge key is an ordinary name and not known", """
        - { <<: { run: "true" }, name: x }
     """, {"rc": 2, "has": ["<<"]}),
    ("W1", "keys are unique without case", """
        - { run: "true", Run: "false" }
     """, {"rc": 2, "has": ["workflow.yml:6:", "un"]}),
    ("W1", "on, yes, no, off are texts, true and TRUE booleans", """
        - { env: { A: on, B: no, C: TRUE, D: off }, run: 'test "$A,$B,$C,$D" = on,no,true,off' }
     """, {}),
    ("W2", "an expression that is a text is that text: the way to write ${{", """
        - run: echo '@@a=${{ '${{' }} x }}@@' | grep -q '[$]{{ x }}'
     """, {}),
    ("W2", "an if of an expression and more text is always true", """
        - { id: a, if: "${{ false }} == true", run: "true" }
        - { id: b, if: "${{ false }}", run: "true" }
        - run: test "${{ join(steps.*.outcome) }}" = success,skipped
     """, {}),
    ("W2", "an expression that does not end, or is empty, is refused with its place", """
        - { run: "echo ${{ github.ref" }
     """, {"rc": 2, "has": ["workflow.yml:6:"]}),
    ("W2", "quotes hide }} and are doubled", """
        - run: test "${{ 'it''s }} in' }}" = "it's }} in"
     """, {}),
    ("W2", "braces and quotes of the text around expressions stay", """
        - run: "x='{a}'; y=\\"{0}{{}}\\"; test \\"$x${y}${{ 1 }}\\" = '{a}{0}{{}}1'"
     """, {}),
    ("W2", "a value that is one expression keeps its type", """
        - { continue-on-error: "${{ true }}", timeout-minutes: "${{ fromJSON('5') }}", run: exit 1 }
     """, {}),
    ("W3", "secrets in the if of a step is refused, with its place", """
        - { if: secrets.A == 'x', run: "true" }
     """, {"rc": 2, "has": ["workflow.yml:6:", "secrets"]}),
    ("W3", "an expression in shell or id of a step is refused", """
        - { shell: "${{ github.ref }}", run: "true" }
     """, {"rc": 2, "has": ["workflow.yml:6:"]}),
    ("W3", "status functions only in conditions", """
        - { run: "echo ${{ success() }}" }
     """, {"rc": 2, "has": ["workflow.yml:6:", "success"]}),
    ("W3", "an unknown name, function, or a wrong number of arguments is refused with its place", """
        - { run: "echo ${{ nonesuch.a }}" }
     """, {"rc": 2, "has": ["workflow.yml:6:", "nonesuch"]}),
    ("W3", "what is not there is empty, however deep", """
        - run: test -z "${{ github.event.a.b.c }}${{ steps.none.outputs.x }}${{ vars.NONE }}${{ env.NONE }}${{ inputs.none }}${{ matrix.none }}"
     """, {}),
    ("W6", "an id is used once, without case", """
        - { id: a, run: "true" }
        - { id: A, run: "true" }
     """, {"rc": 2, "has": ["workflow.yml:7:"]}),
    ("W6", "an id begins with a letter or _, and not with __", """
        - { id: __a, run: "true" }
     """, {"rc": 2, "has": ["workflow.yml:6:", "__a"]}),
    ("W6", "a step has exactly one of run and uses", """
        - { run: "true", uses: actions/checkout@v4 }
     """, {"rc": 2, "has": ["workflow.yml:6:"]}),
    ("W6", "an internal id never appears in steps", """
        - run: "true"
        - run: test "${{ toJSON(steps) }}" = "{}"
     """, {}),
    ("W6", "a uses without a ref is refused with its place", """
        - { uses: actions/checkout }
     """, {"rc": 2, "has": ["workflow.yml:6:"]}),
]

# ---- whole workflows: (row, sentence, workflow, expectations) ----

FLOWS = [
    ("C2", "defaults.run of a job replaces that of the workflow whole", """
        on: push
        defaults: { run: { working-directory: d, shell: bash } }
        jobs:
          a:
            runs-on: x
            defaults: { run: { shell: sh } }
            steps: [ { run: 'test "$PWD" = "$GITHUB_WORKSPACE" && test -z "$BASH_VERSION"' } ]
          b:
            runs-on: x
            steps: [ { run: 'mkdir -p d', working-directory: . }, { run: 'test "$PWD" = "$GITHUB_WORKSPACE/d" && shopt -po pipefail | grep -q -- -o' } ]
     """, {}),
    ("C3", "the default directory only where the step says none, the default shell where it says none", """
        on: push
        jobs:
          a:
            runs-on: x
            defaults: { run: { working-directory: d, shell: sh } }
            steps:
              - { run: mkdir -p d, working-directory: "" }
              - run: test "$PWD" = "$GITHUB_WORKSPACE/d" && test -z "$BASH_VERSION"
              - { working-directory: "", run: 'test "$PWD" = "$GITHUB_WORKSPACE"' }
              - { shell: bash, run: 'test -n "$BASH_VERSION"' }
     """, {}),
    ("C9", "the defaults of a job may hold expressions, those of the workflow not", """
        on: push
        jobs:
          a:
            strategy: { matrix: { sh: [ sh ] } }
            runs-on: x
            defaults: { run: { shell: "${{ matrix.sh }}" } }
            steps: [ { run: 'test -z "$BASH_VERSION"' } ]
     """, {}),
    ("C9", "an expression in the defaults of the workflow is refused", """
        on: push
        defaults: { run: { shell: "${{ github.ref }}" } }
        jobs: { a: { runs-on: x, steps: [ { run: "true" } ] } }
     """, {"rc": 2, "has": ["workflow.yml:3:"]}),
    ("N1", "outputs of a job: an empty one is none, one with a secret is left out and told", """
        on: push
        jobs:
          a:
            runs-on: x
            outputs: { e: "${{ steps.s.outputs.none }}", v: "${{ steps.s.outputs.v }}", m: "${{ steps.s.outputs.m }}" }
            steps: [ { id: s, run: 'echo "::add-mask::mask-me-now"; printf "v=1\\nm=mask-me-now\\n" >>"$GITHUB_OUTPUT"' } ]
          b:
            needs: a
            runs-on: x
            steps: [ { run: 'test "${{ needs.a.outputs.v }}-${{ needs.a.outputs.m }}-${{ needs.a.outputs.e }}" = 1--' } ]
     """, {"has": ["may hold a secret"]}),
    ("N1", "an output that cannot be evaluated fails the job", """
        on: push
        jobs:
          a: { runs-on: x, outputs: { e: "${{ fromJSON('{') }}" }, steps: [ { run: "true" } ] }
          b: { needs: a, if: failure(), runs-on: x, steps: [ { run: "echo @@b=${{ needs.a.result }}@@" } ] }
     """, {"rc": 1, "marks": {"b": "failure"}}),
    ("N5", "new keys of the schema are accepted and mean nothing here", """
        on: { push: , schedule: [ { cron: "0 0 * * *", timezone: Europe/Berlin } ] }
        permissions: { contents: read, models: read, code-quality: write, artifact-metadata: write, vulnerability-alerts: read }
        concurrency: { group: g, cancel-in-progress: true, queue: max }
        jobs: { a: { runs-on: x, environment: { name: e, deployment: false }, steps: [ { run: "true" } ] } }
     """, {}),
    ("W2", "insert splices a map, and an expression as a whole map is one", """
        on: push
        jobs:
          a:
            runs-on: x
            env: { "${{ insert }}": "${{ fromJSON('{\\"A\\":\\"1\\"}') }}", B: "2" }
            steps:
              - run: test "$A$B" = 12
              - { env: "${{ fromJSON('{\\"C\\":3}') }}", run: 'test "$C" = 3' }
     """, {}),
    ("W3", "env in the if of a job is refused, with its place", """
        on: push
        env: { A: x }
        jobs: { a: { if: env.A == 'x', runs-on: x, steps: [ { run: "true" } ] } }
     """, {"rc": 2, "has": ["workflow.yml:4:", "env"]}),
    ("W3", "env of the workflow sees github, inputs, vars, secrets; env of a job matrix and needs as well", """
        on: push
        env: { A: "${{ github.event_name }}", B: "${{ vars.V }}" }
        jobs:
          z: { runs-on: x, outputs: { o: out }, steps: [ { run: "true" } ] }
          a:
            needs: z
            strategy: { matrix: { m: [ mm ] } }
            runs-on: x
            env: { C: "${{ matrix.m }}${{ needs.z.outputs.o }}" }
            steps: [ { run: 'test "$A,$B,$C" = push,v,mmout' } ]
     """, {"options": ("--var", "V=v")}),
    ("W4", "needs have no case, and an id is refused where it cannot be one", """
        on: push
        jobs:
          First: { runs-on: x, steps: [ { run: "true" } ] }
          b: { needs: [ FIRST ], runs-on: x, steps: [ { run: 'test ${{ needs.first.result }}${{ needs.First.result }} = successsuccess' } ] }
     """, {}),
    ("W4", "an unknown need is refused with its place", """
        on: push
        jobs:
          a: { runs-on: x, steps: [ { run: "true" } ] }
          b: { needs: nonesuch, runs-on: x, steps: [ { run: "true" } ] }
     """, {"rc": 2, "has": ["workflow.yml:5:", "nonesuch"]}),
    ("W4", "jobs in a circle, and none to begin with, are refused", """
        on: push
        jobs:
          a: { needs: b, runs-on: x, steps: [ { run: "true" } ] }
          b: { needs: a, runs-on: x, steps: [ { run: "true" } ] }
     """, {"rc": 2, "has": ["workflow.yml:"]}),
    ("W4", "success() looks at all that is waited for, also through a skipped one; failure() too", """
        on: push
        jobs:
          a: { runs-on: x, if: false, steps: [ { run: "true" } ] }
          b: { needs: a, if: always(), runs-on: x, steps: [ { run: "true" } ] }
          c: { needs: b, runs-on: x, steps: [ { run: "echo @@c=1@@" } ] }
          d: { runs-on: x, steps: [ { run: exit 1 } ] }
          e: { needs: d, if: always(), runs-on: x, steps: [ { run: "true" } ] }
          f: { needs: e, if: failure(), runs-on: x, steps: [ { run: "echo '@@f=${{ needs.e.result }}@@'" } ] }
     """, {"rc": 1, "marks": {"f": "success"}}),
    ("W4", "success('a') and failure('a') look at the named jobs only", """
        on: push
        jobs:
          a: { runs-on: x, steps: [ { run: "true" } ] }
          b: { runs-on: x, steps: [ { run: exit 1 } ] }
          c: { needs: [ a, b ], if: "success('a')", runs-on: x, steps: [ { run: "echo @@c=1@@" } ] }
          d: { needs: [ a, b ], if: "failure('a')", runs-on: x, steps: [ { run: "echo @@d=1@@" } ] }
          e: { needs: [ a, b ], if: "failure('b')", runs-on: x, steps: [ { run: "echo @@e=1@@" } ] }
     """, {"rc": 1, "marks": {"c": "1", "e": "1"}}),
    ("W4", "a job that is let fail is a success for those that need it", """
        on: push
        jobs:
          a: { continue-on-error: true, runs-on: x, steps: [ { run: exit 1 } ] }
          b: { needs: a, runs-on: x, steps: [ { run: "test ${{ needs.a.result }} = success" } ] }
     """, {}),
    ("W4", "a literal false, a blank if, and an if with ${{ }}", """
        on: push
        jobs:
          a: { if: false, runs-on: x, steps: [ { run: "echo @@a=1@@" } ] }
          b: { if: "", runs-on: x, steps: [ { run: "echo @@b=1@@" } ] }
          c: { if: "${{ github.event_name == 'push' }}", runs-on: x, steps: [ { run: "echo @@c=1@@" } ] }
          d: { if: "!true", runs-on: x, steps: [ { run: "echo @@d=1@@" } ] }
     """, {"marks": {"b": "1", "c": "1"}}),
    ("W4", "a job with several needs sees each result, and a skipped one is skipped", """
        on: push
        jobs:
          ok: { runs-on: x, outputs: { o: "1" }, steps: [ { run: "true" } ] }
          no: { if: false, runs-on: x, steps: [ { run: "true" } ] }
          z:
            needs: [ ok, no ]
            if: always()
            runs-on: x
            steps: [ { run: "test '${{ needs.ok.result }} ${{ needs.no.result }} ${{ needs.ok.outputs.o }} ${{ needs.no.outputs.o }} ${{ contains(needs.*.result, 'skipped') }}' = 'success skipped 1  true'" } ]
     """, {}),
    ("W5", "the last key varies fastest, include adds to what fits and appends what does not", """
        on: push
        jobs:
          a:
            strategy:
              matrix:
                a: [ 1, 2 ]
                b: [ x, y ]
                exclude: [ { a: "2", b: X } ]
                include: [ { a: 1, b: y, c: more }, { d: all }, { a: 3, e: own } ]
            runs-on: x
            steps: [ { run: "echo '@@${{ strategy.job-index }}=${{ matrix.a }},${{ matrix.b }},${{ matrix.c }},${{ matrix.d }},${{ matrix.e }},${{ strategy.job-total }},${{ strategy.max-parallel }},${{ strategy.fail-fast }}@@'" } ]
     """, {"marks": {"0": "1,x,,all,,4,4,true", "1": "1,y,more,all,,4,4,true", "2": "2,y,,all,,4,4,true", "3": "3,,,,own,4,4,true"},
           "has": ["a (1, x)", "a (1, y)", "a (2, y)", "a (3, own)"]}),
    ("W5", "an include cannot be excluded, and overwrites no original value", """
        on: push
        jobs:
          a:
            strategy: { matrix: { v: [ 1 ], exclude: [ { v: 2 } ], include: [ { v: 2 }, { v: 1, w: one }, { v: 1, w: two } ] } }
            runs-on: x
            steps: [ { run: "echo '@@v${{ matrix.v }}=${{ matrix.w }}@@'" } ]
     """, {"marks": {"v1": "two", "v2": ""}}),
    ("W5", "values of a matrix keep their types, and objects give their leaves to the name", """
        on: push
        jobs:
          a:
            strategy: { matrix: { o: [ { os: lin, ver: 3.10, on: true } ] } }
            runs-on: x
            steps: [ { run: "test '${{ matrix.o.os }} ${{ matrix.o.ver }} ${{ matrix.o.on == true }} ${{ toJSON(matrix.o.ver) }}' = 'lin 3.1 true 3.1'" } ]
     """, {"has": ["a (lin, 3.1, true)"]}),
    ("W5", "a vector out of an expression, and one of maps", """
        on: push
        jobs:
          a:
            strategy: { matrix: { v: "${{ fromJSON('[1,2]') }}", include: [ { v: 2, x: two } ] } }
            runs-on: x
            steps: [ { run: "echo '@@v${{ matrix.v }}=${{ matrix.x }}@@'" } ]
     """, {"marks": {"v1": "", "v2": "two"}, "has": ["a (1)", "a (2)"]}),
    ("W5", "only include: each entry is a combination", """
        on: push
        jobs:
          a:
            strategy: { matrix: { include: [ { os: lin, v: 1 }, { os: win, v: 2 } ] } }
            runs-on: x
            steps: [ { run: "echo '@@${{ matrix.os }}=${{ matrix.v }}@@'" } ]
     """, {"marks": {"lin": "1", "win": "2"}, "has": ["a (lin, 1)", "a (win, 2)"]}),
    ("W5", "a combination that is let fail ends no other one, and the job is a success for its dependants", """
        on: push
        jobs:
          a:
            strategy: { max-parallel: 1, matrix: { v: [ 1, 2, 3 ] } }
            continue-on-error: "${{ matrix.v == 1 }}"
            runs-on: x
            steps: [ { run: "echo @@v${{ matrix.v }}=ran@@; test ${{ matrix.v }} != 1" } ]
          b: { needs: a, runs-on: x, steps: [ { run: "echo @@b=${{ needs.a.result }}@@" } ] }
     """, {"marks": {"v1": "ran", "v2": "ran", "v3": "ran", "b": "success"}}),
    ("W5", "a long name is cut at 97 and three dots", """
        on: push
        jobs:
          a: { strategy: { matrix: { v: [ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" ] } }, runs-on: x, steps: [ { run: "true" } ] }
     """, {"plan": ["a (" + "a" * 94 + "..."]}),
    ("W3", "a condition of a job over outputs of another", """
        on: push
        jobs:
          a: { runs-on: x, outputs: { go: "${{ steps.s.outputs.go }}" }, steps: [ { id: s, run: 'echo go=yes >>"$GITHUB_OUTPUT"' } ] }
          b: { needs: a, if: needs.a.outputs.go == 'yes', runs-on: x, steps: [ { run: echo @@b=1@@ } ] }
          c: { needs: a, if: needs.a.outputs.go != 'yes', runs-on: x, steps: [ { run: echo @@c=1@@ } ] }
     """, {"marks": {"b": "1"}}),
    ("W3", "the name of a job and of a step may be computed", """
        on: push
        jobs:
          a:
            strategy: { matrix: { v: [ 7 ] } }
            name: job ${{ matrix.v }} on ${{ github.event_name }}
            runs-on: x
            env: { W: word }
            steps: [ { name: "step ${{ matrix.v }} ${{ env.W }}", run: "true" } ]
          b: { runs-on: x, steps: [ { run: "true" } ] }
     """, {"has": ["job 7 on push", "step 7 word"]}),
    ("W4", "timeout-minutes of a job cancels it, always() follows, and what needs it sees that", """
        on: push
        jobs:
          a:
            timeout-minutes: 0.03
            runs-on: x
            steps: [ { run: sleep 60 }, { if: always(), run: echo @@always=1@@ }, { run: echo @@plain=1@@ } ]
          b: { needs: a, if: always(), runs-on: x, steps: [ { run: "test ${{ needs.a.result }} = cancelled && echo @@b=1@@" } ] }
     """, {"rc": None, "marks": {"always": "1", "b": "1"}, "within": 40}),
    ("W4", "an output of a matrix job is that of the last combination that gives one", """
        on: push
        jobs:
          a:
            strategy: { max-parallel: 1, matrix: { v: [ 1, 2, 3 ] } }
            runs-on: x
            outputs: { o: "${{ steps.s.outputs.o }}" }
            steps: [ { id: s, run: 'test ${{ matrix.v }} = 3 || echo o=${{ matrix.v }} >>"$GITHUB_OUTPUT"' } ]
          b: { needs: a, runs-on: x, steps: [ { run: "test ${{ needs.a.outputs.o }} = 2" } ] }
     """, {}),
    ("W7", "a call in a call, with a matrix over it, and outputs all the way up", """
        on: push
        jobs:
          call: { strategy: { max-parallel: 1, matrix: { v: [ 1, 2 ] } }, uses: ./.github/workflows/one.yml, with: { v: "${{ matrix.v }}" } }
          after: { needs: call, runs-on: x, steps: [ { run: "echo '@@o=${{ needs.call.outputs.o }}@@'" } ] }
     """, {"marks": {"o": "2-two"}, "files": {
         ".github/workflows/one.yml": "on: { workflow_call: { inputs: { v: { type: string } }, outputs: { o: { value: '${{ jobs.in.outputs.o }}' } } } }\njobs: { in: { uses: ./.github/workflows/two.yml, with: { v: '${{ inputs.v }}' } } }\n",
         ".github/workflows/two.yml": "on: { workflow_call: { inputs: { v: { type: string } }, outputs: { o: { value: '${{ jobs.x.outputs.o }}' } } } }\njobs: { x: { runs-on: x, outputs: { o: '${{ steps.s.outputs.o }}' }, steps: [ { id: s, run: 'echo \"o=${{ inputs.v }}-two\" >>\"$GITHUB_OUTPUT\"' } ] } }\n"}}),
    ("W8", "an event file is github.event, with its name, and nothing of it is the token", """
        on: push
        jobs:
          a:
            runs-on: x
            env: { G: "${{ toJSON(github) }}" }
            steps:
              - run: test "${{ github.event.head_commit.id }},${{ github.event.repository.full_name }},${{ github.repository }}" = "abc,acme/widget,acme/widget"
              - run: printf '%s' "$G" | python3 -c 'import json,sys; g=json.load(sys.stdin); assert g["event"]["head_commit"]["id"] == "abc"; assert not g.get("token")'
     """, {"options": ("--event", "src/event.json"), "files": {"event.json": '{"ref": "refs/heads/main", "head_commit": {"id": "abc"}, "repository": {"full_name": "acme/widget"}}'}}),
    ("W8", "a choice that is none, a number that is none and a boolean that is none are refused", """
        on: { workflow_dispatch: { inputs: { c: { type: choice, options: [ x, y ] }, b: { type: boolean } } } }
        jobs: { a: { runs-on: x, steps: [ { run: echo @@ran=1@@ } ] } }
     """, {"rc": 2, "options": ("--input", "c=z"), "marks": {}}),
    ("W5", "without a matrix: index 0, total 1, max-parallel 1", """
        on: push
        jobs:
          a: { runs-on: x, steps: [ { run: "test '${{ strategy.job-index }}${{ strategy.job-total }}${{ strategy.max-parallel }}${{ strategy.fail-fast }}${{ matrix }}' = 011true" } ] }
     """, {}),
    ("W5", "a name that is an expression gets no values behind it", """
        on: push
        jobs:
          a: { name: "job ${{ matrix.v }} of it", strategy: { matrix: { v: [ 1, 2 ] } }, runs-on: x, steps: [ { run: "true" } ] }
          b: { name: plain, strategy: { matrix: { v: [ 1, 2 ] } }, runs-on: x, steps: [ { run: "true" } ] }
     """, {"has": ["job 1 of it", "job 2 of it", "plain (1)", "plain (2)"], "hasnt": ["of it ("]}),
    ("W5", "an empty vector, an unknown key to exclude, and no vector at all are refused", """
        on: push
        jobs:
          a: { strategy: { matrix: { v: [] } }, runs-on: x, steps: [ { run: "true" } ] }
     """, {"rc": 2, "has": ["workflow.yml:4:"]}),
    ("W5", "a key to exclude that is no vector is refused", """
        on: push
        jobs:
          a: { strategy: { matrix: { v: [ 1 ], exclude: [ { nonesuch: 1 } ] } }, runs-on: x, steps: [ { run: "true" } ] }
     """, {"rc": 2, "has": ["workflow.yml:4:", "nonesuch"]}),
    ("W7", "a called workflow: inputs with types and defaults, outputs back, github of the caller, none of its env", """
        on: push
        env: { TOP: top }
        jobs:
          call: { uses: ./.github/workflows/c.yml, with: { s: 1, b: true } }
          after: { needs: call, runs-on: x, steps: [ { run: "test '${{ needs.call.outputs.o }}' = 'c-1-true-0-'" } ] }
     """, {"files": {".github/workflows/c.yml": """
on: { workflow_call: { inputs: { s: { type: string }, b: { type: boolean }, n: { type: number }, t: { type: string } }, outputs: { o: { value: "${{ jobs.c.outputs.o }}" } } } }
jobs:
  c:
    runs-on: x
    outputs: { o: "${{ steps.s.outputs.o }}" }
    steps: [ { id: s, run: 'test "${{ github.event_name }}" = push && test -z "$TOP" && echo "o=c-${{ inputs.s }}-${{ inputs.b }}-${{ inputs.n }}-${{ inputs.t }}" >>"$GITHUB_OUTPUT"' } ]
"""}}),
    ("W7", "an input that is required and missing, or not known, is refused with its place", """
        on: push
        jobs:
          call: { uses: ./.github/workflows/c.yml, with: { nonesuch: 1 } }
     """, {"rc": 2, "has": ["workflow.yml:4:"], "files": {".github/workflows/c.yml": "on: { workflow_call: { inputs: { s: { type: string, required: true } } } }\njobs: { c: { runs-on: x, steps: [ { run: x } ] } }\n"}}),
    ("W7", "secrets are handed on by name, as an expression, or all of them", """
        on: push
        jobs:
          call: { uses: ./.github/workflows/c.yml, secrets: { s: "${{ 'text-of-it' }}" } }
     """, {"files": {".github/workflows/c.yml": """
on: { workflow_call: { secrets: { s: { required: true } } } }
jobs: { c: { runs-on: x, steps: [ { env: { S: "${{ secrets.s }}" }, run: 'test "$S" = text-of-it' } ] } }
"""}, "hasnt": ["text-of-it\n"]}),
    ("W7", "a secret that is required and missing is refused", """
        on: push
        jobs:
          call: { uses: ./.github/workflows/c.yml }
     """, {"rc": 2, "has": ["workflow.yml:4:"], "files": {".github/workflows/c.yml": "on: { workflow_call: { secrets: { s: { required: true } } } }\njobs: { c: { runs-on: x, steps: [ { run: x } ] } }\n"}}),
    ("W8", "inputs of a dispatch have their types in inputs and are texts in github.event.inputs", """
        on: { workflow_dispatch: { inputs: { b: { type: boolean, default: true }, n: { type: number, default: 3 }, c: { type: choice, options: [ x, y ] }, s: { default: text } } } }
        jobs:
          a: { runs-on: x, steps: [ { run: "test '${{ inputs.b == true }},${{ github.event.inputs.b == 'true' }},${{ inputs.n }},${{ inputs.c }},${{ inputs.s }},${{ github.event_name }}' = 'true,true,3,x,text,workflow_dispatch'" } ] }
     """, {}),
    ("W8", "github.* of a local run is made of what is known", """
        on: push
        jobs:
          a:
            name: display
            runs-on: x
            steps:
              - run: test '${{ github.run_id }}${{ github.run_number }}${{ github.run_attempt }},${{ github.job }},${{ github.event_name }},${{ github.token }}' = '111,a,push,'
              - run: test '${{ github.server_url }},${{ github.api_url }}' = 'https://github.com,https://api.github.com' && test -f "$GITHUB_EVENT_PATH" && python3 -c 'import json,os; json.load(open(os.environ["GITHUB_EVENT_PATH"]))'
     """, {}),
]


def fits(have, want):
    return all(have.get(k) == v for k, v in want.items()) and all(
        k in want or have.get(k) is None for k in ("line", "end_line", "column", "end_column", "title", "file"))


GIT = (("init", "-q", "-b", "main"), ("remote", "add", "origin", "https://github.com/acme/widget.git"), ("add", "."),
       ("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "one"))


def run_row(text, rc=0, has=(), hasnt=(), marks=None, annotations=None, annotations_any=None, summary=None, summaries=None, options=(), files=None, within=None, git=False, env=None, plan=()):
    job = Job([], files=files)
    try:
        job.write("workflow.yml", text)
        job.write("policy.yml", "version: 1\n")
        for words in (GIT if git else ()):
            subprocess.run(["git", "-C", os.path.join(job.dir, "src"), *words], check=True, stdout=subprocess.DEVNULL)
        r = job.run(*options, timeout=90, env=env)
        planned = job.run("--json", command="plan").out if plan else ""
    finally:
        job.close()
    if rc is not None:
        equal(r.rc, rc, "exit status", r)
    for one in plan:
        check(f'"name": "{one}"' in planned, f"not planned: {one!r}\n{planned[:600]}")
    r.marks = dict(re.findall(r"^(?:\[[^]]*\])? *\| .*?@@([\w.:/-]+)=(.*?)@@", r.out, re.M))
    for one in has:
        check(one in r.out, f"not told: {one!r}", r)
    for one in hasnt:
        check(one not in r.out, f"shown: {one!r}", r)
    if marks is not None:
        equal(r.marks, marks, "what ran", r)
    if annotations is not None or annotations_any is not None:
        got, want = r.events("annotation"), annotations if annotations is not None else annotations_any
        equal(len(got), len(want), "annotations", r)
        for one in want:
            check(any(fits(g, one) for g in got), f"no annotation {one} in {got}", r)
        if annotations is not None:
            for g, one in zip(got, want):
                check(fits(g, one), f"annotation {g}, expected {one}", r)
    if summary is not None:
        equal("".join(e["text"] for e in r.events("step.summary")), summary, "summary", r)
    if summaries is not None:
        equal(len(r.events("step.summary")), summaries, "summaries", r)
    if within:
        check(r.took < within, f"it took {r.took:.0f} s", r)


def row(ids, sentence, text, expected):
    @case(ids, sentence)
    def _():
        run_row(text, **expected)


for ids_, sentence_, text_, expected_ in JOBS:
    row(ids_, sentence_, steps(text_), expected_)
for ids_, sentence_, text_, expected_ in FLOWS:
    row(ids_, sentence_, textwrap.dedent(text_), expected_)

if __name__ == "__main__":
    main()
