#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""credential_forms_test.py - how a credential is handed over, tried with the clients themselves, and when it is withheld (C)."""
import base64
import hashlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import BUILD, DRYDOCK, FETCH, PUSH, Job, Run, Skip, case, check, equal, main, py, run, step  # noqa: E402

FRONT_END = os.path.abspath(os.path.join(BUILD, "fake_front_end"))
SECRET = "canary-Fq3" + os.urandom(10).hex()
ANSWER = hashlib.sha256(SECRET.encode()).hexdigest()
DIGEST = "sha256sum | cut -c 1-64"


def held(as_, script, secret=SECRET, rc=0, **more):
    """One push step that holds @secret as @as_ (one form, or a list of them)."""
    forms = as_ if isinstance(as_, list) else [as_]
    credentials = {f"c{i}": {"from": {"env": "DD_FORM"}, "for": {"phase": "push", "steps": ["publish"]}, "as": form} for i, form in enumerate(forms)}
    return run([step("publish", script, PUSH), step("late", "ls /run/drydock/cred | sed 's/.*/@@left=&@@/'; env | grep -c -i -E 'netrc|npm_config|docker_config|git_config|cargo_reg|TOKEN' | sed 's/.*/@@vars=&@@/'")],
               {"push": {}}, credentials=credentials, env={"DD_FORM": secret}, rc=rc, **more)


def fits(r, what):
    equal(r.mark("digest"), ANSWER, what, r)
    check(SECRET not in r.out, f"{what}: unmasked in the output", r)
    check("left" not in r.marks and r.marks.get("vars", "0") == "0", f"{what}: something is left for the step after it", r)


@case("C-10", "git asks its helper for that host over https, and for no other; nothing is in a configuration file")
def _():
    r = held({"git": "git.example.test"}, f'''
get() {{ printf 'protocol=%s\\nhost=%s\\n\\n' $1 $2 | git -c core.askPass=false credential fill 2>/dev/null; }}
get https git.example.test | sed -n 's/^password=//p' | tr -d '\\n' | {DIGEST} | sed 's/.*/@@digest=&@@/'
get https git.example.test | sed -n 's/^username=\\(.*\\)/@@user=\\1@@/p'
echo "@@other=$(get https other.example.test | grep -c password)@@"; echo "@@plain=$(get http git.example.test | grep -c password)@@"
printf 'protocol=https\\nhost=git.example.test\\nusername=x\\npassword=y\\n\\n' | git credential approve && echo @@approve=ok@@
grep -r canary ~/.git* .git 2>/dev/null | sed 's/.*/@@stored=yes@@/'; git config --list | grep -c canary | sed 's/.*/@@listed=&@@/' ''')
    fits(r, "git")
    equal((r.mark("user"), r.mark("other"), r.mark("plain"), r.mark("approve"), r.mark("listed")), ("x-access-token", "0", "0", "ok", "0"), "user, other host, http, approve", r)
    check("stored" not in r.marks, "git stored it", r)


@case("C-10", "two git hosts have two helpers, and a user before the host is the one that git gets")
def _():
    r = held([{"git": "ci@one.test"}, {"git": "two.test:8443"}], f'''
get() {{ printf 'protocol=https\\nhost=%s\\n\\n' $1 | git -c core.askPass=false credential fill 2>/dev/null; }}
get one.test | sed -n 's/^username=\\(.*\\)/@@user=\\1@@/p'; get two.test:8443 | sed -n 's/^password=//p' | tr -d '\\n' | {DIGEST} | sed 's/.*/@@digest=&@@/' ''')
    fits(r, "git")
    equal(r.mark("user"), "ci", "user", r)


@case("C-10", "python reads the netrc file, with one entry for each host")
def _():
    r = held([{"netrc": "ci@a.example.test"}, {"netrc": "bot@b.example.test:8080"}], py('''
        import hashlib, netrc
        n = netrc.netrc(os.environ["NETRC"])
        mark("users", (n.authenticators("a.example.test")[0], n.authenticators("b.example.test")[0], sorted(n.hosts)))
        mark("digest", hashlib.sha256(n.authenticators("b.example.test")[2].encode()).hexdigest())
        mark("mode", oct(os.stat(os.environ["NETRC"]).st_mode & 0o777))'''))
    fits(r, "netrc")
    equal((r.mark("users"), r.mark("mode")), ("('ci', 'bot', ['a.example.test', 'b.example.test'])", "0o400"), "entries", r)


