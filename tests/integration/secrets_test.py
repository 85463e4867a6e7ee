#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""secrets_test.py - `${{ secrets.NAME }}`: the value of a credential where the policy grants the step one of that name, nothing and a line elsewhere.

The value is in no expression, script, record or log: it takes its place in the variables of the one step that holds it."""
import os
import re
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main  # noqa: E402

POLICY = """
version: 1
steps: [ { phase: push, match: { id: publish } }, { phase: push, match: { id: other } } ]
credentials:
  npm-token: { from: { file: token }, for: { phase: push, steps: [ publish ] }, as: { file: token }, ttl: 5m }
  second: { from: { file: second }, for: { phase: push, steps: [ publish, other ] }, as: { env: OWN_NAME }, ttl: 5m }
"""
TOKEN, SECOND = "tok$en-'1\"23 x", "the-second-one"


def run(steps, head="", files=None, rc=0, policy=POLICY, options=()):
    job = Job([], files=files)
    try:
        job.write("workflow.yml", steps if "\njobs:" in steps else "on: push\n" + textwrap.dedent(head) + "jobs:\n  j:\n    runs-on: x\n    steps:\n" +
                  textwrap.indent(textwrap.dedent(steps).strip("\n"), "      ") + "\n")
        job.write("policy.yml", policy)
        job.write("token", TOKEN + "\n")
        job.write("second", SECOND)
        for name in ("token", "second"):
            os.chmod(os.path.join(job.dir, name), 0o600)
        r = job.run(*options)
        r.raw = ""
        for where, _, names in os.walk(os.path.join(job.dir, "state")):
            for name in names:
                with open(os.path.join(where, name), encoding="utf-8", errors="replace") as file:
                    r.raw += file.read()
    finally:
        job.close()
    equal(r.rc, rc, "exit status", r)
    for what in (TOKEN, SECOND):
        check(what not in r.out and what not in str(r.record) and what not in r.raw, f"{what} is shown", r)
    check("drydock_secret_" not in r.out and "drydock_secret_" not in str(r.record), "a blank is shown", r)
    return r


CHECK = """python3 -c 'import os, sys; sys.exit(0 if os.environ["%s"] == %s else "it is " + repr(os.environ["%s"])[::-1])'"""


def wants(name, value):
    return CHECK % (name, value.replace("TOKEN", "open(os.environ[\"CREDENTIALS_DIRECTORY\"] + \"/token\").read().rstrip(chr(10))"), name)


@case("", "in a variable of the step that holds it, alone, between other text and twice, whatever it is called")
def _():
    run(f"""
        - id: publish
          env: {{ A: "${{{{ secrets.NPM_TOKEN }}}}", B: "Bearer ${{{{ secrets.npm_token }}}}!${{{{ secrets.SECOND }}}}", C: "${{{{ secrets['NPM_TOKEN'] }}}}" }}
          run: |
            {wants("A", "TOKEN")}
            {wants("B", '"Bearer " + TOKEN + "!the-second-one"')}
            {wants("C", "TOKEN")}
            test "$OWN_NAME" = the-second-one
    """)


@case("", "in a script it is a variable, so its quotes and dollars mean nothing; where that cannot be the step fails with the line to write")
def _():
    run(f"""
        - id: publish
          run: |
            X="${{{{ secrets.NPM_TOKEN }}}}"
            export X
            {wants("X", "TOKEN")}
            ! grep -q 'tok[$]en' "$0"
    """)
    r = run("""
        - { id: publish, shell: python, run: "print('${{ secrets.NPM_TOKEN }}')" }
    """, rc=1)
    check("is a secret" in r.out and 'env: { VALUE: "${{ secrets.NPM_TOKEN }}" }' in r.out, "told", r)


@case("", "a step without the grant gets an empty text, and the line that would give it: of build, of push, and for a name that no credential has")
def _():
    r = run("""
        - { id: build, env: { A: "${{ secrets.NPM_TOKEN }}" }, run: 'test -z "$A"' }
        - { id: other, env: { A: "x${{ secrets.NPM_TOKEN || 'none' }}", B: "${{ secrets.SECOND }}" }, run: 'test "$A$B" = "xnone$OWN_NAME"' }
        - { id: last, run: 'test -z "${{ secrets.NONESUCH }}"' }
        - { id: publish, run: "true" }
    """)
    check(re.search(r"step 1: secrets.NPM_TOKEN is empty here: .*steps: \[ \{ phase: push, match: \{ id: build \} \} \]; credentials.npm-token.for.steps: \[ ..., build \]", r.out), "told of build", r)
    check(re.search(r"step 2: secrets.NPM_TOKEN is empty here: .*credentials.npm-token.for.steps: \[ ..., other \]", r.out), "told of push", r)
    check(re.search(r"step 3: secrets.NONESUCH is empty here: .*credentials: \{ NONESUCH: \{ from: \{ file: FILE \}, for: \{ phase: push, steps: \[ last \] \}, as: \{ env: NONESUCH \}, ttl: 5m \} \}", r.out), "told of none", r)
    equal(r.out.count("is empty here"), 3, "how often", r)
    equal([(e["secret"], e["step"]) for e in r.events("cred.absent")], [("NPM_TOKEN", "build"), ("NPM_TOKEN", "other"), ("NONESUCH", "last")], "recorded", r)
    check(all("gives this step no credential" in e["why"] for e in r.events("cred.absent")), "why", r)


@case("", "env of the workflow or the job reaches the step that holds it and is empty in the others; `if` sees whether it is there")
def _():
    r = run(f"""
        - {{ run: 'test -z "$A" && test -z "${{{{ env.A }}}}"' }}
        - {{ id: b, if: "env.A != ''", run: exit 1 }}
        - id: publish
          if: env.A != ''
          run: |
            {wants("A", '"[" + TOKEN + "]"').replace('"[" + ', '').replace(' + "]"', '')}
        - {{ run: 'test "${{{{ steps.b.outcome }}}}-${{{{ steps.publish.outcome }}}}" = skipped-success' }}
    """, head='env: { A: "${{ secrets.NPM_TOKEN }}" }\n')
    equal(r.out.count("is empty here"), 1, "told once", r)


@case("", "names, conditions and outputs never hold one, and what a step makes of it reaches no other job")
def _():
    r = run("""
        on: push
        jobs:
          j:
            runs-on: x
            outputs: { direct: "${{ secrets.NPM_TOKEN }}", made: "${{ steps.publish.outputs.v }}" }
            steps:
              - { id: publish, name: "with ${{ secrets.SECOND }}", env: { V: "${{ secrets.SECOND }}" }, run: 'echo "v=$V" >>"$GITHUB_OUTPUT"; echo "shown $V"' }
          k: { needs: j, runs-on: x, steps: [ { run: 'test -z "${{ needs.j.outputs.direct }}${{ needs.j.outputs.made }}"' } ] }
    """.replace("\n        ", "\n").lstrip("\n"))
    check("with ***" in r.out and "shown ***" in r.out, "masked", r)


CALLED = """
on: { workflow_call: { secrets: { s: { required: true }, t: {} } } }
jobs:
  c:
    runs-on: x
    steps:
      - { id: publish, env: { S: "${{ secrets.s }}", T: "${{ secrets.t }}" }, run: 'test "$S" = "$OWN_NAME" && test "$T" = WANT' }
