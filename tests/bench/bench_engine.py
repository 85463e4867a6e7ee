#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_engine.py - what steps of a workflow cost as the job grows: 1,000 against 250, each with a condition, env, outputs, variables for later steps and a
script with expressions over what came before. Linear is a ratio of 1.00 for each step. Processor time of all processes is compared: it does not wait."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_step import DRYDOCK, timed  # noqa: E402

ROUNDS = int(os.environ.get("DD_BENCH_ROUNDS", "3"))
FEW, MANY = 250, 1000


def workflow(stage, steps):
    path = os.path.join(stage, f"{steps}.yml")
    with open(path, "w", encoding="ascii") as file:
        file.write("on: push\nenv: { A: a }\njobs:\n  b:\n    runs-on: x\n    env: { B: \"${{ github.event_name }}\" }\n    steps:\n")
        for i in range(steps):
            before = f"steps.s{i - 1}.outputs.v" if i else "'0'"
            file.write(f"      - id: s{i}\n        if: success() && {before} == '{i if i else 0}'\n        env: {{ C: \"x${{{{ {before} }}}}\" }}\n"
                       f"        run: |\n          echo \"v={i + 1}\" >>\"$GITHUB_OUTPUT\"; echo \"N{i % 50}={i}\" >>\"$GITHUB_ENV\"; test \"$C\" = x${{{{ {before} }}}}\n")
    return path


def run(stage, steps):
    done = timed([DRYDOCK, "run", workflow(stage, steps), "--workspace", "src", "--state-dir", os.path.join(stage, "state")], stage)
    shutil.rmtree(os.path.join(stage, "state", "records"), ignore_errors=True)
    return done


def main():
    stage = tempfile.mkdtemp(prefix="dd-bench-")
    few, many = [], []
    try:
        os.mkdir(os.path.join(stage, "src"))
        for _ in range(ROUNDS):
            few.append(run(stage, FEW))
            many.append(run(stage, MANY))
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    each = [[t / n for t in sorted(r[1] for r in runs)] for runs, n in ((few, FEW), (many, MANY))]
    memory = [min(r[2] for r in runs) / 1024 for runs in (few, many)]
    print(f"engine\tone of {FEW} steps of a workflow\t{each[0][ROUNDS // 2]:.2f}\t{each[0][0]:.2f}\tms\t")
    print(f"engine\tone of {MANY} steps of a workflow\t{each[1][ROUNDS // 2]:.2f}\t{each[1][0]:.2f}\tms\t{each[1][0] / each[0][0]:.2f}")
    print(f"engine\tlargest process with {MANY} steps, over {FEW}\t{memory[1]:.1f}\t{memory[1]:.1f}\tMiB\t{memory[1] / memory[0]:.2f}")
    print(f"engine\tmemory of one more step\t{(memory[1] - memory[0]) * 1024 / (MANY - FEW):.1f}\t\tKiB\t")


if __name__ == "__main__":
    main()