@case("C-10", "docker's config.json has one entry for each registry, and its base64 is masked like the value")
def _():
    r = held([{"docker": "ci@r.example.test:5000"}, {"docker": "bot@ghcr.example.test"}], 'cat "$DOCKER_CONFIG/config.json"\n' + py('''
        import base64, hashlib, json
        c = json.load(open(os.path.join(os.environ["DOCKER_CONFIG"], "config.json")))
        user, secret = base64.b64decode(c["auths"]["r.example.test:5000"]["auth"]).decode().split(":")
        mark("users", (user, base64.b64decode(c["auths"]["ghcr.example.test"]["auth"]).split(b":")[0].decode(), os.environ["REGISTRY_AUTH_FILE"]))
        mark("digest", hashlib.sha256(secret.encode()).hexdigest())'''))
    fits(r, "docker")
    equal(r.mark("users"), "('ci', 'bot', '/run/drydock/cred/config.json')", "users", r)
    for user in ("ci", "bot"):
        check(base64.b64encode(f"{user}:{SECRET}".encode()).decode() not in r.out, "the base64 of user and secret is in the output", r)


@case("C-10", "npm takes the token of the registry from the file that its variable names")
def _():
    if not os.path.exists("/usr/bin/npm"):
        raise Skip("no npm below /usr")
    r = held({"npmrc": "npm.example.test/team/"}, f'npm config get userconfig | sed "s/.*/@@file=&@@/"; sed -n "s,^//npm.example.test/team/:_authToken=,,p" "$NPM_CONFIG_USERCONFIG" | tr -d "\\n" | {DIGEST} | sed "s/.*/@@digest=&@@/"; '
             'npm config ls -l 2>/dev/null | grep -c "^//npm.example.test/team/:_authToken = (protected)" | sed "s/.*/@@known=&@@/"')
    fits(r, "npmrc")
    equal((r.mark("file"), r.mark("known")), ("/run/drydock/cred/npmrc", "1"), "npm's view of it", r)


@case("C-10", "pip's index is in its file with user and secret, percent-encoded, and masked in that spelling too")
def _():
    secret = "canary+/" + SECRET
    r = held({"pip": "https://pypi.example.test/simple/"}, 'cat "$PIP_CONFIG_FILE"\n' + py('''
        import configparser, hashlib, os, urllib.parse
        c = configparser.RawConfigParser(); c.read(os.environ["PIP_CONFIG_FILE"])
        u = urllib.parse.urlsplit(c["global"]["index-url"])
        mark("url", (urllib.parse.unquote(u.username), u.hostname, u.path))
        mark("digest", hashlib.sha256(urllib.parse.unquote(u.password).encode()).hexdigest())'''), secret=secret)
    equal(r.mark("digest"), hashlib.sha256(secret.encode()).hexdigest(), "pip", r)
    equal(r.mark("url"), "('__token__', 'pypi.example.test', '/simple/')", "the index", r)
    check(secret not in r.out and secret.replace("+", "%2B").replace("/", "%2F") not in r.out, "in the output", r)


@case("C-10", "cargo's credential provider prints the token of the registry that it is asked for")
def _():
    r = held([{"cargo": "crates-io"}, {"cargo": "my-registry"}], f'''
for v in "$CARGO_REGISTRY_CREDENTIAL_PROVIDER" "$CARGO_REGISTRIES_MY_REGISTRY_CREDENTIAL_PROVIDER"; do
	set -- $v; test "$1" = cargo:token-from-stdout; shift; "$@" | tr -d '\\n' | {DIGEST} | sed 's/.*/@@digest=&@@/'
done''')
    fits(r, "cargo")


