#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_actions_test.py - actions of other repositories in jobs from GitHub: resolved by the server, fetched, held against the policy, run."""
import glob
import hashlib
import io
import os
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import case, check, equal, main  # noqa: E402
from github import World, tls  # noqa: E402
from github_server import GitHub, action, script  # noqa: E402

SHA = "c0ffee" + "0" * 34
ANY = {"version": 1, "actions": {"allow": ["acme/*", "other/*"], "pin": "any"}}
PINNED = {"version": 1, "actions": {"allow": ["acme/*"]}}
NODE = {
    "action.yml": "name: greet\ninputs:\n  who: { default: nobody }\noutputs:\n  said: { description: x }\nruns:\n  using: node20\n  pre: pre.js\n  main: main.js\n  post: post.js\n",
    "pre.js": "console.log('pre of greet');",
    "main.js": "const fs = require('fs'); console.log('hello ' + process.env.INPUT_WHO + ' from ' + process.env.GITHUB_ACTION_REPOSITORY + '@' + process.env.GITHUB_ACTION_REF);\n"
               "fs.appendFileSync(process.env.GITHUB_OUTPUT, 'said=hello\\n'); fs.appendFileSync(process.env.GITHUB_STATE, 'kept=yes\\n');",
    "post.js": "console.log('post of greet, kept ' + process.env.STATE_kept);",
}


def composite(*steps):
    return {"action.yml": "name: c\nruns:\n  using: composite\n  steps:\n" + "".join(f"    - {s}\n" for s in steps)}


@case("", "a JavaScript action is resolved by the server, fetched, and run before, in and behind its step; its commit and its digest are told, and asked for once")
def _():
    with World(ANY) as w:
        w.server.archive("acme/greet@v1", NODE)
        job = w.server.job([action("acme/greet@v1", {"who": "Mona"}, name="g"), action("acme/greet@v1"), script("echo after")])
        equal(w.run(), 0, f"exit status; {w.out}; {job.all_log()}")
        log = job.all_log()
        check("hello Mona from acme/greet@v1" in log and "hello nobody" in log and "pre of greet" in log and log.count("post of greet, kept yes") == 2, log)
        check(f"acme/greet@v1 is commit {hashlib.sha1(b'acme/greet@v1').hexdigest()}" in log and "files sha256 " in log, log)
        equal((w.server.names().count("resolve"), w.server.names().count("archive")), (1, 1), "asked how often")
        check("archive-token" not in log + w.out, "a token is shown")
        for path, blob in w.files():
            check(b"archive-token" not in blob, f"a token is in {path}")
        w.clean()


@case("", "what actions use themselves is resolved level by level, each level in one question, and runs nested; a ref with a slash and an action in a folder are found")
def _():
    with World(ANY) as w:
        w.server.archive("acme/outer@feature/x", composite("{ uses: acme/greet@v1, with: { who: Inner } }", "{ uses: acme/many/sub@v2 }", "{ run: 'echo outer-ran', shell: bash }"))
        w.server.archive("acme/greet@v1", NODE)
        w.server.archive("acme/many@v2", {"sub/action.yml": composite("{ run: 'echo sub-ran in $GITHUB_ACTION_PATH; ls $GITHUB_ACTION_PATH/../', shell: sh }")["action.yml"], "top": "x"})
        job = w.server.job([action("acme/outer@feature/x"), action("acme/many/sub@v2")])
        equal(w.run(), 0, f"exit status; {w.out}; {job.all_log()}")
        log = job.all_log()
        check("hello Inner" in log and "outer-ran" in log and log.count("sub-ran in /") == 2, log)
        equal([sorted(q) for q in w.server.resolved], [["acme/many@v2", "acme/outer@feature/x"], ["acme/greet@v1"]], "questions")
        w.clean()


