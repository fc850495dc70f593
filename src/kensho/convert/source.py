"""Open what a plan starts from: the package, one machine of it, and its disks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from kensho.appliances import Package, open_package
from kensho.appliances.ovf.manifest import check_manifest
from kensho.convert.blank import BlankDisk
from kensho.disks import DiskReader, open_disk
from kensho.model.appliance import Appliance
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LocatorError,
    UnsupportedError,
    UsageError,
)
from kensho.model.finding import Finding
from kensho.model.selection import Selection


class Identity(msgspec.Struct, frozen=True):
    """How to tell that a source is still the one that was planned: size in bytes, mtime in ns."""

    path: str
    size: int
    mtime_ns: int


def identify(path: Path) -> Identity:
    """Return a path's identity; LocatorError when it is gone."""
    try:
        stat = path.stat()
    except OSError as error:
        raise LocatorError(error.strerror or "cannot be read", path=path) from error
    return Identity(str(path), stat.st_size, stat.st_mtime_ns)


@contextmanager
def opened(
    locator: str,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Iterator[Package]:
    """Open a package and close it afterwards."""
    package = open_package(locator, selection)
    try:
        yield package
    finally:
        package.close()


def select_machine(appliance: Appliance, machine: str | None) -> Appliance:
    """Keep one machine of an appliance, by id or name, with the images it uses; None keeps all.

    Raises UsageError with the names when there is no such machine.
    """
    if machine is None:
        return appliance
    for candidate in appliance.machines:
        if machine in {candidate.id, candidate.name}:
            used = {disk.image for disk in candidate.disks}
            return msgspec.structs.replace(
                appliance,
                name=candidate.name or candidate.id,
                machines=(candidate,),
                images=tuple(i for i in appliance.images if i.id in used),
                start_order=(),
            )
    known = ", ".join(m.id for m in appliance.machines)
    raise UsageError(f"there is no machine {machine!r}", hint=f"machines: {known}")


@contextmanager
def opened_image(package: Package, image_id: str) -> Iterator[DiskReader]:
    """Open a disk image of a package, blank ones included, and close it afterwards.

    Raises PackageError when its file is missing, FormatError kinds when it cannot be read.
    """
    image = package.appliance.image(image_id)
    if image is None:
        raise CorruptError("the disk is not described", path=package.path, field=image_id)
    if image.file is None:
        if not image.capacity:
            raise CorruptError("an empty disk without a size", path=package.path, field=image_id)
        yield BlankDisk(image.capacity)
        return
    if image.parent is not None:
        raise UnsupportedError(
            "a delta disk, which needs the disk below it",
            path=package.path,
            field=image_id,
            hint="export the machine again with its disks consolidated",
        )
    source = package.open_file(image.file)
    try:
        reader = open_disk(source, sibling=package.open_sibling)
        try:
            yield reader
        finally:
            reader.close()
    finally:
        source.close()


def check_digests(package: Package, on_bytes: Callable[[int, int], None]) -> tuple[Finding, ...]:
    """Hash what the manifest names; ``on_bytes`` gets (done, total). See `check_manifest`."""
    total = 0
    for name in package.manifest or {}:
        with suppress(KenshoError), closing(package.open_sibling(name)) as source:
            total += source.size
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        on_bytes(done, total)

    return check_manifest(package, count)
