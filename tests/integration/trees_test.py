#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""trees_test.py - the trees of a job: what is copied in, what is accounted for after a step, what comes out."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, PUSH, ROOT, Job, Skip, case, check, equal, main, py, run, step  # noqa: E402

DIST = {"push": {"artifacts": ["dist/**"]}}


def drydock(job, *argv):
    """Run drydock in the job's directory with exactly these arguments; returns status and output."""
    p = subprocess.run([DRYDOCK, *argv], cwd=job.dir, env=job.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return p.returncode, p.stdout.decode("utf-8", "replace")


@case("", "a state directory that lies inside the workspace is not copied into itself, nor are other jobs' trees")
def _():
    job = Job([step("look", "find . -type f | sort | tr '\\n' ' ' | sed 's/.*/@@files=&@@/'; ls -d state* | tr '\\n' ' ' | sed 's/.*/@@dirs=&@@/'")])
    try:
        job.write("state/jobs/of-somebody/work/secret", "another job's tree")
        job.write("state/records/r.jsonl", "another job's record")
        job.write("state/kept", "not drydock's")
        rc, out = drydock(job, "run", "workflow.yml", "--workspace", ".", "--state-dir", os.path.join(job.dir, "state"))
        equal(rc, 0, "exit status\n" + out[-1500:])
        check("./state/kept" in out and "./workflow.yml" in out, "the rest of the workspace was not copied\n" + out[-1500:])
        check("secret" not in out and "r.jsonl" not in out and "lock" not in out, "drydock's own directories were copied\n" + out[-1500:])
    finally:
        job.close()


@case("", "a workspace that is not there, is no directory or cannot be read is a usage error, and leaves nothing")
def _():
    job = Job([step("a", "echo @@ran=yes@@")])
    try:
        for wrong in ("nonesuch", "workflow.yml"):
            rc, out = drydock(job, "run", "workflow.yml", "--workspace", wrong)
            equal(rc, 2, f"exit status for {wrong}\n{out}")
            check("@@ran" not in out, "the step ran")
        os.chmod(job.write("src/closed", "x"), 0)
        if ROOT:
            os.chown(os.path.join(job.dir, "src/closed"), 47124, 47124)
        r = job.run()
        equal(r.rc, 2, "exit status for an unreadable file", r)
        check("closed" in r.out and "ran" not in r.marks, "the message does not name the file", r)
        equal(r.record[-1].get("status"), "broken", "status in run.end", r)
    finally:
        job.close()


@case("", "a policy, workflow or event file that cannot be read is a usage error, not a refusal by policy")
def _():
    for name, options in (("policy.yml", ()), ("workflow.yml", ()), ("event.json", ("--event", "event.json"))):
        job = Job([step("a", "true")])
        try:
            job.write("event.json", "{}")
            os.chmod(os.path.join(job.dir, name), 0)
            if ROOT:
                os.chown(os.path.join(job.dir, name), 47124, 47124)
            r = job.run(*options)
            equal(r.rc, 2, f"exit status for {name}", r)
            check("Permission denied" in r.out, f"no reason for {name}", r)
        finally:
            job.close()


@case("X-09", "a disk without room for the workspace is the host's fault: no step runs, and the message says what was copied to where")
def _():
    if not ROOT:
        raise Skip("mounting a file system of its own takes root")
    job = Job([step("a", "echo @@ran=yes@@")])
    state = os.path.join(job.dir, "small")
    try:
        job.write("src/large", "x" * 200000)
        os.mkdir(state)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k,mode=755", "small", state], check=True)
        r = job.run("--state-dir", state)
        equal(r.rc, 3, "exit status", r)
        check("ran" not in r.marks, "the step ran", r)
        told = " ".join(r.out.split())
        check("No space left on device" in told and "large" in told and state in told, "it is not said which file found no room, and where", r)
        check("must be able to read" not in told, "the reader is blamed for a disk that is full", r)
    finally:
        subprocess.run(["umount", state], check=False, stderr=subprocess.DEVNULL)
        job.close()


@case("X-09 F-14", "a pristine checkout that cannot be read breaks the job off, whatever the push step's failure is allowed to be")
def _():
    if not ROOT:
        raise Skip("only root can take a file of drydock's own away from it")
    job = Job([step("build", "for i in $(seq 400); do if [ -e go ]; then exit 0; fi; sleep 0.05; done; exit 1"),
               step("publish", "echo @@published=yes@@", PUSH, **{"continue-on-error": True}), step("after", "echo @@after=yes@@")])
    try:
        state = os.path.join(job.dir, "state")
        process = job.popen("--state-dir", state)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (os.path.exists(job.dir + "/record.jsonl") and '"step.start"' in open(job.dir + "/record.jsonl").read()):
            time.sleep(0.02)
        home = glob.glob(state + "/jobs/*/pristine")[0]
        os.chmod(home + "/README", 0)
        os.chown(home + "/README", 47124, 47124)     # an id that drydock's user namespace does not have
        with open(os.path.dirname(home) + "/shared/work/go", "w", encoding="utf-8"):
            pass
        out = process.communicate(timeout=60)[0].decode("utf-8", "replace")
        equal(process.returncode, 3, "exit status\n" + out[-1500:])
        check("@@published" not in out and "@@after" not in out, "a step ran after that\n" + out[-1500:])
        check("README" in out and "broken off" in out, "it is not said which file, or not that drydock broke off\n" + out[-1500:])
    finally:
        job.close()


@case("", "an artifact that lies beside tracked files joins the pristine checkout; an unchanged tracked file may be an artifact")
def _():
    r = run([step("make", "echo new >dist/new"), step("publish", "ls dist | tr '\\n' ' ' | sed 's/.*/@@dist=&@@/'; cat dist/old | sed 's/.*/@@old=&@@/'", PUSH)], DIST,
            files={"dist/.keep": "", "dist/old": "old\n"})
    equal(r.mark("dist"), "new old ", "what the push step sees", r)
    equal(r.mark("old"), "old", "the tracked file", r)


@case("F-14", "an artifact that is a tracked file which a step changed is refused: it would be neither the commit nor the build")
def _():
    for change in ("echo evil >dist/old", "rm dist/link; echo evil >dist/link"):
        job = Job([step("make", change), step("publish", "echo @@published=yes@@", PUSH)], DIST, files={"dist/old": "old\n"})
        try:
            os.symlink("old", os.path.join(job.dir, "src/dist/link"))
            r = job.run()
        finally:
            job.close()
        equal(r.rc, 4, "exit status", r)
        check("published" not in r.marks, "the push step ran", r)


@case("A-09", "an artifact that a step after the build changed is refused, and one that only such a step made is none")
def _():
    from dd import FETCH
    for later, rc in (("echo evil >dist/a", 4), ("echo evil >dist/b", 0)):
        r = run([step("make", "mkdir -p dist; echo good >dist/a"), step("later", later, FETCH), step("publish", "ls dist | tr '\\n' ' ' | sed 's/.*/@@dist=&@@/'", PUSH)], DIST, rc=rc)
        equal(r.marks.get("dist"), "a " if rc == 0 else None, "what the push step sees", r)


@case("A-11", "what is no file below an artifact's glob is neither waited for nor copied: a FIFO, a socket, a link into /proc")
def _():
    make = """mkdir -p dist; echo good >dist/a; mkfifo dist/fifo; ln -s /proc/self/environ dist/environ; ln -s a dist/link
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("dist/socket")'"""
    job = Job([step("make", make), step("publish", "ls dist | tr '\\n' ' ' | sed 's/.*/@@dist=&@@/'", PUSH)], DIST)
    try:
        r = job.run()
        check(r.rc in (0, 4) and r.took < 30, f"exit status {r.rc}, {r.took:.1f} s", r)
        out = os.path.join(job.dir, "out/dist")
        names = sorted(os.listdir(out)) if os.path.isdir(out) else []
        check("fifo" not in names and "socket" not in names and "environ" not in names, f"--out: {names}", r)
        check(not {"fifo", "socket", "environ"} & set(r.marks.get("dist", "").split()), "the push step", r)
    finally:
        job.close()


@case("", "artifacts of a second run replace those of the first in --out, and are writable for their owner only")
def _():
    job = Job([step("make", "mkdir -p dist; date +%N >dist/a; chmod 0777 dist/a"), step("publish", "true", PUSH)], DIST)
    try:
        contents = set()
        for _ in range(2):
            r = job.run()
            equal(r.rc, 0, "exit status", r)
            with open(os.path.join(job.dir, "out/dist/a"), encoding="ascii") as file:
                contents.add(file.read())
        equal(len(contents), 2, "different contents")
        equal(os.stat(os.path.join(job.dir, "out/dist/a")).st_mode & 0o777, 0o755, "mode")
        os.unlink(os.path.join(job.dir, "out/dist/a"))
        os.symlink("/etc/passwd", os.path.join(job.dir, "out/dist/a"))
        before = os.stat("/etc/passwd")
        check(job.run().rc != 0, "a link in --out was written through or replaced")
        equal(os.stat("/etc/passwd").st_mtime, before.st_mtime, "the link's target")
    finally:
        job.close()


@case("R-04 R-09", "sparse files of any size cost the step its job and drydock no time")
def _():
    started = time.monotonic()
    r = run([step("sparse", "for i in 1 2 3; do truncate -s 4T big$i; done; echo @@made=yes@@"), step("after", "echo @@after=yes@@")], rc=1, timeout=30)
    equal(r.mark("made"), "yes", "the files", r)
    check("after" not in r.marks, "a step ran after one that cannot be accounted for", r)
    check(time.monotonic() - started < 10, "it took long", r)
    check("sparse" in r.out and r.events("run.end", status="failed"), "no reason was given", r)


@case("X-08", "cancelling and killing the keeper take effect while a large tree is hashed")
def _():
    for sig, status in ((signal.SIGTERM, 130), (signal.SIGKILL, -9)):
        job = Job([step("sparse", "truncate -s 7G /work/big"), step("after", "echo @@after=yes@@")])
        try:
            process = job.popen()
            log, deadline = os.path.join(job.dir, "record.jsonl"), time.monotonic() + 20
            while time.monotonic() < deadline:
                if os.path.exists(log) and '"gate.close"' in open(log, encoding="utf-8").read():
                    break
                time.sleep(0.02)
            time.sleep(0.1)
            started = time.monotonic()
            process.send_signal(sig)
            out = process.communicate(timeout=60)[0].decode("utf-8", "replace")   # to the end of the supervisor too: it holds the pipe
            took = time.monotonic() - started
            equal(process.returncode, status, "exit status\n" + out[-1500:])
            check(took < 1.5, f"{took:.1f} s until the end after signal {sig}\n{out[-1500:]}")
            check("@@after" not in out, "the next step ran")
            last = open(log, encoding="utf-8").read().splitlines()[-1]
            check('"run.end"' in last and '"cancelled"' in last, f"the record ends with {last}")
        finally:
            job.close()


@case("F-14", "a change within the same second is seen where the file system counts in seconds")
def _():
    if not ROOT or not shutil.which("mkfs.ext4"):
        raise Skip("mounting a file system of its own takes root and mkfs.ext4")
    job = Job([step("tamper", py('''
        st = os.stat("/work/README"); open("/work/README", "w").write("a WORKSPACE\\n"); os.utime("/work/README", ns=(st.st_atime_ns, st.st_mtime_ns))
        mark("whole", os.stat("/work/README").st_ctime_ns % 1000000000); mark("ctimes", os.stat("/work/README").st_ctime_ns == st.st_ctime_ns)
    ''')), step("publish", "echo @@published=yes@@", PUSH)], {"push": {"workspace": "shared"}})
    image, state = os.path.join(job.dir, "image"), os.path.join(job.dir, "coarse")
    try:
        os.mkdir(state)
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-I", "128", image], check=True, stderr=subprocess.DEVNULL)
        if subprocess.run(["mount", "-o", "loop", image, state], check=False, capture_output=True).returncode != 0:
            raise Skip("this machine has no loop device")
        hits = 0
        for _ in range(8):
            time.sleep(1.02 - time.time() % 1)
            r = job.run("--state-dir", state)
            equal(r.mark("whole"), "0", "fraction of a second in ctime: the test proves nothing", r)
            hits += r.mark("ctimes") == "True"
            equal(r.rc, 4, "exit status", r)
            check("published" not in r.marks and r.mentions("violation", "README"), "the change was not seen", r)
        check(hits > 0, "no change fell into the same second: the test proves nothing")
    finally:
        subprocess.run(["umount", state], check=False, capture_output=True)
        job.close()


@case("S-03", "what an earlier job left and nobody can remove is named, and keeps no job from running")
def _():
    if not ROOT:
        raise Skip("making something that cannot be removed takes root")
    job = Job([step("a", "echo @@ran=yes@@")])
    state = os.path.join(job.dir, "stuck")
    left = os.path.join(state, "jobs", "20200101t000000z-00000000")
    try:
        os.makedirs(os.path.join(left, "work", "mount"))
        open(os.path.join(left, "lock"), "w", encoding="ascii").close()
        subprocess.run(["mount", "-t", "tmpfs", "none", os.path.join(left, "work", "mount")], check=True)
        r = job.run("--state-dir", state)
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("ran"), "yes", "the step", r)
        check("20200101t000000z-00000000" in r.out and "mount" in r.out, "nothing was said about what is left", r)
        subprocess.run(["umount", os.path.join(left, "work", "mount")], check=True)
        r = job.run("--state-dir", state)
        check("removed what" in r.out and not os.path.exists(left), "the next start did not remove it", r)
    finally:
        subprocess.run(["umount", os.path.join(left, "work", "mount")], check=False, capture_output=True)
        job.close()


if __name__ == "__main__":
    main()
