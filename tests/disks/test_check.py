"""Structural checks: sound disks have no faults, and each fault is named where it is."""

from __future__ import annotations

import contextlib
import random
import struct
import subprocess

import pytest
from disk_helpers import KIB, MIB, WRITERS, make_content, make_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks.check import check_disk
from kensho.disks.checks.common import Grade
from kensho.model.errors import KenshoError
from kensho.storage import FileSource, MemorySource

CONTENT = make_content(40 * MIB, [(0, 5 * KIB), (3 * MIB, 200 * KIB), (20 * MIB, 3 * MIB)])
FORMATS = ["qcow2", "vmdk", "vhd", "vhdx", "vdi"]


def check(blob, fmt=None, **options):
    return check_disk(MemorySource(bytes(blob), "disk"), format=fmt, **options)


def texts(found):
    return " | ".join(fault.message for fault in found.faults)


@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
def test_what_kensho_writes_is_sound(fmt, sub):
    found = check(make_disk(CONTENT, fmt, sub), fmt, data=True)
    assert found.faults == ()
    assert found.data_read
    assert found.worst is None


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("qcow2", None),
        ("qcow2", "refcount_bits=1"),
        ("qcow2", "refcount_bits=64,cluster_size=512"),
        ("qcow2", "compat=0.10"),
        ("qcow2", "extended_l2=on,cluster_size=128k"),
        ("vmdk", None),
        ("vmdk", "subformat=streamOptimized"),
        ("vpc", None),
        ("vpc", "subformat=fixed"),
        ("vhdx", None),
        ("vdi", None),
    ],
)
def test_what_qemu_writes_is_sound(qemu, fmt, options):
    with FileSource(qemu.convert(CONTENT, fmt, options)) as source:
        kind = {"vpc": "vhd"}.get(fmt, fmt)
        try:
            found = check_disk(source, format=kind, data=True)
        except KenshoError as error:
            pytest.skip(str(error))
    assert found.faults == ()


def test_qcow2_snapshots_and_compressed_clusters_are_sound(qemu):
    path = qemu.convert(CONTENT, "qcow2", None, "-c")
    qemu.io(path, "write -P 3 1M 300k", fmt="qcow2")
    qemu.run("snapshot", "-c", "one", path)
    qemu.io(path, "write -P 4 2M 3M", "discard 20M 1M", fmt="qcow2")
    qemu.run("check", "-f", "qcow2", path)
    with FileSource(path) as source:
        assert check_disk(source, data=True).faults == ()


def refcount_at(blob, cluster):
    table = struct.unpack_from(">Q", blob, 48)[0]
    block = struct.unpack_from(">Q", blob, table)[0]
    return block + 2 * cluster


def test_qcow2_leaks_and_lost_refcounts_as_qemu_sees_them(qemu):
    blob = bytearray(make_disk(CONTENT, "qcow2"))
    count = len(blob) // (64 * KIB)
    last = next(c for c in range(count - 1, 0, -1) if blob[refcount_at(blob, c) + 1] == 1)
    leaked = bytearray(blob)
    leaked += bytes(64 * KIB)
    struct.pack_into(">H", leaked, refcount_at(leaked, count), 1)
    lost = bytearray(blob)
    struct.pack_into(">H", lost, refcount_at(lost, last), 0)
    for data, grade, word, code in (
        (leaked, Grade.HARMLESS, "leaked", 3),
        (lost, Grade.CORRUPT, "refcount is 0", 2),
    ):
        found = check(data)
        assert found.worst is grade
        assert word in texts(found)
        assert found.faults[0].offset is not None
        path = qemu.path(".qcow2")
        path.write_bytes(data)
        done = subprocess.run(["qemu-img", "check", "-f", "qcow2", path], capture_output=True)
        assert done.returncode == code


