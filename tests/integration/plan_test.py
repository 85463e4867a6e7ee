#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""plan_test.py - the plan says what the run then does."""
import glob
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import BUILD_PHASE, DRYDOCK, FETCH, PUSH, Job, case, check, equal, main, run, step  # noqa: E402

PHASES = {"fetch": {"egress": [{"host": "allowed.test", "port": 443, "why": "libraries"}], "upload": "64KiB"}, "push": {"artifacts": ["dist/**"]}}
STEPS = [step("deps", "true", FETCH), step("make", "mkdir -p dist; echo x >dist/a", name="Make it"), step("publish", "true", PUSH)]


def planned_and_run(job, env=None):
    """The plan as JSON and the run of the same files."""
    plan = job.run("--json", command="plan", env=env)
    equal(plan.rc, 0, "exit status of plan", plan)
    check(not os.path.exists(os.path.join(job.dir, "record.jsonl")), "plan wrote a record")
    r = job.run(env=env)
    equal(r.rc, 0, "exit status", r)
    return json.loads(plan.out), r


@case("", "what the plan says of each step is what the record of the run says: phase and rule, gate and entries, mounts, seccomp, leases, limits")
def _():
    job = Job([{"uses": "actions/checkout@v4", "id": "src", "_phase": FETCH}, *STEPS[:2],
               step("publish", "ulimit -u | sed 's/.*/@@pids=&@@/'; echo @@token=${#TOKEN}@@", PUSH)],
              {**PHASES, "push": {"artifacts": ["dist/**"], "workspace": "artifacts", "egress": [{"host": "allowed.test", "port": 22, "tls": "raw"}]}},
              limits={"pids": 321, "time": "3m"}, sandbox={"read": ["/usr/share"]},
              credentials={"token": {"from": {"env": "A_TOKEN"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}, "ttl": "1m"}})
    try:
        plan, r = planned_and_run(job, env={"A_TOKEN": "0123456789abcdef"})
    finally:
        job.close()
    steps, starts = plan["steps"], r.events("step.start")
    equal([s["phase"] for s in steps], [s["phase"] for s in starts], "phases", r)
    equal([s["phase"] for s in starts], ["fetch", "fetch", "build", "push"], "phases", r)
    for field, recorded in (("name", "name"), ("id", "id"), ("phase_why", "phase_why"), ("ref", "step"), ("mounts_digest", "mounts")):
        equal([s[field] for s in steps], [s[recorded] for s in starts], field, r)
    equal([s["egress"]["gate"] for s in steps], [s["gate"] for s in starts], "gates", r)
    equal([s["egress"]["gate"] for s in steps], ["closed", "open", "closed", "open"], "gates", r)
    equal([s["seccomp"]["profile"] for s in steps], [s["seccomp"] for s in starts], "seccomp profiles", r)
    equal([s["argv"][0] if s["argv"] else "" for s in steps], [s["argv0"] for s in starts], "programs", r)
    check(len({s["mounts_digest"] for s in steps if s["argv"]}) == 1 and any(m["target"] == "/usr/share" and not m["writable"] for m in steps[0]["mounts"]),
          "the mounts of the plan", r)
    opened = {e["step"]: e for e in r.events("gate.open")}
    for s in steps:
        if s["nothing"]:
            check(s["ref"] not in opened, "a gate was made for a step without a process", r)
            continue
        for planned, recorded in (("destination", "entry"), ("origin", "origin"), ("why", "why")):
            equal([e[planned] for e in s["egress"]["entries"]], [e[recorded] for e in opened[s["ref"]]["entries"]], f"{planned} of {s['ref']}", r)
        equal(s["egress"]["upload_bytes"], opened[s["ref"]]["upload_bytes"], f"upload budget of {s['ref']}", r)
    grants = r.events("cred.grant")
    equal([(s["ref"], c["name"], c["from"], c["as"], c["ttl_sec"]) for s in steps for c in s["credentials"]],
          [(g["step"], g["credential"], g["kind"], g["delivery"], g["ttl_sec"]) for g in grants], "leases", r)
    equal(len(grants), 1, "number of leases", r)
    equal({s["limits"]["pids"] for s in steps}, {321}, "planned pids", r)
    equal(r.mark("pids"), "322", "pids inside the step, init besides", r)
    equal(r.mark("token"), "16", "length of the credential", r)
    equal({s["limits"]["time_sec"] for s in steps}, {180}, "planned time", r)


