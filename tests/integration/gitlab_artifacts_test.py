#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_artifacts_test.py - what a GitLab job leaves behind: which files, in which form, and what happens when the server does not want them."""
import gzip
import io
import os
import sys
import zipfile

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402


def archive(paths, **more):
    return {"name": "keelson-$CI_COMMIT_REF_NAME", "untracked": False, "paths": paths, "when": "on_success", "expire_in": "7d", "artifact_type": "archive", "artifact_format": "zip", **more}


def report(kind, paths, form="gzip", **more):
    return {"name": kind + ".xml", "paths": paths, "when": "always", "expire_in": "7d", "artifact_type": kind, "artifact_format": form, **more}


MAKE = ["mkdir -p out/sub reports; echo a >out/a; echo b >out/sub/b.o; printf x >out/run; chmod 755 out/run; echo '<x/>' >reports/one.xml; echo '<y/>' >'reports/zw\u00f6lf.xml'; echo top >top.log; ln -s a out/link"]


@case("", "an archive holds the files that match, with their modes, and goes to GitLab with what the job says of it")
def _():
    with Host() as host:
        job = host.run(MAKE, artifacts=[archive(["out/", "$CI_PROJECT_DIR/*.log"], exclude=["out/**/*.o"])])
        equal(len(job.uploads), 1, "uploads")
        up = job.uploads[0]
        equal((up["name"], up["query"]), ("keelson-main.zip", {"artifact_format": "zip", "artifact_type": "archive", "expire_in": "7d"}), "what is said of it")
        with zipfile.ZipFile(io.BytesIO(up["bytes"])) as file:
            equal((sorted(file.namelist()), file.testzip()), (["out/a", "out/run", "top.log"], None), "names")
            equal((file.read("out/a"), file.getinfo("out/run").external_attr >> 16 & 0o777), (b"a\n", 0o755), "content and mode")
        check("Uploading artifacts for successful job" in job.lines and "out/: found 2 matching artifact files" in job.text, job.text)
        check(":upload_artifacts_on_success\r" in job.text, job.text)


@case("", "reports are gzip members that say whose they are, raw ones are one file, and each is an upload")
def _():
    with Host() as host:
        job = host.run(MAKE, artifacts=[archive(["top.log"]), report("junit", ["reports/*.xml"]), report("sast", ["out/a"], "raw")])
        equal([u["query"]["artifact_type"] for u in job.uploads], ["archive", "junit", "sast"], "uploads")
        junit = job.uploads[1]
        equal((junit["name"], gzip.decompress(junit["bytes"])), ("junit.xml.gz", b"<x/>\n<y/>\n"), "members")
        check(b"one.xml\0reports/one.xml\0" in junit["bytes"] and b"e:reports/zw%C3%B6lf.xml\0" in junit["bytes"], str(junit["bytes"]))
        equal(job.uploads[2]["bytes"], b"a\n", "raw")


@case("", "a failed job uploads what is for failures, and keeps its own reason")
def _():
    with Host() as host:
        job = host.run([*MAKE, "exit 4"], rc=1, artifacts=[archive(["out"]), archive(["top.log"], when="on_failure", name="logs"), report("junit", ["reports/one.xml"])])
        equal(([u["name"] for u in job.uploads], job.reason, job.exit_code), (["logs.zip", "junit.xml.gz"], "script_failure", 4), "uploads")
        check("Uploading artifacts for failed job" in job.lines, job.text)


@case("", "nothing that matches is a word in the log; what leads out of the project, or lies in a .git, is left out")
def _():
    with Host() as host:
        job = host.run(["git init -q . && echo x >.git/y; echo z >z"], artifacts=[archive(["nothing/*", "../*", "/etc/passwd", ".git/", "**/.git/**"])])
        equal((job.uploads, job.state), ([], "success"), "uploads")
        check("nothing/*: no matching files" in job.text and "is outside of the project" in job.text and "nothing there is an artifact" in job.text and "No files to upload" in job.text, job.text)
        job = host.run(MAKE, artifacts=[archive(["{out/a,top}*"], untracked=False)])
        with zipfile.ZipFile(io.BytesIO(job.uploads[0]["bytes"])) as file:
            equal(sorted(file.namelist()), ["out/a", "top.log"], "braces")


@case("", "a server that is busy is tried again; one that refuses fails a job that had succeeded")
def _():
    with Host() as host:
        message = host.gitlab.message(MAKE, artifacts=[archive(["out"])])
        host.gitlab.answers[f"POST jobs/{message['id']}/artifacts"] = [(503, b"", {}), None]
        job = host.once(message, 0)
        equal((len(job.uploads), host.gitlab.wrong), (1, []), "uploads")
        for status, tries in ((413, 1), (403, 1), (400, 3)):
            message = host.gitlab.message(MAKE, artifacts=[archive(["out"])])
            host.gitlab.answers[f"POST jobs/{message['id']}/artifacts"] = [(status, b'{"message":"no thanks"}', {"Content-Type": "application/json"})] * 9
            job = host.once(message, 1)
            equal((job.state, len(host.gitlab.asked(f"POST jobs/{job.id}/artifacts"))), ("failed", tries), str(status))
            check("no thanks" in job.text and "could not be uploaded" in job.text, job.text)


@case("", "a large file of holes and a file that nobody may read do not keep the rest from coming")
def _():
    with Host() as host:
        job = host.run(["mkdir out; truncate -s 50M out/holes; echo ok >out/ok"], artifacts=[archive(["out"])])
        with zipfile.ZipFile(io.BytesIO(job.uploads[0]["bytes"])) as file:
            equal(file.getinfo("out/holes").file_size, 50 << 20, "size")
        check(len(job.uploads[0]["bytes"]) < 1 << 20, "it was packed")


@case("", "a class of a pattern is one character of those it names")
def _():
    with Host() as host:
        job = host.run(["touch log-1.txt log-2.txt log-x.txt log-10.txt"], artifacts=[archive(["log-[0-9].txt", "log-[!0-9].txt"], exclude=["log-[2-9].txt"])])
        with zipfile.ZipFile(io.BytesIO(job.uploads[0]["bytes"])) as file:
            equal(sorted(file.namelist()), ["log-1.txt", "log-x.txt"], "names")


main()
