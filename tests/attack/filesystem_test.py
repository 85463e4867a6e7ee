#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""filesystem_test.py - attacks on and through the file system (F)."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, PUSH, ROOT, Job, Skip, case, check, closed, equal, main, py, run, step  # noqa: E402


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@case("F-01", "nothing outside workspace, home and temporary directories can be written")
def _():
    r = closed('''
        for path in ("/x", "/etc/x", "/usr/x", "/usr/bin/x", "/bin/x", "/lib/x", "/var/x", "/opt/x", "/run/x", "/dev/x", "/proc/x", "/sys/x", "/root/x", "/home/x"):
            attempt(path, lambda: open(path, "w"))
        for path in ("/etc/passwd", "/etc/resolv.conf", "/usr/bin/env", "/etc/hosts"):
            attempt("over" + path, lambda: open(path, "a"))
        for path in ("/work/x", os.environ["HOME"] + "/x", "/tmp/x", os.environ.get("RUNNER_TEMP", "/tmp") + "/y"):
            attempt("may" + path, lambda: open(path, "w") and "written")
    ''')
    for label, value in r.marks.items():
        if label.endswith(".ms"):
            continue
        if label.startswith("may"):
            equal(value, "ok:written", label, r)
        else:
            check(value in ("EROFS", "EACCES", "ENOENT", "EPERM"), f"writing {label} said {value}", r)


@case("F-02", "homes, keys, shadow, the host's temporary files and other workspaces are not in view")
def _():
    secret = tempfile.NamedTemporaryFile(prefix="dd-f02-", mode="w", suffix=".secret")  # pylint: disable=consider-using-with
    secret.write("host secret")
    secret.flush()
    r = closed(f'''
        home = {os.path.expanduser("~")!r}
        for path in ("/etc/shadow", "/etc/gshadow", "/etc/ssh/ssh_host_ed25519_key", "/root/.ssh", "/root/.bashrc", home + "/.bashrc", home + "/.ssh",
                     "/etc/drydock", "/var/lib/drydock", "/var/log", "/etc/ssl/private", "/run/systemd", {secret.name!r}, "/proc/1/root/etc/shadow",
                     "/etc/sudoers", "/etc/machine-id", "/var/lib/systemd", "/mnt", "/boot/grub"):
            attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read(1))
    ''')
    for label, value in r.marks.items():
        if not label.endswith(".ms"):
            check(value in ("ENOENT", "EACCES", "EPERM", "ok:[]"), f"reading {label} said {value}", r)
    secret.close()


@case("F-03", "a link that a step plants never makes the supervisor read or write outside the workspace")
def _():
    outside = tempfile.mkdtemp(prefix="dd-f03-")
    with open(os.path.join(outside, "precious"), "w", encoding="ascii") as file:
        file.write("precious")
    job = Job([step("plant", f'''
mkdir -p dist; echo good >dist/good
ln -s {outside}/precious dist/link; ln -s {outside} dist/dir; ln -s / dist/root; ln -s /etc/passwd dist/passwd
mkfifo dist/fifo
'''), step("publish", "ls -R dist | sed 's/.*/@@f-&=1@@/'; cat dist/good", PUSH)], {"push": {"artifacts": ["dist/**"]}})
    try:
        r = job.run(timeout=30)
        found = {f for _, _, files in os.walk(os.path.join(job.dir, "out")) for f in files}
        check("precious" not in found and "passwd" not in found, f"the supervisor followed a link: {found}", r)
        for where, _, files in os.walk(os.path.join(job.dir, "out")):
            for file in files:
                check(not os.path.islink(os.path.join(where, file)), "a link came out", r)
        equal(os.listdir(outside), ["precious"], "files outside", r)
        if r.rc == 0:
            check("good" in found, "the artifact is missing", r)
        else:
            check(r.events("violation") or r.rc in (1, 4), "neither success nor a refusal with a reason", r)
    finally:
        job.close()
        os.unlink(os.path.join(outside, "precious"))
        os.rmdir(outside)


