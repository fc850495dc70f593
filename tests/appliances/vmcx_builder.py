"""Write tiny `.vmcx` files, with nothing of the reader's: its own layouts, its own checksums.

A tree is a list of (name, value): a list is a node, a str, bytes, bool, float or int a value, a
`Far` a value in an object of its own.
"""

from __future__ import annotations

import struct
from binascii import crc32
from dataclasses import dataclass

PAGE = 4096
Tree = list[tuple[str, object]]


@dataclass(frozen=True)
class Far:
    """Bytes or text that lie outside the key tables."""

    value: bytes | str


def sealed(data: bytes, at: int) -> bytes:
    """Return a structure with its CRC-32 at ``at``, computed while that is zero."""
    blank = data[:at] + bytes(4) + data[at + 4 :]
    return data[:at] + struct.pack("<I", crc32(blank)) + data[at + 4 :]


def header(sequence: int, log: int, *, version: int = 0x400) -> bytes:
    fields = (0x01282014, 0, sequence, version, 0, 0, PAGE, log, PAGE, PAGE)
    return sealed(struct.pack("<IIHIIIIQQI", *fields), 4).ljust(PAGE, b"\0")


def log_page(writes: list[tuple[int, bytes]], *, behind: int = 0) -> bytes:
    """Return a log with these (offset in the file, bytes) still to be written.

    Places of data count from the log's beginning, or from ``behind`` bytes after it.
    """
    head = struct.pack("<IIIBIBQII", 0x01110003, 0, len(writes), 0, 145, 0, 0, 0, 0)
    entries, blob, at = b"", b"", 34 + 28 * len(writes)
    for target, data in writes:
        entry = struct.pack("<IQIQI", 0, target, len(data), at + len(blob) - behind, crc32(data))
        entries += sealed(entry, 0)
        blob += data
    return (sealed(head, 4) + entries + blob).ljust(PAGE, b"\0")


def _entry(
    kind: int, flags: int, parent: tuple[int, int], order: int, name: str, data: bytes
) -> bytes:
    word = name.encode() + b"\0"
    size = 21 + len(word) + len(data)
    head = struct.pack("<BBIHIIIB", kind, flags, size, *parent, 0, order, len(word))
    return sealed(head + word + data, 12)


def _value(value: object) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 8, struct.pack("<i", value)
    if isinstance(value, int):
        return (3, struct.pack("<q", value)) if value < 2**63 else (4, struct.pack("<Q", value))
    if isinstance(value, float):
        return 5, struct.pack("<d", value)
    raw = (value + "\0").encode("utf-16-le") if isinstance(value, str) else value
    assert isinstance(raw, bytes)
    return (6 if isinstance(value, str) else 7), struct.pack("<I", len(raw)) + raw


class _Writer:
    def __init__(self, far_at: int) -> None:
        self.tables: list[bytes] = [b""]
        self.far: list[tuple[int, bytes]] = []
        self.far_at = far_at

    def put(self, entry: bytes) -> tuple[int, int]:
        """Add an entry; return the number of its table and its offset there."""
        if len(self.tables[-1]) + len(entry) > PAGE - 10:
            self.tables.append(b"")
        start = len(self.tables[-1])
        if (left := PAGE - 10 - start - len(entry)) <= 21:
            # A free entry would not fit: this one is said to be longer, under a checksum of its own.
            grown = entry[:2] + struct.pack("<I", len(entry) + left) + entry[6:]
            entry = sealed(grown, 12).ljust(len(entry) + left, b"\0")
        self.tables[-1] += entry
        return len(self.tables), 10 + start

    def tree(self, tree: Tree, parent: tuple[int, int]) -> None:
        for order, (name, value) in enumerate(tree, 1):
            if isinstance(value, list):
                place = self.put(_entry(9, 0, parent, order, name, bytes(12)))
                self.tree(value, place)
            elif isinstance(value, Far):
                kind, data = _value(value.value)
                pointer = struct.pack("<IQ", len(data) - 4, self.far_at)
                self.far.append((self.far_at, data[4:]))
                self.far_at += -(-len(data) // PAGE) * PAGE
                self.put(_entry(kind, 1, parent, order, name, pointer))
            else:
                kind, data = _value(value)
                self.put(_entry(kind, 0, parent, order, name, data))


def key_table(number: int, entries: bytes, sequence: int = 1) -> bytes:
    """Return a page of keys; what is left of it is one free entry."""
    left = PAGE - 10 - len(entries)
    if left > 21:
        entries += struct.pack("<BBIHIIIB", 1, 0, left, 0, 0, 0, 0, 0)
    return sealed(struct.pack("<HHHI", 2, number, sequence, 0), 6) + entries.ljust(PAGE - 10, b"\0")


def object_table(objects: list[tuple[int, int, int]]) -> bytes:
    """Return a page that lists (kind, offset, size)."""
    count = (PAGE - 8) // 18
    entries = [struct.pack("<BIQIB", kind, 0, at, size, 1) for kind, at, size in objects]
    entries += [struct.pack("<BIQIB", 0, 0, 0, 0, 0)] * (count - len(entries))
    body = b"".join(sealed(entry, 1) for entry in entries)
    return (struct.pack("<II", 0x01110001, count) + body).ljust(PAGE, b"\0")


def build_vmcx(
    tree: Tree,
    *,
    writes: list[tuple[int, bytes]] | None = None,
    sequences: tuple[int, int] = (2, 1),
    version: int = 0x400,
) -> bytes:
    """Return a file: headers, objects, log, key tables, values of their own."""
    # Where values go depends on how many tables there are, so the tree is laid out twice.
    first = _Writer(1 << 20)
    first.tree(tree, (0, 0))
    keys_at = 4 * PAGE
    writer = _Writer(keys_at + len(first.tables) * PAGE)
    writer.tree(tree, (0, 0))
    objects = [(2, keys_at + n * PAGE, PAGE) for n in range(len(writer.tables))]
    objects += [(3, at, -(-len(data) // PAGE) * PAGE) for at, data in writer.far]
    data = bytearray(writer.far_at)
    data[0:PAGE] = header(sequences[0], 3 * PAGE, version=version)
    data[PAGE : 2 * PAGE] = header(sequences[1], 3 * PAGE, version=version)
    data[2 * PAGE : 3 * PAGE] = object_table(objects)
    data[3 * PAGE : 4 * PAGE] = log_page(writes or [])
    for n, entries in enumerate(writer.tables):
        start = keys_at + n * PAGE
        data[start : start + PAGE] = key_table(n + 1, entries)
    for at, value in writer.far:
        data[at : at + len(value)] = value
    return bytes(data)
