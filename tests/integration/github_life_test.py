#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_life_test.py - an agent for GitHub over a longer time: several runners, restarts, signals, metrics, a server that is away."""
import glob
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import case, check, descendants, equal, main  # noqa: E402
from github import World, agent, register  # noqa: E402
from github_server import script  # noqa: E402


def registered(*names, **more):
    w = World(**more)
    w.server.registration_tokens.add("REGTOKEN")
    w.server.fair = True
    for name in names:
        done = register(w, "--name", name)
        equal(done.returncode, 0, done.stderr)
    return w


def first_step(job):
    return job.states.get(job.document["steps"][0]["id"])


@case("", "one agent is several runners, which run jobs at the same time, each its own; the agent counts them, and ends when the last has")
def _():
    with registered("one", "two", "three") as w:
        w.write("drydock.yml", f"version: 1\nmetrics: {w.dir}/metrics.prom\n")
        jobs = [w.server.job([script("echo begun; sleep 1; echo over")]) for _ in range(3)]

        def when_all_run(*a):   # none ends before all have begun
            w.server.wait(lambda: all(first_step(j) for j in jobs), 18)
            return w.server._completejob(*a)   # pylint: disable=protected-access
        w.server.script["completejob"] = [when_all_run] * 3
        agent(w, "--config", w.dir + "/drydock.yml")
        w.server.wait(lambda: all(first_step(j) for j in jobs))
        equal(len({j.acquired for j in jobs}), 3, "runners")
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        equal([j.completed["conclusion"] for j in jobs], ["succeeded"] * 3, "conclusions")
        with open(w.dir + "/metrics.prom", encoding="ascii") as file:
            text = file.read()
        check('result="succeeded"} 3' in text or "succeeded 3" in text, text)
        equal(w.server.sessions, {}, "sessions")
        w.clean("a poll says")


@case("", "`jobs` of the configuration bounds how many runners ask, and that is told; an ephemeral one among several is used up while the others stay")
def _():
    with registered("one", "two") as w:
        w.write("drydock.yml", "version: 1\njobs: 1\n")
        agent(w, "--config", w.dir + "/drydock.yml")
        w.server.wait(lambda: w.server.polls)
        equal(len(w.server.sessions), 1, "sessions")
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        check("`jobs: 1` of the configuration: 1 of 2 runners ask" in w.out, w.out)
        w.write("drydock.yml", "version: 1\nrunners:\n  one: { jobs: 2 }\n")
        equal(agent(w, "--config", w.dir + "/drydock.yml").finish(), 2, f"exit status; {w.out}")
        check("drydock.yml:3:" in w.out and "takes one job at a time" in w.out, w.out)
    with registered("stays") as w:
        equal(register(w, "--name", "once", "--ephemeral").returncode, 0, "register")
        agent(w)
        w.server.wait(lambda: len(w.server.sessions) == 2)
        jobs = [w.server.job([script("sleep 1")]) for _ in range(2)]
        w.server.wait(lambda: all(j.completed for j in jobs) and len(w.server.sessions) == 1)
        equal([os.path.basename(p) for p in glob.glob(w.dir + "/state/runners/*.json")], ["stays.json"], "registrations")
        check(w.process.poll() is None, "the agent ended")
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")


@case("", "SIGHUP reads the registrations again: a new runner asks for jobs, one that is gone ends when its job has")
def _():
    with registered("one") as w:
        job = w.server.job([script("sleep 3")])
        agent(w)
        w.server.wait(lambda: first_step(job))
        equal(register(w, "--name", "two").returncode, 0, "register")
        os.unlink(w.dir + "/state/runners/one.json")
        w.process.send_signal(signal.SIGHUP)
        w.server.wait(lambda: job.completed and len(w.server.sessions) == 1)
        equal({w.server.runners[s["runner"]]["name"] for s in w.server.sessions.values()}, {"two"}, "who asks")
        equal(job.completed["conclusion"], "succeeded", "conclusion")
        second = w.server.job([script("true")])
        w.server.wait(lambda: second.completed)
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        w.clean("a poll says")


