#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""observe_test.py - `run --observe` from inside a real sandbox: what is public passes and is recorded, what is not stays refused, and nothing else changes."""
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import (DRYDOCK, FETCH, PUSH, Job, Leftovers, case, check, descendants, equal, kill_quietly, main, py, run, step, supervisor_of)  # noqa: E402
from world import ALLOWED, ATTACKER, OTHER, PRIVATE, PRIVATE6, SHARED, SINK6, Resolver, Sink, Web  # noqa: E402

W = {}
OBSERVE = ("--observe",)
LISTED = {"fetch": {"egress": [{"host": "allowed.test", "port": 80}, {"host": "allowed.test", "port": 443}], "upload": "1MiB"}}
CALLS = '''
libc = ctypes.CDLL(None, use_errno=True)
def call(nr, *args):
    ctypes.set_errno(0)
    result = libc.syscall(nr, *args)
    return "ok" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")
'''
GET = r'b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"'


def setup():
    W["dns"] = Resolver()
    for name, address in {"allowed.test": ALLOWED, "other.test": OTHER, "shared.test": SHARED, "ssh.test": OTHER, "private.test": "10.1.2.3",
                          "meta.test": "169.254.169.254", "home.test": "127.0.0.1"}.items():
        W["dns"].say(name, address)
    W["dns"].say("rebind.test", turns=[[OTHER], ["10.1.2.3"]])
    for i in range(8):
        W["dns"].say(f"n{i}.wild.test", OTHER)
    W["allowed"], W["other"] = Web(ALLOWED, "allowed"), Web(OTHER, "other")
    W["ssh"], W["tls"] = Sink(OTHER, 22, banner=b"SSH-2.0-test\r\n"), Sink(ALLOWED, 443)
    W["attacker"], W["big"] = Sink(ATTACKER, 9999), Sink(ALLOWED, 9000)
    W["private"] = [Sink(a, p) for a in PRIVATE + PRIVATE6 + [SINK6] for p in (80, 443)] + [Sink("127.0.0.1", 8099)]
    W["udp"] = Sink(ATTACKER, 443, udp=True)


def observed(code, phases=None, phase="build", **more):
    return run([step("probe", py(CALLS + textwrap.dedent(code)), phase)], phases, options=OBSERVE, **more)


def only(r, event, **fields):
    found = r.events(event, **fields)
    equal(len(found), 1, f"{event} with {fields}, in {[e for e in r.events(event)]}", r)
    return found[0]


@case("", "a public host that is not on the list is reached, and the record says what enforcing would have said")
def _():
    r = observed(f'''
        s = tcp("other.test", 80, {GET % "other.test"}); got = b""
        while b"this is" not in got: got += s.recv(4096)
        mark("web", got.split(b"\\r\\n")[-1].decode()); time.sleep(0.3)     # a process is named while it holds its socket
    ''', LISTED, FETCH)
    equal(r.mark("web"), "this is other", "answer", r)
    e = only(r, "net.allow", host="other.test")
    equal([e["port"], e["address"], e["would"], e["why"], e["speaks"], e["proto"]], [80, OTHER, "deny", "not in the allowlist", "http", "tcp"], "event", r)
    equal(e["process"]["exe"][:6], "python", "process", r)
    equal([only(r, "dns.allow")[k] for k in ("host", "would", "why")], ["other.test", "deny", "not in the allowlist"], "dns.allow", r)
    check(not r.events("net.deny") and not r.events("dns.deny"), "something was refused", r)


@case("", "the same step in a build phase reaches out while observing, and is refused when enforcing")
def _():
    code = f'attempt("web", lambda: exchange("other.test", 80, {GET % "other.test"}))'
    before = len(W["other"].requests)
    r = observed(code)
    equal(r.mark("web"), "ok:this is other", "observing", r)
    equal(len(W["other"].requests), before + 1, "requests", r)
    r = run([step("probe", py(code))])
    check(r.mark("web").startswith("gai"), "enforcing let it through", r)
    equal(len(W["other"].requests), before + 1, "requests", r)


