#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shell_test.py - the terminal of an interactive step and the caller's terminal (P-05): nothing of the one reaches the other but bytes to show."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, Job, case, check, descendants, equal, main, processes, step  # noqa: E402
from term import Term  # noqa: E402

PROBE = r'''
import errno, fcntl, glob, os, stat, termios
def mark(n, v): print("@@%s=%s@@" % (n, v))
def attempt(n, f):
    try: f(); mark(n, "ok")
    except OSError as e: mark(n, errno.errorcode[e.errno])
for name, fd in (("stdin", 0), ("tty", os.open("/dev/tty", os.O_RDWR)), ("pts", os.open(os.ttyname(0), os.O_RDWR | os.O_NOCTTY))):
    attempt("sti-" + name, lambda: [fcntl.ioctl(fd, termios.TIOCSTI, c.encode()) for c in "echo injected >/tmp/x\n"])
    attempt("linux-" + name, lambda: fcntl.ioctl(fd, 0x541C, b"\x02\x00"))
    attempt("cons-" + name, lambda: fcntl.ioctl(fd, 0x541D))
    attempt("setd-" + name, lambda: fcntl.ioctl(fd, 0x5423, b"\0\0\0\0"))
mark("pts", sorted(os.listdir("/dev/pts")))
mark("fds", sorted({os.readlink("/proc/self/fd/%d" % i) for i in range(3)}))
mark("open", [f for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.exists("/proc/self/fd/" + f) and stat.S_ISCHR(os.stat("/proc/self/fd/" + f).st_mode) and "ptmx" in os.readlink("/proc/self/fd/" + f)])
mark("masters", [p for p in glob.glob("/proc/[0-9]*/fd/*") if os.path.islink(p) and "ptmx" in os.readlink(p)])
mark("session", os.getsid(0) in (os.getpid(), os.getppid()))
attempt("steal", lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 1))
mark("rdev", os.fstat(0).st_rdev); mark("dev", os.fstat(0).st_dev)
'''


@case("P-05", "an interactive step has no descriptor of the caller's terminal, cannot push bytes into any, and sees only the one that was made for it")
def _():
    job = Job([step("a", "true")], files={"probe.py": PROBE})
    term = Term([*AS_USER, *job.argv("--shell", "a", "--state-dir", os.path.join(job.dir, "st"))], cwd=job.dir, env=job.environ({"TERM": "dumb"}))
    try:
        term.wait("$ ")
        term.type("python3 probe.py; echo all$((1+1))\r")
        term.wait("all2")
        marks = dict(re.findall(r"@@([\w-]+)=(.*?)@@", term.text()))
        for name in ("stdin", "tty", "pts"):
            for call in ("sti", "linux", "cons", "setd"):
                equal(marks[f"{call}-{name}"], "EPERM", f"{call} on {name}\n{term.text()}")
        equal((marks["pts"], marks["fds"], marks["open"], marks["masters"]), ("['0', 'ptmx']", "['/dev/pts/0']", "[]", "[]"), "terminals in the step\n" + term.text())
        check(marks["dev"] != str(os.fstat(term.theirs).st_dev), "the step's terminal is of the host's devpts")
        check(marks["steal"] in ("EPERM", "ok"), marks["steal"])     # its own at most
        term.type("exit\r")
        equal(term.end(), 0, "exit status\n" + term.text())
        equal(term.modes(), term.before, "the caller's terminal afterwards")
        check("injected" not in term.text().split("all2")[1], "bytes came back as input")
    finally:
        term.close()
        job.close()


def living(term):
    """pid -> command line of what lives below the terminal's shell."""
    seen = processes()
    return {p: seen[p] for p in descendants(term.process.pid) if p in seen}


def drydock(term):
    """The keeper: the child of the terminal's shell."""
    return min(p for p, c in living(term).items() if " run workflow.yml" in c)


@case("P-05", "answers that a terminal gives to a hostile program do not become input of the shell that the caller returns to")
def _():
    job = Job([step("a", "true")])
    term = Term(["bash", "--noprofile", "--norc", "-i"], cwd=job.dir, env=job.environ({"TERM": "dumb", "PS1": "outer> "}))
    try:
        term.wait("outer> ")
        argv = " ".join(f"'{a}'" for a in [*AS_USER, *job.argv("--shell", "a", "--state-dir", os.path.join(job.dir, "st"))])
        term.type(argv + "\r")
        term.wait("$ ")
        # more than one reading of the supervisor's comes in between the last one and the end of the step
        term.type("exec sleep 3.01\r")
        deadline = time.monotonic() + 20
        while not any("sleep 3.01" in c for c in living(term).values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        supervisor = None
        while supervisor is None and time.monotonic() < deadline:
            supervisor = next((p for p, c in living(term).items() if " run workflow.yml" in c and p != drydock(term) and descendants(p)), None)
        os.kill(supervisor, signal.SIGSTOP)
        while any("sleep 3.01" in c for c in living(term).values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        term.type("#" * 2500 + "\rtouch injected\r")
        os.kill(supervisor, signal.SIGCONT)
        term.wait("job test: succeeded")
        term.wait("outer> ")
        term.type("echo still$((1+1))\r")
        term.wait("still2")
        check(not os.path.exists(os.path.join(job.dir, "injected")), "the answer was run outside")
        term.type("exit\r")
        term.end()
    finally:
        term.close()
        job.close()


@case("P-05", "with commands from a pipe the step has no terminal at all")
def _():
    job = Job([step("a", "true")])
    try:
        done = subprocess.run([*AS_USER, *job.argv("--shell", "a", "--state-dir", os.path.join(job.dir, "st"))], cwd=job.dir, env=job.environ(), timeout=60, check=False,
                              input=b"tty; (: </dev/tty) 2>&1; ls /dev/pts | tr '\\n' ' '; readlink /proc/self/fd/0 /proc/self/fd/1\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = done.stdout.decode()
        check("not a tty" in out and "/dev/tty: No such device or address" in out and "pipe:" in out, out)
        check("| ptmx" in out, out)
    finally:
        job.close()


main()
