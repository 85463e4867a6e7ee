#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""resources_test.py - exhaustion (R): limits hold, the supervisor stays responsive, cleaning up is quick."""
import datetime
import hashlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import FETCH, PUSH, Job, Leftovers, case, check, equal, main, py, run, step  # noqa: E402
from world import ALLOWED, Resolver, Web  # noqa: E402

W = {}


def setup():
    W["dns"] = Resolver()
    W["dns"].say("allowed.test", ALLOWED)
    W["web"] = Web(ALLOWED, "allowed")


@case("R-01 P-10", "a fork bomb hits the limit of its step; another job runs meanwhile")
def _():
    bomb = Job([step("bomb", py('''
        made = 0
        try:
            while made < 5000:
                if os.fork() == 0: time.sleep(60); os._exit(0)
                made += 1
        except OSError as e: mark("stopped", errno.errorcode[e.errno])
        mark("made", made); time.sleep(2)
    '''))], limits={"pids": 128, "time": "20s"})
    other = Job([step("other", "echo @@fine=yes@@")])
    try:
        process = bomb.popen()
        time.sleep(1)
        r = other.run(timeout=20)
        equal(r.mark("fine"), "yes", "the other job", r)
        out = process.communicate(timeout=40)[0].decode()
    finally:
        bomb.close()
        other.close()
    check("@@stopped=EAGAIN@@" in out, "the bomb was not stopped\n" + out[-2000:])
    made = int(out.split("@@made=")[1].split("@@")[0])
    check(made < 140, f"{made} processes with a limit of 128")


@case("R-04", "the deadline ends a step that ignores every signal and whose children do so too")
def _():
    started = time.monotonic()
    r = run([step("stubborn", py('''
        for sig in range(1, 32):
            try: signal.signal(sig, signal.SIG_IGN)
            except (OSError, ValueError): pass
        for i in range(5):
            if os.fork() == 0: os.setsid()
        while True: time.sleep(1)
    '''))], limits={"time": "2s"}, rc=1, timeout=40)
    check(time.monotonic() - started < 20, "the deadline came late", r)
    check(r.events("step.end"), "no step.end", r)


@case("R-04 R-06", "a flood of refusals out of many processes with many descriptors does not keep the supervisor from the deadline")
def _():
    started = time.monotonic()
    r = run([step("flood", py('''
        for i in range(200):
            if os.fork() == 0:
                for fd in range(250): os.open("/dev/null", 0)
                time.sleep(60); os._exit(0)
        mark("up", 1)
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); n = 0
        while True:
            n += 1
            labels = b"".join(bytes([len(l)]) + l for l in (b"x%d" % n, b"evil", b"test"))
            s.sendto(struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack(">HH", 1, 1), ("198.18.0.1", 53)); time.sleep(0.005)
    '''))], limits={"time": "4s"}, rc=1, timeout=60)
    equal(r.mark("up"), "1", "the processes", r)
    check(len(r.events("dns.deny")) > 100, "there was no flood: the test proves nothing", r)
    check(time.monotonic() - started < 25, "the deadline came late", r)


# Two threads take turns with the lock of their process's memory, over a mapping with millions of entries: whoever reads
# /proc/PID/cmdline waits for it. Meanwhile another process asks for two hundred refused names a second, with that memory's owner as the
# holder of the socket, so that the supervisor wants to know who it is.
LOCKED = """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = 6 << 30
    area = libc.mmap(None, size, 1, 0x4022, -1, 0)    # PROT_READ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    libc.madvise(area, size, 15)                      # MADV_NOHUGEPAGE: an entry for each page
    libc.madvise(area, size, 22)                      # MADV_POPULATE_READ: the page of zeros, so no memory but the entries
    def turn():
        while True:
            libc.mprotect(area, size, 3); libc.mprotect(area, size, 1)
    for i in range(3): threading.Thread(target=turn, daemon=True).start()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mark("ready", 1)
    def names():
        n = 0
        while True:
            n += 1
            label = b"n %d" % n    # no host name: refused in both modes
            try: sock.sendto(struct.pack(">HHHHHH", n & 65535, 256, 1, 0, 0, 0) + bytes([len(label)]) + label + b"\\4evil\\4test\\0\\0\\1\\0\\1", ("198.18.0.1", 53))
            except OSError: pass
            time.sleep(0.005)
"""


