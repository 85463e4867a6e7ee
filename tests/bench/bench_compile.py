#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_compile.py - compiles the demo's program bare and in a closed step of `drydock run`, in turns.

The step prints how long its own commands took, so that copying the workspace and the launch are not in the number; the whole run is a row
of its own. Minima matter here: noise only ever adds."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DRYDOCK = os.path.join(os.environ["DRYDOCK_BUILD"], "drydock")
ROUNDS = int(os.environ.get("DD_BENCH_ROUNDS", "5"))
COMPILE = "for round in 1 2 3; do make -s clean-objects all check-build; done"


def project(where):
    demo = os.path.join(HERE, "..", "demo")
    shutil.copytree(os.path.join(demo, "project"), where)
    for name in ("optline", "glitter", "tinycheck"):
        shutil.copytree(os.path.join(demo, name), os.path.join(where, "deps", name))
    with open(os.path.join(where, "deps", "glitter", "prebuild.sh"), "w", encoding="ascii") as file:
        file.write("exit 0\n")      # measured is the compiler, not the burglar
    with open(os.path.join(where, "Makefile"), "a", encoding="ascii") as file:
        file.write("\nclean-objects:\n\trm -rf build\ncheck-build: build/check\n.PHONY: clean-objects check-build\n")


def main():
    stage = tempfile.mkdtemp(prefix="dd-bench-")
    bare, inside, whole = [], [], []
    try:
        project(os.path.join(stage, "src"))
        with open(os.path.join(stage, "w.yml"), "w", encoding="ascii") as file:
            file.write("on: push\njobs:\n  b:\n    runs-on: x\n    steps:\n      - shell: bash -e {0}\n        run: |\n          s=$(date +%s%N)\n          "
                       + COMPILE + "\n          e=$(date +%s%N)\n          echo \"@@us=$(( (e - s) / 1000 ))@@\"\n")
        for _ in range(ROUNDS):
            started = time.monotonic()
            subprocess.run(["bash", "-ec", COMPILE], cwd=os.path.join(stage, "src"), check=True, stdout=subprocess.DEVNULL)
            bare.append((time.monotonic() - started) * 1000)
            subprocess.run(["rm", "-rf", os.path.join(stage, "src", "build"), os.path.join(stage, "record")], check=True)
            started = time.monotonic()
            done = subprocess.run([DRYDOCK, "run", "w.yml", "--workspace", "src", "--record", "record"], cwd=stage, capture_output=True, text=True, check=False)
            whole.append((time.monotonic() - started) * 1000)
            if done.returncode:
                sys.exit(f"drydock run failed:\n{done.stdout}{done.stderr}")
            inside.append(int(done.stdout.split("@@us=")[1].split("@@")[0]) / 1000)
    finally:
        shutil.rmtree(stage)
    for what, values in (("bare", bare), ("closed step", inside), ("whole drydock run", whole)):
        print(f"compile\t{what}\t{statistics.median(values):.1f}\t{min(values):.1f}\tms\t{min(values) / min(bare):.3f}")


if __name__ == "__main__":
    main()
