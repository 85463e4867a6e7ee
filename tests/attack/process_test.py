#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""process_test.py - attacks on processes: staying alive, looking at others, gaining privileges (P)."""
import fcntl
import os
import pty
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import PUSH, ROOT, Job, Leftovers, Skip, case, check, closed, descendants, equal, main, processes, py, run, step, supervisor_of  # noqa: E402


@case("P-01", "double fork, setsid, nohup and a changed tracking id do not outlive the step")
def _():
    marker = "dd-p01-%d" % os.getpid()
    left = Leftovers(marker)
    r = run([step("hide", f'''
export RUNNER_TRACKING_ID=0
cp "$(command -v sleep)" /work/{marker}
(setsid nohup /work/{marker} 300 >/dev/null 2>&1 &) ; nohup /work/{marker} 301 >/dev/null 2>&1 &
python3 -c 'import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN); os.execv("/work/{marker}", ["{marker}", "302"])
'
sleep 0.3; ps -e 2>/dev/null | wc -l | sed 's/.*/@@n=&@@/'; ls -d /proc/[0-9]* | wc -l | sed 's/.*/@@pids=&@@/'
'''), step("after", "ls -d /proc/[0-9]* | wc -l | sed 's/.*/@@after=&@@/'")])
    check(int(r.mark("pids")) >= 5, "the background processes never started: the test proves nothing", r)
    check(int(r.mark("after")) <= 6, f"{r.mark('after')} processes in the next step", r)
    left.check(run=r)


@case("P-02", "no process outside the step is visible, readable or traceable")
def _():
    r = closed(f'''
        mark("pids", sorted(int(p) for p in os.listdir("/proc") if p.isdigit()))
        libc = ctypes.CDLL(None, use_errno=True)
        def call(number, *args):
            if libc.syscall(number, *args) < 0: raise OSError(ctypes.get_errno(), "")
            return "worked"
        for pid in ({os.getpid()}, 1):
            attempt("environ%d" % pid, lambda: open("/proc/%d/environ" % pid, "rb").read())
            attempt("mem%d" % pid, lambda: open("/proc/%d/mem" % pid, "rb").read(1))
            attempt("ptrace%d" % pid, lambda: call(101, 16, pid, 0, 0))
            attempt("readv%d" % pid, lambda: call(310, pid, 0, 0, 0, 0, 0))
            attempt("pidfd%d" % pid, lambda: call(438, call(434, pid, 0) and 3, 0, 0))
    ''')
    pids = [int(p) for p in r.mark("pids").strip("[]").split(",")]
    check(pids[0] == 1 and len(pids) <= 6, f"pids in sight: {pids}", r)
    for label, value in r.marks.items():
        if not label.endswith(".ms") and label != "pids":
            check(value in ("ESRCH", "ENOENT", "EPERM", "EACCES", "ENOSYS", "ok:b''"), f"{label} said {value}", r)
    check(not r.mark("environ1").startswith("ok:b'P"), "init's environment is readable", r)


@case("P-04", "kill -1, killing the parent and stopping everything reach only the step itself; the deadline still works")
def _():
    bystander = processes()
    started = time.monotonic()
    r = run([step("kill", py(f'''
        attempt("parent", lambda: os.kill({os.getpid()}, 9))
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            attempt("init%d" % sig, lambda: os.kill(1, sig))
        mark("alive", "yes")
        os.kill(-1, signal.SIGSTOP)
        time.sleep(60)
    '''))], limits={"time": "3s"}, rc=1)
    check(time.monotonic() - started < 20, "the deadline did not work", r)
    equal(r.mark("alive"), "yes", "the step after killing init", r)
    check(r.mark("parent") in ("ESRCH", "EPERM"), f"killing a foreign process said {r.mark('parent')}", r)
    check(os.getpid() in bystander, "bystander")


