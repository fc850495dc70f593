"""Make the bytes of a VMA archive: header and extents. Source: see ``vma_structs.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kensho.appliances.proxmox import vma_structs as s
from kensho.appliances.proxmox.vma import Device
from kensho.model.errors import LimitError, UsageError

if TYPE_CHECKING:
    from kensho.storage.base import ReadBuffer, StreamSink

_ZERO = bytes(s.BLOCK)

#: A cluster ready to be written: its number, the mask, its blocks that are not zero.
Cluster = tuple[int, int, list[memoryview]]


def pack_header(
    uuid: bytes, time: int, configs: Mapping[str, bytes], devices: Sequence[Device]
) -> bytes:
    """Return the header; LimitError for a configuration of more than 65535 bytes."""
    blobs = bytearray(1)  # place 0 means none

    def put(data: bytes, what: str) -> int:
        if len(data) > s.MOST_BLOB:
            raise LimitError(f"{what} has {len(data)} bytes; a VMA holds {s.MOST_BLOB}")
        place = len(blobs)
        blobs.extend(s.BLOB.pack(len(data)) + data)
        return place

    names, places = [0] * 256, [0] * 256
    for number, (name, data) in enumerate(configs.items()):
        names[number], places[number] = put(name.encode() + b"\0", name), put(data, name)
    table = bytearray(s.DEVICES * s.DEVICE.size)
    for device in devices:
        name_at = put(device.name.encode() + b"\0", device.name)
        s.DEVICE.pack_into(table, device.number * s.DEVICE.size, name_at, device.size)
    size = -(-(s.BLOBS_AT + len(blobs)) // s.SECTOR) * s.SECTOR
    header = bytearray(size)
    s.HEAD.pack_into(
        header, 0, s.MAGIC, s.VERSION, uuid, time, bytes(16), s.BLOBS_AT, len(blobs), size
    )
    s.CONFIGS.pack_into(header, s.NAMES_AT, *names)
    s.CONFIGS.pack_into(header, s.DATA_AT, *places)
    header[s.DEVICES_AT : s.BLOBS_AT] = table
    header[s.BLOBS_AT : s.BLOBS_AT + len(blobs)] = blobs
    header[s.MD5_AT : s.MD5_AT + 16] = s.digest(header, s.MD5_AT)
    return bytes(header)


class ExtentWriter:
    """Collects clusters and appends an extent for each 59 of them."""

    def __init__(self, sink: StreamSink, uuid: bytes) -> None:
        self._sink = sink
        self._uuid = uuid
        self._numbers: list[int] = []
        self._data = bytearray()

    def add(self, device: int, cluster: int, mask: int, blocks: Sequence[ReadBuffer]) -> None:
        """Add a cluster; ``blocks`` are those of ``mask``, in order."""
        self._numbers.append(s.info(device, cluster, mask))
        for block in blocks:
            self._data += block
        if len(self._numbers) == s.PER_EXTENT:
            self.flush()

    def flush(self) -> None:
        """Append what was collected."""
        if not self._numbers:
            return
        numbers = self._numbers + [0] * (s.PER_EXTENT - len(self._numbers))
        count = len(self._data) // s.BLOCK
        header = bytearray(s.EXTENT.pack(s.EXTENT_MAGIC, count, self._uuid, bytes(16), *numbers))
        header[s.EXTENT_MD5_AT : s.EXTENT_MD5_AT + 16] = s.digest(header, s.EXTENT_MD5_AT)
        self._sink.append(header)
        self._sink.append(self._data)
        self._numbers, self._data = [], bytearray()


class DeviceWriter:
    """One device as a DiskWriter; every cluster is listed, those without data with no blocks."""

    format = "vma"
    subformat = ""
    granularity = s.CLUSTER

    def __init__(self, extents: ExtentWriter, device: Device) -> None:
        self.virtual_size = device.size
        self._extents = extents
        self._device = device
        self._next = 0

    def encode(self, offset: int, data: memoryview) -> list[Cluster]:
        """Cut a run into clusters, and those into blocks; a short last block gets zeros."""
        if offset % s.CLUSTER or offset + len(data) > self.virtual_size:
            raise UsageError(f"{len(data)} bytes at {offset} are no whole clusters of this disk")
        return [
            _cluster((offset + at) // s.CLUSTER, data[at : at + s.CLUSTER])
            for at in range(0, len(data), s.CLUSTER)
        ]

    def commit(self, encoded: object) -> None:
        """Add the clusters that ``encode`` made."""
        assert isinstance(encoded, list)
        for number, mask, blocks in encoded:
            if number < self._next:
                raise UsageError(f"cluster {number} comes after cluster {self._next - 1}")
            self._skip_to(number)
            self._extents.add(self._device.number, number, mask, blocks)
            self._next = number + 1

    def finish(self) -> None:
        """List the clusters that were never written; finishing twice is allowed."""
        self._skip_to(self._device.clusters)

    def _skip_to(self, cluster: int) -> None:
        for number in range(self._next, cluster):
            self._extents.add(self._device.number, number, 0, ())
        self._next = max(self._next, cluster)


def _cluster(number: int, data: memoryview) -> Cluster:
    mask = 0
    blocks = []
    for bit in range(-(-len(data) // s.BLOCK)):
        block = data[bit * s.BLOCK : (bit + 1) * s.BLOCK]
        if len(block) < s.BLOCK:
            block = memoryview(bytes(block).ljust(s.BLOCK, b"\0"))
        if bytes(block) != _ZERO:
            mask |= 1 << bit
            blocks.append(block)
    if mask == s.ALL_BLOCKS and len(data) == s.CLUSTER:
        return number, mask, [data]
    return number, mask, blocks
