#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""actions_test.py - actions of other repositories: what an archive, a repository or an action itself tries, and what then runs."""
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, BUILD_PHASE, DRYDOCK, PUSH, Job, Skip, case, check, equal, main, py, step  # noqa: E402
from world import ALLOWED, Resolver, Web  # noqa: E402

NODE = any(os.access(os.path.join(d, "node"), os.X_OK) for d in ("/usr/local/bin", "/usr/bin", "/bin"))
COMPOSITE = "name: x\nruns:\n  using: composite\n  steps:\n    - { shell: bash, run: 'echo @@%s=1@@', name: say }\n"


class Mirror:
    """A directory that actions come from, filled by the test."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="dd-mirror-")
        os.chmod(self.dir, 0o755)

    def path(self, name):
        full = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        return full

    def tree(self, name, files):
        for path, text in files.items():
            with open(self.path(f"{name}/{path}"), "w", encoding="utf-8") as file:
                file.write(text)

    def tar(self, name, entries, top="top"):
        """@entries: (path, bytes) or TarInfo with a name below the top folder."""
        with tarfile.open(self.path(name), "w:gz") as tar:
            for entry in entries:
                info, data = (entry, b"") if isinstance(entry, tarfile.TarInfo) else (tarfile.TarInfo(f"{top}/{entry[0]}" if top else entry[0]), entry[1])
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    def git(self, name, *argv):
        env = {"PATH": os.environ["PATH"], "HOME": self.dir, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
               "GIT_COMMITTER_EMAIL": "a@b"}
        return subprocess.run(["git", "-C", self.path(name + "/x").rsplit("/", 1)[0], *argv], env=env, check=True, capture_output=True, text=True).stdout.strip()

    def repository(self, name, files, message="one"):
        """A repository with a work tree; returns the commit."""
        if not os.path.isdir(self.path(name + "/.git")):
            self.git(name, "init", "-q", "-b", "main")
        self.tree(name, files)
        self.git(name, "add", "-A")
        self.git(name, "commit", "-qm", message)
        return self.git(name, "rev-parse", "HEAD")

    def run(self, steps, rc=0, options=(), command="run", pin="any", allow=("acme/*",), files=None, phases=None, tools=None, **keys):
        steps = [{"_phase": BUILD_PHASE, **(s if isinstance(s, dict) else {"uses": s})} for s in steps]
        job = Job(steps, phases, files, actions={"pin": pin, "allow": list(allow), "mirror": self.dir, **({"tools": tools} if tools else {})}, **keys)
        try:
            r = job.run("--state-dir", os.path.join(job.dir, "state"), *options, command=command, timeout=240)
        finally:
            job.close()
        if rc is not None:
            equal(r.rc, rc, f"exit status of {steps}", r)
        return r

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def mirrored(test):
    def run_it():
        mirror = Mirror()
        try:
            test(mirror)
        finally:
            mirror.close()
    return run_it


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def header(name):
    """A tar header of an empty file, without tarfile's own pace."""
    blank = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2 + b" " * 8 + b"0" + bytes(355)
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


ACTION = ("action.yml", (COMPOSITE % "ran").encode())


@case("", "an action comes out of a directory, an archive of each kind, and a repository by tag, branch and commit")
@mirrored
def _(m):
    m.tree("acme/dir@v1", {"action.yml": COMPOSITE % "dir", "sub/action.yaml": COMPOSITE % "sub"})
    m.tar("acme/tgz@v1.tar.gz", [("action.yml", (COMPOSITE % "tgz").encode())])
    with tarfile.open(m.path("acme/tar@feature/x.tar"), "w") as tar:
        info = tarfile.TarInfo("tar-1/action.yml")
        data = (COMPOSITE % "tar").encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    with zipfile.ZipFile(m.path("acme/zip@v1.zip"), "w") as archive:
        archive.writestr("zip-1/action.yml", COMPOSITE % "zip")
    first = m.repository("acme/repo", {"action.yml": COMPOSITE % "first"})
    m.git("acme/repo", "tag", "-am", "annotated", "v1")
    m.repository("acme/repo", {"action.yml": COMPOSITE % "second"}, "two")
    m.git("acme/repo", "gc", "-q")
    r = m.run(["acme/dir@v1", "acme/dir/sub@v1", "acme/tgz@v1", "acme/tar@feature/x", "acme/zip@v1", "acme/repo@v1", "acme/repo@main", f"acme/repo@{first}"])
    equal(set(r.marks), {"dir", "sub", "tgz", "tar", "zip", "first", "second"}, "what ran", r)
    starts = r.events("step.start", stage="inside")
    equal(starts[5]["action_sha256"], starts[7]["action_sha256"], "one commit by tag and by name: one tree", r)
    plan = m.run([f"acme/repo@{first}"], options=["--json"], command="plan")
    action = json.loads(plan.out)["steps"][0]["action"]
    equal((action["commit"], action["sha256"], action["kind"]), (first, starts[5]["action_sha256"], "composite"), "what the plan says", plan)