@case("C-10 C-15", "a descriptor reads the value, has no name in the file system, and no other descriptor is there")
def _():
    r = held({"fd": "TOKEN_FD"}, py('''
        import hashlib
        fd = int(os.environ["TOKEN_FD"])
        mark("open", sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) > 2)[:1])
        mark("digest", hashlib.sha256(os.read(fd, 4096)).hexdigest())
        mark("files", os.listdir("/run/drydock/cred"))
        attempt("write", lambda: os.write(fd, b"x"))
        attempt("again", lambda: hashlib.sha256(open("/proc/self/fd/%d" % fd, "rb").read()).hexdigest()[:8])
        attempt("grow", lambda: os.truncate("/proc/self/fd/%d" % fd, 1 << 20))'''))
    fits(r, "fd")
    equal((r.mark("open"), r.mark("files"), r.mark("write")), ("[3]", "[]", "EBADF"), "descriptors, files, writing", r)
    check(not r.mark("grow").startswith("ok"), "it could be made larger", r)
    many = held([{"fd": f"FD_{i}"} for i in range(5)], "true", rc=3)
    check("more than 4 descriptors" in many.out, "five descriptors", many)


@case("C-14", "a value that a form cannot carry, or that no output could be masked for, is refused before the step runs, with what to do instead")
def _():
    for as_, secret, why in (({"env": "TOKEN"}, "two\nlines", "0x0a"), ({"netrc": "ci@a.test"}, "a blank", "0x20"), ({"npmrc": "a.test"}, "a${HOME}b", "0x24"), ({"npmrc": "a.test"}, "comment#here", "0x23"),
                             ({"docker": "ci@a.test"}, "two\nlines", "0x0a"), ({"git": "a.test"}, "pass\nurl=evil", "0x0a"), ({"env": "TOKEN"}, "~q~", "fewer than 4"),
                             ({"docker": "ci@a.test"}, "~q~", "fewer than 4"), ({"fd": "T"}, "~q~", "fewer than 4")):
        r = held(as_, "echo @@ran=yes@@", secret=secret, rc=None)
        check(r.rc != 0 and "ran" not in r.marks, f"{as_} took {secret!r}", r)
        check(why in r.out and (why.startswith("fewer") or "as: { file: ... }" in r.out), f"{as_}: not told", r)
        check(secret not in r.out, "the value is told", r)


EVENT = {"event_name": "push", "ref": "refs/heads/main", "ref_protected": True, "repository": {"full_name": "acme/app"}}


def withheld(condition, event, environment=None):
    job = Job([step("publish", 'echo "@@token=${TOKEN:-none}@@"', PUSH)], {"push": {}},
              credentials={"registry": {"from": {"env": "DD_FORM"}, "for": {"phase": "push", "steps": ["publish"], **condition}, "as": {"env": "TOKEN"}}})
    try:
        flow = json.loads(open(os.path.join(job.dir, "workflow.yml"), encoding="utf-8").read())
        if environment:
            flow["jobs"]["test"]["environment"] = environment
        job.write("workflow.yml", json.dumps(flow))
        job.write("event.json", json.dumps(event))
        given = ["--event", "event.json"] if event else []
        plan = job.run("--json", *given, command="plan", env={"DD_FORM": SECRET})
        # `environment` is shown and not yet run: the plan is what there is to look at
        return None if environment else job.run(*given, env={"DD_FORM": SECRET}), json.loads(plan.out)["steps"][0]["credentials"][0]
    finally:
        job.close()


@case("C-12", "a credential whose conditions the job does not meet is withheld: plan says why with its place, and the step does not run")
def _():
    for condition, event, environment, given in (
            ({"ref": "refs/tags/v*"}, EVENT, None, False), ({"ref": "refs/heads/*"}, EVENT, None, True), ({"ref": "refs/heads/*"}, None, None, False),
            ({"protected": True}, EVENT, None, True), ({"protected": False}, EVENT, None, False), ({"protected": True}, None, None, True),
            ({"event": ["workflow_dispatch", "schedule"]}, EVENT, None, False), ({"event": "push"}, EVENT, None, True), ({"event": "local"}, None, None, True),
            ({"environment": "production"}, EVENT, None, False), ({"environment": "production"}, EVENT, "production", True), ({"environment": "production"}, EVENT, "staging", False),
            ({"environment": "prod*"}, EVENT, "${{ github.ref }}", False)):
        r, planned = withheld(condition, event, environment)
        equal("withheld" not in planned, given, f"plan for {condition}, {environment}: {planned}")
        if environment:
            continue
        equal(r.rc, 0 if given else 4, f"exit status for {condition}, {environment}", r)
        equal("token" in r.marks, given, f"the step for {condition}, {environment}", r)
        if not given:
            check("credential registry is withheld: it is for" in r.out and "policy.yml:" in planned["withheld"], "not told", r)
            check(not r.events("cred.grant"), "granted all the same", r)


