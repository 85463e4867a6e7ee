#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""issuers_test.py - credentials that somebody issues: who asks as whom, what comes, what is taken back and by whom, and what is said when it fails."""
import glob
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
import peers  # noqa: E402
from dd import DRYDOCK, PUSH, Job, case, check, descendants, equal, main, step, supervisor_of  # noqa: E402
from issuers import Issuers, b64, make_ca  # noqa: E402

SHOW = 'printf %s "$TOKEN" | sha256sum | cut -c 1-64 | sed "s/.*/@@digest=&@@/"; echo "$TOKEN"'


def drydock(*args, cwd=None, env=None):
    return subprocess.run([DRYDOCK, *args], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, timeout=60)


class World:
    """A job with one push step that holds one issued credential; .fake is asked for it."""

    def __init__(self, source=None, as_=None, script=SHOW, tls=None, date=None, ttl="5m", real=None, audience=None, **more):
        self.job = Job([step("publish", script, PUSH)], {"push": {}})
        self.dir, self.issuer = self.job.dir, os.path.join(self.job.dir, "issuer")
        audience = audience or "the-audience"
        done = drydock("issuer", "init", self.issuer, "--url", "https://runner.test/oidc", "--audience", audience)
        check(done.returncode == 0, done.stderr)
        self.public = os.path.join(self.dir, "issuer.pub")
        subprocess.run(["openssl", "pkey", "-in", glob.glob(self.issuer + "/keys/*.pem")[0], "-pubout", "-out", self.public], check=True, capture_output=True)
        self.fake = None if real else Issuers(self.public, tls, date)
        self.url = real or self.fake.url
        kind, rest = source or ("vault", {"read": "secret/data/app"})
        base = {"vault": {"url": self.url, "identity": self.issuer, "role": "ci", "audience": audience, "janitor": "janitor"},
                "oidc": {"url": self.url + "/token", "identity": self.issuer, "audience": audience}, "github-app": {"url": self.url}}[kind]
        self.credential = {"from": {kind: {**base, **rest}}, "for": {"phase": "push", "steps": ["publish"], **more}, "as": as_ or {"env": "TOKEN"}, "ttl": ttl}
        self.write()

    def write(self):
        with open(os.path.join(self.dir, "policy.yml"), encoding="utf-8") as file:
            policy = json.load(file)
        policy["credentials"] = {"registry": self.credential}
        self.job.write("policy.yml", json.dumps(policy))

    def run(self, *options, env=None, **more):
        return self.job.run("--state-dir", os.path.join(self.dir, "state"), *options, env=env, **more)

    def revoke(self):
        return drydock("revoke", "--all", "--state-dir", os.path.join(self.dir, "state"))

    def journals(self):
        return glob.glob(os.path.join(self.dir, "state/leases/*.jsonl"))

    def files(self):
        for where, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path) and "/issuer/keys/" not in path:
                    with open(path, "rb") as file:
                        yield path, file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.fake:
            self.fake.end()
        self.job.close()


def digest(text):
    import hashlib
    return hashlib.sha256(text.encode()).hexdigest()


# ---- Vault ----

@case("C-08", "a step holds the secret that Vault has for its role; the token that read it is revoked within a second of the step's end, and the record says which answer came")
def _():
    with World() as w:
        r = w.run()
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("digest"), digest(w.fake.secret["password"]), "what the step held", r)
        check(w.fake.secret["password"] not in r.out, "unmasked", r)
        equal([p for p in w.fake.paths()], ["/v1/auth/jwt/login", "/v1/secret/data/app", "/v1/auth/token/revoke-self"], "requests", r)
        equal(w.fake.open(), [], "left at the server", r)
        [grant], [revoke] = r.events("cred.grant"), r.events("cred.revoke")
        equal((grant["kind"], grant["from"], revoke["result"]), ("vault", f"vault:{w.url}/secret/data/app", "revoked: token 204"), "events", r)
        equal(w.journals(), [], "journals", r)
        for token in w.fake.tokens:
            for path, blob in w.files():
                check(token.encode() not in blob and w.fake.secret["password"].encode() not in blob, f"a value is in {path}", r)


@case("C-04", "the identity token says runner, job, step, phase, policy and event, lives for minutes, and has an id of its own each time")
def _():
    with World() as w:
        for _ in range(2):
            r = w.run()
            equal(r.rc, 0, "exit status", r)
        first, second = [t["claims"] for t in w.fake.tokens.values()]
        equal((first["iss"], first["aud"], first["repository"], first["ref_protected"], first["event"]), ("https://runner.test/oidc", "the-audience", "local", "true", "local"), "claims", r)
        check(first["exp"] - first["iat"] == 300 and first["jti"] != second["jti"] and len(first["jti"]) == 32, str(first))
        own = first["drydock"]
        equal((own["job"], own["step"], own["phase"], own["mode"], own["policy"]), ("test", "publish", "push", "enforce", "policy.yml"), "drydock's own", r)
        check(len(own["policy_sha256"]) == 64 and own["run"] == second["drydock"]["run"][:0] + own["run"] and first["sub"].endswith(":repo:local:phase:push:step:publish"), str(first))
        jwt = json.loads(w.fake.bodies[0][1])["jwt"]
        head = json.loads(b64(jwt.split(".")[0]))
        with open(w.issuer + "/public/jwks", encoding="utf-8") as file:
            [key] = json.load(file)["keys"]
        equal((head["alg"], head["typ"], head["kid"]), ("ES256", "JWT", key["kid"]), "header", r)


