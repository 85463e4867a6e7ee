# SPDX-License-Identifier: Apache-2.0
"""git_server.py - repositories behind git's own smart HTTP over TLS, as a forge hands them out: any commit that somebody asks for by name, a fork's as well.

.log is what was asked: (method, path). before(path), if set, is called first; what it returns, unless None, is the answer: (status, headers)."""
import http.server
import os
import ssl
import subprocess
import tempfile
import threading

BACKEND = "/usr/lib/git-core/git-http-backend"


class GitServer:
    def __init__(self, tls, address, port=0, name=None):
        self.root = tempfile.mkdtemp(prefix="dd-forge-")
        self.log, self.before = [], None
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                    parts = []
                    while (size := int(self.rfile.readline().split(b";")[0], 16)):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    body = b"".join(parts)
                path, _, query = self.path.partition("?")
                owner.log.append((self.command, path))
                answer = owner.before(path) if owner.before else None
                status, headers, rest = (*answer, b"") if answer else owner.backend(self, path, query, body)
                self.send_response(status)
                for key, value in headers:
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                try:
                    self.wfile.write(rest)
                except OSError:
                    pass   # who asked is dead
            do_GET = do_POST = serve

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads, self.server.handle_error = True, lambda *_: None   # a client that was killed, or that does not trust us
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls["server.pem"], tls["server.key"])
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://{name or address}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def backend(self, handler, path, query, body):
        env = {"PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": handler.command,
               "CONTENT_TYPE": handler.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
               "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "3", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
               "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_1": "true", "GIT_CONFIG_KEY_2": "uploadpack.allowFilter", "GIT_CONFIG_VALUE_2": "true"}
        done = subprocess.run([BACKEND], input=body, env=env, capture_output=True, check=False)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        lines = [tuple(line.split(": ", 1)) for line in head.decode("latin-1").split("\r\n") if ": " in line]
        status = next((int(v.split()[0]) for k, v in lines if k == "Status"), 200)
        return status, [(k, v) for k, v in lines if k != "Status"], rest

    def end(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- what is in it ----

    def git(self, name, *argv):
        env = {"PATH": os.environ["PATH"], "HOME": self.root, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
               "GIT_COMMITTER_EMAIL": "a@b"}
        return subprocess.run(["git", "-C", os.path.join(self.root, name), *argv], env=env, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name, files, message="one"):
        """Into the work tree of the repository @name, made where it is missing; the commit."""
        where = os.path.join(self.root, name)
        if not os.path.isdir(where):
            os.makedirs(where)
            self.git(name, "init", "-q", "-b", "main")
        for path, text in files.items():
            full = os.path.join(where, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        self.git(name, "add", "-A")
        self.git(name, "commit", "-qm", message)
        return self.git(name, "rev-parse", "HEAD")
