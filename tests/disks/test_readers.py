"""Every reader against disks made by qemu-img."""

import dataclasses

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk, open_bytes, read_all

from kensho.disks import compare, open_disk
from kensho.disks._structs import vhdx
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    LocatorError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.model.extent import Kind
from kensho.storage import FileSource, MemorySource

CONTENT = make_content(
    36 * MIB + 1536, [(0, 2 * MIB), (9 * MIB + 4096, 100_000), (33 * MIB, 999), (36 * MIB, 1536)]
)


@pytest.mark.parametrize(
    ("fmt", "options", "more"),
    [
        ("vmdk", None, ()),
        ("vmdk", "subformat=streamOptimized", ()),
        ("vmdk", "subformat=monolithicFlat", ()),
        ("vmdk", "subformat=twoGbMaxExtentSparse", ()),
        ("vmdk", "subformat=twoGbMaxExtentFlat", ()),
        ("vmdk", "zeroed_grain=on", ()),
        ("vpc", "force_size=on", ()),
        ("vpc", "subformat=fixed,force_size=on", ()),
        ("vpc", None, ()),
        ("vhdx", None, ()),
        ("vhdx", "subformat=fixed", ()),
        ("vhdx", "block_size=1M", ()),
        ("vhdx", "block_size=32M", ()),
        ("vdi", None, ()),
        ("vdi", "static=on", ()),
        ("qcow2", None, ()),
        ("qcow2", "compat=0.10", ()),
        ("qcow2", "cluster_size=512", ()),
        ("qcow2", "cluster_size=2M", ()),
        ("qcow2", "preallocation=metadata", ()),
        ("qcow2", "lazy_refcounts=on,refcount_bits=1", ()),
        ("qcow2", None, ("-c",)),
        ("qcow2", "cluster_size=4096", ("-c",)),
        ("qcow2", "cluster_size=2M", ("-c",)),
        ("qcow2", "compression_type=zstd", ("-c",)),
        ("qcow2", "compression_type=zstd,cluster_size=512", ("-c",)),
    ],
)
def test_disks_made_by_qemu(qemu, sibling, fmt, options, more):
    path = qemu.convert(CONTENT, fmt, options, *more)
    with FileSource(path) as source:
        reader = open_disk(source, sibling=sibling)
        raw = open_bytes(CONTENT, format="raw")
        assert 0 <= reader.virtual_size - len(CONTENT) < 512 * KIB
        assert compare(reader, raw) is None
        assert read_all(reader)[: len(CONTENT)] == CONTENT
        for at, length in ((1, 5), (MIB - 3, 70_000), (9 * MIB, 300_000), (36 * MIB + 1535, 1)):
            buffer = bytearray(length)
            reader.read_into(at, buffer)
            assert bytes(buffer) == CONTENT[at : at + length]
            part = list(reader.extents(at, at + length))
            assert part[0].start == at
            assert part[-1].end == at + length
        with pytest.raises(KenshoError):
            reader.read_into(reader.virtual_size - 1, bytearray(2))
        reader.close()


def test_zeroed_grains_hide_a_parent(qemu):
    path = qemu.path(".vmdk")
    qemu.run("create", "-f", "vmdk", "-o", "zeroed_grain=on", path, "4M")
    qemu.io(path, "write -P 7 0 1M", "write -z 64k 128k", fmt="vmdk")
    reader = open_bytes(path.read_bytes())
    kinds = [(e.start, e.length, e.kind) for e in reader.extents()]
    assert (64 * KIB, 128 * KIB, Kind.ZERO) in kinds
    assert read_all(reader)[: 256 * KIB] == b"\7" * 64 * KIB + bytes(128 * KIB) + b"\7" * 64 * KIB


def test_qcow2_zero_clusters_and_snapshots(qemu):
    path = qemu.path(".qcow2")
    qemu.run("create", "-f", "qcow2", path, "4M")
    qemu.io(path, "write -P 7 0 1M", "write -z 64k 128k", "write -z -u 256k 64k", fmt="qcow2")
    qemu.run("snapshot", "-c", "before", path)
    qemu.io(path, "write -P 8 3M 64k", fmt="qcow2")
    reader = open_bytes(path.read_bytes())
    assert [w.code for w in reader.warnings] == ["KF-405"]
    raw = qemu.path(".raw")
    qemu.run("convert", "-O", "raw", path, raw)
    assert read_all(reader) == raw.read_bytes()
    assert any(e.kind is Kind.ZERO for e in reader.extents())


