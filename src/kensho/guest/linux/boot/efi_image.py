"""What a program for UEFI says of itself: its processor, and where a GRUB looks for its configuration.

Sources: Microsoft's PE format (COFF header, Machine); GNU GRUB's include/grub/kernel.h.
"""

from __future__ import annotations

import struct

#: grub/kernel.h: struct grub_module_info64 and 32 (magic "mimg"), grub_module_header's types.
_MAGIC = b"mimg"
_CONFIG, _PREFIX = 2, 3
_MACHINES = {0x8664: "x64", 0xAA64: "aa64", 0x14C: "ia32"}


def architecture_of(image: bytes) -> str:
    """Return ``x64``, ``aa64`` or ``ia32``; empty for what is no such program."""
    if len(image) < 64 or image[:2] != b"MZ":
        return ""
    (at,) = struct.unpack_from("<I", image, 0x3C)
    if image[at : at + 4] != b"PE\0\0" or len(image) < at + 6:
        return ""
    return _MACHINES.get(struct.unpack_from("<H", image, at + 4)[0], "")


def grub_prefix(image: bytes) -> str | None:
    """Return the folder that a GRUB image looks for its configuration in.

    None when it is no GRUB, or has a script in it that finds the folder.
    """
    at = image.find(_MAGIC)
    while at >= 0:
        for form, header in (("<4xQQ", 8), ("<II", 4)):
            if len(image) < at + 4 + struct.calcsize(form):
                continue
            offset, size = struct.unpack_from(form, image, at + 4)
            if header <= offset < size <= len(image) - at:
                found = _objects(image[at + offset : at + size])
                if _PREFIX in found:
                    word = found[_PREFIX].partition(b"\0")[0]
                    return None if _CONFIG in found else word.decode("utf-8", "replace")
        at = image.find(_MAGIC, at + 1)
    return None


def _objects(data: bytes) -> dict[int, bytes]:
    """Return what is packed into an image, by its type; of modules the last."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, place)
        if size < 8:
            break
        found[kind] = data[place + 8 : place + size]
        place += size
    return found