@case("P-05", "there is no controlling terminal to inject into, even when drydock has one")
def _():
    job = Job([step("tty", py('''
        import fcntl, termios
        attempt("open", lambda: open("/dev/tty"))
        for fd in (0, 1, 2):
            attempt("sti%d" % fd, lambda: fcntl.ioctl(fd, termios.TIOCSTI, b"x"))
            attempt("linux%d" % fd, lambda: fcntl.ioctl(fd, 0x541C, b"\\x02"))
        mark("isatty", [os.isatty(i) for i in range(3)])
        a, b = os.openpty()
        attempt("own", lambda: fcntl.ioctl(b, termios.TIOCSTI, b"x"))
    '''))])
    master, slave = pty.openpty()

    def own_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        os.close(os.open("/dev/tty", os.O_RDWR))   # it is there, for drydock
    try:
        r = job.run(preexec_fn=own_terminal, env={"TERM": "xterm"})
    finally:
        os.close(master)
        os.close(slave)
        job.close()
    equal(r.rc, 0, "exit status", r)
    equal(r.mark("open"), "ENXIO", "opening /dev/tty", r)
    for label, value in r.marks.items():
        if label.startswith(("sti", "linux", "own")) and not label.endswith(".ms"):
            check(value in ("EPERM", "ENOTTY", "EIO"), f"{label} said {value}", r)


@case("P-06", "a step starts with descriptors 0, 1 and 2 and no other, whatever drydock inherited")
def _():
    job = Job([step("fds", "exec python3 -c \"import os; l = os.listdir('/proc/self/fd'); print('@@zero=%s@@' % os.readlink('/proc/self/fd/0')); "
                    "print('@@fds=%s@@' % ' '.join(sorted(f for f in l if os.path.exists('/proc/self/fd/' + f))))\"", shell="sh -e {0}")])
    secret = os.open("/etc/passwd", os.O_RDONLY)
    try:
        os.set_inheritable(secret, True)
        r = job.run(pass_fds=(secret,))
    finally:
        os.close(secret)
        job.close()
    fds = r.mark("fds").split()
    equal(fds, ["0", "1", "2"], "descriptors", r)
    equal(r.mark("zero"), "/dev/null", "standard input", r)


@case("P-06", "standard descriptors that drydock finds closed are neither taken for files nor handed on")
def _():
    job = Job([step("fds", "exec python3 -c \"import os; print('@@fds=%s@@' % [os.readlink('/proc/self/fd/%d' % i).split(':')[0] for i in range(3)])\"", shell="sh -e {0}")])
    for closed_fds in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        r = job.run(prefix=["sh", "-c", f'exec "$@" {closed_fds}', "sh"])
        equal(r.rc, 0, f"exit status with {closed_fds}", r)
        if "1>&-" not in closed_fds:
            equal(r.mark("fds"), "['/dev/null', 'pipe', 'pipe']", f"descriptors with {closed_fds}", r)
        equal([e["event"] for e in r.record][-1], "run.end", f"the last event with {closed_fds}", r)
        with open(r.record_path, encoding="utf-8") as file:
            check("drydock: " not in file.read() and "job test" not in str(r.record), f"drydock's words went into the record with {closed_fds}", r)
    job.close()
    job = Job([step("wait", "sleep 1.5")])
    process = job.popen("--record", "other.jsonl", prefix=["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"])
    try:
        deadline, seen = time.monotonic() + 1.2, {}
        while time.monotonic() < deadline:
            for pid in [process.pid, supervisor_of(process.pid)]:
                try:
                    seen[pid] = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)]
                except OSError:
                    pass
            time.sleep(0.05)
        equal(process.wait(timeout=20), 0, "exit status")
        check(len(seen) >= (2 if ROOT else 1) and all(fds == ["/dev/null"] * 3 for fds in seen.values()), f"files took the places of standard descriptors: {seen}")
    finally:
        job.close()


