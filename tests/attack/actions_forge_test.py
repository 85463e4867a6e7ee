#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""actions_forge_test.py - actions that are fetched from a forge by git, in a step of their own: what is asked, what is believed, and what then runs."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", part) for part in ("lib", "fakes")]
from dd import BUILD_PHASE, DRYDOCK, Job, case, check, equal, main, py, step  # noqa: E402
from git_server import GitServer  # noqa: E402
from issuers import make_ca  # noqa: E402
from world import ALLOWED, PRIVATE, Resolver  # noqa: E402

NAME, INSIDE = "forge.corp.test", "inside.corp.test"
COMPOSITE = "name: x\nruns:\n  using: composite\n  steps:\n    - { shell: bash, run: 'echo @@%s=1@@', name: say }\n"
RESOLVER = []


class Forge:
    def __init__(self, address=ALLOWED, name=NAME, **more):
        self.dir = tempfile.mkdtemp(prefix="dd-forge-test-")
        os.chmod(self.dir, 0o755)
        self.server = GitServer(make_ca(self.dir, name), address, name=name)
        self.ca = os.path.join(self.dir, "ca.pem")
        self.state = os.path.join(self.dir, "state")
        self.more = more

    def actions(self, pin="any", allow=("acme/*",), **keys):
        where = {k: v for k, v in {"forge": self.server.url, "ca": self.ca, **self.more}.items() if v}
        return {"pin": pin, "allow": list(allow), "from": where, **keys}

    def job(self, uses, files=None, **keys):
        steps = [{"_phase": BUILD_PHASE, **(s if isinstance(s, dict) else {"uses": s})} for s in uses]
        return Job([step("before", "echo @@before=1@@"), *steps], None, files, actions=self.actions(**keys))

    def run(self, uses, rc=0, options=(), command="run", env=None, **keys):
        job = self.job(uses, **keys)
        try:
            r = job.run("--state-dir", self.state, *options, command=command, env=env)
            r.fetches = self.fetches()
            left = glob.glob(os.path.join(self.state, "actions", "arriving-*")) + glob.glob(os.path.join(self.state, "jobs", "*"))
            equal(left, [], "what a fetch left behind", r)
        finally:
            job.close()
        if rc is not None:
            equal(r.rc, rc, f"exit status of {uses}", r)
        return r

    def fetches(self):
        """Records of the fetching jobs, the oldest first."""
        records = []
        for path in sorted(glob.glob(os.path.join(self.state, "**", "*.jsonl"), recursive=True), key=os.path.getmtime):
            with open(path, encoding="utf-8") as file:
                events = [json.loads(line) for line in file]
            if events[0]["job"] == "actions":
                records.append(events)
        return records

    def close(self):
        self.server.end()
        shutil.rmtree(self.server.root, ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)


def forged(test):
    def run_it():
        forge = Forge()
        try:
            test(forge)
        finally:
            forge.close()
    return run_it


@case("", "an action comes from the forge by its commit, its tag or its branch, with what it uses, in steps whose gate is open to the forge alone")
@forged
def _(f):
    sha = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "first", "sub/action.yml": COMPOSITE % "below"})
    f.server.git("acme/tool.git", "tag", "-am", "annotated", "v1")
    f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "later"}, "two")
    f.server.commit("acme/outer.git", {"action.yml": "name: x\nruns: { using: composite, steps: [ { uses: acme/tool/sub@v1 } ] }\n"})
    for uses, mark in ((f"acme/tool@{sha}", "first"), ("acme/tool@v1", "first"), ("acme/tool@main", "later"), ("acme/outer@main", "below")):
        r = f.run([uses])
        equal(set(r.marks), {"before", mark}, uses, r)
        check(f"fetched {uses} from {f.server.url}" in r.out, "it is not told", r)
    equal({e["gate"] for e in r.events("step.start")}, {"closed"}, "gates of the run", r)
    equal(len(r.fetches), 5, "fetching jobs", r)
    for record in r.fetches:
        hosts = {e["host"] for e in record if e["event"] == "net.allow"}
        equal(hosts, {NAME}, "what the fetching step reached", r)
        equal([e for e in record if e["event"] in ("cred.grant", "net.deny", "dns.deny")], [], "credentials and refusals", r)
        opened = next(e for e in record if e["event"] == "gate.open")
        check(len(opened["entries"]) == 1 and f"{NAME}:{f.server.port}" in json.dumps(opened["entries"]), f"what the gate was open to: {opened}", r)
    equal({name for name, _ in RESOLVER[0].queries if not name.endswith(".arpa")}, {NAME}, "names that were looked up", r)


