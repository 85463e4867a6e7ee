#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""places_test.py - the writable places of a job (W-11): what steps of one trust share, and what no other step ever sees of it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import FETCH, PUSH, ROOT, Job, Skip, case, check, equal, main, py, run, step  # noqa: E402

PLACES = ("/tmp", "/var/tmp", "$HOME", "$RUNNER_TEMP", "$RUNNER_TOOL_CACHE", "$GITHUB_WORKSPACE")
EACH = 'for d in /tmp /var/tmp "$HOME" "$RUNNER_TEMP" "$RUNNER_TOOL_CACHE" "$GITHUB_WORKSPACE"; do '


@case("W-11", "what a fetch step leaves in any of the job's places is there for every build step after it, and what that one leaves for the next")
def _():
    r = run([step("get", EACH + 'echo fetched >"$d/handed"; done', FETCH), step("make", EACH + 'cat "$d/handed" && echo built >>"$d/handed"; done'),
             step("test", "echo @@seen=$(" + EACH + 'cat "$d/handed"; done | sort | uniq -c | tr -s " \\n" " ")@@')])
    equal(r.mark("seen").split(), ["6", "built", "6", "fetched"], "what the last step reads", r)


@case("W-11", "the places have the same names and modes in every step, those of /tmp for everybody's files")
def _():
    look = "echo @@WHO=$(" + EACH + 'stat -c "%n:%a:%U" "$d"; done | tr "\\n" " ")@@'
    r = run([step("get", look.replace("WHO", "get"), FETCH), step("make", look.replace("WHO", "make")), step("publish", look.replace("WHO", "publish"), PUSH)],
            {"push": {"workspace": "pristine"}})
    want = ["/tmp:1777:runner", "/var/tmp:1777:runner", "/home/runner:755:runner", "/work-temp:755:runner", "/opt/hostedtoolcache:755:runner", "/work:755:runner"]
    for who in ("get", "make", "publish"):
        equal(r.mark(who).split(), want, who, r)


@case("W-11 G-10", "a push step reads nothing that a less trusted step wrote in a place, and later steps read nothing that push wrote")
def _():
    plant = EACH + 'echo planted >"$d/.planted"; mkdir -p "$d/bin"; echo planted >"$d/bin/curl"; done; echo planted >/dev/shm/.planted'
    look = 'echo @@WHO=$(find /tmp /var/tmp /dev/shm "$HOME" "$RUNNER_TEMP" "$RUNNER_TOOL_CACHE" "$GITHUB_WORKSPACE" -name ".planted*" -o -name curl | tr "\\n" " ")@@'
    for view in ("pristine", "artifacts"):
        r = run([step("get", plant, FETCH), step("make", plant), step("publish", look.replace("WHO", "push") + "; " + EACH + 'echo x >"$d/.planted-by-push"; done', PUSH),
                 step("after", look.replace("WHO", "after") + "; " + EACH + 'test -e "$d/.planted-by-push" && echo @@leak=$d@@; done; true'),
                 step("again", look.replace("WHO", "again"), PUSH)], {"push": {"workspace": view}})
        equal(r.mark("push"), "", f"{view}: what the push step finds", r)
        equal(r.mark("again"), "", f"{view}: what a second push step finds", r)
        equal(len(r.mark("after").split()), 12, f"{view}: what the build step after it finds", r)
        check("leak" not in r.marks, f"{view}: a build step reads what push wrote in {r.marks.get('leak')}", r)


@case("W-11 S-01", "nothing in a place outlives the job, and nothing of drydock's state directory holds a byte of it afterwards")
def _():
    job = Job([step("make", EACH + 'mkdir -p "$d/deep/er"; mkfifo "$d/fifo"; ln -s /etc "$d/link"; echo x >"$d/deep/er/x"; chmod 0 "$d/deep"; done; '
                    + py('import socket\nsocket.socket(socket.AF_UNIX).bind("/tmp/left.sock")'))])
    try:
        equal(job.run("--state-dir", "state").rc, 0, "exit status")
        equal(os.listdir(os.path.join(job.dir, "state", "jobs")), [], "directories of jobs")
    finally:
        job.close()