@case("F-05", "no hard link to a setuid program or to a file of the system")
def _():
    r = closed('''
        for path in ("/usr/bin/su", "/usr/bin/passwd", "/etc/passwd", "/usr/bin/env"):
            attempt(path, lambda: os.link(path, "/work/linked" + os.path.basename(path)))
    ''')
    for label, value in r.marks.items():
        if not label.endswith(".ms"):
            check(value in ("EXDEV", "EPERM", "EACCES", "EROFS", "ENOENT"), f"{label} said {value}", r)


@case("F-06 F-07", "a workspace full of links named like system directories changes neither the host nor the sandbox")
def _():
    outside = tempfile.mkdtemp(prefix="dd-f06-")
    job = Job([step("probe", py('''
        mark("null", "%o" % os.stat("/dev/null").st_mode); mark("dev", sorted(os.listdir("/dev"))); mark("proc", os.path.islink("/proc"))
    '''))])
    try:
        for link in ("dev", "proc", "sys", "etc", "tmp", "work"):
            os.symlink(outside, os.path.join(job.dir, "src", link))
        r = job.run()
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    equal(os.listdir(outside), [], "files at the link's target", r)
    equal(r.mark("null"), "20666", "mode of /dev/null", r)
    os.rmdir(outside)


@case("F-06", "a workspace path that is itself a link to somewhere else is refused or resolved before, never followed inside")
def _():
    job = Job([step("probe", "echo @@ran=yes@@")])
    try:
        os.rename(os.path.join(job.dir, "src"), os.path.join(job.dir, "real"))
        os.symlink("/etc", os.path.join(job.dir, "src"))
        before = sorted(os.listdir("/etc"))
        r = job.run()
        equal(sorted(os.listdir("/etc")), before, "names in /etc", r)
    finally:
        job.close()


@case("F-08", "a working directory through /proc or an inherited descriptor is refused or stays inside")
def _():
    for where in ("/proc/self/fd/3", "/proc/1/cwd", "/proc/self/fd/7/../../.."):
        job = Job([step("probe", "echo @@ran=yes@@; pwd -P | sed 's/.*/@@cwd=&@@/'; ls /.drydock-old /etc/shadow 2>&1 | head -3", **{"working-directory": where})])
        leak = os.open("/", os.O_RDONLY)
        try:
            os.set_inheritable(leak, True)
            r = job.run(pass_fds=(leak,))
        finally:
            os.close(leak)
            job.close()
        check(r.rc != 0 or r.marks.get("cwd", "").startswith("/work"), f"ran in {r.marks.get('cwd')}", r)


@case("F-08", "a working directory that an earlier step turned into a link of /proc is refused, one that leads to / stays inside")
def _():
    r = run([step("plant", "ln -s /proc/self/cwd magic"), step("use", "echo @@ran=yes@@", **{"working-directory": "magic"})], rc=None)
    check(r.rc != 0 and "ran" not in r.marks, "a magic link was followed", r)
    r = run([step("plant", "ln -s / root"), step("use", "pwd -P | sed 's/.*/@@cwd=&@@/'; ls -d /etc/shadow /root 2>/dev/null | wc -l | sed 's/.*/@@host=&@@/'", **{"working-directory": "root"})])
    equal(r.mark("cwd"), "/", "working directory", r)
    equal(r.mark("host"), "0", "files of the host's root", r)


@case("F-09", "the drydock binary cannot be overwritten through /proc/1/exe, and is the same afterwards")
def _():
    before = digest(DRYDOCK)
    r = closed('''
        for path in ("/proc/1/exe", "/proc/self/exe", "/proc/%d/exe" % os.getppid()):
            attempt("w" + path, lambda: os.open(path, os.O_WRONLY))
            attempt("t" + path, lambda: os.open(path, os.O_RDWR | os.O_TRUNC))
    ''')
    for label, value in r.marks.items():
        if not label.endswith(".ms"):
            check(not value.startswith("ok"), f"{label} said {value}", r)
    equal(digest(DRYDOCK), before, "digest of the binary", r)


