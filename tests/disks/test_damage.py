"""Damaged disks: typed errors, never a traceback, never made-up bytes, never much memory."""

import contextlib
import random
import struct
import zlib

import pytest
from disk_helpers import KIB, MIB, WRITERS, make_content, make_disk, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import open_disk
from kensho.disks._structs import vhdx
from kensho.model.errors import CorruptError, FormatError, KenshoError, LimitError, TruncatedError
from kensho.model.extent import Kind
from kensho.storage import MemorySource

CONTENT = make_content(5 * MIB, [(0, 200 * KIB), (3 * MIB, 70_000), (5 * MIB - 512, 512)])
FORMATS = [pair for pair in WRITERS if pair[0] != "raw"]
DISKS = {pair: make_disk(CONTENT, *pair) for pair in FORMATS}
LIMIT = 64 * MIB  # what a test may read at most of a disk that lies about its size


def walk(blob, fmt):
    """Open and read everything, within bounds, as a conversion would."""
    reader = open_bytes(blob, format=fmt)
    buffer = bytearray(MIB)
    seen = 0
    for extent in reader.extents(0, min(reader.virtual_size, LIMIT)):
        if extent.kind is not Kind.DATA:
            continue
        for at in range(extent.start, extent.end, MIB):
            reader.read_into(at, memoryview(buffer)[: min(MIB, extent.end - at)])
            seen += MIB
    return seen


def interesting(fmt, sub):
    """Offsets of metadata, where a changed byte means something."""
    blob = DISKS[fmt, sub]
    if fmt == "vhdx":
        spots = [(0, 64), (64 * KIB, 100), (128 * KIB, 100), (192 * KIB, 100), (256 * KIB, 100)]
        return [*spots, (2 * MIB, 300), (2 * MIB + 64 * KIB, 64), (3 * MIB, 64)]
    if fmt == "qcow2":
        return [(0, 112), (64 * KIB, 8), (len(blob) - 3 * 64 * KIB, 800)]
    return [(0, 2048), (len(blob) - 2048, 2048)]


@pytest.mark.parametrize(("fmt", "sub"), FORMATS)
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(fmt, sub, data):
    blob = bytearray(DISKS[fmt, sub])
    for _ in range(data.draw(st.integers(1, 3))):
        start, length = data.draw(st.sampled_from(interesting(fmt, sub)))
        at = min(start + data.draw(st.integers(0, length - 1)), len(blob) - 1)
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        _repair_checksums(blob, fmt)
    with contextlib.suppress(KenshoError):
        walk(blob, fmt)


def _repair_checksums(blob, fmt):
    """Make damage arrive behind the checksums too."""
    from kensho.disks._structs import vhd

    if fmt == "vhdx":
        spans = [(p, vhdx.PAGE) for p in vhdx.HEADER_PLACES]
        for at, size in spans + [(p, vhdx.KIB64) for p in vhdx.REGION_PLACES]:
            blob[at : at + size] = vhdx.with_checksum(bytes(blob[at : at + size]))
    if fmt == "vhd":
        for at in (0, len(blob) - 512):
            raw = bytes(blob[at : at + 512])
            blob[at + 64 : at + 68] = struct.pack(">I", vhd.footer_sum(raw))
        raw = bytes(blob[512:1536])
        blob[512 + 36 : 512 + 40] = struct.pack(">I", vhd.dynamic_sum(raw))


