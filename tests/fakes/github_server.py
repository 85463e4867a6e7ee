# SPDX-License-Identifier: Apache-2.0
"""github_server.py - a strict stand-in for GitHub's runner services (the V2 flow): registration, OAuth, broker, run service, results, blob store, action archives.

Written from the protocol's description alone and sharing nothing with our client. Real TLS. Signatures, tokens, audiences, order of calls, ids and states are checked; what a
server would refuse is refused, and what a careful server would wonder about is in .violations, which a test expects to be empty. Answers can be scripted: .script[name] holds
(status, body) pairs that come before the real answer of the endpoint of that name.

It is not only our own opinion: with quirks=True ChristopherHX/github-act-runner 0.13.0 (built from its source; SSL_CERT_FILE names the authority) registers here and runs a job from
its JIT blob to completejob. What it does otherwise than the official runner (names in Pascal case, `Bearer` at registration, a look at the older protocol first) is then in .differences."""
import base64
import hashlib
import http.server
import io
import json
import os
import re
import secrets
import ssl
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.parse
import uuid

ZERO = "00000000-0000-0000-0000-000000000000"
GUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
TWIRP = "/results/twirp/"
RECEIVER, UPDATE = TWIRP + "results.services.receiver.Receiver/", TWIRP + "github.actions.results.api.v1.WorkflowStepUpdateService/"
LINE = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z .*$")


# ---- keys ----