@case("C-08", "a dynamic secret is two parts of one lease; the lease is revoked by itself, synchronously, and then the token")
def _():
    with World(("vault", {"read": "database/creds/ci"}), {"env": {"DB_USER": "username", "TOKEN": "password"}}, script='echo "@@user=$DB_USER@@"; ' + SHOW) as w:
        r = w.run()
        equal(r.rc, 0, "exit status", r)
        check(r.mark("user").startswith("v-"), "user", r)
        equal(w.fake.paths()[-2:], ["/v1/sys/leases/revoke", "/v1/auth/token/revoke-self"], "the end", r)
        equal(r.events("cred.revoke")[0]["result"], "revoked: lease 204, token 204", "result", r)
        equal((w.fake.open(), set(w.fake.taken.values())), ([], {1}), "left, and taken back how often", r)


@case("C-08", "a lease that the server does not take back is told, stays in the journal, and the next start takes it back")
def _():
    with World(("vault", {"read": "database/creds/ci"})) as w:
        w.fake.answers["/v1/sys/leases/revoke"] = [(400, {"errors": ["failed to revoke entry: lease"]}, {})] * 2   # by the token, and by the janitor
        w.fake.answers["/v1/auth/token/revoke-accessor"] = [(500, {"errors": ["internal error"]}, {})] * 3
        w.fake.answers["/v1/auth/token/revoke-self"] = [(500, {"errors": ["internal error"]}, {})] * 3
        r = w.run()
        equal(r.rc, 0, "exit status", r)
        check("credential registry is not taken back" in r.out and "revoke --all" in r.out and len(w.journals()) == 1, "not told", r)
        check(r.events("cred.revoke")[0]["result"].startswith("not revoked: lease: HTTP 400"), str(r.events("cred.revoke")), r)
        again = w.run()
        check("left over by a run that died: revoked: lease 204, token 204" in again.out, "the next start", again)
        equal((w.fake.open(), set(w.fake.taken.values()), w.journals()), ([], {1}, []), "left, taken back, journals", again)


@case("C-08 X-08", "whatever way the step ends, its lease ends within a second: failure, timeout, signal, cancel")
def _():
    for script, cancel, options in (("exit 3", None, {}), ("kill -9 $$", None, {}), ("echo @@up=1@@; sleep 60", signal.SIGINT, {}), ("trap '' TERM; sleep 60", None, {"limits": {"time": "1s"}})):
        with World(("vault", {"read": "database/creds/ci"}), script=script) as w:
            if options:
                with open(os.path.join(w.dir, "policy.yml"), encoding="utf-8") as file:
                    policy = json.load(file)
                w.job.write("policy.yml", json.dumps({**policy, **options}))
            process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
            if cancel:
                while not (w.fake.leases and b"@@up" in open_log(w)):
                    check(process.poll() is None, "it ended before it was cancelled")
                    time.sleep(0.02)
                process.send_signal(cancel)
            out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
            check(process.returncode != 0, f"{script}: succeeded\n{out}")
            equal((w.fake.open(), set(w.fake.taken.values())), ([], {1}), f"{script}: left, taken back\n{out[-1500:]}")
            with open(os.path.join(w.dir, "record.jsonl"), encoding="utf-8") as file:
                events = [json.loads(line) for line in file]
            [revoke] = [e for e in events if e["event"] == "cred.revoke"]
            [close] = [e for e in events if e["event"] == "gate.close"]
            check((revoke["mono_ns"] - close["mono_ns"]) / 1e9 < 1.5, f"{script}: {(revoke['mono_ns'] - close['mono_ns']) / 1e9:.2f} s after the gate closed")


def open_log(w):
    paths = glob.glob(os.path.join(w.dir, "state/records/*/*.log"))
    if not paths:
        return b""
    with open(paths[0], "rb") as file:
        return file.read()


@case("C-12", "no job that the policy does not give it to makes a single request: a fork's, one of another ref, one of another audience")
def _():
    push = {"event_name": "push", "ref": "refs/heads/main", "ref_protected": True, "repository": {"full_name": "acme/app"}}
    for event, more in (({**push, "event_name": "pull_request", "pull_request": {"head": {"repo": {"full_name": "evil/app"}}, "base": {"repo": {"full_name": "acme/app"}}}}, {}),
                        ({**push, "ref_protected": False}, {}), (push, {"ref": "refs/tags/*"}), (push, {"protected": False})):
        with World(**more) as w:
            w.job.write("event.json", json.dumps(event))
            r = w.run("--event", "event.json")
            equal((r.rc, w.fake.log), (4, []), f"exit status and requests for {more}", r)
    with World() as w:
        w.credential["from"]["vault"]["audience"] = "another"
        w.write()
        r = w.run()
        equal((r.rc, w.fake.log), (3, []), "exit status and requests for another audience", r)
        check("signs for no audience `another`" in r.out and "nothing was run" in r.out, "not told", r)


@case("", "what goes wrong is said in words that help, and the step does not run: audience, expired, signature, sealed, no such role, redirect, batch tokens")
def _():
    rows = [((400, {"errors": ["invalid audience (aud) claim"]}, {}), "bound_audiences"), ((400, {"errors": ["token is expired"]}, {}), "is expired"),
            ((400, {"errors": ["no known key successfully validated the token signature"]}, {}), "publish"), ((400, {"errors": ['role "ci" could not be found']}, {}), "no such role"),
            ((400, {"errors": ["error validating claims: claim \"/drydock/phase\" does not match"]}, {}), "bound_claims"), ((302, None, {"Location": "http://127.0.0.1:1/"}), "follows no redirect"),
            ((404, {"errors": []}, {}), "there is nothing"), ((200, b"<html>", {}), "not one of Vault's")]
    for answer, words in rows:
        with World(script="echo @@ran=1@@") as w:
            w.fake.answers["/v1/auth/jwt/login"] = [answer]
            r = w.run()
            check(r.rc != 0 and "ran" not in r.marks and words in r.out and "credential registry:" in r.out, f"{answer}: {words}", r)
            check(all(p.endswith("login") for p in w.fake.paths()), f"{answer}: {w.fake.paths()}", r)
    with World(script="echo @@ran=1@@") as w:
        w.fake.answers["/v1/auth/jwt/login"] = [(503, {"errors": ["Vault is sealed"]}, {})] * 3
        r = w.run()
        check("the server is sealed" in r.out and len(w.fake.log) == 3, f"sealed: {w.fake.log}", r)
    with World(script="echo @@ran=1@@") as w:
        w.fake.kind = "batch"
        r = w.run()
        check("nobody can revoke" in r.out and "ran" not in r.marks, "batch", r)


