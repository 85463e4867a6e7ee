# SPDX-License-Identifier: Apache-2.0
"""github.py - a host that is a runner of GitHub's, beside a stand-in for its services (tests/fakes/github_server.py)."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fakes"))
from dd import DRYDOCK, at_end, descendants, equal  # noqa: E402
from github_server import GitHub  # noqa: E402
from issuers import make_ca  # noqa: E402
from world import ALLOWED, Resolver  # noqa: E402

TLS = None
NAME, RESOLVER = "git.corp.test", []


def tls():
    global TLS   # pylint: disable=global-statement
    if not TLS:
        where = tempfile.mkdtemp(prefix="dd-github-tls-")
        os.chmod(where, 0o755)
        TLS = make_ca(where, NAME)
        TLS["where"] = where
        at_end.append(where)
    return TLS


class World:
    """A server and a host. .start(): the agent with a JIT configuration; .finish(): (exit code, what it said)."""

    def __init__(self, policy=None, **more):
        self.server = GitHub(tls(), **more)
        self.dir = tempfile.mkdtemp(prefix="dd-github-")
        os.chmod(self.dir, 0o755)
        self.policies = os.path.join(self.dir, "policy.d")
        os.mkdir(self.policies)
        if policy is not None:
            self.write("policy.d/p.yml", policy if isinstance(policy, str) else json.dumps(policy))
        self.process, self.out, self.violations = None, "", []

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
            file.write(text)
        return os.path.join(self.dir, name)

    def start(self, *options, jit=None, stdin=None):
        blob = jit if jit is not None else self.server.jit()
        where = "-" if stdin else self.write("jit", blob)
        self.process = subprocess.Popen([DRYDOCK, "agent", "--once", "--jitconfig-file", where, "--state-dir", os.path.join(self.dir, "state"), "--policy-dir", self.policies,
                                         "--ca-file", tls()["ca.pem"], *options], cwd=self.dir, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        if stdin:
            self.process.stdin.write(blob.encode())
            self.process.stdin.close()
            self.process.stdin = None
        return self

    def finish(self, timeout=120):
        try:
            out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent does not end; log: {self.server.log[-30:]}") from None
        self.out = out.decode("utf-8", "replace")
        return self.process.returncode

    def run(self, *options, **more):
        return self.start(*options, **more).finish()

    def clean(self, *allowed):
        """Nothing that a careful server would wonder about, and nothing left on the host."""
        wrong = [v for v in self.server.violations if not any(a in v for a in allowed)]
        equal(wrong, [], f"violations; the agent said:\n{self.out}\nlog: {self.server.log}")
        equal(glob.glob(self.dir + "/state/github/*"), [], "left in the spool")
        equal(os.listdir(self.dir + "/state/jobs") if os.path.isdir(self.dir + "/state/jobs") else [], [], "left of jobs")

    def files(self):
        for where, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        yield path, file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            pids = descendants(self.process.pid)
            self.process.kill()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.communicate()
        self.server.end()
        shutil.rmtree(self.dir, ignore_errors=True)


def git(where, *args):
    env = {"PATH": "/usr/bin:/bin", "HOME": where, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    return subprocess.run(["git", *args], cwd=where, env=env, check=True, capture_output=True, text=True).stdout.strip()


def with_repository(policy=None, commits=3):
    if not RESOLVER:
        RESOLVER.append(Resolver())
    RESOLVER[0].say(NAME, ALLOWED)
    w = World(policy, host=NAME, address=ALLOWED)
    work = os.path.join(w.dir, "work")
    os.mkdir(work)
    git(work, "init", "-q", "-b", "main")
    for i in range(commits):
        with open(os.path.join(work, "README"), "w", encoding="utf-8") as file:
            file.write(f"commit {i}\n")
        git(work, "add", "-A")
        git(work, "commit", "-qm", f"commit {i}")
    w.server.repositories = os.path.join(w.dir, "repositories")
    os.makedirs(w.server.repositories + "/acme")
    git(work, "clone", "-q", "--bare", work, w.server.repositories + "/acme/app.git")
    w.sha = [git(work, "rev-parse", f"HEAD~{i}") for i in range(commits)]
    return w


def register(w, *options, token="REGTOKEN", path="/acme/app"):
    w.write("token", token + "\n")
    return subprocess.run([DRYDOCK, "register", "github", "--url", w.server.url + path, "--token-file", "token", "--ca-file", tls()["ca.pem"], "--state-dir", os.path.join(w.dir, "state"), *options],
                          cwd=w.dir, capture_output=True, text=True, check=False, timeout=60)


def agent(w, *options):
    w.process = subprocess.Popen([DRYDOCK, "agent", "--state-dir", os.path.join(w.dir, "state"), "--policy-dir", w.policies, *options], cwd=w.dir, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    return w


def process_of(w, name):
    """The pid of the agent's descendant that ps shows as @name."""
    for pid in descendants(w.process.pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().strip() == name:
                    return pid
        except OSError:
            pass
    return None


def kin(w):
    """job host, keeper, supervisor of the job that runs, by their place."""
    def children(pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(n) for n in file.read().split()]

    def name(pid):
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    host = next(p for p in children(w.process.pid) if name(p) != "dd-broker")
    keeper = next(p for p in children(host) if name(p) != "dd-courier")
    return host, keeper, children(keeper)[0]
