#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""commands_test.py - what a step prints and what it leaves in its files: masks, annotations, and nothing else (L-03, A-07, A-08)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import case, check, equal, main  # noqa: E402
from engine import engine, steps_of  # noqa: E402

PUSH = {"version": 1, "steps": [{"phase": "push", "match": {"id": "publish"}}, {"phase": "fetch", "match": {"id": "fetch"}}]}
LOADS = ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "PYTHONPATH", "PYTHONSTARTUP", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "SSH_ASKPASS", "IFS", "PS4",
         "PERL5OPT", "PERL5LIB", "RUBYOPT", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "MAVEN_OPTS", "NODE_PATH", "npm_config_registry", "https_proxy", "PATH", "HOME"]


# ---- L-03: printed ----

@case("L-03", "nothing printed sets a variable, a path, an output or a state; each old form is told once with the line to write, and the two dangerous ones fail the step")
def _():
    r = engine(steps_of("""
        - id: p
          run: |
            echo "::set-output name=o::1"
            echo "::set-output name=o::2"
            echo "::save-state name=s::1"
            echo "##[set-output name=o]1"
        - { id: q, continue-on-error: true, run: 'echo "::set-env name=E::1"; echo "x ##[add-path]/evil"' }
        - run: |
            test -z "${{ steps.p.outputs.o }}$E$STATE_s"
            case $PATH in *evil*) exit 1;; esac
            test ${{ steps.q.outcome }} = failure
    """))
    for text in ("::set-output:: does nothing", "::save-state:: does nothing", "::set-env:: does nothing", "::add-path:: does nothing"):
        equal(sum(text in n for n in r.notes), 1, text, r)


@case("L-03", "commands between stop-commands and its token are ordinary lines, the token's case does not count, and a token that is a command is refused")
def _():
    r = engine(steps_of("""
        - run: |
            echo "::stop-commands::tokn"
            echo "::warning::plain"
            echo "::other::"
            echo "::TOKN::"
            echo "::warning::annotated"
        - { id: w, continue-on-error: true, run: 'echo "::stop-commands::warning"; echo "::notice::goes on"' }
        - run: test ${{ steps.w.outcome }} = failure
    """))
    equal([e["message"] for e in r.events("annotation")], ["annotated", "goes on"], "annotations", r)
    check("::warning::plain" in r.out, "the stopped command is shown", r)


@case("L-03", "a value behind add-mask is shown in no later line, record or result, whole, by its lines, escaped, and right in the next line of one write")
def _():
    r = engine(steps_of("""
        - id: m
          run: |
            printf '::add-mask::canary-one\\ncanary-one\\n  ::ADD-MASK::canary%%0Atwolines\\ntwolines\\n##[add-mask]canary-three\\nx canary-three\\n'
            { printf '::add-mask::'; head -c 9000 /dev/zero | tr '\\0' y; echo; head -c 9000 /dev/zero | tr '\\0' y; echo; }
            echo "o=has canary-one in it" >>"$GITHUB_OUTPUT"
            echo "::warning title=canary-three::canary-one"
            echo "sum canary-one" >>"$GITHUB_STEP_SUMMARY"
        - { name: "about ${{ steps.m.outputs.o }}", run: 'echo "${{ steps.m.outputs.o }}"' }
        - { if: "steps.m.outputs.o == 'nothing'", run: "true" }
    """, "outputs: { o: \"${{ steps.m.outputs.o }}\" }"))
    printed = "\n".join(line for line in r.out.splitlines() if line.startswith("01-m|"))
    for canary in ("canary", "twolines", "yyyyyyyy"):
        check(canary not in printed, f"{canary} is shown", r)
    later = r.out.split("ended m:")[1]
    for canary in ("canary-one", "canary-three"):
        check(canary not in later, f"{canary} is shown later", r)
    check("***" in later, "masked", r)
    equal(r.outputs, {}, "the output of the job", r)
    for event in r.events("annotation") + r.events("step.summary"):
        check("canary" not in str({k: v for k, v in event.items() if k != "step"}), str(event), r)