@case("", "a clock that is wrong is named beside what it breaks")
def _():
    with World(script="true", date=-300) as w:
        w.fake.answers["/v1/auth/jwt/login"] = [(400, {"errors": ["token used before issued"]}, {})]
        r = w.run()
        check("this host's clock is" in r.out and "ahead of the server's" in r.out and "29" in r.out or "300" in r.out, "not told", r)


@case("", "a server that is not there, or whose certificate is not trusted, is told by its host alone, and one with the right authority is asked")
def _():
    import shutil
    import tempfile
    where = tempfile.mkdtemp(prefix="dd-ca-")
    try:
        ca = make_ca(where)
        tls = {"certificate": ca["server.pem"], "key": ca["server.key"]}
        with World(script="echo @@ran=1@@", tls=tls) as w:
            r = w.run()
            check("certificate is not one that this host trusts" in r.out and "ran" not in r.marks and not w.fake.log, "trusted", r)
            w.credential["from"]["vault"]["ca"] = ca["ca.pem"]
            w.write()
            equal(w.run().rc, 0, "with the authority")
            w.credential["from"]["vault"]["url"] = w.url.replace("localhost", "127.0.0.1").replace("https://127.0.0.1", "https://127.0.0.1")
            w.write()
        with World(script="echo @@ran=1@@", tls={**tls, "client_ca": ca["ca.pem"]}) as w:
            w.credential["from"]["vault"]["ca"] = ca["ca.pem"]
            w.write()
            r = w.run()
            check(r.rc != 0 and "ran" not in r.marks, "without a client certificate", r)
            w.credential["from"]["vault"].update({"certificate": ca["client.pem"], "key": ca["client.key"]})
            w.write()
            equal(w.run().rc, 0, "with a client certificate")
        with World(script="echo @@ran=1@@") as w:
            w.fake.end()
            r = w.run(timeout=60)
            check("nobody answers there" in r.out and "ran" not in r.marks, "a server that is down", r)
            w.fake = None
    finally:
        shutil.rmtree(where)


def renewals(w):
    return [path for _, path in w.fake.log if "renew" in path]


@case("C-18", "what an issuer gives for a short time is renewed while the step runs, token and lease, never beyond the policy's ttl, and then taken back")
def _():
    for read in ("secret/data/app", "database/creds/ci"):
        with World(("vault", {"read": read}), ttl="60s", script="sleep 5; echo @@done=yes@@") as w:
            w.fake.ttl = 2
            r = w.run()
            equal((r.rc, r.marks.get("done")), (0, "yes"), f"{read}: the step", r)
            done = r.events("cred.renew")
            check(len(done) >= 2 and all(e["result"] == "renewed" and 0 < e["ttl_sec"] <= 2 for e in done), f"{read}: {done}", r)
            check(("/v1/sys/leases/renew" in renewals(w)) == (read != "secret/data/app"), f"{read}: {renewals(w)}", r)
            check("revoked: " in r.events("cred.revoke")[0]["result"] and not w.journals(), "not taken back", r)
            asked = [json.loads(body)["increment"] for (_, path), (_, body) in zip(w.fake.log, w.fake.bodies) if "renew" in path]
            check(all(n <= 60 for n in asked) and asked[-1] < 60, f"{read}: asked for {asked}", r)
    with World(ttl="4s", script="sleep 20; echo @@late=1@@") as w:
        w.fake.ttl = 2
        r = w.run()
        check(r.rc == 1 and "late" not in r.marks and "has lived its ttl of 4 s" in r.out and ".ttl in the policy" in r.out, "the policy's ttl", r)
        check(r.events("cred.renew"), "not renewed", r)
    with World(ttl="4s", script="sleep 20; echo @@late=1@@") as w:  # a server that gives more than it is asked for
        w.fake.ttl, w.fake.answers["/v1/auth/token/renew-self"] = 2, [(200, {"auth": {"lease_duration": n}}, {}) for n in (2, 3600)]
        r = w.run()
        check(r.rc == 1 and "late" not in r.marks and "has lived its ttl of 4 s" in r.out and r.took < 10, "beyond the policy's ttl", r)


@case("C-18", "a renewal that is refused, or that gives no more time, is told while there is some left, and the step ends with its credential")
def _():
    with World(ttl="60s", script="sleep 20; echo @@late=1@@") as w:
        w.fake.ttl, w.fake.answers["/v1/auth/token/renew-self"] = 3, [(200, {"auth": {"lease_duration": 3}}, {})] + [(403, {"errors": ["permission denied"]}, {})] * 50
        r = w.run()
        check(r.rc == 1 and "late" not in r.marks and r.took < 12, "it went on", r)
        check(r.out.count("credential registry: not renewed: renew the token: HTTP 403") == 1 and "the step that holds it with it" in r.out, "not told once", r)
        check("has lived its ttl of 3 s" in r.out and "its issuer gives no more" in r.out, "why it ended", r)
        check(len([p for p in renewals(w)]) < 8, f"hammered: {renewals(w)}", r)
        check(any(e["result"].startswith("not renewed: ") and "ttl_sec" not in e for e in r.events("cred.renew")), "the record", r)
    with World(ttl="60s", script="sleep 20; echo @@late=1@@") as w:
        w.fake.ttl, w.fake.ends = 3, time.time() + 5
        r = w.run()
        check(r.rc == 1 and "late" not in r.marks and "its issuer gives no more time; it ends in" in r.out, "not told", r)
    with World(ttl="60s", script="sleep 4; echo @@done=yes@@") as w:
        w.fake.ttl = 3
        w.fake.answers["/v1/auth/token/renew-self"] = [(200, {"auth": {"lease_duration": 3}}, {}), (503, {"errors": []}, {}), (503, {"errors": []}, {}), (503, {"errors": []}, {})]
        r = w.run()
        equal((r.rc, r.marks.get("done")), (0, "yes"), "a server that comes back in time", r)


