#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_protocol_test.py - the rows of the protocol's checklist that need a running job: cancel, abort, timeouts, the log's ranges, checksums and limits, a forge
that is busy or gone, an agent that dies. A server that is scripted answers; what happens is read off its requests."""
import json
import os
import signal
import sys
import time
import zlib

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402


# what is asked of a server now and then hears of a cancel sooner than a touch every 30 s
TALKS = "for i in $(seq 100); do echo $i; sleep 1; done"


def wait_for(what, within=30.0, host=None, process=None):
    deadline = time.monotonic() + within
    while not (found := what()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come within {within} s" + (f"\n{host.said(process)}" if process else ""))
        time.sleep(0.02)
    return found


def begin(host, script, *more, **fields):
    """Push a job and start an agent for it; once the log at the server holds "begun", the job runs."""
    host.gitlab.watched = True   # the log comes every 3 s
    job = host.gitlab.push(host.gitlab.message(["echo begun", *script], **fields))
    process = host.start(*(more or ("--once",)))
    wait_for(lambda: "begun\n" in job.text, host=host, process=process)
    return job, process


def ended(host, process, rc):
    try:
        process.wait(60)
    except Exception:
        raise AssertionError("the agent does not end\n" + host.said(process)) from None
    check(process.returncode == rc, f"exit status {process.returncode} instead of {rc}\n{host.said(process)}")


@case("cancel", "a job that is cancelled in GitLab ends, its after_script runs, and the agent says 130")
def _():
    with Host() as host:
        job, process = begin(host, [TALKS], after=["echo after-$CI_JOB_STATUS"])
        host.gitlab.cancel(job)
        ended(host, process, 130)
        equal((job.state, job.ends, job.reason), ("canceled", ["failed"], "unknown_failure"), "state")
        check("after-canceled" in job.lines, job.text)


@case("abort", "a job that is gone at GitLab ends at once, nothing runs behind it, and at most one word follows")
def _():
    for how in ("canceled", "failed"):
        with Host() as host:
            job, process = begin(host, [TALKS], after=["echo after"])
            host.gitlab.cancel(job, how)
            ended(host, process, 130)
            check("after\n" not in job.text and not job.ends, job.text)
            late = [e for e in host.gitlab.asked(f"P") if json.loads(e[3] if e[0].startswith("PUT") else "{}").get("state") == "failed"]
            check(len(late) <= 1, f"{len(late)} words")


@case("declined", "a job that is cancelled before it is accepted is not run, and nothing more is said of it")
def _():
    for answer in ((200, b"200", {"Job-Status": "canceled"}), (403, b"", {}), (404, b"", {}), (409, b"", {})):
        with Host() as host:
            message = host.gitlab.message(["echo ran"])
            host.gitlab.answers[f"PUT jobs/{message['id']}"] = [answer]
            job = host.once(message, 130)
            equal((job.trace, job.ends, len(host.gitlab.asked(f"PUT jobs/{job.id}"))), (b"", [], 1), str(answer))


@case("timeouts", "the script's time: after_script runs; the job's time: nothing does")
def _():
    with Host() as host:
        job = host.run(["sleep 100"], rc=1, after=["echo after-$CI_JOB_STATUS"], variables=[("RUNNER_SCRIPT_TIMEOUT", "2s")])
        equal((job.reason, "after-timedout" in job.lines), ("job_execution_timeout", True), job.text)
        job = host.run(["sleep 100"], rc=1, after=["echo after"], runner_info={"timeout": 2})
        equal((job.reason, "after" in job.lines), ("job_execution_timeout", False), job.text)
        check("execution took longer than 2 seconds" in job.text, job.text)
        job = host.run(["true"], after=["sleep 100"], variables=[("RUNNER_AFTER_SCRIPT_TIMEOUT", "1s")])
        equal(job.state, "success", "a long after_script")
        job = host.run(["true"], variables=[("RUNNER_SCRIPT_TIMEOUT", "soon")])
        check("RUNNER_SCRIPT_TIMEOUT is no time" in job.text, job.text)


@case("trace-ranges", "416 sends from where the server is, also from before what it took already; the log is whole in the end")
def _():
    with Host() as host:
        job, process = begin(host, ["sleep 4", "echo done"])
        with host.gitlab.lock:
            job.trace = job.trace[:10]   # the server lost some
        ended(host, process, 0)
        equal(host.gitlab.wrong, [], "what GitLab would refuse")
        check(job.patches[-1][0] > 0 and job.state == "success" and "done" in job.lines, job.text)
    with Host() as host:
        message = host.gitlab.message(["echo one"])
        host.gitlab.answers[f"PATCH jobs/{message['id']}"] = [(416, b"", {"Range": "0-0"}), (416, b"", {"Range": "nonsense"}), (500, b"", {}), (502, b"", {})]
        job = host.once(message, 0)
        equal((job.state, host.gitlab.wrong), ("success", []), "after nonsense")


@case("trace-reset", "202 waits, 412 sends everything again, and the last word carries the sum of exactly what was sent")
def _():
    with Host() as host:
        message = host.gitlab.message(["echo one"])
        seen = []

        def hook(method, path, headers, body):
            if method == "PUT" and json.loads(body)["state"] == "success":
                seen.append(json.loads(body))
                job = host.gitlab.jobs[message["id"]]
                if len(seen) < 3:
                    return 202, b"202", {"X-GitLab-Trace-Update-Interval": "1"}
                if len(seen) == 3:
                    job.trace = b""
                    return 412, b"412", {}
            return None

        host.gitlab.hook = hook
        job = host.once(message, 0)
        equal(len(seen), 4, "words")
        for said in seen:
            equal((said["output"]["bytesize"], said["output"]["checksum"], said["checksum"]), (len(job.trace), "crc32:%08x" % zlib.crc32(job.trace), said["output"]["checksum"]), "sum")
        equal([p[0] for p in job.patches].count(0), 2, "from the beginning")


@case("trace-limit", "the log is cut at its limit, which is told, and the job goes on")
def _():
    with Host(config={"version": 1, "runners": {"builder": {"log": "2KiB"}}}) as host:
        job = host.run(["for i in $(seq 1000); do echo line $i of many; done", "test -n x"])
        check(2048 < len(job.trace) < 2400 and "exceeded limit of 2048 bytes" in job.text and job.state == "success", job.text[-300:])


@case("patch-size", "no patch is longer than a mebibyte")
def _():
    with Host() as host:
        job = host.run(["head -c 2200000 /dev/zero | tr '\\0' x | fold -w 1000"])
        check(len(job.trace) > 2200000 and max(e - s + 1 for s, e in job.patches) <= 1 << 20 and len(job.patches) >= 3, str(job.patches))


@case("debug", "the log is for developers only where the job says so")
def _():
    with Host() as host:
        host.run(["true"])
        host.run(["true"], variables=[("CI_DEBUG_TRACE", "true")])
        equal([e[1] for e in host.gitlab.asked("PATCH")], ["debug_trace=false", "debug_trace=true"], "queries")


@case("reasons", "a reason that the server does not list is another one")
def _():
    with Host() as host:
        features = {"trace_sections": False, "failure_reasons": ["script_failure"]}
        job, process = begin(host, ["sleep 100"], features=features)
        process.send_signal(signal.SIGTERM)
        ended(host, process, 130)
        equal(job.reason, "unknown_failure", "interrupted")


@case("interrupt", "an agent with --once that is asked to end ends its job and tells GitLab why")
def _():
    with Host() as host:
        job, process = begin(host, ["sleep 100"], after=["echo after"])
        process.send_signal(signal.SIGTERM)
        ended(host, process, 130)
        equal((job.ends, job.reason), (["failed"], "runner_interrupted"), job.text)
        check("after" not in job.lines, job.text)


@case("busy", "a server that is busy is asked as it says, and a job that was lost to another is no failure")
def _():
    with Host() as host:
        message = host.gitlab.message(["echo one"])
        host.gitlab.answers["POST jobs/request"] = [(409, b"", {}), (429, b"", {"Retry-After": "1"}), (503, b"", {}), (204, b"", {"X-GitLab-Last-Update": "abc"})]
        host.gitlab.answers[f"PUT jobs/{message['id']}"] = [(500, b"", {}), None]
        job = host.once(message, 0)
        bodies = [json.loads(e[3]) for e in host.gitlab.asked("POST jobs/request")]
        check("last_update" not in bodies[0] and bodies[-1]["last_update"] == "abc", str([b.get("last_update") for b in bodies]))
        equal(len({b["system_id"] for b in bodies}), 1, "system ids")
        equal((job.state, host.gitlab.wrong), ("success", []), "state")


@case("bad-token", "a token that is dead is told, and with --once ends the agent")
def _():
    with Host() as host:
        host.gitlab.token = "another"
        process = host.start("--once")
        ended(host, process, 5)
        check("its token is not taken" in host.said(process), host.said(process))


@case("expiry", "a token that is over within a week is told when the agent begins")
def _():
    for days, said in ((3, "its token is over in 7"), (-1, "its token is over:"), (30, None)):
        with Host(register=False) as host:
            host.gitlab.expires = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + days * 86400 + 60))
            done = host.drydock("register", "gitlab", "--url", host.gitlab.url, "--token-file", "token", "--ca-file", "ca.pem", "--name", "builder", "--state-dir", host.state)
            equal(done.returncode, 0, done.stdout + done.stderr)
            job = host.run(["true"])
            check((said in job.out) if said else ("is over" not in job.out), job.out)


@case("rotation", "a token is rotated at three quarters of its life where the operator says so: written down before it is used, and jobs that run go on")
def _():
    with Host(config={"version": 1, "runners": {"builder": {"poll": "1s", "jobs": 2, "rotate": True}}}) as host:
        path = os.path.join(host.state, "runners", "builder.json")
        with open(path, encoding="utf-8") as file:
            reg = json.load(file)
        now = int(time.time())
        job, process = begin(host, ["sleep 6; echo done"], "--state-dir", host.state)
        equal(host.gitlab.asked("POST runners/reset"), [], "rotated although it has no end")
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**reg, "since": now - 800, "expires": now + 200}, file)
        old, host.gitlab.expires = host.gitlab.token, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now + 864000))
        after = host.gitlab.push(host.gitlab.message(["echo after"]))
        process = host.start()
        wait_for(lambda: after.ends, host=host, process=process)
        with open(path, encoding="utf-8") as file:
            reg = json.load(file)
        equal((reg["token"], reg["expires"], len(host.gitlab.asked("POST runners/reset"))), (old + "x", now + 864000, 1), "written down")
        check("its token was rotated" in host.said(process) and old not in host.said(process), host.said(process))
        equal((after.state, host.gitlab.wrong), ("success", []), "with the new one")
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)


@case("unreadable", "a message that is no JSON ends as a failed job where it says which, and the agent asks on")
def _():
    with Host() as host:
        broken = host.gitlab.message(["echo ran"])
        job = host.gitlab.push(broken)
        host.gitlab.queue.clear()
        job.handed, job.state = 1, "pending"
        host.gitlab.answers["POST jobs/request"] = [(201, ('{"id":%d,"token":"%s",' % (job.id, job.token)).encode(), {"Content-Type": "application/json"}),
                                                    (201, b"<html>", {"Content-Type": "text/html"})]
        good = host.once(host.gitlab.message(["echo good"]), 0)
        equal((job.ends, job.reason, good.state), (["failed"], "runner_system_failure", "success"), "states")


@case("silent", "a job that prints nothing is still told to be alive")
def _():
    with Host() as host:
        job, process = begin(host, ["sleep 36"])
        ended(host, process, 0)
        check(len([p for p in job.puts if p["state"] == "running"]) >= 2, str([p["state"] for p in job.puts]))


@case("killed-agent", "an agent that is killed leaves its job running; the next one finds it, and it ends once")
def _():
    with Host() as host:
        job, process = begin(host, ["sleep 5", "echo done"], "--state-dir", host.state)
        process.kill()
        process.wait()
        again = host.start()
        wait_for(lambda: job.state == "success", host=host, process=again)
        equal((job.ends, "done" in job.lines), (["success"], True), job.text)
        wait_for(lambda: "has ended" in host.said(again), host=host, process=again)
        again.send_signal(signal.SIGTERM)
        ended(host, again, 0)
        equal(os.listdir(os.path.join(host.state, "agent")), [], "tickets")
        equal(host.gitlab.wrong, [], "what GitLab would refuse")


def hosts(process):
    """The hosts of jobs below an agent."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                    name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
                    if name == "drydock-host" and int(rest.split()[1]) == process.pid:
                        found.append(int(entry))
            except OSError:
                pass
    return found


