#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_cache_test.py - caches of GitLab jobs: what is restored and kept, under which key, for whom; and that what an unprotected ref wrote never reaches a protected one."""
import json
import os
import re
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402


def cache(paths, key="deps-protected", **more):
    return {"key": key, "untracked": False, "paths": paths, "policy": "pull-push", "when": "on_success", "fallback_keys": [], **more}


def ref(protected, name="main", **variables):
    """What the server says of the ref, as it stands in a message."""
    return {"variables": [("CI_COMMIT_REF_PROTECTED", "true" if protected else "false"), *variables.items()]}


def run(host, script, caches, rc=0, protected=True, **more):
    message = host.gitlab.message(script, cache=caches, **more)
    message["git_info"]["protected"] = protected
    job = host.once(message, rc)
    equal(host.gitlab.wrong, [], "what GitLab would refuse")
    return job


MAKE = ["mkdir -p deps/empty deps/bin; echo one >deps/a; echo '#!/bin/sh' >deps/bin/tool; chmod 755 deps/bin/tool; ln -s bin/tool deps/tool; touch -d @1700000000 deps/a"]
SHOW = ["cat deps/a; stat -c %a-%Y deps/bin/tool deps/a; readlink deps/tool; test -d deps/empty && echo empty"]


def store(host):
    """What lies in the store of caches, as (key, trusted, scope)."""
    found = []
    for where, _, names in os.walk(os.path.join(host.state, "store", "caches")):
        for name in names:
            if name.endswith(".json"):
                with open(os.path.join(where, name), encoding="utf-8") as file:
                    entry = json.load(file)
                found.append((entry["key"], entry["trusted"], entry["scope"]))
    return sorted(found)


@case("", "what a job cached is there for the next one: content, modes, times, links, empty directories")
def _():
    with Host() as host:
        job = run(host, MAKE, [cache(["deps/"])])
        check("Saving cache for successful job" in job.lines and "Created cache" in job.lines and "deps/: found 6 matching files and directories" in job.lines, job.text)
        check("No cache of this key is there" in job.text and ":restore_cache\r" in job.text and ":archive_cache\r" in job.text, job.text)
        job = run(host, SHOW, [cache(["deps/"])])
        said = [line for line in job.lines if re.fullmatch(r"one|755-\d+|644-1700000000|bin/tool|empty", line)]
        equal((said[0], said[1][:4], said[2:]), ("one", "755-", ["644-1700000000", "bin/tool", "empty"]), job.text)
        check("Restoring cache" in job.lines and "Successfully extracted cache" in job.lines and "Archive is up to date!" in job.lines, job.text)


@case("", "of the policy pull nothing is kept, of push nothing restored, and another word is an error before anything runs")
def _():
    with Host() as host:
        run(host, MAKE, [cache(["deps/"], policy="push")])
        job = run(host, [*SHOW, "echo two >deps/a"], [cache(["deps/"], policy="$HOW")], variables=[("HOW", "pull")])
        check("one" in job.lines and "Saving cache" not in job.text, job.text)
        job = run(host, ["test ! -e deps"], [cache(["deps/"], policy="push", when="on_failure")])
        check("Restoring cache" not in job.text and "Saving cache" not in job.text, job.text)
        job = run(host, SHOW, [cache(["deps/"], policy="pull")])
        check("one" in job.lines, job.text)
        job = run(host, ["echo ran"], [cache(["deps/"], policy="maybe")], rc=1)
        check("ran" not in job.lines and job.reason == "runner_configuration_error" and "pull, push or pull-push, not `maybe`" in job.text, job.text)


@case("", "when says after which end a cache is kept, and a failed job keeps its reason")
def _():
    with Host() as host:
        run(host, [*MAKE, "exit 3"], [cache(["deps/"])], rc=1)
        equal(store(host), [], "on_success")
        job = run(host, [*MAKE, "exit 3"], [cache(["deps/"], key="a", when="on_failure"), cache(["deps/"], key="b", when="always")], rc=1)
        check("Saving cache for failed job" in job.lines and job.reason == "script_failure" and job.exit_code == 3, job.text)
        equal([e[0] for e in store(host)], ["a", "b"], "on_failure, always")


