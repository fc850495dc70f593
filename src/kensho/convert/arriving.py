"""The disks of a source that can be read once: what is known beforehand, their order, their bytes.

A disk's size is the descriptor's word until the disk comes; if it is another one, that is an
error. What needs random access is refused while planning, as far as names and the descriptor tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kensho.appliances.ova.arrival import ELSEWHERE, FIRST_CHUNK, Arrival
from kensho.appliances.package import Package
from kensho.appliances.packed import is_packed, unpack_limit
from kensho.appliances.paths import candidates
from kensho.appliances.store import missing
from kensho.convert.foreign import refuse_zfs
from kensho.disks import DiskReader, detect
from kensho.disks.from_pipe import open_pipe
from kensho.model.appliance import DiskImage, File
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    ManifestMismatchError,
    TruncatedError,
    UnsupportedError,
)
from kensho.storage import MemorySource
from kensho.storage.gunzip import gunzip
from kensho.storage.gzip import MAGIC
from kensho.storage.locator import is_pipe
from kensho.storage.pipe import ForwardBytes, PipeReader

if TYPE_CHECKING:
    from kensho.convert.steps import DiskStep

#: The locator of a source that is read once.
PIPE = "-"
_RANDOM = {
    ".qcow2": "QCOW2", ".qcow": "QCOW", ".vhd": "VHD", ".vhdx": "VHDX", ".vdi": "VDI",
    ".qed": "QED", ".hdd": "Parallels disk", ".hds": "Parallels disk", ".asif": "ASIF",
}  # fmt: skip
_HEAD = 4096


def arriving() -> Arrival:
    """Read the front of the package on standard input, a pipe or a file. See `Arrival`."""
    is_pipe()  # says so when it is closed
    return Arrival(PipeReader())


def foresee(package: Package, image: DiskImage) -> tuple[int, int]:
    """Return the disk's size and how much is said to be in it, in bytes.

    UnsupportedError when it cannot be read once from front to back, or its size is not known.
    """
    file = _file_of(package, image)
    if image.parent is not None:
        raise _refused(f"{file.href} is based on another disk", package)
    if file.encryption:
        raise UnsupportedError(
            f"{file.href} is encrypted",
            path=package.path,
            hint="decrypt the package first: kensho decrypt",
        )
    if [i.file for i in package.appliance.images].count(image.file) > 1:
        raise _refused(f"{file.href} is the content of two disks", package)
    suffix = PurePosixPath(file.href.lower().removesuffix(".gz")).suffix
    if suffix in _RANDOM:
        raise _refused(f"{file.href}: {_RANDOM[suffix]} cannot be read from a pipe", package)
    candidates(file.href, package.path)  # refuses what is elsewhere
    if not image.capacity:
        raise _refused(f"the descriptor does not say how large the disk {image.id} is", package)
    said = image.populated or file.size or image.capacity
    return image.capacity, min(said, image.capacity)


def in_order(package: Package, steps: tuple[DiskStep, ...]) -> Iterator[DiskStep]:
    """Yield the steps as the source can give their disks: a pipe in its own order.

    PackageError when the pipe ends before all were there.
    """
    arrival = package.arrival
    if arrival is None:
        yield from steps
        return
    waiting: dict[DiskStep, tuple[str, ...]] = {}
    for step in steps:
        image = package.appliance.image(step.image)
        if image is None or image.file is None:
            yield step
        else:
            waiting[step] = _names(package, image)
    name = arrival.current or arrival.advance()
    while waiting:
        if name is None:
            raise arrival.lost(next(iter(waiting.values()))[0])
        found = next((step for step, names in waiting.items() if name in names), None)
        if found is not None:
            del waiting[found]
            yield found
        # Whoever reads a split file goes on until another one begins.
        begun = None if found is None or arrival.is_open else arrival.current
        name = begun or arrival.advance()


@contextmanager
def opened_arriving(package: Package, arrival: Arrival, image: DiskImage) -> Iterator[DiskReader]:
    """Open a disk when it comes, and let the rest of its file by.

    UnsupportedError when another disk comes first, for a format that needs its tables first, or
    another size than was planned; PackageError when it does not come at all.
    ManifestMismatchError rather than CorruptError when the file is not what the manifest says.
    """
    file = _file_of(package, image)
    stream = arrival.open(_names(package, image), file.chunk_size)
    size = arrival.size() if file.chunk_size is None else image.capacity or 0
    try:
        if is_packed(file) and stream.peek(2) == MAGIC:
            limit = unpack_limit(size, image.capacity)
            stream, size = gunzip(stream.take, stream.name, limit), image.capacity or 0
        yield _open(stream, size, image)
        if arrival.is_open:
            arrival.let_by()
    except (CorruptError, TruncatedError):
        _blame(package, arrival)
        raise


def _blame(package: Package, arrival: Arrival) -> None:
    """Raise ManifestMismatchError if that is why a disk could not be read."""
    try:
        if package.manifest is None:  # it may be the last file
            arrival.finish(package)
        else:
            arrival.let_by()
    except ManifestMismatchError:
        raise
    except KenshoError:  # the pipe was cut, or had none
        return


def _open(stream: ForwardBytes, file_size: int, image: DiskImage) -> DiskReader:
    refuse_zfs(stream.peek(16), stream.name)
    formats = detect(MemorySource(stream.peek(_HEAD), stream.name))
    if not formats or formats[0].name not in {"raw", "vmdk"}:
        what = formats[0].name if formats else "what is in there"
        raise UnsupportedError(
            f"{what} cannot be read from a pipe", path=stream.name, hint=ELSEWHERE
        )
    reader = open_pipe(stream, size=file_size)
    if reader.virtual_size != image.capacity:
        raise UnsupportedError(
            f"the disk has {reader.virtual_size} bytes, the descriptor says {image.capacity}",
            path=stream.name,
            field="ovf:capacity",
            hint=f"{ELSEWHERE}: there the disk's own size counts",
        )
    return reader


def awaited(package: Package, steps: tuple[DiskStep, ...]) -> frozenset[str]:
    """Return the names of the files that the steps read."""
    images = [package.appliance.image(step.image) for step in steps]
    return frozenset(n for i in images if i and i.file is not None for n in _names(package, i))


def _refused(message: str, package: Package) -> UnsupportedError:
    return UnsupportedError(message, path=package.path, hint=ELSEWHERE)


def _file_of(package: Package, image: DiskImage) -> File:
    file = package.appliance.file(image.file)
    if file is None:
        raise missing(image.file or image.id, package.path)
    return file


def _names(package: Package, image: DiskImage) -> tuple[str, ...]:
    """Return what the disk's file may be called, or the first of its chunks."""
    file = _file_of(package, image)
    names = candidates(file.href, package.path)
    return names if file.chunk_size is None else (*names, *(n + FIRST_CHUNK for n in names))