@pytest.mark.parametrize("base_format", ["raw", "qcow2", "vmdk", "vpc"])
def test_qcow2_backing_chain(qemu, sibling, base_format):
    base = qemu.convert(make_content(3 * MIB, [(0, 2 * MIB)]), base_format)
    middle, top = qemu.path(".qcow2"), qemu.path(".qcow2")
    qemu.run("create", "-f", "qcow2", "-b", base.name, "-F", base_format, middle)
    qemu.io(middle, "write -P 1 1M 100k", "write -z 0 64k", fmt="qcow2")
    qemu.run("create", "-f", "qcow2", "-b", middle.name, "-F", "qcow2", top, "5M")
    qemu.io(top, "write -P 2 4M 100k", fmt="qcow2")
    flat = qemu.path(".raw")
    qemu.run("convert", "-O", "raw", top, flat)
    with FileSource(top) as source:
        reader = open_disk(source, sibling=sibling)
        assert reader.parent.name == middle.name
        assert read_all(reader) == flat.read_bytes()
        for e in reader.extents():
            if e.kind is Kind.DATA and e.file >= 0:
                where = reader.sources[e.file].read_at(e.file_offset, e.length)
                assert where == flat.read_bytes()[e.start : e.end]
        reader.close()
        with pytest.raises(UnsupportedError):
            open_disk(source)


def test_qcow2_loops_and_escapes(qemu, sibling, tmp_path):
    path = qemu.path(".qcow2")
    qemu.run("create", "-f", "qcow2", "-u", "-b", path.name, "-F", "qcow2", path, "1M")
    with FileSource(path) as source, pytest.raises(CorruptError, match="itself"):
        open_disk(source, sibling=sibling)
    for name in ("/etc/passwd", "../x", "a/../../x", "..\\x", "C:\\x"):
        qemu.run("create", "-f", "qcow2", "-u", "-b", name, "-F", "raw", path, "1M")
        with FileSource(path) as source, pytest.raises(UnsafePathError):
            open_disk(source, sibling=sibling)
    for name in ("nbd://host/export", 'json:{"driver":"raw"}'):
        qemu.run("create", "-f", "qcow2", "-u", "-b", name, "-F", "raw", path, "1M")
        with FileSource(path) as source, pytest.raises(UnsupportedError):
            open_disk(source, sibling=sibling)


@pytest.mark.parametrize("method", [1, 2])
def test_an_encrypted_qcow2_is_refused(method):
    # Patched in: creating a LUKS image measures the processor, which fails on a busy one.
    blob = bytearray(make_disk(CONTENT, "qcow2"))
    blob[32:36] = method.to_bytes(4, "big")
    with pytest.raises(UnsupportedError) as caught:
        open_bytes(blob)
    assert caught.value.hint


def test_qcow2_dirty_and_corrupt_bits():
    blob = bytearray(make_disk(CONTENT, "qcow2"))
    blob[79] = 1
    assert [w.code for w in open_bytes(blob).warnings] == ["KF-404"]
    blob[79] = 2
    with pytest.raises(CorruptError):
        open_bytes(blob)
    blob[79] = 32
    with pytest.raises(UnsupportedError):
        open_bytes(blob)


def dirty_vhdx(blob, guid):
    """Mark a VHDX as in need of a log replay, as a crash between log and tables leaves it."""
    blob = bytearray(blob)
    newest = max(vhdx.HEADER_PLACES, key=lambda at: blob[at + 8 : at + 16][::-1])
    header = vhdx.Header(*vhdx.HEADER.unpack_from(blob, newest))
    dirty = dataclasses.replace(header, sequence=header.sequence + 1, log_guid=guid)
    blob[newest : newest + vhdx.PAGE] = dirty.pack()
    return blob


def test_a_vhdx_log_is_replayed(qemu):
    """A crash between log and tables, rebuilt from QEMU's log; its own repair is the judge."""
    path = qemu.path(".vhdx")
    qemu.run("create", "-f", "vhdx", "-o", "block_size=1M", path, "64M")
    qemu.io(path, "write -P 1 0 3M", "write -P 2 20M 64k", "abort", fmt="vhdx")
    blob = path.read_bytes()
    assert blob[MIB : MIB + 4] == b"loge"
    blob = dirty_vhdx(blob, blob[MIB + 32 : MIB + 48])
    blob[2 * MIB : 2 * MIB + 4096] = bytes(4096)  # the table as it was before
    reader = open_bytes(blob)
    assert [w.code for w in reader.warnings] == ["KF-403"]
    path.write_bytes(blob)
    qemu.run("check", "-r", "all", "-f", "vhdx", path)
    raw = qemu.path(".raw")
    qemu.run("convert", "-f", "vhdx", "-O", "raw", path, raw)
    ours = read_all(reader)
    assert ours == raw.read_bytes()
    assert any(ours)


