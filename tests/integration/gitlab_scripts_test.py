#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_scripts_test.py - job scripts as people write them, cut into a segment for every command, against one bash that runs them whole: what is printed and how
it ends must be the same. `: cut` between two commands is a command that runs in fetch, so the shell's state goes through a step that is trusted more, and back."""
import os
import re
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402

POLICY = {"version": 1, "steps": [{"phase": "fetch", "match": {"run": ": cut*"}}], "phases": {"fetch": {}}}

SCRIPTS = {
    "a before_script that sets variables for a script": ["export VERSION=1.2.3", "BUILD=42", "TAG=\"v$VERSION+$BUILD\"", "echo $TAG"],
    "a directory that is entered, and left": ["mkdir -p src/app", "cd src", "echo ${PWD##*/}", "cd app && echo ${PWD##*/}", "cd ../..", "ls -d src"],
    "a value that a command computed": ["echo '{\"v\": 7}' >p.json", "V=$(sed 's/[^0-9]//g' p.json)", "test \"$V\" = 7", "echo v$V"],
    "functions": ["say() { echo \"[$1] ${*:2}\"; }", "twice() { \"$@\"; \"$@\"; }", "twice say info a 'b c'"],
    "arrays, and associative ones": ["FLAGS=(-O2 '-DX=\"a b\"')", "FLAGS+=(-g)", "declare -A MAP=([one]=1 [two]=2)", "printf '<%s>' \"${FLAGS[@]}\"; echo", "echo ${MAP[one]}${MAP[two]} ${#MAP[@]}"],
    "a heredoc, and another that is quoted": ["NAME=world", "cat >greeting <<EOF\nhello $NAME\nEOF", "cat >raw <<'EOF'\nhello $NAME\n\ttabbed\nEOF", "cat greeting raw"],
    "a loop over several lines": ["for i in 1 2 3; do\n  echo \"step $i\"\ndone", "while read -r l; do echo \"got $l\"; done < <(printf 'a\\nb\\n')"],
    "an if over several lines": ["if [ \"$CI_COMMIT_REF_NAME\" = main ]; then\n  MODE=release\nelse\n  MODE=debug\nfi", "echo $MODE"],
    "case and patterns": ["case $CI_COMMIT_REF_NAME in\n  main|master) K=prod ;;\n  *) K=dev ;;\nesac", "echo $K"],
    "set +e around a command that may fail": ["set +e", "false", "R=$?", "set -e", "echo result $R"],
    "set +e that stays": ["set +e", "false", "(exit 7)", "echo $?"],
    "a command that fails with ||": ["false || echo caught", "RC=0; (exit 3) || RC=$?", "echo rc $RC"],
    "a failure in the middle": ["echo one", "false", "echo never"],
    "an exit code of its own": ["echo one", "exit 42", "echo never"],
    "exit 0 in the middle": ["echo one", "if true; then exit 0; fi", "echo never"],
    "a pipe that fails": ["echo one", "false | cat", "echo never"],
    "set +o pipefail": ["set +o pipefail", "false | cat", "echo still"],
    "set -u and a default": ["set -u", "echo ${NOPE:-default}", "echo $NOPE", "echo never"],
    "set -x is shown": ["X=1", "set -x", "Y=$X", "set +x", "echo done"],
    "a trap for the end": ["trap 'echo cleaned up' EXIT", "touch file", "ls file"],
    "a trap for the end after a failure": ["trap 'echo cleaned up $?' EXIT", "echo one", "false"],
    "a trap for errors": ["trap 'echo failed with $?' ERR", "echo one", "(exit 5)"],
    "shopt, IFS and globs": ["shopt -s nullglob extglob", "touch a.c b.c", "F=(*.c *.none)", "echo ${#F[@]}", "OLD=$IFS; IFS=,", "L=\"${F[*]}\"", "IFS=$OLD", "echo $L", "echo !(a.c)"],
    "values with quotes, newlines, dollars and backslashes": ["A=$'two\\nlines'", "B='it'\"'\"'s $HOME'", "C='back\\slash \"q\"'", "export D=$'tab\\there'", "printf '%s|' \"$A\" \"$B\" \"$C\" \"$D\"; echo"],
    "integers, read-only and lower case": ["declare -i N=4", "N+=3", "declare -r FIXED=yes", "declare -l low=LOUD", "echo $N $FIXED $low"],
    "an empty value, one that is unset, and one that is unset later": ["EMPTY=", "GONE=1", "unset GONE", "echo \"${EMPTY-unset}:${GONE-unset}\""],
    "umask and modes": ["umask 077", "touch secret", "stat -c %a secret"],
    "arguments of the shell": ["set -- one 'two three'", "echo $# $2"],
    "an alias that is asked for": ["shopt -s expand_aliases", "alias greet='echo hi'", "greet there"],
    "a background process that is waited for in one command": ["(sleep 0.2; echo made >out) & wait $!", "cat out"],
    "a script of the repository that is sourced": ["printf 'LIB=loaded\\nlib() { echo from $LIB; }\\n' >lib.sh", ". ./lib.sh", "lib"],
    "an exported function": ["helper() { echo helped $1; }", "export -f helper", "bash -c 'helper me'"],
    "a subshell keeps its own": ["A=1", "(A=2; cd /; echo $A)", "echo $A"],
    "stdin is nobody's": ["cat", "read -r x || echo nothing to read"],
    "python and printf with percent signs": ["printf '%s%%\\n' 50", "python3 -c 'print(\"%d%%\" % 7)'"],
    "comments and empty lines": ["# a comment", "", "echo after  # another"],
}


