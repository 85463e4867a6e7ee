#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_workflows_test.py - workflow files, made into job documents by GitHub's own parser (@actions/workflow-parser of npm), as jobs from GitHub: states, outputs and logs are
as written beside each.

The parser is bundled once and stays in ~/.cache/drydock-tests; without npm or a registry the case is skipped aloud."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import case, check, equal, main  # noqa: E402
from github import World, agent, register  # noqa: E402
from github_server import context  # noqa: E402
from peers import CACHE, skip  # noqa: E402

PACKAGES = ("@actions/workflow-parser@0.3.61", "@actions/expressions@0.3.61", "esbuild@0.28.2")
PLACE = os.path.join(CACHE, "workflow-parser")
BANNER = "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);"
CONVERT = r"""
import { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } from "@actions/workflow-parser";
import fs from "node:fs";
const out = [];
for (const content of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const result = parseWorkflow({ name: "ci.yml", content }, new NoOperationTraceWriter());
  const errors = result.context.errors.getErrors().map(e => e.message);
  const template = errors.length ? null : await convertWorkflowTemplate(result.context, result.value, undefined, { fetchReusableWorkflowDepth: 0 });
  out.push({ errors, raw: result.value, template });
}
console.log(JSON.stringify(out));
"""


def step(*lines):
    return "".join(f"      {'-' if i == 0 else ' '} {line}\n" for i, line in enumerate(lines))


def job(*steps, head="", top=""):
    return f"on: push\n{top}jobs:\n  build:\n    runs-on: self-hosted\n{head}    steps:\n" + "".join(steps)


def run(text, *more):
    return step(f"run: {json.dumps(text)}", *more)


