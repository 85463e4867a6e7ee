#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_agent_test.py - `drydock agent --once` as a runner of GitHub's, against a strict stand-in for its services (tests/fakes/github_server.py)."""
import base64
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import DRYDOCK, case, check, descendants, equal, main  # noqa: E402
from github import World, agent, kin, process_of, register, tls, with_repository  # noqa: E402
from github_server import GitHub, action, context, expression, mapping, script  # noqa: E402

# ---- one job ----

@case("", "a job of a just-in-time runner: acquired, leased, run, told step by step, logs brought whole, completed once, session ended")
def _():
    with World() as w:
        job = w.server.job([
            script("echo hello; echo \"v=1.4.2\" >>\"$GITHUB_OUTPUT\"", name="ver"),
            script(expression("format('echo \"run {0} of {1}\"', github.run_number, steps.ver.outputs.v)"), displayNameToken=expression("format('Show {0}', github.run_number)")),
            script("echo never", condition="failure()"),
        ], jobOutputs=mapping({"version": expression("steps.ver.outputs.v")}))
        equal(w.run(), 0, f"exit status; {w.out}")
        done = job.completed
        equal((done["conclusion"], done["outputs"]), ("succeeded", {"version": {"value": "1.4.2", "isSecret": False}}), "result")
        equal([(s["name"], s["conclusion"]) for s in done["stepResults"]],
              [("Set up job", "succeeded"), ("Run echo hello; echo \"v=1.4.2\" >>\"$GITHUB_OUTPUT\"", "succeeded"), ("Show 17", "succeeded"), ("Run echo never", "skipped"), ("Complete job", "succeeded")], "steps")
        steps = job.document["steps"]
        check("hello" in job.log(steps[0]) and "run 17 of 1.4.2" in job.log(steps[1]), f"logs: {job.log(steps[0])} {job.log(steps[1])}")
        check(b"hello\n" in job.job_blob.data, "the log of the job")
        equal(w.server.names()[:5], ["token", "session", "message", "acknowledge", "acquirejob"], "order")
        equal([n for n in w.server.names() if n in ("completejob", "session-end")], ["completejob", "session-end"], "the end")
        equal(job.states[steps[0]["id"]][-1], (6, 2), "the state of a step")
        w.clean()



@case("", "the configuration comes by standard input, which nobody else can read; what is no configuration is refused before anybody is asked")
def _():
    with World() as w:
        w.server.job([script("true")])
        equal(w.run(stdin=True), 0, f"exit status; {w.out}")
        w.clean()
    with World() as w:
        for blob in ("", "no base64!", base64.b64encode(b"[]").decode(), base64.b64encode(b'{".runner": "e30="}').decode(), w.server.jit(ServerUrlV2=w.server.url.replace("https", "http") + "/broker/"),
                     w.server.jit(UseV2Flow="False")):
            equal(w.run(jit=blob), 2, f"exit status of {blob[:20]!r}; {w.out}")
            check("drydock: " in w.out, w.out)
        equal(w.server.log, [], "requests")


@case("", "a job whose step fails has failed: exit 1, the step says with which status, continue-on-error forgives another")
def _():
    with World() as w:
        job = w.server.job([script("echo before; echo ::warning::an aside; exit 4", continueOnError=True), script("echo '::error file=src/a.c,line=3,title=T::no good'; exit 3"), script("true")])
        equal(w.run(), 1, f"exit status; {w.out}")
        steps, done = job.document["steps"], job.completed
        equal([job.result(s)["conclusion"] for s in steps], ["succeeded", "failed", "skipped"], "conclusions")
        check("##[error]Process completed with exit code 3." in job.log(steps[1]), str(job.log(steps[1])))
        [note] = job.result(steps[1])["annotations"]
        plain = job.result(steps[0])["annotations"]
        check(plain and "an aside" in job.log(steps[0])[plain[0]["startLine"] - 1] and plain[0]["endLine"] == plain[0]["startLine"], f"an annotation without a file is at its line of the log: {plain} {job.log(steps[0])}")
        equal((note["level"], note["message"], note["path"], note["startLine"], note["title"], note["stepNumber"]), ("failure", "no good", "src/a.c", 3, "T", 3), "annotation")
        equal(done["conclusion"], "failed", "conclusion")
        w.clean()


