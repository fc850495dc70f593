"""Parallels disks: images against QEMU, descriptors and snapshots as written by hand."""

import contextlib
import struct

import pytest
from disk_helpers import KIB, MIB, make_content, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import compare, detect, open_disk
from kensho.model.errors import (
    CorruptError,
    FormatError,
    KenshoError,
    LimitError,
    LocatorError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import Kind
from kensho.storage import MemorySource

CONTENT = make_content(9 * MIB + 1536, [(0, MIB), (5 * MIB + 4096, 100_000), (9 * MIB, 1536)])
NONE = "00000000-0000-0000-0000-000000000000"
TOP = "5fbaabe3-6958-40ff-92a7-860e329aab41"
ROOT = "11111111-2222-3333-4444-555555555555"


def hds(size, clusters, tracks=128, *, extended=True, in_use=0x312E3276):
    """Return an image; ``clusters`` are contents by number, stored in the reverse order."""
    entries = -(-size // 512 // tracks)
    table = [0] * entries
    step = tracks * 512
    begin = -(-(64 + 4 * entries) // step) * step
    body = b""
    for slot, (number, data) in enumerate(sorted(clusters.items(), reverse=True)):
        table[number] = begin // step + slot if extended else (begin // step + slot) * tracks
        body += data.ljust(step, b"\0")
    magic = b"WithouFreSpacExt" if extended else b"WithoutFreeSpace"
    sectors = size // 512 if extended else size // 512 | 0xABCD << 32  # the upper half is junk
    head = struct.pack(
        "<16s5IQ3IQ", magic, 2, 16, 1, tracks, entries, sectors, in_use, begin // 512, 0, 0
    )
    return (head + struct.pack(f"<{entries}I", *table)).ljust(begin, b"\0") + body


def descriptor(storages, shots, *, size=None, top="", extra=""):
    """Return DiskDescriptor.xml; storages are (start, end, [(guid, type, file)])."""
    parts = ""
    for start, end, images in storages:
        inner = "".join(
            f"<Image><GUID>{{{g}}}</GUID><Type>{t}</Type><File>{f}</File></Image>"
            for g, t, f in images
        )
        parts += f"<Storage><Start>{start}</Start><End>{end}</End><Blocksize>128</Blocksize>{inner}</Storage>"
    tree = "".join(
        f"<Shot><GUID>{{{g}}}</GUID><ParentGUID>{{{p}}}</ParentGUID></Shot>" for g, p in shots
    )
    named = f"<TopGUID>{{{top}}}</TopGUID>" if top else ""
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n<Parallels_disk_image Version=\"1.0\">\n"
        f"<Disk_Parameters><Disk_size>{size or storages[-1][1]}</Disk_size>{extra}"
        f"<Padding>0</Padding></Disk_Parameters><StorageData>{parts}</StorageData>"
        f"<Snapshots>{named}{tree}</Snapshots></Parallels_disk_image>"
    ).encode()


def open_files(files, name="DiskDescriptor.xml"):
    def sibling(other):
        if other not in files:
            raise LocatorError("no such file", path=other)
        return MemorySource(files[other], other)

    return open_disk(MemorySource(files[name], name), sibling=sibling)


@pytest.mark.parametrize("options", [None, "cluster_size=64k"])
def test_images_made_by_qemu(qemu, options):
    reader = open_bytes(qemu.convert(CONTENT, "parallels", options).read_bytes())
    assert reader.format == "hdd"
    assert reader.warnings == ()
    assert read_all(reader)[: len(CONTENT)] == CONTENT
    assert compare(reader, open_bytes(CONTENT, format="raw")) is None


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("tracks", [63, 128, 504])
def test_qemu_agrees_about_images(qemu, extended, tracks):
    step = tracks * 512
    size = 20 * step - 512
    clusters = {n: bytes([n + 1]) * step for n in (0, 1, 7, 18)} | {19: b"e" * (step - 512)}
    path = qemu.path(".hdd")
    path.write_bytes(hds(size, clusters, tracks, extended=extended))
    raw = qemu.path(".raw")
    qemu.run("convert", "-f", "parallels", "-O", "raw", path, raw)
    reader = open_bytes(path.read_bytes())
    assert reader.virtual_size == size
    assert read_all(reader) == raw.read_bytes()
    for e in reader.extents():
        if e.kind is Kind.DATA:
            where = reader.sources[0].read_at(e.file_offset, e.length)
            assert where == raw.read_bytes()[e.start : e.end]


def snapshots(files=("root.hds", "top.hds")):
    """A disk with one snapshot: the root, and what was written since."""
    size, step = 10 * 64 * KIB, 64 * KIB
    images = {
        "root.hds": hds(size, {0: b"r" * step, 4: b"R" * step}),
        "top.hds": hds(size, {4: b"t" * step, 9: b"T" * step}),
    }
    xml = descriptor(
        [(0, size // 512, [(TOP, "Compressed", files[1]), (ROOT, "Compressed", files[0])])],
        [(ROOT, NONE), (TOP, ROOT)],
    )
    expected = b"r" * step + bytes(3 * step) + b"t" * step + bytes(4 * step) + b"T" * step
    return images | {"DiskDescriptor.xml": xml}, expected


def test_snapshots():
    files, expected = snapshots()
    reader = open_files(files)
    assert (reader.subformat, reader.details) == ("expanding", {"files": 2, "layers": 2})
    assert read_all(reader) == expected
    for e in reader.extents():
        if e.kind is Kind.DATA:
            where = reader.sources[e.file].read_at(e.file_offset, e.length)
            assert where == expected[e.start : e.end]
    reader.close()
    files["DiskDescriptor.xml"] = files["DiskDescriptor.xml"].replace(
        b"<Snapshots>", b"<Snapshots><TopGUID>{" + ROOT.encode() + b"}</TopGUID>"
    )
    assert read_all(open_files(files))[: 64 * KIB] == b"r" * 64 * KIB
    assert not any(read_all(open_files(files))[9 * 64 * KIB :])


@pytest.mark.parametrize(
    "file", ["/Users/me/x.pvm/d.hdd/top.hds", "C:\\x\\top.hds", "gone/top.hds"]
)
def test_images_that_moved_with_their_folder(file):
    files, expected = snapshots(("root.hds", file))
    assert read_all(open_files(files)) == expected


def test_split_and_plain():
    half = 5 * 64 * KIB
    body = make_content(half, [(0, 70_000), (200_000, 5000)])
    xml = descriptor(
        [(0, half // 512, [(TOP, "Plain", "a.hds")]),
         (half // 512, half // 256, [(TOP, "Compressed", "b.hds")])],
        [(TOP, NONE)],
    )  # fmt: skip
    second = hds(half, {1: b"2" * 64 * KIB})
    reader = open_files({"DiskDescriptor.xml": xml, "a.hds": body + b"more", "b.hds": second})
    assert reader.subformat == "split"
    expected = body + bytes(64 * KIB) + b"2" * 64 * KIB + bytes(3 * 64 * KIB)
    assert read_all(reader) == expected
    buffer = bytearray(64 * KIB)
    reader.read_into(half + 32 * KIB, buffer)
    assert buffer == expected[half + 32 * KIB : half + 96 * KIB]
    with pytest.raises(KenshoError):
        reader.read_into(2 * half - 1, buffer)
    with pytest.raises(TruncatedError):
        open_files({"DiskDescriptor.xml": xml, "a.hds": body[:-1], "b.hds": second})


def test_a_descriptor_is_recognised():
    xml = snapshots()[0]["DiskDescriptor.xml"]
    assert [c.name for c in detect(MemorySource(xml))] == ["hdd"]
    assert detect(MemorySource(b"<?xml version='1.0'?><Envelope/>")) == ()


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"<Padding>0", b"<Padding>1", UnsupportedError),
        (b"<Padding>", b"<Encryption><Engine>{1}</Engine></Encryption><Padding>", UnsupportedError),
        (b">Compressed<", b">Strange<", UnsupportedError),
        (b">top.hds<", b">other.hds<", LocatorError),
        (b">top.hds<", b">../../x<", LocatorError),
        (b"<End>1280", b"<End>1281", CorruptError),
        (b"<Start>0", b"<Start>1", CorruptError),
        (b"<Start>0", b"<Start>-1", CorruptError),
        (b"<Disk_size>1280", b"<Disk_size>1279", CorruptError),
        (b"<ParentGUID>{0", b"<ParentGUID>{1", CorruptError),
        (b"<ParentGUID>{" + NONE.encode(), b"<ParentGUID>{" + TOP.encode(), CorruptError),
        (b"<Image><GUID>{1", b"<Image><GUID>{2", CorruptError),
        (b"</Snapshots>", b"", CorruptError),
        (b"UTF-8", b"no-such", CorruptError),
        (b"<Parallels_", b'<!DOCTYPE x [<!ENTITY a "b">]><Parallels_', CorruptError),
    ],
)
def test_descriptors_that_are_refused(old, new, error):
    files, _ = snapshots()
    assert old in files["DiskDescriptor.xml"]
    files["DiskDescriptor.xml"] = files["DiskDescriptor.xml"].replace(old, new)
    with pytest.raises(error):
        open_files(files)
    with pytest.raises(KenshoError):
        open_bytes(files["DiskDescriptor.xml"])


@pytest.mark.parametrize(
    ("at", "pattern", "value", "error"),
    [
        (16, "<I", 3, UnsupportedError),
        (28, "<I", 0, CorruptError),
        (28, "<I", 0xFFFFFFFF, CorruptError),
        (32, "<I", 1, CorruptError),
        (32, "<I", 0xFFFFFFFF, CorruptError),
        (36, "<Q", 1 << 60, LimitError),
        (64, "<I", 0xFFFFFFFF, TruncatedError),
    ],
)
def test_images_that_are_refused(at, pattern, value, error):
    bad = bytearray(hds(10 * 64 * KIB, {0: b"x" * 64 * KIB}))
    struct.pack_into(pattern, bad, at, value)
    with pytest.raises(error):
        read_all(open_bytes(bad))


def test_warnings():
    blob = hds(64 * KIB, {}, in_use=0x746F6E59)
    assert [w.code for w in open_bytes(blob).warnings] == ["KF-404"]
    single = open_disk(MemorySource(blob, "d.hdd.0.{guid}.hds"))
    assert [w.code for w in single.warnings] == ["KF-404", "KF-408"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(data):
    files, _ = snapshots()
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(files)))
        blob = bytearray(files[name])
        at = data.draw(st.integers(0, min(len(blob), 1200) - 1))
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255))
        files[name] = bytes(blob)
    with contextlib.suppress(KenshoError):
        reader = open_files(files)
        reader.read_into(0, bytearray(min(reader.virtual_size, 8 * MIB)))
        sum(1 for _ in reader.extents(0, 64 * MIB))


def test_a_truncated_image_is_noticed():
    blob = hds(10 * 64 * KIB, {0: b"x" * 64 * KIB, 9: b"y" * 64 * KIB})
    for length in (0, 63, 64, 100, 64 * KIB, len(blob) - 1):
        with pytest.raises(FormatError):
            read_all(open_bytes(blob[:length], format="hdd"))


def test_a_folder_is_named_by_its_descriptor(tmp_path):
    from kensho.storage.locator import open_source, sibling_opener

    files, expected = snapshots()
    folder = tmp_path / "my.hdd"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    source = open_source(folder)
    reader = open_disk(source, sibling=sibling_opener(folder))
    assert read_all(reader) == expected
    reader.close()
    source.close()
    with pytest.raises(LocatorError):
        open_source(tmp_path)