@case("X-08 C-18", "a server that stalls a renewal holds nobody: output, cancel and the end of the step come as ever, and no courier stays")
def _():
    with World(ttl="60s", script="for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.5; done; echo @@done=yes@@") as w:
        w.fake.ttl = 8
        w.fake.answers["/v1/auth/token/renew-self"] = [(200, {"auth": {"lease_duration": 3}}, {})]
        process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
        deadline = time.monotonic() + 20
        while "/v1/auth/token/renew-self" not in renewals(w) and time.monotonic() < deadline:
            time.sleep(0.01)
        w.fake.slow["/v1/auth/token/renew-self"] = 6
        started = time.monotonic()
        out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
        check(time.monotonic() - started < 6, "the step's end waited for the server")
        check("tick 6" in out or "has lived its ttl" in out, out)
        check(not w.journals(), "something is left in the journal")


@case("", "a server's longer life is shortened to the policy's ttl, or the credential is refused and taken back; a shorter one ends the step")
def _():
    with World(ttl="2m") as w:
        w.fake.ttl = 3600
        r = w.run()
        equal((r.rc, r.events("cred.grant")[0]["ttl_sec"]), (0, 120), "renewed to the policy's", r)
    with World(ttl="2m", script="echo @@ran=1@@") as w:
        w.fake.ttl = 3600
        w.fake.answers["/v1/auth/token/renew-self"] = [(403, {"errors": ["permission denied"]}, {})]
        r = w.run()
        check("would live for 3600 s" in r.out and "ran" not in r.marks, "too long", r)
        equal((w.fake.open(), w.journals()), ([], []), "left", r)
    with World(ttl="2m", script="echo @@ran=1@@; sleep 20; echo @@late=1@@") as w:
        w.fake.ttl, w.fake.renewable = 1, False
        r = w.run()
        check("ran" in r.marks and "late" not in r.marks and "its issuer gives no more" in r.out, "too short", r)
        check("nobody can renew it; the step that holds it ends then, and not after the policy's ttl" in r.out, "not told before", r)


@case("", "a wrapping token is for what was asked, or it is refused")
def _():
    with World(("vault", {"read": "secret/data/app", "wrap": "60s"}), script='echo "@@wrapped=${TOKEN%%wrap*}@@"') as w:
        r = w.run()
        equal((r.rc, r.mark("wrapped")), (0, "s."), "the wrapping token", r)
        w.fake.answers["/v1/secret/data/app"] = [(200, {"wrap_info": {"token": "s.evil", "creation_path": "sys/wrapping/wrap"}}, {})]
        r = w.run()
        check(r.rc != 0 and "another path" in r.out and "s.evil" not in r.out, "another path", r)


@case("", "of a secret with many parts only those that the policy hands over come; where none is meant, the parts are named")
def _():
    with World(as_={"env": {"TOKEN": "k07", "B": "k21"}}, script=SHOW + '; echo "@@b=${#B}@@"') as w:
        w.fake.secret = {f"k{i:02}": f"canary-part-{i:02}-" + "x" * i for i in range(30)}
        r = w.run()
        equal((r.rc, r.mark("digest"), r.mark("b")), (0, digest(w.fake.secret["k07"]), "36"), "the parts", r)
        w.credential["as"] = {"env": "TOKEN"}
        w.write()
        r = w.run()
        check(r.rc != 0 and "several parts (k00, k01" in r.out and "canary-part" not in r.out, "none is meant", r)
        w.credential["from"]["vault"]["field"] = "absent"
        w.write()
        check("has no part `absent`" in w.run().out, "one that is not there")
        w.credential["from"]["vault"].pop("field")
        w.credential["as"] = {"env": {"TOKEN": "absent"}}
        w.write()
        r = w.run()
        check(r.rc != 0 and "none of the parts" in r.out, "none of them", r)


@case("X-08 X-13", "a cancel while the issuer takes its time: the step does not begin, and what was issued all the same is taken back")
def _():
    for slow in ("/v1/auth/jwt/login", "/v1/database/creds/ci"):
        with World(("vault", {"read": "database/creds/ci"}), script="echo @@ran=1@@") as w:
            w.fake.slow[slow] = 1.5
            process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
            asked = time.monotonic() + 30
            while not w.journals() or "intent" not in open(w.journals()[0], encoding="utf-8").read():
                check(process.poll() is None and time.monotonic() < asked, "it never asked")
                time.sleep(0.02)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            out = process.communicate(timeout=30)[0].decode("utf-8", "replace")
            equal((process.returncode, w.fake.open(), w.journals()), (130, [], []), f"{slow}: status, left, journals\n{out[-1500:]}")
            check("@@ran" not in out and all(n == 1 for n in w.fake.taken.values()), f"{slow}: {w.fake.taken}\n{out[-1500:]}")


# ---- the others ----

