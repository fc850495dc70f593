"""What a module says of itself: the ``.modinfo`` section of its ELF file.

Source: the kernel's include/linux/moduleinfo.h; ELF-64 and ELF-32 after the System V ABI, chapter 4.
"""

from __future__ import annotations

import struct

from kensho.guest.linux.initramfs.codecs import codec_of, unpack
from kensho.model.errors import CorruptError

_MOST_SECTIONS = 1 << 16


def read_modinfo(data: bytes, path: str) -> tuple[tuple[str, str], ...]:
    """Return the (key, value) pairs of a module, which may be packed with gzip, xz or zstd.

    Keys come again: ``alias``, ``firmware``, ``depends``, ``softdep``. Raises CorruptError when it
    is no ELF file.
    """
    codec = codec_of(memoryview(data))
    if codec:
        data, _ = unpack(memoryview(data), codec, path)
    if data[:4] != b"\x7fELF" or len(data) < 64 or data[4] not in {1, 2} or data[5] not in {1, 2}:
        raise CorruptError("is no kernel module", path=path)
    order = "<" if data[5] == 1 else ">"
    wide = data[4] == 2
    try:
        section = _section(data, order, wide=wide)
    except (struct.error, OverflowError) as error:
        raise CorruptError("the module's sections are damaged", path=path) from error
    pairs = (record.partition(b"=") for record in section.split(b"\0") if record)
    return tuple((_text(key), _text(value)) for key, sep, value in pairs if sep)


def _section(data: bytes, order: str, *, wide: bool) -> bytes:
    """Return the bytes of ``.modinfo``, empty when there is none."""
    if wide:
        (table,) = struct.unpack_from(order + "Q", data, 40)
        step, count, names_at = struct.unpack_from(order + "HHH", data, 58)
        row = struct.Struct(order + "II8x8xQQ")
    else:
        (table,) = struct.unpack_from(order + "I", data, 32)
        step, count, names_at = struct.unpack_from(order + "HHH", data, 46)
        row = struct.Struct(order + "II4x4xII")
    if step < row.size or names_at >= count or count > _MOST_SECTIONS:
        return b""
    rows = [row.unpack_from(data, table + number * step) for number in range(count)]
    _, _, names, names_size = rows[names_at]
    for name_at, _, start, size in rows:
        name = data[names + name_at : names + min(name_at + 16, names_size)]
        if name.split(b"\0", 1)[0] == b".modinfo":
            return data[start : start + size]
    return b""


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
