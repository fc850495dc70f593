"""Tar archives read in place, as far as machine packages need them.

Format: POSIX.1-1988 ustar, POSIX.1-2001 pax (path and size records), GNU tar's
long names and base-256 sizes, https://www.gnu.org/software/tar/manual/html_node/Standard.html.
The standard library's tarfile follows links, accepts any name and rescans the
archive per member; a package from elsewhere deserves less trust.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal

from kensho.model.errors import (
    CorruptError,
    LimitError,
    PackageError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.storage.sparse import SparseSource
from kensho.storage.tar_sparse import PREFIX, map_of_header, map_of_records
from kensho.storage.tar_sparse import number as _number
from kensho.storage.window import WindowSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource

BLOCK = 512
_MAX_EXTRA = 1 << 20  # a long name or pax header is a few hundred bytes in practice
_LINKS = frozenset({b"1", b"2"})
_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})  #: whatever their size says
_CHECKSUM = slice(148, 156)
_OCTAL = b"01234567"
_CONTROL = re.compile(r"[\x00-\x1f]")
_NAME = f"{PREFIX}name"  #: of a sparse member, whose own is made up


@dataclasses.dataclass(frozen=True, slots=True)
class TarMember:
    """A member: its data are ``size`` bytes from ``offset`` of the archive.

    ``mtime`` in seconds since 1970, 0 when the header has none that can be read. A sparse member
    (made by ``tar -S`` and bsdtar) has ``pieces``: (offset in the file, bytes) of the parts that
    are stored one after the other from ``offset``; the rest of its ``size`` bytes is zero.
    """

    name: str
    offset: int
    size: int
    type: Literal["file", "directory"] = "file"
    mtime: int = dataclasses.field(default=0, compare=False)
    pieces: tuple[tuple[int, int], ...] | None = None

    @property
    def stored(self) -> int:
        """Bytes that the archive has of it."""
        return self.size if self.pieces is None else sum(length for _, length in self.pieces)


def read_members(
    source: ByteSource, *, limit: int = 10_000, sparse: bool = False, skip_links: bool = False
) -> tuple[TarMember, ...]:
    """List the members of the archive in ``source``; only headers are read.

    Raises what `iterate_members` does.
    """
    return tuple(iterate_members(source, limit=limit, sparse=sparse, skip_links=skip_links))


def iterate_members(
    source: ByteSource,
    *,
    limit: int = 10_000,
    distinct: bool = True,
    sparse: bool = False,
    skip_links: bool = False,
    below: str = "",
) -> Iterator[TarMember]:
    """Yield the members of an archive in their order, reading from front to back.

    ``distinct`` False: names may repeat, and none is remembered, for archives of millions.
    ``sparse``: GNU's sparse members are for callers that open members with `open_member`; they
    are an UnsupportedError otherwise. ``skip_links`` leaves links out instead of refusing them.
    ``below`` (``folder/``) passes over all that is not in this folder, whatever it is called.

    CorruptError for a bad header, TruncatedError when a member's data are not all
    there, UnsafePathError for links, devices and names that lead elsewhere,
    PackageError for duplicate names, LimitError for more than ``limit`` members.
    """
    seen: set[str] = set()
    extra: dict[str, str] = {}
    position = 0
    headers = members = 0
    while position < source.size:
        header = source.read_at(position, min(BLOCK, source.size - position))
        if not header.strip(b"\0"):
            break
        if len(header) < BLOCK:
            raise TruncatedError("the archive ends in a header", path=source.name, offset=position)
        headers += 1
        if headers > 3 * limit:
            raise LimitError(f"more than {limit} members", path=source.name, offset=position)
        _verify(header, source.name, position)
        kind = header[156:157]
        size = _size(header, source.name, position)
        data = position + BLOCK
        if kind in {b"x", b"g", b"L", b"K"}:
            extra |= _extra(source, kind, data, size, position, sparse=sparse)
            position = data + _padded(size)
            continue
        if skip_links and kind in _LINKS:
            extra = {}
            position = data  # whatever its size says, nothing follows a link
            continue
        size = _pax_size(extra, size, source.name, position)
        other = below and not _raw_name(header, extra).lstrip("./").startswith(below)
        if other and kind != b"S":  # whose map may go on behind the header
            extra = {}
            position = data + (0 if kind in _WITHOUT_DATA else _padded(size))
            continue
        member = _sparse_member(source, header, extra, data, size) if sparse else None
        member = member or _member(header, extra, data, size, source.name, position)
        extra = {}
        if member.offset + member.stored > source.size:
            raise TruncatedError(
                f"member {member.name!r} needs {member.stored} bytes, the archive ends after"
                f" {source.size - member.offset}",
                path=source.name,
                offset=member.offset,
            )
        if member.name in seen:
            raise PackageError(f"two members are called {member.name!r}", path=source.name)
        if members >= limit:
            raise LimitError(f"more than {limit} members", path=source.name, offset=position)
        members += 1
        if distinct:
            seen.add(member.name)
        yield member
        position = member.offset + _padded(member.stored)


def open_member(archive: ByteSource, member: TarMember) -> ByteSource:
    """Return a member's bytes; the archive stays the caller's and has to stay open."""
    name = f"{archive.name}#{member.name}"
    window = WindowSource(archive, member.offset, member.stored, name)
    if member.pieces is None:
        return window
    return SparseSource(window, member.pieces, member.size)


def _sparse_member(
    source: ByteSource, header: bytes, extra: dict[str, str], data: int, size: int
) -> TarMember | None:
    """Return the member when it is a sparse one; its header is right in front of ``data``."""
    kind, position = header[156:157], data - BLOCK
    if kind == b"S":
        parts = map_of_header(source, header, size, position)
    elif kind in {b"\0", b"0", b"7"} and (found := map_of_records(source, extra, data, size)):
        parts = found
    else:
        return None
    named = extra | {"path": extra[_NAME]} if _NAME in extra else extra
    plain = header[:156] + b"0" + header[157:]
    member = _member(plain, named, parts.offset, parts.size, source.name, position)
    return dataclasses.replace(member, pieces=parts.pieces)


def checksum(header: bytes) -> int:
    """Return a header's checksum: the sum of its bytes with the field itself as blanks."""
    return sum(header) - sum(header[_CHECKSUM]) + 8 * 0x20


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _verify(header: bytes, name: str, position: int) -> None:
    stored = _number(header[_CHECKSUM], name, position, "chksum")
    if stored == checksum(header):
        return
    # Some old writers summed signed bytes.
    signed = checksum(header) - 256 * sum(
        byte >= 0x80 for i, byte in enumerate(header) if not 148 <= i < 156
    )
    if stored != signed:
        raise CorruptError("header checksum is wrong", path=name, offset=position, field="chksum")


