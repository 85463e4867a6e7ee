#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record_test.py - attacks on the record: on where it is written, on what stands in it, on how large it gets (F, L, R)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, PUSH, Job, case, check, equal, main, py, run, step  # noqa: E402


def refused(job, record, says):
    """drydock does not take @record: exit 2, a sentence, and no step ran."""
    r = job.run("--record", record)
    equal(r.rc, 2, f"exit status with --record {record}", r)
    check(says in r.out, f"no word of {says!r}", r)
    check("@@ran@@" not in r.out, "the step ran", r)
    return r


def outside(job, path):
    return os.path.join(job.dir, path)


@case("F-15", "a record is written to no link, and to nothing that a link in the checkout leads to")
def _():
    job = Job([step("a", "echo '@@''ran@@'")], files={"README": "x"})
    try:
        os.makedirs(outside(job, "elsewhere"))
        os.symlink("../elsewhere/target", outside(job, "src/link.jsonl"))
        os.symlink("../elsewhere", outside(job, "src/logs"))
        os.symlink("elsewhere/target", outside(job, "mine.jsonl"))
        for name in ("src/link.jsonl", "mine.jsonl"):
            refused(job, name, "is a link")
        refused(job, "src/logs/r.jsonl", "lies in the checkout")
        equal(os.listdir(outside(job, "elsewhere")), [], "what lies at the targets")
        # The operator's own link to a directory is the operator's word.
        os.symlink("elsewhere", outside(job, "operators"))
        equal(job.run("--record", "operators/r.jsonl").rc, 0, "a record below the operator's own link")
        equal(os.listdir(outside(job, "elsewhere")), ["r.jsonl"], "files there")
    finally:
        job.close()


@case("F-15", "a record that others own, may write or know by another name is not taken, and stays as it was")
def _():
    job = Job([step("a", "echo '@@''ran@@'")])
    try:
        for name, mode in (("open.jsonl", 0o666), ("group.jsonl", 0o620)):
            os.chmod(job.write(name, ""), mode)
            refused(job, name, "may be written by others")
        os.link(job.write("one.jsonl", ""), outside(job, "two.jsonl"))
        refused(job, "one.jsonl", "has another name")
        refused(job, job.write("full.jsonl", "a line\n"), "not empty")
        os.mkfifo(outside(job, "pipe.jsonl"))
        refused(job, "pipe.jsonl", "no regular file")
        refused(job, "src", "no regular file")
        if os.geteuid() == 0:
            for mode, says in ((0o600, "may not be written to"), (0o646, "belongs to another user")):
                foreign = job.write(f"foreign{mode}.jsonl", "")
                os.chown(foreign, 4711, 4711)
                os.chmod(foreign, mode)
                refused(job, foreign, says)
        for name in ("open.jsonl", "group.jsonl", "two.jsonl"):
            equal(os.path.getsize(outside(job, name)), 0, f"size of {name}")
        os.chmod(job.write("mine.jsonl", ""), 0o600)
        equal(job.run("--record", "mine.jsonl").rc, 0, "an empty file of one's own")
    finally:
        job.close()


@case("L-08", "of a refused command line no header value, user info, query, body or password is recorded or shown")
def _():
    # put together where it runs, so that the script itself, which the record quotes, does not hold it
    code = r'''
s="s3c""ret"; t="t0k""en"
ask() { python3 -c 'import socket, sys
try: socket.getaddrinfo(sys.argv[1], 443)
except OSError: pass' "$@"; }
ask a.test -H "Authorization: Bearer $s" "https://u:$s@a.test/x?token=$t#$t"
ask b.test --header="X-Key: $s" "b.test/y?$t" "u:$s@b.test"
ask c.test -u "$s:" -d "{\"k\":\"$s\"}" --password "$t" "TOKEN=$t" -p"$s"
ask d.test sh -c "curl -H 'X: $s' d.test?$t"
'''
    r = run([step("asks", code)])
    argvs = [e["process"]["argv"] for e in r.events("dns.deny") if e["process"]]
    check(argvs and all(a.startswith("python3 -c") for a in argvs), f"nobody was named: {argvs}", r)
    for secret in ("s3cret", "t0ken"):
        check(secret not in str(r.record), f"{secret} is in the record: {argvs}", r)
        check(secret not in r.out, f"{secret} is in the output", r)


BIG = {"limits": {"record": "1MiB"}}


def files(n, where="dist"):
    return f"mkdir -p {where}; for i in $(seq {n}); do echo $i >{where}/$i; done"


@case("R-06", "at three quarters of its limit the record counts what a step can repeat, says so, and the job goes on")
def _():
    tries = py('''
        for i in range(40):
            attempt("try%d" % i, lambda: socket.getaddrinfo("name%d.test" % i, 443))
    ''')
    steps = [step("make", files(2600)), step("publish", tries, PUSH)]
    job = Job(steps, {"push": {"workspace": "pristine", "artifacts": ["dist/**"], "egress": "none"}}, **BIG)
    job.argv = lambda *o, command="run": [DRYDOCK, command, "workflow.yml", "--policy", "policy.yml", "--workspace", "src", "--record", "record.jsonl", *o]
    try:
        r = job.run(timeout=120)    # without --out, which would record each artifact again
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    equal(len(r.events("artifact", step="publish")), 2600, "artifacts", r)
    equal([e["limit_bytes"] for e in r.events("record.limited")], [1 << 20], "the word for it", r)
    close = r.events("gate.close", step="publish")[0]
    told = len(r.events("dns.deny"))
    check(told < 40 and close["unreported"] >= 1, f"{told} told, {close['unreported']} counted", r)
    check(r.record[-1]["counts"]["untold"] >= close["unreported"], "sum of what was counted", r)
    check("limits.record" in r.out, "the log has no word of it", r)


@case("R-06", "a record at its limit ends the job closed, whole and with a sentence, however the job fills it")
def _():
    steps = [step("make", files(6000)), step("publish", "echo '@@''ran@@'", PUSH), step("after", "echo '@@''ran@@'")]
    r = run(steps, {"push": {"workspace": "pristine", "artifacts": ["dist/**"], "egress": "none"}}, rc=1, timeout=120, **BIG)
    check("limits.record" in r.out and "is full" in r.out, "no sentence", r)
    check("@@ran@@" not in r.out, "a step ran that could not be recorded", r)
    equal([r.record[-1]["event"], r.record[-1]["status"]], ["run.end", "failed"], "the last line", r)
    check(sum(len(str(e)) for e in r.record) < 2 << 20, "the record grew on", r)


@case("G-06", "a repository has no say in how much is recorded of it")
def _():
    r = run([step("a", "true")], files={".drydock.yml": "version: 1\nlimits: { record: 1MiB }\n"}, **BIG)
    equal([e["key"] for e in r.events("policy.narrowed")], ["limits.record"], "what was refused", r)


if __name__ == "__main__":
    main()
