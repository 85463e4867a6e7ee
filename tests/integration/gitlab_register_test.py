#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_register_test.py - `drydock register gitlab`, `unregister` and `agent --check`: what is asked, what is written down, what is refused and said. Ids are
those of the protocol's checklist."""
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import DRYDOCK, case, check, equal, main  # noqa: E402
from gitlab_server import GitLab  # noqa: E402
from issuers import make_ca  # noqa: E402


class Host:
    """A directory with a state, a policy directory, a token and an authority; .gitlab is its server."""

    def __init__(self, **more):
        self.dir = tempfile.mkdtemp(prefix="dd-gitlab-")
        os.chmod(self.dir, 0o755)
        self.tls = make_ca(self.dir)
        self.gitlab = GitLab(self.tls, **more)
        self.state = os.path.join(self.dir, "state")
        os.mkdir(os.path.join(self.dir, "policy.d"))
        self.write("token", self.gitlab.token + "\n")

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def drydock(self, *args, timeout=60):
        env = {**os.environ, "XDG_STATE_HOME": os.path.join(self.dir, "xdg")}
        done = subprocess.run([DRYDOCK, *args], cwd=self.dir, env=env, capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL)
        done.out = done.stdout + done.stderr
        return done

    def register(self, *more, url=None, ca="ca.pem", rc=0):
        done = self.drydock("register", "gitlab", "--url", url or self.gitlab.url, "--token-file", "token", "--state-dir", self.state, *(["--ca-file", ca] if ca else []), *more)
        check(done.returncode == rc, f"register: {done.returncode} instead of {rc}: {done.out}")
        return done

    def check(self, *more, rc=0):
        done = self.drydock("agent", "--check", "--state-dir", self.state, "--policy-dir", "policy.d", *more)
        check(done.returncode == rc, f"agent --check: {done.returncode} instead of {rc}: {done.out}")
        return done

    def registrations(self):
        where = os.path.join(self.state, "runners")
        return sorted(n for n in os.listdir(where) if n.endswith(".json")) if os.path.isdir(where) else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gitlab.end()
        shutil.rmtree(self.dir, ignore_errors=True)


@case("", "register verifies the token and writes it down for nobody else")
def _():
    with Host() as host:
        done = host.register()
        check(f"runner {host.gitlab.runner_id} of {host.gitlab.url} is registered as" in done.out, done.out)
        equal(len(host.registrations()), 1, "registrations")
        path = os.path.join(host.state, "runners", host.registrations()[0])
        equal(os.stat(path).st_mode & 0o777, 0o600, "mode")
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
        equal((written["token"], written["id"], written["forge"]), (host.gitlab.token, host.gitlab.runner_id, "gitlab"), "written")
        check(host.gitlab.token not in done.out, "the token was printed")
        equal([e[0] for e in host.gitlab.log], ["POST runners/verify"], "requests")
        equal(host.gitlab.wrong, [], "what GitLab would refuse")
        check(host.check().out.startswith("localhost-"), "the check names it")


@case("", "the system id is stable, and another host's is another")
def _():
    with Host() as host:
        host.register()
        host.register()
        equal(len(host.gitlab.managers), 1, "managers")
        path = os.path.join(host.state, "runners", "system_id")
        equal(os.stat(path).st_mode & 0o777, 0o600, "mode")
        with open(path, "w", encoding="ascii") as file:
            file.write("not an id")
        host.register()
        with open(path, encoding="ascii") as file:
            check(file.read() in host.gitlab.managers, "it was made anew")


@case("", "a token that GitLab does not know is refused, and nothing is written")
def _():
    with Host() as host:
        host.write("token", "glrt-not-this-one")
        done = host.register(rc=2)
        check("403: 403 Forbidden" in done.out, done.out)
        equal(host.registrations(), [], "registrations")


@case("", "a token of several words, an empty file and a registration token are refused before anybody is asked")
def _():
    with Host() as host:
        for text, said in (("two words", "holds no token"), ("", "holds no token"), ("GR1348941abcdef", "registration token")):
            host.write("token", text)
            check(said in host.register(rc=2).out, text)
        equal(host.gitlab.log, [], "requests")


@case("", "plain HTTP is refused, and every other thing that is no address")
def _():
    with Host() as host:
        check("plain HTTP" in host.register(url=host.gitlab.url.replace("https", "http"), rc=2).out, "http")
        for url in ("ftp://x", "https://", "https:///x", "localhost", "https://user@localhost/", "https://localhost/?a=1", "https://a b/"):
            host.register(url=url, rc=2)
        equal(host.gitlab.log, [], "requests")


@case("", "addresses with a slash at the end and with /ci are one runner")
def _():
    with Host() as host:
        for url in (host.gitlab.url + "/", host.gitlab.url + "/ci", host.gitlab.url + "/ci/"):
            host.register(url=url)
        equal(len(host.registrations()), 1, "registrations")
        equal({e[0] for e in host.gitlab.log}, {"POST runners/verify"}, "paths")


@case("", "an unknown authority ends it, --ca-file trusts one more, and a file without a certificate is told")
def _():
    with Host() as host:
        check("certificate" in host.register(ca=None, rc=5).out, "unknown authority")
        host.register()
        host.write("nothing.pem", "no certificate\n")
        check("holds no certificate" in host.register(ca="nothing.pem", rc=2).out, "no certificate")


