#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""suggest_run_test.py - V-08 over real sandboxes: observe, suggest, replay, enforce: zero refusals; minus one line: at least one.

The steps and the network are random (DD_SEED, printed) and the test's own: every address is on lo of its namespace."""
import hashlib
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, PRELUDE, Job, case, check, equal, main, py, step  # noqa: E402
from world import ALLOWED, ATTACKER, OTHER, SHARED, Resolver, Sink, Web  # noqa: E402

SEED = int(os.environ.get("DD_SEED", "20260101"))
ADDRESSES = [ALLOWED, OTHER, SHARED, ATTACKER]
HOSTS = [f"{w}.{s}" for s in ("one.test", "pool.two.test", "cdn.eu.three.test") for w in ("a", "b", "c", "d", "e")]
RAW_PORT, TLS_PORT, WEB_PORT = 2222, 443, 80
DENIED = ("net.deny", "dns.deny", "sys.deny", "violation")
SECONDS = 45    # for runs that leave a line out
W = {}


def setup():
    dns = W["dns"] = Resolver()
    for number, host in enumerate(HOSTS):
        dns.say(host, ADDRESSES[number % len(ADDRESSES)])
    for address in ADDRESSES:
        W[address] = [Web(address, "web", WEB_PORT), Sink(address, TLS_PORT), Sink(address, RAW_PORT, banner=b"hello\n")]


# What a step may do; each is Python for the sandbox, after dd.PRELUDE.
def http(host):
    return f'attempt("http", lambda: exchange("{host}", {WEB_PORT}, b"GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n"))'


def upload(host, size):
    return (f'attempt("upload", lambda: exchange("{host}", {WEB_PORT}, b"POST / HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Length: {size}\\r\\n'
            f'Connection: close\\r\\n\\r\\n" + b"x" * {size}))')


def tls(host):
    return f'attempt("tls", lambda: tcp("{host}", {TLS_PORT}, client_hello("{host}")).close()); time.sleep(0.1)'


def raw(host):
    return f'attempt("raw", lambda: tcp("{host}", {RAW_PORT}, b"SSH-2.0-x\\r\\n").recv(5)); time.sleep(0.1)'


def address(ip):
    return f'attempt("address", lambda: tcp("{ip}", {RAW_PORT}, b"SSH-2.0-x\\r\\n").recv(5))'


def lookup(host):
    return f'attempt("lookup", lambda: socket.gethostbyname("{host}"))'


def personality():
    return 'mark("personality", ctypes.CDLL(None).personality(0x0200000))'


def step_of(rng, number):
    hosts = rng.sample(HOSTS, 3) if rng.random() < 0.7 else [h for h in HOSTS if "pool.two" in h]
    lines = [rng.choice([http, http, tls, raw])(h) for h in hosts]
    lines += [rng.choice([lambda: lookup(rng.choice(HOSTS)), lambda: address(rng.choice(ADDRESSES)), personality,
                          lambda: upload(rng.choice(HOSTS), 1500000)])() for _ in range(rng.randrange(3))]
    if rng.random() < 0.25:
        lines = []
    return step(f"step-{number}", py("\n".join(lines)) if lines else "true")


