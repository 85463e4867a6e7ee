#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""loopback_test.py - a step's network looks like that of a host without one: loopback works like loopback, everything else fails as it would there, and
each try is counted and told all the same."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Skip, case, check, closed, equal, main, opened, run, step  # noqa: E402
from world import ALLOWED, Resolver, Web  # noqa: E402

W = {}
EGRESS = [{"host": "allowed.test", "port": 80}]


def setup():
    W["dns"] = Resolver()
    W["dns"].say("allowed.test", ALLOWED)
    W["web"] = Web(ALLOWED, "allowed")


def both(code):
    """The same snippet with the gate closed, and with it open."""
    return {"closed": closed(code), "open": opened(code, EGRESS)}


def denied(r):
    return sum(e["count"] for e in r.events("net.deny"))


@case("C8 N-20", "a datagram to a foreign address fails at once with ENETUNREACH, over IPv4 and IPv6, connected or not, and is counted and told")
def _():
    for state, r in both('''
        def udp(host, port=9999, family=socket.AF_INET, connect=False):
            s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(3)
            if connect: s.connect((host, port)); return s.send(b"x")
            return s.sendto(b"x", (host, port))
        attempt("v4", lambda: udp("45.10.20.9")); attempt("connected", lambda: udp("45.10.20.9", connect=True)); attempt("v6", lambda: udp("2001:db8::9", family=socket.AF_INET6))
        attempt("v6connected", lambda: udp("2001:db8::9", family=socket.AF_INET6, connect=True)); attempt("private", lambda: udp("10.1.2.3"))
        attempt("metadata", lambda: udp("169.254.169.254")); attempt("synthetic", lambda: udp("198.18.77.7", 443)); attempt("mapped", lambda: udp("::ffff:45.10.20.9", family=socket.AF_INET6))
        def name():
            a = socket.gethostbyname("allowed.test"); return udp(a, 443)
        attempt("quic", name)
    ''').items():
        labels = ["v4", "connected", "v6", "v6connected", "private", "metadata", "synthetic", "mapped"] + (["quic"] if state == "open" else [])
        equal({label: r.mark(label) for label in labels}, {label: "ENETUNREACH" for label in labels}, f"errno with the gate {state}", r)
        check(all(int(r.mark(label + ".ms")) < 1000 for label in labels), f"late: {r.marks}", r)
        check(denied(r) >= len(labels), f"the record counts {denied(r)} of {len(labels)}", r)
        for what in ("udp 45.10.20.9:9999", "udp [2001:db8::9]:9999", "udp 10.1.2.3:9999"):
            check(f"refused {what}" in r.out, f"nobody was told of {what}, gate {state}", r)


@case("C8 N-23", "what was marked as refused does not arrive, not even at the step's own sockets; a broadcast is refused and told")
def _():
    for state, r in both('''
        a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(("0.0.0.0", 7777)); a.settimeout(0.5)
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        attempt("foreign", lambda: s.sendto(b"x", ("45.10.20.9", 7777))); attempt("broadcast", lambda: s.sendto(b"x", ("255.255.255.255", 7777)))
        attempt("synthetic", lambda: s.sendto(b"x", ("198.18.0.77", 7777))); attempt("got", lambda: a.recv(9))
        attempt("mark", lambda: s.setsockopt(socket.SOL_SOCKET, 36, 1))
    ''').items():
        equal([r.mark(m) for m in ("foreign", "broadcast", "synthetic", "got", "mark")], ["ENETUNREACH", "EPERM", "ENETUNREACH", "TIMEOUT", "EPERM"], f"gate {state}", r)
        check("refused udp 255.255.255.255:7777" in r.out, "a broadcast was not told", r)


