"""Disks that are no files of their own but blocks in a package: ``web.xva#Ref:9``."""

from __future__ import annotations

from contextlib import closing

from kensho.appliances.package import Package
from kensho.disks import DiskReader
from kensho.storage.locator import open_source, split_locator


def disk_of_package(locator: str) -> tuple[Package, DiskReader] | None:
    """Open a disk of an XVA or a VMA by its id in the package; None for everything else.

    Both are to be closed. Raises what opening the package and its disk raises.
    """
    place, image = split_locator(locator)
    if not image:
        return None
    from kensho.appliances import open_package
    from kensho.appliances.sniff import is_vma, is_xva

    with closing(open_source(place)) as source:
        if not (is_xva(source) or is_vma(source)):
            return None
    package = open_package(place)
    try:
        if package.open_image is None or package.appliance.image(image) is None:
            package.close()
            return None
        return package, package.open_image(image)
    except BaseException:
        package.close()
        raise
