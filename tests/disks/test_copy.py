"""The copy engine: errors, cancelling, progress, digests; and comparing and recognising."""

import errno
import os
import threading
from pathlib import Path

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk, open_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import compare, content_root, copy_disk, create_disk, detect, open_disk
from kensho.disks.copy import batches
from kensho.model.errors import (
    InterruptedRunError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Extent, Kind
from kensho.storage import FileSink, FileSource, MemorySink, MemorySource

CONTENT = make_content(24 * MIB, [(0, 10 * MIB), (12 * MIB + 77, 5 * MIB)])


def copy(content=CONTENT, fmt="vmdk", **options):
    reader = options.pop("reader", None) or open_bytes(content, format="raw")
    return copy_disk(reader, create_disk(fmt, None, MemorySink(), len(content)), **options)


def test_result_and_progress():
    seen = []
    result = copy(on_bytes=lambda *a: seen.append(a), root=True, threads=3)
    assert result.virtual_size == len(CONTENT)
    assert result.data_bytes + result.zero_bytes == len(CONTENT)
    assert 15 * MIB <= result.data_bytes < 16 * MIB
    assert result.content_root == content_root(open_bytes(CONTENT, format="raw"))
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_digest_is_the_same_for_every_format():
    digests = {copy(fmt=f, root=True).content_root for f in ("vmdk", "raw", "vhd", "qcow2")}
    assert len(digests) == 1
    assert digests != {content_root(open_bytes(CONTENT[:-1] + b"x", format="raw"))}


class Broken:
    """A reader or writer that fails after a while."""

    def __init__(self, inner, error, method):
        self._inner, self._error, self._method = inner, error, method
        self._left = 5

    def __getattr__(self, name):
        value = getattr(self._inner, name)
        if name != self._method:
            return value

        def failing(*args):
            self._left -= 1
            if self._left < 0:
                raise self._error
            return value(*args)

        return failing


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), OSError(5, "EIO")])
@pytest.mark.parametrize("method", ["read_into", "encode", "commit", "finish"])
def test_an_error_stops_all_and_arrives_as_it_was(threads, error, method):
    reader = open_bytes(CONTENT, format="raw")
    writer = create_disk("vmdk", None, MemorySink(), len(CONTENT))
    if method == "read_into":
        reader = Broken(reader, error, method)
    else:
        writer = Broken(writer, error, method)
        if method == "finish":
            writer._left = 0
    before = set(threading.enumerate())
    with pytest.raises(type(error)) as caught:
        copy_disk(reader, writer, threads=threads)
    assert caught.value is error
    assert set(threading.enumerate()) <= before  # others may have ended


def test_cancelling():
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 6

    with pytest.raises(InterruptedRunError):
        copy(cancelled=cancelled)


def test_a_writer_too_small():
    with pytest.raises(UsageError):
        copy_disk(open_bytes(CONTENT, format="raw"), create_disk("raw", None, MemorySink(), MIB))


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200)), max_size=8),
    st.sampled_from([1, 4, 16]),
)
def test_batches_cover_all_data_and_no_window_border(pieces, unit):
    class Reader:
        virtual_size = 1000

        def extents(self):
            at = 0
            for gap, length in pieces:
                start = min(at + gap, 1000)
                end = min(start + length, 1000)
                yield Extent(at, start - at, Kind.HOLE)
                yield Extent(start, end - start, Kind.DATA)
                at = end

    found = list(batches(Reader(), unit, 64))
    covered = {byte for low, high in found for byte in range(low, high)}
    data = {b for e in Reader().extents() if e.kind is Kind.DATA for b in range(e.start, e.end)}
    assert data <= covered
    assert sum(high - low for low, high in found) == len(covered)
    for low, high in found:
        assert low < high
        assert low % unit == 0
        assert high % unit == 0 or high == 1000
        assert low // 64 == (high - 1) // 64
    assert found == sorted(found)