@case("", "what the plan says that every step sees is what a step finds in / and /etc, no more and no less")
def _():
    job = Job([step("look", "ls -A / | xargs echo | sed 's/.*/@@top=&@@/'; ls -A /etc | xargs echo | sed 's/.*/@@etc=&@@/'; "
                    "for d in /work /tmp /usr /etc /proc/sys /home/runner /var/lib/dpkg; do (echo >$d/.x) 2>/dev/null && echo @@w:$d=yes@@; done; true")])
    try:
        plan, r = planned_and_run(job)
    finally:
        job.close()
    places = plan["every_step_sees"]
    here = [p["path"] for p in places if not p["optional"] or glob.glob(p["path"])] + [m["target"] for m in plan["steps"][0]["mounts"]]
    equal(set(r.mark("top").split()), {p.split("/")[1] for p in here}, "the directories of /", r)
    shown = [p for named in here for p in (glob.glob(named) if "*" in named else [named])]
    etc = {p.split("/")[2] for p in shown if p.startswith("/etc/")}
    equal(set(r.mark("etc").split()), etc, "the files of /etc", r)
    writable = {p["path"] for p in places if p["writable"]} | {m["target"] for m in plan["steps"][0]["mounts"] if m["writable"]}
    equal({m[2:] for m in r.marks if m.startswith("w:")}, writable & {"/work", "/tmp", "/home/runner", "/usr", "/etc", "/proc/sys", "/var/lib/dpkg"},
          "what can be written", r)


@case("", "a checkout of the workspace runs no process, and says so; one that asks for what is not done is refused with its position")
def _():
    checkout = {"uses": "actions/checkout@v4", "with": {"fetch-depth": 0}, "_phase": BUILD_PHASE, "id": "src"}
    r = run([checkout, step("a", "test -f README && echo @@a=ran@@")])
    r.mark("a")
    check("nothing is run: the workspace already is the checkout" in r.out, "nothing was said", r)
    start, = r.events("step.start", step="src")
    equal(start["nothing"], "the workspace already is the checkout", "record", r)
    equal(r.events("step.end", step="src")[0]["outcome"], "succeeded", "outcome", r)
    r = run([{**checkout, "with": {"ssh-key": "x"}}, step("a", "echo @@a=ran@@")], rc=2)
    check("workflow.yml:" in r.out and "`ssh-key` of a checkout" in r.out, "no position", r)
    check("a" not in r.marks, "a step ran", r)


@case("", "plan shows what run would refuse, at the same places, and run refuses before anything runs")
def _():
    job = Job([step("a", "echo @@a=ran@@")])
    job.write("workflow.yml", "on: push\njobs:\n  a:\n    strategy: { matrix: { v: [1, 2] } }\n    runs-on: x\n    container: alpine\n    steps:\n"
              "      - run: echo @@a=ran@@\n      - { uses: actions/setup-node@v4, if: always() }\n")
    try:
        plan, real = job.run(command="plan"), job.run()
    finally:
        job.close()
    equal(plan.rc, 0, "exit status of plan", plan)
    equal(real.rc, 4, "exit status of run: the policy allows no action", real)
    check("a" not in real.marks, "a step ran", real)
    places = ("workflow.yml:6:16:", "workflow.yml:9:17:")
    for place in places:
        check(f"`run` would refuse this: {place}" in plan.out, f"the plan does not say {place}", plan)
        check(place in real.out, f"run does not say {place}", real)
    check("a (1)" in plan.out and "a (2)" in plan.out, "the jobs of the matrix", plan)


@case("", "--rules prints the nftables rules, --syscalls every call with its answer, line and reason")
def _():
    job = Job(STEPS, PHASES)
    try:
        short, rules, calls = (job.run(*o, command="plan") for o in ((), ("--rules",), ("--syscalls",)))
        data = json.loads(job.run("--json", "--syscalls", command="plan").out)
    finally:
        job.close()
    check("chain gate" not in short.out and "chain gate" in rules.out, "rules", rules)
    check(len(calls.out.splitlines()) > len(short.out.splitlines()) + 300, "system calls", short)
    listed = {c["name"]: c for c in data["syscalls"][0]["calls"]}
    equal(listed["read"]["answer"], "allow", "read")
    equal(listed["clone3"]["answer"], "ENOSYS", "clone3")
    equal(listed["ioctl"]["answer"], "depends", "ioctl")
    check(all(c["why"] and c["line"] > 0 for c in listed.values()), "a call without a reason or a line")
    check("chain gate" in "".join(data["steps"][0]["egress"]["rules"]), "rules in JSON")


