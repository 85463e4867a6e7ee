#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""toolkit_test.py - an action made of GitHub's own client libraries (@actions/core, exec, io, glob, tool-cache of npm): what they find here is what they find under plain node.

The bundle is made once, with the packages and esbuild of npm, and stays in ~/.cache/drydock-tests; without npm or a registry every case is skipped aloud."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import Job, case, check, equal, main  # noqa: E402
from engine import EngineRun, engine, popen, steps_of  # noqa: E402
from peers import CACHE, skip  # noqa: E402

PACKAGES = ("@actions/core@3.0.1", "@actions/exec@3.0.0", "@actions/io@3.0.2", "@actions/glob@0.7.0", "@actions/tool-cache@4.0.0", "esbuild@0.28.2")
PLACE = os.path.join(CACHE, "toolkit")
BANNER = "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);"

MAIN = r"""
import * as core from '@actions/core'
import * as exec from '@actions/exec'
import * as io from '@actions/io'
import * as glob from '@actions/glob'
import * as tc from '@actions/tool-cache'
import fs from 'node:fs'
const say = (name, value) => console.log(`@@${name}=${JSON.stringify(value)}@@`)
async function run() {
  const who = core.getInput('who-to greet', { required: true })
  say('inputs', [who, core.getBooleanInput('loud'), core.getMultilineInput('lines'), core.getInput('none')])
  core.setOutput('greeting', `hello ${who}\nsecond line`)
  core.exportVariable('FROM_TOOLKIT', 'a\nb=c')
  core.addPath('/from/toolkit')
  core.setSecret('sesame-open-sesame')
  console.log('the word is sesame-open-sesame')
  core.saveState('Mixed_Case', who)
  core.notice('careful: 50%', { title: 'T: a, b', file: 'a.c', startLine: 3 })
  core.debug('not shown')
  core.startGroup('a group'); core.endGroup()
  await core.summary.addHeading('Done').addTable([['a', 'b'], ['1', '2']]).write()
  const out = await exec.getExecOutput('sh', ['-c', 'echo out; echo err >&2; exit 3'], { ignoreReturnCode: true, silent: true })
  say('exec', [out.exitCode, out.stdout, out.stderr])
  await io.mkdirP('made/deep'); fs.writeFileSync('made/deep/x.txt', 'x'); await io.cp('made', 'copy', { recursive: true }); await io.rmRF('made')
  say('io', [await io.which('sh', true) !== '', fs.existsSync('copy/deep/x.txt'), fs.existsSync('made')])
  const found = await (await glob.create('**/*.txt')).glob()
  say('glob', found.map(f => f.replace(process.env.GITHUB_WORKSPACE, '.')).sort())
  say('hash', await glob.hashFiles('**/*.txt'))
  const dir = await tc.cacheDir('copy', 'drydock-tool', '1.2.3')
  say('tool', [tc.find('drydock-tool', '1.x').replace(process.env.RUNNER_TOOL_CACHE, '.'), dir.startsWith(process.env.RUNNER_TOOL_CACHE)])
  const tar = process.env.RUNNER_TEMP + '/t.tar'
  await exec.exec('tar', ['-cf', tar, '-C', 'copy', '.'], { silent: true })
  say('extract', fs.existsSync((await tc.extractTar(tar, undefined, 'x')) + '/deep/x.txt'))
  if (process.env.WAIT) { console.log('waiting'); await new Promise(r => setTimeout(r, 60000)) }
  if (core.getInput('fail')) core.setFailed('as asked')
}
run().catch(e => { core.setFailed(e.message); process.exit(9) })
"""
POST = r"""
import * as core from '@actions/core'
console.log(`@@post.${core.getInput('who-to greet')}=${core.getState('Mixed_Case')}@@`)
"""
MANIFEST = """name: toolkit
inputs: { who-to greet: { required: true }, loud: { default: "true" }, lines: { default: "a\\n\\n b " }, fail: {}, none: {} }
outputs: { greeting: { description: x } }
runs: { using: node20, main: dist/main.mjs, post: dist/post.mjs }
"""
ROUND = """name: around
inputs: { who: {} }
outputs: { greeting: { value: "${{ steps.in.outputs.greeting }}" } }
runs: { using: composite, steps: [ { id: in, uses: ./%s, with: { %s: "${{ inputs.who }}" } } ] }
"""


def prepare():
    """Before the network is gone; failures are told by the cases."""
    if "DD_WORLD" in os.environ or os.path.exists(PLACE + "/dist/post.mjs"):
        return
    try:
        os.makedirs(PLACE, exist_ok=True)
        with open(PLACE + "/package.json", "w", encoding="utf-8") as file:
            file.write('{"private": true}')
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=PLACE, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240)
        for name, text in (("main", MAIN), ("post", POST)):
            with open(f"{PLACE}/{name}.js", "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run(["npx", "esbuild", name + ".js", "--bundle", "--platform=node", "--target=node20", "--format=esm", f"--outfile=dist/{name}.mjs", "--banner:js=" + BANNER],
                           cwd=PLACE, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"# {error}", flush=True)


