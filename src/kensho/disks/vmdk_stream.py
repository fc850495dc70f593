"""Write streamOptimized VMDK: the disk format of OVF packages, in one pass.

Spec: VMware Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents".
Order in the file: header, descriptor, per 32 MiB of disk its deflated grains and
then their grain table, the directory, the footer, the end-of-stream marker.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._blocks import ZEROS
from kensho.disks._codec import zlib_compressor
from kensho.disks._structs import vmdk as s
from kensho.disks._tables import write_table, zero_table
from kensho.disks.vmdk_descriptor import make_descriptor, new_content_id
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ReadBuffer, StreamSink

GRAIN = 1 << 16
ENTRIES = 512
_GRAIN_SECTORS = GRAIN // s.SECTOR
_DESCRIPTOR_SECTORS = 20
_OVERHEAD = 128
_MAX_SIZE = 62 << 40  # vSphere's limit


class StreamOptimizedWriter:
    """A streamOptimized VMDK being written; see DiskWriter for the protocol."""

    __slots__ = ("_base", "_compress", "_directory", "_header", "_sink", "_table", "_table_number",
                 "identity", "virtual_size")  # fmt: skip

    format = "vmdk"
    subformat = "streamOptimized"
    granularity = GRAIN

    def __init__(
        self, sink: StreamSink, virtual_size: int, compression: str, identity: bytes | None
    ) -> None:
        capacity = -(-virtual_size // s.SECTOR)
        self.virtual_size = capacity * s.SECTOR
        self._sink = sink
        self._base = sink.position
        self._compress = zlib_compressor(compression)
        tables = -(-capacity // (_GRAIN_SECTORS * ENTRIES))
        self._directory = zero_table("I", tables)
        self._table = zero_table("I", ENTRIES)
        self._table_number = -1
        self._header = s.SparseHeader(
            magic=s.MAGIC,
            version=3,
            flags=s.FLAG_NEWLINES | s.FLAG_COMPRESSED | s.FLAG_MARKERS,
            capacity=capacity,
            grain_size=_GRAIN_SECTORS,
            descriptor_offset=1,
            descriptor_size=_DESCRIPTOR_SECTORS,
            entries_per_gt=ENTRIES,
            rgd_offset=0,
            gd_offset=s.AT_END,
            overhead=_OVERHEAD,
            algorithm=s.DEFLATE,
        )
        line = f'RW {capacity} SPARSE "disk.vmdk"'
        self.identity = new_content_id(identity)
        text = make_descriptor(capacity, self.subformat, self.identity, identity, [line])
        head = self._header.pack() + text.ljust(_DESCRIPTOR_SECTORS * s.SECTOR, b"\0")
        sink.append(head.ljust(_OVERHEAD * s.SECTOR, b"\0"))

    def encode(self, offset: int, data: memoryview) -> tuple[int, list[bytes]]:
        """Deflate the run's grains; returns (number of the first, list of padded grains)."""
        grains = []
        first = offset // GRAIN
        for at in range(0, len(data), GRAIN):
            grain = data[at : at + GRAIN]
            if len(grain) < GRAIN:  # readers expect whole grains, also at the disk's end
                grain = memoryview(bytes(grain) + ZEROS[: GRAIN - len(grain)])
            grains.append(_framed(first + at // GRAIN, self._compress(grain)))
        return first, grains

    @property
    def codec(self) -> str:
        """What grains are compressed with."""
        return "zlib"

    @property
    def largest(self) -> int:
        """Most bytes a compressed grain may have."""
        return 2 * GRAIN

    def encode_packed(self, offset: int, granules: list[ReadBuffer]) -> tuple[int, list[bytes]]:
        """Prepare grains that are zlib streams already."""
        first = offset // GRAIN
        return first, [_framed(number, packed) for number, packed in enumerate(granules, first)]

    def commit(self, encoded: tuple[int, list[bytes]]) -> None:
        """Append the grains, and each grain table once the next one begins."""
        first, grains = encoded
        ready: list[bytes] = []
        sector = (self._sink.position - self._base) // s.SECTOR
        for number, grain in enumerate(grains, first):
            table, entry = divmod(number, ENTRIES)
            if table != self._table_number:
                self._sink.append(b"".join(ready))
                ready = []
                self._end_table()
                self._table_number = table
                sector = (self._sink.position - self._base) // s.SECTOR
            if sector > 0xFFFF_FFFF:
                raise LimitError("a VMDK file cannot be larger than 2 TiB")
            self._table[entry] = sector
            ready.append(grain)
            sector += len(grain) // s.SECTOR
        self._sink.append(b"".join(ready))

    def finish(self) -> None:
        """Append the last table, the directory, the footer and the end of the stream."""
        self._end_table()
        directory = write_table(self._directory)
        directory += bytes(-len(directory) % s.SECTOR)
        gd_offset = self._metadata(s.MARKER_GD, directory)
        footer = dataclasses.replace(self._header, gd_offset=gd_offset)
        self._metadata(s.MARKER_FOOTER, footer.pack())
        self._sink.append(bytes(s.SECTOR))

    def _end_table(self) -> None:
        if self._table_number < 0:
            return
        raw = write_table(self._table)
        self._directory[self._table_number] = self._metadata(s.MARKER_GT, raw)
        self._table = zero_table("I", ENTRIES)
        self._table_number = -1

    def _metadata(self, kind: int, body: bytes) -> int:
        """Append a marker and what it announces; return the sector of the latter."""
        marker = s.MARKER.pack(len(body) // s.SECTOR, 0, kind).ljust(s.SECTOR, b"\0")
        sector = (self._sink.position - self._base) // s.SECTOR + 1
        if sector > 0xFFFF_FFFF:
            raise LimitError("a VMDK file cannot be larger than 2 TiB")
        self._sink.append(marker + body)
        return sector


def _framed(number: int, packed: ReadBuffer) -> bytes:
    """Return a grain as it goes into the file: marker, zlib stream, padding."""
    head = s.GRAIN_HEADER.pack(number * _GRAIN_SECTORS, len(packed))
    return b"".join((head, packed, ZEROS[: -(len(packed) + len(head)) % s.SECTOR]))


def create_stream_optimized(
    sink: StreamSink,
    virtual_size: int,
    *,
    compression: str = "fast",
    identity: bytes | None = None,
) -> StreamOptimizedWriter:
    """Begin a streamOptimized VMDK; the size is rounded up to whole sectors."""
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(f"a VMDK cannot have {virtual_size} bytes", hint="the limit is 62 TiB")
    return StreamOptimizedWriter(sink, virtual_size, compression, identity)