@case("", "what the list allows is recorded without `would`, with what the client spoke")
def _():
    r = observed(f'''
        mark("web", exchange("allowed.test", 80, {GET % "allowed.test"}))
        s = tcp("allowed.test", 443, client_hello("allowed.test")); time.sleep(0.2)
    ''', LISTED, FETCH)
    equal([(e["port"], e["speaks"], e.get("would")) for e in r.events("net.allow")], [(80, "http", None), (443, "tls", None)], "events", r)
    check(not r.events("dns.allow"), "a listed name was called unlisted", r)
    equal(r.events("run.end")[0]["counts"]["would_refuse"], 0, "count", r)


@case("", "a raw public address is reached at any port and recorded")
def _():
    before = W["attacker"].connections
    # Until the other side has heard the end and hung up: what a step leaves on its way when it ends is cut off with it.
    r = observed(f'''
        def heard():
            s = tcp("{ATTACKER}", 9999, b"hello"); s.shutdown(socket.SHUT_WR)
            return s.recv(1)
        attempt("tcp", heard)
    ''')
    check(r.mark("tcp").startswith("ok"), "not reached", r)
    equal(W["attacker"].connections, before + 1, "connections", r)
    e = only(r, "net.allow")
    equal([e["host"], e["port"], e["address"], e["would"], e["speaks"]], ["", 9999, ATTACKER, "deny", "raw"], "event", r)
    equal([(d["host"], d["bytes_out"]) for d in r.events("gate.close")[0]["receipt"]], [(ATTACKER, 5)], "receipt", r)


@case("N-12", "private, loopback and metadata addresses are not dialled by number, in any phase, and refused at once")
def _():
    for phase in ("build", FETCH):
        r = observed("".join(f'attempt("{a}", lambda: tcp("{a}", 80))\n' for a in PRIVATE + PRIVATE6), LISTED, phase)
        for address in PRIVATE + PRIVATE6:
            check(r.mark(address) in ("ECONNREFUSED", "EHOSTUNREACH", "EACCES", "EPERM"), f"{address}: {r.mark(address)}", r)
            check(int(r.mark(address + ".ms")) < 1000, f"{address} took long", r)
            check(r.events("net.deny", address=address), f"{address} was not recorded", r)
        check(not r.events("net.allow"), "something was let through", r)
    check(all(s.nothing() for s in W["private"]), "somebody private was reached")


@case("N-10", "a name with a private, loopback or metadata address is not answered")
def _():
    r = observed('''
        for name in ("private.test", "meta.test", "home.test"):
            attempt(name, lambda: tcp(name, 80))
            mark("dns." + name, ask_dns(name))
    ''')
    for name in ("private.test", "meta.test", "home.test"):
        check(r.mark(name).startswith("gai"), f"{name}: {r.mark(name)}", r)
        equal(r.mark("dns." + name), "rcode3", name, r)
        check(r.events("net.deny", host=name) and not r.events("dns.allow", host=name), f"{name} in the record", r)
    check(all(s.nothing() for s in W["private"]), "somebody private was reached", r)


@case("N-11", "a name that turns private after its first answer is not dialled there")
def _():
    W["dns"].say("rebind.test", turns=[[OTHER], ["10.1.2.3"]])
    r = observed('''
        attempt("first", lambda: exchange("rebind.test", 80, b"GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\n\\r\\n"))
        address = socket.gethostbyname("rebind.test")
        time.sleep(2.5)     # the answer's time is over
        def again():
            s = socket.create_connection((address, 80), 5); s.sendall(b"GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\n\\r\\n")
            if not s.recv(10): raise ConnectionResetError(errno.ECONNRESET, "closed")
        attempt("second", again)
    ''')
    equal(r.mark("first"), "ok:this is other", "first", r)
    equal(r.mark("second"), "ECONNRESET", "second", r)
    check(all(s.nothing() for s in W["private"]), "the private address was reached", r)


@case("N-17", "names that two programs may read differently are refused before anybody is asked")
def _():
    names = [r"bad\0.test", "a b.test", "x@other.test", "other.test%00", "2130706433", "127.1", "0x7f.1", "back\\slash.test"]
    before = len(W["dns"].queries)
    r = observed(f'for i, name in enumerate({names!r}): mark("n%d" % i, ask_dns(name))')
    for i, name in enumerate(names):
        equal(r.mark(f"n{i}"), "rcode3", name, r)
    equal(len(W["dns"].queries), before, "queries upstream", r)