@case("", "what is named by its commit is fetched once: the next run needs no forge, unless the tree was changed meanwhile")
@forged
def _(f):
    sha = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "good"})
    equal(set(f.run([f"acme/tool@{sha}"], pin="sha").marks), {"before", "good"}, "first")
    asked = len(f.server.log)
    r = f.run([f"acme/tool@{sha}"], pin="sha")
    equal((set(r.marks), len(f.server.log)), ({"before", "good"}, asked), "again", r)
    trees = [n for n in os.listdir(os.path.join(f.state, "actions")) if len(n) == 64]
    with open(os.path.join(f.state, "actions", trees[0], "action.yml"), "w", encoding="utf-8") as file:
        file.write(COMPOSITE % "evil")
    r = f.run([f"acme/tool@{sha}"], pin="sha")
    equal(set(r.marks), {"before", "good"}, "after somebody changed the store", r)
    check(len(f.server.log) > asked, "it was not fetched again", r)


@case("X-03", "a commit that only a fork has does not run, though the forge hands it out by its name; nor does one whose tag is gone")
@forged
def _(f):
    good = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "good"})
    f.server.git("acme/tool.git", "checkout", "-q", "--detach")
    evil = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "evil"}, "a fork's")
    f.server.git("acme/tool.git", "update-ref", "refs/pull/1/head", evil)
    f.server.git("acme/tool.git", "checkout", "-q", "main")
    equal(f.server.git("acme/tool.git", "cat-file", "-t", evil), "commit", "the server has it")
    r = f.run([f"acme/tool@{evil}"], rc=4, pin="sha")
    check("is on none of the branches and tags" in r.out and not r.marks, "the fork's commit", r)
    f.server.git("acme/tool.git", "tag", "v2", evil)
    equal(set(f.run([f"acme/tool@{evil}"], pin="sha").marks), {"before", "evil"}, "the same with a tag of the repository")
    equal(set(f.run([f"acme/tool@{good}"], pin="sha").marks), {"before", "good"}, "one that lies behind a branch")


@case("", "the operator's word comes first: nothing is asked for an action that the policy does not allow, or not by that name")
@forged
def _(f):
    f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "ran"})
    f.server.commit("other/tool.git", {"action.yml": COMPOSITE % "ran"})
    for uses, pin in (("other/tool@main", "any"), ("acme/tool@main", "sha")):
        r = f.run([uses], rc=4, pin=pin)
        equal((r.marks, f.server.log), ({}, []), uses, r)
    r = f.run(["acme/tool@main"], rc=4, pin="tag")
    check("names a branch" in r.out and not r.marks, "a branch", r)


@case("", "a plan asks nobody: it says what is not here, and shows what was fetched by its commit")
@forged
def _(f):
    sha = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "ran"})
    r = f.run([f"acme/tool@{sha}"], command="plan")
    check("`drydock run` and `drydock actions lock` do that" in r.out, "the note", r)
    equal(f.server.log, [], "what was asked", r)
    f.run([f"acme/tool@{sha}"])
    asked = len(f.server.log)
    plan = json.loads(f.run([f"acme/tool@{sha}"], command="plan", options=["--json"]).out)
    action = plan["steps"][1]["action"]
    equal((action["commit"], action["source"], len(f.server.log)), (sha, f.server.url + "/acme/tool", asked), "the plan", r)


@case("X-03 X-04", "a locked run takes the commit that was agreed on, wherever its tag is by now, also on a host that never fetched it; and refuses what differs")
@forged
def _(f):
    first = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "first"})
    f.server.git("acme/tool.git", "tag", "v1")
    job = f.job(["acme/tool@v1"], pin="tag")

    def locked(rc=0, state="state"):
        r = job.run("--locked", "--state-dir", os.path.join(f.dir, state))
        equal(r.rc, rc, "a locked run", r)
        return r
    try:
        made = subprocess.run([DRYDOCK, "actions", "lock", "workflow.yml", "--policy", "policy.yml", "--workspace", "src", "--state-dir", f.state], cwd=job.dir, env=job.environ(),
                              capture_output=True, text=True, check=False)
        equal(made.returncode, 0, made.stdout + made.stderr)
        with open(os.path.join(job.dir, "src/.drydock.lock"), encoding="utf-8") as file:
            lock = json.load(file)
        equal(lock["actions"]["acme/tool@v1"]["commit"], first, "the lock")
        asked = len(f.server.log)
        equal((set(locked().marks), len(f.server.log)), ({"before", "first"}, asked), "as it was locked, without asking")
        evil = f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "moved"}, "two")
        f.server.git("acme/tool.git", "tag", "-f", "v1")
        equal(set(locked().marks), {"before", "first"}, "the tag moved")
        equal(set(locked(state="elsewhere").marks), {"before", "first"}, "another host, where it was never fetched")
        equal(set(job.run("--state-dir", f.state).marks), {"before", "moved"}, "without --locked")
        for change in ({"sha256": "0" * 64}, {"commit": evil}, {"commit": "1" * 40}):
            other = json.loads(json.dumps(lock))
            other["actions"]["acme/tool@v1"].update(change)
            job.write("src/.drydock.lock", json.dumps(other))
            r = job.run("--locked", "--state-dir", os.path.join(f.dir, "third"))
            check(r.rc in (2, 4) and not r.marks, f"{change}: {r.rc}", r)
        f.server.git("acme/tool.git", "branch", "side", first)
        f.server.git("acme/tool.git", "tag", "-d", "v1")
        job.write("src/.drydock.lock", json.dumps(lock))
        r = job.run("--locked", "--state-dir", os.path.join(f.dir, "fourth"))
        check(r.rc in (2, 4) and not r.marks, "a tag that is gone, where it was never fetched", r)
    finally:
        job.close()


