#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""checkout_action_test.py - `uses: actions/checkout`: every input is done or refused by its name, over https from a server of the test's own; and what
hostile repositories and planted configuration come to (C-11, F-11)."""
import http.server
import os
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, DRYDOCK, Run, Skip, case, check, equal, main  # noqa: E402

GIT_ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x.test", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@x.test", "LANG": "C.UTF-8"}
BACKEND = "/usr/lib/git-core/git-http-backend"
TOKEN = "canary-token-of-the-checkout"
LOOK = """
      - id: look
        run: |
          for d in . own other; do if [ -e $d/.git ]; then echo "@@$d=$(git -C $d log -1 --format=%s)@@"; echo "@@n_$d=$(git -C $d rev-list --count HEAD)@@"; fi; done
          echo "@@files=$(find . -name .git -prune -o -type f -print | sort | tr '\\n' ' ')@@"
          echo "@@outputs=${{ steps.c.outputs.ref }} ${{ steps.c.outputs.commit }}@@"
          ! grep -rq 'canary-toke[n]' /work /home /work-temp /tmp /var/tmp /run /opt/hostedtoolcache 2>/dev/null || echo "@@left=yes@@"
"""


def sh(script, cwd):
    functions = 'git() { command git -c protocol.file.allow=always -c init.defaultBranch=main -c advice.detachedHead=false "$@"; }; set -e\n'
    done = subprocess.run(["bash", "-c", functions + script], cwd=cwd, env=GIT_ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check(done.returncode == 0, f"{script}: {done.stdout.decode()}")
    return done.stdout.decode().strip()


class Forge:
    """https://git.example.test:PORT/OWNER/NAME out of a directory, by git's own CGI; /private/* wants the token."""

    def __init__(self, where):
        self.where, forge = where, self
        sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=git.example.test -addext subjectAltName=DNS:git.example.test 2>/dev/null", where)
        self.authorized = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self):
                path, _, query = self.path.partition("?")
                said = self.headers.get("Authorization")
                forge.authorized.append((path, said))
                if path.startswith("/private/") and not said:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="x"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                env = {**GIT_ENV, "GIT_PROJECT_ROOT": os.path.join(where, "served"), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
                       "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type") or "", "REMOTE_USER": "x",
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "", "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                       "GIT_CONFIG_COUNT": "3", "GIT_CONFIG_KEY_0": "uploadpack.allowFilter", "GIT_CONFIG_VALUE_0": "true", "GIT_CONFIG_KEY_1": "safe.directory",
                       "GIT_CONFIG_VALUE_1": "*", "GIT_CONFIG_KEY_2": "uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_2": "true"}
                done = subprocess.run([BACKEND], input=body, env=env, stdout=subprocess.PIPE, check=False).stdout
                head, _, rest = done.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest)

            do_GET = do_POST = answer

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(where, "cert.pem"), os.path.join(where, "key.pem"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"https://git.example.test:{self.port}"


class Place:
    """A workspace r/ of its own with two branches, and the forge with acme/other, acme/sub and private/one."""

    def __init__(self):
        if not os.path.exists(BACKEND):
            raise Skip(f"no {BACKEND}")
        self.dir = tempfile.mkdtemp(prefix="dd-checkout-")
        os.chmod(self.dir, 0o755)
        sh("""
           mkdir served served/acme served/private
           git init -q r; cd r; mkdir src; echo one >src/main.c; echo two >README; git add .; git commit -qm base
           git checkout -qb side; echo side >side; git add .; git commit -qm side; git checkout -q main; git tag v1
           git remote add origin https://github.com/acme/app; cd ..
           git init -q sub; cd sub; echo s >s; git add .; git commit -qm sub; git clone -q --bare . ../served/acme/sub; cd ..
           git init -q o; cd o; mkdir a b; echo 1 >a/x; echo 2 >b/y; git add .; git commit -qm first; git tag t1; echo 3 >z; git add .; git commit -qm second
           git checkout -qb dev; echo 4 >dev; git add .; git commit -qm develop; git checkout -q main; git clone -q --bare . ../served/acme/other
           git clone -q --bare . ../served/private/one""", self.dir)
        self.forge = Forge(self.dir)

    def sh(self, script):
        return sh(script, self.dir)

    def ca(self):
        """A step that leaves the certificate where git looks for it."""
        with open(os.path.join(self.dir, "cert.pem"), encoding="ascii") as file:
            return "      - run: |\n          cat >~/ca.pem <<'END'\n" + "".join("          " + line for line in file) + "          END\n"

    def run(self, with_, rc=0, before="", after="", phase="fetch"):
        text = f"on: push\njobs:\n  a:\n    runs-on: x\n    env:\n      GIT_SSL_CAINFO: /home/runner/ca.pem\n    steps:\n{self.ca()}{before}"
        text += f"      - id: c\n        uses: actions/checkout@v4\n        with: {{ github-server-url: '{self.forge.url}', {with_} }}\n{after}{LOOK}"
        for name, content in ((("ci.yml", text), ("p.yml", f"""version: 1
steps: [ {{ phase: {phase}, match: {{ uses: "actions/checkout@*" }} }} ]
phases: {{ fetch: {{ egress: [ {{ host: git.example.test, port: {self.forge.port}, address: 127.0.0.1, private: allow }} ] }} }}
"""))):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
                file.write(content)
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
        done = subprocess.run([*AS_USER, DRYDOCK, "run", os.path.join(self.dir, "ci.yml"), "--policy", os.path.join(self.dir, "p.yml"), "--state-dir", os.path.join(self.dir, "state")],
                              cwd=os.path.join(self.dir, "r"), env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
        r = Run(self.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)
        if rc is not None:
            equal(r.rc, rc, "exit status", r)
        return r

    def close(self):
        subprocess.run(["rm", "-rf", self.dir], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@case("", "the job's own tree goes to another path as it stands, and to another ref out of its own repository, with no host at all")
def own():
    with Place() as p:
        p.sh("echo changed >>r/README")
        r = p.run("path: own", phase="build")
        equal((r.marks.get("own"), r.marks.get("."), r.marks.get("files")), ("base", "base", "./README ./own/README ./own/src/main.c ./src/main.c "), "a copy", r)
        equal(r.marks.get("outputs"), " " + p.sh("git -C r rev-parse main"), "outputs", r)
        r = p.run("ref: side", phase="build")
        equal((r.marks.get("."), r.marks.get("outputs")), ("side", "side " + p.sh("git -C r rev-parse side")), "another branch", r)
        r = p.run("ref: v1, path: own", phase="build")
        equal((r.marks.get("own"), r.marks.get(".")), ("base", "base"), "a tag elsewhere", r)
        r = p.run("repository: acme/app, fetch-depth: 0, persist-credentials: false", phase="build")
        equal(r.marks.get("."), "base", "its own name", r)
        check("the workspace already is the checkout" in r.out, "nothing is run", r)


@case("", "another repository comes over https with the depth, tags, ref, path, filter and sparse tree that are asked for")
def other():
    with Place() as p:
        rows = [("", "second", "1", "refs/heads/main"), (", fetch-depth: 0", "second", "2", "refs/heads/main"), (", ref: dev", "develop", "1", "refs/heads/dev"),
                (", ref: t1", "first", "1", "refs/tags/t1"), (", ref: refs/heads/dev, fetch-tags: true", "develop", "1", "refs/heads/dev"),
                (f", ref: {p.sh('git -C o rev-parse t1')}", "first", "1", p.sh("git -C o rev-parse t1"))]
        for more, subject, n, ref in rows:
            r = p.run("repository: acme/other, path: other" + more)
            equal((r.marks.get("other"), r.marks.get("n_other"), r.marks.get("outputs", "").split()[0]), (subject, n, ref), more, r)
            equal(r.marks.get("."), "base", "the workspace", r)
        r = p.run("repository: acme/other, path: other, sparse-checkout: a")
        equal(r.marks.get("files"), "./README ./other/a/x ./other/z ./src/main.c ", "a cone", r)
        r = p.run("repository: acme/other, path: other, filter: 'blob:none'")
        equal(r.marks.get("other"), "second", "a filter", r)
        r = p.run("repository: acme/other")
        equal((r.marks.get("."), r.marks.get("files")), ("second", "./a/x ./b/y ./z "), "in place of the workspace", r)


@case("", "several checkouts in one job, and one that is there already is made anew unless `clean: false` says otherwise")
def several():
    with Place() as p:
        again = f"      - {{ uses: actions/checkout@v4, with: {{ github-server-url: '{p.forge.url}', repository: acme/other, path: other, ref: dev, clean: %s }} }}\n"
        litter = "      - run: echo x >other/litter\n"
        r = p.run("repository: acme/other, path: other", after=litter + again % "true")
        equal((r.marks.get("other"), "litter" in r.marks.get("files", "")), ("develop", False), "clean", r)
        r = p.run("repository: acme/other, path: other", after=litter + again % "false")
        equal((r.marks.get("other"), "litter" in r.marks.get("files", "")), ("develop", True), "not clean", r)


@case("", "submodules come along when they are asked for, over https alone")
def submodules():
    with Place() as p:
        p.sh(f"""cd o; git -c http.sslVerify=false submodule --quiet add file://{p.dir}/sub good; git config -f .gitmodules submodule.good.url ../sub; git add .; git commit -qm with
                 git push -q ../served/acme/other HEAD:main HEAD:good
                 git -c http.sslVerify=false submodule --quiet add file://{p.dir}/sub evil; git add .; git commit -qm evil; git push -q ../served/acme/other HEAD:evil""")
        r = p.run("repository: acme/other, path: other, ref: good, submodules: recursive")
        check("./other/good/s" in r.marks.get("files", ""), "the submodule", r)
        r = p.run("repository: acme/other, path: other, ref: good")
        check("./other/good/s" not in r.marks.get("files", ""), "not asked for", r)
        r = p.run("repository: acme/other, path: other, ref: evil, submodules: true", rc=1)
        check("not allowed" in r.out, "a path of this host", r)


@case("C-11", "a token reaches the server that it is for, and is nowhere afterwards: no configuration, no home, no RUNNER_TEMP, no log")
def token():
    with Place() as p:
        r = p.run("repository: private/one, path: other", rc=1)
        check("other" not in r.marks, "without the token", r)
        r = p.run(f"repository: private/one, path: other, token: {TOKEN}, persist-credentials: true")
        equal((r.marks.get("other"), r.marks.get("left")), ("second", None), "with it", r)
        equal(p.sh("true"), "", "")
        check(any(said for _, said in p.forge.authorized), "the server saw it", r)
        kept = subprocess.run(["grep", "-rl", TOKEN, os.path.join(p.dir, "state")], stdout=subprocess.PIPE, check=False).stdout
        equal(kept, b"", "logs and record")


@case("F-11", "hooks, filters, fsmonitor and links of a repository or of a planted .git start nothing and lead nowhere")
def hostile():
    with Place() as p:
        p.sh("""cd o; git checkout -q --orphan bad; git rm -rqf .; echo '* filter=evil' >.gitattributes; echo x >f; ln -s /tmp/out link; mkdir hooks; echo 'touch /tmp/pwned' >hooks/post-checkout
                chmod +x hooks/post-checkout; git add .; git commit -qm bad; git push -q ../served/acme/other HEAD:bad""")
        plant = """      - run: |
          mkdir -p other/.git/hooks; cd other; git init -q .; printf '#!/bin/sh\\ntouch /tmp/pwned\\n' >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout
          git config filter.evil.smudge 'sh -c "touch /tmp/pwned; cat"'; git config core.fsmonitor 'touch /tmp/pwned'; git config core.sshCommand 'touch /tmp/pwned'
"""
        after = "      - run: 'test ! -e /tmp/pwned && test ! -e /tmp/out && echo @@clean=yes@@'\n"
        r = p.run("repository: acme/other, path: other, ref: bad, clean: false", before=plant, after=after)
        equal((r.marks.get("other"), r.marks.get("clean")), ("bad", "yes"), "nothing ran", r)
        r = p.run("repository: acme/other, path: out", rc=1, before="      - run: ln -s /tmp/elsewhere out; mkdir /tmp/elsewhere\n",
                  after="      - { if: always(), run: 'test ! -e /tmp/elsewhere/z && echo @@clean=yes@@' }\n")
        equal(r.marks.get("clean"), "yes", "a path that a link leads away", r)
        check("leads out of the workspace" in r.out, "it is told", r)


@case("", "what is not done is refused by its name before anything is fetched")
def refused():
    with Place() as p:
        check("`ssh-key` of a checkout" in p.run("ssh-key: x", rc=2).out, "with its position, before anything runs")
        rows = [("repository: '../x'", "`repository`"), ("repository: 'a/b/c'", "`repository`"), ("path: ../x", "`path`"),
                ("path: a/.GIT/b", "`path`"), ("ref: '--upload-pack=x'", "`ref`"), ("ref: 'a..b'", "`ref`"), ("fetch-depth: all", "`fetch-depth`"), ("lfs: true, repository: a/b", "`lfs`"),
                ("submodules: some", "`submodules`"), ("clean: perhaps", "`clean`"), ("filter: 'x;y', path: a", "`filter`")]
        for with_, told in rows:
            r = p.run(with_, rc=1)
            check(told in r.out, f"{with_}: {told}", r)


if __name__ == "__main__":
    main()
