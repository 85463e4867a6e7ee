#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""actions_test.py - actions of the workspace: composite and JavaScript, their inputs, outputs, state, stages and what they see.

Most rows are workflows that check themselves: a step fails where something is not as GitHub has it."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, Skip, case, check, equal, main  # noqa: E402
from engine import EngineRun, engine, popen, steps_of  # noqa: E402

NODE = any(os.access(os.path.join(d, "node"), os.X_OK) for d in ("/usr/local/bin", "/usr/bin", "/bin"))


def composite(steps, head="", outputs=""):
    text = "name: a test\n" + (f"inputs:\n{head}\n" if head else "") + (f"outputs:\n{outputs}\n" if outputs else "")
    return text + "runs:\n  using: composite\n  steps:\n" + steps.strip("\n") + "\n"


SAY = {"say/action.yml": composite("""
    - id: made
      shell: bash
      env: { WHO: "${{ inputs.who }}" }
      run: |
        test -z "$INPUT_WHO"
        test "$GITHUB_ACTION_PATH" = "$GITHUB_WORKSPACE/say" && test "${{ github.action_path }}" = "$GITHUB_ACTION_PATH"
        test -f "$GITHUB_ACTION_PATH/action.yml"
        echo "text=${{ inputs.greeting }} $WHO" >>"$GITHUB_OUTPUT"
        echo "secret-of-the-inside=1" >>"$GITHUB_OUTPUT"
""", """
  who: { description: to whom, required: true }
  greeting: { description: what, default: "hello in ${{ github.job }}" }
  empty: { description: nothing }
""", """
  text: { description: what was said, value: "${{ steps.made.outputs.text }}" }
  nothing: { description: none, value: "${{ steps.none.outputs.x }}" }
""")}

