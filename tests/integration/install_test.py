#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""install_test.py - make install goes wholly or not at all, for root and for a user, and make uninstall takes away just what it put there."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from dd import BUILD, ROOT, Skip, case, check, equal, main  # noqa: E402

SCRIPT = os.path.join(HERE, "..", "..", "scripts", "install")


def script(*argv, home="/nonexistent"):
    done = subprocess.run([SCRIPT, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, timeout=120,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home})
    return done.returncode, done.stdout


def files_below(where):
    return sorted(os.path.relpath(os.path.join(d, n), where) for d, _, names in os.walk(where) for n in names)


def build_dir():
    return os.path.abspath(BUILD)


def lock_etc():
    """For the rest of this program /etc is read-only, for root too, as it is for a user."""
    if ROOT:
        subprocess.run(["mount", "--bind", "/etc", "/etc"], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", "/etc"], check=True)


@case("", "install into a DESTDIR brings binary, data, manual, completion and the files of the host; uninstall leaves nothing")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-install-") as dest:
        code, out = script(build_dir(), dest, "/usr")
        equal(code, 0, out)
        found = files_below(dest)
        for path in ("usr/bin/drydock", "usr/share/drydock/seccomp/default.seccomp", "usr/share/man/man1/drydock.1",
                     "usr/share/bash-completion/completions/drydock", "etc/modules-load.d/drydock.conf",
                     "usr/lib/systemd/system/drydock.service", "usr/lib/sysusers.d/drydock.conf"):
            check(path in found, f"{path} is missing: {found}")
        equal(os.stat(dest + "/etc/drydock/secrets").st_mode & 0o777, 0o700, "mode of secrets")
        code, out = script("--uninstall", dest, "/usr")
        equal((code, files_below(dest)), (0, []), out)
        equal((os.listdir(dest + "/usr"), os.path.exists(dest + "/etc/drydock")), ([], False), "directories are left")


@case("", "the unit is one that systemd takes without a word, and its exposure is at most 3.6")
def _():
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze on this host")
    with tempfile.TemporaryDirectory(prefix="dd-install-") as dest:
        code, out = script(build_dir(), dest, "/usr")
        equal(code, 0, out)
        unit = dest + "/usr/lib/systemd/system/drydock.service"
        with open(unit, encoding="utf-8") as file:
            text = file.read()
        check("ExecStart=/usr/bin/drydock agent --state-dir /var/lib/drydock\n" in text, text)
        with open(unit, "w", encoding="utf-8") as file:   # what is verified must be there
            file.write(text.replace("/usr/bin/drydock", dest + "/usr/bin/drydock"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ, "SYSTEMD_LOG_LEVEL": "notice"})
        said = [line for line in done.stdout.splitlines() if "drydock.service" in line]
        equal(said, [], "what systemd says of it")
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=36", unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        check(done.returncode == 0, done.stdout[-600:])


@case("", "a user installs below a prefix of their own: whole, working, and told what was left out")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-install-") as home:
        code, out = script(build_dir(), "", "~/.local", home=home)
        equal(code, 0, out)
        check("/etc/modules-load.d/drydock.conf" in out and "modprobe -a nf_tables" in out, out)
        binary = home + "/.local/bin/drydock"
        done = subprocess.run([binary, "policy", "sets"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, cwd="/")
        check(done.returncode == 0 and "github" in done.stdout, "the installed binary does not find its data: " + done.stdout[:400])
        equal([p for p in files_below(home) if not p.startswith(".local/")], [], "outside of the prefix")
        code, out = script("--uninstall", "", "~/.local", home=home)
        equal((code, os.listdir(home), os.listdir(home + "/.local")), (0, [".local"], []), out)


@case("", "a prefix that cannot be written is said before anything is installed, with what to do")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-install-") as where:
        os.mkdir(where + "/share")
        os.symlink("/proc/self", where + "/share/man")   # nobody can write there, so the manual would fail after binary and data
        code, out = script(build_dir(), "", where)
        equal(code, 1, out)
        check("nothing was installed" in out and "PREFIX=$HOME/.local" in out, out)
        equal(sorted(os.listdir(where)), ["share"], "something was installed all the same")


@case("", "a second installation removes what the first had and it has not, and leaves the operator's files alone")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-install-") as dest:
        equal(script(build_dir(), dest, "/usr")[0], 0, "first")
        old = dest + "/usr/share/drydock/seccomp/gone.seccomp"
        for path in (old, dest + "/etc/drydock/policy.d/mine.yml"):
            with open(path, "w", encoding="ascii") as file:
                file.write("x\n")
        with open(dest + "/usr/share/drydock/installed", "a", encoding="ascii") as file:
            file.write("/usr/share/drydock/seccomp/gone.seccomp\n")
        equal(script(build_dir(), dest, "/usr")[0], 0, "second")
        check(not os.path.exists(old), "a file of the earlier version is still there")
        code, out = script("--uninstall", dest, "/usr")
        equal((code, files_below(dest)), (0, ["etc/drydock/policy.d/mine.yml"]), out)
        check("etc/drydock" in out, out)


@case("", "uninstall of what is not there, and a relative prefix, are errors")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-install-") as where:
        code, out = script("--uninstall", "", where)
        check(code == 1 and "nothing of drydock is installed" in out, out)
        code, out = script(build_dir(), "", "relative/prefix")
        check(code == 1 and "absolute" in out, out)


if __name__ == "__main__":
    main(lock_etc)
