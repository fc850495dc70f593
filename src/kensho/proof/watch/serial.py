"""Understand what a booting guest prints on its serial port."""

from __future__ import annotations

import re

from kensho.proof.inside.read import Reports
from kensho.proof.watch.last_words import FINAL, PANIC

LOGIN = "login"
REPORT = "report"  #: what `kensho.proof.inside` adds to a guest has said all it has to say
#: Told by other signs than text: an address on its network, all probes answered, switched off when asked.
NETWORK, SERVICE, SHUTDOWN = "network", "service", "shutdown"

# In the order in which they are expected; each is noted once.
MILESTONES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("firmware", re.compile(r"SeaBIOS \(version|BdsDxe: (loading|starting)|UEFI firmware")),
    (
        "boot loader",
        re.compile(r"GNU GRUB|GRUB loading|Welcome to GRUB|Booting [`']|[IS]YSLINUX|systemd-boot"),
    ),
    (
        "kernel",
        re.compile(r"Linux version \d|EFI stub: Loaded|---<<BOOT>>---|Decompressing Linux"),
    ),
    (
        "root file system",
        re.compile(
            r"(EXT[234]-fs|XFS|F2FS-fs) \(.{1,80}?\): ([Mm]ounted|Ending clean mount|Mounting V)"
            r"|BTRFS info .{1,80}: (first mount|using crc32c)|Mounted.{0,80}(sysroot|/root)\b"
            r"|Trying to mount root from"
        ),
    ),
    ("user space", re.compile(r"^Welcome to (?!GRUB)\S|Reached target|INIT: version|OpenRC \d")),
    # What is behind it is the kernel's or init's: "Last login: Mon" and "Web login: http" are no prompts.
    (
        LOGIN,
        re.compile(r"^(?:[\w.-]+ (?:console )?)?login:(?: ?$| *\[| {3,}| \S+ \(automatic login\))"),
    ),
)

#: What systemd, SysV's init, OpenRC and kernels say when they end.
_STOPPING = re.compile(
    r"\] Stopp(ed|ing) |Reached target .{0,80}(Shutdown|Power[- ]Off)|Power (key|button) pressed"
    r"|going down for|INIT: Switching to runlevel: [06]|^ ?\* Stopping |reboot: Power down"
)
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[ -/]*[@-~]|[@-Z\\-_]|[()][0-9A-B])|[\x00-\x08\x0e-\x1f]")
_LONGEST_LINE = 4096
_MOST_SEEN = (
    4096  #: lines that are known to say nothing, for guests that say the same again and again
)


def plain(line: str) -> str:
    """Return a line without escape sequences and whatever else is not printed."""
    return "".join(c for c in _ESCAPES.sub("", line) if c.isprintable())


class SerialWatch:
    """Reads a serial port's bytes as they come and notes milestones and a failure.

    ``milestones`` maps names to the seconds at which they were seen. ``failure`` is
    empty while all is well. After ``stops`` was set, ``stopping`` is the line by which the guest says that
    it ends.
    """

    def __init__(self) -> None:
        self.milestones: dict[str, float] = {}
        self.failure = ""
        self._reports = Reports()
        self.stops = False
        self.stopping = ""
        self._rest = ""
        self._begun = ""  # the line that told of the failure, where it had not ended
        self._seen: set[str] = set()

    def restart(self) -> None:
        """Forget that it came up: what it said of that was said by an earlier start."""
        for name in (LOGIN, REPORT):
            self.milestones.pop(name, None)
        self._seen.clear()
        self._reports = Reports()
        self._rest = ""

    def feed(self, data: bytes, at: float) -> tuple[str, ...]:
        """Take bytes that came ``at`` seconds after the start; return what is new."""
        text = self._rest + data.decode("utf-8", "replace")
        *lines, self._rest = re.split(r"[\r\n]+", text)
        self._rest = self._rest[-_LONGEST_LINE:]
        before = set(self.milestones)
        for line in lines:
            if line in self._seen:
                continue
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(line)
            self._look(_ESCAPES.sub("", line[:_LONGEST_LINE]), at, finished=True)
        # A prompt is a line that does not end; any other unfinished line is still being written.
        self._look(_ESCAPES.sub("", self._rest), at, finished=False)
        return tuple(name for name in self.milestones if name not in before)

    def _look(self, line: str, at: float, *, finished: bool) -> None:
        if not finished and not line.rstrip().endswith((":", ">", "#", ")")):
            return
        for name, pattern in MILESTONES:
            if name not in self.milestones and pattern.search(line):
                self.milestones[name] = at
        if finished and self._reports.take(line):
            self.milestones.setdefault(REPORT, at)
        if self.stops and not self.stopping and _STOPPING.search(line):
            self.stopping = plain(line).strip()[:200]
        if self.failure and not (self._begun and line.startswith(self._begun)):
            return
        # Whoever logged in may see anything; a kernel that stops has stopped.
        for meaning, pattern in (PANIC,) if LOGIN in self.milestones else FINAL:
            if pattern.search(line):
                self.failure = f"{meaning}: {plain(line).strip()[:200]}"
                self._begun = "" if finished else line
                return
