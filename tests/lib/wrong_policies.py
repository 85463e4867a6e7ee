# SPDX-License-Identifier: Apache-2.0
"""wrong_policies.py - policies with one mistake each, and where the mistake is: made from the parser's own list of keys, and by hand.

In a text the offending token stands between two marks; a complaint must begin inside it. How much a JSON Schema can say about the mistake goes with it:
SCHEMA (it refuses), BEYOND (it cannot know), or NOT_YAML (there is no document to hold against it)."""
import json
import subprocess

OPEN, CLOSE = "\u00ab", "\u00bb"
SCHEMA, BEYOND, NOT_YAML = "schema", "beyond", "not yaml"

# Where a table of keys stands, as text around the keys; and what else must be there to be complete.
AROUND = {
    "": "{ %s }\n",
    "for": "version: 1\nfor: { %s }\n",
    "steps[]": "version: 1\nsteps: [ { %s } ]\n",
    "trust": "version: 1\ntrust: { %s }\n",
    "steps[].match": "version: 1\nsteps: [ { phase: fetch, match: { %s } } ]\n",
    "phases": "version: 1\nphases: { %s }\n",
    "phases.*": "version: 1\nphases: { push: { %s } }\n",
    "phases.*.carry": "version: 1\nphases: { push: { carry: { %s } } }\n",
    "phases.*.egress[]": "version: 1\nphases:\n  fetch:\n    egress:\n      - { %s }\n",
    "credentials.*": "version: 1\ncredentials: { token: { %s } }\n",
    "credentials.*.from": "version: 1\ncredentials: { token: { from: { %s }, for: { phase: push, steps: [ a ] }, as: { env: T } } }\n",
    "credentials.*.from.vault": "version: 1\ncredentials: { token: { from: { vault: { %s } }, for: { phase: push, steps: [ a ] }, as: { env: T } } }\n",
    "credentials.*.from.oidc": "version: 1\ncredentials: { token: { from: { oidc: { %s } }, for: { phase: push, steps: [ a ] }, as: { env: T } } }\n",
    "credentials.*.from.github-app": "version: 1\ncredentials: { token: { from: { github-app: { %s } }, for: { phase: push, steps: [ a ] }, as: { env: T } } }\n",
    "credentials.*.for": "version: 1\ncredentials: { token: { from: { file: /x }, for: { %s }, as: { env: T } } }\n",
    "credentials.*.as": "version: 1\ncredentials: { token: { from: { file: /x }, for: { phase: push, steps: [ a ] }, as: { %s } } }\n",
    "limits": "version: 1\nlimits: { %s }\n",
    "sandbox": "version: 1\nsandbox: { %s }\n",
    "cache": "version: 1\ncache: { %s }\n",
    "artifacts": "version: 1\nartifacts: { %s }\n",
    "actions": "version: 1\nactions: { %s }\n",
    "actions.from": "version: 1\nactions: { from: { %s } }\n",
}

