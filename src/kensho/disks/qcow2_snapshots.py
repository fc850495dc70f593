"""The internal snapshots of a QCOW2.

Spec: QEMU docs/interop/qcow2.rst, section "Snapshots".
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._structs import qcow2 as s
from kensho.model.errors import CorruptError, LimitError, LocatorError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource

_MAX_SNAPSHOTS = 65536  # as QEMU
_MAX_TABLE = 16 << 20
_MAX_EXTRA = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot: what it is called, how large the disk was and where its L1 table is."""

    id: str
    name: str
    seconds: int
    size: int
    l1_offset: int
    l1_size: int


def read_snapshots(source: ByteSource, header: s.Header) -> tuple[Snapshot, ...]:
    """Return the snapshots in their order; CorruptError, TruncatedError when the table is damaged."""
    if header.snapshots > _MAX_SNAPSHOTS:
        raise LimitError(f"{header.snapshots} snapshots", path=source.name, field="nb_snapshots")
    found = []
    at = header.snapshots_offset
    for _ in range(header.snapshots):
        entry = s.unpack_snapshot(source.read_at(at, s.SNAPSHOT_SIZE))
        if entry.extra_size > _MAX_EXTRA:
            raise CorruptError("a snapshot is damaged", path=source.name, offset=at)
        rest = source.read_at(
            at + s.SNAPSHOT_SIZE, entry.extra_size + entry.id_size + entry.name_size
        )
        extra, texts = rest[: entry.extra_size], rest[entry.extra_size :]
        size = int.from_bytes(extra[8:16], "big") if len(extra) >= 16 else header.size
        found.append(
            Snapshot(
                id=texts[: entry.id_size].decode("utf-8", "replace"),
                name=texts[entry.id_size :].decode("utf-8", "replace"),
                seconds=entry.seconds,
                size=size,
                l1_offset=entry.l1_offset,
                l1_size=entry.l1_size,
            )
        )
        at += -(-(s.SNAPSHOT_SIZE + len(rest)) // 8) * 8
        if at - header.snapshots_offset > _MAX_TABLE:
            raise LimitError("the snapshot table is too long", path=source.name)
    return tuple(found)


def find_snapshot(source: ByteSource, header: s.Header, wanted: str) -> Snapshot:
    """Return the snapshot of that id, or else of that name; LocatorError names those there are."""
    all_of_them = read_snapshots(source, header)
    for key in ("id", "name"):
        for snapshot in all_of_them:
            if getattr(snapshot, key) == wanted:
                return snapshot
    known = ", ".join(f"{one.id} ({one.name})" for one in all_of_them[:20]) or "none"
    raise LocatorError(
        f"no snapshot {wanted!r}", path=source.name, field="snapshots", hint=f"known: {known}"
    )
