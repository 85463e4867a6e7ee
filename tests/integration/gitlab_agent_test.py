#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_agent_test.py - `drydock agent --once` against the fake GitLab: a job from its message to the state that GitLab has."""
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402


@case("", "a job of two commands succeeds, and its log is GitLab's")
def _():
    with Host() as host:
        job = host.run(["echo one", "echo two"])
        equal((job.state, job.ends), ("success", ["success"]), "state")
        check(job.lines[-2] == "Job succeeded", job.text)
        at = job.lines.index("$ echo one")
        equal(job.lines[at:at + 4], ["$ echo one", "one", "$ echo two", "two"], "log")
        check("section_start:" in job.text and ":step_script\r\x1b[0K" in job.text, job.text)



@case("", "a command that fails ends the script, with its exit code at GitLab")
def _():
    with Host() as host:
        job = host.run(["echo one", "(exit 42)", "echo never"], rc=1)
        equal((job.state, job.reason, job.exit_code), ("failed", "script_failure", 42), "state")
        check("never" not in job.text and "ERROR: Job failed: exit status 42" in job.lines, job.text)
        job = host.run(["kill -9 $$"], rc=1)
        equal((job.reason, job.exit_code), ("script_failure", 137), "a signal")


@case("", "a script's shell is one shell: directory, variables, functions, options, traps, heredocs, no stdin")
def _():
    with Host() as host:
        job = host.run(["mkdir -p a/b && cd a", "PLAIN=1", "export SHOUT=2", "f() { echo f-$PLAIN-$SHOUT; }", "cd b", "f", "pwd", "cat; echo read-nothing",
                        "cat <<'END'\nhere $PLAIN\nEND", "set +e", "false", "echo still", "trap 'echo bye' EXIT", "", "set -u; echo ${UNSET-unset}"])
        for line in ("f-1-2", "/work/a/b", "read-nothing", "here $PLAIN", "still", "unset", "bye"):
            check(line in job.lines, f"{line} is not in\n{job.text}")
        check("$ cat <<'END' # collapsed multi-line command" in job.lines, job.text)


@case("", "after_script runs after success and failure, in a shell of its own, and knows how it went")
def _():
    with Host() as host:
        job = host.run(["X=1; export Y=2; cd /tmp; echo in-$CI_JOB_STATUS"], after=["echo after-${X-none}-${Y-none}-$PWD-$CI_JOB_STATUS"])
        check("in-running" in job.lines and "after-none-none-/work-success" in job.lines, job.text)
        check("Running after_script" in job.lines, job.text)
        job = host.run(["exit 3"], after=["echo after-$CI_JOB_STATUS", "exit 9"], rc=1)
        check("after-failed" in job.lines and job.exit_code == 3, job.text)
        job = host.run(["true"], after=["exit 9"])
        equal(job.state, "success", "a failure of after_script")
        job = host.run(["true"], after=["exit 9"], variables=[("AFTER_SCRIPT_IGNORE_ERRORS", "false")], rc=1)
        equal((job.state, job.exit_code), ("failed", 9), "one that counts")


@case("", "variables: expanded once, raw ones not, the last of a name counts, and the runner's own are there")
def _():
    with Host() as host:
        raw = {"key": "RAW", "value": "costs $5 $CI", "public": True, "masked": False, "raw": True}
        job = host.run(["echo $A-$B-$RAW-$TWICE-$DOLLAR", "echo $CI_PROJECT_DIR $CI_SERVER $CI_DISPOSABLE_ENVIRONMENT $CI_JOB_TIMEOUT $CI_RUNNER_SHORT_TOKEN"],
                       variables=[("A", "${B}x$CI_PROJECT_DIR$NOPE"), ("B", "$A"), raw, ("TWICE", "one"), ("TWICE", "two"), ("DOLLAR", "a$$b$1c")])
        check("$Ax/work-${B}x$CI_PROJECT_DIR$NOPE-costs $5 $CI-two-a$bc" in job.lines, job.text)
        check("/work yes true 3600 AbCdEfGhI" in job.lines, job.text)


SECRETS = [{"key": "DEPLOY_KEY", "value": "s3cr3t-deploy-key", "public": False, "masked": True}, {"key": "SETTING", "value": "of the project", "public": False, "masked": False},
           {"key": "PEM", "value": "line one of the file\nline two of the file\n", "public": False, "masked": False, "file": True},
           {"key": "INDIRECT", "value": "x-$DEPLOY_KEY", "public": True, "masked": False}, {"key": "URL", "value": "https://$CI_JOB_TOKEN@h", "public": True, "masked": False}]