@case("P-06", "the gate of an open step and the zygote of closed ones hold sockets and nothing of the supervisor's files")
def _():
    if not ROOT:
        raise Skip("looking into the gate takes root")
    from dd import FETCH
    job = Job([step("wait", "sleep 1.5", FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 80}]}})
    process = job.popen()
    try:
        deadline, held = time.monotonic() + 10, {}
        while time.monotonic() < deadline and process.poll() is None:
            tree = {pid: processes().get(pid, "") for pid in descendants(process.pid)}
            if any("sleep 1.5" in command for command in tree.values()):
                supervisor = supervisor_of(process.pid)
                for pid in tree:
                    parent = open(f"/proc/{pid}/stat", encoding="latin-1").read().rsplit(")", 1)[1].split()[1]
                    if int(parent) == supervisor and "drydock run" in tree[pid]:
                        held[pid] = {os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")}
                break
            time.sleep(0.02)
        out = process.communicate(timeout=20)[0].decode("utf-8", "replace")
    finally:
        job.close()
    equal(process.returncode, 0, "exit status\n" + out[-1500:])
    equal(len(held), 2, f"gates and their zygote seen: {held}")
    check(all(kinds <= {"/dev/null", "socket", "anon_inode", "pipe"} for kinds in held.values()), f"the gate holds {held}")
    check({"/dev/null", "socket"} in held.values(), f"the zygote holds more than its socket: {held}")


@case("P-07", "init is as powerless as the step: no capability, no_new_privs, a filter of its own")
def _():
    r = closed('''
        status = dict(l.split(":\\t", 1) for l in open("/proc/1/status").read().splitlines() if ":\\t" in l)
        for key in ("Name", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"): mark(key, status[key].strip())
        attempt("exe", lambda: os.readlink("/proc/1/exe"))
    ''')
    equal(r.mark("Name"), "drydock-init", "pid 1", r)
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(r.mark(key), 16), 0, key + " of init", r)
    equal(r.mark("NoNewPrivs"), "1", "NoNewPrivs of init", r)
    equal(r.mark("Seccomp"), "2", "Seccomp of init", r)
    check(not r.mark("exe").startswith("ok"), "the binary behind init can be named", r)


@case("P-07", "setuid programs gain nothing: no_new_privs is set, every capability set is empty")
def _():
    r = closed('''
        status = dict(l.split(":\\t", 1) for l in open("/proc/self/status").read().splitlines() if ":\\t" in l)
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups"): mark(key, status[key].strip())
        for command in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["newuidmap", str(os.getpid()), "0", "0", "1"], ["pkexec", "id"]):
            try: mark("run-" + command[0], subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10).returncode)
            except OSError as e: mark("run-" + command[0], errno.errorcode[e.errno])
    ''')
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(r.mark(key), 16), 0, key, r)
    equal(r.mark("NoNewPrivs"), "1", "NoNewPrivs", r)
    equal(r.mark("Seccomp"), "2", "Seccomp", r)
    equal(r.mark("Uid").split(), ["1001"] * 4, "uids", r)
    for label, value in r.marks.items():
        if label.startswith("run-"):
            check(value != "0", f"{label} succeeded", r)


@case("P-08", "kernel settings that lead out of a sandbox are absent or read-only")
def _():
    r = closed('''
        for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/sys/kernel/uevent_helper", "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger",
                     "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/user/max_user_namespaces",
                     "/proc/sys/vm/drop_caches", "/proc/self/oom_adj_none"):
            attempt(path, lambda: os.write(os.open(path, os.O_WRONLY), b"1"))
        for path in ("/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/kmsg", "/sys/firmware", "/sys/kernel/debug"):
            def peek(): 
                if os.path.isdir(path): return len(os.listdir(path)) or "empty"
                return len(open(path, "rb").read(64).strip(b"0 \\n")) or "empty"
            attempt("peek" + path, peek)
        # The second lock, behind ownership: read-only mounts, and the null device over what a read or a write could misuse.
        options = {l.split()[4]: l.split()[5] for l in open("/proc/self/mountinfo")}
        for path in ("/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq"): mark("mount" + path, options.get(path, "none") if os.path.exists(path) else "ro")
        null = os.stat("/dev/null").st_rdev
        mark("bare", [p for p in ("sysrq-trigger", "kcore", "kmsg", "kallsyms", "keys", "latency_stats", "timer_list", "sched_debug")
                      if os.path.exists("/proc/" + p) and os.stat("/proc/" + p).st_rdev != null])
    ''')
    for label, value in r.marks.items():
        if label.startswith("/proc") or label.startswith("/sys"):
            if not label.endswith(".ms"):
                check(not value.startswith("ok"), f"writing {label} said {value}", r)
    for path in ("/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq"):
        check("ro" in r.mark("mount" + path).split(","), f"{path} is mounted {r.mark('mount' + path)}", r)
    equal(r.mark("bare"), "[]", "kernel files that are not covered", r)
    for path in ("/proc/kcore", "/proc/keys", "/proc/kmsg", "/sys/firmware"):
        value = r.mark("peek" + path)
        check(not value.startswith("ok") or value == "ok:empty", f"{path} is readable: {value}", r)


