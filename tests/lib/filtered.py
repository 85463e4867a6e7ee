#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""filtered.py - runs a command under a system call filter, as a container or a unit would put one around drydock.

usage: filtered.py ANSWER CALL[,CALL...] COMMAND...      ANSWER: KILL or an errno's name; everything else is allowed
Root keeps its capabilities and its setuid programs; an ordinary user needs no_new_privs for a filter, and gets it."""
import ctypes
import errno
import os
import struct
import sys

NUMBERS = {  # x86-64, from the kernel's table; numbers never change
    "mlock": 149, "mount": 165, "umount2": 166, "kexec_load": 246, "unshare": 272, "pidfd_send_signal": 424, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "pidfd_open": 434, "clone3": 435, "close_range": 436, "openat2": 437, "mount_setattr": 442,
    "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446, "sethostname": 170, "pivot_root": 155,
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7fff0000, 0x00050000, 0x80000000


def program(answer, calls):
    verdict = KILL_PROCESS if answer == "KILL" else ERRNO | getattr(errno, answer)
    code = [(LOAD, 0, 0, 0)]
    for left, call in enumerate(reversed(calls)):
        code.insert(1, (JUMP_EQUAL, left + 1, 0, NUMBERS[call]))
    code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, verdict)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code), len(code)


def main():
    answer, calls, command = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    code, n = program(answer, calls)
    text = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", n, ctypes.addressof(text)))
    if os.geteuid() != 0:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, FILTER, head, 0, 0) != 0:
        sys.exit("filtered.py: " + os.strerror(ctypes.get_errno()))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