@case("", "a summary is brought as its step wrote it")
def _():
    with World() as w:
        job = w.server.job([script("printf '# Title\\n\\n* one\\n' >>\"$GITHUB_STEP_SUMMARY\"")])
        equal(w.run(), 0, f"exit status; {w.out}")
        equal(job.summaries, {job.document["steps"][0]["id"]: "# Title\n\n* one\n"}, "summary")
        w.clean()


# ---- sources ----

@case("C-11", "actions/checkout fetches the commit of the job from its own forge, with the job's GITHUB_TOKEN for git alone; no policy names either, and no later step has them")
def _():
    with with_repository() as w:
        look = ("cat README; git rev-parse HEAD; git status --porcelain | wc -l | sed 's/^/changes=/'; git config --list | grep -i -e helper -e extraheader || echo no-helper; "
                "env | grep -c ghs_ | sed 's/^/tokens=/'; grep -rsl ghs_ /work /home /tmp /work-temp || echo nowhere; git fetch -q 2>&1 | tail -n 1 | sed 's/^/fetch: /'")
        job = w.server.job([action("actions/checkout@v5"), script(look)], github={"server_url": w.server.url, "sha": w.sha[1]})
        equal(w.run(), 0, f"exit status; {w.out}; {job.all_log()}")
        first, second = (job.log(s) for s in job.document["steps"])
        check({"commit 1", w.sha[1], "changes=0", "no-helper", "tokens=0", "nowhere"} <= set(second), f"{first}\n{second}")
        check(any(line.startswith("fetch: ") for line in second), f"a later step can fetch: {second}")
        equal({(u, t) for _, u, t in w.server.git_log if u}, {("x-access-token", "ghs_" + job.token)}, "who asked")
        check("ghs_" not in job.all_log(), "the token is shown")
        w.clean()


@case("", "with: of a checkout is done: another ref, depth 0, a path; a checkout behind another step, too")
def _():
    with with_repository() as w:
        job = w.server.job([script("echo before >file"), action("actions/checkout@v5", {"fetch-depth": "0", "path": "src", "ref": "main"}),
                            script("git -C src rev-list --count HEAD | sed 's/^/count=/'; cat src/README file; git -C src branch --show-current | sed 's/^/on=/'")], github={"server_url": w.server.url, "sha": w.sha[2]})
        equal(w.run(), 0, f"exit status; {w.out}; {job.all_log()}")
        check({"count=3", "commit 2", "before", "on=main"} <= set(job.log(job.document["steps"][2])), str(job.all_log()))
        w.clean()


# ---- trust and credentials ----

