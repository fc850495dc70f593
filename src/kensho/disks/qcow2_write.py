"""Write QCOW2: versions 2 and 3, plain or compressed with deflate or zstd, with a parent or none.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import ZEROS
from kensho.disks._placing import write_placed
from kensho.disks._sectors import Owned
from kensho.disks._structs import qcow2 as s
from kensho.disks.qcow2_layout import CLUSTER, Kind, Qcow2Layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks._codec import Compressor
    from kensho.disks.base import ParentRef, SiblingSink
    from kensho.storage.base import ByteSink, ReadBuffer

_LARGEST = CLUSTER - 513  # more is stored as it is


class Qcow2Writer:
    """An uncompressed QCOW2 being written; see PlacingWriter and ChildWriter for the protocols."""

    __slots__ = ("_layout", "sink", "subformat", "virtual_size")

    format = "qcow2"
    granularity = CLUSTER

    def __init__(self, sink: ByteSink, virtual_size: int, kind: Kind, subformat: str) -> None:
        self.sink = sink
        self.subformat = subformat
        self._layout = Qcow2Layout(sink, virtual_size, kind)
        self.virtual_size = self._layout.size

    def own(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say what is this disk's own."""
        self._layout.owned = Owned(ranges)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where at the end of the file the run's clusters go."""
        places: list[tuple[int, int]] = []
        for first, count in self._layout.by_table(offset, length):
            at = self._layout.add_plain(first, count)
            if places and places[-1][0] + places[-1][1] == at:
                at, before = places.pop()
                places.append((at, before + count * CLUSTER))
            else:
                places.append((at, count * CLUSTER))
        # The disk's last cluster may be short.
        places[-1] = (places[-1][0], places[-1][1] - -length % CLUSTER)
        return places

    def finish(self) -> None:
        """Write tables and header."""
        self._layout.finish()


class Qcow2DataFileWriter:
    """A QCOW2 of tables only; its data go to a raw disk beside it, each where it is for the guest."""

    __slots__ = ("_layout", "sink", "virtual_size")

    format = "qcow2"
    subformat = "data-file"
    granularity = CLUSTER

    def __init__(self, tables: ByteSink, data: ByteSink, virtual_size: int, kind: Kind) -> None:
        self.sink = data
        self._layout = Qcow2Layout(tables, virtual_size, kind)
        self.virtual_size = self._layout.size

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the run's own offset."""
        for first, count in self._layout.by_table(offset, length):
            self._layout.add_external(first, count)
        return [(offset, length)]

    def finish(self) -> None:
        """Give the data their full length, then write tables and header."""
        self.sink.truncate(self.virtual_size)
        self._layout.finish()