@case("", "a synthetic address that nobody was told leads nowhere")
def _():
    r = observed('attempt("a", lambda: tcp("198.18.1.0", 80))\nattempt("b", lambda: tcp("198.19.200.1", 443))\nattempt("gate", lambda: tcp("127.0.0.1", 1))')
    equal([r.mark(m) for m in ("a", "b", "gate")], ["ECONNREFUSED"] * 3, "attempts", r)
    check(not r.events("net.allow"), "let through", r)


@case("N-19 N-20", "UDP and IPv6 are refused as quickly as ever")
def _():
    r = observed(f'''
        def udp():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("{ATTACKER}", 443)); s.send(b"x")
        attempt("udp", udp)
        attempt("v6", lambda: tcp("{SINK6}", 80))
    ''')
    for name in ("udp", "v6"):
        check(not r.mark(name).startswith("ok") and int(r.mark(name + ".ms")) < 1000, f"{name}: {r.mark(name)}", r)
    check(W["udp"].nothing(), "UDP arrived", r)
    check(any(e["proto"] == "udp" and "UDP is not carried" in e["why"] for e in r.events("net.deny")), "udp in the record", r)


@case("", "a server that speaks first is heard at once, and recorded as raw")
def _():
    r = observed('''
        s = socket.create_connection(("ssh.test", 22), 5); s.settimeout(9); started = time.monotonic()
        mark("banner", s.recv(100)); mark("ms", int((time.monotonic() - started) * 1000))
        s.sendall(b"SSH-2.0-client\\r\\n"); s.close()
    ''', LISTED, FETCH)
    check("SSH-2.0-test" in r.mark("banner"), "no banner", r)
    check(int(r.mark("ms")) < 1000, "the gate waited for the client", r)
    e = only(r, "net.allow")
    equal([e["host"], e["port"], e["speaks"], e["would"], e["why"]], ["ssh.test", 22, "raw", "deny", "not in the allowlist"], "event", r)
    entry = {"fetch": {"egress": [{"host": "ssh.test", "port": 22}]}}
    e = only(observed('s = socket.create_connection(("ssh.test", 22), 5); s.recv(100)', entry, FETCH), "net.allow")
    check(e["would"] == "deny" and "entry needs tls: raw" in e["why"], f"a listed host that needs `raw`: {e}")


@case("N-13 N-14", "another server name or Host goes to the address of the looked-up name, and is recorded as what enforcing cuts")
def _():
    seen = len(W["tls"].data)
    r = observed('''
        s = tcp("allowed.test", 443, client_hello("evil.test")); time.sleep(0.3); s.close()
        mark("host", exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n"))
        s = socket.create_connection(("allowed.test", 80), 5)
        for host in ("allowed.test", "other.test", "allowed.test"):
            s.sendall(b"GET / HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % host.encode()); got = b""
            while b"this is" not in got: got += s.recv(4096)
        mark("later", got.split(b"\\r\\n")[-1].decode())
    ''', LISTED, FETCH)
    check(len(W["tls"].data) > seen, "the hello did not arrive", r)
    equal([r.mark("host"), r.mark("later")], ["this is allowed"] * 2, "answers", r)
    whys = [(e["port"], e["speaks"], e.get("would"), e["why"]) for e in r.events("net.allow")]
    check((443, "raw", "deny", "TLS: the server name is another host") in whys, f"SNI: {whys}", r)
    equal(whys.count((80, "raw", "deny", "HTTP: Host names another host")), 2, f"Host, in {whys}", r)
    check([w for w in whys if w[:3] == (80, "http", None)], f"the good first request: {whys}", r)