def rendered(script):
    """As GitLab's own runner has it: one shell, the echo of each command, and that command."""
    head = ["trap 'exit 1' TERM", "set -eo pipefail", "set +o noclobber"]
    return "\n".join(head + ["builtin printf ''\n" + part.strip() for part in script]) + "\n"


def whole(script):
    with tempfile.TemporaryDirectory() as where:
        with open(os.path.join(where, "script"), "w", encoding="utf-8") as file:
            file.write(rendered(script))
        os.mkdir(os.path.join(where, "work"))
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": where, "LANG": "C.UTF-8", "CI_COMMIT_REF_NAME": "main"}
        done = subprocess.run(["bash", "--noprofile", "--norc", "../script"], cwd=os.path.join(where, "work"), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout


def cut(script):
    parts = []
    for part in script:
        parts += [part, ": cut"]
    return parts[:-1]


def printed(job):
    """What the commands said: no echo of them, no word of drydock's."""
    lines = job.lines[job.lines.index('Executing "step_script" stage of the job script') + 1:]
    kept = [line for line in lines if not line.startswith(("$ ", "drydock:", "WARNING: drydock:", "Job succeeded", "ERROR: Job failed")) and line not in ("", "+ builtin printf")]
    return [line for line in kept if not re.match(r"\++ (builtin|:) ?", line)]


def same(text):
    """Of a shell's complaint what does not depend on where its script lies."""
    return re.sub(r"^\S*script(\.sh)?: line \d+: ", "script: ", text)


for NAME, SCRIPT in SCRIPTS.items():
    @case("", NAME)
    def _(script=SCRIPT):
        code, out = whole(script)
        expected = sorted(same(line) for line in out.split("\n") if line and not re.match(r"\++ (builtin|:) ?", line))
        for form in (script, cut(script)):
            with Host(POLICY) as host:
                job = host.run(form, rc=1 if code else 0)
                equal((job.exit_code, sorted(same(line) for line in printed(job))), (code, expected), f"{'cut' if form is not script else 'whole'}\n{job.text}\n")


@case("", "a section that a script prints reaches the trace as one, stamped or not; what is none does not, and ours stay open")
def _():
    script = ["printf '\\e[0Ksection_start:1700000000:mine[collapsed=true]\\r\\e[0KTitle of it\\n'; echo inside; printf '\\e[0Ksection_end:1700000001:mine\\r\\e[0K\\n'",
              "printf 'section_end:1700000002:one\\r\\e[0Ksection_start:1700000003:two\\r\\e[0Kboth\\n'",
              "printf '10%%\\r20%%\\rdone\\n'; printf 'section_end:1:step_script\\r\\e[0Kstill open\\n'; printf 'section_start:x:bad\\r\\e[0Kplain\\n'; printf 'section_start:1:a b\\r\\e[0Kblank\\n'"]
    for stamps in ("true", "false"):
        with Host() as host:
            job = host.run(script, variables=[("FF_TIMESTAMPS", stamps)])
            clear = "\r\x1b[0K"
            flat = re.sub(r"\n\S+Z 01O\+", "", job.text)
            for marker in ("section_start:1700000000:mine[collapsed=true]" + clear + "Title of it", "section_end:1700000001:mine" + clear,
                           "section_end:1700000002:one" + clear + "section_start:1700000003:two" + clear + "both"):
                check(marker in flat, f"{marker!r} in {flat!r}")
            check("section_end:1:step_script\r" not in flat, flat)
            check(not any(t in flat for t in ("10%\r", "section_start:x:bad\r", "section_start:1:a b\r")) and all(t in job.lines for t in ("done", "still open", "plain", "blank", "inside")), flat)


main()
