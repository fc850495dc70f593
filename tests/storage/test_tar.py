"""The tar reader and writer against the standard library's."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    PackageError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
    UsageError,
)
from kensho.storage import MemorySink, MemorySource, TarWriter, read_members
from kensho.storage.tar_write import pack_header

NAMES = st.text("abcXYZ-_.0123é", min_size=1, max_size=12).filter(lambda s: s.strip("."))


def stdlib_tar(members, fmt):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=5))
def test_reads_what_the_standard_library_writes(members):
    for fmt in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        blob = stdlib_tar(members, fmt)
        found = {
            m.name: blob[m.offset : m.offset + m.size] for m in read_members(MemorySource(blob))
        }
        assert found == members


@given(st.dictionaries(NAMES, st.binary(max_size=1500), max_size=5))
def test_the_standard_library_reads_what_is_written(members):
    sink = MemorySink()
    writer = TarWriter(sink, mtime=1_700_000_000)
    for name, data in members.items():
        writer.add(name, data)
    writer.finish()
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.data))) as tar:
        infos = tar.getmembers()
        assert {i.name: tar.extractfile(i).read() for i in infos} == members
        assert {(i.mtime, i.mode, i.uid, i.gid) for i in infos} <= {(1_700_000_000, 0o644, 0, 0)}


@pytest.mark.parametrize("fmt", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_are_read(fmt):
    name = "/".join(["d" * 40] * 4)
    assert [m.name for m in read_members(MemorySource(stdlib_tar({name: b"x"}, fmt)))] == [name]


def test_long_names_are_written():
    sink = MemorySink()
    writer = TarWriter(sink)
    writer.add("n" * 130, b"abc")
    writer.finish()
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.data))) as tar:
        assert tar.getnames() == ["n" * 130]
    assert read_members(MemorySource(sink.data))[0].name == "n" * 130


def test_late_members_and_slots():
    sink = MemorySink()
    writer = TarWriter(sink)
    slot = writer.reserve("vm.ovf", 600)
    member = writer.begin("disk.vmdk")
    member.append(b"a" * 700)
    member.append(b"b" * 37)
    assert member.position == 737
    assert writer.end() == 737
    slot.fill(b"<xml/>", pad=b"\n")
    writer.finish()
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.data))) as tar:
        assert tar.getnames() == ["vm.ovf", "disk.vmdk"]
        assert tar.extractfile("vm.ovf").read() == b"<xml/>".ljust(600, b"\n")
        assert tar.extractfile("disk.vmdk").read() == b"a" * 700 + b"b" * 37


def test_writer_refuses_misuse():
    writer = TarWriter(MemorySink())
    slot = writer.reserve("a", 3)
    with pytest.raises(UsageError):
        writer.finish()
    with pytest.raises(UsageError):
        slot.fill(b"ab")
    with pytest.raises(UsageError):
        writer.add("a", b"")
    writer.begin("b")
    with pytest.raises(UsageError):
        writer.add("c", b"")


def test_eight_gib_sizes_use_base_256():
    info = tarfile.TarInfo.frombuf(pack_header(b"big", 9 << 30, 0), "utf-8", "strict")
    assert info.size == 9 << 30
    assert info.isreg()
    with pytest.raises(TruncatedError):
        read_members(MemorySource(pack_header(b"big", 9 << 30, 0)))


def test_the_magic_vmware_writes():
    blob = bytearray(stdlib_tar({"a.ovf": b"hello"}, tarfile.USTAR_FORMAT))
    blob[257:265] = b"ustar\0 \0"
    blob[148:156] = b"%06o\0 " % (sum(blob[:512]) - sum(blob[148:156]) + 256)
    assert [(m.name, m.size) for m in read_members(MemorySource(blob))] == [("a.ovf", 5)]


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "c:\\x", "a\\b", "a\nb"])
def test_unsafe_names(name):
    with pytest.raises(UnsafePathError):
        read_members(MemorySource(stdlib_tar({name: b""}, tarfile.GNU_FORMAT)))


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6"])
def test_links_and_devices(kind):
    with pytest.raises(UnsafePathError):
        read_members(MemorySource(pack_header(b"x", 0, 0, kind)))


def test_sparse_members_are_refused():
    with pytest.raises(UnsupportedError):
        read_members(MemorySource(pack_header(b"x", 0, 0, b"S")))


def test_damage():
    blob = stdlib_tar({"a": b"x" * 900, "b": b"y"}, tarfile.USTAR_FORMAT)
    with pytest.raises(TruncatedError):
        read_members(MemorySource(blob[:1000]))
    with pytest.raises(TruncatedError):
        read_members(MemorySource(blob[: 512 + 1024 + 100]))
    with pytest.raises(CorruptError) as caught:
        read_members(MemorySource(b"z" + blob[1:]))
    assert caught.value.offset == 0
    twice = blob[:1536] + blob
    with pytest.raises(PackageError):
        read_members(MemorySource(twice))
    with pytest.raises(LimitError):
        read_members(MemorySource(blob), limit=1)


@given(
    st.integers(0, 3000),
    st.integers(0, 255),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_any_damaged_byte_is_a_typed_error_or_harmless(at, value, fmt):
    blob = bytearray(stdlib_tar({"n" * 120: b"x" * 600, "b": b"y"}, fmt))
    blob[at % len(blob)] = value
    with contextlib.suppress(KenshoError):
        read_members(MemorySource(blob))


@pytest.mark.parametrize("mtime", [-1, -300_000_000, 8**11, 1 << 60])
def test_a_time_that_ustar_cannot_say(mtime):
    sink = MemorySink()
    tar = TarWriter(sink, mtime=mtime)
    tar.add("a", b"x")
    tar.finish()
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.data))) as archive:
        assert 0 <= archive.getmember("a").mtime < 8**11
    assert read_members(MemorySource(bytes(sink.data)))[0].name == "a"


@pytest.mark.parametrize("record", [b"9 mtime1=2\n", b"302atime=1\n", b"=1\n"])
def test_a_pax_record_without_its_length_is_refused(record):
    """A second one like that was read again and again, for ever."""
    body = b"11 a=bcdef\n" + record
    archive = pack_header(b"x", len(body), 0, b"x") + body.ljust(512, b"\0")
    archive += pack_header(b"a", 0, 0) + bytes(1024)
    with pytest.raises(CorruptError):
        read_members(MemorySource(archive))


@pytest.mark.parametrize(
    ("records", "error"),
    [
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, CorruptError),
        ({"GNU.sparse.map": "0,4,2,4", "GNU.sparse.size": "9"}, CorruptError),
        ({"GNU.sparse.map": "0,4,8", "GNU.sparse.size": "9"}, CorruptError),
        ({"GNU.sparse.map": "0,x", "GNU.sparse.size": "9"}, CorruptError),
        ({"GNU.sparse.map": "0,4", "GNU.sparse.size": "2"}, CorruptError),
        ({"GNU.sparse.offset": "0", "GNU.sparse.numbytes": "4"}, UnsupportedError),
        ({"GNU.sparse.map": "0,8", "GNU.sparse.size": "8", "GNU.sparse.name": "../a"},
         UnsafePathError),
    ],
)  # fmt: skip
def test_maps_of_sparse_members_that_cannot_be(records, error):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.size = 8
        info.pax_headers = records
        archive.addfile(info, io.BytesIO(b"12345678"))
    with pytest.raises(error):
        read_members(MemorySource(made.getvalue()), sparse=True)
    with pytest.raises(UnsupportedError):
        read_members(MemorySource(made.getvalue()))


def test_a_contiguous_file_can_be_sparse_too():
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.size, info.type = 4, tarfile.CONTTYPE
        info.pax_headers = {"GNU.sparse.map": "2,4", "GNU.sparse.size": "9"}
        archive.addfile(info, io.BytesIO(b"1234"))
    (member,) = read_members(MemorySource(made.getvalue()), sparse=True)
    assert (member.size, member.pieces) == (9, ((2, 4),))