HOLDS = [
    ("a composite action gets its inputs with their defaults, gives its outputs, and keeps its steps to itself", """
        - { id: a, uses: ./say, with: { WHO: world } }
        - { id: b, uses: ./say/, with: { who: you, greeting: "" } }
        - run: |
            test "${{ steps.a.outputs.text }}" = "hello in j world" && test "${{ steps.b.outputs.text }}" = " you"
            test "${{ toJSON(steps.made) }}" = null && test "${{ steps.a.outputs.nothing }}" = ""
            test "${{ steps.a.outcome }}${{ steps.a.conclusion }}" = successsuccess
            test -z "${GITHUB_ACTION_PATH+set}" && test -z "${{ github.action_path }}"
            test "${{ inputs.who }}" = mine
     """, SAY),
    ("a name in an action that is one of the job, too, is another step", """
        - { id: made, run: 'echo text=outer >>"$GITHUB_OUTPUT"' }
        - { id: a, uses: ./say, with: { who: x } }
        - run: test "${{ steps.made.outputs.text }}" = outer
     """, SAY),
    ("env of the step that uses an action is that of all its steps, over the job's and below their own", """
        - run: echo "FROM_FILE=1" >>"$GITHUB_ENV"
        - { uses: ./env, env: { A: outer, B: outer } }
        - run: test "$A" = job && test "$LEFT" = yes && test "$GONE" = ""
     """, {"env/action.yml": composite("""
    - shell: sh
      env: { B: "${{ env.A }}", GONE: own }
      run: test "$A" = outer && test "$B" = outer && test "$FROM_FILE" = 1 && echo LEFT=yes >>"$GITHUB_ENV"
    - shell: sh
      run: test "$B" = outer && test -z "$GONE" && test "$LEFT" = yes
    - { shell: sh, run: 'test "${{ env.A }}${{ env.LEFT }}" = outeryes' }
""")}),
    ("defaults.run are the job's and not an action's", """
        - run: mkdir d
          working-directory: ""
        - uses: ./defaults
     """, {"defaults/action.yml": composite("""
    - { shell: bash, run: 'test "$PWD" = "$GITHUB_WORKSPACE"' }
    - { shell: bash, working-directory: defaults, run: 'test "$PWD" = "$GITHUB_WORKSPACE/defaults"' }
    - { shell: bash, working-directory: "${{ github.action_path }}", run: 'test -f action.yml' }
    - { shell: "${{ 'python' }}", run: 'import os; os.getcwd()' }
""")}),
    ("success() and failure() in an action ask what its own steps came to", """
        - { id: bad, run: exit 1, continue-on-error: true }
        - { id: broken, uses: ./status, continue-on-error: true }
        - { run: 'test "${{ steps.broken.outcome }}${{ steps.broken.conclusion }}" = failuresuccess' }
        - { run: 'test "${{ steps.broken.outputs.said }}" = "skipped success failure"' }
     """, {"status/action.yml": composite("""
    - { id: first, shell: bash, run: 'test "${{ github.action_status }}" = success' }
    - { id: fails, shell: bash, run: exit 3 }
    - { id: not, shell: bash, run: exit 4 }
    - { id: after, if: failure(), shell: bash, run: 'test "${{ github.action_status }}" = failure && test "${{ job.status }}" = success' }
    - { id: forgiven, if: always(), continue-on-error: true, shell: bash, run: exit 5 }
""", "", """
  said: { value: "${{ steps.not.outcome }} ${{ steps.after.outcome }} ${{ steps.forgiven.outcome }}" }
""")}),
    ("a step of an action that is forgiven does not fail it", """
        - { id: a, uses: ./forgiving }
        - run: test ${{ steps.a.outcome }} = success
     """, {"forgiving/action.yml": composite("""
    - { id: x, shell: bash, run: exit 1, continue-on-error: "${{ 'true' == 'true' }}" }
    - { shell: bash, run: 'test "${{ steps.x.outcome }}/${{ steps.x.conclusion }}" = failure/success' }
""")}),
    ("an action in an action: values go in and come out through both", """
        - { id: o, uses: ./outer, with: { v: "1" } }
        - run: test "${{ steps.o.outputs.v }}" = 1-outer-inner
     """, {"outer/action.yml": composite("""
    - id: i
      uses: ./inner
      with: { v: "${{ inputs.v }}-outer" }
    - { shell: bash, run: 'test "${{ github.action_path }}" = /work/outer' }
""", "\n  v: { required: true }\n", '\n  v: { value: "${{ steps.i.outputs.v }}" }\n'), "inner/action.yaml": composite("""
    - { id: x, shell: bash, run: 'test $GITHUB_ACTION_PATH = /work/inner && echo "v=${{ inputs.v }}-inner" >>"$GITHUB_OUTPUT"' }
""", "\n  v: { required: true }\n", '\n  v: { value: "${{ steps.x.outputs.v }}" }\n')}),
    ("actions are nine deep at most", """
        - { id: n, uses: ./deep/1, continue-on-error: true }
        - run: test "${{ steps.n.outcome }}" = success
        - { id: m, uses: ./deep/0, continue-on-error: true }
        - run: test "${{ steps.m.outcome }}" = failure && test -z "$DEEPER"
     """, {f"deep/{i}/action.yml": composite(f"    - uses: ./deep/{i + 1}\n" if i < 9 else "    - { shell: bash, run: 'true' }\n") for i in range(10)}),
    ("an action of this repository is found by $/ as well, and a plain checkout in an action is satisfied", """
        - { id: a, uses: $/checks }
     """, {"checks/action.yml": composite("    - uses: actions/checkout@v4\n    - { shell: bash, run: 'test -f checks/action.yml' }\n")}),
    ("a step of an action has its own files for outputs and state, and no earlier one's", """
        - uses: ./files
     """, {"files/action.yml": composite("""
    - { shell: bash, run: 'test ! -s "$GITHUB_OUTPUT" && echo a=1 >>"$GITHUB_OUTPUT" && echo s=1 >>"$GITHUB_STATE"' }
    - { shell: bash, run: 'test ! -s "$GITHUB_OUTPUT" && test ! -s "$GITHUB_STATE" && ! env | grep STATE_s' }
""")}),
]


@case("", "every row of behaviour holds")
def _():
    for sentence, steps, files in HOLDS:
        r = engine(steps_of(steps, "env: { A: job }\ndefaults: { run: { working-directory: d } }" if "defaults.run" in sentence else "env: { A: job }"),
                   {"github": {"event_name": "push", "event": {}}, "inputs": {"who": "mine"}}, result=None, files=files)
        equal(r.result, "success", sentence, r)


# ---- JavaScript ----

def node(main="true", post=None, head="", more=""):
    """The files of an action in js/: @main and @post are its code."""
    files = {"js/action.yml": f"name: js\ninputs:\n  who: {{ default: nobody }}\n{head}runs:\n  using: node20\n  main: dist/main.js\n{more}"
                              + ("  post: dist/post.js\n" if post is not None else ""), "js/dist/main.js": LIB + main}
    if post is not None:
        files["js/dist/post.js"] = LIB + post
    return files


