#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""registry.py - a package registry for the demo, the tutorial and the tests: TLS on loopback, strict, and it writes down what it saw.

usage: registry.py --root DIR --cert PEM --key PEM --token TOKEN --log FILE [--port N] [--address A]

  GET  /packages/NAME-VERSION.tar.gz[.sha256]    below DIR/packages
  GET, POST  /git/NAME.git/...                   smart HTTP, read-only, below DIR/git (git http-backend)
  PUT  /upload/NAME                              needs "Authorization: Bearer TOKEN"; lands in DIR/uploads

Prints "port N" once it listens. Every connection and every request is one JSON line in FILE, refused ones too; tokens are
logged as "right", "wrong" or "none", never by value."""
import argparse
import hashlib
import http.server
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import threading
import time

PACKAGE = re.compile(r"/packages/([a-z0-9.+-]+\.tar\.gz(?:\.sha256)?)")
GIT = re.compile(r"/git/([a-z0-9-]+\.git)/(info/refs|git-upload-pack)(?:\?(service=git-upload-pack))?")
UPLOAD = re.compile(r"/upload/([A-Za-z0-9._-]{1,100})")
UPLOAD_MAX = 64 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    server_version, sys_version = "demo-registry", ""

    def log_message(self, *args):
        pass

    def token(self):
        got = self.headers.get("Authorization")
        if got is None:
            return "none"
        right = secrets.compare_digest(got.encode(), b"Bearer " + self.server.args.token.encode())
        return "right" if right else "wrong"

    def note(self, status, received=0, sent=0, **more):
        self.server.note(event="request", method=self.command, host=self.headers.get("Host"),
                         path=self.path.split("?")[0], status=status, token=self.token(),
                         bytes_in=received, bytes_out=sent, **more)

    def answer(self, status, body=b"", kind="text/plain", received=0, **more):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="demo"')
        if status >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.note(status, received, len(body), **more)

    def body(self):
        """The request's body, bounded; chunked only as far as git needs it."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts, total = [], 0
            while size := int(self.rfile.readline(20).split(b";")[0], 16):
                total += size
                if total > UPLOAD_MAX:
                    raise ValueError("too large")
                parts.append(self.rfile.read(size))
                self.rfile.readline(4)
            self.rfile.readline(4)
            return b"".join(parts)
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_GET(self):
        if match := PACKAGE.fullmatch(self.path):
            return self.package(match[1])
        if match := GIT.fullmatch(self.path):
            return self.git(match[1], match[2], match[3] or "", b"")
        return self.answer(404, b"no such thing here\n")

    def do_POST(self):
        match = GIT.fullmatch(self.path)
        if not match or match[2] != "git-upload-pack":
            return self.answer(405, b"POST is only for git fetch\n")
        return self.git(match[1], match[2], "", self.body())

    def do_PUT(self):
        match = UPLOAD.fullmatch(self.path)
        if not match:
            return self.answer(404, b"uploads go to /upload/NAME\n")
        if self.token() != "right":
            return self.refuse_upload()
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return self.answer(411, b"say how long it is\n")
        if int(length) > UPLOAD_MAX:
            return self.answer(413, b"too large\n")
        data = self.rfile.read(int(length))
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.server.args.root, "uploads", match[1]), "wb") as out:
            out.write(data)
        return self.answer(201, (digest + "\n").encode(), received=len(data), name=match[1], sha256=digest)

    def refuse_upload(self):
        """Reads what a stranger sends, bounded, and throws it away: the log then says how much of it got here."""
        received, left = 0, min(int(self.headers.get("Content-Length") or 0), UPLOAD_MAX)
        try:
            while left > 0 and (part := self.rfile.read1(min(left, 65536))):
                received += len(part)
                left -= len(part)
        except OSError:
            pass
        if left > 0:
            self.close_connection = True
            return self.note(0, received, cut=True)
        if self.token() == "none":
            return self.answer(401, b"a token is needed\n", received=received)
        return self.answer(403, b"not your registry\n", received=received)

    def package(self, name):
        try:
            with open(os.path.join(self.server.args.root, "packages", name), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return self.answer(404, b"no such package\n")
        return self.answer(200, data, "application/octet-stream")

    def git(self, repository, what, query, body):
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": os.path.join(self.server.args.root, "git"),
               "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": f"/{repository}/{what}", "QUERY_STRING": query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
               "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, timeout=20, check=False)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.get("Status", "200").split()[0])
        return self.answer(status, rest, headers.get("Content-Type", "text/plain"), len(body))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, args):
        self.args, self.lock, self.log = args, threading.Lock(), open(args.log, "a", encoding="utf-8")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(args.cert, args.key)
        super().__init__((args.address, args.port), Handler)

    def note(self, **fields):
        with self.lock:
            self.log.write(json.dumps({"time": time.time(), **fields}) + "\n")
            self.log.flush()

    # The handshake belongs to the connection's own thread: a client that stalls must not stop the others.
    def finish_request(self, request, client_address):
        request.settimeout(20)
        try:
            tls = self.tls.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError) as error:
            return self.note(event="handshake", error=type(error).__name__)
        with tls:
            super().finish_request(tls, client_address)
        return None

    def handle_error(self, request, client_address):
        self.note(event="aborted")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("root", "cert", "key", "token", "log"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address", default="127.0.0.1")
    args = parser.parse_args()
    if not shutil.which("git"):
        parser.error("git is needed")
    os.makedirs(os.path.join(args.root, "uploads"), exist_ok=True)
    server = Server(args)
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
