#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""package_test.py - the Debian package: what is in it, and that install, upgrade, remove and purge keep and take what they should.

Installed into this host's own root below a layer in memory, in a mount namespace of the test, with no systemd that runs and nothing fetched: so what the
package depends on must be here, as it is on a host that builds it. `scripts/fresh 13 'make deb && ...'` does the same in a system that has nothing."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from dd import BUILD, ROOT, Skip, at_end, case, check, equal, main  # noqa: E402

TREE = os.path.join(HERE, "..", "..")
WORDS = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "check": False, "text": True, "timeout": 300}
made = {}


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"no {tool} on this host")


def deb(version):
    """The package of @version, made once."""
    need("dpkg-deb", "dpkg-shlibdeps", "strip")
    if version not in made:
        build = tempfile.mkdtemp(prefix="dd-deb-")
        at_end.append(build)
        os.chmod(build, 0o755)
        shutil.copy(os.path.join(BUILD, "drydock"), build)
        done = subprocess.run([os.path.join(TREE, "scripts", "deb"), build, version], env={**os.environ, "DEBFULLNAME": "A. Builder", "DEBEMAIL": "builder@debian.org", "SOURCE_DATE_EPOCH": "1764000000"}, **WORDS)
        equal(done.returncode, 0, done.stdout)
        made[version] = done.stdout.split()[-1]
    return made[version]


class Host:
    """This host's root below a layer in memory: what is installed there is gone with the test."""

    def __init__(self):
        if not ROOT:
            raise Skip("to install a package takes root")
        need("dpkg", "chroot")
        self.dir = tempfile.mkdtemp(prefix="dd-host-")
        self.root = self.dir + "/root"

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "dd-host", self.dir], check=True)
        for name in ("root", "up", "work"):
            os.mkdir(f"{self.dir}/{name}")
        done = subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={self.dir}/up,workdir={self.dir}/work", "dd-host", self.root], **WORDS)
        if done.returncode != 0:
            subprocess.run(["umount", self.dir], check=False)
            raise Skip("no overlay over this host's root: " + done.stdout.strip())
        subprocess.run(["mount", "-t", "tmpfs", "run", self.root + "/run"], check=True)   # no systemd that runs: nothing is started
        for name in ("proc", "dev"):
            subprocess.run(["mount", "--bind", "/" + name, f"{self.root}/{name}"], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-R", "-l", self.dir], check=False)
        os.rmdir(self.dir)

    def run(self, *argv):
        done = subprocess.run(["chroot", self.root, *argv], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL, **WORDS)
        return done.returncode, done.stdout

    def dpkg(self, *argv):
        code, out = self.run("dpkg", "--no-triggers", *argv)
        equal(code, 0, out)
        return out

    def install(self, package):
        shutil.copy(package, self.root + "/run/drydock.deb")
        return self.dpkg("--install", "/run/drydock.deb")

    def read(self, path):
        with open(self.root + path, encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.root + path), exist_ok=True)
        with open(self.root + path, "w", encoding="utf-8") as file:
            file.write(text)

    def has(self, path):
        return os.path.lexists(self.root + path)


@case("", "the package has binary, unit, account, directories, manual, completion and licence, and names every library that is loaded or linked")
def _():
    package = deb("0.1.0-dev")
    listed = subprocess.run(["dpkg-deb", "-c", package], **WORDS).stdout
    for path in ("usr/bin/drydock", "usr/lib/systemd/system/drydock.service", "usr/lib/sysusers.d/drydock.conf", "usr/lib/tmpfiles.d/drydock.conf",
                 "usr/lib/modules-load.d/drydock.conf", "usr/libexec/drydock/prepare-host", "usr/share/man/man1/drydock.1.gz", "usr/share/man/man5/drydock-policy.5.gz",
                 "usr/share/bash-completion/completions/drydock", "usr/share/drydock/seccomp/default.seccomp", "usr/share/drydock/apparmor/drydock", "usr/share/doc/drydock/copyright"):
        check(f"./{path}\n" in listed, f"{path} is missing: {listed}")
    check("./etc/" not in listed, "a file of the operator's directory belongs to the package: " + listed)
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], **WORDS).stdout
    for library in ("libcurl4", "libarchive13", "libmicrohttpd12", "libsystemd0", "libseccomp2", "libmnl0", "uidmap"):
        check(library in depends, f"{library} is not among {depends}")
    version = subprocess.run(["dpkg-deb", "-f", package, "Version"], **WORDS).stdout.strip()
    for newer in ("0.1.0", "0.1.0+1", "0.2.0"):
        check(subprocess.run(["dpkg", "--compare-versions", version, "lt", newer], check=False).returncode == 0, f"{version} is not older than {newer}")