@case("R-12", "a process that holds its own kernel locks keeps the supervisor neither from its clock nor from output, enforcing or observing")
def _():
    for options in ((), ("--observe",)):
        r = run([step("probe", py(LOCKED + "    names()"))], options=options, limits={"time": "5s"}, rc=1, timeout=100)
        check("ready" in r.marks, "the mapping never stood: the test proves nothing", r)
        took = r.events("step.end")[0]["wall_sec"]
        check(took < 11, f"{options}: a limit of 5 s took {took} s", r)     # 5 s, and 5 s of grace
        check(r.events("dns.deny"), "nothing was asked", r)


@case("R-12", "a process that holds its own kernel locks keeps the supervisor from no cancel while system calls are refused")
def _():
    job = Job([step("probe", py(LOCKED + """
    threading.Thread(target=names, daemon=True).start()
    for n in range(100000): libc.syscall(1000 + n % 200); libc.syscall(101, 0, 0, 0, 0)
    time.sleep(60)
    """))], limits={"time": "60s"})
    try:
        process = job.popen("--observe")
        while b"@@ready" not in (line := process.stdout.readline()):
            check(line, "it ended before it began")
        time.sleep(2)
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        check(time.monotonic() - before < 9, f"a cancel took {time.monotonic() - before:.1f} s")
    finally:
        job.close()


@case("R-03", "more files or more bytes on disk than the policy allows end the step, sparse files count what they take")
def _():
    many = 'for i in $(seq 3000); do : >f$i; done; echo @@made=yes@@; sleep 60'
    r = run([step("many", many)], limits={"files": 1000, "time": "40s"}, rc=1, timeout=60)
    check("limits.files = 1000" in r.out and r.took < 20, "the number of files", r)
    r = run([step("big", "for i in 1 2 3 4 5 6; do head -c 10000000 /dev/urandom >big$i; done; sync; echo @@made=yes@@; sleep 60")], limits={"disk": "20MiB", "time": "40s"}, rc=1, timeout=60)
    check("limits.disk = 20.0 MiB" in r.out and r.took < 20, "bytes on disk", r)
    r = run([step("one", "head -c 60000000 /dev/zero >big")], limits={"disk": "20MiB"}, rc=1)
    r = run([step("sparse", "for i in 1 2 3 4 5 6; do truncate -s 10M big$i; done; sleep 2.5; rm big*")], limits={"disk": "20MiB", "time": "40s"}, timeout=60)
    equal(r.rc, 0, "exit status of a step with sparse files", r)


@case("R-05", "descriptors, inotify, pipes, epoll and timers run into a limit, and the supervisor does not notice")
def _():
    r = run([step("hoard", py('''
        import resource
        def hoard(make, most=200000):
            kept = []
            try:
                for i in range(most): kept.append(make())
            except OSError as e: return "%s after some" % errno.errorcode[e.errno]
            return "unlimited"
        libc = ctypes.CDLL(None, use_errno=True)
        def inotify():
            fd = libc.inotify_init1(0)
            if fd < 0: raise OSError(ctypes.get_errno(), "")
        mark("hard", resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        mark("fds", hoard(lambda: os.open("/dev/null", 0)))
        os.closerange(3, 100000); mark("inotify", hoard(inotify))
        os.closerange(3, 100000); mark("pipes", hoard(os.pipe))
    ''')), step("after", "echo @@fine=yes@@")])
    for label in ("fds", "inotify", "pipes"):
        check("unlimited" not in r.mark(label), f"{label}: {r.mark(label)}", r)
    equal(r.mark("fine"), "yes", "the next step", r)


