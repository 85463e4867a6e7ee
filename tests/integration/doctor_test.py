#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""doctor_test.py - the doctor says what is missing, what for, and what to do; its answer about a policy is the answer that a run gives."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, DRYDOCK, ROOT, Job, Skip, case, check, equal, main, step  # noqa: E402


def doctor(*options, env=None, prefix=(), cwd=None):
    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
    done = subprocess.run([*AS_USER, *prefix, DRYDOCK, "doctor", *options], cwd=cwd, env={**base, **(env or {})}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def rows(*options, **more):
    code, out = doctor("--json", *options, **more)
    data = json.loads(out)
    return code, data, {f["name"]: f for f in data["features"]}


def can_run():
    if doctor()[0] != 0:
        raise Skip("this host cannot enforce a run; the doctor says why")


@contextlib.contextmanager
def foreign_home():
    """A home of the user 47129, who has no line in /etc/subuid."""
    with tempfile.TemporaryDirectory(prefix="dd-doctor-") as home:
        os.chown(home, 47129, 47129)
        yield home


def with_policy(text, name="policy.yml"):
    where = tempfile.mkdtemp(prefix="dd-doctor-")
    os.chmod(where, 0o755)
    with open(os.path.join(where, name), "w", encoding="utf-8") as file:
        file.write(text)
    return where, os.path.join(where, name)


def judge(text, env=None, before=None):
    """(exit code, missing rows, text) for a policy."""
    where, path = with_policy(text)
    try:
        if before:
            before(where)
        code, data, _ = rows("--policy", path, env=env)
        text_code, out = doctor("--policy", path, env=env)
        equal(text_code, code, "exit status of the text form")
        return code, data["policy"]["missing"], out
    finally:
        shutil.rmtree(where)


# --- the host ---------------------------------------------------------------------------------------------------------


@case("", "doctor: every feature has an area, a need, a finding and a remedy, and the JSON keeps its shape")
def _():
    code, data, features = rows()
    equal(sorted(data), ["fault", "features", "identity", "identity_note", "ok", "policy", "version"], "keys")
    equal(code, 0 if data["ok"] else 3, "exit status")
    check(data["policy"] is None, "a policy that nobody gave")
    for row in data["features"]:
        equal(sorted(row), ["area", "found", "name", "need", "present", "remedy", "required"], f"keys of {row['name']}")
        check(all(row[k] for k in ("area", "need", "found", "remedy")), f"something is empty: {row}")
        check(row["area"] in ("host", "identity", "isolation", "network", "locks", "limits"), f"area of {row}")
    for name in ("kernel userns namespaces mount_setattr proc overlayfs nftables seccomp seccomp_notify landlock close_range cgroup2 cgroup_clone calls mlock step "
                 "memory cpu pids subids sh bash loader certificates links clock state terminal").split():
        check(name in features, f"no row {name}")


@case("", "doctor: the text fits 80 columns, says the verdict in its first line, and what is missing before what is there")
def _():
    _, out = doctor(env={"DRYDOCK_FAULT": "landlock"})
    lines = out.splitlines()
    check(lines[0].startswith("A run would be REFUSED"), lines[0])
    check(all(len(line) <= 80 for line in lines), "too long: " + max(lines, key=len))
    missing, ok = out.index("MISSING, and every run needs it"), out.index("\nthis host\n")
    check(missing < out.index("landlock") < ok, out)
    check("lsm=" in out[missing:ok], "no remedy")


@case("K-12", "doctor: each required feature, taken away, is named and makes the exit status 3")
def _():
    _, data, _ = rows()
    for name in [f["name"] for f in data["features"] if f["required"]]:
        code, broken, features = rows(env={"DRYDOCK_FAULT": name})
        check(not features[name]["present"] and "DRYDOCK_FAULT" in features[name]["found"], f"{name}: {features[name]}")
        equal((code, broken["ok"], broken["fault"]), (3, False, True), name)


@case("", "a name in DRYDOCK_FAULT that is none is refused by every command, with the names that there are")
def _():
    for arguments in (["doctor"], ["run", "nothing.yml"], ["policy", "keys"]):
        for names, bad in (("landlok", "landlok"), ("landlock,,", None), ("seccomp,land lock\x1b[2J", "land lock\\x1b[2J"), ("land", "land"), ("seccomp" * 60, None)):
            done = subprocess.run([DRYDOCK, *arguments], env={**os.environ, "DRYDOCK_FAULT": names}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            refused = "DRYDOCK_FAULT" in done.stderr and done.returncode == 2 and done.stdout == ""
            equal(refused, names != "landlock,,", f"{arguments} with {names}: {done.stderr}")
            check(bad is None or (f"`{bad}`" in done.stderr and " landlock " in done.stderr), done.stderr)


@case("", "doctor: a feature that only some policies need does not refuse a run")
def _():
    can_run()
    for name in ("seccomp_notify", "overlayfs", "memory", "subids", "clock", "state"):
        code, _, features = rows(env={"DRYDOCK_FAULT": name})
        check(not features[name]["present"], name)
        equal(code, 0, name)


@case("", "doctor: a /proc that is covered in places is found, and the unit options that do it are named")
def _():
    can_run()
    if not ROOT:
        raise Skip("needs a mount namespace of root")
    cover = ["unshare", "--mount", "sh", "-c", 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"', "sh"]
    code, _, features = rows(prefix=cover)
    equal((code, features["proc"]["present"]), (3, False), features["proc"]["found"])
    check("ProtectKernelTunables" in features["proc"]["remedy"] and "systempaths=unconfined" in features["proc"]["remedy"], features["proc"]["remedy"])


# --- what stands around drydock: a container, a unit -------------------------------------------------------------------


def under_filter(answer, *calls):
    return [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "filtered.py"), answer, ",".join(calls)]


TAKEN = (("landlock_create_ruleset", "landlock"), ("landlock_add_rule", "landlock"), ("landlock_restrict_self", "landlock"), ("mlock", "mlock"),
         ("clone3", "namespaces"), ("mount_setattr", "mount_setattr"), ("sethostname", "namespaces"), ("pivot_root", None), ("move_mount", None))


@case("K-12", "doctor: a call that a filter around drydock takes away is named, whether it is refused, unknown or deadly; no kernel is blamed for it")
def _():
    can_run()
    for call, name in TAKEN:
        for answer in ("EPERM", "ENOSYS", "KILL"):
            code, _, features = rows(prefix=under_filter(answer, call))
            what = f"{call} answered with {answer}"
            equal(code, 3, what)
            check(call in features["calls"]["found"] and "filter" in features["calls"]["found"], f"{what}: {features['calls']['found']}")
            check(call in features["calls"]["remedy"] and "seccomp" in features["calls"]["remedy"], features["calls"]["remedy"])
            check(not features["step"]["present"], f"{what}: a step was said to go through")
            if name:
                equal((features[name]["present"], features[name]["remedy"]), (False, features["calls"]["remedy"]), what)


@case("K-12", "doctor and run agree: where a filter takes a call of the last lock away, nothing runs and the call is named")
def _():
    can_run()
    for calls in (("landlock_restrict_self",), ("mlock",), ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")):
        job = Job([step("one", "echo @@ran=yes@@")])
        try:
            result = job.run(prefix=under_filter("EPERM", *calls))
        finally:
            job.close()
        equal(result.rc, 3, "exit status", result)
        check(all(c in result.out for c in calls) and "nothing was run" in result.out, "the calls are not named", result)
        check("ran" not in result.marks and not result.record, "a step ran", result)


@case("K-12", "run and plan do not end without a word where a filter ends whoever makes a call that they make")
def _():
    can_run()
    for call in ("unshare", "openat2", "pidfd_open", "close_range", "clone3", "mlock"):
        job = Job([step("one", "echo @@ran=yes@@")])
        try:
            result = job.run(prefix=under_filter("KILL", call))
            planned = job.run(prefix=under_filter("KILL", call), command="plan")
        finally:
            job.close()
        equal(result.rc, 3, f"exit status where {call} is deadly", result)
        check(call in result.out and "filter" in result.out and "nothing was run" in result.out, "the call is not named", result)
        check("ran" not in result.marks and not result.record, "a step ran", result)
        equal(planned.rc, 3 if call == "openat2" else 0, f"exit status of plan where {call} is deadly", planned)
        check(planned.rc == 0 or call in planned.out, "the call is not named", planned)


@case("", "doctor: a filter that takes nothing of a run away is noticed and nothing else")
def _():
    can_run()
    code, _, features = rows(prefix=under_filter("EPERM", "kexec_load"))
    equal((code, features["calls"]["present"]), (0, True), features["calls"]["found"])
    check("filter" in features["calls"]["found"] and features["step"]["present"], features["calls"]["found"])


@case("", "doctor: what fails in a step but in no single question is found by the step that it tries")
def _():
    can_run()
    code, _, features = rows(env={"DRYDOCK_FAULT": "gate_fork"})
    missing = [n for n, f in features.items() if f["required"] and not f["present"]]
    equal((code, missing), (3, ["step"]), "what is missing")
    check("gate" in features["step"]["found"], features["step"]["found"])


@case("", "doctor: a security module that refuses a mount is told apart from an old kernel")
def _():
    can_run()
    code, _, features = rows(prefix=under_filter("EACCES", "open_tree"))
    equal((code, features["open_tree"]["present"]), (3, False), features["open_tree"]["found"])
    check("security module" in features["open_tree"]["found"] and "apparmor=unconfined" in features["open_tree"]["remedy"], features["open_tree"]["remedy"])


@case("", "doctor and run agree: where no memory may be locked, nothing runs, and `ulimit -l` is named")
def _():
    can_run()
    nothing = ["prlimit", "--memlock=0:0"]
    code, _, features = rows(prefix=nothing)
    equal((code, features["mlock"]["present"]), (3, False), features["mlock"]["found"])
    check("ulimit -l" in features["mlock"]["remedy"] and "LimitMEMLOCK" in features["mlock"]["remedy"], features["mlock"]["remedy"])
    job = Job([step("one", "echo @@ran=yes@@")])
    try:
        result = job.run(prefix=nothing)
    finally:
        job.close()
    equal(result.rc, 3, "exit status", result)
    check("ulimit -l" in result.out and "nothing was run" in result.out and not result.record, "the remedy is not named", result)


@case("", "doctor: a controller that is not there is named with the reason, not only with its absence")
def _():
    _, _, features = rows()
    for name in ("memory", "cpu", "pids"):
        row = features[name]
        if row["present"]:
            check("can be set" in row["found"], row["found"])
            continue
        check(any(t in row["found"] for t in ("cgroup v1", "/proc/cgroups", "not delegated to", "handed down", "may make no group", "no cgroup v2")),
              f"{name}: {row['found']}")
        with open("/proc/self/cgroup", encoding="ascii") as file:
            v1 = any(name in line.split(":")[1].split(",") for line in file)
        equal("unified_cgroup_hierarchy" in row["remedy"], v1, f"{name}: remedy of a hybrid host: {row['remedy']}")


@case("", "doctor: a user without subordinate ids is told the mode, why it is weaker, and the command that helps")
def _():
    if not ROOT:
        raise Skip("needs to become another user")
    with foreign_home() as home:
        code, data, features = rows(prefix=["setpriv", "--reuid=47129", "--regid=47129", "--clear-groups"], env={"HOME": home})
    equal((code, data["identity"], features["subids"]["present"]), (0, "single", False), data["identity_note"])
    check("weaker" in data["identity_note"], data["identity_note"])
    check("usermod" in features["subids"]["remedy"] or "uidmap" in features["subids"]["remedy"], features["subids"]["remedy"])


@case("", "doctor: a state directory that this user may not write is said, and refused; a cause of several features is told once")
def _():
    if not ROOT:
        raise Skip("needs to become another user")
    with foreign_home() as home:
        other = {"prefix": ["setpriv", "--reuid=47129", "--regid=47129", "--clear-groups"], "env": {"HOME": home}}
        code, data, features = rows("--state-dir", "/root/deep/below", **other)
        check(not features["state"]["present"], features["state"]["found"])
        equal((code, data["ok"]), (3, False), "a run would end before its first step")
        _, out = doctor("--state-dir", "/root/deep/below", **other)
    causes = [line.strip() for line in out.split("this host")[0].splitlines() if "may make no group" in line]
    check(len(causes) <= 1, f"one cause is told {len(causes)} times")


# --- a policy on this host --------------------------------------------------------------------------------------------


@case("", "doctor --policy: a policy that asks for nothing special can be enforced")
def _():
    can_run()
    code, missing, out = judge("version: 1\nlimits: { pids: 100, time: 5m }\n")
    equal((code, missing), (0, []), out)
    check(out.startswith("This host can enforce this policy."), out)


@case("", "doctor --policy: memory and cpus are refused where the controller is missing, with the line; a run says the same")
def _():
    can_run()
    _, _, features = rows()
    code, missing, out = judge("version: 1\nlimits:\n  pids: 100\n  memory: 1GiB\n  cpus: 2\n")
    want = [(key, line) for key, line, name in (("limits.memory", 4, "memory"), ("limits.cpus", 5, "cpu")) if not features[name]["present"]]
    equal([(m["key"], m["line"]) for m in missing], want, out)
    equal(code, 3 if want else 0, out)
    job = Job([step("one", "true")], limits={"memory": "1GiB", "cpus": 2})
    try:
        equal(job.run().rc, code, "exit status of the run")
    finally:
        job.close()


@case("", "doctor --policy: memory that a fault takes away is refused on every host")
def _():
    can_run()
    where, path = with_policy("version: 1\nlimits: { memory: 1GiB }\n")
    try:
        code, data, _ = rows("--policy", path, env={"DRYDOCK_FAULT": "memory"})
        equal((code, [m["key"] for m in data["policy"]["missing"]]), (3, ["limits.memory"]), "verdict")
    finally:
        shutil.rmtree(where)


@case("", "doctor --policy: a profile, a directory, a secret file, a variable and a set that are not there are each named with their line")
def _():
    can_run()
    text = """version: 1
phases:
  fetch:
    egress:
      - use: npm
  push:
    egress: [ { host: push.test } ]
steps:
  - { phase: push, match: { id: publish } }
credentials:
  filed:
    from: { file: absent-token }
    for: { phase: push, steps: [ publish ] }
    as: { env: A }
  named:
    from: { env: DD_TEST_ABSENT }
    for: { phase: push, steps: [ publish ] }
    as: { env: B }
sandbox:
  seccomp: nosuchprofile
  read:
    - /usr/share
    - /nonexistent/toolchain
"""
    # The set is broken by the operator's own list, so the test does not depend on what is installed here.
    def broken_set(where):
        os.mkdir(os.path.join(where, "egress"))
        with open(os.path.join(where, "egress", "npm.yml"), "w", encoding="utf-8") as file:
            file.write("not a list\n")
    code, missing, out = judge(text, before=broken_set)
    equal(code, 3, out)
    equal(sorted((m["line"], m["key"]) for m in missing),
          [(5, "egress: use"), (12, "credentials.filed.from"), (16, "credentials.named.from"), (20, "sandbox.seccomp"), (23, "sandbox.read")], out)
    check(all(m["remedy"] and m["found"] for m in missing), str(missing))
    check("NOT this policy" in out.splitlines()[0], out)


@case("", "doctor --policy: credentials that need more locked memory than this user may lock are named with their line")
def _():
    can_run()
    where, path = with_policy("version: 1\nsteps: [ { phase: push, match: { id: p } } ]\nphases: { push: { egress: none } }\ncredentials:\n"
                              "  token:\n    from: { env: A_TOKEN }\n    for: { phase: push, steps: [ p ] }\n    as: { env: TOKEN }\n")
    try:
        code, data, features = rows("--policy", path, env={"A_TOKEN": "0123456789"}, prefix=["prlimit", "--memlock=131072:131072"])
    finally:
        shutil.rmtree(where)
    missing = data["policy"]["missing"]
    equal((code, features["mlock"]["present"], [(m["key"], m["line"]) for m in missing]), (3, True, [("credentials", 5)]), f"{missing}")
    check("ulimit -l" in missing[0]["remedy"], missing[0]["remedy"])


@case("", "doctor --policy: what is put right disappears from the list")
def _():
    can_run()
    text = """version: 1
phases: { push: { egress: [ { host: push.test } ] } }
steps: [ { phase: push, match: { id: publish } } ]
credentials:
  filed: { from: { file: token }, for: { phase: push, steps: [ publish ] }, as: { env: A } }
  named: { from: { env: DD_TEST_PRESENT }, for: { phase: push, steps: [ publish ] }, as: { env: B } }
sandbox: { read: [ /usr/share ] }
"""
    def token(mode):
        def write(where):
            path = os.path.join(where, "token")
            with open(path, "w", encoding="utf-8") as file:
                file.write("s3cret-value\n")
            os.chmod(path, mode)
        return write
    code, missing, out = judge(text, env={"DD_TEST_PRESENT": "x"}, before=token(0o600))
    equal((code, missing), (0, []), out)
    code, missing, out = judge(text, env={"DD_TEST_PRESENT": "x"}, before=token(0o666))
    equal((code, [m["key"] for m in missing]), (3, ["credentials.filed.from"]), out)
    check("s3cret" not in out, "the doctor printed a secret")


@case("X-10", "doctor --policy: a wrong policy is a usage error with its place, not a finding about the host")
def _():
    where, path = with_policy("version: 1\nlimitz: {}\n")
    try:
        code, out = doctor("--policy", path)
        equal(code, 2, out)
        check("policy.yml:2:1" in out, out)
        equal(doctor("--policy", path + ".absent")[0], 2, "a policy that is not there")
        equal(doctor("stray")[0], 2, "a stray argument")
    finally:
        shutil.rmtree(where)


@case("X-09", "root's drydock below another user's closed directory names the file and what to do; it takes no other file in its place")
def _():
    if not ROOT:
        raise Skip("only root gives up rights over other users' files")
    stage = tempfile.mkdtemp(prefix="dd-closed-")
    try:
        shutil.copytree(os.path.join(os.path.dirname(DRYDOCK), "..", "configs"), os.path.join(stage, "configs"))
        os.mkdir(os.path.join(stage, "build"))
        shutil.copy(DRYDOCK, os.path.join(stage, "build/drydock"))
        os.mkdir(os.path.join(stage, "src"))
        with open(os.path.join(stage, "w.yml"), "w", encoding="ascii") as file:
            file.write("jobs:\n  a:\n    steps:\n      - run: echo @@ran@@\n")
        os.chown(os.path.join(stage, "configs"), 47124, 47124)
        os.chmod(os.path.join(stage, "configs"), 0o700)
        done = subprocess.run([os.path.join(stage, "build/drydock"), "run", "w.yml", "--workspace", "src", "--state-dir", os.path.join(stage, "state")], cwd=stage,
                              capture_output=True, text=True, timeout=60, check=False)
        out = " ".join((done.stdout + done.stderr).split())
        check(done.returncode == 3 and "| @@ran@@" not in out, f"exit {done.returncode}: {out}")
        check("configs/seccomp/default.seccomp cannot be read: Permission denied" in out and "make install" in out, out)
    finally:
        shutil.rmtree(stage)


if __name__ == "__main__":
    main()
