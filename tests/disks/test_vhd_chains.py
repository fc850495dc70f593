"""Differencing VHDs: laid out by hand here, as qemu-img writes none; written ones are read back."""

import contextlib
import dataclasses
import random

import pytest
from chain_helpers import Written, keep_chain, make_base, open_named, random_writes
from disk_helpers import KIB, MIB, make_content, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import create_disk, open_disk
from kensho.disks._structs import vhd as s
from kensho.disks.base import ParentRef
from kensho.disks.chain import links_of
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    LocatorError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.storage import MemorySink, MemorySource

SIZE = 5 * MIB + 3 * KIB
BASE = make_content(SIZE, [(0, 300 * KIB), (2 * MIB - 700, 70_000), (5 * MIB, 3 * KIB)])


def uuid_of(blob):
    return s.unpack_footer(blob[-512:]).uuid


def by_hand(parent, writes, *, paths, block=256 * KIB, uuid=b"\7" * 16, time=0, name=""):
    """Return a differencing VHD over ``parent`` with ``writes`` of (sector, bytes)."""
    size = s.unpack_footer(parent[-512:]).current_size
    footer = dataclasses.replace(
        s.unpack_footer(parent[-512:]), disk_type=s.DIFFERENCING, data_offset=512, uuid=uuid
    ).pack()
    blocks = -(-size // block)
    bitmap = -(-(block // 512) // 4096) * 512
    body = bytearray()
    table = [s.UNUSED] * blocks
    locators = b""
    texts = b""
    for platform, raw in paths:
        locators += s.Locator(platform, 512, len(raw), 0, 1536 + len(texts)).pack()
        texts += raw.ljust(512, b"\0")
    table_at = 1536 + len(texts)
    start = table_at + -(-4 * blocks // 512) * 512
    for sector, data in writes:
        for i in range(len(data) // 512):
            number, within = divmod(sector + i, block // 512)
            if table[number] == s.UNUSED:
                table[number] = (start + len(body)) // 512
                body += bytes(bitmap) + b"?" * block
            at = table[number] * 512 - start
            body[at + within // 8] |= 0x80 >> within % 8
            at += bitmap + within * 512
            body[at : at + 512] = data[i * 512 : (i + 1) * 512]
    header = s.DynamicHeader(
        s.DYNAMIC_COOKIE, s.NO_OFFSET, table_at, 0x10000, blocks, block, 0, uuid_of(parent), time,
        0, name.encode("utf-16-be"), locators,
    ).pack()  # fmt: skip
    packed = b"".join(entry.to_bytes(4, "big") for entry in table)
    return footer + header + texts + packed.ljust(start - table_at, b"\xff") + bytes(body) + footer


def utf16(text):
    return text.encode("utf-16-le")


def two_layers():
    base = make_base(BASE, "vhd")
    low = [(1, b"a" * 1536), (1000, bytes(1024)), (4095, b"b" * 1024), (10240, b"c" * 512)]
    top = [(2, b"d" * 512), (3, bytes(512)), (8191, b"e" * 512)]
    middle = by_hand(base, low, paths=[(b"W2ru", utf16(".\\base.vhd"))])
    files = {"base.vhd": base, "sub/middle.avhd": middle}
    files["top.avhd"] = by_hand(
        middle, top, paths=[(b"W2ku", utf16("C:\\VM\\middle.avhd")), (b"W2ru", utf16(".\\sub\\middle.avhd"))],
        uuid=b"\x08" * 16, block=2 * MIB,
    )  # fmt: skip
    files["sub/base.vhd"] = files.pop("base.vhd")  # names count from the child's own folder
    expected = BASE
    for writes in (low, top):
        expected = Written(SIZE, [(at * 512, data) for at, data in writes]).over(expected)
    return files, expected


def test_differencing_vhds_are_read_through_their_parents():
    files, expected = two_layers()
    disk = open_named(files, "top.avhd")
    assert read_all(disk) == expected
    assert disk.subformat == "differencing"
    assert [link.name for link in links_of(disk)] == ["", "sub/middle.avhd", "sub/base.vhd"]
    for extent in disk.extents():
        if extent.kind is Kind.DATA:
            data = disk.sources[extent.file].read_at(extent.file_offset, extent.length)
            assert data == expected[extent.start : extent.end]
    for at, length in ((511, 3), (700, 5000), (2 * MIB - 1, 2), (SIZE - 1, 1)):
        buffer = bytearray(length)
        disk.read_into(at, buffer)
        assert bytes(buffer) == expected[at : at + length]


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        ([(b"W2ru", utf16("..\\..\\old place\\base.vhd"))], ""),
        ([(b"W2ku", utf16("\\\\server\\share\\base.vhd"))], ""),
        ([(b"W2ku", "D:\\VMs\\base.vhd".encode("utf-16-be"))], ""),
        ([(b"MacX", b"file://localhost/VMs/base.vhd\0")], ""),
        ([(b"MacX", b"file://./base.vhd")], ""),
        ([], "E:\\x\\base.vhd"),
        ([(b"W2ru", utf16(".\\gone.vhd")), (b"W2ku", utf16("C:\\base.vhd"))], ""),
    ],
)
def test_parents_are_found_where_they_are_now(paths, name):
    base = make_base(BASE, "vhd")
    files = {"base.vhd": base, "top.vhd": by_hand(base, [(5, b"x" * 512)], paths=paths, name=name)}
    expected = Written(SIZE, [(2560, b"x" * 512)]).over(BASE)
    assert read_all(open_named(files, "top.vhd")) == expected


def test_parents_that_are_missing_or_others():
    base = make_base(BASE, "vhd")
    child = by_hand(base, [], paths=[(b"W2ru", utf16(".\\base.vhd"))], time=5)
    with pytest.raises(LocatorError, match=r"base\.vhd") as caught:
        open_named({"c": child}, "c")
    assert caught.value.field == "parent"
    with pytest.raises(UnsupportedError):
        open_disk(MemorySource(child))
    other = bytearray(base)
    footer = dataclasses.replace(s.unpack_footer(base[:512]), uuid=b"o" * 16).pack()
    other[:512] = other[-512:] = footer
    with pytest.raises(CorruptError, match="UUID") as caught:
        open_named({"c": child, "base.vhd": bytes(other)}, "c")
    assert caught.value.field == "parent unique id"
    with pytest.raises(CorruptError, match="changed") as caught:  # its time is after 5
        open_named({"c": child, "base.vhd": base}, "c")
    assert caught.value.field == "parent time stamp"
    with pytest.raises(CorruptError, match="footer"):
        open_named({"c": child, "base.vhd": make_base(BASE, "qcow2")}, "c")
    with pytest.raises(CorruptError, match="names no parent"):
        open_named({"c": by_hand(base, [], paths=[])}, "c")


def test_loops_and_depth():
    base = make_base(BASE, "vhd")
    a = by_hand(base, [], paths=[(b"W2ru", utf16(".\\b"))], uuid=uuid_of(base))
    with pytest.raises(CorruptError, match="itself"):
        open_named({"a": a, "b": a}, "a")
    files = {f"{n}": by_hand(base, [], paths=[(b"W2ru", utf16(f"{n + 1}"))], uuid=uuid_of(base)) for n in range(63)}  # fmt: skip
    files["63"] = base
    assert read_all(open_named(files, "0")) == BASE
    files["63"] = by_hand(base, [], paths=[(b"W2ru", utf16("64"))], uuid=uuid_of(base))
    with pytest.raises(LimitError):
        open_named(files | {"64": base}, "0")


@pytest.mark.parametrize("seed", range(6))
def test_chains_are_kept(seed):
    rng = random.Random(seed)
    base = make_base(BASE, "vhd")
    files, expected = {"0": base}, BASE
    for layer in range(1, 4):
        writes = random_writes(rng, SIZE, 512)
        files[str(layer)] = by_hand(
            files[str(layer - 1)], [(at // 512, data) for at, data in writes],
            paths=[(b"W2ru", utf16(str(layer - 1)))], uuid=bytes([layer]) * 16,
            block=rng.choice([64 * KIB, 2 * MIB]),
        )  # fmt: skip
        expected = Written(SIZE, writes).over(expected)
    disk = open_named(files, "3")
    assert read_all(disk) == expected
    kept = keep_chain(disk, "vhd")
    assert len(kept) == 4
    for (name, _), link in zip(kept.items(), reversed(links_of(disk)), strict=True):
        assert read_all(open_named(kept, name)) == read_all(link.disk)
    assert kept == keep_chain(disk, "vhd")


FILES = two_layers()[0]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(data):
    files = FILES
    blob = bytearray(files["top.avhd"])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 4096) | st.integers(512, 1300))
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    blob[512 + 36 : 512 + 40] = s.dynamic_sum(bytes(blob[512:1536])).to_bytes(4, "big")
    blob[-512:] = blob[:512]
    with contextlib.suppress(KenshoError):
        disk = open_named(files | {"x": bytes(blob)}, "x")
        buffer = bytearray(256 * KIB)  # what it says it is may be terabytes
        for at in range(0, min(disk.virtual_size, SIZE) - len(buffer), len(buffer)):
            disk.read_into(at, buffer)


def test_what_cannot_be_a_child():
    with pytest.raises(UsageError):
        create_disk("vhd", "dynamic", MemorySink(), MIB, parent=ParentRef("x", "vhd", "0" * 32))
    with pytest.raises(UsageError):
        create_disk("vhd", None, MemorySink(), MIB, parent=ParentRef("x", "vhd"))
    with pytest.raises(UsageError):
        create_disk("raw", None, MemorySink(), MIB, parent=ParentRef("x", "raw"))
