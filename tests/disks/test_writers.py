"""Every writer: what is written is what is read, by us and by QEMU, always the same bytes."""

import itertools

import pytest
from disk_helpers import (
    KIB,
    MIB,
    QEMU_NAMES,
    WRITERS,
    make_content,
    make_disk,
    open_bytes,
    read_all,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import compare, content_root, copy_disk, create_disk, open_disk
from kensho.disks._blocks import data_runs
from kensho.model.errors import LimitError, UsageError
from kensho.model.extent import Kind
from kensho.storage import MemorySink, MemorySource

GRID = 64 * KIB
SIZES = st.integers(1, 80).map(lambda n: n * GRID) | st.integers(1, 5 * MIB)
PIECES = st.lists(
    st.tuples(
        st.integers(0, 5 * MIB) | st.integers(0, 80).map(lambda n: n * GRID),
        st.integers(1, 200 * KIB) | st.sampled_from([512, GRID, MIB]),
    ),
    max_size=6,
)


@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
@given(size=SIZES, pieces=PIECES)
def test_what_is_written_is_read(fmt, sub, size, pieces):
    content = make_content(size, [(at % size, n) for at, n in pieces])
    blob = make_disk(content, fmt, sub)
    reader = open_bytes(blob, format=fmt)
    rounded = size if fmt == "raw" else -(-size // 512) * 512
    assert reader.virtual_size == rounded
    assert read_all(reader) == content.ljust(rounded, b"\0")
    _check_extents(reader, content)
    assert compare(open_bytes(content, format="raw"), reader) is None
    assert content_root(reader) == content_root(open_bytes(content, format="raw"))


def _check_extents(reader, content):
    position = 0
    last = None
    for e in reader.extents():
        assert e.start == position
        assert e.length > 0
        assert last is None or last.kind is not e.kind or max(last.file, e.file) >= 0
        if e.kind is not Kind.DATA:
            assert not any(content[e.start : e.end])
        elif e.file >= 0:
            verbatim = reader.sources[e.file].read_at(e.file_offset, e.length)
            assert verbatim[: len(content) - e.start] == content[e.start : e.end]
        position, last = e.end, e
    assert position == reader.virtual_size


@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
def test_the_same_bytes_for_any_number_of_threads(fmt, sub):
    content = make_content(9 * MIB + 512, [(0, 2 * MIB), (3 * MIB + 5, 70_000), (8 * MIB, 2 * MIB)])
    made = {make_disk(content, fmt, sub, threads=n, root=True) for n in (1, 2, 5)}
    made.add(make_disk(content, fmt, sub))  # without a digest the bytes may take another way
    assert len(made) == 1


@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
@pytest.mark.parametrize("size", [512, 8 * MIB + 1536, 70 * MIB, 8 * MIB + 100])
def test_qemu_reads_what_is_written(qemu, fmt, sub, size):
    pieces = [(0, 600 * KIB), (5 * MIB + 4096, 3 * KIB), (34 * MIB, MIB), (size - 300, 300)]
    content = make_content(size, [p for p in pieces if 0 <= p[0] < size] + [(size - 1, 1)])
    path = qemu.path()
    path.write_bytes(make_disk(content, fmt, sub))
    if (fmt, sub) == ("vhd", "fixed"):
        # QEMU finds fixed VHDs only under their name
        assert qemu.run("info", "-f", "vpc", path)
    if fmt == "raw":
        return
    qemu.judge(path, QEMU_NAMES.get(fmt, fmt), content, check=fmt != "vhd")


@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
def test_an_empty_disk(qemu, fmt, sub):
    blob = make_disk(bytes(3 * MIB), fmt, sub)
    reader = open_bytes(blob, format=fmt)
    assert not any(read_all(reader))
    if fmt != "raw" and sub != "fixed":
        assert [e.kind for e in reader.extents()] == [Kind.HOLE]
        path = qemu.path()
        path.write_bytes(blob)
        qemu.judge(path, QEMU_NAMES.get(fmt, fmt), bytes(3 * MIB), check=fmt != "vhd")


@pytest.mark.parametrize("compression", ["fast", "balanced", "small"])
@pytest.mark.parametrize(("fmt", "sub"), [("vmdk", "streamOptimized"), ("qcow2", "compressed")])
def test_compressions(qemu, fmt, sub, compression):
    content = make_content(3 * MIB, [(0, 2 * MIB), (2 * MIB + 70_000, 100)])
    path = qemu.path()
    path.write_bytes(make_disk(content, fmt, sub, compression=compression))
    assert read_all(open_bytes(path.read_bytes())) == content
    qemu.judge(path, fmt, content)
    with pytest.raises(UsageError):
        make_disk(content, fmt, sub, compression="best")


def test_a_stream_may_begin_anywhere():
    """An OVA's disk begins behind other members; its own offsets still count from zero."""
    content = make_content(2 * MIB, [(0, MIB)])
    alone = make_disk(content, "vmdk")
    sink = MemorySink()
    sink.append(b"x" * 1024)
    writer = create_disk("vmdk", "streamOptimized", sink, len(content), identity=b"test")
    copy_disk(open_disk(MemorySource(content), format="raw"), writer)
    assert bytes(sink.data[1024:]) == alone


@pytest.mark.parametrize(
    ("fmt", "sub", "size"),
    [
        ("vhd", "dynamic", (2040 << 30) + 1),
        ("vhd", "fixed", 3 << 40),
        ("vhdx", None, (64 << 40) + 512),
        ("vmdk", "monolithicSparse", 3 << 40),
        ("vmdk", "streamOptimized", 63 << 40),
        ("qcow2", None, 3 << 50),
        ("vdi", None, 1 << 50),
        ("vdi", None, 0),
        ("raw", None, -1),
    ],
)
def test_sizes_a_format_cannot_hold(fmt, sub, size):
    with pytest.raises(LimitError):
        create_disk(fmt, sub, MemorySink(), size)


def test_large_disks_keep_their_far_end(qemu, tmp_path):
    """2 TiB minus a bit, data in the first and the last MiB only."""
    from kensho.storage import FileSink, FileSource

    size = (2 << 40) - 3 * GRID
    raw = tmp_path / "big.raw"
    with FileSink(raw) as sink:
        sink.truncate(size)
        sink.write_at(12345, b"start")
        sink.write_at(size - 100, b"end" * 33)
    for fmt, sub in WRITERS:
        if fmt in {"raw", "vhd"}:
            continue
        out = tmp_path / f"out.{fmt}"
        with FileSource(raw) as source, FileSink(out) as sink:
            reader = open_disk(source)
            copy_disk(reader, create_disk(fmt, sub, sink, size))
        with FileSource(out) as source:
            again = open_disk(source)
            buffer = bytearray(100)
            again.read_into(size - 100, buffer)
            assert bytes(buffer).rstrip(b"\0") == b"end" * 33
            data = sum(e.length for e in again.extents() if e.kind is Kind.DATA)
            assert data <= 16 * MIB * (4 if fmt == "vhdx" else 1)
        assert f'"virtual-size": {size}' in qemu.run("info", "--output=json", "-f", fmt, out)
        out.unlink()


@given(st.binary(max_size=40), st.sampled_from([1, 2, 4, 8]))
def test_data_runs(data, granule):
    # Few distinct bytes, so that zero granules are common.
    data = bytes(byte & 1 for byte in data)
    runs = list(data_runs(bytearray(data + b"junk"), len(data), granule))
    covered = bytearray(len(data))
    for low, high in runs:
        covered[low:high] = b"\1" * (high - low)
    for at in range(0, len(data), granule):
        assert any(data[at : at + granule]) == any(covered[at : at + granule])
    assert all(a[1] < b[0] for a, b in itertools.pairwise(runs))