@case("L-03", "a mask that is empty or too short is told and masks nothing, and of thousands of masks the first count")
def _():
    r = engine(steps_of("""
        - run: |
            echo "::add-mask::"
            echo "::add-mask::ab"
            echo "cab"
            python3 -c 'for i in range(3000): print("::add-mask::value-%05d" % i)'
            echo "value-00500 value-02500"
    """))
    check(r.noted("there is no value") and r.noted("2 bytes cannot be masked") and r.noted("more than 1000 values"), "told", r)
    check("| cab" in r.out and "*** value-02500" in r.out, "what is masked", r)


@case("", "annotations: their level, place and title are shown and recorded as GitHub reads them")
def _():
    rows = [
        ("::error file=a.c,line=3,col=7::m", ("error", "a.c", 3, None, 7, None, None, "m"), "error: a.c:3:7: m"),
        ("::warning file=/work/d/a.c,line=3,endLine=4,col=1,endColumn=2::m", ("warning", "d/a.c", 3, 4, None, None, None, "m"), "warning: d/a.c:3: m"),
        ("::notice title=T%3A a%2Cb,endLine=5::n%0Asecond %25", ("notice", None, 5, 5, None, None, "T: a,b", "n\nsecond %"), "notice: T: a,b: n; second %"),
        ("  ::Error line=1, col=2::x", ("error", None, 1, None, None, None, None, "x"), "error: x"),
        ("::warning line=x,endColumn=3,title=::y", ("warning", None, None, None, None, None, None, "y"), "warning: y"),
        ("text before ##[error file=b.c;line=2]z%5D", ("error", "b.c", 2, None, None, None, None, "z]"), "error: b.c:2: z]"),
        ("::error line=5,endLine=3,col=4,endColumn=2::w", ("error", None, 5, None, None, None, None, "w"), "error: w"),
        ("::error file=a,line=2,endLine=2,col=4,endColumn=9::v", ("error", "a", 2, 2, 4, 9, None, "v"), "error: a:2:4: v"),
    ]
    text = "\n".join("            cat <<'E'\n            %s\n            E" % line for line, _, _ in rows)
    r = engine(steps_of("        - run: |\n" + text))
    got = [(e["level"], e.get("file"), e.get("line"), e.get("end_line"), e.get("column"), e.get("end_column"), e.get("title"), e["message"]) for e in r.events("annotation")]
    for row, one in zip(rows, got):
        equal(one, row[1], row[0], r)
    equal(len(got), len(rows), "annotations", r)
    for line, _, shown in rows:
        check("| " + shown + "\n" in r.out, f"shown for {line}", r)


@case("", "what is no command is an ordinary line: unknown names, C++ names, no end, text before it")
def _():
    lines = ["::unknown::x", "std::string::npos", "::error x", "a ::error::b", "::error::c", "##[unknown]x", "## [error]x", "##[error", "::::", "::"]
    text = "\n".join("            cat <<'E'\n            %s\n            E" % line for line in lines)
    r = engine(steps_of("        - run: |\n" + text))
    equal([e["message"] for e in r.events("annotation")], ["c"], "annotations", r)
    for line in lines:
        if line != "::error::c":
            check("| " + line + "\n" in r.out, line, r)


@case("", "debug lines are shown only where somebody asks, groups are marked, and echo shows commands")
def _():
    text = steps_of("""
        - name: a
          run: |
            echo "::debug::hidden words"
            echo "::group::Part 1"
            echo "::endgroup::"
            echo "::echo::on"
            echo "::debug::seen"
            echo "::echo::off"
            test "$RUNNER_DEBUG" = "$WANT"
          env: { WANT: "${{ runner.debug }}" }
    """)
    r = engine(text)
    check("hidden words" not in r.out and "| ::debug::seen" in r.out and "--- Part 1 ---" in r.out, "without debug", r)
    r = engine(text, {"github": {}, "vars": {"ACTIONS_STEP_DEBUG": "true"}})
    check("| debug: hidden words" in r.out, "with debug", r)


@case("", "annotations of one step are bounded, and what is over the bound is told")
def _():
    r = engine(steps_of("""
        - run: for i in $(seq 80); do echo "::warning::w$i"; done
    """))
    equal(len(r.events("annotation")), 50, "annotations", r)
    check(r.noted("more than 50 annotations") and "| warning: w80" in r.out, "told", r)