@case("X-03", "what the policy does not allow, and a name that is less firm than it asks for, ends the run with status 4 before anything runs")
@mirrored
def _(m):
    sha = m.repository("acme/tool", {"action.yml": COMPOSITE % "ran"})
    m.git("acme/tool", "tag", "v1")
    before = step("before", "echo @@before=1@@")
    for uses, more, text in (("acme/tool@v1", {"allow": ["other/*"]}, "is not allowed by the policy"), ("acme/tool@v1", {"pin": "sha"}, "names no commit"),
                             ("acme/tool@main", {"pin": "tag"}, "names a branch"), ("acme/tool@v1", {"allow": ["acme/tool/sub"]}, "is not allowed by the policy")):
        r = m.run([before, uses], rc=4, **more)
        check(text in r.out and not r.marks, f"{uses}: {text}", r)
    for uses, more in (("acme/tool@v1", {"pin": "tag"}), (f"acme/tool@{sha}", {"pin": "sha"}), ("Acme/Tool@v1", {"allow": ["ACME/*"]})):
        if uses[0] == "A":
            os.rename(m.path("acme"), m.path("Acme"))
            os.rename(m.path("Acme/tool"), m.path("Acme/Tool"))
        r = m.run([before, uses], **more)
        equal(set(r.marks), {"before", "ran"}, uses, r)
    r = Job([{"uses": "acme/tool@v1", "_phase": BUILD_PHASE}])
    try:
        out = r.run()
    finally:
        r.close()
    check(out.rc == 4 and 'actions: { allow: [ "acme/tool" ] }' in out.out, "without a policy for actions", out)


@case("X-03", "an action that is not there is said before anything runs, with what was looked for; so is one inside of another")
@mirrored
def _(m):
    m.tree("acme/outer@v1", {"action.yml": "name: x\nruns: { using: composite, steps: [ { uses: acme/inner@v9 } ] }\n"})
    m.tree("acme/box@v1", {"action.yml": "name: x\nruns: { using: docker, image: Dockerfile }\n"})
    m.tree("acme/none@v1", {"README": "x"})
    for uses, text in (("acme/gone@v1", "neither acme/gone@v1"), ("acme/outer@v1", "uses acme/inner@v9, which cannot be had"), ("acme/box@v1", "is an action in a container"),
                       ("acme/none@v1", "has no action.yml"), ("./local", "uses acme/gone@v1, which cannot be had")):
        r = m.run([step("before", "echo @@before=1@@"), uses], rc=2, files={"local/action.yml": "name: x\nruns: { using: composite, steps: [ { uses: acme/gone@v1 } ] }\n"})
        check(text in r.out and not r.marks, f"{uses}: {text}", r)


@case("X-03", "a commit that is on no branch or tag of the repository, as a fork's is, does not run, also by its full name")
@mirrored
def _(m):
    good = m.repository("acme/tool", {"action.yml": COMPOSITE % "good"})
    m.git("acme/tool", "checkout", "-q", "--detach")
    evil = m.repository("acme/tool", {"action.yml": COMPOSITE % "evil"}, "a fork's")
    m.git("acme/tool", "update-ref", "refs/pull/1/head", evil)
    m.git("acme/tool", "checkout", "-q", "main")
    r = m.run([f"acme/tool@{evil}"], rc=4, pin="sha")
    check("is on none of the branches and tags" in r.out and not r.marks, "the fork's commit", r)
    m.repository("acme/tool", {"more": "x"}, "later")
    equal(set(m.run([f"acme/tool@{good}"], pin="sha").marks), {"good"}, "one that lies behind a branch")
    m.git("acme/tool", "tag", "v2", evil)
    equal(set(m.run([f"acme/tool@{evil}"], pin="sha").marks), {"evil"}, "the same commit with a tag of the repository")


@case("X-03 X-04", "a repository whose objects are not what their names say gives nothing")
@mirrored
def _(m):
    import zlib
    sha = m.repository("acme/tool", {"action.yml": COMPOSITE % "good"})
    for what in (f"{sha}:action.yml", f"{sha}^{{tree}}", sha):
        name = m.git("acme/tool", "rev-parse", what)
        path = m.path(f"acme/tool/.git/objects/{name[:2]}/{name[2:]}")
        with open(path, "rb") as file:
            whole = file.read()
        data = zlib.decompress(whole)
        os.chmod(path, 0o644)
        for changed in (data.replace(b"good", b"evil").replace(b"one", b"two").replace(b"100644", b"100755"), data[:-1], b"blob 3\0abc", b""):
            with open(path, "wb") as file:
                file.write(zlib.compress(changed) if changed else b"")
            r = m.run([f"acme/tool@{sha}"], rc=None, pin="sha")
            check(r.rc in (2, 4) and not r.marks, f"{what} changed to {changed[:40]!r}: {r.rc}", r)
        with open(path, "wb") as file:
            file.write(whole)
    equal(set(m.run([f"acme/tool@{sha}"], pin="sha").marks), {"good"}, "as it was")