LIB = """
const fs = require('fs'), assert = require('assert');
const put = (file, text) => fs.appendFileSync(process.env[file], text + '\\n');
const say = (name, value) => console.log(`@@${name}=${value}@@`);
"""


def needs_node():
    if not NODE:
        raise Skip("no node in /usr/local/bin, /usr/bin or /bin (scripts/deps --peers)")


@case("", "a JavaScript action is started by the host's node in the workspace, with its inputs, and leaves outputs, variables and a summary")
def _():
    needs_node()
    r = engine(steps_of("""
        - { id: a, uses: ./js, with: { Who: you, "two words-x": "1" } }
        - run: test "$FROM_ACTION" = "$(printf 'a\\nb')" && test "${{ steps.a.outputs.o }}" = you && case $PATH in /from/action:*) ;; *) exit 1;; esac
    """), files=node("""
        assert.equal(process.cwd(), process.env.GITHUB_WORKSPACE);
        assert.ok(process.argv[0].startsWith('/usr'), process.argv[0]);
        assert.equal(process.argv[1], '/work/js/dist/main.js');
        assert.deepEqual([process.env.INPUT_WHO, process.env['INPUT_TWO_WORDS-X']], ['you', '1']);
        assert.deepEqual([process.env.GITHUB_ACTION, process.env.GITHUB_ACTION_REPOSITORY, process.env.GITHUB_ACTION_PATH], ['a', '', undefined]);
        for (const name of ['RUNNER_TEMP', 'RUNNER_TOOL_CACHE', 'GITHUB_EVENT_PATH']) assert.ok(fs.existsSync(process.env[name]), name);
        put('GITHUB_OUTPUT', 'o=' + process.env.INPUT_WHO);
        put('GITHUB_ENV', 'FROM_ACTION<<E\\na\\nb\\nE');
        put('GITHUB_PATH', '/from/action');
        put('GITHUB_STEP_SUMMARY', '# done');
    """))
    check(r.events("step.summary") and r.noted("`two words-x` is no input of ./js"), "summary or warning", r)


@case("", "what a main stage leaves in GITHUB_STATE is in the environment of its own post stage, and of no other step")
def _():
    needs_node()
    r = engine(steps_of("""
        - { uses: ./js, with: { who: one } }
        - { uses: ./js, with: { who: two } }
        - run: "! env | grep STATE_"
    """), files=node("""
        assert.equal(Object.keys(process.env).filter(k => k.startsWith('STATE_')).length, 0);
        put('GITHUB_STATE', 'Mixed_Case=' + process.env.INPUT_WHO);
    """, """
        assert.deepEqual(Object.keys(process.env).filter(k => k.startsWith('STATE_')), ['STATE_Mixed_Case']);
        assert.equal(process.env.STATE_Mixed_Case, process.env.INPUT_WHO);
    """))
    equal([name for _, name in r.begun][3:], ["Post Run ./js", "Post Run ./js"], "post stages", r)
    equal([ref for ref, _ in r.begun][3:], ["02-self-2#2", "01-self#2"], "their order: the last one first", r)


@case("", "post stages run behind a failure and in reverse order, and one that fails fails the job")
def _():
    needs_node()
    js = node("say('main', 1); if (process.env.INPUT_WHO == 'bad') process.exit(3)", "say('post.' + process.env.INPUT_WHO, 1); if (process.env.INPUT_WHO == 'late') process.exit(4)")
    r = engine(steps_of("- { uses: ./js, with: { who: a } }\n- { uses: ./js, with: { who: bad } }\n- uses: ./js\n"), result="failure", files=js)
    equal(sorted(m for m in r.marks if m.startswith("post.")), ["post.a", "post.bad"], "post stages: of those whose main stage began", r)
    r = engine(steps_of("- { uses: ./js, with: { who: late } }\n- run: 'true'\n"), result="failure", files=js)
    r = engine(steps_of("- { uses: ./js, with: { who: late }, continue-on-error: true }\n- run: 'true'\n"), result="success", files=js)
    check("post.late" in r.marks, "no post stage", r)


@case("", "post-if is asked behind the last step, with the job's status and the environment as it is then")
def _():
    needs_node()
    for cond, last, want in (("success()", "exit 1", False), ("failure()", "exit 1", True), ("success() || env.KEEP == 'yes'", "echo KEEP=yes >>$GITHUB_ENV; exit 1", True),
                             ("${{ env.KEEP == 'yes' }}", "'true'", False)):
        r = engine(steps_of(f"- uses: ./js\n- run: {last}\n"), result=None, files=node("", "say('post', 1)", more=f'  post-if: "{cond}"\n'))
        equal("post" in r.marks, want, f"post-if: {cond} behind {last}", r)