@case("killed-host", "a job whose process is killed is told as failed by the next agent, and nothing of it runs on")
def _():
    with Host() as host:
        job, process = begin(host, ["sleep 1000"], "--state-dir", host.state)
        os.kill(wait_for(lambda: hosts(process))[0], signal.SIGKILL)
        wait_for(lambda: "was killed by signal" in host.said(process), host=host, process=process)
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)
        again = host.start()
        wait_for(lambda: job.ends, host=host, process=again)
        equal((job.ends, job.reason), (["failed"], "runner_system_failure"), "state")
        check("the runner was restarted while the job ran" in job.text, job.text)
        again.send_signal(signal.SIGTERM)
        ended(host, again, 0)
        equal(os.listdir(os.path.join(host.state, "agent")), [], "tickets")


@case("window", "a ticket of which nothing was written down is told and goes; a job that is handed over again while it runs leaves nothing in its ticket")
def _():
    with Host(config={"version": 1, "runners": {"builder": {"jobs": 2, "poll": "1s"}}}) as host:
        os.makedirs(os.path.join(host.state, "agent", "builder.77"))
        job, process = begin(host, ["sleep 8", "echo done"], "--state-dir", host.state)
        check("job builder.77 was handed over to an agent that died" in host.said(process), host.said(process))
        host.gitlab.answers["POST jobs/request"] = [(201, json.dumps(job.message).encode(), {"Content-Type": "application/json"})]
        wait_for(lambda: "runs here already" in host.said(process), host=host, process=process)
        wait_for(lambda: job.ends, host=host, process=process)
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)
        equal((job.ends, os.listdir(os.path.join(host.state, "agent"))), (["success"], []), "ends, tickets")
        equal(host.gitlab.wrong, [], "what GitLab would refuse")


