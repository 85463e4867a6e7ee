#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""made_test.py - what is made up for a step instead of shown: its /sys and its message queues. Tools read there what they need, and the host is not in it."""
import os
import re
import shutil
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from dd import BUILD_PHASE, FETCH, Skip, case, check, equal, main, py, run, step  # noqa: E402

LO = "address addr_len broadcast carrier flags ifindex iflink mtu operstate tx_queue_len type uevent".split()
CPU = """core_cpus core_cpus_list core_id core_siblings core_siblings_list package_cpus package_cpus_list physical_package_id
         thread_siblings thread_siblings_list""".split()
NODE = "cpulist cpumap distance meminfo".split()


def table(cpus):
    """Every file of a step's /sys, and nothing else is there."""
    system = "/sys/devices/system"
    return sorted([f"/sys/devices/virtual/net/lo/{name}" for name in LO] + [f"{system}/node/node0/{name}" for name in NODE] +
                  [f"{system}/cpu/{name}" for name in ("kernel_max", "offline", "online", "possible", "present")] +
                  [f"{system}/node/{name}" for name in ("has_cpu", "has_memory", "online", "possible")] +
                  [f"{system}/cpu/cpu{cpu}/topology/{name}" for cpu in cpus for name in CPU])


def cpus_of_the_host():
    with open("/proc/stat", encoding="ascii") as stat:
        return [int(m[1]) for m in (re.match(r"cpu(\d+) ", line) for line in stat) if m]


WALK = '''
    for top, dirs, names in os.walk("/sys"):
        for name in names:
            print("@@file:%s=%s@@" % (os.path.join(top, name), open(os.path.join(top, name)).read().replace("\\n", "|")))
        for name in dirs:
            if os.path.islink(os.path.join(top, name)): print("@@link:%s=%s@@" % (os.path.join(top, name), os.readlink(os.path.join(top, name))))
'''


def files_of(r):
    return {name[5:]: value for name, value in r.marks.items() if name.startswith("file:")}


@case("C6 K-08", "the files of /sys are those of a table, in every phase, and say no more than /proc/stat does")
def _():
    cpus = cpus_of_the_host()
    for phase in (BUILD_PHASE, FETCH):
        r = run([step("looks", py(WALK), phase)])
        files = files_of(r)
        equal(sorted(files), table(cpus), f"files below /sys in {phase}", r)
        equal({name[5:]: value for name, value in r.marks.items() if name.startswith("link:")}, {"/sys/class/net/lo": "../../devices/virtual/net/lo"}, "links", r)
        last = max(cpus)
        every = f"0-{last}" if len(cpus) > 1 and len(cpus) == last + 1 else ",".join(map(str, cpus)) if len(cpus) == 1 else None
        if every:
            equal({files[f"/sys/devices/system/cpu/{name}"] for name in ("online", "possible", "present")}, {every + "|"}, "processors", r)
        for cpu in cpus:
            topology = f"/sys/devices/system/cpu/cpu{cpu}/topology/"
            equal([files[topology + name] for name in ("core_id", "physical_package_id", "core_cpus_list", "thread_siblings_list")], [f"{cpu}|", "0|", f"{cpu}|", f"{cpu}|"], topology, r)
            equal(int(files[topology + "core_cpus"].rstrip("|").replace(",", ""), 16), 1 << cpu, topology, r)
            equal(int(files[topology + "package_cpus"].rstrip("|").replace(",", ""), 16), sum(1 << c for c in cpus), topology, r)


