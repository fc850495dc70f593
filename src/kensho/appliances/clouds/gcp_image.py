"""Open a Google Cloud image: ``disk.raw`` in a tar.gz, a disk without a machine."""

from __future__ import annotations

import dataclasses

from kensho.appliances.image.open import open_disk_in
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, missing
from kensho.disks.gcp import MEMBER, disk_raw
from kensho.disks.raw import RawDisk
from kensho.model.selection import Selection
from kensho.storage import ByteSource


def open_gcp(origin: Origin, _selection: Selection) -> Package:
    """Open the disk in the archive with an assumed machine around it, as of any disk image alone.

    FormatError kinds when the archive is damaged. The disk is raw, whatever it begins with: that is
    the guest's.
    """
    packed = origin.open()
    try:
        disk = disk_raw(packed)
        store = _store(packed, disk, origin.path)
        package = open_disk_in(store, origin, MEMBER, "gcp", format="raw")
        return dataclasses.replace(package, open_image=lambda _image_id: RawDisk(disk))
    except BaseException:
        packed.close()
        raise


def _store(packed: ByteSource, disk: ByteSource, path: str) -> Store:
    def open_name(name: str) -> ByteSource:
        if name != MEMBER:
            raise missing(name, path)
        return disk

    return Store(
        path,
        size_of=lambda name: disk.size if name == MEMBER else None,
        open=open_name,
        close=packed.close,
        names=(MEMBER,),
    )