@case("", "a secret reaches no step by itself, however it is spelled, and no line of the log")
def _():
    with Host() as host:
        job = host.run(["echo ${DEPLOY_KEY-none} ${SETTING-none} ${PEM-none} ${INDIRECT-none} ${URL-none} ${CI_JOB_TOKEN-none}", "env | grep -c jobtoken || true",
                        "printf 's3cr3t-'; printf 'deploy-key\\n'; echo glrt-t1_abcDEF. https://x/?a=1\\&private_token=abc"], variables=SECRETS)
        check("none none none none none none" in job.lines and "0" in job.lines, job.text)
        check("[MASKED]" in job.lines, job.text)
        check("s3cr3t-deploy-key" not in job.text and "glrt-[MASKED] https://x/?a=1&private_token=[MASKED]" in job.lines, job.text)


@case("", "a credential of the policy brings a secret of GitLab to the step that it names")
def _():
    policy = {"version": 1, "steps": [{"phase": "push", "match": {"run": "echo publish*"}}], "phases": {"push": {}},
              "credentials": {"key": {"from": {"forge": "DEPLOY_KEY"}, "for": {"phase": "push", "steps": ["script-push"]}, "as": {"env": "TOKEN"}, "ttl": "5m"},
                              "pem": {"from": {"forge": "PEM"}, "for": {"phase": "push", "steps": ["script-push"]}, "as": {"file": "PEM"}, "ttl": "5m"}}}
    with Host(policy) as host:
        job = host.run(["echo before ${TOKEN-none}", "echo publish $(printf %s \"$TOKEN\" | wc -c) $(wc -c <$PEM)", "echo behind ${TOKEN-none}"], variables=SECRETS)
        for line in ("before none", "publish 17 42", "behind none"):
            check(line in job.lines, f"{line} is not in\n{job.text}")


PHASES = {"version": 1, "steps": [{"phase": "fetch", "match": {"run": "fetch-it*"}}, {"phase": "fetch", "match": {"run": ": drydock fetch"}},
                                  {"phase": "push", "match": {"run": "push-it*"}}], "phases": {"fetch": {}, "push": {"workspace": "shared"}}}
TOOLS = "fetch-it() { echo fetched $* in $PWD; }; push-it() { echo pushed $* in $PWD; }"


@case("", "commands are cut into segments by the rules, and the shell's state crosses where nothing is gained by it")
def _():
    policy = {**PHASES, "steps": [{"phase": "fetch", "match": {"run": "echo fetch*"}}, {"phase": "push", "match": {"run": "echo push*"}}]}
    with Host(policy) as host:
        job = host.run(["mkdir d; cd d", "PLAIN='it''s one'; export SHOUT=$'two\\nlines'; LIST=(a 'b c'); f() { echo f-$1; }", "set +e; shopt -s nullglob; umask 027", "echo fetch \"$PLAIN\" \"$SHOUT\" ${LIST[1]-nolist} $PWD; type f",
                        "echo build \"$PLAIN\" \"$SHOUT\" \"${LIST[1]}\" $PWD $(umask) $(echo nothing*here); f x; false", "echo go on", "echo push \"$PLAIN\" ${LIST[1]-nolist} $PWD; type f; true",
                        "echo last $PLAIN; f y"], timeout=90)
        for line in ("fetch its one two", "lines nolist /work/d", "build its one two", "lines b c /work/d 0027", "f-x", "go on", "push its one nolist /work/d", "last its one", "f-y"):
            check(line in job.lines, f"{line!r} is not in\n{job.text}")
        equal(job.text.count("f is a function"), 0, "functions in fetch and push")
        check("drydock: phase fetch" in job.text and "drydock: phase push" in job.text, job.text)


@case("", "exit ends the whole script, also where another segment would follow, and a failure in one ends it too")
def _():
    policy = {"version": 1, "steps": [{"phase": "fetch", "match": {"run": "echo fetch*"}}], "phases": {"fetch": {}}}
    with Host(policy) as host:
        job = host.run(["echo one", "exit 0", "echo fetch", "echo never"])
        check(job.state == "success" and "never" not in job.lines and "fetch" not in job.lines, job.text)
        job = host.run(["trap 'echo the-end' EXIT", "echo fetch", "false", "echo never"], rc=1)
        check("never" not in job.lines, job.text)
        equal(job.lines.count("the-end"), 1, "the trap")