# SHA-256 of the one digest of what the step wrote
HASH = "h=" + hashlib.sha256(hashlib.sha256(b"x\n").digest()).hexdigest() + " n="
S, F, K = "succeeded", "failed", "skipped"
# name, workflow, conclusions of its steps, lines that its log has, lines that it has not, outputs, contexts besides
ROWS = [
    ("one script", job(run("echo one")), [S], ["one"], []),
    ("an expression in a script", job(run("echo sha=${{ github.sha }}")), [S], ["sha=" + "1" * 40], []),
    ("several of them, and braces", job(run("echo '{${{ github.run_number }}}' ${{ github.actor }} }}")), [S], ["{17} dana }}"], []),
    ("a literal ${{", job(run("echo '${{ '${{' }}'")), [S], ["${{"], []),
    ("a failure", job(run("exit 3"), run("echo never")), [F, K], ["##[error]Process completed with exit code 3."], ["never"]),
    ("always() behind a failure", job(run("exit 1"), run("echo cleaned", "if: always()")), [F, S], ["cleaned"], []),
    ("failure() behind a failure", job(run("exit 1"), run("echo seen", "if: failure()"), run("echo never", "if: success()")), [F, S, K], ["seen"], ["never"]),
    ("a condition in ${{ }}", job(run("echo yes", "if: ${{ github.ref == 'refs/heads/main' }}"), run("echo no", "if: ${{ github.ref == 'x' }}")), [S, K], ["yes"], ["no"]),
    ("a condition with text around is true", job(run("echo yes", "if: ${{ false }} == true")), [S], ["yes"], []),
    ("continue-on-error", job(run("exit 1", "continue-on-error: true"), run("echo on")), [S, S], ["on"], []),
    ("continue-on-error of an expression", job(run("exit 1", "continue-on-error: ${{ github.run_number == '17' }}"), run("echo on")), [S, S], ["on"], []),
    ("outputs of a step", job(run("echo a=b c >> $GITHUB_OUTPUT", "id: s"), run("echo got ${{ steps.s.outputs.a }} ${{ steps.s.outcome }}")), [S, S], ["got b c success"], []),
    ("outputs of the job", job(run("printf 'v=1\\nw=${{ github.run_id }}\\n' >> $GITHUB_OUTPUT", "id: s"), head="    outputs: { v: '${{ steps.s.outputs.v }}', w: 'run-${{ steps.s.outputs.w }}', none: '${{ steps.s.outputs.x }}' }\n"),
     [S], [], [], {"v": "1", "w": "run-9001"}),
    ("env of workflow, job and step", job(run("echo $A$B$C", "env: { C: s }"), top="env: { A: w, B: w, C: w }\n", head="    env: { B: j, C: j }\n"), [S], ["wjs"], []),
    ("env of expressions", job(run("echo $REF ${{ env.REF }}"), top="env: { REF: '${{ github.ref_name }}' }\n"), [S], ["main main"], []),
    ("GITHUB_ENV for later steps", job(run("echo X=later >> $GITHUB_ENV; echo now=$X"), run("echo then=$X ${{ env.X }}")), [S, S], ["now=", "then=later later"], []),
    ("GITHUB_PATH for later steps", job(run("mkdir -p bin; printf '#!/bin/sh\\necho mine\\n' >bin/mine; chmod +x bin/mine; echo $PWD/bin >> $GITHUB_PATH"), run("mine")), [S, S], ["mine"], []),
    ("heredocs", job(run("printf 'm<<E\\nline 1\\nline 2\\nE\\n' >> $GITHUB_OUTPUT", "id: s"), run("echo '${{ steps.s.outputs.m }}'")), [S, S], ["line 1", "line 2"], []),
    ("a shell, and its pipefail", job(run("false | true; echo not-here", "shell: bash"), run("false | true; echo here", "if: always()")), [F, S], ["here"], ["not-here"]),
    ("sh, and python", job(run("echo ${0##*/}", "shell: sh"), run("print('py' + 'thon')", "shell: python")), [S, S], ["python"], []),
    ("a shell with a template", job(run("echo plain", "shell: sh -ex {0}")), [S], ["plain"], []),
    ("defaults of workflow and job", job(run("pwd"), head="    defaults: { run: { working-directory: sub } }\n").replace("      - run: \"pwd\"", "      - { run: mkdir sub, working-directory: . }\n      - run: \"pwd\""), [S, S], ["/work/sub"], []),
    ("working-directory", job(run("mkdir -p a/b"), run("pwd", "working-directory: a/b")), [S, S], ["/work/a/b"], []),
    ("names with expressions", job(run("true", "name: Number ${{ github.run_number }}")), [S], [], [], {}, {"named": "Number 17"}),
    ("a matrix", job(run("echo ${{ matrix.os }}-${{ matrix.v }} of ${{ strategy.job-total }}"), head="    strategy: { matrix: { os: [a, b], v: [1, 2] } }\n"), [S], ["b-2 of 4"], [], {},
     {"matrix": {"os": "b", "v": 2}, "strategy": {"fail-fast": True, "job-index": 3, "job-total": 4, "max-parallel": 4}}),
    ("needs", job(run("echo ${{ needs.first.outputs.x }} ${{ needs.first.result }}"), head="    needs: first\n").replace("  build:", "  first: { runs-on: x, steps: [ { run: 'true' } ] }\n  build:"), [S], ["from-first success"], [], {},
     {"needs": {"first": {"result": "success", "outputs": {"x": "from-first"}}}}),
    ("inputs and vars", job(run("echo ${{ inputs.who }} ${{ vars.FLAGS }}")).replace("on: push", "on: { workflow_dispatch: { inputs: { who: { type: string } } } }"), [S], ["Mona -j4"], [], {}, {"inputs": {"who": "Mona"}, "vars": {"FLAGS": "-j4"}}),
    ("functions", job(run("echo ${{ format('{0}-{1}', 'a', join(fromJSON('[1,2]'), '+')) }} ${{ contains('Hello', 'ell') }} ${{ startsWith('abc', 'ab') }}")), [S], ["a-1+2 true true"], []),
    ("toJSON of a context", job(run("cat <<'E'\n${{ toJSON(strategy) }}\nE\n")), [S], ["  \"job-total\": 1,"], []),
    ("and, or, not", job(run("echo ${{ github.ref_name == 'main' && 'prod' || 'dev' }} ${{ !github.head_ref }}")), [S], ["prod true"], []),
    ("hashFiles", job(run("echo x > a.lock"), run("echo h=${{ hashFiles('*.lock') }} n=${{ hashFiles('none') }}")), [S, S], [HASH], []),
    ("timeout-minutes", job(run("echo quick", "timeout-minutes: 5")), [S], ["quick"], []),
    ("commands in the log", job(run("echo ::group::g; echo ::warning file=a.c,line=2::careful; echo ::endgroup::; echo ::debug::hidden")), [S], ["##[group]g", "##[warning]careful", "##[endgroup]"], ["##[debug]hidden"]),
    ("a mask", job(run("echo ::add-mask::hush-hush; echo say hush-hush")), [S], ["say ***"], ["say hush-hush"]),
    ("a summary that is too long fails nothing else", job(run("head -c 100 /dev/zero | tr '\\0' x >> $GITHUB_STEP_SUMMARY; echo on")), [S], ["on"], []),
]