@case("R-07", "half-open connections, endless headers and slow bodies hurt only the step that makes them")
def _():
    egress = {"fetch": {"egress": [{"host": "allowed.test", "port": 80}]}}
    slow = Job([step("slow", py('''
        socks = []; refused = 0
        for i in range(2000):
            try:
                s = socket.create_connection(("allowed.test", 80), 2); s.settimeout(2); s.sendall(b"GET / HTTP/1.1\\r\\nHost: all"); socks.append(s)
            except OSError: refused += 1
        mark("open", len(socks)); mark("refused", refused)
        def huge():
            s = tcp("allowed.test", 80, b"GET / HTTP/1.1\\r\\n")
            for i in range(200): s.sendall(b"X-%d: " % i + b"y" * 1000 + b"\\r\\n")
            s.settimeout(5); return s.recv(10)
        attempt("huge", huge)
        time.sleep(2)
    '''), FETCH)], egress)
    quick = Job([step("quick", py('''
        attempt("get", lambda: exchange("allowed.test", 80, b"GET / HTTP/1.1\\r\\nHost: allowed.test\\r\\n\\r\\n"))
    '''), FETCH)], egress)
    try:
        process = slow.popen()
        time.sleep(1.5)
        r = quick.run(timeout=20)
        out = process.communicate(timeout=60)[0].decode()
    finally:
        slow.close()
        quick.close()
    equal(r.mark("get"), "ok:this is allowed", "the other job's connection", r)
    check("@@huge=ok:b'HTTP" not in out, "an endless header was passed on\n" + out[-1500:])
    check("@@open=" in out, out[-1500:])


DONE = 'echo "@@done=$(date +%s.%N)@@"'
# Runs a command and says how much memory the largest process below it took.
PEAK = ("import resource, subprocess, sys; rc = subprocess.run(sys.argv[1:]).returncode; "
        "print('@@peak=%d@@' % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True); sys.exit(rc)")


def accounted(r):
    """Seconds from the mark `done` of the last step to the end of its accounting."""
    end = r.events("step.end")[-1]["time"]
    return datetime.datetime.fromisoformat(end.replace("Z", "+00:00")).timestamp() - float(r.mark("done"))


@case("R-10", "1,500 names of one file, or of several, cost as much as the file; digests of each name are right")
def _():
    make = "head -c 40000000 /dev/urandom >big; mkdir l; i=0; while [ $i -lt 1500 ]; do ln big l/$i; i=$((i+1)); done; echo other >o; ln o l/o; " + DONE
    job = Job([step("make", make), step("publish", "echo @@same=$(cmp l/7 l/1499 && echo yes)@@", PUSH)], {"push": {"artifacts": ["l/7", "l/1499", "l/o"]}})
    try:
        r = job.run(timeout=60)
        equal(r.rc, 0, "exit status", r)
        equal(r.mark("same"), "yes", "two artifacts that were one file", r)
        check(accounted(r) < 2, f"{accounted(r):.1f} s of accounting", r)
        for event in r.events("artifact"):
            with open(os.path.join(job.dir, "out", event["path"]), "rb") as file:
                equal(hashlib.sha256(file.read()).hexdigest(), event["sha256"], "digest of " + event["path"], r)
    finally:
        job.close()


@case("R-10", "nested directories with long names are the step's fault, told, and cost the supervisor little memory")
def _():
    for what, body in (("files", "open('f', 'w').close()"), ("directories alone", "pass"), ("links", "os.symlink('x', 'l')")):
        job = Job([step("nest", py(f'''
            name = "d" * 250
            os.chdir("/work")
            for i in range(3000):
                {body}
                os.mkdir(name); os.chdir(name)
        ''')), step("after", "echo @@after=ran@@")])
        try:
            r = job.run(prefix=[sys.executable, "-c", PEAK], timeout=60)
            equal(r.rc, 1, f"exit status: {what}", r)
            check("cannot be accounted for" in r.out and "4095 bytes" in r.out, f"{what}: the reason is not told", r)
            check("after" not in r.marks, "the next step ran", r)
            equal(r.events("step.end")[0]["outcome"], "over its limit", f"outcome: {what}", r)
            check(int(r.mark("peak")) < 300 << 10, f"{what}: drydock took {int(r.mark('peak')) >> 10} MiB", r)
        finally:
            job.close()


