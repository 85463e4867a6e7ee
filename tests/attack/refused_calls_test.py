#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""refused_calls_test.py - a system call that the profile refuses is told: one line in the step's log with the remedy, one sys.deny in the
record, and the answer is what it was. Every case runs the real tool in a real sandbox."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import Skip, case, check, equal, main, py, run, step  # noqa: E402

CALLS = '''
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    r = libc.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    return "ok" if r >= 0 else errno.errorcode[ctypes.get_errno()]
'''
LEAK = "#include <stdlib.h>\nint main(void) { char *volatile p = malloc(10); p = NULL; return p != NULL; }\n"


def told(r):
    return re.findall(r"^  \| (drydock: .*)$", r.out, re.M)


def one_line(r, *words):
    lines = told(r)
    equal(len(lines), 1, f"lines of drydock's in {lines}", r)
    for word in words:
        check(word in lines[0], f"{word!r} is not in {lines[0]!r}", r)
    return lines[0]


def denied(r, syscall):
    events = r.events("sys.deny", syscall=syscall)
    equal(len(events), 1, f"sys.deny of {syscall}", r)
    return events[0]


def calls(code):
    return py(CALLS + textwrap.dedent(code))


def tool(name):
    if not shutil.which(name):
        raise Skip(f"{name} is not installed here")


def in_step(script, rc=0, **more):
    return run([step("tool", script)], rc=rc, **more)


@case("C2", "the leak check of AddressSanitizer: one line names the program, the profile that lets it work, and how to do without")
def _():
    tool("gcc")
    r = in_step("printf '%s' '" + LEAK + "' > leak.c && gcc -fsanitize=address leak.c -o leak && ./leak", rc=1)
    one_line(r, "ptrace", "tried by leak (./leak)", "`sandbox: { seccomp: debug }`", "detect_leaks=0", "policy.yml")
    e = denied(r, "ptrace")
    equal((e["answer"], e["count"], e["process"]["exe"]), ("EPERM", 1, "leak"), "event", r)
    helped = in_step("printf '%s' '" + LEAK + "' > leak.c && gcc -fsanitize=address leak.c -o leak && ./leak", rc=1, sandbox={"seccomp": "debug"})
    check("detected memory leaks" in helped.out, "the advised profile does not help", helped)
    equal(told(helped), [], "lines", helped)
    without = in_step("printf '%s' '" + LEAK + "' > leak.c && gcc -fsanitize=address leak.c -o leak && ASAN_OPTIONS=detect_leaks=0 ./leak")
    equal(told(without), [], "lines", without)


@case("C2", "gdb -batch -ex run, strace and setarch -R say the same line once each, however many calls were refused")
def _():
    for name, script, helped in (("gdb", "gdb -batch -ex run ./a", "exited normally"), ("strace", "strace ./a", "exited with 0"),
                                 ("setarch", "setarch -R ./a && echo exited with 0", "exited with 0")):
        tool(name)
        script = "echo 'int main(void) { return 0; }' > a.c && gcc -g a.c -o a && { " + script + " || true; }"
        r = in_step(script)
        one_line(r, f"tried by {name} (", "`sandbox: { seccomp: debug }`")
        check(helped in in_step(script, sandbox={"seccomp": "debug"}).out, f"{name} does not work under debug", r)


@case("C2", "what no policy allows says so: unshare, mount, ping, dmesg, chroot, bwrap")
def _():
    for name, syscall, script in (("unshare", "unshare", "unshare -r true"), ("mount", "mount", "mount -t tmpfs none /mnt"),
                                  ("ping", "socket", "ping -c 1 127.0.0.1"), ("dmesg", "syslog", "dmesg"), ("chroot", "chroot", "chroot / true"),
                                  ("bwrap", "clone", "bwrap --ro-bind / / true"), ("nsenter", "setns", "nsenter --uts=/proc/self/ns/uts true")):
        if not shutil.which(name):
            continue
        r = in_step(script + " 2>/dev/null || echo refused")
        if syscall == "mount" and not told(r):      # mount(8) looks at who it is before it tries
            continue
        check("no line of a policy" in one_line(r), "the line", r)
        check(r.events("sys.deny") and "refused" in r.out, "event and answer", r)