# A value that is fine, for every key that there is; the generator fails when the parser has one that is not here.
GOOD = {
    ("", "version"): "1", ("", "for"): "{ repository: acme/x }", ("", "trust"): "{ events: [ issues ] }", ("trust", "events"): "[ issue_comment, workflow_run ]", ("", "steps"): "[ { phase: fetch, match: { id: a } } ]",
    ("", "phases"): "{ fetch: { egress: none } }", ("", "credentials"): "{}", ("", "limits"): "{ pids: 10 }", ("", "sandbox"): "{ rootfs: host }",
    ("for", "repository"): "acme/*", ("for", "ref"): "refs/heads/main", ("for", "protected"): "true", ("for", "event"): "[ push, schedule ]", ("for", "forge"): "github",
    ("steps[]", "phase"): "fetch", ("steps[]", "match"): "{ id: a }",
    ("steps[].match", "id"): "a", ("steps[].match", "name"): "Make it", ("steps[].match", "run"): "npm ci*", ("steps[].match", "first_line"): "npm ci*",
    ("steps[].match", "run_sha256"): "ab" * 32,
    ("steps[].match", "uses"): "actions/checkout@*", ("steps[].match", "job"): "build",
    ("steps[].match", "shell"): "'python {0}'", ("steps[].match", "working_directory"): "web", ("steps[].match", "env"): "[ CFLAGS, 'MY_*' ]",
    ("phases", "fetch"): "{ egress: none }", ("phases", "build"): "{ egress: none }", ("phases", "push"): "{ egress: none }",
    ("phases.*", "egress"): "[ { host: a.example.com } ]", ("phases.*", "upload"): "1MiB", ("phases.*", "connections"): "10", ("phases.*", "wildcard_names"): "10",
    ("phases.*", "cidr_addresses"): "10", ("phases.*", "step_upload"): "1MiB", ("phases.*", "step_wildcard_names"): "10", ("phases.*", "step_cidr_addresses"): "10",
    ("phases.*", "env"): "{ A: b }", ("phases.*", "trust"): "protected", ("phases.*", "workspace"): "pristine", ("phases.*", "artifacts"): "[ \"dist/**\" ]",
    ("", "cache"): "{ read: [ build ] }", ("", "artifacts"): "{ read: [ push ] }", ("cache", "read"): "[ fetch ]", ("cache", "write"): "none", ("cache", "size"): "1GiB", ("cache", "keep"): "2d",
    ("artifacts", "read"): "[ build, push ]", ("artifacts", "write"): "build", ("artifacts", "size"): "1GiB",
    ("", "actions"): "{ pin: tag }", ("actions", "pin"): "any", ("actions", "allow"): "[ 'actions/*', acme/tool ]", ("actions", "mirror"): "/srv/actions",
    ("actions", "node"): "{ '24': /opt/node24 }", ("actions", "from"): "https://github.com", ("actions.from", "forge"): "https://ghe.corp.test:8443/git", ("actions.from", "ca"): "/ca.pem",
    ("actions.from", "private"): "allow", ("actions", "tools"): "/usr",
    ("", "injection"): "refuse", ("phases.*", "carry"): "{ env: [ A ] }", ("phases.*.carry", "env"): "[ MAVEN_OPTS, 'GIT_*' ]", ("phases.*.carry", "path"): "/work/bin",
    ("phases.*.egress[]", "host"): "a.example.com", ("phases.*.egress[]", "port"): "8443", ("phases.*.egress[]", "cidr"): "45.1.0.0/16", ("phases.*.egress[]", "use"): "github",
    ("phases.*.egress[]", "address"): "45.1.2.3", ("phases.*.egress[]", "private"): "allow", ("phases.*.egress[]", "why"): "a reason", ("phases.*.egress[]", "tls"): "raw",
    ("phases.*.egress[]", "ech"): "refuse",
    ("credentials.*", "from"): "{ file: /x }", ("credentials.*", "for"): "{ phase: push, steps: [ a ] }", ("credentials.*", "as"): "{ env: T }", ("credentials.*", "ttl"): "5m",
    ("credentials.*.from", "file"): "/x", ("credentials.*.from", "env"): "TOKEN", ("credentials.*.from", "systemd"): "token",
    ("credentials.*.from", "forge"): "NPM_TOKEN",
    ("credentials.*.from", "vault"): "{ url: 'https://vault.example.com:8200', identity: /iss, role: ci }",
    ("credentials.*.from", "oidc"): "{ url: 'https://sts.example.com/token', identity: /iss, audience: sts }",
    ("credentials.*.from", "github-app"): "{ app: 12, key: /app.pem, installation: 34, repositories: [ app ], permissions: { contents: write } }",
    **{("credentials.*.from.vault", k): v for k, v in {
        "url": "'https://vault.example.com:8200'", "identity": "/iss", "role": "ci", "mount": "jwt", "audience": "vault", "namespace": "team-a", "read": "secret/data/acme",
        "field": "password", "user": "login", "wrap": "60s", "janitor": "janitor", "ca": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem"}.items()},
    **{("credentials.*.from.oidc", k): v for k, v in {
        "url": "'https://sts.example.com/token'", "identity": "/iss", "audience": "sts", "form": "rfc8693", "scope": "'a b'", "resource": "'urn:x'", "client": "drydock", "role": "'arn:x'",
        "account": "'https://iam.example.com/v1/x'", "revoke": "'https://sts.example.com/revoke'", "ca": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem"}.items()},
    **{("credentials.*.from.github-app", k): v for k, v in {
        "url": "'https://ghe.example.com/api/v3'", "app": "12", "key": "/app.pem", "installation": "34", "repositories": "[ app ]", "permissions": "{ contents: write }", "ca": "/ca.pem"}.items()},
    ("credentials.*.for", "phase"): "push", ("credentials.*.for", "steps"): "[ a ]",
    ("credentials.*.for", "ref"): "refs/tags/v*", ("credentials.*.for", "protected"): "true", ("credentials.*.for", "event"): "[ push, release ]",
    ("credentials.*.for", "environment"): "production",
    ("credentials.*.as", "env"): "T", ("credentials.*.as", "file"): "token", ("credentials.*.as", "fd"): "TOKEN_FD", ("credentials.*.as", "git"): "ci@git.example.com",
    ("credentials.*.as", "netrc"): "ci@a.example.com", ("credentials.*.as", "npmrc"): "npm.example.com/team/", ("credentials.*.as", "docker"): "ci@a.example.com:5000",
    ("credentials.*.as", "pip"): "https://pypi.example.com/simple/", ("credentials.*.as", "cargo"): "crates-io",
    ("limits", "memory"): "1GiB", ("limits", "cpus"): "0.5", ("limits", "pids"): "100", ("limits", "files"): "1000", ("limits", "disk"): "1GiB", ("limits", "time"): "10m",
    ("limits", "log"): "1MiB", ("limits", "shm"): "2GiB", ("limits", "record"): "64MiB",
    ("sandbox", "seccomp"): "default", ("sandbox", "syscalls"): "[ ptrace ]", ("sandbox", "rootfs"): "host", ("sandbox", "read"): "[ /usr/share ]",
}

# Keys that must stand beside a key so that its map is complete.
BESIDE = {("phases.*.egress[]", k): "host: a.example.com" for k in ("port", "address", "private", "why", "tls", "ech")}
BESIDE[("phases.*.egress[]", "cidr")] = "port: 443"
BESIDE[("credentials.*.from.vault", "wrap")] = "read: secret/data/acme"
BESIDE[("credentials.*.from.oidc", "role")] = "form: aws"
BESIDE[("credentials.*.from.oidc", "account")] = "form: gcp, scope: x, resource: y"
BESIDE.update({("steps[].match", k): "run: make" for k in ("shell", "working_directory", "env")})


class Wrong:
    """One policy: .text (bytes), and the range of the offending token: .line, .first and .last column, characters from 1; .ends: (line, column) of its end."""

    def __init__(self, name, marked, schema):
        self.name, self.schema = name, schema
        before, rest = marked.split(OPEN, 1)
        token, after = rest.split(CLOSE, 1)
        self.text = (before + token + after).encode("utf-8", "surrogateescape")
        self.begins, self.ends = self._place(before), self._place(before + token)

    @staticmethod
    def _place(text):
        return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1

    def holds(self, line, column):
        """A token without characters is the end of the file: the place itself."""
        return self.begins <= (line, column) < self.ends or self.begins == (line, column) == self.ends or ((line, column) == self.ends and self.ends[1] == 1)


def keys(drydock):
    out = subprocess.run([drydock, "policy", "keys", "--json"], capture_output=True, check=True).stdout
    return json.loads(out)


def complete(rows, where, key):
    """The text of a map at @where that holds @key and whatever must stand beside it, without @key itself."""
    needed = [f"{r['key']}: {GOOD[(where, r['key'])]}" for r in rows if r["in"] == where and r["required"] and r["key"] != key]
    beside = BESIDE.get((where, key))
    return needed + ([beside] if beside and key else [])


def good_policies(rows):
    for row in rows:
        if row["supported"]:
            where, key = row["in"], row["key"]
            pairs = complete(rows, where, key) + [f"{key}: {GOOD[(where, key)]}"]
            yield f"{where} {key}", (AROUND[where] % ", ".join(pairs)).encode()


def in_map(rows, where, key, pair):
    return AROUND[where] % ", ".join(complete(rows, where, key) + [pair])


def _misspelt(word):
    return word[:-2] + word[-1] + word[-2] if len(word) > 3 and word[-1] != word[-2] else word + "x"


def from_keys(rows):
    """Misspelt, doubled, of the wrong kind, empty, missing, or not in this build: every key in turn."""
    for row in rows:
        where, key, kinds = row["in"], row["key"], row["kinds"]
        if not row["supported"]:
            yield Wrong(f"{where}: {key} is not in this build", in_map(rows, where, None, f"{OPEN}{key}{CLOSE}: x"), SCHEMA)
            continue
        good = GOOD[(where, key)]
        yield Wrong(f"{where}: {key} misspelt", in_map(rows, where, key, f"{OPEN}{_misspelt(key)}{CLOSE}: {good}"), SCHEMA)
        yield Wrong(f"{where}: {key} twice", in_map(rows, where, key, f"{key}: {good}, {OPEN}{key}{CLOSE}: {good}"), NOT_YAML)
        bad = "{ x: y }" if "map" not in kinds else "[ x ]" if "list" not in kinds else "x"
        yield Wrong(f"{where}: {key} of the wrong kind", in_map(rows, where, key, f"{key}: {OPEN}{bad}{CLOSE}"), SCHEMA)
        if "value" in kinds:
            yield Wrong(f"{where}: {key} empty", in_map(rows, where, key, f"{key}: {OPEN}~{CLOSE}"), SCHEMA)
        if row["required"]:
            inner = ", ".join(complete(rows, where, key)) or ""
            text = AROUND[where]
            at = text.index("{ %s }")
            yield Wrong(f"{where}: {key} missing", text[:at] + OPEN + "{ " + inner + " }" + CLOSE + text[at + len("{ %s }"):], SCHEMA)


BAD_VALUES = [
    # key, values that a schema sees, values that only the parser understands
    (("phases.*", "upload"), ["1gb", "1.5MiB", "-1", "many", "1 MiB MiB", "0x10"], ["99999999999TiB"]),
    (("steps[].match", "run_sha256"), ["abc", "AB" * 32, "ab" * 31 + "a*", "xy" * 32, "ab" * 33], []),
    (("limits", "memory"), ["1Gib", "4 gigs", "-4GiB", "1e9x"], ["9999999999999999999999B"]),
    (("limits", "disk"), ["10 GiBs", "ten", "1,5GiB"], []),
    (("limits", "log"), ["64M", "64mb"], []),
    (("limits", "record"), ["1Gib", "all", "0B"], ["1023KiB"]),
    (("limits", "time"), ["10", "10 minutes", "1h-", "m", "-5m", "1.5h"], ["0s", "31d", "99999999999999999999s"]),
    (("credentials.*", "ttl"), ["5", "soon", "5M"], ["25h", "0m"]),
    (("limits", "pids"), ["0", "-1", "1.5", "many", "4194305"], []),
    (("limits", "files"), ["0", "1k", "1000000001"], []),
    (("limits", "cpus"), ["0", "-1", "two", "1025"], ["1.0001", '"0.0"']),
    (("phases.*", "connections"), ["0", "65536", "ten"], ['"65536"']),
    (("phases.*", "wildcard_names"), ["0", "70000", "*x"[1:]], []),
    (("phases.*", "step_cidr_addresses"), ["0", "70000", "many"], []),
    (("phases.*", "step_upload"), ["1gb", "many"], []),
    (("phases.*.egress[]", "port"), ["0", "65536", "https", "443/tcp", "-1"], ['"99999"']),
    (("phases.*.egress[]", "host"), ["'*'", "'*.com'", "'a.*.example.com'", "'*a.example.com'", "'https://a.example.com'", "a.example.com:443", "'a b.example.com'", "127.1",
                                     "0x7f.1", "10.0.0.1", "'a..example.com'", "'.example.com'", "b\u00fccher.example", "'a/b'", "'u@a.example.com'"],
     [("a" * 60 + ".") * 4 + "example.com"]),
    (("phases.*.egress[]", "cidr"), ["2001:db8::/32", "1.2.3.4/33", "a.example.com", "0.0.0.0/0", "1.2.3/24"], ["45.1.0.1/16", "300.1.1.0/24", "198.18.0.0/15", "198.0.0.0/8"]),
    (("phases.*.egress[]", "use"), ["'../npm'", "Npm", "'npm pip'"], ["nmp", "no-such-set"]),
    (("phases.*.egress[]", "address"), [], ["a.example.com", "[ 45.1.2.3, x ]", "10.0.0.300"]),
    (("phases.*.egress[]", "private"), ["yes", "deny", "true"], []),
    (("phases.*.egress[]", "ech"), ["allow", "true", "Refuse", "refuse, tls: raw"], []),
    (("phases.*.egress[]", "tls"), ["inspect", "none", "SNI"], []),
    (("phases.*", "trust"), ["all", "protect", "true"], []),
    (("actions", "pin"), ["commit", "none", "Sha"], []),
    (("actions", "allow"), ["actions/checkout@v4", "[ acme/x, 'a/b@*' ]"], []),
    (("actions", "mirror"), ["actions", "./mirror"], []),
    (("actions", "tools"), ["tools", "./tools"], ["/nonesuch/tools"]),
    (("actions", "from"), ["github.com", "http://github.com", "'https://u:p@github.com'", "'https://github.com?x=1'", "git@github.com:acme", "https://localhost/x", "https://127.0.0.1:8443",
                           "'https://*.corp.test'", "'https://[::1]'", "'https://a b.test'"], ["https://github.com:99999", "https://github.com:x"]),
    (("actions.from", "forge"), ["github.com", "https://localhost"], []),
    (("actions.from", "ca"), ["ca.pem"], []),
    (("actions.from", "private"), ["true", "deny"], []),
    (("actions", "node"), ["{ '18': /opt/node18 }", "{ node24: /opt/node24 }", "{ '24': bin }"], []),
    (("", "injection"), ["passed", "deny", "none", "true"], []),
    (("", "cache"), ["all", "true", "[ build ]"], []),
    (("", "artifacts"), ["all", "[ build ]"], []),
    (("cache", "read"), ["push", "[ build, push ]", "all"], []),
    (("cache", "write"), ["[ push ]", "deploy"], []),
    (("artifacts", "read"), ["all", "[ deploy ]"], []),
    (("phases.*", "workspace"), ["share", "none", "pristin"], []),
    (("phases.*", "artifacts"), ["/etc/passwd", "'../x'", "'a/../../x'", "'..'"], []),
    (("phases.*", "egress"), ["all", "open", "a.example.com"], []),
    (("steps[]", "phase"), ["publish", "Fetch", "test"], []),
    (("trust", "events"), ["push", "schedule", "pull_request", "pull_request_target", "Issues", "'issue comment'"], ["issue_coment", "[ issues, wath ]"]),
    (("for", "protected"), ["maybe", "yes", "1", "'true'"], []),
    (("for", "forge"), ["gitea", "GitHub"], []),
    (("credentials.*.for", "phase"), ["build", "deploy"], []),
    (("credentials.*.from", "env"), ["A-B", "1A", "'A B'"], []),
    (("credentials.*.from", "systemd"), ["../x", ".hidden"], []),
    (("credentials.*.from", "forge"), ["A-B", "1A", "'A B'"], []),
    (("credentials.*.from.vault", "url"), ["http://vault.example.com", "vault.example.com", "'https://u:p@vault.example.com'", "'https://v.example.com/?x'", "ftp://v"], []),
    (("credentials.*.from.vault", "read"), ["/secret/x", "'a b'", "'a?b'"], ["a/../b"]),
    (("credentials.*.from.vault", "wrap"), ["60", "soon"], ["2h", "0s"]),
    (("credentials.*.from.vault", "role"), ["'a b'"], []),
    (("credentials.*.from.oidc", "url"), ["http://sts.example.com", "sts"], []),
    (("credentials.*.from.oidc", "form"), ["saml", "AWS"], []),
    (("credentials.*.from.oidc", "revoke"), ["http://sts.example.com"], []),
    (("credentials.*.from.github-app", "installation"), ["acme", "1.5"], []),
    (("credentials.*.from.github-app", "repositories"), ["acme/app", "[ a, acme/app ]"], []),
    (("credentials.*.from.github-app", "permissions"), ["{ contents: all }", "{ Contents: read }", "{}"], []),
    (("credentials.*.for", "protected"), ["maybe", "yes", "'true'"], []),
    (("credentials.*.as", "env"), ["PATH", "HOME", "GITHUB_TOKEN", "RUNNER_X", "A-B", "LD_PRELOAD", "BASH_ENV", "NODE_OPTIONS", "GIT_ASKPASS", "PYTHONPATH"],
     ["IFS", "PERL5LIB", "JAVA_TOOL_OPTIONS", "CREDENTIALS_DIRECTORY", "OPENSSL_CONF"]),
    (("credentials.*.as", "file"), ["../x", "a/b", ".x"], []),
    (("credentials.*.as", "fd"), ["PATH", "A-B", "LD_PRELOAD"], []),
    (("credentials.*.as", "git"), ["https://a.example.com", "a/b", "'a b'", "u:p@a.example.com", "'@a.example.com'"], []),
    (("credentials.*.as", "netrc"), ["https://a.example.com", "a/b", "'u v@a.example.com'"], []),
    (("credentials.*.as", "npmrc"), ["https://a.example.com/", "ci@a.example.com", "'a b'"], []),
    (("credentials.*.as", "docker"), ["https://a.example.com", "a/b", "'a.example.com:port'"], []),
    (("credentials.*.as", "pip"), ["http://a.example.com/simple", "a.example.com", "'https://u:p@a.example.com/'", "'https://a.example.com/?x'"], []),
    (("credentials.*.as", "cargo"), ["a.b", "'a b'", "../x"], []),
    (("sandbox", "seccomp"), ["../x", "Default", "a.b"], []),
    (("sandbox", "rootfs"), ["debian", "none"], []),
    (("sandbox", "read"), ["/", "opt", "/opt/../etc", "/opt//x", "/./x"], []),
    (("sandbox", "syscalls"), ["'no such'", "PTRACE"], ["ptrce", "no_such_call", "unshare", "setns"]),
    (("", "version"), ["2", "one", "1.5"], []),
]


def from_values(rows):
    for (where, key), structural, meaning in BAD_VALUES:
        for values, schema in ((structural, SCHEMA), (meaning, BEYOND)):
            for value in values:
                if (where, key) == ("", "version"):
                    text = f"version: {OPEN}{value}{CLOSE}\n"
                else:
                    text = in_map(rows, where, key, f"{key}: {OPEN}{value}{CLOSE}")
                yield Wrong(f"{where}: {key}: {value}", text, schema)


FETCH = "version: 1\nphases: { fetch: { egress: [ %s ] } }\n"
CRED = "version: 1\ncredentials: { a: { from: { file: /a }, for: { phase: push, steps: [ s ] }, as: { env: A } }, %s }\n"
BY_HAND = [
    # Rules that never match.
    *[(f"unreachable: {first} before {second}", f"version: 1\nsteps:\n  - {{ phase: fetch, match: {{ {first} }} }}\n  - {OPEN}{{ phase: push, match: {{ {second} }} }}{CLOSE}\n", BEYOND)
      for first, second in (("id: a", "id: a"), ("run: 'npm *'", "run: npm publish"), ("run: '*'", "run: 'make*'"), ("id: 'a*'", "id: ab, job: x"), ("first_line: 'npm*'", "run: npm ci"),
                            ("name: '*'", "name: '?'"), ("uses: 'actions/*'", "uses: 'actions/checkout@v4'"))],
    ("first_line for push", "version: 1\nsteps: [ { phase: push, match: { first_line: «\"npm ci\"» } } ]\n", SCHEMA),
    ("a match that says how, and not which", "version: 1\nsteps: [ { phase: fetch, match: «{ shell: sh, env: A }» } ]\n", SCHEMA),
    ("a match that asks nothing", "version: 1\nsteps: [ { phase: push, match: «{}» } ]\n", SCHEMA),
    # Contradictions and repetitions in one list.
    ("the same host twice", FETCH % "{ host: a.example.com }, «{ host: A.example.com. }»", BEYOND),
    ("the same block twice", FETCH % "{ cidr: 45.1.0.0/16, port: 1 }, «{ cidr: 45.1.0.0/16, port: 1 }»", BEYOND),
    ("the same host on other terms", FETCH % "{ host: a.example.com }, «{ host: a.example.com, private: allow }»", BEYOND),
    ("the same wildcard, raw", FETCH % "{ host: '*.example.com' }, «{ host: '*.example.com', tls: raw }»", BEYOND),
    ("no destination", FETCH % "«{ why: nothing }»", SCHEMA),
    ("two destinations", FETCH % "«{ host: a.example.com, cidr: 45.1.0.0/16, port: 1 }»", SCHEMA),
    ("a set with a port", FETCH % "«{ use: github, port: 80 }»", SCHEMA),
    ("a block without its port", FETCH % "«{ cidr: 45.1.0.0/16 }»", SCHEMA),
    ("a block with addresses", FETCH % "{ cidr: 45.1.0.0/16, port: 1, address: «45.1.0.1» }", SCHEMA),
    ("a wildcard with an address", FETCH % "{ host: '*.example.com', address: «45.1.0.1» }", BEYOND),
    ("more than 8 addresses", FETCH % ("{ host: a.example.com, address: «[ " + ", ".join(f"45.1.0.{i}" for i in range(9)) + " ]» }"), SCHEMA),
    ("a private block, not said", FETCH % "«{ cidr: 10.0.0.0/8, port: 1 }»", BEYOND),
    ("a private address, not said", FETCH % "«{ host: a.example.com, address: 192.168.1.1 }»", BEYOND),
    ("build with an open gate", "version: 1\nphases: { build: { egress: «[ { host: a.example.com } ]» } }\n", SCHEMA),
    *[(f"{key} outside of push", f"version: 1\nphases: {{ {phase}: {{ {key}: «{value}» }} }}\n", "place") for phase in ("fetch", "build")
      for key, value in (("trust", "any"), ("workspace", "shared"), ("artifacts", "[ a ]"), ("carry", "{ env: [ A ] }"))],
    # Variables and credentials.
    *[(f"variable {name}", f"version: 1\nphases: {{ fetch: {{ env: {{ «{name}»: x }} }} }}\n", SCHEMA) for name in ("GITHUB_TOKEN", "RUNNER_OS", "1A", "A-B", "'A B'")],
    ("a variable that is a list", "version: 1\nphases: { fetch: { env: { A: «[ x ]» } } }\n", SCHEMA),
    ("two sources", "version: 1\ncredentials: { a: { from: «{ file: /a, env: B }», for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", SCHEMA),
    ("no source", "version: 1\ncredentials: { a: { from: «{}», for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", SCHEMA),
    ("no steps", "version: 1\ncredentials: { a: { from: { file: /a }, for: { phase: push, steps: «[]» }, as: { env: A } } }\n", SCHEMA),
    ("a step twice", "version: 1\ncredentials: { a: { from: { file: /a }, for: { phase: push, steps: [ s, «s» ] }, as: { env: A } } }\n", SCHEMA),
    ("a credential's name", "version: 1\ncredentials: { «'a b'»: { from: { file: /a }, for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", SCHEMA),
    ("two credentials, one variable", CRED % "«b»: { from: { file: /b }, for: { phase: push, steps: [ s ] }, as: { env: A } }", BEYOND),
    ("a part of what is whole", "version: 1\ncredentials: { a: { from: «{ file: /a }», for: { phase: push, steps: [ s ] }, as: { env: { A: user } } } }\n", BEYOND),
    ("a registry without a user", "version: 1\ncredentials: { «a»: { from: { file: /a }, for: { phase: push, steps: [ s ] }, as: { docker: r.example.com } } }\n", BEYOND),
    ("an exchange for a role that needs it", "version: 1\ncredentials: { a: { from: { oidc: «{ url: 'https://a.example.com/', identity: /i, audience: x, form: aws }» }, for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", BEYOND),
    ("an exchange with what its form does not use", "version: 1\ncredentials: { a: { from: { oidc: { url: 'https://a.example.com/', identity: /i, audience: x, form: aws, role: r, scope: «s» } }, for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", BEYOND),
    ("a wrapped nothing", "version: 1\ncredentials: { a: { from: { vault: «{ url: 'https://a.example.com/', identity: /i, role: x, wrap: 60s }» }, for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", BEYOND),
    ("a part with a blank", "version: 1\ncredentials: { a: { from: { file: /a }, for: { phase: push, steps: [ s ] }, as: { env: { A: «'a b'» } } } }\n", SCHEMA),
    ("two registries of one name", (CRED % "«b»: { from: { file: /b }, for: { phase: push, steps: [ s ] }, as: { docker: u@r.example.com } }").replace("as: { env: A }", "as: { docker: u@r.example.com }"), BEYOND),
    ("a file that a form writes", (CRED % "«b»: { from: { file: /b }, for: { phase: push, steps: [ s ] }, as: { netrc: u@r.example.com } }").replace("as: { env: A }", "as: { file: netrc }"), BEYOND),
    ("a variable that a form sets", (CRED % "«b»: { from: { file: /b }, for: { phase: push, steps: [ s ] }, as: { netrc: u@r.example.com } }").replace("as: { env: A }", "as: { env: NETRC }"), BEYOND),
    ("a credential and a variable", "version: 1\nphases: { push: { env: { «A»: x } } }\n" + (CRED % "")[len("version: 1\n"):].replace(", }", " }"), BEYOND),
    ("systemd without a service manager", "version: 1\ncredentials: { a: { from: { systemd: «token» }, for: { phase: push, steps: [ s ] }, as: { env: A } } }\n", BEYOND),
    # What is no YAML, or YAML that two programs would read differently.
    ("an empty file", "«»", NOT_YAML), ("only a comment", "# nothing\n«»", NOT_YAML), ("a list", "«- version: 1»\n", SCHEMA), ("a word", "«version»\n", SCHEMA),
    ("a second document", "version: 1\n«---»\nversion: 1\n", NOT_YAML), ("a tab for indentation", "version: 1\nlimits:\n«\tpids: 1»\n", NOT_YAML),
    ("an unclosed list", "version: 1\nsteps: [ { phase: fetch, match: { id: a } }\n«»", NOT_YAML), ("an unclosed quote", "version: 1\nfor: { repository: «\"acme }\n»", NOT_YAML),
    ("an unclosed map", "version: 1\nlimits: { pids: 1\n«»", NOT_YAML), ("a bracket too much", "version: 1\nlimits: { pids: 1 }«}»\n", NOT_YAML),
    ("wrong indentation of a key", "version: 1\nlimits:\n  pids: 1\n «time»: 5m\n", NOT_YAML), ("a key in a list", "version: 1\nsteps:\n  - phase: fetch\n  «match: { id: a }»\n", NOT_YAML),
    ("a missing colon", "version: 1\nlimits:\n  pids 1\n  «time:» 5m\n", NOT_YAML), ("two colons", "version: 1\nfor: { repository: a }\nlimits: pids«:» 1\n", NOT_YAML),
    ("an anchor", "version: 1\nlimits: «&l» { pids: 1 }\n", NOT_YAML), ("an alias", "version: 1\nlimits: «*l»\n", NOT_YAML), ("a tag", "version: «!!int 1»\n", NOT_YAML),
    ("a tag of a language", "version: 1\nfor: «!!python/object:os.system {}»\n", NOT_YAML), ("a merge key", "version: 1\nlimits: { «<<»: { pids: 1 } }\n", NOT_YAML),
    ("a key that is a list", "version: 1\n«? [ a ]»\n: b\n", NOT_YAML), ("a tag directive", "«%TAG ! tag:example.com,2000:\n---»\nversion: 1\n", NOT_YAML),
    ("a NUL byte", "version: 1\nfor: { repository: a«\0»b }\n", NOT_YAML), ("a NUL by escape", 'version: 1\nfor: { repository: «"a\\0b"» }\n', NOT_YAML),
    ("an escape byte", "version: 1\nfor: { repository: a«\x1b»[2J }\n", NOT_YAML), ("a bell", "version: 1\n# «\x07»\n", NOT_YAML),
    ("a lone carriage return", "version: 1«\r»limits: { pids: 1 }\n", NOT_YAML), ("a next-line character", "version: 1 #«\u0085»limits: {}\n", NOT_YAML),
    ("a line separator", "version: 1 #«\u2028»limits: {}\n", NOT_YAML), ("bytes that are no UTF-8", "version: 1\nfor: { repository: «\udcff» }\n", NOT_YAML),
    ("an overlong UTF-8 slash", "version: 1\nfor: { repository: «\udcc0\udcaf» }\n", NOT_YAML),
    ("too deep", "version: 1\nfor: { repository: " + "[" * 30 + "«" + "[" * 10 + "»" + "]" * 40 + " }\n", NOT_YAML),
    ("a block instead of a value", "version: 1\nlimits:\n  pids:\n    «- 1»\n", SCHEMA), ("a key with blanks", "version: 1\n« \"limits \"»: { pids: 1 }\n".replace("« ", "«"), SCHEMA),
    ("a key in capitals", "version: 1\n«Limits»: { pids: 1 }\n", SCHEMA), ("a number as a key", "version: 1\n«1»: x\n", SCHEMA), ("a byte order mark in the middle", "version: 1\n«\ufefflimits»: {}\n", NOT_YAML),
]


def by_hand():
    for name, text, schema in BY_HAND:
        yield Wrong(name, text, SCHEMA if schema == "place" else schema)


def all_wrong(rows):
    return [*from_keys(rows), *from_values(rows), *by_hand()]
