#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""named_paths_test.py - paths whose place the operator chose, and whose content the checkout controls (F-15)."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, DRYDOCK, Job, case, check, equal, main, step  # noqa: E402

CANARY = "s3cr3t-c4nary"


class Checkout(Job):
    """A job's directory as the parent of a checkout (src/), with a secret and a place of the operator's beside it."""

    def __init__(self, git=False, **more):
        super().__init__([step("make", "mkdir -p dist/sub; echo built >dist/sub/file; echo @@ran=1@@")], {"push": {"artifacts": ["dist/**"]}}, **more)
        self.write("src/ci.yml", open(os.path.join(self.dir, "workflow.yml"), encoding="utf-8").read())
        self.write("secret/token", f"{CANARY}: [\n")
        self.write("secret/token.json", f'{{"{CANARY}": {CANARY}\n')
        self.write("secret/ci.yml", f"on: push\n{CANARY}: x\njobs: {{}}\n")
        os.mkdir(os.path.join(self.dir, "own"))
        if git:
            os.mkdir(os.path.join(self.dir, "src/.git"))

    def link(self, name, target):
        os.makedirs(os.path.dirname(os.path.join(self.dir, name)), exist_ok=True)
        os.symlink(target, os.path.join(self.dir, name))

    def drydock(self, *argv, cwd="src"):
        p = subprocess.run([*AS_USER, DRYDOCK, *argv], cwd=os.path.join(self.dir, cwd), env=self.environ(), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return p.returncode, p.stdout.decode("utf-8", "replace")

    def refused(self, *argv, cwd="src", says="is a link"):
        rc, out = self.drydock(*argv, cwd=cwd)
        what = " ".join(argv) + "\n" + out[-1500:]
        equal(rc, 2, f"exit status of {what}")
        check(CANARY not in out, f"the target is quoted: {what}")
        check(says in out, f"the reason is not told: {what}")
        check("@@ran" not in out, f"a step ran: {what}")

    def untouched(self, where="own"):
        equal(os.listdir(os.path.join(self.dir, where)), [], f"files in {where}")


def with_checkout(function, **more):
    job = Checkout(**more)
    try:
        function(job)
    finally:
        job.close()


@case("F-15", "a workflow that the checkout made a link is refused by run and plan, and no byte of its target is told")
def _():
    def attack(job):
        for name, target in ((".github/workflows/rel.yml", "../../../secret/token"), (".github/workflows/abs.yml", job.dir + "/secret/ci.yml"),
                             (".github/workflows/chain.yml", "abs.yml"), (".github/workflows/up.yml", "../workflows/../../../secret/ci.yml")):
            job.link("src/" + name, target)
            for command in ("run", "plan"):
                job.refused(command, name)
                job.refused(command, os.path.join(job.dir, "src", name), "--workspace", ".")
                job.refused(command, "src/" + name, "--workspace", "src", cwd=".")
        job.link("src/.gitlab", job.dir + "/secret")                       # a directory in the middle
        for command in ("run", "plan"):
            job.refused(command, ".gitlab/ci.yml")
            job.refused(command, ".gitlab/../secret/ci.yml")
    with_checkout(attack)


@case("F-15", "a link inside of a git checkout that is not the workspace is not followed either")
def _():
    def attack(job):
        job.link("src/ci2.yml", "../secret/ci.yml")
        os.mkdir(os.path.join(job.dir, "elsewhere"))
        job.refused("plan", "../src/ci2.yml", cwd="elsewhere")
        job.refused("policy", "check", "../src/ci2.yml", cwd="elsewhere")
        job.link("src/inner", "../own")
        job.refused("run", "ci.yml", "--workspace", "inner")
        job.refused("run", "src/ci.yml", "--workspace", "src/inner", cwd=".")
    with_checkout(attack, git=True)


@case("F-15", "policy, event, record, out and state directory behind a link of the checkout are refused, and nothing is written there")
def _():
    def attack(job):
        job.link("src/out", "../own")
        job.link("src/deep/place", "../../own")
        job.link("src/nowhere", "../own/new")
        job.link("src/p.yml", "../secret/ci.yml")
        job.link("src/e.json", "../secret/token.json")
        for command in ("run", "plan"):
            job.refused(command, "ci.yml", "--policy", "p.yml")
            job.refused(command, "ci.yml", "--event", "e.json")
            for where in ("out", "out/", "out/sub", "deep/place", "deep/place/sub", "deep/place/../own", "nowhere"):
                job.refused(command, "ci.yml", "--policy", "../policy.yml", "--out", where)
                job.refused(command, "ci.yml", "--policy", "../policy.yml", "--state-dir", where)
            for where in ("out/record.jsonl", "nowhere", "deep/place/r"):
                job.refused(command, "ci.yml", "--policy", "../policy.yml", "--record", where)
        job.untouched()
    with_checkout(attack)


@case("F-15", "a link inside of --out is no way out for an artifact, a plain directory there is used")
def _():
    def attack(job):
        os.makedirs(os.path.join(job.dir, "src/out/dist"))
        os.symlink(job.dir + "/own", os.path.join(job.dir, "src/out/dist/sub"))
        rc, out = job.drydock("run", "ci.yml", "--policy", "../policy.yml", "--out", "out")
        check(rc != 0, "the artifact went through the link\n" + out)
        job.untouched()
        os.unlink(os.path.join(job.dir, "src/out/dist/sub"))
        rc, out = job.drydock("run", "ci.yml", "--policy", "../policy.yml", "--out", "out")
        equal(rc, 0, "exit status without the link\n" + out)
        check(os.path.isfile(os.path.join(job.dir, "src/out/dist/sub/file")), "no artifact\n" + out)
    with_checkout(attack)


@case("F-15", "a credential is not read through a link of the checkout")
def _():
    def attack(job):
        job.write("policy.yml", '{"version": 1, "steps": [{"phase": "push", "match": {"id": "make"}}], "credentials": '
                  '{"t": {"from": {"env": "NONE"}, "for": {"phase": "push", "steps": ["make"]}, "as": {"env": "T"}}}}')
        job.link("src/token", "../secret/token")
        os.chmod(os.path.join(job.dir, "secret/token"), 0o600)
        rc, out = job.drydock("run", "ci.yml", "--policy", "../policy.yml", "--secret", "t=token")
        check(rc in (2, 3) and "is a link" in out and "@@ran" not in out, f"exit status {rc}\n{out}")
        check(CANARY not in out, "the secret is told\n" + out)
    with_checkout(attack)


@case("F-15", "OK: the operator's own links are followed, above the workspace and beside it")
def _():
    def works(job):
        job.link("way", "src")
        job.link("rules.yml", "policy.yml")
        job.link("results", "own")
        rc, out = job.drydock("run", "way/ci.yml", "--workspace", "way", "--policy", "rules.yml", "--out", "results", cwd=".")
        equal(rc, 0, "exit status\n" + out)
        check(os.path.isfile(os.path.join(job.dir, "own/dist/sub/file")), "no artifact\n" + out)
    with_checkout(works, git=True)


@case("F-15", "what was reached through the operator's link is not quoted: the place is told, and what to do")
def _():
    def attack(job):
        job.link("linked.yml", "secret/ci.yml")
        job.link("linked", "secret")
        job.link("linked.json", "secret/token.json")
        for name in ("linked.yml", "linked/ci.yml", "linked/token"):
            job.refused("plan", name, "--workspace", "src", cwd=".", says="through the link linked")
        job.refused("policy", "check", "linked.yml", cwd=".", says="through the link linked")
        job.refused("run", "src/ci.yml", "--workspace", "src", "--event", "linked.json", cwd=".", says="through the link linked.json")
        rc, out = job.drydock("plan", "secret/ci.yml", "--workspace", "src", cwd=".")
        check(rc == 2 and CANARY in out, "a file that is named itself is quoted, as ever\n" + out)
    with_checkout(attack)


@case("F-15", "in a directory that is open to all, another user's link is not followed")
def _():
    if os.geteuid() != 0:
        return
    where = tempfile.mkdtemp(prefix="dd-f15-")
    os.chmod(where, 0o1777)
    job = Checkout()
    try:
        os.symlink(job.dir + "/src/ci.yml", where + "/ci.yml")
        rc, out = job.drydock("plan", where + "/ci.yml", "--workspace", ".")
        equal(rc, 0, "exit status with an own link\n" + out)
        os.lchown(where + "/ci.yml", 47124, 47124)
        job.refused("plan", where + "/ci.yml", "--workspace", ".", says="another user")
    finally:
        job.close()
        shutil.rmtree(where)


if __name__ == "__main__":
    main()
