#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_step.py - what one more step of `true` costs in `drydock run`, beside a launch of bubblewrap, in turns; and how memory grows.

The whole process is measured, 21 steps against 1, so that everything a step drags along is in the number: its shell, its gate, its part of the record,
the printing. Minima matter: noise only ever adds."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

DRYDOCK = os.path.join(os.environ["DRYDOCK_BUILD"], "drydock")
ROUNDS = int(os.environ.get("DD_BENCH_ROUNDS", "15"))
MORE = 20
BWRAP = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "true"]


def workflow(stage, steps):
    path = os.path.join(stage, f"{steps}.yml")
    with open(path, "w", encoding="ascii") as file:
        file.write("jobs:\n  b:\n    runs-on: x\n    steps:\n" + "      - run: 'true'\n" * steps)
    return path


def timed(argv, stage):
    """Wall time and processor time in ms, and the largest resident set of one of its processes in KiB."""
    started = time.monotonic()
    with subprocess.Popen(argv, cwd=stage, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        said = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{argv} failed: {said.decode()}")
    return (time.monotonic() - started) * 1000, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss


def run(stage, steps):
    done = timed([DRYDOCK, "run", workflow(stage, steps), "--workspace", "src", "--state-dir", os.path.join(stage, "state")], stage)
    shutil.rmtree(os.path.join(stage, "state", "records"), ignore_errors=True)
    return done


def row(what, values, unit, ratio):
    print(f"step\t{what}\t{statistics.median(values):.2f}\t{min(values):.2f}\t{unit}\t{ratio:.2f}")


def main():
    if not shutil.which("bwrap"):
        print("# step: bubblewrap is not installed (scripts/deps --bench)")
        return
    stage = tempfile.mkdtemp(prefix="dd-bench-")
    bwrap, one, many = [], [], []
    try:
        os.mkdir(os.path.join(stage, "src"))
        for _ in range(ROUNDS):
            one.append(run(stage, 1))
            many.append(run(stage, 1 + MORE))
            bwrap.extend(timed(BWRAP, stage) for _ in range(3))
        rss = [run(stage, steps)[2] for steps in (21, 221)]
    finally:
        shutil.rmtree(stage)
    for i, kind in ((0, "wall"), (1, "processor")):
        launch = [b[i] for b in bwrap]
        first = [o[i] for o in one]
        # each pair of the same turn, so that a busy machine disturbs both alike; and the difference of the two minima
        more = [(m[i] - o[i]) / MORE for m, o in zip(many, one)]
        least = (min(m[i] for m in many) - min(first)) / MORE
        row(f"bwrap --unshare-all true, {kind}", launch, "ms", 1)
        row(f"a run of one step, {kind}", first, "ms", min(first) / min(launch))
        print(f"step\tone more step of true, {kind}\t{statistics.median(more):.2f}\t{least:.2f}\tms\t{least / min(launch):.2f}")
    row("largest process of a run, 21 steps", [rss[0]], "KiB", 1)
    row("largest process of a run, 221 steps", [rss[1]], "KiB", rss[1] / rss[0])


if __name__ == "__main__":
    main()
