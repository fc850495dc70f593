"""Every writer of children: whatever a layer changes is what its copy changes."""

import itertools
import uuid

import pytest
from chain_helpers import keep_chain, opener
from disk_helpers import KIB, MIB, make_content, open_bytes, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import FORMATS, open_disk
from kensho.disks.base import ParentRef
from kensho.disks.chain import ChainDisk
from kensho.disks.registry import open_layer
from kensho.model.extent import Extent, Kind, coalesce
from kensho.storage import MemorySource

CHILDREN = [(d.name, sub) for d in FORMATS for sub in d.child_writers]


class LayerInMemory:
    """A layer of pieces (start, end, Kind); what is DATA there is in ``content``."""

    format = "test"
    subformat = "test"
    warnings = ()
    parent = ParentRef("below")
    parent_names = ("below",)

    def __init__(self, content, pieces):
        self.details = {}
        self.content = content
        self.pieces = pieces
        self.virtual_size = len(content)
        self.sources = (MemorySource(content),)

    def extents(self, start=0, end=None):
        end = len(self.content) if end is None else min(end, len(self.content))

        def parts():
            for first, last, kind in self.pieces:
                low, high = max(first, start), min(last, end)
                data = kind is Kind.DATA
                yield Extent(low, high - low, kind, 0 if data else -1, low if data else -1)

        return coalesce(parts())

    def read_into(self, offset, buffer):
        view = memoryview(buffer)
        view[:] = bytes(len(view))
        for e in self.extents(offset, offset + len(view)):
            if e.kind is Kind.DATA:
                view[e.start - offset : e.end - offset] = self.content[e.start : e.end]

    def check_parent(self, below):
        return ()

    def close(self):
        pass


@st.composite
def layers(draw):
    size = draw(st.integers(1, 8000)) * 512
    cuts = draw(
        st.lists(st.integers(1, size // 512) | st.sampled_from([128, 2048, 4096]), max_size=8)
    )
    borders = sorted({0, size, *(min(cut * 512, size) for cut in cuts)})
    kinds = st.sampled_from([Kind.DATA, Kind.ZERO, Kind.HOLE, Kind.HOLE])
    pieces = [(a, b, draw(kinds)) for a, b in itertools.pairwise(borders)]
    # A quarter of the data is zero, which must not become a hole.
    written = [(a, b - a) for a, b, kind in pieces if kind is Kind.DATA and draw(st.integers(0, 3))]
    return size, pieces, make_content(size, written, seed=7)


@pytest.mark.parametrize(("fmt", "sub"), CHILDREN)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=layers())
def test_a_layer_keeps_what_it_changes(fmt, sub, drawn):
    size, pieces, content = drawn
    base = make_content(size, [(0, 300 * KIB), (2 * MIB - 700, 70_000), (max(size - 600, 0), 600)])
    layer = LayerInMemory(content, pieces)
    disk = ChainDisk(layer, open_bytes(base, format="raw"), None, (), ("", "below"))
    expected = read_all(disk)
    for start, end, kind in pieces:
        if kind is Kind.HOLE:
            assert expected[start:end] == base[start:end]
        else:
            assert expected[start:end] == (
                content[start:end] if kind is Kind.DATA else bytes(end - start)
            )
    base_sub = {"vhdx": "dynamic" + sub[12:], "vmdk": "monolithicSparse"}.get(fmt)
    files = keep_chain(disk, fmt, child=sub, base=base_sub)
    (_, below), (_, top) = files.items()
    if fmt == "vdi":
        files[f"{{{uuid.UUID(bytes_le=below[392:408])}}}.vdi"] = below
    again = open_disk(MemorySource(top), sibling=opener(files))
    rounded = -(-size // 4096) * 4096 if sub.endswith("4kn") else size
    assert read_all(again) == expected.ljust(rounded, b"\0")
    # Alone it is silent where nothing of a whole granule is its own.
    alone = open_layer(MemorySource(top))
    granule = 1 << 20 if fmt == "vdi" else 1 << 16
    for e in alone.extents():
        if e.kind is Kind.HOLE:
            continue
        for at in range(e.start // granule * granule, e.end, granule):
            assert any(k is not Kind.HOLE and a < at + granule and b > at for a, b, k in pieces)
