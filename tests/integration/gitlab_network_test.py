#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_network_test.py - how a runner reaches its GitLab: through a proxy of the environment, and with a certificate of its own."""
import os
import socket
import sys
import threading

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402


class Proxy:
    """An HTTP proxy that knows CONNECT and nothing else, and remembers to where."""

    def __init__(self):
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := client.recv(4096)):
                return
            head += more
        self.asked.append(head)
        words = head.split()
        if words[0] != b"CONNECT":
            client.sendall(b"HTTP/1.1 405 No\r\n\r\n")
            client.close()
            return
        host, port = words[1].decode().rsplit(":", 1)
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for a, b in ((client, server), (server, client)):
            threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def pump(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def register(host, *more):
    return host.drydock("register", "gitlab", "--url", host.gitlab.url, "--token-file", "token", "--ca-file", "ca.pem", "--name", "builder", "--state-dir", host.state, *more)


@case("", "a proxy of the environment carries register, poll and job as a tunnel, and sees no token; no_proxy goes around it")
def _():
    proxy = Proxy()
    try:
        with Host(register=False) as host:
            host.env = {"https_proxy": proxy.url}
            check(register(host).returncode == 0, "register")
            n = len(proxy.asked)
            check(n >= 1, "the proxy was not asked")
            job = host.run(["echo ran"])
            check("ran" in job.lines and len(proxy.asked) >= n + 2, f"{len(proxy.asked)} tunnels")
            target = f"CONNECT localhost:{host.gitlab.port} ".encode()
            check(all(head.startswith(target) and b"glrt-" not in head and b"glcbt-" not in head for head in proxy.asked), str(proxy.asked))
            n = len(proxy.asked)
            host.env["no_proxy"] = "localhost"
            host.run(["echo ran"])
            equal(len(proxy.asked), n, "tunnels although no_proxy names the forge")
    finally:
        proxy.listener.close()


@case("", "a GitLab that wants a client's certificate is shown it at registration, by the poll and by the job, and without one says no")
def _():
    with Host(register=False, client_certificate=True) as host:
        refused = register(host)
        check(refused.returncode == 5 and not os.path.exists(os.path.join(host.state, "runners", "builder.json")), refused.stdout + refused.stderr)
        check(register(host, "--tls-key-file", "client.key").returncode == 2, "a key without a certificate")
        check(register(host, "--tls-cert-file", "nothing.pem").returncode == 2, "a certificate that is not there")
        done = register(host, "--tls-cert-file", "client.pem", "--tls-key-file", "client.key")
        equal(done.returncode, 0, done.stdout + done.stderr)
        check("ran" in host.run(["echo ran"]).lines, "a job")
        equal(host.drydock("unregister", "builder", "--state-dir", host.state).returncode, 0, "unregister")


main()
