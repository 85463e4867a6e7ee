#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_agent.py - a runner of GitLab: from the answer that holds a job to the first byte of its first step, without sources, and how large an agent is that waits.

The server is the stand-in of the tests, over TLS; its own time to write the answer counts. The first byte is the stamp that drydock puts on the line. Beside it: the courier's
acceptance, which is asked and answered in between."""
import datetime
import os
import re
import statistics
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib")]
from gitlab import Host  # noqa: E402
from world import enter_world  # noqa: E402

ROUNDS = int(os.environ.get("DD_BENCH_ROUNDS", "15"))


def row(what, values, unit):
    print("agent", what, f"{statistics.median(values):.1f}", f"{min(values):.1f}", unit, "", sep="\t")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def stamp(job):
    """When the first line of a step was stamped."""
    found = re.search(r"(?m)^(\S+)Z 01O ", job.text)
    return datetime.datetime.fromisoformat(found[1]).replace(tzinfo=datetime.timezone.utc).timestamp()


def measure():
    with Host(config={"version": 1, "runners": {"builder": {"poll": "1s"}}}) as host:
        answered, accepted, first, whole = {}, [], [], []
        took = host.gitlab.request

        def request(headers, body):
            answer = took(headers, body)
            if answer[0] == 201:
                answered[answer[1]["id"]] = time.time()
            return answer

        host.gitlab.request, host.gitlab.poll_sec, host.gitlab.watched = request, 5.0, True
        put = host.gitlab.put
        put_at = {}

        def on_put(job, headers, body, status):
            put_at.setdefault(job.id, time.time())
            return put(job, headers, body, status)

        host.gitlab.put = on_put
        process = host.start()
        while not host.gitlab.asked("POST jobs/request"):
            time.sleep(0.01)
        time.sleep(1)
        sizes = [resident(process.pid)]
        courier = [resident(pid) for pid in children(process.pid)]
        for _ in range(ROUNDS):
            job = host.gitlab.push(host.gitlab.message(["echo first"]))
            while not job.ends:
                time.sleep(0.005)
            first.append((stamp(job) - answered[job.id]) * 1000)
            accepted.append((put_at[job.id] - answered[job.id]) * 1000)
            whole.append((time.time() - answered[job.id]) * 1000)
        process.terminate()
        process.wait(30)
    row("job's answer to its acceptance", accepted, "ms")
    row("job's answer to the first byte of its first step", first, "ms")
    row("job's answer to its end at the forge", whole, "ms")
    row("an agent that waits, resident", sizes, "MiB")
    row("its courier that asks, resident", courier, "MiB")


enter_world()
measure()