def make_parser():
    bundle = os.path.join(PLACE, "convert.mjs")
    if os.path.exists(bundle):
        return bundle
    if not shutil.which("npm"):
        skip("npm is not here (scripts/deps --peers)")
    os.makedirs(PLACE, exist_ok=True)
    with open(os.path.join(PLACE, "source.mjs"), "w", encoding="utf-8") as file:
        file.write(CONVERT)
    try:
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=PLACE, check=True, capture_output=True, timeout=240)
        subprocess.run(["node_modules/.bin/esbuild", "source.mjs", "--bundle", "--platform=node", "--format=esm", "--outfile=new.mjs", "--banner:js=" + BANNER], cwd=PLACE, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        skip(f"GitHub's parser cannot be had: {error}")
    os.rename(os.path.join(PLACE, "new.mjs"), bundle)
    return bundle


def pairs(token):
    """Of a mapping in the form of GitHub's tokens."""
    def key(k):
        return k if isinstance(k, str) else k.get("lit")
    return {key(p["Key"]): p["Value"] for p in (token or {}).get("map", [])}


def items(token):
    return token.get("seq", []) if isinstance(token, dict) else []


def document(parsed):
    """What GitHub's server makes of the job `build`: the members of a job document that are about its steps."""
    equal(parsed["errors"], [], "what the parser says")
    top = pairs(parsed["raw"])
    raw = pairs(pairs(top["jobs"])["build"])
    made = next(j for j in parsed["template"]["jobs"] if j["id"] == "build")
    steps = []
    for token, known in zip(items(raw["steps"]), made["steps"]):
        s = pairs(token)
        inputs = [("script", s.get("run")), ("shell", s.get("shell")), ("workingDirectory", s.get("working-directory"))]
        steps.append({"type": "action", "id": str(uuid.uuid4()), "name": known["id"], "contextName": known["id"], "condition": known["if"]["expr"], "reference": {"type": "script"},
                      "inputs": {"type": 2, "map": [{"Key": k, "Value": v} for k, v in inputs if v is not None]},
                      **{name: s[key] for name, key in (("environment", "env"), ("continueOnError", "continue-on-error"), ("timeoutInMinutes", "timeout-minutes"), ("displayNameToken", "name")) if key in s}})
    return steps, {"environmentVariables": [e for e in (top.get("env"), raw.get("env")) if e], "defaults": [d for d in (top.get("defaults"), raw.get("defaults")) if d], "jobOutputs": raw.get("outputs")}


def queue(server, row, parsed):
    steps, more = document(parsed)
    contexts = row[6] if len(row) > 6 else {}
    job_ = server.job(steps, **more)
    for name in ("matrix", "strategy", "needs", "inputs", "vars"):
        if name in contexts:
            job_.document["contextData"][name] = context(contexts[name])
    return job_


def judge(row, job_):
    name, _, conclusions, has, has_not = row[:5]
    steps = job_.document["steps"]
    lines = [line for s in steps for line in job_.log(s) or []]
    equal([job_.result(s)["conclusion"] for s in steps], conclusions, f"{name}: steps; {job_.all_log()}")
    equal(job_.completed["conclusion"], F if F in conclusions else S, f"{name}: the job")
    for line in has:
        check(line in lines, f"{name}: `{line}` is not in {lines}")
    for line in has_not:
        check(line not in lines, f"{name}: `{line}` is in {lines}")
    equal({k: v["value"] for k, v in job_.completed["outputs"].items()}, row[5] if len(row) > 5 else {}, f"{name}: outputs")
    if len(row) > 6 and "named" in row[6]:
        equal(job_.result(steps[0])["name"], row[6]["named"], f"{name}: its name")


@case("", "workflows that GitHub's own parser made into job documents run as they are written: states, outputs, logs")
def _():
    done = subprocess.run(["node", make_parser()], input=json.dumps([row[1] for row in ROWS]), capture_output=True, text=True, check=True)
    with World() as w:
        w.server.registration_tokens.add("REGTOKEN")
        w.server.fair = True
        for i in range(3):
            equal(register(w, "--name", f"r{i}").returncode, 0, "register")
        jobs = [queue(w.server, row, parsed) for row, parsed in zip(ROWS, json.loads(done.stdout))]
        agent(w)
        w.server.wait(lambda: all(j.completed for j in jobs), 60 + 6 * len(jobs))
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        wrong = []
        for row, job_ in zip(ROWS, jobs):
            try:
                judge(row, job_)
            except AssertionError as error:
                wrong.append(str(error)[:600])
        equal(wrong, [], "what differs")
        w.clean("a poll says")
    print(f"# {len(ROWS)} workflows")


if __name__ == "__main__":
    main()