@case("A-01", "an archive with a name, a link or a file that no archive of a repository has is refused, and nothing lies outside of its place")
@mirrored
def _(m):
    fifo, device, hard = tarfile.TarInfo("top/fifo"), tarfile.TarInfo("top/null"), link("top/hard", "top/action.yml", tarfile.LNKTYPE)
    fifo.type, device.type = tarfile.FIFOTYPE, tarfile.CHRTYPE
    rows = {
        "up": [ACTION, ("../../up", b"x")], "absolute": [ACTION, tarfile.TarInfo("/etc/dd-evil")], "beside": [ACTION, tarfile.TarInfo("other/x")],
        "dots": [ACTION, ("a/./b", b"x")], "link-up": [ACTION, link("top/l", "../../..")], "link-abs": [ACTION, link("top/l", "/etc/passwd")],
        "through": [ACTION, link("top/d", "sub"), ("sub/x", b"x"), ("d/evil", b"x")], "through-up": [ACTION, link("top/a/b", ".."), ("a/b/../../../evil", b"x")],
        "hard": [ACTION, hard], "fifo": [ACTION, fifo], "device": [ACTION, device], "twice": [ACTION, ("x", b"1"), ("x", b"2")], "case": [ACTION, ("X", b"1"), ("x", b"2")],
        "over": [ACTION, link("top/l", "x"), ("l", b"x")], "git": [ACTION, (".git/config", b"x")], "Git": [ACTION, ("sub/.GIT/hooks/x", b"x")], "file-dir": [ACTION, ("f", b"x"), ("f/g", b"x")],
        "deep": [ACTION, ("d/" * 70 + "x", b"x")], "long": [ACTION, ("n" * 300, b"x")],
    }
    for name, entries in rows.items():
        m.tar(f"acme/{name}@v1.tar.gz", entries)
    with open(m.path("acme/nothing@v1.tar.gz"), "wb") as file:
        file.write(b"\x1f\x8b not an archive")
    with open(m.path("acme/cut@v1.tar"), "wb") as file:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            info = tarfile.TarInfo("top/action.yml")
            info.size = 100000
            tar.addfile(info, io.BytesIO(b"x" * 100000))
        file.write(data.getvalue()[:5000])
    with zipfile.ZipFile(m.path("acme/zip-up@v1.zip"), "w") as archive:
        archive.writestr("top/action.yml", COMPOSITE % "ran")
        archive.writestr("top/../../../evil", "x")
    names = [*rows, "nothing", "cut", "zip-up"]
    around = set(os.listdir(os.path.dirname(m.dir)))
    for name in names:
        r = m.run([f"acme/{name}@v1"], rc=4)
        check(not r.marks, f"{name} ran", r)
    check(not os.path.exists("/etc/dd-evil"), "a file outside")
    left = {n for n in set(os.listdir(os.path.dirname(m.dir))) - around if "evil" in n or n == "up"}
    check(not left, f"files outside: {left}")


@case("A-02", "an archive that grows without end, by bytes or by entries, stops at its limit, and little of it is written")
@mirrored
def _(m):
    zeros = tarfile.TarInfo("top/zeros")
    zeros.size = 80 << 20
    with gzip.open(m.path("acme/bytes@v1.tar.gz"), "wb", compresslevel=9) as file:
        for part in [tarfile.TarInfo("top/").tobuf(), zeros.tobuf(), *[bytes(1 << 20)] * 80]:
            file.write(part)
    with gzip.open(m.path("acme/entries@v1.tar.gz"), "wb", compresslevel=1) as file:
        for first in range(0, 101000, 1000):
            file.write(b"".join(header(f"top/{i}") for i in range(first, first + 1000)))
    for name, text in (("bytes", "are more than"), ("entries", "more than 100000 entries")):
        r = m.run([f"acme/{name}@v1"], rc=4)
        check(text in r.out, f"{name}: {text}", r)


@case("", "an action sees its own files read-only, and those of no action that it is not a part of")
@mirrored
def _(m):
    code = py("""
        import os
        here = os.environ['GITHUB_ACTION_PATH']
        for name, function in (('write', lambda: open(here + '/action.yml', 'a')), ('make', lambda: open(here + '/new', 'w')), ('remove', lambda: os.unlink(here + '/action.yml')),
                               ('rename', lambda: os.rename(here, here + '2')), ('chmod', lambda: os.chmod(here + '/action.yml', 0o777))):
            attempt(name, function)
        mark('others', sorted(os.listdir('/run/drydock/actions/acme')))
    """)
    inner = json.dumps({"name": "x", "runs": {"using": "composite", "steps": [{"shell": "bash", "run": code, "name": "try"}]}})
    m.tree("acme/one@v1", {"action.yml": inner})
    m.tree("acme/two@v1", {"action.yml": COMPOSITE % "two"})
    r = m.run(["acme/one@v1", "acme/two@v1", step("after", py("mark('left', os.path.exists('/run/drydock/actions'))"))])
    for name in ("write", "make", "remove", "rename", "chmod"):
        check(r.mark(name) in ("EROFS", "EACCES", "EPERM", "EBUSY"), f"{name}: {r.mark(name)}", r)
    equal(r.mark("others"), "['one']", "what it sees of the others", r)
    equal(r.mark("left"), "False", "what a plain step sees", r)


