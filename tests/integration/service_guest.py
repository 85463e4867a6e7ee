#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""service_guest.py - what drydock.service does under a systemd that runs: installed from its package, registered at the fake GitLab, run, stopped, killed, reloaded.

Runs in a machine that is thrown away (booted.py, or an emulated one), as root: it installs, starts and kills. usage: service_guest.py PACKAGE [PATTERN]
It prints TAP; what the machine cannot show (limits where the tree of cgroups has no controllers) it skips aloud."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
sys.modules["record_schema"] = types.ModuleType("record_schema")   # a machine that was just made has no jsonschema, and no record is read here
import dd  # noqa: E402
from dd import Skip, case, check, equal  # noqa: E402
from gitlab_server import GitLab  # noqa: E402
from issuers import make_ca  # noqa: E402

WHERE = "/srv/test"
SLOW = float(os.environ.get("DD_SLOW", "1"))   # an emulated machine takes its time
SECRET = "glrt-t1_AbCdEfGhIjKlMnOp"
PUBLISH = "publish-me-0123456789"
POLICY = {"version": 1, "for": {"forge": "gitlab"},
          "steps": [{"phase": "push", "match": {"run": "publish*"}}],
          "phases": {"push": {"workspace": "shared", "egress": "none"}},
          "credentials": {"npm": {"from": {"systemd": "npm-token"}, "for": {"phase": "push", "steps": ["script-push"]}, "as": {"env": "NODE_AUTH_TOKEN"}, "ttl": "5m"}}}