@case("P-09", "a crash leaves no core file, and the supervisor cannot be dumped")
def _():
    # Who may read the supervisor's memory is seen from outside by its user: integration/identity_test.py.
    job = Job([step("crash", "ulimit -c | sed 's/.*/@@core=&@@/'; ulimit -Hc | sed 's/.*/@@hard=&@@/'; python3 -c 'import os; os.abort()' || true; ls | grep -c core | sed 's/.*/@@cores=&@@/'; sleep 2",
                    shell="bash {0}")])
    try:
        process = job.popen()
        time.sleep(1)
        limits = {}
        for pid in descendants(process.pid):
            with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                limits[pid] = next(line.split()[4:6] for line in file if line.startswith("Max core"))
        out = process.communicate(timeout=30)[0].decode()
    finally:
        job.close()
    check("@@core=0@@" in out and "@@hard=0@@" in out and "@@cores=0@@" in out, out)
    check(len(limits) >= 4, f"supervisor, gate, init and step were not all seen: {limits}")
    check(all(l == ["0", "0"] for l in limits.values()), f"a process below the keeper may dump core: {limits}")


@case("C7 P-09", "ulimit -c unlimited does not fail the step, the limit stays 0 whoever asks, no dump is written, and a step that looks for one hears why")
def _():
    r = run([step("ask", "ulimit -c unlimited; ulimit -Sc unlimited; ulimit -c 100; echo @@soft=$(ulimit -Sc)@@ @@hard=$(ulimit -Hc)@@; bash -c 'kill -SEGV $$' || true; find / -xdev -name 'core*' -newer /proc/1 "
                  "-not -path '/usr/*' 2>/dev/null | wc -l | sed 's/.*/@@dumps=&@@/'", shell="bash -e {0}"),
             step("python", py("""
import resource
attempt("raise", lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
mark("after", resource.getrlimit(resource.RLIMIT_CORE)); mark("prlimit", resource.prlimit(0, resource.RLIMIT_CORE))
attempt("asked", lambda: resource.prlimit(0, resource.RLIMIT_CORE, (1 << 20, 1 << 20)))
mark("proc", next(l.split()[4:6] for l in open("/proc/self/limits") if l.startswith("Max core")))
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200)); mark("nofile", resource.getrlimit(resource.RLIMIT_NOFILE))
"""))])
    equal([r.mark(m) for m in ("soft", "hard", "dumps", "raise")], ["0", "0", "0", "ok:None"], "ulimit", r)
    equal([r.mark(m) for m in ("after", "prlimit", "proc", "nofile")], ["(0, 0)", "(0, 0)", "['0', '0']", "(100, 200)"], "limits afterwards", r)
    r = run([step("look", "ulimit -c unlimited; ls core")], rc=1)
    check("a step writes no core dumps" in r.out, "no word of core dumps", r)


