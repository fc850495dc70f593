"""Edits of a hive: keys and values made, changed and deleted in place.

Counts, lists and the longest names and data that each key keeps are held right; what Windows
does not need is not touched. Times are those the caller gives (`Hive.now`): nothing here reads a
clock.
"""

from __future__ import annotations

import struct

from kensho.guest.windows.hive import lists
from kensho.guest.windows.hive._structs import (
    BIG_DATA,
    INLINE,
    KEY_COMP_NAME,
    KEY_HIVE_ENTRY,
    KEY_NO_DELETE,
    NONE,
    SECURITY_HEAD,
    SEGMENT,
    VALUE,
    VALUE_COMP_NAME,
    KeyNode,
)
from kensho.guest.windows.hive.cells import Cells
from kensho.guest.windows.hive.keys import (
    Key,
    big_data_segments,
    minor_of,
    name_at,
    value_offset,
    value_offsets,
    walk,
)
from kensho.guest.windows.hive.names import encode
from kensho.guest.windows.hive.values import Value
from kensho.model.errors import UsageError

MOST_NAME = 255  #: characters of a key's name
MOST_VALUE_NAME = 16383
MOST_DATA = 1 << 20  #: bytes of a value; what Windows recommends as the limit


def create_key(parent: Key, name: str, now: int) -> Key:
    """Return the subkey ``name``, made if it is not there; it has its parent's security."""
    existing = parent.subkey(name)
    if existing is not None:
        return existing
    if not name or len(name) > MOST_NAME or "\\" in name or "\0" in name:
        raise UsageError(f"{name[:80]!r} cannot be the name of a registry key")
    cells = parent.cells
    node, _ = parent.node()
    raw, compressed = encode(name)
    fresh = KeyNode(
        flags=KEY_COMP_NAME if compressed else 0,
        written=now,
        access=0,
        parent=parent.offset,
        subkey_count=0,
        volatile_count=0,
        subkeys=NONE,
        volatile=NONE,
        value_count=0,
        values=NONE,
        security=_share_security(cells, node.security),
        class_name=NONE,
        longest_name=0,
        longest_class=0,
        longest_value_name=0,
        longest_value=0,
        work=0,
        name_size=len(raw),
        class_size=0,
    )
    offset = cells.allocate(fresh.pack() + raw)
    listed = node.subkeys if node.subkey_count else NONE
    node.subkeys, node.subkey_count = lists.added(
        cells, listed, name, offset, minor_of(cells), name_at(cells)
    )
    longest = max(node.longest_name & 0xFFFF, 2 * len(name))
    node.longest_name = node.longest_name & ~0xFFFF | longest
    node.written = now
    cells.write(parent.offset, node.pack())
    return Key(cells, offset)


def set_value(key: Key, value: Value, now: int) -> bool:
    """Set a value; return False when the key has the very same one already."""
    if len(value.data) > MOST_DATA or len(value.name) > MOST_VALUE_NAME:
        raise UsageError(f"the value {value.name[:80]!r} is too large for the registry")
    old = key.value(value.name)
    if old is not None and (old.type, old.data) == (value.type, value.data):
        return False
    cells = key.cells
    offsets = value_offsets(key)
    before = value_offset(key, value.name)
    place = _write_value(cells, value if old is None else _renamed(value, old.name))
    if before is None:
        offsets.append(place)
    else:
        offsets[offsets.index(before)] = place
        _release_value(cells, before)
    _replace_values(key, offsets, now, value)
    return True


def _renamed(value: Value, name: str) -> Value:
    return Value(name, value.type, value.data)  # the name keeps the case it had


def delete_value(key: Key, name: str, now: int) -> bool:
    """Delete a value; return False when there is none."""
    place = value_offset(key, name)
    if place is None:
        return False
    offsets = value_offsets(key)
    offsets.remove(place)
    _release_value(key.cells, place)
    _replace_values(key, offsets, now, None)
    return True


def delete_key(parent: Key, name: str, now: int) -> bool:
    """Delete a subkey with all below it; return False when there is none."""
    doomed = parent.subkey(name)
    if doomed is None:
        return False
    every = [key for _, key in walk(doomed)]  # a loop is found before anything is touched
    for key in every:
        if key.node()[0].flags & (KEY_NO_DELETE | KEY_HIVE_ENTRY):
            raise UsageError(f"the registry key {key.name!r} must not be deleted")
    node, _ = parent.node()
    node.subkeys, node.subkey_count = lists.removed(
        parent.cells, node.subkeys, doomed.offset, minor_of(parent.cells), name_at(parent.cells)
    )
    node.written = now
    parent.cells.write(parent.offset, node.pack())
    for key in reversed(every):
        _release_key(key)
    return True