@case("", "a summary is shown and recorded; one of more than a megabyte is told and fails nothing")
def _():
    r = engine(steps_of("""
        - run: printf '# Title\\n\\n| a | b |\\n' >>"$GITHUB_STEP_SUMMARY"
        - run: head -c 1100000 /dev/zero >>"$GITHUB_STEP_SUMMARY"
    """))
    equal([e["text"] for e in r.events("step.summary")], ["# Title\n\n| a | b |\n"], "recorded", r)
    check(r.noted("summary: # Title") and r.noted("what it left in `step_summary` is not taken"), "told", r)


# ---- problem matchers ----

GCC = r'''{"problemMatcher":[{"owner":"gcc","pattern":[{"regexp":"^(.*):(\\d+):(\\d+):\\s+(warning|error):\\s+(.*)$","file":1,"line":2,"column":3,"severity":4,"message":5}]}]}'''


def of(annotation):
    return tuple(annotation.get(k) for k in ("level", "file", "line", "column", "message"))


@case("", "a problem matcher makes annotations of what programs print, for the rest of the job, with the file where it is one of the workspace")
def _():
    r = engine(steps_of("""
        - name: one
          run: |
            echo "a.c:1:2: error: before"
            echo "::add-matcher::.github/gcc.json"
            echo "a.c:3:4: warning: unused"
            echo "/work/sub/../a.c:5:6: error: whole"
            echo "none.c:7:8: error: no such file"
            echo "../etc/passwd:9:1: error: outside"
            echo "/etc/passwd:9:1: error: outside"
            echo "::stop-commands::toktok"
            echo "a.c:11:1: error: also while commands are stopped"
        - name: two
          run: |
            printf 'a.c:13:1: \\033[31merror: \\033[0min colours\\n'
            echo "::remove-matcher owner=GCC::"
            echo "a.c:15:1: error: after"
    """), files={"a.c": "", ".github/gcc.json": GCC, "sub/x": ""})
    equal([of(e) for e in r.events("annotation")], [
        ("warning", "a.c", 3, 4, "unused"), ("error", "a.c", 5, 6, "whole"), ("error", None, 7, 8, "no such file"), ("error", None, 9, 1, "outside"),
        ("error", None, 9, 1, "outside"), ("error", "a.c", 11, 1, "also while commands are stopped"), ("error", "a.c", 13, 1, "in colours")], "annotations", r)
    check("| warning: a.c:3:4: warning: unused" in r.out and "| a.c:15:1: error: after" in r.out, "how lines are shown", r)


TSC = r'''{"problemMatcher":[{"owner":"tsc","pattern":[{"regexp":"^(\\S+)\\((\\d+),(\\d+)\\): (error|warning)\\s+(TS\\d+)?\\s*:\\s*(.*)$","file":1,"line":2,"column":3,"severity":4,"code":5,"message":6}]}]}'''


@case("", "a problem matcher's code of a problem is in the record, and where people read it")
def _():
    r = engine(steps_of("""
        - run: |
            echo "::add-matcher::tsc.json"
            echo "a.ts(3,4): error TS2322: Type 'x' is not assignable"
            echo "a.ts(5,6): warning : without one"
    """), files={"a.ts": "", "tsc.json": TSC})
    equal([(e["message"], e.get("code")) for e in r.events("annotation")], [("Type 'x' is not assignable", "TS2322"), ("without one", None)], "annotations", r)


@case("", "a file of matchers that cannot be taken fails the step with a sentence, whatever lies in its place, and nothing is waited for")
def _():
    rows = [("none.json", "true", "No such file"), ("x", "mkfifo x", "no regular file"), ("x", "mkdir x", "no regular file"), ("x", "truncate -s 1G x", "more than 262144 bytes"),
            ("x", "ln -s /etc/passwd x", ""), ("../../etc/passwd", "true", ""), ("x", "echo '{' >x", "line 2"),
            ("x", """echo '{"problemMatcher":[{"owner":"o","pattern":[{"regexp":"(","message":0}]}]}' >x""", "parenthesis")]
    for file, before, why in rows:
        r = engine(steps_of(f"""
            - id: a
              continue-on-error: true
              run: |
                {before}
                echo "::add-matcher::{file}"
            - run: test ${{{{ steps.a.outcome }}}} = failure
        """), timeout=30)
        check(r.noted("add-matcher: " + file) and r.noted(why) and "root:" not in r.out, f"told: {file}, {before}", r)