PUBLISH = {"version": 1, "steps": [{"phase": "push", "match": {"id": "publish"}}], "phases": {"push": {"trust": "protected"}},
           "credentials": {"deploy": {"from": {"forge": "DEPLOY_KEY"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}}}
ASK = 'printf %s "${TOKEN:-none}" | sha256sum | cut -c 1-64 | sed "s/^/digest=/"; echo "it is <${TOKEN:-}>"'


def digest(text):
    import hashlib
    return "digest=" + hashlib.sha256(text.encode()).hexdigest()


@case("C-12 L-01", "a secret of the forge reaches the one step that the policy names, masked everywhere; any other step that asks for it is told which line would give it")
def _():
    secret = "canary-deploy-key-0123456789"
    with World(PUBLISH) as w:
        env = mapping({"TOKEN": expression("secrets.DEPLOY_KEY"), "G": expression("github.token"), "X": expression("secrets.NOT_SENT")})
        job = w.server.job([script(ASK + "; env", name="other", environment=env), script(ASK + "; echo \"::error::$TOKEN\"; echo \"$TOKEN\" >>\"$GITHUB_STEP_SUMMARY\"", name="publish")],
                           secrets_={"DEPLOY_KEY": secret})
        equal(w.run(), 0, f"exit status; {w.out}")
        other, publish = (job.log(s) for s in job.document["steps"])
        check(digest("none") in other and digest(secret) in publish, f"who holds it: {other} {publish}")
        setup = "\n".join(job.log(next(iter(job.step_blobs))) + other)
        check("secrets.DEPLOY_KEY is empty here" in setup and "credentials.deploy.for.steps: [ ..., other ]" in setup, f"not told: {setup}")
        check("secrets.GITHUB_TOKEN is empty here" in setup and "from: { forge: GITHUB_TOKEN }" in setup, f"not told: {setup}")
        everything = json.dumps(job.completed) + "".join(b.data.decode() for b in [*job.step_blobs.values(), job.job_blob]) + str(job.summaries) + w.out
        check(secret not in everything and "ghs_" not in everything and job.token not in everything, "a secret is shown")
        for path, blob in w.files():
            check(secret.encode() not in blob and job.token.encode() not in blob and b"ghs_" + job.token.encode() not in blob, f"a secret is in {path}")
        w.clean()


@case("L-01", "secrets.NAME and github.token in a step's env are what the policy grants to that step: the workflow runs unmodified")
def _():
    policy = {"version": 1, "steps": [{"phase": "push", "match": {"id": "publish"}}],
              "credentials": {"deploy": {"from": {"forge": "DEPLOY_KEY"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "UNUSED"}},
                              "token": {"from": {"forge": "GITHUB_TOKEN"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "UNUSED2"}}}}
    with World(policy) as w:
        env = mapping({"TOKEN": expression("secrets.DEPLOY_KEY"), "G": expression("github.token"), "H": expression("secrets.GITHUB_TOKEN")})
        job = w.server.job([script(ASK + '; TOKEN=$G; ' + ASK + '; test "$G" = "$H" && echo the-same', name="publish", environment=env), script('echo "<$TOKEN$G$H>"', environment=env)],
                           secrets_={"DEPLOY_KEY": "canary-key-0123456789"})
        equal(w.run(), 0, f"exit status; {w.out}")
        publish, other = (job.log(s) for s in job.document["steps"])
        check(digest("canary-key-0123456789") in publish and digest("ghs_" + job.token) in publish and "the-same" in publish, str(publish))
        check("<>" in other, str(other))
        w.clean()


@case("L-04", "what the message wants masked by regular expressions is masked in logs, names, annotations, summaries and outputs; one that is none is told, one that never ends masks all")
def _():
    with World() as w:
        mask = [{"type": "regex", "value": "tok_[a-z0-9]{6,}"}, {"type": "regex", "value": "(broken"}, {"type": "variable", "value": "DEPLOY_KEY"}, {"type": "regex", "value": "^(a+)+$"}]
        job = w.server.job([script("echo before tok_abc123 after; echo '(broken'; echo '::error::no tok_abc123'; echo 'sum tok_abc123' >>$GITHUB_STEP_SUMMARY; echo v=tok_abc123 >>$GITHUB_OUTPUT; "
                                   "echo w=fine >>$GITHUB_OUTPUT; printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\\n'", name="s", displayNameToken="name tok_abc123")],
                           mask=mask, jobOutputs=mapping({"v": expression("steps.s.outputs.v"), "w": expression("steps.s.outputs.w")}))
        equal(w.run(), 0, f"exit status; {w.out}")
        log = job.log(job.document["steps"][0])
        check("before *** after" in log and "***" in log and "tok_abc" not in job.all_log() + json.dumps(job.completed) + str(job.summaries), f"{log} {job.completed}")
        check(not any("aaaa" in line for line in log), f"what never ends: {log}")
        check("is no regular expression here" in job.all_log() and "(broken" not in log, job.all_log())
        equal(job.completed["outputs"], {"w": {"value": "fine", "isSecret": False}}, "outputs")
        check("Skip output 'v' since it may contain secret." in job.all_log(), job.all_log())
        w.clean()


@case("C-12", "no workflow text makes a job trusted: a pull request, an unprotected ref and a fork are refused what the policy keeps for protected ones, exit 4")
def _():
    for github in ({"event_name": "pull_request", "event": {"pull_request": {"head": {"repo": {"full_name": "evil/app"}}, "base": {"repo": {"full_name": "acme/app"}}}}},
                   {"ref_protected": False}, {"event_name": "issue_comment"}, {"event": {"ref_protected": True, "ref": "refs/heads/main"}, "ref_protected": None}):
        with World(PUBLISH) as w:
            job = w.server.job([script(ASK, name="publish")], github=github, secrets_={"DEPLOY_KEY": "canary-secret-value"})
            equal(w.run(), 4, f"exit status; {w.out}")
            equal(job.completed["conclusion"], "failed", "conclusion")
            check("canary" not in job.all_log(), "a secret is shown")
            w.clean()


@case("", "a job for which no policy is, and a policy that cannot be read, end before a step: exit 4 and 2, and the server is told in words")
def _():
    with World({"version": 1, "for": {"repository": "other/*"}}) as w:
        job = w.server.job([script("echo ran")])
        equal(w.run(), 4, f"exit status; {w.out}")
        check("is for this job" in job.all_log() and "ran" not in job.all_log() and any("is for this job" in a["message"] for a in job.notes()), job.all_log())
        w.clean()
    with World("version: 1\nstepz: []\n") as w:
        w.server.job([script("echo ran")])
        equal(w.run(), 2, f"exit status; {w.out}")
        equal(w.server.log, [], "requests")


@case("", "what this build cannot run is refused before the first step, by its own name: containers, services, Docker actions, background steps")
def _():
    rows = [({"jobContainer": mapping({"image": "debian:12"})}, "container"), ({"jobServiceContainers": mapping({"db": mapping({"image": "postgres:16"})})}, "services")]
    for more, words in rows:
        with World() as w:
            job = w.server.job([script("echo ran-it")], **more)
            equal(w.run(), 1, f"exit status; {w.out}")
            check(f"`{words}` is not supported yet" in job.all_log() and "ran-it" not in job.all_log(), job.all_log())
            w.clean()
    with World() as w:
        job = w.server.job([script("echo ran-it"), script("true", background=True)], variables={"actions_send_job_level_annotations": "true"})
        equal(w.run(), 1, f"exit status; {w.out}")
        equal(job.completed["conclusion"], "failed", "conclusion")
        check(any("in the background" in a["message"] for a in job.notes()), str(job.completed))
        w.clean()


# ---- the broker ----

@case("", "a token that is not taken any more is replaced once, in the middle of polling, and the job comes")
def _():
    with World() as w:
        w.start()
        w.server.wait(lambda: "message" in w.server.names() or w.server.polls)
        w.server.forget_tokens()
        job = w.server.job([script("true")])
        w.server.wait(lambda: job.acquired)
        equal(w.finish(), 0, f"exit status; {w.out}")
        check(w.server.names().count("token") >= 2, str(w.server.names()))
        w.clean()


@case("", "each error of the broker has its reaction: too old and not found end the agent with words, a session that is gone is begun anew")
def _():
    for kind, words in (("RunnerVersionTooOld", "--runner-version"), ("RunnerNotFound", "register it again"), ("HostedRunnerDeprovisioned", "taken this runner out")):
        with World() as w:
            w.server.script["message"] = [GitHub.broker_error(kind, 403, "no longer")]
            equal(w.run(), 5, f"exit status; {w.out}")
            check(words in w.out and kind in w.out and "no longer" in w.out, w.out)
            equal("session-end" in w.server.names(), kind == "RunnerVersionTooOld", "the session is ended")
            w.clean()
    with World() as w:
        w.server.script["message"] = [GitHub.broker_error("RunnerSessionInvalid", 404)]
        w.server.sessions.clear()
        w.start()
        w.server.wait(lambda: "message" in w.server.names())
        w.server.sessions.clear()
        w.server.job([script("true")])
        equal(w.finish(), 0, f"exit status; {w.out}")
        check(w.server.names().count("session") >= 2, str(w.server.names()))
        w.clean()
    with World() as w:
        w.server.script["message"] = [GitHub.broker_error("RunnerSessionInvalid", 404)]
        equal(w.run(jit=w.server.jit(SkipSessionRecover="True")), 5, f"exit status; {w.out}")
        equal(w.server.names().count("session"), 1, "sessions")


@case("", "a session that is refused, and a client that the server does not know, end the agent with words; a conflict and an outage are waited for")
def _():
    with World() as w:
        w.server.script["session"] = [(403, {"message": "not allowed"})]
        equal(w.run(), 5, f"exit status; {w.out}")
        check("refuses a session" in w.out and "not allowed" in w.out, w.out)
    with World() as w:
        blob = w.server.jit()
        w.server.runners[41]["alive"] = False
        equal(w.run(jit=blob), 5, f"exit status; {w.out}")
        check("register it again" in w.out, w.out)
    with World() as w:
        w.server.script["session"] = [(409, {"message": "conflict"}), (500, None)]
        w.server.script["message"] = [(500, None), (502, None)]
        w.server.job([script("true")])
        equal(w.run(), 0, f"exit status; {w.out}")
        w.clean()


@case("", "this host's clock is wrong: the server's own time is taken from its answer, and the operator is told")
def _():
    with World() as w:
        w.server.clock = 4000
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 4000))
        real = w.server._token   # pylint: disable=protected-access
        w.server._token = lambda *a: (lambda r: (r[0], r[1], {"Date": date}))(real(*a))   # pylint: disable=protected-access
        w.server.job([script("true")])
        equal(w.run(), 0, f"exit status; {w.out}")
        check("does not accept this host's time" in w.out and "set the clock" in w.out, w.out)


