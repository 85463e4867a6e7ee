# SPDX-License-Identifier: Apache-2.0
"""world.py - the world around drydock in a test: a network namespace with made-up addresses, a scripted resolver, and sinks that count.

enter_world() starts the program again inside `unshare --net --mount` (as an ordinary user: inside a user namespace as well), brings lo
up, puts the addresses below on it, and binds its own /etc/resolv.conf and /etc/hosts. Nothing of a test can reach a real network."""
import http.server
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

# Ordinary public addresses as far as drydock can tell; in this namespace they are all on lo.
ALLOWED, OTHER, ATTACKER, SHARED = "45.10.20.1", "45.10.20.2", "45.10.20.66", "45.10.20.3"
SINK6 = "2a0a:1:2::66"
PRIVATE = ["10.1.2.3", "172.16.1.2", "192.168.1.2", "100.64.1.2", "169.254.169.254", "168.63.129.16"]
PRIVATE6 = ["fd00:ec2::254", "fd00:1::2"]
RESOLVER = "127.0.0.9"


def _quiet(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def enter_world():
    if "DD_WORLD" not in os.environ:
        # Not mapped to 0: a step whose id is 0 one level up is refused, and rightly.
        env = {**os.environ, "DD_WORLD": "1"}
        options = ["--net", "--mount", "--propagation", "private"]
        if os.geteuid() != 0:
            options += ["--user", "--map-user=64321", "--map-group=64321", "--keep-caps"]
            env["DD_WORLD_USER"] = "1"
        os.execvpe("unshare", ["unshare", *options, sys.executable, *sys.argv], env)
    _quiet("ip", "link", "set", "lo", "up")
    for address in [ALLOWED, OTHER, ATTACKER, SHARED, *PRIVATE]:
        _quiet("ip", "address", "add", address + "/32", "dev", "lo")
    for address in [SINK6, *PRIVATE6]:
        _quiet("ip", "address", "add", address + "/128", "dev", "lo", "nodad")   # tentative addresses cannot be bound
    if "DD_WORLD_USER" not in os.environ:
        os.makedirs("/var/log/drydock", exist_ok=True)
        _quiet("mount", "-t", "tmpfs", "-o", "mode=700,size=256m", "none", "/var/log/drydock")   # logs of tests are nobody's business
        os.makedirs("/var/cache/drydock", exist_ok=True)
        _quiet("mount", "-t", "tmpfs", "-o", "mode=700,size=1g", "none", "/var/cache/drydock")   # nor are the caches of their actions
    where = tempfile.mkdtemp(prefix="dd-world-")
    bind_text(where, "/etc/resolv.conf", f"nameserver {RESOLVER}\noptions timeout:1 attempts:2\n")
    bind_text(where, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    shutil.rmtree(where)   # the mounts keep the files


def bind_text(where, target, text):
    """Lay a private file over @target; ends with this mount namespace."""
    path = os.path.join(where, os.path.basename(target))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    _quiet("mount", "--bind", path, os.path.realpath(target))


class Resolver:
    """The DNS server upstream of the gate: answers what it is told, notes every query as (name, type)."""

    def __init__(self):
        self.answers, self.queries, self.extras = {}, [], []
        for kind, serve in ((socket.SOCK_DGRAM, self._udp), (socket.SOCK_STREAM, self._tcp)):
            sock = socket.socket(socket.AF_INET, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((RESOLVER, 53))
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    def say(self, name, *addresses, turns=None):
        """@turns: a list of address lists, one per query; the last one stays."""
        self.answers[name] = [list(t) for t in turns] if turns else [list(addresses)]

    def asked(self, text=""):
        return [q for q in self.queries if text in q[0]]

    def _udp(self, sock):
        while True:
            query, peer = sock.recvfrom(4096)
            sock.sendto(self._answer(query), peer)

    def _tcp(self, sock):
        sock.listen(16)
        while True:
            peer, _ = sock.accept()
            with peer:
                head = peer.recv(2)
                if len(head) == 2:
                    answer = self._answer(peer.recv(struct.unpack(">H", head)[0]))
                    peer.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name, question = ".".join(labels).lower(), query[12:at + 5]
        self.queries.append((name, kind))
        self.extras.append(query[at + 5:])
        turns = self.answers.get(name)
        if turns is None:
            return query[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + question
        wanted = turns[0]
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        records = [socket.inet_pton(family, a) for a in wanted if family and (":" in a) == (kind == 28)]
        if kind == 1 and len(turns) > 1:
            turns.pop(0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(r)) + r for r in records)
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0) + question + body


class Sink:
    """Counts what arrives at one address and port; with @banner it answers first."""

    def __init__(self, address, port, udp=False, banner=b""):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.connections, self.data, self.closed, self.last = 0, b"", 0, 0.0
        self.sock = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.banner = banner
        if not udp:
            self.sock.listen(512)
        threading.Thread(target=self._udp if udp else self._tcp, daemon=True).start()

    def _udp(self):
        while True:
            self.data += self.sock.recv(65536)
            self.connections += 1

    def _tcp(self):
        while True:
            peer, _ = self.sock.accept()
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            with peer:
                peer.sendall(self.banner)
                while part := peer.recv(65536):
                    self.data += part if len(self.data) < 1 << 20 else b""
                    self.last = time.time()
        except OSError:
            pass
        self.closed += 1

    def nothing(self):
        return self.connections == 0 and not self.data


class Canned:
    """Says @answer once on each connection, after the first bytes; keeps what came, one entry per connection."""

    def __init__(self, address, port, answer):
        self.got, self.answer = [], answer
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            peer, _ = self.sock.accept()
            self.got.append(b"")
            threading.Thread(target=self._serve, args=(peer, len(self.got) - 1), daemon=True).start()

    def _serve(self, peer, index):
        try:
            with peer:
                while part := peer.recv(65536):
                    if not self.got[index]:
                        peer.sendall(self.answer)
                    self.got[index] += part
        except OSError:
            pass


class Web:
    """A plain HTTP server that names itself; notes (host header, path, bytes of body received)."""

    def __init__(self, address, name, port=80):
        web = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def _any(self):
                left, received = int(self.headers.get("Content-Length") or 0), 0
                entry = [self.headers.get("Host"), self.path, 0]
                web.requests.append(entry)
                try:
                    while left > 0 and (part := self.rfile.read1(min(left, 65536))):
                        left -= len(part)
                        received += len(part)
                        entry[2] = received
                    body = f"this is {name}".encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = _any

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request, client_address):
                pass

        threading.Thread(target=Server((address, port), Handler).serve_forever, daemon=True).start()