@case("", "a problem matcher in an action's own files counts, and nothing beside them is read as one")
@mirrored
def _(m):
    matcher = json.dumps({"problemMatcher": [{"owner": "o", "pattern": [{"regexp": "^found (.*)$", "message": 1}]}]})
    script = 'echo "::add-matcher::$GITHUB_ACTION_PATH/m.json"; echo "found it"; echo "::add-matcher::$GITHUB_ACTION_PATH/../../../../etc/passwd"; echo "::add-matcher::$GITHUB_ACTION_PATH/link.json"'
    m.tree("acme/one@v1", {"action.yml": json.dumps({"name": "x", "runs": {"using": "composite", "steps": [{"shell": "bash", "run": script, "name": "try"}]}}), "m.json": matcher})
    r = m.run(["acme/one@v1"], rc=None)
    equal([e["message"] for e in r.events("annotation", level="error") if e["message"] == "it"], ["it"], "annotations", r)
    check("root:" not in r.out and "passwd" in r.out, "a file beside them", r)


@case("X-04", "a tree in the store that is not what it was any more is thrown away, not run")
@mirrored
def _(m):
    m.tree("acme/tool@v1", {"action.yml": COMPOSITE % "good"})
    job = Job([{"uses": "acme/tool@v1", "_phase": BUILD_PHASE}], actions={"pin": "any", "allow": ["acme/*"], "mirror": m.dir})
    try:
        state = os.path.join(job.dir, "state")
        equal(set(job.run("--state-dir", state).marks), {"good"}, "first")
        store = os.path.join(state, "actions")
        tree = [n for n in os.listdir(store) if len(n) == 64]
        equal(len(tree), 1, f"trees in the store: {os.listdir(store)}")
        with open(os.path.join(store, tree[0], "action.yml"), "w", encoding="utf-8") as file:
            file.write(COMPOSITE % "evil")
        equal(set(job.run("--state-dir", state).marks), {"good"}, "after somebody changed the store")
    finally:
        job.close()


@case("X-03", "an annotated tag named by its own digest is the commit that it is on, and pins as that does; nothing else with a name is a commit")
@mirrored
def _(m):
    commit = m.repository("acme/tool", {"action.yml": COMPOSITE % "tagged"})
    m.git("acme/tool", "tag", "-a", "v1", "-m", "one")
    m.git("acme/tool", "tag", "-a", "v1-again", "v1", "-m", "a tag on a tag")
    m.repository("acme/tool", {"action.yml": COMPOSITE % "newer"}, "two")
    for name in ("v1", "v1-again"):
        tag = m.git("acme/tool", "rev-parse", name)
        check(tag != commit, "it is an annotated tag")
        r = m.run([f"acme/tool@{tag}"], pin="sha")
        equal(set(r.marks), {"tagged"}, name, r)
        equal({e.get("action_sha256") is not None for e in r.events("step.start")}, {True}, "recorded", r)
    tree = m.git("acme/tool", "rev-parse", "HEAD^{tree}")
    r = m.run([f"acme/tool@{tree}"], rc=4, pin="sha")
    check("should be a commit" in r.out and not r.marks, "a tree", r)


@case("", "what a copy of a repository left out is named, with what brings it")
@mirrored
def _(m):
    commit = m.repository("acme/tool", {"action.yml": COMPOSITE % "never", "dist.js": "x"})
    blob = m.git("acme/tool", "rev-parse", "HEAD:dist.js")
    os.unlink(m.path(f"acme/tool/.git/objects/{blob[:2]}/{blob[2:]}"))
    r = m.run([f"acme/tool@{commit}"], rc=2)
    check("does not have the bytes of dist.js" in r.out and "without --filter" in r.out and not r.marks, "a blob", r)


@case("F-14", "a tool cache of the host is what a tool directory begins with: setup actions find it, steps change their copy, and neither the host nor a push step has what they did")
@mirrored
def _(m):
    m.tree("tools/thing/1.2.3/x64/bin", {"thing": "#!/bin/sh\necho 1.2.3\n"})
    m.tree("tools/thing/1.2.3", {"x64.complete": ""})
    os.chmod(m.path("tools/thing/1.2.3/x64/bin/thing"), 0o755)
    os.symlink("1.2.3", m.path("tools/thing/latest"))
    look = 'd=$RUNNER_TOOL_CACHE/thing; echo "@@%s=$($d/1.2.3/x64/bin/thing) $(cat $d/latest/x64.complete | wc -c) $(ls $d/1.2.3/x64/bin | tr "\\n" " ")@@"'
    change = 'cd $RUNNER_TOOL_CACHE/thing; echo "echo evil" >1.2.3/x64/bin/thing; touch 1.2.3/x64/bin/planted; mkdir 9.9.9'
    r = m.run([step("first", look % "first"), step("change", change), step("then", look % "then"), {**step("publish", look % "push", PUSH)}],
              phases={"push": {"workspace": "pristine"}}, tools=m.path("tools"))
    equal([r.mark(n).strip() for n in ("first", "then", "push")], ["1.2.3 0 thing", "evil 0 planted thing", "1.2.3 0 thing"], "what steps find", r)
    equal(sorted(os.listdir(m.path("tools/thing"))), ["1.2.3", "latest"], "the host's own directory")
    equal(os.listdir(m.path("tools/thing/1.2.3/x64/bin")), ["thing"], "the host's own tool")
    for wrong in (m.path("none"), m.path("tools/thing/1.2.3/x64.complete")):
        r = m.run([step("a", "true")], rc=2, tools=wrong)
        check("actions.tools: " in r.out and wrong in r.out and "cannot be copied" in r.out, wrong, r)