@case("C8", "multicast on 127.0.0.1 works, and nothing about it is told as a refusal")
def _():
    for state, r in both('''
        def group(where, choose):
            a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); a.bind((where if choose == "bound" else "", 0)); a.settimeout(3)
            lo = socket.inet_aton("127.0.0.1")
            member = socket.inet_aton(where) + (bytes(4) if choose == "any" else lo)
            if choose == "index": member = socket.inet_aton(where) + bytes(4) + struct.pack("i", 1)
            a.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            if choose in ("address", "bound"): s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, lo)
            if choose == "index": s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + struct.pack("i", 1))
            s.sendto(b"hi", (where, a.getsockname()[1])); data, who = a.recvfrom(9); return data.decode()
        for choose in ("address", "index", "any", "bound"):
            for where in ("239.1.2.3", "224.0.0.251", "239.255.0.1"): attempt(choose + where, lambda: group(where, choose))
        def join6():
            s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff15::7") + struct.pack("I", 1)); return "joined"
        attempt("join6", join6); time.sleep(1.2)     # the kernel reports a membership within a second
    ''').items():
        marks = [r.mark(choose + where) for choose in ("address", "index", "any", "bound") for where in ("239.1.2.3", "224.0.0.251", "239.255.0.1")]
        equal(marks, ["ok:hi"] * 12, f"multicast with the gate {state}", r)
        equal(r.mark("join6"), "ok:joined", "joining a group over IPv6", r)
        check("refused" not in r.out.split("succeeded in")[0], f"told as a refusal, gate {state}", r)
        equal(denied(r), 0, "refusals in the record", r)


@case("C8", "every closed port of 127.0.0.1 and ::1 is refused by the kernel alone, port 1 too; the gate's listener cannot be reached under any address")
def _():
    for state, r in both('''
        for port in (1, 2, 53, 9, 65535): attempt("v4-%d" % port, lambda: tcp("127.0.0.1", port)); attempt("v6-%d" % port, lambda: tcp("::1", port))
    ''').items():
        equal({value for name, value in r.marks.items() if not name.endswith(".ms")}, {"ECONNREFUSED"}, f"gate {state}", r)
        check("refused tcp" not in r.out, "told as a refusal of the gate", r)
        equal(denied(r), 0, "refusals in the record", r)
    for state, r in both('attempt("resolver", lambda: tcp("198.18.0.1", 1)); attempt("step", lambda: tcp("198.18.0.2", 1)); attempt("zero", lambda: tcp("0.0.0.0", 1))').items():
        equal([r.mark(m) for m in ("resolver", "step", "zero")], ["ECONNREFUSED"] * 3, f"gate {state}", r)
        check("refused tcp 198.18.0.1:1" in r.out, "a try at the listener was not told", r)


@case("C8", "lo has one IPv4 address, 127.0.0.1, and getaddrinfo answers with AI_ADDRCONFIG all the same")
def _():
    for state, r in both('''
        import ctypes.util, fcntl, re
        buf = bytearray(4096); import array
        a = array.array("B", bytes(4096)); s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        n = struct.unpack("iL", fcntl.ioctl(s, 0x8912, struct.pack("iL", 4096, a.buffer_info()[0])))[0]
        raw = a.tobytes()[:n]
        mark("addresses", [(raw[i:i + 16].rstrip(b"\\0").decode(), socket.inet_ntoa(raw[i + 20:i + 24])) for i in range(0, n, 40)])
        mark("netmask", socket.inet_ntoa(fcntl.ioctl(s, 0x891b, struct.pack("256s", b"lo"))[20:24]))
        for family in (socket.AF_INET, socket.AF_UNSPEC):
            attempt("adc%d" % family, lambda: socket.getaddrinfo("localhost", 80, family, 0, 0, socket.AI_ADDRCONFIG)[0][4][0])
        attempt("named", lambda: socket.getaddrinfo("allowed.test", 80, socket.AF_INET, 0, 0, socket.AI_ADDRCONFIG)[0][4][0])
        for to in ("127.0.0.1", "127.5.5.5", "198.18.9.9"):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((to, 9)); mark("from " .strip() + to, s.getsockname()[0])
    ''').items():
        equal([r.mark(m) for m in ("addresses", "netmask", "adc2", "adc0")], ["[('lo', '127.0.0.1')]", "255.0.0.0", "ok:127.0.0.1", "ok:127.0.0.1"], f"lo with the gate {state}", r)
        equal([r.mark("from" + to) for to in ("127.0.0.1", "127.5.5.5", "198.18.9.9")], ["127.0.0.1", "127.0.0.1", "198.18.0.2"], "where connections come from", r)
        check(r.mark("named").startswith("ok:198.18.1." if state == "open" else "gai:"), f"a name with AI_ADDRCONFIG: {r.mark('named')}, gate {state}", r)


