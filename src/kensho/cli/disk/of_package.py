"""Disks that are no files of their own but blocks in a package: ``web.xva#Ref:9``."""

from __future__ import annotations

from contextlib import closing
from typing import NoReturn

from kensho.appliances.package import Package
from kensho.disks import DiskReader
from kensho.model.errors import PackageError
from kensho.storage.locator import split_locator


def disk_of_package(locator: str) -> tuple[Package, DiskReader] | None:
    """Open a disk of an XVA or a VMA, packed or not, by its id there; None for everything else.

    Both are to be closed. Raises what opening the package and its disk raises; PackageError when a
    VMA has no such disk (an XVA may have a file of that name).
    """
    place, image = split_locator(locator)
    if not image:
        return None
    from kensho.appliances import open_package
    from kensho.appliances.origin import find_origin
    from kensho.appliances.sniff import is_vma, is_xva
    from kensho.appliances.whole_packed import unpacked

    origin = find_origin(place)
    with closing(origin.open()) as source:
        _, head = unpacked(origin, source) or (origin, source)
        is_blocks = is_vma(head)
        if not (is_blocks or is_xva(head)):
            return None
    package = open_package(place)
    try:
        if package.open_image is None or package.appliance.image(image) is None:
            package.close()
            return _none_such(package, place, image) if is_blocks else None
        return package, package.open_image(image)
    except BaseException:
        package.close()
        raise


def _none_such(package: Package, place: str, image: str) -> NoReturn:
    known = ", ".join(known.id for known in package.appliance.images)
    raise PackageError(f"there is no disk {image!r}", path=place, hint=f"it has: {known}")
