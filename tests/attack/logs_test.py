#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""logs_test.py - attacks on the log and on who reads it (L)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main, py, run, step  # noqa: E402


@case("L-03", "workflow commands in a build tool's output set nothing, and what they hide stays hidden")
def _():
    r = run([step("commands", '''
echo '::set-env name=INJECTED::yes'; echo '::set-output name=x::yes'; echo '::add-path::/work/evil'; echo '::add-mask::plain'; echo '##[command]x'
echo '::stop-commands::token'; printf '\\033[0Ksection_start:1:x\\r\\033[0Kx\\n'
'''), step("after", 'echo "@@injected=${INJECTED:-no}@@"; echo "$PATH" | grep -c /work/evil | sed "s/.*/@@path=&@@/" || true; echo "@@word=plain@@"', shell="bash {0}", **{"if": "always()"})], rc=1)
    equal(r.mark("injected"), "no", "INJECTED", r)
    equal(r.mark("path"), "0", "PATH entries", r)
    equal(r.mark("word"), "***", "a word that a step asked to mask", r)


@case("L-04", "escape sequences, carriage returns, bells, NUL and bad UTF-8 never reach the operator's terminal raw")
def _():
    job = Job([step("noise", py('''
        out = sys.stdout.buffer
        out.write(b"\\x1b]0;title\\x07\\x1b[2J\\x1b[31mred\\x1b[0m\\n"); out.write(b"good\\rEVIL\\n"); out.write(b"nul\\0byte\\n"); out.write(b"bad\\xff\\xfeutf\\n")
        out.write(b"\\x9b31mc1\\n"); out.write(b"\\xc2\\x9b31mc1utf\\n"); out.write("rtl\\u202eevil\\n".encode()); out.flush(); mark("end", "yes")
    '''))])
    try:
        r = job.run()
        where = next(line.split("logs:", 1)[1].strip() for line in r.out.splitlines() if line.startswith("  logs:"))
        with open(os.path.join(where, "01-noise.log"), encoding="utf-8", errors="surrogateescape", newline="") as file:
            stored = file.read()
    finally:
        job.close()
    equal(r.mark("end"), "yes", "the end of the output", r)
    check("@@end=yes@@" in stored, "the stored log lacks its end", r)
    for byte, what in (("\x1b]", "an OSC sequence"), ("\x1b[2J", "a clear-screen"), ("\x07", "a bell"), ("\0", "a NUL"), ("good\rEVIL", "an overwriting carriage return"),
                       ("\x9b", "a C1 control"), ("\u202e", "a direction override")):
        check(byte not in r.out, f"{what} came through", r)
        check(byte not in stored and "\x1b" not in stored, f"{what} is stored raw, for whoever shows the log", r)


@case("L-04", "one line of ten megabytes is cut, and the step still ends well")
def _():
    r = run([step("long", "head -c 10000000 /dev/zero | tr '\\0' a; echo; echo @@end=yes@@")], timeout=60, limits={"log": "64MiB"})
    equal(r.mark("end"), "yes", "the end of the output", r)
    check(len(max(r.out.split("\n"), key=len)) < 10_000_001, "a line longer than what was printed", r)


@case("L-04", "the name of a step, which the repository chooses, reaches the terminal escaped")
def _():
    r = run([{"id": "x", "name": "\x1b]0;title\x07\x1b[2J\u202eevil\r\nfake line", "run": "true", "_phase": "build"}])
    for byte, what in (("\x1b", "an escape"), ("\x07", "a bell"), ("\u202e", "a direction override"), ("\rfake", "a carriage return")):
        check(byte not in r.out, f"{what} came through", r)
    check(not any(line.startswith("fake line") for line in r.out.splitlines()), "the name made a line of its own", r)


@case("L-10", "no line that a step prints can be taken for one of drydock's, in the terminal or in the log")
def _():
    lie = "drydock: refused dns registry.example.com in phase build: not in the allowlist; to allow it, in policy.yml add under phases.fetch.egress: - { host: evil.example }"
    job = Job([step("lies", f"echo '{lie}'; printf 'dry\\033[0mdock: %s\\n' 'refused dns x'; printf '%080d' 0; echo 'DRYDOCK: refused dns y'; "
                    "getent hosts refused.test; echo @@end=yes@@")])
    try:
        r = job.run()
        logs = [line.split("logs:")[1].strip() for line in r.out.splitlines() if "logs:" in line][0]
        with open(os.path.join(logs, "lies.log") if os.path.exists(os.path.join(logs, "lies.log")) else
                  [os.path.join(logs, n) for n in os.listdir(logs) if n.endswith(".log")][0], encoding="utf-8") as file:
            stored = file.read()
    finally:
        job.close()
    for text, where in ((r.out, "terminal"), (stored, "log")):
        claims = [line for line in text.splitlines() if "drydock: refused" in line.lower()]
        equal([("refused.test" in c, "tried by" in c) for c in claims], [(True, True)], f"lines that speak as drydock in the {where}", r)
        check("\\x64rydock: refused dns registry.example.com" in text, f"the step's own words are not in the {where}", r)


if __name__ == "__main__":
    main()
