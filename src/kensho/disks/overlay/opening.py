"""Make and open QCOW2 overlays.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
Order in a new file: header, refcount table, first refcount block, L1 table.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from kensho.disks._blocks import fill_zero
from kensho.disks._structs import qcow2 as s
from kensho.disks.base import ParentRef
from kensho.disks.overlay.disk import OverlayDisk
from kensho.disks.overlay.file import OverlayFile
from kensho.disks.qcow2_header import read_header
from kensho.model.errors import LimitError, UnsupportedError, UsageError
from kensho.model.extent import Extent, Kind
from kensho.storage import PendingFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kensho.disks.base import DiskReader
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

_CLUSTER_BITS = 16
_MIN_CLUSTER_BITS = 12  # smaller ones need too many tables for one write
_MAX_NAME = 1023  # as the specification
_MAX_L1_BYTES = 32 << 20  # as QEMU


def create_overlay(
    path: str | Path, virtual_size: int, backing_name: str, backing_format: str
) -> None:
    """Make an empty overlay, complete or not at all; the size is rounded up to sectors.

    ``backing_name`` and ``backing_format`` are recorded as they are; the format is
    QEMU's name for it, such as ``vpc``. UsageError when the name is too long.
    """
    name = os.fsencode(backing_name)
    if not 0 < len(name) <= _MAX_NAME:
        raise UsageError(f"a backing name of {len(name)} bytes", path=path)
    if not backing_name.isprintable():  # which bytes that are no UTF-8 are not, either
        raise UsageError(f"cannot record the backing name {backing_name!r}", path=path)
    size = -(-virtual_size // 512) * 512
    cluster = 1 << _CLUSTER_BITS
    clusters = -(-size // cluster)
    l1_size = -(-clusters // (cluster // 8))
    if 8 * l1_size > _MAX_L1_BYTES:
        raise LimitError(f"a QCOW2 cannot have {virtual_size} bytes", hint="the limit is 2 PiB")
    l1_clusters = -(-8 * l1_size // cluster)
    # Refcounts for the whole disk, its tables and as much again: the table never has to move.
    blocks = -(-2 * clusters // (cluster // 2)) + 1
    table_clusters = -(-8 * blocks // cluster)
    used = 1 + table_clusters + 1 + l1_clusters
    backing_format_raw = backing_format.encode()
    extensions = (
        s.EXTENSION.pack(s.EXTENSION_BACKING_FORMAT, len(backing_format_raw))
        + backing_format_raw.ljust(-(-len(backing_format_raw) // 8) * 8, b"\0")
        + s.EXTENSION.pack(s.EXTENSION_END, 0)
    )
    header = s.Header(
        magic=s.MAGIC,
        version=3,
        backing_offset=112 + len(extensions),
        backing_size=len(name),
        cluster_bits=_CLUSTER_BITS,
        size=size,
        crypt_method=0,
        l1_size=l1_size,
        l1_offset=(2 + table_clusters) * cluster,
        refcount_offset=cluster,
        refcount_clusters=table_clusters,
        snapshots=0,
        snapshots_offset=0,
        header_length=112,
    )
    with PendingFile(path) as pending:
        pending.sink.truncate(used * cluster)
        pending.sink.write_at(0, header.pack_v3() + extensions + name)
        block = (1 + table_clusters) * cluster
        pending.sink.write_at(cluster, block.to_bytes(8, "big"))
        pending.sink.write_at(block, struct.pack(f">{used}H", *[1] * used))


def open_overlay(path: str | Path, below: DiskReader) -> OverlayDisk:
    """Open an overlay for reading and writing on top of ``below``, which stays the caller's.

    The name recorded in it is the caller's to compare. UsageError when its size does not
    go with ``below`` or someone else uses it, UnsupportedError for what could not be
    written without harm: snapshots, bitmaps, other features, unclean images.
    """
    file = OverlayFile(str(path))
    try:
        info = read_header(file.source)
        header = info.header
        _demand_fit(header, info.backing_name, below, str(path))
        _demand_writable(header, str(path))
        size = 1 << header.cluster_bits
        file.truncate(-(-file.size // size) * size)
        return OverlayDisk(
            file, header, ParentRef(info.backing_name or "", info.backing_format), below
        )
    except BaseException:
        file.close()
        raise


def open_alone(path: str | Path) -> OverlayDisk:
    """Open a QCOW2 that is based on nothing for reading and writing.

    UsageError when it is based on a disk or someone else uses it, UnsupportedError as above.
    """
    file = OverlayFile(str(path))
    try:
        info = read_header(file.source)
        _demand_alone(info.backing_name, str(path))
        _demand_writable(info.header, str(path))
        size = 1 << info.header.cluster_bits
        file.truncate(-(-file.size // size) * size)
        nothing = EmptyDisk(info.header.size)
        return OverlayDisk(file, info.header, None, nothing)
    except BaseException:
        file.close()
        raise


class EmptyDisk:
    """What is below a disk that is based on nothing: zeros."""

    __slots__ = ("virtual_size",)

    format = "raw"
    subformat = "sparse"
    parent = None
    warnings: tuple[Finding, ...] = ()
    sources: tuple[ByteSource, ...] = ()
    details: Mapping[str, str | int] = {}

    def __init__(self, virtual_size: int) -> None:
        self.virtual_size = virtual_size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield one hole."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        if start < end:
            yield Extent(start, end - start, Kind.HOLE)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:  # noqa: ARG002 - all the same
        """Fill ``buffer`` with zeros."""
        fill_zero(memoryview(buffer))

    def close(self) -> None:
        """Do nothing."""


def _demand_fit(header: s.Header, backing: str | None, below: DiskReader, path: str) -> None:
    if backing is None:
        raise UsageError("this QCOW2 is no overlay", path=path)
    if header.size != -(-below.virtual_size // 512) * 512:
        raise UsageError(
            f"the overlay is for a disk of {header.size} bytes, not {below.virtual_size}",
            path=path,
            hint="name the image it was made for, or another overlay",
        )


def _demand_alone(backing: str | None, path: str) -> None:
    if backing is not None:
        raise UsageError(f"this QCOW2 is based on {backing!r}", path=path)


def _demand_writable(header: s.Header, path: str) -> None:
    reason, hint = "", "rewrite it with `qemu-img convert -O qcow2 -B BACKING`"
    if header.version < 3:
        reason = f"version {header.version}"
    elif header.incompatible & s.DIRTY:
        reason, hint = "it was not closed cleanly", "repair it with `qemu-img check -r all`"
    elif header.incompatible:
        reason = f"features {header.incompatible:#x}"
    elif header.compatible & 1:
        reason, hint = "lazy refcounts", "`qemu-img amend -o lazy_refcounts=off`"
    elif header.autoclear:
        reason, hint = "it has bitmaps", "`qemu-img bitmap --remove`"
    elif header.snapshots:
        reason, hint = "it has internal snapshots", "`qemu-img snapshot -d`"
    elif header.refcount_order != 4:
        reason = f"refcounts of 2^{header.refcount_order} bits"
    elif header.cluster_bits < _MIN_CLUSTER_BITS:
        reason = f"clusters of {1 << header.cluster_bits} bytes"
    if reason:
        raise UnsupportedError(f"cannot be written: {reason}", path=path, hint=hint)