@case("C-08", "an identity is exchanged as RFC 8693 says, and the access token is revoked as RFC 7009 says")
def _():
    with World(("oidc", {"scope": "push pull"})) as w:
        w.credential["from"]["oidc"]["revoke"] = w.url + "/revoke"
        w.write()
        r = w.run()
        equal(r.rc, 0, "exit status", r)
        [token] = w.fake.tokens
        equal((r.mark("digest"), w.fake.paths(), w.fake.open()), (digest(token), ["/token", "/revoke"], []), "token, requests, left", r)
        equal(r.events("cred.revoke")[0]["result"], "revoked: token 200", "result", r)
        w.fake.audience = "somebody-else"
        r = w.run()
        check(r.rc != 0 and "does not take the identity token" in r.out, "wrong audience", r)


@case("", "AWS' three parts come out of its XML, Azure takes the identity as the client's assertion, and what nobody can take back is said")
def _():
    with World(("oidc", {"form": "aws", "role": "arn:aws:iam::1:role/ci"}), {"env": {"AWS_ACCESS_KEY_ID": "access_key_id", "TOKEN": "secret_access_key", "AWS_SESSION_TOKEN": "session_token"}},
               script='echo "@@id=${#AWS_ACCESS_KEY_ID} ${#AWS_SESSION_TOKEN}@@"; ' + SHOW) as w:
        w.credential["from"]["oidc"]["url"] = w.url + "/sts"
        w.write()
        r = w.run()
        equal((r.rc, r.mark("id"), r.mark("digest")), (0, "11 18", digest("canary-sts-secret")), "parts", r)
        check("ends by itself" in r.events("cred.revoke")[0]["result"], "result", r)
        w.fake.audience = "x"
        r = w.run()
        check(r.rc != 0 and "does not take the identity token" in r.out, "refused", r)
    with World(("oidc", {"form": "azure", "client": "app", "scope": "https://x/.default"})) as w:
        r = w.run()
        equal(r.rc, 0, "azure", r)


@case("", "Google exchanges the identity for a federated token and that for an account's, asked for as long as the policy says and an hour at most; its refusals are said")
def _():
    for ttl, asked in (("5m", 300), ("2h", 3600)):
        with World(("oidc", {"form": "gcp", "scope": "https://www.googleapis.com/auth/devstorage.read_write"}), ttl=ttl) as w:
            w.credential["from"]["oidc"].update(url=w.url + "/google", resource=w.fake.GOOGLE_PROVIDER, account=w.url + w.fake.GOOGLE_ACCOUNT)
            w.write()
            r = w.run()
            equal((r.rc, r.mark("digest")), (0, digest("ya29." + w.fake.secret["password"])), "the account's token", r)
            equal(w.fake.google_asked, {"scope": ["https://www.googleapis.com/auth/devstorage.read_write"], "lifetime": f"{asked}s"}, "what was asked for", r)
            equal(r.events("cred.grant")[0]["ttl_sec"], asked, "its true life", r)
            check(not any("ya29.d." in str(e) for e in r.record) and "ya29.d." not in r.out, "the federated token is shown", r)
            w.fake.answers[w.fake.GOOGLE_ACCOUNT] = [(403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}}, {})]
            r = w.run()
            check(r.rc != 0 and "impersonate the account: HTTP 403" in r.out and "digest" not in r.marks, "an account that may not be used", r)
            w.fake.audience = "another"
            r = w.run()
            check(r.rc != 0 and "does not take the identity token" in r.out and "digest" not in r.marks, "an identity that it does not take", r)


@case("C-08", "a GitHub App's token is narrowed to repositories and permissions, is git's password, and is deleted; a wider one is refused")
def _():
    with World(("github-app", {"app": "12", "installation": "34", "repositories": ["app"], "permissions": {"contents": "write"}}), {"git": "github.test"},
               script="printf 'protocol=https\\nhost=github.test\\n\\n' | git credential fill | sed -n 's/^password=//p' | tr -d '\\n' | sha256sum | cut -c 1-64 | sed 's/.*/@@digest=&@@/'") as w:
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", w.dir + "/app.pem"], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", w.dir + "/app.pem", "-pubout", "-out", w.public], check=True, capture_output=True)
        os.chmod(w.dir + "/app.pem", 0o600)
        w.credential["from"]["github-app"]["key"] = w.dir + "/app.pem"
        w.write()
        r = w.run()
        equal(r.rc, 0, "exit status", r)
        [token] = w.fake.tokens
        equal((r.mark("digest"), w.fake.open(), r.events("cred.revoke")[0]["result"]), (digest(token), [], "revoked: token 204"), "token, left, result", r)
        w.fake.answers["/app/installations"] = [(201, {"token": "ghs_wide", "permissions": {"contents": "write", "administration": "write"}, "repository_selection": "selected"}, {})]
        r = w.run()
        check(r.rc != 0 and "administration" in r.out and ("DELETE", "/installation/token") == w.fake.log[-1], "a wider one", r)
        os.chmod(w.dir + "/app.pem", 0o644)
        count = len(w.fake.log)
        r = w.run()
        equal((r.rc, len(w.fake.log)), (3, count), "a key that others can read", r)


@case("C-08", "when the supervisor is killed the keeper takes back what only the token itself can take back")
def _():
    with World(("oidc", {}), script="echo @@up=1@@; sleep 60") as w:
        w.credential["from"]["oidc"]["revoke"] = w.url + "/revoke"
        w.write()
        process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
        while b"@@up" not in open_log(w):
            check(process.poll() is None, "it ended")
            time.sleep(0.02)
        os.kill(supervisor_of(process.pid), signal.SIGKILL)
        out = process.communicate(timeout=30)[0].decode("utf-8", "replace")
        equal((process.returncode, w.fake.open(), w.journals()), (5, [], []), f"status, left, journals\n{out[-1500:]}")
        done = drydock("record", "verify", os.path.join(w.dir, "record.jsonl"))
        equal(done.returncode, 0, "record verify: " + done.stdout + done.stderr)


# ---- the crash matrix ----