class Qcow2CompressedWriter:
    """A QCOW2 of compressed clusters being written; see DiskWriter and ChildWriter."""

    __slots__ = ("_compress", "_layout", "_sink", "subformat", "virtual_size")

    format = "qcow2"
    granularity = CLUSTER

    def __init__(
        self, sink: ByteSink, virtual_size: int, compress: Compressor, kind: Kind, subformat: str
    ) -> None:
        self._sink = sink
        self.subformat = subformat
        self._compress = compress
        self._layout = Qcow2Layout(sink, virtual_size, kind, shared=True)
        self.virtual_size = self._layout.size

    def own(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say what is this disk's own."""
        self._layout.owned = Owned(ranges)

    def encode(
        self, offset: int, data: memoryview
    ) -> tuple[int, memoryview, list[ReadBuffer | None]]:
        """Compress each cluster; None stands for one that does not get smaller."""
        packed: list[ReadBuffer | None] = []
        for at in range(0, len(data), CLUSTER):
            cluster = data[at : at + CLUSTER]
            if len(cluster) < CLUSTER:
                cluster = memoryview(bytes(cluster) + ZEROS[: CLUSTER - len(cluster)])
            small = bytes(self._compress(cluster))
            packed.append(small if len(small) <= _LARGEST else None)
        return offset, data, packed

    @property
    def codec(self) -> str:
        """What clusters are compressed with."""
        return "zstd" if self._layout.kind.compression == s.ZSTD else "deflate"

    @property
    def largest(self) -> int:
        """Most bytes a compressed cluster may have, as in ``encode``."""
        return _LARGEST

    def encode_packed(
        self, offset: int, granules: list[ReadBuffer]
    ) -> tuple[int, memoryview, list[ReadBuffer | None]]:
        """Prepare clusters that are compressed already."""
        return offset, memoryview(b""), list(granules)

    def commit(self, encoded: tuple[int, memoryview, list[ReadBuffer | None]]) -> None:
        """Append the run's clusters to the file, neighbours in one write."""
        offset, data, packed = encoded
        layout = self._layout
        ready: list[ReadBuffer] = []
        begin = layout.next
        for index, small in enumerate(packed):
            cluster = offset // CLUSTER + index
            if small is None or not layout.is_in_table(cluster):
                self._sink.write_at(begin, b"".join(ready))
                ready = []
                layout.enter(cluster)
            if small is None:
                at = layout.add_plain(cluster)
                self._sink.write_at(at, data[index * CLUSTER : (index + 1) * CLUSTER])
                continue
            if not ready:
                begin = layout.next
            layout.add_packed(cluster, len(small))
            ready.append(small)
        self._sink.write_at(begin, b"".join(ready))

    def finish(self) -> None:
        """Write tables and header."""
        self._layout.finish()


def create_qcow2(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef | None = None,
    *,
    compression: str = "fast",  # noqa: ARG001 - this one does not compress
    identity: bytes | None = None,  # noqa: ARG001 - QCOW2 has no identifiers
) -> Qcow2Writer:
    """Begin an uncompressed QCOW2; the size is rounded up to whole sectors."""
    return Qcow2Writer(sink, virtual_size, Kind(parent=parent), "uncompressed")


def create_qcow2_compressed(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef | None = None,
    *,
    compression: str = "fast",
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2CompressedWriter:
    """Begin a QCOW2 whose clusters are deflated, within the 4 KiB window strict readers need."""
    from kensho.disks._codec import window_4k_compressor  # a plain one needs no codecs

    compress = window_4k_compressor(compression)
    return Qcow2CompressedWriter(sink, virtual_size, compress, Kind(parent=parent), "compressed")


def create_qcow2_zstd(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef | None = None,
    *,
    compression: str = "fast",
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2CompressedWriter:
    """Begin a QCOW2 whose clusters are zstd frames, which QEMU reads from 5.1 on."""
    from kensho.disks._codec import zstd_compressor

    kind = Kind(compression=s.ZSTD, parent=parent)
    return Qcow2CompressedWriter(
        sink, virtual_size, zstd_compressor(compression), kind, "compressed-zstd"
    )


def create_qcow2_v2(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef | None = None,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2Writer:
    """Begin an uncompressed QCOW2 of version 2, which QEMU calls ``compat=0.10``."""
    return Qcow2Writer(sink, virtual_size, Kind(version=2, parent=parent), "v2")


def create_qcow2_v2_compressed(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef | None = None,
    *,
    compression: str = "fast",
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2CompressedWriter:
    """Begin a QCOW2 of version 2 whose clusters are deflated."""
    from kensho.disks._codec import window_4k_compressor

    compress = window_4k_compressor(compression)
    kind = Kind(version=2, parent=parent)
    return Qcow2CompressedWriter(sink, virtual_size, compress, kind, "v2-compressed")


def create_qcow2_data_file(
    sink: ByteSink,
    virtual_size: int,
    sibling_sink: SiblingSink,
    name: str,
    *,
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2DataFileWriter:
    """Begin a QCOW2 with a raw external data file: ``disk.qcow2`` has ``disk.raw`` beside it."""
    data_name = name.removesuffix(".qcow2") + ".raw"
    kind = Kind(data_name=data_name)
    return Qcow2DataFileWriter(sink, sibling_sink(data_name), virtual_size, kind)
