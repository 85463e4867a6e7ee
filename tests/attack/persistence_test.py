#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""persistence_test.py - what a job leaves for the next one: nothing (S)."""
import hashlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, Job, Leftovers, case, cgroups, check, descendants, equal, kill_quietly, main, py, run, step  # noqa: E402


@case("S-01", "nothing that a job plants in its home, its temporary directories or the system is there for the next job")
def _():
    plant = '''
for f in .bashrc .profile .ssh/authorized_keys .config/systemd/user/x.service .gitconfig .local/bin/curl .npmrc; do
  mkdir -p "$HOME/$(dirname $f)"; echo planted >"$HOME/$f"; done
mkdir -p "$HOME/.git-templates/hooks" "$RUNNER_TOOL_CACHE/x" 2>/dev/null || true
for d in /tmp /dev/shm "$RUNNER_TEMP" "$RUNNER_TOOL_CACHE" /var/tmp; do echo planted >"$d/dd-planted" || true; done
echo planted | crontab - || true; echo x >/etc/ld.so.preload || true
echo @@planted=$(grep -rl planted "$HOME" /tmp 2>/dev/null | wc -l)@@
'''
    look = '''
grep -rls planted "$HOME" /tmp /dev/shm "$RUNNER_TEMP" "$RUNNER_TOOL_CACHE" /var /work 2>/dev/null | wc -l | sed 's/.*/@@found=&@@/'
ls /etc/ld.so.preload 2>/dev/null | wc -l | sed 's/.*/@@preload=&@@/'
'''
    r = run([step("plant", plant, shell="bash {0}")])
    check(int(r.mark("planted")) >= 5, "planting failed: the test proves nothing", r)
    r = run([step("look", look, shell="bash {0}")])
    equal(r.mark("found"), "0", "planted files", r)
    equal(r.mark("preload"), "0", "/etc/ld.so.preload", r)


@case("S-03", "a killed supervisor leaves nothing that the next run does not clean, ten times over")
def _():
    marker = "dd-s03-%d" % os.getpid()
    left, groups = Leftovers(marker), cgroups()
    for i in range(10):
        job = Job([step("hang", f"echo up; exec sleep 100.{os.getpid()} # {marker}")])
        process = job.popen()
        time.sleep(0.04 * i)
        below = descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while (alive := [p for p in below if os.path.exists(f"/proc/{p}/exe") or os.path.exists(f"/proc/{p}")]) and time.monotonic() < deadline:
            time.sleep(0.02)
        check(not alive, f"round {i}: still alive {alive}")
        job.close()
    r = run([step("clean", "echo @@ran=yes@@")])
    equal(r.mark("ran"), "yes", "the run after", r)
    left.check(run=r)
    equal(cgroups() - groups, set(), "cgroups left behind", r)


@case("S-04", "System V objects, message queues and abstract sockets are gone with the step")
def _():
    r = run([step("make", py('''
        libc = ctypes.CDLL(None, use_errno=True)
        mark("shm", libc.shmget(0x4444, 4096, 0o1666) >= 0); mark("sem", libc.semget(0x4444, 1, 0o1666) >= 0); mark("msg", libc.msgget(0x4444, 0o1666) >= 0)
    ''')), step("look", py('''
        libc = ctypes.CDLL(None, use_errno=True)
        mark("left", [libc.shmget(0x4444, 0, 0) >= 0, libc.semget(0x4444, 0, 0) >= 0, libc.msgget(0x4444, 0) >= 0])
    '''))])
    equal(r.mark("shm"), "True", "making shared memory", r)
    equal(r.mark("left"), "[False, False, False]", "objects in the next step", r)


@case("S-06", "the binary, the configs, the policy and the caller's own files are unchanged after a hostile job")
def _():
    def digests(*tops):
        found = {}
        for top in tops:
            for where, _, files in os.walk(top):
                for name in files:
                    path = os.path.join(where, name)
                    if os.path.isfile(path):
                        with open(path, "rb") as file:
                            found[path] = hashlib.sha256(file.read()).hexdigest()
        with open(DRYDOCK, "rb") as file:
            found[DRYDOCK] = hashlib.sha256(file.read()).hexdigest()
        return found
    job = Job([step("wreck", "rm -rf /work/* /work/.[a-z]* ~/* /usr/bin/* /etc/* 2>/dev/null; echo x >README; true", shell="bash {0}")])
    configs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "configs")
    try:
        before = digests(os.path.join(job.dir, "src"), configs)
        policy = open(os.path.join(job.dir, "policy.yml"), "rb").read()
        r = job.run()
        equal(digests(os.path.join(job.dir, "src"), configs), before, "digests", r)
        equal(open(os.path.join(job.dir, "policy.yml"), "rb").read(), policy, "the policy", r)
    finally:
        job.close()


if __name__ == "__main__":
    main()
