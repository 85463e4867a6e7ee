#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report_test.py - a record drawn for a terminal and for a browser: readable, complete, and deaf to whatever the record's bytes say.

The page is also loaded in a real browser where one is installed (chromium): what it shows, in light and in dark, with scripts switched off."""
import base64
import hashlib
import html.parser
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import record_schema  # noqa: E402
from dd import DRYDOCK, FETCH, Job, Skip, case, check, equal, main, py, step  # noqa: E402
from world import ALLOWED, Resolver, Web  # noqa: E402

HOSTILE = "</style><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&\x1b[31m\u202e"
W = {}


def setup():
    Resolver().say("allowed.test", ALLOWED)
    Web(ALLOWED, "allowed")


def real():
    """A record of a real run: one step with traffic and refusals, one without."""
    if "real" not in W:
        code = '''
            exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n")
            attempt("a", lambda: tcp("refused.test", 443))
            attempt("b", lambda: tcp("45.10.20.66", 9999))
        '''
        job = Job([step("deps", py(code), FETCH), step("compile", "true")], {"fetch": {"egress": [{"host": "allowed.test", "port": 80}]}})
        try:
            r = job.run()
            equal(r.rc, 0, "exit status of the run", r)
            with open(r.record_path, "rb") as file:
                W["real"] = file.read()
        finally:
            job.close()
    return W["real"]


def chained(events, torn=b""):
    """A record that says what we want, with a chain that holds."""
    out, prev = b"", "0" * 64
    for number, event in enumerate(events, 1):
        common = {"seq": number, "time": "2026-11-25T12:00:00.000000Z", "mono_ns": event.pop("at", 0), "run": "r", "job": event.pop("job", "j"),
                  "step": event.pop("step", None), "phase": event.pop("phase", None), "event": event.pop("event")}
        line = json.dumps({**common, **event, "prev": prev}, separators=(",", ":")).encode()
        prev = hashlib.sha256(line).hexdigest()
        out += line + b"\n"
    wrong = record_schema.complaints([json.loads(line) for line in out.splitlines()], older=True)
    assert not wrong, wrong[:5]
    return out + torn


def hostile(mode="enforce"):
    """Every text that a record can hold is an attack."""
    h = HOSTILE
    process = {"pid": 7, "exe": h, "argv": h}
    at = {"step": "s", "phase": "fetch"}
    return chained([
        {"event": "run.start", "job": h, "version": h, "kernel": h, "workflow": h, "policy": {"path": h, "sha256": "0" * 64}, "identity": h, "mode": mode,
         "trusted": True, "trust_why": h, "steps": 1},
        {"event": "policy.narrowed", "job": h, "key": h, "asked": h, "allowed": h, "line": 3, "why": h},
        {"event": "step.start", "job": h, **at, "name": h, "argv0": h, "gate": "open", "seccomp": h, "phase_why": h, "at": 10 ** 9, "index": 1,
         "match": {"id": h, "name": h, "job": h, "uses": h, "run": h}},
        {"event": "cred.grant", "job": h, **at, "credential": h, "kind": h, "delivery": h, "from": h, "as": h, "ttl_sec": 5},
        {"event": "gate.open", "job": h, **at, "state": "open", "entries": [{"entry": h, "origin": h, "why": h}], "upload_bytes": 1, "at": 10 ** 9},
        {"event": "net.allow", "job": h, **at, "host": h, "port": 443, "address": h, "why": h, "at": 2 * 10 ** 9},
        {"event": "net.deny", "job": h, **at, "host": h, "port": 443, "address": h, "proto": "tcp", "why": h, "count": 3, "process": process,
         "at": 3 * 10 ** 9},
        {"event": "dns.deny", "job": h, **at, "host": h, "port": 53, "address": "", "proto": "dns", "why": h, "count": 1, "process": None,
         "at": 4 * 10 ** 9},
        {"event": "violation", "job": h, **at, "case": h, "subject": h, "port": 1, "why": h, "bytes_out": 1, "consequence": h, "at": 4 * 10 ** 9},
        {"event": "sys.deny", "job": h, **at, "syscall": h, "nr": 1, "count": 1, "process": process, "answer": h, "detail": h, "at": 5 * 10 ** 9},
        {"event": "gate.close", "job": h, **at, "receipt": [{"host": h, "port": 443, "connections": 1, "bytes_in": 2048, "bytes_out": 10, "denials": 1}],
         "verified": True, "at": 5 * 10 ** 9},
        {"event": "step.end", "job": h, **at, "outcome": h, "exit": 0, "signal": 0, "wall_sec": 4.0, "cpu_usec": 5, "peak_memory_bytes": 5,
         "output_bytes": 5, "refused": 2, "why": h, "at": 5 * 10 ** 9},
        {"event": "artifact", "job": h, "step": "s", "path": h, "size": 5, "sha256": "0" * 64},
        {"event": "run.end", "job": h, "status": h, "counts": {}, "why": h, "at": 6 * 10 ** 9},
    ])


def at_terminal(argv, env):
    """(exit status, output) with a terminal behind standard output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
    except OSError:   # the other end is closed
        pass
    os.close(ours)
    return process.wait(), seen.decode("utf-8", "replace")


