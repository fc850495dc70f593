"""Disks in a VMA archive, by way of an index of their clusters.

Source: see ``vma_structs.py``. The clusters of all devices follow each other as they were backed
up, in any order; one pass over the extents' headers says where each is. Its pages of 64 clusters
(512 bytes for 4 MiB of a disk) are only made where there is data, so the index is never larger
than an eighth of the archive.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from kensho.appliances.proxmox import vma_structs as s
from kensho.appliances.proxmox.vma import Archive, Device
from kensho.model.errors import CorruptError, TruncatedError
from kensho.model.extent import Extent, Kind, coalesce
from kensho.storage.reading import check_range

if TYPE_CHECKING:
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

_PAGE = 64  # clusters
_MASK_BITS = 16


class Clusters:
    """Where the clusters of a device are: (byte offset in the archive, mask of stored blocks)."""

    __slots__ = ("_pages", "_seen", "count", "listed", "stored")

    def __init__(self, count: int) -> None:
        self.count = count
        self.listed = 0
        self.stored = 0  # blocks
        self._seen = bytearray(-(-count // 8))
        self._pages: list[array[int] | None] = [None] * -(-count // _PAGE)

    def add(self, cluster: int, offset: int, mask: int) -> bool:
        """Note a cluster; False when it is there already."""
        bit = 1 << cluster % 8
        if self._seen[cluster // 8] & bit:
            return False
        self._seen[cluster // 8] |= bit
        self.listed += 1
        if mask:
            number, within = divmod(cluster, _PAGE)
            page = self._pages[number]
            if page is None:
                page = self._pages[number] = array("Q", bytes(8 * _PAGE))
            page[within] = offset // s.SECTOR << _MASK_BITS | mask
            self.stored += mask.bit_count()
        return True

    def missing(self) -> int | None:
        """Return the first cluster that was not noted."""
        if self.listed == self.count:
            return None
        return next(c for c in range(self.count) if not self._seen[c // 8] & 1 << c % 8)

    def page(self, number: int) -> array[int] | None:
        """Return what is known of clusters 64 * ``number`` on; None when none has data."""
        return self._pages[number]


def index_clusters(source: ByteSource, archive: Archive) -> dict[str, Clusters]:
    """Read all extents' headers; return the clusters of each device by its name.

    CorruptError with the offset for a damaged header and for clusters that are there twice or
    belong to no device, TruncatedError when the archive ends before all clusters are there.
    """
    disks = [device for device in archive.devices if device.name != s.MEMORY]
    room = (source.size - archive.header_size) // s.EXTENT_SIZE * s.PER_EXTENT
    if (wanted := sum(device.clusters for device in disks)) > room:
        raise TruncatedError(
            f"{wanted} clusters of the disks cannot be in {source.size} bytes",
            path=source.name,
            offset=source.size,
        )
    found = {device.name: Clusters(device.clusters) for device in disks}
    by_number = {device.number: found.get(device.name) for device in archive.devices}
    position = archive.header_size
    while position < source.size:
        position = _read_extent(source, position, archive.uuid, by_number)
    for name, clusters in found.items():
        if (cluster := clusters.missing()) is not None:
            raise TruncatedError(
                f"cluster {cluster} of {clusters.count} of {name} is not there",
                path=source.name,
                offset=source.size,
                hint="the backup was not finished, or the copy is incomplete",
            )
    return found


def read_first(source: ByteSource, archive: Archive, device: Device) -> bytes | None:
    """Return what a small device holds when the first extent has all of it, else None.

    ``source`` may be the beginning of the archive alone. Raises what `index_clusters` does.
    """
    if device.clusters > s.PER_EXTENT:
        return None
    clusters = Clusters(device.clusters)
    devices: dict[int, Clusters | None] = {d.number: None for d in archive.devices}
    _read_extent(source, archive.header_size, archive.uuid, devices | {device.number: clusters})
    if clusters.missing() is not None:
        return None
    content = bytearray(device.size)
    VmaDisk(source, device, clusters).read_into(0, content)
    return bytes(content)


def _read_extent(
    source: ByteSource, at: int, uuid: bytes, devices: Mapping[int, Clusters | None]
) -> int:
    """Note an extent's clusters; return where the next one begins."""
    header = source.read_at(at, s.EXTENT_SIZE)
    magic, count, extent_uuid, md5, *numbers = s.EXTENT.unpack(header)
    if magic != s.EXTENT_MAGIC:
        raise CorruptError("no header of an extent", path=source.name, offset=at)
    if s.digest(header, s.EXTENT_MD5_AT) != md5:
        raise CorruptError(
            "the MD5 of an extent's header is wrong",
            path=source.name,
            offset=at,
            hint="the archive is damaged: fetch it again, or take another backup",
        )
    if extent_uuid != uuid:
        raise CorruptError("an extent of another archive", path=source.name, offset=at)
    place = at + s.EXTENT_SIZE
    end = place + int(count) * s.BLOCK
    if end > source.size:
        raise TruncatedError("the archive ends within an extent", path=source.name, offset=at)
    for number in numbers:
        device, cluster, mask = s.parts(number)
        if not device:
            continue
        if device not in devices:
            raise CorruptError(f"a cluster of device {device}", path=source.name, offset=at)
        clusters = devices[device]
        if clusters is not None:  # the machine's memory is not read
            if cluster >= clusters.count:
                raise CorruptError(
                    f"cluster {cluster} of device {device}, which has {clusters.count}",
                    path=source.name,
                    offset=at,
                )
            if not clusters.add(cluster, place, mask):
                raise CorruptError(
                    f"cluster {cluster} of device {device} is there twice",
                    path=source.name,
                    offset=at,
                )
        place += mask.bit_count() * s.BLOCK
    if place != end:
        raise CorruptError(
            "the clusters of an extent are not as long as it says", path=source.name, offset=at
        )
    return end