@case("N-24", "an upload over the budget is not cut, and the record has the violation")
def _():
    before = len(W["allowed"].requests)
    r = observed('''
        body = b"x" * (3 << 20)
        mark("answer", exchange("allowed.test", 80, b"POST /up HTTP/1.1\\r\\nHost: allowed.test\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body, 20))
        mark("again", exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
    ''', LISTED, FETCH)
    equal([r.mark("answer"), r.mark("again")], ["this is allowed"] * 2, "answers", r)
    equal(W["allowed"].requests[before][2], 3 << 20, "bytes that arrived", r)
    v = only(r, "violation")
    equal([v["case"], v["subject"], v["consequence"]], ["budget", "allowed.test", "none: observing"], "violation", r)
    check(v["bytes_out"] > 1 << 20, f"bytes_out: {v}", r)
    equal([e.get("would") for e in r.events("net.allow")], [None, "deny"], "connections before and after the budget", r)
    check("used up" in r.events("net.allow")[1]["why"], "why", r)


@case("", "caps on names and connections are said, not enforced; gate.close has the peaks")
def _():
    phases = {"fetch": {"egress": [{"host": "*.wild.test", "port": 80}], "wildcard_names": 3, "connections": 2}}
    r = observed('''
        keep = [socket.create_connection(("n%d.wild.test" % i, 80), 5) for i in range(5)]
        for i, s in enumerate(keep): s.sendall(b"GET / HTTP/1.1\\r\\nHost: n%d.wild.test\\r\\n\\r\\n" % i); s.recv(10)
        mark("all", len(keep))
    ''', phases, FETCH)
    equal(r.mark("all"), "5", "connections", r)
    end = r.events("gate.close")[0]
    equal([end["peak_connections"], end["wildcard_names"]], [5, [{"entry": "*.wild.test:80", "names": 5}]], "gate.close", r)
    equal(sorted(e["host"] for e in r.events("dns.allow")), ["n3.wild.test", "n4.wild.test"], "names over the cap", r)
    whys = {e["host"]: e.get("why") for e in r.events("net.allow", would="deny")}
    check("too many open connections" in whys.get("n2.wild.test", ""), f"the third connection: {whys}", r)
    check("too many different names" in whys.get("n4.wild.test", ""), f"the fifth name: {whys}", r)


@case("", "a listed name is reached at a port that is not listed, and the record says so")
def _():
    r = observed('attempt("tcp", lambda: tcp("allowed.test", 9000, b"binary\\0").close())\ntime.sleep(0.2)', LISTED, FETCH)
    check(r.mark("tcp").startswith("ok") and b"binary" in W["big"].data, "not reached", r)
    e = only(r, "net.allow")
    equal([e["port"], e["would"], e["why"], e["speaks"]], [9000, "deny", "the allowlist has this name, but not this port", "raw"], "event", r)


@case("", "a public host that does not answer is no refusal of ours, and still what enforcing would not have tried")
def _():
    r = observed(f'attempt("tcp", lambda: tcp("{SHARED}", 4444).recv(1))')
    e = only(r, "net.deny")
    equal([e["address"], e["port"], e["would"], e["why"]], [SHARED, 4444, "deny", "could not connect: Connection refused"], "event", r)


# --- system calls -----------------------------------------------------------------------------------------------------