@case("", "post stages of actions inside of an action run as well, in reverse of all, and with the action's inputs")
def _():
    needs_node()
    files = node("say('main.' + process.env.INPUT_WHO, 1)", "say('post.' + process.env.INPUT_WHO, process.env.FROM)")
    files["outer/action.yml"] = composite("""
    - { uses: ./js, with: { who: "${{ inputs.who }}-1" } }
    - { uses: ./js, with: { who: "${{ inputs.who }}-2" }, env: { FROM: inner } }
""", "\n  who: {}\n")
    r = engine(steps_of("- { uses: ./js, with: { who: first } }\n- { uses: ./outer, with: { who: in }, env: { FROM: outer } }\n"), files=files)
    order = [line.split("@@")[1] for line in r.out.splitlines() if "@@post." in line]
    equal(order, ["post.in-2=inner", "post.in-1=outer", "post.first=undefined"], "post stages", r)


@case("", "a job that is cancelled in an action still runs its post stages")
def _():
    needs_node()
    job = Job([], files=node("put('GITHUB_STATE', 'x=1'); console.log('now'); setTimeout(() => {}, 60000)", "say('post', process.env.STATE_x)"))
    try:
        process = popen(job, steps_of("- uses: ./js\n- run: 'true'\n"))
        out = b""
        for line in process.stdout:
            out += line
            if b"| now" in line:
                process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        r = EngineRun(job.dir, process.returncode, out.decode("utf-8", "replace"))
    finally:
        job.close()
    equal(r.result, "cancelled", "result", r)
    check("post" in r.marks, "no post stage", r)


@case("", "what prints and masks in an action counts as in any step")
def _():
    needs_node()
    r = engine(steps_of("- uses: ./js\n"), result="success", files=node("""
        console.log('::add-mask::hush-hush-hush'); console.log('got hush-hush-hush'); console.log('::warning file=a.c,line=2::careful');
    """))
    check("got hush" not in r.out and r.events("annotation", level="warning", file="a.c", line=2), "mask or annotation", r)


@case("A-07", "an earlier step that puts a `node` of its own in front of the PATH does not run in the place of a later action")
def _():
    needs_node()
    r = engine(steps_of("""
        - name: plant
          run: |
            mkdir bin && printf '#!/bin/sh\\necho @@stolen=1@@\\n' >bin/node && chmod +x bin/node && echo "$PWD/bin" >>"$GITHUB_PATH"
        - uses: ./js
    """), files=node("say('own', 1)"))
    check("own" in r.marks and "stolen" not in r.marks, "another node ran", r)


# ---- what is refused ----

@case("", "what is no action fails its step with a sentence that says why")
def _():
    rows = [
        ("uses: ./none", {}, "none/action.yml is not there"),
        ("uses: ./../up", {}, "leaves the workspace"),
        ("uses: ./a/../../up", {}, "leaves the workspace"),
        ("uses: ./bad", {"bad/action.yml": "name: x\nruns: { using: cobol, main: x }\n"}, "`using: cobol` is no kind of action"),
        ("uses: ./image", {"image/action.yml": "name: x\nruns: { using: docker, image: Dockerfile }\n"}, "an action in a container is not supported yet"),
        ("uses: ./out", {"out/action.yml": "name: x\nruns: { using: node20, main: ../../etc/passwd }\n"}, "is not a file of the action"),
        ("uses: ./cond", {"cond/action.yml": composite("    - { if: \"fromJSON('no')\", shell: bash, run: 'true' }\n    - { if: always(), shell: bash, run: 'echo @@ran=1@@' }\n")}, "cond/action.yml"),
    ]
    for step, files, text in rows:
        r = engine(steps_of(f"- {step}\n"), result="failure", files=files)
        check(text in r.out and "ran" not in r.marks, f"{step}: {text}", r)


@case("F-01", "a manifest behind a link of the checkout, one that is a FIFO, and one that is too large are not read")
def _():
    rows = [("ln -s /etc/passwd a/action.yml", "is a symbolic link"), ("rmdir a; mkdir b; echo x >b/action.yml; ln -s b a", "is a symbolic link"),
            ("mkfifo a/action.yml", "not a regular file"), ("head -c 2000000 /dev/zero >a/action.yml", "")]
    for made, text in rows:
        r = engine(steps_of(f"- run: mkdir a; {made}\n- uses: ./a\n"), result="failure")
        check(text in r.out and not r.events("step.start", index=2), made, r)