class VmaDisk:
    """A DiskReader over one device. The archive belongs to the caller."""

    format = "vma"
    subformat = ""
    parent = None
    warnings: tuple[Finding, ...] = ()

    def __init__(self, source: ByteSource, device: Device, clusters: Clusters) -> None:
        self.virtual_size = device.size
        self._source = source
        self._device = device
        self._clusters = clusters

    @property
    def details(self) -> Mapping[str, str | int]:
        """The device's name and how many blocks of 4 KiB are stored."""
        return {"device": self._device.name, "blocks": self._clusters.stored}

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """The archive."""
        return (self._source,)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield stored blocks as DATA at their place in the archive, the others as HOLE."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        for extent in coalesce(self._pieces(start, end)):
            low, high = max(extent.start, start), min(extent.end, end)
            if low < high:
                at = extent.file_offset + low - extent.start if extent.file >= 0 else -1
                yield Extent(low, high - low, extent.kind, extent.file, at)

    def _pieces(self, start: int, end: int) -> Iterator[Extent]:
        """Yield what the clusters that touch the range hold, whole ones."""
        cluster, stop = start // s.CLUSTER, -(-end // s.CLUSTER)
        while cluster < stop:
            number, within = divmod(cluster, _PAGE)
            page = self._clusters.page(number)
            following = min(stop, (number + 1) * _PAGE)
            if page is None:
                begin = cluster * s.CLUSTER
                yield Extent(begin, (following - cluster) * s.CLUSTER, Kind.HOLE)
            else:
                for entry in page[within : within + following - cluster]:
                    yield from _blocks(cluster * s.CLUSTER, entry)
                    cluster += 1
            cluster = following

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` of the disk."""
        view = memoryview(buffer).cast("B")
        check_range(
            f"{self._source.name}#{self._device.name}", self.virtual_size, offset, len(view)
        )
        for extent in self.extents(offset, offset + len(view)):
            part = view[extent.start - offset : extent.end - offset]
            if extent.kind is Kind.DATA:
                self._source.read_into(extent.file_offset, part)
            else:
                part[:] = bytes(len(part))

    def close(self) -> None:
        """Do nothing; the archive belongs to the caller."""


def _blocks(begin: int, entry: int) -> Iterator[Extent]:
    """Yield the blocks of the cluster at byte ``begin``."""
    mask, place = entry & s.ALL_BLOCKS, (entry >> _MASK_BITS) * s.SECTOR
    if mask == s.ALL_BLOCKS:
        yield Extent(begin, s.CLUSTER, Kind.DATA, 0, place)
        return
    if not mask:
        yield Extent(begin, s.CLUSTER, Kind.HOLE)
        return
    for number in range(16):
        at = begin + number * s.BLOCK
        if mask >> number & 1:
            yield Extent(at, s.BLOCK, Kind.DATA, 0, place)
            place += s.BLOCK
        else:
            yield Extent(at, s.BLOCK, Kind.HOLE)
