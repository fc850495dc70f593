"""What a guest may write while it is watched, and why its run is ended when it writes more.

What it writes to its disks goes to files that QEMU makes and unlinks at once (`snapshot=on`). The kernel
bounds each of them (RLIMIT_FSIZE), so that a guest which writes without end fills nothing, however fast it
is: the write fails with EFBIG, or SIGXFSZ ends QEMU where it does not block that (setrlimit(2)). Logs and
captures are cut off where enough is known.
"""

from __future__ import annotations

import enum
import resource
import shutil
import signal
from pathlib import Path

#: Bytes from a serial port without a login: at 115200 baud, 12 minutes of them.
MAX_SERIAL = 8 << 20
MAX_CAPTURE = 16 << 20  #: bytes of a network that are kept
_MOST = 16 << 30  #: bytes that a guest may write to one of its disks
_SHARE = 4  #: one part of so many of the room that is free
_RESERVE = 128 << 20  #: bytes that are left free, whatever happens


class Stop(enum.StrEnum):
    """Why a run was ended that might have gone on, or ended by itself through no act of the guest."""

    RESTARTS = "restarts"  #: the guest restarts again and again
    SERIAL = "serial"  #: it writes to its serial port without end
    DISK = "disk"  #: it writes to its disks without end
    ROOM = "room"  #: there is no room for what it writes
    QEMU = "qemu"  #: QEMU ended with an error, or was killed


def most_written(place: Path) -> int:
    """Return the bytes a guest may write to one disk, as overlays in ``place`` take them."""
    return max(_RESERVE, min(_MOST, shutil.disk_usage(place).free // _SHARE))


def bound_files(process: int, size: int) -> None:
    """Have the kernel end a process, by SIGXFSZ, that makes a file larger; it leaves no core."""
    for kind, most in ((resource.RLIMIT_FSIZE, size), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.prlimit(process, kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(process, kind, (allowed, allowed))


def ended_by_bound(code: int) -> bool:
    """Tell whether a process ended because it made a file too large."""
    return code == -signal.SIGXFSZ


def is_short(place: Path) -> bool:
    """Tell whether there is next to no room left in a place."""
    return shutil.disk_usage(place).free < _RESERVE