@case("", "calls outside the profile are carried out and recorded; `never` stays refused and is recorded with its errno")
def _():
    r = observed('''
        mark("personality", call(135, 0x40000)); mark("again", call(135, 0x40000)); mark("now", call(135, 0xffffffff))
        mark("traceme", call(101, 0, 0, 0, 0)); mark("memfd_secret", call(447, 0))
        mark("io_uring", call(425, 1, 0)); mark("bpf", call(321, 0, 0, 0)); mark("mount", call(165, 0, 0, 0, 0, 0))
        mark("unshare", call(272, 0x10000000)); mark("clone", call(56, 0x10000011, 0, 0, 0, 0)); mark("keyctl", call(250, 0, 0))
        for family in (40, 17, 38, 16): mark("f%d" % family, call(41, family, 1, 12))
        mark("raw", call(41, 2, 3, 255)); mark("sctp", call(41, 2, 1, 132)); mark("nobody", call(1000)); mark("clone3", call(435, 0, 0))
        mark("listener", call(317, 1, 8, 0)); mark("x32", call(0x40000000 + 39))
    ''')
    equal([r.mark(m) for m in ("personality", "again", "now", "traceme")], ["ok"] * 4, "let through", r)
    refused = {"io_uring": "ENOSYS", "bpf": "EPERM", "mount": "EPERM", "unshare": "EPERM", "clone": "EPERM", "keyctl": "EPERM", "f40": "EAFNOSUPPORT",
               "f17": "EAFNOSUPPORT", "f38": "EAFNOSUPPORT", "f16": "EAFNOSUPPORT", "raw": "EPERM", "sctp": "EPROTONOSUPPORT", "nobody": "ENOSYS",
               "clone3": "ENOSYS", "listener": "EPERM", "x32": "ENOSYS"}
    equal({m: r.mark(m) for m in refused}, refused, "refused", r)
    calls = {(e["syscall"], e.get("detail")): (e["answer"], e["count"]) for e in r.events("sys.deny")}
    expected = {("personality", "0x40000"): ("continued", 2), ("ptrace", None): ("continued", 1), ("io_uring_setup", None): ("ENOSYS", 1), ("bpf", None): ("EPERM", 1),
                ("mount", None): ("EPERM", 1), ("unshare", "CLONE_NEWUSER"): ("EPERM", 1), ("keyctl", None): ("EPERM", 1),
                ("socket", "AF_VSOCK"): ("EAFNOSUPPORT", 1), ("socket", "AF_PACKET"): ("EAFNOSUPPORT", 1), ("socket", "AF_ALG"): ("EAFNOSUPPORT", 1),
                ("socket", "AF_NETLINK"): ("EAFNOSUPPORT", 1), ("1000", None): ("ENOSYS", 1)}
    for key, value in expected.items():
        equal(calls.get(key), value, f"{key} in {calls}", r)
    check(not [k for k in calls if k[0] in ("clone3", "seccomp")], "what nobody is asked about was recorded", r)
    check(all(e["process"]["exe"].startswith("python") for e in r.events("sys.deny")), "processes", r)
    names = [e["event"] for e in r.record]
    check(names.index("sys.deny") < names.index("step.end"), "order", r)


@case("", "a listener of the step's own cannot answer in the supervisor's place")
def _():
    r = observed('''
        class Filter(ctypes.Structure): _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
        class Prog(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
        def install(action, flags):
            one = (Filter * 1)(Filter(6, 0, 0, action)); prog = Prog(1, one)
            call(157, 38, 1, 0, 0, 0)
            return call(317, 1, flags, ctypes.byref(prog))
        mark("listener", install(0x7fc00000, 8))
        mark("allow", install(0x7fff0000, 0)); mark("uring", call(425, 1, 0)); mark("unshare", call(272, 0x10000000))
    ''')
    equal([r.mark(m) for m in ("listener", "allow", "uring", "unshare")], ["EPERM", "ok", "ENOSYS", "EPERM"], "attempts", r)


@case("", "a flood of questions from many threads stalls neither the step's output nor the supervisor, and is counted in one event")
def _():
    r = observed('''
        stop = time.monotonic() + 2
        def flood():
            n = 0
            while time.monotonic() < stop: libc.syscall(135, 0x40000); n += 1
            counts.append(n)
        counts = []
        threads = [threading.Thread(target=flood) for _ in range(16)]
        for t in threads: t.start()
        for i in range(10): mark("tick%d" % i, i); time.sleep(0.1)
        for request in range(400): libc.ioctl(0, 0x7f000000 + request)
        for t in threads: t.join()
        mark("asked", sum(counts))
    ''', timeout=60)
    equal([r.mark(f"tick{i}") for i in range(10)], [str(i) for i in range(10)], "ticks", r)
    e = only(r, "sys.deny", syscall="personality")
    equal(e["count"], int(r.mark("asked")), "count", r)
    check(e["count"] > 1000, f"only {e['count']} questions: no flood", r)
    ioctls = r.events("sys.deny", syscall="ioctl")
    check(len(ioctls) <= 17 and sum(i["count"] for i in ioctls) == 400, f"{len(ioctls)} rows of ioctl", r)


