#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""control_test.py - attacks on drydock itself, its set-up and its files (X)."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, PUSH, Job, Skip, case, check, closed, equal, main, py, run, step  # noqa: E402


@case("X-07", "no socket or descriptor of the supervisor can be reached from a step")
def _():
    r = closed('''
        found = []
        for top in ("/run", "/tmp", "/var", "/work", os.environ["HOME"], "/dev"):
            for where, dirs, files in os.walk(top):
                found += [os.path.join(where, f) for f in files if os.path.exists(os.path.join(where, f)) and (os.stat(os.path.join(where, f)).st_mode & 0o170000) == 0o140000]
        mark("sockets", found)
        mark("unix", [l.split()[-1] for l in open("/proc/net/unix").read().splitlines()[1:] if "/" in l or "@" in l])
        mark("fds", [os.readlink("/proc/self/fd/" + f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f) and "socket" in os.readlink("/proc/self/fd/" + f)])
    ''')
    for label in ("sockets", "unix", "fds"):
        equal(r.mark(label), "[]", label, r)


SETUP_CALLS = ["clone3", "mount_setattr", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "pivot_root", "sethostname", "setresuid", "capset", "prctl",
               "landlock_create_ruleset", "landlock_restrict_self", "seccomp", "close_range", "setrlimit", "umount2", "setsid"]


