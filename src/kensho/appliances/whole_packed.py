"""Whole packages in one compressed file: oVirt packs OVA with gzip, Proxmox VE its backups.

gzip is read in place; zstd and LZO can only be read from the front, so they are unpacked to a
temporary file once more than the beginning is wanted.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from kensho.appliances.origin import Origin
from kensho.appliances.packed import unpack_limit
from kensho.appliances.sniff import is_tar, is_vma, is_xml
from kensho.appliances.store import Store
from kensho.model.errors import CorruptError, TruncatedError
from kensho.storage import ByteSource, MemorySource, gzip, lzop, unzstd
from kensho.storage.gzip import GzipSource
from kensho.storage.spooled import SpooledSource, Unpack

_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Packing:
    """A compression: its marks, its suffixes, what the first bytes are, and how all is opened.

    ``head`` raises FormatError kinds when they cannot be unpacked.
    """

    magics: tuple[bytes, ...]
    suffixes: frozenset[str]
    head: Callable[[ByteSource], bytes]
    open: Callable[[ByteSource], ByteSource]


def _gzip_head(source: ByteSource) -> bytes:
    left = source.read_at(0, min(_HEAD, source.size))
    made = b""
    while left.startswith(gzip.MAGIC) and len(made) < _HEAD:  # a member may be empty, or small
        member = zlib.decompressobj(31)
        try:
            made += member.decompress(left, _HEAD - len(made))
        except zlib.error as error:
            raise CorruptError(f"the gzip data are damaged: {error}", path=source.name) from None
        left = member.unused_data
    return made


def _head(begin: Callable[[ByteSource], Unpack], source: ByteSource) -> bytes:
    return begin(source)(_HEAD)[:_HEAD]


def _spooled(begin: Callable[[ByteSource], Unpack], source: ByteSource) -> ByteSource:
    return SpooledSource(source, begin, unpack_limit(source.size, None), source.name)


PACKINGS = (
    Packing(
        (gzip.MAGIC,),
        frozenset({".gz", ".tgz"}),
        _gzip_head,
        lambda packed: GzipSource(packed, unpack_limit(packed.size, None)),
    ),
    Packing(
        unzstd.MAGICS,
        frozenset({".zst", ".tzst"}),
        partial(_head, unzstd.begin_zstd),
        partial(_spooled, unzstd.begin_zstd),
    ),
    Packing(
        (lzop.MAGIC,),
        frozenset({".lzo", ".tzo"}),
        partial(_head, lzop.begin_lzop),
        partial(_spooled, lzop.begin_lzop),
    ),
)


def unpacked(origin: Origin, source: ByteSource) -> tuple[Origin, ByteSource] | None:
    """Return what is in a compressed file, and its first bytes.

    None unless it is compressed and a tar archive, XML or a VMA is in it. CorruptError,
    TruncatedError when it is damaged where it begins, and what the compressions raise.
    """
    start = source.read_at(0, min(16, source.size))
    packing = next((p for p in PACKINGS if start.startswith(p.magics)), None)
    if packing is None:
        return None
    data = packing.head(source)
    if not data:
        raise TruncatedError(
            "nothing can be unpacked of it",
            path=source.name,
            hint="it is empty, or cut off: fetch it again",
        )
    head = MemorySource(data, source.name)
    if not (is_tar(head) or is_xml(head) or is_vma(head)):
        return None
    stem = PurePosixPath(origin.name)
    inner = stem.stem if stem.suffix.lower() in packing.suffixes else origin.name

    def open_inner() -> ByteSource:
        packed = origin.open()
        try:
            return packing.open(packed)
        except BaseException:
            packed.close()
            raise

    def beside() -> Store:
        store = origin.beside()

        def size_of(wanted: str) -> int | None:
            if wanted != inner:
                return store.size_of(wanted)
            with_size = open_inner()
            try:
                return with_size.size
            finally:
                with_size.close()

        return dataclasses.replace(
            store,
            size_of=size_of,
            open=lambda wanted: open_inner() if wanted == inner else store.open(wanted),
        )

    return Origin(origin.path, inner, open_inner, beside), head