@case("", "a file of matchers that lies in none of the job's directories is not read, is told, and fails nothing")
def _():
    r = engine(steps_of("""
        - { id: a, run: 'echo "::add-matcher::/etc/passwd"; echo "::add-matcher::/proc/self/environ"' }
        - run: test ${{ steps.a.outcome }} = success
    """))
    for file in ("/etc/passwd", "/proc/self/environ"):
        check(r.noted(f"add-matcher: {file} is not read: it lies in none of the job's directories"), file, r)
    check("root:" not in r.out, "the host's file", r)


@case("", "a matcher in RUNNER_TEMP counts, also in a push step")
def _():
    r = engine(steps_of("""
        - id: publish
          run: |
            cp .github/gcc.json "$RUNNER_TEMP/own.json"
            echo "::add-matcher::$RUNNER_TEMP/own.json"
            echo "a.c:1:1: error: found"
    """), policy=PUSH, files={"a.c": "", ".github/gcc.json": GCC})
    equal([of(e) for e in r.events("annotation")], [("error", "a.c", 1, 1, "found")], "annotations", r)


@case("", "patterns that go back and forth cost seconds and no more, and what is given up is told")
def _():
    bomb = '{"problemMatcher":[{"owner":"bomb","pattern":[{"regexp":"^(([a-z])+.)+[A-Z]([a-z])+$","message":1}]}]}'
    r = engine(steps_of("""
        - run: |
            echo "::add-matcher::bomb.json"
            python3 -c 'print(("a" * 200 + chr(10)) * 20000)'
    """), files={"bomb.json": bomb}, timeout=60)
    check(r.noted("`bomb` is removed") or r.noted("not asked any more"), "told", r)


# ---- what crosses ----

@case("A-07", "what loads code never crosses from build or fetch into push; each name is told with the line that allows it and is an event, and data crosses")
def _():
    names = " ".join(LOADS)
    r = engine(steps_of(f"""
        - id: fetch
          run: |
            for n in {names}; do echo "$n=/evil" >>"$GITHUB_ENV"; done
            echo "BASH_FUNC_ls%%=() {{ echo evil; }}" >>"$GITHUB_ENV"
            echo /evil/bin >>"$GITHUB_PATH"
            echo "VERSION=1.2" >>"$GITHUB_ENV"
        - id: publish
          env: {{ GET: "${{{{ env.LD_PRELOAD }}}}${{{{ env.PATH }}}}" }}
          run: |
            env | grep -v '^GET=' | grep evil && exit 1
            test -z "$GET" && test "$VERSION" = 1.2
    """), policy=PUSH)
    withheld = {(e["kind"], e["name"]) for e in r.events("env.withheld", step="publish")}
    equal(withheld, {("env", n) for n in LOADS + ["BASH_FUNC_ls%%"]} | {("path", "/evil/bin")}, "events", r)
    for kind, name in withheld:
        check(any(f"phases.push.carry: {{ {kind}: [ \"{name}\" ] }}" in n for n in r.notes), f"told: {name}", r)


@case("A-07", "within fetch and build all of it arrives")
def _():
    engine(steps_of("""
        - run: |
            printf 'MAVEN_OPTS=-Xmx1g\\nGIT_AUTHOR_NAME=x\\n' >>"$GITHUB_ENV"
            echo /own/bin >>"$GITHUB_PATH"
        - { id: fetch, run: 'test "$MAVEN_OPTS$GIT_AUTHOR_NAME" = -Xmx1gx && case $PATH in /own/bin:*) ;; *) exit 1;; esac' }
    """), policy=PUSH)


@case("A-07", "push.carry lets what it names cross, and nothing else")
def _():
    policy = {**PUSH, "phases": {"push": {"carry": {"env": ["MAVEN_*"], "path": "/own/*"}}}}
    r = engine(steps_of("""
        - run: |
            printf 'MAVEN_OPTS=-Xmx1g\\nLD_PRELOAD=/evil\\n' >>"$GITHUB_ENV"
            printf '/own/bin\\n/evil\\n' >>"$GITHUB_PATH"
        - { id: publish, run: 'test "$MAVEN_OPTS$LD_PRELOAD" = -Xmx1g && case $PATH in *evil*) exit 1;; /own/bin:*) ;; *) exit 1;; esac' }
    """), policy=policy)
    equal({e["name"] for e in r.events("env.withheld")}, {"LD_PRELOAD", "/evil"}, "withheld", r)