"""


@case("", "a called workflow gets them by the name that the caller says: one, the first of several, a text behind them, or all")
def _():
    call = "on: push\njobs:\n  call: { uses: ./.github/workflows/c.yml, secrets: { s: \"%s\", t: \"%s\" } }\n"
    for s, t, want in (("${{ secrets.SECOND }}", "${{ secrets.NONE || 'text' }}", "text"), ("${{ secrets.NONESUCH || secrets.SECOND }}", "plain", "plain"),
                       ("${{ secrets.SECOND || secrets.NPM_TOKEN }}", "${{ secrets.NONE || secrets.NONE2 }}", '""')):
        run(call % (s, t), files={".github/workflows/c.yml": CALLED.replace("WANT", want)})
    inherit = CALLED.replace("secrets.s ", "secrets.SECOND ").replace("WANT", '""').replace(", secrets: { s: { required: true }, t: {} }", "").replace("{ workflow_call: { secrets: { s: { required: true }, t: {} } } }", "workflow_call")
    run("on: push\njobs:\n  call: { uses: ./.github/workflows/c.yml, secrets: inherit }\n", files={".github/workflows/c.yml": inherit})


@case("", "a JavaScript or composite action: an input holds it where the step itself does, and so do the steps of a composite")
def _():
    r = run("""
        - { id: publish, uses: ./act, with: { token: "${{ secrets.SECOND }}" } }
    """, files={"act/action.yml": 'name: a\ninputs: { token: {} }\nruns: { using: composite, steps: [ { shell: bash, env: { T: "${{ inputs.token }}" }, run: \'test "$T" = "$OWN_NAME"\' } ] }\n'})
    check("is empty here" not in r.out and not r.events("cred.absent"), "told", r)


@case("A-07", "a secret of several lines that a script writes as one line into GITHUB_ENV or GITHUB_OUTPUT is refused: no line of it becomes a name; with a mark it is taken")
def _():
    lines = "first-line-of-it\nc2Vjb25kLWxpbmUtb2YtaXQ=\nbGFzdC1saW5lLW9mLWl0Cg=="
    policy = POLICY.replace("as: { file: token }", "as: { file: token }").replace("file: token }, for", "file: many }, for")
    for write, rc in (('echo "KEY=$(cat $CREDENTIALS_DIRECTORY/token)" >>$GITHUB_ENV', 1), ('echo "key=$(cat $CREDENTIALS_DIRECTORY/token)" >>$GITHUB_OUTPUT', 1),
                      ('{ echo "KEY<<MARK"; cat $CREDENTIALS_DIRECTORY/token; echo; echo MARK; } >>$GITHUB_ENV', 0)):
        r = run(f"""
            - {{ id: publish, run: '{write}' }}
            - {{ id: build, run: 'env | grep -q ^c2V && printf @@%s=1@@ got || true' }}
        """, files={"../many": lines}, rc=rc, policy=policy)
        if rc:
            check("a line of a secret stands where a name belongs" in r.out and "NAME<<MARK" in r.out, "not told", r)
        check("c2Vjb25k" not in r.out and "c2Vjb25k" not in str(r.record), "a line of it is shown", r)
        equal("got" in r.marks, rc == 0, "whether a later step has it", r)


@case("", "--secret gives one by its name")
def _():
    run("""
        - { id: publish, env: { A: "${{ secrets.SECOND }}" }, run: 'test "$A" = "$OWN_NAME"' }
    """, options=("--secret", "second=token"))


main()