def crash(w, at, who):
    for path in glob.glob(os.path.join(w.dir, "record.jsonl")):
        os.unlink(path)
    process = w.job.popen("--state-dir", os.path.join(w.dir, "state"), env={"DRYDOCK_FAULT": "crash", "DRYDOCK_CRASH_AT": f"{at}:{who}"})
    out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
    return process.returncode, out


def after_crashes(w):
    """The next run works, and takes away what the last of the dead left: directories and cgroups."""
    os.unlink(os.path.join(w.dir, "record.jsonl"))
    equal(w.run().rc, 0, "the run after them")
    equal(os.listdir(os.path.join(w.dir, "state/jobs")), [], "jobs that are left")


@case("C-08 C-09", "killed with -9 at each point between asking and the end, every token and every lease is taken back exactly once, and the record's chain holds")
def _():
    points = 0
    with World(("vault", {"read": "database/creds/ci"}), script="true") as w:
        for who in ("supervisor", "drydock", "all"):
            for at in range(1, 60 if who == "supervisor" else points + 1):
                made = set(w.fake.made)
                rc, out = crash(w, at, who)
                if rc == 0:
                    check(at > 25, f"only {at} points")
                    break
                points += 1
                done = w.revoke()
                deadline = time.monotonic() + 10
                while "still going" in done.stdout and time.monotonic() < deadline:
                    time.sleep(0.02)   # the courier that nobody hears any more takes it back
                    done = w.revoke()
                check(done.returncode in (0, 1) and "still going" not in done.stdout, done.stdout + done.stderr)
                unknown = w.journals()
                check(all("issued" not in open(p, encoding="utf-8").read() for p in unknown), f"{at}:{who}: not taken back: {done.stdout}")
                left = [k for k in w.fake.open() if k not in made]
                if who == "all" and unknown:
                    # every process died between the issuer's answer and the journal: told, and it ends by itself
                    check("was being asked for when drydock died" in done.stdout, f"{at}:{who}: {done.stdout}")
                    for k in left:
                        w.fake.taken[k] = 1
                    left = []
                equal(left, [], f"{at}:{who}: left at the issuer\n{done.stdout}{out[-800:]}")
                check(all(n == 1 for n in w.fake.taken.values()), f"{at}:{who}: taken back more than once: {w.fake.taken}")
                for path in unknown:
                    os.unlink(path)
                equal(w.journals(), [], f"{at}:{who}: journals\n{done.stdout}")
                verify = drydock("record", "verify", os.path.join(w.dir, "record.jsonl"))
                check(verify.returncode in ((0,) if not unknown else (0, 1)), f"{at}:{who}: record verify {verify.returncode}: {verify.stdout}{verify.stderr}")
        after_crashes(w)
    check(points >= 80, f"only {points} crashes")
    print(f"# {points} crashes", flush=True)


@case("C-09", "a run that lives keeps its leases: neither another start nor revoke --all touches them")
def _():
    with World(("vault", {"read": "database/creds/ci"}), script="echo @@up=1@@; sleep 60") as w:
        process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
        while b"@@up" not in open_log(w):
            check(process.poll() is None, "it ended")
            time.sleep(0.02)
        done = w.revoke()
        check("1 run is still going" in done.stdout and done.returncode == 0 and len(w.fake.open()) == 2, done.stdout + done.stderr)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        equal(w.fake.open(), [], "left")


# ---- own issuer ----

@case("C-04", "drydock issuer: keys rotate with an overlap, the documents are whole, and what others may write or read is refused")
def _():
    with World() as w:
        with open(w.issuer + "/public/.well-known/openid-configuration", encoding="utf-8") as file:
            about = json.load(file)
        equal((about["issuer"], about["jwks_uri"], about["id_token_signing_alg_values_supported"]), ("https://runner.test/oidc", "https://runner.test/oidc/jwks", ["ES256"]), "discovery")
        first = json.load(open(w.issuer + "/public/jwks", encoding="utf-8"))["keys"]
        done = drydock("issuer", "rotate", w.issuer)
        check(done.returncode == 0 and "used later" in done.stdout and "in use" in done.stdout, done.stdout + done.stderr)
        both = json.load(open(w.issuer + "/public/jwks", encoding="utf-8"))["keys"]
        check(len(both) == 2 and both[0] == first[0] and both[1]["kid"] != first[0]["kid"], str(both))
        equal(w.run().rc, 0, "the old key still signs")
        check(all(os.stat(p).st_mode & 0o777 == 0o600 for p in glob.glob(w.issuer + "/keys/*.pem")) and "PRIVATE" not in open(w.issuer + "/public/jwks", encoding="utf-8").read(), "modes")
        os.chmod(glob.glob(f"{w.issuer}/keys/{first[0]['kid']}.pem")[0], 0o644)
        r = w.run()
        check(r.rc != 0 and "chmod 0600" in r.out, "a key that others read", r)
        os.chmod(w.issuer + "/issuer.json", 0o666)
        r = w.run()
        check(r.rc == 3 and "written by others" in r.out, "a configuration that others write", r)
        for args in (("init", w.issuer, "--url", "https://x.test/", "--audience", "a"), ("init", w.dir + "/i2", "--url", "http://x.test", "--audience", "a"), ("init", w.issuer, "--url", "https://x.test", "--audience", "a")):
            check(drydock("issuer", *args).returncode != 0, f"took {args}")


