"""What all writers share that store bytes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kensho.disks.base import PlacingWriter


def write_placed(writer: PlacingWriter, offset: int, data: memoryview) -> None:
    """Commit a run: make room for it and write it there."""
    for at, length in writer.place(offset, len(data)):
        writer.sink.write_at(at, data[:length])
        data = data[length:]
