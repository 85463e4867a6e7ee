#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""view_test.py - what a step sees of the host's files and of its kernel: enough for the tools that are there, and no more."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import Job, case, check, equal, main, py, run, step  # noqa: E402


def setup():
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/opt"], check=True)     # of this test's mount namespace only
    for i in range(129):
        os.makedirs(f"/opt/many/{i}")
        with open(f"/opt/many/{i}/file", "w", encoding="ascii") as file:
            file.write(str(i))


MANY = [f"/opt/many/{i}" for i in range(129)]


@case("A22", "as many directories as a policy may show are all there, and so are the workspace, the home and the tool directory")
def _():
    for n in (1, 32, 33, 64, 127, 128):
        r = run([step("looks", py(f'''
            mark("seen", all(open("/opt/many/%d/file" % i).read() == str(i) for i in range({n})))
            for name, path in (("work", "/work"), ("home", "/home/runner"), ("temp", "/work-temp"), ("tools", "/opt/hostedtoolcache")):
                attempt(name, lambda: open(path + "/x", "w").close())
            mark("readme", os.path.exists("/work/README"))
        '''))], sandbox={"read": MANY[:n]})
        equal([r.mark(m) for m in ("seen", "readme")], ["True", "True"], f"{n} directories", r)
        check(all(r.mark(m).startswith("ok") for m in ("work", "home", "temp", "tools")), f"{n} directories: {r.marks}", r)


@case("A22 X-14", "one more is an error of the policy, with its place, for check, plan and run alike")
def _():
    job = Job([step("looks", "true")], sandbox={"read": MANY})
    for command in ("run", "plan"):
        r = job.run(command=command)
        equal(r.rc, 2, f"exit status of {command}", r)
        check("`read` has 129 entries, and a step sees at most 128" in r.out and "policy.yml:" in r.out, "what it says", r)
    r = subprocess.run([*job.argv()[:1], "policy", "check", "policy.yml"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
    equal(r.returncode, 2, r.stderr)
    job.close()


TELLS = ("cmdline bootconfig iomem ioports interrupts softirqs kallsyms timer_list sched_debug schedstat keys key-users kcore kmsg modules partitions "
         "diskstats swaps mdstat mtrr buddyinfo zoneinfo latency_stats slabinfo vmallocinfo pagetypeinfo kpagecount kpageflags kpagecgroup").split()


@case("A30 F-02", "what tells about the host's boot, hardware, disks, keys and addresses reads as empty or cannot be opened; its directories are empty")
def _():
    r = run([step("looks", py(f'''
        def read(name):
            try:
                fd = os.open("/proc/" + name, os.O_RDONLY | os.O_NONBLOCK)
                return len(os.read(fd, 4096))
            except OSError as e: return 0
        mark("telling", " ".join(n for n in {TELLS!r} if read(n)) or "none")
        mark("dirs", " ".join(n for n in "bus fs irq acpi scsi asound driver".split() if os.path.isdir("/proc/" + n) and os.listdir("/proc/" + n)) or "none")
        for name in ("cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version", "filesystems", "self/status", "self/maps", "sys/kernel/ostype"):
            mark(name, len(open("/proc/" + name).read(64)) > 3)
    '''))])
    equal((r.mark("telling"), r.mark("dirs")), ("none", "none"), "what tells", r)
    check(all(v == "True" for k, v in r.marks.items() if k not in ("telling", "dirs")), f"what tools need is gone: {r.marks}", r)
    with open("/proc/cmdline", encoding="latin-1") as file:
        check(file.read().strip(), "this host's /proc/cmdline is empty: the test proves nothing")


@case("A30", "nothing below /proc that is not the step's own can be opened for writing: pressure, mtrr, sysctls, triggers")
def _():
    r = run([step("writes", py('''
        own = ("self", "thread-self") + tuple(p for p in os.listdir("/proc") if p.isdigit())
        found = []
        for where, dirs, files in os.walk("/proc"):
            if where == "/proc": dirs[:] = [d for d in dirs if d not in own]
            for name in files:
                path = os.path.join(where, name)
                if os.path.exists("/dev/null") and os.stat(path).st_rdev == os.stat("/dev/null").st_rdev: continue
                try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)); found.append(path)
                except OSError: pass
        mark("writable", " ".join(found) or "none")
        attempt("watch", lambda: os.write(os.open("/proc/pressure/cpu", os.O_RDWR | os.O_NONBLOCK), b"some 500000 2000000"))
    '''))])
    equal(r.mark("writable"), "none", "writable", r)
    check(not r.mark("watch").startswith("ok"), "a step watches the host's pressure", r)


if __name__ == "__main__":
    main(setup)
