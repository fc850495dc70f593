"""Look for structural faults of one disk file; nothing is changed.

What the reader refuses is a fault like what the format's own check finds. Only the
file itself is checked, not the disks it is based on, but that they are there.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import msgspec

from kensho.disks.checks.common import Fault, Grade, used_twice
from kensho.disks.copy import BATCH
from kensho.disks.registry import open_disk, open_layer
from kensho.model.errors import CorruptError, KenshoError, LimitError, LocatorError, TruncatedError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.storage.base import ByteSource

#: Format → ``module:function`` of its own check; the others get the general one.
CHECKS = {
    "raw": "kensho.disks.checks.raw:check",
    "vmdk": "kensho.disks.checks.vmdk:check",
    "vhd": "kensho.disks.checks.vhd:check",
    "vhdx": "kensho.disks.checks.vhdx:check",
    "qcow2": "kensho.disks.checks.qcow2:check",
    "vdi": "kensho.disks.checks.vdi:check",
}
_MOST = 100
_FOUND = (CorruptError, TruncatedError, LimitError)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. ``more`` faults were found and not kept."""

    format: str
    subformat: str
    faults: tuple[Fault, ...]
    more: int
    data_read: bool

    @property
    def worst(self) -> Grade | None:
        """Return the worst grade among the faults."""
        grades = {fault.grade for fault in self.faults}
        order = (Grade.CORRUPT, Grade.HARMLESS, Grade.UNCHECKED)
        return next((grade for grade in order if grade in grades), None)


def check_disk(
    source: ByteSource,
    *,
    sibling: SiblingOpener | None = None,
    format: str | None = None,  # noqa: A002
    data: bool = False,
    on_bytes: Callable[[int, int], None] | None = None,
) -> Checked:
    """Check the disk file ``source``.

    ``data`` reads and decodes everything that is stored as well; ``on_bytes`` gets
    (position, total) of that. UnsupportedError for what is not read at all.
    """
    try:
        layer = open_layer(source, sibling=sibling, format=format)
    except _FOUND as error:
        return Checked(
            format=format or "", subformat="", faults=(_fault(error),), more=0, data_read=False
        )
    try:
        faults: dict[Fault, None] = {}
        more = 0
        for fault in _faults(source, layer, sibling, format, data, on_bytes):
            if fault in faults:
                continue
            if (len(faults) >= _MOST and fault.grade is not Grade.CORRUPT) or len(
                faults
            ) >= 2 * _MOST:
                more += 1
            else:
                faults[fault] = None
        return Checked(
            format=layer.format,
            subformat=layer.subformat,
            faults=tuple(faults),
            more=more,
            data_read=data,
        )
    finally:
        layer.close()


def _faults(
    source: ByteSource,
    layer: DiskReader,
    sibling: SiblingOpener | None,
    format_: str | None,
    data: bool,  # noqa: FBT001
    on_bytes: Callable[[int, int], None] | None,
) -> Iterator[Fault]:
    sound = True
    try:
        for _ in layer.extents():  # every table is read and checked on the way
            pass
    except _FOUND as error:
        sound = False
        yield _fault(error)
    if layer.parent is not None:
        yield from _parent_faults(source, sibling, format_)
    if sound:
        try:
            yield from _own_faults(source, layer)
        except _FOUND as error:
            yield _fault(error)
        if data:
            yield from _read_all(layer, on_bytes)


def _own_faults(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:
    target = CHECKS.get(layer.format)
    if target is None:
        return used_twice(layer)
    module, _, function = target.partition(":")
    found: Iterator[Fault] = getattr(importlib.import_module(module), function)(source, layer)
    return found


def _parent_faults(
    source: ByteSource, sibling: SiblingOpener | None, format_: str | None
) -> Iterator[Fault]:
    try:
        open_disk(source, sibling=sibling, format=format_).close()
    except (LocatorError, *_FOUND) as error:
        yield _fault(error)
    except KenshoError as error:
        yield Fault(Grade.UNCHECKED, str(error), source.name, None, "parent")


def _read_all(layer: DiskReader, on_bytes: Callable[[int, int], None] | None) -> Iterator[Fault]:
    buffer = bytearray(BATCH)
    for extent in layer.extents():
        if extent.kind is not Kind.DATA:
            continue
        for at in range(extent.start, extent.end, BATCH):
            view = memoryview(buffer)[: min(BATCH, extent.end - at)]
            try:
                layer.read_into(at, view)
            except _FOUND as error:
                yield _fault(error)
            if on_bytes is not None:
                on_bytes(at + len(view), layer.virtual_size)


def _fault(error: KenshoError) -> Fault:
    return Fault(Grade.CORRUPT, error.message, error.path or "", error.offset, error.field or "")