def record(*options, data=None, env=None, terminal=False, rc=0):
    """`drydock record VERB FILE`; what it printed."""
    where = tempfile.mkdtemp(prefix="dd-report-")
    path = os.path.join(where, "record.jsonl")
    with open(path, "wb") as file:
        file.write(data)
    base = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(env or {})}
    argv = [DRYDOCK, "record", options[0], path, *options[1:]]
    try:
        if terminal:
            return at_terminal(argv, base)
        done = subprocess.run(argv, env=base, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, timeout=60)
        equal(done.returncode, rc, f"exit status of record {options}: {done.stderr.decode('utf-8', 'replace')[:500]}")
        return done.stdout.decode("utf-8")
    finally:
        shutil.rmtree(where)


# --- terminal ---------------------------------------------------------------------------------------------------------


@case("", "record show: each step is a bar of its own place, what was reached and refused is below it, 80 columns are enough")
def _():
    out = record("show", data=real())
    lines = out.splitlines()
    deps = next(i for i, line in enumerate(lines) if " fetch deps" in line)
    check("\u2588" in lines[deps] and "succeeded" in lines[deps], f"no open bar: {lines[deps]}")
    check("\u2717" in lines[deps + 1] and "\u00b7" in lines[deps + 1] and "refused" in lines[deps + 1] and "\u2193" in lines[deps + 1], lines[deps + 1])
    build = next(line for line in lines if " build compile" in line)
    check("\u2592" in build and "\u2588" not in build, f"the gate of build was drawn open: {build}")
    check(build.index("\u2592") >= lines[deps].rindex("\u2588"), "the second step begins before the first one ends")
    drawn = lines[:next(i for i, line in enumerate(lines) if "gate closed" in line)]
    check(all(len(line) <= 80 for line in drawn), "too wide: " + max(drawn, key=len))
    for text in ("refused.test", "45.10.20.66:9999", "not in the allowlist", "policy explain", "allowed.test:80"):
        check(text in out, f"{text} is missing")
    wide = record("show", data=real(), env={"COLUMNS": "140"}).splitlines()
    check(max(len(line) for line in wide[4:9]) > 100, "a wider terminal is not used")


@case("", "record show and the page say what the workspace was copied from, with every note, hostile or not")
def _():
    notes = ["submodule lib is not filled", HOSTILE, "a note of several words that goes on and on until it is longer than any line of a terminal that anybody has"]
    data = chained([{"event": "run.start", "mode": "enforce"},
                    {"event": "workspace", "path": "/home/u/proj", "copied": "tracked", "commit": "a" * 40, "ref": "refs/heads/main", "dirty": True, "changed": 2,
                     "missing": 1, "staged": "changes", "files": 120, "bytes": 12897484, "notes": notes},
                    {"event": "run.end", "status": "succeeded"}])
    show, page = record("show", data=data), record("report", data=data)
    whole = " ".join(show.split())
    for text in ("/home/u/proj: what git tracks, as it stands on disk; 120 files, 12.3 MiB", "commit " + "a" * 40 + " (refs/heads/main), and differs from it",
                 "2 changed", "1 missing", "in git's index and not committed: changes", "submodule lib is not filled"):
        check(text in whole and text.replace("'", "&#39;") in page, f"{text} is missing:\n{show}")
    check("any line of a terminal that anybody has" in whole, "a note is cut: " + show)
    check("\x1b" not in show and "\u202e" not in show and "<script" not in page, "a hostile note came through")
    check(max(len(line) for line in show.splitlines()) <= 80, "too wide:\n" + show)
    check("workspace" not in record("show", data=chained([{"event": "run.start", "mode": "enforce"}, {"event": "run.end", "status": "succeeded"}])), "an older record")


