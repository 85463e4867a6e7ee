# SPDX-License-Identifier: Apache-2.0
"""dd.py - runs drydock for the tests: writes a workflow and a policy, starts `drydock run`, reads what it printed and recorded.

A test program registers functions with @case(ids, sentence) and calls main(). Output is TAP. One case runs alone:
tests/attack/network_test.py 'N-01*'. Snippets inside a step speak by printing @@name=value@@ (Run.marks), which survives prefixes.
The whole program runs in a network and a mount namespace of its own (world.py), so that no packet of a test leaves the machine."""
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback

import record_schema

BUILD = os.environ.get("DRYDOCK_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build"))
DRYDOCK = os.path.abspath(os.path.join(BUILD, "drydock"))
ROOT = os.geteuid() == 0 and not os.environ.get("DD_WORLD_USER")
# An ordinary user holds capabilities over the namespaces that enter_world() made; drydock must not.
AS_USER = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"] if os.environ.get("DD_WORLD_USER") else []
FETCH, BUILD_PHASE, PUSH = "fetch", "build", "push"


class Skip(Exception):
    """This machine cannot run the case; the reason is printed."""


# --- cases ------------------------------------------------------------------------------------------------------------

_cases = []
at_end = []   # directories that the whole program shares; main() ends by _exit(), which asks no atexit


def case(ids, sentence):
    def register(function):
        _cases.append((ids, sentence, function))
        return function
    return register


def _run_case(number, ids, sentence, function):
    title = f"{ids} {sentence}" if ids else sentence
    started = time.monotonic()
    try:
        function()
    except Skip as reason:
        print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        return True
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok {number} - {title}")
        text = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
        print(textwrap.indent(text.rstrip(), "#   "), flush=True)
        return False
    print(f"ok {number} - {title} ({time.monotonic() - started:.1f} s)", flush=True)
    return True


def bail_out(sentence):
    """Nothing of this program can be tried here: one sentence, in TAP's words, and the status that says so."""
    print(f"Bail out! {sentence}", flush=True)
    sys.exit(3)


