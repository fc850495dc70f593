"""Chunks read as one source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.errors import TruncatedError
from kensho.model.extent import Kind, coalesce
from kensho.storage import MemorySource
from kensho.storage.joined import JoinedSource


@given(st.lists(st.binary(max_size=9), max_size=6), st.data())
def test_parts_are_one(parts, data):
    whole = b"".join(parts)
    joined = JoinedSource([MemorySource(part) for part in parts], "whole")
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - start))
    assert joined.size == len(whole)
    assert joined.read_at(start, length) == whole[start : start + length]
    extents = list(coalesce(joined.extents(start, start + length)))
    assert sum(e.length for e in extents) == length
    assert all(e.kind is Kind.DATA and e.file_offset == e.start for e in extents)
    with pytest.raises(TruncatedError):
        joined.read_at(start, len(whole) - start + 1)