@case("W-11", "sockets and locks that a dead step left in /tmp are files like others: the next step removes them, or binds anew")
def _():
    r = run([step("leave", py('s = socket.socket(socket.AF_UNIX); s.bind("/tmp/x.sock"); s.listen(1); os.mkfifo("/tmp/fifo"); open("/tmp/.lock", "x"); print("left")')),
             step("next", py('''
                 s = socket.socket(socket.AF_UNIX)
                 attempt("connect", lambda: s.connect("/tmp/x.sock"))
                 attempt("open", lambda: os.open("/tmp/fifo", os.O_WRONLY | os.O_NONBLOCK))
                 os.unlink("/tmp/x.sock"); os.unlink("/tmp/fifo"); os.unlink("/tmp/.lock")
                 s.bind("/tmp/x.sock"); mark("bound", 1)
             '''))])
    equal((r.mark("connect"), r.mark("open"), r.mark("bound")), ("ECONNREFUSED", "ENXIO", "1"), "what the next step finds", r)


@case("W-11 R-03", "limits.disk counts every place, with files that have no name and files of an earlier step")
def _():
    for place in ("/tmp", "/var/tmp", "/home/runner", "/work-temp", "/opt/hostedtoolcache"):
        for what, make in (("a file", f"f = open('{place}/x', 'wb')"), ("an unlinked file", f"f = open('{place}/x', 'wb'); os.unlink('{place}/x')")):
            r = run([step("hold", py(f'''
                {make}
                for i in range(30): f.write(os.urandom(1 << 20))
                f.flush(); os.fsync(f.fileno()); mark("held", 1); time.sleep(40)'''))], rc=1, limits={"disk": "24MiB"}, timeout=30)
            check("limits.disk" in r.out or "File too large" in r.out, f"{place}, {what}: no word of limits.disk", r)
    r = run([step("first", "head -c 15M /dev/urandom >/tmp/first; sync"), step("second", "head -c 15M /dev/urandom >/var/tmp/second; sync; echo @@held=1@@; sleep 40")],
            rc=1, limits={"disk": "24MiB"}, timeout=30)
    check("held" in r.marks and "limits.disk" in r.out, "two steps together: no word of limits.disk", r)


@case("W-11 F-03", "links and deep trees in /tmp lead drydock nowhere: what they name outside is as it was, and the job goes on")
def _():
    r = run([step("plant", "mkdir /tmp/t; ln -s / /tmp/t/root; ln -s /etc/passwd /tmp/passwd; d=/tmp/deep; for i in $(seq 300); do d=$d/0123456789; done; mkdir -p $d 2>/dev/null; "
                  "head -c 100 /dev/zero >/tmp/hole; truncate -s 500M /tmp/hole; ln /tmp/hole /tmp/hole2; echo planted", shell="bash {0}"), step("next", "test -h /tmp/t/root && echo @@there=1@@")],
            limits={"disk": "1GiB"})
    equal(r.mark("there"), "1", "the next step", r)


NOBODY_KNOWN = 47124   # an id without subordinate ids: identity single


def run_single(steps, *options, **policy_keys):
    """As run(), by a user whose steps have the rights of drydock and no more."""
    if not ROOT:
        raise Skip("only root can become another user")
    job = Job(steps, **policy_keys)
    try:
        for where, _, _ in os.walk(job.dir):
            os.chown(where, NOBODY_KNOWN, NOBODY_KNOWN)
        r = job.run(*options, prefix=["setpriv", f"--reuid={NOBODY_KNOWN}", f"--regid={NOBODY_KNOWN}", "--clear-groups"])
        check(r.record[0]["identity"]["mode"] == "single" if isinstance(r.record[0].get("identity"), dict) else "single" in str(r.record[0]), "not in single mode", r)
        return r
    finally:
        job.close()


