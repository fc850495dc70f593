"""What is to run at the first start of an adapted Windows, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FirstBootScript:
    """A batch script: ``text`` is ASCII, with LF or CRLF; ``name`` is of ``a-z 0-9 -``.

    Scripts run by ``order`` (0 to 9999), then by name. Their values come from `quoting` alone.
    """

    order: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FirstBootFile:
    r"""A file for the scripts, which find it as ``%~dp0..\files\NAME``."""

    name: str
    data: bytes


RETRY = 249  #: exit code: run it again at the next start, five times at most; the others go on
REBOOT = 250  #: exit code: done, and Windows has to start anew before the next script