def test_compare_finds_the_first_difference():
    raw = open_bytes(CONTENT, format="raw")
    for at in (0, 5, 10 * MIB + 3, 20 * MIB, len(CONTENT) - 1):
        other = bytearray(CONTENT)
        other[at] ^= 0xFF
        other[-1] ^= 0xFF if at != len(CONTENT) - 1 else 0
        assert compare(raw, open_bytes(make_disk(bytes(other), "vmdk"))) == at
    assert compare(raw, open_bytes(make_disk(CONTENT, "qcow2", "compressed"))) is None


def test_compare_of_different_sizes():
    longer = open_bytes(CONTENT + bytes(MIB), format="raw")
    assert compare(open_bytes(CONTENT, format="raw"), longer) is None
    longer = open_bytes(CONTENT + bytes(MIB) + b"x", format="raw")
    assert compare(open_bytes(CONTENT, format="raw"), longer) == len(CONTENT) + MIB


def test_a_sparse_raw_file_stays_sparse(tmp_path):
    with FileSink(tmp_path / "in") as sink:
        sink.truncate(1 << 30)
        sink.write_at(500 * MIB + 4096, b"x" * 8192)
    with FileSource(tmp_path / "in") as source, FileSink(tmp_path / "out") as sink:
        copy_disk(open_disk(source), create_disk("raw", None, sink, source.size))
    assert (tmp_path / "out").stat().st_blocks * 512 <= 65536
    with FileSource(tmp_path / "in") as a, FileSource(tmp_path / "out") as b:
        assert compare(open_disk(a), open_disk(b)) is None


@pytest.mark.parametrize("fmt", ["vmdk", "vhd", "vhdx", "qcow2", "vdi"])
def test_content_decides_what_a_file_is(fmt):
    blob = make_disk(CONTENT, fmt)
    for name in ("disk", "disk.raw", "disk.vdi"):
        best, *rest = detect(MemorySource(blob, name))
        assert (best.name, best.confidence > 80) == (fmt, True)
        assert [c.name for c in rest] == ["raw"]


def test_a_guest_cannot_choose_the_format():
    """The first sector of a fixed VHD belongs to the guest, who may write a QCOW2 header there."""
    content = b"QFI\xfb" + make_content(MIB, [(600, 5000)])[4:]
    fixed = make_disk(content, "vhd", "fixed")
    assert detect(MemorySource(fixed, "disk.vhd"))[0].name == "vhd"
    assert [c.name for c in detect(MemorySource(fixed, "disk"))] == ["qcow2", "vhd", "raw"]


def test_what_is_no_disk():
    assert detect(MemorySource(b"")) == ()
    assert detect(MemorySource(b"<?xml version='1.0'?><Envelope/>")) == ()
    assert detect(MemorySource(b"Name: value\n" * 100, "x.img")) == ()
    assert [c.name for c in detect(MemorySource(bytes(4096), "x"))] == ["raw"]
    assert [c.name for c in detect(MemorySource(b"\xeb\x63\x90" + bytes(509)))] == ["raw"]
    assert detect(MemorySource(b"# Disk DescriptorFile\nversion=1\n"))[0].name == "vmdk"
    with pytest.raises(UnsupportedError):
        open_bytes(b"hello world\n" * 50)
    with pytest.raises(UsageError):
        open_bytes(b"", format="floppy")
    with pytest.raises(UsageError):
        create_disk("vmdk", "vmfsThin", MemorySink(), MIB)


