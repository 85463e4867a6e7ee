#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_sources_test.py - the sources of a GitLab job: fetched by git in a step of its own that reaches the GitLab alone, with the job's token for git alone; and what
later steps find, and do not find, of that."""
import os
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402
from world import ALLOWED, Resolver  # noqa: E402

NAME = "gitlab.corp.test"
RESOLVER = []


def git(where, *args):
    env = {"PATH": "/usr/bin:/bin", "HOME": where, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_ALLOW_PROTOCOL": "file",
           "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    return subprocess.run(["git", *args], cwd=where, env=env, check=True, capture_output=True, text=True).stdout.strip()


class Project(Host):
    """A host whose GitLab has a repository with three commits on main, served by git's own server."""

    def __init__(self, *args, files=None, **more):
        super().__init__(*args, **{"host": NAME, "address": ALLOWED, **more})
        self.gitlab.repositories = os.path.join(self.dir, "repositories")
        self.work = os.path.join(self.dir, "work")
        os.makedirs(self.work)
        git(self.work, "init", "-q", "-b", "main")
        for i in range(3):
            for name, text in {"README": f"commit {i}\n", **(files or {})}.items():
                path = os.path.join(self.work, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            git(self.work, "add", "-A")
            git(self.work, "commit", "-qm", f"commit {i}")
        self.publish("keelson")

    def publish(self, name):
        bare = os.path.join(self.gitlab.repositories, "shipyard", name + ".git")
        git(self.work, "clone", "-q", "--bare", self.work, bare)
        self.sha = git(self.work, "rev-parse", "HEAD")
        git(bare, "update-ref", "refs/pipelines/9077", self.sha)

    def job(self, script, rc=0, variables=(), **info):
        message = self.gitlab.message(script, variables=[("GIT_STRATEGY", "fetch"), *variables])
        message["git_info"].update({"sha": self.sha, **info})
        job = self.once(message, rc)
        equal(self.gitlab.wrong, [], "what GitLab would refuse")
        return job


@case("", "the sources are there, at the commit of the job, and only as deep as asked")
def _():
    with Project() as host:
        job = host.job(["cat README", "git rev-parse HEAD", "git rev-list --count HEAD", "git status --porcelain | wc -l", "git branch -r"], depth=2)
        for line in ("Getting source from Git repository", "commit 2", host.sha, "2", "0", "  origin/main"):
            check(line in job.lines, f"{line!r} is not in\n{job.text}")
        check(":get_sources\r" in job.text, job.text)
        equal("3" in host.job(["git rev-list --count HEAD"], depth=0).lines, True, "all of it")


@case("", "git alone holds the job's token, in that step alone: no file, no variable and no configuration keeps it")
def _():
    with Project() as host:
        job = host.job(["git remote get-url origin", "grep -rsl jobtoken /work /home /tmp /var/tmp /work-temp /run/drydock/step --exclude=script.sh || echo nowhere", "env | grep -c jobtoken || true", "git config --list | grep -i -e helper -e extraheader -e instead || echo none"])
        check("what git obeys" not in job.text, job.text)
        for line in (f"https://{NAME}:{host.gitlab.port}/shipyard/keelson.git", "nowhere", "0", "none"):
            check(line in job.lines, f"{line!r} is not in\n{job.text}")
        equal({(u, t) for _, u, t in host.gitlab.git_log if u}, {("gitlab-ci-token", job.token)}, "who asked")
        check(job.token not in job.text, "the token is in the log")


@case("", "no policy has to name the GitLab, and no step of the job reaches it for that")
def _():
    with Project() as host:
        job = host.job([f"curl -sS --max-time 5 https://{NAME}:{host.gitlab.port}/ && echo reached || echo refused"])
        check("refused" in job.lines and "reached" not in job.lines, job.text)


@case("", "what git obeys or runs of a repository does not run beside the token")
def _():
    hostile = {".gitattributes": "* filter=evil\n*.bin filter=lfs\n", ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ../x.git\n\tupdate = !echo evil-ran\n', "hooks/post-checkout": "echo evil-ran\n"}
    with Project(files=hostile) as host:
        job = host.job(["cat README"], variables=[("GIT_SUBMODULE_STRATEGY", "recursive"), ("GIT_FETCH_EXTRA_FLAGS", "--upload-pack=evil --prune --config=x")])
        check("evil-ran" not in job.text and "commit 2" in job.lines, job.text)
        check("`--upload-pack=evil` is left out" in job.text and "Git LFS" in job.text, job.text)


@case("", "submodules of the same GitLab come with the same token")
def _():
    with Project() as host:
        host.publish("part")
        git(host.work, "submodule", "--quiet", "add", "--name", "part", os.path.join(host.gitlab.repositories, "shipyard", "part.git"), "part")
        git(host.work, "config", "-f", ".gitmodules", "submodule.part.url", "../part.git")
        git(host.work, "add", "-A")
        git(host.work, "commit", "-qm", "with a part")
        host.publish("whole")
        url = f"https://gitlab-ci-token:x@{NAME}:{host.gitlab.port}/shipyard/whole.git"
        job = host.job(["cat part/README"], variables=[("GIT_SUBMODULE_STRATEGY", "normal")], repo_url=url)
        check("commit 2" in job.lines, job.text)
        job = host.job(["ls part | wc -l"], repo_url=url)
        check("0" in job.lines and "Skipping Git submodules setup" in job.lines, job.text)


@case("", "a push step sees the commit as it was fetched, and a source that a build step changed is noticed")
def _():
    policy = {"version": 1, "steps": [{"phase": "push", "match": {"run": "cat README*"}}], "phases": {"push": {"artifacts": ["dist/**"]}}}
    with Project(policy) as host:
        job = host.job(["echo evil >README; mkdir dist; echo made >dist/a; echo left >other", "cat README dist/a; ls"])
        at = job.lines.index("$ cat README dist/a; ls")
        check(job.lines[at + 1:at + 3] == ["commit 2", "made"] and "other" not in job.lines[at:], job.text)


@case("", "a GitLab on this very host, or one without a name, is reached all the same, and nothing else of this host")
def _():
    for more in ({"host": "localhost", "address": "127.0.0.1"}, {"host": ALLOWED, "address": ALLOWED}):
        with Project(**more) as host:
            job = host.job(["cat README", f"curl -sSk --max-time 5 https://{more['host']}:{host.gitlab.port}/ && echo reached || echo refused"])
            check("commit 2" in job.lines and "refused" in job.lines, job.text)


@case("", "what cannot be fetched ends the job, and no command of it runs")
def _():
    with Project() as host:
        sha = "0" * 40
        job = host.job(["echo ran"], rc=1, variables=[("GET_SOURCES_ATTEMPTS", "1")], sha=sha)
        check("ran" not in job.lines and job.reason == "script_failure", job.text)
        for more, said in (({"sha": "main"}, "no name of a commit"), ({"refspecs": ["--upload-pack=x"]}, "nothing that can be fetched"), ({"repo_url": "https://elsewhere.test/a.git"}, "not at the GitLab"),
                           ({"repo_url": f"http://{NAME}/a.git"}, "not at the GitLab"), ({"refspecs": []}, "nothing to fetch")):
            job = host.job(["echo ran"], rc=1, **more)
            check(said in job.text and "ran" not in job.lines, f"{more}: {job.text}")
        equal([p for p, _, _ in host.gitlab.git_log if "a.git" in p], [], "what was asked")


def setup():
    RESOLVER.append(Resolver())
    RESOLVER[0].say(NAME, ALLOWED)


main(setup)
