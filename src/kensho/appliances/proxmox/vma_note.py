"""The note of where a machine came from, among the configurations of a VMA archive.

A configuration has 65535 bytes at most, so the note is deflated and cut into several; whoever
restores the archive unpacks them beside ``qemu-server.conf`` and looks at that alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import partial

from kensho.appliances.proxmox.vma_structs import MOST_BLOB
from kensho.model.appliance import Provenance
from kensho.model.errors import CorruptError
from kensho.model.finding import Finding
from kensho.model.origin import MAX_NOTE, dump_origin, try_origin

_NAME = "kensho-origin.{}"
_MOST_PARTS = 64


def note_parts(origin: Provenance | None) -> dict[str, bytes]:
    """Return the note as configurations; none when there is none, or no room for it."""
    if origin is None:
        return {}
    data = zlib.compress(dump_origin(origin).encode(), 9)
    parts = [data[at : at + MOST_BLOB] for at in range(0, len(data), MOST_BLOB)]
    if len(parts) > _MOST_PARTS:
        return {}
    return {_NAME.format(number): part for number, part in enumerate(parts)}


def read_note(
    configs: Mapping[str, bytes], path: str
) -> tuple[Provenance | None, tuple[Finding, ...]]:
    """Return the note of an archive, if it has one; a damaged one is a finding."""
    names = [name for n in range(_MOST_PARTS) if (name := _NAME.format(n)) in configs]
    if not names:
        return None, ()
    data = b"".join(configs[name] for name in names)
    return try_origin(partial(_inflated, data, path), path=path)


def _inflated(data: bytes, path: str) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_NOTE + 1)
    except zlib.error as error:
        raise CorruptError(f"damaged: {error}", path=path) from None
