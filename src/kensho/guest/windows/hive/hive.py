"""A registry hive: opened, read, edited in place and given back as bytes.

Spec: M. Suhanov, "Windows registry file format specification" (hives of version 1.3 to 1.6:
Windows NT 4 to Windows 11 and Server 2025, and the BCD of their boot loaders).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kensho.guest.windows.hive import edit
from kensho.guest.windows.hive._structs import (
    BASE,
    BASE_SIZE,
    BIN_HEADER,
    BIN_MAGIC,
    BIN_STEP,
    KEY_COMP_NAME,
    KEY_HIVE_ENTRY,
    KEY_NO_DELETE,
    MAGIC,
    MEMORY_LOAD,
    NONE,
    PRIMARY_AT,
    PRIMARY_FILE,
    ROOT_AT,
    SECURITY_HEAD,
    WRITTEN_AT,
    KeyNode,
)
from kensho.guest.windows.hive.cells import Cells, take_cells
from kensho.guest.windows.hive.keys import Key, root_of
from kensho.guest.windows.hive.log import is_dirty, replay, seal
from kensho.guest.windows.hive.names import encode
from kensho.guest.windows.hive.values import Value
from kensho.model.errors import UsageError


@dataclass(slots=True)
class Hive:
    """An opened hive. ``replayed`` counts the writes taken from its transaction logs.

    ``now`` is the FILETIME that edits get; a hive is given the one it had, so that the same
    edits of the same hive make the same bytes.
    """

    cells: Cells
    now: int
    replayed: int = 0
    edited: bool = False

    @property
    def root(self) -> Key:
        """The key that all others are below."""
        return root_of(self.cells)

    def find(self, path: str) -> Key | None:
        r"""Return the key at a path (``ControlSet001\Services``), None when there is none."""
        return self.root.find(path)

    def create(self, path: str) -> Key:
        """Return the key at a path, made with all that is missing on the way."""
        key = self.root
        for name in filter(None, path.split("\\")):
            below = key.subkey(name)
            if below is None:
                below = edit.create_key(key, name, self.now)
                self.edited = True
            key = below
        return key

    def set(self, path: str, *values: Value) -> bool:
        """Set values of the key at a path, made if need be; return whether anything changed."""
        key = self.create(path)
        changed = [edit.set_value(key, value, self.now) for value in values]
        self.edited = self.edited or any(changed)
        return any(changed)

    def delete_value(self, path: str, name: str) -> bool:
        """Delete a value; return False when there was none."""
        key = self.find(path)
        deleted = key is not None and edit.delete_value(key, name, self.now)
        self.edited = self.edited or deleted
        return deleted

    def delete_key(self, path: str) -> bool:
        """Delete a key with all below it; return False when there was none."""
        above, _, name = path.rstrip("\\").rpartition("\\")
        if not name:
            raise UsageError("the root of a registry hive cannot be deleted")
        parent = self.find(above)
        deleted = parent is not None and edit.delete_key(parent, name, self.now)
        self.edited = self.edited or deleted
        return deleted

    def dump(self) -> bytes:
        """Return the hive's file: as it was when nothing was edited or replayed, else closed."""
        data = bytearray(self.cells.data)
        if self.edited:
            primary, secondary = struct.unpack_from("<II", data, PRIMARY_AT)
            # A number that no entry of an old log has, so that none is taken for a later one.
            sequence = (max(primary, secondary) + 1) & 0xFFFF_FFFF
            struct.pack_into("<IIQ", data, PRIMARY_AT, sequence, sequence, self.now)
            seal(data)
        return bytes(data)


def open_hive(data: bytes, logs: Sequence[bytes] = (), *, path: str = "") -> Hive:
    """Open the bytes of a hive, with its transaction logs (``.LOG``, ``.LOG1``, ``.LOG2``).

    ``path`` is for messages. Raises CorruptError, TruncatedError or LimitError when it is no hive
    that can be trusted; also when it was not closed and the logs do not complete it.
    """
    own = bytearray(data)
    replayed = 0
    if len(own) >= BASE_SIZE and own[:4] == MAGIC and is_dirty(own):
        replayed = replay(own, logs, path)
    cells = take_cells(own, path)
    root_of(cells).node()
    return Hive(cells, int.from_bytes(own[WRITTEN_AT : WRITTEN_AT + 8], "little"), replayed)


def new_hive(
    root: str = "ROOT", *, security: bytes, minor: int = 5, now: int = 0, path: str = ""
) -> Hive:
    """Make a hive with nothing but its root key.

    ``security`` is the root's self-relative security descriptor ([MS-DTYP] 2.4.6), which all keys
    made in it share; ``minor`` the version, 3 to 6.
    """
    size = -(-(BIN_HEADER.size + 512 + len(security)) // BIN_STEP) * BIN_STEP
    data = bytearray(BASE_SIZE + size)
    BASE.pack_into(data, 0, MAGIC, 1, 1, now, 1, minor, PRIMARY_FILE, MEMORY_LOAD, NONE, size, 1)
    BIN_HEADER.pack_into(data, BASE_SIZE, BIN_MAGIC, 0, size, now)
    struct.pack_into("<i", data, BASE_SIZE + BIN_HEADER.size, size - BIN_HEADER.size)
    cells = take_cells(data, path)
    raw, compressed = encode(root)
    flags = KEY_HIVE_ENTRY | KEY_NO_DELETE | (KEY_COMP_NAME if compressed else 0)
    node = KeyNode(flags, now, 0, NONE, 0, 0, NONE, NONE, 0, NONE, NONE, NONE, 0, 0, 0, 0, 0,
                   len(raw), 0)  # fmt: skip
    place = cells.allocate(node.pack() + raw)  # the first cell, where Windows has it too
    node.security = cells.allocate(SECURITY_HEAD.pack(b"sk", 0, 0, 0, 1, len(security)) + security)
    ring = SECURITY_HEAD.pack(b"sk", 0, node.security, node.security, 1, len(security))
    cells.write(node.security, ring)
    cells.write(place, node.pack())
    struct.pack_into("<I", data, ROOT_AT, place)
    seal(data)
    return Hive(cells, now)
