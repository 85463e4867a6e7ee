#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_peer_test.py - GitLab's own runner against the same server as drydock: the stand-in is one that the real client accepts, and the same jobs come to the same ends,
exit codes, artifacts and lines of the log. Needs a gitlab-runner (DRYDOCK_GITLAB_RUNNER, or in PATH); 17.5.0 is what it was written with. Without one it is skipped, aloud."""
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import Skip, case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402

PEER = os.environ.get("DRYDOCK_GITLAB_RUNNER") or shutil.which("gitlab-runner")
ARCHIVE = {"name": "out", "untracked": False, "paths": ["out/"], "exclude": ["out/**/*.o"], "when": "always", "expire_in": "7d", "artifact_type": "archive", "artifact_format": "zip"}
SECRET = {"key": "S", "value": "s3cr3t-value-of-the-job", "public": False, "masked": True}
# name -> (script, after_script, more of the message)
JOBS = {
    "success": (["echo one", "echo two"], None, {}),
    "failure": (["echo before", "exit 7", "echo never"], ["echo after-$CI_JOB_STATUS"], {}),
    "state": (["cd /tmp", "export A=x; f() { echo f-$1; }", "f $A; pwd", "set +e", "false", "echo on"], ["echo ${A:-fresh}"], {}),
    "multi-line": (["for i in 1 2; do\n  echo line-$i\ndone", "cat <<'END'\nhere $HOME\nEND"], None, {}),
    "variables": (["echo $GREETING ${GREETING} $RAW", "echo \"$(cat $FILE)\""], None,
                  {"variables": [("NAME", "world"), ("GREETING", "hello $NAME"), {"key": "RAW", "value": "costs $NAME", "public": True, "masked": False, "raw": True}]}),
    "pipefail": (["false | true", "echo never"], None, {}),
    "artifacts": (["mkdir -p out/sub; echo a >out/a; echo b >out/sub/b.o; printf x >out/run; chmod 755 out/run"], None, {"artifacts": [ARCHIVE]}),
    "artifacts-failed": (["mkdir logs; echo a >logs/a; exit 3"], None, {"artifacts": [{**ARCHIVE, "paths": ["logs/"]}]}),
    "masked": (["echo s3cr3t-value-of-the-job; printf s3cr3t-value-; sleep 0.2; echo of-the-job"], None, {"variables": [SECRET]}),
    "status": (["echo $CI_JOB_STATUS"], ["echo $CI_JOB_STATUS"], {}),
    "code": (["(exit 42)"], None, {}),
    "stdin": (["cat; echo read-nothing"], None, {}),
}
JOBS["variables"] = (["echo $GREETING ${GREETING} $RAW"], None, JOBS["variables"][2])


def seen(job):
    """What a person reads of the job's own commands, in order."""
    own = ("$ ", "Job ", "Running", "Executing", "  on ", "Preparing", "Using", "Getting", "Skipping", "Cleaning", "Uploading", "drydock:", "WARNING", "ERROR", "Runtime", "out/", "Downloading")
    return [line for line in job.lines if line.strip() and not line.startswith(own) and ": found " not in line and ": excluded " not in line and "using git" not in line.lower() and "retrieving" not in line.lower()]


def echoed(job):
    return [line for line in job.lines if line.startswith("$ ")]


def files(job):
    """What was uploaded: names of directories are not compared, drydock packs files."""
    found = {}
    for up in job.uploads:
        with zipfile.ZipFile(io.BytesIO(up["bytes"])) as file:
            for info in file.infolist():
                if not info.is_dir():
                    found[info.filename] = (file.read(info), info.external_attr >> 16 & 0o777)
        found[up["name"]] = up["query"]
    return found


class Peer(Host):
    """A host on which GitLab's own runner is registered at the server instead."""

    def __init__(self):
        if not PEER:
            raise Skip("no gitlab-runner: set DRYDOCK_GITLAB_RUNNER to one (17.5.0)")
        super().__init__(register=False)
        self.gitlab.client = "gitlab-runner"
        self.config = os.path.join(self.dir, "config.toml")
        done = self.peer("register", "--non-interactive", "--config", self.config, "--url", self.gitlab.url, "--token", self.gitlab.token, "--executor", "shell", "--shell", "bash",
                         "--tls-ca-file", os.path.join(self.dir, "ca.pem"), "--builds-dir", os.path.join(self.dir, "builds"))
        check(done.returncode == 0, done.stdout + done.stderr)

    def peer(self, *args):
        return subprocess.run([PEER, *args], cwd=self.dir, env={**os.environ, "HOME": self.dir}, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL)

    def all(self, messages):
        with open(self.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text.replace("check_interval = 0", "check_interval = 1"))
        jobs = {name: self.gitlab.push(message) for name, message in messages.items()}
        log = open(os.path.join(self.dir, "peer.log"), "w+b")   # pylint: disable=consider-using-with
        process = subprocess.Popen([PEER, "run", "--config", self.config, "--working-directory", self.dir], cwd=self.dir, env={**os.environ, "HOME": self.dir},
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        process.log = log
        self.processes.append(process)
        deadline = time.monotonic() + 240
        while not all(job.ends for job in jobs.values()):
            check(time.monotonic() < deadline and process.poll() is None, f"{[n for n, j in jobs.items() if not j.ends]} have not ended\n{self.said(process)[-4000:]}")
            time.sleep(0.05)
        process.terminate()
        process.wait(60)
        return jobs


def message(host, name):
    script, after, more = JOBS[name]
    made = host.gitlab.message(script, after, **more)
    made["variables"].append({"key": "FF_TIMESTAMPS", "value": "false", "public": True, "masked": False})
    return made


@case("", "GitLab's own runner registers, verifies, takes jobs, sends traces and artifacts: the server finds nothing wrong with it")
def _():
    with Peer() as host:
        verified = host.peer("verify", "--config", host.config)
        check(verified.returncode == 0 and "is alive" in verified.stdout + verified.stderr or "is valid" in verified.stdout + verified.stderr, verified.stdout + verified.stderr)
        jobs = host.all({name: message(host, name) for name in ("success", "artifacts")})
        equal(host.gitlab.wrong, [], "what the server would refuse of GitLab's own runner")
        equal([(j.state, len(j.ends)) for j in jobs.values()], [("success", 1)] * 2, "ends")


@case("", "the same jobs come to the same ends through both: state, reason, exit code, lines, echoed commands, artifacts")
def _():
    with Peer() as host:
        theirs = host.all({name: message(host, name) for name in JOBS})
        equal(host.gitlab.wrong, [], "what the server would refuse of GitLab's own runner")
    with Host() as host:
        for name in JOBS:
            mine, other = host.once(message(host, name)), theirs[name]
            both = f"{name}\n--- drydock ---\n{mine.text}\n--- gitlab-runner ---\n{other.text}"
            equal((mine.state, mine.reason), (other.state, other.reason), f"end of {both}")
            # a command that fails without `exit` is status 1 in 17.5's shell executor, whatever its own was; here it is its own
            check(mine.exit_code == (42 if name == "code" else other.exit_code), f"exit code {mine.exit_code}, {other.exit_code} of {both}")
            equal(seen(mine), seen(other), f"lines of {both}")
            equal(echoed(mine), echoed(other), f"commands of {both}")
            equal(files(mine), files(other), f"artifacts of {both}")
        equal(host.gitlab.wrong, [], "what the server would refuse of drydock")


main()
