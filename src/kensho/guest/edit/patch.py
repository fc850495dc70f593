"""What changes on a volume: laid over it to be read back, and as pieces of the disks it lies on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit.disk import Piece
from kensho.guest.volumes.view import View
from kensho.model.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Patch:
    """What changes on a volume: the bytes of ``image`` at these (offset, length), same offsets."""

    view: View
    image: Path
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Patched:
    """A volume with a patch laid over it; fits where a `View` does."""

    patch: Patch

    @property
    def name(self) -> str:
        """The volume's name."""
        return self.patch.view.name

    @property
    def size(self) -> int:
        """Bytes."""
        return self.patch.view.size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, the patch's where it has them."""
        merged = bytearray(self.patch.view.read(offset, length))
        with self.patch.image.open("rb") as image:
            for start, size in self.patch.runs:
                low, high = max(start, offset), min(start + size, offset + length)
                if low < high:
                    image.seek(low)
                    merged[low - offset : high - offset] = image.read(high - low)
        return bytes(merged)


def pieces(patch: Patch) -> Iterator[tuple[str, Piece]]:
    """Yield where a patch lies, on all sides of a mirror: the disk's name, and the piece there."""
    for offset, length in patch.runs:
        at = offset
        for disk, start, run in patch.view.places(offset, length):
            yield disk.name, Piece(start, run, patch.image, at)
            for twin, further in disk.twins:
                yield twin.name, Piece(start + further, run, patch.image, at)
            at += run


def refuse_copied(view: View) -> None:
    """Raise UnsupportedError for a volume that must not be changed in one place alone."""
    if view.copied:
        raise UnsupportedError(
            "is one side of a mirror, or has a snapshot: changed here alone the two would differ",
            path=view.name,
            hint="give all disks of the mirror, in step with each other; or take it, or the snapshot, away",
        )
