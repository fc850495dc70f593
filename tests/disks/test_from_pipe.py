"""Disks through pipes: the same content, once, and typed errors for what is damaged."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import threading

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import content_root, copy_disk, create_disk
from kensho.disks.from_pipe import open_pipe
from kensho.model.errors import CorruptError, KenshoError, TruncatedError, UnsupportedError
from kensho.storage import MemorySink
from kensho.storage.pipe import PipeReader, PipeSink

PIECES = st.lists(
    st.tuples(st.integers(0, 5 * MIB), st.integers(1, 400 * KIB)), min_size=0, max_size=6
)


def through(data, work):
    """Give ``work`` a pipe that ``data`` are written into; return what it returns."""
    read, write = os.pipe()

    def feed():
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(write, view[: 1 << 16]) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(write)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        return work(PipeReader(read, "pipe"))
    finally:
        os.close(read)
        thread.join()


def copied(pipe, fmt="raw", threads=3, **options):
    reader = open_pipe(pipe, size=options.pop("size", None))
    sink = MemorySink()
    writer = create_disk(fmt, None, sink, reader.virtual_size, identity=b"test")
    result = copy_disk(reader, writer, threads=threads, root=True)
    return bytes(sink.data), result


@settings(max_examples=20, deadline=None)
@given(pieces=PIECES, size=st.integers(1, 10 * 1024), threads=st.integers(1, 3))
def test_raw_and_stream_through_a_pipe_are_the_same_disk(pieces, size, threads):
    content = make_content(size * 512, pieces)
    raw, result = through(content, lambda pipe: copied(pipe, threads=threads, size=len(content)))
    assert raw == content
    stream = make_disk(content, "vmdk")
    again, other = through(stream, lambda pipe: copied(pipe, threads=threads))
    assert again == content
    assert result.content_root == other.content_root == content_root(open_bytes(stream))


def test_a_stream_from_qemu(qemu):
    content = make_content(6 * MIB, [(0, 5 * KIB), (3 * MIB, MIB)])
    data = qemu.convert(content, "vmdk", "subformat=streamOptimized").read_bytes()
    assert through(data, copied)[0] == content
    with pytest.raises(TruncatedError):
        through(data[:-70_000], copied)


def test_ovftool_says_how_far_it_is():
    content = make_content(2 * MIB, [(0, 5 * KIB), (MIB, 100)])
    data = make_disk(content, "vmdk")
    first = int.from_bytes(data[64:72], "little") * 512  # behind the overhead
    size = int.from_bytes(data[first + 8 : first + 12], "little")
    second = first + -(-(12 + size) // 512) * 512
    marker = struct.pack("<QIIQ", 0, 0, 4, 128).ljust(512, b"\0")
    spoken = data[:first] + 4 * marker + data[first:second] + marker + data[second:]
    assert through(spoken, copied)[0] == content


@pytest.mark.parametrize("cut", [100, 600, 70_000, -100, -600, -2000])
def test_a_stream_that_ends_early(cut):
    data = make_disk(make_content(2 * MIB, [(0, MIB)]), "vmdk")
    with pytest.raises(TruncatedError):
        through(data[:cut], copied)


def test_a_stream_is_padded_or_goes_on():
    content = make_content(2 * MIB, [(0, MIB)])
    assert through(make_disk(content, "vmdk") + bytes(9000), copied)[0] == content


def test_sizes_that_are_wrong():
    with pytest.raises(TruncatedError):
        through(bytes(5000), lambda pipe: copied(pipe, size=6000))
    with pytest.raises(CorruptError):
        through(bytes(5000), lambda pipe: copied(pipe, size=4096))


@pytest.mark.parametrize("fmt", ["qcow2", "vhd", "vhdx", "vdi"])
def test_formats_that_need_their_tables_first(fmt):
    data = make_disk(make_content(MIB, [(0, 5000)]), fmt)
    with pytest.raises(UnsupportedError):
        through(data, lambda pipe: open_pipe(pipe, size=None))
    plain = make_disk(make_content(MIB, [(0, 5000)]), "vmdk", "monolithicSparse")
    with pytest.raises(UnsupportedError):
        through(plain, lambda pipe: open_pipe(pipe, size=None))


def test_a_pipe_is_read_once():
    def twice(pipe):
        reader = open_pipe(pipe, size=2 * MIB)
        assert read_all(reader) is not None
        with pytest.raises(UnsupportedError):
            list(reader.extents(MIB))

    through(bytes(2 * MIB), twice)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30))
def test_random_damage_is_an_error_or_nothing(seed):
    chance = random.Random(seed)
    data = bytearray(STREAM)
    for _ in range(chance.randrange(1, 5)):
        at = chance.choice([chance.randrange(80), 65536 + chance.randrange(16),
                            chance.randrange(len(data))])  # fmt: skip
        data[at] = chance.choice([0, 255, chance.randrange(256)])

    def read(pipe):
        reader = open_pipe(pipe, size=None)
        if reader.virtual_size > 64 * MIB:
            return  # plausible, and only slow to copy into memory
        sink = MemorySink()
        copy_disk(reader, create_disk("raw", None, sink, reader.virtual_size), threads=2)

    with contextlib.suppress(KenshoError):
        through(bytes(data), read)


STREAM = make_disk(make_content(2 * MIB, [(0, 9 * KIB), (MIB, 300 * KIB)]), "vmdk")


def test_a_sink_for_pipes_goes_forward_only():
    read, write = os.pipe()
    sink = PipeSink(write)
    sink.truncate(20)
    sink.write_at(3, b"abc")
    with pytest.raises(UnsupportedError):
        sink.write_at(2, b"x")
    sink.append(b"d")
    sink.flush()
    os.close(write)
    assert os.read(read, 100) == b"\0\0\0abcd" + bytes(13)
    os.close(read)


@settings(max_examples=10, deadline=None)
@given(pieces=PIECES, threads=st.integers(1, 3))
def test_the_shape_for_google_cloud_is_a_tar_in_a_gzip(pieces, threads):
    import io
    import tarfile

    from kensho.disks.gcp_write import create_gcp

    content = make_content(6 * MIB, pieces)
    for compression in ("fast", "small"):
        sink = MemorySink()
        writer = create_gcp(sink, len(content), compression=compression)
        copy_disk(open_bytes(content, format="raw"), writer, threads=threads)
        with tarfile.open(fileobj=io.BytesIO(bytes(sink.data)), mode="r:gz") as archive:
            assert archive.getnames() == ["disk.raw"]
            assert archive.extractfile("disk.raw").read() == content
