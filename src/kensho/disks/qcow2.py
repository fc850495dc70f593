"""Read QCOW2 versions 2 and 3, with compressed clusters and backing files.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
Refcounts are not needed to read and not looked at. Internal snapshots are not
read; the disk is its current state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap, check_disk_range, fill_zero
from kensho.disks._codec import DamagedDataError, inflate_raw, unzstd
from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import read_table, zero_table
from kensho.disks.base import ParentRef
from kensho.disks.qcow2_header import Qcow2Header, read_header
from kensho.model.errors import CorruptError, TruncatedError
from kensho.model.extent import Kind
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

# Locations of compressed clusters are kept as this minus their descriptor of 62 bits.
_COMPRESSED = -3


class Qcow2Disk:
    """A QCOW2 open for reading."""

    __slots__ = ("_header", "_map", "_source", "details", "parent", "parent_names", "sources", "subformat",
                 "warnings")  # fmt: skip

    format = "qcow2"

    def __init__(self, source: ByteSource, info: Qcow2Header) -> None:
        header = info.header
        self._source = source
        self._header = header
        self._map = _cluster_map(source, header)
        self.sources = (source,)
        self.subformat = f"v{header.version}"
        self.parent = None
        if info.backing_name is not None:
            self.parent = ParentRef(info.backing_name, info.backing_format)
        self.parent_names = () if info.backing_name is None else (info.backing_name,)
        self.details: Mapping[str, str | int] = {
            "cluster_bytes": 1 << header.cluster_bits,
            "compression": "zstd" if header.compression_type == s.ZSTD else "zlib",
            "snapshots": header.snapshots,
        }
        self.warnings = _warnings(source, header)

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._map.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return self._map.extents(start, end)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        check_disk_range(self._source.name, self.virtual_size, offset, len(view))
        for extent in self._map.extents(offset, offset + len(view)):
            part = view[extent.start - offset : extent.end - offset]
            if extent.kind is Kind.DATA and extent.file_offset >= 0:
                self._source.read_into(extent.file_offset, part)
            elif extent.kind is Kind.DATA:
                self._read_compressed(extent.start, part)
            else:
                fill_zero(part)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return nothing: QCOW2 records no identity of its backing file."""
        return ()

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""

    def _read_compressed(self, offset: int, view: memoryview) -> None:
        cluster = 1 << self._header.cluster_bits
        end = offset + len(view)
        for index in range(offset // cluster, -(-end // cluster)):
            data = self._cluster(index)
            start = index * cluster
            low, high = max(start, offset), min(start + cluster, end)
            view[low - offset : high - offset] = data[low - start : high - start]

    def _cluster(self, index: int) -> bytes:
        bits = self._header.cluster_bits
        place, length = _compressed_place(_COMPRESSED - self._map.locate(index), bits)
        # The length is rounded up to sectors, which the file need not have at its end.
        packed = self._source.read_at(place, min(length, self._source.size - place))
        decode = unzstd if self._header.compression_type == s.ZSTD else inflate_raw
        try:
            return decode(packed, 1 << bits)
        except DamagedDataError as error:
            raise CorruptError(
                f"compressed cluster {index}: {error}", path=self._source.name, offset=place
            ) from None


def open_qcow2(source: ByteSource, sibling: SiblingOpener | None = None) -> Qcow2Disk:  # noqa: ARG001
    """Open a QCOW2 alone, without the files it is based on.

    UnsupportedError for encryption, external data files, extended L2 entries and
    unknown features.
    """
    return Qcow2Disk(source, read_header(source))


def _compressed_place(descriptor: int, cluster_bits: int) -> tuple[int, int]:
    """Return (offset, upper bound of the length) of a compressed cluster."""
    width = 62 - (cluster_bits - 8)
    place = descriptor & ((1 << width) - 1)
    sectors = (descriptor >> width) + 1
    return place, sectors * 512 - place % 512


def _cluster_map(source: ByteSource, header: s.Header) -> BlockMap:
    bits = header.cluster_bits
    cluster = 1 << bits
    per_table = cluster // 8
    tables = -(-header.size // (cluster * per_table))
    l1 = read_table(source.read_at(header.l1_offset, 8 * tables), "Q", big_endian=True)
    used = [entry & s.OFFSET_MASK for entry in l1 if entry & s.OFFSET_MASK]
    if len(set(used)) != len(used):
        raise CorruptError(
            "two L1 entries share a table", path=source.name, offset=header.l1_offset
        )
    zero_flag = s.L2_ZERO if header.version >= 3 else 0
    count = -(-header.size // cluster)

    def bad(message: str, at: int) -> CorruptError:
        return CorruptError(message, path=source.name, offset=at, field="L2 entry")

    def located(entry: int, index: int, at: int) -> int:
        if entry & s.COMPRESSED:
            descriptor = entry & (s.COMPRESSED - 1)
            place, _ = _compressed_place(descriptor, bits)
            if not cluster <= place < source.size:
                raise TruncatedError(
                    f"compressed cluster {index} should be at {place:#x}, outside the file",
                    path=source.name,
                    offset=at,
                    field="L2 entry",
                )
            return _COMPRESSED - descriptor
        if entry & zero_flag:
            return ZERO
        place = entry & s.OFFSET_MASK
        if place == 0:
            return HOLE
        if place % cluster:
            raise bad(f"cluster {index} at {place:#x} is not aligned", at)
        if place + min(cluster, header.size - index * cluster) > source.size:
            raise TruncatedError(
                f"cluster {index} should be at {place:#x}, behind the end of the file",
                path=source.name,
                offset=at,
                field="L2 entry",
            )
        return place

    def load(number: int) -> array.array[int] | None:
        table = l1[number] & s.OFFSET_MASK
        if table == 0:
            return None
        if table % cluster:
            raise CorruptError(
                f"L2 table at {table:#x} is not aligned",
                path=source.name,
                offset=header.l1_offset + 8 * number,
                field="L1 entry",
            )
        first = number * per_table
        entries = read_table(
            source.read_at(table, 8 * min(per_table, count - first)), "Q", big_endian=True
        )
        out = zero_table("q", len(entries))
        for i, entry in enumerate(entries):
            out[i] = located(entry, first + i, table + 8 * i) if entry else HOLE
        return out

    return BlockMap(header.size, cluster, per_table, load)


def _warnings(source: ByteSource, header: s.Header) -> tuple[Finding, ...]:
    found = []
    if header.incompatible & s.DIRTY:
        found.append(
            Finding(
                "KF-404",
                Severity.NOTE,
                "the image was not closed cleanly; its refcounts may be off, its content is not",
                source.name,
            )
        )
    if header.snapshots:
        found.append(
            Finding(
                "KF-405",
                Severity.WARNING,
                f"{header.snapshots} internal snapshots",
                source.name,
                "only the current state is read",
            )
        )
    return tuple(found)