def files():
    if not os.path.exists(PLACE + "/dist/post.mjs") or not shutil.which("node"):
        skip(f"no bundle of {', '.join(PACKAGES[:-1])} (npm and its registry make it), or no node")
    found = {"kit/action.yml": MANIFEST, "outer/action.yml": ROUND % ("inner", "who"), "inner/action.yml": ROUND % ("kit", "who-to greet")}
    for name in ("main", "post"):
        with open(f"{PLACE}/dist/{name}.mjs", "rb") as file:
            found[f"kit/dist/{name}.mjs"] = file.read()
    return found


def said(out):
    return {k: v for k, v in re.findall(r"@@([\w.]+)=(.*?)@@", out)}


def plain():
    """The same bundle under plain node, with what 4.1 of GitHub's runner gives it."""
    where = tempfile.mkdtemp(prefix="dd-toolkit-")
    try:
        env = {"PATH": "/usr/bin:/bin", "GITHUB_WORKSPACE": where + "/w", "RUNNER_TEMP": where + "/t", "RUNNER_TOOL_CACHE": where + "/c", "INPUT_WHO-TO_GREET": "you",
               "INPUT_LOUD": "true", "INPUT_LINES": "a\n\n b ", "INPUT_NONE": "", "INPUT_FAIL": ""}
        for name in ("w", "t", "c"):
            os.mkdir(f"{where}/{name}")
        for name in ("OUTPUT", "ENV", "PATH", "STATE", "STEP_SUMMARY"):
            open(f"{where}/{name}", "w", encoding="utf-8").close()
            env["GITHUB_" + name] = f"{where}/{name}"
        done = subprocess.run([shutil.which("node"), PLACE + "/dist/main.mjs"], cwd=where + "/w", env=env, capture_output=True, text=True, timeout=60, check=True)
        return said(done.stdout)
    finally:
        shutil.rmtree(where)


AFTER = """
- run: |
    test "$FROM_TOOLKIT" = "$(printf 'a\\nb=c')"
    case $PATH in /from/toolkit:*) ;; *) exit 1;; esac
    echo "${{ steps.k.outputs.greeting }}" | grep -qx 'second line'
"""


@case("", "inputs, outputs, variables, PATH, summary, masks, annotations, exec, io, glob and tool-cache: as under plain node")
def _():
    r = engine(steps_of('- { id: k, uses: ./kit, with: { "who-to greet": you } }\n' + AFTER), files=files())
    ours, theirs = said(r.out), plain()
    equal(ours.pop("post.you"), "you", "state in the post stage", r)
    equal(ours["glob"].replace("./kit/", ""), theirs["glob"], "glob", r)
    equal(ours, theirs, "what the libraries found", r)
    check("the word is sesame" not in r.out and "not shown" not in r.out, "the mask, or a debug line", r)
    check(r.events("annotation", level="notice", title="T: a, b", file="a.c", message="careful: 50%"), "the annotation", r)
    check("<h1>Done</h1>" in r.events("step.summary")[0]["text"], "the summary", r)


@case("", "the same action, nested in composite actions twice, gives its outputs through both and has its post stage")
def _():
    r = engine(steps_of("- { id: k, uses: ./outer, with: { who: deep } }\n" + AFTER), files=files())
    equal(r.mark("post.deep"), "deep", "state in the post stage", r)
    check(r.mark("inputs").startswith('["deep",true,["a","b"]'), r.mark("inputs"), r)


@case("", "its post stage runs behind a failure of its own, nested or not")
def _():
    r = engine(steps_of('- { uses: ./kit, with: { "who-to greet": a, fail: "1" } }\n- { if: always(), uses: ./outer, with: { who: b } }\n- { run: echo @@never=1@@, name: never }\n'),
               files=files(), result="failure")
    equal((r.mark("post.a"), r.mark("post.b"), "never" in r.marks), ("a", "b", False), "post stages", r)
    check(r.events("annotation", level="error", message="as asked"), "the error", r)


@case("", "its post stage runs behind a cancel, with what it had left by then")
def _():
    job = Job([], files=files())
    try:
        process = popen(job, steps_of("- { uses: ./outer, with: { who: c }, env: { WAIT: 1 } }\n- run: 'true'\n"))
        out = b""
        for line in process.stdout:
            out += line
            if b"| waiting" in line:
                process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        r = EngineRun(job.dir, process.returncode, out.decode("utf-8", "replace"))
    finally:
        job.close()
    equal((r.result, r.mark("post.c")), ("cancelled", "c"), "result and post stage", r)


if __name__ == "__main__":
    prepare()
    main()
