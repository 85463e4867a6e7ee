#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""checkout_test.py - a job on a git repository: which commit it is told, what of it is copied, and that git works in its steps."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, DRYDOCK, ROOT, Run, Skip, case, check, equal, main  # noqa: E402

GIT_ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x.test", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@x.test", "LANG": "C.UTF-8"}
WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - id: look\n        name: look\n        run: |\n"


class Repo:
    """A directory with the repository r/ in it; sh() runs a script there, drydock() a job whose one step is a script."""

    def __init__(self, script="", where="r"):
        self.dir, self.where = tempfile.mkdtemp(prefix="dd-git-"), where
        os.chmod(self.dir, 0o755)
        self.sh("git init -q r; cd r; mkdir src; echo one >src/main.c; echo two >README; printf 'dist/\\n.env\\n' >.gitignore; git add .; git commit -qm one")
        if script:
            self.sh(script)

    def sh(self, script):
        functions = 'git() { command git -c protocol.file.allow=always -c init.defaultBranch=main -c advice.detachedHead=false "$@"; }; set -e\n'
        done = subprocess.run(["bash", "-c", functions + script], cwd=self.dir, env=GIT_ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        check(done.returncode == 0, f"{script}: {done.stdout.decode()}")
        return done.stdout.decode().strip()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def drydock(self, script, *options, cwd=None, rc=0, command="run", steps="", policy=None):
        self.write("ci.yml", WORKFLOW + "".join("          " + line + "\n" for line in script.splitlines()) + steps)
        argv = [*AS_USER, DRYDOCK, command, self.path("ci.yml"), *options]
        if policy:
            self.write("policy.yml", policy)
            argv += ["--policy", self.path("policy.yml")]
        if command == "run" and "--record" not in options:
            if os.path.exists(self.path("record.jsonl")):
                os.unlink(self.path("record.jsonl"))
            argv += ["--record", self.path("record.jsonl")]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", "XDG_STATE_HOME": self.path("state")}
        done = subprocess.run(argv, cwd=self.path(cwd or self.where), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        r = Run(self.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)
        if rc is not None:
            equal(r.rc, rc, f"exit status of {' '.join(argv)}", r)
        return r

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def on(script="", **more):
    """Decorates a test that is given a Repo."""
    def wrap(function):
        def test():
            if not shutil.which("git"):
                raise Skip("git is not installed")
            repo = Repo(script, **more)
            try:
                function(repo)
            finally:
                repo.close()
        return test
    return wrap


TELL = "for v in SHA REF REF_NAME REF_TYPE REPOSITORY REPOSITORY_OWNER; do n=GITHUB_$v; echo @@$v=${!n-unset}@@; done"


@case("", "a step is told commit, ref and repository of the checkout: branch, packed refs, worktree, detached head, and a repository without a commit")
@on("cd r; git remote add origin https://someone:token@example.com/acme/app.git")
def _(repo):
    def told(want, **more):
        r = repo.drydock(TELL, **more)
        equal({k: r.mark(k) for k in want}, want, str(more), r)
        check("token" not in str(r.marks), "the user in the URL is told", r)
    head = repo.sh("cd r; git rev-parse HEAD")
    both = {"REPOSITORY": "acme/app", "REPOSITORY_OWNER": "acme"}
    told({"SHA": head, "REF": "refs/heads/main", "REF_NAME": "main", "REF_TYPE": "branch", **both})
    told({"SHA": head, "REF": "refs/heads/main", **both}, cwd="r/src")
    head = repo.sh("cd r; git checkout -qb feature/x; git commit -q --allow-empty -m two; git pack-refs --all; git gc -q; git rev-parse HEAD")
    told({"SHA": head, "REF": "refs/heads/feature/x", "REF_NAME": "feature/x", **both})
    head = repo.sh("cd r; git worktree add -q ../w -b side; cd ../w; git commit -q --allow-empty -m w; git rev-parse HEAD")
    told({"SHA": head, "REF": "refs/heads/side", **both}, cwd="w")
    told({"SHA": repo.sh("cd r; git checkout -q --detach HEAD~1; git rev-parse HEAD"), "REF": "", "REF_NAME": "", **both})
    repo.sh("git init -q new; touch new/x")
    told({"SHA": "", "REF": "refs/heads/main", "REPOSITORY": ""}, cwd="new")


@case("", "the forge's event has the last word on ref and repository, and a workflow cannot say who it is")
@on("cd r; git remote add origin https://example.com/acme/app.git")
def _(repo):
    repo.write("e.json", '{"ref": "refs/tags/v1", "ref_protected": true, "repository": {"full_name": "forge/said"}}')
    r = repo.drydock("export GITHUB_SHA_=1\n" + TELL, "--event", repo.path("e.json"))
    equal((r.mark("REF"), r.mark("REF_NAME"), r.mark("REF_TYPE"), r.mark("REPOSITORY")), ("refs/tags/v1", "v1", "tag", "forge/said"), "of the event", r)
    equal(r.mark("SHA"), repo.sh("cd r; git rev-parse HEAD"), "the commit", r)


SHOW = "echo @@files=$(find . -path ./.git -prune -o \\( -type f -o -type l \\) -print | sort | tr '\\n' ' ')@@; echo @@status=$(git status --porcelain | tr '\\n' ';')@@"


@case("", "what git tracks is copied as it stands on disk; untracked and ignored files stay out, and --untracked brings them")
@on("cd r; echo secret >.env; mkdir dist; echo stale >dist/app; echo new >notes; echo changed >>README; ln -s README link; git add link; git commit -qm link; cd src; ln -s main.c deep")
def _(repo):
    r = repo.drydock(SHOW)
    equal(r.mark("files"), "./.gitignore ./README ./link ./src/main.c ", "files", r)
    equal(r.mark("status"), " M README;", "git status in the step", r)
    check("the workspace is not the commit" in r.out and "1 changed" in r.out, "that the tree is dirty is not told", r)
    w = r.events("workspace")[0]
    equal((w["copied"], w["dirty"], w["changed"], w["missing"], w["staged"], w["ref"], w["commit"]),
          ("tracked", True, 1, 0, "nothing", "refs/heads/main", repo.sh("cd r; git rev-parse HEAD")), "the record", r)
    r = repo.drydock(SHOW, "--untracked")
    equal(r.mark("files"), "./.env ./.gitignore ./README ./dist/app ./link ./notes ./src/deep ./src/main.c ", "files with --untracked", r)
    equal((r.events("workspace")[0]["copied"], r.events("workspace")[0]["dirty"]), ("everything", True), "the record", r)


@case("", "what is staged, removed, changed in mode or kind is told; a clean tree is not called dirty, however often it was touched or copied")
@on("cd r; touch README src/main.c; cd ..; cp -r r copied")
def _(repo):
    for where in ("r", "copied"):
        r = repo.drydock(SHOW, cwd=where)
        w = r.events("workspace")[0]
        equal((w["dirty"], w["changed"], w["missing"], w["staged"]), (False, 0, 0, "nothing"), f"the record of {where}", r)
        check("not the commit" not in r.out, "a clean tree is called dirty", r)
        equal(r.mark("status"), "", "git status in the step", r)
    for script, want in (("echo x >>README; git add README", (0, 0, "changes")), ("git reset -q --hard; rm README", (0, 1, "nothing")),
                         ("git reset -q --hard; chmod +x README", (1, 0, "nothing")), ("git reset -q --hard; rm README; ln -s x README", (1, 0, "nothing")),
                         ("git reset -q --hard; git mv README R", (0, 0, "changes")), ("git reset -q --hard; rm -r src", (0, 1, "nothing")),
                         ("git reset -q --hard; git commit -q --allow-empty -m x; echo y >y; git add y; git commit -qm y; git reset -q --soft HEAD~1", (0, 0, "changes")),
                         ("git reset -q --hard; sed -i s/t/T/ README; touch -r .git/HEAD README", (1, 0, "nothing"))):
        repo.sh("cd r; " + script)
        r = repo.drydock(SHOW)
        w = r.events("workspace")[0]
        equal((w["dirty"], w["changed"], w["missing"], w["staged"]), (True, *want), f"the record after {script}", r)
        check("the workspace is not the commit" in r.out, f"not told after {script}", r)


@case("", "the root of the repository is the workspace wherever drydock is started, and a part of it is told to be one")
@on("cd r; mkdir -p a/b; echo x >a/b/f; git add a; git commit -qm a")
def _(repo):
    for cwd in ("r", "r/a", "r/a/b"):
        r = repo.drydock(SHOW, cwd=cwd)
        equal(r.mark("files"), "./.gitignore ./README ./a/b/f ./src/main.c ", f"files from {cwd}", r)
    for command in ("run", "plan"):
        r = repo.drydock("echo @@files=$(find . -type f)@@", "--workspace", "a", command=command)
        check("git does not work in the steps" in r.out and "only the part a/ of its repository" in r.out, f"{command} does not say that it is a part", r)
        if command == "run":
            equal(r.mark("files"), "./b/f", "files of the part", r)


GIT_WORKS = SHOW + "; echo @@log=$(git log --oneline | wc -l)@@; git -c user.name=x -c user.email=x commit -q --allow-empty -m x && echo @@commit=works@@; git fsck --no-progress 2>&1 | head -3"


@case("", "git works in the steps of a worktree, a submodule, a repository with submodules, packed refs, SHA-256 and a shallow clone")
@on("cd r; git commit -q --allow-empty -m two; git worktree add -q ../w -b side; cd ../w; echo w >w; git add w; git commit -qm w; cd ..; git init -q s; cd s; git submodule --quiet add ../r libs/mod; "
    "git commit -qm sub; cd ..; git clone -q --depth 1 file://$PWD/r shallow; git init -q --object-format=sha256 sha; cd sha; echo 1 >one; git add one; git commit -qm one; git pack-refs --all; git gc -q")
def _(repo):
    for where, files, log in (("w", "./.gitignore ./README ./src/main.c ./w ", "3"), ("s/libs/mod", "./.gitignore ./README ./src/main.c ", "2"),
                              ("shallow", "./.gitignore ./README ./src/main.c ", "1"), ("sha", "./one ", "1"),
                              ("s", "./.gitmodules ./libs/mod/.gitignore ./libs/mod/README ./libs/mod/src/main.c ", "1")):
        r = repo.drydock(GIT_WORKS.replace("-path ./.git ", "-name .git "), cwd=where)
        equal((r.mark("files"), r.mark("status"), r.mark("log"), r.mark("commit")), (files, "", log, "works"), f"in {where}", r)
        check("does not work" not in r.out and "not the commit" not in r.out, f"told of {where}", r)
    r = repo.drydock("cd libs/mod; " + GIT_WORKS, cwd="s")
    equal((r.mark("status"), r.mark("log"), r.mark("commit")), ("", "2", "works"), "in the submodule of s", r)
    repo.sh("cd s/libs/mod; git commit -q --allow-empty -m ahead; cd ../..; git clone -q . ../bare-sub")
    r = repo.drydock(SHOW, cwd="s")
    check("1 changed" in r.out, "a submodule at another commit is not told", r)
    r = repo.drydock(SHOW, cwd="bare-sub")
    check("1 of 1 submodules are not checked out" in r.out, "an empty submodule is not told", r)


@case("", "a clone that borrows objects, a .git that leads elsewhere, and an index that cannot be believed are told by plan and run")
@on("git clone -q --shared r shared; git init -q --separate-git-dir sep.git sep; cp r/README sep; mkdir linked; ln -s ../r/.git linked/.git; cp -r r cut; truncate -s -5 cut/.git/index")
def _(repo):
    for where, says in (("shared", "git misses objects in the steps: this clone borrows them from"), ("sep", "git does not work in the steps: .git names a directory that does not point back"),
                        ("linked", "git does not work in the steps: .git is a link"), ("cut", "everything is copied, and counts as tracked: git's index is damaged")):
        for command in ("plan", "run"):
            r = repo.drydock("echo @@files=$(ls)@@", cwd=where, command=command)
            check(says in r.out, f"{command} in {where} does not say: {says}", r)
        check("README" in r.mark("files") or where == "linked", "the files were not copied", r)
    r = repo.drydock("cat .git/objects/info/alternates && echo @@alternates=there@@; true", cwd="shared")
    check("alternates" not in r.marks, "a step sees where the objects are", r)


@case("C-11 C-19", "credentials, helpers, headers and hooks of the checkout reach no step, and what was left out is told")
@on("cd r; git remote add origin https://user:c4nary@example.com/acme/app.git; git config http.https://example.com/.extraheader 'AUTHORIZATION: basic c4nary'; "
    "git config credential.helper '!echo password=c4nary'; git config core.hooksPath /evil-c4nary; git config includeIf.gitdir:/.path /c4nary; git config url.https://c4nary@example.com/.insteadOf x:; "
    "git config extensions.worktreeConfig true; git config --worktree http.extraheader c4nary; echo c4nary >.git/credentials; mkdir -p .git/hooks .git/logs; echo c4nary >.git/hooks/post-checkout; "
    "echo c4nary >>.git/logs/HEAD; echo c4nary >.git/FETCH_HEAD; cd ..; git init -q s; cd s; git submodule --quiet add ../r mod; git commit -qm s; git -C mod config http.extraheader c4nary; "
    "git -C mod config core.fsmonitor c4nary")
def _(repo):
    look = "echo @@found=$(grep -rls c4nary /work /home /tmp /var/tmp /work-temp /opt/hostedtoolcache /dev/shm /etc | tr '\\n' ' ')@@; echo @@url=$(git remote get-url origin)@@; git status"
    for options in ((), ("--untracked",)):
        r = repo.drydock(look, *options)
        equal((r.mark("found").strip(), r.mark("url")), ("", "https://example.com/acme/app.git"), f"in r {options}", r)
        for name in ("http.extraheader", "credential.helper", "core.hookspath", "includeif.path", "url.insteadof", "remote.url"):
            check(name in r.out, f"that {name} was left out is not told", r)
        check("c4nary" not in r.out.replace("@@found", ""), "drydock tells the secret itself", r)
        r = repo.drydock(look, *options, cwd="s")
        equal(r.mark("found").strip(), "", f"in s {options}", r)
    r = repo.drydock("echo @@found=$(grep -rl c4nary . | tr '\\n' ' ')@@", "--workspace", ".", cwd=".", rc=None)   # repositories in a directory that is none
    equal(r.mark("found").replace("./ci.yml ", "").strip(), "", "in the directory around them", r)


@case("", "policy, event, record, state and the files of credentials are not shown to the steps, wherever in the workspace they lie")
@on()
def _(repo):
    policy = "version: 1\nsteps: [ { phase: push, match: { id: look } } ]\nphases: { push: { workspace: shared } }\ncredentials: { t: { from: { file: token }, for: { phase: push, steps: [ look ] }, as: { env: T } } }\n"
    for git in (True, False):
        where = "r" if git else "plain"
        os.makedirs(repo.path(where, "conf"), exist_ok=True)
        for name, text in (("policy.yml", policy), ("conf/token", "s3cret-value"), ("conf/policy.yml", policy), ("event.json", '{"ref_protected": true, "ref": "refs/heads/main"}'), ("keep", "x")):
            repo.write(f"{where}/{name}", text)
        os.chmod(repo.path(where, "conf/token"), 0o600)
        if git:
            repo.sh("cd r; git add -A; git commit -qm all")   # even tracked
        r = repo.drydock("echo @@seen=$(find . -path ./.git -prune -o -type f -print | sort | tr '\\n' ' ')@@", "--policy", "conf/policy.yml", "--event", "event.json", "--record", "rec.jsonl",
                         "--state-dir", "st", cwd=where)
        seen = r.mark("seen").split()
        check("./keep" in seen and "./policy.yml" in seen, f"too little is shown: {seen}", r)
        check(not {"./conf/policy.yml", "./event.json", "./rec.jsonl", "./conf/token"} & set(seen) and not any(f.startswith("./st/") for f in seen), f"shown: {seen}", r)
        check("not shown to the steps" in r.out, "it is not told", r)


@case("", "sparse files stay sparse, links and modes stay, and nothing of a file that is gone or turned into a directory is copied")
@on("cd r; truncate -s 300M hole; printf end >>hole; git update-index --add --cacheinfo 100644,$(git hash-object -w README),hole; mkdir gone; echo x >gone/f; echo y >turned; git add gone turned; git commit -qm x; "
    "rm -r gone turned; mkdir turned; echo z >turned/new; chmod +x README")
def _(repo):
    r = repo.drydock("echo @@hole=$(stat -c '%s' hole) $(($(stat -c '%b' hole) < 100))@@; echo @@x=$(test -x README && echo yes)@@; echo @@turned=$(ls -A turned 2>/dev/null)@@")
    equal((r.mark("hole"), r.mark("x"), r.mark("turned")), (f"{(300 << 20) + 3} 1", "yes", ""), "the copy", r)


@case("F-18", "an index that lists what git would never track leads nowhere")
@on("echo outside >outside")
def _(repo):
    for name in ("../outside", "/etc/passwd", "src/../../outside", ".git/config", "src//main.c", ".GIT/x"):
        raw = name.encode()
        entry = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(12) + bytes(20) + len(raw).to_bytes(2, "big") + raw
        body = b"DIRC" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + entry + bytes(8 - len(entry) % 8)
        with open(repo.path("r/.git/index"), "wb") as file:
            file.write(body + hashlib.sha1(body).digest())
        r = repo.drydock("echo @@files=$(find . -path ./.git -prune -o -type f -print | sort | tr '\\n' ' ')@@; grep -rl --exclude-dir=.git outside . | sed 's/.*/@@leak=&@@/'")
        check("leak" not in r.marks and "./README" in r.mark("files"), f"{name}: {r.marks}", r)
        check("everything is copied" in r.out, f"{name}: not told", r)


LIST = "echo @@files=$(find . -path ./.git -prune -o -type f -print | sort | tr '\\n' ' ')@@; echo @@status=$(git status --porcelain | tr '\\n' ' ')@@\n" + TELL


@case("", "--rev takes the commit alone, by HEAD, branch, tag, annotated tag, remote branch, full and short name; variables, record and plan say which")
@on("""cd r; echo two >src/main.c; git add .; git commit -qm two; git tag light; git tag -am note heavy HEAD~1; git tag -am again heavier heavy
git branch side HEAD~1; git update-ref refs/remotes/origin/far HEAD~1; git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/far
echo dirty >src/main.c; echo secret >.env; echo stray >stray; echo staged >staged; git add staged""")
def _(repo):
    new, old = repo.sh("cd r; git rev-parse HEAD"), repo.sh("cd r; git rev-parse HEAD~1")
    main_, side = "refs/heads/main", "refs/heads/side"
    kinds = [("HEAD", new, main_), ("@", new, main_), ("main", new, main_), ("side", old, side), ("refs/heads/side", old, side), ("heads/side", old, side),
             ("light", new, "refs/tags/light"), ("heavy", old, "refs/tags/heavy"), ("heavier", old, "refs/tags/heavier"), ("origin/far", old, "refs/heads/far"),
             ("origin", old, "refs/heads/far"), (old, old, ""), (old[:7], old, ""), (new[:12].upper(), new, "")]
    for packed in (False, True):
        for rev, sha, ref in kinds[::2] if packed else kinds:
            r = repo.drydock("cat src/main.c | sed 's/.*/@@main=&@@/'; git rev-parse HEAD | sed 's/.*/@@head=&@@/'\n" + LIST, "--rev", rev)
            equal((r.mark("SHA"), r.mark("REF"), r.mark("head"), r.mark("main")), (sha, ref, sha, "two" if sha == new else "one"), f"--rev {rev}", r)
            equal((r.mark("files").strip(), r.mark("status")), ("./.gitignore ./README ./src/main.c", ""), f"files of --rev {rev}", r)
            told = r.events("workspace")[0]
            equal((told["copied"], told["rev"], told["commit"], told["dirty"]), ("commit", rev, sha, False), "record", r)
            check(f"the commit {sha[:12]} alone (--rev {rev})" in r.out and "no filter" in r.out, "the head of the run does not say so", r)
        repo.sh("cd r; git pack-refs --all; git gc -q --aggressive --prune=now")
    r = repo.drydock("true", "--rev", "side", command="plan")
    check(f"the commit {old[:12]} alone (--rev side)" in r.out and "LFS" in r.out, "the plan does not say so", r)
    equal(repo.sh("cd r; cat src/main.c .env stray; git diff --cached --name-only").split(), ["dirty", "secret", "stray", "staged"], "the caller's tree")


@case("", "--rev of what is no commit, is not unique, or is an expression says so and runs nothing; so does one with --untracked, a part of a repository, or none")
@on("cd r; git tag atree HEAD^{tree}")
def _(repo):
    many = repo.sh("cd r; for i in $(seq 700); do echo $i; done | sed 's/.*/echo & >n\\/&/' >../mk; mkdir n; sh ../mk; git hash-object -w n/*").split()
    short = next(a[:4] for i, a in enumerate(many) for b in many[i + 1:] if a[:4] == b[:4])
    for rev, why in (("nonesuch", "there is no such branch"), ("HEAD~1", "git rev-parse"), ("main@{1}", "git rev-parse"), ("", "takes a branch"), ("-x", "takes a branch"),
                     ("abcdef1234567", "there is no such"), ("f" * 40, "there is no such"), ("atree", "is no commit"), ("../../etc/passwd", "there is no such"), (short, "several objects")):
        r = repo.drydock("echo @@ran=yes@@", f"--rev={rev}", rc=2)
        check(why in r.out and "ran" not in r.marks, f"--rev {rev}: {why}", r)
    check("one of them" in repo.drydock("true", "--rev", "HEAD", "--untracked", rc=2).out, "--untracked")
    check("is the part src/" in repo.drydock("true", "--rev", "HEAD", "--workspace", repo.path("r/src"), rc=2).out, "a part")
    check("in no git repository" in repo.drydock("true", "--rev", "HEAD", "--workspace", repo.dir, rc=2).out, "no repository")


@case("", "--rev works in a worktree, a submodule and a clone that borrows objects; those are shown to git alone")
@on("cd r; git worktree add -q ../w -b side; cd ../w; echo w >only-w; git add .; git commit -qm w; cd ..; git clone -q --shared r shared; git clone -q --shared shared twice; rm -f shared/README;"
    "git init -q s; cd s; git submodule --quiet add ../r sub; git commit -qm s")
def _(repo):
    plain = "./.gitignore ./README ./src/main.c"
    for where, files in (("w", "./.gitignore ./README ./only-w ./src/main.c"), ("shared", plain), ("twice", plain), ("s/sub", plain)):
        r = repo.drydock("echo @@files=$(find . -path ./.git -prune -o -type f -print | sort | tr '\\n' ' ')@@; ls -d /run/drydock/objects 2>/dev/null || echo @@borrowed=none@@", "--rev", "HEAD", cwd=where)
        equal((r.mark("files").strip(), r.mark("borrowed")), (files, "none"), where, r)
    r = repo.drydock("git status --porcelain | sed 's/.*/@@dirty=&@@/'; ls sub | sed 's/.*/@@sub=&@@/'", "--rev", "HEAD", cwd="s")
    check("dirty" not in r.marks and "sub" not in r.marks and "submodules stay empty" in r.out, "a submodule", r)


@case("", "--rev with a push step: it sees the commit, and what a build step changes is noticed as ever")
@on("cd r; echo dirty >README")
def _(repo):
    r = repo.drydock("cat README; echo changed >README", "--rev", "main", steps="      - id: publish\n        name: publish\n        run: cat README | sed 's/.*/@@pushed=&@@/'\n",
                     policy="version: 1\nsteps:\n  - { phase: push, match: { id: publish } }\nphases: { push: { workspace: pristine } }\n")
    equal(r.mark("pushed"), "two", "what the push step sees", r)
    check("| two" in r.out and "changed the tracked source file README" in r.out, "the build step's tree, or its change", r)


@case("", "without git on the host --rev says what to install, and nothing runs")
@on()
def _(repo):
    if not ROOT:
        raise Skip("covering a program of the host takes root")
    covered = sorted({os.path.realpath(p) for p in ("/usr/bin/git", "/bin/git", "/usr/local/bin/git") if os.path.exists(p)})
    try:
        for path in covered:
            subprocess.run(["mount", "--bind", "/dev/null", path], check=True)
        r = repo.drydock("echo @@ran=yes@@", "--rev", "HEAD", rc=3)
        check("apt-get install git" in r.out and "ran" not in r.marks, "it is not said", r)
    finally:
        for path in covered:
            subprocess.run(["umount", path], check=False)


if __name__ == "__main__":
    main()
