#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hints_test.py - what a failing step hears of drydock: where a program is that it did not find, which link leads out of its view and which
line of the policy shows what is behind it, and what sudo means here. Each advised line is then tried."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import Job, case, check, equal, main, run, step  # noqa: E402

TOOL = "/opt/dd-kit/bin/dd-tool"


def make(path, text, mode=0o755):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)


def setup():
    for place in ("/opt", "/usr/local"):        # of this test's mount namespace only
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", place], check=True)
    make(TOOL, "#!/bin/sh\necho @@tool=works@@\n")
    make("/opt/dd-kit/share/data", "data of the kit\n", 0o644)
    make("/opt/dd-closed/bin/dd-closed", "#!/bin/sh\n", 0o750)
    make("/usr/local/dd-lang/bin/dd-compiler", "#!/bin/sh\necho @@tool=works@@\n")
    os.makedirs("/usr/local/bin")
    os.makedirs("/usr/local/share")
    os.symlink(TOOL, "/usr/local/bin/dd-linked")
    os.symlink("/opt/dd-kit/share", "/usr/local/share/dd-kit")


def told(r):
    return re.findall(r"^  \| (drydock: .*)$", r.out, re.M)


def failing(script, rc=1, **more):
    return run([step("tool", script)], rc=rc, **more)


def one_line(r, *words):
    lines = told(r)
    equal(len(lines), 1, f"lines of drydock's in {lines}", r)
    for word in words:
        check(word in lines[0], f"{word!r} is not in {lines[0]!r}", r)
    return lines[0]


@case("B10", "a program outside of the view: the line says where it is and what shows it, and that line works")
def _():
    for env in ({"PATH": "/usr/bin:/bin:/opt/dd-kit/bin"}, {}):     # in the operator's PATH, or where such things are
        r = failing("dd-tool", env=env)
        one_line(r, "dd-tool was not found", TOOL, "policy.yml", "sandbox.read: - /opt/dd-kit", "PATH")
    helped = run([step("tool", "PATH=$PATH:/opt/dd-kit/bin; dd-tool")], sandbox={"read": ["/opt/dd-kit"]})
    equal(helped.mark("tool"), "works", "the advised line", helped)


@case("B10", "a program that a link of the view leads to: the line names what is behind it")
def _():
    line = one_line(failing("dd-linked"), "dd-linked was not found", "/usr/local/bin/dd-linked, a link to " + TOOL, "sandbox.read: - /opt/dd-kit")
    check(" PATH" not in line, "its directory is in PATH already")
    equal(run([step("tool", "dd-linked")], sandbox={"read": ["/opt/dd-kit"]}).mark("tool"), "works", "the advised line")


@case("B10", "a program in view and not in PATH, one that others may not run, one that the host has not")
def _():
    one_line(failing("dd-compiler"), "this host has it in /usr/local/dd-lang/bin, which steps see", "PATH")
    one_line(failing("dd-closed"), "/opt/dd-closed/bin/dd-closed", "others may not read it")
    one_line(failing("dd-nowhere"), "dd-nowhere was not found, and this host has none", "Install it there")


@case("B10", "make, env, timeout, python and a script of the repository say it their way, and the line is the same")
def _():
    for script in ("printf 'a:\\n\\tdd-tool\\n' > Makefile; make a", "env dd-tool", "timeout 5 dd-tool", "sh ./build.sh",
                   "python3 -c 'import subprocess; subprocess.run([\"dd-tool\"])'", "sh -c 'dd-tool' || exit 3"):
        one_line(failing(script, files={"build.sh": "dd-tool\n"}), "dd-tool was not found", "sandbox.read: - /opt/dd-kit")


@case("B10", "a shell that is not there is told the same way")
def _():
    r = run([step("tool", "true", shell="dd-tool {0}")], rc=1)
    one_line(r, "dd-tool was not found", "sandbox.read: - /opt/dd-kit")


@case("B10", "sudo, present or not, and tools that ask for root: one line says what it means here")
def _():
    make("/usr/local/bin/sudo", "#!/bin/sh\necho 'sudo: The \"no new privileges\" flag is set' >&2\nexit 1\n")
    one_line(failing("sudo apt-get install -y jq"), "sudo, su, doas and pkexec have no effect in a step")
    one_line(failing("PATH=/nowhere; sudo true"), "sudo, su, doas and pkexec have no effect in a step")
    one_line(failing("apt-get install -y jq"), "install what is missing on the host")


@case("C1", "a file behind a link that leads out of the view: the line names the link, where it leads and what shows it, and that line works")
def _():
    r = failing("cat /usr/local/share/dd-kit/data")
    one_line(r, "the link /usr/local/share/dd-kit leads to /opt/dd-kit/share/data", "sandbox.read: - /opt/dd-kit/share")
    helped = run([step("tool", "cat /usr/local/share/dd-kit/data")], sandbox={"read": ["/opt/dd-kit/share"]})
    check("data of the kit" in helped.out, "the advised line does not help", helped)


@case("C1", "a file of the host that is not in view at all is named with the line that shows it")
def _():
    one_line(failing("cat /opt/dd-kit/share/data"), "/opt/dd-kit/share/data is a file of this host that no step sees", "- /opt/dd-kit/share")


@case("C1", "what others may not read, what is not there, and what the step sees is not told")
def _():
    for script in ("cat /etc/shadow", "cat /opt/nothing/here", "cat /root/.bashrc", "cat /work/not-there", "cat /usr/share/not-there"):
        equal(told(failing(script)), [], script)


@case("B10 C-12", "who reads the log of a stranger's job learns nothing of what the host has")
def _():
    event = ('{"pull_request": {"head": {"repo": {"fork": true, "full_name": "evil/x"}}, "base": {"repo": {"full_name": "acme/x"}}},'
             ' "repository": {"full_name": "acme/x"}, "event_name": "pull_request"}')
    for script in ("dd-tool", "cat /opt/dd-kit/share/data", "cat /usr/local/share/dd-kit/data"):
        job = Job([step("tool", script)])
        job.write("event.json", event)
        r = job.run("--event", "event.json")
        job.close()
        equal(r.rc, 1, "exit status", r)
        check("not trusted" in r.out, "the job is trusted: the test proves nothing", r)
        check("/opt" not in " ".join(told(r)), "a place of the host is named", r)


@case("B10", "a step that succeeds, or fails without a word, hears nothing")
def _():
    equal(told(run([step("tool", "dd-tool || true; sudo true || true")])), [], "lines")
    equal(told(failing("exit 127", rc=1)), [], "lines")


if __name__ == "__main__":
    main(setup)