@case("", "a job that cannot be had any more is left, and the next one is run; a message that means nothing is told")
def _():
    with World() as w:
        w.server.say("Nonsense", {})
        w.server.say("RunnerRefresh", {"target_version": "9.9.9", "download_url": "https://evil.example/x"})
        first = w.server.job([script("echo first")])
        w.server.script["acquirejob"] = [GitHub.run_error(409, "MissingKey")]
        second = w.server.job([script("echo second")])
        equal(w.run(), 0, f"exit status; {w.out}")
        check(not first.completed and second.completed and "MissingKey" in w.out and "9.9.9" in w.out and "Nonsense" in w.out, w.out)
        w.clean()


@case("", "while a job runs another one is left to others, not acknowledged and not acquired")
def _():
    with World() as w:
        first = w.server.job([script("until test -e go; do sleep 0.1; done & sleep 2")])
        w.start()
        w.server.wait(lambda: first.states)
        second = w.server.job([script("echo second")])
        equal(w.finish(), 0, f"exit status; {w.out}")
        check(first.completed and not second.acknowledged and not second.acquired and "left to other runners" in w.out, w.out)
        w.clean()


@case("", "a signal before a job ends the session: exit 130")
def _():
    with World() as w:
        w.start()
        w.server.wait(lambda: w.server.polls)
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 130, f"exit status; {w.out}")
        equal(w.server.sessions, {}, "sessions")
        w.clean()


