# SPDX-License-Identifier: Apache-2.0
"""gitlab_server.py - a strict GitLab for runners, over real TLS, made from the protocol's description: it refuses what GitLab refuses, and says in .wrong what a
client must not do. GitLab Runner 17.5.0 (shell executor) has registered, taken jobs, sent traces and artifacts here: gitlab_peer_test.py, with .client = "gitlab-runner",
which leaves out what only drydock promises to send. A test scripts it: jobs wait in .queue, answers that come before the real one in .answers, and .hook sees every request."""
import base64
import http.server
import json
import re
import ssl
import subprocess
import threading
import time
import zlib

FEATURES = ("variables image services artifacts cache fallback_cache_keys shared upload_multiple_artifacts upload_raw_artifacts session terminal refspecs masking "
            "proxy raw_variables artifacts_exclude multi_build_steps trace_reset trace_checksum trace_size vault_secrets cancelable return_exit_code service_variables "
            "service_multiple_aliases image_executor_opts service_executor_opts cancel_gracefully native_steps_integration two_phase_job_commit job_inputs").split()
REASONS = ["unknown_failure", "script_failure", "runner_system_failure", "job_execution_timeout", "image_pull_failure", "runner_configuration_error",
           "runner_external_dependency_failure", "runner_interrupted"]
FINAL = ("success", "failed", "canceled")


class Job:
    """What the server knows of one job. .state: pending, running, canceling, success, failed, canceled; .ends: final states that were sent."""

    def __init__(self, message):
        self.message, self.id, self.token = message, message["id"], message["token"]
        self.state, self.trace, self.reason, self.exit_code, self.ends, self.puts, self.patches = "pending", b"", None, 0, [], [], []
        self.uploads, self.said, self.handed, self.handed_at, self.accepted = [], None, 0, 0, 0
        self.done = threading.Event()

    @property
    def text(self):
        return self.trace.decode("utf-8", "replace")

    @property
    def lines(self):
        """The log as a person reads it: no stamps, no sections, no colours."""
        text = re.sub(r"(?m)^\d{4}-\d\d-\d\dT[\d:.]+Z \d\d[OE] ", "", re.sub(r"\n\d{4}-\d\d-\d\dT[\d:.]+Z \d\d[OE]\+", "", "\n" + self.text))
        text = re.sub(r"section_(start|end):\d+:[^\r\n]*\r\x1b\[0K", "", text)
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", text).split("\n")