def _replace_values(key: Key, offsets: list[int], now: int, added: Value | None) -> None:
    cells = key.cells
    node, _ = key.node()
    old = node.values if node.value_count else NONE
    node.values = cells.allocate(struct.pack(f"<{len(offsets)}I", *offsets)) if offsets else NONE
    node.value_count = len(offsets)
    if added is not None:
        node.longest_value_name = max(node.longest_value_name, 2 * len(added.name))
        node.longest_value = max(node.longest_value, len(added.data))
    node.written = now
    cells.write(key.offset, node.pack())
    cells.release(old)


def _write_value(cells: Cells, value: Value) -> int:
    raw, compressed = encode(value.name)
    size, place = _write_data(cells, value.data)
    flags = VALUE_COMP_NAME if compressed else 0
    return cells.allocate(VALUE.pack(b"vk", len(raw), size, place, value.type, flags, 0) + raw)


def _write_data(cells: Cells, data: bytes) -> tuple[int, int]:
    if len(data) <= 4:
        return INLINE | len(data), int.from_bytes(data.ljust(4, b"\0"), "little")
    if len(data) <= SEGMENT or minor_of(cells) <= 3:
        return len(data), cells.allocate(data)
    # Windows gives each segment four bytes more than it fills.
    segments = [
        cells.allocate(data[start : start + SEGMENT] + bytes(4))
        for start in range(0, len(data), SEGMENT)
    ]
    listed = cells.allocate(struct.pack(f"<{len(segments)}I", *segments))
    return len(data), cells.allocate(BIG_DATA.pack(b"db", len(segments), listed))


def _release_value(cells: Cells, offset: int) -> None:
    _, _, size, place, *_ = VALUE.unpack_from(cells.read(offset))
    if not size & INLINE and size:
        cell = cells.read(place)
        if size > SEGMENT and cell[:2] == b"db" and minor_of(cells) > 3:
            listed, segments = big_data_segments(cells, place, cell)
            for segment in segments:
                cells.release(segment)
            cells.release(listed)
        cells.release(place)
    cells.release(offset)


def _release_key(key: Key) -> None:
    cells = key.cells
    node, _ = key.node()
    for offset in value_offsets(key):
        _release_value(cells, offset)
    if node.value_count:
        cells.release(node.values)
    lists.release(cells, node.subkeys if node.subkey_count else NONE)
    if node.class_size:
        cells.release(node.class_name)
    _drop_security(cells, node.security)
    cells.release(key.offset)


def _share_security(cells: Cells, offset: int) -> int:
    if offset == NONE:
        return NONE
    magic, reserved, ahead, behind, references, size = _security(cells, offset)
    head = SECURITY_HEAD.pack(magic, reserved, ahead, behind, references + 1, size)
    cells.write(offset, head)
    return offset


def _drop_security(cells: Cells, offset: int) -> None:
    if offset == NONE:
        return
    magic, reserved, ahead, behind, references, size = _security(cells, offset)
    if references > 1 or ahead == offset:
        head = SECURITY_HEAD.pack(magic, reserved, ahead, behind, max(1, references - 1), size)
        cells.write(offset, head)
        return
    # The last key with this descriptor is gone: take it out of the ring.
    _link(cells, behind, ahead=ahead)
    _link(cells, ahead, behind=behind)
    cells.release(offset)


def _link(
    cells: Cells, offset: int, *, ahead: int | None = None, behind: int | None = None
) -> None:
    magic, reserved, old_ahead, old_behind, references, size = _security(cells, offset)
    ahead = old_ahead if ahead is None else ahead
    behind = old_behind if behind is None else behind
    cells.write(offset, SECURITY_HEAD.pack(magic, reserved, ahead, behind, references, size))


def _security(cells: Cells, offset: int) -> tuple[bytes, int, int, int, int, int]:
    cell = cells.read(offset)
    if len(cell) < SECURITY_HEAD.size or cell[:2] != b"sk":
        raise cells.corrupt("is no security descriptor", offset)
    magic, reserved, ahead, behind, references, size = SECURITY_HEAD.unpack_from(cell)
    return magic, reserved, ahead, behind, references, size
