"""Differencing VHDXs and 4 KiB sectors: laid out by hand here, as QEMU reads and writes neither."""

import contextlib
import random
import uuid

import pytest
from chain_helpers import Written, keep_chain, make_base, open_named, random_writes
from disk_helpers import KIB, MIB, make_content, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import create_disk, open_disk
from kensho.disks._structs import vhdx as s
from kensho.disks.base import ParentRef
from kensho.disks.chain import links_of
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LocatorError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.storage import MemorySink, MemorySource

SIZE = 5 * MIB + 8 * KIB
BASE = make_content(SIZE, [(0, 300 * KIB), (2 * MIB - 700, 70_000), (5 * MIB, 3 * KIB)])
LOCATOR = uuid.UUID("b04aefb7-d19e-4a81-b789-25b8e9445913").bytes_le


def guid_of(blob):
    return str(uuid.UUID(bytes_le=bytes(blob[64 * KIB + 32 : 64 * KIB + 48])))


def locator(pairs):
    head = LOCATOR + bytes(2) + len(pairs).to_bytes(2, "little")
    table = body = b""
    at = 20 + 12 * len(pairs)
    for key, value in pairs.items():
        k, v = key.encode("utf-16-le"), value.encode("utf-16-le")
        for place in (at, at + len(k)):
            table += place.to_bytes(4, "little")
        table += len(k).to_bytes(2, "little") + len(v).to_bytes(2, "little")
        body += k + v
        at += len(k) + len(v)
    return head + table + body


