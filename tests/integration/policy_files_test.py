#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""policy_files_test.py - which policy a job gets, what the sample policies and named sets say, and what `policy check` and `policy sets` print."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, FETCH, Job, Skip, case, check, equal, main, step  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
POLICIES = os.path.join(ROOT, "configs/policies")
TOOLS = ("npm", "pip", "cargo", "go", "maven", "gem", "nuget", "apt", "apk")
SERVICES = ("github", "github-api", "github-releases", "setup-node", "setup-python", "setup-go", "setup-java", "setup-uv", "rustup", "ghcr", "docker-hub", "gitlab", "sigstore")


def drydock(*argv, env=None):
    return subprocess.run([DRYDOCK, *argv], capture_output=True, text=True, timeout=60, check=False, env={"PATH": "/nonexistent", "HOME": "/nonexistent", **(env or {})})


def place():
    """Directory of policies with a list beside them for every package manager, so that nothing depends on what this machine has."""
    where = tempfile.mkdtemp(prefix="dd-policies-")
    os.mkdir(os.path.join(where, "egress"))
    for tool in TOOLS:
        with open(os.path.join(where, "egress", tool + ".yml"), "w", encoding="utf-8") as file:
            file.write(f"- {{ host: {tool}.example.com, why: \"mirror\" }}\n- {{ host: files.{tool}.example.com, port: 8443 }}\n")
    return where


@case("", "every sample policy loads, with lists beside it for what its host may not have")
def _():
    where = place()
    try:
        names = sorted(os.path.basename(p) for p in glob.glob(POLICIES + "/*.yml"))
        check(len(names) >= 9, f"only {names}")
        for name in names:
            shutil.copy(os.path.join(POLICIES, name), where)
        done = drydock("policy", "check", *[os.path.join(where, n) for n in names], env={"CREDENTIALS_DIRECTORY": "/run/credentials/x"})
        equal(done.returncode, 0, f"status; {done.stderr}")
        equal(done.stdout.count(": fine\n"), len(names), done.stdout)
    finally:
        shutil.rmtree(where)


@case("", "a list beside the policy comes before the tool, and each destination says why and whence")
def _():
    where = place()
    try:
        done = drydock("policy", "sets", "npm", "--json", "--policy", os.path.join(where, "x.yml"))
        equal(done.returncode, 0, done.stderr)
        [one] = json.loads(done.stdout)
        equal(one["error"], None, "error")
        equal([(e["host"], e["port"], e["tls"], e["why"], e["origin"]) for e in one["entries"]],
              [("npm.example.com", 443, "sni", "mirror", "npm: egress/npm.yml line 1"), ("files.npm.example.com", 8443, "sni", "the operator lists it", "npm: egress/npm.yml line 2")],
              "entries")
    finally:
        shutil.rmtree(where)


@case("W-09", "a line of the operator's own wins over the same destination of a set, and two sets that differ are still an error")
def _():
    where = place()
    try:
        with open(os.path.join(where, "workflow.yml"), "w", encoding="utf-8") as file:
            file.write("on: push\njobs: { t: { runs-on: x, steps: [ { id: a, run: 'true' } ] } }\n")
        with open(os.path.join(where, "x.yml"), "w", encoding="utf-8") as file:
            file.write("version: 1\nsteps: [ { phase: fetch, match: { id: a } } ]\nphases: { fetch: { egress: [ { use: npm },\n"
                       "  { host: npm.example.com, port: 443, private: allow, why: mine } ] } }\n")
        done = drydock("plan", os.path.join(where, "workflow.yml"), "--policy", os.path.join(where, "x.yml"), "--json")
        equal(done.returncode, 0, done.stderr)
        step = json.loads(done.stdout)["steps"][0]
        equal({e["destination"]: (e["private"], e["why"]) for e in step["egress"]["entries"]},
              {"npm.example.com:443": (True, "mine"), "files.npm.example.com:8443": (False, "the operator lists it")}, "entries")
    finally:
        shutil.rmtree(where)


@case("", "policy sets lists every name, also those whose tool is not here, and says so")
def _():
    sets = {s["name"]: s for s in json.loads(drydock("policy", "sets", "--json").stdout)}
    equal(set(sets), set(TOOLS) | set(SERVICES), "names")
    for name in SERVICES:
        check(sets[name]["entries"] and sets[name]["error"] is None, f"{name}: {sets[name]}")
        check(all(e["why"] and e["origin"].startswith(name + ": egress/") for e in sets[name]["entries"]), f"{name}: an entry without reason or origin")
        equal(drydock("policy", "sets", name).returncode, 0, name)
    for name in ("npm", "maven", "gem", "nuget"):
        check(not sets[name]["entries"] and "No such file" in sets[name]["error"], f"{name}: {sets[name]}")
        equal(drydock("policy", "sets", name).returncode, 2, name)
    unknown = drydock("policy", "sets", "nmp")
    equal((unknown.returncode, unknown.stderr), (2, "drydock: there is no egress set `nmp`; did you mean `npm`?\n"), "a name that is not")


