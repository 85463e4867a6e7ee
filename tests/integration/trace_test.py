#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""trace_test.py - DRYDOCK_TRACE writes the messages between drydock's processes in their order, and nothing that anybody brought."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import PUSH, Job, case, check, equal, main, step  # noqa: E402

SECRET = "trace-secret-0123456789"
ORDER = ["CTL_MAPS_WANTED", "CTL_GO", "request", "reply", "CTL_NET", "CTL_FILES", "CTL_BUILT", "GATE_READY", "delivery", "GATE_DNS_DENY", "CTL_STATUS", "GATE_CLOSE ", "GATE_CLOSED", "GATE_FINISH", "GATE_DONE"]


def traced(env):
    job = Job([step("publish", "getent hosts hidden.example || true", PUSH)], {"push": {"egress": "none", "trust": "protected"}},
              credentials={"token": {"from": {"env": "A_SECRET"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}})
    try:
        result = job.run(env={"A_SECRET": SECRET, **env})
        path = os.path.join(job.dir, "trace")
        if not os.path.exists(path):
            return result, None, None
        with open(path, encoding="ascii") as file:
            return result, file.read(), os.stat(path).st_mode & 0o777
    finally:
        job.close()


@case("", "the trace has every message in its order, readable for its owner alone")
def _():
    result, text, mode = traced({"DRYDOCK_TRACE": "trace"})
    equal((result.rc, mode), (0, 0o600), "exit status and mode", result)
    at = 0
    for name in ORDER:
        check(name in text[at:], f"{name} is not there, or too early:\n{text}")
        at = text.index(name, at)
    for line in text.splitlines():
        check(re.fullmatch(r"\d+\.\d{6} \d+ (->|<-) (gate|init|zygote) \d+ [A-Za-z0-9_ ]+", line), line)


@case("L-08", "the trace holds no value, no name of a variable and no host")
def _():
    _, text, _ = traced({"DRYDOCK_TRACE": "trace"})
    for word in (SECRET, "TOKEN", "hidden", "example", "publish"):
        check(word not in text, f"{word} is in the trace:\n{text}")


@case("", "without DRYDOCK_TRACE nothing is written, and one that cannot be written is an error before anything runs")
def _():
    result, text, _ = traced({})
    equal((result.rc, text), (0, None), "a trace that nobody asked for", result)
    result, text, _ = traced({"DRYDOCK_TRACE": "no/such/place"})
    equal((result.rc, result.record), (2, []), "exit status", result)
    check("DRYDOCK_TRACE" in result.out, "the variable is not named", result)


if __name__ == "__main__":
    main()