def call(job, *argv):
    done = subprocess.run([DRYDOCK, "policy", *argv], cwd=job.dir, env=job.environ({"PATH": "/nowhere"}), capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refusals(run):
    return [e for name in DENIED for e in run.events(name)]


def without(text, index):
    lines = text.splitlines()
    return "\n".join(lines[:index] + lines[index + 1:]) + "\n"


def try_without(job, rng, text, deadline):
    """Runs that leave one line out; which lines, is up to chance and the clock."""
    tried = 0
    lines = [i for i, line in enumerate(text.splitlines()) if line.strip() and not line.strip().startswith("#")]
    rng.shuffle(lines)
    for index in lines:
        line = text.splitlines()[index]
        job.write("policy.yml", without(text, index))
        code, out, _ = call(job, "replay", "observed.jsonl", "--policy", "policy.yml")
        check(code in (2, 4), f"without `{line}` replay says {code}\n{out}\n{text}")
        if time.monotonic() > deadline or "workspace:" in line:    # another view of the files is no refusal
            continue
        r = job.run()
        check(r.rc in (1, 2, 3, 4) or refusals(r), f"without `{line}` the run was refused nothing\n{text}", r)
        tried += 1
    return tried


@case("V-08", f"random steps on a random network (DD_SEED={SEED}): observe, suggest, replay, enforce: nothing refused; minus one line: something is")
def _():
    deadline, tried, number = time.monotonic() + SECONDS, 0, 0
    while number < 3 or (time.monotonic() < deadline and number < 12):
        rng = random.Random(f"{SEED}-{number}")
        job = Job([step_of(rng, i) for i in range(1, 4)])
        try:
            observed = job.run("--observe")
            equal(observed.rc, 0, "exit status of the observed run", observed)
            os.rename(observed.record_path, os.path.join(job.dir, "observed.jsonl"))
            code, text, errors = call(job, "suggest", "observed.jsonl", "--no-sets")
            equal(code, 0, f"case {number}: suggest: {errors}{text}")
            job.write("policy.yml", text)
            code, out, errors = call(job, "replay", "observed.jsonl", "--policy", "policy.yml")
            equal(code, 0, f"case {number}: replay: {out}{errors}{text}")
            enforced = job.run()
            equal(enforced.rc, 0, f"case {number}: exit status under the policy\n{text}", enforced)
            equal(refusals(enforced), [], f"case {number}: refused under the policy\n{text}", enforced)
            equal({k: v for k, v in enforced.marks.items() if not k.endswith(".ms")},
                  {k: v for k, v in observed.marks.items() if not k.endswith(".ms")}, f"case {number}: what the steps saw", enforced)
            tried += try_without(job, rng, text, deadline)
        finally:
            job.close()
        number += 1
    check(tried > 5, f"only {tried} runs without a line")


@case("V-08", "a step without id or name, with a shell, a directory and variables of its own, is named by what it runs and all of that")
def _():
    run = http("a.one.test").replace('"', "'")
    job = Job([{"_phase": "build", "run": "exec(open('/work/sub/get.py').read()) # $DEPTH", "shell": "python3 {0}", "working-directory": "sub", "env": {"PYTHONPATH": "/work/sub", "DEPTH": "1", "GREETING": "x"}}],
              files={"sub/get.py": "from prelude import *\n" + run.replace("'", '"') + "\n", "sub/prelude.py": PRELUDE})
    try:
        job.write("policy.yml", "version: 1\n")
        seen = job.run("--observe")
        equal(seen.rc, 0, "observed", seen)
        [start] = seen.events("step.start")
        equal({k: v for k, v in start["match"].items() if k in ("shell", "working_directory", "vars")},
              {"shell": "python3 {0}", "working_directory": "sub", "vars": ["PYTHONPATH", "DEPTH"]}, "what the record says of it", seen)
        code, text, errors = call(job, "suggest", "record.jsonl")
        equal(code, 0, errors)
        job.write("policy.yml", text)
        enforced = job.run()
        equal((enforced.rc, refusals(enforced)), (0, []), "enforced", enforced)
        check(enforced.mark("http").startswith("ok"), "the step did not get out", enforced)
        for part in (' shell: "python3 {0}",', ' working_directory: "sub",', ', env: [ "PYTHONPATH", "DEPTH" ]'):
            check(part in text, f"{part} is not in\n{text}")
            job.write("policy.yml", text.replace(part, ""))
            without = job.run(command="plan")
            check("would match, but" in without.out, f"without {part}", without)
    finally:
        job.close()


def unnamed(run):
    return {k: v for k, v in step("x", run).items() if k not in ("id", "name")}


@case("V-08", "steps without a name are told apart by their whole script: set -e twice, a query in a URL, the same first line")
def _():
    get = "import socket; s = socket.create_connection(('%s', %d), 5); s.sendall(b'SSH-2.0-x\\r\\n'); s.recv(5)"
    one, two = (f'set -e\npython3 -c "{get % (host, RAW_PORT)}"\n' for host in ("a.one.test", "b.one.test"))
    alone = f'python3 -c "{get % ("c.one.test", RAW_PORT)}"'
    builds = ["set -e\necho builds", "echo 'https://a.one.test/?token=1#x'", "set -e\necho 'https://u:p@b.one.test/?q'"]
    job = Job([unnamed(run) for run in (one, builds[0], two, builds[1], alone, builds[2])])
    try:
        observed = job.run("--observe")
        equal(observed.rc, 0, "exit status of the observed run", observed)
        digests = [e["match"]["run_sha256"] for e in observed.events("step.start")]
        equal(digests[0], hashlib.sha256(one.strip().encode()).hexdigest(), "the digest of a script", observed)
        os.rename(observed.record_path, os.path.join(job.dir, "observed.jsonl"))
        code, text, errors = call(job, "suggest", "observed.jsonl", "--no-sets")
        equal([code, errors.count("no rule can name")], [0, 0], f"suggest: {errors}{text}")
        equal([f'run_sha256: "{d}"' in text for d in digests], [True, False, True, False, False, False], f"rules by digest\n{text}")
        check('match: { run: "' in text, f"a script of one line needs no digest\n{text}")
        job.write("policy.yml", text)
        code, out, errors = call(job, "replay", "observed.jsonl", "--policy", "policy.yml")
        equal(code, 0, f"replay: {out}{errors}{text}")
        enforced = job.run()
        equal([enforced.rc, refusals(enforced)], [0, []], f"under the policy\n{text}", enforced)
        equal([e["phase"] for e in enforced.events("step.start")], ["fetch", "build", "fetch", "build", "fetch", "build"], "phases", enforced)
        # One character more, and it is another script.
        job.write("policy.yml", text.replace(digests[0], "0" * 64))
        equal(job.run().events("step.start")[0]["phase"], "build", "the phase of a script that no rule has")
    finally:
        job.close()


if __name__ == "__main__":
    main(setup)
