"""Read QCOW2 versions 2 and 3, with all that version 3 has but encryption.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
Refcounts are not needed to read and not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import check_disk_range, fill_zero
from kensho.disks._codec import DamagedDataError, inflate_raw, unzstd
from kensho.disks._structs import qcow2 as s
from kensho.disks.base import ParentRef
from kensho.disks.qcow2_header import PLAIN_FEATURES, Qcow2Header, check_l1, read_header
from kensho.disks.qcow2_map import COMPRESSED, Active, cluster_map, compressed_place
from kensho.disks.qcow2_snapshots import find_snapshot, read_snapshots
from kensho.model.errors import CorruptError, FormatError, UnsupportedError
from kensho.model.extent import Kind
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, ReadBuffer, WriteBuffer

_FEATURES = PLAIN_FEATURES | s.EXTERNAL_DATA | s.EXTENDED_L2


class Qcow2Disk:
    """A QCOW2 open for reading, without the files it is based on."""

    __slots__ = ("_data", "_header", "_map", "_source", "details", "parent", "parent_names", "sources", "subformat",
                 "warnings")  # fmt: skip

    format = "qcow2"

    def __init__(
        self,
        source: ByteSource,
        info: Qcow2Header,
        active: Active,
        data: ByteSource | None,
        warnings: tuple[Finding, ...],
        details: Mapping[str, str | int],
    ) -> None:
        self._source = source
        self._data = data
        self._header = info.header
        self._map = cluster_map(source, info, active, data)
        self.sources = (source,) if data is None else (source, data)
        self.subformat = f"v{info.header.version}"
        self.parent = None
        if info.backing_name is not None:
            self.parent = ParentRef(info.backing_name, info.backing_format)
        self.parent_names = () if info.backing_name is None else (info.backing_name,)
        self.details = details
        self.warnings = warnings

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
                self.sources[extent.file].read_into(extent.file_offset, part)
            elif extent.kind is Kind.DATA:
                self._read_compressed(extent.start, part)
            else:
                fill_zero(part)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return nothing: QCOW2 records no identity of its backing file."""
        return ()

    def close(self) -> None:
        """Close the external data file."""
        if self._data is not None:
            self._data.close()

    def _read_compressed(self, offset: int, view: memoryview) -> None:
        cluster = 1 << self._header.cluster_bits
        end = offset + len(view)
        for start, packed in self.packed(offset, end):
            data, _ = self.unpack(start, packed)
            low, high = max(start, offset), min(start + cluster, end)
            view[low - offset : high - offset] = data[low - start : high - start]

    @property
    def packing(self) -> tuple[str, int]:
        """Codec and bytes of compressed clusters, of which there may be none."""
        codec = "zstd" if self._header.compression_type == s.ZSTD else "deflate"
        return codec, 1 << self._header.cluster_bits

    def packed(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield (start, stored bytes and some more) of the compressed clusters in the range."""
        bits = self._header.cluster_bits
        for index in range(start >> bits, -(-end >> bits)):
            block = (index << bits) // self._map.block  # its first subcluster, if there are any
            location = self._map.locate(block)
            if location <= COMPRESSED:
                place, length = compressed_place(COMPRESSED - location, bits)
                # The length is rounded up to sectors, which the file need not have at its end.
                length = min(length, self._source.size - place)
                yield index << bits, self._source.read_at(place, length)

    def unpack(self, start: int, data: ReadBuffer) -> tuple[bytes, int]:
        """Return a cluster's content and how many bytes of ``data`` that took, at most."""
        bits = self._header.cluster_bits
        try:
            if self._header.compression_type == s.ZSTD:
                return unzstd(data, 1 << bits), len(data)
            return inflate_raw(data, 1 << bits)
        except DamagedDataError as error:
            location = self._map.locate(start // self._map.block)
            place, _ = compressed_place(COMPRESSED - location, bits)
            raise CorruptError(
                f"compressed cluster {start >> bits}: {error}",
                path=self._source.name,
                offset=place,
            ) from None


def open_qcow2(source: ByteSource, sibling: SiblingOpener | None = None) -> Qcow2Disk:
    """Open a QCOW2 alone, without the files it is based on.

    ``sibling`` opens its external data file. UnsupportedError for encryption and
    unknown features.
    """
    info = read_header(source, _FEATURES)
    header = info.header
    details = _details(info)
    try:
        names = [f"{one.id} ({one.name})" for one in read_snapshots(source, header)[:20]]
        if names:
            details["snapshot_names"] = ", ".join(names)
    except FormatError as error:  # the current state does not need it
        details["snapshot_names"] = f"the table is damaged: {error.message}"
    active = Active(header.size, header.l1_offset, header.l1_size)
    return _open(source, sibling, info, active, _warnings(source, header), details)


def open_qcow2_snapshot(
    source: ByteSource, sibling: SiblingOpener | None, snapshot: str
) -> Qcow2Disk:
    """Open an internal snapshot by its id or its name, else as ``open_qcow2``.

    LocatorError when there is none.
    """
    info = read_header(source, _FEATURES)
    found = find_snapshot(source, info.header, snapshot)
    details = _details(info)
    details["snapshot"] = f"{found.id} ({found.name})"
    tables = -(-found.size // ((1 << info.header.cluster_bits) * info.per_table))
    check_l1(source, found.size, tables, found.l1_size, found.l1_offset, info.header.cluster_bits)
    active = Active(found.size, found.l1_offset, found.l1_size)
    return _open(source, sibling, info, active, (), details)


def _open(
    source: ByteSource,
    sibling: SiblingOpener | None,
    info: Qcow2Header,
    active: Active,
    warnings: tuple[Finding, ...],
    details: Mapping[str, str | int],
) -> Qcow2Disk:
    data = _data_file(source, info, sibling)
    try:
        return Qcow2Disk(source, info, active, data, warnings, details)
    except BaseException:
        if data is not None:
            data.close()
        raise


def _data_file(
    source: ByteSource, info: Qcow2Header, sibling: SiblingOpener | None
) -> ByteSource | None:
    if info.data_name is None:
        return None
    if not info.data_name:
        raise CorruptError("names no external data file", path=source.name, field="data file")
    if sibling is None:
        raise UnsupportedError(
            f"its data are in {info.data_name!r}, which cannot be reached from here",
            path=source.name,
            hint="put both files into one folder, or flatten it with `qemu-img convert`",
        )
    return sibling(info.data_name)


def _details(info: Qcow2Header) -> dict[str, str | int]:
    header = info.header
    details: dict[str, str | int] = {
        "cluster_bytes": 1 << header.cluster_bits,
        "compression": "zstd" if header.compression_type == s.ZSTD else "zlib",
        "snapshots": header.snapshots,
    }
    if info.data_name is not None:
        details["data_file"] = info.data_name
    if info.entry_size == 16:
        details["extended_l2"] = "yes"
    return details


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
                "the current state is read; others are, when named",
            )
        )
    return tuple(found)
