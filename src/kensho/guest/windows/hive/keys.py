"""Keys of a hive: reading them, their subkeys and their values.

Spec: "Windows registry file format specification", "Key node" to "Big data".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kensho.guest.windows.hive import lists
from kensho.guest.windows.hive._structs import (
    BIG_DATA,
    INLINE,
    KEY,
    KEY_COMP_NAME,
    MINOR_AT,
    NONE,
    ROOT_AT,
    SEGMENT,
    VALUE,
    VALUE_COMP_NAME,
    KeyNode,
)
from kensho.guest.windows.hive.cells import Cells
from kensho.guest.windows.hive.names import decode, folded
from kensho.guest.windows.hive.values import Value

MOST_DEPTH = 512  #: levels of keys that Windows itself allows
_SMALLEST_VALUE = 24  #: bytes of its cell
_WEIGHT = 10  #: of a value in a list against a subkey, which is told by its hash alone


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an opened hive; it stays the same key until it is deleted.

    All methods raise CorruptError where the hive is damaged, naming the offset in the file.
    Names are found whatever their case.
    """

    cells: Cells
    offset: int

    @property
    def name(self) -> str:
        """The key's name."""
        return self.node()[1]

    @property
    def written(self) -> int:
        """When the key was last written, as FILETIME (100 ns since 1601)."""
        return self.node()[0].written

    @property
    def class_name(self) -> str:
        """The key's class, empty where it has none."""
        node, _ = self.node()
        if node.class_name == NONE or not node.class_size:
            return ""
        return decode(self.cells.read(node.class_name)[: node.class_size], compressed=False)

    def node(self) -> tuple[KeyNode, str]:
        """Return the stored structure and the name."""
        cell = self.cells.read(self.offset)
        if len(cell) < KEY.size or cell[:2] != b"nk":
            raise self.cells.corrupt("is no key", self.offset)
        node = KeyNode.unpack(cell)
        raw = cell[KEY.size : KEY.size + node.name_size]
        if len(raw) != node.name_size:
            raise self.cells.corrupt("a key's name is longer than its cell", self.offset)
        return node, decode(raw, compressed=bool(node.flags & KEY_COMP_NAME))

    def subkeys(self) -> Iterator[Key]:
        """Yield the subkeys in the hive's order, those that only live in memory left out."""
        node, _ = self.node()
        found = 0
        for offset in lists.entries(self.cells, node.subkeys if node.subkey_count else NONE):
            found += 1
            yield Key(self.cells, offset)
        if found != node.subkey_count:
            raise self.cells.corrupt(
                f"a key has {found} subkeys and says {node.subkey_count}", self.offset
            )

    def subkey(self, name: str) -> Key | None:
        """Return a direct subkey, None when there is none."""
        node, _ = self.node()
        listed = node.subkeys if node.subkey_count else NONE
        offset = lists.find(self.cells, listed, name, name_at(self.cells))
        return None if offset is None else Key(self.cells, offset)

    def find(self, path: str) -> Key | None:
        r"""Return the key at ``path`` below this one (``Select`` or ``Setup\State``)."""
        key: Key | None = self
        for name in filter(None, path.split("\\")):
            key = key.subkey(name) if key else None
        return key

    def values(self) -> Iterator[Value]:
        """Yield the values in the hive's order."""
        for offset in value_offsets(self):
            yield _value(self.cells, offset)

    def value(self, name: str) -> Value | None:
        """Return a value, None when there is none; the default value has no name."""
        offset = value_offset(self, name)
        return None if offset is None else _value(self.cells, offset)


def name_at(cells: Cells) -> Callable[[int], str]:
    """Return a function from a key's offset to its name."""
    return lambda offset: Key(cells, offset).name


def root_of(cells: Cells) -> Key:
    """Return the key that all others are below."""
    return Key(cells, int.from_bytes(cells.data[ROOT_AT : ROOT_AT + 4], "little"))


def minor_of(cells: Cells) -> int:
    """Return the minor version: 3 is Windows NT 4 and 2000, 5 XP and later, 6 Windows 10."""
    return int.from_bytes(cells.data[MINOR_AT : MINOR_AT + 4], "little")


