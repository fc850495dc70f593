"""The note of where a machine came from, in the machine's ``other_config``.

XAPI keeps that map in its database, so the note is packed: zlib (RFC 1950) in base64.
"""

from __future__ import annotations

import base64
import binascii
import zlib

from kensho.model.appliance import Provenance
from kensho.model.errors import CorruptError, LimitError
from kensho.model.finding import Finding
from kensho.model.origin import MAX_NOTE, dump_origin, try_origin

NOTE = "kensho-origin"  #: its key in other_config


def pack_note(origin: Provenance) -> str:
    """Return the note as one word of ASCII; raises what `dump_origin` does."""
    return base64.b64encode(zlib.compress(dump_origin(origin).encode(), 9)).decode()


def read_note(text: str, path: str) -> tuple[Provenance | None, tuple[Finding, ...]]:
    """Return the note in a value of other_config; a damaged one is a finding."""
    return try_origin(lambda: _unpack(text, path), path=path) if text else (None, ())


def _unpack(text: str, path: str) -> bytes:
    if len(text) > MAX_NOTE:
        raise LimitError(f"a note of {len(text)} characters", path=path, field=NOTE)
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_NOTE)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise CorruptError(f"not a note of kensho: {error}", path=path, field=NOTE) from None
    if not unpacker.eof:
        raise LimitError(f"more than {MAX_NOTE} bytes, or cut", path=path, field=NOTE)
    return data
