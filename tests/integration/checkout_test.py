#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""checkout_test.py - a job on a git repository: which commit it is told, what of it is copied, and that git works in its steps."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, DRYDOCK, Run, Skip, case, check, equal, main  # noqa: E402

GIT_ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x.test", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@x.test", "LANG": "C.UTF-8"}
WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - id: look\n        name: look\n        run: |\n"


class Repo:
    """A directory with the repository r/ in it; sh() runs a script there, drydock() a job whose one step is a script."""

    def __init__(self, script="", where="r"):
        self.dir, self.where = tempfile.mkdtemp(prefix="dd-git-"), where
        os.chmod(self.dir, 0o755)
        self.sh("git init -q r; cd r; mkdir src; echo one >src/main.c; echo two >README; printf 'dist/\\n.env\\n' >.gitignore; git add .; git commit -qm one")
        if script:
            self.sh(script)

    def sh(self, script):
        functions = 'git() { command git -c protocol.file.allow=always -c init.defaultBranch=main -c advice.detachedHead=false "$@"; }; set -e\n'
        done = subprocess.run(["bash", "-c", functions + script], cwd=self.dir, env=GIT_ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        check(done.returncode == 0, f"{script}: {done.stdout.decode()}")
        return done.stdout.decode().strip()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def drydock(self, script, *options, cwd=None, rc=0, command="run", steps="", policy=None):
        self.write("ci.yml", WORKFLOW + "".join("          " + line + "\n" for line in script.splitlines()) + steps)
        argv = [*AS_USER, DRYDOCK, command, self.path("ci.yml"), *options]
        if policy:
            self.write("policy.yml", policy)
            argv += ["--policy", self.path("policy.yml")]
        if command == "run" and "--record" not in options:
            if os.path.exists(self.path("record.jsonl")):
                os.unlink(self.path("record.jsonl"))
            argv += ["--record", self.path("record.jsonl")]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", "XDG_STATE_HOME": self.path("state")}
        done = subprocess.run(argv, cwd=self.path(cwd or self.where), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        r = Run(self.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)
        if rc is not None:
            equal(r.rc, rc, f"exit status of {' '.join(argv)}", r)
        return r

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def on(script="", **more):
    """Decorates a test that is given a Repo."""
    def wrap(function):
        def test():
            if not shutil.which("git"):
                raise Skip("git is not installed")
            repo = Repo(script, **more)
            try:
                function(repo)
            finally:
                repo.close()
        return test
    return wrap


TELL = "for v in SHA REF REF_NAME REF_TYPE REPOSITORY REPOSITORY_OWNER; do n=GITHUB_$v; echo @@$v=${!n-unset}@@; done"


@case("", "a step is told commit, ref and repository of the checkout: branch, packed refs, worktree, detached head, and a repository without a commit")
@on("cd r; git remote add origin https://someone:token@example.com/acme/app.git")
def _(repo):
    def told(want, **more):
        r = repo.drydock(TELL, **more)
        equal({k: r.mark(k) for k in want}, want, str(more), r)
        check("token" not in str(r.marks), "the user in the URL is told", r)
    head = repo.sh("cd r; git rev-parse HEAD")
    both = {"REPOSITORY": "acme/app", "REPOSITORY_OWNER": "acme"}
    told({"SHA": head, "REF": "refs/heads/main", "REF_NAME": "main", "REF_TYPE": "branch", **both})
    told({"SHA": head, "REF": "refs/heads/main", **both}, cwd="r/src")
    head = repo.sh("cd r; git checkout -qb feature/x; git commit -q --allow-empty -m two; git pack-refs --all; git gc -q; git rev-parse HEAD")
    told({"SHA": head, "REF": "refs/heads/feature/x", "REF_NAME": "feature/x", **both})
    head = repo.sh("cd r; git worktree add -q ../w -b side; cd ../w; git commit -q --allow-empty -m w; git rev-parse HEAD")
    told({"SHA": head, "REF": "refs/heads/side", **both}, cwd="w")
    told({"SHA": repo.sh("cd r; git checkout -q --detach HEAD~1; git rev-parse HEAD"), "REF": "unset", "REF_NAME": "unset", **both})
    repo.sh("git init -q new; touch new/x")
    told({"SHA": "unset", "REF": "refs/heads/main", "REPOSITORY": "unset"}, cwd="new")


@case("", "the forge's event has the last word on ref and repository, and a workflow cannot say who it is")
@on("cd r; git remote add origin https://example.com/acme/app.git")
def _(repo):
    repo.write("e.json", '{"ref": "refs/tags/v1", "ref_protected": true, "repository": {"full_name": "forge/said"}}')
    r = repo.drydock("export GITHUB_SHA_=1\n" + TELL, "--event", repo.path("e.json"))
    equal((r.mark("REF"), r.mark("REF_NAME"), r.mark("REF_TYPE"), r.mark("REPOSITORY")), ("refs/tags/v1", "v1", "tag", "forge/said"), "of the event", r)
    equal(r.mark("SHA"), repo.sh("cd r; git rev-parse HEAD"), "the commit", r)


if __name__ == "__main__":
    main()