@case("", "keys that it falls back to are asked in their order, then CACHE_FALLBACK_KEY, which may not name what protected refs wrote")
def _():
    with Host() as host:
        run(host, MAKE, [cache(["deps/"], key="old-protected")])
        run(host, [MAKE[0].replace("echo one", "echo other")], [cache(["deps/"], key="last")])
        job = run(host, SHOW, [cache(["deps/"], key="new", fallback_keys=["nothing", "old-protected", "last"], policy="pull")])
        check("one" in job.lines and "Extracting cache old-protected" in job.text, job.text)
        job = run(host, SHOW, [cache(["deps/"], key="new", policy="pull")], variables=[("CACHE_FALLBACK_KEY", "last")])
        check("other" in job.lines, job.text)
        job = run(host, ["test ! -e deps"], [cache(["deps/"], key="new", policy="pull")], variables=[("CACHE_FALLBACK_KEY", "old-protected. ")])
        check("ends in -protected" in job.text, job.text)


@case("", "a key is the project's variables and no path: what is left of it after dots and slashes counts")
def _():
    with Host() as host:
        for raw, kept in (("$CI_COMMIT_REF_NAME-x", "main-x"), ("some%2f../job/some/ref/.", "job/some/ref"), ("fallback_key/ / \\  \\", "fallback_key"), ("something %2F something", "something / something")):
            run(host, MAKE, [cache(["deps/"], key=raw)])
            check(kept in [e[0] for e in store(host)], f"{raw}: {store(host)}")
        for raw in ("..", "/", " ", "%2E%2E"):
            job = run(host, ["true"], [cache(["deps/"], key=raw)])
            check("nothing is left of the key" in job.text, raw)
        run(host, MAKE, [cache(["deps/"], key="")])
        check("compile/main" in [e[0] for e in store(host)], str(store(host)))


@case("A-04", "what an unprotected ref or a merge request wrote is never served to a protected ref, whatever the key; the other way round it is")
def _():
    with Host() as host:
        for more in ({"protected": False}, {"protected": True, "variables": [("CI_MERGE_REQUEST_IID", "7")]}):
            run(host, [MAKE[0].replace("echo one", "echo poison")], [cache(["deps/"], key="shared", policy="push")], **more)
            job = run(host, ["test ! -e deps && echo clean"], [cache(["deps/"], key="shared", policy="pull")])
            check("clean" in job.lines, job.text)
        equal({e[1] for e in store(host)}, {False}, "trust of what was written")
        run(host, MAKE, [cache(["deps/"], key="shared", policy="push")])
        job = run(host, SHOW, [cache(["deps/"], key="shared", policy="pull")])
        check("one" in job.lines, job.text)
        job = run(host, SHOW, [cache(["deps/"], key="shared", policy="pull")], protected=False)
        check("poison" in job.lines, "its own comes first\n" + job.text)
        run(host, MAKE, [cache(["deps/"], key="trusted")])
        job = run(host, SHOW, [cache(["deps/"], key="trusted", policy="pull")], protected=False)
        check("one" in job.lines, job.text)


@case("A-04", "what a merge request of a fork wrote is for that merge request alone")
def _():
    with Host() as host:
        fork = [("CI_MERGE_REQUEST_IID", "7"), ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "99")]
        mine = {"git_info": {**host.gitlab.message(["true"])["git_info"], "ref": "refs/merge-requests/7/head", "protected": False}}
        message = host.gitlab.message(MAKE, cache=[cache(["deps/"], key="k")], variables=fork)
        message["git_info"].update(mine["git_info"])
        host.once(message, 0)
        job = run(host, ["test ! -e deps && echo clean"], [cache(["deps/"], key="k", policy="pull")], protected=False)
        check("clean" in job.lines, job.text)
        message = host.gitlab.message(SHOW, cache=[cache(["deps/"], key="k", policy="pull")], variables=fork)
        message["git_info"].update(mine["git_info"])
        check("one" in host.once(message, 0).lines, "its own")


