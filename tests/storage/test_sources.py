"""Sources, sinks, windows, pending files and digests."""

import hashlib
import os

import pytest

from kensho.model.errors import CorruptError, LocatorError, TruncatedError
from kensho.model.extent import Extent, Kind, coalesce
from kensho.model.progress import Meter
from kensho.storage import (
    FileSink,
    FileSource,
    HashingStream,
    MemorySink,
    MemorySource,
    PendingFile,
    WindowSource,
    digest_source,
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(bytes(range(256)) * 16)
    return path


def test_reads_are_exact(file):
    with FileSource(file) as source:
        memory = MemorySource(file.read_bytes())
        window = WindowSource(source, 100, 200, "w")
        assert source.size == 4096
        assert source.read_at(10, 20) == memory.read_at(10, 20)
        assert window.read_at(0, 5) == source.read_at(100, 5)
        buffer = bytearray(7)
        window.read_into(193, buffer)
        assert bytes(buffer) == source.read_at(293, 7)
        for opened in (source, memory):
            for bad in ((4090, 7), (-1, 2), (5000, 1), (0, -1), (0, 1 << 60)):
                with pytest.raises(TruncatedError):
                    opened.read_at(*bad)
        with pytest.raises(TruncatedError):
            window.read_at(199, 2)
        with pytest.raises(TruncatedError):
            WindowSource(source, 4000, 100, "w")
        assert window.kernel_file() == (source.kernel_file()[0], 100)


def test_holes(tmp_path):
    path = tmp_path / "sparse"
    with FileSink(path) as sink:
        sink.write_at(1 << 20, b"x" * 65536)
        sink.truncate(4 << 20)
    with FileSource(path) as source:
        found = list(source.extents())
        assert found == [
            Extent(0, 1 << 20, Kind.HOLE),
            Extent(1 << 20, 65536, Kind.DATA, 0, 1 << 20),
            Extent((1 << 20) + 65536, (3 << 20) - 65536, Kind.HOLE),
        ]
        window = WindowSource(source, 1 << 20, 1 << 20, "w")
        assert list(window.extents(4096)) == [
            Extent(4096, 61440, Kind.DATA, 0, 4096),
            Extent(65536, (1 << 20) - 65536, Kind.HOLE),
        ]


def test_a_changed_file_is_noticed(file):
    with FileSource(file) as source:
        source.check_unchanged()
        with file.open("ab") as out:
            out.write(b"x")
        with pytest.raises(CorruptError):
            source.check_unchanged()


def test_what_cannot_be_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "fifo", ".", "nul\0"):
        with pytest.raises(LocatorError):
            FileSource(f"{tmp_path}/{name}")
    with pytest.raises(LocatorError):
        FileSink(tmp_path / "no" / "folder")


def test_pending_file_appears_whole(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with PendingFile(path) as pending:
        pending.sink.append(b"ne")
        pending.sink.append(b"w")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_pending_file_leaves_nothing_after_an_interrupt(tmp_path):
    path = tmp_path / "out"
    (tmp_path / ".out.kensho-partial").write_bytes(b"left by a killed run")

    def interrupted():
        with PendingFile(path) as pending:
            pending.sink.append(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_digests(file):
    data = file.read_bytes()
    below = MemorySink()
    stream = HashingStream(below, ("sha256", "sha1"))
    for at in range(0, len(data), 1000):
        stream.append(data[at : at + 1000])
    expected = {n: hashlib.new(n, data).hexdigest() for n in ("sha256", "sha1")}
    assert stream.hexdigests() == expected
    assert stream.position == len(below.data) == len(data)
    seen = []
    with FileSource(file) as source:
        assert digest_source(source, ("sha256", "sha1"), lambda *a: seen.append(a)) == expected
    assert seen[-1] == (4096, 4096)


def test_coalesce():
    parts = [
        Extent(0, 10, Kind.DATA, 0, 100),
        Extent(10, 10, Kind.DATA, 0, 110),
        Extent(20, 10, Kind.DATA, 0, 500),
        Extent(30, 0, Kind.ZERO),
        Extent(30, 5, Kind.HOLE),
        Extent(35, 5, Kind.HOLE),
        Extent(40, 5, Kind.DATA),
        Extent(45, 5, Kind.DATA),
    ]
    assert list(coalesce(parts)) == [
        Extent(0, 20, Kind.DATA, 0, 100),
        Extent(20, 10, Kind.DATA, 0, 500),
        Extent(30, 10, Kind.HOLE),
        Extent(40, 10, Kind.DATA),
    ]


def test_meter_limits_its_rate():
    events = []
    now = [0.0]
    meter = Meter("disk", "copy", events.append, interval=1.0, clock=lambda: now[0])
    for step in range(101):
        now[0] = step / 10
        meter(step, 100)
    assert [e.done for e in events] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert events[5].rate == pytest.approx(10)
    assert events[5].eta == pytest.approx(5)
    assert events[-1].eta == 0
