#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gitlab_soak_test.py - many short jobs while the forge drops connections, is busy and slow, and the agent is killed and started again: every job ends once, in the
right state, with a whole log, and nothing grows or stays. DD_SOAK=500 makes it long; in an ordinary run it is short."""
import glob
import os
import random
import signal
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from dd import case, check, equal, main  # noqa: E402
from gitlab import Host  # noqa: E402

JOBS, AT_ONCE = int(os.environ.get("DD_SOAK", "24")), 8 if "DD_SOAK" in os.environ else 4
KILLS = 10 if "DD_SOAK" in os.environ else 3


def trouble(chance):
    def hook(method, path, headers, body):
        if chance.random() < 0.03:
            time.sleep(chance.random())
        roll = chance.random()
        if roll < 0.04:
            return 0, b"", {}                                # the connection is dropped
        if roll < 0.07:
            return chance.choice([500, 502, 503]), b"", {}
        if roll < 0.08:
            return 429, b"", {"Retry-After": "1"}
        return None
    return hook


def sizes(pid):
    """Resident kilobytes and open descriptors of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return rss, len(os.listdir(f"/proc/{pid}/fd"))


def ours(host):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if host.state.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                pass
    return found


@case("", "every job ends once, in the right state, with a whole log, whatever happens to forge and agent")
def _():
    chance = random.Random(7)
    with Host(config={"version": 1, "jobs": AT_ONCE, "runners": {"builder": {"jobs": AT_ONCE, "poll": "1s"}}}) as host:
        host.gitlab.watched = True
        host.gitlab.watchdog_sec = 10   # an agent that is killed with the answer in its hands has lost the job, and GitLab hands it over again
        host.gitlab.hook = trouble(chance)
        jobs = [(i, host.gitlab.push(host.gitlab.message([f"for k in 1 2 3; do echo line-{i}-$k; sleep 0.$((RANDOM % 5)); done", f"exit {i % 3}"]))) for i in range(JOBS)]
        process, kills, deadline = host.start(), 0, time.monotonic() + 60 + 4 * JOBS
        while not all(j.ends for _, j in jobs):
            check(time.monotonic() < deadline, f"{sum(not j.ends for _, j in jobs)} jobs have not ended\n" + host.said(process)[-3000:])
            done = sum(bool(j.ends) for _, j in jobs)
            if kills < KILLS and done >= (kills + 1) * JOBS // (KILLS + 1):
                kills += 1
                process.kill()
                process.wait()
                process = host.start()
            time.sleep(0.1)
        equal(host.gitlab.wrong, [], "what GitLab would refuse")
        for i, job in jobs:
            state = "failed" if i % 3 else "success"
            equal((job.ends, job.state, job.exit_code, job.accepted), ([state], state, i % 3, 1), f"job {i}\n{job.text}")
            equal([line for line in job.lines if line.startswith("line-")], [f"line-{i}-{k}" for k in (1, 2, 3)], f"log of job {i}")
        host.gitlab.hook = None
        rss, fds = sizes(process.pid)
        check(rss < 16 * 1024 and fds < 24, f"the agent has {rss} KiB and {fds} descriptors")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        until = time.monotonic() + 20
        while ours(host) and time.monotonic() < until:
            time.sleep(0.1)
        equal((ours(host), os.listdir(os.path.join(host.state, "agent")), glob.glob(host.state + "/jobs/*")), ([], [], []), "left behind")
        print(f"# {JOBS} jobs, {kills} kills, agent {rss} KiB, {fds} descriptors, {threading.active_count()} threads of the server")


main()