@case("W-11 R-03", "without rights over a step's files, a directory of /tmp that lets nobody in stops no run, and with limits.disk nothing can hide in one")
def _():
    script = "mkdir /tmp/d; head -c 1000000 /dev/zero >/tmp/d/x; chmod 0 /tmp/d; "
    r = run_single([step("make", script), step("next", "chmod 700 /tmp/d; wc -c </tmp/d/x | sed 's/.*/@@size=&@@/'; chmod 0 /tmp/d")], "--observe")
    equal((r.rc, r.mark("size")), (0, "1000000"), "a run with --observe", r)
    r = run_single([step("make", script + "sleep 40")], limits={"disk": "1GiB"})
    check(r.rc == 1 and "could not be measured" in r.out, "the step went on", r)


RENAMES = """
places = ["/tmp", "/var/tmp", os.environ["HOME"], os.environ["RUNNER_TEMP"], os.environ["RUNNER_TOOL_CACHE"], os.environ["GITHUB_WORKSPACE"]]
bad = []
def must(what, function):
    try: function()
    except OSError as e: bad.append("%s:%s" % (what, errno.errorcode[e.errno]))
for a in places:
    for b in places:
        if a == b: continue
        open(a + "/f", "w").write("new"); open(b + "/g", "w").write("old"); os.mkdir(a + "/d"); open(a + "/d/x", "w").close()
        inode = os.stat(a + "/f").st_ino
        must("link " + a + " " + b, lambda: os.link(a + "/f", b + "/l"))
        must("replace " + a + " " + b, lambda: os.replace(a + "/f", b + "/g"))
        must("rename a directory " + a + " " + b, lambda: os.rename(a + "/d", b + "/moved"))
        if not bad and (open(b + "/g").read(), os.stat(b + "/g").st_ino, os.stat(b + "/l").st_ino, os.listdir(b + "/moved")) != ("new", inode, inode, ["x"]):
            bad.append("%s %s: not the same file" % (a, b))
        subprocess.run(["rm", "-rf", a + "/f", b + "/g", b + "/l", a + "/d", b + "/moved"])
mark("WHO", " ".join(bad)); mark("devices", len({os.stat(p).st_dev for p in places}))
"""


def need_refer():
    if tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) < (5, 19):
        raise Skip("before Linux 5.19 Landlock refuses every rename into another directory")


@case("C9 W-11", "files and directories are renamed and linked between all places of a job, in steps of every phase")
def _():
    need_refer()
    r = run([step("get", py(RENAMES.replace("WHO", "get")), FETCH), step("make", py(RENAMES.replace("WHO", "make"))), step("publish", py(RENAMES.replace("WHO", "publish")), PUSH)],
            {"push": {"workspace": "pristine"}})
    equal([r.mark(m) for m in ("get", "make", "publish", "devices")], ["", "", "", "1"], "what failed", r)


@case("C9", "mv, ln and rename(2) of tools copy no byte: the file keeps its inode from /tmp to workspace, home and tool directory")
def _():
    need_refer()
    r = run([step("get", 'f=$(mktemp); echo data >"$f"; stat -c %i "$f" >/tmp/inode', FETCH), step("make", """
        f=$(ls /tmp/tmp.*); mv "$f" target; test $(stat -c %i target) = $(cat /tmp/inode) && echo @@mv=same@@
        ln target "$HOME/hard" && test $(stat -c %h target) = 2 && echo @@ln=same@@
        perl -e 'rename "target", "$ENV{RUNNER_TEMP}/renamed" or die "$!"' && echo @@perl=same@@
        mkdir -p "$HOME/.cargo/registry" && i=$(stat -c %i "$HOME/.cargo") && mv "$HOME/.cargo" "$RUNNER_TOOL_CACHE/cargo" && mv "$RUNNER_TOOL_CACHE/cargo" /var/tmp/ &&
            test $(stat -c %i /var/tmp/cargo) = $i -a -d /var/tmp/cargo/registry && echo @@tree=same@@
    """)])
    equal([r.mark(m) for m in ("mv", "ln", "perl", "tree")], ["same"] * 4, "moved", r)


