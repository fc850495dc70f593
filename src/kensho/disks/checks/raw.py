"""Check raw images: there is no structure, only a length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks.checks.common import Fault, Grade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource


def check(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:  # noqa: ARG001
    """Yield a fault when the length is no multiple of a sector."""
    if source.size % 512:
        yield Fault(
            Grade.HARMLESS,
            f"{source.size} bytes are not whole sectors; other formats will round up",
            source.name,
            source.size,
        )
