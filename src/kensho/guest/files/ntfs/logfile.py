"""Whether NTFS's log holds changes that the volume does not have yet: its restart pages tell.

Windows marks a volume as dirty when it found damage, not while it is mounted: what a machine that was
switched off, or a snapshot of one that ran, has left open is told by the log alone. Windows 8 and later
write version 2 of it, which goes back to 1.1 when the volume is dismounted for good, so that 2 says that
Windows means to go on (Fast Startup). Spec:
flatcap.github.io/linux-ntfs, "$LogFile"; the fields are those of Linux' fs/ntfs/logfile.h.
"""

from __future__ import annotations

import struct

from kensho.guest.files.ntfs import record as r
from kensho.guest.files.ntfs.volume import File, Volume
from kensho.model.errors import CorruptError

_EMPTY = b"\xff" * 4
_MAGICS = (b"RSTR", b"CHKD")
_SMALLEST, _LARGEST = 512, 65536  #: bytes of a page
_AREA = struct.Struct("<Q2xHHH")  #: last number, lists of free clients and of those in use, flags
_NO_CLIENT, _CLEAN = 0xFFFF, 0x0002
_VERSION = 1


def log_is_open(volume: Volume, file: File) -> bool:
    """Tell whether the log, ``$LogFile`` of the volume, has changes that are not carried out yet.

    True, too, for a log that makes no sense; an empty one was closed. CorruptError where it cannot be
    read.
    """
    log = file.find(r.DATA)
    if log is None or log.size < 2 * _SMALLEST:
        return False
    if volume.span(log, 0, 4) == _EMPTY:
        return False
    areas: list[tuple[int, bool]] = []
    place = 0
    while place + _SMALLEST <= min(log.size, 2 * _LARGEST) and len(areas) < 2:
        area = _area(volume, log, place)
        if area is not None:
            areas.append(area)
        place = max(_SMALLEST, 2 * place)  # the second page follows on the first, however large
    if not areas:
        return True
    return max(areas)[1]


def _area(volume: Volume, log: r.Attribute, place: int) -> tuple[int, bool] | None:
    """Return the last number and whether the log is open, by the restart page at a place of it.

    None where there is no whole one.
    """
    head = volume.span(log, place, 30)
    size, _, offset, _, version = struct.unpack_from("<IIHHH", head, 16)
    if head[:4] not in _MAGICS or not _SMALLEST <= size <= _LARGEST or place + size > log.size:
        return None
    if offset + _AREA.size > size:
        return None
    try:
        page = r.fixed(volume.span(log, place, size), head[:4], volume.view.name, place)
    except CorruptError:
        return None  # written by half: the other one counts
    number, _, in_use, flags = _AREA.unpack_from(page, offset)
    return number, version != _VERSION or (in_use != _NO_CLIENT and not flags & _CLEAN)