@case("F-10", "setuid bits, file capabilities, devices and trusted attributes fail or have no effect in the next step and outside")
def _():
    job = Job([step("make", py('''
        import shutil
        shutil.copy("/usr/bin/id", "/work/suid")
        attempt("chmod", lambda: os.chmod("/work/suid", 0o6755))
        attempt("mknod", lambda: os.mknod("/work/null", 0o20666, os.makedev(1, 3)))
        attempt("cap", lambda: os.setxattr("/work/suid", "security.capability", b"\\x01\\0\\0\\x02" + b"\\xff" * 16))
        attempt("trusted", lambda: os.setxattr("/work/suid", "trusted.x", b"1"))
        os.makedirs("/work/dist", exist_ok=True); shutil.copy("/work/suid", "/work/dist/suid"); attempt("chmod2", lambda: os.chmod("/work/dist/suid", 0o6755))
    ''')), step("use", "/work/suid -u | sed 's/.*/@@uid=&@@/'; grep NoNewPrivs /proc/self/status | tr -d '\\t' | sed 's/.*/@@nnp=&@@/'"),
               step("publish", "true", PUSH)], {"push": {"artifacts": ["dist/**"]}})
    try:
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        for label in ("mknod", "trusted"):
            check(not r.mark(label).startswith("ok"), f"{label} succeeded", r)
        equal(r.mark("uid"), "1001", "uid of the setuid program", r)
        equal(r.mark("nnp"), "NoNewPrivs:1", "no_new_privs", r)
        for where, _, files in os.walk(os.path.join(job.dir, "out")):
            for file in files:
                path = os.path.join(where, file)
                check(not os.stat(path).st_mode & 0o6000, "a setuid bit came out", r)
                check("security.capability" not in os.listxattr(path), "a file capability came out", r)
    finally:
        job.close()


@case("F-13", "no mount call and no new mount namespace inside a step")
def _():
    r = closed('''
        libc = ctypes.CDLL(None, use_errno=True)
        def call(name, number, *args):
            def go():
                if libc.syscall(number, *args) < 0: raise OSError(ctypes.get_errno(), name)
                return "worked"
            attempt(name, go)
        call("mount", 165, b"none", b"/tmp", b"tmpfs", 0, None); call("umount2", 166, b"/tmp", 2); call("pivot_root", 155, b"/tmp", b"/tmp")
        call("move_mount", 429, -100, b"/tmp", -100, b"/work", 0); call("open_tree", 428, -100, b"/", 1); call("fsopen", 430, b"tmpfs", 0)
        call("fsmount", 432, 0, 0, 0); call("mount_setattr", 442, -100, b"/", 0, None, 0); call("unshare", 272, 0x20000); call("setns", 308, 0, 0); call("chroot", 161, b"/tmp")
    ''')
    for label in ("mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr", "unshare", "setns", "chroot"):
        check(r.mark(label) in ("EPERM", "ENOSYS", "EACCES"), f"{label} said {r.mark(label)}", r)


@case("F-14", "a build step that changes a tracked source file is noticed, and the push step sees the commit's file")
def _():
    r = run([step("tamper", "echo evil >>README; mkdir -p dist; echo x >dist/a"), step("publish", "sed 's/.*/@@readme=&@@/' README", PUSH)],
            {"push": {"artifacts": ["dist/**"]}}, rc=None)
    check(r.mentions("violation", "README"), "no violation names the file", r)
    check(r.rc == 4 or r.marks.get("readme") == "a workspace", "the push step saw the changed file", r)


@case("F-14 G-10", "whatever view a push step has, home, tools and temporary directories are fresh; build steps share them")
def _():
    plant = 'mkdir -p dist; echo x >dist/a; for d in "$HOME" "$RUNNER_TOOL_CACHE" "$RUNNER_TEMP" /tmp /var/tmp /dev/shm; do echo planted >"$d/.curlrc"; done'
    look = 'for d in "$HOME" "$RUNNER_TOOL_CACHE" "$RUNNER_TEMP" /tmp /var/tmp /dev/shm; do test -e "$d/.curlrc" && printf "%s " "$d"; done | sed "s/.*/@@WHO=&@@/"; true'
    for view in ("pristine", "artifacts", "shared"):
        r = run([step("plant", plant), step("build", look.replace("WHO", "build")), step("publish", look.replace("WHO", "push"), PUSH)],
                {"push": {"artifacts": ["dist/**"], "workspace": view}})
        check("push" not in r.marks, f"{view}: the push step sees what a build step left in {r.marks.get('push')}", r)
        equal(r.mark("build").split(), ["/home/runner", "/opt/hostedtoolcache", "/work-temp", "/tmp", "/var/tmp"], "what the next build step sees", r)


