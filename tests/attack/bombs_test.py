#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bombs_test.py - workflows that want to cost more than they are worth: expressions, YAML, matrices, hashFiles. Each ends as an error with a sentence, in seconds, in bounded memory,
and whoever reads them (the supervisor) goes on."""
import os
import resource
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, Job, Run, case, check, equal, main  # noqa: E402

MEMORY_MIB, SECONDS = 300, 45


def steps(text):
    return "on: push\njobs:\n  j:\n    runs-on: x\n    steps:\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "      ") + "\n"


def run(workflow, rc, has=(), files=None, command="run"):
    job = Job([], files=files)
    try:
        job.write("workflow.yml", workflow)
        job.write("policy.yml", "version: 1\n")
        began = time.monotonic()
        process = job.popen(command=command)
        out = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        r = Run(job.dir, process.returncode, out.decode("utf-8", "replace"), time.monotonic() - began)
    finally:
        job.close()
    check(r.rc in (rc if isinstance(rc, tuple) else (rc,)), f"exit status {r.rc}", r)
    for one in has:
        check(one in r.out, f"not told: {one!r}", r)
    check(r.took < SECONDS, f"it took {r.took:.0f} s", r)
    # of its own descendants the largest: what a step itself uses is not ours, so none of these steps does
    check(used.ru_maxrss < MEMORY_MIB * 1024, f"{used.ru_maxrss // 1024} MiB", r)
    return r


# (sentence, an expression that is evaluated while the job runs)
EXPRESSIONS = [
    ("a format of formats, each ten times the one in it", "format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', " * 9 + "env.A" + ")" * 9),
    ("a join of a long list with a long text between", "join(fromJSON(env.LIST), env.A)"),
    ("toJSON of toJSON, where each quotes what the last one quoted", "toJSON(" * 25 + "env.Q" + ")" * 25),
    ("a filter over lists in lists", "toJSON(fromJSON(env.DEEP).*.*.*.*.*.*)"),
    ("contains over a list of lists, again and again", " || ".join(["contains(fromJSON(env.LIST), 'none')"] * 400)),
]


def expression(sentence, text):
    @case("X-08", f"{sentence} fails its step and no other")
    def _():
        r = run(steps(f"""
            - id: make
              run: |
                python3 - <<'E'
                import os
                def nest(n): return "1" if n == 0 else "[" + ",".join([nest(n - 1)] * 7) + "]"
                with open(os.environ["GITHUB_ENV"], "a") as f:
                    f.write("A=" + "x" * 10000 + "\\n" + "Q=" + '"' * 100 + "\\n" + "LIST=[" + ",".join(['"aaaaaaaaaa"'] * 20000) + "]\\n" + "DEEP=" + nest(6) + "\\n")
                E
            - id: bomb
              continue-on-error: true
              env: {{ X: "${{{{ {text} }}}}" }}
              run: "true"
            - {{ if: always(), run: 'echo "@@after=1@@"' }}
        """), (0, 1))
        equal(r.marks.get("after"), "1", "what follows", r)


for row in EXPRESSIONS:
    expression(*row)


def laughs(levels, width):
    lines = ["on: push", "env:", "  A0: &a0 [ x ]"]
    for i in range(1, levels):
        lines.append(f"  A{i}: &a{i} [ " + ", ".join([f"*a{i - 1}"] * width) + " ]")
    return "\n".join(lines) + "\njobs: { j: { runs-on: x, steps: [ { run: 'true' } ] } }\n"


YAML = [
    ("aliases of aliases, ten of each", laughs(12, 10)),
    ("ten thousand lists in one another", "on: push\njobs: " + "[" * 10000 + "]" * 10000 + "\n"),
    ("ten thousand maps in one another", "on: push\njobs: " + "{ a: " * 10000 + "x" + " }" * 10000 + "\n"),
    ("a hundred thousand keys", "on: push\nenv:\n" + "".join(f"  K{i}: x\n" for i in range(100000)) + "jobs: { j: { runs-on: x, steps: [ { run: 'true' } ] } }\n"),
    ("more than a megabyte", "on: push\n# " + "x" * 1100000 + "\njobs: { j: { runs-on: x, steps: [ { run: 'true' } ] } }\n"),
    ("a key that is a map that is a key", "on: push\n? { ? { ? { a: b } : c } : d }\n: e\njobs: { j: { runs-on: x, steps: [ { run: 'true' } ] } }\n"),
    ("an anchor that contains itself", "on: push\nenv: &a { b: *a }\njobs: { j: { runs-on: x, steps: [ { run: 'true' } ] } }\n"),
    ("an expression of 22,000 characters", steps("        - { run: \"echo ${{ " + "'" + "x" * 22000 + "'" + " == 'y' }}\" }")),
    ("an expression sixty levels deep", steps("        - { run: \"echo ${{ " + "(" * 60 + "1" + ")" * 60 + " && " + "!" * 60 + "true }}\" }")),
    ("a matrix of a million combinations", "on: push\njobs: { j: { runs-on: x, strategy: { matrix: { " + ", ".join(f"k{i}: [ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ]" for i in range(6)) + " } }, steps: [ { run: 'true' } ] } }\n"),
]


def refused(sentence, text):
    @case("X-08", f"{sentence}: refused before anything runs")
    def _():
        r = run(text, 2)
        check("workflow.yml:" in r.out or "workflow.yml" in r.out, "without a place", r)
        check(len(r.out) < 100000, "it says too much", r)


for row in YAML:
    refused(*row)

HASHED = [
    ("a FIFO", "mkfifo h/x", "no regular file"),
    ("a link out of the workspace", "ln -s /etc/passwd h/x", "out of the workspace"),
    ("a link to a device", "ln -s /dev/zero h/x", "out of the workspace"),
    ("a link that leads to itself", "ln -s x h/x", "symbolic links"),
    ("a socket", "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"h/x\")'", "cannot be read"),
    ("a file deep below names of 200 bytes", 'd=h; for i in $(seq 15); do d=$d/$(printf "%0200d" $i); done; mkdir -p "$d" && printf x >"$d/x"', ""),
]


def hashed(sentence, script, why):
    @case("X-08", f"hashFiles over {sentence} ends, and the job goes on")
    def _():
        r = run(steps(f"""
            - run: |
                mkdir h; {script}
            - {{ id: h, continue-on-error: true, run: "echo '@@h=${{{{ hashFiles('h/**') }}}}@@'" }}
            - run: echo @@after=1@@
        """), 0, [why] if why else [])
        equal(r.marks.get("after"), "1", "what follows", r)
        check("root:" not in r.out, "the host's file", r)


for row in HASHED:
    hashed(*row)

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
