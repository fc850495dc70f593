"""Lists of subkeys: index, fast and hash leaves, and the root above them.

Spec: "Windows registry file format specification", "Index leaf" to "Index root". Lists are kept
in the order of their names in capitals, which Windows searches by halves.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

from kensho.guest.windows.hive._structs import LIST_HEAD, NONE
from kensho.guest.windows.hive.cells import Cells
from kensho.guest.windows.hive.names import folded, hash_of, sort_key

_MOST_IN_LEAF = 507  #: a leaf of 8 bytes each stays within a page
_HASHED_FROM = 5  #: minor version of hives with hash leaves
_SMALLEST_KEY = 80  #: bytes of its cell
#: A row of a list: where the key is, and the hash or hint beside it (none in an index leaf).
Row = tuple[int, bytes]
NameOf = Callable[[int], str]


def entries(cells: Cells, offset: int) -> Iterator[int]:
    """Yield the offsets of the keys of a list, in order."""
    most = cells.size // _SMALLEST_KEY
    for leaf in _leaves(cells, offset):
        rows = _rows(cells, leaf)
        most -= len(rows)
        if most < 0:
            raise cells.corrupt("a key has more subkeys than there is room for", offset)
        for key, _ in rows:
            yield key


def find(cells: Cells, offset: int, name: str, name_of: NameOf) -> int | None:
    """Return where the key of that name is, None when the list has none."""
    wanted, mark = folded(name), struct.pack("<I", hash_of(name))
    for leaf in _leaves(cells, offset):
        hashed = cells.read(leaf)[:2] == b"lh"
        for key, hint in _rows(cells, leaf):
            if (not hashed or hint == mark) and folded(name_of(key)) == wanted:
                return key
    return None


def added(
    cells: Cells, offset: int, name: str, key: int, minor: int, name_of: NameOf
) -> tuple[int, int]:
    """Return a new list with one key more, and how many it has; the old one is released."""
    rows = _all_rows(cells, offset, minor, name_of)
    wanted, low, high = sort_key(name), 0, len(rows)
    while low < high:
        middle = (low + high) // 2
        if sort_key(name_of(rows[middle][0])) < wanted:
            low = middle + 1
        else:
            high = middle
    rows.insert(low, (key, _hint(name, minor)))
    return _replace(cells, offset, rows, minor), len(rows)


def removed(cells: Cells, offset: int, key: int, minor: int, name_of: NameOf) -> tuple[int, int]:
    """Return a new list without one key, and how many it has; the old one is released."""
    rows = [row for row in _all_rows(cells, offset, minor, name_of) if row[0] != key]
    return _replace(cells, offset, rows, minor), len(rows)


def release(cells: Cells, offset: int) -> None:
    """Give the cells of a list back, but not the keys in it."""
    for leaf in list(_leaves(cells, offset)):
        cells.release(leaf)
        if leaf == offset:
            return
    cells.release(offset)


def _leaves(cells: Cells, offset: int) -> Iterator[int]:
    if offset == NONE:
        return
    cell = cells.read(offset)
    if cell[:2] != b"ri":
        yield offset
        return
    for (leaf,) in struct.iter_unpack("<I", _items(cells, offset, cell, 4)):
        yield leaf


def _rows(cells: Cells, leaf: int) -> list[Row]:
    cell = cells.read(leaf)
    # A root below a root is not allowed, which also rules out loops.
    if cell[:2] == b"li":
        items = _items(cells, leaf, cell, 4)
        return [(key, b"") for (key,) in struct.iter_unpack("<I", items)]
    if cell[:2] not in {b"lf", b"lh"}:
        raise cells.corrupt("is no list of subkeys", leaf)
    return list(struct.iter_unpack("<I4s", _items(cells, leaf, cell, 8)))


def _items(cells: Cells, offset: int, cell: bytes, step: int) -> bytes:
    (count,) = struct.unpack_from("<H", cell, 2)
    cells.look(count)
    items = cell[4 : 4 + count * step]
    if len(items) != count * step:
        raise cells.corrupt(f"a list of {count} subkeys is larger than its cell", offset)
    return items


def _all_rows(cells: Cells, offset: int, minor: int, name_of: NameOf) -> list[Row]:
    """Return all rows with the hints that this version's leaves have."""
    rows: list[Row] = []
    own = b"lh" if minor >= _HASHED_FROM else b"lf"
    for leaf in _leaves(cells, offset):
        found = _rows(cells, leaf)
        if cells.read(leaf)[:2] != own:
            found = [(key, _hint(name_of(key), minor)) for key, _ in found]
        rows += found
    return rows


def _replace(cells: Cells, offset: int, rows: Sequence[Row], minor: int) -> int:
    release(cells, offset)
    head = b"lh" if minor >= _HASHED_FROM else b"lf"
    leaves = []
    for start in range(0, len(rows), _MOST_IN_LEAF):
        part = rows[start : start + _MOST_IN_LEAF]
        body = b"".join(struct.pack("<I4s", *row) for row in part)
        leaves.append(cells.allocate(LIST_HEAD.pack(head, len(part)) + body))
    if len(leaves) < 2:
        return leaves[0] if leaves else NONE
    root = LIST_HEAD.pack(b"ri", len(leaves)) + struct.pack(f"<{len(leaves)}I", *leaves)
    return cells.allocate(root)


def _hint(name: str, minor: int) -> bytes:
    if minor >= _HASHED_FROM:
        return struct.pack("<I", hash_of(name))
    # Four characters, and nothing for a name that has one outside Latin-1 among them.
    try:
        return name[:4].encode("latin-1").ljust(4, b"\0")
    except UnicodeEncodeError:
        return bytes(4)
