"""Read QED, the format QEMU had between QCOW2 versions 2 and 3.

Spec: see ``_structs/qed.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap, read_mapped
from kensho.disks._structs import qed as s
from kensho.disks._tables import has_repeats, is_zero, read_table, zero_table
from kensho.disks.base import ParentRef
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 1 << 50
_MAX_NAME = 1023  # QEMU's limit
_PAGE = 4096  # table entries read at a time: tables may have up to 2^27


class QedDisk:
    """A QED open for reading, without its backing file."""

    __slots__ = ("_map", "_name", "details", "parent", "parent_names", "sources", "warnings")

    format = "qed"
    subformat = "dynamic"

    def __init__(self, source: ByteSource, header: s.Header, blocks: BlockMap) -> None:
        self._name = source.name
        self._map = blocks
        self.sources = (source,)
        self.parent = _parent(source, header)
        self.parent_names = () if self.parent is None else (self.parent.name,)
        self.details: Mapping[str, str | int] = {"cluster_bytes": header.cluster_size}
        self.warnings: tuple[Finding, ...] = ()
        if header.features & s.NEED_CHECK:
            self.warnings = (
                Finding(
                    "KF-404",
                    Severity.NOTE,
                    "the image was not closed cleanly; clusters may be lost, none is made up",
                    source.name,
                ),
            )

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._map.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return self._map.extents(start, end)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; holes read as zero."""
        read_mapped(self, self._name, offset, buffer)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return nothing: QED records no identity of its backing file."""
        return ()

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


def open_qed(source: ByteSource, sibling: SiblingOpener | None = None) -> QedDisk:  # noqa: ARG001
    """Open a QED; UnsupportedError for features it does not say to be known."""
    header = s.unpack_header(source.read_at(0, s.SIZE))
    _check(source, header)
    return QedDisk(source, header, _cluster_map(source, header))


def _check(source: ByteSource, header: s.Header) -> None:
    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=0, field=field)

    if header.magic != s.MAGIC:
        raise corrupt("not a QED", "magic")
    if unknown := header.features & ~s.KNOWN_FEATURES:
        raise UnsupportedError(f"features {unknown:#x}", path=source.name, field="features")
    cluster, tables = header.cluster_size, header.table_size
    if not 1 << 12 <= cluster <= 1 << 26 or cluster & (cluster - 1):
        raise corrupt(f"cluster size {cluster}", "cluster_size")
    if not 1 <= tables <= 16 or tables & (tables - 1):
        raise corrupt(f"tables of {tables} clusters", "table_size")
    if header.l1_offset % cluster or header.l1_offset < cluster:
        raise corrupt(f"L1 table at {header.l1_offset:#x}", "l1_table_offset")
    if header.image_size > _MAX_SIZE:
        raise LimitError(
            f"a disk of {header.image_size} bytes", path=source.name, field="image_size"
        )
    entries = cluster * tables // 8
    if header.image_size % 512 or header.image_size > entries * entries * cluster:
        raise corrupt(f"a disk of {header.image_size} bytes", "image_size")


def _cluster_map(source: ByteSource, header: s.Header) -> BlockMap:
    cluster = header.cluster_size
    entries = cluster * header.table_size // 8
    size = header.image_size
    count = -(-size // cluster)
    l1 = read_table(source.read_at(header.l1_offset, 8 * -(-count // entries)), "Q")
    if has_repeats(l1):
        raise CorruptError(
            "two L1 entries share a table", path=source.name, offset=header.l1_offset
        )
    per_page = min(_PAGE, entries)

    def load(page: int) -> array.array[int] | None:
        number, within = divmod(page * per_page, entries)
        table = l1[number]
        if table == 0:
            return None
        if table % cluster:
            raise CorruptError(
                f"L2 table at {table:#x} is not aligned",
                path=source.name,
                offset=header.l1_offset + 8 * number,
                field="L1 entry",
            )
        at = table + 8 * within
        raw = source.read_at(at, 8 * per_page)
        if is_zero(raw):
            return None
        out = zero_table("q", per_page)
        for i, entry in enumerate(read_table(raw, "Q")):
            if entry <= s.ZERO:
                out[i] = ZERO if entry else HOLE
                continue
            index = page * per_page + i
            if entry % cluster:
                raise CorruptError(
                    f"cluster {index} at {entry:#x} is not aligned",
                    path=source.name,
                    offset=at + 8 * i,
                    field="L2 entry",
                )
            if entry + max(0, min(cluster, size - index * cluster)) > source.size:
                raise TruncatedError(
                    f"cluster {index} should be at {entry:#x}, behind the end of the file",
                    path=source.name,
                    offset=at + 8 * i,
                    field="L2 entry",
                )
            out[i] = entry
        return out

    return BlockMap(size, cluster, per_page, load)


def _parent(source: ByteSource, header: s.Header) -> ParentRef | None:
    if not header.features & s.BACKING_FILE:
        return None
    length = header.backing_size
    if not 0 < length <= _MAX_NAME:
        raise CorruptError(
            f"a backing file name of {length} bytes",
            path=source.name,
            field="backing_filename_size",
        )
    raw = source.read_at(header.backing_offset, length)
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise CorruptError(
            "the backing file's name is no UTF-8",
            path=source.name,
            offset=header.backing_offset,
            field="backing_filename",
        ) from None
    return ParentRef(name, "raw" if header.features & s.BACKING_RAW else None)