def by_hand(writes, pairs, *, size=SIZE, sector=512, states=(), data_guid=b"\7" * 16):
    """Return a differencing VHDX with 1 MiB blocks and ``writes`` of (sector, bytes).

    ``states`` are (block, state) of blocks without a place.
    """
    block = MIB
    ratio = (1 << 23) * sector // block
    blocks = -(-size // block)
    bat = [0] * (-(-blocks // ratio) * (ratio + 1))
    room = -(-8 * len(bat) // MIB) * MIB
    blob = bytearray(3 * MIB + room)
    bits = {}
    for number, data in writes:
        for i in range(len(data) // sector):
            index, within = divmod(number + i, block // sector)
            chunk, slot = divmod(index, ratio)
            entry = index + chunk
            bitmap = (chunk + 1) * (ratio + 1) - 1
            for at in (bitmap, entry):
                if bat[at] == 0:
                    bat[at] = len(blob) | (7 if at == entry else 6)
                    blob += (b"?" if at == entry else b"\0") * MIB
            place = bat[entry] & ~0xFFFFF
            blob[place + within * sector : place + (within + 1) * sector] = data[
                i * sector : (i + 1) * sector
            ]
            bit = slot * (block // sector) + within
            blob[(bat[bitmap] & ~0xFFFFF) + bit // 8] |= 1 << bit % 8
            bits.setdefault(index, set()).add(within)
    for index, state in states:
        bat[index + index // ratio] = state
    blob[0:8] = s.FILE_ID
    for number, place in enumerate(s.HEADER_PLACES):
        header = s.Header(b"head", 0, number, b"f" * 16, data_guid, bytes(16), 0, 1, MIB, MIB)
        blob[place : place + 4096] = header.pack()
    regions = s.REGION_ENTRY.pack(s.METADATA_REGION, 2 * MIB, MIB, 1)
    regions += s.REGION_ENTRY.pack(s.BAT_REGION, 3 * MIB, room, 1)
    table = s.with_checksum(
        (s.REGION_HEADER.pack(b"regi", 0, 2, 0) + regions).ljust(64 * KIB, b"\0")
    )
    for place in s.REGION_PLACES:
        blob[place : place + 64 * KIB] = table
    items = [
        (s.FILE_PARAMETERS, (block | s.HAS_PARENT << 32).to_bytes(8, "little")),
        (s.DISK_SIZE, size.to_bytes(8, "little")),
        (s.DISK_ID, b"d" * 16),
        (s.LOGICAL_SECTOR, sector.to_bytes(4, "little")),
        (s.PHYSICAL_SECTOR, (4096).to_bytes(4, "little")),
        (s.PARENT_LOCATOR, locator(pairs)),
    ]
    at = 64 * KIB
    meta = s.METADATA_HEADER.pack(b"metadata", len(items))
    for guid, value in items:
        meta += s.METADATA_ENTRY.pack(guid, at, len(value), s.ITEM_REQUIRED)
        blob[2 * MIB + at : 2 * MIB + at + len(value)] = value
        at += len(value)
    blob[2 * MIB : 2 * MIB + len(meta)] = meta
    blob[3 * MIB : 3 * MIB + 8 * len(bat)] = b"".join(e.to_bytes(8, "little") for e in bat)
    return bytes(blob)


def link(parent, path, key="relative_path"):
    return {"parent_linkage": "{" + guid_of(parent).upper() + "}", key: path}


def test_differencing_disks_are_read_through_their_parents():
    base = make_base(BASE, "vhdx")
    low = [(1, b"a" * 1536), (1000, bytes(1024)), (4095, b"b" * 1024)]
    top = [(2, b"d" * 512), (3, bytes(512)), (10240, b"e" * 512)]
    middle = by_hand(low, link(base, ".\\base.vhdx"), states=[(4, 2)], data_guid=b"m" * 16)
    files = {"base.vhdx": base, "middle.avhdx": middle}
    files["top"] = by_hand(top, link(middle, "..\\x\\middle.avhdx"))
    expected = Written(SIZE, [(at * 512, data) for at, data in [*low, (8192, bytes(MIB))]]).over(
        BASE
    )
    expected = Written(SIZE, [(at * 512, data) for at, data in top]).over(expected)
    disk = open_named(files, "top")
    assert read_all(disk) == expected
    assert [one.name for one in links_of(disk)] == ["", "middle.avhdx", "base.vhdx"]
    for extent in disk.extents():
        if extent.kind is Kind.DATA:
            data = disk.sources[extent.file].read_at(extent.file_offset, extent.length)
            assert data == expected[extent.start : extent.end]
    for at, length in ((511, 3), (700, 5000), (2 * MIB - 1, 2), (SIZE - 1, 1)):
        buffer = bytearray(length)
        disk.read_into(at, buffer)
        assert bytes(buffer) == expected[at : at + length]


def test_undefined_blocks_never_show_the_parent():
    base = make_base(BASE, "vhdx")
    for state in (1, 2, 3):
        child = by_hand([], link(base, "base"), states=[(0, state)])
        assert not any(read_all(open_named({"c": child, "base": base}, "c"))[:MIB])


def test_sectors_of_4_kib():
    base = make_base(BASE, "vhdx", "dynamic-4kn")
    disk = open_disk(MemorySource(base))
    assert disk.subformat == "dynamic-4kn"
    assert read_all(disk) == BASE
    writes = [(3, b"a" * 4096), (255, b"b" * 8192)]
    child = by_hand(writes, link(base, "base"), sector=4096)
    disk = open_named({"c": child, "base": base}, "c")
    expected = Written(SIZE, [(at * 4096, data) for at, data in writes]).over(BASE)
    assert read_all(disk) == expected
    kept = keep_chain(disk, "vhdx", child="differencing-4kn", base="dynamic-4kn")
    assert read_all(open_named(kept, "layer1.vhdx")) == expected
    wrong = make_base(BASE, "vhdx")
    with pytest.raises(CorruptError, match="sectors"):
        open_named({"c": by_hand([], link(wrong, "base"), sector=4096), "base": wrong}, "c")
    fixed = open_disk(MemorySource(make_base(BASE[:-3], "vhdx", "fixed-4kn")))
    assert fixed.subformat == "fixed-4kn"
    assert read_all(fixed) == BASE[:-3] + bytes(3)


def test_chunks_have_bitmaps_of_their_own():
    """4 GiB of disk per bitmap: sectors around the border between two chunks."""
    size = (4 << 30) + 3 * MIB
    base = make_base(make_content(MIB, [(0, 5000)]), "vhdx")
    border = (4 << 30) // 512
    writes = [(border - 2, b"a" * 512), (border - 1, b"b" * 1024), (border + 3, b"c" * 512)]
    child = by_hand(writes, link(base, "base"), size=size)
    disk = open_named({"c": child, "base": base}, "c")
    buffer = bytearray(8 * 512)
    disk.read_into((border - 3) * 512, buffer)
    expected = bytes(512) + b"a" * 512 + b"b" * 1024 + bytes(1024) + b"c" * 512 + bytes(512)
    assert bytes(buffer) == expected[: len(buffer)]
    kept = keep_chain(disk, "vhdx")
    again = open_named(kept, "layer1.vhdx")
    buffer = bytearray(8 * 512)
    again.read_into((border - 3) * 512, buffer)
    assert bytes(buffer) == expected
    start = bytearray(5000)
    again.read_into(0, start)
    assert bytes(start) == make_content(MIB, [(0, 5000)])[:5000]


def test_parents_that_are_missing_or_others():
    base = make_base(BASE, "vhdx")
    child = by_hand([], link(base, "base"))
    with pytest.raises(LocatorError, match="base"):
        open_named({"c": child}, "c")
    with pytest.raises(UnsupportedError):
        open_disk(MemorySource(child))
    other = make_base(BASE, "vhdx", "fixed")
    changed = bytearray(base)
    for place in s.HEADER_PLACES:
        header = s.Header(*s.HEADER.unpack_from(base, place))
        fields = {f: getattr(header, f) for f in header.__slots__} | {"data_write_guid": b"n" * 16}
        changed[place : place + 4096] = s.Header(**fields).pack()
    with pytest.raises(CorruptError, match="changed since") as caught:
        open_named({"c": child, "base": bytes(changed)}, "c")
    assert caught.value.field == "parent_linkage"
    with pytest.raises(CorruptError, match="names no parent"):
        open_named({"c": by_hand([], {"relative_path": "base"}), "base": other}, "c")
    with pytest.raises(CorruptError, match="names no parent"):
        open_named({"c": by_hand([], {"parent_linkage": "{" + guid_of(base) + "}"})}, "c")
    loop = by_hand([], link(child, "a"))
    with pytest.raises(CorruptError, match="itself"):
        open_named({"a": loop, "c": loop}, "c")
    second = link(base, "C:\\x\\base", "absolute_win32_path")
    second |= {"parent_linkage": "{" + "0" * 32 + "}", "parent_linkage2": guid_of(base)}
    assert read_all(open_named({"c": by_hand([], second), "base": base}, "c")) == BASE


def test_a_block_in_part_without_its_bitmap():
    base = make_base(BASE, "vhdx")
    blob = bytearray(by_hand([(0, b"x" * 512)], link(base, "base")))
    at = 3 * MIB + 8 * 4096
    assert blob[at] & 7 == 6
    blob[at] = 0
    with pytest.raises(CorruptError, match="bitmap"):
        read_all(open_named({"c": bytes(blob), "base": base}, "c"))
    blob = bytearray(base)  # and partial blocks need a parent
    blob[3 * MIB] |= 7
    with pytest.raises(CorruptError):
        read_all(open_disk(MemorySource(blob)))


@pytest.mark.parametrize("seed", range(5))
def test_chains_are_kept(seed):
    rng = random.Random(seed)
    files, expected = {"0": make_base(BASE, "vhdx")}, BASE
    for layer in range(1, 4):
        writes = random_writes(rng, SIZE, 512)
        states = [(4, 2)] if rng.random() < 0.5 else []
        kept = [(at, data) for at, data in writes if not (states and at // MIB <= 4 <= (at + len(data)) // MIB)]  # fmt: skip
        files[str(layer)] = by_hand(
            [(at // 512, data) for at, data in kept], link(files[str(layer - 1)], str(layer - 1)),
            states=states, data_guid=bytes([layer]) * 16,
        )  # fmt: skip
        expected = Written(SIZE, kept + [(n * MIB, bytes(MIB)) for n, _ in states]).over(expected)
    disk = open_named(files, "3")
    assert read_all(disk) == expected
    for fmt in ("vhdx", "vhd"):
        copied = keep_chain(disk, fmt)
        for name, one in zip(copied, reversed(links_of(disk)), strict=True):
            assert read_all(open_named(copied, name)) == read_all(one.disk)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(data):
    base = make_base(BASE, "vhdx")
    child = by_hand([(1, b"x" * 512), (3000, b"y" * 5120)], link(base, "base"))
    blob = bytearray(child)
    spots = [2 * MIB, 2 * MIB + 64 * KIB, 3 * MIB, 3 * MIB + 8 * 4096]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(spots)) + data.draw(st.integers(0, 250))
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    with contextlib.suppress(KenshoError):
        disk = open_named({"c": bytes(blob), "base": base}, "c")
        buffer = bytearray(MIB)
        for at in range(0, min(disk.virtual_size, 8 * MIB) - MIB, MIB):
            disk.read_into(at, buffer)


def test_what_cannot_be_a_child():
    with pytest.raises(UsageError):
        create_disk("vhdx", None, MemorySink(), MIB, parent=ParentRef("x", "vhdx", "no guid"))
