"""Chunks read as one source."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.errors import CorruptError, TruncatedError
from kensho.model.extent import Kind, coalesce
from kensho.storage import FileSource, MemorySource
from kensho.storage.joined import JoinedSource


@given(st.lists(st.binary(max_size=9), max_size=6), st.data())
def test_parts_are_one(parts, data):
    whole = b"".join(parts)
    joined = JoinedSource([*map(len, parts)], lambda n: MemorySource(parts[n]), "whole")
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - start))
    assert joined.size == len(whole)
    assert joined.read_at(start, length) == whole[start : start + length]
    extents = list(coalesce(joined.extents(start, start + length)))
    assert sum(e.length for e in extents) == length
    assert all(e.kind is Kind.DATA and e.file_offset == e.start for e in extents)
    with pytest.raises(TruncatedError):
        joined.read_at(start, len(whole) - start + 1)


def test_more_parts_than_files_may_be_open(tmp_path: Path) -> None:
    count = 500
    for n in range(count):
        (tmp_path / str(n)).write_bytes(bytes([n % 251]) * 10)
    opened: list[FileSource] = []

    def open_part(number: int) -> FileSource:
        opened.append(FileSource(tmp_path / str(number)))
        return opened[-1]

    joined = JoinedSource([10] * count, open_part, "whole")
    whole = b"".join(bytes([n % 251]) * 10 for n in range(count))
    problems: list[int] = []

    def read(step: int) -> None:
        places = range(step, 10 * count - 40, 97)
        problems.extend(at for at in places if joined.read_at(at, 40) != whole[at : at + 40])

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(joined._parts._open) <= 64
    joined.close()
    (tmp_path / "7").write_bytes(b"short")
    with pytest.raises(CorruptError, match="5 bytes now"):
        JoinedSource([10] * count, open_part, "whole").read_at(70, 10)
    for source in opened:
        source.close()
