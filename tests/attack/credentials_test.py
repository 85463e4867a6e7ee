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
from dd import FETCH, PUSH, Job, case, check, equal, main, py, step  # noqa: E402

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
             step("late", hunt("late")), *extra]
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
        for label in ("early", "make", "late"):
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


if __name__ == "__main__":
    main()
