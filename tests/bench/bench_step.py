#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_step.py - what one more step of `true` costs in `drydock run`, beside a launch of bubblewrap, in turns; where its time goes; how memory grows;
and what a plan of 1,000 steps with a list of 10,000 costs.

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
        file.write("jobs:\n  b:\n    runs-on: x\n    steps:\n" + "".join(f"      - id: s{i}\n        run: 'true'\n" for i in range(steps)))
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


# Between two messages of the trace: what the time between them is spent on.
PARTS = (("delivery of", "CTL_STATUS", "exec, and the step's own program"),
         ("CTL_STATUS", "GATE_CLOSED", "rules closed and read back, gate closed"),
         ("GATE_CLOSED", "GATE_FINISH", "its processes dead, its output read"),
         ("GATE_FINISH", "GATE_DONE", "the gate's last words"),
         ("GATE_DONE", "CTL_BUILT", "leases, files, record, the next step's order, its sandbox"),
         ("CTL_BUILT", "delivery of", "its gate verified, release"))


def spans(trace):
    """For each part its lengths in ms. A parked sandbox speaks while another step runs, but is heard in its turn."""
    found, at = {what: [] for _, _, what in PARTS}, {}
    with open(trace, encoding="ascii") as file:
        for line in file:
            now, text = float(line.split()[0]) * 1000, line.split(" ", 2)[2]
            for begin, end, what in PARTS:
                if end in text and begin in at:
                    found[what].append(now - at.pop(begin))
            for begin, _, _ in PARTS:
                if begin in text:
                    at[begin] = now
    return found


def parts(stage):
    trace = os.path.join(stage, "trace")
    os.environ["DRYDOCK_TRACE"] = trace
    try:
        run(stage, 1 + MORE)
    finally:
        del os.environ["DRYDOCK_TRACE"]
    found = spans(trace)
    whole = sum(statistics.median(times) for times in found.values() if times)
    for what, times in found.items():
        if times:
            print(f"step-part\t{what}\t{statistics.median(times):.2f}\t{min(times):.2f}\tms\t{100 * statistics.median(times) / whole:.0f} %")


def plan(stage):
    """1,000 steps, half of which fetch by a list of 10,000. Aims: 1 s, 200 MB."""
    with open(os.path.join(stage, "long.yml"), "w", encoding="ascii") as file:
        file.write("jobs:\n  b:\n    runs-on: x\n    steps:\n" + "".join(f"      - id: s{i}\n        run: 'echo {i}'\n" for i in range(1000)))
    with open(os.path.join(stage, "long.policy.yml"), "w", encoding="ascii") as file:
        file.write("version: 1\nphases:\n  fetch:\n    egress:\n" + "".join(f"      - host: h{i}.example.org\n        port: 443\n        why: number {i}\n" for i in range(10000))
                   + "steps:\n" + "".join(f"  - phase: fetch\n    match: {{ id: s{i} }}\n" for i in range(0, 1000, 2)))
    done = [timed([DRYDOCK, "plan", "long.yml", "--policy", "long.policy.yml", "--workspace", "src"], stage) for _ in range(3)]
    wall, rss = [d[0] for d in done], [d[2] / 1024 for d in done]
    print(f"step\tplan of 1,000 steps, a list of 10,000\t{statistics.median(wall):.0f}\t{min(wall):.0f}\tms\t{min(wall) / 1000:.2f} of the aim")
    print(f"step\tthe same, largest resident set\t{statistics.median(rss):.0f}\t{min(rss):.0f}\tMiB\t{max(rss) * 1.048576 / 200:.2f} of the aim")


NOISY = 1.4  # the others' launches took that much longer in the middle than at best


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
        rss = [run(stage, steps)[2] for steps in (21, 1000)]
        parts(stage)
        plan(stage)
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
    busy = statistics.median(b[0] for b in bwrap) / min(b[0] for b in bwrap)
    if busy > NOISY:
        print(f"# step: the machine was too noisy to tell: bubblewrap took {busy:.1f} times as long in the middle as at best. Only ratios of minima mean anything")
    row("largest process of a run, 1,000 steps", [rss[1]], "KiB", rss[1] / rss[0])


if __name__ == "__main__":
    main()
