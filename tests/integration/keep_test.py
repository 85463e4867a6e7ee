#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""keep_test.py - run --keep: what is left of a step that failed, where, for whom, how long, and that it can be removed with the line that is printed."""
import glob
import os
import re
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import PUSH, Job, case, check, equal, main, step  # noqa: E402


def kept(job, state="state dir"):
    """The directories of the kept steps."""
    return sorted(glob.glob(os.path.join(job.dir, state, "keep", "*", "*")))


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def wait_for(process, text):
    while line := process.stdout.readline():
        if text in line:
            return
    check(False, f"the run ended before it said {text}")


def keeping(job, *options, **more):
    return job.run("--keep", "--state-dir", os.path.join(job.dir, "state dir"), *options, **more)


@case("", "a failed step leaves its trees as it saw them, its log, script and environment; later steps do not change them")
def _():
    job = Job([step("one", "echo made >made; echo h >~/.conf"),
               step("bad", "echo $GREETING; echo t >$RUNNER_TEMP/t; echo before >made; exit 7", env={"GREETING": "it's me"}, **{"continue-on-error": True}),
               step("after", "echo after >made; rm ~/.conf")])
    try:
        r = keeping(job)
        equal(r.rc, 0, "exit status", r)
        where = kept(job)
        equal([os.path.basename(w) for w in where], ["02-bad"], "kept steps", r)
        where = where[0]
        equal((read(where, "work/made"), read(where, "home/.conf"), read(where, "temp/t")), ("before\n", "h\n", "t\n"), "trees", r)
        equal(read(where, "log"), "it's me\n", "log", r)
        check("exit 7" in read(where, "script"), "the script is not there", r)
        told = subprocess.run(["sh", "-c", '. ./environment; printf %s "$GREETING:$GITHUB_JOB:$HOME"'], cwd=where, env={}, capture_output=True, text=True, check=True).stdout
        equal(told, "it's me:test:/home/runner", "environment", r)
        about = read(where, "about")
        check("exit code 7" in about and "build" in about and "bad" in about and "/run/drydock/step/" in about, f"description: {about}", r)
        equal([e.get("kept") for e in r.events("step.end")], [None, where, None], "`kept` in the record", r)
    finally:
        job.close()


@case("", "the end of the run says where, how to look, how to go in and how to remove it, and the printed lines work")
def _():
    job = Job([step("bad", "echo x >here; mkdir -p a/b; chmod 000 a/b; exit 1")])
    try:
        r = keeping(job)
        equal(r.rc, 1, "exit status", r)
        lines = {k: v.split("   #")[0] for k, v in re.findall(r"^ +(look|go in|remove) +(.*)$", r.out, re.M)}
        equal(sorted(lines), ["go in", "look", "remove"], "lines", r)
        check("kept:   " + os.path.join(job.dir, "state dir", "keep") in r.out, "the place is not told", r)
        sh = lambda line: subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)  # noqa: E731
        check("exit code 1" in sh(lines["look"]).stdout, "the line to look shows nothing", r)
        equal(sh(lines["go in"] + " && cat here").stdout, "x\n", "the line to go in", r)
        equal(sh(lines["remove"]).returncode, 0, "the line to remove", r)
        equal(kept(job), [], "after it was removed", r)
    finally:
        job.close()


@case("", "without --keep, and when nothing fails, nothing is left; a plan says that the option changes nothing")
def _():
    job = Job([step("bad", "exit 1")])
    good = Job([step("good", "true")])
    try:
        job.run("--state-dir", os.path.join(job.dir, "state dir"))
        r = keeping(good)
        equal((kept(job), kept(good)), ([], []), "kept", r)
        check("kept:" not in r.out, "it says that something is kept", r)
        equal(os.listdir(os.path.join(good.dir, "state dir", "jobs")), [], "directories of jobs", r)
        r = job.run("--keep", "--dry-run")
        check("--keep changes nothing in a plan" in r.out, "a plan takes --keep in silence", r)
    finally:
        job.close()
        good.close()


@case("", "a step that drydock ended or refused is kept as well; one that the caller cancelled is not")
def _():
    job = Job([step("slow", "echo s >slow; echo @@there=1@@; sleep 60", **{"timeout-minutes": 1})], limits={"time": "2s"})
    push = Job([step("make", "echo two >README"), step("publish", "true", PUSH)], {"push": {"workspace": "shared"}})
    try:
        r = keeping(job)
        equal((r.rc, [read(w, "work/slow") for w in kept(job)]), (1, ["s\n"]), "timed out", r)
        r = keeping(push)
        equal((r.rc, [os.path.basename(w) for w in kept(push)]), (4, ["02-publish"]), "refused", r)
        equal(read(kept(push)[0], "work/README"), "two\n", "the tree for which it was refused", r)
        subprocess.run(["rm", "-rf", "state dir", "record.jsonl"], cwd=job.dir, check=True)
        process = job.popen("--keep", "--state-dir", os.path.join(job.dir, "state dir"), start_new_session=True)
        wait_for(process, b"there=1")
        os.killpg(process.pid, signal.SIGINT)
        out = process.communicate(timeout=30)[0].decode()
        equal((process.returncode, kept(job)), (130, []), "cancelled\n" + out)
    finally:
        job.close()
        push.close()


