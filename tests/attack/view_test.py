#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""view_test.py - what a step sees of the host's files and of its kernel: enough for the tools that are there, and no more."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import DRYDOCK, Job, Skip, case, check, equal, main, py, run, step  # noqa: E402


def setup():
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/opt"], check=True)     # of this test's mount namespace only
    for i in range(129):
        os.makedirs(f"/opt/many/{i}")
        with open(f"/opt/many/{i}/file", "w", encoding="ascii") as file:
            file.write(str(i))


MANY = [f"/opt/many/{i}" for i in range(129)]


@case("A22", "as many directories as a policy may show are all there, and so are the workspace, the home and the tool directory")
def _():
    for n in (1, 32, 33, 64, 127, 128):
        r = run([step("looks", py(f'''
            mark("seen", all(open("/opt/many/%d/file" % i).read() == str(i) for i in range({n})))
            for name, path in (("work", "/work"), ("home", "/home/runner"), ("temp", "/work-temp"), ("tools", "/opt/hostedtoolcache")):
                attempt(name, lambda: open(path + "/x", "w").close())
            mark("readme", os.path.exists("/work/README"))
        '''))], sandbox={"read": MANY[:n]})
        equal([r.mark(m) for m in ("seen", "readme")], ["True", "True"], f"{n} directories", r)
        check(all(r.mark(m).startswith("ok") for m in ("work", "home", "temp", "tools")), f"{n} directories: {r.marks}", r)


