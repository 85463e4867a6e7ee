#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""keep_test.py - what a hostile step leaves in the trees that --keep copies: nothing that reads, runs, blocks or tells a secret outside."""
import base64
import os
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import PUSH, ROOT, Job, Skip, case, check, equal, main, py, step  # noqa: E402

CANARY = "canary-7Hq2" + os.urandom(12).hex()


def keeping(job):
    return job.run("--keep", "--state-dir", os.path.join(job.dir, "state"), timeout=90)


def kept(job):
    return os.path.join(job.dir, "state", "keep")


def everything(top):
    """Every path, and what it holds: content or target."""
    for where, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(where, name)
            st = os.lstat(path)
            content = os.readlink(path).encode() if stat.S_ISLNK(st.st_mode) else b""
            if stat.S_ISREG(st.st_mode) and st.st_size < 1 << 24:
                with open(path, "rb") as file:
                    content = file.read()
            yield path, st, content


@case("F-03 F-10 A-11", "links, FIFOs, sockets, setuid files and closed directories of a kept tree neither lead out, block, run as somebody else nor refuse to be removed")
def _():
    job = Job([step("bad", py("""
        import shutil
        os.symlink("/etc/shadow", "shadow"); os.symlink("../../../../../../../../etc", "up"); os.symlink("/", os.environ["HOME"] + "/root")
        os.mkfifo("fifo"); s = socket.socket(socket.AF_UNIX); s.bind("socket")
        shutil.copy("/bin/true", "suid"); os.chmod("suid", 0o6755)
        open("plain", "w").write("p"); os.chmod("plain", 0); [os.link("plain", "again%d" % i) for i in range(50)]
        os.makedirs("closed/in"); os.chmod("closed/in", 0); os.chmod("closed", 0)
        with open("sparse", "w") as f: f.truncate(1 << 40)
        here = os.getcwd()
        for i in range(300): os.mkdir("deep"); os.chdir("deep")
        os.chdir(here); open("a\\nb\\x1b[31m", "w").close(); sys.exit(9)
    """))])
    try:
        r = keeping(job)
        equal(r.rc, 1, "exit status", r)
        found = {os.path.relpath(path, kept(job)).split(os.sep, 2)[-1]: (st, content) for path, st, content in everything(kept(job))}
        check("work/shadow" in found and stat.S_ISLNK(found["work/shadow"][0].st_mode), "the link was followed or is gone", r)
        check(not any(path.startswith(("work/up/", "home/root/")) for path in found), "a link was followed into a tree of the host", r)
        for path, (st, _content) in found.items():
            check(stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode) or stat.S_ISLNK(st.st_mode), f"{path} is neither file, directory nor link", r)
            check(stat.S_ISLNK(st.st_mode) or not st.st_mode & 0o7077, f"mode {st.st_mode:o} of {path}", r)
        check("work/suid" in found and "work/plain" in found and "work/closed/in" in found, f"not all is there: {sorted(found)[:40]}", r)
        check("2 sockets, FIFOs or devices are not kept" in r.out, "what was left out is not told", r)
        check(os.lstat(os.path.join(kept(job), os.listdir(kept(job))[0], "01-bad/work/sparse")).st_blocks < 1000, "a hole was filled", r)
        check("\x1b" not in r.out, "an escape reached the terminal", r)
        equal(subprocess.run(["rm", "-rf", kept(job)], check=False).returncode, 0, "rm -rf", r)
    finally:
        job.close()


@case("C-01 C-17", "no value of a credential is in what is kept: not in the environment, script or log, nor where the step wrote it; the file of the lease is gone")
def _():
    publish = py("""
        t = os.environ["TOKEN"]; f = open(os.environ["FILE_TOKEN"]).read(); home = os.environ["HOME"]
        mark("same", t == f)
        open(home + "/.npmrc", "w").write("//registry/:_authToken=%s\\n" % t)
        open("big", "w").write("x" * 70000 + t + "y" * 70000)
        with open("holes", "w") as h: h.seek(1 << 30); h.write(t)
        os.symlink("/" + t, "link"); open("innocent", "w").write("fine"); open(os.environ["RUNNER_TEMP"] + "/t", "w").write(t[:-1])
        print(t); sys.exit(1)
    """)
    job = Job([step("publish", publish, PUSH)], {"push": {}}, credentials={
        name: {"from": {"file": "@SECRET@"}, "for": {"phase": "push", "steps": ["publish"]}, "as": as_, "ttl": "5m"}
        for name, as_ in (("one", {"env": "TOKEN"}), ("two", {"file": "FILE_TOKEN"}))})
    try:
        os.chmod(job.write("secrets/token", CANARY), 0o600)
        with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
            text = file.read()
        job.write("policy.yml", text.replace("@SECRET@", os.path.join(job.dir, "secrets/token")))
        r = keeping(job)
        equal((r.rc, r.mark("same")), (1, "True"), "exit status, and that the step held both", r)
        seen = list(everything(kept(job)))
        check(len(seen) > 12, f"hardly anything was kept: {[p for p, _, _ in seen]}", r)
        for path, _st, content in seen:
            check(CANARY.encode() not in content and CANARY not in path, f"the canary is in {path}", r)
            check("cred" not in os.path.basename(path), f"a file of a lease: {path}", r)
        named = {os.path.basename(path): content for path, _, content in seen}
        equal(named["innocent"], b"fine", "a file without a credential", r)
        check(b"held the value of a credential" in named[".npmrc"] and b"held the value" in named["holes"], "it is not said in the file", r)
        check(b"# variable TOKEN: credential one" in named["environment"] and b"export TOKEN" not in named["environment"], named["environment"].decode(), r)
        check("4 files or links held the value of a credential" in r.out, "the number is not told", r)
    finally:
        job.close()


@case("C-01", "a tree in which the name of a file holds a credential is not kept at all")
def _():
    job = Job([step("publish", 'touch "a-$TOKEN"; touch "$RUNNER_TEMP/fine"; exit 1', PUSH)], {"push": {}}, credentials={
        "one": {"from": {"file": "@SECRET@"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}, "ttl": "5m"}})
    try:
        os.chmod(job.write("secrets/token", CANARY), 0o600)
        with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
            text = file.read()
        job.write("policy.yml", text.replace("@SECRET@", os.path.join(job.dir, "secrets/token")))
        r = keeping(job)
        names = [os.path.relpath(path, kept(job)) for path, _, _ in everything(kept(job))]
        check(not any(CANARY in n for n in names) and any(n.endswith("/temp/fine") for n in names), f"{names}", r)
        check(not any(n.endswith("/work") for n in names) and "its work is not kept" in r.out, "a part of the tree was kept, or it is not told", r)
        check(CANARY not in r.out, "the canary is in the output", r)
    finally:
        job.close()


@case("P-02", "no other user can read what is kept, nor can a step of a later job")
def _():
    if not ROOT:
        raise Skip("becoming another user takes root")
    job = Job([step("bad", f"umask 0; echo {base64.b64encode(CANARY.encode()).decode()} | base64 -d >open; chmod 777 . ~; exit 1")])
    try:
        keeping(job)
        path = next(p for p, _, content in everything(kept(job)) if p.endswith("/work/open"))
        script = f"cat '{path}'; ls -R '{kept(job)}'; find '{kept(job)}'"
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script], capture_output=True, text=True, check=False)
        check(CANARY not in done.stdout and "bad" not in done.stdout, "another user reads it: " + done.stdout)
        check("Permission denied" in done.stderr, done.stderr)
    finally:
        job.close()


main()
