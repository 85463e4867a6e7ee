#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kernel_test.py - the kernel surface that a step can reach (K)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import BUILD, Job, Skip, case, check, closed, equal, main, py, run, step  # noqa: E402

CALL = '''
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    def go():
        if libc.syscall(ctypes.c_long(number), *args) < 0: raise OSError(ctypes.get_errno(), name)
        return "worked"
    attempt(name, go)
'''
# x86-64 numbers. Every one must be refused whatever its arguments are.
REFUSED = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "kexec_load": 246,
    "init_module": 175, "finit_module": 313, "delete_module": 176, "open_by_handle_at": 304, "name_to_handle_at": 303, "keyctl": 250, "add_key": 248,
    "request_key": 249, "swapon": 167, "reboot": 169, "acct": 163, "quotactl": 179, "lookup_dcookie": 212, "modify_ldt": 154, "syslog": 103,
    "kcmp": 312, "settimeofday": 164, "adjtimex": 159, "iopl": 172, "ioperm": 173, "fanotify_init": 300, "mount": 165, "setns": 308, "pivot_root": 155,
    "vhangup": 153, "sethostname": 170, "kexec_file_load": 320, "nfsservctl": 180, "process_vm_writev": 311,
}


@case("K-01", "no namespace can be made or entered, by any call")
def _():
    r = closed(CALL + '''
for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80):
    call("unshare-%x" % bit, 272, bit)
    call("clone-%x" % bit, 56, bit | 17, 0, 0, 0, 0)
call("clone3", 435, (ctypes.c_ulonglong * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)
call("setns", 308, 0, 0x10000000)
mark("thread", (lambda l: (threading.Thread(target=lambda: l.append(1)).start(), time.sleep(0.2), len(l))[2])([]))
''')
    for label, value in r.marks.items():
        if label.startswith(("unshare", "clone-", "setns")) and not label.endswith(".ms"):
            check(value in ("EPERM", "ENOSYS"), f"{label} said {value}", r)
    equal(r.mark("clone3"), "ENOSYS", "clone3", r)
    equal(r.mark("thread"), "1", "threads still work", r)


@case("K-02 K-03", "calls that no build needs are refused, each one probed")
def _():
    r = closed(CALL + f'''
for name, number in {REFUSED!r}.items():
    call(name, number, 0, 0, 0, 0, 0)
call("personality", 135, 0x0040000)
call("ptrace", 101, 16, 1, 0, 0)
''')
    for name in (*REFUSED, "personality", "ptrace"):
        check(r.mark(name) in ("EPERM", "ENOSYS"), f"{name} said {r.mark(name)}", r)


# A UDP socket may be made: the namespace refuses the packet. Everything else that the probe tries is refused.
MAY_PASS = {"N-02.udp"}
PROBED = {"K-04.int_0x80": "killed", "K-04.x32_getpid": "refused|killed", "K-01.clone_newuser_high_bits": "refused", "P-05.tiocsti_high_bits": "refused",
          "K-05.number_1000": "refused", "N-22.vsock": "refused", "N-22.netlink_netfilter": "refused", "N-02.raw_v6": "refused", "P-08.core_pattern": "refused|absent"}


@case("K-03 K-04", "the probe of every system call: nothing outside the profile answers, other entry points are dead")
def _():
    probe = os.path.join(BUILD, "tests", "attack", "probe_syscalls")
    if not os.path.exists(probe):
        raise Skip("build/tests/attack/probe_syscalls is not built")
    with open(probe, "rb") as file:
        job = Job([step("probe", "chmod +x ./probe; ./probe | sed 's/^/@@P /'")], files={"probe": file.read()})
    try:
        r = job.run()
    finally:
        job.close()
    rows = [line.split("@@P ", 1)[1].split() for line in r.out.splitlines() if "@@P " in line]
    named = {row[0]: row[1:] for row in rows if len(row) >= 2}
    check(len(named) > 80, f"the probe said too little: {len(named)} lines", r)
    for name, (result, *detail) in named.items():
        if name in MAY_PASS:
            continue
        check(result in ("refused", "killed", "absent"), f"{name} is {result} {detail}", r)
    for name, want in PROBED.items():
        check(named.get(name, ["missing"])[0] in want.split("|"), f"{name}: {named.get(name)}, expected {want}", r)


@case("K-05", "a system call with an unknown number answers ENOSYS")
def _():
    r = closed(CALL + 'for number in (600, 1000, 4000, 100000):\n    call("n%d" % number, number, 0)\n')
    for number in (600, 1000, 4000, 100000):
        equal(r.mark(f"n{number}"), "ENOSYS", f"number {number}", r)


@case("K-06", "the filter survives exec and threads, and a second permissive filter does not help")
def _():
    r = closed(CALL + '''
class Filter(ctypes.Structure): _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
allow = Filter(6, 0, 0, 0x7fff0000)
mark("second", libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.pointer(allow))), 0, 0))
call("bpf-after", 321, 0, 0, 0)
t = threading.Thread(target=lambda: call("bpf-thread", 321, 0, 0, 0)); t.start(); t.join()
out = subprocess.run([sys.executable, "-c", "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(321, 0, 0, 0), ctypes.get_errno(), open('/proc/self/status').read().split('Seccomp:')[1].split()[0])"],
                     capture_output=True, text=True).stdout
mark("exec", out.strip())
''')
    for label in ("bpf-after", "bpf-thread"):
        check(r.mark(label) in ("EPERM", "ENOSYS"), f"{label} said {r.mark(label)}", r)
    check(r.mark("exec") in ("-1 1 2", "-1 38 2"), f"after exec: {r.mark('exec')}", r)


