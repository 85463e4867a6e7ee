#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_test.py - kill -9 of any one process of the tree at any moment leaves nothing."""
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, FETCH, Job, Leftovers, case, cgroups, check, descendants, equal, kill_quietly, main, py, run, step, supervisor_of  # noqa: E402
from world import ALLOWED, Resolver, Sink  # noqa: E402

W = {}


def setup():
    W["dns"] = Resolver()
    W["dns"].say("allowed.test", ALLOWED)
    W["raw"] = Sink(ALLOWED, 9000)


def one_round(after, victim):
    """Start, wait, kill the @victim-th process of the tree; everything below drydock must be gone soon, or the run ends by itself."""
    job = Job([step("work", py('''
        s = tcp("allowed.test", 9000)
        end = time.time() + 1.5
        while time.time() < end: s.sendall(b"k" * 100); time.sleep(0.01)
    '''), FETCH), step("more", "sleep 0.3")],
              {"fetch": {"egress": [{"host": "allowed.test", "port": 9000, "tls": "raw"}]}})
    process = job.popen()
    time.sleep(after)
    tree = [process.pid, *descendants(process.pid)]
    target = tree[victim % len(tree)]
    kill_quietly(target)
    seen = set(tree)
    try:
        deadline = time.monotonic() + 15
        while process.poll() is None and time.monotonic() < deadline:
            seen.update(descendants(process.pid))
            time.sleep(0.02)
        check(process.poll() is not None, f"drydock hangs after the death of {target} in {tree}")
        out = process.communicate()[0].decode("utf-8", "replace")
        deadline = time.monotonic() + 5
        while (alive := [p for p in seen if os.path.exists(f"/proc/{p}/cmdline") and is_ours(p)]) and time.monotonic() < deadline:
            time.sleep(0.02)
        check(not alive, f"alive after killing process {tree.index(target)} of {len(tree)} at {after:.2f} s: {alive}\n{out[-1500:]}")
        return process.returncode
    finally:
        for pid in seen:
            if is_ours(pid):
                kill_quietly(pid)
        process.wait()
        job.close()


