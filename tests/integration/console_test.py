#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""console_test.py - what a person sees of a running job, and that a reader who does not read holds nobody."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, descendants, equal, main, step  # noqa: E402

MUCH = "head -c 4000000 /dev/zero | tr '\\0' x | fold -w 99"


def wait_for(what, seconds, name):
    until = time.monotonic() + seconds
    while not what():
        check(time.monotonic() < until, f"not within {seconds} s: {name}")
        time.sleep(0.02)


def has_ended(job):
    """The record's last event is run.end: the supervisor is done."""
    path = os.path.join(job.dir, "record.jsonl")
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return bool(lines) and '"event":"run.end"' in lines[-1].replace(": ", ":")


def outcome(job):
    with open(os.path.join(job.dir, "record.jsonl"), encoding="utf-8") as file:
        return json.loads(file.read().splitlines()[-1])["status"]


@case("", "a job ends in its time while nobody reads its output, and what was left out is told to who reads later")
def _():
    job = Job([step("much", MUCH), step("second", "echo the second step")])
    process = job.popen()
    try:
        wait_for(lambda: has_ended(job), 40, "the end of a job whose output nobody reads")
        equal(process.poll(), None, "it does not wait for a reader who may come")
        out = process.stdout.read().decode()
        equal(process.wait(timeout=20), 0, "exit status")
        check("left out here: nobody read this output in time" in out, "what was dropped is not told: " + out[-2000:])
        check("job test: succeeded" in out and "record.jsonl" in out, "the end of the job is lost: " + out[-2000:])
        shown = out.count("\n  | x")
        told = sum(int(line.split()[1]) for line in out.splitlines() if "left out here" in line)
        check(shown + told >= 4000000 // 99, f"{shown} shown and {told} told")
    finally:
        process.kill()
        process.wait()
        job.close()


@case("", "a reader who only is slow loses no line")
def _():
    job = Job([step("much", MUCH)])
    process = job.popen()
    try:
        out, pause = b"", 0
        while chunk := os.read(process.stdout.fileno(), 65536):
            out += chunk
            pause += 1
            time.sleep(0.02 if pause < 50 else 0)
        equal(process.wait(timeout=20), 0, "exit status")
        equal(out.count(b"\n  | x"), -(-4000000 // 99), "lines")
        check(b"left out" not in out, "lines were left out")
    finally:
        process.kill()
        process.wait()
        job.close()


@case("", "who waits at the end for a reader that never reads is let go by a signal, and told what is missing")
def _():
    job = Job([step("much", MUCH)])
    process = subprocess.Popen(job.argv(), cwd=job.dir, env=job.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: has_ended(job), 40, "the end of a job whose output nobody reads")
        equal(outcome(job), "succeeded", "outcome")
        wait_for(lambda: len(descendants(process.pid)) == 1, 20, "only the process that prints")  # the supervisor would take the signal
        until = time.monotonic() + 20
        while process.poll() is None:  # one that comes before it waits is the keeper's, and too late for a job that has ended
            check(time.monotonic() < until, "it still waits")
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        said = process.stderr.read().decode()
        equal(process.returncode, 0, "exit status")
        check("the end of the output is missing: nobody read it" in said, "what is missing is not told: " + said)
    finally:
        process.kill()
        process.wait()
        job.close()


@case("", "at 80 columns the closing table is no wider, no size loses its unit, and no name moves the cursor")
def _():
    names = ["a step with a name that goes on for longer than its column", "one_word_without_any_blank/that/is/longer/than/the/column/too", "evil \x1b[2J\u202ename", "p\u00e4ckage"]
    job = Job([step("s0", "true")])
    job.write("workflow.yml", json.dumps({"on": "push", "jobs": {"test": {"runs-on": "x", "steps": [
        {"name": name, "run": "true" if i else "cat /etc/shadow_of_nobody || true"} for i, name in enumerate(names)]}}}))
    try:
        for env, most in (({}, 80), ({"LANG": "C"}, 80), ({"COLUMNS": "120"}, 120)):
            r = job.run(env=env)
            equal(r.rc, 0, "exit status", r)
            table = r.out[r.out.index("job test: succeeded"):r.out.index("  record:")]
            lines = table.splitlines()[1:]
            check(max(len(line) for line in lines) <= most, f"wider than {most}:\n{table}", r)
            check("phase" in lines[0] and "refused" in lines[0] and lines[0].rstrip().endswith("step"), "headings:\n" + table, r)
            rows = [line for line in lines if " build " in line]
            equal(len(rows), len(names), "rows", r)
            check(all(row.count("0 B") == 2 and " s  " in row for row in rows), "a size or a time without its unit:\n" + table, r)
            letters = "".join(table.split())
            check(all("".join(name.split())[:40] in letters for name in names[:2]), "a name is cut:\n" + table, r)
            check("\x1b" not in table and "\u202e" not in table and "p\u00e4ckage" in table, "names:\n" + table, r)
    finally:
        job.close()


@case("", "the process that prints holds no credential of the environment and no descriptor but the standard ones and its pipe")
def _():
    job = Job([step("wait", "echo @@up=1@@; sleep 60")])
    process = job.popen(env={"SOME_TOKEN": "not-for-the-printer"})
    try:
        for line in process.stdout:
            if b"@@up" in line:
                break
        printers = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                    name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
                if name == "drydock-print" and int(rest.split()[1]) == process.pid:
                    printers.append(pid)
            except OSError:
                continue
        equal(len(printers), 1, "processes that print")
        equal(sorted(os.listdir(f"/proc/{printers[0]}/fd")), ["0", "1", "2", "3"], "descriptors")
        with open(f"/proc/{printers[0]}/environ", "rb") as file:
            check(b"not-for-the-printer" not in file.read(), "it holds the environment")
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.wait(timeout=30)
        check(not os.path.exists(f"/proc/{printers[0]}"), "it lives on")
    finally:
        process.kill()
        process.wait()
        job.close()


if __name__ == "__main__":
    main()
