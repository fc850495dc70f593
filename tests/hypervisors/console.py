"""A guest's serial console with somebody at it: what it says is kept, a shell is asked for the report.

The report is that of `kensho prove` (`kensho.proof.inside`), typed in instead of put on the disk: the
machine stays as kensho wrote it.
"""

from __future__ import annotations

import base64
import gzip
import os
import select
import time
from pathlib import Path

from kensho.proof.inside.read import Inside, read_report
from kensho.proof.watch.serial import LOGIN, SerialWatch
from tests.guests.settings import REPORT_SCRIPT

_MOST = 8 << 20
_LINE = 900  # a terminal's input line ends at 4096 bytes; slow ports lose less of short ones


class ConsoleError(Exception):
    """The guest did not say in time what it should, or its console closed."""


class Console:
    """Reads ``read_fd``, types into ``write_fd``, keeps all of it in ``log``."""

    def __init__(self, read_fd: int, write_fd: int, log: Path) -> None:
        self.watch = SerialWatch()
        self.text = ""
        self._read, self._write = read_fd, write_fd
        self._log = log.open("wb")
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Return the time since the console was opened."""
        return round(time.monotonic() - self._start, 1)

    def wait_login(self, seconds: float) -> None:
        """Read until the guest asks for a user name."""
        end = time.monotonic() + seconds
        while LOGIN not in self.watch.milestones:
            if self.watch.failure:
                raise ConsoleError(self.watch.failure)
            self._take(end, "no login")

    def wait_text(self, words: str, seconds: float, since: int = 0) -> str:
        """Read until ``words`` were said behind position ``since``; return what came from there."""
        end = time.monotonic() + seconds
        while words not in self.text[since:]:
            self._take(end, f"never said {words!r}")
        return self.text[since:]

    def log_in(self, user: str, password: str, seconds: float) -> None:
        """Log in at the prompt, to a shell whose lines are short."""
        at = len(self.text)
        self.type(user)
        self.wait_text("assword:", seconds, at)
        at = len(self.text)
        self.type(password)
        self.wait_text("# ", seconds, at)

    def report(self, seconds: float) -> Inside:
        """Ask root's shell which drivers root and adapters are on."""
        packed = base64.b64encode(gzip.compress(REPORT_SCRIPT.read_bytes(), mtime=0)).decode()
        at = len(self.text)
        for n in range(0, len(packed), _LINE):
            self._shell(f"r=${{r}}{packed[n : n + _LINE]}", seconds)
        # Not to the port itself: agetty's settings and the shell's echo would mix into it.
        self.type("echo $r | base64 -d | gunzip >/run/r; KENSHO_PORT=/run/o sh /run/r; cat /run/o")
        said = self.wait_text("kensho-report end", seconds, at)
        found = read_report(said)
        if found is None:
            raise ConsoleError("the guest's report is not whole")
        return found

    def ask(self, command: str, seconds: float) -> str:
        """Return what a command prints."""
        return self._shell(command, seconds)

    def _shell(self, command: str, seconds: float) -> str:
        at = len(self.text)
        # Marks are typed in two parts, so that the echo of the line is not taken for the answer. A prompt may come
        # behind the echo, so the answer has a mark before it, too.
        self.type(f"echo be''gin-{at}; {command}; echo do''ne-{at}")
        said = self.wait_text(f"done-{at}", seconds, at).partition(f"done-{at}")[0]
        return "\n".join(said.partition(f"begin-{at}")[2].splitlines()[1:])

    def type(self, line: str) -> None:
        """Type a line."""
        data = line.encode() + b"\n"
        while data:
            data = data[os.write(self._write, data) :]

    def drain(self, seconds: float) -> None:
        """Take what comes for a while."""
        end = time.monotonic() + seconds
        try:
            while True:
                self._take(end, "")
        except ConsoleError:
            return

    def close(self) -> None:
        """Close the log; the descriptors are the caller's."""
        self._log.close()

    def _take(self, end: float, why: str) -> None:
        left = end - time.monotonic()
        if left <= 0 or not speaks(self._read, left):
            raise ConsoleError(f"{why} in time; it said: {self.text[-300:]!r}")
        try:
            data = os.read(self._read, 1 << 16)
        except OSError:  # what a terminal says when the other side closed
            data = b""
        if not data:
            raise ConsoleError(f"the console closed: {why}")
        if self._log.tell() < _MOST:
            self._log.write(data)
            self._log.flush()
        self.text = (self.text + data.decode("utf-8", "replace"))[-_MOST:]
        self.watch.feed(data, self.seconds())


def speaks(descriptor: int, seconds: float) -> bool:
    """Tell whether there is something to read in so many seconds, also above select's 1024 descriptors."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))
