"""VMDK deltas: chains, their identity, and the sparse extents of ESX; QEMU is the judge."""

import array
import contextlib
import struct

import pytest
from chain_helpers import keep_chain
from disk_helpers import KIB, MIB, make_content, make_disk, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import ParentRef, compare, create_disk, open_disk
from kensho.disks._tables import has_repeats
from kensho.disks.chain import links_of
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    LocatorError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.storage import FileSource, MemorySink, MemorySource

BASE = make_content(5 * MIB, [(0, 2 * MIB), (4 * MIB - 1000, 5000)])


def descriptor(kind, extents, *, cid="000000aa", parent="ffffffff", hint=""):
    named = f'parentFileNameHint="{hint}"\n' if hint else ""
    return (
        f"# Disk DescriptorFile\nversion=1\nCID={cid}\nparentCID={parent}\n"
        f'createType="{kind}"\n{named}{extents}\n'
        'ddb.adapterType = "lsilogic"\nddb.geometry.cylinders = "1"\n'
    ).encode()


def flat_base(name="base"):
    line = f'RW {len(BASE) // 512} VMFS "{name}-flat.vmdk"'
    return {f"{name}.vmdk": descriptor("vmfs", line), f"{name}-flat.vmdk": BASE}


def cowd(size, grains, grain=1):
    """Return a COWD extent of ``size`` bytes; ``grains`` are contents by number."""
    sectors = size // 512
    tables = -(-sectors // (grain * 4096))
    directory = [0] * (-(-tables // 128) * 128)
    body, at = b"", 4 + len(directory) // 128
    entries = {}
    for number, data in grains.items():
        entries.setdefault(number // 4096, [0] * 4096)[number % 4096] = at
        body += data.ljust(grain * 512, b"\0")
        at += grain
    for number, table in entries.items():
        directory[number] = at
        body += struct.pack("<4096I", *table)
        at += 32
    head = struct.pack("<4s7I", b"COWD", 1, 3, sectors, grain, 4, tables, at)
    return head.ljust(2048, b"\0") + struct.pack(f"<{len(directory)}I", *directory) + body


def sesparse(size, grains):
    """Return a seSparse extent; ``grains`` are 4 KiB or the entry's type by number."""
    tables = -(-size // (4096 * 4096))
    sizes = [("volatile", 1), ("journal header", 2), ("journal", 2), ("directory", -(-tables // 64)),
             ("tables", 64 * tables), ("bitmap", 1), ("backmap", 1)]  # fmt: skip
    places, at = {}, 1
    for name, sectors in sizes:
        places[name] = (at, sectors)
        at += sectors
    places["grains"] = (-(-at // 8) * 8, 8 * len(grains))
    where = list(places.values())
    header = struct.pack(
        "<10Q", 0xCAFEBABE, 0x200000001, size // 512, 8, 64, 0, 0, 0, 0, 0
    ) + struct.pack("<16Q", *[n for pair in where for n in pair])
    blob = bytearray((where[-1][0] + where[-1][1]) * 512)
    blob[: len(header)] = header
    struct.pack_into("<4Q", blob, 512, 0xCAFECAFE, 0, 1, 0)
    # The tables lie in the reverse order, to see that the directory is followed.
    for number in range(tables):
        struct.pack_into(
            "<Q", blob, places["directory"][0] * 512 + 8 * number, 1 << 60 | (tables - 1 - number)
        )
    slot = 0
    for number, data in grains.items():
        table, within = divmod(number, 4096)
        entry = (places["tables"][0] + 64 * (tables - 1 - table)) * 512 + 8 * within
        if isinstance(data, int):
            struct.pack_into("<Q", blob, entry, data << 60)
            continue
        struct.pack_into("<Q", blob, entry, 3 << 60 | (slot & 0xFFF) << 48 | slot >> 12)
        begin = (places["grains"][0] + 8 * slot) * 512
        blob[begin : begin + 4096] = data
        slot += 1
    return bytes(blob)


def delta_of(kind, data, hint="base.vmdk"):
    word = {"vmfsSparse": "VMFSSPARSE", "seSparse": "SESPARSE"}[kind]
    line = f'RW {len(BASE) // 512} {word} "delta.bin"'
    text = descriptor(kind, line, cid="000000bb", parent="000000aa", hint=hint)
    return {"delta.vmdk": text, "delta.bin": data}


def open_files(files, name="delta.vmdk"):
    def sibling(other):
        if other not in files:
            raise LocatorError("no such file", path=other)
        return MemorySource(files[other], other)

    return open_disk(MemorySource(files[name], name), sibling=sibling)


def test_a_chain_made_by_qemu(qemu, sibling):
    base = qemu.convert(BASE, "vmdk", "subformat=twoGbMaxExtentSparse")
    middle, top = qemu.path(".vmdk"), qemu.path(".vmdk")
    qemu.run("create", "-f", "vmdk", "-b", base.name, "-F", "vmdk", middle)
    qemu.io(middle, "write -P 1 1M 100k", "write -P 2 4M 64k", fmt="vmdk")
    qemu.run("create", "-f", "vmdk", "-b", middle.name, "-F", "vmdk", "-o", "zeroed_grain=on", top)
    qemu.io(top, "write -P 3 1M 64k", "write -z 4M 64k", fmt="vmdk")
    flat = qemu.path(".raw")
    qemu.run("convert", "-O", "raw", top, flat)
    with FileSource(top) as source:
        reader = open_disk(source, sibling=sibling)
        assert reader.parent.name == middle.name
        assert read_all(reader) == flat.read_bytes()
        assert any(e.kind is Kind.ZERO for e in reader.extents())
        reader.close()
        with pytest.raises(UnsupportedError):
            open_disk(source)
    qemu.io(base, "write -P 9 3M 64k", fmt="vmdk")  # changes its content id
    with FileSource(top) as source, pytest.raises(CorruptError) as caught:
        open_disk(source, sibling=sibling)
    assert caught.value.field == "parentCID"


def test_parents_that_are_not_the_right_ones():
    grains = {3: b"x" * 512}
    files = flat_base() | delta_of("vmfsSparse", cowd(len(BASE), grains))
    assert read_all(open_files(files))[1536:2048] == b"x" * 512
    for old, new, error, words in (
        (b"parentCID=000000aa", b"parentCID=000000ac", CorruptError, ["000000ac", "000000aa"]),
        (b'"base.vmdk"', b'"other.vmdk"', LocatorError, ["other.vmdk"]),
        (b'parentFileNameHint="base.vmdk"\n', b"", CorruptError, ["parent"]),
        (b'"base.vmdk"', b'"delta.vmdk"', CorruptError, []),
        (b'"base.vmdk"', b'"delta.bin"', KenshoError, []),
    ):
        bad = files | {"delta.vmdk": files["delta.vmdk"].replace(old, new)}
        with pytest.raises(error) as caught:
            open_files(bad)
        assert all(word in str(caught.value) for word in words)
    loop = files["delta.vmdk"].replace(b"=000000bb", b"=000000aa").replace(b"base", b"delta")
    with pytest.raises(CorruptError):
        open_files(files | {"delta.vmdk": loop})


@pytest.mark.parametrize(
    "hint",
    ["base.vmdk", "C:\\VMs\\Old one\\base.vmdk", "..\\base.vmdk", "/vmfs/volumes/1/x/base.vmdk",
     "[store] x/base.vmdk", "gone/base.vmdk"],
)  # fmt: skip
def test_parents_that_moved_with_their_delta(hint):
    files = flat_base() | delta_of("vmfsSparse", cowd(len(BASE), {}), hint=hint)
    assert read_all(open_files(files)) == BASE


def test_a_parent_in_a_folder_of_its_own():
    moved = {f"sub/{name}": data for name, data in flat_base().items()}
    files = moved | delta_of("vmfsSparse", cowd(len(BASE), {}), hint="sub\\base.vmdk")
    assert read_all(open_files(files)) == BASE


GRAINS = st.dictionaries(st.integers(0, 2 * 4096 + 10), st.integers(1, 255), max_size=12)


@settings(max_examples=20, deadline=None)
@given(grains=GRAINS, grain=st.sampled_from([1, 8]))
def test_cowd(grains, grain):
    size = len(BASE)
    grains = {n % (size // 512 // grain): bytes([v]) * 512 * grain for n, v in grains.items()}
    expected = bytearray(BASE)
    for number, data in grains.items():
        expected[number * 512 * grain : (number + 1) * 512 * grain] = data
    files = flat_base() | delta_of("vmfsSparse", cowd(size, grains, grain))
    reader = open_files(files)
    assert read_all(reader) == expected
    for e in reader.extents():
        if e.kind is Kind.DATA:
            where = reader.sources[e.file].read_at(e.file_offset, e.length)
            assert where == expected[e.start : e.end]


@pytest.mark.parametrize("kind", ["vmfsSparse", "seSparse"])
def test_qemu_agrees_about_esx_deltas(qemu, tmp_path, kind):
    grains = {n: bytes([n % 255 + 1]) * 4096 for n in (0, 1, 300, 700, len(BASE) // 4096 - 1)}
    if kind == "seSparse":
        data = sesparse(len(BASE), grains | {5: 1, 6: 2})
    else:
        data = cowd(len(BASE), grains, grain=8)
    files = flat_base() | delta_of(kind, data)
    for name, blob in files.items():
        (tmp_path / name).write_bytes(blob)
    raw = qemu.path(".raw")
    qemu.run("convert", "-f", "vmdk", "-O", "raw", tmp_path / "delta.vmdk", raw)
    reader = open_files(files)
    assert read_all(reader) == raw.read_bytes()
    assert raw.read_bytes() != BASE
    if kind == "seSparse":
        assert [(e.start, e.length) for e in reader.extents() if e.kind is Kind.ZERO] == [
            (5 * 4096, 8192)
        ]


def test_sesparse_grains_are_numbered_across_two_fields():
    """Grain numbers above 4095 need the lower bits of the entry as well."""
    size = 20 * MIB
    grains = {n: struct.pack("<I", n + 1) * 1024 for n in range(4200)}
    line = f'RW {size // 512} SESPARSE "delta.bin"'
    files = {"delta.vmdk": descriptor("seSparse", line), "delta.bin": sesparse(size, grains)}
    data = read_all(open_files(files))
    assert [struct.unpack_from("<I", data, n * 4096)[0] for n in (0, 4095, 4096, 4199, 4200)] == [
        1, 4096, 4097, 4200, 0,
    ]  # fmt: skip


def test_esx_extents_that_are_refused():
    good = sesparse(len(BASE), {1: b"y" * 4096, 7: b"z" * 4096})
    for offset, value, error in (
        (8, 3, UnsupportedError),  # version
        (24, 16, UnsupportedError),  # grain size
        (16, 1 << 50, KenshoError),  # capacity
        (512, 1, CorruptError),  # volatile magic
        (512 + 24, 1, UnsupportedError),  # a journal to replay
        (16 * 8, 1 << 40, TruncatedError),  # directory
        (6 * 512, 2 << 60, CorruptError),  # directory entry
        (7 * 512 + 8, 4 << 60, CorruptError),  # table entries
        (7 * 512 + 8, 3 << 60 | 9 << 48, TruncatedError),
    ):
        bad = bytearray(good)
        struct.pack_into("<Q", bad, offset, value)
        with pytest.raises(error):
            read_all(open_files(flat_base() | delta_of("seSparse", bytes(bad))))
    good = cowd(len(BASE), {1: b"y" * 512})
    for offset, value, error in (
        (4, 3, UnsupportedError),
        (16, 0, CorruptError),
        (20, 1 << 31, TruncatedError),
        (24, 1, CorruptError),
        (2048, 1 << 31, TruncatedError),
        (2048 + 512 + 512 + 4, 1 << 31, TruncatedError),
    ):
        bad = bytearray(good)
        struct.pack_into("<I", bad, offset, value)
        with pytest.raises(error):
            read_all(open_files(flat_base() | delta_of("vmfsSparse", bytes(bad))))
    for head in (b"COWD", b"\xbe\xba\xfe\xca\0\0\0\0"):
        with pytest.raises(UnsupportedError) as caught:
            open_disk(MemorySource(head.ljust(4096, b"\0")))
        assert "beside" in caught.value.hint


ESX = {
    "vmfsSparse": cowd(len(BASE), dict.fromkeys(range(0, 640, 7), b"c" * 4096), grain=8),
    "seSparse": sesparse(len(BASE), dict.fromkeys(range(0, 640, 7), b"s" * 4096) | {5: 1}),
}


@pytest.mark.parametrize("kind", list(ESX))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(kind, data):
    files = flat_base() | delta_of(kind, ESX[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(["delta.bin", "delta.bin", "delta.vmdk", "base.vmdk"]))
        blob = bytearray(files[name])
        at = data.draw(st.integers(0, min(len(blob), 9000) - 1))
        blob[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255))
        files[name] = bytes(blob)
    if data.draw(st.booleans()):
        files["delta.bin"] = files["delta.bin"][: data.draw(st.integers(0, 40_000))]
    with contextlib.suppress(KenshoError):
        reader = open_files(files)
        buffer = bytearray(min(reader.virtual_size, 8 * MIB))
        reader.read_into(0, buffer)
        sum(1 for _ in reader.extents(0, 64 * MIB))


def test_compressed_parts():
    """A split disk of streamOptimized parts; QEMU looks for their footer in the descriptor."""
    content = make_content(3 * MIB, [(0, 900 * KIB), (2 * MIB, 70_000)])
    cut = MIB + 64 * KIB
    halves = (content[:cut], content[cut:])
    parts = {f"p{n}.vmdk": make_disk(half, "vmdk") for n, half in enumerate(halves)}
    lines = f'RW {cut // 512} SPARSE "p0.vmdk"\nRW {(len(content) - cut) // 512} SPARSE "p1.vmdk"'
    reader = open_files(parts | {"delta.vmdk": descriptor("twoGbMaxExtentSparse", lines)})
    assert read_all(reader) == content
    assert compare(reader, open_disk(MemorySource(content), format="raw")) is None


def a_chain():
    """Return a chain of three with data, holes and zeros at each level."""
    grains = dict.fromkeys((0, 9, 40, 41, 79), b"c" * 32 * KIB)
    low = delta_of("vmfsSparse", cowd(len(BASE), grains, grain=64))
    # Zeros over a part of a grain, over whole grains, over nothing at all.
    tops = {3: b"s" * 4096, 700: b"S" * 4096} | dict.fromkeys([*range(5, 9), *range(160, 192)], 2)
    top = delta_of("seSparse", sesparse(len(BASE), tops), hint="low.vmdk")
    text = top["delta.vmdk"].replace(b"=000000bb", b"=000000cc").replace(b"=000000aa", b"=000000bb")
    return flat_base() | {
        "low.vmdk": low["delta.vmdk"].replace(b"delta.bin", b"low.bin"),
        "low.bin": low["delta.bin"],
        "delta.vmdk": text,
        "delta.bin": top["delta.bin"],
    }


@pytest.mark.parametrize("base", ["monolithicSparse", None])
def test_chains_are_kept(qemu, tmp_path, base):
    disk = open_files(a_chain())
    files = keep_chain(disk, "vmdk", base=base)
    top = next(reversed(files))
    copied = open_files(files, top)
    assert [link.name for link in links_of(copied)] == ["", "layer1.vmdk", "layer0.vmdk"]
    for ours, theirs in zip(links_of(copied), links_of(disk), strict=True):
        assert read_all(ours.disk) == read_all(theirs.disk)
    assert any(e.kind is Kind.ZERO for e in links_of(copied)[0].layer.extents())
    for name, blob in files.items():
        (tmp_path / name).write_bytes(blob)
    for link, name in zip(links_of(disk), reversed(files), strict=True):
        qemu.judge(tmp_path / name, "vmdk", read_all(link.disk), check=False)


@settings(max_examples=25, deadline=None)
@given(
    writes=st.lists(st.tuples(st.integers(0, 79), st.sampled_from([b"\0", b"w"])), max_size=9),
    size=st.integers(4 * MIB + 1, len(BASE)).map(lambda n: n // 512 * 512),
)
def test_what_a_delta_says_is_read(writes, size):
    files = {"base": make_disk(BASE, "vmdk", "monolithicSparse")}
    cid = open_disk(MemorySource(files["base"])).details["cid"]
    sink = MemorySink()
    parent = ParentRef("base", "vmdk", cid)
    writer = create_disk("vmdk", None, sink, size, identity=b"child", parent=parent)
    grains = {n: value for n, value in dict(writes).items() if n * 64 * KIB < size}
    writer.own((n * 64 * KIB, min((n + 1) * 64 * KIB, size)) for n in sorted(grains))
    expected = bytearray(BASE[:size])
    for n, value in sorted(grains.items()):
        low, high = n * 64 * KIB, min((n + 1) * 64 * KIB, size)
        expected[low:high] = value * (high - low)
        if value != b"\0":
            writer.commit(writer.encode(low, memoryview(expected)[low:high]))
    writer.finish()
    assert read_all(open_files(files | {"child": bytes(sink.data)}, "child")) == expected


@pytest.mark.parametrize(
    ("parent", "size", "error"),
    [
        (ParentRef("x", "vmdk", ""), MIB, UsageError),
        (ParentRef("x", "vhd", "000000aa"), MIB, UsageError),
        (ParentRef('x"', "vmdk", "000000aa"), MIB, UsageError),
        (ParentRef("x\n", "vmdk", "000000aa"), MIB, UsageError),
        (ParentRef("x" * 5000, "vmdk", "000000aa"), MIB, UsageError),
        (ParentRef("x", "vmdk", "000000aa"), 3 << 40, LimitError),
    ],
)
def test_what_cannot_be_a_child(parent, size, error):
    with pytest.raises(error):
        create_disk("vmdk", None, MemorySink(), size, parent=parent)


@given(st.lists(st.integers(0, 6), max_size=8))
def test_has_repeats(entries):
    used = [entry for entry in entries if entry]
    assert has_repeats(array.array("I", entries)) is (len(used) != len(set(used)))
