"""ASIF, written by hand from its public description: no tool outside macOS makes it."""

import contextlib
import struct

import pytest
from disk_helpers import MIB, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import open_disk
from kensho.model.errors import (
    CorruptError,
    FormatError,
    KenshoError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import Kind
from kensho.storage import FileSink, FileSource

CHUNK = 1 << 15  # the smallest that holds a group of 512-byte sectors; macOS uses 1 MiB
FULL, PART = 1 << 62, 3 << 62


def asif(size, chunks, *, chunk=CHUNK, sector=512, sequences=(1, 2), reserved=0):
    """Return an image; ``chunks`` are contents by number: bytes, or {sector: bytes}.

    Chunk 0 holds the header and both directories, of which the one with the lower
    sequence is empty.
    """
    per_group = 4 * sector
    groups = chunk // (8 * (per_group + 1))
    count = -(-size // (chunk * per_group * groups))
    blob = [bytearray(chunk)]

    def new():
        blob.append(bytearray(chunk))
        return len(blob) - 1

    directory = [0] * count
    for number, data in chunks.items():
        table, within = divmod(number, per_group * groups)
        group, slot = divmod(within, per_group)
        if not directory[table]:
            directory[table] = new()
        base = group * 8 * (per_group + 1)
        place = new()
        if isinstance(data, dict):
            (bitmap,) = struct.unpack_from(">Q", blob[directory[table]], base + 8 * per_group)
            if not bitmap:
                bitmap = new()
                struct.pack_into(">Q", blob[directory[table]], base + 8 * per_group, bitmap)
            blob[place][:] = b"\xee" * chunk  # what was never written is junk
            for index, text in data.items():
                blob[place][index * sector : (index + 1) * sector] = text
                at = slot * (chunk // sector // 4) + index // 4
                blob[bitmap][at] |= 1 << index % 4 * 2
        else:
            blob[place][: len(data)] = data
        entry = (PART if isinstance(data, dict) else FULL) | reserved | place
        struct.pack_into(">Q", blob[directory[table]], base + 8 * slot, entry)
    places = (512, 4096)
    for place, sequence in zip(places, sequences, strict=True):
        tables = directory if sequence == max(sequences) else [0] * count
        struct.pack_into(f">{count + 1}Q", blob[0], place, sequence, *tables)
    head = struct.pack(
        ">4sIIIQQ16sQQIHHQ", b"shdw", 1, 512, 0, *places, bytes(range(16)), size // sector,
        1 << 43, chunk, sector, 0, 0,
    )  # fmt: skip
    blob[0][: len(head)] = head
    return b"".join(blob)


def content_of(size, chunks, chunk=CHUNK, sector=512):
    out = bytearray(size)
    for number, data in chunks.items():
        for index, text in data.items() if isinstance(data, dict) else [(0, data)]:
            at = number * chunk + index * sector
            fits = max(0, min(len(text), size - at))
            out[at : at + fits] = text[:fits]
    return bytes(out)


SECTORS = st.dictionaries(
    st.integers(0, CHUNK // 512 - 1),
    st.integers(1, 255).map(lambda n: bytes([n]) * 512),
    max_size=9,
)
CHUNKS = st.dictionaries(
    st.integers(0, 70),
    SECTORS | st.integers(1, 255).map(lambda n: bytes([n]) * CHUNK),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(chunks=CHUNKS, size=st.integers(1, 71 * CHUNK // 512))
def test_what_was_written_is_read(chunks, size):
    size *= 512
    reader = open_bytes(asif(size, chunks))
    expected = content_of(size, chunks)
    assert (reader.format, reader.virtual_size) == ("asif", size)
    assert read_all(reader) == expected
    position = 0
    for e in reader.extents():
        assert e.start == position
        position = e.end
        if e.kind is Kind.DATA:
            assert reader.sources[0].read_at(e.file_offset, e.length) == expected[e.start : e.end]
        else:
            assert not any(expected[e.start : e.end])
    assert position == size
    for at, length in ((0, 1), (size // 3, size // 2), (size - 1, 1)):
        buffer = bytearray(length)
        reader.read_into(at, buffer)
        assert buffer == expected[at : at + length]


@pytest.mark.parametrize("sector", [512, 4096])
def test_far_apart_in_the_usual_size(tmp_path, sector):
    """Chunks of 1 MiB; data in the first and in the last table of a disk of 300 GiB."""
    size, chunk = 300 << 30, MIB
    last = size // chunk - 1
    chunks = {0: b"a" * chunk, last - 1: {5: b"p" * sector}, last: b"z" * chunk}
    path = tmp_path / "disk.asif"
    with FileSink(path) as sink:
        sink.write_at(0, asif(size, chunks, chunk=chunk, sector=sector))
    with FileSource(path) as source:
        reader = open_disk(source)
        assert reader.virtual_size == size
        assert reader.details["uuid"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
        data = [(e.start, e.length) for e in reader.extents() if e.kind is Kind.DATA]
        part = (last - 1) * chunk + 5 * sector
        assert data == [(0, chunk), (part, sector), (last * chunk, chunk)]
        buffer = bytearray(sector + 2)
        reader.read_into(part - 1, buffer)
        assert buffer == b"\0" + b"p" * sector + b"\0"


def test_the_newer_directory_counts():
    chunks = {3: b"n" * CHUNK}
    for sequences in ((1, 2), (2, 1)):
        blob = asif(10 * CHUNK, chunks, sequences=sequences)
        assert read_all(open_bytes(blob)) == content_of(10 * CHUNK, chunks)
    lost = bytearray(blob)
    struct.pack_into(">Q", lost, 24, 1 << 60)  # the older one's place
    assert read_all(open_bytes(lost)) == content_of(10 * CHUNK, chunks)
    struct.pack_into(">Q", lost, 16, 1 << 60)
    with pytest.raises(TruncatedError):
        open_bytes(lost)


def test_reserved_flags_are_ignored():
    chunks = {1: b"x" * CHUNK}
    blob = asif(4 * CHUNK, chunks, reserved=1 << 55)
    assert read_all(open_bytes(blob)) == content_of(4 * CHUNK, chunks)


GOOD = asif(8 * CHUNK, {0: b"x" * CHUNK, 2: {0: b"y" * 512}})
TABLE = CHUNK  # chunk 1 is the table, 2 the first data, 3 the other, 4 the bitmap


@pytest.mark.parametrize(
    ("at", "pattern", "value", "error"),
    [
        (0, ">I", 1, CorruptError),
        (4, ">I", 2, UnsupportedError),
        (64, ">I", CHUNK // 2, CorruptError),
        (64, ">I", CHUNK + 512, CorruptError),
        (64, ">I", 1 << 31, CorruptError),
        (68, ">H", 0, CorruptError),
        (68, ">H", 1024, CorruptError),
        (48, ">Q", 1 << 62, CorruptError),
        (48, ">Q", 1 << 43, FormatError),
        (56, ">Q", 1, CorruptError),
        (4096 + 8, ">Q", 1 << 40, FormatError),
        (4096 + 8, ">Q", 1 << 62 | 1, UnsupportedError),
        (TABLE, ">Q", 2, UnsupportedError),  # a chunk, but not initialized
        (TABLE, ">Q", 2 << 62 | 2, UnsupportedError),
        (TABLE, ">Q", FULL, UnsupportedError),
        (TABLE, ">Q", FULL | 1 << 40, TruncatedError),
        (TABLE, ">Q", PART | 1 << 54, TruncatedError),
        (TABLE + 8 * 2048, ">Q", 0, CorruptError),  # no bitmap
        (TABLE + 8 * 2048, ">Q", 1 << 54, TruncatedError),
        (4 * CHUNK + 2 * 16, ">B", 0b10, UnsupportedError),
    ],
)
def test_what_is_refused(at, pattern, value, error):
    assert read_all(open_bytes(GOOD))[:CHUNK] == b"x" * CHUNK
    bad = bytearray(GOOD)
    struct.pack_into(pattern, bad, at, value)
    with pytest.raises(error):
        read_all(open_bytes(bad, format="asif"))


def test_a_size_no_mac_allows():
    bad = bytearray(GOOD)
    struct.pack_into(">QQ", bad, 48, 1 << 45, 1 << 45)
    with pytest.raises(LimitError):
        open_bytes(bad)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_crash(data):
    blob = bytearray(GOOD)
    spots = [(0, 80), (512, 32), (4096, 32), (TABLE, 64), (TABLE + 16384, 8), (4 * CHUNK, 64)]
    for _ in range(data.draw(st.integers(1, 3))):
        start, length = data.draw(st.sampled_from(spots))
        blob[start + data.draw(st.integers(0, length - 1))] = data.draw(
            st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255)
        )
    if data.draw(st.booleans()):
        blob = blob[: data.draw(st.integers(0, len(blob)))]
    with contextlib.suppress(KenshoError):
        reader = open_bytes(blob, format="asif")
        reader.read_into(0, bytearray(min(reader.virtual_size, 8 * MIB)))
        sum(1 for _ in reader.extents(0, 64 * MIB))