@case("", "answers: JSON with a charset is one, HTML is not, and 5xx is tried again as the server asks")
def _():
    with Host() as host:
        said = json.dumps({"id": 5, "token": host.gitlab.token, "token_expires_at": None}).encode()
        host.gitlab.answers["POST runners/verify"] = [(503, b"", {"Retry-After": "1"}), (500, b"", {}), (200, said, {"Content-Type": "application/json; charset=utf-8"})]
        check("runner 5 " in host.register().out, "charset")
        equal(len(host.gitlab.log), 3, "tries")
        host.gitlab.answers["POST runners/verify"] = [(200, b"<html>hello</html>", {"Content-Type": "text/html"})]
        check("not JSON" in host.register(rc=5).out, "HTML")
        ids = [e[2]["X-Request-Id"] for e in host.gitlab.log]
        equal(len(set(ids)), len(ids), "request ids")


class Elsewhere:
    """Another origin: notes the headers of what comes, answers like GitLab."""

    def __init__(self, host, status=200, body=None):
        self.seen = seen = []
        said = body or json.dumps({"id": 6, "token": "x", "token_expires_at": None}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                seen.append((self.path, dict(self.headers), self.rfile.read(int(self.headers.get("Content-Length") or 0))))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(host.tls["server.pem"], host.tls["server.key"])
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self.server.server_port}"


@case("", "307 and 308 keep method and body; the token's header goes to no other host; nothing leads to plain HTTP")
def _():
    with Host() as host:
        other = Elsewhere(host)
        for status in (307, 308):
            host.gitlab.answers["POST runners/verify"] = [(status, b"", {"Location": other.url + "/elsewhere"})]
            host.register()
        equal([s[0] for s in other.seen], ["/elsewhere"] * 2, "where it went")
        check(all("RUNNER-TOKEN" not in s[1] and json.loads(s[2])["system_id"] for s in other.seen), f"headers {other.seen}")
        host.gitlab.answers["POST runners/verify"] = [(307, b"", {"Location": "/api/v4/runners/verify"})]
        host.register()
        host.gitlab.answers["POST runners/verify"] = [(307, b"", {"Location": other.url.replace("https", "http") + "/x"})]
        check("without TLS" in host.register(rc=5).out, "http")
        host.gitlab.answers["POST runners/verify"] = [(308, b"", {"Location": "/api/v4/runners/verify"})] * 9
        check("redirects more than" in host.register(rc=5).out, "a circle")
        other.server.shutdown()
        other.server.server_close()


@case("", "unregister takes this host's manager away and forgets the token")
def _():
    with Host() as host:
        host.register("--name", "builder")
        done = host.drydock("unregister", "builder", "--state-dir", host.state)
        equal((done.returncode, host.registrations(), host.gitlab.managers), (0, [], {}), done.out)
        equal(host.drydock("unregister", "builder", "--state-dir", host.state).returncode, 2, "a second time")


@case("", "the check of a configuration says file, line, column, and what was meant")
def _():
    with Host() as host:
        host.register("--name", "builder")
        host.write("drydock.yml", "version: 1\njobs: 4\nstop: finish\nrunners:\n  builder: { jobs: 2, images: [ 'debian:*' ], projects: 'shipyard/*', log: 1MiB, poll: 5s }\n")
        check("builder: runner 4711" in host.check("--config", "drydock.yml").out, "good")
        for text, said in (("version: 1\njbos: 4\n", "drydock.yml:2:1"), ("version: 2\n", "unknown version"), ("jobs: 4\n", "version"),
                           ("version: 1\njobs: 0\n", "drydock.yml:2:7"), ("version: 1\nrunners:\n  bulider: { jobs: 1 }\n", "did you mean `builder`?"),
                           ("version: 1\nrunners:\n  builder: { poll: never }\n", "drydock.yml:3:20"), ("version: 1\nmetrics: here.prom\n", "absolute"),
                           ("version: 1\nrecord: { key: here.pem }\n", "absolute path of a private key"), ("version: 1\nrecord: { kye: /k }\n", "drydock.yml:2:11"),
                           ("version: 1\nrecord: { key: /is/not/there.pem }\n", "the record cannot be signed"), ("version: 1\nrecord: { to: fluentd }\n", "it goes to journald"),
                           ("version: 1\nstop: never\n", "finish"), ("version: 1\nversion: 1\n", "drydock.yml:2:1")):
            host.write("drydock.yml", text)
            done = host.check("--config", "drydock.yml", rc=2)
            check(said in done.out, f"{text!r}: {done.out}")
        host.check("--config", "is-not-there.yml", rc=2)
        host.write("policy.d/bad.yml", "version: 1\nstesp: []\n")
        check("bad.yml:2:1" in host.check(rc=2).out, "a policy that is broken")


@case("", "without a registration, and with one that is damaged, the check fails and says what to do")
def _():
    with Host() as host:
        check("drydock register gitlab" in host.check(rc=2).out, "none")
        host.register("--name", "builder")
        with open(os.path.join(host.state, "runners", "builder.json"), "w", encoding="ascii") as file:
            file.write("{}")
        check("register again" in host.check(rc=2).out, "damaged")


main()
