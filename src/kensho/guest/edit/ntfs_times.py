"""The times that ntfs-3g set while it worked, replaced by one of the volume's own.

So the same edits make the same bytes. NTFS keeps times in records of files and in the indexes of
folders, eight bytes each and aligned; what has a time within those minutes there is one that was set
just now. Spec: flatcap.github.io/linux-ntfs, "FILE record", "INDX record", "Fixup".
"""

from __future__ import annotations

import os
import struct

from kensho.guest.edit.patch import Patch, Patched

_SECTOR = 512
_MAGICS = (b"FILE", b"INDX")
_LARGEST = 65536


def with_time(patch: Patch, time: int, began: int, ended: int) -> Patch:
    """Return the patch with ``time`` in the place of all from ``began`` to ``ended``.

    They are in NTFS's unit, 100 ns since 1601. The patch's image is changed.
    """
    view = Patched(patch)
    image = os.open(patch.image, os.O_WRONLY)
    try:
        for start, length in patch.runs:
            changed = view.read(start, length)
            for at in range(0, length, _SECTOR):
                if changed[at : at + 4] in _MAGICS:
                    _set(view, image, start + at, time, began, ended)
    finally:
        os.close(image)
    return patch


def _set(view: Patched, image: int, place: int, time: int, began: int, ended: int) -> None:
    array, count = struct.unpack("<HH", view.read(place + 4, 4))
    size = (count - 1) * _SECTOR
    if not 0 < size <= min(_LARGEST, view.size - place) or array + 2 * count > _SECTOR - 2:
        return
    raw = bytearray(view.read(place, size))
    number = raw[array : array + 2]
    ends = range(_SECTOR - 2, size, _SECTOR)
    if array % 2 or any(raw[end : end + 2] != number for end in ends):
        return  # no record after all
    for index, end in enumerate(ends, 1):
        raw[end : end + 2] = raw[array + 2 * index : array + 2 * index + 2]
    old = bytes(raw)
    for at in range(0, size, 8):
        if began <= struct.unpack_from("<Q", raw, at)[0] <= ended:
            struct.pack_into("<Q", raw, at, time)
    if bytes(raw) == old:
        return
    for index, end in enumerate(ends, 1):
        raw[array + 2 * index : array + 2 * index + 2] = raw[end : end + 2]
        raw[end : end + 2] = number
    os.pwrite(image, raw, place)
