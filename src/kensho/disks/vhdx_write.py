"""Write dynamic VHDX.

Spec: [MS-VHDX] sections 2.2 to 2.6. Order in the file: identifier, headers and
region tables in the first MiB, an empty log, metadata, block allocation table,
blocks. The headers are written last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._identity import identity_uuid
from kensho.disks._placing import write_placed
from kensho.disks._structs import vhdx as s
from kensho.disks._tables import write_table, zero_table
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

_SECTOR = 512
_LOG_AT = s.MIB
_METADATA_AT = 2 * s.MIB
_BAT_AT = 3 * s.MIB
_ITEMS_AT = s.KIB64  # where items begin within the metadata region
_MAX_SIZE = 64 << 40
_MAX_BLOCKS = 1 << 20  # keeps the table in memory at 8 MiB


class VhdxWriter:
    """A dynamic VHDX being written; see DiskWriter for the protocol."""

    __slots__ = (
        "_bat",
        "_block_now",
        "_identity",
        "_next",
        "_ratio",
        "_start",
        "block",
        "sink",
        "virtual_size",
    )  # fmt: skip

    format = "vhdx"
    subformat = "dynamic"
    granularity = 1 << 16

    def __init__(self, sink: ByteSink, virtual_size: int, identity: bytes | None) -> None:
        self.virtual_size = -(-virtual_size // _SECTOR) * _SECTOR
        self.block = 2 * s.MIB
        while -(-self.virtual_size // self.block) > _MAX_BLOCKS:
            self.block *= 2
        self.sink = sink
        self._identity = identity
        self._ratio = s.chunk_ratio(self.block, _SECTOR)
        count = -(-self.virtual_size // self.block)
        self._bat = zero_table("Q", count + (count - 1) // self._ratio)
        self._next = _BAT_AT + _whole_mib(8 * len(self._bat))
        self._block_now = -1
        self._start = 0

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where in its blocks the run goes; blocks are made as they are first needed."""
        places = []
        end = offset + length
        while offset < end:
            block, within = divmod(offset, self.block)
            size = min(self.block - within, end - offset)
            if block != self._block_now:
                self._begin_block(block)
            places.append((self._start + within, size))
            offset += size
        return places

    def finish(self) -> None:
        """Write table, metadata, regions and at last the headers."""
        sink = self.sink
        sink.truncate(self._next)
        sink.write_at(_BAT_AT, write_table(self._bat))
        self._write_metadata()
        regions = self._region_table()
        for place in s.REGION_PLACES:
            sink.write_at(place, regions)
        sink.write_at(0, s.FILE_ID + "kensho".encode("utf-16-le"))
        for sequence, place in enumerate(s.HEADER_PLACES):
            sink.write_at(place, self._header(sequence))

    def _begin_block(self, block: int) -> None:
        self._bat[block + block // self._ratio] = self._next | s.FULLY_PRESENT
        self._block_now = block
        self._start = self._next
        self._next += self.block

    def _header(self, sequence: int) -> bytes:
        return s.Header(
            signature=b"head",
            checksum=0,
            sequence=sequence,
            file_write_guid=identity_uuid(self._identity, "vhdx file write"),
            data_write_guid=identity_uuid(self._identity, "vhdx data write"),
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
        items = (
            (s.FILE_PARAMETERS, self.block.to_bytes(8, "little"), s.ITEM_REQUIRED),
            (s.DISK_SIZE, self.virtual_size.to_bytes(8, "little"), on_disk),
            (s.DISK_ID, identity_uuid(self._identity, "vhdx disk"), on_disk),
            (s.LOGICAL_SECTOR, _SECTOR.to_bytes(4, "little"), on_disk),
            (s.PHYSICAL_SECTOR, (4096).to_bytes(4, "little"), on_disk),
        )
        table = s.METADATA_HEADER.pack(b"metadata", len(items))
        body = b""
        for guid, value, flags in items:
            at = _ITEMS_AT + len(body)
            table += s.METADATA_ENTRY.pack(guid, at, len(value), flags)
            body += value
        self.sink.write_at(_METADATA_AT, table)
        self.sink.write_at(_METADATA_AT + _ITEMS_AT, body)


def create_vhdx(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - VHDX knows none
    identity: bytes | None = None,
) -> VhdxWriter:
    """Begin a dynamic VHDX; the size is rounded up to whole sectors."""
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(f"a VHDX cannot have {virtual_size} bytes", hint="the limit is 64 TiB")
    return VhdxWriter(sink, virtual_size, identity)


def _whole_mib(length: int) -> int:
    return -(-length // s.MIB) * s.MIB