@case("V-07", "record show and the page say when the host's clock was set, and where a record is not whole")
def _():
    data = chained([{"event": "run.start", "mode": "enforce"}, {"event": "record.limited", "limit_bytes": 1 << 20, "at": 5},
                    {"event": "run.end", "status": "failed", "at": 9, "clock_jump_ms": -3600000}])
    for out in (record("show", data=data), record("report", data=data)):
        check("-3600.000 s before seq 3" in out, "no word of the clock: " + out[:1500])
        check("rom seq 2 on" in out, "no word of what is missing: " + out[:1500])
    check("clock" not in record("show", data=real()), "a clock that nobody set")


@case("", "record show: at 80 columns no size loses its unit and no sentence its end")
def _():
    start = {"event": "step.start", "step": "s", "phase": "fetch", "id": "s", "name": "a step with a name that is longer than its column", "index": 1}
    would = [{"event": "net.allow", "step": "s", "phase": "fetch", "host": f"h{i}.test", "port": 443, "address": "45.1.2.3", "proto": "tcp", "why": "w", "would": "deny"}
             for i in range(6)]
    refused = [{"event": "net.deny", "step": "s", "phase": "fetch", "host": "", "port": 1, "address": "10.1.2.3", "proto": "tcp", "why": "w", "count": 123456}]
    close = {"event": "gate.close", "step": "s", "phase": "fetch", "verified": True,
             "receipt": [{"host": "h.test", "port": 443, "connections": 1, "bytes_in": 1047527424, "bytes_out": 1047527424, "denials": 0}]}
    end = {"event": "step.end", "step": "s", "phase": "fetch", "outcome": "succeeded", "exit": 0, "wall_sec": 1.0}
    for language, extra in (("C", []), ("C.UTF-8", []), ("C.UTF-8", refused)):
        data = chained([dict(e) for e in [{"event": "run.start", "mode": "observe"}, start, *would, *extra, close, end, {"event": "run.end", "status": "succeeded"}]])
        out = record("show", data=data, env={"LANG": language})
        drawn = out[:out.index("refused, or would")]
        check(drawn.count("999.0 MiB") == 2, f"a size without its unit:\n{drawn}")
        check("6 would be refused" in drawn and ("123456 refused" in drawn) == bool(extra), f"half a sentence:\n{drawn}")
        check(max(len(line) for line in drawn.splitlines()) <= 80, f"too wide:\n{drawn}")


@case("", "record show: colour only on a terminal that wants it, plain letters where there is no UTF-8")
def _():
    check("\x1b" not in record("show", data=real()), "colour in a pipe")
    _, seen = record("show", data=real(), terminal=True)
    check("\x1b[" in seen, "no colour on a terminal")
    _, seen = record("show", data=real(), terminal=True, env={"NO_COLOR": "1"})
    check("\x1b" not in seen, "NO_COLOR is not honoured")
    out = record("show", data=real(), env={"LANG": "C"})
    check(out.isascii() and "=" in out and "#" in out and "x" in out, "not ASCII, or nothing drawn")


@case("L-04", "record show: nothing that a record says reaches the terminal as an instruction")
def _():
    for options in (("show",), ("show", "--events")):
        for env in ({}, {"LANG": "C"}):
            out = record(*options, data=hostile(), env=env)
            check("\x1b" not in out and "\u202e" not in out, f"{options}: raw bytes came through")
            check(all(c == "\n" or c.isprintable() for c in out), f"{options}: not printable")


@case("", "record show --events has a line for each event and --json is the record itself")
def _():
    events = record("show", "--events", data=real()).splitlines()
    lines = real().decode().splitlines()
    equal(len(events), len(lines), "number of lines")
    check(events[0].split()[0] == "1" and "run.start" in events[0], events[0])
    got = record("show", "--json", data=real()).splitlines()
    equal([json.loads(g) for g in got], [json.loads(line) for line in lines], "events")
    record("verify", "--json", data=real(), rc=2)
    record("report", "--events", data=real(), rc=2)