@case("X-08", "a cancellation of another job, and a message whose body is no text but the document itself, are understood; UseV2Flow need not be there where a broker is named")
def _():
    with World() as w:
        job = w.server.job([script("sleep 2")])
        w.start(jit=w.server.jit(UseV2Flow=None))
        w.server.wait(lambda: job.states.get(job.document["steps"][0]["id"]))
        w.server.say("JobCancellation", {"jobId": job.plan_id, "timeout": "00:05:00"})
        equal(w.finish(), 0, f"exit status; {w.out}")
        check("cancelled that does not run here" in w.out, w.out)
        w.clean()
    with World() as w:
        w.server.plain_bodies = True
        job = w.server.job([script("true")])
        equal(w.run(), 0, f"exit status; {w.out}")
        w.clean()


# ---- the lease and the end ----

@case("X-08", "a job that is cancelled: the step ends, always() cleans up, the result is canceled, exit 130")
def _():
    with World() as w:
        job = w.server.job([script("sleep 60"), script("echo cleaned", condition="always()"), script("echo not-this")])
        w.start()
        w.server.wait(lambda: job.states.get(job.document["steps"][0]["id"]))
        w.server.cancel(job)
        equal(w.finish(), 130, f"exit status; {w.out}")
        steps = job.document["steps"]
        equal((job.completed["conclusion"], [job.result(s)["conclusion"] for s in steps]), ("canceled", ["canceled", "succeeded", "skipped"]), "conclusions")
        check("cleaned" in job.log(steps[1]), str(job.log(steps[1])))
        w.clean()


