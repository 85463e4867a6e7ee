#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""identity_test.py - root, an ordinary user with subordinate ids, one without: who runs what, as the host sees it."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, ROOT, Job, Skip, case, check, descendants, equal, main, step  # noqa: E402
from world import bind_text  # noqa: E402

USER, UID = "ddtest", 47123     # exists only in this program's mount namespace
SUBIDS = 1500000000


def setup():
    """A user of the test's own: passwd, group, subuid and subgid are private copies, the machine's files stay as they are."""
    if not ROOT:
        return
    import tempfile
    where = tempfile.mkdtemp(prefix="dd-id-")
    for path, line in (("/etc/passwd", f"{USER}:x:{UID}:{UID}::/tmp:/bin/sh\n"), ("/etc/group", f"{USER}:x:{UID}:\n"),
                       ("/etc/subuid", f"{USER}:{SUBIDS}:65536\n"), ("/etc/subgid", f"{USER}:{SUBIDS}:65536\n")):
        old = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                old = file.read()
        else:
            raise Skip(f"{path} does not exist on this machine")
        bind_text(where, path, old + line)
    shutil.rmtree(where)


def as_user(uid):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def uids_during(job, prefix):
    """Start the job, and read the host uids of drydock's process tree while the step sleeps."""
    process = job.popen(prefix=prefix)
    deadline, found = time.monotonic() + 20, {}
    guarded = {}
    while time.monotonic() < deadline and process.poll() is None:
        for pid in children(process.pid):
            if not any("sleep 2.345" in command_of(below) for below in descendants(pid)):   # asked before drydock forked the supervisor
                continue
            try:
                guarded[pid] = os.stat(f"/proc/{pid}/mem").st_uid   # what is not dumpable belongs to root
            except OSError:
                pass
        for pid in [process.pid, *descendants(process.pid)]:
            try:
                with open(f"/proc/{pid}/status", encoding="ascii") as file:
                    uid = int(file.read().split("Uid:")[1].split()[0])
                command = command_of(pid)
                if command or pid not in found:   # one that has ended and is not reaped yet has none any more
                    found[pid] = (uid, command)
            except (OSError, IndexError):
                pass
        time.sleep(0.02)
    out = process.communicate(timeout=30)[0].decode("utf-8", "replace")
    check(guarded, "the supervisor was never seen")
    return found, process.returncode, out, guarded


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("latin-1").strip()
    except OSError:
        return ""


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def look(uid, prefix):
    job = Job([step("who", "id -u | sed 's/.*/@@inside=&@@/'; echo x >made; sleep 2.345", shell="sh -e {0}")])
    try:
        subprocess.run(["chown", "-R", f"{uid}:{uid}", job.dir], check=True)
        found, rc, out, guarded = uids_during(job, prefix)
        import json
        mode = ""
        path = os.path.join(job.dir, "record.jsonl")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                mode = str(json.loads(file.readline()).get("identity"))
    finally:
        job.close()
    equal(rc, 0, "exit status\n" + out[-2500:])
    # P-09, P-02: seen as somebody else than root, or the file would be root's anyway.
    check(uid == 0 or set(guarded.values()) == {0}, f"the supervisor is dumpable: its memory belongs to {guarded}")
    check("@@inside=1001@@" in out, out)
    steps = {u for u, c in found.values() if "sleep 2.345" in c}
    check(steps, f"the step was never seen: {found}")
    return found, steps, mode


def need_root():
    if not ROOT:
        raise Skip("switching users takes root")


@case("", "root: the step runs under a host uid that is neither root's nor the gate's; mode range")
def _():
    need_root()
    found, steps, mode = look(0, [])
    check(0 not in steps, f"the step is host root: {found}")
    check("range" in mode, f"identity in the record: {mode}")
    others = {u for u, c in found.values() if DRYDOCK in c or "drydock" in c.split(" ")[0]}
    check(len(others | steps) >= 3, f"launcher, gate and step share ids: {found}")


@case("", "a user with subordinate ids: step, gate and launcher have three different host uids; mode range")
def _():
    need_root()
    if not shutil.which("newuidmap"):
        raise Skip("newuidmap is not installed (package uidmap)")
    found, steps, mode = look(UID, as_user(UID))
    check("range" in mode, f"identity in the record: {mode}")
    check(all(SUBIDS <= u < SUBIDS + 65536 for u in steps), f"step uids: {found}")
    gates = {u for u, c in found.values() if u not in steps and u != UID}
    check(gates, f"nobody but launcher and step was seen: {found}")


@case("", "where newuidmap has no power (a container without CAP_SYS_ADMIN) the doctor says so, and finds nothing missing that is there")
def _():
    if not ROOT:
        raise Skip("taking a capability from a user takes root")
    if not os.path.exists("/usr/bin/newuidmap"):
        raise Skip("newuidmap is not installed (package uidmap)")
    import json
    import subprocess
    import tempfile
    from dd import DRYDOCK
    with tempfile.TemporaryDirectory(prefix="dd-id-") as home:
        os.chown(home, UID, UID)
        powerless = ["setpriv", "--bounding-set=-sys_admin", *as_user(UID)[1:], DRYDOCK, "doctor", "--json", "--state-dir", home]
        for env, code, identity in (({}, 3, "none"), ({"DRYDOCK_IDENTITY": "single"}, 0, "single")):
            done = subprocess.run(powerless, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, env={**os.environ, "HOME": home, **env})
            data = json.loads(done.stdout)
            equal((done.returncode, data["identity"]), (code, identity), data["identity_note"])
            if code:
                check("CAP_SYS_ADMIN" in data["identity_note"] and "DRYDOCK_IDENTITY=single" in data["identity_note"], data["identity_note"])
            missing = [f["name"] for f in data["features"] if f["required"] and not f["present"]]
            equal(missing, ["step"] if code else [], "what is missing besides")


@case("", "a user without subordinate ids: mode single, said in the record; never root")
def _():
    need_root()
    found, steps, mode = look(UID + 1, as_user(UID + 1))
    check("single" in mode, f"identity in the record: {mode}")
    equal(steps, {UID + 1}, "step uids")


@case("", "an ordinary user that the tests run as: the step is never root")
def _():
    if ROOT:
        raise Skip("the tests run as root; the three cases above cover users")
    job = Job([step("who", "id -u | sed 's/.*/@@inside=&@@/'")])
    try:
        r = job.run()
        equal(r.mark("inside"), "1001", "uid inside", r)
    finally:
        job.close()


def teardown():
    """Users without a home of their own get the slots of their jobs there (runner/job/job_dirs.c)."""
    for uid in (UID, UID + 1):
        shutil.rmtree(f"/var/tmp/drydock-{uid}", ignore_errors=True)


if __name__ == "__main__":
    main(setup, teardown)
