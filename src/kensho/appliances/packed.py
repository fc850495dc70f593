"""Files packed as a whole or split: RFC 1952 and DSP0243 2.1 §7.1 (compression, chunkSize).

Nothing is unpacked to disk. DSP0243: with both, the file was compressed first and split then.
"""

from __future__ import annotations

from kensho.appliances.sniff import is_surely_disk
from kensho.appliances.store import Store, absent, find, open_file
from kensho.model.appliance import File
from kensho.model.errors import LimitError, PackageError, UnsupportedError
from kensho.model.units import GIB, MIB
from kensho.storage import ByteSource
from kensho.storage.gzip import MAGIC, GzipSource
from kensho.storage.joined import JoinedSource

_PLAIN = frozenset({"", "identity", "none"})
_GZIP = frozenset({"gzip", "x-gzip", "gz"})
_MOST_CHUNKS = 10_000
_LOOK_AHEAD = 4  #: numbers after a gap, to tell it from the end
_RATIO = 1032  #: the most that deflate packs: an image of one pattern does, sound as it is


def is_packed(file: File) -> bool:
    """Tell whether the file's bytes have to be unpacked."""
    return file.compression.lower() not in _PLAIN


def open_content(store: Store, file: File, capacity: int | None) -> ByteSource:
    """Open what a file of a package holds: chunks joined, gzip unpacked as it is read.

    ``capacity`` is the size of the disk in it, which bounds what is unpacked. PackageError when
    the file or a chunk is missing, UnsupportedError for another compression, and what `GzipSource`
    raises.
    """
    if file.encryption:
        raise UnsupportedError(
            f"{file.href} is encrypted",
            path=store.path,
            field="EncryptedData",
            hint="decrypt the package first: kensho decrypt",
        )
    if not is_packed(file):
        return _open_stored(store, file)
    if file.compression.lower() not in _GZIP:
        raise UnsupportedError(
            f"{file.href} is compressed with {file.compression!r}",
            path=store.path,
            field="ovf:compression",
            hint="DSP0243 knows gzip only; unpack the file and correct the descriptor",
        )
    source = _open_stored(store, file)
    try:
        if source.read_at(0, min(2, source.size)) != MAGIC and is_surely_disk(source):
            return source  # somebody unpacked it and left the descriptor
        return GzipSource(source, unpack_limit(source.size, capacity))
    except BaseException:
        source.close()
        raise


def unpack_limit(packed: int, capacity: int | None) -> int:
    """Return the most bytes that a packed file may unpack to: its disk's size and room for tables."""
    if capacity is not None:
        return capacity + capacity // 8 + 64 * MIB
    return max(GIB, _RATIO * packed)


def chunk_names(store: Store, file: File) -> tuple[str, ...]:
    """Return the stored names of a split file's chunks, in order.

    PackageError when one is missing or none is there, LimitError for too many.
    """
    size = file.chunk_size or 0
    known = file.size is not None and not is_packed(file)
    wanted = -(-(file.size or 0) // size) if known else 0
    if wanted > _MOST_CHUNKS:
        raise LimitError(
            f"{file.href} has {wanted} chunks; at most {_MOST_CHUNKS} are read",
            path=store.path,
            field="ovf:chunkSize",
        )
    names: list[str] = []
    total = 0
    last = size
    while len(names) < _MOST_CHUNKS:
        href = f"{file.href}.{len(names):09d}"
        name = find(store, href)
        if name is None:
            break
        last = store.size_of(name) or 0
        total += last
        names.append(name)
        if last != size:
            break
    ahead = range(len(names), len(names) + _LOOK_AHEAD)
    following = any(find(store, f"{file.href}.{number:09d}") is not None for number in ahead)
    if following and last != size:
        raise PackageError(
            f"chunk {names[-1]} has {last} bytes, not {size} as the others",
            path=store.path,
            field="ovf:chunkSize",
            hint="the package is damaged: fetch it again",
        )
    is_short = last == size and file.size is not None and total < file.size
    if not names or len(names) < wanted or is_short or following:
        raise _missing_chunk(store, file, len(names), wanted)
    return tuple(names)


def _missing_chunk(store: Store, file: File, number: int, wanted: int) -> Exception:
    of = f" of {wanted}" if wanted else ""
    if store.beyond:
        return absent(store, file.href)
    return PackageError(
        f"chunk {number + 1}{of} of {file.href} is missing: {file.href}.{number:09d}",
        path=store.path,
        hint="put all chunks beside the descriptor, or fetch the package again",
    )


def _open_stored(store: Store, file: File) -> ByteSource:
    if file.chunk_size is None:
        return open_file(store, file.href)
    try:
        names = chunk_names(store, file)
    except PackageError:
        if find(store, file.href) is None:
            raise
        return open_file(store, file.href)  # somebody joined them and left the descriptor
    sizes = [store.size_of(name) or 0 for name in names]
    return JoinedSource(sizes, lambda n: store.open(names[n]), f"{store.path}#{file.href}")