@case("slots", "no more is asked for than there are places, and each is filled again")
def _():
    with Host(config={"version": 1, "jobs": 2, "runners": {"builder": {"jobs": 5, "poll": "1s"}}}) as host:
        jobs = [host.gitlab.push(host.gitlab.message([f"sleep 1; echo job-{i}"])) for i in range(5)]
        process, most = host.start(), 0

        def all_done():
            nonlocal most
            most = max(most, sum(j.handed and not j.ends for j in jobs))
            return all(j.ends for j in jobs)

        wait_for(all_done, 60, host, process)
        equal(([j.state for j in jobs], most), (["success"] * 5, 2), "states, most at one time")
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)
        equal(host.gitlab.wrong, [], "what GitLab would refuse")


@case("stop", "asked to end, the agent takes no more and lets its jobs finish; asked again, it interrupts them")
def _():
    with Host(config={"version": 1, "runners": {"builder": {"poll": "1s"}}}) as host:
        job, process = begin(host, ["sleep 2", "echo done"], "--state-dir", host.state)
        other = host.gitlab.push(host.gitlab.message(["echo never"]))
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)
        equal((job.state, other.handed), ("success", 0), "states")
        host.gitlab.queue.clear()
        job, process = begin(host, ["sleep 100"], "--state-dir", host.state)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: "may finish" in host.said(process))
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)
        equal(job.reason, "runner_interrupted", "reason")