@case("X-03 X-04", "what is locked runs as long as it is what it was: a tag that moved, other files, and what is not in the lock end a locked run before its first step")
@mirrored
def _(m):
    m.repository("acme/tool", {"action.yml": COMPOSITE % "first"})
    m.git("acme/tool", "tag", "v1")
    m.tree("acme/outer@v1", {"action.yml": "name: x\nruns: { using: composite, steps: [ { uses: acme/files@v1 } ] }\n"})
    m.tree("acme/files@v1", {"action.yml": COMPOSITE % "files"})
    steps = [step("before", "echo @@before=1@@"), *({"uses": u, "_phase": BUILD_PHASE} for u in ("acme/tool@v1", "acme/outer@v1"))]
    job = Job(steps, actions={"pin": "tag", "allow": ["acme/*"], "mirror": m.dir})
    locked = ("--locked", "--state-dir", os.path.join(job.dir, "state"))
    try:
        r = job.run(*locked)
        check(r.rc == 2 and ".drydock.lock" in r.out and not r.marks, "--locked without a lock", r)
        made = subprocess.run([*job.argv()[:1], "actions", "lock", "workflow.yml", "--policy", "policy.yml", "--workspace", "src", *locked[1:]], cwd=job.dir, env=job.environ(),
                              capture_output=True, text=True, check=False)
        check(made.returncode == 0, made.stdout + made.stderr)
        with open(os.path.join(job.dir, "src/.drydock.lock"), encoding="utf-8") as file:
            lock = json.load(file)
        equal(sorted(lock["actions"]), ["acme/files@v1", "acme/outer@v1", "acme/tool@v1"], "what is in the lock")
        equal(set(job.run(*locked).marks), {"before", "first", "files"}, "as it was locked")

        def refused(text):
            r = job.run(*locked)
            check(r.rc == 4 and text in r.out and not r.marks, f"{text}: {r.rc}", r)

        m.repository("acme/tool", {"action.yml": COMPOSITE % "moved"}, "two")
        m.git("acme/tool", "tag", "-f", "v1")
        refused("is another commit than .drydock.lock says")
        equal(set(job.run(*locked[1:]).marks), {"before", "moved", "files"}, "without --locked")
        m.git("acme/tool", "tag", "-f", "v1", lock["actions"]["acme/tool@v1"]["commit"])
        m.tree("acme/files@v1", {"README": "more"})
        refused("has other files than .drydock.lock says")
        os.unlink(m.path("acme/files@v1/README"))
        equal(set(job.run(*locked).marks), {"before", "first", "files"}, "as it was again")
        for change, text in ((lambda l: l["actions"].pop("acme/files@v1"), "is not in .drydock.lock"), (lambda l: l["actions"]["acme/tool@v1"].update(sha256="0" * 64), "has other files"),
                             (lambda l: l["actions"]["acme/tool@v1"].pop("sha256"), "has other files")):
            other = json.loads(json.dumps(lock))
            change(other)
            job.write("src/.drydock.lock", json.dumps(other))
            refused(text)
        for text in ("", "[]", '{"version": 2, "actions": {}}', '{"version": 1, "actions": {}, "actions": {}}'):
            job.write("src/.drydock.lock", text)
            r = job.run(*locked)
            check(r.rc == 2 and not r.marks, f"{text!r}: {r.rc}", r)
    finally:
        job.close()


@case("G-05", "what an action is and brings never changes what its step may: the plan's grants are those of the run")
@mirrored
def _(m):
    if not NODE:
        raise Skip("no node in /usr/local/bin, /usr/bin or /bin (scripts/deps --peers)")
    m.tree("acme/js@v1", {"action.yml": "name: x\nruns: { using: node20, pre: m.js, main: m.js, post: m.js }\n", "m.js": "console.log('x')\n"})
    m.tree("acme/comp@v1", {"action.yml": "name: x\nruns: { using: composite, steps: [ { uses: acme/js@v1 }, { shell: bash, run: 'true' } ] }\n"})
    phases = {"fetch": {"egress": [{"host": "allowed.test", "port": 443, "why": "x"}]}}
    steps = [{"uses": "acme/js@v1", "id": "a", "_phase": "fetch"}, {"uses": "acme/comp@v1", "id": "b", "_phase": BUILD_PHASE}, {"uses": "acme/comp@v1", "id": "c", "_phase": PUSH}]
    plan = json.loads(m.run(steps, command="plan", options=["--json"], phases=phases).out)
    r = m.run(steps, phases=phases)
    phase = {s["ref"]: s["phase"] for s in plan["steps"]}
    for e in r.events("step.start"):
        equal(e["phase"], phase[e.get("brought_by") or e["step"]], f"phase of {e['step']}", r)
        equal(e["gate"], "open" if e["phase"] == "fetch" else "closed", f"gate of {e['step']}", r)
    equal([(e["step"], e.get("stage")) for e in r.events("step.start")][:4], [("a#2", "pre"), ("b#2", "pre"), ("c#2", "pre"), ("a", "main")], "the first steps", r)
    equal(sorted(e["step"] for e in r.events("step.start", stage="post")), ["a#3", "b#5", "c#5"], "post stages", r)


