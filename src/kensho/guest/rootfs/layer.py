"""Write a guest's files as an image layer: OCI image-spec, layer.md.

Owners, modes, times, links and the attributes that mean something in a container are kept. Same
files, same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from kensho.guest.files.base import Kind
from kensho.guest.files.tree import Found, GuestFiles
from kensho.guest.rootfs.select import Survey, attributes, chosen
from kensho.model.errors import CorruptError
from kensho.storage.tar import BLOCK
from kensho.storage.tar_headers import DIRECTORY, FIFO, HARD_LINK, REGULAR, SYMLINK, Member, headers

_ZEROS = bytes(1 << 20)
_KINDS = {Kind.DIRECTORY: DIRECTORY, Kind.SYMLINK: SYMLINK, Kind.FIFO: FIFO, Kind.FILE: REGULAR}
_NANO = 1_000_000_000


def write_layer(files: GuestFiles, append: Callable[[bytes], None]) -> Survey:
    """Append the members of a layer, its end left to the caller; return what was taken.

    Raises what reading the files raises.
    """
    survey = Survey()
    written: dict[str, bytes] = {}  # first name met of files with several, and the one written
    for found in chosen(files, survey):
        name = os.fsencode(found.path.lstrip("/"))
        if found.link in written:
            append(headers(_member(found, name, HARD_LINK, written[found.link])))
            continue
        if found.stat.links > 1 and found.stat.kind is not Kind.DIRECTORY:
            written[found.link or found.path] = name
        _write(found, name, attributes(found, survey), append)
    return survey


def _member(found: Found, name: bytes, kind: bytes, link: bytes = b"") -> Member:
    stat = found.stat
    return Member(
        name,
        kind,
        mode=stat.mode,
        uid=stat.uid,
        gid=stat.gid,
        mtime=stat.mtime // _NANO,
        link=link,
    )


def _write(
    found: Found, name: bytes, xattrs: Mapping[str, bytes], append: Callable[[bytes], None]
) -> None:
    kind = _KINDS[found.stat.kind]
    size = found.stat.size if kind == REGULAR else 0
    member = _member(
        found, name + b"/" if kind == DIRECTORY else name, kind, os.fsencode(found.target)
    )
    append(headers(replace(member, size=size, xattrs=xattrs)))
    if size:
        for piece in _whole(found, size):
            append(piece)
        append(bytes(-size % BLOCK))


def _whole(found: Found, size: int) -> Iterator[bytes]:
    """Yield all bytes of a file, holes as zeros."""
    at = 0
    for offset, piece in found.data():
        if offset < at:
            raise CorruptError("pieces of a file overlap", path=found.path)
        yield from _zeros(min(offset, size) - at)
        at = min(offset, size)
        part = piece[: size - at]
        yield part
        at += len(part)
    yield from _zeros(size - at)


def _zeros(length: int) -> Iterator[bytes]:
    while length > 0:
        yield _ZEROS[:length]
        length -= len(_ZEROS)
