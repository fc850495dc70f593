"""What is to run at the first start of an adapted Windows, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FirstBootScript:
    """A batch script: ``text`` is ASCII, with LF or CRLF; ``name`` is of ``a-z 0-9 -``.

    Scripts run by ``order`` (0 to 9999), then by name, each until it exits with something else than
    ``RETRY``. Their values come from `quoting` alone.
    """

    order: int
    name: str
    text: str


RETRY = 249  #: exit code: run this script again at the next start, and no later one before
REBOOT = 250  #: exit code: done, and Windows has to start anew before the next script