@case("", "the plan in words names every step, its phase, the rule that decided and the hosts it may reach")
def _():
    job = Job(STEPS, PHASES)
    try:
        r = job.run(command="plan")
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    for text in ("fetch", "build", "push", "allowed.test", "Make it", "policy.yml"):
        check(text in r.out, f"the plan does not say {text}", r)


@case("", "run --dry-run prints the same plan and runs nothing")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        plan, dry = job.run(command="plan"), job.run("--dry-run")
    finally:
        job.close()
    equal(dry.rc, 0, "exit status", dry)
    equal(dry.out, plan.out, "text", dry)


@case("", "without a policy every step is build, with no network and no credentials")
def _():
    job = Job(STEPS)
    try:
        job.argv = lambda *o, command="run": [DRYDOCK, command, "workflow.yml", "--workspace", "src", *([] if command == "plan" else ["--record", "record.jsonl"]), *o]
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        equal({e["phase"] for e in r.events("step.start")}, {"build"}, "phases", r)
    finally:
        job.close()


@case("", "a job without runs-on runs here, where there is one runner; a job that is neither steps nor a call is an error")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-plan-") as stage:
        path = os.path.join(stage, "w.yml")
        for jobs, rc in (("  j:\n    steps:\n      - run: echo ran\n", 0), ("  j:\n    name: nothing\n", 2)):
            with open(path, "w", encoding="ascii") as file:
                file.write("jobs:\n" + jobs)
            done = subprocess.run([DRYDOCK, "plan", path, "--workspace", stage], capture_output=True, text=True, check=False)
            equal(done.returncode, rc, done.stdout + done.stderr)


@case("", "the chain of the record holds, and one changed byte is found")
def _():
    job = Job([step("a", "true")])
    try:
        r = job.run()
        verify = [DRYDOCK, "record", "verify", "record.jsonl"]
        good = subprocess.run(verify, cwd=job.dir, env=job.environ(), capture_output=True, check=False)
        equal(good.returncode, 0, "verifying: " + good.stderr.decode(), r)
        with open(r.record_path, "rb") as file:
            lines = file.readlines()
        os.chmod(r.record_path, 0o600)
        for damaged in (lines[:1] + lines[2:], [lines[0].replace(b'"run.start"', b'"run.stort"'), *lines[1:]]):
            with open(r.record_path, "wb") as file:
                file.writelines(damaged)
            bad = subprocess.run(verify, cwd=job.dir, env=job.environ(), capture_output=True, check=False)
            check(bad.returncode != 0, "a damaged record passed", r)
    finally:
        job.close()


@case("", "a plan of a thousand steps with a list of ten thousand takes a second and 200 MB at most, as text and as JSON, and names each entry once")
def _():
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/w.yml", "w", encoding="ascii") as file:
            file.write("jobs:\n  j:\n    runs-on: x\n    steps:\n" + "".join(f"      - {{ id: s{i}, run: 'true' }}\n" for i in range(1000)))
        with open(d + "/p.yml", "w", encoding="ascii") as file:
            file.write("version: 1\nsteps: [ { phase: fetch, match: { id: 's*' } } ]\nphases:\n  fetch:\n    egress:\n")
            file.write("".join(f"      - {{ host: h{i}.allowed.test, port: 443 }}\n" for i in range(10000)))
        for how in ([], ["--json"]):
            with open(d + "/out", "w", encoding="ascii") as out:
                with subprocess.Popen([DRYDOCK, "plan", "w.yml", "--policy", "p.yml", *how], cwd=d, stdout=out) as child:
                    _, status, used = os.wait4(child.pid, 0)
                    child.returncode = status
            equal(status, 0, "wait status of plan")
            with open(d + "/out", encoding="ascii") as out:
                text = out.read()
            check(used.ru_maxrss < 200 * 1024, f"{used.ru_maxrss} KiB of memory")
            check(used.ru_utime + used.ru_stime < 1, f"{used.ru_utime + used.ru_stime} s of processor time")
            equal(text.count("h9999.allowed.test:443"), 1, "mentions of one entry")
        steps = json.loads(text)["steps"]
        equal(len(steps[0]["egress"]["entries"]), 10000, "entries of the first step")
        equal({s["egress"].get("as_in_step") for s in steps[1:]}, {1}, "where the others have theirs")


if __name__ == "__main__":
    main()
