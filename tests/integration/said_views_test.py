#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""said_views_test.py - steps not run, annotations, summaries and what was withheld, in `record show` and in the page of `record report`."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, Job, case, check, equal, main  # noqa: E402

WORKFLOW = r"""
on: push
jobs:
  j:
    runs-on: x
    steps:
      - name: first
        run: |
          echo "::error file=src/a.c,line=3,col=2,title=T::it <b>failed</b>"
          echo "::notice::hello"
          printf '# Title\n\n| a | b |\n<script>alert(1)</script>\n\033[31mred\n' >>"$GITHUB_STEP_SUMMARY"
          for i in $(seq 60); do echo "line $i" >>"$GITHUB_STEP_SUMMARY"; done
          echo "LD_PRELOAD=/evil" >>"$GITHUB_ENV"
      - { name: skipped one, if: false, run: "true" }
      - { id: publish, run: "true" }
"""


def drawn():
    job = Job([])
    try:
        job.write("workflow.yml", WORKFLOW)
        job.write("policy.yml", "version: 1\nsteps: [ { phase: push, match: { id: publish } } ]\n")
        r = job.run()
        equal(r.rc, 0, "exit status", r)
        made = [subprocess.run([DRYDOCK, "record", verb, "record.jsonl"], cwd=job.dir, env=job.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, stdin=subprocess.DEVNULL)
                for verb in ("show", "report")]
    finally:
        job.close()
    for one in made:
        equal(one.returncode, 0, one.stdout.decode("utf-8", "replace"))
    return [one.stdout.decode("utf-8", "replace") for one in made]


@case("L-10", "record show lists them, escaped, and says where a summary goes on")
def _():
    text, _ = drawn()
    for part in ("not run", "skipped one", "its condition does not hold", "src/a.c:3:2", "T: it <b>failed</b>", "notice", "variable LD_PRELOAD of 01-first", "summary of 01-first", "    # Title",
                 "\\x1b[31mred", "more lines"):
        check(part in text, f"{part!r} is not there:\n{text}")
    check("\x1b[31m" not in text and "line 59" not in text, "a control byte, or too much")


@case("L-10", "the page lists them, as text that no browser takes for more, and the whole summary")
def _():
    _, page = drawn()
    for part in ("Not run", "skipped one", "Annotations", "src/a.c:3:2", "T: it &lt;b&gt;failed&lt;/b&gt;", "Withheld from a step that is trusted more", "Summary of 01-first",
                 "&lt;script&gt;alert(1)&lt;/script&gt;", "\\x1b[31mred", "line 60"):
        check(part in page, f"{part!r} is not there")
    check("<script" not in page and "<b>failed" not in page, "it is taken for a part of the page")


@case("", "a record without them has none of these sections")
def _():
    job = Job([{"id": "a", "run": "true", "_phase": "build"}])
    try:
        job.run()
        text = subprocess.run([DRYDOCK, "record", "show", "record.jsonl"], cwd=job.dir, env=job.environ(), stdout=subprocess.PIPE, check=True).stdout.decode()
    finally:
        job.close()
    check("annotations" not in text and "not run" not in text and "summary" not in text, text)


main()