@case("", "a package manager is asked once for a policy, however often its set is used")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-policies-") as where:
        with open(os.path.join(where, "npm"), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho x >>{where}/asked\necho '{{\"registry\":\"https://npm.example.com/\"}}'\n")
        os.chmod(os.path.join(where, "npm"), 0o755)
        with open(os.path.join(where, "p.yml"), "w", encoding="utf-8") as file:
            file.write("version: 1\nphases: { fetch: { egress: [ { use: npm }, { use: npm, why: again } ] }, push: { egress: [ { use: npm } ] } }\n")
        done = drydock("policy", "check", os.path.join(where, "p.yml"), env={"PATH": f"{where}:/usr/bin:/bin"})
        equal(done.returncode, 0, done.stderr)
        with open(os.path.join(where, "asked"), encoding="utf-8") as file:
            equal(file.read(), "x\n", "questions")


class Policies:
    """/etc/drydock/policy.d of this mount namespace; the host's own is under it, and a directory that was made for the purpose goes again."""

    def __init__(self, files):
        self.made = not os.path.isdir("/etc/drydock")
        if self.made:
            os.mkdir("/etc/drydock")
        subprocess.run(["mount", "-t", "tmpfs", "none", "/etc/drydock"], check=True)
        os.mkdir("/etc/drydock/policy.d")
        for name, text in files.items():
            with open("/etc/drydock/policy.d/" + name, "w", encoding="utf-8") as file:
                file.write(text)

    def close(self):
        subprocess.run(["umount", "/etc/drydock"], check=True)
        if self.made:
            os.rmdir("/etc/drydock")


def chosen(job, event=None):
    """What `plan` takes without --policy: (exit status, path of the policy, output)."""
    argv = [DRYDOCK, "plan", "workflow.yml", "--workspace", "src", "--json"]
    if event is not None:
        job.write("event.json", json.dumps(event))
        argv += ["--event", "event.json"]
    done = subprocess.run(argv, cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)["policy"] if done.returncode == 0 else None, done.stdout + done.stderr


def push(repository, ref="refs/heads/main", protected=True, **more):
    return {"repository": {"full_name": repository}, "ref": ref, "ref_protected": protected, **more}


@case("", "of several files in policy.d the first in order whose `for` names the job is taken; if none does, the job is refused")
def _():
    if os.environ.get("DD_WORLD_USER") and not os.path.isdir("/etc/drydock"):
        raise Skip("an ordinary user cannot make /etc/drydock")
    job, policies = Job([step("a", "true", FETCH)]), None
    try:
        policies = Policies({"50-acme.yml": "version: 1\nfor: { repository: \"acme/*\", event: [ push, schedule ] }\n",
                      "10-release.yml": "version: 1\nfor: { repository: \"acme/*\", ref: \"refs/tags/v*\", protected: true, forge: github }\n",
                      "70-pull.yml": "version: 1\nfor: { repository: acme/app, event: pull_request }\n",
                      "80-other-forge.yml": "version: 1\nfor: { forge: gitlab }\n",
                      "ignored.yaml": "not even YAML: [", ".hidden.yml": "neither: ["})
        where = "/etc/drydock/policy.d/"
        for event, want in ((push("acme/app"), "50-acme.yml"), (push("acme/app", "refs/tags/v1"), "10-release.yml"), (push("acme/app", "refs/tags/v1", False), "50-acme.yml"),
                            (push("acme/app", event_name="schedule"), "50-acme.yml"), (None, "10-release.yml"),
                            (push("acme/app", pull_request={"head": {"repo": {"full_name": "acme/app"}}, "base": {"repo": {"full_name": "acme/app"}}}), "70-pull.yml")):
            code, path, out = chosen(job, event)
            equal((code, path), (0, where + want), f"{event}: {out[-500:]}")
        code, _, out = chosen(job, push("evil/app"))
        equal(code, 4, f"a job that no policy names: {out}")
        with open(where + "20-broken.yml", "w", encoding="utf-8") as file:
            file.write("version: 1\nfro: {}\n")
        code, _, out = chosen(job, push("acme/app"))
        check(code == 2 and "20-broken.yml:2:1" in out, f"a broken file ends the search: {code} {out}")
        equal(chosen(job, push("acme/app", "refs/tags/v1"))[0], 0, "a file before the broken one is taken")
    finally:
        if policies:
            policies.close()
        job.close()


@case("", "a step is matched by name, id, first line, glob of run and job, and the first rule that fits decides")
def _():
    rules = [{"phase": "build", "match": {"id": "keep*"}}, {"phase": "fetch", "match": {"first_line": "npm ci*", "job": "test"}}, {"phase": "fetch", "match": {"run": "make deps"}},
             {"phase": "push", "match": {"name": "Publish ?.?"}}]
    steps = [step("keep-1", "npm ci\nnode x"), step("two", "npm ci --omit=dev\nnode x"), step("three", "\n  make deps  \n"), step("four", "make deps\nmore"),
             step("five", "true", name="Publish 1.2"), step("six", "true", name="Publish 10.2"), step("seven", "x\nnpm ci")]
    job = Job(steps)
    try:
        job.write("policy.yml", json.dumps({"version": 1, "steps": rules}))
        plan = json.loads(job.run("--json", command="plan").out)
    finally:
        job.close()
    equal([s["phase"] for s in plan["steps"]], ["build", "fetch", "fetch", "build", "push", "build", "build"], "phases")
    check("first_line" in plan["steps"][1]["phase_why"], f"the rule is not named: {plan['steps'][1]['phase_why']}")


@case("", "system calls are allowed besides the profile if both the operator and the repository list them; what is never allowed stops the load")
def _():
    job = Job([step("a", "true")], sandbox={"syscalls": ["ptrace", "process_vm_readv"]})
    try:
        job.write("src/.drydock.yml", "version: 1\nsandbox: { syscalls: [ ptrace, bpf ] }\n")
        r = job.run()
        equal(r.rc, 0, "status", r)
        equal([(e["key"], e["asked"], e["line"]) for e in r.events("policy.narrowed")], [("sandbox.syscalls", "bpf", 2)], "refused", r)
        job.write("policy.yml", "version: 1\nsandbox: { syscalls: [ ptrace, unshare ] }\n")
        r = job.run()
        check(r.rc == 2 and "policy.yml:2:32: error: the system call `unshare` can never be allowed" in r.out, "unshare was allowed", r)
    finally:
        job.close()


def many(n, text):
    return "[ " + ", ".join(text % i for i in range(n)) + " ]"


@case("X-14", "what run would break off at is an error of policy check and of plan, at the same place, and what they accept begins to run")
def _():
    def egress(entries):
        return "phases: { fetch: { egress: %s } }" % entries
    wrong = [(egress("[ { cidr: 127.0.0.0/8, port: 443, private: allow } ]"), "3:30"), (egress("[ { cidr: 224.0.0.0/8, port: 80, private: allow } ]"), "3:30"),
             (egress(many(129, "{ cidr: 45.1.%d.0/24, port: 443 }")), "3:"), (egress("[ { host: localhost, private: allow } ]"), "3:30"),
             ("sandbox: { seccomp: no-such-profile }", "3:21"), ("sandbox: { read: [ /usr/share, /etc ] }", "3:32"), ("sandbox: { read: [ /etc/passwd/x ] }", "3:20"),
             ("sandbox: { read: [ /var ] }", "3:20"), ("sandbox: { read: [ /mnt ] }", "3:20"), ("sandbox: { read: [ /dev/null ] }", "3:20"), ("sandbox: { read: [ LINK ] }", "3:20"),
             ("sandbox: { read: [ LINK/share ] }", "3:20"), ("sandbox: { read: %s }" % many(129, "/usr/share/%d"), "3:18"), ("limits: { log: 0 }", "3:16"), ("limits: { cpus: 0.001 }", "3:17"),
             ("phases: { fetch: { upload: 0 } }", "3:28"), ("phases: { fetch: { env: { LONG: %s } } }" % ("x" * 131072), "3:33"),
             ("credentials: { %s }" % ", ".join("c%d: { from: { env: HOME }, for: { phase: fetch, steps: [ a ] }, as: { env: V%d } }" % (i, i) for i in range(129)), "3:14")]
    fine = [egress("[ { cidr: 10.0.0.0/8, port: 443, private: allow } ]"), egress("[ { cidr: 169.254.169.254/32, port: 80, private: allow } ]"),
            egress(many(128, "{ cidr: 45.1.%d.0/24, port: 443 }")), "sandbox: { read: [ /usr, /usr/share, /var/lib, /etc/ssl ] }", "sandbox: { read: %s }" % many(128, "/usr/share/doc%.0s"),
            "limits: { log: 1B, files: 1, disk: 1B }", "phases: { fetch: { connections: 65535, wildcard_names: 65535, egress: [ { host: '*.a.test' } ] } }",
            "phases: { fetch: { env: { LONG: %s } } }" % ("x" * 131000)]
    job = Job([step("a", "true", FETCH)])
    link = os.path.join(os.path.expanduser("~"), ".dd-x14-link-%d" % os.getpid())
    os.symlink("/usr", link)
    try:
        for text, place_ in [*wrong, *((f, None) for f in fine)]:
            job.write("policy.yml", "version: 1\nsteps: [ { phase: fetch, match: { id: a } } ]\n" + text.replace("LINK", link) + "\n")
            said = [subprocess.run([DRYDOCK, "policy", "check", "policy.yml"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)]
            said += [job.run(command="plan"), job.run()]
            codes = [said[0].returncode, said[1].rc, said[2].rc]
            if place_ is None:
                equal(codes, [0, 0, 0], text[:90], said[2])
                continue
            equal(codes, [2, 2, 2], text[:90], said[2])
            for out in (said[0].stderr, said[1].out, said[2].out):
                check(f"policy.yml:{place_}" in out and ": error: " in out, f"{text[:90]}: {out[:600]}")
    finally:
        os.unlink(link)
        job.close()


@case("X-14", "a directory that is not on this host is left out, and check, plan and run say so at its place")
def _():
    job = Job([step("a", "ls -d /nonexistent/tools /usr/share 2>/dev/null | sed 's/.*/@@sees=&@@/'")], sandbox={"read": ["/nonexistent/tools", "/usr/share"]})
    try:
        job.write("policy.yml", "version: 1\nsandbox:\n  read:\n    - /nonexistent/tools\n    - /usr/share\n")
        note = "policy.yml:4:7: note: `/nonexistent/tools` is not on this host: no step sees it"
        checked = subprocess.run([DRYDOCK, "policy", "check", "policy.yml"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
        equal((checked.returncode, checked.stdout), (0, "policy.yml: fine\n"), checked.stderr)
        check(note in checked.stderr, checked.stderr)
        checked = subprocess.run([DRYDOCK, "policy", "check", "--json", "policy.yml"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
        [one] = json.loads(checked.stdout)["notes"]
        equal((one["line"], one["column"]), (4, 7), "place in JSON")
        r = job.run(command="plan")
        check(r.rc == 0 and note in r.out, "plan", r)
        r = job.run()
        check(r.rc == 0 and note in r.out, "run", r)
        equal(r.mark("sees"), "/usr/share", "what the step sees", r)
        [start] = r.events("step.start")
        equal(start["read"], ["/usr/share"], "what the record says that it sees", r)
    finally:
        job.close()


@case("", "a credential from systemd is the file that the service manager gave, and an error where there is no service manager")
def _():
    credentials = {"token": {"from": {"systemd": "tok"}, "for": {"phase": "fetch", "steps": ["a"]}, "as": {"env": "TOKEN"}}}
    job = Job([step("a", 'echo "@@len=${#TOKEN}@@"', FETCH)], {"fetch": {}}, credentials=credentials)
    try:
        job.write("creds/tok", "s3cret-value\n")
        os.chmod(os.path.join(job.dir, "creds/tok"), 0o600)
        r = job.run(env={"CREDENTIALS_DIRECTORY": os.path.join(job.dir, "creds")})
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("len"), "12", "length of the value", r)
        without = job.run()
        equal(without.rc, 2, "exit status", without)
        check("CREDENTIALS_DIRECTORY" in without.out and "policy.yml:" in without.out, "no remedy", without)
    finally:
        job.close()


@case("X-12", "what this build cannot do is refused at its place with what to do instead")
def _():
    cases = [("phases: { fetch: { as: root } }", "2:20"), ("phases: { fetch: { egress: [ { host: a.example.com, tls: inspect } ] } }", "2:58")]
    with tempfile.TemporaryDirectory(prefix="dd-policies-") as where:
        path = os.path.join(where, "p.yml")
        for text, place_ in cases:
            with open(path, "w", encoding="utf-8") as file:
                file.write("version: 1\n" + text + "\n")
            done = drydock("policy", "check", path)
            check(done.returncode == 2 and f"{path}:{place_}: error: " in done.stderr and "not supported yet" in done.stderr and "hint: this build" in done.stderr,
                  f"{text}: {done.returncode} {done.stderr}")


if __name__ == "__main__":
    main()
