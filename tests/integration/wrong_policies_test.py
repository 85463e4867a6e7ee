#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wrong_policies_test.py - some three hundred wrong policies: each refused, with a position inside the token that is wrong (X-10)."""
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrong_policies  # noqa: E402
from dd import DRYDOCK, case, check, equal, main  # noqa: E402

PER_CALL = 100
ENVIRON = {"PATH": "/nonexistent", "HOME": "/nonexistent", **{k: v for k, v in os.environ.items() if k in ("ASAN_OPTIONS", "UBSAN_OPTIONS")}}


def judge(texts, env=None):
    """What `policy check --json` says about each of @texts: (exit status of the call, result object) per text."""
    results = []
    with tempfile.TemporaryDirectory(prefix="dd-wrong-") as where:
        for start in range(0, len(texts), PER_CALL):
            names = []
            for i, text in enumerate(texts[start:start + PER_CALL]):
                names.append(os.path.join(where, f"{start + i}.yml"))
                with open(names[-1], "wb") as file:
                    file.write(text)
            names.append(os.path.join(where, "none.yml"))   # never a single file: one shape of answer
            done = subprocess.run([DRYDOCK, "policy", "check", "--json", *names], capture_output=True, env={**ENVIRON, **(env or {})}, timeout=120, check=False)
            check(done.returncode == 2 and not done.stderr, f"status {done.returncode}, said {done.stderr[-2000:]!r}")
            results += json.loads(done.stdout)["files"][:-1]
    return results


@case("X-10", "every key has a value that is fine, and a policy of that key alone is accepted")
def _():
    rows = wrong_policies.keys(DRYDOCK)
    good = list(wrong_policies.good_policies(rows))
    check(len(good) >= 50, f"only {len(good)} keys")
    for (name, text), result in zip(good, judge([t for _, t in good], {"CREDENTIALS_DIRECTORY": "/run/x"})):
        check(result["ok"], f"{name} is refused:\n{text.decode()}\n{result['complaints']}")


@case("X-10", "at least 200 wrong policies: none is accepted, and each is told at a place inside the offending token")
def _():
    wrong = wrong_policies.all_wrong(wrong_policies.keys(DRYDOCK))
    check(len({w.text for w in wrong}) >= 200, f"only {len({w.text for w in wrong})} different ones")
    bad = []
    for one, result in zip(wrong, judge([w.text for w in wrong])):
        told = [(c["line"], c["column"]) for c in result["complaints"]]
        if result["ok"] or result["error"] or not any(one.holds(*place) for place in told):
            bad.append(f"{one.name}: wanted {one.begins} to {one.ends}, told {[(c['line'], c['column'], c['text']) for c in result['complaints']]}\n{one.text!r}")
        for c in result["complaints"]:
            check(c["text"] and c["length"] >= 1, f"{one.name}: a complaint says nothing")
    check(not bad, f"{len(bad)} of {len(wrong)}:\n" + "\n".join(bad[:20]))
    print(f"# {len(wrong)} wrong policies")


@case("X-10", "in words: the file, the place, the line with the token underlined, and the nearest key")
def _():
    with tempfile.TemporaryDirectory(prefix="dd-wrong-") as where:
        path = os.path.join(where, "p.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("version: 1\nphases:\n  fetch:\n    egerss: none\n    trust: all\nlimits: { time: 5 }\n")
        done = subprocess.run([DRYDOCK, "policy", "check", path], capture_output=True, text=True, check=False)
    equal(done.returncode, 2, "exit status")
    lines = done.stderr.splitlines()
    equal(lines[:4], [f"{path}:4:5: error: unknown key `egerss` in phases.fetch", "        egerss: none", "        ^~~~~~", "    hint: did you mean `egress`?"], "the first complaint")
    equal([line for line in lines if ": error: " in line and not line.startswith((f"{path}:4", f"{path}:5", f"{path}:6"))], [], "complaints elsewhere")
    check(sum(": error: " in line for line in lines) == 3, f"not all three at once:\n{done.stderr}")


@case("X-10", "good policies with bytes knocked out, doubled or swapped never crash the loader, and every refusal has a reason and a place")
def _():
    dice = random.Random(20260101)
    bases = [t for _, t in wrong_policies.good_policies(wrong_policies.keys(DRYDOCK))]
    texts = []
    for _ in range(600):
        text = bytearray(dice.choice(bases))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(text))
            kind = dice.randrange(4)
            if kind == 0:
                del text[at]
            elif kind == 1:
                text.insert(at, dice.choice(b"{}[]:,-'\"#&*!|> \t\n\x00\x7f\xff"))
            elif kind == 2:
                text[at] = dice.randrange(256)
            else:
                text[at:at] = text[at:at + dice.randint(1, 12)]
        texts.append(bytes(text))
    for text, result in zip(texts, judge(texts, {"CREDENTIALS_DIRECTORY": "/run/x"})):
        check(result["ok"] or (result["complaints"] and all(c["text"] for c in result["complaints"])), f"refused without a reason: {text!r}")


if __name__ == "__main__":
    main()
