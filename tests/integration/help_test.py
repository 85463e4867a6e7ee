#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""help_test.py - the manual pages and the shell completion know every command, option and key that the program itself names, and no other."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import DRYDOCK, Skip, case, check, equal, main  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
COMPLETION = os.path.join(TOP, "configs", "completion", "drydock.bash")


def text_of(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def says(*argv):
    return subprocess.run([DRYDOCK, *argv], capture_output=True, text=True, check=False)


def commands():
    """Every command line that has options of its own, as lists of words."""
    top = re.findall(r"^  ([\w-]+) ", says("--help").stdout, re.M)
    verbs = re.findall(r"drydock policy (\w+)", says("policy").stderr)
    return [[c] for c in top if c != "policy"] + [["policy", v] for v in verbs]


def options(command):
    """name -> takes a value; from --help, as argp prints it."""
    found = re.findall(r"^ {2,}(?:-\S, | {4})--([\w-]+)(=?)", says(*command, "--help").stdout, re.M)
    check(found, f"{command} --help names no option")
    return {name: bool(value) for name, value in found}


def completed(*words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _drydock; printf "%s\\n" "${COMPREPLY[@]}"'
    with tempfile.TemporaryDirectory() as here:
        with open(os.path.join(here, "example.yml"), "w", encoding="utf-8"):
            pass
        out = subprocess.run(["bash", "--norc", "-c", script, "bash", COMPLETION, "drydock", *words], capture_output=True, text=True, check=True, cwd=here)
    return set(out.stdout.split())


@case("", "the completion offers exactly the commands and options that --help names")
def _():
    equal({w for w in completed("") if not w.startswith("-")}, {c[0] for c in commands()} | {"policy"}, "first words")
    equal(completed("policy", ""), {c[1] for c in commands() if c[0] == "policy"}, "verbs of policy")
    for command in commands():
        equal(completed(*command, "--"), {f"--{n}{'=' if v else ''}" for n, v in options(command).items()}, "options of " + " ".join(command))


@case("", "the completion offers files for the value of an option, and the sets of use:")
def _():
    check("example.yml" in completed("run", "--policy", "e"), "no file after --policy")
    check("npm" in completed("policy", "sets", "n"), "no set")
    check("example.yml" in completed("record", "show", "e") and "verify" not in completed("record", "show", ""), "a record after its verb")


@case("", "every help fits 80 columns, and asking for it is no error")
def _():
    for command in [[], ["policy"], *commands()]:
        done = says(*command, "--help")
        equal((done.returncode, done.stderr), (0, ""), f"{command} --help")
        wide = [line for line in done.stdout.splitlines() if len(line) > 80]
        check(done.stdout and not wide, f"{command}: {wide}")


@case("", "drydock(1) describes every command, option and exit status, and no other option")
def _():
    page = text_of("docs", "man", "drydock.1")
    known = {"help", "usage"}
    for command in commands():
        check(re.search(r"\.(Ss|Cm)\b.*\b" + command[-1] + r"\b", page), f"{' '.join(command)} is not in drydock(1)")
        for name in options(command):
            known.add(name)
            check(name in ("help", "usage") or f"Fl -{name}" in page, f"--{name} of {' '.join(command)} is not in drydock(1)")
    for name in re.findall(r"Fl -([\w-]+)", page):
        check(name in known, f"drydock(1) names --{name}, which no command has")
    for status in re.findall(r"(\d+) [a-z]", says("--help").stdout.split("Exit codes:")[1]):
        check(f".It {status}\n" in page, f"exit status {status} is not in drydock(1)")


@case("", "drydock-policy(5) has every key of the language, and no other")
def _():
    keys = {f"{k['in']}.{k['key']}" if k["in"] else k["key"] for k in json.loads(says("policy", "keys", "--json").stdout)}
    page = text_of("docs", "man", "drydock-policy.5")
    equal(set(re.findall(r"^\.It Sy (\S+)$", page, re.M)), keys, "keys")


@case("", "the manual pages are set without a warning")
def _():
    for name in ("drydock.1", "drydock-policy.5"):
        try:
            out = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, "docs", "man", name)], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise Skip("mandoc is not installed") from error
        wrong = [line for line in out.stdout.splitlines() if "new sentence, new line" not in line]
        check(not wrong, "\n".join(wrong))


if __name__ == "__main__":
    main()