def is_ours(pid):
    """A pid may have been reused by somebody else: zombies and strangers do not count."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            state = file.read().rsplit(")", 1)[1].split()[0]
        same_world = os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read()
        return state != "Z" and (b"drydock" in command or (not same_world and b"sleep 0.3" in command))
    except (OSError, IndexError):
        return False


@case("", "each process of the tree in turn, at moments from set-up to the end")
def _():
    left, groups = Leftovers("dd-kill-%d" % os.getpid()), cgroups()
    chance = random.Random(int(os.environ.get("DD_SEED", "7")))
    for victim in range(6):
        for after in (0.01, 0.05, 0.15, 0.6, 1.2):
            one_round(after * chance.uniform(0.7, 1.3), victim)
    r = run([step("again", "echo @@ran=yes@@")])
    equal(r.mark("ran"), "yes", "the run after", r)
    left.check(run=r)
    equal(cgroups() - groups, set(), "cgroups", r)


def sleeper(trap=""):
    """A job in its first step; returns it, its keeper, and the pids by role."""
    job = Job([step("work", trap + "echo up; sleep 60 & wait; sleep 60"), step("after", "echo @@after=yes@@")])
    process = job.popen("--state-dir", os.path.join(job.dir, "own"))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        tree = descendants(process.pid)
        if any(b"sleep" in command_of(p) for p in tree):
            return job, process, supervisor_of(process.pid), tree
        time.sleep(0.02)
    raise AssertionError("the step never started")


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def gone(pids, within=5.0):
    deadline = time.monotonic() + within
    while (alive := [p for p in pids if command_of(p)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    check(not alive, f"still alive: {alive}")


def last_event(job):
    with open(os.path.join(job.dir, "record.jsonl"), encoding="utf-8") as file:
        return json.loads(file.read().splitlines()[-1])


@case("G-07 S-03", "kill -9 of the supervisor: the keeper ends the record, says so with 5, and leaves nothing")
def _():
    job, process, supervisor, tree = sleeper()
    try:
        kill_quietly(supervisor)
        out = process.communicate(timeout=20)[0].decode("utf-8", "replace")
        equal(process.returncode, 5, "exit status\n" + out[-1500:])
        gone(tree)
        equal(last_event(job).get("event"), "run.end", "the last event of the record")
        equal(last_event(job).get("status"), "broken", "status in run.end")
        equal(os.listdir(os.path.join(job.dir, "own", "jobs")), [], "directories left behind")
        verify = subprocess.run([DRYDOCK, "record", "verify", os.path.join(job.dir, "record.jsonl")], capture_output=True, check=False)
        equal(verify.returncode, 0, f"record verify {verify.stdout} {verify.stderr}")
        check("@@after" not in out, "the next step ran")
    finally:
        job.close()


@case("G-07 S-03", "kill -9 of the keeper: the supervisor ends the step at once, ends the record, and sweeps by itself")
def _():
    job, process, supervisor, tree = sleeper("trap '' TERM INT HUP; ")
    try:
        started = time.monotonic()
        kill_quietly(process.pid)
        process.communicate(timeout=20)
        gone([supervisor, *tree])
        check(time.monotonic() - started < 3, "a step that ignores SIGTERM got its grace although nobody waits")
        equal(last_event(job).get("status"), "cancelled", "status in run.end")
        equal(os.listdir(os.path.join(job.dir, "own", "jobs")), [], "directories left behind without another start")
    finally:
        job.close()


@case("S-03", "kill -9 of everything at once, as a power loss: the next start removes what is left, cgroup included, and counts it")
def _():
    groups = cgroups()
    job, process, supervisor, tree = sleeper()
    try:
        os.kill(supervisor, signal.SIGSTOP)   # it shall not see the keeper's death
        os.kill(process.pid, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        process.communicate(timeout=20)
        gone(tree)
        jobs = os.path.join(job.dir, "own", "jobs")
        equal(len(os.listdir(jobs)), 1, "directories after the loss: the test proves nothing otherwise")
        r = job.run("--state-dir", os.path.join(job.dir, "own"), "--dry-run")
        equal(len(os.listdir(jobs)), 1, "directories after a dry run, which touches nothing")
        job.write("workflow.yml", json.dumps({"on": "push", "jobs": {"j": {"runs-on": "x", "steps": [{"run": "true"}]}}}))
        r = job.run("--state-dir", os.path.join(job.dir, "own"))
        equal(r.rc, 0, "the next run", r)
        check("removed what 1 earlier run left" in r.out, "nothing was said about it", r)
        equal(os.listdir(jobs), [], "directories left behind")
        equal(cgroups() - groups, set(), "cgroups left behind")
    finally:
        job.close()


@case("X-08", "cancelling twice does not wait for a step that ignores it")
def _():
    job, process, _, tree = sleeper("trap '' TERM INT HUP; ")
    try:
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        check(process.poll() is None, "the step did not ignore the first: the test proves nothing")
        process.send_signal(signal.SIGINT)
        out = process.communicate(timeout=20)[0].decode("utf-8", "replace")
        equal(process.returncode, 130, "exit status\n" + out[-1500:])
        check(time.monotonic() - started < 3, f"it took {time.monotonic() - started:.1f} s")
        gone(tree)
    finally:
        kill_quietly(process.pid)
        job.close()


@case("", "cancelling with SIGINT and SIGTERM ends with 130 and nothing left")
def _():
    for sig in (signal.SIGINT, signal.SIGTERM):
        job = Job([step("long", "sleep 60")])
        try:
            process = job.popen()
            time.sleep(1)
            below = descendants(process.pid)
            process.send_signal(sig)
            out = process.communicate(timeout=20)[0].decode("utf-8", "replace")
            equal(process.returncode, 130, f"exit status after {sig.name}\n{out[-1500:]}")
            time.sleep(0.5)
            check(not [p for p in below if is_ours(p)], "a process is left")
        finally:
            kill_quietly(process.pid)
            job.close()


if __name__ == "__main__":
    main(setup)