@case("C2 K-04", "a 32-bit program ends by the signal it always ended by, and the log says what it was; in observe mode too")
def _():
    with tempfile.TemporaryDirectory() as where:
        source = os.path.join(where, "a.s")
        with open(source, "w", encoding="ascii") as file:
            file.write(".globl _start\n_start: movl $1, %eax\n movl $7, %ebx\n int $0x80\n")
        if subprocess.run(f"as --32 {source} -o {where}/a.o && ld -m elf_i386 {where}/a.o -o {where}/prog32", shell=True, check=False).returncode:
            raise Skip("no 32-bit program can be built here")
        with open(where + "/prog32", "rb") as file:
            program = file.read()
    for options in ((), ("--observe",)):
        r = run([step("tool", "cp prog32 x && chmod +x x && { ./x || echo @@code=$?@@; }")], files={"prog32": program}, options=options)
        equal(r.mark("code"), "159", "exit code (128 and SIGSYS)", r)
        one_line(r, "32-bit", "tried by x (./x)", "no line of a policy")
        e = denied(r, "exit")
        equal((e["answer"], e["detail"], e["nr"]), ("SIGSYS", "32-bit", 1), "event", r)


@case("C2 K-04", "who ignores that signal, catches it or blocks it ends all the same")
def _():
    r = in_step(py('''
        import mmap
        code = b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3"      # mov $20, %eax; int $0x80; ret
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC); page.write(code)
        enter = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        def attempt_32(name, prepare):
            pid = os.fork()
            if pid == 0:
                prepare(); enter(); os._exit(0)
            mark(name, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        attempt_32("plain", lambda: None)
        attempt_32("ignored", lambda: signal.signal(signal.SIGSYS, signal.SIG_IGN))
        attempt_32("caught", lambda: signal.signal(signal.SIGSYS, lambda *a: None))
        attempt_32("blocked", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSYS]))
    '''))
    equal([r.mark(m) for m in ("plain", "ignored", "caught", "blocked")], ["-31", "-9", "-9", "-9"], "ends", r)
    equal(len(told(r)), 1, "lines", r)


@case("C2", "what programs try and do without is not told: clone3, io_uring, MPTCP, netlink protocols, kernel TLS, unknown ioctl, prctl and numbers")
def _():
    r = in_step(calls('''
        mark("clone3", call(435, 0, 0)); mark("mptcp", call(41, 2, 1, 262)); mark("netlink", call(41, 16, 3, 15)); mark("alg", call(41, 38, 5, 0))
        mark("ioctl", call(16, 0, 0x7f123456)); mark("prctl", call(157, 0x12345678)); mark("nobody", call(1000)); mark("x32", call(0x40000027))
        mark("handle", call(303, -100, b"/", 0, 0, 0)); mark("listener", call(317, 1, 8, 0))
        mark("io_uring", call(425, 1, 0)); mark("enter", call(426, 3, 1, 0, 0, 0, 0)); mark("register", call(427, 3, 0, 0, 0))
    '''))
    equal(told(r), [], "lines", r)
    equal(r.events("sys.deny"), [], "events", r)
    equal([r.mark(m) for m in ("clone3", "mptcp", "netlink", "alg", "nobody", "listener", "io_uring", "enter", "register")],
          ["ENOSYS", "EPROTONOSUPPORT", "EAFNOSUPPORT", "EAFNOSUPPORT", "ENOSYS", "EPERM", "ENOSYS", "ENOSYS", "ENOSYS"], "answers", r)


ANSWERS = {"unshare": "EPERM", "setns": "EPERM", "clone": "EPERM", "ptrace": "EPERM", "bpf": "EPERM", "perf": "EPERM", "userfaultfd": "EPERM",
           "keyctl": "EPERM", "mount": "EPERM", "pivot_root": "EPERM", "syslog": "EPERM", "vsock": "EAFNOSUPPORT",
           "packet": "EAFNOSUPPORT", "raw": "EPERM", "personality": "EPERM", "tiocsti": "EPERM", "settime": "EPERM"}
TRY_ALL = '''
    mark("unshare", call(272, 0x10000000)); mark("setns", call(308, 0, 0)); mark("clone", call(56, 0x10000011, 0, 0, 0, 0))
    mark("ptrace", call(101, 0, 0, 0, 0)); mark("bpf", call(321, 0, 0, 0)); mark("perf", call(298, 0, 0, 0, 0, 0)); mark("userfaultfd", call(323, 0))
    mark("keyctl", call(250, 0, 0)); mark("mount", call(165, 0, 0, 0, 0, 0)); mark("pivot_root", call(155, 0, 0)); mark("syslog", call(103, 3, 0, 0))
    mark("vsock", call(41, 40, 1, 0)); mark("packet", call(41, 17, 3, 0)); mark("raw", call(41, 2, 3, 255))
    mark("personality", call(135, 0x40000)); mark("tiocsti", call(16, 0, 0x5412, b"x")); mark("settime", call(227, 0, 0))
'''


