#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""suggest_test.py - V-08: the policy that suggest writes refuses nothing of the runs it was written from, and no line of it is idle.

Layer one, here: records of made-up runs (fake_record.py), many of them. DD_SEED and DD_CASES choose others; the seed is printed."""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fake_record  # noqa: E402
from dd import DRYDOCK, case, check, equal, main  # noqa: E402

SEED = int(os.environ.get("DD_SEED", "20260101"))
CASES = int(os.environ.get("DD_CASES", "300"))
WHOLE = 40    # cases in which every line is taken out; of the others a few
PACKAGE_MANAGER_HOSTS = ["npm.mirror.example.com", "files.mirror.example.com"]


class Bench:
    """A directory with records and a policy; starts drydock there, with no package manager in its PATH."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="dd-suggest-")
        self.records = []
        os.mkdir(os.path.join(self.dir, "egress"))
        with open(os.path.join(self.dir, "egress", "npm.yml"), "w", encoding="utf-8") as file:
            json.dump([{"host": h, "port": 443} for h in PACKAGE_MANAGER_HOSTS], file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def record(self, description):
        name = f"r{len(self.records)}.jsonl"
        fake_record.build(description).write(os.path.join(self.dir, name))
        self.records.append(name)
        return self

    def call(self, *argv):
        done = subprocess.run([DRYDOCK, "policy", *argv], cwd=self.dir, env={"PATH": "/nowhere", "HOME": "/nowhere", "LANG": "C.UTF-8"},
                              capture_output=True, check=False, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def suggest(self, *options, rc=0):
        code, text, errors = self.call("suggest", *self.records, *options)
        equal(code, rc, f"suggest: {errors}{text}")
        return text, errors

    def write(self, text):
        with open(os.path.join(self.dir, "p.yml"), "w", encoding="utf-8") as file:
            file.write(text)

    def replay(self, text, *options):
        self.write(text)
        return self.call("replay", *self.records, "--policy", "p.yml", *options)


def lines_that_count(text):
    lines = text.splitlines()
    return [i for i, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")]


def without(text, index):
    lines = text.splitlines()
    return "\n".join(lines[:index] + lines[index + 1:]) + "\n"


def holds(bench, where, sample=None):
    """The property itself, for what suggest says about the bench's records. @sample: (random, n) to leave out only n lines, not each."""
    text, errors = bench.suggest()
    equal(bench.suggest()[0], text, f"{where}: a second time")
    bench.write(text)
    code, out, errors = bench.call("check", "p.yml")
    equal(code, 0, f"{where}: check: {out}{errors}{text}")
    code, out, errors = bench.replay(text)
    equal(code, 0, f"{where}: replay: {out}{errors}{text}")
    lines = lines_that_count(text)
    for index in sample[0].sample(lines, min(sample[1], len(lines))) if sample else lines:
        code, out, _ = bench.replay(without(text, index))
        check(code in (2, 4), f"{where}: without line {index + 1} (`{text.splitlines()[index]}`) replay says {code}\n{out}{text}")
    return text


# --- made-up runs -----------------------------------------------------------------------------------------------------

SUFFIXES = ["example.com", "example.net", "cdn.objects.example.com", "eu.pool.example.org", "a.b.c.example.net"]
SCRIPTS = ["npm ci", "pip install -r requirements.txt", "make -j4", "cargo build --release", "./configure && make", "npm publish",
           "twine upload dist/*", "echo \"50% * 'done'?\"", "curl -fsS https://example.com/x | sh", "git push origin v1", "true"]
NAMES = ["Build", "Set up: \"deps\" # now", "Veröffentlichen – 公開", "a\tb\\c", "- { x: y }", "%TAG", "*", "null", "Line\nbreak", "'"]
USES = ["actions/checkout@v4", "actions/setup-node@v4", "./.github/actions/local", "docker://alpine:3"]
SYSCALLS = ["ptrace", "process_vm_readv", "personality", "pidfd_getfd"]


def host_of(rng):
    if rng.random() < 0.15:
        return rng.choice(PACKAGE_MANAGER_HOSTS)
    return f"{rng.choice('abcdefgh')}{rng.randrange(9)}.{rng.choice(SUFFIXES)}"


def connection_of(rng, phase):
    c = {"host": host_of(rng), "port": rng.choice([443, 443, 443, 80, 8443, 22]), "times": rng.choice([1, 1, 2, 5]),
         "speaks": rng.choice(["tls", "tls", "tls", "http", "raw"]), "in": rng.choice([500, 10 ** 5, 10 ** 7]),
         "out": rng.choice([300, 20000, 90000, 900000, 1500000, 5 * 10 ** 6, 6 * 10 ** 8])}
    if rng.random() < 0.12:
        c["host"], c["address"] = "", f"45.10.{rng.randrange(20)}.{rng.randrange(1, 250)}"
    if rng.random() < 0.05:
        c["address"] = "2a0a:1:2::66" if c["host"] else c["address"]
    if phase != "build" and c["host"] and rng.random() < 0.06:
        c["address"] = "10.1.2.3"       # the recorded policy said `private: allow`
    return c


def names_of(rng, index, job):
    """What a rule can name a step by. Few words, so that steps are often called alike; one of the texts is always its own."""
    step = {"job": job}
    if rng.random() < 0.6:
        step["id"] = f"step-{index}" if job == "test" else f"{job}-{index}"    # credentials name ids, whatever the job
    if rng.random() < 0.5:
        step["name"] = rng.choice(NAMES)
    if rng.random() < 0.2:
        step["uses"] = rng.choice(USES)
    else:
        step["run"] = rng.choice(SCRIPTS)
    if "id" not in step:
        step["run"] = step.get("run", "true") + f" # {index}" if rng.random() < 0.7 else step.get("run", "true") + f"\necho {index}"
        if "\n" in step["run"]:
            step["name"] = f"{step.get('name', 'Step')} {index}"
    return step


def step_of(rng, index, job, world):
    step = names_of(rng, index, job)
    phase = rng.choice(["build"] * 3 + ["fetch", "push"]) if world["policy"] else "build"
    if phase == "push" and not world["trusted"] and not world["trust_any"]:
        phase = "fetch"
    step["phase"] = phase
    if rng.random() < 0.7:
        step["connections"] = [connection_of(rng, phase) for _ in range(rng.choice([0, 1, 1, 3, 8]))]
    if rng.random() < 0.2:
        step["names"] = [host_of(rng) for _ in range(2)]
    if rng.random() < 0.05:
        step["connections"] = [{"host": f"n{n}.cdn.objects.example.com", "times": 1} for n in range(rng.choice([4, 64, 65, 90]))]
    if phase != "build" and step.get("id") and world["trusted"] and rng.random() < 0.5:
        step["credentials"] = [{"name": rng.choice(["registry", "tok en", "x"]), "from": rng.choice(["file:/etc/drydock/secrets/a b", "env:SECRET"]),
                                "as": rng.choice(["env:TOKEN", "file:key"]), "ttl_sec": rng.choice([60, 300, 900])}]
    if phase == "push":
        step["workspace"], step["artifacts"] = world["view"], world["artifacts"]
    if rng.random() < 0.1:
        step["calls"] = [{"syscall": c} for c in rng.sample(SYSCALLS, 2)] + [{"syscall": "mount", "answer": "EPERM"}]
    if rng.random() < 0.1:
        step["refused"] = [{"host": "metadata.example.com", "address": "169.254.169.254", "why": "private answer: metadata service"},
                           {"event": "dns.deny", "host": "x.example.com", "proto": "dns"}]
    step["peak_connections"] = rng.choice([None, 1, 40, 256, 257, 3000]) if step.get("connections") else 0
    step["wall_sec"] = rng.choice([1.5, 20000, 40000.5])
    step["output_bytes"] = rng.choice([10, 10 ** 6, 10 ** 8])
    step["read"] = world["read"]
    step["syscalls"] = world["syscalls"]
    return step


def run_of(rng, job="test", policy=None):
    policy = rng.random() < 0.5 if policy is None else policy
    world = {"policy": policy, "trusted": rng.random() < 0.85, "trust_any": rng.random() < 0.5, "view": rng.choice(["pristine", "artifacts", "shared"]),
             "artifacts": rng.choice([[], ["dist/**"], ["dist/**", "out \"x\"/*.tgz"]]),
             "read": rng.choice([[], ["/opt/toolchains"], ["/opt", "/srv/data", "/opt/x"]]) if policy else [],
             "syscalls": rng.choice([[], ["ptrace"]]) if policy else []}
    mode = "observe" if not policy or rng.random() < 0.5 else "enforce"
    steps = [step_of(rng, i, job, world) for i in range(1, rng.choice([2, 3, 4, 6]))]
    if mode == "enforce":
        for s in steps:
            s.pop("names", None)
            if s["phase"] == "build":
                s.pop("connections", None)
            s["calls"] = [c for c in s.get("calls", []) if c.get("answer")]
    return {"job": job, "mode": mode, "trusted": world["trusted"], "steps": steps}


GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")


@case("V-08", "the policies suggested for the golden workflows are the ones on file, hold for their traffic, and plan the steps as expected")
def _():
    names = sorted(n for n in os.listdir(GOLDEN) if os.path.exists(os.path.join(GOLDEN, n, "traffic.json")))
    check(len(names) >= 12, f"only {len(names)} workflows")
    for name in names:
        where = os.path.join(GOLDEN, name)
        with open(os.path.join(where, "traffic.json"), encoding="utf-8") as file:
            runs = json.load(file)["runs"]
        with Bench() as bench:
            shutil.rmtree(os.path.join(bench.dir, "egress"))
            if os.path.isdir(os.path.join(where, "egress")):
                shutil.copytree(os.path.join(where, "egress"), os.path.join(bench.dir, "egress"))
            for run in runs:
                bench.record(run)
            text = holds(bench, name)
            on_file = os.path.join(where, "suggested.yml")
            if os.environ.get("UPDATE_GOLDEN"):
                with open(on_file, "w", encoding="utf-8") as file:
                    file.write(text)
            with open(on_file, encoding="utf-8") as file:
                equal(text, file.read(), f"{name}: suggested.yml (UPDATE_GOLDEN=1 rewrites it)")
            for run in runs:
                plan_is_as_expected(bench, name, run)


def plan_is_as_expected(bench, name, run):
    workflow = os.path.join(GOLDEN, name, "workflow.yml")
    argv = [DRYDOCK, "plan", workflow, "--workspace", os.path.join(GOLDEN, name), "--job", run["job"], "--policy", "p.yml", "--json"]
    if not run.get("trusted", True):
        with open(os.path.join(bench.dir, "event.json"), "w", encoding="utf-8") as file:
            json.dump({"event_name": "pull_request"}, file)
        argv += ["--event", "event.json"]
    bench.write(bench.suggest()[0])
    done = subprocess.run(argv, cwd=bench.dir, env={"PATH": "/nowhere", "HOME": "/nowhere"}, capture_output=True, check=False, timeout=60)
    equal(done.returncode, 0, f"{name}: plan of {run['job']}: {done.stderr.decode()}")
    steps = json.loads(done.stdout)["steps"]
    equal([s["phase"] for s in steps], [s["expect"] for s in run["steps"]], f"{name}: phases of {run['job']}")


@case("V-08", f"{CASES} made-up runs (DD_SEED={SEED}): nothing of a run is refused under its policy, and without any line something is")
def _():
    for number in range(CASES):
        rng = random.Random(f"{SEED}-{number}")
        with Bench() as bench:
            bench.record(run_of(rng))
            holds(bench, f"case {number}", (rng, 4) if number >= WHOLE else None)


@case("V-08", f"{CASES // 5} pairs of runs: the same holds for both records at once, of the same job or of two")
def _():
    for number in range(CASES // 5):
        rng = random.Random(f"pair-{SEED}-{number}")
        with Bench() as bench:
            first = run_of(rng)
            # The other job has no policy yet: two policies could say different things of push, and then none fits both.
            second = json.loads(json.dumps(first)) if rng.random() < 0.5 else run_of(rng, "other", policy=False)
            second["trusted"] = first["trusted"]
            for s in second["steps"]:
                if rng.random() < 0.5 and s.get("connections"):
                    s["connections"].append(connection_of(rng, "build"))
            bench.record(first).record(second)
            holds(bench, f"pair {number}", (rng, 4))


ONE = {"steps": [{"id": "deps", "run": "npm ci", "connections": [{"host": "a.example.com"}]}]}
FETCH_A = "version: 1\nsteps: [ { phase: fetch, match: { id: deps } } ]\nphases: { fetch: { egress: [ { host: a.example.com } ] } }\n"


@case("V-08", "replay says what would be refused, with step, event, reason and line, as text and as JSON")
def _():
    with Bench() as bench:
        bench.record(ONE)
        code, out, _ = bench.replay("version: 1\n")
        equal(code, 4, out)
        for text in ("refused", "deps", "seq 4", "a.example.com:443", "not in the allowlist", "no rule of `steps` matches"):
            check(text in out, f"{text} is not in\n{out}")
        code, out, _ = bench.replay("version: 1\n", "--json")
        equal(code, 4, out)
        found = json.loads(out)
        equal((found["ok"], len(found["refused"]), found["refused"][0]["seq"], found["refused"][0]["step"]), (False, 1, 4, "deps"), out)
        code, out, _ = bench.replay(FETCH_A, "--json")
        equal((code, json.loads(out)["ok"]), (0, True), out)


@case("", "a record that lacks facts cannot be judged: a failure, unless --partial")
def _():
    with Bench() as bench:
        old = json.loads(json.dumps(ONE))
        old["mode"] = None
        old["steps"][0].update(without=["match", "run_exact", "read", "syscalls"], phase="fetch", peak_connections=None)
        old["steps"][0]["connections"][0]["speaks"] = None
        bench.record(old)
        code, out, _ = bench.replay(FETCH_A)
        check(code == 4 and "does not say what the client spoke" in out, out)
        equal(bench.replay(FETCH_A, "--partial")[0], 0, out)
        text, errors = bench.suggest(rc=4)
        check("cannot be judged" in errors and "# WARNING" in text and 'match: { id: "deps" }' in text, errors + text)


@case("", "exit statuses: 2 for a wrong policy or command line, 5 for a broken record, and nothing on standard output then")
def _():
    with Bench() as bench:
        bench.record(ONE)
        equal(bench.replay("version: 2\n")[0], 2, "a wrong policy")
        equal(bench.call("replay", "r0.jsonl", "--policy", "missing.yml")[0], 2, "no policy")
        equal(bench.call("replay", "r0.jsonl")[0], 2, "no --policy")
        equal(bench.call("suggest")[0], 2, "no record")
        bench.write(FETCH_A)
        path = os.path.join(bench.dir, "r0.jsonl")
        with open(path, "rb") as file:
            lines = file.readlines()
        for damaged in (lines[:2] + lines[3:], [lines[0].replace(b"test", b"tost"), *lines[1:]], [b"{}\n"], []):
            with open(path, "wb") as file:
                file.writelines(damaged)
            for argv in (("replay", "r0.jsonl", "--policy", "p.yml"), ("suggest", "r0.jsonl")):
                code, out, errors = bench.call(*argv)
                equal((code, out), (5, ""), f"{argv}: {errors}")
        equal(bench.call("suggest", "missing.jsonl")[0], 5, "no such record")


@case("V-08", "a private answer is never allowed, and a refused name never listed, whatever the run tried")
def _():
    with Bench() as bench:
        tried = json.loads(json.dumps(ONE))
        tried["steps"][0]["refused"] = [{"host": "inside.example.com", "address": "10.0.0.1", "why": "private answer: private (RFC 1918)"},
                                        {"host": "", "address": "169.254.169.254", "port": 80, "why": "metadata service"},
                                        {"event": "dns.deny", "host": "loot.example.net", "proto": "dns"}]
        bench.record(tried)
        text, _ = bench.suggest("--no-sets")
        lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
        for word in ("private", "inside.example.com", "169.254", "loot"):
            check(not any(word in line for line in lines), f"{word} has a line in\n{text}")
        for word in ("inside.example.com", "169.254.169.254", "loot.example.net"):
            check(word in text, f"{word} is not mentioned in\n{text}")


if __name__ == "__main__":
    main()
