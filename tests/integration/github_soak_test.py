#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_soak_test.py - an agent's processes killed at every point of a job's life, and many short jobs while GitHub drops connections and is busy: every job is completed
once, with a whole log, and nothing grows or stays. DD_SOAK=500 makes it long, with every point of the matrix; in an ordinary run it is short."""
import glob
import os
import random
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import case, check, equal, main  # noqa: E402
from github import World, agent, register  # noqa: E402
from github_server import script  # noqa: E402

LONG = "DD_SOAK" in os.environ
JOBS, RUNNERS, KILLS = int(os.environ.get("DD_SOAK", "12")), 4, 10 if LONG else 2


def ours(w):
    """pid -> name of every process of this world's agents."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if (w.dir + "/state").encode() in file.read():
                        with open(f"/proc/{entry}/comm", encoding="ascii") as name:
                            found[int(entry)] = name.read().strip()
            except OSError:
                pass
    return found


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(n) for n in file.read().split()]
    except OSError:
        return []


def who(w):
    """The processes of one agent with one job, by role, as far as they are there."""
    names, top = ours(w), w.process.pid
    roles = {"agent": top}
    for pid in children(top):
        if names.get(pid) == "dd-broker":
            roles["broker"] = pid
        elif pid in names:
            roles["host"] = pid
    for pid in children(roles.get("host", 0)) if "host" in roles else []:
        if names.get(pid) == "dd-courier":
            roles["courier"] = pid
        elif names.get(pid) not in ("dd-feed", None):
            roles["keeper"] = pid
    for pid in children(roles["keeper"])[:1] if "keeper" in roles else []:
        roles["supervisor"] = pid
    return roles


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def empty(w):
    """Nothing of a job is left on this host."""
    until = time.monotonic() + 20
    while (left := ours(w)) and time.monotonic() < until:
        time.sleep(0.05)
    equal(left, {}, "processes")
    equal((glob.glob(w.dir + "/state/jobs/*"), glob.glob(w.dir + "/state/github/*")), ([], []), "on the disk")


# (a request of GitHub's, the how many-th of its name, behind its answer instead of before): what a job's life consists of, as its server sees it
MOMENTS = [("acknowledge", 1, False), ("acquirejob", 1, False), ("acquirejob", 1, True), ("renewjob", 1, False), ("renewjob", 1, True), ("steps", 1, True), ("steps", 2, True),
           ("GetStepLogsSignedBlobURL", 1, True), ("blob", 1, False), ("blob", 2, True), ("CreateStepLogsMetadata", 1, True), ("GetJobLogsSignedBlobURL", 1, True), ("completejob", 1, False), ("completejob", 1, True)]
POINTS = [(role, moment) for role in ("agent", "broker", "host", "keeper", "supervisor", "courier") for moment in MOMENTS
          if role in ("agent", "broker") or moment[0] not in ("acknowledge", "acquirejob")]


def one_point(role, moment):
    """True: there was such a process then."""
    name, nth, behind = moment
    with World() as w:
        w.server.registration_tokens.add("REGTOKEN")
        w.server.fair = True
        equal(register(w, "--name", "one").returncode, 0, "register")
        hit, seen, answers = [], [0], {"acquirejob": "_acquirejob", "acknowledge": "_acknowledge", "renewjob": "_renewjob", "completejob": "_completejob", "steps": "_steps", "blob": "_blob"}

        def strike():
            pid = who(w).get(role)
            hit.append(bool(pid) and kill(pid))

        def at(*a):
            seen[0] += 1
            serve = getattr(w.server, answers.get(name, "_receiver"))
            if seen[0] != nth:
                return serve(*a)
            if not behind:
                strike()
            answer = serve(*a)
            if behind:
                strike()
            return answer
        w.server.script[name] = [at] * nth
        job = w.server.job([script("echo one-line; sleep 0.3"), script("echo two-line", condition="always()")])
        agent(w)
        until = time.monotonic() + 60
        while not job.completed:
            check(time.monotonic() < until, f"{role} {moment}: the job is not complete; {w.server.log[-12:]}")
            if w.process.poll() is not None:
                w.process.stdout.close()
                w.server.sessions.clear()
                agent(w)
            w.server.requeue(2)
            time.sleep(0.1)
        check(job.completed["conclusion"] in ("succeeded", "failed", "canceled"), f"{role} {moment}: {job.completed['conclusion']}")
        if job.completed["conclusion"] == "succeeded":
            check("one-line" in job.log(job.document["steps"][0]) and "two-line" in job.log(job.document["steps"][1]), f"{role} {moment}: the log; {job.all_log()}")
        w.server.wait(lambda: ("completejob", 204) in w.server.log)
        equal(w.server.log.count(("completejob", 204)), 1, f"{role} {moment}: completed how often")
        second = w.server.job([script("true")])
        while not second.completed:
            check(time.monotonic() < until + 30, f"{role} {moment}: the agent takes no further job; {w.server.log[-12:]}")
            if w.process.poll() is not None:
                w.process.stdout.close()
                w.server.sessions.clear()
                agent(w)
            w.server.requeue(2)
            time.sleep(0.1)
        w.process.send_signal(signal.SIGTERM)
        w.finish()
        equal(second.completed["conclusion"], "succeeded", f"{role} {moment}: the next job")
        equal([v for v in w.server.violations if "busy" not in v.lower() and "a poll says" not in v and "acknowledged" not in v], [], f"{role} {moment}")
        empty(w)
        return any(hit)


