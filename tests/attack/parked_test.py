#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""parked_test.py - the sandbox of the next step stands while this one runs: the one that runs gains nothing by it, and the next one finds what it would have found."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import PUSH, Job, Leftovers, case, check, descendants, equal, main, py, run, step, supervisor_of  # noqa: E402


def traced(steps, *options, env=None, **policy):
    job = Job(steps, **policy)
    try:
        result = job.run(*options, env={"DRYDOCK_TRACE": "trace", **(env or {})})
        with open(os.path.join(job.dir, "trace"), encoding="ascii") as file:
            return result, file.read()
    finally:
        job.close()


def ahead(text):
    """How many sandboxes were asked for while a step ran."""
    n, running = 0, False
    for line in text.splitlines():
        if " delivery of " in line:
            running = True
        elif " CTL_STATUS" in line:
            running = False
        elif " request of " in line:
            n += running
    return n


@case("", "each step but the first stands ready before the one before it ends")
def _():
    result, text = traced([step(f"s{i}", "echo $0 $PWD") for i in range(4)])
    equal((result.rc, ahead(text)), (0, 3), "exit status, and sandboxes asked for while a step ran", result)
    equal(text.count(" request of "), 4, "sandboxes that were built in all", result)


@case("", "a push step is never built ahead: its tree is put together when all before it is known")
def _():
    result, text = traced([step("a", "true"), step("b", "true", PUSH)], phases={"push": {"egress": "none", "trust": "protected"}})
    equal((result.rc, ahead(text)), (0, 0), "exit status, and sandboxes asked for while a step ran", result)


@case("", "a step that is skipped takes its parked sandbox along, and the step behind it runs")
def _():
    result, text = traced([step("a", "true"), step("b", "echo @@b=ran@@", **{"if": "false"}), step("c", "echo @@c=$PWD@@")])
    equal((result.rc, result.marks.get("b"), ahead(text)), (0, None, 1), "what was skipped, and what was built ahead", result)
    check(result.mark("c"), "the step behind it did not run", result)


@case("F-08", "a step that moves the next one's working directory decides where it goes, and never leads it out")
def _():
    r = run([step("make", "mkdir d && echo old >d/name"),
             step("swap", "mv d gone; mkdir d; echo new >d/name"),
             step("use", "echo @@name=$(cat name)@@", **{"working-directory": "d"}),
             step("lead", "rm -r d; ln -s /proc/1/root d"),
             step("follow", "echo @@followed=yes@@", **{"working-directory": "d"})], rc=1)
    equal(r.mark("name"), "new", "the directory that the step before made", r)
    check("followed" not in r.marks, "it followed a link of /proc", r)


@case("P-02", "what a step can see of processes, and of their command lines, is its own")
def _():
    code = py("""
        import glob, time
        time.sleep(0.3)  # long enough for the next one to stand; sooner or later makes no difference to what must not be seen
        mark("pids", len(glob.glob("/proc/[0-9]*")))
        mark("lines", [open(f).read().split("\\0")[0] for f in sorted(glob.glob("/proc/[0-9]*/cmdline"))])
    """)
    beside = run([step("first", "true"), step("look", code), step("next", "true")])
    alone = run([step("first", "true"), step("look", code)])
    equal((beside.mark("pids"), beside.mark("lines")), (alone.mark("pids"), alone.mark("lines")), "processes beside a parked one and alone", beside)


@case("R-01", "limits.pids counts the processes of one step, with another parked")
def _():
    code = py("""
        import signal
        children = []
        try:
            while len(children) < 100:
                pid = os.fork()
                if pid == 0:
                    signal.pause()
                children.append(pid)
        except OSError:
            pass
        mark("made", len(children))
        for pid in children: os.kill(pid, signal.SIGKILL)
    """)
    alone = run([step("first", "true"), step("count", code)], limits={"pids": 20})
    beside = run([step("first", "true"), step("count", code), step("next", "true")], limits={"pids": 20})
    check(0 < int(alone.mark("made")) <= 20, f"alone it made {alone.mark('made')}", alone)
    equal(beside.mark("made"), alone.mark("made"), "processes beside a parked one", beside)


@case("G-07 S-03", "a supervisor that is killed with one parked leaves no process")
def _():
    marker = "dd-parked-%d" % os.getpid()
    left = Leftovers(marker)
    job = Job([step("one", "true"), step("two", f"echo up; exec sleep 100.{os.getpid()} # {marker}"), step("three", "true")])
    try:
        process = job.popen(env={"DRYDOCK_TRACE": "trace"})
        trace = os.path.join(job.dir, "trace")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(trace, encoding="ascii") if os.path.exists(trace) else open(os.devnull, encoding="ascii") as file:
                if file.read().count(" request of ") == 3:
                    break
            time.sleep(0.02)
        else:
            check(False, "the third sandbox was never asked for")
        below = descendants(process.pid)
        os.kill(supervisor_of(process.pid), signal.SIGKILL)
        process.wait(timeout=20)
        deadline = time.monotonic() + 5
        while (alive := [p for p in below if os.path.exists(f"/proc/{p}")]) and time.monotonic() < deadline:
            time.sleep(0.02)
        check(not alive, f"still alive: {alive}")
    finally:
        job.close()
    left.check()


@case("X-09", "a fault of parking ends the step that it was for, and none falls back")
def _():
    for fault in ("park", "unpark"):
        r = run([step("one", "echo @@one=ran@@"), step("two", "echo @@two=ran@@"), step("three", "echo @@three=ran@@")], env={"DRYDOCK_FAULT": fault}, rc=3)
        equal(r.marks, {"one": "ran"}, f"{fault} taken away", r)


if __name__ == "__main__":
    main()