@case("A-05", "no step has a way to the store: what is kept is packed from declared paths when every process of the job is dead, and says who wrote it")
def _():
    with Host() as host:
        job = run(host, [*MAKE, "env | grep -c ^ACTIONS_ || true; (sleep 1; echo late >deps/late) & disown"], [cache(["deps/"])])
        check("0" in job.lines, job.text)
        check("deps/: found 6 " in job.text, job.text)
        equal(store(host), [("deps-protected", True, "protected refs")], "label")


@case("A-06", "a push step whose workspace is the commit alone does not see what was restored")
def _():
    policy = {"version": 1, "for": {"forge": "gitlab"}, "steps": [{"phase": "push", "match": {"run": "ls -d*"}}], "phases": {"push": {"workspace": "pristine"}}}
    with Host(policy=policy) as host:
        run(host, MAKE, [cache(["deps/"])])
        job = run(host, ["cat deps/a", "ls -d deps || echo unseen"], [cache(["deps/"], policy="pull")])
        check("one" in job.lines and "unseen" in job.lines, job.text)


@case("W-02", "caches work where the policy names no host; and the policy takes them away with a word")
def _():
    with Host(policy={"version": 1, "for": {"forge": "gitlab"}, "cache": {"read": ["build"], "write": []}}) as host:
        job = run(host, MAKE, [cache(["deps/"])])
        check("no cache is kept: the policy lets no build step write caches; this line would: cache: { write: [ build ] }" in job.text and job.state == "success", job.text)
        equal(store(host), [], "kept")
    with Host(policy={"version": 1, "for": {"forge": "gitlab"}, "cache": {"size": "1MiB"}}) as host:
        job = run(host, ["mkdir deps; head -c 3000000 /dev/urandom >deps/large"], [cache(["deps/"])])
        check("it would have more than 1048576 bytes" in job.text and job.state == "success", job.text)
        equal(store(host), [], "kept")


@case("", "untracked keeps what git does not know; what lies in a .git or out of the project is left out and told")
def _():
    with Host() as host:
        job = run(host, ["echo u >untracked-file; mkdir -p sub/.git; echo x >sub/.git/hook"], [cache([], untracked=True), cache(["sub", "../etc", "/etc/passwd"], key="two")])
        check("left out: what lies in a .git" in job.text and "WARNING: ../etc (outside of the project" in job.text and "WARNING: /etc/passwd (outside" in job.text, job.text)
        job = run(host, ["cat untracked-file; test ! -e sub/.git && echo none"], [cache([], untracked=True, policy="pull"), cache(["sub"], key="two", policy="pull")])
        check("u" in job.lines and "none" in job.lines, job.text)


@case("", "a link in the way is not followed, a damaged archive is a word in the log, and the job goes on")
def _():
    with Host() as host:
        run(host, ["mkdir -p out/sub; echo x >out/sub/f"], [cache(["out"])])
        blob = [os.path.join(w, n) for w, _, names in os.walk(host.state) for n in names if n.endswith(".blob")]
        equal(len(blob), 1, "blobs")
        with open(blob[0], "r+b") as file:
            file.seek(8)
            file.write(b"\xff")
        job = run(host, ["test ! -e out && echo without"], [cache(["out"], policy="pull")])
        check("without" in job.lines and "is not what was put in: its digest differs" in job.text and job.state == "success", job.text)


@case("", "`drydock cache list` shows them, and prune takes those of the untrusted")
def _():
    with Host() as host:
        run(host, MAKE, [cache(["deps/"], key="mine")])
        run(host, MAKE, [cache(["deps/"], key="theirs")], protected=False)
        listed = host.drydock("cache", "list", "--state-dir", host.state)
        check("mine" in listed.stdout and "theirs" in listed.stdout and "protected refs" in listed.stdout, listed.stdout + listed.stderr)
        pruned = host.drydock("cache", "prune", "--untrusted", "--state-dir", host.state)
        equal(([e[0] for e in store(host)], pruned.returncode), (["mine"], 0), pruned.stderr)


main()