GUID = bytes(range(16))


def log_entry(sequence, tail, writes, size):
    """Return a log entry; ``writes`` are (offset, 4 KiB of data or a length to zero)."""
    descriptors = sectors = b""
    for offset, what in writes:
        if isinstance(what, int):
            descriptors += vhdx.LOG_ZERO.pack(b"zero", what, offset, sequence)
            continue
        descriptors += vhdx.LOG_DATA.pack(b"desc", what[-4:], what[:8], offset, sequence)
        high, low = (sequence >> 32).to_bytes(4, "little"), sequence.to_bytes(8, "little")[:4]
        sectors += b"data" + high + what[8:-4] + low
    length = 4096 + len(sectors)
    head = vhdx.LOG_ENTRY.pack(b"loge", 0, length, tail, sequence, len(writes), 0, GUID, size, size)
    return vhdx.with_checksum((head + descriptors).ljust(4096, b"\0") + sectors)


def test_vhdx_log_sequences():
    content = make_content(5 * MIB, [(0, 5 * MIB)])
    clean = make_disk(content, "vhdx")
    start = next(open_bytes(clean).extents()).file_offset
    one, two = b"1" * 4096, b"2" * 4096
    old = log_entry(3, 0, [(start, b"0" * 4096)], len(clean))
    first = log_entry((1 << 32) + 7, MIB - 8192, [(start, one), (start + 8192, 8192)], len(clean))
    second = log_entry((1 << 32) + 8, MIB - 8192, [(start + 4096, two), (start, two)], len(clean))
    blob = dirty_vhdx(clean, GUID)
    blob[MIB + 512 * KIB : MIB + 512 * KIB + len(old)] = old
    blob[2 * MIB - 8192 : 2 * MIB] = first  # the ring goes on at its start
    blob[MIB : MIB + len(second)] = second
    expected = two + two + bytes(8192) + content[16384:]
    assert read_all(open_bytes(blob)) == expected
    torn = bytearray(blob)
    torn[MIB + 5000] ^= 1  # the newest entry was never completed
    with pytest.raises(CorruptError):
        open_bytes(bytes(torn[:MIB]) + bytes(MIB) + bytes(torn[2 * MIB :]))
    assert read_all(open_bytes(torn))[:16384] == one + content[4096:8192] + bytes(8192)
    with pytest.raises(TruncatedError):
        open_bytes(blob[: len(blob) - 1])


def test_vhdx_log_entries_that_overlap_are_not_all_looked_at():
    """Each would be summed up over the whole log."""
    from kensho.disks import vhdx_log

    page = vhdx.LOG_ENTRY.pack(b"loge", 0, MIB, 0, 1, 0, 0, GUID, 0, 0).ljust(4096, b"\0")
    with pytest.raises(LimitError):
        vhdx_log._active_sequence(page * 256, GUID, "disk")
    assert vhdx_log._active_sequence(page * 256, bytes(16), "disk") == []


def test_differencing_disks_are_refused(qemu):
    vdi = bytearray(make_disk(CONTENT, "vdi"))
    for kind, error in ((3, UnsupportedError), (4, CorruptError)):  # undo; a child of nobody
        vdi[76] = kind
        with pytest.raises(error):
            open_bytes(vdi)
    base = qemu.convert(CONTENT, "vmdk")
    delta = qemu.path(".vmdk")
    qemu.run("create", "-f", "vmdk", "-b", base, "-F", "vmdk", delta)
    with pytest.raises(UnsupportedError):
        open_bytes(delta.read_bytes())


def test_vhd_survives_one_bad_footer():
    blob = bytearray(make_disk(CONTENT, "vhd"))
    last = blob[: len(blob) - 512]
    assert [w.code for w in open_bytes(last, format="vhd").warnings] == ["KF-402"]
    blob[0:8] = b"\0" * 8  # QEMU rejects this one, although the footer at the end is sound
    assert read_all(open_bytes(blob, format="vhd"))[: len(CONTENT)] == CONTENT
    blob[-100] ^= 1
    with pytest.raises(CorruptError):
        open_bytes(blob, format="vhd")


