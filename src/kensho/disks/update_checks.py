"""What must be true before a disk is updated in place, and after."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kensho.disks.compare import compare, content_root
from kensho.disks.from_pipe import PipedDisk
from kensho.disks.in_place import rounded_size
from kensho.disks.registry import open_disk
from kensho.model.errors import UsageError, VerificationError
from kensho.storage.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kensho.disks.base import DiskReader
    from kensho.disks.hashes import Facts
    from kensho.disks.transfer import Target


def demand_alone(path: Path) -> None:
    """Raise UsageError for a file that others know by another name: it would change there, too."""
    if path.is_symlink():
        raise UsageError("is a link", path=path, hint="name the file it leads to")
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_nlink > 1:
            raise UsageError(
                "has other names, which would change with it",
                path=path,
                hint="make a copy of it under this name, or write it anew with --overwrite",
            )


def demand_same(facts: Facts, target: Target, path: Path) -> None:
    """Raise UsageError unless a full conversion to ``target`` has the format and size of ``facts``."""
    if (facts.format, facts.subformat) != (target.format, target.subformat):
        raise UsageError(
            f"is {facts.format} {facts.subformat}, not {target.format} {target.subformat}",
            path=path,
            hint="write it anew with --overwrite",
        )
    size = rounded_size(target.format, target.subformat, target.virtual_size)
    if size != facts.virtual_size:
        raise UsageError(
            f"has {facts.virtual_size} bytes, the source would need {size}",
            path=path,
            hint="a disk of another size is written anew, with --overwrite",
        )


def verify_update(
    reader: DiskReader,
    place: Path,
    facts: Facts,
    root: str,
    threads: int | None,
    on_bytes: Callable[[int, int], None] | None,
) -> None:
    """Raise VerificationError unless all of the disk at ``place`` reads as ``reader``, of that root."""
    where = ""
    with FileSource(place) as source:
        made = open_disk(source, format=facts.format)
        try:
            if isinstance(reader, PipedDisk):  # which cannot be read again
                same = content_root(made, threads=threads, on_bytes=on_bytes) == root
            else:
                offset = compare(reader, made, threads=threads, on_bytes=on_bytes)
                same = offset is None
                where = f", first at byte {offset}"
        finally:
            made.close()
    if not same:
        raise VerificationError(
            f"the disk does not equal its source{where}",
            path=place,
            hint="it was damaged since it was written, behind the back of its file's time:"
            " write it anew with --overwrite --hash",
        )
