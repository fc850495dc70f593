"""How large a disk will be in another format, without writing it.

Formats that store bytes as they are: the real writer places every run, into nothing,
so the size is exact for the ranges the source's tables call data. Formats that
compress: the writer packs a sample of the data, and the rest is taken to be alike.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from kensho.disks.base import PlacingWriter
from kensho.disks.copy import BATCH, batches
from kensho.disks.transfer import How, Target, begin_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader, DiskWriter
    from kensho.storage.base import ByteSink, ReadBuffer

_SAMPLES = 256  # runs of at most 64 KiB each
_PAGE = 4096
_NOTHING = bytes(BATCH)
#: For formats that compress: bytes of disk a table covers, and bytes it takes in the file.
_TABLES = {"vmdk": (32 << 20, 2560), "qcow2": (512 << 20, 1 << 16)}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes: ``file_size`` of all files, ``disk_usage`` without their holes.

    ``estimated`` when a sample was compressed; otherwise sizes are upper bounds, and
    exact when no range that the source calls data is zero.
    """

    format: str
    subformat: str
    virtual_size: int
    file_size: int
    disk_usage: int
    estimated: bool


def measure(reader: DiskReader, target: Target, *, compression: str = "fast") -> Measured:
    """Return how large ``reader`` will be as ``target``; reads a sample only to compress it."""
    how = How(compression=compression)
    counters, writer = _begin(target, how)
    compresses = _compresses(target, how)
    if compresses:
        size = usage = _estimate(reader, target, how, writer.granularity)
    else:
        for start, end in batches(reader, writer.granularity):
            _put(writer, start, end - start)
        writer.finish()
        size = sum(c.size for c in counters)
        usage = min(sum(c.usage for c in counters), size)
    return Measured(
        format=target.format,
        subformat=target.subformat,
        virtual_size=writer.virtual_size,
        file_size=size,
        disk_usage=usage,
        estimated=compresses,
    )


def _put(writer: DiskWriter, start: int, length: int) -> None:
    nothing = memoryview(_NOTHING)[:length]
    if isinstance(writer, PlacingWriter):
        for at, size in writer.place(start, length):
            writer.sink.write_at(at, nothing[:size])
    else:
        writer.commit(writer.encode(start, nothing))


def _compresses(target: Target, how: How) -> bool:
    """Tell whether some granules of zeros take less than their own size."""
    tried = dataclasses.replace(target, virtual_size=1 << 30)
    _, writer = _begin(tried, how)
    if isinstance(writer, PlacingWriter):
        return False
    many = [_NOTHING[: writer.granularity]] * 16
    return _after(tried, how, many) - _after(tried, how, []) < 8 * writer.granularity


def _estimate(reader: DiskReader, target: Target, how: How, granule: int) -> int:
    """Pack a sample of the granules with the writer itself and scale up what it takes."""
    total, tables, last = 0, 0, -1
    span, table = _TABLES.get(target.format, (1, 0))
    for start, end in batches(reader, granule):
        total += -(-(end - start) // granule)
        if table and (end - 1) // span != last:
            tables += (end - 1) // span - max(start // span, last + 1) + 1
            last = (end - 1) // span
    empty = _after(target, how, [])
    sample = list(_samples(reader, granule, max(1, total // _SAMPLES)))
    if not sample:
        return empty + total * granule
    roomy = dataclasses.replace(target, virtual_size=max(target.virtual_size, 1 << 26))
    alone = _after(roomy, how, sample) - _after(roomy, how, []) - table
    return empty + total * alone // len(sample) + tables * table


def _samples(reader: DiskReader, granule: int, stride: int) -> Iterator[bytes]:
    """Yield every ``stride``-th granule that holds data, if it is not zero."""
    number = taken = 0
    buffer = bytearray(granule)
    for start, end in batches(reader, granule):
        for at in range(start, end - granule + 1, granule):
            if number % stride == 0 and taken < 2 * _SAMPLES:
                reader.read_into(at, buffer)
                taken += 1
                yield bytes(buffer)
            number += 1


def _after(target: Target, how: How, granules: list[bytes]) -> int:
    """Return the file's size once ``granules`` were written, one after the other."""
    counters, writer = _begin(target, how)
    size = writer.granularity
    for number, data in enumerate(granules):
        writer.commit(writer.encode(number * size, memoryview(data)))
    writer.finish()
    return sum(c.size for c in counters)


def _begin(target: Target, how: How) -> tuple[list[_Counter], DiskWriter]:
    counters = [_Counter()]

    def beside(_: str) -> ByteSink:
        counters.append(_Counter())
        return counters[-1]

    return counters, begin_disk(counters[0], target, how, beside, "disk")


class _Counter:
    """A sink that forgets all but how much it was given."""

    __slots__ = ("position", "size", "usage")

    def __init__(self) -> None:
        self.size = 0
        self.usage = 0
        self.position = 0

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        if len(data):
            self.size = max(self.size, offset + len(data))
            self.usage += -(-len(data) // _PAGE) * _PAGE

    def append(self, data: ReadBuffer) -> None:
        self.position += len(data)
        self.size = max(self.size, self.position)
        self.usage += len(data)

    def truncate(self, size: int) -> None:
        self.size = size

    def flush(self) -> None:
        pass