def test_a_fixed_vhd_may_hold_a_vhd():
    """The guest's first sector looks like a footer copy; the real footer is at the end."""
    inner = make_disk(make_content(MIB, [(0, 5000)]), "vhd", "fixed")
    inner = inner[-512:] + inner
    outer = make_disk(inner, "vhd", "fixed")
    assert read_all(open_bytes(outer)) == inner


def test_a_part_of_a_split_vmdk(qemu):
    path = qemu.convert(CONTENT, "vmdk", "subformat=twoGbMaxExtentSparse")
    part = path.with_name(path.stem + "-s001.vmdk")
    assert [w.code for w in open_bytes(part.read_bytes()).warnings] == ["KF-406"]


def test_vmdk_streams_with_padding_behind_the_end():
    blob = make_disk(CONTENT, "vmdk")
    for tail in (bytes(512), bytes(10240), b"junk" * 300):
        reader = open_bytes(blob + tail)
        assert [w.code for w in reader.warnings] == ["KF-401"]
        assert read_all(reader) == CONTENT


def test_a_vmdk_stream_with_a_hole_instead_of_its_footer(tmp_path):
    """Found by fuzzing: every sector of the hole was looked at, for hours."""
    path = tmp_path / "hole.vmdk"
    path.write_bytes(make_disk(CONTENT, "vmdk")[:-1536])
    with path.open("ab") as file:
        file.truncate(1 << 40)
    with FileSource(path) as source, pytest.raises(TruncatedError):
        open_disk(source)


def test_vmdk_damaged_by_ascii_ftp():
    blob = make_disk(CONTENT, "vmdk")
    bad = blob[:73] + b"\n \n\n" + blob[77:]
    with pytest.raises(CorruptError) as caught:
        open_bytes(bad)
    assert "binary" in caught.value.hint


DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW 4 FLAT "my disk.bin" 2
RW 2 ZERO
RW 3 VMFS "sub\\other.bin"
"""


def described(text, **files):
    def sibling(name):
        if name not in files:
            raise LocatorError("no such file", path=name)
        return MemorySource(files[name], name)

    return open_disk(MemorySource(text.encode(), "d.vmdk"), sibling=sibling)


def test_vmdk_extents_of_many_kinds():
    a, b = bytes(range(1, 256)) * 20, b"z" * 1536
    reader = described(DESCRIPTOR, **{"my disk.bin": a, "sub/other.bin": b})
    assert reader.virtual_size == 9 * 512
    assert read_all(reader) == a[1024:3072] + bytes(1024) + b
    assert [(e.start, e.kind, e.file, e.file_offset) for e in reader.extents()] == [
        (0, Kind.DATA, 0, 1024),
        (2048, Kind.ZERO, -1, -1),
        (3072, Kind.DATA, 1, 0),
    ]
    buffer = bytearray(1500)
    reader.read_into(1800, buffer)
    assert bytes(buffer) == read_all(reader)[1800:3300]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('"my disk.bin"', '"/etc/passwd"', UnsafePathError),
        ('"my disk.bin"', '"..\\\\..\\\\x"', UnsafePathError),
        ('"my disk.bin"', '"missing"', LocatorError),
        ("RW 4 FLAT", "RW 4000 FLAT", KenshoError),
        ("RW 2 ZERO", "RW 9999999999999999999 ZERO", LimitError),
        ("RW 2 ZERO", 'RW 2 SESPARSE "my disk.bin"', CorruptError),
        ("RW 2 ZERO", 'RW 2 VMFSSPARSE "my disk.bin"', CorruptError),
        ("RW 2 ZERO", 'RW 2 VMFSRDM "my disk.bin"', UnsupportedError),
        ("RW 2 ZERO", 'RW 2 SPARSE "my disk.bin"', CorruptError),
        ("parentCID=ffffffff", "parentCID=12345678", CorruptError),
        ("version=1", "what is this?", CorruptError),
    ],
)
def test_vmdk_descriptors_that_are_refused(old, new, error):
    files = {"my disk.bin": b"x" * 5100, "sub/other.bin": b"z" * 1536}
    with pytest.raises(error):
        described(DESCRIPTOR.replace(old, new), **files)


def test_vmdk_descriptor_without_siblings():
    with pytest.raises(LocatorError):
        open_bytes(DESCRIPTOR.encode())
    for head in (b"COWD", b"\xbe\xba\xfe\xca\0\0\0\0"):
        with pytest.raises(UnsupportedError):
            open_bytes(head.ljust(4096, b"\0"))