@case("R-10", "a job with 100,000 files ends its accounting within two seconds of its step")
def _():
    r = run([step("many", py('''
        os.chdir("/work")
        for d in range(100):
            os.mkdir("d%d" % d)
            for f in range(1000):
                with open("d%d/file-%d" % (d, f), "w") as file: file.write("content %d" % f)
    ''')), step("look", 'echo >>d1/file-1; ' + DONE)], timeout=120)
    check(accounted(r) < 2, f"{accounted(r):.1f} s of accounting", r)


@case("R-11", "an artifact full of holes stays full of holes: the supervisor writes no more than the step did")
def _():
    make = ("mkdir dist; i=0; while [ $i -lt 80 ]; do truncate -s 60M dist/$i; i=$((i+1)); done; printf begin | dd of=dist/7 conv=notrunc 2>/dev/null; "
            "printf end | dd of=dist/7 bs=1 seek=62914557 conv=notrunc 2>/dev/null")
    look = "echo @@blocks=$(du -sk . | cut -f1)@@ @@size=$(stat -c %s dist/7)@@ @@ends=$(head -c 5 dist/7)$(tail -c 3 dist/7)@@"
    job = Job([step("make", make), step("publish", look, PUSH)], {"push": {"artifacts": ["dist/**"]}}, limits={"disk": "64MiB"})
    try:
        r = job.run(timeout=120)
        equal(r.rc, 0, "exit status", r)
        check(int(r.mark("blocks")) < 1024, f"the push step's copy takes {r.mark('blocks')} KiB", r)
        equal((r.mark("size"), r.mark("ends")), (str(60 << 20), "beginend"), "the artifact", r)
        taken = sum(os.stat(os.path.join(job.dir, "out/dist", str(i))).st_blocks for i in range(80)) * 512
        check(taken < 1 << 20, f"in --out they take {taken} bytes", r)
    finally:
        job.close()


@case("R-11", "more holes than anybody hashes end the job, and are the step's fault")
def _():
    r = run([step("make", "truncate -s 15T hole 2>/dev/null || truncate -s 12G hole"), step("after", "echo @@after=ran@@")], rc=1, timeout=60)
    check("after" not in r.marks and "cannot be accounted for" in r.out, "the reason is not told", r)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def wait_for(happened, process, within=60):
    deadline = time.monotonic() + within
    while not happened():
        check(time.monotonic() < deadline and process.poll() is None, "it never came to that")
        time.sleep(0.005)


@case("X-13", "after a cancel nothing starts and nothing is granted, while a tree is hashed or copied")
def _():
    make = "mkdir dist; i=0; while [ $i -lt 20000 ]; do echo $i >dist/$i; i=$((i+1)); done; truncate -s 2G dist/hole; echo @@made=1@@"
    for phase, event in (("hashing", b"gate.close"), ("copying", b"artifact")):
        job = Job([step("make", make), step("publish", "echo @@published=$TOKEN@@", PUSH)], {"push": {"artifacts": ["dist/**"]}},
                  credentials={"t": {"from": {"env": "DD_T"}, "for": {"phase": "push", "steps": ["publish"]}, "as": {"env": "TOKEN"}}})
        try:
            process = job.popen(env={"DD_T": "a-token-of-some-length"})
            wait_for(lambda: b'"event":"%s"' % event in read(job.dir + "/record.jsonl"), process)
            process.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            out = process.communicate(timeout=60)[0].decode()
            took = time.monotonic() - asked
            record = read(job.dir + "/record.jsonl")
        finally:
            job.close()
        equal(process.returncode, 130, f"exit status while {phase}\n{out[-1500:]}")
        check("@@published" not in out, f"the push step ran\n{out[-1500:]}")
        check(b"cred.grant" not in record, "a credential was granted after the cancel")
        check(took < 3, f"{phase}: {took:.1f} s from the cancel to the end\n{out[-1500:]}")


