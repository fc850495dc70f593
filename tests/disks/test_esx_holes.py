"""ESX extents whose tables are reserved and mostly holes of the file: skipped, never missed."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_vmdk_delta import cowd, sesparse

from kensho.disks.vmdk_esx import open_cowd, open_sesparse
from kensho.model.errors import CorruptError, TruncatedError
from kensho.model.extent import Kind
from kensho.storage import FileSource, MemorySource

PAGE = 4096
TABLE = 16 << 20  # bytes of the disk a seSparse table is about


def sparse_file(path, blob):
    """Write ``blob`` with a hole for every page that is zero."""
    with path.open("wb") as file:
        file.truncate(len(blob))
        for at in range(0, len(blob), PAGE):
            if any(blob[at : at + PAGE]):
                file.seek(at)
                file.write(blob[at : at + PAGE])
    return path


class Counting(FileSource):
    reads = 0

    def read_at(self, offset, length):
        self.reads += 1
        return super().read_at(offset, length)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    numbers=st.sets(st.integers(0, 24 * 4096 - 1), max_size=6),
    start=st.integers(0, 24 * TABLE),
    length=st.integers(0, 24 * TABLE),
)
def test_a_file_with_holes_reads_as_one_without(tmp_path, numbers, start, length):
    size = 24 * TABLE
    blob = sesparse(size, {n: b"%4096d" % n for n in sorted(numbers)})
    with FileSource(sparse_file(tmp_path / "x", blob)) as source:
        holey, whole = open_sesparse(source, 0), open_sesparse(MemorySource(blob), 0)
        end = min(start + length, size)
        for low, high in ((0, size), (start, end)):
            if low < high:
                assert list(holey.extents(low, high)) == list(whole.extents(low, high))
        data = [e.start // 4096 + n for e in holey.extents(0, size) if e.kind is Kind.DATA
                for n in range(e.length // 4096)]  # fmt: skip
        assert data == sorted(numbers)


def test_cowd_with_holes(tmp_path):
    grains = {n: bytes([n % 250 + 1]) * 512 for n in (0, 9, 4096, 12_000, 20 * 4096 - 1)}
    blob = cowd(20 * 4096 * 512, grains)
    with FileSource(sparse_file(tmp_path / "x", blob)) as source:
        size = 20 * 4096 * 512
        expected = list(open_cowd(MemorySource(blob), 0).extents(0, size))
        assert list(open_cowd(source, 0).extents(0, size)) == expected


def test_tables_that_are_holes_are_not_read(tmp_path):
    size = 400 * TABLE
    path = sparse_file(tmp_path / "x", sesparse(size, {}))
    with Counting(path) as source:
        extent = open_sesparse(source, 0)
        before = source.reads
        assert [(e.start, e.length, e.kind) for e in extent.extents(0, size)] == [
            (0, size, Kind.HOLE)
        ]
        assert source.reads <= before + 1  # the first one shares a page with the directory


def test_damage_behind_holes_is_still_found(tmp_path):
    size = 24 * TABLE
    blob = bytearray(sesparse(size, {}))
    directory = struct.unpack_from("<26Q", blob)[16] * 512
    for entry, error in ((2 << 60, CorruptError), (1 << 60 | 1 << 30, TruncatedError)):
        struct.pack_into("<Q", blob, directory + 8 * 17, entry)
        with FileSource(sparse_file(tmp_path / "x", blob)) as source:
            extent = open_sesparse(source, 0)
            with pytest.raises(error):
                list(extent.extents(0, size))
