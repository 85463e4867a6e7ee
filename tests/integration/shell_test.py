#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shell_test.py - run --shell: a shell in the sandbox of a step, with the rights of the step, held by a person at a terminal or by a pipe."""
import glob
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, FETCH, PUSH, Job, Leftovers, Run, case, check, descendants, equal, main, step  # noqa: E402
from term import Term  # noqa: E402

CANARY = "canary-7Hq2" + os.urandom(12).hex()


def piped(job, which, commands, *options):
    """Run with --shell, the commands from a pipe."""
    if os.path.exists(os.path.join(job.dir, "record.jsonl")):
        os.unlink(os.path.join(job.dir, "record.jsonl"))
    argv = [*AS_USER, *job.argv("--shell", which, "--state-dir", os.path.join(job.dir, "st"), *options)]
    done = subprocess.run(argv, cwd=job.dir, env=job.environ(), input=commands.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return Run(job.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)


def sit(job, which, *options, env=None, **more):
    """Sit down at a terminal in front of it."""
    return Term([*AS_USER, *job.argv("--shell", which, "--state-dir", os.path.join(job.dir, "st"), *options)], cwd=job.dir, env=job.environ({"TERM": "xterm-256color", **(env or {})}), **more)


def record(job, term):
    return Run(job.dir, term.process.returncode, term.text(), 0)


def log(job, name):
    with open(glob.glob(os.path.join(job.dir, "st", "records", "*", name))[0], encoding="utf-8") as file:
        return file.read()


class at:
    """with at(job, step) as term: ..."""

    def __init__(self, job, which, *options, **more):
        self.job, self.term = job, sit(job, which, *options, **more)

    def __enter__(self):
        return self.term

    def __exit__(self, *_):
        self.term.close()
        self.job.close()


def three(**more):
    return Job([step("first", "echo made >made; echo h >~/.h"), step("second", "echo @@script-ran=yes@@; exit 9", env={"GREETING": "hello"}, **more),
                step("third", "echo @@third=ran@@", PUSH)], {"push": {"workspace": "shared", "artifacts": ["made"]}})


@case("", "commands from a pipe run in the step's sandbox: its variables, directory and trees after the steps before it, its script where it would lie")
def _():
    job = three(**{"working-directory": "."})
    try:
        r = piped(job, "second", "echo @@greeting=$GREETING@@; echo @@made=$(cat made)$(cat ~/.h)@@; echo @@pwd=$PWD@@; echo @@id=$(id -un)@@\n"
                  "echo @@script=$(cat /run/drydock/step/*)@@; tty; exit 5\n")
        equal(r.rc, 1, "exit status", r)
        equal({k: r.mark(k) for k in ("greeting", "made", "pwd", "id")}, {"greeting": "hello", "made": "madeh", "pwd": "/work", "id": "runner"}, "in the shell", r)
        check("exit 9" in r.out and "not a tty" in r.out and "failed with exit code 5" in r.out, "script, terminal or exit code", r)
        check("a shell (" in r.out and "the step would run: " in r.out and "/run/drydock/step/" in r.out, "what the step would run is not told", r)
        start = r.events("step.start", step="second")[0]
        equal((start["interactive"], os.path.basename(start["argv0"])), ("pipe", "bash"), "record", r)
        equal(r.events("step.end", step="second")[0]["exit"], 5, "exit code in the record", r)
        check("interactive" not in r.events("step.start", step="first")[0], "another step is told to be interactive", r)
        equal(r.events("step.start", step="third"), [], "steps behind the shell", r)
    finally:
        job.close()


@case("", "nothing comes behind the shell, also when it ends well: no later step, no artifact")
def _():
    job = three()
    try:
        r = piped(job, "second", "echo changed >made\n")
        equal(r.rc, 0, "exit status", r)
        check("third" not in r.marks and not os.path.exists(os.path.join(job.dir, "out")), "something went out", r)
        check("nothing goes to --out" in r.out, "it is not told", r)
        r = piped(job, "second", "")
        equal(r.rc, 0, "exit status of an empty shell", r)
    finally:
        job.close()


@case("", "the step is named by id, number, label or name; what is no step, or has no process, is a usage error that says so")
def _():
    job = Job([{"uses": "actions/checkout@v4", "_phase": "build", "id": "get"}, step("a", "true"), {"run": "true", "name": "by name", "_phase": "build"}])
    try:
        for which, number in (("a", 2), ("2", 2), ("02-a", 2), ("by name", 3)):
            r = piped(job, which, "echo @@here=yes@@\n")
            equal((r.rc, r.mark("here"), r.events("step.start")[-1]["index"]), (0, "yes", number), which, r)
        for which, why in (("nonesuch", "drydock plan"), ("7", "drydock plan"), ("get", "no process is run for that step")):
            r = piped(job, which, "echo @@here=yes@@\n")
            equal(r.rc, 2, f"exit status of {which}", r)
            check(why in r.out and "here" not in r.marks, f"{which}: not told why", r)
    finally:
        job.close()


@case("", "the shell is the caller's choice: bash, sh, a path; one that is not there is an error; a plan says that nothing changes")
def _():
    job = Job([step("a", "true")])
    try:
        r = piped(job, "a", "echo @@bash=${BASH_VERSION:-none}@@\n", "--shell-program", "sh")
        check(r.events("step.start")[0]["argv0"] == "/bin/sh", "sh", r)
        check(piped(job, "a", "echo @@bash=${BASH_VERSION:+yes}@@\n", "--shell-program", "/bin/bash").mark("bash") == "yes", "a path")
        r = piped(job, "a", "", "--shell-program", "nosuchshell")
        equal(r.rc, 2, "exit status of one that is not there", r)
        r = piped(job, "a", "", "--shell-program", "/work/nothing")
        check(r.rc == 1 and "exit code 127" in r.out, "a path that is not in the sandbox", r)
        equal(job.run("--shell-program", "sh").rc, 2, "--shell-program alone")
        check("--shell changes nothing in a plan" in job.run("--shell", "a", "--dry-run").out, "a plan takes it in silence")
    finally:
        job.close()


@case("", "the shell has the grant of its step: phase, gate, filter, mounts, locks and limits are those of the run without it")
def _():
    look = "grep -E 'Seccomp:|NoNewPrivs|CapEff|CapBnd' /proc/self/status; ulimit -a; cat /proc/self/mountinfo | cut -d' ' -f5,6 | sort; env | grep -v -e ^_= -e SHLVL -e ^RUNNER_TRACKING_ID= | sort"   # its tracking id is of the run
    steps = [step("a", f"({look}) >/work/seen; cat /work/seen >&2; sha256sum /work/seen | sed 's/ .*//; s/.*/@@seen=&@@/'", FETCH)]
    job = Job(steps, {"fetch": {"egress": [{"host": "x.test", "port": 443}]}}, limits={"pids": 77})
    try:
        plain = job.run()
        shell = piped(job, "a", steps[0]["run"] + "\n")
        equal((plain.rc, shell.rc), (0, 0), "exit status", shell)
        equal(shell.mark("seen"), plain.mark("seen"), "what the shell sees", shell)
        for event, fields in (("step.start", ("filter", "mounts", "seccomp", "gate", "phase", "phase_why", "read", "match")), ("gate.open", ("entries", "rules"))):
            for field in fields:
                equal(shell.events(event)[0].get(field), plain.events(event)[0].get(field), f"{event}: {field}", shell)
    finally:
        job.close()


def leased(script="true"):
    job = Job([step("publish", script, PUSH)], {"push": {}}, credentials={
        "registry": {"from": {"file": "@SECRET@"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}, "ttl": "5m"}})
    os.chmod(job.write("secrets/token", CANARY), 0o600)
    with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
        text = file.read()
    job.write("policy.yml", text.replace("@SECRET@", os.path.join(job.dir, "secrets/token")))
    return job


@case("C-17", "the shell holds the lease of its step, which is granted, recorded and revoked as ever, and told to end it")
def _():
    job = leased()
    try:
        r = piped(job, "publish", "echo @@length=${#TOKEN}@@; echo $TOKEN; echo $TOKEN >&2\n")
        equal((r.rc, r.mark("length")), (0, str(len(CANARY))), "the lease", r)
        check(CANARY not in r.out and "| ***" in r.out, "it is not masked", r)
        equal((len(r.events("cred.grant")), len(r.events("cred.revoke"))), (1, 1), "events", r)
        check("credential registry ends it after 300 s" in r.out, "its end is not told", r)
    finally:
        job.close()


@case("P-05", "at a terminal the step has one of its own, with the caller's size, also when that changes; keys are its keys, and its exit code is the step's")
def _():
    with at(job := three(), "second", rows=31, cols=97) as term:
        term.wait("$ ")
        term.type("echo t=$(tty) s=$(stty size) T=$TERM; cat made\r")
        term.wait("t=/dev/pts/0 s=31 97 T=xterm-256color")
        term.wait("made\r\n")
        term.type("sh -c 'trap \"echo resized; stty size\" WINCH; echo ready$((1+1)); while :; do sleep 0.05; done'\r")
        term.wait("ready2")
        term.size(40, 120)
        os.kill(term.process.pid, signal.SIGWINCH)   # as the kernel does for its foreground processes
        term.wait("40 120")
        term.type(b"\x03")
        term.wait("$ ")
        term.type("printf 'a\\033[31mred\\033[0m\\n'; exit 6\r")
        term.wait(b"a\x1b[31mred\x1b[0m")
        equal(term.end(), 1, "exit status\n" + term.text())
        check("failed" in term.text() and "exit code 6" in term.text(), term.text())
        r = record(job, term)
        equal(r.events("step.start", step="second")[0]["interactive"], "terminal", "record", r)
        text = log(job, "*second.log")
        check("made" in text and "\x1b" not in text and "red" in text, "the log of the session: " + text, r)
        equal(term.modes(), term.before, "the caller's terminal afterwards", r)


@case("P-05", "at a terminal job control works in the step, and stops nothing outside")
def _():
    with at(Job([step("a", "true")]), "a") as term:
        term.wait("$ ")
        term.type("sh -c 'echo up$((1+1)); exec sleep 100'\r")
        term.wait("up2")
        term.type(b"\x1a")
        term.wait("Stopped")
        with open(f"/proc/{term.process.pid}/stat", encoding="latin-1") as file:
            check(file.read().rsplit(")", 1)[1].split()[0] != "T", "drydock was stopped")
        term.type("kill -9 %1; exec true\r")
        equal(term.end(), 0, "exit status\n" + term.text())


@case("C-17 L-01", "at a terminal a granted value is masked, however slowly it comes, and what is typed appears at once")
def _():
    with at(leased(), "publish") as term:
        term.wait("$ ")
        term.type("echo $TOKEN\r")
        term.wait("***")
        term.type("""python3 -c 'import os,sys,time\nfor c in os.environ["TOKEN"]: sys.stdout.write(c); sys.stdout.flush(); time.sleep(0.02)\nprint("-done")'\r""")
        term.wait("***-done\r\n")
        typed = CANARY[:3]
        term.type("echo " + typed)      # the beginning of the value: no answer follows until more is typed
        term.wait("echo " + typed)
        term.type("\r")
        term.wait("2004l\r" + typed)
        term.type("exit\r")
        equal(term.end(), 0, "exit status\n" + term.text())
        shell = term.text().split("$ ", 1)[1].split("succeeded", 1)[0]   # behind it stands a digest, which may have four of any bytes
        for n in (len(CANARY), 12, 8, 4):
            check(not any(CANARY[i:i + n] in shell for i in range(len(CANARY) - n + 1)), f"{n} bytes of the value appeared: {term.text()}")


@case("P-05", "the caller's terminal is as it was after the supervisor was killed, and nothing is left")
def _():
    with at(job := Job([step("a", "true")]), "a") as term:
        left = Leftovers(job.dir)
        term.wait("$ ")
        check(term.modes() != term.before, "the terminal is not raw")
        supervisor = min(p for p in descendants(term.process.pid) if descendants(p))   # the printer has no child
        os.kill(supervisor, signal.SIGKILL)
        equal(term.end(), 5, "exit status\n" + term.text())
        equal(term.modes(), term.before, "the caller's terminal afterwards")
        left.check()


@case("X-08", "a terminal that goes away, a cancel and a limit of time end the shell as they end a step")
def _():
    job = Job([step("a", "true")])
    left = Leftovers(job.dir)
    term = sit(job, "a")
    term.wait("$ ")
    os.close(term.theirs)
    os.close(term.ours)
    equal(term.process.wait(timeout=20), 130, "exit status without a terminal")
    left.check()
    equal(Run(job.dir, 130, "", 0).record[-1].get("status"), "cancelled", "record")
    job.close()
    with at(Job([step("a", "true")]), "a") as term:
        term.wait("$ ")
        os.kill(term.process.pid, signal.SIGTERM)
        equal(term.end(), 130, "exit status of a cancel\n" + term.text())
        equal(term.modes(), term.before, "the caller's terminal afterwards")
    with at(Job([step("a", "true")], limits={"time": "1s"}), "a") as term:
        term.wait("ran longer than its limit of 1 s")
        equal(term.end(), 1, "exit status of a limit\n" + term.text())
        equal(term.modes(), term.before, "the caller's terminal afterwards")


@case("", "a step before it that fails leaves no shell, and that is told")
def _():
    job = Job([step("bad", "exit 1"), step("a", "true")])
    try:
        r = piped(job, "a", "echo @@here=yes@@\n")
        equal(r.rc, 1, "exit status", r)
        check("here" not in r.marks and "there was no shell: the job did not come to step 2" in r.out, "not told", r)
    finally:
        job.close()


@case("", "much goes through in both directions, and a flood does not keep the clock from ending the shell")
def _():
    job = Job([step("a", "true")])
    try:
        r = piped(job, "a", "cat >in <<'END'\n" + "0123456789abcde\n" * 20000 + "END\nwc -c <in | sed 's/.*/@@in=&@@/'; head -c 3000000 /dev/zero | tr '\\0' x | fold -w 100; echo @@last=1@@\n")
        equal((r.rc, r.mark("in"), r.mark("last")), (0, "320000", "1"), "exit status, input, output", r)
        equal(len(re.findall(r"x{100}", r.out)), 30000, "lines of output")
    finally:
        job.close()
    with at(Job([step("a", "true")], limits={"time": "2s"}), "a") as term:
        term.wait("$ ")
        term.type("while :; do echo flood; done\r")
        term.wait("ran longer than its limit of 2 s")
        equal(term.end(), 1, "exit status")


main()