@case("X-08", "a signal to the agent cancels the job, which is told to the server")
def _():
    with World() as w:
        job = w.server.job([script("sleep 60")])
        w.start()
        w.server.wait(lambda: job.states.get(job.document["steps"][0]["id"]))
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 130, f"exit status; {w.out}")
        equal(job.completed["conclusion"], "canceled", "conclusion")
        w.clean()


@case("P-01", "the lease is lost while a step runs: every process of the job is gone within a second, and nothing is completed")
def _():
    with World() as w:
        w.server.lease = 3
        job = w.server.job([script("trap '' TERM INT; sleep 47 & sleep 48")])
        w.start()
        w.server.wait(lambda: job.states.get(job.document["steps"][0]["id"]))
        job.gone = True
        w.server.wait(lambda: ("renewjob", 404) in w.server.log)
        since = time.monotonic()
        while "sleep" in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout.replace("sleep 47", "sleep").replace("sleep 48", "sleep") and any(
                a.startswith(("sleep 47", "sleep 48")) for a in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout.splitlines()):
            check(time.monotonic() - since < 1.0, "still alive after a second")
            time.sleep(0.02)
        equal(w.finish(), 5, f"exit status; {w.out}")
        check(not job.completed and "completejob" not in w.server.names() and "lease is lost" in w.out, w.out)
        w.clean()


@case("", "a lease that cannot be renewed for a while is kept; the first renewal comes before any step")
def _():
    with World() as w:
        w.server.script["renewjob"] = [(500, None), (503, None)]
        job = w.server.job([script("true")])
        equal(w.run(), 0, f"exit status; {w.out}")
        check(len(job.renewals) >= 1, "renewals")
        w.clean()
    with World() as w:
        w.server.script["renewjob"] = [GitHub.run_error(404)]
        job = w.server.job([script("echo ran")])
        equal(w.run(), 5, f"exit status; {w.out}")
        check(not job.step_blobs and not job.completed, "it ran without a lease")
        w.clean()


@case("", "a result that the server does not take at once is brought again; one that it has already is not brought twice")
def _():
    with World() as w:
        w.server.script["completejob"] = [(500, None), (500, None), (503, None)]
        job = w.server.job([script("true")])
        equal(w.run(), 0, f"exit status; {w.out}")
        equal(job.completed["conclusion"], "succeeded", "conclusion")
        w.clean()
    with World() as w:
        def lost(*a):   # it arrives, and its answer does not
            w.server._completejob(*a)   # pylint: disable=protected-access
            return 500, None, {}
        w.server.script["completejob"] = [lost]
        job = w.server.job([script("true")])
        equal(w.run(), 0, f"exit status; {w.out}")
        equal(job.completed["conclusion"], "succeeded", "conclusion")
        w.clean()


# ---- logs ----

@case("L-07", "a log of more than two megabytes goes in blocks with a seal, whole")
def _():
    with World() as w:
        job = w.server.job([script("seq -f '%09g line of a long log that is long enough' 1 60000")])
        equal(w.run(), 0, f"exit status; {w.out}")
        step = job.document["steps"][0]
        blob = job.step_blobs[step["id"]]
        check(blob.kind == "AppendBlob" and blob.sealed and len(blob.data) > 2 * 1024 * 1024, f"{blob.kind} {blob.sealed} {len(blob.data)}")
        lines = [line for line in job.log(step) if "line of a long log" in line]
        equal((len(lines), lines[0][:9], lines[-1][:9]), (60000, "000000001", "000060000"), "lines")
        w.clean()