def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def der(tag, body):
    n = len(body)
    size = bytes([n]) if n < 128 else bytes([0x80 | len(n.to_bytes((n.bit_length() + 7) // 8, "big"))]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + size + body


def der_int(number):
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def public_pem(modulus, exponent):
    key = der(0x30, der_int(modulus) + der_int(exponent))
    info = der(0x30, der(0x30, bytes.fromhex("06092a864886f70d010101") + b"\x05\x00") + der(3, b"\0" + key))
    return "-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(info).decode() + "-----END PUBLIC KEY-----\n"


def _der_ints(blob):
    """The integers of a PKCS#1 RSAPrivateKey."""
    def head(at):
        size, at = blob[at + 1], at + 2
        if size & 0x80:
            n = size & 0x7f
            return int.from_bytes(blob[at:at + n], "big"), at + n
        return size, at
    _, at = head(0)
    out = []
    while at < len(blob):
        size, body = head(at)
        out.append(int.from_bytes(blob[body:body + size], "big"))
        at = body + size
    return out


def make_rsa():
    """(modulus, exponent, members of a .credentials_rsaparams file)."""
    text = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True, text=True).stdout
    blob = base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-")))
    _, n, e, d, p, q, dp, dq, qi = _der_ints(blob)

    def text_of(number):
        return base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()
    return n, e, {name: text_of(value) for name, value in (("modulus", n), ("exponent", e), ("d", d), ("p", p), ("q", q), ("dp", dp), ("dq", dq), ("inverseQ", qi))}


# ---- documents ----

def context(value):
    if isinstance(value, dict):
        return {"t": 2, "d": [{"k": k, "v": context(v)} for k, v in value.items()]}
    return {"t": 1, "a": [context(v) for v in value]} if isinstance(value, list) else value


def mapping(pairs):
    return {"type": 2, "map": [{"Key": k, "Value": v} for k, v in pairs.items()]}


def expression(text):
    return {"type": 3, "expr": text}


def script(text, name=None, **more):
    """A run step; @text may be an expression. Members of the step come as @more, `shell` and `workingDirectory` as inputs."""
    inputs = {"script": text, **{k: more.pop(k) for k in ("shell", "workingDirectory") if k in more}}
    return {"type": "action", "id": str(uuid.uuid4()), "name": name or "__run", "contextName": name or "__run", "condition": "success()", "reference": {"type": "script"}, "inputs": mapping(inputs), **more}


def action(uses, inputs=None, name=None, **more):
    where, ref = uses.split("@")
    owner, repo, *path = where.split("/")
    return {"type": "action", "id": str(uuid.uuid4()), "name": name or f"__{owner}_{repo}", "contextName": name or f"__{owner}_{repo}", "condition": "success()",
            "reference": {"type": "repository", "name": f"{owner}/{repo}", "ref": ref, "repositoryType": "GitHub", "path": "/".join(path)}, "inputs": mapping(inputs or {}), **more}


PUSH = {"ref": "refs/heads/main", "sha": "1" * 40, "repository": "acme/app", "repository_owner": "acme", "run_id": "9001", "run_number": "17", "run_attempt": "1", "actor": "dana",
        "triggering_actor": "dana", "workflow": "ci", "event_name": "push", "ref_name": "main", "ref_type": "branch", "ref_protected": True, "server_url": "https://github.com",
        "api_url": "https://api.github.com", "graphql_url": "https://api.github.com/graphql", "event": {"ref": "refs/heads/main", "repository": {"full_name": "acme/app"}}}


class Job:
    """One job as the server sees it. .steps: results of completejob by record id; .log(step): its lines; .states: what step updates said."""

    def __init__(self, server, steps, github=None, secrets_=None, variables=None, **more):
        self.server, self.number = server, len(server.jobs) + 1
        self.plan_id, self.job_id, self.request_id = (str(uuid.uuid4()) for _ in range(3))
        self.token = "job-token-" + secrets.token_hex(12)
        self.delivered = self.acknowledged = self.acquired = self.renewed = self.completed = None
        self.fed = []   # (step id, number of the line, text), as the live feed brought them
        self.renewals, self.change_order, self.states, self.step_blobs, self.metadata, self.summaries, self.job_blob = [], 0, {}, {}, {}, {}, None
        self.gone = False   # the server gave it to somebody else
        base = server.url
        self.document = {
            "messageType": "RunnerJobRequest", "plan": {"scopeIdentifier": ZERO, "planType": "actions", "version": 12, "planId": self.plan_id},
            "timeline": {"id": self.plan_id, "changeId": 1}, "jobId": self.job_id, "jobDisplayName": "build", "jobName": "build", "requestId": 0,
            "billingOwnerId": "O_1",
            "resources": {"endpoints": [{"name": "SystemVssConnection", "url": f"{base}/run/{self.number}/", "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": self.token}},
                                         "data": {"ResultsServiceUrl": base + "/results/", "GenerateIdTokenUrl": f"{base}/run/{self.number}/idtoken?v=1",
                                                  **({"FeedStreamUrl": base.replace("https", "wss") + "/feed/ingest.sock"} if server.feed else {})}}], "repositories": [], "containers": []},
            "contextData": {"github": context({**PUSH, **(github or {})}), "needs": {"t": 2}, "inputs": None, "vars": {"t": 2}, "matrix": None,
                            "strategy": context({"fail-fast": True, "job-index": 0, "job-total": 1, "max-parallel": 1})},
            "mask": [], "environmentVariables": [], "defaults": [], "jobContainer": None, "jobServiceContainers": None, "jobOutputs": None, "actionsEnvironment": None,
            "variables": {"system.github.token": {"value": "ghs_" + self.token, "isSecret": True}, "system.github.job": {"value": "build"},
                          "system.github.results_endpoint": {"value": base + "/results/"}, "system.github.launch_endpoint": {"value": base + "/"},
                          **{name: {"value": value, "isSecret": True} for name, value in (secrets_ or {}).items()}, **{name: {"value": value} for name, value in (variables or {}).items()}},
            "steps": steps, "fileTable": [".github/workflows/ci.yml"], **more}

    def log(self, step):
        """Lines of a step without their times; @step: a member of the document's steps, or a record id."""
        record = step["id"] if isinstance(step, dict) else step
        blob = self.step_blobs.get(record)
        return None if blob is None else [line.split(" ", 1)[1] for line in blob.data.decode().splitlines()]

    def all_log(self):
        return "\n".join(line for record in self.step_blobs for line in self.log(record) or [])

    def notes(self):
        """What is said of the job as a whole: where the server shows that, else of "Set up job"."""
        wanted = self.document["variables"].get("actions_send_job_level_annotations", {}).get("value") == "true"
        return self.completed["annotations"] if wanted else self.completed["stepResults"][0]["annotations"]

    def result(self, step):
        return next((s for s in (self.completed or {}).get("stepResults", []) if s["external_id"] == step["id"]), None)


class Blob:
    def __init__(self, what):
        self.what, self.data, self.kind, self.sealed = what, b"", None, False


# ---- the server ----

class GitHub:
    """.url; .runners: id -> registration; .job(steps): queue one; .violations: what was wrong, in words; .log: (name, status) of every request."""

    def __init__(self, tls, poll=5.0, min_version="2.329.0", host="localhost", address="127.0.0.1", quirks=False):
        self.violations, self.log, self.jobs, self.queue, self.script, self.runners = [], [], [], [], {}, {}
        self.tokens, self.sessions, self.blobs, self.jtis, self.polls, self.archives = {}, {}, {}, set(), [], {}
        self.registration_tokens, self.removal_tokens, self.requests = set(), set(), []
        self.poll, self.min_version, self.token_life, self.clock, self.lease = poll, min_version, 3600, 0, 600
        self.changed = threading.Condition()
        self.differences = []
        self.quirks = quirks   # let pass what ChristopherHX/github-act-runner does otherwise than the official runner
        self.resolved, self.renamed, self.archive_log, self.codeload = [], {}, [], None   # each question; uses -> members of its answer; (host, token); another server
        self.plain_bodies, self.fair = False, False
        self.hook = None   # called with the name of each request: None, or (status, body) instead of the answer; status 0: the connection is dropped
        self.personal_tokens, self.app = set(), None   # app: {"id", "pem"}
        self.feed, self.feeds = None, 0   # "ok"; or what is wrong with it: "refuse", "stall", "drop"; how often it was opened
        self.repositories, self.git_log = None, []   # a directory of bare repositories; (path, user, token)
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True   # head and body are two writes: else each answer waits 40 ms for an acknowledgement
            wbufsize = -1   # and one segment

            def log_message(self, *args):
                pass

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path.startswith("/feed/"):
                    owner.live(self)
                    return
                if owner.repositories and re.search("/(info/refs|git-upload-pack)(\\?|$)", self.path):
                    owner.git(self, body)
                    return
                try:
                    status, answer, headers = owner.answer(self.command, self.path, self.headers, body)
                except Exception as error:   # pylint: disable=broad-except
                    owner.violations.append(f"{self.command} {self.path}: {type(error).__name__}: {error}")
                    status, answer, headers = 500, None, {}
                text = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
                if status == 0:
                    self.close_connection = True
                    return
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                    self.wfile.flush()
                except OSError:
                    pass   # who asked is gone
            do_GET = do_POST = do_DELETE = do_PUT = serve

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 64

            def handle_error(self, *_):
                pass   # a client that was killed

        self.server = Server((address, 0), Handler)
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(tls["server.pem"], tls["server.key"])
        self.server.socket = secure.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        with self.changed:
            self.poll = 0
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def now(self):
        return time.time() + self.clock

    def wrong(self, text):
        (self.differences if self.quirks else self.violations).append(text)

    def _json(self, body):
        """With quirks, names in Pascal case are taken for those in camel case, as GitHub's own server does."""
        def camel(value):
            if isinstance(value, dict):
                return {k.lower() if k.isupper() else k[:1].lower() + re.sub("ID$", "Id", k[1:]): camel(v) for k, v in value.items()}
            return [camel(v) for v in value] if isinstance(value, list) else value
        return camel(json.loads(body)) if self.quirks else json.loads(body)

    # ---- what tests ask for ----

    def runner(self, name="jit-1", ephemeral=True, **more):
        """A runner whose key the server made; its id."""
        n, e, parameters = make_rsa()
        number = len(self.runners) + 41
        self.runners[number] = {"id": number, "name": name, "client_id": str(uuid.uuid4()), "pem": public_pem(n, e), "ephemeral": ephemeral, "parameters": parameters, "alive": True, **more}
        return number

    def jit(self, name="jit-1", **more):
        """The blob of a just-in-time runner. @more: members of .runner that are laid over. With a byte order mark in front of each file, as the server has it."""
        mark = b"" if self.quirks else b"\xef\xbb\xbf"
        runner = self.runners[self.runner(name)]
        files = {
            ".runner": {"AgentId": str(runner["id"]), "AgentName": name, "PoolId": "1", "PoolName": "Default", "DisableUpdate": "True", "Ephemeral": "True", "ServerUrl": self.url + "/tenant/",
                        "GitHubUrl": "", "WorkFolder": "_work", "UseV2Flow": "True", "ServerUrlV2": self.url + "/broker/", **more},
            ".credentials": {"scheme": "OAuth", "data": {"clientId": runner["client_id"], "authorizationUrl": self.url + "/oauth/token", "requireFipsCryptography": "True"}},
            ".credentials_rsaparams": runner["parameters"],
        }
        packed = {key: base64.b64encode(mark + json.dumps(value).encode()).decode() for key, value in files.items()}
        return base64.b64encode(json.dumps(packed).encode()).decode()

    def job(self, steps, **more):
        job = Job(self, steps, **more)
        self.jobs.append(job)
        self.say("RunnerJobRequest", {"id": str(uuid.uuid4()), "runner_request_id": job.request_id, "should_acknowledge": True, "run_service_url": f"{self.url}/run/{job.number}/", "billing_owner_id": "O_1"}, job)
        return job

    def requeue(self, seconds):
        """Once a second or so: what GitHub does with a job that a runner got and never began, and with one whose lease is over."""
        now = time.monotonic()
        with self.changed:
            for job in self.jobs:
                stale = job.delivered and not job.completed and not job.renewals and now - job.delivered > seconds
                if stale and not any(j is job for _, _, j in self.queue):
                    job.delivered = job.acquired = job.acknowledged = None
                    self.queue.append(("RunnerJobRequest", {"id": str(uuid.uuid4()), "runner_request_id": job.request_id, "should_acknowledge": True,
                                                            "run_service_url": f"{self.url}/run/{job.number}/", "billing_owner_id": "O_1"}, job))
            self.changed.notify_all()

    def cancel(self, job, timeout="00:05:00"):
        self.say("JobCancellation", {"jobId": job.job_id, "timeout": timeout})

    def say(self, kind, body, job=None):
        with self.changed:
            self.queue.append((kind, body, job))
            self.changed.notify_all()

    def wait(self, what, seconds=60):
        """Until @what() is true; its value."""
        until = time.monotonic() + seconds
        with self.changed:
            while not (value := what()):
                if time.monotonic() > until:
                    raise AssertionError(f"waited {seconds} s in vain; violations: {self.violations}; log: {self.log[-20:]}")
                self.changed.wait(0.05)
        return value

    def names(self):
        return [name for name, _ in self.log]

    # ---- dispatch ----

    def answer(self, method, path, headers, body):
        where, _, query = path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        name, serve = self._route(method, where)
        with self.changed:
            self.requests.append((time.monotonic(), method, path, dict(headers), body))
            waiting = self.script.get(name)
            scripted = waiting.pop(0) if waiting else None
        if name == "?":
            self.wrong(f"{method} {where}: there is no such endpoint")
        trouble = self.hook(name) if self.hook and not scripted else None
        if trouble is not None:
            scripted = trouble
        if scripted and not callable(scripted):
            status, answer, more = (*scripted, {})[:3] if len(scripted) < 3 else scripted
        else:
            status, answer, more = serve(where, query, headers, body) if not scripted else scripted(where, query, headers, body)
        with self.changed:
            self.log.append((name, status))
            self.changed.notify_all()
        return status, answer, more

    def _route(self, method, where):
        api = "/api/v3"
        fixed = {("POST", api + "/actions/runner-registration"): ("exchange", self._exchange), ("POST", api + "/actions/runners/register"): ("register", self._register),
                 ("POST", "/oauth/token"): ("token", self._token), ("POST", "/broker/session"): ("session", self._session), ("DELETE", "/broker/session"): ("session-end", self._session_end),
                 ("GET", "/broker/message"): ("message", self._message), ("POST", "/broker/acknowledge"): ("acknowledge", self._acknowledge)}
        if self.quirks and where == "/tenant/_apis/connectionData":
            return "connection", self._connection
        if self.quirks and re.match(r"/tenant/_apis/distributedtask/pools/\d+/sessions$", where) and method == "POST":
            return "migrate", self._migrate
        if (method, where) in fixed:
            return fixed[(method, where)]
        if match := re.match(rf"{api}/(repos/[^/]+/[^/]+|orgs/[^/]+|enterprises/[^/]+)/(actions/runners/(registration-token|remove-token)|installation)$", where):
            return ("mint", self._mint) if match[3] and method == "POST" else ("installation", self._installation) if method == "GET" and not match[3] else ("?", self._nothing)
        if where == api + "/app/installations/77/access_tokens" and method == "POST":
            return "access", self._access
        if match := re.match(rf"{api}/(repos/[^/]+/[^/]+|orgs/[^/]+|enterprises/[^/]+)/actions/(runner-groups|runners)(/\d+)?$", where):
            return {"GETrunner-groups": ("groups", self._groups), "GETrunners": ("find", self._find), "DELETErunners": ("remove", self._remove)}.get(method + match[2], ("?", self._nothing))
        if match := re.match(r"/run/(\d+)/(acquirejob|renewjob|completejob)$", where):
            return match[2], getattr(self, "_" + match[2])
        if where.startswith(RECEIVER) and method == "POST":
            return where[len(RECEIVER):], self._receiver
        if where == UPDATE + "WorkflowStepsUpdate" and method == "POST":
            return "steps", self._steps
        if where.startswith("/blob/") and method == "PUT":
            return "blob", self._blob
        if re.match(r"/actions/build/[^/]+/jobs/[^/]+/runnerresolve/actions$", where) and method == "POST":
            return "resolve", self._resolve
        if where.startswith("/archive/") and method == "GET":
            return "archive", self._archive
        if where.startswith("/codeload/") and method == "GET":
            return "codeload", self._codeload
        return "?", self._nothing

    def _connection(self, *_):
        """Asked for by a client that knows the older protocol; nothing is offered there."""
        return 200, {"locationServiceData": {"serviceDefinitions": [{"serviceType": "distributedtask", "identifier": "134e239e-2df3-4794-a6f6-24f1f19ec8dc",
                                                                     "relativePath": "_apis/distributedtask/pools/{poolId}/sessions", "relativeToSetting": "fullyQualified"}]}}, {}

    def _migrate(self, where, query, headers, body):
        return (200, {"sessionId": ZERO, "brokerMigrationMessage": {"brokerBaseUrl": self.url + "/broker"}}, {}) if self._runner(headers) else (401, None, {})

    def _nothing(self, *_):
        return 404, {"message": "Not Found"}, {}

    def git(self, handler, body):
        """git http-backend behind the token of a job that runs, as GitHub has it."""
        given = handler.headers.get("Authorization", "")
        user, _, token = base64.b64decode(given[6:] if given.startswith("Basic ") else "").decode("latin-1").partition(":")
        path, _, query = handler.path.partition("?")
        self.git_log.append((path, user, token))
        if user != "x-access-token" or token not in ["ghs_" + job.token for job in self.jobs if job.acquired and not job.completed]:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        env = {"PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": self.repositories, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": re.sub("^(/[^/]+/[^/.]+)(\\.git)?/", "\\1.git/", path), "QUERY_STRING": query,
               "REQUEST_METHOD": handler.command, "CONTENT_TYPE": handler.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "2",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_1": "true"}
        done = subprocess.run(["/usr/lib/git-core/git-http-backend"], input=body, env=env, capture_output=True, check=False)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
        handler.send_response(next((int(v.split()[0]) for k, v in lines if k == "Status"), 200))
        for name, value in lines:
            if name != "Status":
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest)

    # ---- registration ----

    def _remote(self, headers, tokens):
        if self.quirks and headers.get("Authorization", "").lower() == "bearer tenant-token":
            return True
        return re.fullmatch(r"RemoteAuth (\S+)", headers.get("Authorization", "")) is not None and headers["Authorization"][11:] in tokens

    def _exchange(self, where, query, headers, body):
        asked = self._json(body)
        tokens = self.registration_tokens if asked["runner_event"] == "register" else self.removal_tokens
        if not self._remote(headers, tokens):
            return 401, {"message": "Bad credentials"}, {}
        if not asked["url"].startswith(self.url + "/"):
            return 404, {"message": "Not Found"}, {}
        return 200, {"url": self.url + "/tenant/", "token_schema": "OAuthAccessToken", "token": "tenant-token", "use_v2_flow": True}, {}

    def _mint(self, where, query, headers, body):
        if headers.get("Authorization") not in ["Bearer " + t for t in self.personal_tokens]:
            return 401, {"message": "Bad credentials"}, {}
        token = "minted-" + secrets.token_hex(8)
        (self.registration_tokens if where.endswith("/registration-token") else self.removal_tokens).add(token)
        return 201, {"token": token, "expires_at": "2030-01-01T00:00:00Z"}, {}

    def _app(self, headers):
        """Is it this app's own assertion?"""
        head, claims, signature = headers.get("Authorization", "").removeprefix("Bearer ").split(".")
        said = json.loads(b64url(claims))
        with tempfile.TemporaryDirectory() as where:
            for name, blob in (("pem", self.app["pem"].encode()), ("text", f"{head}.{claims}".encode()), ("signature", b64url(signature))):
                with open(os.path.join(where, name), "wb") as file:
                    file.write(blob)
            good = subprocess.run(["openssl", "dgst", "-sha256", "-verify", "pem", "-signature", "signature", "text"], cwd=where, capture_output=True, check=False).returncode == 0
        if json.loads(b64url(head)) != {"typ": "JWT", "alg": "RS256"} or said["iss"] != self.app["id"] or not said["iat"] <= time.time() < said["exp"] <= time.time() + 600:
            self.wrong(f"an app's assertion: {said}")
        return good

    def _installation(self, where, query, headers, body):
        return (200, {"id": 77}, {}) if self._app(headers) else (401, {"message": "Bad credentials"}, {})

    def _access(self, where, query, headers, body):
        if not self._app(headers):
            return 401, {"message": "Bad credentials"}, {}
        token = "ghs_" + secrets.token_hex(8)
        self.personal_tokens.add(token)
        return 201, {"token": token}, {}

    def _groups(self, where, query, headers, body):
        if not self._remote(headers, self.registration_tokens):
            return 401, {"message": "Bad credentials"}, {}
        return 200, {"total_count": 3, "runner_groups": [{"id": 9, "name": "hosted", "default": False, "is_hosted": True}, {"id": 1, "name": "Default", "default": True, "is_hosted": False},
                                                         {"id": 4, "name": "special", "default": False, "is_hosted": False}]}, {}

    def _find(self, where, query, headers, body):
        if not self._remote(headers, self.registration_tokens | self.removal_tokens):
            return 401, {"message": "Bad credentials"}, {}
        found = [{"id": r["id"], "name": r["name"]} for r in self.runners.values() if r["alive"] and r["name"].lower() == query["name"].lower()]
        return 200, {"total_count": len(found), "runners": found}, {}

    def _register(self, where, query, headers, body):
        if not self._remote(headers, self.registration_tokens):
            return 401, {"message": "Bad credentials"}, {}
        asked = self._json(body)
        if [int(n) for n in asked["version"].split(".")] < [int(n) for n in self.min_version.split(".")]:
            return 400, {"message": "Runner version " + asked["version"] + " is out of date and can no longer register"}, {}
        key = re.fullmatch(r"<RSAKeyValue><Modulus>([A-Za-z0-9+/=]+)</Modulus><Exponent>([A-Za-z0-9+/=]+)</Exponent></RSAKeyValue>", asked["public_key"])
        modulus = base64.b64decode(key[1])
        if modulus[0] == 0 or len(modulus) < 256:
            return 422, {"message": "public_key"}, {}
        kinds = {label["name"]: label["type"] for label in asked["labels"]}
        if not kinds or any(kind not in ("system", "user") for kind in kinds.values()):
            return 422, {"message": "labels"}, {}
        there = [r for r in self.runners.values() if r["alive"] and r["name"] == asked["name"]]
        if there and not (asked.get("replace") and asked.get("runner_id") == there[0]["id"]):
            return 409, {"message": "A runner exists with the same name"}, {}
        number = there[0]["id"] if there else len(self.runners) + 41
        self.runners[number] = {"id": number, "name": asked["name"], "client_id": str(uuid.uuid4()), "pem": public_pem(int.from_bytes(modulus, "big"), int.from_bytes(base64.b64decode(key[2]), "big")),
                                "ephemeral": asked["ephemeral"], "labels": kinds, "group": asked["group_id"], "version": asked["version"], "updates_disabled": asked["updates_disabled"], "alive": True}
        return 200, {"id": number, "name": asked["name"], "authorization": {"authorization_url": self.url + "/oauth/token", "server_url": self.url + "/broker/", "client_id": self.runners[number]["client_id"]}}, {}

    def _remove(self, where, query, headers, body):
        number = int(where.rsplit("/", 1)[1])
        if not self._remote(headers, self.removal_tokens):
            return 401, {"message": "Bad credentials"}, {}
        if not self.runners.get(number, {}).get("alive"):
            return 404, {"message": "Not Found"}, {}
        self.runners[number]["alive"] = False
        return 204, None, {}

    # ---- OAuth ----

    def _token(self, where, query, headers, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if (form.get("grant_type"), form.get("client_assertion_type")) != ("client_credentials", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"):
            return 400, {"error": "invalid_request"}, {}
        head, claims, signature = form["client_assertion"].split(".")
        head_, claims_ = json.loads(b64url(head)), json.loads(b64url(claims))
        runner = next((r for r in self.runners.values() if r["client_id"] == claims_.get("iss") and r["alive"]), None)
        if not runner:
            return 400, {"error": "invalid_client", "error_description": "the client does not exist"}, {}
        if head_ != {"typ": "JWT", "alg": "PS256"}:
            self.wrong(f"the assertion's header is {head_}")
        with tempfile.TemporaryDirectory() as place:
            for name, blob in (("key", runner["pem"].encode()), ("sig", b64url(signature)), ("text", f"{head}.{claims}".encode())):
                with open(os.path.join(place, name), "wb") as file:
                    file.write(blob)
            done = subprocess.run(["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-verify", "key", "-signature", "sig", "text"],
                                  cwd=place, capture_output=True, check=False)
        if done.returncode:
            self.wrong("the assertion's signature does not verify")
            return 400, {"error": "invalid_client", "error_description": "signature"}, {}
        if claims_["sub"] != claims_["iss"] or claims_["aud"] != self.url + "/oauth/token" or claims_["jti"] in self.jtis:
            self.wrong(f"the assertion's claims are {claims_}")
        self.jtis.add(claims_["jti"])
        if not claims_["nbf"] <= self.now() <= claims_["exp"] or claims_["exp"] - claims_["nbf"] > 400:
            return 400, {"error": "invalid_request", "error_description": f"token is not valid. Current server time is {self.now():.0f}"}, {}
        token = "runner-token-" + secrets.token_hex(12)
        self.tokens[token] = {"runner": runner["id"], "until": time.monotonic() + self.token_life}
        return 200, {"access_token": token, "token_type": "access_token", "expires_in": self.token_life}, {}

    def _runner(self, headers):
        match = re.fullmatch(r"(?:Bearer|bearer) (\S+)" if self.quirks else r"Bearer (\S+)", headers.get("Authorization", ""))
        known = self.tokens.get(match[1]) if match else None
        if match and match[1].startswith("job-token"):
            self.wrong("the job's token went to the broker")
        return self.runners[known["runner"]] if known and known["until"] > time.monotonic() else None

    def forget_tokens(self):
        self.tokens.clear()

    # ---- broker ----

    @staticmethod
    def broker_error(kind, status=400, text="no"):
        return status, {"source": "actions-broker-listener", "errorKind": kind, "statusCode": status, "errorMessage": text}, {}

    def _session(self, where, query, headers, body):
        runner = self._runner(headers)
        if not runner:
            return 401, None, {}
        asked = self._json(body)
        if asked["agent"]["id"] != runner["id"] or asked["agent"]["name"] != runner["name"] or asked.get("sessionId", ZERO) != ZERO or not asked["ownerName"] or asked.get("useFipsEncryption") not in (False, None):
            self.wrong(f"session: {asked}")
        if any(s["runner"] == runner["id"] for s in self.sessions.values()):
            return 409, {"message": "a session exists"}, {}
        number = str(uuid.uuid4())
        self.sessions[number] = {"runner": runner["id"], "version": asked["agent"]["version"]}
        return 200, {"sessionId": number, "ownerName": asked["ownerName"]}, {}

    def _session_end(self, where, query, headers, body):
        runner = self._runner(headers)
        if not runner:
            return 401, None, {}
        mine = [k for k, s in self.sessions.items() if s["runner"] == runner["id"]]
        for key in mine:
            del self.sessions[key]
        return (204, None, {}) if mine else (404, None, {})

    def _message(self, where, query, headers, body):
        runner = self._runner(headers)
        if not runner:
            return 401, None, {}
        if not runner["alive"]:
            return self.broker_error("RunnerNotFound", 404)
        session = self.sessions.get(query["sessionId"])
        if not session or session["runner"] != runner["id"]:
            return self.broker_error("RunnerSessionInvalid", 404)
        if query["status"] not in ("Online", "Busy") or query.get("os") != "Linux" or query.get("architecture") not in ("X64", "ARM64", "ARM", "X86") or query.get("disableUpdate") != "true" or query.get("runnerVersion") != session["version"]:
            self.wrong(f"poll: {query}")
        with self.changed:
            self.polls.append(query["status"])
            busy = any(j.acquired == runner["id"] and not j.completed and not j.gone for j in self.jobs)
            if (query["status"] == "Busy") != busy and not (query["status"] == "Busy" and not busy):
                self.wrong(f"a poll says {query['status']}, and a job runs: {busy}")
            self.changed.notify_all()
            until = time.monotonic() + self.poll
            def mine():
                """What this poll may have: a job goes to a runner that is free, as at GitHub, unless a test wants it otherwise."""
                return next((i for i, (_, _, job) in enumerate(self.queue) if not (job and self.fair and query["status"] == "Busy")), None)
            while mine() is None and time.monotonic() < until and query["sessionId"] in self.sessions:
                self.changed.wait(max(0.01, min(0.2, until - time.monotonic())))
            if mine() is None or query["sessionId"] not in self.sessions:   # nobody listens to this poll any more
                return 202, None, {}
            kind, content, job = self.queue.pop(mine())
        if job:
            job.delivered = time.monotonic()
        return 200, {"messageId": len(self.log), "messageType": kind, "iv": None, "body": content if self.plain_bodies else json.dumps(content)}, {}

    def _acknowledge(self, where, query, headers, body):
        runner = self._runner(headers)
        if not runner:
            return 401, None, {}
        asked = self._json(body)
        job = next((j for j in self.jobs if j.request_id == asked["runnerRequestId"]), None)
        if not job:
            return self.broker_error("AcknowledgeJobNotFound", 404)
        if query.get("sessionId") not in self.sessions or job.acknowledged or job.acquired:
            self.wrong("acknowledged twice, after it was acquired, or without a session")
        job.acknowledged = True
        return 204, None, {}

    # ---- run service ----

    @staticmethod
    def run_error(status, text="no"):
        return status, {"source": "actions-run-service", "statusCode": status, "errorMessage": text}, {}

    def _acquirejob(self, where, query, headers, body):
        runner = self._runner(headers)
        if not runner:
            return 401, None, {}
        asked = self._json(body)
        job = self.jobs[int(where.split("/")[2]) - 1]
        if asked != {"jobMessageId": job.request_id, "runnerOS": "Linux", "billingOwnerId": "O_1"}:
            self.wrong(f"acquirejob: {asked}")
        if job.acquired:
            return self.run_error(409, "MissingKey")
        if not job.acknowledged:
            self.wrong("acquired before it was acknowledged")
        job.acquired = runner["id"]
        return 200, job.document, {}

    def _job(self, headers, where=None):
        match = re.fullmatch(r"(?:Bearer|bearer) (\S+)" if self.quirks else r"Bearer (\S+)", headers.get("Authorization", ""))
        if match and match[1].startswith("runner-token"):
            self.wrong("the runner's token went where the job's belongs")
        job = next((j for j in self.jobs if match and j.token == match[1]), None)
        if job and where and where.startswith("/run/") and int(where.split("/")[2]) != job.number:
            self.wrong("the token of one job at the address of another")
        return job

    def _renewjob(self, where, query, headers, body):
        job = self._job(headers, where)
        if not job:
            return 401, None, {}
        if self._json(body) != {"planId": job.plan_id, "jobId": job.job_id}:
            self.wrong(f"renewjob: {body}")
        if job.gone or job.completed:
            return self.run_error(404, "job not found")
        job.renewals.append(time.monotonic())
        return 200, {"lockedUntil": time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime(self.now() + self.lease))}, {}

    def _completejob(self, where, query, headers, body):
        job = self._job(headers, where)
        if not job:
            return 401, None, {}
        said = self._json(body)
        if job.gone or job.completed:
            return self.run_error(404, "job not found")
        if not job.renewals:
            self.wrong("completed without a renewal")
        if (said["planId"], said["jobId"], said.get("billingOwnerId")) != (job.plan_id, job.job_id, "O_1"):
            self.wrong(f"completejob: {said}")
        if said["conclusion"] not in ("succeeded", "failed", "canceled", "skipped", "abandoned"):
            self.wrong(f"conclusion {said['conclusion']}")
        self._check_steps(job, said)
        if said.get("annotations") and job.document["variables"].get("actions_send_job_level_annotations", {}).get("value") != "true":
            self.wrong("annotations of a job as a whole, which nobody asked for")
        with self.changed:
            job.completed = said
            if self.runners[job.acquired]["ephemeral"]:
                self.runners[job.acquired]["used"] = True
            self.changed.notify_all()
        return 204, None, {}

    def _check_steps(self, job, said):
        numbers = [s.get("number", 0) for s in said["stepResults"]]
        if numbers != sorted(set(numbers)) or len({s["external_id"] for s in said["stepResults"]}) != len(numbers):
            self.wrong(f"numbers or ids of steps: {numbers}")
        for s in said["stepResults"]:
            if not GUID.match(s["external_id"]) or s["status"] != "completed" or s["conclusion"] not in ("succeeded", "failed", "canceled", "skipped", "abandoned") or not s.get("name"):
                self.wrong(f"step: {s}")
            if s["external_id"] in self.pending(job):
                self.wrong(f"the log of {s['name']} is not whole")
            if s["conclusion"] != "skipped" and not ((s.get("started_at") or "") <= (s.get("completed_at") or "")):
                self.wrong(f"times of {s['name']}")
            for a in s.get("annotations", []):
                if str(a.get("level", "")).lower() not in ("notice", "warning", "failure") or len(a.get("message", "")) > 4096:
                    self.wrong(f"annotation: {a}")
        for name, output in (said.get("outputs") or {}).items():
            if set(output) - {"value", "isSecret"} or not isinstance(output["value"], str):
                self.wrong(f"output {name}: {output}")

    def pending(self, job):
        """Records whose log has bytes and no metadata."""
        return [r for r in job.step_blobs if r not in job.metadata]

    # ---- results ----

    def _results_job(self, headers, body):
        job, asked = self._job(headers), self._json(body)
        if job and (asked["workflow_run_backend_id"], asked["workflow_job_run_backend_id"]) != (job.plan_id, job.job_id):
            self.wrong(f"results: {asked}")
        if job and job.completed:
            self.wrong("results of a job that is complete")
        return job, asked

    def _receiver(self, where, query, headers, body):
        job, asked = self._results_job(headers, body)
        if not job:
            return 401, {"code": "unauthenticated"}, {}
        method, step = where[len(RECEIVER):], asked.get("step_backend_id")
        if "Step" in method and not (step and GUID.match(step)):
            self.wrong(f"{method} without a step")
        key = (job.number, re.sub(r"Get|Create|SignedBlobURL|Metadata", "", method), step)
        if method.startswith("Get"):
            self.blobs.setdefault(key, Blob(key))
            url = f"{self.url}/blob/{job.number}/{key[1]}/{step or 'job'}?sig={secrets.token_hex(8)}"
            self.blobs[url.split("sig=")[1]] = key
            field = {"StepLogs": "logs_url", "JobLogs": "logs_url", "StepSummary": "summary_url"}[key[1]]
            return 200, {field: url, "blob_storage_type": "BLOB_STORAGE_TYPE_AZURE", "soft_size_limit": "1048576"}, {}
        blob = self.blobs.get(key)
        if not blob or (blob.kind == "AppendBlob" and not blob.sealed):
            self.wrong(f"{method}: nothing was uploaded, or it is not sealed")
            return 200, {"ok": True}, {}
        if "Logs" in method:
            lines = blob.data.splitlines()
            if int(asked["line_count"]) != len(lines) or not all(LINE.match(line) for line in lines) or (blob.data and not blob.data.endswith(b"\n")):
                self.wrong(f"{method}: {asked['line_count']} lines, {len(lines)} are there, or one has no time")
        elif int(asked["size"]) != len(blob.data):
            self.wrong(f"{method}: size")
        if step and "Logs" in method:
            job.metadata[step] = asked
        elif step:
            job.summaries[step] = blob.data.decode()
        else:
            job.job_blob = blob
        return 200, {"ok": True}, {}

    def _blob(self, where, query, headers, body):
        if "Authorization" in headers:
            self.wrong("a token went to the blob store")
        key = self.blobs.get(query.get("sig"))
        blob = self.blobs.get(key)
        if not blob:
            return 403, None, {}
        kind = headers.get("x-ms-blob-type")
        if query.get("comp") == "appendblock":
            if blob.kind != "AppendBlob" or blob.sealed:
                return 409, None, {}
            blob.data += body
            blob.sealed = query.get("seal") == "true"
            if headers.get("x-ms-blob-sealed", "").lower() != str(blob.sealed).lower():
                self.wrong("the seal in the address and the one in the header differ")
        elif kind in ("AppendBlob", "BlockBlob"):
            if headers.get("Content-Type") != "text/plain" and key[1] != "StepSummary":
                self.wrong(f"type of a log: {headers.get('Content-Type')}")
            blob.kind, blob.data, blob.sealed = kind, body, False
        else:
            return 400, None, {}
        job = self.jobs[key[0] - 1]
        if key[1] == "StepLogs":
            job.step_blobs[key[2]] = blob
        return 201, None, {}

    def _steps(self, where, query, headers, body):
        job, asked = self._results_job(headers, body)
        if not job:
            return 401, {"code": "unauthenticated"}, {}
        if not job.renewals:
            self.wrong("a step began before the lease was renewed")
        if asked["change_order"] <= job.change_order:
            self.wrong(f"change_order {asked['change_order']} after {job.change_order}")
        job.change_order = asked["change_order"]
        for s in asked["steps"]:
            before = job.states.get(s["external_id"], [])
            if s["status"] not in (3, 5, 6) or s["conclusion"] not in (0, 2, 3, 4, 7) or (s["status"] == 6) != (s["conclusion"] != 0) or (before and before[-1][0] == 6 and before[-1] != (s["status"], s["conclusion"])):
                self.wrong(f"step update: {s} after {before}")
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", s["started_at"] or "1970-01-01T00:00:00.000Z"):
                self.wrong(f"time in a step update: {s['started_at']}")
            with self.changed:
                job.states[s["external_id"]] = before + [(s["status"], s["conclusion"])]
                self.changed.notify_all()
        return 200, {"ok": True}, {}

    # ---- the live feed (RFC 6455) ----

    def live(self, request):
        headers, job = request.headers, self._job(request.headers)
        self.feeds += 1
        key = headers.get("Sec-WebSocket-Key", "")
        if (not job or headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in headers.get("Connection", "").lower() or headers.get("Sec-WebSocket-Version") != "13"
                or len(base64.b64decode(key)) != 16):
            self.wrong(f"feed: {dict(headers)}")
        request.close_connection = True
        if self.feed == "refuse":
            request.send_error(503)
            return
        request.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode())):
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(b"\x89\x05hello\x81\x02hi")   # a ping, and a text that means nothing
        request.wfile.flush()
        message, ponged = b"", False
        while True:
            head = request.rfile.read(2)
            if len(head) < 2:
                return
            if self.feed == "stall":
                time.sleep(60)
                return
            size = head[1] & 0x7f
            if size == 126:
                size = int.from_bytes(request.rfile.read(2), "big")
            mask, opcode = request.rfile.read(4), head[0] & 15
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(request.rfile.read(size)))
            if not head[1] & 0x80 or size > 1024 or (opcode == 0) != bool(message) and opcode in (0, 1):
                self.wrong(f"feed frame: {head!r} {size}")
            if opcode == 10:
                ponged = data == b"hello"
            elif opcode == 8:
                if not ponged:
                    self.wrong("feed: a ping was not answered")
                return
            elif opcode in (0, 1):
                message += data
                if head[0] & 0x80:
                    self._fed(job, json.loads(message))
                    message = b""
                    if self.feed == "drop":
                        return
            else:
                self.wrong(f"feed: opcode {opcode}")

    def _fed(self, job, said):
        if set(said) != {"count", "value", "stepId", "startLine"} or said["count"] != len(said["value"]) or not 1 <= said["count"] <= 100 or not GUID.match(said["stepId"]) or any(len(line) > 1027 for line in said["value"]):
            self.wrong(f"feed: {str(said)[:300]}")
        with self.changed:
            job.fed += [(said["stepId"], said["startLine"] + i, line) for i, line in enumerate(said["value"])]
            self.changed.notify_all()

    # ---- actions ----

    def archive(self, uses, files, sha=None):
        """@files: path -> text or (text, mode), or the archive as bytes; below one top folder, as GitHub has it."""
        if isinstance(files, bytes):
            self.archives[uses] = (sha or hashlib.sha1(uses.encode()).hexdigest(), files)
            return
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for path, text in files.items():
                text, mode = text if isinstance(text, tuple) else (text, 0o644)
                info = tarfile.TarInfo("top-folder/" + path)
                info.size, info.mode = len(text.encode()), mode
                tar.addfile(info, io.BytesIO(text.encode()))
        self.archives[uses] = (sha or hashlib.sha1(uses.encode()).hexdigest(), out.getvalue())

    def _resolve(self, where, query, headers, body):
        job = self._job(headers)
        if not job:
            return 401, None, {}
        if where.split("/")[3] != job.plan_id or where.split("/")[5] != job.job_id:
            self.wrong("resolve: ids")
        found, missing = {}, {}
        asked = self._json(body)
        self.resolved.append([f"{a['action']}@{a['version']}" for a in asked["actions"]])
        if len(set(self.resolved[-1])) != len(self.resolved[-1]) or set(self.resolved[-1]) & {k for before in self.resolved[:-1] for k in before}:
            self.wrong(f"resolved twice: {self.resolved}")
        for a in asked["actions"]:
            key = f"{a['action']}@{a['version']}"
            if key not in self.archives:
                missing[key] = {"message": f"Unable to resolve action `{key}`"}
                continue
            found[key] = {"name": a["action"], "resolved_name": a["action"], "resolved_sha": self.archives[key][0], "tar_url": f"{self.url}/archive/{key}", "zip_url": "", "version": a["version"],
                          "authentication": {"token": "archive-token", "expires_at": "2030-01-01T00:00:00Z"}, **self.renamed.get(key, {})}
        return (422, {"errors": missing}, {}) if missing else (200, {"actions": found}, {})

    def _archive(self, where, query, headers, body):
        key = urllib.parse.unquote(where[len("/archive/"):])
        self.archive_log.append((headers.get("Host"), headers.get("Authorization")))
        if headers.get("Authorization") not in ("Basic " + base64.b64encode(b"x-access-token:" + token).decode() for token in (b"archive-token", *(b"ghs_" + j.token.encode() for j in self.jobs))):
            return 401, None, {}
        if self.codeload:
            return 302, None, {"Location": self.codeload.url + "/codeload/" + key}
        return 200, self.archives[key][1], {"Content-Type": "application/gzip"}

    def _codeload(self, where, query, headers, body):
        """Where the archives lie: it needs no token, and must not see one."""
        if "Authorization" in headers:
            self.wrong("a token went along with a redirect to another host")
        return 200, self.archives[urllib.parse.unquote(where[len("/codeload/"):])][1], {"Content-Type": "application/gzip"}