@case("R-11", "space without a name counts against limits.disk: unlinked files, files that never had one, memory files, and shared memory")
def _():
    for what, make in (("unlinked", "f = open('/work/x', 'wb'); os.unlink('/work/x')"), ("never named", "f = os.fdopen(os.open('/work', os.O_TMPFILE | os.O_RDWR, 0o600), 'wb')"),
                       ("memfd", "f = os.fdopen(os.memfd_create('x'), 'wb')"), ("tmpfs", "f = open('/tmp/x', 'wb')"), ("unlinked in tmpfs", "f = open('/dev/shm/x', 'wb'); os.unlink('/dev/shm/x')")):
        r = run([step("hold", py(f'''
            ctypes.CDLL(None).prctl(4, 0)   # not dumpable: that hides nothing
            {make}
            chunk = os.urandom(1 << 20)
            for i in range(18): f.write(chunk)
            held = [f]
            for i in range(3):
                f = open("/work/y", "wb"); os.unlink("/work/y")
                for k in range(4): f.write(chunk)
                held.append(f)
            for f in held: f.flush()
            mark("held", 1)
            time.sleep(40)
        '''))], limits={"disk": "20MiB", "time": "30s"}, rc=1, timeout=60)
        equal(r.mark("held"), "1", what, r)
        check("limits.disk = 20.0 MiB" in r.out and r.took < 20, f"{what}: it was not ended for it", r)
    r = run([step("little", py('''
        ctypes.CDLL(None).prctl(4, 0)
        f = open("/work/x", "wb"); os.unlink("/work/x"); f.write(os.urandom(4 << 20)); f.flush()
        for i in range(200): os.dup(f.fileno())     # one file, however often it is open
        if os.fork() == 0: time.sleep(4); os._exit(0)
        time.sleep(3); mark("fine", 1)
    '''))], limits={"disk": "20MiB", "time": "30s"}, timeout=60)
    equal(r.mark("fine"), "1", "a file that is open 400 times", r)


@case("R-09", "cleaning up after a deep tree, many files and many processes takes less than five seconds")
def _():
    left = Leftovers("dd-r09-%d" % os.getpid())
    r = run([step("mess", py('''
        os.chdir("/work")
        for i in range(2000):
            os.mkdir("d"); os.chdir("d")
        os.chdir("/work"); os.mkdir("many"); os.mkdir("many/\\x1b[31m\\nname")
        for i in range(20000): os.close(os.open("many/%d" % i, os.O_CREAT | os.O_WRONLY))
        for i in range(60):
            if os.fork() == 0: os.setsid(); time.sleep(60); os._exit(0)
        mark("done", time.clock_gettime(time.CLOCK_REALTIME))
    '''))], timeout=60, rc=None)
    took = time.time() - float(r.mark("done"))
    check(took < 5 + 3, f"{took:.1f} s from the end of the step to the end of the run", r)
    left.check(run=r)


@case("C7 R-03", "a step that comes to the end of /dev/shm, of a file's size, or of its threads hears which limit that was and the line that raises it")
def _():
    for what, script, limits, word in (
            ("/dev/shm", "head -c 3M /dev/zero >/dev/shm/x", {"shm": "2MiB"}, "ends at 2.0 MiB (limits: { shm: SIZE } in policy.yml)"),
            ("a file", "head -c 9M /dev/zero >/tmp/x", {"disk": "8MiB"}, "limits.disk, which is 8.0 MiB: raise it in policy.yml"),
            ("threads of python", py("""
threads = [threading.Thread(target=time.sleep, args=(1,)) for i in range(200)]
for t in threads: t.start()
"""), {"pids": 100}, "limits: { pids: 200 } in policy.yml"),
            ("processes of sh", "i=0; while [ $i -lt 150 ]; do sleep 2 & i=$((i+1)); done", {"pids": 100}, "limits: { pids: 200 } in policy.yml")):
        r = run([step("end", script)], limits=limits, rc=1)
        equal(sum(word in line for line in r.out.splitlines()), 1, f"{what}: lines with `{word}`", r)
    r = run([step("fits", "head -c 3M /dev/zero >/dev/shm/x; df -m /dev/shm | tail -1 | awk '{print \"@@size=\" $2 \"@@\"}'")], limits={"shm": "3GiB"})
    equal(r.mark("size"), "3072", "MiB of /dev/shm", r)


if __name__ == "__main__":
    main(setup)