@case("K-07", "nested user namespaces are off for the step, in the kernel's own counter too")
def _():
    r = run([step("probe", "unshare -U true && echo @@made=yes@@; cat /proc/sys/user/max_user_namespaces | sed 's/.*/@@max=&@@/'", shell="bash {0}")])
    check("made" not in r.marks, "a user namespace was made", r)
    equal(r.mark("max"), "0", "max_user_namespaces", r)


@case("K-08", "there is no writable cgroup file system and no release_agent")
def _():
    r = closed('''
        found = []
        for where, _, files in os.walk("/sys/fs/cgroup"):
            for f in files:
                if f in ("release_agent", "cgroup.procs", "notify_on_release") and os.access(os.path.join(where, f), os.W_OK):
                    found.append(os.path.join(where, f))
        mark("writable", found)
        mark("cgroup", open("/proc/self/cgroup").read().strip())
        attempt("mount", lambda: subprocess.run(["mount", "-t", "cgroup", "none", "/tmp"], capture_output=True).returncode)
    ''')
    equal(r.mark("writable"), "[]", "writable cgroup files", r)
    check(r.mark("mount") != "ok:0", "cgroup was mounted", r)


@case("K-09", "Landlock is in force beside the mounts: it alone refuses a whiteout, which the workspace's mount would let through")
def _():
    # A character device 0:0 needs no capability since Linux 5.8, nodev or not, and no filter sees the mode of mknod.
    check(tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (5, 8), "the test proves nothing on this kernel")
    r = closed('''
        import stat
        for top in ("/work", "/tmp", "/dev/shm", os.environ["HOME"]):
            attempt("whiteout" + top, lambda: os.mknod(top + "/w", stat.S_IFCHR | 0o600, 0))
            attempt("fifo" + top, lambda: os.mkfifo(top + "/f"))
    ''')
    for label, value in r.marks.items():
        if label.startswith("whiteout") and not label.endswith(".ms"):
            equal(value, "EACCES", label, r)
        if label.startswith("fifo") and not label.endswith(".ms"):
            equal(value, "ok:None", label, r)
    check("landlock" in str(r.events("run.start")), "run.start does not name Landlock", r)


@case("K-10", "/proc is a real procfs and the security attributes of the step cannot be rewritten")
def _():
    r = closed('''
        mark("type", [l.split()[2] for l in open("/proc/self/mounts") if l.split()[1] == "/proc"])
        attempt("attr", lambda: os.write(os.open("/proc/self/attr/current", os.O_WRONLY), b"unconfined"))
        attempt("uidmap", lambda: os.write(os.open("/proc/self/uid_map", os.O_WRONLY), b"0 0 1"))
    ''')
    equal(r.mark("type"), "['proc']", "file system at /proc", r)
    for label in ("attr", "uidmap"):
        check(not r.mark(label).startswith("ok"), f"{label} said {r.mark(label)}", r)


@case("K-11", "only harmless devices are in /dev")
def _():
    r = closed('mark("dev", " ".join(sorted(os.listdir("/dev")))); mark("kvm", os.path.exists("/dev/kvm") or os.path.exists("/dev/net/tun") or os.path.exists("/dev/fuse"))')
    allowed = set("null zero full random urandom tty pts ptmx shm mqueue fd stdin stdout stderr core".split())
    check(set(r.mark("dev").split()) <= allowed, f"/dev holds {r.mark('dev')}", r)
    equal(r.mark("kvm"), "False", "powerful devices", r)


@case("K-12", "a kernel feature taken away stops the run before the first byte, with the remedy")
def _():
    job = Job([step("probe", "echo @@ran=yes@@")])
    try:
        for point in os.environ.get("DD_FAULTS", "seccomp landlock userns nftables mount_setattr").split():
            r = job.run(env={"DRYDOCK_FAULT": point})
            check("ran" not in r.marks, f"without {point} the step ran", r)
            equal(r.rc, 3, f"exit status without {point}", r)
            check("emedy" in r.out or "see drydock doctor" in r.out, f"without {point} no remedy was named", r)
            equal(r.record, [], f"the record without {point}: the run began")
    finally:
        job.close()


@case("K-12", "what only a sandbox finds out ends the run before the first byte too: the table is asked then, and names the remedy")
def _():
    if os.geteuid() != 0:
        raise Skip("to cover a part of /proc takes root")
    job = Job([step("probe", "echo @@ran=yes@@"), step("after", "echo @@ran=yes@@", **{"if": "always()"})])
    try:
        equal(job.run(prefix=["unshare", "-m"]).rc, 0, "exit status where nothing is covered: the test would prove nothing")
        r = job.run(prefix=["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc/sys && exec "$@"', "sh"])
        equal(r.rc, 3, "exit status", r)
        check("ran" not in r.marks and len(r.events("step.start")) == 1, "a step ran", r)
        check("this host cannot enforce it: proc " in r.out and "Remedy: a wholly visible /proc" in r.out, "the remedy was not named", r)
        equal([r.events("step.end")[0]["outcome"], r.events("run.end")[0]["status"]], ["broken off", "broken"], "outcomes", r)
    finally:
        job.close()


if __name__ == "__main__":
    main()