@case("C6 K-08", "no kernel file system is behind it: not sysfs, no cgroup tree, no disk, no card, no knob of the host")
def _():
    r = run([step("looks", py('''
        mark("kinds", [line.split()[2] for line in open("/proc/self/mounts") if line.split()[2] in ("sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf")])
        mark("there", [d for d in "block bus dev firmware fs hypervisor kernel module power class/dmi class/block class/tty devices/pci0000:00".split() if os.path.exists("/sys/" + d)])
        mark("options", sorted(line.split()[3].split(",")[:4] for line in open("/proc/self/mounts") if line.split()[1] == "/sys"))
        for what in ("/sys/x", "/sys/devices/system/cpu/online", "/sys/devices/system/cpu/cpu0/online"):
            attempt("write:" + what, lambda: open(what, "w").close())
        attempt("chmod", lambda: os.chmod("/sys/devices/system/cpu/online", 0o666)); attempt("unlink", lambda: os.unlink("/sys/devices/system/cpu/online"))
    '''))])
    equal([r.mark(m) for m in ("kinds", "there", "options")], ["[]", "[]", "[['ro', 'nosuid', 'nodev', 'noexec']]"], "what is mounted", r)
    equal([value for name, value in r.marks.items() if name.startswith(("write:", "chmod", "unlink")) and not name.endswith(".ms")], ["EROFS"] * 5, "changing it", r)


@case("C6", "one step cannot leave anything in /sys for the next one")
def _():
    r = run([step("first", "mkdir /sys/left || touch /sys/left2 || true"), step("second", py('mark("left", [d for d in os.listdir("/sys") if "left" in d])'))])
    equal(r.mark("left"), "[]", "what the first step left", r)


TOOL = {"lscpu-p": "lscpu", "getconf-conf": "getconf"}
READERS = {     # what must work and count the processors
    "lscpu": "lscpu > out && grep -E '^CPU\\(s\\):' out | tr -dc 0-9",
    "lscpu-p": "lscpu -p=CPU,CORE,SOCKET,NODE | grep -vc '^#'",
    "nproc": "nproc --all", "getconf": "getconf _NPROCESSORS_ONLN", "getconf-conf": "getconf _NPROCESSORS_CONF",
    "python3": "python3 -c 'import multiprocessing, os; assert os.cpu_count() == multiprocessing.cpu_count(); print(os.cpu_count())'",
    "node": "node -e 'console.log(require(\"os\").cpus().length)'",
    "lstopo-no-graphics": "lstopo-no-graphics --of console --only pu | wc -l", "hwloc-calc": "hwloc-calc --number-of core all",
    "java": "printf 'class A { public static void main(String[] a) { System.out.println(Runtime.getRuntime().availableProcessors()); } }' > A.java && java A.java",
}


@case("C6", "lscpu, nproc, hwloc, node, java and python count the processors in a step, and exit 0")
def _():
    here = {name: script for name, script in READERS.items() if (shutil.which(TOOL.get(name, name)) or "").startswith("/usr/")}
    r = run([step("counts", "\n".join(f"mkdir -p /tmp/{name} && cd /tmp/{name} && n=$( {script} ) 2>log && echo \"@@{name}=$n@@\" || cat log" for name, script in here.items()))],
            timeout=120)
    print("#   tried: " + ", ".join(here))
    equal({name: r.marks.get(name) for name in here}, {name: str(len(cpus_of_the_host())) for name in here}, "processors", r)


@case("C6", "lscpu says the same numbers in a step as outside")
def _():
    facts = r"^(CPU\(s\)|On-line CPU\(s\) list|Architecture|Vendor ID|Model name):"
    outside = sorted(" ".join(line.split()) for line in subprocess.run(["lscpu"], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}).stdout.splitlines() if re.match(facts, line))
    r = run([step("lscpu", "LC_ALL=C lscpu | sed 's/^/lscpu: /'")])
    inside = sorted(" ".join(line.split("lscpu: ", 1)[1].split()) for line in r.out.splitlines() if "lscpu: " in line and re.match(facts, line.split("lscpu: ", 1)[1]))
    check(inside, "lscpu said nothing", r)
    equal(inside, outside, "what lscpu says", r)


@case("C6", "psutil counts processors and interfaces")
def _():
    found = subprocess.run(["/usr/bin/python3", "-c", "import psutil; print(psutil.__file__)"], capture_output=True, text=True, check=False)
    if found.returncode or not found.stdout.startswith("/usr/"):
        raise Skip("no psutil in /usr (python3-psutil)")
    r = run([step("psutil", "/usr/bin/python3 -c 'import psutil; print(\"@@cpus=%d %d@@\" % (psutil.cpu_count(), psutil.cpu_count(logical=False))); s = psutil.net_if_stats(); "
                            "print(\"@@lo=%s %s %d@@\" % (sorted(s), s[\"lo\"].isup, s[\"lo\"].mtu))'")])
    n = len(cpus_of_the_host())
    equal([r.mark("cpus"), r.mark("lo")], [f"{n} {n}", "['lo'] True 65536"], "psutil", r)