@case("G-07 S-03", "the supervisor is killed while a question waits: nothing of the step is left")
def _():
    marker = "dd-observe-%d" % os.getpid()
    left = Leftovers(marker)
    job = Job([step("asks", py(CALLS + f'''
mark("up", "{marker}")
while True: call(135, 0x40000)
''') + f"\n: {marker}\n")])
    try:
        process = job.popen("--observe")
        deadline = time.monotonic() + 20
        while "@@up=" not in process.stdout.readline().decode() and time.monotonic() < deadline:
            pass
        below = descendants(process.pid)
        supervisor = supervisor_of(process.pid)
        os.kill(supervisor, signal.SIGSTOP)
        time.sleep(0.3)     # now a question waits for good
        os.kill(supervisor, signal.SIGKILL)
        process.wait(timeout=20)
        deadline = time.monotonic() + 5
        while (alive := [p for p in below if os.path.exists(f"/proc/{p}")]) and time.monotonic() < deadline:
            time.sleep(0.05)
        check(not alive, f"still alive: {alive}")
        left.check()
    finally:
        for pid in descendants(process.pid) + [process.pid]:
            kill_quietly(pid)
        process.stdout.close()
        job.close()


@case("P-01", "a background process that asks when its step is over dies like any other")
def _():
    started = time.monotonic()
    r = observed('''
        if os.fork() == 0:
            os.setsid()
            while True: call(135, 0x40000)
        time.sleep(0.3)
    ''')
    check(time.monotonic() - started < 10, "the end took long", r)
    check(only(r, "sys.deny", syscall="personality")["count"] > 0, "never asked: the test proves nothing", r)


# --- nothing else changes ---------------------------------------------------------------------------------------------

def log_of(job, r):
    name = r.events("step.start")[0]["step"]
    for where, _, files in os.walk(os.path.join(job.dir, "state") if os.path.isdir(os.path.join(job.dir, "state")) else "/var/log/drydock"):
        for file in files:
            if file == f"01-{name}.log" and r.record[0]["run"] in where:
                with open(os.path.join(where, file), "rb") as log:
                    return log.read()
    raise AssertionError("no log of the step")


@case("W-10", "a step that violates nothing has the same output, byte for byte, and the same exit code; one that is let through has no line of drydock's")
def _():
    for script, phase, rc in (("echo out; printf 'no newline'; exit 7", "build", 1),
                              (py(f'print(exchange("allowed.test", 80, {GET % "allowed.test"}))'), FETCH, 0)):
        job = Job([step("same", script, phase)], LISTED)
        try:
            logs = []
            for options in ((), OBSERVE):
                r = job.run(*options)
                equal(r.rc, rc, f"exit status with {options}", r)
                logs.append((log_of(job, r), r.events("step.end")[0]["exit"], r.events("step.end")[0]["outcome"]))
            equal(logs[1], logs[0], "log, exit code and outcome")
        finally:
            job.close()
    job = Job([step("quiet", py(CALLS + f'mark("web", exchange("other.test", 80, {GET % "other.test"})); call(135, 0x40000)'))])
    try:
        r = job.run("--observe")
        equal(log_of(job, r), b"@@web=this is other@@\n", "log", r)
        check("would have been refused:" in r.out and "tcp other.test:80" in r.out and "call personality" in r.out, "summary", r)
    finally:
        job.close()


@case("W-10", "the timing class stays: refusals and answers come at once, and a step takes no longer than it would")
def _():
    code = 'for i in range(20): mark("t", exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))'
    times = {options: min(run([step("probe", py(code), FETCH)], LISTED, options=options).events("step.end")[0]["wall_sec"] for _ in range(3))
             for options in ((), OBSERVE)}
    check(times[OBSERVE] < 2 * times[()] + 0.3, f"{times}")


