"""What is written over a volume is what is read, and all that differs is in the patch."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.disks import open_disk
from kensho.guest.edit.patch import Patched
from kensho.guest.edit.scratch import Scratch
from kensho.guest.volumes.view import CachedDisk, View, part_of
from kensho.storage import MemorySource

SIZE = 5 * 4096 + 512
BEFORE = random.Random(1).randbytes(SIZE)
WRITES = st.lists(
    st.tuples(st.integers(0, SIZE), st.integers(0, 9000), st.sampled_from([None, 0, 7])), max_size=8
)


def view() -> View:
    disk = CachedDisk(open_disk(MemorySource(BEFORE), format="raw"), "disk1")
    return part_of(disk, 0, SIZE, "disk1")


@settings(max_examples=60, deadline=None)
@given(WRITES)
def test_it_is_what_was_written(writes: list[tuple[int, int, int | None]]) -> None:
    model = bytearray(BEFORE)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(view(), Path(folder) / "image")
        for offset, most, what in writes:
            length = min(most, SIZE - offset)
            if what == 0:
                scratch.zero(offset, length)
                model[offset : offset + length] = bytes(length)
                continue
            data = BEFORE[offset : offset + length] if what is None else bytes([what]) * length
            scratch.write_at(offset, data)
            model[offset : offset + length] = data
        read = bytearray(SIZE)
        scratch.read_into(0, read)
        assert read == model
        scratch.close()
        patch = scratch.patch()
        assert Patched(patch).read(0, SIZE) == model
        # whole grains that differ, and nothing else
        changed = {at for start, size in patch.runs for at in range(start, start + size, 4096)}
        assert changed == {
            at for at in range(0, SIZE, 4096) if model[at : at + 4096] != BEFORE[at : at + 4096]
        }
        for offset, most, _ in writes:
            length = min(most, SIZE - offset)
            assert Patched(patch).read(offset, length) == model[offset : offset + length]
