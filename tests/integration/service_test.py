#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""service_test.py - drydock.service under this host's own systemd, booted in a container: service_guest.py says what is tried.

Its cases are one here: the machine is booted once, and what it says of each of them is shown when one fails. In an emulated machine, with limits and on
either release of Debian: docs/service.md."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from booted import Booted  # noqa: E402
from dd import BUILD, Skip, case, check, main  # noqa: E402

TREE = os.path.join(HERE, "..", "..")


def share(where):
    """What the machine sees: the package and the tests."""
    if not shutil.which("dpkg-shlibdeps"):
        raise Skip("no dpkg-shlibdeps on this host")
    shutil.copy(os.path.join(BUILD, "drydock"), where)
    done = subprocess.run([os.path.join(TREE, "scripts", "deb"), where, "0.1.0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ, "DEBFULLNAME": "A. Builder", "DEBEMAIL": "builder@debian.org"})
    check(done.returncode == 0, done.stdout)
    for name in ("tests/lib", "tests/fakes", "tests/integration", "configs"):
        shutil.copytree(os.path.join(TREE, name), os.path.join(where, name))
    return "/mnt/share/" + os.path.basename(done.stdout.split()[-1])


@case("", "the unit runs jobs under systemd: exposure, identity, credentials, reload, stop, crash, journal")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-share-") as where:
        os.chmod(where, 0o755)
        package = share(where)
        with Booted(where) as machine:
            code, out = machine.run("python3", "/mnt/share/tests/integration/service_guest.py", package, timeout=500)
        for line in out.splitlines():
            if re.match(r"ok |# .*exposure", line):
                print("# " + line)
        check(code == 0, out)


if __name__ == "__main__":
    main()