def walk(key: Key) -> Iterator[tuple[str, Key]]:
    """Yield the key (path ``""``) and all below it, each before its subkeys.

    Raises CorruptError where a key comes twice or lies deeper than Windows allows.
    """
    seen: set[int] = set()
    stack: list[tuple[str, Key, int]] = [("", key, 0)]
    while stack:
        path, current, depth = stack.pop()
        if current.offset in seen or depth > MOST_DEPTH:
            raise current.cells.corrupt("a key is below itself", current.offset)
        seen.add(current.offset)
        yield path, current
        below = [
            (f"{path}\\{sub.name}" if path else sub.name, sub, depth + 1)
            for sub in current.subkeys()
        ]
        stack.extend(reversed(below))


def value_offsets(key: Key) -> list[int]:
    """Return where the values of a key are."""
    node, _ = key.node()
    if not node.value_count:
        return []
    if node.value_count > key.cells.size // _SMALLEST_VALUE:
        raise key.cells.corrupt("a key has more values than there is room for", key.offset)
    key.cells.look(node.value_count, _WEIGHT)
    raw = key.cells.read(node.values)[: 4 * node.value_count]
    if len(raw) != 4 * node.value_count:
        raise key.cells.corrupt(f"a list of {node.value_count} values is too large", node.values)
    return [offset for (offset,) in struct.iter_unpack("<I", raw)]


def value_offset(key: Key, name: str) -> int | None:
    """Return where a value is, None when the key has none of that name."""
    wanted = folded(name)
    for offset in value_offsets(key):
        if folded(_head(key.cells, offset)[1]) == wanted:
            return offset
    return None


def _head(cells: Cells, offset: int) -> tuple[tuple[int, ...], str]:
    cell = cells.read(offset)
    if len(cell) < VALUE.size or cell[:2] != b"vk":
        raise cells.corrupt("is no value", offset)
    _, name_size, size, data, kind, flags, _ = VALUE.unpack_from(cell)
    raw = cell[VALUE.size : VALUE.size + name_size]
    if len(raw) != name_size:
        raise cells.corrupt("a value's name is longer than its cell", offset)
    return (size, data, kind), decode(raw, compressed=bool(flags & VALUE_COMP_NAME))


def _value(cells: Cells, offset: int) -> Value:
    (size, data, kind), name = _head(cells, offset)
    return Value(name, kind, _data(cells, offset, size, data))


def _data(cells: Cells, offset: int, size: int, place: int) -> bytes:
    if size & INLINE:
        if size & ~INLINE > 4:
            raise cells.corrupt("a value keeps more than four bytes in itself", offset)
        return place.to_bytes(4, "little")[: size & ~INLINE]
    if size == 0:
        return b""
    if size > cells.size:
        raise cells.corrupt(f"a value has {size} bytes", offset)
    cells.look(size // _SMALLEST_VALUE)  # many values may mean the same large data
    cell = cells.read(place)
    if size > SEGMENT and cell[:2] == b"db" and minor_of(cells) > 3:
        return _big_data(cells, place, cell, size)
    if len(cell) < size:
        raise cells.corrupt("a value's data is longer than its cell", place)
    return cell[:size]


def big_data_segments(cells: Cells, place: int, cell: bytes) -> tuple[int, list[int]]:
    """Return where the list of segments is, and the segments."""
    if len(cell) < BIG_DATA.size:
        raise cells.corrupt("big data in a cell that is too small for it", place)
    _, count, listed = BIG_DATA.unpack_from(cell)
    raw = cells.read(listed)[: 4 * count]
    if len(raw) != 4 * count:
        raise cells.corrupt(f"a list of {count} segments is too large", place)
    return listed, [segment for (segment,) in struct.iter_unpack("<I", raw)]


def _big_data(cells: Cells, place: int, cell: bytes, size: int) -> bytes:
    _, segments = big_data_segments(cells, place, cell)
    if len(segments) * SEGMENT < size:
        raise cells.corrupt(f"{len(segments)} segments cannot hold {size} bytes", place)
    parts, left = [], size
    for segment in segments:
        part = cells.read(segment)[: min(SEGMENT, left)]
        if len(part) < min(SEGMENT, left):
            raise cells.corrupt("a segment of a value is too short", segment)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
