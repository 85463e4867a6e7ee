# SPDX-License-Identifier: Apache-2.0
"""engine.py - one job of a workflow through build/fake_engine, with contexts of the test's own."""
import json
import os
import re
import subprocess
import textwrap

from dd import BUILD, Job, Run, check, equal

ENGINE = os.path.abspath(os.path.join(BUILD, "fake_engine"))


class EngineRun(Run):
    """Besides what a Run has: result ("success", ...), outputs of the job, notes, and who may have written each output."""

    def __init__(self, where, rc, out):
        super().__init__(where, rc, out, 0)
        found = re.search(r"^result: (.*)$", out, re.M)
        self.result = found.group(1) if found else None
        rows = re.findall(r"^output ([^=]*)=(.*) <(.*)>$", out, re.M)
        self.outputs, self.origins = {k: v for k, v, _ in rows}, {k: o for k, _, o in rows}
        self.notes = re.findall(r"^note \d: (.*)$", out, re.M)
        self.begun = re.findall(r"^begins (\S+): (.*)$", out, re.M)

    def noted(self, text):
        return any(text in note for note in self.notes)


def steps_of(text, head=""):
    """A workflow of one job `j` with @text as its list of steps; @head: further keys of the job."""
    return ("on: push\njobs:\n  j:\n    runs-on: ubuntu-latest\n" + textwrap.indent(textwrap.dedent(head), "    ") +
            "\n    steps:\n" + textwrap.indent(textwrap.dedent(text).strip("\n"), "      ") + "\n")


def popen(job, workflow, contexts=None, policy=None, name="j"):
    check(os.access(ENGINE, os.X_OK), f"{ENGINE} is not built: make build/fake_engine")
    job.write("wf.yml", workflow)
    job.write("p.yml", policy if isinstance(policy, str) else json.dumps(policy or {"version": 1}))
    job.write("contexts.json", json.dumps(contexts or {"github": {"event_name": "push", "event": {}}}))
    return subprocess.Popen([ENGINE, "p.yml", "src", "record.jsonl", "wf.yml", name, "contexts.json"], cwd=job.dir, env=job.environ(),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def engine(workflow, contexts=None, policy=None, result="success", files=None, name="j", timeout=120):
    """@result: what the job must come to, or None."""
    job = Job([], files=files)
    try:
        process = popen(job, workflow, contexts, policy, name)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            raise
        r = EngineRun(job.dir, process.returncode, out.decode("utf-8", "replace"))
        if result is not None:
            equal(r.result, result, "result", r)
        return r
    finally:
        job.close()