@case("F-14", "`workspace: shared` fails when a tracked source file changed during build")
def _():
    r = run([step("tamper", "echo evil >>README; mkdir -p dist; echo x >dist/a"), step("publish", "echo @@published=yes@@", PUSH)],
            {"push": {"artifacts": ["dist/**"], "workspace": "shared"}}, rc=4)
    check("published" not in r.marks, "the push step ran", r)


def index(*names, version=2):
    """A git index of these paths, as git would write it for files it has never looked at."""
    entries = b""
    for name in sorted(n.encode() for n in names):
        entry = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(12) + hashlib.sha1(name).digest() + len(name).to_bytes(2, "big") + name
        entries += entry + bytes(8 - len(entry) % 8)
    body = b"DIRC" + version.to_bytes(4, "big") + len(names).to_bytes(4, "big") + entries
    return body + hashlib.sha1(body).digest()


@case("F-18", "an index that is empty, cut, of another tree, a directory or a FIFO does not switch the check for tampering off")
def _():
    for what, data in (("empty", index()), ("cut", index("README", "main.c")[:-7]), ("nothing", b""), ("foreign", index("other.c", "lib/other.h")),
                       ("version 9", index("README", version=9)), ("a directory", None)):
        files = {".git/HEAD": "ref: refs/heads/main\n", "main.c": "int main;\n", **({".git/index": data} if data is not None else {".git/index/x": "y"})}
        for view in ("pristine", "shared"):
            r = run([step("tamper", "echo evil >>main.c; mkdir -p dist; echo x >dist/a"), step("publish", "echo @@published=$(grep -c evil main.c)@@", PUSH)],
                    {"push": {"artifacts": ["dist/**"], "workspace": view}}, files=files, rc=None)
            check(r.mentions("violation", "main.c"), f"{what}: no violation names the file", r)
            check(r.rc == 4 if view == "shared" else r.marks.get("published") == "0", f"{what}: the push step ran with the changed file", r)


MAPPED = py('''
    import mmap
    with open("main.c", "r+b") as file:
        with mmap.mmap(file.fileno(), 0) as m:
            m[0]   # a page that was only read is mapped writable where nobody wants to know of stores
            m[0:4] = b"evil"
    mark("stored", open("main.c").read(4))
''')


@case("F-17", "a source that is changed through a mapping is found, on whatever file system the state directory lies")
def _():
    if not ROOT:
        raise Skip("needs mounts of its own")
    for what, mounts in (("the disk", []), ("tmpfs", [["-t", "tmpfs", "none", "{s}"]]),
                         ("an overlay over tmpfs", [["-t", "tmpfs", "none", "{s}"], ["-t", "overlay", "none", "-o", "lowerdir={d}/src,upperdir={s}/u,workdir={s}/w", "{s}/m"]])):
        job = Job([step("first", "echo x >x"), step("tamper", MAPPED), step("publish", "echo @@published=yes@@", PUSH)], {"push": {"workspace": "shared"}},
                  files={"main.c": "int main;\n"})
        state = os.path.join(job.dir, "state-dir")
        os.mkdir(state)
        try:
            for argv in mounts:
                subprocess.run(["mount", *[a.format(s=state, d=job.dir) for a in argv]], check=True)
                for name in ("u", "w", "m"):
                    os.makedirs(os.path.join(state, name), exist_ok=True)
            r = job.run("--state-dir", state + ("/m" if len(mounts) == 2 else ""), timeout=60)
            equal(r.mark("stored"), "evil", f"{what}: the step's own view", r)
            equal(r.rc, 4, f"exit status on {what}", r)
            check("published" not in r.marks and r.mentions("violation", "main.c"), f"{what}: the push step ran", r)
        finally:
            for argv in reversed(mounts):
                subprocess.run(["umount", "-l", argv[-1].format(s=state)], check=False)
            job.close()