@case("A22 X-14", "one more is an error of the policy, with its place, for check, plan and run alike")
def _():
    job = Job([step("looks", "true")], sandbox={"read": MANY})
    for command in ("run", "plan"):
        r = job.run(command=command)
        equal(r.rc, 2, f"exit status of {command}", r)
        check("`read` has 129 entries, and a step sees at most 128" in r.out and "policy.yml:" in r.out, "what it says", r)
    r = subprocess.run([*job.argv()[:1], "policy", "check", "policy.yml"], cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
    equal(r.returncode, 2, r.stderr)
    job.close()


TOOLS = {      # installed on many hosts, with files outside of /usr
    "mvn": "mvn -version", "fc-match": "fc-match sans", "ghc": "echo 'main = print 1' > a.hs; ghc a.hs && ./a", "groff": "echo .TH A 1 | groff -man -Tascii",
    "xmlto": "printf '<?xml version=\"1.0\"?><!DOCTYPE article PUBLIC \"-//OASIS//DTD DocBook XML V4.5//EN\" "
             "\"http://www.oasis-open.org/docbook/xml/4.5/docbookx.dtd\"><article><title>x</title><para>y</para></article>' > a.xml; xmlto man a.xml",
    "Rscript": "Rscript -e 'print(1)'", "php": "php -m | sort > with; php -n -m | sort > without; test -z \"$(ls /etc/php/*/cli/conf.d 2>/dev/null)\" || ! cmp -s with without",
    "pdflatex": "printf '\\\\documentclass{article}\\\\begin{document}x\\\\end{document}' > a.tex; pdflatex -interaction=batchmode a.tex",
    "fpc": "echo 'begin end.' > a.pas; fpc a.pas", "ldc2": "echo 'void main(){}' > a.d; ldc2 a.d", "nim": "echo 'echo 1' > a.nim; nim c --hints:off a.nim",
    "asciidoc": "printf '= T\n\nx\n' > a.adoc; asciidoc a.adoc", "lynx": "echo '<p>x' > a.html; lynx -dump a.html", "gs": "gs -q -dBATCH -dNODISPLAY -c quit",
    "octave-cli": "octave-cli --eval 'disp(1)'", "racket": "racket -e '(display 1)'", "convert": "convert -size 9x9 xc:red a.png",
    "emacs": "emacs -batch --eval '(message \"%s\" 1)'", "man": "man -w sh", "aspell": "aspell dump dicts",
}


@case("C1 W-12", "each of these tools that this host has works in a step as it does outside")
def _():
    here = {name: script for name, script in TOOLS.items() if (shutil.which(name) or "").startswith("/usr/")}
    if not here:
        raise Skip("this host has none of them")
    with tempfile.TemporaryDirectory() as where:
        works = [name for name, script in here.items()
                 if subprocess.run(["bash", "-c", script], cwd=where, env={"PATH": os.environ["PATH"], "HOME": where, "LANG": "C.UTF-8"},
                                   capture_output=True, timeout=120, stdin=subprocess.DEVNULL, check=False).returncode == 0]
    r = run([step("tools", "\n".join(f"mkdir -p /tmp/{name} && cd /tmp/{name} && ( {here[name]} ) >/tmp/log 2>&1 && echo @@{name}=works@@ || tail -3 /tmp/log"
                                     for name in works))], timeout=180)
    print("#   tried: " + " ".join(works))
    equal(sorted(name for name in works if name not in r.marks), [], "do not work in a step", r)


@case("C1", "a link below /usr that leads to what others may read leads there in a step too, or doctor names the line that shows it")
def _():
    doctor = subprocess.run([DRYDOCK, "doctor", "--json"], capture_output=True, text=True, check=False)
    row = next(f for f in json.loads(doctor.stdout)["features"] if f["name"] == "links")
    outside = subprocess.run(["find", "/usr", "-type", "l", "-xtype", "d,f", "-print0"], capture_output=True, check=False).stdout.split(b"\0")
    r = run([step("finds", "(find /usr -type l -xtype l -print0 || true) > /work-temp/broken 2> /dev/null; tr '\\0' '\\n' < /work-temp/broken | sed 's/^/@@link:/'")], timeout=120)
    broken = {line.split("@@link:", 1)[1] for line in r.out.splitlines() if "@@link:/" in line} & {p.decode() for p in outside if p}
    named = set(re.findall(r"/[^ ,\]]+", row["remedy"])) if not row["present"] else set()
    unnamed = []
    for link in sorted(broken):
        real = os.path.realpath(link)
        others = all(os.stat(p).st_mode & (0o1 if os.path.isdir(p) else 0o4) for p in [real, *(str(x) for x in pathlib.Path(real).parents)])
        if others and not link.startswith("/usr/lib/systemd/") and not link.startswith("/usr/lib/environment.d/") and not real.startswith(("/dev/", "/proc/", "/run/")) \
                and not any(real == n or real.startswith(n + "/") for n in named):
            unnamed.append(f"{link} -> {real}")
    equal(unnamed, [], f"broken in a step, and not in {row}", r)


@case("C1 C-12", "Maven's settings are shown as they are, but not with a password in them; its comments do not count")
def _():
    make = "<settings><!-- <password>x</password> -->%s<mirrors/></settings>\n"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/usr/local"], check=True)
    os.makedirs("/usr/local/etc")
    try:
        for text, shown in ((make % "", True), (make % "<servers><server><password>secret</password></server></servers>", False),
                            (make % "<passphrase>s</passphrase>", False), ("<!-- <settings><password>x", True), (make % "<!-- a --><privateKey>k</privateKey>", False)):
            if not os.path.exists("/etc/maven/settings.xml"):
                raise Skip("this host has no /etc/maven/settings.xml to lay another over")
            with open("/usr/local/etc/settings.xml", "w", encoding="ascii") as file:
                file.write(text)
            subprocess.run(["mount", "--bind", "/usr/local/etc/settings.xml", "/etc/maven/settings.xml"], check=True)
            r = run([step("reads", "test -e /etc/maven/m2.conf && cat /etc/maven/settings.xml > /work/got && echo @@got=yes@@ || echo @@got=no@@")])
            equal(r.mark("got"), "yes" if shown else "no", text, r)
            job = Job([step("reads", "true")])
            said = subprocess.run([DRYDOCK, "policy", "explain", "workflow.yml", "--policy", "policy.yml", "--step", "reads", "--path", "/etc/maven/settings.xml"],
                                  cwd=job.dir, env=job.environ(), capture_output=True, text=True, check=False)
            equal(said.returncode, 0 if shown else 4, said.stdout)
            job.close()
            subprocess.run(["umount", "/etc/maven/settings.xml"], check=True)
    finally:
        subprocess.run("umount /etc/maven/settings.xml 2>/dev/null; umount /usr/local", shell=True, check=False)


TELLS = ("cmdline bootconfig iomem ioports interrupts softirqs kallsyms timer_list sched_debug schedstat keys key-users kcore kmsg modules partitions "
         "diskstats swaps mdstat mtrr buddyinfo zoneinfo latency_stats slabinfo vmallocinfo pagetypeinfo kpagecount kpageflags kpagecgroup").split()


@case("A30 F-02", "what tells about the host's boot, hardware, disks, keys and addresses reads as empty or cannot be opened; its directories are empty")
def _():
    r = run([step("looks", py(f'''
        def read(name):
            try:
                fd = os.open("/proc/" + name, os.O_RDONLY | os.O_NONBLOCK)
                return len(os.read(fd, 4096))
            except OSError as e: return 0
        mark("telling", " ".join(n for n in {TELLS!r} if read(n)) or "none")
        mark("dirs", " ".join(n for n in "bus fs irq acpi scsi asound driver".split() if os.path.isdir("/proc/" + n) and os.listdir("/proc/" + n)) or "none")
        for name in ("cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version", "filesystems", "self/status", "self/maps", "sys/kernel/ostype"):
            mark(name, len(open("/proc/" + name).read(64)) > 3)
    '''))])
    equal((r.mark("telling"), r.mark("dirs")), ("none", "none"), "what tells", r)
    check(all(v == "True" for k, v in r.marks.items() if k not in ("telling", "dirs")), f"what tools need is gone: {r.marks}", r)
    with open("/proc/cmdline", encoding="latin-1") as file:
        check(file.read().strip(), "this host's /proc/cmdline is empty: the test proves nothing")


@case("A30", "nothing below /proc that is not the step's own can be opened for writing: pressure, mtrr, sysctls, triggers")
def _():
    r = run([step("writes", py('''
        own = ("self", "thread-self") + tuple(p for p in os.listdir("/proc") if p.isdigit())
        found = []
        for where, dirs, files in os.walk("/proc"):
            if where == "/proc": dirs[:] = [d for d in dirs if d not in own]
            for name in files:
                path = os.path.join(where, name)
                if os.path.exists("/dev/null") and os.stat(path).st_rdev == os.stat("/dev/null").st_rdev: continue
                try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK)); found.append(path)
                except OSError: pass
        mark("writable", " ".join(found) or "none")
        attempt("watch", lambda: os.write(os.open("/proc/pressure/cpu", os.O_RDWR | os.O_NONBLOCK), b"some 500000 2000000"))
    '''))])
    equal(r.mark("writable"), "none", "writable", r)
    check(not r.mark("watch").startswith("ok"), "a step watches the host's pressure", r)


if __name__ == "__main__":
    main(setup)