def test_qcow2_two_clusters_at_one_place():
    blob = bytearray(make_disk(CONTENT, "qcow2"))
    l1 = struct.unpack_from(">Q", blob, 40)[0]
    l2 = struct.unpack_from(">Q", blob, l1)[0] & 0x00FF_FFFF_FFFF_FE00
    entry = struct.unpack_from(">Q", blob, l2)[0]
    struct.pack_into(">Q", blob, l2 + 8 * (3 * MIB // (64 * KIB)), entry)
    found = check(blob)
    assert found.worst is Grade.CORRUPT
    assert "used 2 times" in texts(found)


def test_vdi_two_blocks_at_one_place_and_a_wrong_count():
    blob = bytearray(make_disk(CONTENT, "vdi"))
    struct.pack_into("<I", blob, 512 + 4 * 3, 0)
    found = check(blob)
    assert found.worst is Grade.CORRUPT
    assert "used twice" in texts(found)
    blob = bytearray(make_disk(CONTENT, "vdi"))
    struct.pack_into("<I", blob, 388, 99)
    assert check(blob).faults[0].field == "cBlocksAllocated"


def test_vhd_footers_and_a_block_in_the_table():
    good = make_disk(CONTENT, "vhd")
    found = check(good[:-512] + bytes(512), "vhd")
    assert (found.worst, "footer" in texts(found)) == (Grade.HARMLESS, True)
    found = check(bytes(512) + good[512:], "vhd")
    assert (found.worst, "copy" in texts(found)) == (Grade.CORRUPT, True)
    blob = bytearray(good)
    struct.pack_into(">I", blob, 1536 + 4 * 10, 0)
    found = check(blob)
    assert found.worst is Grade.CORRUPT
    assert "used twice" in texts(found)


def test_vhdx_spare_copies():
    blob = bytearray(make_disk(CONTENT, "vhdx"))
    blob[64 * KIB + 100] ^= 1
    blob[256 * KIB + 20] ^= 1
    found = check(blob)
    assert found.worst is Grade.HARMLESS
    assert [fault.offset for fault in found.faults] == [64 * KIB, 256 * KIB]


def test_vmdk_redundant_tables_and_stream_markers():
    blob = bytearray(make_disk(CONTENT, "vmdk", "monolithicSparse"))
    redundant = struct.unpack_from("<Q", blob, 48)[0]
    table = struct.unpack_from("<I", blob, redundant * 512)[0]
    blob[table * 512] ^= 1
    found = check(blob)
    assert found.worst is Grade.HARMLESS
    assert "redundant" in texts(found)
    blob = bytearray(make_disk(CONTENT, "vmdk", "streamOptimized"))
    at = 128 * 512  # the first grain's marker
    assert struct.unpack_from("<Q", blob, at)[0] == 0
    blob[at] = 128
    found = check(blob)
    assert (found.worst, found.faults[0].offset) == (Grade.CORRUPT, at)


def test_damaged_data_are_found_only_when_they_are_read():
    blob = bytearray(make_disk(CONTENT, "vmdk", "streamOptimized"))
    blob[128 * 512 + 200] ^= 0x55
    assert check(blob).faults == ()
    assert check(blob, data=True).worst is Grade.CORRUPT


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_truncated_file_has_a_fault(fmt):
    blob = make_disk(CONTENT, fmt)
    assert check(blob[: len(blob) // 2], fmt).worst is Grade.CORRUPT
    assert check(blob[:600], fmt).worst is Grade.CORRUPT


def test_a_missing_parent_is_a_fault(qemu):
    path = qemu.path(".qcow2")
    base = qemu.convert(CONTENT, "qcow2")
    qemu.run("create", "-f", "qcow2", "-b", base.name, "-F", "qcow2", path)

    def sibling(name):
        return FileSource(path.with_name(name))

    with FileSource(path) as source:
        assert check_disk(source, sibling=sibling).faults == ()
        base.unlink()
        assert check_disk(source, sibling=sibling).worst is Grade.CORRUPT


@pytest.mark.parametrize("fmt", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 30))
def test_random_damage_is_a_fault_or_nothing_never_a_crash(fmt, seed):
    blob = bytearray(SMALL[fmt])
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 6)):
        at = chance.choice([chance.randrange(600), chance.randrange(len(blob))])
        blob[at] = chance.choice([0, 255, chance.randrange(256)])
    with contextlib.suppress(KenshoError):
        check(blob, fmt, data=chance.random() < 0.2)


SMALL = {
    fmt: make_disk(make_content(2 * MIB, [(0, 9 * KIB), (MIB, 70 * KIB)]), fmt) for fmt in FORMATS
}


def test_qcow2_many_snapshots_with_one_large_table_end(monkeypatch):
    from kensho.disks.checks import qcow2

    monkeypatch.setattr(qcow2, "_MOST_ENTRIES", 100_000)
    blob = bytearray(make_disk(bytes(MIB), "qcow2"))
    entries = (len(blob) - 64 * KIB) // 8
    struct.pack_into(">IQ", blob, 60, 60_000, len(blob))
    blob += struct.pack(">QIHHIIQII", 64 * KIB, entries, 0, 0, 0, 0, 0, 0, 0) * 60_000
    seen = []
    walk = qcow2._Walk.l1
    monkeypatch.setattr(qcow2._Walk, "l1", lambda *a, **k: (seen.append(a), walk(*a, **k))[1])
    found = check_disk(MemorySource(blob), format="qcow2").faults
    assert any(fault.grade is Grade.UNCHECKED for fault in found)
    assert len(seen) < 20