@case("", "a log that is refused twice is brought again, and the job is complete with it")
def _():
    with World() as w:
        w.server.script["GetStepLogsSignedBlobURL"] = [(500, None)] * 6
        job = w.server.job([script("echo it-is-there")])
        equal(w.run(), 0, f"exit status; {w.out}")
        check("it-is-there" in job.log(job.document["steps"][0]), "log")
        w.clean()


# ---- registration ----

@case("", "a host that is registered with a token is a runner with its own key, labels and group, and runs one job after the other until a signal lets it end")
def _():
    with World() as w:
        w.server.registration_tokens.add("REGTOKEN")
        done = register(w, "--name", "Dock.1", "--labels", "drydock,fast", "--group", "special")
        equal(done.returncode, 0, done.stderr)
        [runner] = w.server.runners.values()
        equal((runner["name"], runner["group"], runner["ephemeral"], runner["updates_disabled"], runner["version"]), ("Dock.1", 4, False, True, "2.336.0"), "the runner")
        equal({k for k, v in runner["labels"].items() if v == "system"} - {"X64", "ARM64"}, {"self-hosted", "Linux"}, "labels")
        equal({k for k, v in runner["labels"].items() if v == "user"}, {"drydock", "fast"}, "labels")
        [kept] = glob.glob(w.dir + "/state/runners/*.json")
        equal((os.path.basename(kept), os.stat(kept).st_mode & 0o777), ("dock.1.json", 0o600), "the file")
        with open(kept, encoding="utf-8") as file:
            check("REGTOKEN" not in file.read(), "the registration token is kept")
        first = w.server.job([script("echo one")])
        agent(w)
        w.server.wait(lambda: first.completed)
        second = w.server.job([script("sleep 2; echo two")])
        w.server.wait(lambda: second.states.get(second.document["steps"][0]["id"]))
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        equal((first.completed["conclusion"], second.completed["conclusion"]), ("succeeded", "succeeded"), "results")
        equal((w.server.names().count("session"), w.server.sessions), (1, {}), "sessions")
        w.clean("a poll says")


@case("", "registering says what is wrong: a token that is not taken, a place that is none, a name that is there, a group that is not, an old server; --replace takes the place")
def _():
    with World() as w:
        done = register(w)
        check(done.returncode == 5 and "not taken" in done.stderr and "good for an hour" in done.stderr, f"{done.returncode} {done.stderr}")
        w.server.registration_tokens.add("REGTOKEN")
        for path in ("", "/a/b/c", "/a b"):
            done = register(w, path=path)
            check(done.returncode == 2 and "not the address" in done.stderr, f"{path}: {done.returncode} {done.stderr}")
        done = register(w, "--group", "nowhere")
        check(done.returncode != 0 and "no group of runners `nowhere`" in done.stderr, done.stderr)
        done = register(w, "--runner-version", "2.300.0")
        check(done.returncode != 0 and "out of date" in done.stderr, done.stderr)
        equal(register(w, "--name", "one").returncode, 0, "the first")
        done = register(w, "--name", "ONE")
        check(done.returncode != 0 and "--replace" in done.stderr, done.stderr)
        equal(register(w, "--name", "one", "--replace").returncode, 0, "the second")
        equal(len(w.server.runners), 1, "runners")
        w.server.script["exchange"] = [(200, {"url": w.server.url, "token": "t"})]
        done = register(w, "--name", "two")
        check(done.returncode != 0 and "older protocol" in done.stderr, done.stderr)
        equal(w.server.violations, [], "violations")


