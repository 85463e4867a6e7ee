#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""init_test.py - what pid 1 of a step holds of whoever started drydock: nothing, neither for the step to read nor in memory at all."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import ROOT, Job, Skip, case, check, closed, descendants, equal, main, py, step  # noqa: E402

CANARY = "dd-canary-7b1f0c4e"
ENV = {"OPERATOR_TOKEN": CANARY + "-token", CANARY: "name", "LONG": (CANARY + "-") * 2000}


def memory(pid):
    """Every byte of @pid that can be read."""
    parts = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            try:
                mem.seek(begin)
                parts.append(mem.read(end - begin))
            except (OSError, ValueError, OverflowError):
                pass            # vvar, vsyscall
    return b"".join(parts)


@case("C-20", "the step cannot read pid 1's environment, memory, descriptors or maps")
def _():
    r = closed('''
        for name in ("environ", "mem", "maps", "auxv", "stack", "syscall", "io", "smaps", "pagemap"):
            attempt(name, lambda: open("/proc/1/" + name, "rb").read(1))
        attempt("fd", lambda: os.listdir("/proc/1/fd")); attempt("cwd", lambda: os.readlink("/proc/1/cwd"))
        attempt("exe", lambda: os.readlink("/proc/1/exe")); attempt("root", lambda: os.listdir("/proc/1/root"))
        mark("cmdline", open("/proc/1/cmdline", "rb").read().strip(b"\\0").decode())
        mark("seen", any("%s" in open("/proc/%%s/environ" %% p, "rb").read().decode("latin-1") for p in ("self", "thread-self")))
    ''' % CANARY, env=ENV)
    readable = [n for n in ("environ", "mem", "maps", "auxv", "stack", "syscall", "io", "smaps", "pagemap", "fd", "cwd", "exe", "root")
                if r.mark(n).startswith("ok")]
    equal(readable, [], "readable of pid 1", r)
    equal((r.mark("cmdline"), r.mark("seen")), ("drydock-init", "False"), "command line, own environment", r)


@case("C-20", "nothing of the operator's environment or command line is in pid 1's memory")
def _():
    if not ROOT:
        raise Skip("only root can read the memory of another user namespace's process")
    job = Job([step("waits", py('mark("up", 1); time.sleep(30)'))])
    process = job.popen("--workspace", "src", env=ENV)
    try:
        deadline = time.monotonic() + 20
        while b"@@up=" not in process.stdout.readline() and time.monotonic() < deadline:
            pass
        inits = []
        for pid in descendants(process.pid):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().strip(b"\0") == b"drydock-init":
                    inits.append(pid)
        equal(len(inits), 1, "processes called drydock-init")
        with open(f"/proc/{process.pid}/environ", "rb") as file:
            check(CANARY.encode() in file.read(), "the keeper never had it: the test proves nothing")
        held = memory(inits[0])
        check(len(held) > 100000, f"only {len(held)} bytes could be read: the test proves nothing")
        check(CANARY.encode() not in held, "a canary of the operator's environment is in init's memory")
        with open(f"/proc/{inits[0]}/environ", "rb") as file:
            equal(file.read().strip(b"\0"), b"", "init's /proc/PID/environ")
    finally:
        process.terminate()
        process.communicate(timeout=20)
        job.close()


if __name__ == "__main__":
    main()