@case("", "the doctor names what is static, looks at what an issuer is asked with, asks nobody, and says where libcurl is missing")
def _():
    with World() as w:
        def doctor(env=None):
            done = drydock("doctor", "--policy", os.path.join(w.dir, "policy.yml"), "--json", env=env)
            return json.loads(done.stdout)["policy"]
        found = doctor()
        equal((found["static"], found["missing"], w.fake.log), ([], [], []), "an issued one")
        found = doctor({"DRYDOCK_FAULT": "libcurl"})
        check("libcurl4" in found["missing"][0]["remedy"], str(found))
        os.chmod(w.issuer + "/issuer.json", 0o666)
        w.credential["from"]["vault"]["ca"] = "/nowhere/ca.pem"
        w.write()
        found = doctor()
        check(len(found["missing"]) == 2 and all(m["key"] == "credentials.registry.from" for m in found["missing"]), str(found))
        w.credential["from"] = {"env": "PATH"}
        w.write()
        found = doctor()
        equal([(s["key"], s["from"]) for s in found["static"]], [("credentials.registry.from", "env")], "a static one")
        check("STATIC in" in drydock("doctor", "--policy", os.path.join(w.dir, "policy.yml")).stdout, "in words")


@case("", "without libcurl nothing is asked, and it is said what to install")
def _():
    with World(script="echo @@ran=1@@") as w:
        r = w.run(env={"DRYDOCK_FAULT": "libcurl"})
        check(r.rc != 0 and "package libcurl4" in r.out and "ran" not in r.marks and not w.fake.log and not w.journals(), "not told", r)


def courier_of(process):
    """The process that speaks for the supervisor, when it has its filter."""
    for pid in descendants(process.pid):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.get("Name") == "drydock-courier" and status.get("Seccomp") == "2":
            return pid, status
    return None, {}


@case("P-09", "a courier has a filter, no capability and no new privileges, and leaves no core")
def _():
    with World(("vault", {"read": "database/creds/ci"}), script="echo @@ran=1@@") as w:
        w.fake.slow["/v1/auth/jwt/login"] = 2
        process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
        deadline, pid, status = time.monotonic() + 30, None, {}
        while pid is None and process.poll() is None and time.monotonic() < deadline:
            pid, status = courier_of(process)
        check(pid is not None, "no courier was seen")
        equal([status[k] for k in ("Seccomp", "NoNewPrivs", "CapEff", "CapPrm")], ["2", "1", "0" * 16, "0" * 16], "locks")
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            equal(next(line.split()[4:6] for line in file if line.startswith("Max core")), ["0", "0"], "core")
        out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
        check(process.returncode == 0 and "@@ran=1@@" in out, out)


def smaps_of(pid):
    """name -> (flags, kilobytes) of the writable mappings"""
    found, name = {}, None
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                name = words[5] if len(words) > 5 else "anonymous"
            elif words[0] == "VmFlags:" and name in ("[heap]", "[stack]"):
                found[name] = words[1:]
    return found


@case("C-16 P-09", "what a courier says and hears, session keys too, is in locked memory: nothing of it is in swap or in a core")
def _():
    with World(("vault", {"read": "database/creds/ci"}), script="echo @@ran=1@@") as w:
        w.fake.slow["/v1/auth/jwt/login"] = 2
        process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
        deadline, pid, status = time.monotonic() + 30, None, {}
        while pid is None and process.poll() is None and time.monotonic() < deadline:
            pid, status = courier_of(process)
        check(pid is not None, "no courier was seen")
        maps = smaps_of(pid)
        check(all("lo" in maps.get(name, []) and "lf" not in maps for name in ("[heap]", "[stack]")), f"not locked: {maps}")
        check(256 < int(status["VmLck"].split()[0]) < 8192, f"locked: {status['VmLck']}")
        out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
        check(process.returncode == 0 and "@@ran=1@@" in out, out)


@case("C-16", "on a host with swap and a limit that is too low a courier does not speak, and says what to raise; without swap it does")
def _():
    for fault, rc in (("swap", 3), ("", 0)):
        with World(script="echo @@ran=1@@") as w:
            limit = ["prlimit", f"--memlock={3 << 20}:{3 << 20}", "--"]
            r = w.job.run("--state-dir", os.path.join(w.dir, "state"), env={"DRYDOCK_FAULT": fault} if fault else {}, prefix=limit)
            check((r.rc == 0) == (rc == 0) and ("ran" in r.marks) == (rc == 0), f"fault {fault}", r)
            check(rc == 0 or ("raise RLIMIT_MEMLOCK to 8 MiB" in r.out and not w.fake.log), "not told, or it spoke", r)


@case("", "a courier without its filter does not speak")
def _():
    with World(script="echo @@ran=1@@") as w:
        r = w.run(env={"DRYDOCK_FAULT": "courier_seccomp"})
        check(r.rc != 0 and "courier: load the seccomp filter" in r.out and "ran" not in r.marks and not w.fake.log, "it spoke", r)


# ---- real servers ----

@case("C-08", "OpenBao believes drydock's own issuer: login, KV, wrapping, and what it refuses; nothing of it lives on")
def _():
    bao = peers.Bao()
    try:
        with World(("vault", {"read": "secret/data/app"}), real=bao.url, audience=bao.url) as w:
            with open(w.public, encoding="ascii") as file:
                bao.trust(jwt_validation_pubkeys=[file.read()], bound_issuer="https://runner.test/oidc")
            bao.role("ci", bound_audiences=[bao.url], bound_claims={"/drydock/phase": "push", "/drydock/step": "publish", "/repository": "local"})
            bao.role("janitor", bound_audiences=[bao.url])
            secret = "canary-bao-" + os.urandom(6).hex()
            bao.ask("POST", "secret/data/app", {"data": {"username": "bob", "password": secret}})
            r = w.run()
            equal((r.rc, r.mark("digest"), bao.tokens()), (0, digest(secret), set()), "status, secret, tokens left", r)
            equal(r.events("cred.revoke")[0]["result"], "revoked: token 204", "result", r)
            w.credential["from"]["vault"]["wrap"] = "60s"
            w.job.write("workflow.yml", open(os.path.join(w.dir, "workflow.yml"), encoding="utf-8").read().replace('printf %s', 'sleep 0; printf %s'))
            w.write()
            equal(w.run().rc, 0, "wrapped")
            del w.credential["from"]["vault"]["wrap"]
            for change, words in (({"role": "absent"}, "no such role"), ({"read": "secret/data/absent"}, "there is nothing"), ({"read": "sys/mounts"}, "does not allow"), ({"namespace": "nowhere"}, "HTTP")):
                old = dict(w.credential["from"]["vault"])
                w.credential["from"]["vault"].update(change)
                w.write()
                r = w.run()
                check(r.rc != 0 and words in r.out, f"{change}: {words}", r)
                equal(bao.tokens(), set(), f"{change}: tokens left", r)
                w.credential["from"]["vault"] = old
            bao.role("ci", bound_audiences=["other"])
            w.write()
            r = w.run()
            check("bound_audiences" in r.out, "another audience", r)
            bao.role("ci", bound_audiences=[bao.url], bound_claims={"/drydock/phase": "fetch"})
            r = w.run()
            check("bound_claims" in r.out, "another claim", r)
            bao.ask("PUT", "sys/seal")
            r = w.run()
            check("sealed" in r.out, "a sealed server", r)
    finally:
        bao.end()


