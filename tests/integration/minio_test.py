#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""minio_test.py - the form `aws` of `oidc` against a token service that really checks: MinIO's. By hand: DD_MINIO names its binary.

With DD_TRANSCRIPT=FILE what was done and answered is written there (docs/credentials-minio.md has one); with DD_MINIO_EXPIRY=1 a quarter of an hour is
waited for the end of a credential."""
import datetime
import glob
import http.server
import os
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
import peers  # noqa: E402
from dd import DRYDOCK, PUSH, Job, case, check, equal, main, step  # noqa: E402
from issuers import make_ca  # noqa: E402
from world import ALLOWED, Resolver  # noqa: E402

AUDIENCE, ROOT = "drydock-builds", ("minio-root", "minio-root-secret")
W = {}

# Signature version 4 by hand: a step without any library of a cloud. argv: method, path, certificate's authority; the credentials are in the environment.
S3 = r'''
import datetime, hashlib, hmac, os, ssl, sys, urllib.error, urllib.request
def s3(method, path, body=b"", key=os.environ.get("AWS_ACCESS_KEY_ID"), secret=os.environ.get("AWS_SECRET_ACCESS_KEY"), token=os.environ.get("AWS_SESSION_TOKEN"), ca="ca.pem"):
    host, day = "minio.test:9000", datetime.datetime.now(datetime.timezone.utc)
    stamp, date, digest = day.strftime("%Y%m%dT%H%M%SZ"), day.strftime("%Y%m%d"), hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp, **({"x-amz-security-token": token} if token else {})}
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, "", *(f"{n}:{headers[n]}" for n in sorted(headers)), "", names, digest])
    scope, sign = f"{date}/us-east-1/s3/aws4_request", ("AWS4" + secret).encode()
    for part in (date, "us-east-1", "s3", "aws4_request"):
        sign = hmac.new(sign, part.encode(), hashlib.sha256).digest()
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    auth = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={hmac.new(sign, text.encode(), hashlib.sha256).hexdigest()}"
    request = urllib.request.Request("https://" + host + path, data=body if method == "PUT" else None, method=method, headers={**headers, "Authorization": auth})
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
'''
WRITE = "python3 - <<'END'\n" + S3 + r'''
print("put", s3("PUT", "/builds/app.tar", b"what was built")[0])
print("get", *s3("GET", "/builds/app.tar"))
print("without its session token", s3("GET", "/builds/app.tar", token=None)[0])
print("another bucket", s3("PUT", "/other/x", b"x")[0])
END
'''
exec(S3)   # the same client for what stands outside


def note(*words):
    if os.environ.get("DD_TRANSCRIPT"):
        with open(os.environ["DD_TRANSCRIPT"], "a", encoding="utf-8") as file:
            file.write(" ".join(str(w) for w in words) + "\n")


class Served(http.server.SimpleHTTPRequestHandler):
    """The issuer's public/ directory below /oidc, as an operator publishes it."""

    def translate_path(self, path):
        return os.path.join(W["public"], path.removeprefix("/oidc/"))

    def log_message(self, *_):
        pass


