"""Check VHD: both footers, header, block table. Structures: see ``_structs/vhd.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._structs import vhd as s
from kensho.disks.checks.common import Fault, Grade, used_twice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource


def check(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:
    """Yield the faults of a VHD that could be opened."""
    name, size = source.name, source.size
    last = size - s.FOOTER_SIZE
    copies = {place: _footer(source, place) for place in (0, last)}
    footer = copies[last] or copies[0]
    if footer is None:  # a footer of 511 bytes; the reader has looked at it
        return
    if copies[last] is None:
        yield Fault(Grade.HARMLESS, "the footer is damaged, its copy is whole", name, last)
    if footer.disk_type == s.FIXED:
        if size - s.FOOTER_SIZE != footer.current_size:
            yield Fault(
                Grade.HARMLESS,
                f"{footer.current_size} bytes of disk in a file of {size}",
                name,
                last,
                "current size",
            )
        return
    if copies[0] is None:
        yield Fault(Grade.CORRUPT, "the copy of the footer is damaged; QEMU needs it", name, 0)
    elif copies[last] is not None and copies[0] != copies[last]:
        yield Fault(Grade.CORRUPT, "the footer and its copy differ", name, 0)
    header = s.unpack_dynamic(source.read_at(footer.data_offset, s.DYNAMIC_SIZE))
    table_end = header.table_offset + 4 * header.max_entries
    if header.max_entries * header.block_size < footer.current_size:
        yield Fault(Grade.CORRUPT, "the table is too short for the disk", name, header.table_offset)
    own = [
        (0, s.FOOTER_SIZE, "the footer's copy"),
        (footer.data_offset, footer.data_offset + s.DYNAMIC_SIZE, "the dynamic header"),
        (header.table_offset, table_end, "the block table"),
    ]
    if copies[last] is not None:
        own.append((last, size, "the footer"))
    yield from used_twice(layer, own)


def _footer(source: ByteSource, place: int) -> s.Footer | None:
    if place < 0:
        return None
    raw = source.read_at(place, s.FOOTER_SIZE)
    footer = s.unpack_footer(raw)
    good = footer.cookie == s.COOKIE and footer.checksum == s.footer_sum(raw)
    return footer if good else None
