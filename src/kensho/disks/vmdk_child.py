"""Write VMDK deltas: a monolithicSparse file that names its parent, as Workstation's snapshots.

Spec: VMware Virtual Disk Format 5.0, "The Descriptor File": parentCID is the content id
the parent had. Grains that are the delta's own and hold nothing are zeroed grains.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._sectors import Owned
from kensho.disks._structs import vmdk as s
from kensho.disks.vmdk_descriptor import make_descriptor, new_content_id
from kensho.disks.vmdk_write import GRAIN, MAX_SIZE, SparseExtentWriter
from kensho.model.errors import LimitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks.base import ParentRef
    from kensho.storage.base import ByteSink

_MAX_NAME = 2048
_CID = re.compile("[0-9a-fA-F]{1,8}")


class VmdkChildWriter:
    """A VMDK delta being written; see ChildWriter for the protocol."""

    __slots__ = ("_extent", "_owned", "identity", "sink", "virtual_size")

    format = "vmdk"
    subformat = "monolithicSparse"
    granularity = GRAIN

    def __init__(
        self, sink: ByteSink, virtual_size: int, parent: ParentRef, identity: bytes | None
    ) -> None:
        capacity = -(-virtual_size // s.SECTOR)
        self.virtual_size = capacity * s.SECTOR
        self.sink = sink
        self.identity = new_content_id(identity)
        line = f'RW {capacity} SPARSE "disk.vmdk"'
        text = make_descriptor(capacity, self.subformat, self.identity, identity, [line], parent)
        self._extent = SparseExtentWriter(sink, capacity, text, zero_grains=True)
        self._owned = Owned()

    def own(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say what is this disk's own."""
        self._owned = Owned(ranges)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where at the end of the file the run's grains go."""
        self._zero_until(offset)
        for _ in self._owned.until(offset + length):
            pass  # it is, by having a place
        return self._extent.place(offset, length)

    def finish(self) -> None:
        """Write the last table, then descriptor and header, which make it a disk."""
        self._zero_until(self.virtual_size)
        self._extent.finish()

    def _zero_until(self, end: int) -> None:
        for low, high in self._owned.until(end):
            self._extent.zero(low, high)


def create_vmdk_child(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef,
    *,
    compression: str = "fast",  # noqa: ARG001 - nothing is compressed here
    identity: bytes | None = None,
) -> VmdkChildWriter:
    """Begin a VMDK delta; UsageError unless ``parent.identity`` is the content id of a VMDK."""
    if not 0 < virtual_size <= MAX_SIZE:
        raise LimitError(
            f"a VMDK delta cannot have {virtual_size} bytes", hint="the limit is 2 TiB"
        )
    demand_parent(parent)
    return VmdkChildWriter(sink, virtual_size, parent, identity)


def demand_parent(parent: ParentRef) -> None:
    """Raise UsageError unless a descriptor can name that parent and its content."""
    if parent.format not in {None, "vmdk"} or not _CID.fullmatch(parent.identity):
        raise UsageError("the parent of a VMDK must be a VMDK with a content id")
    name = parent.name
    if not name or '"' in name or not name.isprintable() or len(name.encode()) > _MAX_NAME:
        raise UsageError(f"a VMDK's parent cannot be called {name!r}")