@case("A-06 G-10", "what a build step leaves in the tool directory is not what a push step's action finds there, and neither is its post stage's")
@mirrored
def _(m):
    find = "name: x\nruns: { using: composite, steps: [ { shell: bash, run: 'echo @@%s=$(ls $RUNNER_TOOL_CACHE | wc -l)@@; touch $RUNNER_TOOL_CACHE/poison; ln -s x $HOME/.npmrc || true', name: look } ] }\n"
    m.tree("acme/build@v1", {"action.yml": find % "build"})
    m.tree("acme/push@v1", {"action.yml": find % "push"})
    r = m.run([{"uses": "acme/build@v1", "id": "a", "_phase": BUILD_PHASE}, {"uses": "acme/push@v1", "id": "b", "_phase": PUSH}])
    equal((r.mark("build"), r.mark("push")), ("0", "0"), "what lay in the tool directory", r)


@case("", "the stage before the first step of an action inside of another one runs with the inputs of both, and shares its state with its later stages alone")
@mirrored
def _(m):
    if not NODE:
        raise Skip("no node in /usr/local/bin, /usr/bin or /bin (scripts/deps --peers)")
    say = "const s = require('fs'), e = process.env; const put = (f, t) => s.appendFileSync(e[f], t + '\\n'); const say = (n) => console.log(`@@${n}.${e.INPUT_WHO}=${e.STATE_A},${e.STATE_B},${e.AROUND}@@`);\n"
    m.tree("acme/js@v1", {"action.yml": "name: x\ninputs: { who: {} }\nruns: { using: node20, pre: pre.js, main: main.js, post: post.js, pre-if: \"env.SKIP != 'yes'\" }\n",
                          "pre.js": say + "say('pre'); put('GITHUB_STATE', 'A=' + e.INPUT_WHO);", "main.js": say + "say('main'); put('GITHUB_STATE', 'B=1');", "post.js": say + "say('post');"})
    outer = {"name": "x", "inputs": {"v": {"default": "fallback"}}, "runs": {"using": "composite", "steps": [
        {"uses": "acme/js@v1", "with": {"who": "${{ inputs.v }}-1"}}, {"uses": "acme/js@v1", "with": {"who": "${{ inputs.v }}-2"}}]}}
    m.tree("acme/outer@v1", {"action.yml": json.dumps(outer)})
    m.tree("acme/outest@v1", {"action.yml": json.dumps({**outer, "runs": {"using": "composite", "steps": [{"uses": "acme/outer@v1", "with": {"v": "${{ inputs.v }}-deep"}}]}})})
    local = {"local/action.yml": json.dumps({**outer, "runs": {"using": "composite", "steps": [{"uses": "acme/js@v1", "with": {"who": "local"}}]}})}
    r = m.run([step("first", "true"), {"uses": "acme/outer@v1", "env": {"AROUND": "yes"}}, {"uses": "acme/js@v1", "with": {"who": "own"}, "env": {"SKIP": "yes"}},
               {"uses": "acme/outest@v1", "with": {"v": "x"}, "if": "false"}, {"uses": "./local"}], files=local)
    order = [line.split("@@")[1] for line in r.out.splitlines() if "| @@" in line]
    none = "undefined,undefined,"
    equal(order, [f"pre.fallback-1={none}yes", f"pre.fallback-2={none}yes", f"pre.x-deep-1={none}undefined", f"pre.x-deep-2={none}undefined",
                  "main.fallback-1=fallback-1,undefined,yes", "main.fallback-2=fallback-2,undefined,yes", f"main.own={none}undefined", f"main.local={none}undefined",
                  "post.local=undefined,1,undefined", "post.own=undefined,1,undefined", "post.x-deep-2=x-deep-2,undefined,undefined",
                  "post.x-deep-1=x-deep-1,undefined,undefined", "post.fallback-2=fallback-2,1,yes", "post.fallback-1=fallback-1,1,yes"], "stages", r)
    check("`pre` of acme/js@v1 is not run: an action of the workspace, and what it uses" in r.out, "nobody said what is not run", r)
    equal([e["action"] for e in r.events("step.start", stage="pre")], ["acme/js@v1"] * 4, "the record", r)


