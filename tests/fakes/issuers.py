# SPDX-License-Identifier: Apache-2.0
"""issuers.py - stand-ins for issuers of credentials, where nothing real can be had or where the test must count: the Vault API as OpenBao 2.7.2 answered
it, an RFC 8693 exchange with RFC 7009 revocation, AWS STS, and GitHub's installation tokens. They refuse what the real ones refuse: signatures are checked
with openssl, audiences, times and bodies by hand; a token that is not known is 403."""
import base64
import http.server
import json
import os
import secrets
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
from email.utils import formatdate


def b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _der(raw):
    def integer(part):
        part = part.lstrip(b"\0") or b"\0"
        part = (b"\0" if part[0] & 0x80 else b"") + part
        return b"\x02" + bytes([len(part)]) + part
    body = integer(raw[:32]) + integer(raw[32:])
    return b"\x30" + bytes([len(body)]) + body


def claims_of(jwt, public_key):
    """The claims of a JWT whose signature @public_key (PEM file) made; ValueError otherwise."""
    head, body, signature = jwt.split(".")
    if json.loads(b64(head))["alg"] not in ("ES256", "RS256"):
        raise ValueError("algorithm")
    raw = b64(signature)
    with tempfile.TemporaryDirectory() as where:
        with open(where + "/sig", "wb") as file:
            file.write(_der(raw) if len(raw) == 64 else raw)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", public_key, "-signature", where + "/sig"], input=f"{head}.{body}".encode(), capture_output=True, check=False)
    if done.returncode:
        raise ValueError("signature")
    return json.loads(b64(body))


