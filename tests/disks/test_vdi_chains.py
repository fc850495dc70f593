"""Differencing VDIs: made by patching the header, as qemu-img writes none."""

import struct
import uuid

import pytest
from chain_helpers import keep_chain, make_base, open_named
from disk_helpers import KIB, MIB, make_content, read_all

from kensho.disks import create_disk, open_disk
from kensho.disks._structs import vdi as s
from kensho.disks.base import ParentRef
from kensho.disks.chain import links_of
from kensho.disks.chain_copy import copy_chain
from kensho.model.errors import CorruptError, LocatorError, UnsupportedError, UsageError
from kensho.storage import MemorySink, MemorySource

SIZE = 6 * MIB + 512
BASE = make_content(SIZE, [(0, 3 * MIB), (5 * MIB, 5000)])
CREATE, LINKAGE = 392, 424  # offsets of UUIDs: uuidCreate, uuidLinkage, VirtualBox's VDICore.h


def child_of(parent, content, zero=()):
    """Return a VDI with ``content``'s blocks, free ones the parent's; ``zero`` are blocks."""
    blob = bytearray(make_base(content, "vdi"))
    assert s.unpack_header(bytes(blob)).uuid_create == blob[CREATE : CREATE + 16]
    blob[76:80] = (4).to_bytes(4, "little")
    blob[CREATE : CREATE + 16] = b"C" * 16
    blob[LINKAGE : LINKAGE + 32] = parent[CREATE : CREATE + 16] + parent[408:424]
    for block in zero:
        struct.pack_into("<I", blob, 512 + 4 * block, s.ZERO)
    return bytes(blob)


def named(blob):
    return f"{{{uuid.UUID(bytes_le=blob[CREATE : CREATE + 16])}}}.vdi"


def test_header_offsets():
    header = s.unpack_header(make_base(BASE, "vdi"))
    blob = header.pack()
    assert blob[CREATE : CREATE + 16] == header.uuid_create
    assert blob[408:424] == header.uuid_modify


def test_differencing_vdis_are_read_and_kept():
    base = make_base(BASE, "vdi")
    top = child_of(base, make_content(SIZE, [(MIB, 1000)], seed=2), zero=[2])
    expected = BASE[:MIB] + make_content(2 * MIB, [(MIB, 1000)], seed=2)[MIB:]
    expected += bytes(MIB) + BASE[3 * MIB :]
    files = {"top": top, named(base): base}
    disk = open_named(files, "top")
    buffer = bytearray(SIZE)
    disk.read_into(0, buffer)
    assert bytes(buffer[:MIB]) == BASE[:MIB]
    assert not any(buffer[2 * MIB : 3 * MIB])
    assert bytes(buffer[3 * MIB :]) == BASE[3 * MIB :]
    assert bytes(buffer[MIB : 2 * MIB]) == expected[MIB : 2 * MIB]
    kept = []

    def make(link, identity):
        sink = MemorySink()
        parent = ParentRef("unused", "vdi", identity) if kept else None
        kept.append(sink)
        size = link.layer.virtual_size
        return create_disk("vdi", None, sink, size, parent=parent, identity=b"%d" % len(kept))

    copy_chain(disk, make)
    below, above = (bytes(sink.data) for sink in kept)
    again = open_named({"top": above, named(below): below}, "top")
    assert read_all(again) == bytes(buffer)
    assert read_all(links_of(again)[1].disk) == BASE
    for fmt in ("qcow2", "vhd", "vhdx"):
        files = keep_chain(disk, fmt)
        assert read_all(open_named(files, f"layer1.{fmt}")) == bytes(buffer)


def test_parents_that_are_missing_or_others():
    base = make_base(BASE, "vdi")
    top = child_of(base, BASE)
    with pytest.raises(LocatorError, match="missing"):
        open_named({"top": top}, "top")
    with pytest.raises(UnsupportedError):
        open_disk(MemorySource(top))
    changed = bytearray(base)
    changed[410] ^= 1
    with pytest.raises(CorruptError, match="changed since"):
        open_named({"top": top, named(base): bytes(changed)}, "top")
    changed[CREATE] ^= 1
    with pytest.raises(CorruptError, match="not its parent"):
        open_named({"top": top, named(base): bytes(changed)}, "top")
    loop = bytearray(child_of(base, BASE))
    loop[CREATE : CREATE + 32] = base[CREATE : CREATE + 32]
    with pytest.raises(CorruptError, match="itself"):
        open_named({"top": bytes(loop), named(base): bytes(loop)}, "top")
    with pytest.raises(UsageError):
        create_disk("vdi", None, MemorySink(), MIB, parent=ParentRef("x", "vdi", "00"))


def test_fixed_vdis(qemu):
    content = make_content(5 * MIB + 512, [(MIB, 64 * KIB), (5 * MIB, 512)])
    blob = make_base(content, "vdi", "fixed")
    disk = open_disk(MemorySource(blob))
    assert disk.subformat == "fixed"
    assert read_all(disk) == content
    path = qemu.path(".vdi")
    path.write_bytes(blob)
    qemu.judge(path, "vdi", content)
