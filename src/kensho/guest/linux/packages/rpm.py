"""rpm's database: SQLite (Fedora 33, RHEL 9 and later), Berkeley DB (before), ndb (SUSE).

Spec: rpm's docs/manual/hregions.md and format.md for the headers, lib/backend/ndb/rpmpkg.c, Berkeley
DB's db_page.h for hash files of versions 8 and 9. What is in SQLite's write-ahead log is not seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kensho.guest.linux.packages.sqlite import Budget, rows
from kensho.guest.package import Package
from kensho.model.errors import CorruptError

_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_VENDOR, _LICENSE = 1011, 1014
_TAGS = frozenset({_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _VENDOR, _LICENSE})
_MOST_WORDS = 300
_INT32, _STRING, _STRINGS = 4, 6, (6, 9)
_MOST_ENTRIES, _MOST_HEADER, _MOST_TEXT = 1 << 16, 64 << 20, 4096
_PUBKEY = "gpg-pubkey"  #: keys are kept as packages that are none

_NDB, _SLOT, _BLOB = b"RpmP", b"Slot", b"BlbS"
_BDB_HASH = 0x061561
_PAGE_HEAD, _HASH_PAGES, _OVERFLOW = 26, (2, 13), 7
_KEPT, _OFF_PAGE = 1, 3  #: an item on the page, and one in pages of its own


def packages_of_sqlite(data: bytes) -> tuple[Package, ...]:
    """Return the packages in ``rpmdb.sqlite``; CorruptError when it is none."""
    blobs = (row[0] for row in rows(data, "Packages", "blob"))
    return _packages(blob for blob in blobs if isinstance(blob, bytes))


def packages_of_ndb(data: bytes) -> tuple[Package, ...]:
    """Return the packages in ``Packages.db``; CorruptError when it is none."""
    if data[:4] != _NDB:
        raise CorruptError("rpm's Packages.db is none", offset=0)
    return _packages(_ndb_blobs(data, Budget(len(data))))


def packages_of_bdb(data: bytes) -> tuple[Package, ...]:
    """Return the packages in ``Packages``, a hash file of Berkeley DB; CorruptError when it is none."""
    for order in "<>":
        if len(data) >= 512 and struct.unpack_from(f"{order}I", data, 12)[0] == _BDB_HASH:
            (page,) = struct.unpack_from(f"{order}I", data, 20)
            if page < 512 or page > 65536 or page & (page - 1):
                raise CorruptError(f"rpm's Packages has pages of {page} bytes", offset=20)
            return _packages(_bdb_blobs(data, page, order, Budget(len(data))))
    raise CorruptError("rpm's Packages is no hash file of Berkeley DB", offset=12)


def _packages(blobs: Iterator[bytes]) -> tuple[Package, ...]:
    found = (_package(blob) for blob in blobs)
    return tuple(sorted((p for p in found if p is not None), key=lambda p: (p.name, p.version)))


def _package(blob: bytes) -> Package | None:
    """Return what a header says, None for what is no package's."""
    tags = _header(blob)
    name = str(tags.get(_NAME, ""))
    if not name or name == _PUBKEY:
        return None
    version = f"{tags.get(_VERSION, '')}-{tags.get(_RELEASE, '')}"
    epoch = tags.get(_EPOCH)
    return Package(
        name,
        f"{epoch}:{version}" if epoch else version,
        str(tags.get(_ARCH, "")),
        str(tags.get(_LICENSE, ""))[:_MOST_WORDS],
        str(tags.get(_VENDOR, ""))[:_MOST_WORDS],
    )


def _header(blob: bytes) -> dict[int, str | int]:
    if len(blob) < 8:
        return {}
    count, size = struct.unpack_from(">II", blob)
    store = 8 + count * 16
    if count > _MOST_ENTRIES or size > _MOST_HEADER or store + size > len(blob):
        return {}
    found: dict[int, str | int] = {}
    for number in range(count):
        tag, kind, offset, _ = struct.unpack_from(">IIII", blob, 8 + number * 16)
        if tag not in _TAGS or tag in found or offset >= size:
            continue
        at = store + offset
        if kind in _STRINGS:
            text = blob[at : at + _MOST_TEXT].partition(b"\0")[0]
            found[tag] = "".join(c for c in text.decode("utf-8", "replace") if c.isprintable())
        elif kind == _INT32 and at + 4 <= len(blob):
            found[tag] = struct.unpack_from(">I", blob, at)[0]
    return found


def _ndb_blobs(data: bytes, budget: Budget) -> Iterator[bytes]:
    (pages,) = struct.unpack_from("<I", data, 12)
    end = min(pages * 4096, len(data))
    for at in range(32, end - 15, 16):
        magic, index, block, _ = struct.unpack_from("<4sIII", data, at)
        place = block * 16
        if magic != _SLOT or not index or place + 16 > len(data):
            continue
        head, number, _, size = struct.unpack_from("<4sIII", data, place)
        if head == _BLOB and number == index:
            budget.spend(size)
            yield data[place + 16 : place + 16 + size]


def _bdb_blobs(data: bytes, page: int, order: str, budget: Budget) -> Iterator[bytes]:
    for start in range(page, len(data) - page + 1, page):
        if data[start + 25] not in _HASH_PAGES:
            continue
        (count,) = struct.unpack_from(f"{order}H", data, start + 20)
        for index in range(
            1, min(count, (page - _PAGE_HEAD) // 2), 2
        ):  # keys and values take turns
            end, at = struct.unpack_from(f"{order}HH", data, start + _PAGE_HEAD + index * 2 - 2)
            if at < end <= page and data[start + at] == _KEPT:
                budget.spend(end - at)
                yield data[start + at + 1 : start + end]
            elif at + 12 <= page and data[start + at] == _OFF_PAGE:
                first, size = struct.unpack_from(f"{order}II", data, start + at + 4)
                yield _overflow(data, page, order, first, size, budget)


def _overflow(data: bytes, page: int, order: str, number: int, size: int, budget: Budget) -> bytes:
    parts: list[bytes] = []
    total = 0
    while number and total < min(size, _MOST_HEADER) and (number + 1) * page <= len(data):
        start = number * page
        if data[start + 25] != _OVERFLOW:
            break
        budget.spend(page)  # so a chain that leads to itself ends, too
        (number,) = struct.unpack_from(f"{order}I", data, start + 16)
        (used,) = struct.unpack_from(f"{order}H", data, start + 22)
        parts.append(data[start + _PAGE_HEAD : start + _PAGE_HEAD + min(used, page - _PAGE_HEAD)])
        total += used
    return b"".join(parts)[:size]