@case("P-11", "a step that closes its output and goes on, and one that floods, both end when their process ends")
def _():
    r = run([step("quiet", "exec >/dev/null 2>&1; sleep 1; echo x >/work/done", shell="sh -e {0}"), step("check", "cat /work/done | sed 's/.*/@@done=&@@/'")])
    equal(r.mark("done"), "x", "the step ran to its end", r)
    r = run([step("flood", "yes 0123456789abcdef0123456789abcdef0123456789abcdef | head -c 30000000")], limits={"log": "1MiB"}, rc=None, timeout=90)
    check(len(r.out) < 8 << 20, f"{len(r.out)} bytes came out of a log limited to 1 MiB", r)


@case("C5 P-01", "what a step leaves running is counted, named and ended, in the log and in the record; a step that leaves nothing says nothing")
def _():
    told = "still running when the step's main process had ended"
    for what, script, left, names in (
            ("two", "sleep 41 & sleep 42 & true", 2, "sleep, sleep"), ("a daemon", "setsid sleep 43 >/dev/null 2>&1 </dev/null & true", 1, "sleep"),
            ("a failing step's", "sleep 44 & exit 3", 1, "sleep"), ("many", "for i in 1 2 3 4 5 6; do sleep 45 & done", 6, "sleep, sleep, sleep, sleep, ..."),
            ("stopped", "sleep 46 & sleep 0.1; kill -STOP $!", 1, "sleep"), ("double-forked", "(setsid sh -c 'sleep 47 & exec sleep 48' &) ; sleep 0.1", 2, "sleep, sleep"),
            ("none", "true", 0, None), ("waited for", "sleep 0.01 & wait", 0, None), ("just killed", "sleep 49 & kill $!", 0, None),
            ("about to end", "exec > >(sleep 0.1; cat); echo last", 0, None), ("a zombie", "sh -c 'sleep 0 & exec sleep 0.05'", 0, None)):
        r = run([step("leave", script, shell="bash {0}")], rc=1 if "exit 3" in script else 0)
        lines = [line for line in r.out.splitlines() if told in line]
        equal(len(lines), 1 if left else 0, f"{what}: lines", r)
        equal(r.events("step.end")[0]["left"], left, f"{what}: in the record", r)
        check(not left or (lines[0].split("|")[1].strip().startswith(f"drydock: {left} process") and f"ended: {names};" in lines[0]), f"{what}: {lines}", r)
        if what == "about to end":
            check("| last" in r.out, "the last line was lost", r)


@case("C5 R-11", "processes that a thread forked are found: when they are left, and when they hold space without a name")
def _():
    def forked(then, live):
        return py(f"""
def child():
    if os.fork() == 0:
        {then}
        time.sleep(50); os._exit(0)
    time.sleep({live})
t = threading.Thread(target=child); t.start(); t.join()
""")
    r = run([step("leave", forked("pass", 0.1))])
    equal(r.events("step.end")[0]["left"], 1, "left", r)
    hold = "held = []\n        for i in range(6): held.append(open('/tmp/y%d' % i, 'wb')); os.unlink('/tmp/y%d' % i); held[i].write(os.urandom(4 << 20)); held[i].flush(); os.fsync(held[i].fileno())"
    r = run([step("hold", forked(hold, 50))], rc=1, limits={"disk": "16MiB"}, timeout=40)
    check("limits.disk" in r.out, "no word of limits.disk", r)


@case("C5 L-01", "the name of a process that is left can hold neither a secret nor a control byte")
def _():
    job = Job([step("leave", py('''
        for name in (os.environ["TOKEN"].encode(), b"a\\x1b[31m\\nb"):
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(15, name, 0, 0, 0); time.sleep(50)
        time.sleep(0.1)
    '''), PUSH)], {"push": {}}, credentials={"t": {"from": {"env": "DD_SECRET"}, "for": {"phase": "push", "steps": ["leave"]}, "as": {"env": "TOKEN"}}})
    try:
        r = job.run(env={"DD_SECRET": "c5-hidden-name"})
    finally:
        job.close()
    check("2 processes were still running" in r.out and "c5-hidden-name" not in r.out and "\x1b[31m" not in r.out and "a\\x1b[31m\\x0ab" in r.out, "the names", r)


if __name__ == "__main__":
    main()