@case("", "an input that cannot be evaluated before the first step fails the job before it, and is told")
@mirrored
def _(m):
    m.tree("acme/js@v1", {"action.yml": "name: x\ninputs: { who: {} }\nruns: { using: node20, pre: a.js, main: a.js }\n", "a.js": "console.log('@@ran=1@@');\n"})
    m.tree("acme/outer@v1", {"action.yml": json.dumps({"name": "x", "inputs": {"v": {}}, "runs": {"using": "composite", "steps": [{"uses": "acme/js@v1"}]}})})
    r = m.run([step("first", "echo @@first=1@@"), {"uses": "acme/outer@v1", "with": {"v": "${{ fromJSON('nonsense') }}"}}], rc=1)
    check("before the first step cannot be set up" in r.out and not r.marks, "what ran", r)


@case("A-02", "actions that use one another without end cost a bounded while before the first step")
@mirrored
def _(m):
    for i in range(9):
        m.tree(f"acme/a{i}@v1", {"action.yml": json.dumps({"name": "x", "runs": {"using": "composite", "steps": [{"uses": f"acme/a{i + 1}@v1"}] * 20}})})
    m.tree("acme/a9@v1", {"action.yml": "name: x\nruns: { using: node20, pre: a.js, main: a.js }\n", "a.js": "console.log('@@ran=1@@');\n"})
    r = m.run(["acme/a0@v1"], rc=None)
    check(r.rc != 0 and "more than 5000 times" in r.out and not r.marks, f"status {r.rc}", r)


@case("C-02", "a credential that a step of the workflow passes on as an input is there in the steps of its composite action, if the policy names that step, and nowhere else")
@mirrored
def _(m):
    inner = {"shell": "bash", "name": "use", "run": "echo @@$WHO=${#VALUE},${#T}@@; echo the value is $VALUE", "env": {"VALUE": "${{ inputs.token }}", "WHO": "${{ inputs.who }}"}}
    m.tree("acme/inner@v1", {"action.yml": json.dumps({"name": "x", "inputs": {"token": {}, "who": {}}, "runs": {"using": "composite", "steps": [inner]}})})
    m.tree("acme/outer@v1", {"action.yml": json.dumps({"name": "x", "inputs": {"token": {}, "who": {}}, "runs": {"using": "composite", "steps": [
        {"uses": "acme/inner@v1", "with": {"token": "${{ inputs.token }}", "who": "${{ inputs.who }}"}}]}})})
    with tempfile.NamedTemporaryFile("w") as secret:
        secret.write("canary-0123456789")
        secret.flush()
        steps = [{"uses": "acme/outer@v1", "id": name, "_phase": PUSH, "with": {"who": name, "token": "${{ secrets.T }}"}} for name in ("named", "other")]
        r = m.run(steps, credentials={"T": {"from": {"file": secret.name}, "for": {"phase": "push", "steps": ["named"]}, "as": {"env": "T"}, "ttl": "5m"}})
    equal((r.mark("named"), r.mark("other")), ("17,17", "0,0"), "what they held", r)
    check("canary-0123456789" not in r.out and "the value is ***" in r.out.replace("[masked]", "***"), "the value in the log", r)
    check("credentials.T.for.steps: [ ..., other ]" in r.out, "nobody said what would give it to the other", r)
    equal([e["step"] for event in ("cred.grant", "cred.revoke") for e in r.events(event)], ["named#3"] * 2, "grants", r)