@case("C8", "Open MPI starts two processes")
def _():
    if not (shutil.which("mpirun") or "").startswith("/usr/"):
        raise Skip("no mpirun in /usr (openmpi-bin)")
    r = run([step("mpi", "mpirun -np 2 --oversubscribe --mca btl self,tcp sh -c 'echo @@rank$OMPI_COMM_WORLD_RANK=here@@'")], timeout=120)
    equal([r.marks.get("rank0"), r.marks.get("rank1")], ["here", "here"], "ranks", r)


@case("C8 N-02", "a protocol that hosts may lack says so: UDP-Lite, L2TP, DCCP, SCTP; raw and ping sockets stay EPERM and are told")
def _():
    for state, r in both('''
        for family in (2, 10):
            for name, kind, proto in (("udplite", 2, 136), ("l2tp", 2, 115), ("dccp", 6, 33), ("sctp", 5, 132), ("sctp1", 1, 132), ("rdm", 4, 0), ("raw", 3, 253), ("ping", 2, 58 if family == 10 else 1)):
                attempt(name + str(family), lambda: socket.socket(family, kind, proto))
    ''').items():
        for family in ("2", "10"):
            equal([r.mark(name + family) for name in ("udplite", "l2tp", "dccp", "sctp", "sctp1", "rdm", "raw", "ping")],
                  ["EPROTONOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EPERM", "EPERM"], f"family {family}, gate {state}", r)
        equal(r.out.count("ping and raw sockets do not work"), 1, "what is told", r)
        check("dgram 136" not in r.out, "UDP-Lite was told, and programs try it and do without", r)


URGENT = '''
    import select
    def pair(family):
        if family == "unix": return socket.socketpair()
        l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(1); a = socket.socket(); a.connect(l.getsockname()); return a, l.accept()[0]
    OOB = socket.MSG_OOB
    def urgent(family, how):
        a, b = pair(family); b.setblocking(False)
        if how == "send": a.send(b"!", OOB)
        if how == "sendto": a.send(b"ab!", OOB | socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        if how == "sendmsg": a.sendmsg([b"!"], [], OOB)
        if how == "sendmmsg":
            libc = ctypes.CDLL(None, use_errno=True)
            data = ctypes.create_string_buffer(b"!"); iov = (ctypes.c_void_p * 2)(ctypes.addressof(data), 1)
            msg = (ctypes.c_uint64 * 8)(0, 0, ctypes.addressof(iov), 1, 0, 0, 0, 0)
            if libc.sendmmsg(a.fileno(), msg, 1, OOB) < 0: raise OSError(ctypes.get_errno(), "sendmmsg")
        select.select([], [], [b], 2); return b.recv(1, OOB)
    for family in ("unix", "tcp"):
        for how in ("send", "sendto", "sendmsg", "sendmmsg"): attempt(family + how, lambda: urgent(family, how))
    a, b = pair("unix"); a.send(b"x"); attempt("plain", lambda: b.recv(1)); attempt("receive", lambda: b.recv(1, OOB | socket.MSG_DONTWAIT))
'''


@case("A30", "urgent data on a Unix socket cannot be sent, by none of the calls that take the flag; one line tells it, with what would allow it")
def _():
    for state, r in both(URGENT).items():
        refused = {value for name, value in r.marks.items() if name.startswith(("unix", "tcp")) and not name.endswith(".ms")}
        check(refused <= {"EOPNOTSUPP", "ENOTSUP"} and len([n for n in r.marks if n.startswith("unix") and not n.endswith(".ms")]) == 4, f"gate {state}: {r.marks}", r)
        equal(r.mark("plain"), "ok:b'x'", "an ordinary byte", r)
        check(r.mark("receive") in ("EINVAL", "EAGAIN", "EOPNOTSUPP", "ENOTSUP"), r.mark("receive"), r)
        equal(r.out.count("drydock: refused the system call send"), 1, "lines about it", r)
        check("syscalls: [sendto, sendmsg, sendmmsg]" in r.out, "the line that would allow it", r)


@case("A30", "a policy that names the calls gets urgent data over TCP")
def _():
    r = closed(URGENT, sandbox={"syscalls": ["sendto", "sendmsg", "sendmmsg"]})
    equal([r.mark("tcp" + how) for how in ("send", "sendto", "sendmsg", "sendmmsg")], ["ok:b'!'"] * 4, "over TCP", r)


main(setup)
