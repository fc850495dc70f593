"""Read Parallels disks: a folder with DiskDescriptor.xml and .hds files, or one old .hdd file.

Specs: see ``_structs/hdd.py`` and ``hdd_descriptor``. Open the descriptor; its layers are
put together here, as only it knows which there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, BlockMap, read_mapped
from kensho.disks._structs import hdd as s
from kensho.disks._tables import is_zero, read_table, zero_table
from kensho.disks._windows_names import moved_names
from kensho.disks.chain import ChainDisk
from kensho.disks.hdd_descriptor import MARK, MAX_BYTES, Storage, parse_hdd_descriptor
from kensho.disks.joined import JoinedDisk
from kensho.disks.raw import open_raw
from kensho.model.errors import (
    CorruptError,
    LimitError,
    LocatorError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.finding import Finding, Severity
from kensho.storage.window import WindowSource

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SECTORS = 1 << 41
_MAX_CLUSTER = 1 << 18  # sectors: 128 MiB
_PAGE = 4096  # table entries read at a time


class HdsImage:
    """One expandable image open for reading; its holes are those of the layer below."""

    __slots__ = ("_map", "_name", "details", "sources", "warnings")

    format = "hdd"
    subformat = "expanding"
    parent = None

    def __init__(self, source: ByteSource, header: s.Header, blocks: BlockMap) -> None:
        self._name = source.name
        self._map = blocks
        self.sources = (source,)
        self.details: Mapping[str, str | int] = {"cluster_bytes": header.tracks * s.SECTOR}
        self.warnings: tuple[Finding, ...] = ()
        if header.in_use == s.IN_USE:
            self.warnings = (
                Finding(
                    "KF-404",
                    Severity.NOTE,
                    "the image was not closed cleanly, or its machine is running",
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
        """Fill ``buffer`` from ``offset``."""
        read_mapped(self, self._name, offset, buffer)

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


def open_hdd(source: ByteSource, sibling: SiblingOpener | None = None) -> DiskReader:
    """Open a Parallels disk from its DiskDescriptor.xml, or a single expandable image.

    LocatorError when a file of it is missing, UnsupportedError for encrypted disks.
    """
    head = source.read_at(0, min(4096, source.size))
    if head.startswith((s.MAGIC, s.MAGIC_EXT)):
        image = open_hds(source)
        if source.name.lower().endswith(".hds"):
            image.warnings += (
                Finding(
                    "KF-408",
                    Severity.WARNING,
                    "an image of a Parallels disk without its DiskDescriptor.xml: it may be only"
                    " a part or a snapshot of it",
                    source.name,
                    "read as a disk of its own; open DiskDescriptor.xml instead",
                ),
            )
        return image
    if MARK not in head:
        raise CorruptError("neither an image nor a descriptor", path=source.name, offset=0)
    if source.size > MAX_BYTES:
        raise LimitError(f"a descriptor of {source.size} bytes", path=source.name)
    descriptor = parse_hdd_descriptor(source.read_at(0, source.size), source.name)
    opened: list[ByteSource] = []
    try:
        parts = [
            _open_storage(source.name, storage, descriptor.chain, sibling, opened)
            for storage in descriptor.storages
        ]
    except BaseException:
        for file in opened:
            file.close()
        raise
    types = {image.type for storage in descriptor.storages for image in storage.images}
    subformat = "split" if len(parts) > 1 else "plain" if types == {"Plain"} else "expanding"
    details = {"files": len(opened), "layers": len(descriptor.chain)}
    return JoinedDisk(parts, "hdd", subformat, details, None, tuple(opened))


def _open_storage(
    path: str,
    storage: Storage,
    chain: tuple[str, ...],
    sibling: SiblingOpener | None,
    opened: list[ByteSource],
) -> DiskReader:
    size = (storage.end - storage.start) * s.SECTOR
    disk: DiskReader | None = None
    for guid in reversed(chain):
        image = next((one for one in storage.images if one.guid == guid), None)
        if image is None:
            raise CorruptError(f"no image for snapshot {guid!r}", path=path, field="Image")
        file = _open_file(path, image.file, sibling)
        opened.append(file)
        layer: DiskReader
        if image.type == "Compressed":
            layer = open_hds(file, size)
        elif image.type != "Plain" or disk is not None:
            raise UnsupportedError(
                f"an image of type {image.type!r} on another one"
                if disk is not None
                else f"an image of type {image.type!r}",
                path=path,
                field="Type",
            )
        else:
            layer = open_raw(WindowSource(file, 0, size, file.name))
        disk = layer if disk is None else ChainDisk(layer, disk, None, (), ("", ""))
    assert disk is not None  # a chain has at least its top
    return disk


def _open_file(path: str, name: str, sibling: SiblingOpener | None) -> ByteSource:
    """Open an image by its relative name, or beside the descriptor where it was moved to."""
    if sibling is not None:
        for place in moved_names([name]):
            try:
                return sibling(place)
            except LocatorError:
                continue
    raise LocatorError(
        f"the disk's data are in {name!r}, which is not here",
        path=path,
        hint="copy the whole .hdd folder",
    )


def open_hds(source: ByteSource, size: int | None = None) -> HdsImage:
    """Open one expandable image; ``size`` is what its descriptor says, in bytes."""
    header = s.unpack_header(source.read_at(0, s.SIZE))

    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=0, field=field)

    if header.magic not in {s.MAGIC, s.MAGIC_EXT}:
        raise corrupt("not an expandable image", "magic")
    if header.version != 2:
        raise UnsupportedError(f"version {header.version}", path=source.name, field="version")
    if not 0 < header.tracks <= _MAX_CLUSTER:
        raise corrupt(f"clusters of {header.tracks} sectors", "tracks")
    if header.capacity > _MAX_SECTORS:
        raise LimitError(f"{header.capacity} sectors", path=source.name, field="nb_sectors")
    if header.entries < -(-header.capacity // header.tracks):
        raise corrupt(f"{header.entries} clusters for {header.capacity} sectors", "nb_bat_entries")
    own = header.capacity * s.SECTOR
    if size is not None and own < size:
        raise corrupt(f"{own} bytes, the descriptor says {size}", "nb_sectors")
    return HdsImage(source, header, _cluster_map(source, header, own if size is None else size))


def _cluster_map(source: ByteSource, header: s.Header, size: int) -> BlockMap:
    cluster = header.tracks * s.SECTOR
    unit = cluster if header.magic == s.MAGIC_EXT else s.SECTOR
    count = -(-size // cluster)
    lowest = s.SIZE + 4 * header.entries

    def load(page: int) -> array.array[int] | None:
        first = page * _PAGE
        at = s.SIZE + 4 * first
        raw = source.read_at(at, 4 * min(_PAGE, count - first))
        if is_zero(raw):
            return None
        entries = read_table(raw, "I")
        out = zero_table("q", len(entries))
        for i, entry in enumerate(entries):
            place = entry * unit
            if entry == 0:
                out[i] = HOLE
                continue
            if place < lowest:
                raise CorruptError(
                    f"cluster {first + i} lies within the tables, at {place:#x}",
                    path=source.name,
                    offset=at + 4 * i,
                    field="BAT",
                )
            if place + min(cluster, size - (first + i) * cluster) > source.size:
                raise TruncatedError(
                    f"cluster {first + i} should be at {place:#x}, behind the end of the file",
                    path=source.name,
                    offset=at + 4 * i,
                    field="BAT",
                )
            out[i] = place
        return out

    return BlockMap(size, cluster, _PAGE, load)
