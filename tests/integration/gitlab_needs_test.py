#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_needs_test.py - artifacts of other jobs: fetched by the courier, unpacked in a step without a network before the script; what an archive must not have, and what
a server that does not give them does to the job."""
import io
import os
import sys
import zipfile

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402
from gitlab_server import GitLab  # noqa: E402


def archive(*entries):
    """A zip as GitLab's runner makes it: (name, content, mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return out.getvalue()


GOOD = archive(("out/", "", 0o40755), ("out/tool", "#!/bin/sh\necho ran\n", 0o100755), ("out/link", "tool", 0o120777))


def needs(*ids, **more):
    return {"dependencies": [{"id": i, "name": f"job-{i}", "token": "ignored", "artifacts_file": {"filename": "artifacts.zip", "size": 100}} for i in ids], **more}


def run(host, script, rc=0, **more):
    job = host.once(host.gitlab.message(script, **more), rc)
    equal(host.gitlab.wrong, [], "what GitLab would refuse")
    return job


@case("W-02", "artifacts of other jobs are there before the script, though no policy names a host; one without files is not asked for")
def _():
    with Host() as host:
        host.gitlab.artifacts = {11: GOOD, 12: archive(("out/second", "2", 0o100644), ("out/tool", "#!/bin/sh\necho newer\n", 0o100755))}
        message = host.gitlab.message(["out/tool; out/link; cat out/second; stat -c %a out/tool"], **needs(11, 12))
        message["dependencies"].append({"id": 13, "name": "lint", "token": "x"})
        job = host.once(message, 0)
        equal([line for line in job.lines if line in ("newer", "2755", "ran")], ["newer", "newer", "2755"], job.text)
        check("Downloading artifacts for job-11 (11)... ok" in job.text and ":download_artifacts\r" in job.text, job.text)
        equal([e[0] for e in host.gitlab.asked("GET")], ["GET jobs/11/artifacts", "GET jobs/12/artifacts"], "what was asked for")
        equal({e[2].get("JOB-TOKEN") for e in host.gitlab.asked("GET")}, {job.token}, "token")
        equal(host.gitlab.wrong, [], "what GitLab would refuse")


@case("", "a redirect to an object store is followed without the token, and one to plain HTTP is not")
def _():
    with Host() as host:
        seen = []
        other = GitLab(host.tls)
        other.hook = lambda method, path, headers, body: (seen.append((path, dict(headers))), (200, GOOD, {"Content-Type": "application/zip"}))[1]
        try:
            host.gitlab.answers["GET jobs/11/artifacts"] = [(302, b"", {"Location": other.url + "/bucket/x?X-Amz-Signature=s"})]
            job = run(host, ["out/tool"], **needs(11))
            check("ran" in job.lines, job.text)
            equal([p for p, _ in seen], ["/bucket/x?X-Amz-Signature=s"], "where it went")
            check(not any(job.token in str(h) for _, h in seen), "the token went along")
            equal(host.gitlab.asked("GET")[0][1], "direct_download=true", "the first question")
            host.gitlab.answers["GET jobs/11/artifacts"] = [(302, b"", {"Location": "http://127.0.0.1:1/x"})] * 3
            job = run(host, ["echo ran"], rc=1, **needs(11))
            check("an address without TLS, which is not followed" in job.text and "ran" not in job.lines, job.text)
        finally:
            other.end()


@case("", "a server that is in trouble is asked again, the later times through itself; one that refuses is not")
def _():
    with Host() as host:
        host.gitlab.artifacts = {11: GOOD}
        host.gitlab.answers["GET jobs/11/artifacts"] = [(500, b"", {}), None]
        job = run(host, ["out/tool"], **needs(11))
        check("ran" in job.lines, job.text)
        equal([e[1] for e in host.gitlab.asked("GET")], ["direct_download=true", "", ""], "questions")
        for status, body, said in ((403, b"", "403"), (401, b"", "401"), (404, b"", "404"), (500, b"<Error><Code>SlowDown</Code><Message>later</Message></Error>", "SlowDown: later")):
            host.gitlab.log.clear()
            host.gitlab.answers["GET jobs/11/artifacts"] = [(status, body, {"Content-Type": "application/xml"})] * 3
            job = run(host, ["echo ran"], rc=1, **needs(11))
            host.gitlab.answers.clear()
            check(said in job.text and "ran" not in job.lines and job.reason == "script_failure", job.text)
            equal(len(host.gitlab.asked("GET")), 3 if status == 500 else 1, f"questions after {status}")


