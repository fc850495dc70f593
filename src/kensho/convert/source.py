"""Open what a plan starts from: the package, one machine of it, and its disks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import msgspec

from kensho.appliances import Package, open_package
from kensho.appliances.ova.arrival import Arrival
from kensho.appliances.ovf.manifest import check_manifest
from kensho.appliances.physical.locator import is_local
from kensho.convert.arriving import opened_arriving
from kensho.convert.blank import BlankDisk
from kensho.convert.foreign import refuse_zfs
from kensho.disks import DiskReader, open_disk
from kensho.disks.base import Layer
from kensho.disks.chain import MAX_DEPTH, ChainDisk
from kensho.disks.registry import open_layer
from kensho.model.appliance import Appliance
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    LocatorError,
    UsageError,
)
from kensho.model.finding import Finding
from kensho.model.selection import Selection
from kensho.storage.locator import open_source, scheme_of, split_locator


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to tell that a source is still the one that was planned: size in bytes, mtime in ns.

    ``stamp`` is what a server says beside the time, such as an ETag.
    """

    path: str
    size: int
    mtime_ns: int
    stamp: str = ""


def identify(locator: str | Path, arrival: Arrival | None = None) -> Identity:
    """Return the identity of a file, a URL, or the archive a member is in.

    That of a package that arrives through a pipe is its descriptor's. LocatorError when it is gone.
    """
    if arrival is not None:
        data = arrival.descriptor[1]
        stamp = hashlib.sha256(data).hexdigest()
        return Identity(str(locator), len(data), arrival.mtime * 1_000_000_000, stamp)
    if is_local(str(locator)):
        from kensho.appliances.physical.open import identity_of

        size, seconds, stamp = identity_of(str(locator))
        return Identity(str(locator), size, seconds * 1_000_000_000, stamp)
    place, _ = split_locator(locator)
    if scheme_of(place) is not None:
        with closing(open_source(place)) as source:
            modified: int = getattr(source, "mtime_ns", 0)
            return Identity(place, source.size, modified, getattr(source, "stamp", ""))
    try:
        stat = Path(place).stat()
    except OSError as error:
        raise LocatorError(error.strerror or "cannot be read", path=place) from error
    return Identity(place, stat.st_size, stat.st_mtime_ns)


@contextmanager
def opened(
    locator: str,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    arrival: Arrival | None = None,
) -> Iterator[Package]:
    """Open a package, or what is to come of one that arrives, and close it afterwards."""
    package = open_package(locator, selection) if arrival is None else arrival.package(selection)
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
            used = _with_parents(appliance, {disk.image for disk in candidate.disks})
            return msgspec.structs.replace(
                appliance,
                name=candidate.name or candidate.id,
                machines=(candidate,),
                images=tuple(i for i in appliance.images if i.id in used),
                start_order=(),
            )
    known = ", ".join(m.name or m.id for m in appliance.machines)
    raise UsageError(f"there is no machine {machine!r}", hint=f"machines: {known}")


def _with_parents(appliance: Appliance, images: set[str]) -> set[str]:
    """Return the ids of images and of all those they are based on."""
    parents = {image.id: image.parent for image in appliance.images}
    found: set[str] = set()
    for image in images:
        place: str | None = image
        while place is not None and place not in found:
            found.add(place)
            place = parents.get(place)
    return found


@contextmanager
def opened_image(package: Package, image_id: str) -> Iterator[DiskReader]:
    """Open a disk image of a package, blank ones included, and close it afterwards.

    A delta disk (ovf:parentRef, DSP0243 §9.1) is read over the disk below it; one that arrives
    through a pipe is given once. Raises PackageError
    when a file is missing, FormatError kinds when it cannot be read.
    """
    image = package.appliance.image(image_id)
    if package.arrival is not None and image is not None and image.file is not None:
        with opened_arriving(package, package.arrival, image) as arriving:
            yield arriving
        return
    with ExitStack() as stack:
        yield _open_image(package, image_id, stack, ())


def _open_image(
    package: Package, image_id: str, stack: ExitStack, above: tuple[str, ...]
) -> DiskReader:
    image = package.appliance.image(image_id)
    if image is None:
        raise CorruptError("the disk is not described", path=package.path, field=image_id)
    if image_id in above:
        raise CorruptError("is based on itself (parentRef)", path=package.path, field=image_id)
    if len(above) >= MAX_DEPTH:
        raise LimitError(f"more than {MAX_DEPTH} disks on top of each other", path=package.path)
    below = None
    if image.parent is not None:
        below = _open_image(package, image.parent, stack, (*above, image_id))
    if image.file is None:
        if below is not None:
            return below
        if not image.capacity:
            raise CorruptError("an empty disk without a size", path=package.path, field=image_id)
        return BlankDisk(image.capacity)
    if package.open_image is not None:
        reader = package.open_image(image_id)
        stack.callback(reader.close)
        return reader
    source = package.open_file(image.file)
    stack.callback(source.close)
    refuse_zfs(source.read_at(0, min(16, source.size)), source.name)
    sibling = package.open_sibling if package.beside is None else package.beside(image.file)
    if below is None:
        reader = open_disk(source, sibling=sibling)
        stack.callback(reader.close)
        return reader
    layer = open_layer(source, sibling=sibling)
    stack.callback(layer.close)
    findings: tuple[Finding, ...] = ()
    if isinstance(layer, Layer) and layer.parent is not None:
        findings = layer.check_parent(below)
    return ChainDisk(layer, below, None, findings, (image_id, image.parent or ""))


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
