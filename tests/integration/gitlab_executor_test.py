#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_executor_test.py - `drydock gitlab-executor` as GitLab's own runner calls it: config, prepare, one run for each stage, cleanup; with the environment, the files
and the exit codes that the runner's documentation has. The runner itself is a developer's test (docs/gitlab.md)."""
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import AS_USER, DRYDOCK, case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402
from world import ALLOWED, Resolver  # noqa: E402

BUILD_FAILED, SYSTEM_FAILED = 41, 42   # whatever the runner says, and not what it says by default
NAME = "gitlab.corp.test"
RESOLVER = []


class Project(Host):
    """A host whose GitLab has a repository with one commit, served by git's own server."""

    def __init__(self):
        super().__init__(register=False, host=NAME, address=ALLOWED)
        self.gitlab.repositories = os.path.join(self.dir, "repositories")
        work = os.path.join(self.dir, "work")
        os.makedirs(work)
        env = {"PATH": "/usr/bin:/bin", "HOME": work, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

        def git(*args):
            return subprocess.run(["git", *args], cwd=work, env=env, check=True, capture_output=True, text=True).stdout.strip()
        git("init", "-q", "-b", "main")
        with open(os.path.join(work, "README"), "w", encoding="ascii") as file:
            file.write("commit 2\n")
        git("add", "README")
        git("commit", "-qm", "one")
        self.sha = git("rev-parse", "HEAD")
        bare = os.path.join(self.gitlab.repositories, "shipyard", "keelson.git")
        git("clone", "-q", "--bare", work, bare)
        git("-C", bare, "update-ref", "refs/pipelines/9077", self.sha)


class Job:
    """One job, as the runner has it: a directory, the message, and the environment of every call."""

    def __init__(self, host, message):
        self.host, self.message = host, message
        self.dir = tempfile.mkdtemp(prefix="custom-executor", dir=host.dir)
        self.codes = os.path.join(self.dir, "exit_code")
        with open(os.path.join(self.dir, "response.json"), "w", encoding="utf-8") as file:
            json.dump(message, file)
        os.chmod(file.name, 0o600)
        self.env = {**host.environ(), "TMPDIR": self.dir, "BUILD_FAILURE_EXIT_CODE": str(BUILD_FAILED), "SYSTEM_FAILURE_EXIT_CODE": str(SYSTEM_FAILED),
                    "BUILD_EXIT_CODE_FILE": self.codes, "JOB_RESPONSE_FILE": file.name,
                    **{"CUSTOM_ENV_" + v["key"]: v["value"] for v in message["variables"]}}
        with open(host.tls["ca.pem"], encoding="ascii") as file:
            self.env["CUSTOM_ENV_CI_SERVER_TLS_CA_FILE"] = file.read()
        self.log = ""

    def argv(self, *call):
        return [*AS_USER, DRYDOCK, "gitlab-executor", "--state-dir", self.host.state, "--policy-dir", os.path.join(self.host.dir, "policy.d"), *call]

    def call(self, *call, rc=0, timeout=60):
        done = subprocess.run(self.argv(*call), env=self.env, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout)
        self.log += done.stdout
        equal(done.returncode, rc, f"{call}: exit status\n{done.stdout}")
        return done.stdout

    def stage(self, name, rc=0):
        script = os.path.join(self.dir, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/bash\nexport CI_JOB_TOKEN='leaked'\necho the runner's own script ran\n")   # what must never run
        os.chmod(script, 0o700)
        return self.call("run", script, name, rc=rc)

    def begin(self):
        self.call("config")
        return self.call("prepare")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(self.argv("cleanup"), env=self.env, cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=90)

    def left(self):
        """What is left of any job in the state: names below jobs/ and executor/."""
        return sorted(f"{kind}/{name}" for kind in ("jobs", "executor") if os.path.isdir(f"{self.host.state}/{kind}") for name in os.listdir(f"{self.host.state}/{kind}"))


def gone(what, test, seconds=20):
    deadline = time.monotonic() + seconds
    while test():
        check(time.monotonic() < deadline, f"{what} is still there: {test()}")
        time.sleep(0.05)


@case("", "config says who the driver is, in the runner's JSON, before anything of the job is looked at")
def _():
    with Host(register=False) as host, Job(host, host.gitlab.message(["true"])) as job:
        said = json.loads(job.call("config"))
        equal((said["driver"]["name"], said["shell"], said["builds_dir_is_shared"]), ("drydock", "bash", False), "config")
        equal(job.left(), [], "config made something")


@case("", "each stage runs the commands of the job's message and not the runner's script, in one workspace, with the shell's state within a stage alone")
def _():
    with Host(register=False) as host, Job(host, host.gitlab.message(["echo one > made; X=1", "echo saw-$X"], ["echo after-${X-none}-$(cat made)-$CI_JOB_STATUS"])) as job:
        job.begin()
        job.stage("prepare_script")
        out = job.stage("build_script")
        check("saw-1" in out and "$ echo one > made; X=1" in out, out)
        out = job.stage("after_script")
        check("after-none-one-success" in out, out)
        job.stage("cleanup_file_variables")
        check("the runner's own script ran" not in job.log and "section_start" not in job.log, job.log)
        job.call("cleanup")
        equal(job.left(), [], "left after cleanup")
        job.call("cleanup")   # it comes after failed preparations too


@case("", "a failing script is the build's failure with its exit code in the file, after_script knows, and a later stage does not inherit the code")
def _():
    with Host(register=False) as host, Job(host, host.gitlab.message(["(exit 17)", "echo never"], ["echo after-$CI_JOB_STATUS"])) as job:
        job.begin()
        job.stage("build_script", rc=BUILD_FAILED)
        with open(job.codes, encoding="ascii") as file:
            equal(file.read(), "17\n", "exit code")
        check("never" not in job.log.replace("echo never", ""), job.log)
        check("after-failed" in job.stage("after_script"), job.log)
        equal(os.path.exists(job.codes), False, "the code of an earlier stage")


@case("", "phases and credentials are the policy's: a secret reaches the push step that it names and no other, and is masked")
def _():
    policy = {"version": 1, "for": {"forge": "gitlab"}, "steps": [{"phase": "push", "match": {"run": "publish*"}}], "phases": {"push": {"workspace": "shared", "egress": "none"}},
              "credentials": {"npm": {"from": {"forge": "NPM_TOKEN"}, "for": {"phase": "push", "steps": ["script-push"]}, "as": {"env": "NODE_AUTH_TOKEN"}, "ttl": "5m"}}}
    secret = {"key": "NPM_TOKEN", "value": "npm-secret-0123456789", "public": False, "masked": True}
    script = ["env | grep -c -e npm-secret -e glcbt- -e CUSTOM_ENV_ || true", "publish=1; echo push-${#NODE_AUTH_TOKEN} $NODE_AUTH_TOKEN"]
    with Host(policy=policy, register=False) as host, Job(host, host.gitlab.message(script, variables=[secret])) as job:
        job.begin()
        out = job.stage("build_script")
        check("\n0" in out and "push-21 [MASKED]" in out and secret["value"] not in job.log and "phase push" in out, out)


@case("", "sources are fetched by git alone with the job's token, from the GitLab alone, and scripts find them")
def _():
    with Project() as host:
        message = host.gitlab.message(["cat README; git rev-parse HEAD", "grep -rsl jobtoken /work /home /tmp || echo nowhere"], variables=[("GIT_STRATEGY", "fetch")])
        message["git_info"]["sha"] = host.sha
        served = host.gitlab.push(message)
        served.state = "running"   # its token is good
        with Job(host, message) as job:
            job.begin()
            job.stage("get_sources")
            out = job.stage("build_script")
            check("commit 2" in out and host.sha in out and "nowhere" in out, out)
            equal({token for _, _, token in host.gitlab.git_log} - {""}, {message["token"]}, "tokens that git asked with")


@case("", "what cannot be done below the executor fails the job before anything runs: images, services, artifacts, a policy that is for others")
def _():
    for more, word in (({"image": {"name": "ruby:3"}}, "image ruby:3"), ({"services": [{"name": "postgres"}]}, "services"),
                       ({"artifacts": [{"name": "a", "paths": ["x"], "when": "on_success", "artifact_type": "archive", "artifact_format": "zip", "expire_in": ""}]}, "artifacts")):
        with Host(register=False) as host, Job(host, host.gitlab.message(["true"], **more)) as job:
            job.call("config")
            check(word in job.call("prepare", rc=BUILD_FAILED), job.log)
            job.call("cleanup")
            equal(job.left(), [], "left")
    with Host(policy={"version": 1, "for": {"repository": "others/*"}}, register=False) as host, Job(host, host.gitlab.message(["true"])) as job:
        check("polic" in job.call("prepare", rc=BUILD_FAILED), job.log)
    with Host(register=False) as host, Job(host, host.gitlab.message(["true"])) as job:
        job.begin()
        check("not run below" in job.stage("upload_artifacts_on_success", rc=BUILD_FAILED), job.log)
        check("nothing of this job" in job.stage("step_release", rc=BUILD_FAILED), job.log)


@case("", "a cancel ends the stage at hand and still runs after_script; a kill of the runner between two calls leaves nothing after cleanup")
def _():
    with Host(register=False) as host, Job(host, host.gitlab.message(["echo begun; sleep 300"], ["echo after-$CI_JOB_STATUS"])) as job:
        job.begin()
        process = subprocess.Popen(job.argv("run", "script", "build_script"), env=job.env, cwd=job.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        line = ""
        while "begun" not in line or "$" in line:
            line = process.stdout.readline()
            check(line, "the stage ended")
        os.killpg(process.pid, signal.SIGTERM)
        out = process.communicate(timeout=30)[0]
        equal(process.returncode, BUILD_FAILED, out)
        check("after-canceled" in job.stage("after_script"), job.log)
        job.call("cleanup")
        equal(job.left(), [], "left after cleanup")
    with Host(register=False) as host, Job(host, host.gitlab.message(["sleep 300"])) as job:
        job.begin()
        process = subprocess.Popen(job.argv("run", "script", "build_script"), env=job.env, cwd=job.dir, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.3)
        process.kill()
        process.wait()
        job.call("cleanup", timeout=90)
        equal(job.left(), [], "left after cleanup")


@case("", "a runner that was killed takes its waiting job with it, and the next config removes what a killed holder left")
def _():
    with Host(register=False) as host, Job(host, host.gitlab.message(["true"])) as job:
        # a process of the runner's name calls prepare, and is killed
        runner = subprocess.Popen([sys.executable, "-c", "import ctypes, subprocess, sys, time; ctypes.CDLL(None).prctl(15, b'gitlab-runner'); "
                                   "sys.exit(subprocess.run(sys.argv[1:]).returncode or time.sleep(300))", *job.argv("prepare")], env=job.env, cwd=job.dir, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        gone("the preparation", lambda: not job.left() or not os.path.exists(f"{host.state}/{[n for n in job.left() if n.startswith('executor')][0]}/socket"))
        gone("the wait for its first stage", lambda: not any(n.startswith("jobs/") for n in job.left()))
        runner.kill()
        runner.wait()
        gone("the job of a runner that was killed", job.left)
    with Host(register=False) as host, Job(host, host.gitlab.message(["true"])) as job:
        job.begin()
        where = f"{host.state}/{[n for n in job.left() if n.startswith('executor')][0]}"
        holders = [int(p) for p in os.listdir("/proc") if p.isdigit() and holds(p, where)]
        check(holders, "nobody holds the lock")
        for pid in holders:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        gone("the lock", lambda: locked(where))
        check(job.left(), "nothing was left to reap")
        job.call("config")
        gone("what a killed holder left", job.left)


def holds(pid, where):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{n}") == where + "/lock" for n in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def locked(where):
    with open(where + "/lock", "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except OSError:
            return True


@case("", "caches are drydock's own: kept by one job and there in the next, whether the runner has stages for them or not")
def _():
    cache = [{"key": "k", "untracked": False, "policy": "pull-push", "paths": ["kept/"], "when": "on_success", "fallback_keys": []}]
    with Host(register=False) as host:
        for stages, said in ((("restore_cache", "build_script", "archive_cache"), "first"), (("build_script", "archive_cache"), "saw-0")):
            with Job(host, host.gitlab.message(["cat kept/file 2>/dev/null || echo first; mkdir -p kept; echo saw-0 > kept/file"], cache=cache)) as job:
                job.begin()
                for stage in stages:
                    job.stage(stage)
                check(f"\n{said}\n" in job.log, job.log)
                job.call("cleanup")


@case("", "a call without a message, and a run before prepare, are failures of the system in words")
def _():
    with Host(register=False) as host, Job(host, host.gitlab.message(["true"])) as job:
        check("was not prepared" in job.stage("build_script", rc=SYSTEM_FAILED), job.log)
        del job.env["JOB_RESPONSE_FILE"]
        check("JOB_RESPONSE_FILE" in job.call("prepare", rc=SYSTEM_FAILED), job.log)


def start():
    RESOLVER.append(Resolver())
    RESOLVER[0].say(NAME, ALLOWED)


if __name__ == "__main__":
    main(start)