@case("A-01", "an archive with a name that leads out, a link and a file through it, a device, a name that is there twice: the job fails with a word, and nothing lies outside")
def _():
    bad = {"a part that no name may have": [("../x", "a", 0o100644)], "an absolute one": [("/tmp/x", "a", 0o100644)], "behind a link": [("l", "/tmp", 0o120777), ("l/x", "a", 0o100644)],
           "a device, a FIFO": [("p", "", 0o010644)], "is there twice": [("a", "1", 0o100644), ("a", "2", 0o100644)], "no zip archive": None}
    with Host() as host:
        for said, entries in bad.items():
            host.gitlab.artifacts = {11: archive(*entries) if entries else b"\x1f\x8bnothing"}
            job = run(host, ["echo ran"], rc=1, **needs(11))
            check(said in job.text and "ran" not in job.lines and job.reason == "script_failure", f"{said}\n{job.text}")
            check("the artifacts of another job could not be unpacked" in job.text, job.text)


@case("A-02", "an archive that grows beyond measure ends the job, and so does one that is larger than the policy lets it be")
def _():
    with Host(policy={"version": 1, "for": {"forge": "gitlab"}, "artifacts": {"size": "1MiB"}}) as host:
        host.gitlab.artifacts = {11: archive(("bomb", b"\0" * 400_000_000, 0o100644))}
        job = run(host, ["echo ran"], rc=1, **needs(11))
        check("bytes would come out of it" in job.text and "ran" not in job.lines, job.text)
        host.gitlab.artifacts = {11: os.urandom(1_500_000)}
        job = run(host, ["echo ran"], rc=1, **needs(11))
        check("more bytes than `artifacts.size` of the policy" in job.text and "ran" not in job.lines, job.text)
        equal(len(host.gitlab.asked("GET")), 2, "it was asked for once")


@case("", "what lies in a .git of an archive is left out, and setuid goes")
def _():
    with Host() as host:
        host.gitlab.artifacts = {11: archive((".git/hooks/post-checkout", "#!/bin/sh\n", 0o100755), ("s", "x", 0o104755))}
        job = run(host, ["test ! -e .git && stat -c mode-%a s"], **needs(11))
        check("mode-755" in job.lines and "1 left out: what lies in a .git" in job.text, job.text)


@case("", "the unpacking step holds no credential and no variable of the job, whatever rules the policy has")
def _():
    policy = {"version": 1, "for": {"forge": "gitlab"}, "steps": [{"phase": "push", "match": {"job": "compile"}}], "phases": {"push": {"workspace": "shared", "egress": []}},
              "credentials": {"k": {"from": {"forge": "S"}, "for": {"phase": "push", "steps": ["script-push"]}, "as": {"env": "K"}, "ttl": "5m"}}}
    with Host(policy=policy) as host:
        host.gitlab.artifacts = {11: GOOD}
        secret = {"key": "S", "value": "canary-of-the-job", "public": False, "masked": True}
        job = run(host, ["echo k=$K"], variables=[secret], **needs(11))
        check("k=[MASKED]" in job.text, job.text)
        record = [os.path.join(w, n) for w, _, names in os.walk(host.state) for n in names if n.endswith(".jsonl")]
        with open(record[0], encoding="utf-8") as file:
            lines = [line for line in file if '"download_artifacts' in line]
        check(lines and not any("lease" in line for line in lines), str(lines)[:500])


main()
