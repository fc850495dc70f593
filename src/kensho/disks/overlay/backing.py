"""What an overlay says about the disk below it, so that QEMU and kensho find it again.

Spec: QEMU docs/interop/qcow2.rst, "backing file name"; for ``json:`` names
qapi/block-core.json of QEMU, BlockdevOptionsRaw. Relative names count from the overlay's folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kensho.model.errors import UsageError
from kensho.storage.locator import scheme_of, split_locator

if TYPE_CHECKING:
    from kensho.disks.base import DiskReader

_QEMU_NAMES = {"vhd": "vpc"}


def backing_of(locator: str, below: DiskReader, overlay: Path) -> tuple[str, str]:
    """Return name and format to record in ``overlay`` for the disk opened from ``locator``.

    A file in the overlay's folder or below gets a relative name, any other an absolute
    one; a member of an archive one that only QEMU understands. UsageError for a pipe.
    """
    kind = _QEMU_NAMES.get(below.format, below.format)
    place, member = split_locator(locator)
    if scheme_of(place) is not None:
        return (locator, kind)
    if place == "-":
        raise UsageError("standard input cannot be found again by an overlay")
    path = Path(place).resolve()
    if member is not None:
        return _inside(path, below, kind), kind
    folder = overlay.resolve().parent
    if not path.is_relative_to(folder):
        return str(path), kind
    name = path.relative_to(folder).as_posix()
    return f"./{name}" if ":" in name else name, kind  # else it looks like a protocol


def demand_backing(recorded: str, wanted: str, overlay: Path) -> None:
    """Raise UsageError unless the name recorded in ``overlay`` means the disk ``wanted`` does."""
    if recorded == wanted:
        return
    folder = overlay.resolve().parent
    is_file = "://" not in recorded and not recorded.startswith("json:")
    if is_file and (folder / recorded).resolve() == (folder / wanted).resolve():
        return
    raise UsageError(
        f"the overlay is based on {recorded!r}, not on {wanted!r}",
        path=overlay,
        hint="name the image it was made for, or another overlay",
    )


def _inside(archive: Path, below: DiskReader, kind: str) -> str:
    member = below.sources[0]
    place = member.kernel_file()
    if place is None or len(below.sources) != 1:
        raise UsageError(
            "an overlay cannot name a disk of several files in an archive", path=archive
        )
    raw = {
        "driver": "raw",
        "offset": place[1],
        "size": member.size,
        "file": {"driver": "file", "filename": str(archive)},
    }
    return "json:" + json.dumps({"driver": kind, "file": raw}, separators=(",", ":"))
