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


if __name__ == "__main__":
    main()