@case("", "a marker asks, and the policy answers")
def _():
    with Host(PHASES) as host:
        job = host.run(["echo first", ": drydock fetch", "echo in-fetch; mkdir -p dd; cd dd; g() { echo g; }", "g", ": drydock build", "push-it() { echo built; }; push-it", "pwd", ": drydock push", "echo not pushed"])
        for line in ("in-fetch", "g", "built", "/work/dd", "not pushed"):
            check(line in job.lines, f"{line!r} is not in\n{job.text}")
        equal(job.text.count("drydock: phase push"), 0, "push")
        equal(job.text.count("drydock: phase fetch"), 1, "fetch")
        check("asks, and gives nothing" in job.text, job.text)
    with Host() as host:
        job = host.run([": drydock fetch", "echo in-build"])
        check("no rule of the policy gives it one" in job.text and "in-build" in job.lines and "phase fetch" not in job.text, job.text)


@case("", "what cannot be honoured fails the job with a clear word before anything runs")
def _():
    with Host() as host:
        for more, said in (({"image": {"name": "debian:12"}}, "no image debian:12"), ({"services": [{"name": "postgres:16"}]}, "no services (postgres:16)"), ({"run": "[{\"name\":\"x\"}]"}, "`run:` steps"),
                           ({"secrets": {"X": {}}}, "`secrets:`"), ({"hooks": [{"name": "pre_get_sources_script", "script": ["true"]}]}, "`hooks:`")):
            job = host.run(["echo ran"], rc=1, **more)
            check(said in job.text and "ran" not in job.lines, f"{more}: {job.text}")
            equal((job.state, job.reason), ("failed", "runner_configuration_error"), said)
        job = host.run(["echo ran"], rc=1, image={"name": "debian:12"}, features={"trace_sections": False, "failure_reasons": ["script_failure"]})
        equal(job.reason, "script_failure", "a reason that the server does not know")
        check("section_start" not in job.text, job.text)
        job = host.run(["echo ran"], rc=1, services=[{"name": "postgres:16"}], features={"trace_sections": True, "failure_reasons": ["script_failure", "runner_unsupported", "runner_configuration_error"]})
        equal(job.reason, "runner_unsupported", "a server that knows the word")
    with Host(config={"version": 1, "runners": {"builder": {"images": ["debian:*"], "projects": ["other/*"]}}}) as host:
        check("runs no jobs of shipyard/keelson" in host.run(["true"], rc=1).text, "projects")
    with Host(config={"version": 1, "runners": {"builder": {"images": ["debian:*"], "projects": ["ship*/*"]}}}) as host:
        host.run(["true"], image={"name": "debian:12"})


@case("", "a job that the policies refuse, or none of them is for, ends with 4 and a configuration error")
def _():
    with Host({"version": 1, "for": {"repository": "other/*"}}) as host:
        job = host.run(["echo ran"], rc=4)
        check("no policy in policy.d is for this job" in job.text and "ran" not in job.lines, job.text)
        equal(job.reason, "runner_configuration_error", "reason")
    policy = {"version": 1, "for": {"forge": "gitlab"}, "steps": [{"phase": "push", "match": {"run": "echo push*"}}], "phases": {"push": {}}}
    with Host(policy) as host:
        message = host.gitlab.message(["echo build", "echo push"])
        message["git_info"]["protected"] = False
        job = host.once(message, 4)
        check("is not trusted: the ref is not protected" in job.text and "build" not in job.lines, job.text)
        message = host.gitlab.message(["echo push"], variables=[("CI_MERGE_REQUEST_IID", "3")])
        check("is not trusted" in host.once(message, 4).text, "a merge request")
        host.run(["echo push"])


@case("", "hostile messages end as failed jobs, or not at all, and never as a crash")
def _():
    with Host() as host:
        for more in ({"steps": "x"}, {"variables": [1]}, {"steps": [{"name": "script", "script": [1]}]}, {"git_info": []}, {"job_info": {"name": "a\nb"}}, {"variables": [{"key": "A", "value": 1}]},
                     {"git_info": {"depth": -1}}, {"steps": [{"name": "script", "script": ["true"] * 1000}]}):
            message = {**host.gitlab.message(["echo ran"]), **more}
            job = host.once(message, 5)
            equal((job.state, job.reason), ("failed", "runner_system_failure"), str(more))
        for more in ({"steps": None}, {"steps": [], "variables": None, "image": None, "services": None, "unknown": {"deep": [1]}}):
            message = {**host.gitlab.message(["echo ran"]), **more}
            message["variables"] = message["variables"] or [{"key": "GIT_STRATEGY", "value": "none", "public": True}]
            host.once(message, 0)


main()