def start():
    """Once; every case asks for it."""
    if "minio" in W:
        return
    binary = os.environ.get("DD_MINIO")
    if not binary:
        peers.skip("by hand only: DD_MINIO names no binary of MinIO")
    W["dir"] = peers.tempfile.mkdtemp(prefix="dd-minio-")
    os.chmod(W["dir"], 0o755)
    W["tls"] = make_ca(W["dir"], ALLOWED, "minio.test")
    resolver = Resolver()
    resolver.say("minio.test", ALLOWED)
    W["resolver"] = resolver
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(W["tls"]["server.pem"], W["tls"]["server.key"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    W["issuer_url"] = f"https://localhost:{server.server_port}/oidc"
    W["issuer"] = os.path.join(W["dir"], "issuer")
    W["public"] = W["issuer"] + "/public"
    for audience in (AUDIENCE, "somebody-else"):
        done = subprocess.run([DRYDOCK, "issuer", "init", W["issuer"] if audience == AUDIENCE else W["dir"] + "/stranger", "--url", W["issuer_url"], "--audience", AUDIENCE,
                               "--audience", "somebody-else"], capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stderr)
    certs = os.path.join(W["dir"], "certs")
    os.makedirs(certs + "/CAs")
    for name, to in (("server.pem", "public.crt"), ("server.key", "private.key"), ("ca.pem", "CAs/ca.crt")):
        with open(W["tls"][name], "rb") as source, open(os.path.join(certs, to), "wb") as file:
            file.write(source.read())
    os.makedirs(W["dir"] + "/data/builds")
    os.makedirs(W["dir"] + "/data/other")
    W["log"] = os.path.join(W["dir"], "minio.log")
    env = {"PATH": os.environ["PATH"], "HOME": W["dir"], "MINIO_ROOT_USER": ROOT[0], "MINIO_ROOT_PASSWORD": ROOT[1], "MINIO_BROWSER": "off", "MINIO_UPDATE": "off",
           "MINIO_IDENTITY_OPENID_CONFIG_URL": W["issuer_url"] + "/.well-known/openid-configuration", "MINIO_IDENTITY_OPENID_CLIENT_ID": AUDIENCE,
           "MINIO_IDENTITY_OPENID_ROLE_POLICY": "readwrite"}
    W["minio"] = subprocess.Popen([binary, "--certs-dir", certs, "server", "--address", f"{ALLOWED}:9000", W["dir"] + "/data"], env=env,
                                  stdout=open(W["log"], "wb"), stderr=subprocess.STDOUT)
    until = time.monotonic() + 60
    while time.monotonic() < until and not ("RoleARN" in said() or "arn:minio:iam" in said()):
        check(W["minio"].poll() is None, said())
        time.sleep(0.2)
    W["role"] = re.search(r"arn:minio:iam:::role/\S+", said())[0]
    note("$ minio server\n" + "\n".join(line for line in said().splitlines() if "arn:minio" in line))


def said():
    with open(W["log"], encoding="utf-8", errors="replace") as file:
        return file.read()


def job(script=WRITE, audience=AUDIENCE, role=None, identity=None, ttl="15m"):
    made = Job([step("publish", script, PUSH)], {"push": {"egress": [{"host": "minio.test", "port": 9000}]}}, files={"ca.pem": open(W["tls"]["ca.pem"], encoding="ascii").read()},
               credentials={"bucket": {"from": {"oidc": {"form": "aws", "url": "https://minio.test:9000/", "ca": W["tls"]["ca.pem"], "identity": identity or W["issuer"],
                                                         "audience": audience, "role": role or W["role"]}},
                                       "for": {"phase": "push", "steps": ["publish"]}, "ttl": ttl,
                                       "as": {"env": {"AWS_ACCESS_KEY_ID": "access_key_id", "AWS_SECRET_ACCESS_KEY": "secret_access_key", "AWS_SESSION_TOKEN": "session_token"}}}})
    try:
        r = made.run()
    finally:
        made.close()
    shown = re.sub(r"20\d{6}t\w+-\w+", "RUN", r.out).replace(made.dir, "/job").replace(W["issuer_url"], "https://runner.example.com/oidc")
    told = [line.strip() for line in shown.splitlines() if re.match(r"\s+(lease|because|succeeded|broken off|reached) ", line) or re.search(r"(put|get|token|bucket) [0-9]{3}", line)]
    note("\n".join("    " + line for line in told))
    for event in r.record:
        if event["event"].startswith("cred."):
            note("    record:", {k: event[k] for k in ("event", "credential", "name", "kind", "from", "as", "ttl_sec", "result") if k in event})
    return r


@case("C-08", "MinIO's token service gives a step of a job, for the identity that drydock's own issuer signed, what writes to its bucket")
def _():
    start()
    note("\n## A step writes to a bucket\n")
    r = job()
    equal(r.rc, 0, "exit status", r)
    for line in ("put 200", "get 200 b'what was built'", "without its session token 403"):
        check(line in r.out, line, r)
    [grant] = r.events("cred.grant")
    check(0 < grant["ttl_sec"] <= 900, str(grant), r)
    equal(s3("GET", "/builds/app.tar", key=ROOT[0], secret=ROOT[1], token=None, ca=W["tls"]["ca.pem"]), (200, b"what was built"), "what MinIO holds", r)   # noqa: F821


@case("C-04", "another audience than MinIO's client id is refused, and so is another role; the step does not start")
def _():
    start()
    note("\n## Another audience, another role\n")
    own_words(sign(os.path.join(W["dir"], "token"), 300, "somebody-else"))
    r = job(audience="somebody-else")
    check(r.rc != 0 and "does not accept this audience" in r.out and "put 200" not in r.out, "the audience", r)
    r = job(role=W["role"][:-4] + "AAAA")
    check(r.rc != 0 and "exchange the identity: HTTP 4" in r.out, "the role", r)


@case("C-08", "a token that another key signed, and one whose time is over, are refused; the step does not start")
def _():
    start()
    note("\n## Another key, an old token\n")
    own_words(sign(os.path.join(W["dir"], "token"), 300, keys=W["dir"] + "/stranger"))
    r = job(identity=W["dir"] + "/stranger")
    check(r.rc != 0 and "does not know the key" in r.out, "another key", r)
    old = os.path.join(W["dir"], "old-token")
    sign(old, -4000)
    own_words(open(old, "rb").read())
    r = job(identity=old)
    check(r.rc != 0 and "exchange the identity: HTTP 4" in r.out and "expired" in r.out, "an old token", r)


def sign(path, after, audience=AUDIENCE, keys=None):
    """A token of the issuer's key that ends @after seconds from now, as a file."""
    import base64
    import json

    def b64(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    with open((keys or W["issuer"]) + "/public/jwks", encoding="utf-8") as file:
        kid = json.load(file)["keys"][0]["kid"]
    now = int(time.time())
    head = b64(json.dumps({"alg": "ES256", "typ": "JWT", "kid": kid}).encode())
    body = b64(json.dumps({"iss": W["issuer_url"], "aud": audience, "sub": "by-hand", "iat": now + after - 300, "exp": now + after}).encode())
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", glob.glob((keys or W["issuer"]) + "/keys/*.pem")[0]], input=head + b"." + body, check=True, capture_output=True).stdout
    parts, at = [], 2 if der[1] < 0x80 else 3
    for _ in range(2):
        parts.append(der[at + 2:at + 2 + der[at + 1]].lstrip(b"\0").rjust(32, b"\0"))
        at += 2 + der[at + 1]
    with open(path, "wb") as file:
        file.write(head + b"." + body + b"." + b64(b"".join(parts)))
    os.chmod(path, 0o600)
    return head + b"." + body + b"." + b64(b"".join(parts))


def answers(token):
    """Code and sentence of MinIO itself for a token."""
    form = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": W["role"], "DurationSeconds": "900", "WebIdentityToken": token}
    try:
        with urllib.request.urlopen("https://minio.test:9000/", data=urllib.parse.urlencode(form).encode(), context=ssl.create_default_context(cafile=W["tls"]["ca.pem"]), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def own_words(token):
    status, text = answers(token.decode())
    note(f"    MinIO's own words: HTTP {status}:", *re.findall("<(?:Code|Message)>(.*?)</", text))


@case("C-08", "what it gave ends by itself after 900 seconds, the shortest that it gives: nobody can take it back before")
def _():
    start()
    if not os.environ.get("DD_MINIO_EXPIRY"):
        peers.skip("a quarter of an hour: DD_MINIO_EXPIRY=1")
    note("\n## The end of a credential\n")
    status, text = answers(sign(os.path.join(W["dir"], "token"), 300).decode())
    equal(status, 200, text)
    part = {name: re.search(f"<{name}>(.*?)</{name}>", text)[1] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")}

    def ask():
        return s3("GET", "/builds/app.tar", key=part["AccessKeyId"], secret=part["SecretAccessKey"], token=part["SessionToken"], ca=W["tls"]["ca.pem"])   # noqa: F821
    equal(ask()[0], 200, "at first")
    end = datetime.datetime.fromisoformat(part["Expiration"].replace("Z", "+00:00"))
    left = (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    check(880 < left <= 901, f"{left} s")
    note(f"    given for {left:.0f} s; a read at once: 200")
    time.sleep(left + 3)
    status, body = ask()
    note(f"    a read 3 s after its end: {status}", re.search(rb"<Code>(.*?)</Code>", body)[1].decode())
    equal(status, 403, "afterwards")


def teardown():
    if "minio" in W:
        W["minio"].terminate()
        W["minio"].wait(20)


if __name__ == "__main__":
    main(teardown=teardown)
