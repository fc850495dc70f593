"""vmfsSparse deltas that kensho writes, read by QEMU and by kensho."""

import random
import struct

import pytest
from chain_helpers import Written, open_named, random_writes
from disk_helpers import KIB, MIB, Qemu, make_content, open_bytes, read_all
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.disks import copy_disk, create_disk
from kensho.disks.base import ParentRef, PlacingWriter
from kensho.disks.registry import descriptor_of, open_layer
from kensho.model.errors import LimitError, UsageError
from kensho.model.extent import Kind
from kensho.storage import MemorySink, MemorySource

SIZE = 5 * MIB + 3 * 512
BASE = make_content(SIZE, [(0, 100_000), (2 * MIB - 4096, 300_000), (SIZE - 900, 900)])


@pytest.fixture
def qemu(tmp_path):
    import shutil

    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed")
    return Qemu(tmp_path)


def base_files(content=BASE):
    main, flat = MemorySink(), MemorySink()
    writer = create_disk("vmdk", "vmfs", main, len(content), identity=b"base", name="base.vmdk",
                         sibling_sink=lambda _: flat)  # fmt: skip
    copy_disk(open_bytes(content, format="raw"), writer, threads=1)
    return {"base.vmdk": bytes(main.data), "base-flat.vmdk": bytes(flat.data)}, writer.identity


def delta(size, owned, writes, parent, name="delta.vmdk"):
    sinks = {name: MemorySink()}

    def beside(other):
        sinks[other] = MemorySink()
        return sinks[other]

    writer = create_disk("vmdk", "vmfsSparse", sinks[name], size, identity=b"delta", parent=parent,
                         sibling_sink=beside, name=name)  # fmt: skip
    assert isinstance(writer, PlacingWriter)
    writer.own(owned)
    for at, data in writes:
        writer.commit(writer.encode(at, memoryview(data)))
    writer.finish()
    return {n: bytes(s.data) for n, s in sinks.items()}, writer


def written(rng):
    """Return what a delta owns, in granules of 4 KiB, and how it looks over BASE."""
    layer = Written(SIZE, random_writes(rng, SIZE, 4096))
    owned, writes = [], []
    for at in range(0, SIZE, 4096):
        end = min(at + 4096, SIZE)
        if any(layer.mask[at:end]):
            if owned and owned[-1][1] == at:
                owned[-1] = (owned[-1][0], end)
            else:
                owned.append((at, end))
            if any(layer.content[at:end]):
                writes.append((at, bytes(layer.content[at:end])))
    return layer, owned, writes


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 20))
def test_what_is_written_is_read(seed):
    layer, owned, writes = written(random.Random(seed))
    files, cid = base_files()
    more, writer = delta(SIZE, owned, writes, ParentRef("base.vmdk", "vmdk", cid))
    files |= more
    assert list(more) == ["delta.vmdk", "delta-delta.vmdk"]
    assert read_all(open_named(files, "delta.vmdk")) == layer.over(BASE)
    top = open_layer(MemorySource(files["delta.vmdk"], "delta.vmdk"),
                     sibling=lambda n: MemorySource(files[n], n))  # fmt: skip
    own = [(e.start, e.end) for e in top.extents() if e.kind is not Kind.HOLE]
    assert sorted({n for a, b in own for n in range(a // 512, -(-b // 512))}) == sorted(
        {n for a, b in owned for n in range(a // 512, -(-b // 512))}
    )
    assert top.details["cid"] == writer.identity
    assert top.subformat == "vmfsSparse"


@pytest.mark.parametrize("seed", range(2))
def test_qemu_reads_the_delta(qemu, tmp_path, seed):
    layer, owned, writes = written(random.Random(seed))
    files, cid = base_files()
    files |= delta(SIZE, owned, writes, ParentRef("base.vmdk", "vmdk", cid))[0]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    raw = qemu.path(".raw")
    qemu.run("convert", "-f", "vmdk", "-O", "raw", tmp_path / "delta.vmdk", raw)
    assert raw.read_bytes() == layer.over(BASE)


def test_the_header_is_what_the_specification_says():
    files, writer = delta(SIZE, [(0, 4096)], [(0, b"x" * 4096)], ParentRef("b", "vmdk", "12345678"))
    data = files["delta-delta.vmdk"]
    magic, version, flags, sectors, grain, at, entries, free = struct.unpack_from("<4s7I", data)
    assert (magic, version, flags, grain, at) == (b"COWD", 1, 3, 1, 4)
    assert sectors * 512 == writer.virtual_size == SIZE
    assert entries == 3  # tables of 2 MiB each
    assert free * 512 == len(data)
    table = struct.unpack_from("<I", data, at * 512)[0]
    first = struct.unpack_from("<I", data, table * 512)[0]
    assert data[first * 512 : first * 512 + 4096] == b"x" * 4096
    assert first % 8 == 0
    assert b'VMFSSPARSE "delta-delta.vmdk"' in files["delta.vmdk"]


def test_what_a_delta_cannot_be():
    with pytest.raises(UsageError, match="content id"):
        delta(MIB, [], [], ParentRef("base.qcow2", "qcow2", ""))
    with pytest.raises(LimitError, match="cannot have"):
        delta(2 << 40, [], [], ParentRef("base.vmdk", "vmdk", "12345678"))
    with pytest.raises(UsageError, match="several files"):
        create_disk("vmdk", "vmfsSparse", MemorySink(), MIB,
                    parent=ParentRef("base.vmdk", "vmdk", "12345678"))  # fmt: skip
    with pytest.raises(UsageError, match="vmfsSparse"):
        create_disk("vmdk", "vmfsSparse", MemorySink(), MIB)
    assert "vmfsSparse" in descriptor_of("vmdk").folder_child_writers
    with pytest.raises(UsageError, match="cannot have a parent") as error:
        create_disk("vmdk", "vmfs", MemorySink(), MIB, parent=ParentRef("b", "vmdk", "1"))
    assert error.value.hint == "known: monolithicSparse, vmfsSparse"


def test_a_large_delta_is_written_quickly():
    size = 1 << 40  # of which a whole table's range lies at the end
    at = size - 2 * MIB
    _, writer = delta(size, [(at, size)], [(at, b"z" * (256 * KIB))],
                      ParentRef("b", "vmdk", "12345678"))  # fmt: skip
    assert writer.virtual_size == size
