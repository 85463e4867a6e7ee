# SPDX-License-Identifier: Apache-2.0
"""gitlab.py - a host that is registered at the fake GitLab: state, policies, configuration; runs `drydock agent` on it."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fakes")]
from dd import AS_USER, DRYDOCK, check, equal  # noqa: E402
from gitlab_server import GitLab  # noqa: E402
from issuers import make_ca  # noqa: E402


class Host:
    def __init__(self, policy=None, config=None, register=True, **more):
        self.dir = tempfile.mkdtemp(prefix="dd-gitlab-")
        os.chmod(self.dir, 0o755)
        self.tls = make_ca(self.dir, *([more["host"]] if "host" in more else []))
        if more.pop("client_certificate", False):
            more["client_ca"] = self.tls["ca.pem"]
        self.env = {}
        self.gitlab = GitLab(self.tls, **more)
        self.state = os.path.join(self.dir, "state")
        os.mkdir(os.path.join(self.dir, "policy.d"))
        self.write("token", self.gitlab.token + "\n")
        self.out, self.processes = "", []
        if policy:
            self.write("policy.d/10.yml", policy if isinstance(policy, str) else json.dumps(policy))
        if config:
            self.write("drydock.yml", config if isinstance(config, str) else json.dumps(config))
        if register:
            done = self.drydock("register", "gitlab", "--url", self.gitlab.url, "--token-file", "token", "--ca-file", "ca.pem", "--name", "builder", "--state-dir", self.state)
            check(done.returncode == 0, "register: " + done.stdout + done.stderr)
            self.gitlab.log.clear()

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def environ(self):
        return {**os.environ, "XDG_STATE_HOME": os.path.join(self.dir, "xdg"), "HOME": self.dir, **self.env}

    def drydock(self, *args, timeout=60):
        return subprocess.run([DRYDOCK, *args], cwd=self.dir, env=self.environ(), capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL)

    def argv(self, *more):
        config = ["--config", "drydock.yml"] if os.path.exists(os.path.join(self.dir, "drydock.yml")) else []
        return [DRYDOCK, "agent", "--state-dir", self.state, "--policy-dir", "policy.d", *config, *more]

    def start(self, *more):
        log = open(os.path.join(self.dir, f"agent-{len(self.processes)}.log"), "w+b")   # pylint: disable=consider-using-with
        process = subprocess.Popen([*AS_USER, *self.argv(*more)], cwd=self.dir, env=self.environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        process.log = log
        self.processes.append(process)
        return process

    def said(self, process):
        process.log.seek(0)
        return process.log.read().decode("utf-8", "replace")

    def once(self, message=None, rc=None, timeout=60, **more):
        """Run one job with `agent --once`; the server's Job, with .rc and .out of the agent."""
        job = self.gitlab.push(message) if message else None
        process = self.start("--once")
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"the agent did not end within {timeout} s\n{self.said(process)}\n{job.text if job else ''}") from None
        out = self.said(process)
        if job:
            job.rc, job.out = process.returncode, out
            check(rc is None or job.rc == rc, f"exit status {job.rc} instead of {rc}\n{out}\n--- log ---\n{job.text}")
        return job or process

    def run(self, script, *, rc=0, after=None, variables=(), timeout=60, **more):
        """A job of @script; checks that nothing was sent which a GitLab would refuse."""
        job = self.once(self.gitlab.message(script, after, variables, **more), rc, timeout)
        equal(self.gitlab.wrong, [], "what GitLab would refuse")
        return job

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.log.close()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._alive():   # hosts of jobs outlive an agent that was killed
            time.sleep(0.05)
        self.gitlab.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _alive(self):
        where, found = self.state.encode(), False
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        found = found or where in file.read()
                except OSError:
                    pass
        return found