@case("C6", "asking lo for its speed says what a real lo says: EOPNOTSUPP")
def _():
    r = run([step("ethtool", py('''
        import array, fcntl, struct, errno
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        buf = array.array("B", struct.pack("I", 1) + bytes(60))
        try:
            fcntl.ioctl(s, 0x8946, struct.pack("16sP", b"lo", buf.buffer_info()[0])); mark("says", "ok")
        except OSError as e:
            mark("says", e.errno == errno.EOPNOTSUPP or e)
        mark("interfaces", sorted(os.listdir("/sys/class/net")) == sorted(n for _, n in socket.if_nameindex()))
    '''))])
    equal([r.mark("says"), r.mark("interfaces")], ["True", "True"], "lo", r)


QUEUES = textwrap.dedent('''
    import ctypes, errno, resource
    rt = ctypes.CDLL("librt.so.1", use_errno=True)
    def sure(r):
        if r < 0: raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])
        return r
    class Attr(ctypes.Structure): _fields_ = [(n, ctypes.c_long) for n in ("flags", "maxmsg", "msgsize", "curmsgs", "a", "b", "c", "d")]
    def queue(name, flags=os.O_CREAT | os.O_RDWR, attr=None): return sure(rt.mq_open(name, flags, 0o600, ctypes.byref(attr) if attr else None))
    def echo():
        q = queue(b"/q"); sure(rt.mq_send(q, b"hello", 5, 0)); buf = ctypes.create_string_buffer(8192)
        n = sure(rt.mq_receive(q, buf, 8192, None)); return buf.raw[:n]
''')


def queues(code):
    return py(QUEUES + textwrap.dedent(code))


@case("C6", "message queues work within a step: made, sent, received, listed, removed")
def _():
    r = run([step("mq", queues('''
        attempt("echo", echo); mark("listed", os.listdir("/dev/mqueue"))
        attempt("again", lambda: queue(b"/q", os.O_RDONLY | os.O_NONBLOCK) > 0); attempt("unlink", lambda: sure(rt.mq_unlink(b"/q"))); mark("after", os.listdir("/dev/mqueue"))
        mark("options", sorted(line.split()[3].split(",")[:4] for line in open("/proc/self/mounts") if line.split()[1] == "/dev/mqueue"))
    '''))])
    equal([r.mark(m) for m in ("echo", "listed", "again", "unlink", "after", "options")],
          ["ok:b'hello'", "['q']", "ok:True", "ok:0", "[]", "[['rw', 'nosuid', 'nodev', 'noexec']]"], "message queues", r)


@case("C6", "no other step, and nobody outside, sees a step's queue, and its memory has a bound")
def _():
    before = set(os.listdir("/dev/mqueue")) if os.path.isdir("/dev/mqueue") else set()
    r = run([step("first", queues('attempt("made", echo)')), step("second", queues('''
        mark("seen", os.listdir("/dev/mqueue")); attempt("open", lambda: queue(b"/q", os.O_RDWR))
        mark("limit", resource.getrlimit(resource.RLIMIT_MSGQUEUE) <= (819200, 819200))
        def fill():
            n = 0
            while True:
                try: queue(b"/n%d" % n, attr=Attr(0, 10, 8192)); n += 1
                except OSError as e: return n, str(e)
        n, why = fill(); mark("bytes", n * 10 * 8192 <= 819200); mark("why", why)
    '''))])
    equal([r.mark("made"), r.mark("seen"), r.mark("limit"), r.mark("bytes")], ["ok:b'hello'", "[]", "True", "True"], "queues of two steps", r)
    check("ENOENT" in r.mark("open") and "EMFILE" in r.mark("why"), f"{r.mark('open')}, {r.mark('why')}", r)
    equal(set(os.listdir("/dev/mqueue")) - before if os.path.isdir("/dev/mqueue") else set(), set(), "queues of the host", r)


main()