def _size(header: bytes, name: str, position: int) -> int:
    return _number(header[124:136], name, position, "size")


def _text(raw: bytes) -> str:
    raw = raw.split(b"\0", 1)[0]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # loses nothing and never fails


def _extra(
    source: ByteSource, kind: bytes, data: int, size: int, position: int, *, sparse: bool
) -> dict[str, str]:
    if size > _MAX_EXTRA:
        raise LimitError(f"extended header of {size} bytes", path=source.name, offset=position)
    body = source.read_at(data, size)
    if kind == b"L":
        return {"path": _text(body)}
    if kind == b"K":
        return {}  # a long link target; the link itself is refused
    return _pax_records(body, source.name, data, sparse=sparse)


def _pax_records(body: bytes, name: str, offset: int, *, sparse: bool) -> dict[str, str]:
    records: dict[str, str] = {}
    at = 0
    while at < len(body) and body[at] != 0:
        blank = body.find(b" ", at, at + 10)
        digits = body[at:blank] if blank > at else b""
        length = int(digits) if digits.isdigit() else 0
        end = at + length
        record = body[blank + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        # Without digits the next record would be this one, for ever.
        is_cut = not length or end <= blank + 1 or end > len(body)
        if is_cut or record[-1:] != b"\n" or not equals:
            raise CorruptError("malformed pax record", path=name, offset=offset + at)
        if key.startswith(b"GNU.sparse") and not sparse:
            raise UnsupportedError("GNU sparse member", path=name, offset=offset + at)
        if b"\0" in value and key in {b"path", b"GNU.sparse.name"}:
            raise UnsafePathError("a member name contains NUL", path=name, offset=offset + at)
        records[key.decode("latin-1")] = _text(value)
        at = end
    return records


def _pax_size(extra: dict[str, str], size: int, name: str, position: int) -> int:
    text = extra.get("size")
    if text is None:
        return size
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise CorruptError("not a number", path=name, offset=position, field="pax size")
    return int(text)


def _member(
    header: bytes, extra: dict[str, str], data: int, size: int, path: str, position: int
) -> TarMember:
    kind = header[156:157]
    raw = _raw_name(header, extra)
    if kind in {b"1", b"2", b"3", b"4", b"6"}:
        raise UnsafePathError(
            f"member {raw!r} is a link or a device", path=path, offset=position, field="typeflag"
        )
    if kind == b"5" or (kind in {b"\0", b"0"} and raw.endswith("/")):
        name = _safe(raw.rstrip("/"), path, position) if raw.strip("./") else "."
        return TarMember(name, data, 0, "directory")
    if kind not in {b"\0", b"0", b"7"}:
        raise UnsupportedError(
            f"member {raw!r} has type {kind!r}", path=path, offset=position, field="typeflag"
        )
    return TarMember(_safe(raw, path, position), data, size, mtime=_mtime(header))


def _raw_name(header: bytes, extra: dict[str, str]) -> str:
    if "path" in extra:
        return extra["path"]
    name = _text(header[:100])
    # GNU tar (b"ustar  \0") keeps times where POSIX keeps the prefix.
    if header[257:263] == b"ustar\0" and header[345]:
        return f"{_text(header[345:500])}/{name}"
    return name


def _mtime(header: bytes) -> int:
    digits = header[136:148].strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(_OCTAL) else 0


def _safe(name: str, path: str, position: int) -> str:
    parts = [part for part in name.split("/") if part != "."]
    if (
        not parts
        or "" in parts
        or ".." in parts
        or "\\" in name
        or name[1:2] == ":"
        or _CONTROL.search(name)
    ):
        raise UnsafePathError(f"unsafe member name {name!r}", path=path, offset=position)
    return "/".join(parts)
