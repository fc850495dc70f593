"""Write VMDK of several files: a text descriptor, and its data beside it.

Spec: VMware Virtual Disk Format 5.0, "The Descriptor File", "Simple Extents". Flat:
``monolithicFlat`` (Workstation) and ``vmfs`` (ESXi) keep everything in ``NAME-flat.vmdk``.
Split: ``twoGbMaxExtentSparse`` and ``twoGbMaxExtentFlat`` in files ``NAME-s001.vmdk`` or
``NAME-f001.vmdk``, each for 2047 MiB of the disk, which VMware products also use so
that no file reaches 2 GiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._structs import vmdk as s
from kensho.disks.vmdk_descriptor import MAX_EXTENTS, make_descriptor, new_content_id
from kensho.disks.vmdk_write import GRAIN, SparseExtentWriter
from kensho.model.errors import LimitError, UsageError

if TYPE_CHECKING:
    from kensho.disks.base import SiblingSink
    from kensho.storage.base import ByteSink

PART = 2047 << 20
_MAX_FLAT = 62 << 40  # vSphere's limit


class FlatVmdkWriter:
    """A monolithicFlat or vmfs VMDK being written; ``sink`` is the file with the data."""

    __slots__ = ("_main", "_text", "identity", "sink", "subformat", "virtual_size")

    format = "vmdk"
    granularity = 4096  # the block size of almost every file system

    def __init__(
        self,
        main: ByteSink,
        flat: ByteSink,
        virtual_size: int,
        subformat: str,
        text: bytes,
        cid: str,
    ) -> None:
        self._main = main
        self.identity = cid
        self._text = text
        self.sink = flat
        self.subformat = subformat
        self.virtual_size = virtual_size
        flat.truncate(virtual_size)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the run's own offset."""
        return [(offset, length)]

    def finish(self) -> None:
        """Write the descriptor, which makes it a disk."""
        self._main.write_at(0, self._text)


