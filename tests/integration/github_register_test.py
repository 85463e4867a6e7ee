#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_register_test.py - a runner of GitHub's by a personal token, by an app, and from the files of the official runner."""
import base64
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import DRYDOCK, case, check, equal, main  # noqa: E402
from github import World, agent, register, tls  # noqa: E402
from github_server import script  # noqa: E402


def unregister(w, name, token, *options):
    return subprocess.run([DRYDOCK, "unregister", name, "--token-file", token, "--state-dir", w.dir + "/state", *options], cwd=w.dir, capture_output=True, text=True, check=False)


def nowhere(w, *texts):
    for path, blob in w.files():
        for text in texts:
            check(os.path.basename(path) in ("token", "key") or text.encode() not in blob, f"{text[:12]} is in {path}")


@case("", "a personal token makes the one for the registration, which is used and forgotten with it; and the one for the removal")
def _():
    with World() as w:
        w.server.personal_tokens.add("ghp_personal0123456789")
        done = register(w, "--name", "one", token="ghp_personal0123456789")
        equal((done.returncode, w.server.names()), (0, ["mint", "exchange", "groups", "find", "register"]), done.stderr)
        nowhere(w, "ghp_personal", *w.server.registration_tokens)
        done = unregister(w, "one", "token")
        equal((done.returncode, [r["alive"] for r in w.server.runners.values()], glob.glob(w.dir + "/state/runners/*.json")), (0, [False], []), done.stderr)
        done = register(w, "--name", "one", token="github_pat_wrong")
        check(done.returncode == 5 and "a token for registrations: HTTP 401" in done.stderr, f"{done.returncode} {done.stderr}")
        equal(w.server.violations, [], "violations")


def make_app(w):
    key = os.path.join(w.dir, "key")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    pem = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
    w.server.app = {"id": "4711", "pem": pem}
    with open(key, encoding="ascii") as file:
        return file.read()


@case("", "an app registers and removes by its private key, through its installation; a key that is none is said in words")
def _():
    with World() as w:
        key = make_app(w)
        done = register(w, "--name", "one", "--app", "4711", token=key)
        equal((done.returncode, w.server.names()[:3]), (0, ["installation", "access", "mint"]), done.stderr)
        nowhere(w, "PRIVATE KEY", "ghs_")
        done = unregister(w, "one", "key", "--app", "4711")
        equal((done.returncode, [r["alive"] for r in w.server.runners.values()]), (0, [False]), done.stderr)
        done = register(w, "--name", "one", "--app", "4711", token="no key at all")
        check(done.returncode in (2, 5) and "must hold the app's private key" in done.stderr, f"{done.returncode} {done.stderr}")
        done = register(w, "--name", "one", token=key)
        check(done.returncode in (2, 5) and "needs --app" in done.stderr, f"{done.returncode} {done.stderr}")
        equal(w.server.violations, [], "violations")


@case("", "what the official runner was configured as is this host's after an import, by the same key; files that are not there, or of the older protocol, are said")
def _():
    with World() as w:
        where = os.path.join(w.dir, "actions-runner")
        os.mkdir(where)
        files = {name: base64.b64decode(blob) for name, blob in json.loads(base64.b64decode(w.server.jit("Old.Runner", Ephemeral="False", GitHubUrl=w.server.url + "/acme/app"))).items()}
        [runner] = w.server.runners.values()
        runner["ephemeral"] = False
        done = subprocess.run([DRYDOCK, "register", "github", "--import", where, "--state-dir", w.dir + "/state", "--ca-file", tls()["ca.pem"]], cwd=w.dir, capture_output=True, text=True, check=False)
        check(done.returncode != 0 and ".runner" in done.stderr, f"{done.returncode} {done.stderr}")
        for name, blob in files.items():
            with open(os.path.join(where, name), "wb") as file:
                file.write(blob)
        done = subprocess.run([DRYDOCK, "register", "github", "--import", where, "--state-dir", w.dir + "/state", "--ca-file", tls()["ca.pem"]], cwd=w.dir, capture_output=True, text=True, check=False)
        equal(done.returncode, 0, done.stderr)
        [kept] = glob.glob(w.dir + "/state/runners/*.json")
        equal((os.path.basename(kept), os.stat(kept).st_mode & 0o777), ("old.runner.json", 0o600), "the file")
        job = w.server.job([script("true")])
        equal(agent(w, "--once").finish(), 0, f"exit status; {w.out}")
        equal(job.completed["conclusion"], "succeeded", "conclusion")
        equal(len(glob.glob(w.dir + "/state/runners/*.json")), 1, "it stays registered")
        w.clean()
        with open(os.path.join(where, ".runner"), "w", encoding="utf-8") as file:
            json.dump({"AgentId": 3, "AgentName": "x", "UseV2Flow": False}, file)
        done = subprocess.run([DRYDOCK, "register", "github", "--import", where, "--state-dir", w.dir + "/state"], cwd=w.dir, capture_output=True, text=True, check=False)
        check(done.returncode != 0 and "older protocol" in done.stderr, f"{done.returncode} {done.stderr}")


@case("", "options that contradict each other are an error of usage")
def _():
    with World() as w:
        for options in (["--import", "x", "--jitconfig-file", "y"], ["--import", "x", "--labels", "a"], ["--app", "1", "--jitconfig-file", "y"], ["--app", "1"]):
            done = subprocess.run([DRYDOCK, "register", "github", *options, "--state-dir", w.dir + "/state"], cwd=w.dir, capture_output=True, text=True, check=False)
            equal(done.returncode, 2, f"{options}: {done.stderr}")


if __name__ == "__main__":
    main()