@case("X-05", "a forge with a certificate of somebody else, one that leads elsewhere, or one that has no such repository gives nothing, and it is said")
@forged
def _(f):
    f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "ran"})
    f.server.commit("acme/moved.git", {"action.yml": COMPOSITE % "ran"})
    ca, f.ca = f.ca, None
    r = f.run(["acme/tool@main"], rc=2, env={"GIT_SSL_NO_VERIFY": "1"})
    check("cannot be fetched from" in r.out and "certificate" in r.out and not r.marks, "an unknown authority", r)
    f.ca = ca
    f.server.before = lambda path: (302, [("Location", f.server.url + path.replace("tool", "moved") + "?service=git-upload-pack")]) if "tool" in path else None
    r = f.run(["acme/tool@main"], rc=2)
    check("cannot be fetched from" in r.out and not r.marks and not [p for _, p in f.server.log if "moved" in p], "a redirect", r)
    f.server.before = None
    for uses, said in (("acme/none@main", "not found"), ("acme/tool@v9", "no tag and no branch of that name"), ("acme/tool@" + "1" * 40, "cannot be fetched")):
        r = f.run([uses], rc=2)
        check(said in r.out and not r.marks, f"{uses}: {said}", r)


@case("N-13", "a forge whose name leads into the private network is reached only where the policy says so")
def _():
    f = Forge(PRIVATE[0], INSIDE)
    try:
        f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "ran"})
        r = f.run(["acme/tool@main"], rc=2)
        check(not r.marks and not f.server.log and "private" in r.out, "without a word", r)
        f.more = {"private": "allow"}
        equal(set(f.run(["acme/tool@main"]).marks), {"before", "ran"}, "with it")
    finally:
        f.close()


@case("X-08", "a run that is cancelled while it fetches ends, runs nothing and leaves nothing")
@forged
def _(f):
    f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "ran"})
    asked, go_on = threading.Event(), threading.Event()

    def wait(path):
        asked.set()
        go_on.wait(60)
    f.server.before = wait
    job = f.job(["acme/tool@main"])
    process = job.popen("--state-dir", f.state, start_new_session=True)
    try:
        check(asked.wait(30), "nothing was asked")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        equal(process.returncode, 130, out.decode())
        check(b"@@before" not in out, "a step ran")
        left = glob.glob(os.path.join(f.state, "actions", "arriving-*")) + glob.glob(os.path.join(f.state, "jobs", "*"))
        equal(left, [], "what was left")
    finally:
        go_on.set()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        job.close()


@case("", "what a mirror has is not asked for, and what it lacks is")
@forged
def _(f):
    f.server.commit("acme/tool.git", {"action.yml": COMPOSITE % "forge"})
    f.server.commit("acme/other.git", {"action.yml": COMPOSITE % "other"})
    mirror = os.path.join(f.dir, "mirror")
    os.makedirs(mirror + "/acme/tool@main")
    with open(mirror + "/acme/tool@main/action.yml", "w", encoding="utf-8") as file:
        file.write(COMPOSITE % "mirror")
    r = f.run(["acme/tool@main", "acme/other@main"], mirror=mirror)
    equal(set(r.marks), {"before", "mirror", "other"}, "what ran", r)
    check(not [p for _, p in f.server.log if "tool" in p], "the forge was asked for it", r)


def setup():
    RESOLVER.append(Resolver())
    RESOLVER[0].say(NAME, ALLOWED)
    RESOLVER[0].say(INSIDE, PRIVATE[0])


if __name__ == "__main__":
    main(setup)