@case("", "SIGHUP with registrations of another forge changes nothing: it is said, and the runners that there are go on asking")
def _():
    with registered("one") as w:
        agent(w)
        w.server.wait(lambda: len(w.server.sessions) == 1)
        path = w.dir + "/state/runners/"
        os.unlink(path + "one.json")
        with open(os.open(path + "other.json", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            json.dump({"forge": "gitlab", "url": "https://gitlab.corp.test", "token": "glrt-0123456789", "id": 7, "expires": 0}, file)
        os.chown(path + "other.json", os.stat(path).st_uid, os.stat(path).st_gid)
        w.process.send_signal(signal.SIGHUP)
        job = w.server.job([script("true")])
        w.server.wait(lambda: job.completed)
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        check("of another forge than those that this agent began with" in w.out and "the configuration stays as it was" in w.out, w.out)


@case("P-01", "an agent is killed and started again while a job runs: the job goes on and is completed once, the new agent is busy until then, and can cancel it")
def _():
    for how in ("lives", "cancelled"):
        with registered("one") as w:
            job = w.server.job([script("echo begun; sleep 8; echo over")])
            agent(w)
            w.server.wait(lambda job=job: first_step(job))
            w.process.kill()
            w.process.wait()
            w.process.stdout.close()
            w.server.sessions.clear()   # the server forgets the session of who is gone, after a while
            polls = len(w.server.polls)
            agent(w)
            w.server.wait(lambda polls=polls: len(w.server.polls) > polls)
            check(set(w.server.polls[polls:]) == {"Busy"}, f"it says {w.server.polls[polls:]}")
            if how == "cancelled":
                w.server.cancel(job)
            w.server.wait(lambda job=job: job.completed)
            equal(job.completed["conclusion"], "succeeded" if how == "lives" else "canceled", f"conclusion; {how}")
            w.server.wait(lambda polls=polls: "Online" in w.server.polls[polls:])
            second = w.server.job([script("true")])
            w.server.wait(lambda second=second: second.completed)
            w.process.send_signal(signal.SIGTERM)
            equal(w.finish(), 0, f"exit status; {w.out}")
            check("an earlier agent began goes on" in w.out and "an earlier agent began is over" in w.out, w.out)
            equal(w.server.names().count("completejob"), 2, "completed how often")
            w.clean("a poll says", "busy")


@case("", "SIGTERM lets a job finish, or interrupts it where `stop: interrupt` says so; SIGQUIT lets it finish even then")
def _():
    for stop, sign, end in (("finish", signal.SIGTERM, "succeeded"), ("interrupt", signal.SIGTERM, "canceled"), ("interrupt", signal.SIGQUIT, "succeeded")):
        with registered("one") as w:
            w.write("drydock.yml", f"version: 1\nstop: {stop}\n")
            job = w.server.job([script("sleep 3")])
            agent(w, "--config", w.dir + "/drydock.yml")
            w.server.wait(lambda job=job: first_step(job))
            w.process.send_signal(sign)
            equal(w.finish(), 0, f"exit status; {w.out}")
            equal(job.completed["conclusion"], end, f"{stop} {sign}")
            w.clean("a poll says")


@case("", "the server is away for a while: the job goes on, its lease is kept when the server is back, and its result and logs arrive")
def _():
    with registered("one") as w:
        w.server.lease = 2
        job = w.server.job([script("echo begun; sleep 4; echo over")])
        agent(w)
        w.server.wait(lambda: first_step(job))
        for name in ("renewjob", "message", "steps", "completejob", "GetStepLogsSignedBlobURL", "GetJobLogsSignedBlobURL"):
            w.server.script[name] = [(503, None)] * 4
        w.server.wait(lambda: job.completed, 90)
        equal((job.completed["conclusion"], "over" in job.log(job.document["steps"][0])), ("succeeded", True), "afterwards")
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")
        w.clean("a poll says", "lease")


@case("", "a version that the server finds too old is told in words, with the option that changes it: exit 5")
def _():
    with registered("one") as w:
        w.server.script["message"] = [w.server.broker_error("RunnerVersionTooOld", 403, "This runner version is deprecated")]
        agent(w)
        equal(w.finish(), 5, f"exit status; {w.out}")
        check("--runner-version" in w.out and "deprecated" in w.out, w.out)


@case("", "an idle agent is small: at most 8 MB resident, all of its own memory counted")
def _():
    with registered("one") as w:
        agent(w)
        w.server.wait(lambda: w.server.polls)
        time.sleep(0.5)   # what it reads at its start is not what it is when idle

        def private(pid):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        sizes = {pid: private(pid) for pid in [w.process.pid, *descendants(w.process.pid)]}
        check(sum(sizes.values()) <= 8192, f"KiB: {sizes}")
        w.process.send_signal(signal.SIGTERM)
        equal(w.finish(), 0, f"exit status; {w.out}")


if __name__ == "__main__":
    main()