@case("", "an ephemeral runner is one for one job; unregister with a removal token removes the runner at the server, too")
def _():
    with World() as w:
        w.server.registration_tokens.add("REGTOKEN")
        equal(register(w, "--name", "one", "--ephemeral").returncode, 0, "register")
        job = w.server.job([script("exit 3")])
        equal(agent(w).finish(), 1, f"exit status; {w.out}")
        equal((job.completed["conclusion"], glob.glob(w.dir + "/state/runners/*.json")), ("failed", []), "afterwards")
        w.clean()
    with World() as w:
        w.server.registration_tokens.add("REGTOKEN")
        w.server.removal_tokens.add("REMOVAL")
        equal(register(w, "--name", "one").returncode, 0, "register")
        w.write("removal", "REMOVAL")
        done = subprocess.run([DRYDOCK, "unregister", "one", "--token-file", "removal", "--state-dir", w.dir + "/state"], cwd=w.dir, capture_output=True, text=True, check=False)
        equal((done.returncode, [r["alive"] for r in w.server.runners.values()], glob.glob(w.dir + "/state/runners/*.json")), (0, [False], []), done.stderr)


@case("", "a just-in-time configuration can be registered, and is used up by its job")
def _():
    with World() as w:
        w.write("jit", w.server.jit())
        done = subprocess.run([DRYDOCK, "register", "github", "--jitconfig-file", "jit", "--ca-file", tls()["ca.pem"], "--state-dir", w.dir + "/state"], cwd=w.dir, capture_output=True, text=True, check=False)
        equal(done.returncode, 0, done.stderr)
        job = w.server.job([script("true")])
        equal(agent(w, "--once").finish(), 0, f"exit status; {w.out}")
        equal((job.completed["conclusion"], glob.glob(w.dir + "/state/runners/*.json")), ("succeeded", []), "afterwards")


# ---- death ----

@case("", "the courier of a job is killed: another one goes on, nothing is lost and nothing is told twice")
def _():
    with World() as w:
        job = w.server.job([script("echo before; sleep 3; echo after"), script("echo second")])
        w.start()
        w.server.wait(lambda: job.states.get(job.document["steps"][0]["id"]))
        os.kill(process_of(w, "dd-courier"), signal.SIGKILL)
        equal(w.finish(), 0, f"exit status; {w.out}")
        steps = job.document["steps"]
        check({"before", "after"} <= set(job.log(steps[0])) and "second" in job.log(steps[1]), "logs")
        equal(w.server.names().count("completejob"), 1, "completed how often")
        w.clean()


@case("P-01 X-08", "supervisor, keeper, job host or agent are killed while a step runs: the server is told once that the job failed, and no process stays")
def _():
    for which in ("supervisor", "keeper", "host", "agent"):
        with World() as w:
            job = w.server.job([script("echo begun; sleep 50")])
            w.start()
            w.server.wait(lambda: job.states.get(job.document["steps"][0]["id"]))
            host, keeper, supervisor = kin(w)
            everybody = descendants(w.process.pid)
            os.kill({"supervisor": supervisor, "keeper": keeper, "host": host, "agent": w.process.pid}[which], signal.SIGKILL)
            if which == "agent":
                os.kill(host, signal.SIGTERM)   # it goes on by itself; whoever stops the service ends it
                w.process.wait()
            else:
                equal(w.finish(), 5, f"{which}: exit status; {w.out}")
            w.server.wait(lambda: job.completed)
            check(job.completed["conclusion"] in ("failed", "canceled"), f"{which}: {job.completed['conclusion']}")
            until = time.monotonic() + 15
            while left := [p for p in everybody if os.path.exists(f"/proc/{p}") and open(f"/proc/{p}/stat", encoding="ascii").read().split()[2] != "Z"]:
                check(time.monotonic() < until, f"{which}: still alive: {left}")
                time.sleep(0.05)
            equal(w.server.names().count("completejob"), 1, f"{which}: completed how often")
            if which in ("supervisor", "keeper"):
                equal((glob.glob(w.dir + "/state/jobs/*"), glob.glob(w.dir + "/state/github/*")), ([], []), f"{which}: left on disk")
            equal([v for v in w.server.violations if "busy" not in v.lower() and "a poll says" not in v], [], which)


if __name__ == "__main__":
    main()
