#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_out_test.py - a record that leaves the machine: signed heads (V-01, V-06), and collectors that get its lines as they are written."""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, Job, case, check, equal, main, py, step  # noqa: E402
from gitlab import Host  # noqa: E402


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_keys(job, kind="ec"):
    """secret and public half, as an operator makes them"""
    secret, public = os.path.join(job.dir, kind + ".pem"), os.path.join(job.dir, kind + ".pub")
    openssl(*(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]), "-out", secret)
    os.chmod(secret, 0o600)
    openssl("pkey", "-in", secret, "-pubout", "-out", public)
    return secret, public


def verify(job, *options, record="record.jsonl"):
    return subprocess.run([DRYDOCK, "record", "verify", record, *options], cwd=job.dir, capture_output=True, text=True, check=False)


class Signed:
    def __init__(self, steps=None, kind="ec", env=None, **more):
        self.job = Job(steps or [step("a", "echo hello"), step("b", "true")], **more)
        self.secret, self.public = make_keys(self.job, kind)
        self.r = self.job.run("--record-key", self.secret, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.job.close()

    def lines(self):
        with open(self.r.record_path, "rb") as file:
            return file.read().splitlines(keepends=True)

    def rewrite(self, lines):
        """As somebody who may write the file and knows how the chain is made."""
        import hashlib
        prev, out = "0" * 64, []
        for n, line in enumerate(lines):
            one = json.loads(line)
            one["seq"], one["prev"] = n + 1, prev
            text = json.dumps(one, separators=(",", ":")).encode()
            prev = hashlib.sha256(text).hexdigest()
            out.append(text + b"\n")
        with open(self.r.record_path, "wb") as file:
            file.writelines(out)


@case("V-06", "a signed head is checked with the public key, of both kinds, and with an issuer's key set")
def _():
    for kind in ("ec", "rsa"):
        with Signed(kind=kind) as s:
            equal(s.r.rc, 0, "exit status", s.r)
            equal(os.stat(s.r.record_path + ".sig").st_mode & 0o777, 0o600, "mode of the signature", s.r)
            done = verify(s.job, "--key", s.public)
            equal((done.returncode, done.stderr), (0, ""), f"verify ({kind})", s.r)
            check(re.search(r"^signed 20\d\d-\d\d-\d\dT\S+Z with the key of ", done.stdout, re.M), done.stdout, s.r)
    job = Job([step("a", "true")])
    try:
        issuer = os.path.join(job.dir, "issuer")
        subprocess.run([DRYDOCK, "issuer", "init", issuer, "--url", "https://r.test/o", "--audience", "x"], check=True, capture_output=True)
        key = os.path.join(issuer, "keys", os.listdir(os.path.join(issuer, "keys"))[0])
        equal(job.run("--record-key", key).rc, 0, "exit status with an issuer's key")
        equal(verify(job, "--key", os.path.join(issuer, "public", "jwks")).returncode, 0, "verify with its key set")
    finally:
        job.close()


@case("V-06", "a line edited, removed, moved, added or cut off, with the chain made anew, is found by the signature alone")
def _():
    with Signed() as s:
        good = s.lines()
        changes = {
            "the last line edited": good[:-1] + [good[-1].replace(b'"succeeded"', b'"failed"')],
            "a line removed": good[:2] + good[3:],
            "two lines swapped": good[:2] + [good[3], good[2]] + good[4:],
            "a line added": good[:3] + [good[2]] + good[3:],
            "an earlier end": good[:3] + good[-1:],
        }
        for what, lines in changes.items():
            s.rewrite(lines)
            equal(verify(s.job).returncode, 0, f"{what}: the chain alone cannot know", s.r)
            done = verify(s.job, "--key", s.public)
            equal(done.returncode, 4, f"{what}: with the key", s.r)
            check("cut or edited" in done.stderr, f"{what}: {done.stderr}", s.r)
        for what, lines in {"cut": good[:-1], "edited": good[:1] + [good[1].replace(b'"seq":2', b'"seq":3')] + good[2:], "torn": good[:-1] + [good[-1][:-9]]}.items():
            with open(s.r.record_path, "wb") as file:
                file.writelines(lines)
            check(verify(s.job, "--key", s.public).returncode in (1, 4), f"{what}: not found", s.r)


@case("V-06", "another key, a signature of another record, a forged one, none: each is told apart and none passes")
def _():
    with Signed() as s, Signed() as other:
        sig = s.r.record_path + ".sig"
        with open(sig, encoding="ascii") as file:
            token = file.read().strip()
        with open(other.r.record_path + ".sig", encoding="ascii") as file:
            foreign = file.read().strip()
        head, body, mac = token.split(".")
        none = "eyJhbGciOiJub25lIiwidHlwIjoiZHJ5ZG9jay1yZWNvcmQrandzIn0"
        jwt = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9"
        rows = [("another key", token, other.public, "not signed with the key"), ("another record's", foreign, other.public, "cut or edited, or is another one"),
                ("an altered body", f"{head}.{body[:-4]}AAAA.{mac}", s.public, "not signed with the key"), ("alg none", f"{none}.{body}.", s.public, "not signed with the key"),
                ("an identity token", f"{jwt}.{body}.{mac}", s.public, "no signature of this kind"), ("no token", "hello", s.public, "no signature of drydock"),
                ("no key", token, s.r.record_path, "holds no public key"), ("nothing", "", s.public, "no signature of drydock")]
        for what, text, key, told in rows:
            with open(sig, "w", encoding="ascii") as file:
                file.write(text + "\n")
            done = verify(s.job, "--key", key)
            check(done.returncode in (4, 5) and told in done.stderr, f"{what}: {done.returncode} {done.stderr}", s.r)
        os.unlink(sig)
        done = verify(s.job, "--key", s.public)
        equal(done.returncode, 4, "no signature at all", s.r)
        elsewhere = os.path.join(s.job.dir, "elsewhere")
        with open(elsewhere, "w", encoding="ascii") as file:
            file.write(token)
        equal(verify(s.job, "--key", s.public, "--signature", elsewhere).returncode, 0, "--signature", s.r)


@case("V-06", "a key that cannot sign, that others may read, a signature that is there already: nothing is run")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        secret, public = make_keys(job)
        loose = job.write("loose.pem", open(secret, "rb").read())
        os.chmod(loose, 0o644)
        for key, told in ((public, "regular file of its owner alone" if os.stat(public).st_mode & 0o77 else "no private key"), (loose, "chmod 0600"), (os.path.join(job.dir, "nothing"), "No such file")):
            r = job.run("--record-key", key)
            check(r.rc != 0 and told in r.out and "ran" not in r.marks, f"{key}: {r.rc}", r)
        job.write("record.jsonl.sig", "x")
        r = job.run("--record-key", secret)
        check(r.rc == 2 and "never overwritten" in r.out and "ran" not in r.marks, "an old signature", r)
    finally:
        job.close()


@case("V-01 V-02", "no step sees the signing key, has it open, or makes a signature; files of that name that it leaves mean nothing")
def _():
    job = Job([step("thief", py('''
        import glob
        found = [p for top in ("/work", "/tmp", "/run", "/etc", "/home", "/proc/self/fd", "/opt", "/var") for w, _, fs in os.walk(top) for f in fs for p in [os.path.join(w, f)]
                 if os.path.isfile(p) and os.access(p, os.R_OK) and b"PRIVATE " + b"KEY" in open(p, "rb").read(1 << 16)]
        mark("found", found); mark("environ", [k for k, v in os.environ.items() if "ec.pem" in v])
        open("record.jsonl", "w").write("{}\\n"); open("record.jsonl.sig", "w").write("x.y.z\\n"); open("provenance.intoto.jsonl", "w").write("{}")
    '''))])
    try:
        secret, public = make_keys(job)
        os.rename(secret, os.path.join(job.dir, "src", "ec.pem"))  # where a careless operator keeps it
        r = job.run("--record-key", os.path.join("src", "ec.pem"))
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("found"), "[]", "private keys that the step can read", r)
        equal(r.mark("environ"), "[]", "variables that name the key", r)
        equal(verify(job, "--key", public).returncode, 0, "the record's own signature", r)
        check("intoto" not in r.out, "what the step left was taken for something", r)
    finally:
        job.close()


