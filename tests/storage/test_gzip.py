"""Reading gzip at any offset; the oracle is the standard library's gzip."""

import gzip
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.model.errors import CorruptError, LimitError, TruncatedError
from kensho.model.extent import Extent, Kind
from kensho.storage import MemorySource
from kensho.storage.gzip import GzipSource

MUCH = 1 << 40


def source(data, limit=MUCH):
    return GzipSource(MemorySource(data, "a.gz"), limit)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=4), st.integers(0, 3), st.data())
def test_reads_what_gzip_reads(members, padding, data):
    packed = b"".join(map(gzip.compress, members)) + bytes(512 * padding)
    if not members:
        return
    expected = gzip.decompress(packed)
    opened = source(packed)
    assert opened.size == len(expected)
    for _ in range(4):
        start = data.draw(st.integers(0, len(expected)))
        length = data.draw(st.integers(0, len(expected) - start))
        assert opened.read_at(start, length) == expected[start : start + length]


def test_reads_at_random_in_a_long_file(monkeypatch):
    monkeypatch.setattr("kensho.storage.gzip._OUTPUT", 64 << 10)
    monkeypatch.setattr("kensho.storage.gzip._MOST_POINTS", 8)
    noise = random.Random(1)
    plain = b"".join(noise.randbytes(1000) + bytes(9000) for _ in range(800))
    opened = source(gzip.compress(plain, 1))
    assert len(opened._points) <= 8  # kept apart as the file got longer
    for _ in range(60):
        start = noise.randrange(len(plain))
        length = noise.choice((1, 300, 400_000))
        assert opened.read_at(start, min(length, len(plain) - start)) == plain[start:][:length]
    assert list(opened.extents(10, 20)) == [Extent(10, 10, Kind.DATA, 0, 10)]
    with pytest.raises(TruncatedError):
        opened.read_at(len(plain) - 1, 2)


def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(bytes(50 << 20))
    with pytest.raises(LimitError, match="more than 1000000 bytes"):
        source(bomb, 1_000_000)
    assert source(bomb, 50 << 20).size == 50 << 20


@pytest.mark.parametrize("where", [3, 40, -6, -2])
def test_damage_is_found(where):
    packed = bytearray(gzip.compress(random.Random(2).randbytes(5000)))
    packed[where] ^= 0x41
    if where == 3:
        packed[where] = 0xE0  # reserved flags
    with pytest.raises(CorruptError):
        source(bytes(packed))


def test_a_file_cut_short_or_longer():
    packed = gzip.compress(b"a" * 5000)
    for cut in (1, 9, 10, len(packed) - 1):
        with pytest.raises(TruncatedError):
            source(packed[:cut])
    with pytest.raises(CorruptError, match="follows"):
        source(packed + b"x")
    with pytest.raises(TruncatedError):
        source(b"")
