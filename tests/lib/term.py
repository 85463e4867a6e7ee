# SPDX-License-Identifier: Apache-2.0
"""term.py - a person at a terminal: starts a program with a pseudo terminal as its controlling one, types, and waits for what appears."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time


class Term:
    """A program at a terminal of @rows and @cols. out is all that appeared, as bytes."""

    def __init__(self, argv, rows=24, cols=80, **more):
        self.ours, self.theirs = pty.openpty()
        self.size(rows, cols)
        self.before = termios.tcgetattr(self.theirs)
        self.out, self.seen = b"", 0

        def take():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(argv, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, preexec_fn=take, **more)

    def size(self, rows, cols):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.ours, text if isinstance(text, bytes) else text.encode())

    def _read(self, within):
        if not select.select([self.ours], [], [], max(0, within))[0]:
            return False
        try:
            self.out += os.read(self.ours, 65536)
        except OSError:   # EIO: nobody has the other side
            return False
        return True

    def wait(self, text, within=20):
        """Until @text appears behind what was waited for before."""
        text = text if isinstance(text, bytes) else text.encode()
        deadline = time.monotonic() + within
        while text not in self.out[self.seen:]:
            if not self._read(min(0.2, deadline - time.monotonic())) and (time.monotonic() > deadline or self.process.poll() is not None):
                while self._read(0.1):
                    pass
                if text in self.out[self.seen:]:
                    break
                raise AssertionError(f"{text!r} did not appear:\n" + self.text()[-2500:])
        self.seen += self.out[self.seen:].index(text) + len(text)

    def end(self, within=20):
        """The exit status; all that is left to read is in out."""
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            self._read(0.1)
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError("it did not end:\n" + self.text()[-2500:])
        while self._read(0.1):
            pass
        return self.process.returncode

    def modes(self):
        return termios.tcgetattr(self.theirs)

    def text(self):
        return self.out.decode("utf-8", "replace")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.ours, self.theirs):
            try:
                os.close(fd)
            except OSError:
                pass