@case("C-12", "policy replay refuses a recorded grant whose conditions the recorded job does not meet")
def _():
    credentials = {"registry": {"from": {"env": "DD_FORM"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}}
    job = Job([step("publish", "true", PUSH)], {"push": {}}, credentials=credentials)
    try:
        job.write("event.json", json.dumps(EVENT))
        equal(job.run("--event", "event.json", env={"DD_FORM": SECRET}).rc, 0, "the run")
        for condition, want in (({}, 0), ({"ref": "refs/heads/*"}, 0), ({"event": "push", "protected": True}, 0), ({"ref": "refs/tags/*"}, 4), ({"protected": False}, 4), ({"event": "schedule"}, 4)):
            with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
                text = json.load(file)
            text["credentials"]["registry"]["for"] = {"phase": "push", "steps": ["publish"], **condition}
            job.write("other.yml", json.dumps(text))
            done = subprocess.run([DRYDOCK, "policy", "replay", "--policy", "other.yml", "record.jsonl"], cwd=job.dir, capture_output=True, text=True, check=False)
            check((done.returncode == 0) == (want == 0), f"{condition}: {done.returncode}\n{done.stdout}{done.stderr}")
            check(want == 0 or "it is for" in done.stdout, f"{condition}: {done.stdout}")
    finally:
        job.close()


@case("C-12", "the repository's own file can put a condition on a credential, and take none away")
def _():
    steps = [step("publish", 'echo "@@token=${TOKEN:+held}@@"', PUSH)]
    credentials = {"registry": {"from": {"env": "DD_FORM"}, "for": {"phase": "push", "steps": ["publish"], "protected": True}, "as": {"env": "TOKEN"}}}
    narrower = "version: 1\ncredentials: { registry: { for: { ref: refs/tags/* } } }\n"
    wider = "version: 1\ncredentials: { registry: { for: { protected: false } } }\n"
    equal(run(steps, {"push": {}}, credentials=credentials, env={"DD_FORM": SECRET}).mark("token"), "held", "without")
    for text in (narrower, wider):
        r = run(steps, {"push": {}}, credentials=credentials, env={"DD_FORM": SECRET}, files={".drydock.yml": text}, rc=4)
        check("withheld" in r.out and "token" not in r.marks, text, r)


@case("C-02 C-13", "of the secrets that a job message brings only the one that the policy names reaches a step, and no process keeps any")
def _():
    policy = {"version": 1, "steps": [{"phase": "fetch", "match": {"id": "make"}}], "phases": {"fetch": {}},
              "credentials": {"token": {"from": {"forge": "DEPLOY"}, "for": {"phase": "fetch", "steps": ["make"]}, "as": {"env": "TOKEN"}}}}
    job, other = Job([]), "canary-Zz9" + os.urandom(10).hex()
    try:
        job.write("p.yml", json.dumps(policy))
        argv = [FRONT_END, "p.yml", "src", "record.jsonl", "", "", SECRET, other]
        done = subprocess.run(argv, cwd=job.dir, env=job.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        r = Run(job.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)
        equal(r.rc, 0, "exit status of that job", r)
        [grant] = r.events("cred.grant")
        equal((grant["from"], grant["kind"], grant["step"]), ("forge:DEPLOY", "forge", "make"), "the grant", r)
        check(SECRET not in str(r.record) + r.out and other not in str(r.record) + r.out, "a value is told", r)
        policy["credentials"]["token"]["from"] = {"forge": "ABSENT"}
        job.write("p.yml", json.dumps(policy))
        os.unlink(os.path.join(job.dir, "record.jsonl"))
        done = subprocess.run(argv, cwd=job.dir, env=job.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
        check(done.returncode == 3 and b"the forge sent no secret ABSENT" in done.stdout, done.stdout.decode())
    finally:
        job.close()


if __name__ == "__main__":
    main()
