#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""github_feed_test.py - the live log of a job from GitHub, over a WebSocket, and that nothing depends on it."""
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "fakes")]
from dd import case, check, equal, main  # noqa: E402
from github import World, process_of  # noqa: E402
from github_server import script  # noqa: E402


def world(feed="ok", policy=None):
    w = World(policy)
    w.server.feed = feed
    return w


def lines(job, step):
    return [text for s, _, text in job.fed if s == step["id"]]


@case("", "lines of a step are seen while it runs, with the number that they have in its log; masked, cut at 1024 characters, in frames of a WebSocket as its standard has them")
def _():
    with world() as w:
        job = w.server.job([script("echo one; echo '::add-mask::hunter-2222'; echo my hunter-2222; printf '%1500s\\n' | sed 's, ,ü,g'; until test -e /work/go || test $((n+=1)) -gt 600; do sleep 0.1; done; echo last"), script("echo second")])
        w.start()
        first, second = job.document["steps"]
        w.server.wait(lambda: len(lines(job, first)) >= 4 or any("üü" in t for t in lines(job, first)))
        check(not job.step_blobs.get(first["id"]), "the log was there before the step was over")
        seen = lines(job, first)
        check("one" in seen and any(t == "ü" * 1024 + "..." for t in seen) and "my ***" in seen, str(seen)[:300])
        w.server.cancel(job)
        equal(w.finish(), 130, f"exit status; {w.out}")
        check("hunter" not in str(job.fed), "a secret is shown")
        for step, number, text in job.fed:
            log = job.log(step)
            check(log is None or log[number - 1][:1024] == text[:1024], f"line {number} of {step}: {text[:80]}")
        equal(w.server.feeds, 1, "how often it was opened")
        w.clean()


@case("", "steps that are over before anybody looked are seen as well, each under its own id")
def _():
    with world() as w:
        job = w.server.job([script(f"echo line-of-{i}") for i in range(5)])
        equal(w.run(), 0, f"exit status; {w.out}")
        for i, step in enumerate(job.document["steps"]):
            check(f"line-of-{i}" in lines(job, step), f"{i}: {job.fed}")
        w.clean()


@case("", "a step that prints more than can be sent does not wait: the newest lines count, and the log is whole")
def _():
    with world() as w:
        job = w.server.job([script("seq 1 50000; sleep 2")])
        equal(w.run(), 0, f"exit status; {w.out}")
        step = job.document["steps"][0]
        numbers = [n for s, n, _ in job.fed if s == step["id"]]
        check(numbers == sorted(set(numbers)) and len(numbers) < 50000, "numbers of lines")
        check({"1", "50000"} <= set(job.log(step)), "the log")
        w.clean()


@case("", "a feed that is refused, that stalls, that breaks off, or whose process is killed, costs the job nothing, and is told once")
def _():
    for feed in ("refuse", "stall", "drop", "killed"):
        with world("ok" if feed == "killed" else feed) as w:
            job = w.server.job([script("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done"), script("echo second")])
            since = time.monotonic()
            w.start()
            if feed == "killed":
                w.server.wait(lambda job=job: job.fed)
                os.kill(process_of(w, "dd-feed"), signal.SIGKILL)
            equal(w.finish(40), 0, f"{feed}: exit status; {w.out}")
            check(time.monotonic() - since < 30, f"{feed}: it waited")
            check({"1", "8"} <= set(job.log(job.document["steps"][0])) and "second" in job.log(job.document["steps"][1]), f"{feed}: the log")
            equal(w.out.count("the server opens no live log"), 1 if feed == "refuse" else 0, f"{feed}: told; {w.out}")
            check(feed != "drop" or w.server.feeds > 1, "it was not opened again")
            w.clean("ping")


if __name__ == "__main__":
    main()
