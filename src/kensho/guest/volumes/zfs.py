"""What a ZFS label says: which pool a volume belongs to. The pool itself is not read.

Spec: ZFS On-Disk Specification (Sun, 2006) §1.3.3: the first label's name-value pairs in XDR, 16 KiB
after its beginning.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kensho.guest.volumes.view import Readable

_AT, _LENGTH = 16 << 10, 112 << 10
_XDR = 1
_UINT64, _STRING = 8, 9
_MOST_PAIRS = 200


def read_label(view: Readable) -> dict[str, str | int]:
    """Return the label's strings and numbers, such as ``name`` and ``pool_guid``; none when damaged."""
    if view.size < _AT + _LENGTH:
        return {}
    raw = view.read(_AT, _LENGTH)
    if raw[0] != _XDR:
        return {}
    try:
        return dict(_pairs(raw))
    except struct.error:
        return {}


def _pairs(raw: bytes) -> Iterator[tuple[str, str | int]]:
    at = 12
    for _ in range(_MOST_PAIRS):
        size, _, length = struct.unpack_from(">III", raw, at)
        if not size or size % 4 or at + size > len(raw) or length > size:
            return
        name = raw[at + 12 : at + 12 + length].decode("ascii", "replace")
        value = at + 12 + (-(-length // 4) * 4)
        kind, count = struct.unpack_from(">II", raw, value)
        if kind == _UINT64 and count == 1:
            yield name, struct.unpack_from(">Q", raw, value + 8)[0]
        elif kind == _STRING:
            (length,) = struct.unpack_from(">I", raw, value + 8)
            text = raw[value + 12 : min(value + 12 + length, at + size)]
            yield name, "".join(c for c in text.decode("utf-8", "replace") if c.isprintable())
        at += size