@case("", "archives lie behind a redirect to another host, which sees no token; an archive without a token of its own is asked for with the job's GITHUB_TOKEN")
def _():
    with World(ANY) as w:
        w.server.archive("acme/greet@v1", NODE)
        w.server.renamed["acme/greet@v1"] = {"authentication": None}
        other = GitHub(tls())
        other.archives = w.server.archives
        w.server.codeload = other
        try:
            job = w.server.job([action("acme/greet@v1")])
            equal(w.run(), 0, f"exit status; {w.out}; {job.all_log()}")
            equal((len(w.server.archive_log), other.names(), other.violations), (1, ["codeload"], []), "who was asked")
            check("hello nobody" in job.all_log(), job.all_log())
            w.clean()
        finally:
            other.end()


@case("A-01 X-03", "the policy decides before anything is asked for: an action that it does not allow, and one that names no commit, are refused with the line that would allow them, exit 4")
def _():
    for policy, uses, line in ((None, "acme/greet@v1", "actions: { allow: [ \"acme/greet\" ] }"), (PINNED, "other/greet@" + SHA, "allow: [ \"other/greet\" ]"),
                               (PINNED, "acme/greet@v1", "actions: { pin: tag }")):
        with World(policy) as w:
            w.server.archive(uses, NODE)
            job = w.server.job([script("echo ran-it"), action(uses)])
            equal(w.run(), 4, f"exit status; {w.out}")
            check(line in job.all_log() and "ran-it" not in job.all_log(), job.all_log())
            check(any(uses in a["message"] for a in job.notes()), str(job.completed))
            equal((w.server.names().count("resolve"), w.server.names().count("archive")), (0, 0), "asked")
            w.clean()
    # what an allowed one uses is judged like the rest
    with World({"version": 1, "actions": {"allow": ["acme/*"], "pin": "any"}}) as w:
        w.server.archive("acme/outer@v1", composite("{ uses: evil/tool@v1 }"))
        w.server.archive("evil/tool@v1", NODE)
        job = w.server.job([action("acme/outer@v1")])
        equal(w.run(), 4, f"exit status; {w.out}; {job.all_log()}")
        equal(w.server.resolved, [["acme/outer@v1"]], "questions")
        check("uses evil/tool@v1, which is not allowed" in job.all_log(), job.all_log())
        w.clean()


@case("X-03", "the server's word is held against the name: another commit than the pinned one, a repository that was renamed to one that is not allowed, are refused, exit 4")
def _():
    with World(PINNED) as w:
        w.server.archive("acme/greet@" + SHA, NODE, sha=SHA)
        job = w.server.job([action("acme/greet@" + SHA)])
        equal(w.run(), 0, f"exit status; {w.out}; {job.all_log()}")
        w.clean()
    for answer, word in (({"resolved_sha": "d" * 40}, "is another commit"), ({"resolved_sha": None}, "is another commit"), ({"resolved_name": "evil/greet"}, "is evil/greet by now")):
        with World(PINNED) as w:
            w.server.archive("acme/greet@" + SHA, NODE, sha=SHA)
            w.server.renamed["acme/greet@" + SHA] = answer
            job = w.server.job([action("acme/greet@" + SHA)])
            equal(w.run(), 4, f"exit status; {w.out}; {job.all_log()}")
            check(word in job.all_log() and "hello" not in job.all_log(), job.all_log())
            w.clean()


@case("X-04", "a commit has the files that it had when this host saw it first: others under its name are refused, exit 4, and the line says which file to remove")
def _():
    with World(PINNED) as w:
        w.server.archive("acme/greet@" + SHA, NODE, sha=SHA)
        for files, code in ((NODE, 0), ({**NODE, "main.js": "console.log('other')"}, 4), (NODE, 0)):
            w.server.resolved.clear()
            w.server.archive("acme/greet@" + SHA, files, sha=SHA)
            job = w.server.job([action("acme/greet@" + SHA)])
            equal(w.run(), code, f"exit status; {w.out}; {job.all_log()}")
            check(("saw it first" in job.all_log()) == (code == 4), job.all_log())
        [pin] = glob.glob(w.dir + "/state/actions/pins/*")
        equal(os.path.basename(pin), "acme,greet@" + SHA, "the pin")
        w.clean()