@case("F-14", "a push step's action is the commit's: what a build step makes of its manifest or its code does not run there")
def _():
    files = {"act/action.yml": composite("    - { shell: bash, run: 'echo @@inner=commit@@; . act/code.sh' }\n"), "act/code.sh": "echo @@code=commit@@\n"}
    policy = {"version": 1, "steps": [{"phase": "push", "match": {"id": "publish"}}], "phases": {"push": {"egress": "none"}}}
    r = engine(steps_of("""
        - { name: plant, run: "sed -i 's/commit/stolen/' act/code.sh act/action.yml" }
        - { id: publish, uses: ./act }
    """), policy=policy, files=files)
    equal((r.mark("inner"), r.mark("code")), ("commit", "commit"), "what ran in the push step", r)
    equal([e["phase"] for e in r.events("step.start")], ["build", "push", "push"], "phases", r)
    for view, want in (("pristine", "other/action.yml is not there"), ("artifacts", "has no checkout")):
        policy["phases"]["push"]["workspace"] = view
        r = engine(steps_of("""
            - name: plant
              run: |
                mkdir other && printf 'runs: { using: composite, steps: [ { shell: bash, run: "echo @@inner=stolen@@" } ] }' >other/action.yml
            - { id: publish, uses: ./other }
        """), policy=policy, files=files, result="failure")
        check(want in r.out and "inner" not in r.marks, view, r)


@case("G-10 P-01", "no process of an action's main stage is there in its post stage, and no connection")
def _():
    needs_node()
    r = engine(steps_of("- uses: ./js\n"), files=node("""
        const child = require('child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }); child.unref();
        fs.writeFileSync(process.env.RUNNER_TEMP + '/pid', String(child.pid)); put('GITHUB_STATE', 'left=1');
    """, """
        const others = fs.readdirSync('/proc').filter(n => /^[0-9]+$/.test(n)).map(n => { try { return fs.readFileSync(`/proc/${n}/cmdline`, 'latin1') } catch { return '' } });
        say('sleeping', others.filter(c => c.includes('sleep')).length);
    """))
    equal(r.mark("sleeping"), "0", "processes of the main stage in the post stage", r)


@case("C-02", "a credential is the written step's: its action's main stage has it, and so have the steps of a composite one; no post stage has, and no step that the policy does not name")
def _():
    needs_node()
    policy = {"version": 1, "steps": [{"phase": "push", "match": {"id": "publish"}}, {"phase": "push", "match": {"id": "wrapped"}}, {"phase": "push", "match": {"id": "other"}}],
              "phases": {"push": {"egress": "none"}}, "credentials": {"t": {"from": {"file": "/dev/null"}, "for": {"phase": "push", "steps": ["publish", "wrapped"]}, "as": {"env": "TOKEN"}, "ttl": "1m"}}}
    files = node("say('main.' + process.env.INPUT_WHO, !!process.env.TOKEN)", "say('post.' + process.env.INPUT_WHO, !!process.env.TOKEN)")
    files["wrap/action.yml"] = composite("""
    - { uses: ./js, with: { who: "${{ inputs.who }}" } }
    - { shell: bash, run: 'echo @@run.$WHO=${#TOKEN}@@', env: { WHO: "${{ inputs.who }}" } }
""", "\n  who: {}\n")
    import tempfile
    with tempfile.NamedTemporaryFile("w") as secret:
        secret.write("0123456789abcdef")
        secret.flush()
        policy["credentials"]["t"]["from"]["file"] = secret.name
        r = engine(steps_of("- { id: publish, uses: ./js, with: { who: own } }\n- { id: wrapped, uses: ./wrap, with: { who: in } }\n- { id: other, uses: ./wrap, with: { who: no } }\n"), policy=policy, files=files)
    equal([r.mark(m) for m in ("main.own", "post.own", "main.in", "post.in", "run.in", "main.no", "post.no", "run.no")],
          ["true", "false", "true", "false", "16", "false", "false", "0"], "who held it", r)
    equal([e["step"] for e in r.events("cred.grant")], ["publish", "wrapped#2", "wrapped#3"], "grants", r)
    equal([e["step"] for e in r.events("cred.revoke")], ["publish", "wrapped#2", "wrapped#3"], "each taken back with its step", r)


if __name__ == "__main__":
    main()
