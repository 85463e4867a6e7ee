#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hatch_clients_test.py - GitHub's own client libraries for caches and artifacts, unmodified, against the hatch.

They come from npm (`scripts/deps --peers`, then the first run of this program) and are bundled into one action of the workspace."""
import os
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import peers  # noqa: E402
from dd import DRYDOCK, Job, Run, case, check, equal, main  # noqa: E402

HOME = peers.CACHE + "/actions"
PACKAGES = ["@actions/core@3.0.1", "@actions/cache@6.3.0", "@actions/artifact@6.2.1", "esbuild@0.28.2"]
BUNDLE = HOME + "/client.mjs"
NODE = next((os.path.join(d, "node") for d in ("/usr/local/bin", "/usr/bin", "/bin") if os.access(os.path.join(d, "node"), os.X_OK)), None)

CLIENT = r"""
import * as core from '@actions/core'
import * as cache from '@actions/cache'
import { DefaultArtifactClient } from '@actions/artifact'
import * as fs from 'node:fs'
const mark = (name, value) => console.log(`@@${name}=${value}@@`)
const artifact = new DefaultArtifactClient()
const stage = core.getState('stage')
core.saveState('stage', 'main')
const words = stage ? core.getInput('post') : core.getInput('do')
for (const word of words.split(' ').filter(w => w)) {
  if (word === 'save') {
    fs.mkdirSync('deps/sub', { recursive: true })
    fs.writeFileSync('deps/sub/file', 'kept ' + 'x'.repeat(5000000))
    mark('saved', await cache.saveCache(['deps'], core.getInput('key')) > 0)
  } else if (word === 'restore') {
    fs.rmSync('deps', { recursive: true, force: true })
    mark('restored', await cache.restoreCache(['deps'], core.getInput('key'), ['deps-']))
    mark('file', fs.existsSync('deps/sub/file') ? fs.readFileSync('deps/sub/file', 'utf8').length : 'none')
  } else if (word === 'available') {
    mark('available', cache.isFeatureAvailable())
  } else if (word === 'upload') {
    fs.mkdirSync('dist', { recursive: true })
    fs.writeFileSync('dist/app', 'the program ' + 'y'.repeat(9000000))
    const r = await artifact.uploadArtifact('program', ['dist/app'], 'dist', { retentionDays: 1 })
    mark('uploaded', r.id > 0 && r.size > 0 && /^[0-9a-f]{64}$/.test(r.digest))
  } else if (word === 'download') {
    const { artifacts } = await artifact.listArtifacts()
    mark('listed', artifacts.map(a => a.name).join())
    const { artifact: found } = await artifact.getArtifact('program')
    const r = await artifact.downloadArtifact(found.id, { path: 'got', expectedHash: found.digest })
    mark('mismatch', Boolean(r.digestMismatch))
    mark('got', fs.readFileSync('got/app', 'utf8').length)
  } else if (word === 'delete') {
    mark('deleted', (await artifact.deleteArtifact('program')).id > 0)
  }
}
process.exit(0)
"""
ACTION = "name: client\ninputs: { do: { default: '' }, post: { default: '' }, key: { default: deps-1 } }\nruns: { using: node20, main: client.mjs, post: client.mjs }\n"


def prepare():
    """Before the test enters a network namespace of its own, from which no registry can be reached."""
    if "DD_WORLD" in os.environ or not NODE:
        return
    try:
        if not os.path.isdir(HOME + "/node_modules/@actions/artifact"):
            os.makedirs(HOME, exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=HOME, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=300)
        with open(HOME + "/main.mjs", "w", encoding="utf-8") as file:
            file.write(CLIENT)
        subprocess.run([HOME + "/node_modules/.bin/esbuild", "main.mjs", "--bundle", "--platform=node", "--target=node20", "--format=esm", "--log-level=error",
                        "--banner:js=import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);", "--outfile=" + BUNDLE],
                       cwd=HOME, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"# {error}", flush=True)


def job_with_client():
    if not NODE:
        peers.skip("no node that a step sees")
    if not os.path.exists(BUNDLE):
        peers.skip("GitHub's client libraries are not here: npm install " + " ".join(PACKAGES))
    job = Job([])
    with open(BUNDLE, "rb") as file:
        job.write("src/client/client.mjs", file.read())
    job.write("src/client/action.yml", ACTION)
    job.write("policy.yml", "version: 1\n")
    return job


def run(job, workflow, *more):
    job.write("wf.yml", workflow)
    done = subprocess.run([DRYDOCK, "run", "wf.yml", "--policy", "policy.yml", "--workspace", "src", "--state-dir", "state", *more], cwd=job.dir, env=job.environ(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300)
    return Run(job.dir, done.returncode, done.stdout.decode("utf-8", "replace"), 0)


def one(with_):
    return f"on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: ./client\n        with: {{ {with_} }}\n"


@case("W-02", "@actions/cache saves in one run and restores in the next, by key and by restore-keys, under a policy that names no host")
def caches():
    job = job_with_client()
    try:
        r = run(job, one("do: available restore, post: save"))
        equal((r.rc, r.marks.get("available"), r.marks.get("restored"), r.marks.get("saved")), (0, "true", "undefined", "true"), "first run", r)
        r = run(job, one("do: restore"))
        equal((r.rc, r.marks.get("restored"), r.marks.get("file")), (0, "deps-1", "5000005"), "second run", r)
        r = run(job, one("do: restore, key: deps-2"))
        equal((r.rc, r.marks.get("restored")), (0, "deps-1"), "another key", r)
    finally:
        job.close()


@case("W-02", "@actions/artifact uploads in one job, the job that needs it lists and downloads, and the zip is in --out")
def artifacts():
    job = job_with_client()
    try:
        out = os.path.join(job.dir, "out")
        r = run(job, "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - { uses: ./client, with: { do: upload } }\n"
                     "  b:\n    needs: a\n    runs-on: ubuntu-latest\n    steps:\n      - { uses: ./client, with: { do: download } }\n", "--out", out)
        equal((r.rc, r.marks.get("uploaded"), r.marks.get("listed"), r.marks.get("mismatch"), r.marks.get("got")),
              (0, "true", "program", "false", "9000012"), "both jobs", r)
        found = [os.path.join(d, n) for d, _, names in os.walk(out) for n in names]
        equal([os.path.basename(f) for f in found], ["program.zip"], "--out", r)
        with zipfile.ZipFile(found[0]) as z:
            equal(z.namelist(), ["app"], "what the zip holds")
        runs = os.path.join(job.dir, "state", "store", "runs")
        equal(os.listdir(runs), [], "artifacts of the run are gone with it", r)
        r = run(job, one("do: upload delete"), "--out", os.path.join(job.dir, "out2"))
        equal((r.rc, r.marks.get("deleted")), (0, "true"), "deleted", r)
    finally:
        job.close()


@case("", "`drydock cache` lists what they saved, and prunes it")
def listed():
    job = job_with_client()
    try:
        equal(run(job, one("do: save")).rc, 0, "saved")

        def cache(*argv):
            return subprocess.run([DRYDOCK, "cache", *argv, "--state-dir", "state"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False).stdout

        check("deps-1" in cache("list") and "1 cache," in cache("list"), cache("list"))
        check('"key":"deps-1"' in cache("list", "--json"), cache("list", "--json"))
        check("0 caches" in cache("prune", "--untrusted"), "trusted ones stay")
        check("0 caches" in cache("prune", "--all", "--of", "acme/other"), "those of others stay")
        check("1 cache" in cache("prune", "--all"), "all")
        check("0 caches" in cache("list"), "none is left")
    finally:
        job.close()


if __name__ == "__main__":
    prepare()
    main()
