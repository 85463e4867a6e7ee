#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ids_test.py - another id is EPERM, the names that every Debian has can be looked up, and lo answers as lo: what fakeroot, package builds and
test suites rely on."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from dd import Skip, case, check, closed, equal, main, run, step  # noqa: E402


@case("C4", "every way to another user or group, of a process or of a file, is EPERM; to one's own, and to none, it works")
def _():
    r = closed('''
        open("f", "w").close(); fd = os.open("f", os.O_RDWR)
        ways = {"setuid": (lambda i: os.setuid(i)), "setgid": (lambda i: os.setgid(i)), "seteuid": (lambda i: os.seteuid(i)), "setegid": (lambda i: os.setegid(i)),
                "setreuid": (lambda i: os.setreuid(-1, i)), "setregid": (lambda i: os.setregid(i, -1)), "setresuid": (lambda i: os.setresuid(i, 1001, 1001)),
                "setresgid": (lambda i: os.setresgid(-1, -1, i)), "chown": (lambda i: os.chown("f", i, -1)), "chgrp": (lambda i: os.chown("f", -1, i)),
                "fchown": (lambda i: os.fchown(fd, i, i)), "lchown": (lambda i: os.lchown("f", i, 1001)), "fchownat": (lambda i: os.chown("f", 1001, i, dir_fd=os.open(".", 0)))}
        for name, way in ways.items():
            for other in (0, 1, 1000, 65534, 123456):
                attempt("%s.%d" % (name, other), lambda: way(other))
            attempt(name + ".own", lambda: way(1001))
        attempt("setgroups", lambda: os.setgroups([0])); attempt("nothing", lambda: os.chown("f", -1, -1))
        mark("ids", (os.getresuid(), os.getresgid()))
    ''')
    ways = sorted({k.split(".")[0] for k in r.marks if "." in k and not k.endswith(".ms")})
    wrong = {k: v for k, v in r.marks.items() if not k.endswith(".ms") and k.split(".")[0] in ways and "." in k
             and v != ("ok:None" if k.endswith(".own") else "EPERM")}
    equal((len(ways), wrong), (13, {}), "answers", r)
    equal([r.mark("setgroups"), r.mark("nothing"), r.mark("ids")], ["EPERM", "ok:None", "((1001, 1001, 1001), (1001, 1001, 1001))"], "the rest", r)


@case("C4", "fakeroot -- chown -R 0:0, tar of what it made, and a package build work")
def _():
    if not shutil.which("fakeroot"):
        raise Skip("there is no fakeroot")
    r = run([step("fakes", "mkdir d && touch d/f && fakeroot -- sh -c 'chown -R 0:0 d && tar cf d.tar d' && tar tvf d.tar | sed 's/.*/@@line=&@@/' | tail -1")])
    check("root/root" in r.mark("line"), "the owner in the archive", r)


@case("C4", "users, tty and daemon are there by name and by number, with Debian's ids, and no account of the host is")
def _():
    r = closed('''
        import pwd, grp
        for name, gid in (("root", 0), ("daemon", 1), ("tty", 5), ("mail", 8), ("www-data", 33), ("users", 100), ("runner", 1001), ("nogroup", 65534)):
            mark("g." + name, (grp.getgrnam(name).gr_gid, grp.getgrgid(gid).gr_name) == (gid, name))
        for name, uid in (("root", 0), ("daemon", 1), ("www-data", 33), ("runner", 1001), ("nobody", 65534)):
            mark("p." + name, (pwd.getpwnam(name).pw_uid, pwd.getpwuid(uid).pw_name) == (uid, name))
        mark("names", " ".join(sorted(p.pw_name for p in pwd.getpwall() if p.pw_uid >= 100)))
        mark("members", sum(len(g.gr_mem) for g in grp.getgrall()))
        mark("groups", os.getgroups() in ([], [1001]))
    ''')
    equal([v for k, v in r.marks.items() if k[:2] in ("g.", "p.")], ["True"] * 13, "names", r)
    equal([r.mark("names"), r.mark("members"), r.mark("groups")], ["nobody runner", "0", "True"], "accounts", r)


@case("C6", "lo has neither speed nor driver, and says so as on any host")
def _():
    r = closed('''
        import fcntl
        attempt("ethtool", lambda: fcntl.ioctl(socket.socket(), 0x8946, struct.pack("16sQ16x", b"lo", 0)))
    ''')
    check(r.mark("ethtool") in ("EOPNOTSUPP", "ENOTSUP"), r.mark("ethtool"), r)      # one number, two names


if __name__ == "__main__":
    main()