@pytest.mark.parametrize("folder", ["same file system", "another file system"])
@pytest.mark.parametrize("fmt", ["raw", "vhd", "vhdx", "vdi", "qcow2"])
def test_copies_within_the_kernel(tmp_path, fmt, folder):
    source_path = tmp_path / "in"
    content = make_content(7 * MIB + 300, [(4096, 5000), (MIB, 3 * MIB), (6 * MIB + 100, 70_000)])
    with FileSink(source_path) as sink:
        sink.truncate(len(content))
        for at in range(0, len(content), 4096):
            if any(content[at : at + 4096]):
                sink.write_at(at, content[at : at + 4096])
        sink.write_at(5 * MIB, bytes(MIB // 2))  # zeros that are stored
    target = tmp_path / "out"
    if folder == "another file system":
        other = Path("/dev/shm")
        if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("no second file system")
        target = other / f"kensho-test-{os.getpid()}"
    try:
        with FileSource(source_path) as source, FileSink(target) as sink:
            writer = create_disk(fmt, None, sink, source.size, identity=b"test")
            result = copy_disk(open_disk(source), writer)
        assert result.data_bytes < 4 * MIB
        assert target.stat().st_blocks * 512 < 5 * MIB
        with FileSource(target) as made:
            assert compare(open_disk(made, format=fmt), open_bytes(content, format="raw")) is None
        if fmt != "raw":
            assert target.read_bytes() == make_disk(content, fmt)
        # ... and back, out of blocks that are not where the disk has them
        with FileSource(target) as made, FileSink(tmp_path / "back") as sink:
            reader = open_disk(made, format=fmt)
            copy_disk(reader, create_disk("raw", None, sink, reader.virtual_size))
        assert (tmp_path / "back").read_bytes()[: len(content)] == content
    finally:
        target.unlink(missing_ok=True)


def test_cancelling_a_copy_within_the_kernel(tmp_path):
    (tmp_path / "in").write_bytes(CONTENT)
    with FileSource(tmp_path / "in") as source, FileSink(tmp_path / "out") as sink:
        writer = create_disk("raw", None, sink, len(CONTENT))
        with pytest.raises(InterruptedRunError):
            copy_disk(open_disk(source, format="raw"), writer, cancelled=lambda: True)


def test_an_unwilling_kernel_changes_nothing(tmp_path, monkeypatch):
    """File systems that can neither share nor splice: their data are read and written."""

    def refuse(*_, **__):
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(os, "splice", refuse)
    (tmp_path / "in").write_bytes(CONTENT)
    with FileSource(tmp_path / "in") as source, FileSink(tmp_path / "out") as sink:
        writer = create_disk("qcow2", None, sink, len(CONTENT))
        copy_disk(open_disk(source, format="raw"), writer)
    assert (tmp_path / "out").read_bytes() == make_disk(CONTENT, "qcow2")


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=1, max_size=12),
    st.sampled_from([("raw", None), ("qcow2", None), ("vhd", None), ("vdi", None)]),
    st.integers(1, 4096),
)
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
def test_any_layout_is_copied_within_the_kernel(tmp_path, pieces, form, odd):
    """Holes, stored zeros and data in units of 20 KiB, and a size that is no multiple of anything."""
    path, out = tmp_path / "in", tmp_path / "out"
    at = 0
    with FileSink(path) as sink:
        for number, (gap, length) in enumerate(pieces):
            at += gap * 20 * KIB
            data = (
                bytes(length * 20 * KIB)
                if number % 3 == 2
                else bytes([number + 1]) * length * 20 * KIB
            )
            sink.write_at(at, data)
            at += len(data)
        sink.truncate(at + 40 * MIB + odd)
    with FileSource(path) as source, FileSink(out) as sink:
        copy_disk(open_disk(source, format="raw"), create_disk(*form, sink, source.size))
    with FileSource(path) as a, FileSource(out) as b:
        assert compare(open_disk(a, format="raw"), open_disk(b, format=form[0])) is None


def test_a_source_that_becomes_shorter_is_noticed(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(bytes(4 * MIB) + CONTENT)
    with FileSource(path) as source, FileSink(tmp_path / "out") as sink:
        writer = create_disk("qcow2", None, sink, source.size)
        os.truncate(
            path, 2 * MIB
        )  # zeros in front, so that what is missing is looked at, not moved
        with FileSink(path, keep=True) as again:
            again.write_at(2 * MIB, bytes(MIB))
        with pytest.raises(TruncatedError):
            copy_disk(Told(open_disk(source, format="raw")), writer)


class Told:
    """A raw disk whose file system cannot tell holes."""

    def __init__(self, disk):
        self._disk = disk

    def __getattr__(self, name):
        return getattr(self._disk, name)

    def extents(self, start=0, end=None):
        end = self._disk.virtual_size if end is None else end
        yield Extent(start, end - start, Kind.DATA, 0, start)