class GitLab:
    def __init__(self, tls, token="glrt-t1_AbCdEfGhIjKlMnOp", host="localhost", address="127.0.0.1", client_ca=None):
        self.token, self.runner_id, self.expires, self.managers = token, 4711, None, {}
        self.jobs, self.queue, self.wrong, self.log = {}, [], [], []
        self.answers = {}     # "PUT jobs/1" or a prefix of it -> list of (status, body, headers) that come first; body None: the connection is dropped
        self.hook = None      # called with (method, path, body) before anything is judged
        self.last_update, self.poll_sec, self.watched = "update-0", 0.2, False
        self.repositories, self.git_log = None, []   # a directory with group/project.git; (path, user, token) of what git asked
        self.artifacts = {}   # id of a job -> bytes of its archive
        self.client = "drydock"
        self.watchdog_sec = None   # a job that was handed over and that nobody accepted for so long is handed over again
        self.lock, self.changed = threading.RLock(), threading.Condition()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def body(self):
                if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                    parts = []
                    while (size := int(self.rfile.readline().split(b";")[0], 16)):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def serve(self):
                body = self.body()
                if not self.path.startswith("/api/") and owner.repositories:
                    owner.git(self, body)
                    return
                answer = owner.answer(self.command, self.path, self.headers, body)
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, text, headers = answer
                if isinstance(text, (dict, list)):
                    text, headers = json.dumps(text).encode(), {"Content-Type": "application/json", **headers}
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                try:
                    self.wfile.write(text)
                except OSError:
                    pass   # who asked is dead
            do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = serve

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads, self.server.handle_error = True, lambda *_: None   # a client that was killed
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(tls["server.pem"], tls["server.key"])
        if client_ca:   # who does not show a certificate of it is not let in
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_port
        self.url = f"https://{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- what a test does ----

    def push(self, message):
        job = Job(message)
        with self.changed:
            self.jobs[job.id] = job
            self.queue.append(job)
            self.last_update = f"update-{len(self.jobs)}"
            self.changed.notify_all()
        return job

    def cancel(self, job, how="canceling"):
        with self.lock:
            if job.state in ("pending", "running"):
                job.state = how

    def asked(self, prefix):
        return [entry for entry in self.log if entry[0].startswith(prefix)]

    def _bad(self, text):
        self.wrong.append(text)

    # ---- a request ----

    def answer(self, method, path, headers, body):
        name, _, query = path.partition("?")
        if self.hook:
            forced = self.hook(method, path, headers, body)
            if forced is not None:
                return forced[0] and (forced[0], forced[1], forced[2]) or None
        if not name.startswith("/api/v4/"):
            return 404, {"error": "404 Not Found"}, {}
        name = name[len("/api/v4/"):]
        with self.lock:
            self.log.append((f"{method} {name}", query, dict(headers), body))
            for prefix, waiting in self.answers.items():
                if f"{method} {name}".startswith(prefix) and waiting:
                    forced = waiting.pop(0)
                    return forced and tuple(forced)
        self._common(method, name, headers, body)
        if name == "jobs/request":
            return self.request(headers, json.loads(body))
        with self.lock:
            found = re.fullmatch(r"jobs/(\d+)(/trace|/artifacts)?", name)
            if found:
                return self.of_job(method, int(found[1]), found[2] or "", query, headers, body)
            call = {"POST runners/verify": self.verify, "DELETE runners/managers": self.forget, "POST runners/reset_authentication_token": self.reset}.get(f"{method} {name}")
            return call(json.loads(body)) if call else (404, {"error": "404 Not Found"}, {})

    def _common(self, method, name, headers, body):
        if self.client != "drydock":
            if not re.fullmatch(r"gitlab-runner [^(]+ \([^;]+; [^;]+; linux/[a-z0-9]+\)", headers.get("User-Agent", "")):
                self._bad(f"{method} {name}: User-Agent {headers.get('User-Agent')!r}")
            return
        if not re.fullmatch(r"drydock \S+ \([^;()]+; [^;()]+; linux/[a-z0-9]+\)", headers.get("User-Agent", "")):
            self._bad(f"{method} {name}: User-Agent {headers.get('User-Agent')!r}")
        if not re.fullmatch(r"[0-9a-f]{32}", headers.get("X-Request-Id", "")):
            self._bad(f"{method} {name}: X-Request-Id")
        if body and not headers.get("Content-Type"):
            self._bad(f"{method} {name}: a body without a type")
        if name.startswith("runners") or name == "jobs/request":
            if headers.get("Content-Type") != "application/json":
                self._bad(f"{method} {name}: {headers.get('Content-Type')}")
            if headers.get("RUNNER-TOKEN") != json.loads(body).get("token"):
                self._bad(f"{method} {name}: RUNNER-TOKEN is not the token of the body")

    def _info(self, info):
        if self.client != "drydock" and not info:
            return   # 17.5 verifies without
        for key in ("name", "version", "revision", "platform", "architecture", "executor", "features"):
            if key not in info:
                self._bad(f"info without {key}")
        if self.client != "drydock":
            if not set(info.get("features", {})) <= set(FEATURES):
                self._bad(f"features that are not known: {sorted(set(info['features']) - set(FEATURES))}")
            return
        if sorted(info.get("features", {})) != sorted(FEATURES) or not all(isinstance(v, bool) for v in info["features"].values()):
            self._bad("features are not the 31 booleans")

    # ---- git ----

    def git(self, handler, body):
        """git http-backend behind the job's token, as GitLab has it."""
        given = handler.headers.get("Authorization", "")
        user, _, token = base64.b64decode(given[6:] if given.startswith("Basic ") else "").decode("latin-1").partition(":")
        path, _, query = handler.path.partition("?")
        self.git_log.append((path, user, token))
        if user != "gitlab-ci-token" or token not in [job.token for job in self.jobs.values() if job.state == "running"]:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="GitLab"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        env = {"PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": self.repositories, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": handler.command,
               "CONTENT_TYPE": handler.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
               "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
               "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_1": "true"}
        done = subprocess.run(["/usr/lib/git-core/git-http-backend"], input=body, env=env, capture_output=True, check=False)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line]
        status = next((int(v.split()[0]) for k, v in lines if k == "Status"), 200)
        handler.send_response(status)
        for name, value in lines:
            if name != "Status":
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest)

    # ---- the runner's own ----

    def verify(self, body):
        if body.get("token") != self.token:
            return 403, {"message": "403 Forbidden"}, {}
        self._info(body.get("info", {}))
        self._system(body)
        return 200, {"id": self.runner_id, "token": self.token, "token_expires_at": self.expires}, {}

    def _system(self, body):
        system = body.get("system_id", "")
        if not re.fullmatch(r"[sr]_[0-9a-zA-Z]{12}", system):
            self._bad(f"system_id {system!r}")
        self.managers[system] = body.get("info", {})

    def forget(self, body):
        if body.get("token") != self.token:
            return 403, {"message": "403 Forbidden"}, {}
        return (204, b"", {}) if self.managers.pop(body.get("system_id"), None) is not None else (404, {"message": "404 Not found"}, {})

    def reset(self, body):
        if body.get("token") != self.token:
            return 403, {"message": "403 Forbidden"}, {}
        self.token += "x"
        return 201, {"token": self.token, "token_expires_at": self.expires}, {}

    def request(self, headers, body):
        if "token" not in body:
            return 400, {"error": "token is missing"}, {}
        if body["token"] != self.token:
            return 403, {"message": "403 Forbidden"}, {}
        self._info(body.get("info", {}))
        self._system(body)
        if body.get("last_update") == self.last_update and not self.queue:   # Workhorse holds it
            with self.changed:
                self.changed.wait_for(lambda: self.queue, self.poll_sec)
        with self.lock:
            if self.watchdog_sec:
                late = time.monotonic() - self.watchdog_sec
                self.queue += [j for j in self.jobs.values() if j.handed and j.state == "pending" and j.handed_at < late and j not in self.queue]
            if not self.queue:
                return 204, b"", {"X-GitLab-Last-Update": self.last_update}
            job = self.queue.pop(0)
            job.handed, job.handed_at = job.handed + 1, time.monotonic()
            if not body.get("info", {}).get("features", {}).get("two_phase_job_commit"):
                job.state, job.accepted = "running", 1   # who does not promise to accept has accepted
            return 201, job.message, {"X-GitLab-Last-Update": self.last_update}

    # ---- a job's own ----

    def of_job(self, method, ident, what, query, headers, body):
        job = self.jobs.get(ident)
        token = headers.get("JOB-TOKEN") or ""
        if method == "PUT" and not token:
            token = json.loads(body).get("token", "")   # all that GitLab's own runner 17.5 sends with it
        if method == "GET" and what == "/artifacts":
            return self.download(ident, token)
        if not job or token != job.token or job.handed == 0:
            return 403, {"message": "403 Forbidden"}, {}
        if headers.get("RUNNER-TOKEN"):
            self._bad("the runner's token came with a job's call")
        if job.state in FINAL:
            return 403, {"message": "403 Forbidden - Job is not running"}, {"Job-Status": job.state}
        status = {"Job-Status": job.state, "X-GitLab-Trace-Update-Interval": "3" if self.watched else "60"}
        if method == "PUT" and not what:
            return self.put(job, headers, json.loads(body), status)
        if method == "PATCH" and what == "/trace":
            return self.patch(job, headers, body, status)
        if method == "POST" and what == "/artifacts":
            return self.upload(job, query, headers, body)
        return 405, {"error": "405 Not Allowed"}, {}

    def put(self, job, headers, body, status):
        job.puts.append(body)
        self._info(body.get("info", {}))
        if headers.get("Content-Type") != "application/json" or body.get("token") != job.token:
            self._bad("PUT: type or token")
        if not isinstance(body.get("output"), dict):
            self._bad("PUT: output is no object")
        state = body.get("state")
        if state == "running":
            if job.state == "pending":
                job.accepted += 1
                job.state = status["Job-Status"] = "running"
            return 200, b"200", status
        if state not in ("success", "failed"):
            return 400, {"error": "state"}, {}
        if job.state == "pending":
            self._bad("a job ended that nobody accepted")
        output = body["output"]
        if output and (output["bytesize"] != len(job.trace) or output["checksum"] != "crc32:%08x" % zlib.crc32(job.trace)):
            return 412, {"message": "trace"}, {}
        if not output and job.trace:
            self._bad("the last PUT says nothing of the trace")
        if job.ends:
            self._bad("a job ended twice")
        job.ends.append(state)
        job.reason, job.exit_code = body.get("failure_reason"), body.get("exit_code", 0)
        job.state = "canceled" if job.state == "canceling" else state
        if state == "failed" and job.reason not in (None, *REASONS, *job.message["features"].get("failure_reasons", [])):
            self._bad(f"failure_reason {job.reason}")
        job.done.set()
        return 200, b"200", {"Job-Status": job.state}

    def patch(self, job, headers, body, status):
        span = re.fullmatch(r"(\d+)-(\d+)", headers.get("Content-Range") or "")
        if not span:
            return 400, {"error": "Missing header Content-Range"}, {}
        start, end = int(span[1]), int(span[2])
        if headers.get("Content-Type") != "text/plain" or not body or len(body) > 1 << 20 or end - start + 1 != len(body):
            self._bad(f"PATCH {span[0]} with {len(body)} bytes of {headers.get('Content-Type')}")
        if start != len(job.trace):
            return 416, {"message": "416 Range Not Satisfiable"}, {**status, "Range": f"0-{len(job.trace)}"}
        job.patches.append((start, end))
        job.trace += body
        return 202, b"0-%d" % len(job.trace), {**status, "Range": f"0-{len(job.trace)}"}

    def upload(self, job, query, headers, body):
        kind = re.fullmatch(r'multipart/form-data; boundary="?([^";]+)"?', headers.get("Content-Type") or "")
        part = kind and re.fullmatch(rb'--' + kind[1].encode() + rb'\r\nContent-Disposition: form-data; name="file"; filename="([^"]*)"\r\n(?:Content-Type: [^\r\n]*\r\n)?\r\n(.*)\r\n--'
                                     + kind[1].encode() + rb'--\r\n', body, re.S)
        if not part:
            return 400, {"message": "file is missing"}, {}
        job.uploads.append({"query": dict(pair.split("=", 1) for pair in query.split("&") if pair), "name": part[1].decode(), "bytes": part[2]})
        return 201, {"message": "201 Created"}, {}

    def download(self, ident, token):
        if token not in [job.token for job in self.jobs.values() if job.state == "running"]:
            return 403, {"message": "403 Forbidden"}, {}
        if ident not in self.artifacts:
            return 404, {"message": "404 Not Found"}, {}
        return 200, self.artifacts[ident], {"Content-Type": "application/zip"}

    # ---- a job's message ----

    _next = 1000

    def message(self, script, after=None, variables=(), **more):
        """A message as GitLab makes it: @variables are (key, value) or whole objects."""
        GitLab._next += 1
        ident = GitLab._next
        token = f"glcbt-64_{ident}ZZZZjobtoken"
        known = {"CI_JOB_ID": str(ident), "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_REF_PROTECTED": "true", "CI_PROJECT_PATH": "shipyard/keelson", "CI_PROJECT_ID": "312",
                 "CI_COMMIT_REF_NAME": "main", "CI": "true", "GITLAB_CI": "true", "CI_SERVER_URL": self.url, "GIT_STRATEGY": "none"}
        rows = [{"key": k, "value": v, "public": True, "masked": False} for k, v in known.items()]
        rows.append({"key": "CI_JOB_TOKEN", "value": token, "public": False, "masked": True})
        rows += [v if isinstance(v, dict) else {"key": v[0], "value": v[1], "public": True, "masked": False} for v in variables]
        steps = [{"name": "script", "script": script, "timeout": 3600, "when": "on_success", "allow_failure": False}]
        if after is not None:
            steps.append({"name": "after_script", "script": after, "timeout": 3600, "when": "always", "allow_failure": True})
        return {"id": ident, "token": token, "allow_git_fetch": True, **self._rest(ident, token, rows, steps), **more}

    def _rest(self, ident, token, rows, steps):
        return {"job_info": {"id": ident, "name": "compile", "stage": "build", "pipeline_id": 9077, "project_id": 312, "project_name": "keelson",
                             "project_full_path": "shipyard/keelson", "time_in_queue_seconds": 0.3, "project_jobs_running_on_instance_runners_count": "+Inf"},
                "git_info": {"repo_url": f"https://gitlab-ci-token:{token}@{self.url[8:]}/shipyard/keelson.git", "repo_object_format": "sha1", "ref": "main",
                             "sha": "4f1c0e7b9a2d5c8e3f60718293a4b5c6d7e8f901", "before_sha": "0" * 40, "ref_type": "branch",
                             "refspecs": ["+refs/pipelines/9077:refs/pipelines/9077", "+refs/heads/main:refs/remotes/origin/main"], "depth": 20, "protected": True},
                "runner_info": {"timeout": 3600, "runner_session_url": None}, "inputs": [], "variables": rows, "steps": steps, "hooks": [], "image": None, "services": [],
                "artifacts": None, "cache": [], "credentials": [], "dependencies": [],
                "features": {"trace_sections": True, "token_mask_prefixes": ["glpat-"], "failure_reasons": REASONS, "tracing": None}}
