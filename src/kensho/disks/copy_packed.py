"""Carry compressed blocks from one disk to another as they are, instead of packing them anew.

Between streamOptimized VMDK (zlib streams) and QCOW2 (raw deflate data, zstd frames), when
their blocks have the same size. ``checked`` decodes every block and verifies its checksum,
``blind`` looks at no more than its frame.

The deflate data of most VMDKs refer back by up to 32 KiB. QEMU reads such clusters in a QCOW2;
readers that take its window of 4 KiB at its word do not. So this is done on request only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import ZEROS, data_runs
from kensho.disks._codec import DamagedDataError, raw_to_zlib, zlib_to_raw
from kensho.disks._malloc import keep_freed_memory
from kensho.disks.base import PackedReader, PackedWriter
from kensho.model.errors import CorruptError, UsageError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from kensho.disks.base import DiskReader, DiskWriter
    from kensho.storage.base import ReadBuffer

    #: Fills a buffer with a range of the disk and returns what to commit, and its bytes on the disk.
    Prepare: TypeAlias = Callable[[int, int, bytearray], tuple[list[Any], int]]

PASSTHROUGH = ("checked", "blind")
_WAYS = {("zlib", "zlib"), ("zlib", "deflate"), ("deflate", "zlib"), ("deflate", "deflate"),
         ("zstd", "zstd")}  # fmt: skip


def packed_copy(reader: DiskReader, writer: DiskWriter, passthrough: str, *, fill: bool) -> Prepare:
    """Return what prepares batches; ``fill`` the buffer, too (needs ``checked``).

    UsageError when the two disks have nothing in common.
    """
    packing = reader.packing if isinstance(reader, PackedReader) else None
    if packing is None or not isinstance(writer, PackedWriter):
        raise UsageError(
            f"no compressed blocks to carry from {reader.format} {reader.subformat}"
            f" to {writer.format} {writer.subformat}",
            hint="leave out the passthrough",
        )
    codec, block = packing
    if block != writer.granularity or (codec, writer.codec) not in _WAYS:
        raise UsageError(
            f"{codec} blocks of {block} bytes do not fit {writer.format} {writer.subformat}"
            f" with {writer.codec} blocks of {writer.granularity}",
            hint="choose a subformat with the same codec, or leave out the passthrough",
        )
    if passthrough not in PASSTHROUGH:
        raise UsageError(f"no passthrough {passthrough!r}", hint="known: " + ", ".join(PASSTHROUGH))
    # Without the content there is no Adler-32 to put behind deflate data.
    keep_freed_memory()
    checked = passthrough == "checked" or fill or (codec, writer.codec) == ("deflate", "zlib")
    return _Carrier(reader, writer, codec, checked=checked, fill=fill).prepare  # type: ignore[arg-type]


class _Carrier:
    """The two disks, and how blocks get from one to the other."""

    __slots__ = ("_checked", "_codec", "_fill", "_reader", "_writer", "_zeros")

    def __init__(
        self, reader: PackedReader, writer: PackedWriter, codec: str, *, checked: bool, fill: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self._checked = checked
        self._fill = fill
        self._zeros = ZEROS[: writer.granularity]

    def prepare(self, start: int, end: int, buffer: bytearray) -> tuple[list[Any], int]:
        """Return the encoded runs of a range, ascending, and how many bytes of the disk they are."""
        if self._fill:
            buffer[: end - start] = ZEROS[: end - start]
        encoded: list[Any] = []
        total = 0
        unit, done = self._writer.granularity, start
        for extent in self._reader.extents(start, end):
            if extent.kind is not Kind.DATA:
                continue
            if extent.file >= 0:  # less than a block may be stored: a subcluster
                low = max(extent.start // unit * unit, done)
                done = min(-(-extent.end // unit) * unit, end)
                if low >= done:
                    continue
                found, size = self._plain(low, done, start, buffer)
            else:
                found, size = self._packed(extent.start, extent.end, start, buffer)
            encoded += found
            total += size
        return encoded, total

    def _plain(self, start: int, end: int, base: int, buffer: bytearray) -> tuple[list[Any], int]:
        """Compress what is stored as it is."""
        content = bytearray(end - start)
        self._reader.read_into(start, content)
        if self._fill:
            buffer[start - base : end - base] = content
        view = memoryview(content)
        runs = list(data_runs(content, len(content), self._writer.granularity))
        encoded = [self._writer.encode(start + low, view[low:high]) for low, high in runs]
        return encoded, sum(high - low for low, high in runs)

    def _packed(self, start: int, end: int, base: int, buffer: bytearray) -> tuple[list[Any], int]:
        reader, writer, unit = self._reader, self._writer, self._writer.granularity
        encoded: list[Any] = []
        total = 0
        run: list[ReadBuffer] = []
        begin = 0
        for at, stored in reader.packed(start, end):
            content: ReadBuffer | None = None
            data = stored
            if self._checked:
                content, used = reader.unpack(at, stored)
                data = memoryview(stored)[:used]
                if content == self._zeros:
                    continue
                if self._fill:
                    buffer[at - base : min(at + unit, end) - base] = content[: end - at]
            carried = None
            if at + unit <= reader.virtual_size:  # the last one may be short within
                carried = self._converted(at, data, content)
            if run and (carried is None or begin + len(run) * unit != at):
                encoded.append(writer.encode_packed(begin, run))
                run = []
            if carried is None:
                content = content or reader.unpack(at, stored)[0]
                whole = memoryview(content)[: min(unit, reader.virtual_size - at)]
                encoded.append(writer.encode(at, whole))
            else:
                if not run:
                    begin = at
                run.append(carried)
            total += min(unit, reader.virtual_size - at)
        if run:
            encoded.append(writer.encode_packed(begin, run))
        return encoded, total

    def _converted(
        self, at: int, data: ReadBuffer, content: ReadBuffer | None
    ) -> ReadBuffer | None:
        """Return a block as the writer wants it, None if it does not take it."""
        if (self._codec, self._writer.codec) == ("zlib", "deflate"):
            try:
                data = zlib_to_raw(data)
            except DamagedDataError as error:
                raise CorruptError(
                    f"block at {at}: {error}", path=self._reader.sources[0].name
                ) from None
        elif self._codec != self._writer.codec:
            assert content is not None
            data = raw_to_zlib(data, content)
        return data if len(data) <= self._writer.largest else None
