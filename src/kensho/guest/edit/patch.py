"""What changes on a volume: laid over it to be read back, and as pieces of the disks it lies on."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.guest.volumes.luks.device import Decrypted
from kensho.guest.volumes.view import View
from kensho.model.errors import UnsupportedError

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Patch:
    """What changes on a volume: the bytes of ``image`` at these (offset, length), same offsets.

    The runs ascend and do not overlap.
    """

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
        runs, end = self.patch.runs, offset + length
        first = max(0, bisect.bisect_right(runs, offset, key=itemgetter(0)) - 1)
        with self.patch.image.open("rb") as image:
            for start, size in itertools.islice(runs, first, None):
                if start >= end:
                    break
                low, high = max(start, offset), min(start + size, end)
                if low < high:
                    image.seek(low)
                    merged[low - offset : high - offset] = image.read(high - low)
        return bytes(merged)


def pieces(patch: Patch) -> Iterator[tuple[str, Piece]]:
    """Yield where a patch lies, on all sides of a mirror: the disk's name, and the piece there.

    What lies within LUKS is encrypted first, into a file beside the patch's image.
    """
    locked: dict[str, tuple[Decrypted, list[Piece]]] = {}
    for offset, length in patch.runs:
        at = offset
        for disk, start, run in patch.view.places(offset, length):
            for side, further in ((disk, 0), *disk.twins):
                piece = Piece(start + further, run, patch.image, at)
                if isinstance(side.reader, Decrypted):
                    locked.setdefault(side.name, (side.reader, []))[1].append(piece)
                else:
                    yield side.name, piece
            at += run
    for number, (decrypted, plain) in enumerate(locked.values()):
        sealed = patch.image.with_name(f"{patch.image.name}.sealed{number}")
        yield from pieces(_sealed(decrypted, plain, sealed))


def _sealed(decrypted: Decrypted, plain: Sequence[Piece], image: Path) -> Patch:
    """Return the patch of the encrypted volume that pieces of its content are."""
    runs: list[tuple[int, int]] = []
    for piece in sorted(plain, key=lambda piece: piece.start):
        start, end = decrypted.sectors(piece.start, piece.length)
        if runs and start <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    base = decrypted.luks.offset
    with closing(PatchedDisk(decrypted, plain)) as content, image.open("xb") as file:
        for start, end in runs:
            for at in range(start, end, _PIECE):
                data = bytearray(min(_PIECE, end - at))
                content.read_into(at, data)
                file.seek(base + at)
                file.write(decrypted.encrypted(at, bytes(data)))
    shifted = tuple((base + start, end - start) for start, end in runs)
    return Patch(decrypted.below, image, shifted)


def refuse_copied(view: View) -> None:
    """Raise UnsupportedError for a volume that must not be changed in one place alone."""
    if view.copied:
        raise UnsupportedError(
            "is one side of a mirror, or has a snapshot: changed here alone the two would differ",
            path=view.name,
            hint="give all disks of the mirror, in step with each other; or take it, or the snapshot, away",
        )