@case("", "credentials, files and limits are as when enforcing")
def _():
    job = Job([step("build", py('''
        mark("token", os.environ.get("TOKEN", "none"))
        def write(): open("/etc/x", "w")
        attempt("etc", write); attempt("shadow", lambda: open("/etc/shadow")); mark("caps", open("/proc/self/status").read().split("CapEff:")[1].split()[0])
    ''')), step("push", "echo @@length=${#TOKEN}@@ $TOKEN", PUSH), step("slow", "sleep 30")],
              {"push": {"trust": "protected", "workspace": "artifacts", "artifacts": ["README"]}},
              credentials={"key": {"from": {"file": "@"}, "for": {"phase": "push", "steps": ["push"]}, "as": {"env": "TOKEN"}, "ttl": "5m"}},
              limits={"time": "2s"})
    try:
        secret = job.write("token", "canary-secret-value")
        os.chmod(secret, 0o600)
        with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
            text = file.read().replace('"@"', json.dumps(secret))
        job.write("policy.yml", text)
        r = job.run("--observe")
    finally:
        job.close()
    equal([r.mark("token"), r.mark("length"), r.mark("caps")], ["none", "19", "0000000000000000"], "credentials and capabilities", r)
    check(not r.mark("etc").startswith("ok") and not r.mark("shadow").startswith("ok"), "files", r)
    check("canary" not in r.out and "canary" not in json.dumps(r.record), "the secret is written somewhere", r)
    grant = only(r, "cred.grant")
    equal([grant["from"], grant["as"], grant["ttl_sec"]], ["file:" + secret, "env:TOKEN", 300], "cred.grant", r)
    equal([e["outcome"] for e in r.events("step.end")], ["succeeded", "succeeded", "timed out"], "outcomes", r)
    equal(r.rc, 1, "exit status", r)
    push = r.events("step.start")[1]
    equal([push["workspace"], push["artifacts"]], ["artifacts", ["README"]], "step.start of push", r)


@case("", "it says loudly, at start and at end, that it does not enforce; the record says so, and an enforcing run says the opposite")
def _():
    job = Job([step("a", "true")])
    try:
        out = subprocess.run(job.argv("--observe"), cwd=job.dir, env=job.environ(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    finally:
        job.close()
    for stream in (out.stdout, out.stderr):
        lines = [i for i, line in enumerate(stream.splitlines()) if "OBSERVE" in line]
        check(len(lines) == 2 and lines[0] == 0 and lines[1] == len(stream.splitlines()) - 1, f"not first and last:\n{stream}")
    r = run([step("a", "true")], options=OBSERVE)
    equal([e["mode"] for e in r.events("run.start") + r.events("run.end")], ["observe"] * 2, "mode", r)
    r = run([step("a", "true")])
    equal([e["mode"] for e in r.events("run.start") + r.events("run.end")], ["enforce"] * 2, "mode", r)
    check("OBSERVE" not in r.out and not r.events("sys.deny"), "an enforcing run", r)


@case("", "the record names what a rule could match a step by, without user info and query strings, and the event")
def _():
    job = Job([{"run": "\n  curl https://user:hunter2@host.test/path?token=hunter3 # x\n", "_phase": "build"}, step("named", "true")])
    try:
        event = job.write("event.json", json.dumps({"event_name": "push", "ref": "refs/heads/main", "ref_protected": True, "repository": {"full_name": "acme/x"}}))
        with open(os.path.join(job.dir, "policy.yml"), "w", encoding="utf-8") as file:
            file.write("version: 1\n")
        r = job.run("--observe", "--event", event)
    finally:
        job.close()
    first = r.events("step.start")[0]
    equal([first["match"], first["run_exact"], first["index"]], [{
        "job": "test", "run": "curl https://host.test/path # x",
        "run_sha256": hashlib.sha256(b"curl https://user:hunter2@host.test/path?token=hunter3 # x").hexdigest()}, False, 1], "match", r)
    check("hunter" not in json.dumps([e for e in r.record if e["event"] != "step.end"]).replace(first["name"], ""), "a password is in the record", r)
    equal(r.events("run.start")[0]["forge_event"], {"name": "push", "repository": "acme/x", "ref": "refs/heads/main", "protected": True}, "event", r)
    check("forge_event" not in run([step("a", "true")]).events("run.start")[0], "an event without an event file")


@case("K-12", "without seccomp user notification observing is refused with the remedy, and enforcing is not")
def _():
    steps = [step("a", "true")]
    r = run(steps, options=OBSERVE, env={"DRYDOCK_FAULT": "seccomp_notify"}, rc=3)
    check("seccomp_notify" in r.out and "Remedy" in r.out and not r.record, "what it said", r)
    run(steps, env={"DRYDOCK_FAULT": "seccomp_notify"}, rc=0)


@case("", "--observe with --dry-run prints the plan of enforcing and says so")
def _():
    job = Job([step("a", "true")])
    try:
        plain = subprocess.run(job.argv(command="plan"), cwd=job.dir, capture_output=True, check=True)
        dry = subprocess.run(job.argv("--observe", "--dry-run"), cwd=job.dir, env=job.environ(), capture_output=True, check=True)
        equal(dry.stdout, plain.stdout, "plan")
        check(b"--observe changes nothing" in dry.stderr, "it did not say so")
    finally:
        job.close()


COMMON = {"seq", "time", "mono_ns", "run", "job", "step", "phase", "event", "prev"}


def documented():
    """event -> fields, from the table of docs/record.md."""
    fields, event = {}, None
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "record.md"), encoding="utf-8") as file:
        for line in file:
            cells = [c.strip() for c in line.split("|")]
            if len(cells) < 5 or not re.match(r"^(`[a-z]+\.?[a-z]*`)?$", cells[1]):
                continue
            event = cells[1].strip("`") or event
            fields.setdefault(event, set()).update(re.findall(r"`([a-z_0-9]+)`", cells[2]))
            if "as `net.deny`" in cells[2]:
                fields[event] |= fields["net.deny"]
            if event == "violation":
                fields[event] |= set(re.findall(r"`([a-z_0-9]+)`", cells[3]))
    return fields


