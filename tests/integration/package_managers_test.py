#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""package_managers_test.py - real package managers, unmodified, through the gate, from where this machine gets its packages.

The one test program that does not run in the world of its own: it needs the machine's own network. It asks the machine's configuration
for the hosts at run time (policy `use: npm`, `use: apt`) and skips loudly where there is none."""
import os
import shutil
import subprocess
import sys

os.environ["DD_WORLD"] = "outside"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import world  # noqa: E402
from dd import FETCH, Job, Skip, case, check, equal, main, step  # noqa: E402

world.enter_world = lambda: None    # stay in the machine's own network


def answers(*argv):
    try:
        return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def carry_configuration():
    """Where npm is told by its environment to look goes with the step; credentials do not."""
    return {k: v for k, v in os.environ.items() if k.lower() in ("npm_config_registry", "npm_config_strict_ssl", "npm_config_cafile")}


@case("", "npm install of a package with dependencies, through the gate")
def _():
    if not shutil.which("npm") or not os.path.realpath(shutil.which("npm")).startswith("/usr"):
        raise Skip("there is no npm below /usr")
    if not answers("npm", "view", "mkdirp@0.5.6", "version"):
        raise Skip("this machine's npm registry does not answer")
    job = Job([step("install", 'npm install --no-audit --no-fund mkdirp@0.5.6 && node -e \'require("mkdirp"); console.log("@@npm=works@@")\'; ls node_modules | wc -l | sed "s/.*/@@n=&@@/"', FETCH)],
              {"fetch": {"egress": [{"use": "npm"}]}}, files={"package.json": '{"name":"x","version":"1.0.0"}'}, workflow_env=carry_configuration() or None)
    try:
        r = job.run(timeout=120)
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("npm"), "works", "the package", r)
        check(int(r.mark("n")) >= 2, "no dependency came along", r)
        check(r.events("net.allow"), "nothing went through the gate", r)
    finally:
        job.close()


@case("", "apt-get download of a package, through the gate")
def _():
    if not shutil.which("apt-get"):
        raise Skip("there is no apt-get")
    policy = subprocess.run(["apt-cache", "policy", "hello"], capture_output=True, text=True, check=False).stdout
    if "Candidate: (none)" in policy or "Candidate" not in policy:
        raise Skip("this machine has no package lists (apt-get update)")
    if not answers("apt-get", "-qq", "--print-uris", "download", "hello"):
        raise Skip("apt-get cannot say where packages come from")
    uri = subprocess.run(["apt-get", "-qq", "--print-uris", "download", "hello"], capture_output=True, text=True, check=False).stdout.split("'")[1]
    if not answers("curl", "-fsSI", "-m", "10", uri):
        raise Skip("this machine's apt mirror does not answer directly")
    job = Job([step("download", f"curl -fsS -o hello.deb '{uri}' && dpkg-deb --info hello.deb | grep -c 'Package: hello' | sed 's/.*/@@apt=&@@/'", FETCH)],
              {"fetch": {"egress": [{"use": "apt"}]}})
    try:
        r = job.run(timeout=120)
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("apt"), "1", "the package", r)
    finally:
        job.close()


if __name__ == "__main__":
    main()