@case("V-08", "an observed run with actions becomes a policy that names them, under which it passes; without any one of its lines something is refused; and a refusal says which action asked")
@mirrored
def _(m):
    sha = m.repository("acme/tool", {"action.yml": json.dumps({"name": "x", "runs": {"using": "composite", "steps": [
        {"shell": "bash", "name": "get", "run": "python3 -c \"import urllib.request as u; print('@@got=%s@@' % u.urlopen('http://allowed.test/').status)\""}]}})})
    m.tree("acme/outer@v1", {"action.yml": f"name: x\nruns: {{ using: composite, steps: [ {{ uses: acme/tool@{sha} }} ] }}\n"})
    job = Job([{"uses": "acme/outer@v1", "_phase": BUILD_PHASE}, step("plain", "true")], actions={"pin": "tag", "allow": ["acme/*"], "mirror": m.dir})
    state = ("--state-dir", os.path.join(job.dir, "state"))

    def drydock(*args, rc=0):
        done = subprocess.run([*AS_USER, DRYDOCK, *args], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
        check(rc is None or done.returncode == rc, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done
    try:
        r = job.run(*state)
        denied = next(e for e in r.record if e["event"] == "dns.deny")
        said = drydock("policy", "explain", "--record", "record.jsonl", "--seq", str(denied["seq"]), rc=4).stdout
        flat = " ".join(said.split())
        check(f"action a step of acme/tool@{sha}, commit {sha}, brought by acme/outer@v1" in flat, said)
        check('match: { uses: "acme/outer@v1" }' in flat and "host: allowed.test" in flat, said)
        r = job.run("--observe", *state)
        equal(r.mark("got"), "200", "the observed run", r)
        text = drydock("policy", "suggest", "record.jsonl", "--no-sets").stdout
        for line in ('- "acme/outer"', '- "acme/tool"', "pin: tag", f'mirror: "{m.dir}"', '"acme/outer@v1" was sha256', 'match: { uses: "acme/outer@v1" }'):
            check(line in text, f"{line}\n{text}")
        shutil.copy(os.path.join(job.dir, "record.jsonl"), os.path.join(job.dir, "observed.jsonl"))
        job.write("policy.yml", text)
        drydock("policy", "replay", "observed.jsonl", "--policy", "policy.yml")
        r = job.run(*state)
        equal((r.rc, r.mark("got")), (0, "200"), "under the suggested policy", r)
        lines = text.splitlines(keepends=True)
        for i, line in enumerate(lines):
            if line.strip() and line.strip()[0] not in "#v" and not line.rstrip().endswith(":"):
                job.write("less.yml", "".join(lines[:i] + lines[i + 1:]))
                code = drydock("policy", "replay", "observed.jsonl", "--policy", "less.yml", rc=None).returncode
                check(code in (2, 4), f"{code} without {line}")
    finally:
        job.close()


@case("", "a plan and `explain --store` say what an action may do with caches and artifacts, and the line that would change it is enough")
@mirrored
def _(m):
    m.tree("acme/one@v1", {"action.yml": COMPOSITE % "one"})
    job = Job([{"uses": "acme/one@v1", "id": "one", "_phase": PUSH}, {"uses": "acme/one@v1", "id": "two", "_phase": BUILD_PHASE}, step("plain", "true")],
              actions={"pin": "tag", "allow": ["acme/*"], "mirror": m.dir}, cache={"read": "fetch"})
    args = ("workflow.yml", "--policy", "policy.yml", "--workspace", "src", "--state-dir", os.path.join(job.dir, "state"))

    def drydock(*more):
        return subprocess.run([*AS_USER, DRYDOCK, *more], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
    try:
        plan = json.loads(drydock("plan", *args, "--json").stdout)
        equal([s.get("cache") for s in plan["steps"]], [{"read": False, "write": False}, {"read": False, "write": True}, None], "what the plan says")
        equal([s["artifact_store"]["read"] for s in plan["steps"][:2]], [False, True], "artifacts")
        check("cache      may be written" in drydock("plan", *args).stdout, "the plan in words")
        rows = (("one", "cache-read", 4, False), ("two", "cache-read", 4, True), ("two", "cache-write", 0, False), ("plain", "cache-write", 4, False), ("two", "artifact-write", 0, False))
        for name, what, rc, edits in rows:
            done = drydock("policy", "explain", *args, "--step", name, "--store", what, "--json")
            equal(done.returncode, rc, f"{name} {what}: {done.stdout}{done.stderr}")
            answer = json.loads(done.stdout)
            equal(bool((answer["advice"] or {}).get("edits")), edits, f"edits of {name} {what}: {answer}")
            if edits:
                edit = answer["advice"]["edits"][0]
                with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
                    text = file.read()
                job.write("policy.yml", text[:edit["offset"]] + edit["insert"] + text[edit["offset"] + edit["remove"]:])
                equal(drydock("policy", "explain", *args, "--step", name, "--store", what).returncode, 0, f"after the edit: {edit}")
        equal(drydock("policy", "explain", *args, "--step", "two", "--store", "caches").returncode, 2, "no such question")
    finally:
        job.close()


@case("", "actions that no run uses any more are removed, those of a run that lives are not")
@mirrored
def _(m):
    for name in ("old", "new"):
        m.tree(f"acme/{name}@v1", {"action.yml": COMPOSITE % name})
    job = Job([{"uses": "acme/old@v1", "_phase": BUILD_PHASE}, {"uses": "acme/new@v1", "_phase": BUILD_PHASE}, step("wait", "echo now; while [ ! -e /work/go ]; do sleep 0.1; done")],
              actions={"pin": "any", "allow": ["acme/*"], "mirror": m.dir})
    state = os.path.join(job.dir, "state")
    store = os.path.join(state, "actions")

    def prune(*args, rc=0):
        done = subprocess.run([*AS_USER, DRYDOCK, "actions", "prune", "--state-dir", state, *args], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
        equal(done.returncode, rc, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def trees():
        return sorted(n for n in os.listdir(store) if len(n) == 64)
    process = job.popen("--state-dir", state)
    try:
        for line in process.stdout:
            if b"| now" in line:
                break
        equal(len(trees()), 2, "trees")
        check("a run uses the actions" in prune("--all", rc=2), "nobody said why")
        os.utime(os.path.join(store, trees()[0]), (1, 1))
        os.makedirs(os.path.join(store, "arriving-1-1"))
        os.utime(os.path.join(store, "arriving-1-1"), (1, 1))
        check("1 action, " in prune("--days=3"), "what is old")
        equal((len(trees()), os.path.exists(os.path.join(store, "arriving-1-1"))), (1, False), "what is left")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    check("1 action, " in prune("--all"), "when no run lives")
    equal(trees(), [], "all")
    for args in ((), ("--all", "--days=1"), ("--days=0",), ("--all", "workflow.yml")):
        prune(*args, rc=2)
    job.close()


def setup():
    Resolver().say("allowed.test", ALLOWED)
    Web(ALLOWED, "allowed")


if __name__ == "__main__":
    main(setup)
