#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""explain_test.py - the lines that `policy explain` gives for a refusal allow exactly that; what it says of paths and calls is what a step finds."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import AS_USER, BUILD_PHASE, DRYDOCK, FETCH, PUSH, Job, case, check, equal, main, policy, py, step  # noqa: E402
from world import ALLOWED, ATTACKER, OTHER, PRIVATE, Resolver, Sink, Web  # noqa: E402


def setup():
    dns = Resolver()
    dns.say("allowed.test", ALLOWED)
    dns.say("other.test", OTHER)
    dns.say("inside.test", PRIVATE[0])
    for i in range(8):
        dns.say(f"n{i}.wild.test", ALLOWED)
    Web(ALLOWED, "allowed")
    Web(OTHER, "other")
    Web(PRIVATE[0], "inside")
    Sink(ALLOWED, 22, banner=b"hello\n")
    Sink(ATTACKER, 9999, banner=b"hello\n")


def explain(where, *options, rc=None):
    done = subprocess.run([*AS_USER, DRYDOCK, "policy", "explain", *options], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=60, stdin=subprocess.DEVNULL)
    out = done.stdout.decode("utf-8", "replace")
    if rc is not None:
        equal(done.returncode, rc, f"exit status of explain {options}: {out}")
    return done.returncode, out


def ask(job, *options, rc=None):
    code, out = explain(job.dir, "workflow.yml", "--policy", "policy.yml", "--json", *options, rc=rc)
    return code, json.loads(out)


def apply(job, answer):
    """Exactly the suggested bytes, from the last place to the first."""
    edits = answer["advice"]["edits"]
    if answer["advice"]["new_policy"]:
        job.write("policy.yml", answer["advice"]["new_policy"])
        return
    check(edits and all("error" not in e for e in edits), f"no edits: {answer}")
    with open(os.path.join(job.dir, "policy.yml"), "rb") as file:
        text = file.read()
    for edit in sorted(edits, key=lambda e: -e["offset"]):
        equal(text[:edit["offset"]].count(b"\n") + 1, edit["line"], "line of the edit")
        text = text[:edit["offset"]] + edit["insert"].encode() + text[edit["offset"] + edit["remove"]:]
    job.write("policy.yml", text)