@case("", "what the server does not resolve, or does not hand over, is said in its own words before the first step; what was for a moment is asked for again")
def _():
    with World(ANY) as w:
        w.server.archive("acme/greet@v1", NODE)
        job = w.server.job([script("echo ran-it"), action("acme/greet@v1"), action("acme/gone@v1")])
        equal(w.run(), 1, f"exit status; {w.out}")
        check("Unable to resolve action `acme/gone@v1`" in job.all_log() and "ran-it" not in job.all_log(), job.all_log())
        w.clean()
    for name, status, word, code in (("archive", 404, "HTTP 404", 1), ("archive", 403, "HTTP 403", 1), ("resolve", 429, "HTTP 429", 1), ("archive", 500, "", 0), ("resolve", 503, "", 0)):
        with World(ANY) as w:
            w.server.archive("acme/greet@v1", NODE)
            w.server.script[name] = [(status, None)] * 2
            job = w.server.job([action("acme/greet@v1")])
            equal(w.run(), code, f"exit status of {name} {status}; {w.out}; {job.all_log()}")
            check(word in job.all_log(), job.all_log())
            w.clean()


def tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, kind, text in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text))
            else:
                info.linkname = text.decode()
                archive.addfile(info)
    return out.getvalue()


@case("A-01 A-02", "an archive that leaves its folder, holds a device, two top folders, a link outwards, or is none, ends the job before its first step, and nothing of it is on the host")
def _():
    good = ("top/action.yml", tarfile.REGTYPE, composite("{ run: 'echo ran-it', shell: sh }")["action.yml"].encode())
    rows = {"dots": tar(good, ("top/../../../escaped", tarfile.REGTYPE, b"x")), "absolute": tar(good, ("/tmp/escaped", tarfile.REGTYPE, b"x")), "two": tar(good, ("second/file", tarfile.REGTYPE, b"x")),
            "device": tar(good, ("top/dev", tarfile.CHRTYPE, b"")), "fifo": tar(good, ("top/fifo", tarfile.FIFOTYPE, b"")), "none": b"this is no archive", "empty": b"",
            "cut": tar(good, ("top/more", tarfile.REGTYPE, os.urandom(100000)))[:50000], "link": tar(good, ("top/out", tarfile.SYMTYPE, b"/etc/passwd")), "hard": tar(good, ("top/hard", tarfile.LNKTYPE, b"/etc/passwd")),
            "bomb": tar(good, ("top/zeros", tarfile.REGTYPE, bytes(1 << 30)))}
    for name, blob in rows.items():
        with World(ANY) as w:
            w.server.archive("acme/evil@v1", blob)
            job = w.server.job([script("echo ran-first"), action("acme/evil@v1")])
            code = w.run()
            check(code != 0 and job.completed["conclusion"] == "failed", f"{name}: {code} {w.out} {job.all_log()}")
            check("ran-first" not in job.all_log() and "ran-it" not in job.all_log() and "acme/evil@v1" in job.all_log(), f"{name}: {job.all_log()}")
            equal([e for e in os.listdir(w.dir + "/state/actions") if e != "pins"], [], f"{name}: left in the store")
            check(not os.path.exists("/tmp/escaped") and not os.path.exists(w.dir + "/escaped"), name)
            w.clean()


@case("X-08", "a job that is cancelled while its actions are fetched ends at once; one whose lease is lost meanwhile, too")
def _():
    for how in ("cancel", "lost"):
        with World(ANY) as w:
            w.server.lease = 2
            w.server.archive("acme/greet@v1", NODE)
            held = []

            def slow(*_a, world=w, held=held):
                held.append(1)
                world.server.wait(lambda: not held)
                return 500, None, {}
            w.server.script["archive"] = [slow]
            job = w.server.job([action("acme/greet@v1")])
            w.start()
            w.server.wait(lambda held=held: held)
            if how == "cancel":
                w.server.cancel(job)
            else:
                job.gone = True
            equal(w.finish(20), 130 if how == "cancel" else 5, f"exit status; {w.out}")
            with w.server.changed:
                held.clear()
                w.server.changed.notify_all()
            equal(job.completed["conclusion"] if job.completed else None, "canceled" if how == "cancel" else None, "conclusion")
            w.clean()


if __name__ == "__main__":
    main()
