#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""canary_test.py - twenty secrets of all kinds in one job, searched for everywhere and in every encoding: found where the policy put them, and nowhere else (C-01)."""
import base64
import glob
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import DRYDOCK, FETCH, PUSH, ROOT, Job, Run, case, check, descendants, equal, main, py, step, supervisor_of  # noqa: E402
from issuers import Issuers  # noqa: E402

# Says which canaries it finds (by the first digits of their digest) in its environment, files, descriptors and /proc, plain or encoded.
HUNT = '''
        import base64, glob, hashlib, json, re, urllib.parse
        PATTERN = rb"canary-7Hq2[0-9a-f]{{24}}"
        def forms(blob):
            yield blob
            yield urllib.parse.unquote_to_bytes(blob)
            for m in re.findall(rb"[A-Za-z0-9+/_-]{{30,}}={{0,2}}", blob):
                for shift in range(4):
                    text = m[shift:].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
                    try: yield base64.b64decode(text + b"=" * (-len(text) % 4))
                    except Exception: pass
            for m in re.findall(rb"(?:[0-9a-fA-F]{{2}}){{20,}}", blob): yield bytes.fromhex(m.decode())
        def names(blob): return {{hashlib.sha256(m).hexdigest()[:8] for form in forms(blob) for m in re.findall(PATTERN, form)}}
        seen = names(repr(dict(os.environb)).encode()); looked = 0
        for top in ("/work", os.environ["HOME"], "/tmp", "/run", "/dev/shm", "/var", os.environ.get("RUNNER_TEMP", "/tmp")):
            for where, _, files in os.walk(top):
                for f in files:
                    path = os.path.join(where, f)
                    try:
                        if not os.path.isfile(path): continue
                        with open(path, "rb") as file: looked += 1; seen |= names(file.read(1 << 18))
                    except OSError: continue
        for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/self/fd/[3-6]"):
            try:
                with open(path, "rb") as file: looked += 1; seen |= names(file.read())
            except OSError: continue
        mark("seen-{label}", " ".join(sorted(seen))); mark("looked-{label}", looked)
        time.sleep({pause})
'''


def hunt(label, pause=0):
    return py(HUNT.format(label=label, pause=pause))


def encodings(secret):
    raw = secret.encode()
    yield raw
    for pad in range(3):
        core = base64.b64encode(b"x" * pad + raw)[4 if pad else 0:-4]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield "".join(f"%{b:02X}" for b in raw).encode()
    yield json.dumps(secret)[1:-1].encode()
    yield raw[::-1]


def found_in(blob, secrets):
    return [name for name, value in secrets.items() if any(e in blob for e in encodings(value))]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(64 << 20)
    except OSError:
        return b""


FORMS = [("env", "T{i}"), ("file", "f{i}"), ("fd", "FD_{i}"), ("git", "ci@g{i}.test"), ("netrc", "ci@n{i}.test"), ("npmrc", "m{i}.test"), ("docker", "ci@d{i}.test"), ("pip", "https://p{i}.test/simple"),
         ("cargo", "reg{i}"), ("file", "UPPER_{i}")]


