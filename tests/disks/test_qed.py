"""QED against QEMU."""

import contextlib
import struct

import pytest
from disk_helpers import KIB, MIB, make_content, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import compare, open_disk
from kensho.model.errors import CorruptError, FormatError, KenshoError, UnsupportedError
from kensho.model.extent import Kind
from kensho.storage import FileSource

CONTENT = make_content(
    36 * MIB + 1536, [(0, 2 * MIB), (9 * MIB + 4096, 100_000), (33 * MIB, 999), (36 * MIB, 1536)]
)


@pytest.mark.parametrize("options", [None, "cluster_size=4096,table_size=2", "cluster_size=1M"])
def test_disks_made_by_qemu(qemu, options):
    reader = open_bytes(qemu.convert(CONTENT, "qed", options).read_bytes())
    assert (reader.format, reader.virtual_size, reader.warnings) == ("qed", len(CONTENT), ())
    assert read_all(reader) == CONTENT
    assert compare(reader, open_bytes(CONTENT, format="raw")) is None
    assert any(e.kind is Kind.HOLE for e in reader.extents())


@pytest.mark.parametrize("base_format", ["raw", "qcow2", "qed", None])
def test_backing_files(qemu, sibling, base_format):
    base = qemu.convert(make_content(3 * MIB, [(0, 2 * MIB)]), base_format or "raw")
    top = qemu.path(".qed")
    named = ["-F", base_format] if base_format else ["-u", "-F", "qcow2"]
    qemu.run("create", "-f", "qed", "-b", base.name, *named, top, "5M")
    if not base_format:
        qemu.run("rebase", "-u", "-F", "raw", "-b", base.name, top)
    qemu.io(top, "write -P 1 1M 100k", "write -z 128k 64k", "write -P 2 4M 64k", fmt="qed")
    flat = qemu.path(".raw")
    qemu.run("convert", "-O", "raw", top, flat)
    with FileSource(top) as source:
        reader = open_disk(source, sibling=sibling)
        assert read_all(reader) == flat.read_bytes()
        assert (128 * KIB, 64 * KIB, Kind.ZERO) in [
            (e.start, e.length, e.kind) for e in reader.extents()
        ]
        reader.close()
        with pytest.raises(UnsupportedError):
            open_disk(source)


def test_an_image_that_is_its_own_backing_file(qemu, sibling):
    path = qemu.path(".qed")
    qemu.run("create", "-f", "qed", "-u", "-b", path.name, "-F", "qed", path, "1M")
    with FileSource(path) as source, pytest.raises(CorruptError):
        open_disk(source, sibling=sibling)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    import shutil
    import subprocess

    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed")
    folder = tmp_path_factory.mktemp("qed")
    (folder / "raw").write_bytes(make_content(3 * MIB, [(0, 300_000), (2 * MIB, 5000)]))
    args = ["convert", "-f", "raw", "-O", "qed", "-o", "cluster_size=4096", "raw", "qed"]
    subprocess.run(["qemu-img", *args], cwd=folder, check=True)
    return (folder / "qed").read_bytes()


@pytest.mark.parametrize(
    ("at", "pattern", "value", "error"),
    [
        (4, "<I", 3000, CorruptError),
        (4, "<I", 1 << 27, CorruptError),
        (8, "<I", 3, CorruptError),
        (8, "<I", 32, CorruptError),
        (16, "<Q", 8, UnsupportedError),
        (40, "<Q", 7, CorruptError),
        (40, "<Q", 1 << 40, FormatError),
        (48, "<Q", 1 << 62, FormatError),
        (48, "<Q", 1 << 49, FormatError),
        (48, "<Q", 513, CorruptError),
    ],
)
def test_headers_that_are_refused(small, at, pattern, value, error):
    bad = bytearray(small)
    struct.pack_into(pattern, bad, at, value)
    with pytest.raises(error):
        open_bytes(bad)


def test_a_dirty_image_is_read_with_a_note(small):
    dirty = bytearray(small)
    dirty[16] |= 2
    assert [w.code for w in open_bytes(dirty).warnings] == ["KF-404"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(small, data):
    blob = bytearray(small)
    spots = [(0, 64), (4096, 64), (4096 * 5, 512), (4096 * 17, 64)]
    for _ in range(data.draw(st.integers(1, 3))):
        start, length = data.draw(st.sampled_from(spots))
        at = min(start + data.draw(st.integers(0, length - 1)), len(blob) - 1)
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        blob = blob[: data.draw(st.integers(0, len(blob)))]
    with contextlib.suppress(KenshoError):
        reader = open_bytes(blob, format="qed")
        reader.read_into(0, bytearray(min(reader.virtual_size, 8 * MIB)))
        sum(1 for _ in reader.extents(0, 64 * MIB))