def ask_doctor():
    """Where no sandbox can be built every case would fail in its own words; run-tests has asked for all programs already."""
    if not os.access(DRYDOCK, os.X_OK):
        bail_out(f"{DRYDOCK} is not built: make")
    if "DD_DOCTOR_ASKED" in os.environ:
        return
    done = subprocess.run([DRYDOCK, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        print(textwrap.indent(done.stdout.decode("utf-8", "replace").split("this host\n")[0].rstrip(), "# "))
        bail_out(f"this host cannot enforce a run: {DRYDOCK} doctor ended with {done.returncode}")
    os.environ["DD_DOCTOR_ASKED"] = "1"


def main(setup=None, teardown=None):
    from world import enter_world
    ask_doctor()
    enter_world()
    if setup:
        setup()
    pattern = sys.argv[1] if len(sys.argv) > 1 else "*"
    chosen = [c for c in _cases if fnmatch.fnmatch(c[0], pattern) or fnmatch.fnmatch(c[1], pattern)]
    print(f"1..{len(chosen)}")
    good = all([_run_case(i, *c) for i, c in enumerate(chosen, 1)])
    sys.stdout.flush()
    if teardown:
        teardown()
    for where in at_end:
        shutil.rmtree(where, ignore_errors=True)
    os._exit(0 if good and chosen else 1)   # helper threads of the sinks must not hold the exit


def check(condition, message, run=None):
    if not condition:
        raise AssertionError(message + (f"\n{run.tail()}" if run else ""))


def equal(got, want, what, run=None):
    check(got == want, f"{what}: got {got!r}, expected {want!r}", run)


# --- what runs inside a step ------------------------------------------------------------------------------------------

PRELUDE = '''
import ctypes, errno, os, signal, socket, struct, subprocess, sys, threading, time
def mark(name, value):
    print("@@%s=%s@@" % (name, str(value).replace("\\n", " ")), flush=True)
def attempt(name, function):
    started = time.monotonic()
    try:
        result = "ok:%s" % (function(),)
    except OSError as e:
        result = errno.errorcode.get(e.errno, str(e)) if not isinstance(e, socket.gaierror) else "gai:%s" % e.errno
        if isinstance(e, TimeoutError): result = "TIMEOUT"
    except Exception as e:
        result = type(e).__name__
    mark(name, result)
    mark(name + ".ms", int((time.monotonic() - started) * 1000))
    return result
def tcp(host, port, data=b"x", timeout=5):
    s = socket.create_connection((host, port), timeout)
    s.sendall(data)
    return s
def ask_dns(name, server="198.18.0.1", port=53, kind=1, over_tcp=False, timeout=3, extra=b""):
    labels = b"".join(bytes([len(l)]) + l for l in name.encode("latin-1").split(b".") if l)
    query = struct.pack(">HHHHHH", 0x1234, 0x0100, 1, 0, 0, 1 if extra else 0) + labels + b"\\0" + struct.pack(">HH", kind, 1) + extra
    if over_tcp:
        s = socket.create_connection((server, port), timeout)
        s.sendall(struct.pack(">H", len(query)) + query)
        head = s.recv(2)
        answer = s.recv(struct.unpack(">H", head)[0]) if len(head) == 2 else b""
    else:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(timeout)
        s.sendto(query, (server, port))
        answer = s.recv(4096)
    return "rcode%d" % (answer[3] & 15) if len(answer) > 3 else "empty"
def client_hello(name):
    import ssl
    context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try: tls.do_handshake()
    except ssl.SSLError: pass
    return out.read()
def exchange(host, port, data, timeout=4):
    s = socket.create_connection((host, port), timeout)
    s.settimeout(timeout)
    if isinstance(data, list):
        for part in data: s.sendall(part); time.sleep(0.05)
    else:
        s.sendall(data)
    got = s.recv(4096)
    while got.startswith(b"HTTP/1.1 200") and b"this is" not in got:
        more = s.recv(4096)
        if not more: break
        got += more
    return got.decode("latin-1").split("\\r\\n\\r\\n")[-1].strip() if got else "closed"
'''


def py(code):
    """A step script that runs @code with PRELUDE in the sandbox's python3."""
    return "python3 - <<'DRYDOCK_TEST_END'\n" + PRELUDE + textwrap.dedent(code) + "\nDRYDOCK_TEST_END\n"


def step(ident, run, phase=BUILD_PHASE, **more):
    # A name of its own: the default one shows the script, and a mark in the script would be taken for one that was printed.
    return {"id": ident, "name": ident, "run": run, "_phase": phase, **more}


# --- one run ----------------------------------------------------------------------------------------------------------

class Run:
    """What one `drydock run` left: rc, out (stdout and stderr), record (list of events), took (seconds), dir."""

    def __init__(self, where, rc, out, took):
        self.dir, self.rc, self.out, self.took = where, rc, out, took
        self.marks = dict(re.findall(r"@@([\w.:/-]+)=(.*?)@@", out))
        self.record_path = os.path.join(where, "record.jsonl")
        self.record = []
        if os.path.exists(self.record_path):
            with open(self.record_path, encoding="utf-8") as file:
                self.record = [json.loads(line) for line in file if line.endswith("\n")]
        wrong = record_schema.complaints(self.record)
        check(not wrong, "the record does not fit configs/record.schema.json: " + "; ".join(wrong[:5]), self)

    def events(self, name, **fields):
        return [e for e in self.record if e.get("event") == name and all(e.get(k) == v for k, v in fields.items())]

    def mentions(self, event, text):
        return any(text in json.dumps(e) for e in self.events(event))

    def mark(self, name):
        check(name in self.marks, f"the step never said {name}", self)
        return self.marks[name]

    def tail(self, lines=30):
        return "--- output (rc %s) ---\n%s" % (self.rc, "\n".join(self.out.splitlines()[-lines:]))


def workflow(steps, env=None):
    own = [{k: v for k, v in s.items() if not k.startswith("_")} for s in steps]
    return {"name": "test", "on": "push", "jobs": {"test": {"runs-on": "ubuntu-latest", **({"env": env} if env else {}), "steps": own}}}


def policy(steps, phases=None, **more):
    rules = [{"phase": s["_phase"], "match": {"id": s["id"]}} for s in steps if s["_phase"] != BUILD_PHASE]
    result = {"version": 1, "phases": phases or {}, **more}
    if rules:
        result["steps"] = rules
    return {k: v for k, v in result.items() if v}


class Job:
    """A directory with workflow.yml, policy.yml and src/ (the workspace); start() runs drydock on it."""

    def __init__(self, steps, phases=None, files=None, workflow_env=None, **policy_keys):
        self.dir = tempfile.mkdtemp(prefix="dd-test-")
        os.chmod(self.dir, 0o755)
        self.write("src/README", "a workspace\n")
        for path, content in (files or {}).items():
            self.write("src/" + path, content)
        self.write("workflow.yml", json.dumps(workflow(steps, workflow_env), ensure_ascii=False, indent=1))
        self.write("policy.yml", json.dumps(policy(steps, phases, **policy_keys), ensure_ascii=False, indent=1))

    def write(self, path, content):
        full = os.path.join(self.dir, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return full

    def argv(self, *options, command="run"):
        base = [DRYDOCK, command, "workflow.yml", "--policy", "policy.yml", "--workspace", "src"]
        if command == "run":
            base += ["--out", "out", "--record", "record.jsonl"]
        return base + list(options)

    def environ(self, env=None):
        base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8",
                "XDG_STATE_HOME": os.path.join(self.dir, "state"), "XDG_CACHE_HOME": os.path.join(self.dir, "cache")}
        for name in ("DRYDOCK_CONFIGS", "ASAN_OPTIONS", "TMPDIR", "DRYDOCK_IDENTITY", "DRYDOCK_FAULT"):
            if name in os.environ:
                base[name] = os.environ[name]
        return {**base, **(env or {})}

    def popen(self, *options, env=None, prefix=(), command="run", **more):
        return subprocess.Popen([*AS_USER, *prefix, *self.argv(*options, command=command)], cwd=self.dir, env=self.environ(env),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)

    def run(self, *options, env=None, prefix=(), timeout=60, command="run", **more):
        if os.path.exists(os.path.join(self.dir, "record.jsonl")):
            os.unlink(os.path.join(self.dir, "record.jsonl"))
        started = time.monotonic()
        process = self.popen(*options, env=env, prefix=prefix, command=command, **more)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            raise AssertionError(f"drydock did not end within {timeout} s\n" + out.decode("utf-8", "replace")[-3000:]) from None
        return Run(self.dir, process.returncode, out.decode("utf-8", "replace"), time.monotonic() - started)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def run(steps, phases=None, options=(), env=None, rc=0, timeout=60, files=None, workflow_env=None, prefix=(), **policy_keys):
    """Run a job and throw its directory away. @rc: the expected exit status, or None."""
    job = Job(steps, phases, files, workflow_env, **policy_keys)
    try:
        result = job.run(*options, env=env, timeout=timeout, prefix=prefix)
        if rc is not None:
            equal(result.rc, rc, "exit status", result)
        return result
    finally:
        job.close()


def closed(code, **more):
    """Run python @code in one build step (gate closed)."""
    return run([step("probe", py(code))], **more)


def opened(code, egress, fetch=None, **more):
    """Run python @code in one fetch step that may reach @egress."""
    return run([step("probe", py(code), FETCH)], {"fetch": {"egress": egress, **(fetch or {})}}, **more)


# --- leftovers --------------------------------------------------------------------------------------------------------

def processes():
    """pid -> command line of every process that this one can see."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    found[int(entry)] = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                pass
    return found


def descendants(pid):
    """Every live process below @pid."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                    parents[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        children = [p for p, of in parents.items() if of == parent]
        found += children
        todo += children
    return found


def supervisor_of(keeper):
    """The pid of the supervisor below @keeper; None before it is forked. The keeper's other child is the process that prints."""
    with open(f"/proc/{keeper}/task/{keeper}/children", encoding="ascii") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/comm", encoding="latin-1") as name:
                if name.read().strip() != "drydock-print":
                    return int(pid)
    return None


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(c) for c in file.read().split()]
    except OSError:
        return []


def supervisor_of(keeper):
    """Of the keeper's children the one that has some itself, while a step runs."""
    return next((c for c in children(keeper) if children(c)), None)


def _empty_cgroups():
    found = set()
    for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        for where, names, _ in os.walk(base):
            for name in names:
                try:
                    with open(os.path.join(where, name, "cgroup.events"), encoding="ascii") as file:
                        if name.startswith("drydock-") and "populated 0" in file.read():
                            found.add(os.path.join(where, name))
                except OSError:
                    pass
    return found


def cgroups():
    """Groups of drydock that hold no process and stay all the same: left behind. Runs of other tests come and go beside this one."""
    found = _empty_cgroups()
    for _ in range(30):
        if not found:
            break
        time.sleep(0.1)
        found &= _empty_cgroups()
    return found


class Leftovers:
    """Before and after: processes that carry @marker, mounts, and temporary directories must be the same."""

    def __init__(self, marker, places=("/tmp", "/var/tmp")):
        self.marker, self.places = marker, places
        self.mounts, self.temp = self._mounts(), self._temp()

    @staticmethod
    def _mounts():
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return {line.split(" ", 2)[0] for line in file}

    def _temp(self):
        # Tests that run beside this one make directories "drydock-WORD-XXXXXX", or run drydock as users of their own; drydock itself makes none here.
        return {path for p in self.places if os.path.isdir(p) for path in (os.path.join(p, n) for n in os.listdir(p))
                if os.path.basename(path).startswith("drydock") and not re.fullmatch(r"drydock-[a-z-]+[-.]\w{6}", os.path.basename(path)) and self._is_ours(path)}

    @staticmethod
    def _is_ours(path):
        try:
            return os.lstat(path).st_uid == os.geteuid()
        except FileNotFoundError:
            return False

    def living(self):
        return {p: c for p, c in processes().items() if self.marker in c and p != os.getpid()}

    def check(self, within=5.0, run=None, temp=True):
        deadline = time.monotonic() + within
        while (alive := self.living()) and time.monotonic() < deadline:
            time.sleep(0.05)
        check(not alive, f"still alive: {alive}", run)
        check(not self._mounts() - self.mounts, "mounts were left behind", run)
        if temp:
            check(not self._temp() - self.temp, f"left behind: {self._temp() - self.temp}", run)


def kill_quietly(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