@case("", "a record that was changed is refused, a torn one is drawn and refused, one that did not end says so")
def _():
    lines = real().splitlines(keepends=True)
    for verb in ("show", "report"):
        changed = real().replace(b"allowed.test", b"changed.test", 1)
        record(verb, data=changed, rc=4)
        check("torn" in record(verb, data=real() + b'{"seq":', rc=4), f"{verb}: the torn line is not said")
        check("did not end" in record(verb, data=b"".join(lines[:-1])), f"{verb}: the missing end is not said")
    record("show", "--events", data=real() + b'{"seq":', rc=4)


# --- the page ---------------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page; fails on what is not closed."""
    VOID = {"meta", "br", "line", "rect", "circle", "path", "img", "link", "hr", "input"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.open, self.words, self.headings = [], [], [], "", []
        self.feed(text)
        self.close()
        equal(self.open, [], "tags that are not closed")

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v or "") for k, v in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v or "") for k, v in attrs]

    def handle_endtag(self, tag):
        equal(self.open.pop() if self.open else None, tag, "the tag that is closed")

    def handle_data(self, data):
        if "style" not in self.open:
            self.words += data + " "
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


def sound(text):
    page = Page(text)
    allowed = set("html head meta title style body header main footer section p b h1 h2 span dl dt dd ul li div svg g rect line text circle path table "
                  "thead tbody tr th td small code".split())
    check(set(page.tags) <= allowed, f"unexpected tags: {set(page.tags) - allowed}")
    for tag, name, value in page.attributes:
        check(not name.startswith("on") and name not in ("src", "href", "style", "action", "srcset", "xlink:href", "data"), f"<{tag} {name}={value!r}>")
    policy = next(v for t, k, v in page.attributes if t == "meta" and k == "content" and "default-src" in v)
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    equal(policy, f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'", "what the page may load")
    check("url(" not in style and "@import" not in style and "http" not in style, "the style sheet loads something")
    return page


@case("", "record report: one page that stands alone, with headings, every step, every destination and every refusal")
def _():
    page = sound(record("report", data=real()))
    for heading in ("Timeline", "Refused", "Reached", "Steps"):
        check(heading in page.headings, f"no heading {heading}: {page.headings}")
    for text in ("refused.test", "45.10.20.66:9999", "allowed.test:80", "deps", "compile", "succeeded", "not in the allowlist"):
        check(text in page.words, f"{text} is missing")
    check(any(k == "aria-label" and "gate open" in v for _, k, v in page.attributes), "the bars have no description")
    equal([v for t, k, v in page.attributes if t == "html" and k == "lang"], ["en"], "language")


@case("L-04", "record report: every text of a hostile record is text, in elements and in attributes")
def _():
    for mode in ("enforce", "observe"):
        text = record("report", data=hostile(mode))
        page = sound(text)
        check("<script" not in text and "<img" not in text and text.count("</style>") == 1, "markup came through")
        check("\x1b" not in text and "\u202e" not in text, "raw bytes came through")
        check(page.words.count("document.title") > 20, "the texts are not shown at all")
        check(("Observed, not enforced" in page.words) == (mode == "observe"), "the mode is not said")


@case("", "record report: a record with nothing in it, and one of a thousand refusals, are pages too")
def _():
    page = sound(record("report", data=chained([{"event": "run.start", "version": "1"}, {"event": "run.end", "status": "succeeded"}])))
    check("Nothing was refused" in page.words, page.words)
    events = [{"event": "run.start"}, {"event": "step.start", "step": "s", "phase": "build", "name": "s", "index": 1}]
    events += [{"event": "dns.deny", "step": "s", "phase": "build", "host": f"n{i}.test", "port": 53, "why": "not in the allowlist", "count": 1, "at": i * 10 ** 6}
               for i in range(1000)]
    page = sound(record("report", data=chained(events)))
    check("n0.test" in page.words and "n999.test" in page.words, "refusals are missing")
    check("n999.test" in record("show", data=chained([dict(e) for e in [{"event": "run.start"}]] + [
        {"event": "step.start", "step": "s", "phase": "build", "name": "s", "index": 1},
        {"event": "dns.deny", "step": "s", "phase": "build", "host": "n999.test", "port": 53, "why": "no", "count": 1}])), "not shown")


# --- in a browser -----------------------------------------------------------------------------------------------------


def browser(page, *options, width=1200, height=900, scripts=True):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        raise Skip("no chromium on this machine: apt-get install chromium")
    where = tempfile.mkdtemp(prefix="dd-browser-")
    try:
        with open(os.path.join(where, "page.html"), "w", encoding="utf-8") as file:
            file.write(page)
        os.makedirs(os.path.join(where, "profile", "Default"))
        with open(os.path.join(where, "profile", "Default", "Preferences"), "w", encoding="ascii") as file:
            json.dump({"profile": {"default_content_setting_values": {"javascript": 1 if scripts else 2}}}, file)
        done = subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=3000", f"--user-data-dir={where}/profile", f"--window-size={width},{height}",
             *[o.replace("@", where) for o in options], f"file://{where}/page.html"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, timeout=90, env={"PATH": "/usr/bin:/bin", "HOME": where})
        equal(done.returncode, 0, "exit status of the browser: " + done.stderr.decode("utf-8", "replace")[-500:])
        shot = None
        if os.path.exists(os.path.join(where, "shot.png")):
            with open(os.path.join(where, "shot.png"), "rb") as file:
                shot = file.read()
        return done.stdout.decode("utf-8", "replace"), shot, done.stderr.decode("utf-8", "replace")
    finally:
        shutil.rmtree(where, ignore_errors=True)


