"""The tables of a VHDX being written.

Spec: [MS-VHDX] sections 2.2 to 2.6. Order in the file: identifier, headers and
region tables in the first MiB, an empty log, metadata, block allocation table,
blocks. The headers are written last.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from kensho.disks._identity import identity_uuid
from kensho.disks._structs import vhdx as s
from kensho.disks._tables import write_table, zero_table
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

_LOG_AT = s.MIB
_METADATA_AT = 2 * s.MIB
_BAT_AT = 3 * s.MIB
_ITEMS_AT = s.KIB64  # where items begin within the metadata region
_MAX_SIZE = 64 << 40
_MAX_BLOCKS = 1 << 20  # keeps the table in memory at 8 MiB


class VhdxLayout:
    """Block size, allocation and tables of a new VHDX of ``size`` bytes.

    ``size`` is rounded up to whole sectors; with a parent ``locator`` the table has
    room for sector bitmaps too. ``identity`` is its DataWriteGuid as text.
    """

    __slots__ = ("_bat", "_flags", "_guids", "_locator", "_next", "_sink", "block", "count", "identity", "ratio", "sector",
                 "size")  # fmt: skip

    def __init__(
        self,
        sink: ByteSink,
        virtual_size: int,
        sector: int,
        identity: bytes | None,
        *,
        flags: int = 0,
        locator: bytes = b"",
    ) -> None:
        if not 0 < virtual_size <= _MAX_SIZE:
            raise LimitError(f"a VHDX cannot have {virtual_size} bytes", hint="the limit is 64 TiB")
        self._sink = sink
        self.sector = sector
        self.size = -(-virtual_size // sector) * sector
        self.block = 2 * s.MIB
        while -(-self.size // self.block) > _MAX_BLOCKS:
            self.block *= 2
        self.ratio = s.chunk_ratio(self.block, sector)
        self.count = -(-self.size // self.block)
        chunks = -(-self.count // self.ratio)
        entries = chunks * (self.ratio + 1) if locator else self.count + chunks - 1
        self._bat = zero_table("Q", entries)
        self._next = _BAT_AT + _whole_mib(8 * entries)
        self._flags = flags
        self._locator = locator
        self._guids = {
            purpose: identity_uuid(identity, f"vhdx {purpose}")
            for purpose in ("file write", "data write", "disk")
        }
        self.identity = str(uuid.UUID(bytes_le=self._guids["data write"]))

    def allocate(self, length: int) -> int:
        """Return the offset of the next ``length`` bytes of the file."""
        place = self._next
        self._next += _whole_mib(length)
        return place

    def set_block(self, block: int, place: int, state: int) -> None:
        """Enter where a payload block is."""
        self._bat[block + block // self.ratio] = place | state

    def set_bitmap(self, chunk: int, place: int) -> None:
        """Enter where the sector bitmap of a chunk is."""
        self._bat[(chunk + 1) * (self.ratio + 1) - 1] = place | s.FULLY_PRESENT

    def finish(self) -> None:
        """Write table, metadata, regions and at last the headers."""
        sink = self._sink
        sink.truncate(self._next)
        sink.write_at(_BAT_AT, write_table(self._bat))
        self._write_metadata()
        regions = self._region_table()
        for place in s.REGION_PLACES:
            sink.write_at(place, regions)
        sink.write_at(0, s.FILE_ID + "kensho".encode("utf-16-le"))
        for sequence, place in enumerate(s.HEADER_PLACES):
            sink.write_at(place, self._header(sequence))

    def _header(self, sequence: int) -> bytes:
        return s.Header(
            signature=b"head",
            checksum=0,
            sequence=sequence,
            file_write_guid=self._guids["file write"],
            data_write_guid=self._guids["data write"],
            log_guid=bytes(16),
            log_version=0,
            version=1,
            log_length=s.MIB,
            log_offset=_LOG_AT,
        ).pack()

    def _region_table(self) -> bytes:
        entries = (
            s.REGION_ENTRY.pack(s.BAT_REGION, _BAT_AT, _whole_mib(8 * len(self._bat)), 1),
            s.REGION_ENTRY.pack(s.METADATA_REGION, _METADATA_AT, s.MIB, 1),
        )
        head = s.REGION_HEADER.pack(b"regi", 0, len(entries), 0)
        return s.with_checksum((head + b"".join(entries)).ljust(s.KIB64, b"\0"))

    def _write_metadata(self) -> None:
        on_disk = s.ITEM_REQUIRED | s.ITEM_IS_DISK
        parameters = self.block | self._flags << 32
        items = [
            (s.FILE_PARAMETERS, parameters.to_bytes(8, "little"), s.ITEM_REQUIRED),
            (s.DISK_SIZE, self.size.to_bytes(8, "little"), on_disk),
            (s.DISK_ID, self._guids["disk"], on_disk),
            (s.LOGICAL_SECTOR, self.sector.to_bytes(4, "little"), on_disk),
            (s.PHYSICAL_SECTOR, (4096).to_bytes(4, "little"), on_disk),
        ]
        if self._locator:
            items.append((s.PARENT_LOCATOR, self._locator, s.ITEM_REQUIRED))
        table = s.METADATA_HEADER.pack(b"metadata", len(items))
        body = b""
        for guid, value, flags in items:
            at = _ITEMS_AT + len(body)
            table += s.METADATA_ENTRY.pack(guid, at, len(value), flags)
            body += value
        self._sink.write_at(_METADATA_AT, table)
        self._sink.write_at(_METADATA_AT + _ITEMS_AT, body)


def _whole_mib(length: int) -> int:
    return -(-length // s.MIB) * s.MIB
