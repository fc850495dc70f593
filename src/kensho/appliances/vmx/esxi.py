"""A folder for an ESXi datastore: the VMX, and each disk as ESXi keeps it.

ESXi runs no sparse VMDK of Workstation's. Its own are a file of plain data, which the run writes as
a raw disk called ``…-flat.vmdk``, and a small descriptor of type ``vmfs``, which is written here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from kensho.appliances.package import Document, PlacedDisk
from kensho.appliances.vmx.write import render
from kensho.disks.vmdk_split import flat_descriptor
from kensho.model.appliance import Appliance

_SECTOR = 512
_DATA = "-flat.vmdk"


def render_esxi(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return NAME.vmx and a descriptor for each disk, whose data are beside them already.

    Raises what `render` does.
    """
    named = {image: _described(disk) for image, disk in disks.items()}
    documents = render(appliance, named, hosted=False)
    return (*documents, *(_descriptor(appliance.name, disk) for disk in disks.values()))


def _described(disk: PlacedDisk) -> PlacedDisk:
    return msgspec.structs.replace(disk, filename=f"{disk.filename.removesuffix(_DATA)}.vmdk")


def _descriptor(name: str, disk: PlacedDisk) -> Document:
    identity = hashlib.sha256(f"{name}/{disk.image}".encode()).digest()
    sectors = disk.virtual_size // _SECTOR
    _, text = flat_descriptor(disk.filename, sectors, "vmfs", identity)
    return Document(_described(disk).filename, text)