def sh(*argv, code=None, timeout=120):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout * SLOW)
    check(code is None or done.returncode == code, f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def systemctl(*argv, code=0):
    return sh("systemctl", *argv, code=code)


def show(name):
    return systemctl("show", "-p", name, "--value", "drydock").strip()


def wait(what, test, seconds=30):
    deadline = time.monotonic() + seconds * SLOW
    while not test():
        check(time.monotonic() < deadline, f"{what} within {seconds * SLOW:.0f} s; the journal says:\n" + journal()[-3000:])
        time.sleep(0.1)


def journal():
    return sh("journalctl", "--no-pager", "-o", "cat", "-u", "drydock")


def policy(**more):
    write("/etc/drydock/policy.d/10.yml", json.dumps({**POLICY, **more}))


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


class World:
    gitlab = None

    @classmethod
    def set_up(cls, package):
        os.makedirs(WHERE, exist_ok=True)
        os.chmod(WHERE, 0o755)
        sh("ip", "link", "set", "lo", "up")
        print("# " + sh("dpkg", "--install", package, code=0).strip().replace("\n", "\n# "))
        cls.gitlab = GitLab(make_ca(WHERE))
        cls.gitlab.watched = True   # somebody looks at the log: it comes every three seconds
        write(WHERE + "/token", SECRET + "\n", 0o644)
        policy()
        sh("setpriv", "--reuid", "drydock", "--regid", "drydock", "--init-groups", "drydock", "register", "gitlab", "--url", cls.gitlab.url, "--token-file", WHERE + "/token",
           "--ca-file", WHERE + "/ca.pem", "--name", "builder", "--state-dir", "/var/lib/drydock", code=0)
        # As docs/service.md has it: what the service is given lies where its account cannot read, and comes as a credential.
        os.makedirs("/etc/drydock/runners", exist_ok=True)
        os.chmod("/etc/drydock/runners", 0o700)
        shutil.move("/var/lib/drydock/runners/builder.json", "/etc/drydock/runners/builder.json")
        os.chown("/etc/drydock/runners/builder.json", 0, 0)
        write("/etc/drydock/secrets/npm-token", PUBLISH, 0o600)
        os.makedirs("/etc/systemd/system/drydock.service.d", exist_ok=True)
        write("/etc/systemd/system/drydock.service.d/10-tokens.conf", "[Service]\nLoadCredential=runner.builder:/etc/drydock/runners/builder.json\nLoadCredential=npm-token:/etc/drydock/secrets/npm-token\n")
        systemctl("daemon-reload")
        systemctl("start", "drydock")
        wait("the agent asks for jobs", lambda: cls.gitlab.asked("POST jobs/request"))

    @classmethod
    def push(cls, script, **more):
        return cls.gitlab.push(cls.gitlab.message(script, None, (), **more))

    @classmethod
    def run(cls, script, state="success", **more):
        job = cls.push(script, **more)
        wait("the job ends", job.done.is_set, 60)
        equal(job.state, state, "state of the job\n" + job.text + "\n" + journal()[-2000:])
        equal(cls.gitlab.wrong, [], "what GitLab would refuse")
        return job


def below_unit():
    """pid -> real uid of every process in the unit's cgroups."""
    found, group = {}, show("ControlGroup")
    if not group:
        return found
    for path in glob.glob("/sys/fs/cgroup" + group + "/**/cgroup.procs", recursive=True):
        try:
            with open(path, encoding="ascii") as file:
                pids = file.read().split()
        except OSError:
            continue
        for pid in pids:
            try:
                with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                    found[int(pid)] = int(re.search(r"^Uid:\s+(\d+)", file.read(), re.M)[1])
            except OSError:
                pass
    return found


@case("", "the exposure of the unit is at most 3.6, as it runs and as it lies on disk, and systemd has no complaint")
def _():
    version = sh("systemctl", "--version").split("\n")[0]
    said = sh("systemd-analyze", "security", "--no-pager", "drydock.service", code=0)
    offline = sh("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=36", "/usr/lib/systemd/system/drydock.service", code=0)
    numbers = [re.search(r"exposure level for drydock\.service: ([\d.]+)", text)[1] for text in (said, offline)]
    print(f"# {version}: exposure {numbers[0]} running, {numbers[1]} on disk")
    check(all(float(n) <= 3.6 for n in numbers), f"exposure {numbers}")
    equal(sh("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/drydock.service", code=0).strip(), "", "what systemd says")
    equal([show(name) for name in ("NoNewPrivileges", "Delegate", "ProtectKernelTunables")], ["yes"] * 3, "settings in force")


@case("", "a job of the fake GitLab runs under the unit: build without a credential, push with the one that systemd loaded, steps with ids of the account's range")
def _():
    job = World.run(["echo build-${NODE_AUTH_TOKEN-none}; mount -t proc | wc -l; ls /sys/devices/system/cpu", "publish() { echo push-${#NODE_AUTH_TOKEN}; }", "publish"])
    check("build-none" in job.lines, job.text)
    job = World.push(["echo begun; while sleep 1; do echo tick; done"])   # each line is a chance to hear of a cancel
    wait("the job begins", lambda: "begun" in job.lines)
    with open("/etc/subuid", encoding="ascii") as file:
        first, count = [int(n) for n in re.search(r"^drydock:(\d+):(\d+)", file.read(), re.M).groups()]
    ids = below_unit()
    steps = {uid for uid in ids.values() if first <= uid < first + count}
    check(len(steps) >= 2, f"gate and step have ids of their own: {ids}, range {first}+{count}")
    check(0 not in ids.values(), f"somebody is root: {ids}")
    for pid in ids:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            check("NoNewPrivs:\t1" in file.read(), f"{pid} may gain privileges")
    World.gitlab.cancel(job)
    wait("the cancelled job ends", lambda: job.state == "canceled" and len(below_unit()) < 6)


@case("", "credentials of the unit, its state and its sockets are out of a step's reach")
def _():
    job = World.run(["set +o pipefail", "cat /run/credentials/drydock.service/* /etc/drydock/runners/* /etc/drydock/secrets/* /var/lib/drydock/runners/* 2>/dev/null | wc -c | sed s/^/bytes-/",
                     "ls /run/systemd/notify /run/systemd/journal/socket /run/dbus/system_bus_socket 2>/dev/null | wc -l | sed s/^/sockets-/", "env | grep -c /run/credentials | sed s/^/names-/ || :"])
    for line in ("bytes-0", "sockets-0", "names-0"):
        check(line in job.lines, job.text)
    everywhere = journal() + systemctl("cat", "drydock") + systemctl("show", "drydock")
    check(SECRET not in everywhere and PUBLISH not in everywhere and PUBLISH not in job.text, "a token is told")


@case("", "a credential that systemd loaded comes to the push step, and is masked")
def _():
    job = World.run(["publish=1; echo length-${#NODE_AUTH_TOKEN} value-$NODE_AUTH_TOKEN"])
    check(f"length-{len(PUBLISH)} value-[MASKED]" in job.lines, job.text)


@case("", "reload takes a new policy directory and keeps the process; stop lets the running job finish, and start goes on")
def _():
    pid = show("MainPID")
    systemctl("reload", "drydock")
    equal(show("MainPID"), pid, "main process")
    job = World.push(["echo begun; sleep 4; echo finished"])
    wait("the job begins", lambda: "begun" in job.lines or job.done.is_set())
    systemctl("stop", "drydock")
    equal((job.state, "finished" in job.lines), ("success", True), "the job that ran\n" + job.text)
    equal((show("ActiveState"), show("Result"), below_unit()), ("inactive", "success", {}), "unit")
    systemctl("start", "drydock")
    World.run(["true"])


@case("", "a crash of the agent kills its jobs at once, the unit starts again by itself, the job is told as failed once, and nothing is left")
def _():
    job = World.push(["echo begun; trap '' TERM; sleep 600"])
    wait("the job begins", lambda: "begun" in job.lines)
    restarts, before = int(show("NRestarts")), set(below_unit())
    systemctl("kill", "--kill-who=main", "-s", "KILL", "drydock")
    wait("the unit starts again", lambda: int(show("NRestarts")) == restarts + 1 and show("ActiveState") == "active")
    check(not before & set(below_unit()), "processes of the old agent are alive")
    wait("the lost job is told", job.done.is_set, 60)
    equal((job.state, job.reason, job.ends), ("failed", "runner_system_failure", ["failed"]), "job\n" + job.text)
    equal(os.listdir("/run/drydock/jobs") if os.path.isdir("/run/drydock/jobs") else [], [], "what the dead job left")
    World.run(["true"])


@case("", "the AppArmor profile that is installed is one that its parser takes, and a host that restricts nothing is left alone")
def _():
    check(not os.path.exists("/etc/apparmor.d/drydock") or os.path.exists("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"), "a profile was loaded that nobody needs")
    if not shutil.which("apparmor_parser"):
        raise Skip("no apparmor_parser on this machine")
    version = re.search(r"version (\d+)\.(\d+)", sh("apparmor_parser", "--version"))
    if int(version[1]) < 4:
        raise Skip(f"AppArmor {version[1]}.{version[2]} does not know `userns` yet; 4.0 does")
    equal(sh("apparmor_parser", "--skip-kernel-load", "--skip-cache", "/usr/share/drydock/apparmor/drydock", code=0).strip(), "", "what the parser says")
    print(f"# parsed by AppArmor {version[1]}.{version[2]}")


@case("", "what the agent tells is in the journal of the unit")
def _():
    said = journal()
    check("builder" in said, said[-2000:])
    fields = [json.loads(line) for line in sh("journalctl", "--no-pager", "-o", "json", "-u", "drydock", "-n", "50").splitlines() if line.startswith("{")]
    check(any(entry.get("_SYSTEMD_UNIT") == "drydock.service" for entry in fields), "no entry is the unit's")


# ---- limits: only where the tree of cgroups has controllers ----

def need_controllers():
    with open("/sys/fs/cgroup" + show("ControlGroup") + "/cgroup.controllers", encoding="ascii") as file:
        there = file.read().split()
    missing = {"memory", "pids", "cpu"} - set(there)
    if missing:
        raise Skip(f"the unit's cgroup has no {', '.join(sorted(missing))}: this machine keeps them on cgroup v1; a machine of cgroup v2 alone has all (docs/service.md)")


HOG = "python3 -c 'import time; a=[]\nfor i in range(400): a.append(bytearray(1<<20))\nprint(\"never\", flush=True)'"


@case("R-02", "a step that takes more memory than its limit is killed, alone: the script goes on to tell it, the agent and another job live")
def _():
    need_controllers()
    policy(limits={"memory": "96MiB"})
    pid, restarts = show("MainPID"), show("NRestarts")
    job = World.run([HOG], state="failed")
    check("never" not in job.lines, job.text)
    check("memory" in job.text.lower(), "the log does not say why\n" + job.text)
    equal((show("MainPID"), show("NRestarts"), show("ActiveState")), (pid, restarts, "active"), "unit")
    job = World.run(["python3 -c 'import os; f=os.memfd_create(\"x\"); [os.write(f, bytes(1<<20)) for _ in range(400)]; print(\"never\")'"], state="failed")
    check("never" not in job.lines, "memory files\n" + job.text)
    World.run(["echo fine"])
    policy()


@case("R-01", "a fork bomb ends at the step's own number of processes, and the next job runs")
def _():
    need_controllers()
    policy(limits={"pids": 40})
    job = World.run(["n=0; while [ $n -lt 100 ]; do sleep 30 & n=$((n+1)); done; echo unbounded"], state="failed")
    check("unbounded" not in job.lines, job.text)
    seen = max((int(open(path, encoding="ascii").read()) for path in glob.glob("/sys/fs/cgroup" + show("ControlGroup") + "/**/pids.peak", recursive=True)), default=0)
    print(f"# pids.peak below the unit: {seen}")
    policy()
    World.run(["echo fine"])


@case("R-04", "a step has no more of the processor than its limit")
def _():
    need_controllers()
    policy(limits={"cpus": 0.25})
    job = World.run(["python3 -c 'import time, os\nbegan=time.monotonic()\nwhile time.monotonic()-began < 8: pass\nt=os.times(); print(\"share-%d\" % (100*(t.user+t.system)/(time.monotonic()-began)))'"])
    share = int(re.search(r"share-(\d+)", job.text)[1])
    print(f"# share of the processor: {share} %")
    check(share <= 35, job.text)
    policy()


def main():
    World.set_up(sys.argv[1])
    import fnmatch
    pattern = sys.argv[2] if len(sys.argv) > 2 else "*"
    chosen = [c for c in dd._cases if fnmatch.fnmatch(c[0], pattern) or fnmatch.fnmatch(c[1], pattern)]   # pylint: disable=protected-access
    print(f"1..{len(chosen)}")
    good = all([dd._run_case(i, *c) for i, c in enumerate(chosen, 1)])   # pylint: disable=protected-access
    sys.stdout.flush()
    os._exit(0 if good else 1)


if __name__ == "__main__":
    main()