# ---- collectors ----

class Collector(threading.Thread):
    """A stream or datagram socket that keeps what it gets; @stall: it takes nothing."""

    def __init__(self, path, kind, stall=False):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.got, self.stall, self.kind = [], stall, kind
        if kind == socket.SOCK_STREAM:
            self.socket.listen(4)
        if not stall:
            self.start()

    def run(self):
        while True:
            if self.kind == socket.SOCK_DGRAM:
                self.got.append(self.socket.recv(1 << 20))
                continue
            peer, _ = self.socket.accept()
            with peer, peer.makefile("rb") as file:
                self.got.extend(file)

    def wait(self, n, seconds=10):
        end = time.monotonic() + seconds
        while len(self.got) < n and time.monotonic() < end:
            time.sleep(0.01)
        return self.got


@case("9.7", "a collector on a socket gets every line of the record, byte for byte and in order; a syslog daemon gets each as RFC 5424 says")
def _():
    job = Job([step("a", "getent hosts evil.test || true"), step("b", "true")])
    try:
        stream = Collector(os.path.join(job.dir, "ndjson.sock"), socket.SOCK_STREAM)
        syslog = Collector(os.path.join(job.dir, "log.sock"), socket.SOCK_DGRAM)
        r = job.run("--record-to", "unix:" + os.path.join(job.dir, "ndjson.sock"), "--record-to", "syslog:" + os.path.join(job.dir, "log.sock"))
        equal(r.rc, 0, "exit status", r)
        with open(r.record_path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        equal(stream.wait(len(lines)), lines, "what the socket got", r)
        messages = [m.decode() for m in syslog.wait(len(lines))]
        form = re.compile(r'^<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (\S+) drydock (\d+) (\S{1,32}) \[drydock@32473( \w+="(?:[^"\\\]]|\\["\\\]])*")*\] (\{.*\})$')
        for message, line in zip(messages, lines):
            match = form.match(message)
            check(match, f"not RFC 5424: {message}", r)
            equal(match[7].encode() + b"\n", line, "the message", r)
            equal((match[2], match[5]), (json.loads(line)["time"], json.loads(line)["event"][:32]), "time and MSGID", r)
            check(int(match[1]) // 8 == 3, f"facility: {match[1]}", r)
        equal(len(messages), len(lines), "messages", r)
        equal(r.events("run.end")[0]["counts"]["undelivered"], 0, "undelivered", r)
    finally:
        job.close()


@case("9.7", "the journal gets each event with its fields; without being asked where standard error is the journal's, as in a service")
def _():
    made = not os.path.isdir("/run/systemd/journal")
    os.makedirs("/run/systemd/journal", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run/systemd/journal"], check=True)
    job = Job([step("a", "getent hosts evil.test || true")])
    try:
        journal = Collector("/run/systemd/journal/socket", socket.SOCK_DGRAM)
        r = job.run("--record-to", "journald")
        equal(r.rc, 0, "exit status", r)
        got = journal.wait(len(r.record))
        equal(len(got), len(r.record), "entries", r)
        for entry, event in zip(got, r.record):
            fields = dict(line.split("=", 1) for line in entry.decode().splitlines() if "=" in line and not line.startswith("{"))
            equal(fields["SYSLOG_IDENTIFIER"], "drydock", "identifier", r)
            equal((fields["DRYDOCK_EVENT"], fields["DRYDOCK_RUN"], fields["DRYDOCK_SEQ"]), (event["event"], event["run"], str(event["seq"])), "fields", r)
            equal(json.loads(fields["DRYDOCK_RECORD"]), event, "the line", r)
            equal(fields.get("DRYDOCK_STEP"), event["step"], "step", r)
            check(fields["PRIORITY"] in "456" and fields["MESSAGE"].startswith(event["event"]), f"message and priority: {fields}", r)
        denied = next(e for e in got if b"DRYDOCK_EVENT=dns.deny" in e)
        check(b"DRYDOCK_HOST=evil.test" in denied and b"PRIORITY=5" in denied, f"a refusal: {denied}", r)
        # a service: its standard error is a socket of journald's
        ours, theirs = socket.socketpair()
        st = os.fstat(theirs.fileno())
        before = len(journal.got)
        os.unlink(r.record_path)
        done = subprocess.run(job.argv(), cwd=job.dir, env=job.environ({"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"}), stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL, check=False)
        equal(done.returncode, 0, "exit status as a service")
        check(len(journal.wait(before + 3)) >= before + 3, "a service's journal got nothing")
        before = len(journal.got)
        os.unlink(r.record_path)
        done = subprocess.run(job.argv(), cwd=job.dir, env=job.environ({"JOURNAL_STREAM": "1:1"}), capture_output=True, check=False)
        equal((done.returncode, len(journal.got)), (0, before), "a variable that is inherited and means another descriptor")
        ours.close()
    finally:
        job.close()
        subprocess.run(["umount", "-l", "/run/systemd/journal"], check=False)
        if made:
            os.rmdir("/run/systemd/journal")


@case("9.7", "a collector that takes nothing, or is not there, holds nobody: what it did not get is counted, told and in the record's last line")
def _():
    noise = "for i in $(seq 300); do getent hosts h$i.evil.test || true; done; true"
    for what in ("stalled", "absent"):
        job = Job([step("a", noise), step("b", "true")])
        try:
            path = os.path.join(job.dir, "c.sock")
            if what == "stalled":
                collector = Collector(path, socket.SOCK_DGRAM, stall=True)
            r = job.run("--record-to", ("syslog:" if what == "stalled" else "unix:") + path)
            equal(r.rc, 0, f"exit status, {what}", r)
            took = (r.record[-1]["mono_ns"] - r.record[0]["mono_ns"]) / 1e9
            check(took < 8, f"{what}: the job took {took} s", r)
            told = re.search(r"(\d+) lines? of the record did not reach a collector \((.*?)\); the record has", r.out)
            check(told and int(told[1]) > 0, f"{what}: not told", r)
            if what == "absent":
                equal(int(told[1]), len(r.record), "lines lost", r)
                check(r.events("run.end")[0]["counts"]["undelivered"] > 0, "the last line does not say it", r)
                check("No such file" in told[2], f"why: {told[2]}", r)
            equal(verify(job).returncode, 0, "the record itself", r)
            if what == "stalled":
                collector.socket.close()
        finally:
            job.close()


@case("9.7 V-06", "an agent's jobs sign their records with the key of drydock.yml, and pass them on to its collectors; no step sees the key")
def _():
    with Host() as host:
        secret, public = make_keys(host)
        collector = Collector(os.path.join(host.dir, "c.sock"), socket.SOCK_STREAM)
        host.write("drydock.yml", json.dumps({"version": 1, "record": {"key": secret, "to": [f"unix:{host.dir}/c.sock"]}}))
        job = host.run([f"cat {secret} || echo hidden"])
        check("hidden" in job.lines and "PRIVATE KEY" not in job.text, job.text)
        records = [os.path.join(where, name) for where, _, names in os.walk(host.state) for name in names if name.endswith(".jsonl.sig")]
        equal(len(records), 1, "signatures")
        record = records[0][:-4]
        done = subprocess.run([DRYDOCK, "record", "verify", record, "--key", public], capture_output=True, text=True, check=False)
        equal(done.returncode, 0, done.stdout + done.stderr)
        with open(record, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        equal(collector.wait(len(lines)), lines, "what the socket got")


@case("9.7", "collectors that drydock does not know, without a path or with a relative one are usage errors, and nothing is run")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        for to in ("http://x", "unix", "unix:relative", "journald:x", "syslog:/" + "x" * 120, ""):
            r = job.run("--record-to", to)
            check(r.rc == 2 and "journald, unix:PATH or syslog:PATH" in r.out and "ran" not in r.marks, f"{to}: {r.rc}", r)
    finally:
        job.close()


main()