@case("", "the next start leaves kept trees alone, says that they are there, and shows them to no step")
def _():
    job = Job([step("bad", "find / -path /proc -prune -o -name only-here -print 2>/dev/null | grep -q . && echo @@seen=yes@@; touch only-here; exit 1")])
    try:
        keeping(job)
        r = job.run("--state-dir", os.path.join(job.dir, "state dir"), "--workspace", ".")
        check("failed steps of 1 earlier run are kept in " + os.path.join(job.dir, "state dir", "keep") in r.out, "it is not told", r)
        check("seen" not in r.marks, "a step sees kept trees", r)
        equal(len(kept(job)), 1, "kept after the next start", r)
    finally:
        job.close()


@case("S-03", "what a killed run did not finish keeping is removed by the next start, what it finished stays")
def _():
    job = Job([step("bad", "exit 1", **{"continue-on-error": True}), step("slow", "echo @@there=1@@; sleep 60")])
    try:
        process = job.popen("--keep", "--state-dir", os.path.join(job.dir, "state dir"))
        wait_for(process, b"there=1")
        equal(len(kept(job)), 1, "kept while the job runs")
        half = os.path.join(os.path.dirname(kept(job)[0]), ".02-slow")
        os.makedirs(half + "/work/x")
        other = Job([step("ok", "true")])
        r = other.run("--state-dir", os.path.join(job.dir, "state dir"))
        check(os.path.isdir(half), "another run removed what a living one is at", r)
        other.close()
        process.kill()
        process.wait()
        deadline = time.monotonic() + 30
        while os.path.isdir(half) and time.monotonic() < deadline:   # the supervisor goes when its keeper is dead
            other = Job([step("ok", "true")])
            r = other.run("--state-dir", os.path.join(job.dir, "state dir"))
            other.close()
        check(not os.path.isdir(half), "half a copy is left", r)
        equal(len(kept(job)), 1, "the whole copy", r)
    finally:
        job.close()


@case("", "what is kept is bounded: five steps of a run, ten runs, and both are told")
def _():
    job = Job([step(f"s{i}", "exit 1", **{"continue-on-error": True}) for i in range(7)])
    one = Job([step("bad", "exit 1")])
    try:
        r = keeping(job)
        equal(len(kept(job)), 5, "kept steps", r)
        check("step 6: its trees are not kept" in r.out and "step 7" in r.out, "the bound is not told", r)
        first = None
        for _i in range(11):
            r = keeping(one)
            first = first or kept(one)[0]
        equal(len(kept(one)), 10, "kept runs", r)
        check(not os.path.exists(first), "the oldest is still there", r)
        check("removed what --keep left of run " + first.split("/")[-2] in r.out, "the removal is not told", r)
    finally:
        job.close()
        one.close()


@case("", "trees that cannot be kept are told and change nothing about the step or the job")
def _():
    job = Job([step("bad", "exit 3")])
    try:
        os.makedirs(os.path.join(job.dir, "state dir"))
        with open(os.path.join(job.dir, "state dir", "keep"), "w", encoding="utf-8"):
            pass
        r = keeping(job)
        equal(r.rc, 1, "exit status", r)
        check("step 1: its trees are not kept: " in r.out and "exit code 3" in r.out, "it is not told why", r)
        check("kept:   " not in r.out, "it says that something is kept", r)
    finally:
        job.close()


@case("", "only the caller can read what is kept: owner and modes, whatever the step chose")
def _():
    job = Job([step("bad", "umask 0; echo x >open; mkdir dir; echo y >dir/f; chmod 777 dir . ~; exit 1")])
    try:
        r = keeping(job)
        top = os.path.join(job.dir, "state dir", "keep")
        looked = 0
        for where, dirs, files in os.walk(top):
            for name in [".", *dirs, *files]:
                st = os.lstat(os.path.join(where, name))
                equal((st.st_uid, st.st_mode & 0o7077 if not stat.S_ISLNK(st.st_mode) else 0), (os.geteuid(), 0), f"owner and mode of {where}/{name}", r)
                looked += 1
        check(looked > 20, "hardly anything was looked at", r)
    finally:
        job.close()


main()
