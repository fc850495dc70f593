"""The key tables of a `.vmcx`: entries with their parents, put together as a tree.

Source: as in ``vmcx``. An entry names its parent by the number of a table and the offset in it; the
root has number 0. Children of one node are in the order of their insertion numbers, which is what
makes a repeated name a list.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from kensho.appliances.hyperv import _structs as on_disk
from kensho.appliances.hyperv.tree import Key, Value
from kensho.model.errors import CorruptError, LimitError

MAX_ENTRIES = 200_000
MAX_DEPTH = 64
MAX_VALUE = 4 << 20  #: bytes of one value; those of a saved state are larger, and not read
MAX_VALUES = 64 << 20

Read = Callable[[int, int, str], bytes]
_WORDS = {
    on_disk.INT: "integer",
    on_disk.UINT: "integer",
    on_disk.DOUBLE: "double",
    on_disk.STRING: "string",
    on_disk.ARRAY: "bytes",
    on_disk.BOOL: "bool",
    on_disk.NODE: "node",
}
_FIXED = {on_disk.INT: 8, on_disk.UINT: 8, on_disk.DOUBLE: 8, on_disk.BOOL: 4, on_disk.NODE: 12}


class _Faults(Protocol):
    path: str

    def add(self, what: str, offset: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Table:
    """A key table: its number, where it is in the file, its bytes with the header."""

    number: int
    offset: int
    data: bytes


@dataclass(slots=True)
class _Entry:
    parent: tuple[int, int]
    order: int
    offset: int  #: in the file, for errors
    name: str
    kind: int
    value: Value | None
    children: list[_Entry] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    read: Read
    faults: _Faults
    kept: int = 0  #: bytes of values


def read_keys(tables: list[Table], read: Read, faults: _Faults) -> Key:
    """Return the tree; ``read(offset, length, what)`` gives values that lie outside the tables.

    CorruptError for an entry that does not fit its table, LimitError for more keys than any
    machine has.
    """
    reading = _Reading(read, faults)
    entries: dict[tuple[int, int], _Entry] = {}
    for table in tables:
        for at, entry in _entries(table, reading):
            entries[table.number, at] = entry
            if len(entries) > MAX_ENTRIES:
                raise LimitError(f"more than {MAX_ENTRIES} keys", path=faults.path)
    top: list[_Entry] = []
    for entry in entries.values():
        parent = entries.get(entry.parent)
        if entry.parent == (0, 0):
            top.append(entry)
        elif parent is None or parent.kind != on_disk.NODE:
            faults.add(f"the key {entry.name!r} without a parent", entry.offset)
        else:
            parent.children.append(entry)
    return Key("", children=_keys(top, faults.path, 0))


def _keys(entries: list[_Entry], path: str, depth: int) -> tuple[Key, ...]:
    """Return the keys in their order. Circles cannot be reached from the root."""
    if depth > MAX_DEPTH:
        raise LimitError(f"keys more than {MAX_DEPTH} deep", path=path, offset=entries[0].offset)
    ordered = sorted(entries, key=lambda e: e.order)
    return tuple(
        Key(
            e.name,
            _WORDS[e.kind],
            e.value,
            _keys(e.children, path, depth + 1) if e.children else (),
        )
        for e in ordered
    )


def _entries(table: Table, reading: _Reading) -> list[tuple[int, _Entry]]:
    """Return the entries of one table with their offsets in it."""
    found = []
    at = on_disk.KEYS.size
    while at + on_disk.KEY.size <= len(table.data):
        size = int.from_bytes(table.data[at + 2 : at + 6], "little")
        kind = table.data[at]
        if kind == 0 and size == 0:
            break  # never used
        if size < on_disk.KEY.size or at + size > len(table.data):
            raise CorruptError(
                f"an entry of {size} bytes does not fit its key table",
                path=reading.faults.path,
                offset=table.offset + at,
                field="SizeInBytes",
            )
        if kind in _WORDS:
            found.append((at, _entry(table, at, size, reading)))
        elif kind != on_disk.FREE:
            reading.faults.add(f"a key of the unknown type {kind}", table.offset + at)
        at += size
    return found


def _entry(table: Table, at: int, size: int, reading: _Reading) -> _Entry:
    data = table.data[at : at + size]
    kind, flags, _, parent, parent_at, crc, order, length = on_disk.KEY.unpack_from(data)
    name_end = on_disk.KEY.size + length
    where = table.offset + at
    if name_end > size:
        raise _bad(reading, where, "its name does not fit")
    name = data[on_disk.KEY.size : name_end].rstrip(b"\0").decode("utf-8", "replace")
    if flags & on_disk.ELSEWHERE and kind != on_disk.NODE:
        end = name_end + on_disk.POINTER.size
        if end > size:
            raise _bad(reading, where, "its pointer does not fit")
        value = _far_value(kind, data[name_end:end], reading)
    else:
        end = name_end + _length(kind, data, name_end, where, reading)
        value = _value(kind, data[name_end:end])
    reading.kept += end - name_end
    if crc != on_disk.checksum(data[:end], 12):
        reading.faults.add(f"the key {name!r}", where)
    return _Entry((parent, parent_at), order, where, name, kind, value)


def _length(kind: int, data: bytes, start: int, where: int, reading: _Reading) -> int:
    """Return how many bytes of an entry its value has."""
    length = _FIXED.get(kind)
    if length is None:
        length = 4 + int.from_bytes(data[start : start + 4], "little")
    if start + length > len(data):
        raise _bad(reading, where, "its value does not fit")
    return length


def _far_value(kind: int, pointer: bytes, reading: _Reading) -> Value | None:
    """Return a value that is an object of its own, None when it is too large to be a setting."""
    size, offset = on_disk.POINTER.unpack(pointer)
    if size > MAX_VALUE:
        return None
    reading.kept += size
    if reading.kept > MAX_VALUES:
        raise LimitError(f"values of more than {MAX_VALUES} bytes", path=reading.faults.path)
    data = reading.read(offset, size, "a value")
    return _value(kind, size.to_bytes(4, "little") + data if kind not in _FIXED else data)


def _value(kind: int, data: bytes) -> Value | None:
    match kind:
        case on_disk.INT:
            return int.from_bytes(data[:8], "little", signed=True)
        case on_disk.UINT:
            return int.from_bytes(data[:8], "little")
        case on_disk.BOOL:
            return any(data[:4])
        case on_disk.DOUBLE if len(data) >= 8:
            return float(struct.unpack_from("<d", data)[0])
        case on_disk.STRING:
            return data[4:].decode("utf-16-le", "replace").rstrip("\0")
        case on_disk.ARRAY:
            return bytes(data[4:])
    return None


def _bad(reading: _Reading, offset: int, reason: str) -> CorruptError:
    return CorruptError(f"a key: {reason}", path=reading.faults.path, offset=offset)
