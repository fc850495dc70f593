"""Is secure boot on? What the variables of a UEFI firmware say, as VirtualBox keeps them.

Source: edk2's authenticated variable store (AuthenticatedVariableFormat.h): a header of 60 bytes,
the name in UTF-16, the value. VirtualBox's NVRAM file has such a store in it, alone or in a tar.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_NVRAM = 16 * 1024 * 1024
#: StartId, State, Reserved, Attributes, MonotonicCount, TimeStamp, PubKeyIndex, NameSize,
#: DataSize, VendorGuid.
_HEADER = struct.Struct("<HBBIQ16sIII16s")
_START, _ADDED = 0x55AA, 0x3F


def secure_boot(data: bytes) -> bool:
    """Tell whether the firmware starts signed programs only: it is on, and there is a platform key."""
    return b"\1" in _values(data, "SecureBootEnable") and any(_values(data, "PK"))


def _values(data: bytes, name: str) -> Iterator[bytes]:
    """Yield the value of each variable of that name that is not deleted."""
    wanted = name.encode("utf-16-le") + b"\0\0"
    place = data.find(wanted)
    while place >= 0:
        if place >= _HEADER.size:
            header = _HEADER.unpack_from(data, place - _HEADER.size)
            start, state, name_size, size = header[0], header[1], header[7], header[8]
            value = place + len(wanted)
            is_variable = (start, state, name_size) == (_START, _ADDED, len(wanted))
            if is_variable and size <= len(data) - value:
                yield data[value : value + size]
        place = data.find(wanted, place + 2)
