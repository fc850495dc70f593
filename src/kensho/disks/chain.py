"""Disks on top of other disks: open the one below, and show both as one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kensho.disks.registry import detect, open_disk
from kensho.model.errors import LimitError, UnsupportedError
from kensho.model.extent import Extent, Kind, coalesce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.storage.base import ByteSource

_MAX_DEPTH = 64
_NAMES = {
    "vpc": "vhd",
    "qcow2": "qcow2",
    "raw": "raw",
    "vmdk": "vmdk",
    "vhdx": "vhdx",
    "vdi": "vdi",
}


def open_backing(
    source: ByteSource, name: str, format_name: str | None, sibling: SiblingOpener, depth: int
) -> tuple[DiskReader, ByteSource]:
    """Open the disk ``name`` that ``source`` is based on; return it and the file to close after it.

    ``depth`` counts the disks above; LimitError when there are too many, as in a
    chain that bites its tail.
    """
    if depth >= _MAX_DEPTH:
        raise LimitError(f"more than {_MAX_DEPTH} backing files", path=source.name)
    if "://" in name or name.startswith(("json:", "nbd:")):
        raise UnsupportedError(
            f"is based on {name!r}, which is no file",
            path=source.name,
            hint="flatten it with `qemu-img convert`",
        )
    if format_name is not None and format_name not in _NAMES:
        raise UnsupportedError(f"backing format {format_name!r}", path=source.name)
    below = sibling(name)
    try:
        kind = _NAMES[format_name] if format_name else _detected(below)
        disk: DiskReader
        if kind == "qcow2":
            from kensho.disks.qcow2 import open_qcow2

            disk = open_qcow2(below, sibling, depth + 1)
        else:
            disk = open_disk(below, sibling=sibling, format=kind)
    except BaseException:
        below.close()
        raise
    return disk, below


def _detected(source: ByteSource) -> str:
    candidates = detect(source)
    if not candidates:
        raise UnsupportedError("not a virtual disk: the file is empty or text", path=source.name)
    return candidates[0].name


def over_parent(extents: Iterator[Extent], parent: DiskReader) -> Iterator[Extent]:
    """Yield ``extents`` with what ``parent`` has in their holes; its sources come after ours."""
    return coalesce(_filled(extents, parent))


def _filled(extents: Iterator[Extent], parent: DiskReader) -> Iterator[Extent]:
    for extent in extents:
        if extent.kind is not Kind.HOLE:
            yield extent
            continue
        seen = min(max(parent.virtual_size, extent.start), extent.end)
        if seen > extent.start:
            for below in parent.extents(extent.start, seen):
                file = below.file + 1 if below.file >= 0 else -1
                yield dataclasses.replace(below, file=file)
        if seen < extent.end:  # the parent is shorter
            yield Extent(seen, extent.end - seen, Kind.HOLE)