@pytest.mark.parametrize(("fmt", "sub"), FORMATS)
def test_truncation_is_noticed(fmt, sub):
    blob = DISKS[fmt, sub]
    borders = {0, 1, 8, 64, 511, 512, 1024, 1536, 4096, 65536, 131072, len(blob) // 2}
    borders |= {2 * MIB, 3 * MIB, 4 * MIB, len(blob) - 70_000}
    reader = open_bytes(blob, format=fmt)
    borders |= {e.file_offset + 1 for e in reader.extents() if e.file >= 0}
    # Behind the last byte of content some formats fill up a block, which may be missing.
    needed = max((e.file_offset + e.length for e in reader.extents() if e.file >= 0), default=0)
    for length in sorted(n for n in borders if 0 <= n < (needed or len(blob))):
        with pytest.raises(FormatError):
            walk(blob[:length], fmt)


@pytest.mark.parametrize(("fmt", "sub"), FORMATS)
@given(cut=st.integers(1, 10 * MIB))
@settings(max_examples=25, deadline=None)
def test_any_truncation_is_an_error_or_loses_nothing(fmt, sub, cut):
    blob = DISKS[fmt, sub]
    blob = blob[: max(0, len(blob) - cut % len(blob))]
    with contextlib.suppress(KenshoError):
        assert read_all(open_bytes(blob, format=fmt))[: len(CONTENT)] == CONTENT


@pytest.mark.parametrize(
    ("fmt", "at", "pattern"),
    [
        ("vmdk", 12, "<Q"),  # capacity
        ("vmdk", 20, "<Q"),  # grainSize
        ("vmdk", 44, "<I"),  # numGTEsPerGT
        ("vhd", 48, ">Q"),
        ("vdi", 368, "<Q"),
        ("vdi", 376, "<I"),
        ("qcow2", 24, ">Q"),
        ("qcow2", 20, ">I"),
        ("qcow2", 36, ">I"),
        ("qcow2", 40, ">Q"),
    ],
)
def test_lying_sizes(fmt, at, pattern):
    blob = bytearray(DISKS[fmt, dict(reversed(FORMATS))[fmt]])
    for value in (1 << 40, 1 << 50, 1 << 60, (1 << 64) - 1):
        top = 1 << (8 * struct.calcsize(pattern))
        struct.pack_into(pattern, blob, at, min(value, top - 1))
        if fmt == "vhd":
            blob[-512:] = blob[:512]
        _repair_checksums(blob, fmt)
        with pytest.raises(FormatError):
            open_bytes(blob, format=fmt)


def test_vmdk_tables_that_point_outside_or_at_each_other():
    """In one copy the other is used, and said so; in both it is an error."""
    content = make_content(70 * MIB, [(0, 5000), (40 * MIB, 5000)])
    blob = make_disk(content, "vmdk", "monolithicSparse")
    copies = [place * 512 for place in struct.unpack_from("<QQ", blob, 48)]
    tables = [struct.unpack_from("<I", blob, at)[0] for at in copies]
    for where, value, error in (
        (lambda i: copies[i], 0xFFFFFF00, TruncatedError),
        (lambda i: copies[i] + 4, None, CorruptError),
        (lambda i: tables[i] * 512, 0xFFFFFF00, TruncatedError),
    ):
        bad = bytearray(blob)
        for i in (0, 1):
            struct.pack_into("<I", bad, where(i), value or tables[i])
        with pytest.raises(error):
            walk(bad, "vmdk")
        for i in (0, 1):
            bad = bytearray(blob)
            struct.pack_into("<I", bad, where(i), value or tables[i])
            reader = open_bytes(bad)
            assert read_all(reader) == content
            assert [w.code for w in reader.warnings] == ["KF-407"]
    wiped = bytearray(blob)
    wiped[tables[1] * 512 : tables[1] * 512 + 2048] = bytes(2048)
    reader = open_bytes(wiped)
    assert read_all(reader) == content
    assert "redundant copy is used" in reader.warnings[0].action


def grain_of(blob):
    """Return the offset of the first grain's marker in a stream and its compressed size."""
    at = 128 * 512
    return at, struct.unpack_from("<QI", blob, at)[1]


def with_grain(data):
    """Return a stream whose first grain is ``data``, as if compressed."""
    blob = make_disk(random.Random(1).randbytes(128 * KIB), "vmdk")
    at, size = grain_of(blob)
    padded = (12 + size + 511) // 512 * 512 - 12
    assert len(data) <= padded
    new = struct.pack("<QI", 0, len(data)) + data.ljust(padded, b"\0")
    return blob[:at] + new + blob[at + len(new) :]


def test_vmdk_grains_that_lie():
    blob = bytearray(DISKS["vmdk", "streamOptimized"])
    at, size = grain_of(blob)
    for place, change in (
        (at, 1),
        (at + 8, 0xFF),
        (at + 12 + size // 2, 0x55),
        (at + 11 + size, 1),
    ):
        bad = bytearray(blob)
        bad[place] ^= change
        with pytest.raises(CorruptError):
            walk(bad, "vmdk")
    for plain in (bytes(64 * KIB + 1), bytes(16 * MIB), bytes(64 * KIB - 1), b""):
        with pytest.raises(CorruptError):
            walk(with_grain(zlib.compress(plain, 9)), "vmdk")
    assert walk(with_grain(zlib.compress(bytes(64 * KIB), 9)), "vmdk")
    zero_size = bytearray(blob)
    struct.pack_into("<I", zero_size, at + 8, 0)
    with pytest.raises(CorruptError):
        walk(zero_size, "vmdk")


def test_a_stream_cut_before_its_footer():
    blob = DISKS["vmdk", "streamOptimized"]
    for cut in (1024, 1536, 5000):
        with pytest.raises((TruncatedError, CorruptError)):
            open_bytes(blob[:-cut])


def test_qcow2_compressed_bombs():
    blob = bytearray(DISKS["qcow2", "compressed"])
    at = 2 * 64 * KIB
    bomb = zlib.compress(bytes(64 * MIB), 9)[2:-4]
    blob[at : at + 512] = bomb[:512]
    with pytest.raises(CorruptError):
        walk(blob, "qcow2")


def test_vhdx_falls_back_to_the_other_copy():
    blob = DISKS["vhdx", "dynamic"]
    for pair in (vhdx.HEADER_PLACES, vhdx.REGION_PLACES):
        for place in pair:
            bad = bytearray(blob)
            bad[place + 20] ^= 1
            assert read_all(open_bytes(bad)) == CONTENT
        both = bytearray(blob)
        for place in pair:
            both[place + 20] ^= 1
        with pytest.raises(CorruptError):
            open_bytes(both)


def test_vhdx_limits_and_states():
    blob = bytearray(DISKS["vhdx", "dynamic"])
    size_at = 2 * MIB + 64 * KIB + 8
    bad = bytearray(blob)
    struct.pack_into("<Q", bad, size_at, 65 << 40)
    with pytest.raises(LimitError):
        open_bytes(bad)
    for entry, error in (
        ((1 << 60) | 6, TruncatedError),
        (7 | 4 << 20, CorruptError),
        (6, CorruptError),
    ):
        bad = bytearray(blob)
        struct.pack_into("<Q", bad, 3 * MIB, entry)
        with pytest.raises(error):
            walk(bad, "vhdx")
    for state, kind in ((0, Kind.HOLE), (1, Kind.HOLE), (2, Kind.ZERO), (3, Kind.ZERO)):
        bad = bytearray(blob)
        struct.pack_into("<Q", bad, 3 * MIB, state)
        assert next(open_bytes(bad).extents()).kind is kind


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "version=1",
                "parentCID=ffffffff",
                'createType="custom"',
                "RW 2 ZERO",
                'RW 2 FLAT "a" 0',
                'RW 99999999999 FLAT "a" 99999999999',
                'RW 2 SPARSE "a"',
                'RW 0 FLAT "a"',
                'RW 1 FLAT ""',
                "RW -1 ZERO",
            ]
        )
        | st.text(max_size=30),
        max_size=6,
    )
)
def test_any_descriptor(lines):
    text = "\n".join(["# Disk DescriptorFile", *lines]).encode()
    with contextlib.suppress(KenshoError):
        reader = open_disk(MemorySource(text), sibling=lambda name: MemorySource(b"x" * 2048, name))
        assert len(read_all(reader)) == reader.virtual_size