@case("", "lintian has nothing to say of the package, not even an information")
def _():
    need("lintian")   # scripts/deps --lint
    done = subprocess.run(["lintian", *(["--allow-root"] if ROOT else []), "--display-info", "--tag-display-limit", "0", deb("0.1.0")], **WORDS)
    said = [line for line in done.stdout.splitlines() if line[:2] in ("E:", "W:", "I:") and "bad-distribution" not in line and "spelling-error" not in line]
    equal((done.returncode, said), (0, []), done.stdout)


@case("", "two packages of one tree are the same, byte for byte")
def _():
    first = deb("0.3.0")
    with open(first, "rb") as file:
        before = file.read()
    del made["0.3.0"]
    with open(deb("0.3.0"), "rb") as file:
        check(file.read() == before, "they differ")


@case("", "install makes the account, a range of ids that nobody has, and directories with the right owners; it works, and nothing is started or enabled")
def _():
    package = deb("0.1.0")
    with Host() as host:
        host.write("/etc/subuid", "somebody:100000:65536\nother:231072:65536\n")
        host.write("/etc/subgid", "somebody:100000:65536\n")
        out = host.install(package)
        check("ids 296608 to 362143" in out, out)
        for name in ("subuid", "subgid"):
            check("drydock:296608:65536\n" in host.read("/etc/" + name), host.read("/etc/" + name))
        account = host.run("getent", "passwd", "drydock")[1].split(":")
        for path, mode, owner in (("/var/lib/drydock", 0o700, int(account[2])), ("/etc/drydock/policy.d", 0o755, 0), ("/etc/drydock/secrets", 0o750, 0)):
            there = os.stat(host.root + path)
            equal((oct(there.st_mode & 0o7777), there.st_uid), (oct(mode), owner), path)
        equal(os.stat(host.root + "/etc/drydock/secrets").st_gid, int(account[3]), "group of secrets")
        code, out = host.run("drydock", "policy", "sets")
        check(code == 0 and "github" in out, out)
        check(not host.has("/etc/systemd/system/multi-user.target.wants/drydock.service"), "the service is enabled before a runner is registered")
        host.install(package)   # a second time gives no second range
        equal(host.read("/etc/subuid").count("drydock:"), 1, "ranges")


@case("", "an upgrade keeps the registration, the operator's files and the ids; remove keeps them too; purge takes all but the account")
def _():
    old, new = deb("0.1.0"), deb("0.2.0")
    with Host() as host:
        host.install(old)
        kept = {"/var/lib/drydock/runners/gitlab.example.com.json": '{"token":"glrt-x"}\n', "/etc/drydock/drydock.yml": "version: 1\n", "/etc/drydock/policy.d/10.yml": "version: 1\n",
                "/etc/drydock/secrets/token": "s\n", "/var/log/drydock/1.jsonl": "{}\n"}
        for path, text in kept.items():
            host.write(path, text)
        os.chmod(host.root + "/var/lib/drydock/runners/gitlab.example.com.json", 0o600)
        ids = host.read("/etc/subuid")
        host.install(new)
        equal({path: host.read(path) for path in kept}, kept, "after the upgrade")
        equal(oct(os.stat(host.root + "/var/lib/drydock/runners/gitlab.example.com.json").st_mode & 0o777), "0o600", "mode of the registration")
        equal(host.read("/etc/subuid"), ids, "ids after the upgrade")
        host.dpkg("--remove", "drydock")
        equal({path: host.read(path) for path in kept}, kept, "after remove")
        check(not host.has("/usr/bin/drydock") and "drydock:" not in host.read("/etc/subuid"), "remove left the binary or the ids")
        host.install(new)
        host.dpkg("--purge", "drydock")
        for path in ("/etc/drydock", "/var/lib/drydock", "/var/log/drydock", "/usr/share/drydock", "/usr/lib/systemd/system/drydock.service", "/usr/libexec/drydock"):
            check(not host.has(path), f"purge left {path}")
        equal(host.run("getent", "passwd", "drydock")[0], 0, "the account is gone, files may still be its own")


if __name__ == "__main__":
    main()