@case("X-09", "any set-up call that fails ends the job before the step's first byte")
def _():
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    job = Job([step("probe", "echo @@ran=yes@@")])
    try:
        r = job.run(prefix=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=mount_setattr"])
        check(r.rc == 0 and "ran" in r.marks, "nothing works under strace: the test would prove nothing", r)
        untouched = []
        for name in SETUP_CALLS:
            trace = os.path.join(job.dir, "trace")
            r = job.run(prefix=["strace", "-f", "-qq", "-o", trace, "-e", f"trace={name}", "-e", f"inject={name}:error=ENOSYS"], timeout=60)
            with open(trace, encoding="utf-8", errors="replace") as file:
                if "(INJECTED)" not in file.read():
                    untouched.append(name)
                    continue
            check("ran" not in r.marks, f"{name} failed and the step ran", r)
            check(r.rc in (3, 5), f"{name} failed and the exit status is {r.rc}", r)
        print("# calls that were failed:", " ".join(n for n in SETUP_CALLS if n not in untouched))
        check(len(untouched) <= len(SETUP_CALLS) - 10, f"too few calls were ever made: {untouched} were not")
    finally:
        job.close()


# What a step that is alone, closed, and asks nobody for anything never comes to: each has its own test.
ELSEWHERE = {
    "admitted", "rules_close", "gate_fork",  # gates that open: gate_test, unit/gate_test
    "courier_seccomp", "libcurl", "swap", "crash",  # credentials: integration/issuers_test, parked_test
    "hatch_fork", "hatch_seccomp", "libmicrohttpd", "store_lease",  # actions: hatch_test
    "park", "unpark",  # a step behind it: parked_test, unit/zygote_test
    "seccomp_notify",  # observing: refused_calls_test
    "state", "step",  # questions of the doctor: integration/doctor_test
    "reader_seccomp",  # expressions about files: below
}


@case("X-09", "every fault point that a plain step comes to ends the job before the step's first byte")
def _():
    job = Job([step("probe", "echo @@ran=yes@@")])
    points = set(fault_points())
    check(ELSEWHERE <= points, f"no fault points any more: {ELSEWHERE - points}")
    try:
        for point in sorted(points - ELSEWHERE):
            r = job.run(env={"DRYDOCK_FAULT": point})
            check("ran" not in r.marks, f"with {point} the step ran", r)
            check(r.rc in (3, 5), f"with {point} the exit status is {r.rc}", r)
    finally:
        job.close()


@case("X-09", "a process that would read a stranger's files without its filter reads none, and the step that asked does not begin")
def _():
    job = Job([step("probe", "echo @@ran=yes@@ ${{ hashFiles('**') }}")])
    job.write("src/a", "content")
    try:
        check("ran" in job.run().marks, "it does not run at all")
        r = job.run(env={"DRYDOCK_FAULT": "reader_seccomp"})
        check("ran" not in r.marks and r.rc != 0, "the step ran", r)
        check("filter" in r.out, "nobody names what is missing", r)
    finally:
        job.close()


def fault_points():
    import re
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    points = set()
    for folder in ("sandbox", "netpolicy", "runner"):
        for where, _, names in os.walk(os.path.join(top, folder)):
            for name in names:
                if name.endswith(".c"):
                    with open(os.path.join(where, name), encoding="utf-8") as file:
                        points.update(re.findall(r'dd_fault\("([a-z0-9_.-]+)"\)', file.read()))
    return sorted(points)


BAD_POLICIES = {
    "an unknown key": "version: 1\nphasez: {}\n",
    "a duplicate key": "version: 1\nlimits: { pids: 1 }\nlimits: { pids: 2 }\n",
    "a star for a host": 'version: 1\nphases: { fetch: { egress: [ { host: "*", port: 443 } ] } }\n',
    "a star below a top-level domain": 'version: 1\nphases: { fetch: { egress: [ { host: "*.com", port: 443 } ] } }\n',
    "an unreachable rule": 'version: 1\nsteps:\n  - { phase: fetch, match: { run: "npm*" } }\n  - { phase: push, match: { run: "npm*" } }\n',
    "a push credential for build": "version: 1\ncredentials: { c: { from: { env: X }, for: { phase: build }, as: { env: Y }, ttl: 5m } }\n",
    "a unit that does not parse": "version: 1\nlimits: { memory: 4Gobbles }\n",
    "no version": "phases: {}\n",
    "a port out of range": 'version: 1\nphases: { fetch: { egress: [ { host: "a.test", port: 70000 } ] } }\n',
    "broken YAML": "version: 1\nsteps: [\n",
}


@case("X-10", "a wrong policy is refused with file, line and column, and nothing runs")
def _():
    job = Job([step("probe", "echo @@ran=yes@@")])
    try:
        for what, text in BAD_POLICIES.items():
            job.write("policy.yml", text)
            r = job.run()
            equal(r.rc, 2, f"exit status for {what}", r)
            check("policy.yml:" in r.out and any(c.isdigit() for c in r.out.split("policy.yml:", 1)[1][:4]), f"{what}: no position", r)
            check("ran" not in r.marks, f"{what}: the step ran", r)
    finally:
        job.close()


@case("X-15", "an event that a stranger can cause pushes nothing and holds no credential, unless the policy counts it")
def _():
    comment = {"event_name": "issue_comment", "action": "created", "issue": {"number": 1, "pull_request": {}}, "comment": {"body": "/deploy"}}
    ended = {"event_name": "workflow_run", "workflow_run": {"event": "push", "head_repository": {"full_name": "evil/app"}}}
    facts = {"repository": {"full_name": "acme/app"}, "ref": "refs/heads/main", "ref_protected": True}
    credentials = {"token": {"from": {"env": "DD_X15"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}}
    job = Job([step("publish", 'echo "@@token=${TOKEN:-none}@@"', PUSH)], {"push": {}}, credentials=credentials)
    try:
        with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
            text = json.load(file)
        for event, also, rc in (({"event_name": "push"}, None, 0), (comment, None, 4), (comment, ["issue_comment"], 0), (ended, None, 4), (ended, ["workflow_run"], 4),
                                ({k: v for k, v in comment.items() if k != "event_name"}, None, 4), ({**comment, "event_name": "push"}, None, 4),
                                ({"event_name": "watch", "action": "started"}, None, 4), ({"action": "started"}, None, 4)):
            job.write("event.json", json.dumps({**event, **facts}))
            job.write("policy.yml", json.dumps({**text, **({"trust": {"events": also}} if also else {})}))
            r = job.run("--event", "event.json", env={"DD_X15": "canary-secret-x15"})
            equal(r.rc, rc, f"{event}, counting {also}", r)
            check(rc == 0 or not r.events("step.start") and "not trusted" in r.out, f"{event}: a step ran", r)
            check("canary-secret-x15" not in r.out, "the secret", r)
    finally:
        job.close()


if __name__ == "__main__":
    main()