def documented_reasons():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "record.md"), encoding="utf-8") as file:
        return set(re.findall(r"`([a-z0-9-]+)`", file.read().split("## Reasons")[1].split("\n## ")[0]))


@case("", "docs/record.md names every event and every field that a run writes, and no event that it does not know")
def _():
    job = Job([step("fetch", py(CALLS + f'''
        body = b"x" * (2 << 20)
        exchange("allowed.test", 80, b"POST / HTTP/1.1\\r\\nHost: allowed.test\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body, 20)
        exchange("n1.wild.test", 80, b"GET / HTTP/1.1\\r\\nHost: n1.wild.test\\r\\n\\r\\n")
        s = tcp("other.test", 80, b"GET / HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n"); s.recv(10); time.sleep(0.2)
        attempt("no", lambda: tcp("{SHARED}", 4444).recv(1)); attempt("private", lambda: tcp("10.1.2.3", 80)); attempt("dns", lambda: ask_dns("bad name.test"))
        call(135, 0x40000); call(1000); open("README", "a").write("changed")
    '''.replace("\n        ", "\n")), FETCH), step("build", "echo x >new"), step("push", "true", PUSH)],
              {"fetch": {"egress": LISTED["fetch"]["egress"] + [{"host": "*.wild.test", "port": 80}], "upload": "1MiB"},
               "push": {"trust": "protected", "workspace": "pristine", "artifacts": ["new"]}},
              files={".drydock.yml": json.dumps({"version": 1, "phases": {"fetch": {"egress": [
                  {"host": h, "port": p} for h, p in (("allowed.test", 80), ("*.wild.test", 80), ("more.test", 443))]}}})},
              credentials={"key": {"from": {"env": "KEY"}, "for": {"phase": "push", "steps": ["push"]}, "as": {"file": "key"}, "ttl": "5m"}})
    try:
        event = job.write("event.json", json.dumps({"event_name": "push", "ref": "refs/heads/main", "ref_protected": True, "repository": {"full_name": "acme/x"}}))
        subprocess.run("cd src && git init -q && git add README && git -c user.name=a -c user.email=a@b.test commit -qm x", shell=True, cwd=job.dir, check=True)
        r = job.run("--observe", "--event", event, env={"KEY": "canary-secret"})
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    known, words = documented(), documented_reasons()
    for e in r.record:
        check(e["event"] in known, f"{e['event']} is not in the table", r)
        unknown = set(e) - COMMON - known[e["event"]]
        check(not unknown, f"{e['event']}: {unknown} not in the table", r)
        if e["event"].endswith(".deny") or "would" in e or e.get("case") == "budget":
            check(e.get("reason") in words and e.get("would_reason", e["reason"]) in words, f"{e['event']} for a reason that is no word of the document: {e}", r)
    seen = {e["event"] for e in r.record}
    # a full record takes megabytes: tests/attack/record_test.py
    equal(set(known) - seen, {"record.limited", "env.withheld", "annotation", "step.summary", "hatch", "cred.renew", "cred.absent"}, "events that this run did not show", r)


if __name__ == "__main__":
    main(setup)