@case("C2 K-01 K-02 K-03 N-22", "every told call fails with the errno it always failed with, and each sentence comes once")
def _():
    r = in_step(calls(TRY_ALL * 3))
    equal({name: r.mark(name) for name in ANSWERS}, ANSWERS, "answers", r)
    lines = told(r)
    equal(len(lines), len({line.split(": ", 2)[2] for line in lines}), "different sentences", r)
    counts = {(e["syscall"], e.get("detail")): e["count"] for e in r.events("sys.deny")}
    equal(set(counts.values()), {3}, "counts", r)
    equal(counts.get(("socket", "AF_INET raw 255")), 3, f"raw in {counts}", r)
    equal(counts.get(("unshare", "CLONE_NEWUSER")), 3, f"unshare in {counts}", r)
    end = r.events("step.end")[0]
    equal(end["refused"], 3 * len(ANSWERS), "refused in step.end", r)


@case("C2 R-06", "a flood of refused calls from many threads: the step ends in time, its other threads run, all are counted, one line")
def _():
    r = in_step(calls('''
        def flood():
            for _ in range(4000): libc.syscall(101, 16, 1, 0, 0)
        threads = [threading.Thread(target=flood) for _ in range(16)]
        for t in threads: t.start()
        for i in range(5): mark("tick%d" % i, i); time.sleep(0.05)
        for t in threads: t.join()
    '''))
    equal([r.mark(f"tick{i}") for i in range(5)], [str(i) for i in range(5)], "ticks", r)
    equal(denied(r, "ptrace")["count"], 64000, "count", r)
    one_line(r)
    check(r.took < 30, f"64,000 refused calls took {r.took:.1f} s", r)


@case("C2 R-06", "a thousand different arguments make a bounded number of events and one line")
def _():
    r = in_step(calls('''
        for i in range(1000): call(135, 0x40000 + i); call(41, 17 + i % 20, 1, i)
    '''))
    check(len(r.events("sys.deny")) <= 40, f"{len(r.events('sys.deny'))} events", r)
    check(len(told(r)) <= 2, "lines", r)
    equal(sum(e["count"] for e in r.events("sys.deny", syscall="personality")), 1000, "count", r)


@case("C2", "a listener in the place of drydock's, or none at all, gives nothing that the filter refuses")
def _():
    r = in_step(calls('''
        class Filter(ctypes.Structure): _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
        class Prog(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
        def install(action, flags):
            one = (Filter * 1)(Filter(6, 0, 0, action)); prog = Prog(1, one)
            return call(317, 1, flags, ctypes.byref(prog))
        mark("listener", install(0x7fc00000, 8)); mark("listener_tsync", install(0x7fc00000, 8 | 1 | 16)); mark("allow", install(0x7fff0000, 0))
        mark("uring", call(425, 1, 0)); mark("unshare", call(272, 0x10000000)); mark("ptrace", call(101, 0, 0, 0, 0))
        mark("fds", sorted(os.readlink("/proc/self/fd/" + f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)))
    '''))
    equal([r.mark(m) for m in ("listener", "listener_tsync", "allow", "uring", "unshare", "ptrace")],
          ["EPERM", "EPERM", "ok", "ENOSYS", "EPERM", "EPERM"], "attempts", r)
    check("seccomp" not in r.mark("fds"), "a step holds a listener", r)


@case("C2 R-04", "a step that floods is ended by its deadline as any other")
def _():
    r = in_step(calls('''
        def flood():
            while True: libc.syscall(101, 16, 1, 0, 0)
        for _ in range(8): threading.Thread(target=flood).start()
    '''), rc=1, limits={"time": "3s"})
    check(r.took < 12, f"ended after {r.took:.1f} s", r)
    equal(r.events("step.end")[0]["outcome"], "timed out", "outcome", r)


@case("C2 K-12", "where the kernel cannot ask, the run says so once, and every call is refused with the same errno")
def _():
    r = run([step("tool", calls(TRY_ALL))], env={"DRYDOCK_FAULT": "seccomp_notify"})
    equal({name: r.mark(name) for name in ANSWERS}, ANSWERS, "answers", r)
    equal(r.out.count("is not told: this host has no seccomp user notification"), 1, "notes", r)
    equal((told(r), r.events("sys.deny")), ([], []), "lines and events", r)


if __name__ == "__main__":
    main()
