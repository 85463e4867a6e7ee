#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""masking_test.py - a step that holds a secret shows it by accident, in every way that programs do (L-01, L-02, L-05, L-06, L-09)."""
import base64
import json
import os
import resource
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import DRYDOCK, PUSH, Job, case, check, equal, main, py, step  # noqa: E402

SECRET = "canary-7Hq2/'\"&+ " + os.urandom(12).hex() + "<\\"
KEY = "-----BEGIN TEST KEY-----\n" + "\n".join(base64.b64encode(os.urandom(48)).decode() for _ in range(8)) + "\nlast-line==\n-----END TEST KEY-----\n"


def b64_core(raw, before):
    """The characters of base64 that @raw alone decides, with so many bytes in front."""
    text = base64.b64encode(b"\0" * before + raw + b"\0\0\0").decode()
    return text[(8 * before + 5) // 6:8 * (before + len(raw)) // 6]


def encodings(value):
    raw = value.encode()
    yield value
    for before in range(3):
        yield b64_core(raw, before)
        yield b64_core(raw, before).translate(str.maketrans("+/", "-_"))
    yield b64_core(base64.b64encode(raw).rstrip(b"=")[:-1], 0)
    yield from (raw.hex(), raw.hex().upper(), value[::-1])
    yield from (urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value), urllib.parse.quote(value))
    yield from (json.dumps(value)[1:-1], value.replace("'", "'\\''"), value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;"))


def read(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")


class Printer:
    """One push step that holds SECRET and KEY, and runs @code; afterwards all that anybody may read, by where it stands."""

    def __init__(self, code, name="publish", extra=(), rc=0, options=(), script=None, **keys):
        self.job = Job([{**step("publish", script or py(code), PUSH), "name": name}, *extra], {"push": {}},
                       credentials={"token": {"from": {"env": "DD_TOKEN"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}},
                                    "key": {"from": {"env": "DD_KEY"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"file": "key"}}}, **keys)
        self.r = self.job.run(*options, env={"DD_TOKEN": SECRET, "DD_KEY": KEY}, timeout=90)
        equal(self.r.rc, rc, "exit status", self.r)
        logs = next(line.split("logs:", 1)[1].strip() for line in self.r.out.splitlines() if line.startswith("  logs:"))
        self.log = "".join(read(os.path.join(logs, name)) for name in sorted(os.listdir(logs)) if name.endswith(".log"))
        self.places = {"terminal": self.r.out, "log": self.log, "record": read(self.r.record_path)}
        for verb in ("show", "report"):
            done = subprocess.run([DRYDOCK, "record", verb, self.r.record_path], capture_output=True, check=True, cwd=self.job.dir)
            self.places["record " + verb] = done.stdout.decode("utf-8", "replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.job.close()

    def lacks(self, texts, what):
        for where, text in self.places.items():
            for one in texts:
                check(one not in text, f"{what} stands in the {where}: {one!r}", self.r)


@case("L-01", "a secret stays hidden however its bytes come: one by one, in two halves, between two streams, without a line end")
def _():
    with Printer('''
        t = os.environ["TOKEN"]; out = sys.stdout
        for c in t + "\\n": out.write(c); out.flush()
        for cut in range(1, len(t), 5):
            out.write(t[:cut]); out.flush(); time.sleep(0.01); out.write(t[cut:] + "\\n"); out.flush()
        for c in t: os.write(1, c.encode()); os.write(2, b"noise\\n" if c == "q" else b"")
        os.write(1, b"\\n"); os.write(2, t.encode() + b"\\n"); mark("end", "yes"); out.write(t); out.flush()
    ''') as p:
        equal(p.r.mark("end"), "yes", "the end of the output", p.r)
        check(p.log.count("***") >= 10, "no stars: nothing was printed?", p.r)
        p.lacks([SECRET, SECRET[:-1], SECRET[9:]], "the secret")


@case("L-02", "base64 in three alignments, url-safe, twice, hex in both cases, URL, JSON, shell and XML escapes, and the reverse are hidden")
def _():
    with Printer('''
        import base64, json, shlex, urllib.parse, html
        t = os.environ["TOKEN"]; raw = t.encode()
        for before in range(3):
            for after in range(3):
                text = base64.b64encode(b"abc"[:before] + raw + b"xyz"[:after])
                print("b64", before, after, text.decode(), base64.urlsafe_b64encode(b"abc"[:before] + raw + b"xyz"[:after]).decode())
        print("twice", base64.b64encode(base64.b64encode(raw)).decode())
        print("hex", raw.hex(), raw.hex().upper(), ":".join(f"{b:02x}" for b in raw)); print("reversed", t[::-1])
        print("url", urllib.parse.quote(t, safe=""), urllib.parse.quote_plus(t), urllib.parse.quote(t)); print("json", json.dumps(t), json.dumps([t]))
        print("shell", shlex.quote(t)); print("html", html.escape(t)); mark("end", "yes")
    ''') as p:
        equal(p.r.mark("end"), "yes", "the end of the output", p.r)
        p.lacks(encodings(SECRET), "the secret")
        for word in ("b64 2 2", "twice", "hex", "reversed", "url", "json", "shell", "html"):
            check(any(word in line and "***" in line for line in p.log.splitlines()), f"no stars behind {word}: {p.log}", p.r)


@case("L-02", "what the shell itself shows with set -x, and what base64(1) and xxd(1) make of a value, is hidden")
def _():
    with Printer(None, script='set -x; : "$TOKEN"; set +x; printf %s "$TOKEN" | base64; printf %s "$TOKEN" | od -An -tx1 | tr -d " \\n"; echo; base64 /run/drydock/cred/key; echo @@end=yes@@') as p:
        equal(p.r.mark("end"), "yes", "the end of the output", p.r)
        p.lacks(encodings(SECRET), "the secret")
        whole = base64.encodebytes(KEY.encode()).decode().splitlines()
        p.lacks([line for line in whole[:-1]], "a line of the key in base64")


@case("L-05", "each line of eight characters or more of a secret with many lines is hidden by itself")
def _():
    with Printer('''
        for n, line in enumerate(open("/run/drydock/cred/key").read().splitlines()): print("key:", n, "[" + line + "]")
        print(open("/run/drydock/cred/key").read()); mark("end", "yes")
    ''') as p:
        equal(p.r.mark("end"), "yes", "the end of the output", p.r)
        p.lacks(KEY.splitlines(), "a line of the key")


@case("L-01 L-08", "annotations, summaries, outputs, groups, names of steps, files and processes: whatever a step leaves is masked")
def _():
    script = '''
echo "::notice title=$TOKEN::see $TOKEN"; echo "::group::$TOKEN"; echo "::endgroup::"; echo "::error file=$TOKEN,line=1::x"
echo "# $TOKEN" >>"$GITHUB_STEP_SUMMARY"; echo "out=$TOKEN" >>"$GITHUB_OUTPUT"; echo "CARRIED=$TOKEN" >>"$GITHUB_ENV"; printf '%s' "$TOKEN" | base64 -w0 | sed 's/^/b=/' >>"$GITHUB_OUTPUT"
mkdir -p dist; : >"dist/$(printf %s "$TOKEN" | tr '/' _)"; : >"dist/$(printf %s "$TOKEN" | base64 -w0 | tr '/' _)"
bash -c 'exec -a "$TOKEN" sleep 1 & wait'; curl -s -m 2 "http://$(printf %s "$TOKEN" | xxd -p 2>/dev/null | head -c 40).test/" || true; echo @@end=yes@@
'''
    after = step("after", 'echo "got=${CARRIED:-none} ${{ steps.publish.outputs.out }}"; echo "${{ steps.publish.outputs.b }}"', PUSH)
    with Printer(None, script=script, extra=[after]) as p:
        equal(p.r.mark("end"), "yes", "the end of the output", p.r)
        p.lacks(encodings(SECRET), "the secret")
        check(p.r.events("annotation") or p.r.events("summary") or "***" in p.places["record"], "the record tells nothing of what was written", p.r)


@case("L-09", "a value that add-mask names is hidden from the next line on, in every form and in later steps, and not before")
def _():
    word = "late-" + os.urandom(6).hex()
    encoded = base64.b64encode(word.encode()).decode()
    job = Job([step("a", f"echo before {word}; echo '::add-mask::{word}'; echo after {word}; echo {encoded}; echo @@end=yes@@"), step("b", f"echo in b {word}")])
    try:
        r = job.run()
    finally:
        job.close()
    equal(r.rc, 0, "exit status", r)
    check(f"before {word}" in r.out, "what was printed before cannot be taken back", r)
    check("after ***" in r.out and f"after {word}" not in r.out and f"in b {word}" not in r.out, "shown after add-mask", r)
    check(encoded.rstrip("=")[:-1] not in r.out, "its base64 is shown", r)


@case("L-06 L-07", "forty megabytes past a hundred secrets: the step waits for the masker, nothing is lost, memory stays bounded")
def _():
    names = [f"S{i}" for i in range(20)]
    values = {"DD_" + n: os.urandom(20).hex() for n in names}
    job = Job([step("flood", py('''
        import resource
        for i in range(80): out = sys.stdout.buffer; out.write(b"::add-mask::word-%d-%d\\n" % (i * 7919, i))
        line = b"building target %06d " + b"x" * 80 + b"\\n"; out = sys.stdout.buffer
        for i in range(400000):
            out.write(line % i)
            if i % 5000 == 0: out.write(b"@" + os.environ["S%d" % (i // 5000 % 20)].encode() + b"@\\n")
        out.flush(); mark("end", "yes")
    '''), PUSH)], {"push": {}}, limits={"log": "128MiB"},
              credentials={n.lower(): {"from": {"env": "DD_" + n}, "for": {"phase": "push", "steps": ["flood"]}, "as": {"env": n}} for n in names})
    try:
        process = job.popen(env=values)
        out, _ = process.communicate(timeout=120)
        text = out.decode("utf-8", "replace")
    finally:
        job.close()
    equal((process.returncode, text[-600:] if process.returncode else ""), (0, ""), "exit status")
    lines = [line for line in text.splitlines() if "building target" in line]
    equal(len(lines), 400000, "lines that arrived")
    equal([i for i, line in enumerate(lines) if f"{i:06}" not in line][:3], [], "lines that are out of order")
    equal(text.count("@***@"), 80, "masked values")
    check(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 100 << 10, "a process of more than 100 MB")
    check(not any(v in text for v in values.values()), "a value is shown")


main()
