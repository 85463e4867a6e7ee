#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lines.py - runs modules of unittest, each in a process of its own, and prints one line for each test: @@NAME=ok|fail|skip@@.

usage: lines.py [-t SECONDS] [-x] MODULE...        -x: print what failed, too
Runs in: the suites (scripts/suites), bare and in a step alike. Needs nothing but python3."""
import os
import subprocess
import sys
import traceback
import unittest


class Lines(unittest.TestResult):
    """One line as soon as a test has ended; a failing subtest, or set-up, fails what it belongs to."""
    failed = False
    verbose = False

    def _fails(self, test, error):
        if not isinstance(test, unittest.TestCase):       # set-up of a class or a module
            say(str(test), "fail")
        self.failed = True
        if self.verbose:
            print(f"# {test}", *("# " + line for part in traceback.format_exception(*error) for line in part.rstrip().split("\n")), sep="\n")

    def startTest(self, test):
        super().startTest(test)
        self.failed, self.outcome = False, "ok"

    def addError(self, test, err):
        self._fails(test, err)

    def addFailure(self, test, err):
        self._fails(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._fails(test, err)

    def addSkip(self, test, reason):
        if not isinstance(test, unittest.TestCase):
            say(str(test), "skip")
        self.outcome = "skip"

    def addUnexpectedSuccess(self, test):
        self.failed = True

    def stopTest(self, test):
        super().stopTest(test)
        say(test.id(), "fail" if self.failed else self.outcome)


def say(name, outcome):
    sys.__stdout__.write(f"\n@@{name.split(' ')[0]}={outcome}@@\n")
    sys.__stdout__.flush()


def run_one(name, verbose):
    sys.argv = [name]
    if name.startswith("test."):
        from test import support        # pylint: disable=import-outside-toplevel
        support.use_resources = []      # no network, no sound, no gigabytes
    try:
        tests = unittest.defaultTestLoader.loadTestsFromName(name)
    except unittest.SkipTest:
        return say(name, "skip")
    result = Lines()
    result.verbose, result.buffer = verbose, True
    tests.run(result)
    return None


def main():
    seconds, verbose, names = 600, False, sys.argv[1:]
    if names[0] == "-t":
        seconds, names = int(names[1]), names[2:]
    if names[0] == "-x":
        verbose, names = True, names[1:]
    if names[0] == "--one":
        run_one(names[1], "-x" in names[2:])
        sys.stdout.flush()
        os._exit(0)                     # not what a test left running
    for name in names:
        argv = [sys.executable, os.path.abspath(__file__), "--one", name] + (["-x"] if verbose else [])
        try:
            ended = subprocess.run(argv, timeout=seconds, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
        except subprocess.TimeoutExpired:
            ended = "late"
        if ended:
            say(name, f"ended({ended})")


main()