@case("A-07", "what a push step leaves itself reaches the next push step")
def _():
    engine(steps_of("""
        - { id: publish, run: 'echo "GIT_DIR=/own" >>"$GITHUB_ENV"; echo /own/bin >>"$GITHUB_PATH"' }
        - { id: publish-2, run: 'test "$GIT_DIR" = /own && case $PATH in /own/bin:*) ;; *) exit 1;; esac' }
    """), policy={"version": 1, "steps": [{"phase": "push", "match": {"id": "publish*"}}]})


# ---- the files themselves ----

SPOILED = [
    ("a link to a file of the host", 'ln -sf /etc/passwd "$GITHUB_ENV"'),
    ("a FIFO", 'rm -f "$GITHUB_ENV"; mkfifo "$GITHUB_ENV"'),
    ("a directory", 'rm -f "$GITHUB_ENV"; mkdir "$GITHUB_ENV"'),
    ("another file in its place", 'echo A=1 >/tmp/other; mv /tmp/other "$GITHUB_ENV"'),
    ("deleted", 'rm -f "$GITHUB_ENV"'),
    ("a mount", 'mount --bind /etc/passwd "$GITHUB_ENV"'),
]


@case("A-08", "nobody puts a link, a FIFO, a directory or nothing in the place of a command file, and its bytes count as they are")
def _():
    for what, script in SPOILED:
        r = engine(steps_of(f"""
            - id: s
              run: |
                echo "o=1" >>"$GITHUB_OUTPUT"
                set +e
                {{ {script}; }} 2>/dev/null && echo @@spoiled=1@@
                echo "A=kept" >>"$GITHUB_ENV"
            - run: echo "@@s=$A${{{{ steps.s.outputs.o }}}}@@"
        """))
        check("spoiled" not in r.marks, f"possible: {what}", r)
        equal(r.mark("s"), "kept1", what, r)
        check("root:" not in r.out, f"the host's file: {what}", r)


@case("A-08", "a command file of 1 GB is not taken, the step fails by it, and the other files count")
def _():
    r = engine(steps_of("""
        - id: s
          continue-on-error: true
          run: |
            echo "o=1" >>"$GITHUB_OUTPUT"
            truncate -s 1G "$GITHUB_ENV"
        - run: echo "@@s=${{ steps.s.outcome }}${{ steps.s.outputs.o }}@@"
    """))
    equal(r.mark("s"), "failure1", "outcome", r)
    check(r.noted("GITHUB_ENV is not taken") and r.noted("1073741824 bytes"), "told", r)


@case("A-08", "a process that outlives its step writes nothing that counts")
def _():
    engine(steps_of("""
        - id: s
          run: |
            echo "o=1" >>"$GITHUB_OUTPUT"
            (setsid sh -c 'exec >/dev/null 2>&1 </dev/null; while :; do echo "o=2" >>"$0"; done' "$GITHUB_OUTPUT.late" &) >/dev/null 2>&1
            (setsid sh -c 'exec >/dev/null 2>&1 </dev/null; sleep 1; echo "o=evil" >>"$0"' "$GITHUB_OUTPUT" &) >/dev/null 2>&1
        - run: test "${{ steps.s.outputs.o }}" = 1
        - run: sleep 1; test "${{ steps.s.outputs.o }}" = 1 && test ! -s "$GITHUB_OUTPUT"
    """))


@case("A-08", "a guessed delimiter ends the value there, what follows is read as lines, and a megabyte of value arrives whole or not at all")
def _():
    r = engine(steps_of("""
        - id: s
          continue-on-error: true
          run: |
            value=$(printf 'x\\nE\\nLD_PRELOAD=/evil')
            { echo 'A<<E'; echo "$value"; echo E; } >>"$GITHUB_ENV"
        - run: test -z "$A$LD_PRELOAD"
        - id: big
          run: python3 -c 'import os; open(os.environ["GITHUB_OUTPUT"], "w").write("v=" + "x" * 1000000 + chr(10))'
        - if: startsWith(steps.big.outputs.v, 'xxx')
          id: seen
          run: "true"
        - run: test ${{ steps.seen.outcome }}${{ steps.s.outcome }} = successfailure
    """))
    check(r.noted("neither NAME=VALUE"), "told", r)


main()
