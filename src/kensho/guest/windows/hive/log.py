"""Transaction logs: what Windows had written to them and not yet to the hive.

Spec: "Windows registry file format specification", "Format of transaction log files" and "Dirty
state of a hive". A hive that was not closed is never edited without its logs: what is in them
would be lost, or applied over the edit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kensho.guest.windows.hive._structs import (
    BASE_SIZE,
    BINS_SIZE_AT,
    CHECKED,
    CHECKSUM_AT,
    CLUSTER_AT,
    LOG_FILE,
    LOG_FILE_8_1,
    MAGIC,
    PRIMARY_AT,
    PRIMARY_FILE,
    SECONDARY_AT,
    TYPE_AT,
    WRITTEN_AT,
    checksum,
)
from kensho.guest.windows.hive.cells import MOST
from kensho.guest.windows.hive.marvin import marvin32
from kensho.model.errors import CorruptError

_SECTOR = 512
_ENTRY = struct.Struct("<4sIIIIIQQ")
_PAGE = struct.Struct("<II")
_HINT = "start the guest once and shut it down cleanly, then try again"


@dataclass(frozen=True, slots=True)
class _Entry:
    sequence: int
    bins_size: int
    pages: tuple[tuple[int, bytes], ...]


def is_dirty(data: bytes | bytearray) -> bool:
    """Tell whether a hive was not closed: its checksum or its sequence numbers say so."""
    return not _checked(data) or _word(data, PRIMARY_AT) != _word(data, SECONDARY_AT)


def replay(data: bytearray, logs: Sequence[bytes], path: str) -> int:
    """Apply what ``logs`` (LOG1, LOG2; or LOG alone) have to a dirty hive; return how many writes.

    The hive is clean afterwards. Raises CorruptError when no log fits: then nothing is known
    about how much of the hive is true.
    """
    valid = [log for log in logs if _usable(log)]
    if not _checked(data):
        _recover_base(data, valid, path)
    newer = [log for log in valid if _word(log, TYPE_AT) == LOG_FILE_8_1]
    older = [log for log in valid if _word(log, TYPE_AT) == LOG_FILE]
    applied = _apply_entries(data, newer) if newer else _apply_old(data, older, path)
    if applied is None:
        raise CorruptError(
            "the registry hive was not closed, and no transaction log completes it",
            path=path,
            hint=_HINT,
        )
    count, sequence = applied
    struct.pack_into("<II", data, PRIMARY_AT, sequence, sequence)
    seal(data)
    return count


def seal(data: bytearray) -> None:
    """Set the checksum of the base block."""
    struct.pack_into("<I", data, CHECKSUM_AT, checksum(data))


def _word(data: bytes | bytearray, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _checked(data: bytes | bytearray) -> bool:
    return checksum(data) == _word(data, CHECKSUM_AT)


def _usable(log: bytes) -> bool:
    return (
        len(log) >= 2 * _SECTOR
        and log[:4] == MAGIC
        and _checked(log)
        and _word(log, TYPE_AT) in {LOG_FILE, LOG_FILE_8_1}
        and _word(log, PRIMARY_AT) == _word(log, SECONDARY_AT)
    )


def _recover_base(data: bytearray, logs: Sequence[bytes], path: str) -> None:
    if not logs:
        raise CorruptError(
            "the base block is damaged, and no transaction log has a copy", path=path, hint=_HINT
        )
    newest = max(logs, key=lambda log: _word(log, PRIMARY_AT))
    data[:CHECKED] = newest[:CHECKED]
    struct.pack_into("<I", data, TYPE_AT, PRIMARY_FILE)


def _apply_entries(data: bytearray, logs: Sequence[bytes]) -> tuple[int, int] | None:
    """Apply entries that follow on each other, from the one the hive waits for."""
    entries = sorted(
        (entry for log in logs for entry in _entries(log)), key=lambda entry: entry.sequence
    )
    first = _word(data, SECONDARY_AT)
    entries = [entry for entry in entries if entry.sequence >= first]
    count, last = 0, 0
    for entry in entries:
        if count and entry.sequence != last + 1:
            break
        _extend(data, entry.bins_size, sum(map(len, logs)))
        for offset, page in entry.pages:
            data[BASE_SIZE + offset : BASE_SIZE + offset + len(page)] = page
        struct.pack_into("<I", data, BINS_SIZE_AT, entry.bins_size)
        count, last = count + 1, entry.sequence
    return (count, last) if count else None


def _extend(data: bytearray, bins_size: int, written: int) -> None:
    """Make room for the bins; CorruptError for more than the ``written`` bytes of logs can fill."""
    more = BASE_SIZE + bins_size - len(data)
    if more > written:
        raise CorruptError(
            "a transaction log enlarges the hive by what it has not",
            offset=BINS_SIZE_AT,
            hint=_HINT,
        )
    if more > 0:
        data.extend(bytes(more))


def _entries(log: bytes) -> Iterator[_Entry]:
    """Yield the entries of a log up to the first one that does not hold together."""
    place = _SECTOR * max(1, _word(log, CLUSTER_AT))
    while place + _ENTRY.size <= len(log):
        magic, size, _, sequence, bins_size, count, body_hash, head_hash = _ENTRY.unpack_from(
            log, place
        )
        entry = log[place : place + size]
        if (
            magic != b"HvLE"
            or size % _SECTOR
            or len(entry) != size
            or size < _ENTRY.size + count * _PAGE.size
            or bins_size > MOST
            or marvin32(entry[:32]) != head_hash
            or marvin32(entry[_ENTRY.size :]) != body_hash
        ):
            return
        pages = _pages(entry, count, bins_size)
        if pages is None:
            return
        yield _Entry(sequence, bins_size, pages)
        place += size


def _pages(entry: bytes, count: int, bins_size: int) -> tuple[tuple[int, bytes], ...] | None:
    pages, place = [], _ENTRY.size + count * _PAGE.size
    for number in range(count):
        offset, size = _PAGE.unpack_from(entry, _ENTRY.size + number * _PAGE.size)
        page = entry[place : place + size]
        if len(page) != size or offset + size > bins_size:
            return None
        pages.append((offset, page))
        place += size
    return tuple(pages)


def _apply_old(data: bytearray, logs: Sequence[bytes], path: str) -> tuple[int, int] | None:
    """Apply the log of Windows up to 8: a bitmap of sectors, then the sectors."""
    for log in logs:
        if log[WRITTEN_AT : WRITTEN_AT + 8] != data[WRITTEN_AT : WRITTEN_AT + 8]:
            continue
        start = _SECTOR * max(1, _word(log, CLUSTER_AT))
        bins_size = _word(log, BINS_SIZE_AT)
        if log[start : start + 4] != b"DIRT" or bins_size > MOST:
            continue
        bitmap = log[start + 4 : start + 4 + bins_size // _SECTOR // 8]
        place = start + -(-(len(bitmap) + 4) // _SECTOR) * _SECTOR
        dirty = [n for n in range(len(bitmap) * 8) if bitmap[n // 8] >> n % 8 & 1]
        if place + len(dirty) * _SECTOR > len(log):
            raise CorruptError("the transaction log ends early", path=path, hint=_HINT)
        _extend(data, bins_size, len(log))
        for number in dirty:
            target = BASE_SIZE + number * _SECTOR
            data[target : target + _SECTOR] = log[place : place + _SECTOR]
            place += _SECTOR
        struct.pack_into("<I", data, BINS_SIZE_AT, bins_size)
        return len(dirty), max(_word(log, PRIMARY_AT), _word(data, PRIMARY_AT))
    return None