def in_attribute(page):
    return page.replace("&", "&amp;").replace('"', "&quot;")


def first_pixel(png):
    """Red, green, blue of the upper left corner: the first row's first pixel needs no filter to be undone."""
    check(png and png.startswith(b"\x89PNG"), "no picture")
    data, at = b"", 8
    while at < len(png):
        size = int.from_bytes(png[at:at + 4], "big")
        if png[at + 4:at + 8] == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += 12 + size
    return tuple(zlib.decompress(data)[1:4])


@case("L-04", "in a browser: a hostile record runs nothing, loads nothing, and its title stays what it was")
def _():
    dom, _, noise = browser(record("report", data=hostile()), "--dump-dom")
    check("document.title" in dom, "the page is not shown")
    check("<script" not in dom and "<img" not in dom, "markup came through")
    title = re.search(r"<title>(.*?)</title>", dom, re.S).group(1)
    check("owned" != title.strip() and title.startswith("Job "), f"the title was changed: {title[:80]}")
    check("Refused to" not in noise, f"the page's policy stopped something: {noise[-400:]}")


@case("", "in a browser: light and dark follow the reader, and scripts switched off change nothing")
def _():
    page = record("report", data=real())
    _, light, _ = browser(page, "--screenshot=@/shot.png", "--blink-settings=preferredColorScheme=1")
    _, dark, _ = browser(page, "--screenshot=@/shot.png", "--blink-settings=preferredColorScheme=0")
    check(min(first_pixel(light)) > 230, f"the light page is not light: {first_pixel(light)}")
    check(max(first_pixel(dark)) < 40, f"the dark page is not dark: {first_pixel(dark)}")
    _, off, _ = browser(page, "--screenshot=@/shot.png", "--blink-settings=preferredColorScheme=1", scripts=False)
    check(off == light, "without scripts the page looks different")
    painter = "<body style='background:#fff'><script>document.body.style.background='#f00'</script>"
    equal([first_pixel(browser(painter, "--screenshot=@/shot.png", scripts=on)[1])[1] for on in (True, False)], [0, 255], "are scripts off at all?")


@case("", "in a browser: nothing sticks out of a narrow window")
def _():
    page = record("report", data=real())
    # The page itself has no script; the frame that measures it is ours.
    ruler = "<script>onload=()=>{const d=document.querySelector('iframe').contentDocument.documentElement;document.title=d.scrollWidth+' '+d.clientWidth}</script>"
    frame = '<iframe style="width:%dpx;height:900px;border:0" srcdoc="%s"></iframe>'
    for width in (320, 400, 900):
        dom, _, _ = browser(frame % (width, in_attribute(page)) + ruler, "--dump-dom")
        inside, window = map(int, re.search(r"<title>(\d+) (\d+)</title>", dom).groups())
        equal((window, inside), (width, width), f"width of the page in {width} pixels")


if __name__ == "__main__":
    main(setup)