class SplitVmdkWriter:
    """A twoGbMaxExtent VMDK being written: one file after the other."""

    __slots__ = ("_main", "_make", "_names", "_parts", "_sparse", "_text", "identity", "subformat",
                 "virtual_size")  # fmt: skip

    format = "vmdk"
    granularity = GRAIN

    def __init__(
        self,
        main: ByteSink,
        make: SiblingSink,
        names: list[str],
        virtual_size: int,
        subformat: str,
        text: bytes,
        cid: str,
    ) -> None:
        self._main = main
        self.identity = cid
        self._make = make
        self._names = names
        self._sparse = subformat == "twoGbMaxExtentSparse"
        self._text = text
        self.subformat = subformat
        self.virtual_size = virtual_size
        self._parts: list[ByteSink | SparseExtentWriter] = []

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run into the file or files it belongs to."""
        offset, data = encoded
        while len(data):
            number, within = divmod(offset, PART)
            length = min(len(data), PART - within)
            self._begin(number)
            part = self._parts[number]
            if isinstance(part, SparseExtentWriter):
                at = part.place(within, length)[0][0]
                part.sink.write_at(at, data[:length])
            else:
                part.write_at(within, data[:length])
            offset, data = offset + length, data[length:]

    def finish(self) -> None:
        """Make the files without any data too, then the descriptor."""
        self._begin(len(self._names) - 1)
        for part in self._parts:
            if isinstance(part, SparseExtentWriter):
                part.finish()
        self._main.write_at(0, self._text)

    def _begin(self, number: int) -> None:
        while len(self._parts) <= number:
            index = len(self._parts)
            size = min(PART, self.virtual_size - index * PART)
            sink = self._make(self._names[index])
            if self._sparse:
                self._parts.append(SparseExtentWriter(sink, size // s.SECTOR, None))
            else:
                sink.truncate(size)
                self._parts.append(sink)


def create_monolithic_flat(
    sink: ByteSink,
    virtual_size: int,
    sibling_sink: SiblingSink,
    name: str,
    *,
    identity: bytes | None = None,
) -> FlatVmdkWriter:
    """Begin a monolithicFlat VMDK; the size is rounded up to whole sectors."""
    return _flat(sink, virtual_size, sibling_sink, name, "monolithicFlat", identity)


def create_vmfs(
    sink: ByteSink,
    virtual_size: int,
    sibling_sink: SiblingSink,
    name: str,
    *,
    identity: bytes | None = None,
) -> FlatVmdkWriter:
    """Begin a flat VMDK as ESXi keeps them; the size is rounded up to whole sectors."""
    return _flat(sink, virtual_size, sibling_sink, name, "vmfs", identity)


def create_split_sparse(
    sink: ByteSink,
    virtual_size: int,
    sibling_sink: SiblingSink,
    name: str,
    *,
    identity: bytes | None = None,
) -> SplitVmdkWriter:
    """Begin a twoGbMaxExtentSparse VMDK; the size is rounded up to whole sectors."""
    return _split(sink, virtual_size, sibling_sink, name, "twoGbMaxExtentSparse", identity)


def create_split_flat(
    sink: ByteSink,
    virtual_size: int,
    sibling_sink: SiblingSink,
    name: str,
    *,
    identity: bytes | None = None,
) -> SplitVmdkWriter:
    """Begin a twoGbMaxExtentFlat VMDK; the size is rounded up to whole sectors."""
    return _split(sink, virtual_size, sibling_sink, name, "twoGbMaxExtentFlat", identity)


def _flat(
    sink: ByteSink,
    virtual_size: int,
    make: SiblingSink,
    name: str,
    subformat: str,
    identity: bytes | None,
) -> FlatVmdkWriter:
    if not 0 < virtual_size <= _MAX_FLAT:
        raise LimitError(f"a VMDK cannot have {virtual_size} bytes", hint="the limit is 62 TiB")
    sectors = -(-virtual_size // s.SECTOR)
    data = f"{stem_of(name)}-flat.vmdk"
    cid, text = flat_descriptor(data, sectors, subformat, identity)
    return FlatVmdkWriter(sink, make(data), sectors * s.SECTOR, subformat, text, cid)


def flat_descriptor(
    data: str, sectors: int, subformat: str, identity: bytes | None
) -> tuple[str, bytes]:
    """Return the content id and the descriptor of a disk whose data are the file ``data``."""
    tail = f'VMFS "{data}"' if subformat == "vmfs" else f'FLAT "{data}" 0'
    cid = new_content_id(identity)
    return cid, make_descriptor(sectors, subformat, cid, identity, [f"RW {sectors} {tail}"])


def _split(
    sink: ByteSink,
    virtual_size: int,
    make: SiblingSink,
    name: str,
    subformat: str,
    identity: bytes | None,
) -> SplitVmdkWriter:
    count = -(-virtual_size // PART)
    if not 0 < count <= MAX_EXTENTS:
        raise LimitError(
            f"a split VMDK cannot have {virtual_size} bytes", hint="the limit is about 8 TiB"
        )
    sectors = -(-virtual_size // s.SECTOR)
    letter, kind, offset = "s", "SPARSE", ""
    if subformat == "twoGbMaxExtentFlat":
        letter, kind, offset = "f", "FLAT", " 0"
    names = [f"{stem_of(name)}-{letter}{number:03d}.vmdk" for number in range(1, count + 1)]
    lines = []
    for number, part in enumerate(names):
        length = min(PART // s.SECTOR, sectors - number * PART // s.SECTOR)
        lines.append(f'RW {length} {kind} "{part}"{offset}')
    cid = new_content_id(identity)
    text = make_descriptor(sectors, subformat, cid, identity, lines)
    return SplitVmdkWriter(sink, make, names, sectors * s.SECTOR, subformat, text, cid)


def stem_of(name: str) -> str:
    """Return the file name without folder and suffix; UsageError if a descriptor cannot hold it."""
    stem = name.replace("\\", "/").rpartition("/")[2]
    if stem.lower().endswith(".vmdk"):
        stem = stem[:-5]
    if not stem or '"' in stem or not stem.isprintable():
        raise UsageError(f"a VMDK of several files cannot be called {name!r}")
    return stem
