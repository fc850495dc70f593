"""Write an XVA: XenServer's and XCP-ng's export of a machine with its disks, in one tar.

Source: https://xapi-project.github.io/xen-api/ (VM import and export) and XAPI's own code
(ocaml/xapi/stream_vdi.ml). ``ova.xml`` comes first. Each VDI follows as blocks of 1 MiB called
``Ref:N/00000000``, ascending, each with the SHA-1 of its bytes in ``….checksum`` right behind it,
which every version reads, or with XXH64 in ``….xxhash``, as XenServer 8 and XCP-ng 8.3 write.
Blocks that are all zero are left out, except a disk's first and last; disks are ordered by
their reference as text.
"""

from __future__ import annotations

from collections.abc import Sequence

from kensho.appliances.mapped import only_machine
from kensho.appliances.package import DiskJob, PlacedDisk
from kensho.appliances.xva.disk import checksum_of
from kensho.appliances.xva.metadata import ova_xml
from kensho.appliances.xva.records import Vdi
from kensho.model.appliance import Appliance
from kensho.model.errors import UsageError
from kensho.model.units import MIB
from kensho.storage.base import StreamSink
from kensho.storage.file import FileSink
from kensho.storage.tar_write import TarWriter, pack_header

BLOCK = MIB
_FIRST_VDI = 1000  # four digits for every disk: their order as text is their order
_MOST_VDIS = 9000
_TAR_BLOCK = 512
_ZEROS = bytes(BLOCK)

SHA1, XXH64 = "checksum", "xxhash"  #: suffixes of the members with them

#: A block ready to be written: its number, its bytes, their checksum as text.
_Block = tuple[int, memoryview | bytes, bytes]


class VdiWriter:
    """One disk of an XVA as a DiskWriter; only `commit` and `finish` touch the sink.

    ``virtual_size`` is rounded up to whole blocks, because XAPI makes the VDI that large
    anyway; the rest reads as zeros.
    """

    format = "xva"
    subformat = ""
    granularity = BLOCK

    def __init__(
        self, sink: StreamSink, ref: str, virtual_size: int, *, mtime: int, kind: str = SHA1
    ) -> None:
        self.virtual_size = rounded(virtual_size)
        self._sink = sink
        self._ref = ref
        self._mtime = mtime
        self._kind = kind
        self._next = 0
        self._finished = False

    def encode(self, offset: int, data: memoryview) -> list[_Block]:
        """Cut a run into blocks and hash them; a short last one is filled with zeros."""
        if offset % BLOCK or offset + len(data) > self.virtual_size:
            raise UsageError(f"{len(data)} bytes at {offset} are no whole blocks of this disk")
        blocks: list[_Block] = []
        for start in range(0, len(data), BLOCK):
            block: memoryview | bytes = data[start : start + BLOCK]
            if len(block) < BLOCK:
                block = bytes(block) + bytes(BLOCK - len(block))
            blocks.append(((offset + start) // BLOCK, block, self._sum(block)))
        return blocks

    def commit(self, encoded: object) -> None:
        """Append the blocks that ``encode`` made."""
        assert isinstance(encoded, list)
        for number, data, digest in encoded:
            if number < self._next:
                raise UsageError(f"block {number} comes after block {self._next - 1}")
            if number > 0 and self._next == 0:
                self._append(0, _ZEROS, self._sum(_ZEROS))
            self._append(number, data, digest)

    def finish(self) -> None:
        """Append the last block if it was never written; finishing twice is allowed."""
        last = self.virtual_size // BLOCK - 1
        if self._finished:
            return
        self._finished = True
        digest = self._sum(_ZEROS)
        if self._next == 0:
            self._append(0, _ZEROS, digest)
        if self._next <= last:
            self._append(last, _ZEROS, digest)

    def _append(self, number: int, data: memoryview | bytes, digest: bytes) -> None:
        # Not TarWriter.add: it remembers every name, and there are two for each MiB.
        name = b"%s/%08d" % (self._ref.encode(), number)
        self._sink.append(pack_header(name, BLOCK, self._mtime))
        self._sink.append(data)
        name += b"." + self._kind.encode()
        self._sink.append(pack_header(name, len(digest), self._mtime))
        self._sink.append(digest.ljust(_TAR_BLOCK, b"\0"))
        self._next = number + 1

    def _sum(self, data: memoryview | bytes) -> bytes:
        """Return a block's checksum as XAPI writes it: SHA-1 in small letters, XXH64 in large."""
        digest = checksum_of(data, self._kind)
        return digest.upper() if self._kind == XXH64 else digest


def write_xva(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write the machine and its disks; ``filename`` of a placed disk is its reference.

    Each block has its SHA-1. Blocks are stored as they are: ``compression`` changes nothing, and neither does ``name``,
    which no member carries. Raises UnsupportedError for several machines and for devices Xen
    does not have, UsageError for a disk of the machine without a job.
    """
    del name, compression
    return _write(sink, appliance, jobs, timestamp, SHA1)


def write_xva_xxhash(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write as `write_xva` does, with the checksums that XenServer 8 and XCP-ng 8.3 write."""
    del name, compression
    return _write(sink, appliance, jobs, timestamp, XXH64)


def _write(
    sink: FileSink, appliance: Appliance, jobs: Sequence[DiskJob], timestamp: int, kind: str
) -> tuple[PlacedDisk, ...]:
    machine = only_machine(appliance, "XVA")
    if len(jobs) > _MOST_VDIS:
        raise UsageError(f"{len(jobs)} disks; an XVA written here holds {_MOST_VDIS}")
    vdis = [
        Vdi(f"Ref:{_FIRST_VDI + number}", job.image, rounded(job.virtual_size))
        for number, job in enumerate(jobs)
    ]
    tar = TarWriter(sink, mtime=timestamp)
    tar.add("ova.xml", ova_xml(machine, vdis, timestamp, appliance.origin))
    placed = []
    for vdi, job in zip(vdis, jobs, strict=True):
        begin = sink.position
        writer = VdiWriter(sink, vdi.ref, job.virtual_size, mtime=timestamp, kind=kind)
        data_size = job.copy(writer)
        placed.append(
            PlacedDisk(
                image=job.image,
                filename=vdi.ref,
                format="xva",
                subformat="",
                virtual_size=vdi.virtual_size,
                file_size=sink.position - begin,
                data_size=data_size,
            )
        )
    tar.finish()
    return tuple(placed)


def rounded(size: int) -> int:
    """Return a disk's size in an XVA: whole blocks, at least one."""
    return max(1, -(-size // BLOCK)) * BLOCK