class World:
    """Twenty canaries: ten sources in turn, ten forms in turn, over three steps; .held: step -> names."""

    def __init__(self, late=0):
        self.secrets = {f"c{i:02}": "canary-7Hq2" + os.urandom(12).hex() for i in range(20)}
        self.steps = [step("deps", hunt("deps"), FETCH), step("make", hunt("make")), step("publish", hunt("publish", 0.6), PUSH), step("sign", hunt("sign"), PUSH), step("late", hunt("late", late))]
        self.job = Job(self.steps, {"fetch": {}, "push": {}})
        self.issuer, public = os.path.join(self.job.dir, "issuer"), os.path.join(self.job.dir, "issuer.pub")
        subprocess.run([DRYDOCK, "issuer", "init", self.issuer, "--url", "https://runner.test/oidc", "--audience", "canaries"], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", glob.glob(self.issuer + "/keys/*.pem")[0], "-pubout", "-out", public], check=True, capture_output=True)
        self.fake = Issuers(public)
        self.fake.secret = dict(self.secrets)
        self.env, self.held, credentials = {"CREDENTIALS_DIRECTORY": os.path.join(self.job.dir, "given")}, {"deps": set(), "publish": set(), "sign": set()}, {}
        options = []
        for i, (name, value) in enumerate(self.secrets.items()):
            holder = ("publish", "sign", "publish", "deps")[i % 4] if i != 2 else "sign"
            kind, target = FORMS[i % len(FORMS)]
            credentials[name] = {"from": self.source(i, name, value, options), "for": {"phase": "fetch" if holder == "deps" else "push", "steps": [holder]}, "as": {kind: target.format(i=i)}}
            self.held[holder].add(name)
        with open(os.path.join(self.job.dir, "policy.yml"), encoding="utf-8") as file:
            self.job.write("policy.yml", json.dumps({**json.load(file), "credentials": credentials}))
        self.options = ["--state-dir", os.path.join(self.job.dir, "state"), *options]

    def source(self, i, name, value, options):
        kind = ("file", "env", "systemd", "forge", "vault")[i % 5]
        if kind == "env":
            self.env["DD_" + name.upper()] = value
            return {"env": "DD_" + name.upper()}
        if kind == "vault":
            return {"vault": {"url": self.fake.url, "identity": self.issuer, "audience": "canaries", "role": "ci", "read": "secret/data/app", "field": name}}
        path = self.job.write(("given/" if kind == "systemd" else "secrets/") + name, value)
        os.chmod(path, 0o600)
        if kind == "forge":
            options.extend(["--secret", f"{name}={path}"])
            return {"forge": "F_" + name}
        return {"systemd": name} if kind == "systemd" else {"file": path}

    def ours(self, path):
        """Where the operator put them; the policy's own names are none."""
        return any(part in path for part in ("/given/", "/secrets/", "/issuer/"))

    def named(self, marks):
        known = {hashlib.sha256(v.encode()).hexdigest()[:8]: k for k, v in self.secrets.items()}
        return {known[m] for m in marks.split()}

    def close(self):
        self.fake.end()
        self.job.close()


def watch(process, secrets, holders):
    """While the job runs: environments, command lines and memory of every process that is not the step which holds them."""
    wrong, looked, began = {}, 0, False
    while process.poll() is None:
        tree = [process.pid, *descendants(process.pid)]
        commands = {pid: read(f"/proc/{pid}/cmdline") for pid in tree}
        own = {pid for pid, c in commands.items() if b"python3" in c or b"/run/drydock/step" in c}
        began = began or bool(own)   # until then the environment is where the operator put it
        for pid in tree:
            hits = found_in(commands[pid], secrets)
            if began and pid not in own:   # a step's own process may hold what is its own
                hits += found_in(read(f"/proc/{pid}/environ"), secrets)
            if hits:
                wrong[(pid, pid == process.pid, commands[pid][:60])] = hits
            looked += 1
        time.sleep(0.02)
    return wrong, looked


@case("C-01 C-02 C-10 C-15", "twenty secrets from five sources in nine forms: each step finds its own and no other, in any encoding; none is in a command line, a host process, a file, the record, a log or the output")
def _():
    w = World()
    try:
        process = w.job.popen(*w.options, env=w.env)
        wrong, looked = watch(process, w.secrets, w.held)
        out = process.communicate()[0].decode("utf-8", "replace")
        r = Run(w.job.dir, process.returncode, out, 0)
        equal(r.rc, 0, "exit status", r)
        check(looked > 50, f"only {looked} looks at processes: the test proves nothing", r)
        equal(wrong, {}, "processes that hold what is not theirs", r)
        for label in ("deps", "make", "publish", "sign", "late"):
            equal(w.named(r.mark("seen-" + label)), w.held.get(label, set()), f"what step {label} finds", r)
            check(int(r.mark("looked-" + label)) > 5, f"{label} looked nowhere", r)
        equal(found_in(out.encode(), w.secrets), [], "in the output")
        files = [os.path.join(where, name) for top in (w.job.dir, "/var/lib/drydock", "/run/drydock") for where, _, names in os.walk(top) for name in names]
        check(len(files) > 5, "no files")
        for path in files:
            if os.path.isfile(path) and not w.ours(path):
                equal(found_in(read(path), w.secrets), [], path)
        tokens = [t for t in w.fake.tokens]
        check(len(tokens) == 4 and not w.fake.open(), f"tokens {len(tokens)}, left {w.fake.open()}")
        for path in files:
            if os.path.isfile(path):
                check(not any(t.encode() in read(path) for t in tokens), f"a token is in {path}")
    finally:
        w.close()


@case("C-16 P-09", "what the supervisor remembers of a secret lies in memory that is locked, in no core dump and empty in every child; keeper and couriers remember nothing; a supervisor that is killed leaves no core")
def _():
    if not ROOT:
        from dd import Skip
        raise Skip("only root may read the memory of a process that is not dumpable")
    w = World(late=300)   # it is killed before that
    try:
        process = w.job.popen(*w.options, env=w.env)
        log = None
        while not (log and b"@@looked-late" in read(log)):
            check(process.poll() is None, "it ended before its last step")
            log = next(iter(glob.glob(os.path.join(w.job.dir, "state/records/*/*late*.log"))), None)
            time.sleep(0.02)
        supervisor = supervisor_of(process.pid)
        places = {pid: regions(pid, w.secrets) for pid in [process.pid, *descendants(process.pid)]}
        mine = places.pop(supervisor)
        check(mine, "nothing is in the supervisor, which masks until the job ends: the test proves nothing")
        for flags, name in mine:
            check({"lo", "dd", "wf"} <= flags, f"{name} holds a secret and is {sorted(flags)}")
        equal({pid: found for pid, found in places.items() if found}, {}, "memory of other processes of drydock, and of the step after")
        os.kill(supervisor, signal.SIGABRT)
        process.communicate(timeout=30)
        cores = [p for p in glob.glob(w.job.dir + "/**/core*", recursive=True) + glob.glob("/core*") + glob.glob("/tmp/core*") + glob.glob("/var/crash/*") if found_in(read(p), w.secrets)]
        equal(cores, [], "cores")
    finally:
        w.close()


def regions(pid, secrets):
    """(flags, name) of every mapping of @pid in which a canary stands, plain."""
    found, flags_of, current = [], {}, None
    for line in read(f"/proc/{pid}/smaps").decode("latin-1").splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
        if head:
            current = (int(head[1], 16), int(head[2], 16), head[3], line[73:].strip())
        elif line.startswith("VmFlags:"):
            flags_of[current] = set(line.split()[1:])
    try:
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for (start, end, rights, name), flags in flags_of.items():
                if "r" not in rights or name in ("[vvar]", "[vsyscall]") or end - start > 256 << 20:
                    continue
                try:
                    memory.seek(start)
                    blob = memory.read(end - start)
                except (OSError, OverflowError, ValueError):
                    continue
                if any(v.encode() in blob for v in secrets.values()):
                    found.append((flags, name or f"{start:x}"))
    except OSError:
        pass
    return found


if __name__ == "__main__":
    main()
