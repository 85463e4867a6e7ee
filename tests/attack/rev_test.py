#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rev_test.py - repositories that attack whoever checks a commit of theirs out (F-11), run with --rev."""
import os
import subprocess
import sys
import tempfile
import shutil
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, DRYDOCK, Run, Skip, case, check, equal, main  # noqa: E402

GIT_ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x.test", "GIT_COMMITTER_NAME": "a",
           "GIT_COMMITTER_EMAIL": "a@x.test", "LANG": "C.UTF-8"}
WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - id: look\n        name: look\n        run: |\n"


class Repo:
    def __init__(self, script):
        if not shutil.which("git"):
            raise Skip("git is not installed")
        self.dir = tempfile.mkdtemp(prefix="dd-rev-")
        os.chmod(self.dir, 0o755)
        self.sh("git -c init.defaultBranch=main init -q r; cd r; echo one >f; git add f; git commit -qm one")
        self.sh("cd r\n" + script)

    def sh(self, script):
        done = subprocess.run(["bash", "-ec", script], cwd=self.dir, env=GIT_ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        check(done.returncode == 0, f"{script}: {done.stdout.decode()}")
        return done.stdout.decode().strip()

    def run(self, script, rev="HEAD", policy=None):
        with open(self.dir + "/ci.yml", "w", encoding="utf-8") as file:
            file.write(WORKFLOW + "".join("          " + line + "\n" for line in script.splitlines()))
        if policy:
            with open(self.dir + "/policy.yml", "w", encoding="utf-8") as file:
                file.write(policy)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", "XDG_STATE_HOME": self.dir + "/state"}
        argv = [*AS_USER, DRYDOCK, "run", self.dir + "/ci.yml", "--rev", rev, "--record", self.dir + "/record.jsonl", "--state-dir", self.dir + "/state",
                *(["--policy", self.dir + "/policy.yml"] if policy else [])]
        started = time.monotonic()
        done = subprocess.run(argv, cwd=self.dir + "/r", env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, check=False)
        return Run(self.dir, done.returncode, done.stdout.decode("utf-8", "replace"), time.monotonic() - started)

    def snapshot(self):
        return self.sh("find r -type f -o -type l | sort | xargs -d '\\n' sh -c 'for p; do [ -L \"$p\" ] && readlink \"$p\" || sha256sum \"$p\"; done' sh")

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


@case("F-11", "hooks, filters, a file system monitor, attributes and replacements of a hostile repository do nothing in the checkout of --rev")
def _():
    repo = Repo("""
        mark="$PWD/../pwned"; evil="touch $mark /work/pwned"
        printf '%s\\n' '* filter=evil' 'g ident export-subst' >.gitattributes; echo '$Id$' >g; git add .; git commit -qm two
        echo three >f; git commit -qam three; git replace HEAD HEAD~1
        for h in post-checkout post-index-change reference-transaction pre-commit; do printf '#!/bin/sh\\n%s\\n' "$evil" >.git/hooks/$h; chmod +x .git/hooks/$h; done
        printf '* filter=evil\\n' >.git/info/attributes
        git config filter.evil.smudge "$evil; cat"; git config filter.evil.process "sh -c '$evil'"; git config filter.evil.required true
        git config core.fsmonitor "sh -c '$evil'"; git config core.hooksPath "$PWD/.git/hooks"; git config core.sshCommand "$evil"; git config core.pager "$evil"
        git config core.worktree /tmp; git config core.attributesFile "$PWD/.gitattributes"; git config include.path "$PWD/../more"
        printf '[core]\\n\\tfsmonitor = touch %s\\n' "$mark" >../more
    """)
    try:
        before = repo.snapshot()
        r = repo.run("echo @@f=$(cat f)@@; ls -A | tr '\\n' ' ' | sed 's/.*/@@ls=&@@/'; git config --list | grep -ci -e evil -e fsmonitor=sh | sed 's/.*/@@evil=&@@/'")
        equal((r.rc, r.mark("f"), r.mark("ls").strip(), r.mark("evil")), (0, "three", ".git .gitattributes f g", "0"), "exit status, files, configuration", r)
        check(not os.path.exists(repo.dir + "/pwned"), "something of it ran", r)
        equal(repo.snapshot(), before, "the caller's repository", r)
    finally:
        repo.close()


@case("F-11", "names in a hostile tree (.GIT, git~1, .., a link and what lies behind it) write nothing into the .git or out of the workspace")
def _():
    trees = {
        "case": r"""b=$(echo evil | git hash-object -w --stdin); h=$(printf '100755 blob %s\tpost-checkout\n' $b | git mktree); d=$(printf '040000 tree %s\thooks\n' $h | git mktree)
                    t=$(printf '040000 tree %s\t.GIT\n100644 blob %s\tok\n' $d $b | git mktree)""",
        "ntfs": r"""b=$(echo evil | git hash-object -w --stdin); t=$(printf '100644 blob %s\tgit~1\n' $b | git mktree)""",
        "dots": r"""b=$(echo evil | git hash-object -w --stdin); i=$(printf '100644 blob %s\tescaped\n' $b | git mktree)
                    t=$(printf '40000 ..\0%b' "$(echo $i | sed 's/../\\x&/g')" | git hash-object -t tree --literally -w --stdin)""",
        "git": r"""b=$(echo evil | git hash-object -w --stdin); i=$(printf '100644 blob %s\tconfig\n' $b | git mktree)
                   t=$(printf '40000 .git\0%b' "$(echo $i | sed 's/../\\x&/g')" | git hash-object -t tree --literally -w --stdin)""",
        "slash": r"""b=$(echo evil | git hash-object -w --stdin)
                    t=$(printf '100644 ../escaped\0%b' "$(echo $b | sed 's/../\\x&/g')" | git hash-object -t tree --literally -w --stdin)""",
        "behind": r"""b=$(echo evil | git hash-object -w --stdin); l=$(printf ../../../../../../../../../../../../tmp/dd-rev-escape | git hash-object -w --stdin); i=$(printf '100644 blob %s\tescaped\n' $b | git mktree)
                      t=$(printf '120000 a\0%b40000 a\0%b' "$(echo $l | sed 's/../\\x&/g')" "$(echo $i | sed 's/../\\x&/g')" | git hash-object -t tree --literally -w --stdin)""",
    }
    os.makedirs("/tmp/dd-rev-escape", exist_ok=True)
    try:
        for name, script in trees.items():
            repo = Repo(script + "\ngit update-ref refs/heads/evil $(git commit-tree -m x $t)")
            try:
                before = repo.snapshot()
                r = repo.run("echo @@config=$(grep -c evil .git/config)@@; ls .git/hooks 2>/dev/null | wc -l | sed 's/.*/@@hooks=&@@/'", "evil")
                check(r.rc == 2 and "ended with" in r.out or (r.rc == 0 and (r.mark("config"), r.mark("hooks")) == ("0", "0")), f"{name}: exit status {r.rc}", r)
                check(repo.sh("find . -name escaped") == "" and os.listdir("/tmp/dd-rev-escape") == [], f"{name}: it wrote outside", r)
                equal(repo.snapshot(), before, f"{name}: the caller's repository", r)
            finally:
                repo.close()
    finally:
        os.rmdir("/tmp/dd-rev-escape")


@case("F-11 R-03", "a commit that is larger than the limits ends as one that cannot begin, soon, and leaves nothing")
def _():
    repo = Repo("""
        yes | head -c 120000000 >zeros; for i in $(seq 40); do echo "100644 blob $(git hash-object -w zeros)	f$i"; done >list
        git update-ref refs/heads/evil $(git commit-tree -m x $(git mktree <list)); rm zeros list
    """)
    try:
        for limit, why in (("disk: 100MiB", "larger than limits.disk"), ("disk: 500MiB", "more than limits.disk"), ("time: 1s", "longer than limits.time")):
            if os.path.exists(repo.dir + "/record.jsonl"):
                os.unlink(repo.dir + "/record.jsonl")
            r = repo.run("echo @@ran=yes@@", "evil", f"version: 1\nlimits: {{ {limit} }}\n")
            check(r.rc == 2 and "ran" not in r.marks and why in r.out, f"{limit}: exit status {r.rc}, or no reason", r)
            check(r.took < 60, f"{limit}: it took {r.took:.1f} s", r)
            equal(os.listdir(repo.dir + "/state/jobs"), [], f"{limit}: left behind", r)
            equal(r.record[-1].get("status"), "broken", f"{limit}: run.end", r)
    finally:
        repo.close()


@case("F-11", "what an alternates file names is read for objects only, and reaches no step")
def _():
    repo = Repo("mkdir -p ../private/pack ../private/ab; echo canary-7Hq2 >../private/secret; echo canary-7Hq2 >../private/pack/x; echo canary-7Hq2 >../private/ab/y; echo $PWD/../private >.git/objects/info/alternates")
    try:
        r = repo.run("grep -rs canary-7Hq2 /work /home /tmp /var/tmp /work-temp /opt/hostedtoolcache /dev/shm /run /etc --include=secret --include=x --include=y | wc -l | sed 's/.*/@@seen=&@@/'")
        equal((r.rc, r.mark("seen")), (0, "0"), "exit status, and what a step sees", r)
    finally:
        repo.close()


main()