@case("reload", "SIGHUP reads the configuration again, and keeps the old one where the new one is wrong")
def _():
    with Host(config={"version": 1, "runners": {"builder": {"jobs": 1, "poll": "1s"}}}) as host:
        process = host.start()
        wait_for(lambda: host.gitlab.asked("POST jobs/request"), host=host, process=process)
        host.write("drydock.yml", "version: 1\nrnuners: {}\n")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "stays as it was" in host.said(process), host=host, process=process)
        host.write("drydock.yml", json.dumps({"version": 1, "metrics": os.path.join(host.dir, "m.prom"), "runners": {"builder": {"poll": "1s"}}}))
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "was read again" in host.said(process), host=host, process=process)
        job = host.gitlab.push(host.gitlab.message(["true"]))
        wait_for(lambda: job.ends, host=host, process=process)

        def counted():
            try:
                with open(os.path.join(host.dir, "m.prom"), encoding="ascii") as file:
                    return 'drydock_agent_jobs_total{result="succeeded"} 1\n' in file.read()
            except FileNotFoundError:
                return False
        wait_for(counted, host=host, process=process)
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)


@case("metrics", "phases, refusals, credentials, the wait at the forge and durations are counted, in the form that Prometheus reads")
def _():
    policy = {"version": 1, "for": {"forge": "gitlab"}, "steps": [{"phase": "push", "match": {"run": "echo push*"}}], "phases": {"push": {"workspace": "shared", "egress": []}},
              "credentials": {"k": {"from": {"forge": "S"}, "for": {"phase": "push", "steps": ["script-push"]}, "as": {"env": "K"}, "ttl": "5m"}}}
    with Host(policy=policy, config={"version": 1, "runners": {"builder": {"poll": "1s"}}}) as host:
        path = os.path.join(host.dir, "m.prom")
        host.write("drydock.yml", json.dumps({"version": 1, "metrics": path, "runners": {"builder": {"poll": "1s"}}}))
        secret = {"key": "S", "value": "canary-of-the-job", "public": False, "masked": True}
        job = host.gitlab.push(host.gitlab.message(["getent hosts example.com || true", "echo push $K"], variables=[secret]))
        process = host.start()

        def numbers():
            try:
                with open(path, encoding="ascii") as file:
                    lines = file.read().splitlines()
            except FileNotFoundError:
                return {}
            check(all(line.startswith("# ") or len(line.rsplit(" ", 1)) == 2 for line in lines), str(lines))
            return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
        wait_for(lambda: numbers().get('drydock_agent_jobs_total{result="succeeded"}') == 1, host=host, process=process)
        found = numbers()
        for name, value in (('drydock_agent_step_seconds_count{phase="build"}', 1), ('drydock_agent_step_seconds_count{phase="push"}', 1), ('drydock_agent_step_seconds_count{phase="fetch"}', 0),
                            ("drydock_agent_queue_seconds_count", 1), ("drydock_agent_queue_seconds_sum", 0.3), ('drydock_agent_queue_seconds_bucket{le="1"}', 1), ("drydock_agent_leases_total", 1),
                            ('drydock_agent_job_seconds_bucket{le="+Inf"}', 1)):
            equal(found.get(name), value, f"{name} of {found}\n{job.text}")
        check(found["drydock_agent_refusals_total"] >= ("refused" in job.text), str(found))
        process.send_signal(signal.SIGTERM)
        ended(host, process, 0)


@case("secrets-apart", "no process that speaks TLS for a job holds a variable of it; nor does anything of it stay on disk")
def _():
    with Host() as host:
        secret = {"key": "S", "value": "canary-of-the-job", "public": False, "masked": True}
        job, process = begin(host, ["sleep 4"], variables=[secret])
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/comm", encoding="latin-1") as file:
                        found.setdefault(file.read().strip(), []).append(int(entry))
                except OSError:
                    pass
        check("drydock-voice" in found, str(sorted(found)))
        for where, _, names in os.walk(host.state):
            for name in names:
                try:
                    with open(os.path.join(where, name), "rb") as file:
                        check(b"canary-of-the-job" not in file.read(), os.path.join(where, name))
                except (PermissionError, OSError):
                    pass
        ended(host, process, 0)
        equal(job.state, "success", "state")


main()