HOLD = """
for path in ("/x", "/home/x", "/opt/x", "/var/x", "/mnt/x", "/usr/x", "/home/runner.new"):
    attempt("make" + path, lambda: os.mkdir(path)); attempt("file" + path, lambda: open(path, "w"))
open("/tmp/mine", "w").close()
for path in ("/mine", "/home/mine", "/opt/mine", "/var/mine"):
    attempt("rename" + path, lambda: os.rename("/tmp/mine", path)); attempt("link" + path, lambda: os.link("/tmp/mine", path))
    attempt("symlink" + path, lambda: os.symlink("/tmp", path)); attempt("fifo" + path, lambda: os.mkfifo(path))
for path in ("/tmp", "/work", "/home/runner", "/home", "/opt", "/mnt", "/bin", "/usr", "/etc", "/proc", "/var"):
    attempt("away" + path, lambda: os.rename(path, "/tmp/away")); attempt("aside" + path, lambda: os.rename(path, path + ".aside"))
    attempt("rmdir" + path, lambda: os.rmdir(path)); attempt("unlink" + path, lambda: os.unlink(path))
mark("root", " ".join(sorted(os.listdir("/"))))
"""
OWNED = """
owned = [where for where in ("/", "/home", "/opt", "/var", "/mnt", "/bin", "/usr") if os.lstat(where).st_uid == os.getuid()]
mark("owned", " ".join(owned))
for where in ("/", "/home", "/opt", "/var", "/mnt"):
    attempt("chmod" + where, lambda: os.chmod(where, 0o777)); attempt("utime" + where, lambda: os.utime(where, (0, 0))); attempt("xattr" + where, lambda: os.setxattr(where, "user.x", b"x"))
"""


def nothing_changed(r):
    for label, value in r.marks.items():
        if not label.endswith(".ms") and label not in ("root", "owned"):
            check(value in ("EACCES", "EROFS", "EPERM", "EBUSY", "EISDIR", "ENOTDIR", "ENOTEMPTY", "EEXIST", "EXDEV", "ENOTSUP", "EINVAL"), f"{label} said {value}", r)
    check(not {"x", "mine", "away"} & set(r.mark("root").split()), "something new in /", r)


@case("F-01 C9", "the mount that holds the places is writable in them and nowhere else: nothing is made, moved or removed in / or above a place")
def _():
    r = run([step("try", py(HOLD + OWNED))])
    nothing_changed(r)
    equal(r.mark("owned"), "", "directories above the places that belong to the step", r)


@case("F-01 C9", "the same with one id for step and supervisor: Landlock alone holds it")
def _():
    nothing_changed(run_single([step("try", py(HOLD)), step("next", "test -d /work -a -d /tmp")]))


@case("C9", "a place that a shown directory of the host would hide is mounted over it, and the step's files in it are there")
def _():
    from world import _quiet
    if not ROOT:
        raise Skip("needs root, to give this host a directory in /opt")
    _quiet("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/opt")   # of this program's own mount namespace
    os.mkdir("/opt/hostedtoolcache")
    r = run([step("a", "echo x >$RUNNER_TOOL_CACHE/x"), step("b", "cat $RUNNER_TOOL_CACHE/x /tmp/../opt/hostedtoolcache/x | wc -l | sed 's/.*/@@lines=&@@/'")], sandbox={"read": ["/opt"]})
    equal(r.mark("lines"), "2", "lines", r)
    equal(os.listdir("/opt/hostedtoolcache"), [], "the host's own directory")
    _quiet("umount", "/opt")


if __name__ == "__main__":
    main()