@case("C-08 C-09", "OpenBao: what a killed run left is taken back by the janitor, once")
def _():
    bao = peers.Bao()
    try:
        with World(("vault", {"read": "secret/data/app"}), real=bao.url, audience=bao.url, script="true") as w:
            with open(w.public, encoding="ascii") as file:
                bao.trust(jwt_validation_pubkeys=[file.read()])
            bao.role("ci", bound_audiences=[bao.url])
            bao.role("janitor", bound_audiences=[bao.url])
            bao.ask("POST", "secret/data/app", {"data": {"password": "canary-bao-janitor"}})
            for at in (15, 20):
                crash(w, at, "all")
                equal(len(bao.tokens()), 1, "the token that the dead left")
                done = w.revoke()
                check("revoked: token 204" in done.stdout and "1 taken back" in done.stdout and not bao.tokens(), done.stdout + done.stderr)
            after_crashes(w)
    finally:
        bao.end()


@case("C-08", "OpenBao makes a user of MariaDB for the step: it can log in while the step runs, and not any more when it has ended")
def _():
    database = peers.MariaDb()
    try:
        bao = peers.Bao()
        try:
            with World(("vault", {"read": "database/creds/ci"}), {"env": {"DB_USER": "username", "TOKEN": "password"}}, real=bao.url, audience=bao.url,
                       script='echo "@@user=$DB_USER@@"; ' + SHOW + "; sleep 1") as w:
                with open(w.public, encoding="ascii") as file:
                    bao.trust(jwt_validation_pubkeys=[file.read()])
                bao.role("ci", bound_audiences=[bao.url])
                bao.ask("POST", "sys/mounts/database", {"type": "database"})
                bao.ask("POST", "database/config/my", {"plugin_name": "mysql-database-plugin", "connection_url": "{{username}}:{{password}}@tcp(127.0.0.1:%d)/" % database.port,
                                                       "allowed_roles": "ci", "username": "root", "password": database.password})
                bao.ask("POST", "database/roles/ci", {"db_name": "my", "default_ttl": "300", "max_ttl": "600",
                                                      "creation_statements": ["CREATE USER '{{name}}'@'127.0.0.1' IDENTIFIED BY '{{password}}'"],
                                                      "revocation_statements": ["DROP USER '{{name}}'@'127.0.0.1'"]})
                process = w.job.popen("--state-dir", os.path.join(w.dir, "state"))
                while b"@@digest" not in open_log(w):
                    check(process.poll() is None, "it ended")
                    time.sleep(0.02)
                check(len(database.users("v-")) == 1, str(database.users("")))
                out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
                equal((process.returncode, database.users("v-"), bao.tokens()), (0, [], set()), "status, users left, tokens left\n" + out)
                # a role whose statement drops another user: the server cannot, says so, and drydock says so
                bao.ask("POST", "database/roles/ci", {"db_name": "my", "default_ttl": "300", "max_ttl": "600",
                                                      "creation_statements": ["CREATE USER '{{name}}'@'127.0.0.1' IDENTIFIED BY '{{password}}'"],
                                                      "revocation_statements": ["DROP USER '{{name}}'@'10.0.0.1'"]})
                r = w.run()
                check("not taken back" in r.out and "not revoked: lease: HTTP 400" in r.events("cred.revoke")[0]["result"], "a revocation that fails", r)
        finally:
            bao.end()
    finally:
        database.end()


@case("", "OpenBao trusts another issuer by its discovery document: a token in a file is the job's identity")
def _():
    bao = peers.Bao()
    try:
        idp = peers.Idp(bao.url)
        try:
            with World(("vault", {"read": "secret/data/app"}), real=bao.url, audience=bao.url) as w:
                bao.trust(oidc_discovery_url=idp.url)
                bao.role("ci", bound_audiences=[bao.url], bound_claims={"repository": "acme/app"})
                bao.ask("POST", "secret/data/app", {"data": {"password": "canary-idp-secret"}})
                path = w.job.write("identity.jwt", idp.token())
                os.chmod(path, 0o600)
                w.credential["from"]["vault"]["identity"] = path
                w.write()
                r = w.run()
                equal((r.rc, r.mark("digest"), bao.tokens()), (0, digest("canary-idp-secret"), set()), "status, secret, left", r)
                head, body, signature = open(path, encoding="ascii").read().split(".")
                w.job.write("identity.jwt", ".".join([head, body, signature[:-4] + ("AAAA" if not signature.endswith("AAAA") else "BBBB")]))
                r = w.run()
                check(r.rc != 0 and "publish" in r.out, "a changed signature", r)
        finally:
            idp.end()
    finally:
        bao.end()


if __name__ == "__main__":
    peers.prepare()
    main()