def block(value, indent=0):
    """YAML in block style, as people write it."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "\n" + "\n".join(f"{pad}{k}:{block(v, indent + 1)}" for k, v in value.items())
    if isinstance(value, list) and value:
        return "\n" + "\n".join(f"{pad}- {block(v, indent + 1).lstrip()}" if isinstance(v, (dict, list)) else f"{pad}- {json.dumps(v)}" for v in value)
    return " " + json.dumps(value)


def heal(steps, phases, refused, healed, expect=1, options=(), still=None, **more):
    """Run, explain the refusals that @refused picks from the record, apply, run again until @healed holds; both in flow and in block style."""
    for style in ("flow", "block"):
        job = Job(steps, phases, **more)
        try:
            if style == "block":
                job.write("policy.yml", block(policy(steps, phases, **more)).lstrip() + "\n")
            for turn in range(expect + 1):
                r = job.run(*options)
                events = [e for e in r.record if refused(e)]
                if healed(r):
                    check(turn > 0, f"{style}: nothing was refused in the first place", r)
                    check(not [e for e in events if not still or still(e)], f"{style}: still refused: {events}", r)
                    break
                check(events and turn < expect, f"{style}: not healed after {turn} turns: {events}", r)
                code, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(events[0]["seq"]), "--policy", "policy.yml", "--json")
                equal(code, 4, out)
                answer = json.loads(out)
                equal((answer["step"], answer["event"]["seq"]), (events[0]["step"], events[0]["seq"]), "what is explained")
                check(answer["advice"]["allows"], f"it does not say what else the line allows: {answer}")
                apply(job, answer)
        finally:
            job.close()


def denied(event, **fields):
    return lambda e: e["event"] == event and all(e.get(k) == v for k, v in fields.items())


def said(name, value):
    return lambda r: r.marks.get(name, "").startswith(value)


GET = 'attempt("got", lambda: exchange("%s", %d, b"GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n"))'


def get(host, port=80):
    return py(GET % (host, port, host))


# --- refusals of a record ---------------------------------------------------------------------------------------------


@case("W-09", "a name that is not on the list: the suggested line lets it through")
def _():
    heal([step("one", get("other.test"), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}},
         lambda e: e["event"] in ("dns.deny", "net.deny") and e["host"] == "other.test", said("got", "ok:this is other"), expect=2)


@case("W-09", "a port that is not on the list: the suggested line has that port")
def _():
    heal([step("one", get("allowed.test"), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}},
         denied("net.deny", port=80), said("got", "ok:this is allowed"))


@case("W-09", "a raw address: a cidr line for exactly that address and port")
def _():
    heal([step("one", py(f'attempt("got", lambda: tcp("{ATTACKER}", 9999).recv(9))'), FETCH)], {"fetch": {"egress": [{"host": "allowed.test"}]}},
         denied("net.deny", port=9999), said("got", "ok:b'hello"))


@case("W-09", "an address inside the network: the line says private, and so does the explanation")
def _():
    heal([step("one", get(PRIVATE[0]), FETCH)], {"fetch": {"egress": [{"host": "allowed.test"}]}},
         denied("net.deny", port=80), said("got", "ok:this is inside"))


@case("N-10", "a name with a private answer: its own entry gets `private: allow`")
def _():
    heal([step("one", get("inside.test"), FETCH)], {"fetch": {"egress": [{"host": "inside.test", "port": 80}]}},
         lambda e: e["event"] == "net.deny" and "private answer" in e["why"], said("got", "ok:this is inside"))


@case("W-09", "a client that speaks neither TLS nor HTTP: its own entry gets `tls: raw`")
def _():
    heal([step("one", py('attempt("got", lambda: tcp("allowed.test", 22, b"SSH-2.0-x\\r\\n").recv(9))'), FETCH)],
         {"fetch": {"egress": [{"host": "allowed.test", "port": 22}]}},
         lambda e: e["event"] == "net.deny" and "neither" in e["why"], said("got", "ok:b'hello"))


@case("N-24", "an upload over its budget: a larger budget, twice what is known of it")
def _():
    head = "POST / HTTP/1.1\\r\\nHost: allowed.test\\r\\nContent-Length: 100000\\r\\n\\r\\n"
    code = f'attempt("got", lambda: exchange("allowed.test", 80, b"{head}" + b"x" * 100000))'
    heal([step("one", py(code), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 80}], "upload": "64KiB"}},
         denied("violation", case="budget"), said("got", "ok:this is allowed"))


@case("W-09", "more names under a wildcard than it may have: a larger cap")
def _():
    code = 'attempt("got", lambda: [socket.gethostbyname("n%d.wild.test" % i) for i in range(4)][0][:6])'
    heal([step("one", py(code), FETCH)], {"fetch": {"egress": [{"host": "*.wild.test", "port": 80}], "wildcard_names": 2}},
         lambda e: e["event"] == "dns.deny" and "wildcard" in e["why"], said("got", "ok:198.18"))


@case("W-09", "more connections than a step may have: a larger limit")
def _():
    code = '''
        def many():
            open_ones = [tcp("allowed.test", 22, b"") for _ in range(3)]
            return [s.recv(9) for s in open_ones][-1]
        attempt("got", many)
    '''
    heal([step("one", py(code), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 22, "tls": "raw"}], "connections": 2}},
         lambda e: e["event"] == "net.deny" and "open connections" in e["why"], said("got", "ok:b'hello"))


@case("W-09", "a step that is build: a rule for it and the entry, and it says that the step gets more than this one host")
def _():
    heal([step("one", get("other.test"), BUILD_PHASE)], {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}},
         lambda e: e["event"] in ("dns.deny", "net.deny"), said("got", "ok:this is other"), expect=3)


@case("W-09", "push has a list of its own")
def _():
    heal([step("one", get("allowed.test"), PUSH)], {"push": {"egress": [{"host": "other.test"}]}},
         lambda e: e["event"] in ("dns.deny", "net.deny"), said("got", "ok:this is allowed"), expect=2)


@case("W-09", "without any policy the answer is a whole policy, and it works")
def _():
    job = Job([step("one", py('web = 2 * 40\n' + GET.replace("%d", "web") % ("other.test", "other.test")))])
    try:
        r = job.run()
        seq = [e["seq"] for e in r.record if e["event"] == "dns.deny"][0]
        os.unlink(os.path.join(job.dir, "policy.yml"))   # now there is none
        code, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(seq), "--json", rc=4)
        answer = json.loads(out)
        check("cannot be read" in answer["note"] and answer["policy"] is None, answer["note"])
        apply(job, answer)
        with open(os.path.join(job.dir, "policy.yml"), encoding="utf-8") as file:
            check(file.read().startswith("version: 1\n"), "no whole policy")
        r = job.run()
        answer["advice"]["new_policy"] = None
        events = [e for e in r.record if e["event"] == "net.deny" or e["event"] == "dns.deny"]
        equal({e["port"] for e in events}, {80}, "443 was a guess and said to be one", r)
        check(any("guess" in a for a in answer["advice"]["allows"]), str(answer["advice"]["allows"]))
        check(code == 4, out)
    finally:
        job.close()


@case("N-14", "what no policy should allow gets no line, but the reason: metadata, UDP, a foreign resolver")
def _():
    code = f'''
        attempt("meta", lambda: tcp("169.254.169.254", 80))
        def udp(port):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", ("{ATTACKER}", port)); time.sleep(0.2)
        attempt("udp", lambda: udp(9999))
        attempt("dns", lambda: udp(53))
    '''
    job = Job([step("one", py(code), FETCH)], {"fetch": {"egress": [{"host": "allowed.test"}]}})
    try:
        r = job.run()
        events = r.events("net.deny")
        check(len(events) >= 3, f"refusals: {events}", r)
        for event in events:
            _, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(event["seq"]), "--json", rc=4)
            answer = json.loads(out)
            equal((answer["advice"]["lines"], answer["advice"]["edits"]), ([], []), f"a line for {event}")
            check(answer["advice"]["instead"], out)
            who = f"{event['process']['exe']}" if event["process"] else None
            check(who is None or who in answer["process"], f"nobody tried: {answer}")
    finally:
        job.close()


@case("", "what is no refusal, or no record, or a changed record, is said and has its exit code")
def _():
    job = Job([step("one", get("allowed.test"), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 80}]}})
    try:
        r = job.run()
        allowed = r.events("net.allow")[0]["seq"]
        for seq in (allowed, 1, 9999):
            _, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(seq), rc=2)
            check("allowed" in out or "no refusal" in out, out)
        for bad in ("0", "x", "-1", "1x", "99999999999999999999999"):
            explain(job.dir, "--record", "record.jsonl", f"--seq={bad}", rc=2)
        explain(job.dir, "--record", "absent.jsonl", "--seq", "1", rc=2)
        explain(job.dir, "--seq", "1", rc=2)
        explain(job.dir, "--record", "record.jsonl", "--seq", "1", "--step", "one", rc=2)
        with open(os.path.join(job.dir, "record.jsonl"), encoding="utf-8") as file:
            lines = file.read()
        job.write("record.jsonl", lines.replace("allowed.test", "changed.test", 1))
        explain(job.dir, "--record", "record.jsonl", "--seq", str(allowed), rc=4)
    finally:
        job.close()


@case("", "a policy that changed since the run is said to have changed")
def _():
    job = Job([step("one", get("other.test"), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 80}]}})
    try:
        seq = str(job.run().events("dns.deny")[0]["seq"])
        _, out = explain(job.dir, "--record", "record.jsonl", "--seq", seq, rc=4)
        check("any more" not in out, out)
        with open(os.path.join(job.dir, "policy.yml"), "a", encoding="utf-8") as file:
            file.write("\n")
        _, out = explain(job.dir, "--record", "record.jsonl", "--seq", seq, rc=4)
        check("any more" in out, out)
    finally:
        job.close()


@case("", "an observed run: what was let through and would be refused is explained the same way, and the line makes it an allowed thing")
def _():
    heal([step("one", get("other.test"), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}},
         lambda e: e["event"] in ("dns.allow", "net.allow") and e.get("would") == "deny",
         lambda r: not any(e.get("would") for e in r.record), expect=3, options=("--observe",))


@case("", "an observed run that could not reach what enforcing would have refused: the line is about the policy, not about the peer")
def _():
    heal([step("one", py(f'attempt("got", lambda: tcp("{ATTACKER}", 9998))'), FETCH)], {"fetch": {"egress": [{"host": "allowed.test", "port": 443}]}},
         lambda e: e["event"] == "net.deny" and e.get("would") == "deny", lambda r: not any(e.get("would") for e in r.record), options=("--observe",),
         still=lambda e: False)


@case("", "a system call that an observed run saw: the line allows it, unless the profile says never")
def _():
    code = 'mark("rc", ctypes.CDLL(None, use_errno=True).syscall(%d, 0, 0, 0, 0, 0, 0))'
    heal([step("one", py(code % 312))], {}, denied("sys.deny", syscall="kcmp"), lambda r: not r.events("sys.deny"), options=("--observe",))
    job = Job([step("one", py(code % 165))])
    try:
        r = job.run("--observe")
        events = r.events("sys.deny", syscall="mount")
        check(events, "mount was not seen", r)
        _, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(events[0]["seq"]), "--json", rc=4)
        answer = json.loads(out)
        equal(answer["advice"]["lines"], [], "a line for mount")
        check("never" in answer["advice"]["instead"] and ".seccomp:" in answer["entry"], out)
    finally:
        job.close()


# --- questions --------------------------------------------------------------------------------------------------------

QUESTIONS = [step("deps", "true", FETCH), step("compile", "true"), step("publish", "true", PUSH)]
PHASES = {"fetch": {"egress": [{"host": "allowed.test", "port": 443, "why": "the mirror"}]}, "push": {"egress": [{"host": "push.test", "port": 443}]}}
TOKEN = {"token": {"from": {"file": "/etc/hostname"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}}


@case("", "a connection, a system call, a credential: verdict, deciding line, exit code")
def _():
    job = Job(QUESTIONS, PHASES, credentials=TOKEN)
    try:
        _, a = ask(job, "--step", "deps", "--connect", "allowed.test:443", rc=0)
        check(a["allow"] and a["entry"].startswith("policy.yml:") and a["why"] == "the mirror", str(a))
        _, a = ask(job, "--step", "compile", "--connect", "allowed.test:443", rc=4)
        equal([c["where"] for c in a["advice"]["lines"]], ["steps", "phases.fetch.egress"], str(a))
        _, a = ask(job, "--step", "3", "--credential", "token", rc=0)
        check("variable TOKEN" in a["why"] and a["entry"].startswith("policy.yml:"), str(a))
        for wrong, name in (("deps", "token"), ("publish", "absent")):
            ask(job, "--step", wrong, "--credential", name, rc=4)
        _, a = ask(job, "--step", "compile", "--syscall", "read", rc=0)
        check(".seccomp:" in a["entry"], str(a))
        _, a = ask(job, "--step", "compile", "--syscall", "ptrace", rc=4)
        check("EPERM" in a["note"] and ".seccomp:" in a["entry"], str(a))
        _, a = ask(job, "--step", "compile", "--syscall", "socket", rc=0)
        equal(a["verdict"], "depends", str(a))
        for wrong in (["--syscall", "nosuchcall"], ["--connect", "allowed.test"], ["--path", "../x"], ["--step", "nobody", "--path", "/"], []):
            explain(job.dir, "workflow.yml", "--policy", "policy.yml", *(["--step", "compile"] if "--step" not in wrong else []), *wrong, rc=2)
        explain(job.dir, "workflow.yml", "--policy", "policy.yml", "--step", "compile", "--path", "/", "--syscall", "read", rc=2)
    finally:
        job.close()


@case("", "a credential for another step of its phase: the suggested line gives it to this one")
def _():
    job = Job([*QUESTIONS, step("second", "true", PUSH)], PHASES, credentials=TOKEN)
    try:
        _, a = ask(job, "--step", "second", "--credential", "token", rc=4)
        apply(job, a)
        ask(job, "--step", "second", "--credential", "token", rc=0)
        ask(job, "--step", "publish", "--credential", "token", rc=0)
    finally:
        job.close()


@case("", "hypothetical connections: the suggested lines turn the verdict, for names, ports, addresses and private addresses")
def _():
    for target in ("other.test:80", "allowed.test:80", f"{ATTACKER}:9999", f"{PRIVATE[0]}:80"):
        for name in ("deps", "compile", "publish"):
            job = Job(QUESTIONS, PHASES)
            try:
                _, a = ask(job, "--step", name, "--connect", target, rc=4)
                apply(job, a)
                ask(job, "--step", name, "--connect", target, rc=0)
            finally:
                job.close()


@case("N-14", "the metadata service gets no line, not even beside an entry that covers it")
def _():
    job = Job(QUESTIONS, {"fetch": {"egress": [{"cidr": "169.254.0.0/16", "port": 80, "private": "allow"}]}})
    try:
        ask(job, "--step", "deps", "--connect", "169.254.1.1:80", rc=0)
        _, a = ask(job, "--step", "deps", "--connect", "169.254.169.254:80", rc=4)
        check("metadata" in a["why"] and "metadata" in a["advice"]["instead"], str(a))
        equal(a["advice"]["lines"], [], "a line for the metadata service")
    finally:
        job.close()


PATHS = """/ /etc /etc/passwd /etc/shadow /etc/hosts /etc/resolv.conf /etc/ssl/certs /etc/ssl/private /etc/sudoers /etc/fstab /root /home /home/runner
/work /work/README /work-temp /opt /opt/hostedtoolcache /usr /usr/bin/env /usr/share /bin/sh /lib /tmp /var/tmp /var /var/lib/dpkg /var/log
/dev /dev/null /dev/zero /dev/tty /dev/shm /dev/kvm /dev/sda /dev/mem /dev/ptmx /proc /proc/self /proc/kcore /proc/cmdline /proc/interrupts /proc/pressure /proc/pressure/cpu /proc/bus /proc/bus/pci /proc/cpuinfo /proc/sys/kernel/hostname /sys /sys/kernel /sys/class/net/lo /sys/devices/system/cpu/online /sys/block /dev/mqueue
/run /run/drydock /run/drydock/cred /run/systemd /mnt /boot /srv /nosuch /usr/share/doc""".split()


@case("F-02", "what explain says of a path is what a step finds there")
def _():
    probe = '''
        for path in PATHS:
            there = os.path.lexists(path)
            writable, readable = os.access(path, os.W_OK), os.access(path, os.R_OK)
            mark("p" + path, "absent" if not there or not readable else "writable" if writable else "read-only")
    '''
    steps = [step("one", py(f"PATHS = {PATHS!r}\n" + __import__("textwrap").dedent(probe)))]
    job = Job(steps, sandbox={"read": ["/usr/share/doc"]})
    try:
        r = job.run()
        wrong = []
        for path in [p for p in PATHS if not p.startswith("/proc/") or os.path.exists(p)]:   # kernels differ
            _, a = ask(job, "--step", "one", "--path", path)
            verdict = a["verdict"] if a["verdict"] != "deny" else "absent"
            if verdict != r.mark("p" + path):
                wrong.append(f"{path}: explain says {verdict}, the step finds {r.mark('p' + path)}")
        check(not wrong, "\n".join(wrong), r)
    finally:
        job.close()


@case("C9", "explain says whether rename and link reach a place of the job from the others, as the step finds it")
def _():
    from world import _quiet
    _quiet("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/opt")   # of this program's own mount namespace
    os.mkdir("/opt/hostedtoolcache")
    for read, view, place, apart in (([], "pristine", "/work", False), ([], "shared", "/work", True), ([], "shared", "/tmp", False), (["/opt"], "pristine", "/opt/hostedtoolcache", True),
                                     ([], "pristine", "/opt/hostedtoolcache", False), ([], "pristine", "/home/runner", False)):
        rename = f"touch /var/tmp/f; perl -e 'rename \"/var/tmp/f\", \"{place}/f\" or die $!' || true"
        job = Job([step("publish", rename, PUSH)], {"push": {"workspace": view}}, **({"sandbox": {"read": read}} if read else {}))
        try:
            _, a = ask(job, "--step", "publish", "--path", place)
            equal("EXDEV" in (a["note"] or ""), apart, f"{place} with {view}, read {read}: {a['note']}")
            r = job.run()
            equal("Invalid cross-device link" in r.out, apart, f"{place} with {view}, read {read}: rename", r)
        finally:
            job.close()
    _quiet("umount", "/opt")


@case("", "a directory that is not shown: the suggested line shows it; what is the host's own business gets none")
def _():
    where = "/opt/dd-explain-test"
    try:
        os.makedirs(where, exist_ok=True)
    except OSError:
        return
    try:
        job = Job([step("one", f"test -d {where} && echo @@seen=yes@@")])
        try:
            equal(job.run().rc, 1, "shown before it was asked for")
            _, a = ask(job, "--step", "one", "--path", where, rc=4)
            apply(job, a)
            ask(job, "--step", "one", "--path", where, rc=0)
            equal(job.run().rc, 0, "not shown after the line was added")
            _, a = ask(job, "--step", "one", "--path", "/etc/shadow", rc=4)
            equal(a["advice"]["lines"], [], "a line for /etc/shadow")
        finally:
            job.close()
    finally:
        os.rmdir(where)


@case("B5", "a link of the view is followed: out of it the verdict is absent, the line shows what is behind it, and then the step reads it")
def _():
    from world import _quiet
    for place in ("/opt", "/usr/local"):
        _quiet("mount", "-t", "tmpfs", "-o", "mode=755", "none", place)
    try:
        os.makedirs("/opt/dd-kit/data")
        os.makedirs("/usr/local/bin")
        for link, to in (("out", "/opt/dd-kit/data"), ("relative", "../../opt/dd-kit/data"), ("twice", "out"), ("inside", "../bin"),
                         ("round", "round"), ("nowhere", "/opt/nothing"), ("secret", "/etc/shadow"), ("home", "/home")):
            os.symlink(to, "/usr/local/" + link)
        with open("/opt/dd-kit/data/file", "w", encoding="ascii") as file:
            file.write("data")
        names = "out out/file relative twice/file inside round nowhere secret home bin".split()
        job = Job([step("one", py(f"for n in {names!r}:\n    attempt(n, lambda: bool(os.stat('/usr/local/' + n)))"))])
        try:
            found = {n: "read-only" if v.startswith("ok") else "absent" for n, v in job.run().marks.items() if n in names}
            for name in names:
                _, a = ask(job, "--step", "one", "--path", "/usr/local/" + name)
                verdict = "absent" if a["verdict"] == "deny" else a["verdict"]
                equal(verdict, found[name], f"{name}: {a}")
            _, a = ask(job, "--step", "one", "--path", "/usr/local/twice/file", rc=4)
            check("the link /usr/local/out leads to /opt/dd-kit/data/file" in a["why"], str(a))
            _, b = ask(job, "--step", "one", "--path", "/usr/local/secret", rc=4)
            equal(b["advice"]["lines"], [], "a line for a secret")
            apply(job, a)
            ask(job, "--step", "one", "--path", "/usr/local/twice/file", rc=0)
            equal(job.run().mark("twice/file"), "ok:True", "what the line shows")
        finally:
            job.close()
    finally:
        for place in ("/opt", "/usr/local"):
            _quiet("umount", place)


@case("L-04", "what a step chose cannot steer the terminal of whoever reads the explanation")
def _():
    code = r'attempt("got", lambda: ask_dns("e\x1b[31mvil\x07.te\nst", "198.18.0.1"))'
    job = Job([step("one", py(code), FETCH)], {"fetch": {"egress": [{"host": "allowed.test"}]}})
    try:
        r = job.run()
        for event in r.events("dns.deny"):
            _, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(event["seq"]), rc=4)
            check("\x1b" not in out and "\x07" not in out, repr(out))
            _, out = explain(job.dir, "--record", "record.jsonl", "--seq", str(event["seq"]), "--json", rc=4)
            equal(json.loads(out)["advice"]["lines"], [], "a line with a name that is none")
        check(r.events("dns.deny"), "no query arrived", r)
    finally:
        job.close()


if __name__ == "__main__":
    main(setup)
