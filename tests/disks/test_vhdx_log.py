"""VHDX files that were not closed cleanly, over parents too, and with logs torn in every place."""

import contextlib

import pytest
from chain_helpers import Written, make_base, open_named
from disk_helpers import KIB, MIB, make_content, open_bytes, read_all
from hypothesis import given, settings
from hypothesis import strategies as st
from test_readers import GUID, dirty_vhdx, log_entry
from test_vhdx_chains import by_hand, link

from kensho.disks._structs import vhdx as s
from kensho.disks.vhdx_log import OverlaySource, _Write
from kensho.model.errors import CorruptError, FormatError, TruncatedError
from kensho.storage import MemorySource

CONTENT = make_content(3 * MIB, [(0, 3 * MIB)])
PAGES = [bytes([n]) * 4096 for n in range(1, 9)]


def with_log(blob, *entries):
    """Return ``blob`` marked as dirty, with ``entries`` one after the other in its log."""
    blob = dirty_vhdx(blob, GUID)
    log = b"".join(entries)
    blob[MIB : MIB + len(log)] = log
    return bytes(blob)


def start_of(blob):
    return next(open_bytes(blob).extents()).file_offset


def test_a_dirty_child_is_read_through_its_parent():
    base = make_base(CONTENT, "vhdx")
    child = by_hand([(0, b"c" * 8192)], link(base, "base"), size=3 * MIB)
    bat = int.from_bytes(child[3 * MIB : 3 * MIB + 8], "little") & ~0xFFFFF
    bitmap = int.from_bytes(child[3 * MIB + 8 * 4096 : 3 * MIB + 8 * 4097], "little") & ~0xFFFFF
    bits = bytes([0xFF] * 3).ljust(4096, b"\0")  # eight sectors more than before
    entry = log_entry(5, 0, [(bat + 8192, PAGES[0]), (bitmap, bits)], len(child))
    files = {"c": with_log(child, entry), "base": base}
    disk = open_named(files, "c")
    assert [w.code for w in disk.warnings] == ["KF-403"]
    writes = [(0, b"c" * 8192), (8192, PAGES[0])]
    assert read_all(disk) == Written(3 * MIB, writes).over(CONTENT)


def test_entries_of_another_log_do_not_count():
    blob = make_base(CONTENT, "vhdx")
    start = start_of(blob)
    first = log_entry(5, 0, [(start, PAGES[0])], len(blob))
    stale = log_entry(6, 0, [(start, PAGES[1])], len(blob)).replace(GUID, b"s" * 16)
    stale = s.with_checksum(stale)
    assert read_all(open_bytes(with_log(blob, first, stale)))[:4096] == PAGES[0]
    with pytest.raises(CorruptError, match="no valid entry"):
        open_bytes(with_log(blob, stale))


def test_a_gap_in_the_sequence_ends_it():
    blob = make_base(CONTENT, "vhdx")
    start = start_of(blob)
    entries = [log_entry(n, 0, [(start, PAGES[n])], len(blob)) for n in (1, 2, 4)]
    read = read_all(open_bytes(with_log(blob, *entries)))
    assert read[:4096] == PAGES[2]  # 4 says its tail is 1, which is not in its sequence


def test_the_file_grows_to_what_the_log_knows():
    blob = make_base(CONTENT, "vhdx")
    start = start_of(blob)
    fields = list(s.LOG_ENTRY.unpack_from(log_entry(5, 0, [(start, 4096)], len(blob))))
    cut = blob[: start + 2 * MIB]  # an allocation the file system never saw
    for flushed, good in ((len(cut), True), (len(cut) + 1, False)):
        fields[-2:] = [flushed, len(blob)]
        entry = log_entry(5, 0, [(start, 4096)], len(blob))
        entry = s.with_checksum(s.LOG_ENTRY.pack(*fields) + entry[s.LOG_ENTRY.size :])
        if good:
            expected = bytes(4096) + CONTENT[4096 : 2 * MIB] + bytes(MIB)
            assert read_all(open_bytes(with_log(cut, entry))) == expected
        else:
            with pytest.raises(TruncatedError):
                open_bytes(with_log(cut, entry))


def test_a_damaged_newer_header_leaves_the_older_one():
    clean = make_base(CONTENT, "vhdx")
    blob = bytearray(with_log(clean, log_entry(5, 0, [(start_of(clean), PAGES[0])], len(clean))))
    newest = max(s.HEADER_PLACES, key=lambda at: s.Header(*s.HEADER.unpack_from(blob, at)).sequence)
    blob[newest + 100] ^= 1
    disk = open_bytes(blob)
    assert disk.warnings == ()
    assert read_all(disk) == CONTENT


@settings(max_examples=60, deadline=None)
@given(torn=st.integers(0, 3 * 8192 - 1), byte=st.integers(0, 255))
def test_a_log_torn_anywhere_gives_a_state_there_was(torn, byte):
    """Whatever part of the log is lost: all of a prefix of the writes, or an error."""
    blob = make_base(CONTENT, "vhdx")
    start = start_of(blob)
    entries = [log_entry(n + 1, 0, [(start + 4096 * n, PAGES[n])], len(blob)) for n in range(3)]
    dirty = bytearray(with_log(blob, *entries))
    if dirty[MIB + torn] == byte:
        return
    dirty[MIB + torn] = byte
    with contextlib.suppress(FormatError):
        read = read_all(open_bytes(bytes(dirty)))
        states = [b"".join(PAGES[:n]) + CONTENT[4096 * n : 4 * 4096] for n in range(1, 4)]
        assert read[: 4 * 4096] in states


def test_a_region_of_no_length():
    blob = bytearray(make_base(CONTENT, "vhdx"))
    for place in s.REGION_PLACES:
        for number in range(2):
            at = place + s.REGION_HEADER.size + number * s.REGION_ENTRY.size
            blob[at + 24 : at + 28] = bytes(4)
        blob[place : place + 64 * KIB] = s.with_checksum(bytes(blob[place : place + 64 * KIB]))
    with pytest.raises(CorruptError, match="aligned"):
        open_bytes(blob)


WRITES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12), st.one_of(st.none(), st.integers(1, 255))),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(writes=WRITES, offset=st.integers(0, 60), length=st.integers(0, 60))
def test_what_lies_over_the_file_is_what_was_written_last(writes, offset, length):
    below = bytes(range(1, 51))
    size = 60
    expected = bytearray(below.ljust(size, b"\0"))
    given_writes = []
    for at, count, value in writes:
        data = None if value is None else bytes([value]) * count
        given_writes.append(_Write(at, count, data))
        expected[at : at + count] = data if data is not None else bytes(count)
    over = OverlaySource(MemorySource(below), tuple(given_writes), size)
    assert over.read_at(0, size) == expected
    length = min(length, size - offset)
    assert over.read_at(offset, length) == expected[offset : offset + length]
