# SPDX-License-Identifier: Apache-2.0
"""booted.py - this host's own root, booted under its own systemd in a container that is thrown away: what a unit of systemd can be tried in.

systemd-nspawn boots / below a layer in memory, with this host's kernel, without a network, with a tree of cgroups v2 of its own. Where the host keeps its controllers
on cgroup v1 that tree has none, so limits of memory and processors are not for here. A container that lost its nspawn is ended by its own pid."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from dd import ROOT, Skip

NEEDS = ("systemd-nspawn", "nsenter", "dbus-daemon")
# nspawn's own filter leaves out what a sandbox is made of; a host that is no container has all of it.
CALLS = "landlock_create_ruleset landlock_add_rule landlock_restrict_self pidfd_getfd @memlock"


class Booted:
    def __init__(self, share):
        if not ROOT:
            raise Skip("to boot a container takes root")
        for tool in NEEDS:
            if not shutil.which(tool):
                raise Skip(f"no {tool} on this host")
        if not os.path.exists("/lib/systemd/systemd"):
            raise Skip("no systemd on this host")
        self.share, self.init, self.nspawn, self.groups = share, None, None, []

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="ddboot")
        self.name = os.path.basename(self.dir)
        os.mkdir(self.dir + "/root")
        subprocess.run(["mount", "--bind", "/", self.dir + "/root"], check=True)
        self._enter_cgroup()
        env = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(self.dir + "/log", "wb") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", self.dir + "/root", f"--machine={self.name.replace('_', '-')}", "--volatile=overlay", "--register=no", "--keep-unit", "--link-journal=no", "--private-network",
                 "--console=pipe", f"--system-call-filter={CALLS}", f"--bind-ro={self.share}:/mnt/share",
                 *(f"--tmpfs=/{where}/drydock" for where in ("etc", "var/lib", "var/log", "var/cache")), "--boot", "systemd.unit=basic.target"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _enter_cgroup(self):
        """Its own group in each tree, so that two of them do not meet in one."""
        for tree in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
            if os.path.exists(tree + "/cgroup.procs"):
                group = f"{tree}/{self.name}"
                os.mkdir(group)
                self.groups.append((group, self._own_group(tree)))
                with open(group + "/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))

    @staticmethod
    def _own_group(tree):
        kind = {"/sys/fs/cgroup/systemd": "name=systemd"}.get(tree, "")
        with open("/proc/self/cgroup", encoding="ascii") as file:
            for line in file:
                _, names, path = line.rstrip("\n").split(":", 2)
                if names == kind:
                    return tree + path
        return tree

    def _wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.nspawn.pid)], capture_output=True, text=True, check=False).stdout.split()
            self.init = int(children[0]) if children else None
            if self.init and self.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded"):
                return
            if self.nspawn.poll() is not None:
                break
            time.sleep(0.1)
        with open(self.dir + "/log", encoding="utf-8", errors="replace") as file:
            raise Skip("systemd-nspawn does not boot this host's root: " + file.read().strip()[-300:])

    def run(self, *argv, timeout=300):
        """A command inside; status and output."""
        done = subprocess.run(["nsenter", "-t", str(self.init), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", *argv], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout)
        return done.returncode, done.stdout

    def __exit__(self, *_):
        if self.init:
            try:
                os.kill(self.init, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.nspawn:
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        for group, home in self.groups:
            with open(home + "/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
            subprocess.run(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["umount", "-l", self.dir + "/root"], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