GIT_FILES = {".git/HEAD": "ref: refs/heads/main\n", ".git/config": "[core]\n\tbare = false\n", ".git/index": index("README"), "README": "a workspace\n"}


@case("F-16", "nothing below a .git is an artifact, however it is spelled and wherever it lies")
def _():
    places = [".git/hooks/post-checkout", ".GIT/hooks/x", "git~1/config", ".git /x", ".git./x", ".git::$INDEX_ALLOCATION/x", "dist/.git/config", "dist/.g\u200cit/x", "sub/.Git/info/attributes"]
    make = "\n".join(f"mkdir -p '{os.path.dirname(p)}'; echo planted >'{p}'" for p in places) + "\nmkdir -p dist; echo good >dist/good"
    job = Job([step("plant", make), step("publish", "find . -type f -exec grep -l planted {} + | sed 's/.*/@@planted=&@@/'; cat dist/good", PUSH)],
              {"push": {"artifacts": ["**"]}}, files=GIT_FILES)
    try:
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        check("planted" not in r.marks, "the push step has a planted file", r)
        out = {os.path.relpath(os.path.join(w, f), job.dir + "/out") for w, _, files in os.walk(job.dir + "/out") for f in files}
        check("dist/good" in out and not any("planted" in open(os.path.join(job.dir, "out", f), encoding="utf-8").read() for f in out), f"in --out: {out}", r)
        check("lie in a .git" in r.out, "that something was left out is not told", r)
        check(r.mentions("violation", ".git/hooks/post-checkout"), "no violation names the hook", r)
    finally:
        job.close()


@case("F-16", "an artifact that would replace a differing file of the checkout is refused, tracked or not, and one that would replace a directory or a link")
def _():
    for what, make in (("tracked", "echo evil >README"), ("untracked", "echo evil >.npmrc"), ("under a link", "rm way; mkdir way; echo evil >way/x"),
                       ("for a directory", "rm -r etc; echo evil >etc")):
        files = {**GIT_FILES, ".npmrc": "registry=good\n", "etc/rc": "x\n", "real/y": "y\n"}
        job = Job([step("make", make), step("publish", "echo @@published=yes@@", PUSH)], {"push": {"artifacts": ["**"]}}, files=files)
        os.symlink("real", os.path.join(job.dir, "src/way"))
        try:
            r = job.run("--untracked")
            equal(r.rc, 4, f"exit status: {what}", r)
            check("published" not in r.marks, f"{what}: the push step ran", r)
        finally:
            job.close()
    r = run([step("make", "cat README >x; mkdir -p dist; echo 1 >dist/a"), step("publish", "echo @@published=$(cat dist/a)@@", PUSH)],
            {"push": {"artifacts": ["README", "dist/**"]}}, files=GIT_FILES)
    equal(r.mark("published"), "1", "an artifact that is the checkout's own file, unchanged", r)


@case("F-16", "with `workspace: shared` what git obeys counts as tracked: configuration, hooks, info, attributes, alternates; commits do not")
def _():
    for what in ("echo '[core] fsmonitor = ./evil' >>.git/config", "mkdir -p .git/hooks; echo evil >.git/hooks/pre-push", "mkdir -p .git/info; echo x >.git/info/attributes",
                 "mkdir -p .git/objects/info; echo /x >.git/objects/info/alternates", "echo x >.gitattributes", "echo x >.git/config.worktree", "rm -r .git; echo 'gitdir: /tmp/x' >.git",
                 "mkdir -p .git/modules/m; echo x >.git/modules/m/config"):
        r = run([step("plant", what), step("publish", "echo @@published=yes@@", PUSH)], {"push": {"workspace": "shared"}}, files=GIT_FILES, rc=4)
        check("published" not in r.marks and r.events("violation"), f"{what}: the push step ran", r)
    r = run([step("commit", "mkdir -p .git/refs/heads .git/objects/aa .git/logs; echo 1 >.git/refs/heads/main; echo x >.git/objects/aa/bb; echo x >.git/logs/HEAD"),
             step("publish", "echo @@published=yes@@", PUSH)], {"push": {"workspace": "shared"}}, files=GIT_FILES)
    equal(r.mark("published"), "yes", "a commit of the build step", r)


if __name__ == "__main__":
    main()