@case("X-08 P-01", "whichever process is killed at whichever point of a job: the job is completed once, the next one runs, and nothing stays")
def _():
    points = POINTS if LONG else POINTS[::9]
    hits = sum(one_point(role, moment) for role, moment in points)
    print(f"# {len(points)} points, {hits} kills")
    check(hits >= len(points) // 2, f"{hits} of {len(points)} kills found their process")


@case("", "every job is completed once, in the right state, with a whole log, whatever happens to GitHub, to couriers and to the agent")
def _():
    chance = random.Random(11)

    def trouble(name):
        roll = chance.random()
        if name in ("exchange", "groups", "find", "register", "acquirejob") or roll > 0.07:
            return None
        return (0, None) if roll < 0.03 else (chance.choice([500, 502, 503]), None) if roll < 0.06 else (429, None, {"Retry-After": "1"})
    with World() as w:
        w.server.registration_tokens.add("REGTOKEN")
        w.server.fair = True
        for i in range(RUNNERS):
            equal(register(w, "--name", f"r{i}").returncode, 0, "register")
        w.server.hook = trouble
        jobs = [w.server.job([script(f"for k in 1 2 3; do echo line-{i}-$k; sleep 0.$((RANDOM % 3)); done", name="a"), script(f"exit {i % 3}", name="b")]) for i in range(JOBS)]
        agent(w)
        kills, deadline, couriers = 0, time.monotonic() + 90 + 6 * JOBS, 0
        while not all(j.completed for j in jobs):
            check(time.monotonic() < deadline, f"{sum(not j.completed for j in jobs)} jobs are not complete; {w.server.log[-20:]}")
            done = sum(bool(j.completed) for j in jobs)
            if kills < KILLS and done >= (kills + 1) * JOBS // (KILLS + 1):
                kills += 1
                w.process.kill()
                w.process.wait()
                w.process.stdout.close()
                w.server.sessions.clear()
                agent(w)
            elif chance.random() < 0.01:
                victims = [pid for pid, name in ours(w).items() if name == "dd-courier"]
                couriers += bool(victims) and kill(chance.choice(victims))
            w.server.requeue(5)
            time.sleep(0.1)
        w.server.hook = None
        for i, job in enumerate(jobs):
            steps = job.document["steps"]
            equal(job.completed["conclusion"], "failed" if i % 3 else "succeeded", f"job {i}; {job.all_log()}")
            equal([line for line in job.log(steps[0]) if line.startswith("line-")], [f"line-{i}-{k}" for k in (1, 2, 3)], f"log of job {i}")
        w.server.wait(lambda: w.server.log.count(("completejob", 204)) >= JOBS)
        equal(w.server.log.count(("completejob", 204)), JOBS, "completed how often")
        equal([v for v in w.server.violations if "busy" not in v.lower() and "a poll says" not in v and "acknowledged" not in v], [], "violations")
        with open(f"/proc/{w.process.pid}/status", encoding="ascii") as file:
            rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        fds = len(os.listdir(f"/proc/{w.process.pid}/fd"))
        check(rss < 16 * 1024 and fds < 32, f"the agent has {rss} KiB and {fds} descriptors")
        w.process.send_signal(signal.SIGTERM)
        w.finish()
        empty(w)
        print(f"# {JOBS} jobs, {kills} kills of the agent, {couriers} of couriers, agent {rss} KiB, {fds} descriptors")


if __name__ == "__main__":
    main()