class Issuers:
    """.log: (method, path) of every request; .tokens: token -> state; .made/.taken: how often each token and lease was made and taken back."""

    def __init__(self, public_key, tls=None, date=None):
        self.public_key, self.log, self.bodies, self.tokens, self.leases, self.made, self.taken = public_key, [], [], {}, {}, {}, {}
        self.slow = {}      # path -> seconds before it is answered
        self.answers = {}   # path prefix -> list of (status, body, headers) that come before the real answer
        self.ttl, self.kind, self.audience, self.date = 300, "service", None, date
        self.renewable, self.ends = True, None   # when nothing is renewed beyond, as with a max_ttl
        self.secret = {"username": "robot", "password": "canary-vault-" + secrets.token_hex(8)}
        self.lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def date_time_string(self, timestamp=None):
                return formatdate(time.time() + (owner.date or 0), usegmt=True)

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                time.sleep(owner.slow.get(self.path, 0))
                with owner.lock:
                    owner.log.append((self.command, self.path))
                    owner.bodies.append((dict(self.headers), body))
                    status, answer, headers = owner.answer(self.command, self.path, self.headers, body)
                text = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                try:
                    self.wfile.write(text)
                except OSError:
                    pass   # who asked is dead
            do_GET = do_POST = do_DELETE = do_PUT = serve

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.handle_error = True, lambda *_: None   # a client that was killed
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls["certificate"], tls["key"])
            if tls.get("client_ca"):
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(tls["client_ca"])
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()

    def paths(self):
        return [p for _, p in self.log]

    def open(self):
        """What was made and not taken back."""
        return sorted(k for k in self.made if not self.taken.get(k))

    # ---- who is asked ----

    def answer(self, method, path, headers, body):
        for prefix, waiting in self.answers.items():
            if path.startswith(prefix) and waiting:
                return waiting.pop(0)
        if path.startswith("/v1/"):
            return self.vault(method, path[4:], headers, json.loads(body) if body else {})
        form = dict(urllib.parse.parse_qsl(body.decode("latin-1")))
        return {"/token": self.exchange, "/revoke": self.revoke_token, "/sts": self.sts, "/google": self.google, self.GOOGLE_ACCOUNT: self.google_account}.get(path, self.github)(method, path, headers, form if "json" not in headers.get("Content-Type", "") else json.loads(body))

    def _identity(self, jwt):
        """None, or why not, in OpenBao's words."""
        try:
            claims = claims_of(jwt, self.public_key)
        except (ValueError, KeyError):
            return None, "error validating token: error verifying token signature: no known key successfully validated the token signature"
        if claims["exp"] < time.time():
            return None, "error validating token: invalid expiration time (exp) claim: token is expired"
        if self.audience and claims["aud"] != self.audience:
            return None, "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience"
        return claims, None

    # ---- Vault ----

    def vault(self, method, path, headers, body):
        if path.endswith("/login") and method == "POST":
            claims, why = self._identity(body.get("jwt", ""))
            if why:
                return 400, {"errors": [why]}, {}
            token, accessor = "s." + secrets.token_hex(12), secrets.token_hex(12)
            self.tokens[token] = {"accessor": accessor, "alive": True, "claims": claims, "role": body["role"]}
            if body["role"] != "janitor":
                self.made["token " + accessor] = 1
            return 200, {"auth": {"client_token": token, "accessor": accessor, "lease_duration": self.ttl, "renewable": self.renewable, "token_type": self.kind}}, {}
        token = self.tokens.get(headers.get("X-Vault-Token", ""))
        if not token or not token["alive"]:
            return 403, {"errors": ["permission denied"]}, {}
        return self.vault_in(method, path, headers, body, token)

    def vault_in(self, method, path, headers, body, token):
        if path == "auth/token/revoke-self":
            return self._take(token)
        if path == "auth/token/revoke-accessor":
            found = [t for t in self.tokens.values() if t["accessor"] == body["accessor"] and t["alive"]]
            return self._take(found[0]) if found else (403, {"errors": ["invalid accessor"]}, {})
        if path == "auth/token/renew-self":
            return 200, {"auth": {"lease_duration": self._more(body["increment"])}}, {}
        if path == "sys/leases/renew":
            return 200, {"lease_duration": self._more(body["increment"]), "renewable": True}, {}
        if path == "sys/leases/revoke":
            if body.get("sync") is not True:
                return 400, {"errors": ["this test wants sync"]}, {}
            if self.leases.get(body["lease_id"]):
                self.leases[body["lease_id"]] = False
                self.taken["lease " + body["lease_id"]] = self.taken.get("lease " + body["lease_id"], 0) + 1
            return 204, None, {}
        if path == "secret/data/app" and headers.get("X-Vault-Wrap-TTL"):
            return 200, {"wrap_info": {"token": "s.wrap" + secrets.token_hex(8), "accessor": self._wrap(), "ttl": 60, "creation_path": path}, "data": None}, {}
        if path == "secret/data/app":
            return 200, {"data": {"data": self.secret, "metadata": {"version": 1}}, "lease_id": "", "lease_duration": 0}, {}
        if path == "database/creds/ci":
            lease = "database/creds/ci/" + secrets.token_hex(8)
            self.leases[lease] = True
            token["leases"] = [*token.get("leases", []), lease]
            self.made["lease " + lease] = 1
            return 200, {"lease_id": lease, "lease_duration": self.ttl, "renewable": self.renewable, "data": {"username": "v-" + secrets.token_hex(4), "password": self.secret["password"]}}, {}
        return 404, {"errors": []}, {}

    def _more(self, increment):
        left = max(1, int(self.ends - time.time())) if self.ends else increment
        return min(increment, self.ttl, left)

    def _wrap(self):
        accessor = secrets.token_hex(12)
        self.tokens["s.wrap" + accessor] = {"accessor": accessor, "alive": True, "role": "wrap"}
        self.made["token " + accessor] = 1
        return accessor

    def _take(self, token):
        token["alive"] = False
        for lease in token.get("leases", []):   # as the real one does, there by a queue
            if self.leases[lease]:
                self.leases[lease] = False
                self.taken["lease " + lease] = self.taken.get("lease " + lease, 0) + 1
        name = "token " + token["accessor"]
        if token["role"] != "janitor":
            self.taken[name] = self.taken.get(name, 0) + 1
        return 204, None, {}

    # ---- exchanges ----

    def exchange(self, method, path, headers, form):
        if form.get("client_assertion"):
            claims, why = self._identity(form["client_assertion"])
            if why or form["client_assertion_type"] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" or form["grant_type"] != "client_credentials":
                return 400, {"error": "invalid_client", "error_description": why or "form"}, {}
        else:
            if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" or form.get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt":
                return 400, {"error": "unsupported_grant_type"}, {}
            claims, why = self._identity(form["subject_token"])
            if why:
                return 400, {"error": "invalid_grant", "error_description": why}, {}
        token = "at-" + secrets.token_hex(16)
        self.tokens[token] = {"alive": True, "claims": claims}
        self.made["access " + token] = 1
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.ttl, "scope": form.get("scope", "")}, {"Cache-Control": "no-store"}

    # Google: as sts.googleapis.com and iamcredentials.googleapis.com refuse and answer

    GOOGLE_ACCOUNT = "/google/v1/projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com:generateAccessToken"
    GOOGLE_PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/drydock"

    def google(self, method, path, headers, form):
        urn = "urn:ietf:params:oauth:"
        wanted = {"grant_type": urn + "grant-type:token-exchange", "subject_token_type": urn + "token-type:jwt", "requested_token_type": urn + "token-type:access_token",
                  "audience": self.GOOGLE_PROVIDER, "scope": "https://www.googleapis.com/auth/cloud-platform"}
        wrong = [name for name, value in wanted.items() if form.get(name) != value] + [name for name in form if name not in wanted and name != "subject_token"]
        if method != "POST" or wrong or headers.get("Authorization") or not headers["Content-Type"].startswith("application/x-www-form-urlencoded"):
            return 400, {"error": "invalid_request", "error_description": f"Invalid value for {wrong}"}, {}
        _, why = self._identity(form.get("subject_token", ""))
        if why:
            return 400, {"error": "invalid_grant", "error_description": why}, {}
        token = "ya29.d." + secrets.token_hex(24)
        self.tokens[token] = {"alive": True, "federated": True}
        return 200, {"access_token": token, "issued_token_type": urn + "token-type:access_token", "token_type": "Bearer", "expires_in": 3599}, {}

    def google_account(self, method, path, headers, body):
        token = self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "), {})
        if not token.get("federated"):
            return 401, {"error": {"code": 401, "message": "Request had invalid authentication credentials.", "status": "UNAUTHENTICATED"}}, {}
        life = body.get("lifetime", "")
        if set(body) != {"scope", "lifetime"} or not body["scope"] or not life.endswith("s") or not 0 < int(life[:-1]) <= 3600:
            return 400, {"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}, {}
        self.google_asked = body
        return 200, {"accessToken": "ya29." + self.secret["password"], "expireTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + int(life[:-1])))}, {}

    def revoke_token(self, method, path, headers, form):
        token = form.get("token", "")
        if self.tokens.get(token, {}).get("alive"):
            self.tokens[token]["alive"] = False
            self.taken["access " + token] = self.taken.get("access " + token, 0) + 1
        return 200, None, {}

    def sts(self, method, path, headers, form):
        _, why = self._identity(form.get("WebIdentityToken", ""))
        if why or form.get("Action") != "AssumeRoleWithWebIdentity" or form.get("Version") != "2011-06-15" or not 900 <= int(form["DurationSeconds"]) <= 43200:
            code = "ExpiredTokenException" if why and "expired" in why else "InvalidIdentityToken"
            return 400, f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>x</Message></Error><RequestId>1</RequestId></ErrorResponse>".encode(), {}
        return 200, ('<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIACANARY1</AccessKeyId>'
                     "<SecretAccessKey>canary-sts-secret</SecretAccessKey><SessionToken>canary-sts-session</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>"
                     "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>").encode(), {}

    # ---- GitHub ----

    def github(self, method, path, headers, body):
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        if (method, path) == ("DELETE", "/installation/token"):
            if not self.tokens.get(bearer, {}).get("alive"):
                return 401, {"message": "Bad credentials"}, {}
            self.tokens[bearer]["alive"] = False
            self.taken["github " + bearer] = self.taken.get("github " + bearer, 0) + 1
            return 204, None, {}
        if method != "POST" or path != "/app/installations/34/access_tokens":
            return 404, {"message": "Not Found"}, {}
        try:
            claims = claims_of(bearer, self.public_key)
        except (ValueError, KeyError):
            return 401, {"message": "A JSON web token could not be decoded"}, {}
        now = time.time()
        if claims["iss"] != "12" or not now - 120 < claims["iat"] <= now or not now < claims["exp"] <= now + 600:
            return 401, {"message": "'Expiration time' claim ('exp') is too far in the future"}, {}
        if body.get("repositories") != ["app"] or body.get("permissions") != {"contents": "write"}:
            return 422, {"message": "There is at least one repository that does not exist or is not accessible to the parent installation."}, {}
        token = "ghs_" + secrets.token_hex(18)
        self.tokens[token] = {"alive": True}
        self.made["github " + token] = 1
        return 201, {"token": token, "expires_at": "2030-01-01T00:00:00Z", "permissions": {"contents": "write", "metadata": "read"}, "repository_selection": "selected", "repositories": []}, {}


def make_ca(where, *names):
    """An authority, a server's certificate for localhost and @names, a client's; names -> paths."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=where, check=True, capture_output=True)
    with open(os.path.join(where, "san"), "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1" + "".join(f",{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names) + "\n")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")
    for name in ("server", "client"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", name + ".pem", "-days", "2", "-extfile", "san")
        os.chmod(os.path.join(where, name + ".key"), 0o600)
    return {name: os.path.join(where, name) for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}
