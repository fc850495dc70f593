"""QCOW2 features of QEMU's own making: snapshots, external data, subclusters, refcounts later."""

import contextlib
import random

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import copy_disk, create_disk, open_disk
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LocatorError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.storage import FileSink, FileSource, MemorySink, MemorySource

CONTENT = make_content(9 * MIB + 1536, [(0, 2 * MIB), (4 * MIB + 4096, 100_000), (9 * MIB, 1536)])


def raw_of(qemu, path, *options):
    out = qemu.path(".raw")
    qemu.run("convert", *options, "-O", "raw", path, out)
    return out.read_bytes()


def check_extents(reader, content):
    """Assert that extents say where and what ``content`` is."""
    position = 0
    for e in reader.extents():
        assert e.start == position
        position = e.end
        if e.kind is not Kind.DATA:
            assert not any(content[e.start : e.end])
        elif e.file >= 0:
            assert (
                reader.sources[e.file].read_at(e.file_offset, e.length) == content[e.start : e.end]
            )
    assert position == len(content)


def scribble(qemu, path, seed, size=4 * MIB):
    """Write, zero and discard at random through QEMU."""
    rng = random.Random(seed)
    commands = []
    for n in range(12):
        at, length = rng.randrange(size // 512) * 512, rng.choice([512, 4096, 70_144, 300_032])
        length = min(length, size - at)
        how = rng.choice(
            [f"write -P {n + 1}", f"write -P {n + 1}", "write -z", "write -z -u", "discard"]
        )
        commands.append(f"{how} {at} {length}")
    qemu.io(path, *commands, fmt="qcow2")


@pytest.mark.parametrize("options", ["", "compat=0.10", "cluster_size=4k", "extended_l2=on"])
def test_snapshots_are_read_by_id_or_name(qemu, options):
    path = qemu.path(".qcow2")
    qemu.run("create", "-f", "qcow2", *(["-o", options] if options else []), path, "4M")
    expected = {}
    for number, name in enumerate(("first", "zweiter Stand", "2", "last"), 1):
        scribble(qemu, path, number)
        if name == "last" and options != "compat=0.10":
            qemu.run("resize", path, "5M")
        expected[name] = raw_of(qemu, path)
        qemu.run("snapshot", "-c", name, path)
    scribble(qemu, path, 9)
    blob = path.read_bytes()
    current = open_bytes(blob)
    assert read_all(current) == raw_of(qemu, path)
    assert [w.code for w in current.warnings] == ["KF-405"]
    assert "1 (first)" in current.details["snapshot_names"]
    for name in ("first", "zweiter Stand", "last"):
        reader = open_bytes(blob, snapshot=name)
        assert read_all(reader) == expected[name]
        check_extents(reader, expected[name])
        assert reader.warnings == ()
    assert read_all(open_bytes(blob, snapshot="2")) == expected["zweiter Stand"]  # ids count first
    with pytest.raises(LocatorError) as caught:
        open_bytes(blob, snapshot="never")
    assert "zweiter Stand" in caught.value.hint
    with pytest.raises(UsageError):
        open_disk(MemorySource(make_disk(CONTENT, "vdi")), snapshot="x")


def test_a_damaged_snapshot_table_does_not_hide_the_disk(qemu):
    path = qemu.convert(CONTENT, "qcow2")
    qemu.run("snapshot", "-c", "one", path)
    blob = bytearray(path.read_bytes())
    blob[64:72] = (len(blob) - 8).to_bytes(8, "big")
    reader = open_bytes(blob)
    assert read_all(reader) == CONTENT
    assert "damaged" in reader.details["snapshot_names"]
    with pytest.raises(TruncatedError):
        open_bytes(blob, snapshot="one")


@pytest.mark.parametrize("raw", ["on", "off"])
def test_external_data_files(qemu, sibling, tmp_path, raw):
    path = tmp_path / "meta.qcow2"
    data = tmp_path / "data.bin"
    qemu.run("create", "-f", "qcow2", "-o", f"data_file={data},data_file_raw={raw}", path, "9M")
    scribble(qemu, path, 3, 9 * MIB)
    expected = raw_of(qemu, path)
    blob = path.read_bytes().replace(str(data).encode(), b"data.bin".ljust(len(str(data)), b"\0"))
    at = blob.index(b"DATA")
    blob = blob[: at + 4] + (8).to_bytes(4, "big") + blob[at + 8 :]
    blob = blob[: at + 16] + bytes(8) + blob[at + 24 :]  # the end of the extensions comes sooner
    path.write_bytes(blob)
    with FileSource(path) as source:
        reader = open_disk(source, sibling=sibling)
        assert read_all(reader) == expected
        check_extents(reader, expected)
        assert reader.details["data_file"] == "data.bin"
        reader.close()
        with pytest.raises(UnsupportedError):
            open_disk(source)
        data.unlink()
        with pytest.raises(LocatorError):
            open_disk(source, sibling=sibling)


@pytest.mark.parametrize("size", [len(CONTENT), 3 << 29])
def test_external_data_files_are_written(qemu, sibling, tmp_path, monkeypatch, size):
    sinks = []

    def sibling_sink(name):
        sinks.append(FileSink(tmp_path / name))
        return sinks[-1]

    sinks.append(FileSink(tmp_path / "d.qcow2"))
    writer = create_disk(
        "qcow2", "data-file", sinks[0], size, sibling_sink=sibling_sink, name="d.qcow2"
    )
    copy_disk(open_disk(MemorySource(CONTENT), format="raw"), writer)
    for sink in sinks:
        sink.close()
    assert (tmp_path / "d.raw").stat().st_size == size
    with FileSource(tmp_path / "d.qcow2") as source:
        reader = open_disk(source, sibling=sibling)
        buffer = bytearray(len(CONTENT))
        reader.read_into(0, buffer)
        assert bytes(buffer) == CONTENT
        reader.close()
    monkeypatch.chdir(tmp_path)  # where QEMU looks for the data file
    qemu.run("check", "-f", "qcow2", "d.qcow2")
    assert "identical" in qemu.run("compare", "-f", "qcow2", "-F", "raw", "d.qcow2", "d.raw")
    with pytest.raises(UsageError):
        create_disk("qcow2", "data-file", MemorySink(), MIB)


def test_external_data_files_stay_in_the_folder(qemu, sibling, tmp_path):
    path = tmp_path / "meta.qcow2"
    qemu.run("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/data.bin", path, "1M")
    with FileSource(path) as source, pytest.raises(UnsafePathError):
        open_disk(source, sibling=sibling)
    blob = path.read_bytes().replace(b"DATA", b"XXXX", 1)
    with pytest.raises(CorruptError, match="names no"):
        open_bytes(blob, sibling=sibling)


@pytest.mark.parametrize(
    "options", ["", ",cluster_size=16k", ",cluster_size=2M", ",preallocation=metadata"]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_subclusters(qemu, sibling, options, seed):
    base, path = qemu.path(".qcow2"), qemu.path(".qcow2")
    qemu.run("create", "-f", "qcow2", "-o", "extended_l2=on" + options, base, "9M")
    scribble(qemu, base, seed, 9 * MIB)
    with FileSource(base) as source:
        expected = raw_of(qemu, base)
        reader = open_disk(source, sibling=sibling)
        assert read_all(reader) == expected
        check_extents(reader, expected)
    if "prealloc" in options:
        return
    backing = ["-b", base.name, "-F", "qcow2"]
    qemu.run("create", "-f", "qcow2", *backing, "-o", "extended_l2=on" + options, path, "9M")
    scribble(qemu, path, seed + 5, 9 * MIB)
    expected = raw_of(qemu, path)
    with FileSource(path) as source:
        reader = open_disk(source, sibling=sibling)
        assert read_all(reader) == expected
        check_extents(reader, expected)
        for at, length in ((1, 5), (MIB - 3, 70_000), (2047, 4 * MIB)):
            buffer = bytearray(length)
            reader.read_into(at, buffer)
            assert bytes(buffer) == expected[at : at + length]
        reader.close()


def test_compressed_clusters_with_subclusters(qemu):
    path = qemu.convert(CONTENT, "qcow2", "extended_l2=on", "-c")
    reader = open_bytes(path.read_bytes())
    assert read_all(reader) == CONTENT
    buffer = bytearray(5000)
    reader.read_into(70_001, buffer)
    assert bytes(buffer) == CONTENT[70_001:75_001]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(data, blobs):
    blob = bytearray(data.draw(st.sampled_from(blobs)))
    l1 = int.from_bytes(blob[40:48], "big")
    l2 = int.from_bytes(blob[l1 : l1 + 8], "big") & 0xFFFFFFFFFFFE00
    snapshots = int.from_bytes(blob[64:72], "big")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from([0, l1, l2, l2 + 256, snapshots]))
        at = min(at + data.draw(st.integers(0, 150)), len(blob) - 1)
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    for snapshot in (None, "1"):
        with contextlib.suppress(KenshoError):
            reader = open_bytes(bytes(blob), format="qcow2", snapshot=snapshot)
            buffer = bytearray(512 * KIB)
            for at in range(0, min(reader.virtual_size, 8 * MIB) - len(buffer), len(buffer)):
                reader.read_into(at, buffer)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    import shutil

    from disk_helpers import Qemu

    if not shutil.which("qemu-img") or not shutil.which("qemu-io"):
        pytest.skip("qemu-img is not installed")
    qemu = Qemu(tmp_path_factory.mktemp("blobs"))
    made = []
    for options in ("compat=1.1", "extended_l2=on", "compat=0.10"):
        path = qemu.path(".qcow2")
        qemu.run("create", "-f", "qcow2", "-o", options, path, "4M")
        scribble(qemu, path, 1)
        qemu.run("snapshot", "-c", "one", path)
        made.append(path.read_bytes())
    return made
