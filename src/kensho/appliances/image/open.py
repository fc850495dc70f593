"""A disk image alone: everything about its machine is an assumption, and said to be one."""

from __future__ import annotations

from pathlib import Path

from kensho.appliances.assemble import assemble
from kensho.appliances.image.partitions import firmware_of
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store
from kensho.disks import open_disk
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.finding import Finding, Severity
from kensho.model.machine import (
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
)
from kensho.model.selection import Selection
from kensho.model.units import GIB

_FILE, _IMAGE, _CONTROLLER, _NETWORK = "file1", "disk1", "sata0", "default"


def open_single_disk(origin: Origin, _selection: Selection) -> Package:
    """Open a disk image as a machine of 2 processors, 2 GiB memory, a SATA disk and an adapter.

    The firmware is what the disk's partitions are made for. FormatError kinds when the image
    cannot be read, PackageError when another file of it is missing.
    """
    return open_disk_in(origin.beside(), origin, origin.name, "disk")


def open_disk_in(
    store: Store,
    origin: Origin,
    name: str,
    kind: str,
    format: str | None = None,  # noqa: A002
) -> Package:
    """Open the disk image ``name`` of a store, which belongs to the package then.

    ``format`` is what it is, where that is not to be guessed.
    """
    try:
        source = store.open(name)
        reader = open_disk(source, sibling=store.open, format=format)
        try:
            firmware = firmware_of(reader)
            findings = (
                *reader.warnings,
                _assumptions(origin.name, firmware),
                *_device(Path(origin.path)),
            )
            facts = (source.size, reader.virtual_size, reader.format)
            appliance = _appliance(origin, name, *facts, firmware)
        finally:
            reader.close()
            source.close()
        return assemble(kind, origin.path, appliance, store, findings, own=(name,))
    except BaseException:
        store.close()
        raise


def _device(path: Path) -> tuple[Finding, ...]:
    """Return what is odd about a block device of this machine; nothing for a file."""
    if not path.is_block_device():
        return ()
    from kensho.appliances.physical.open import about_device

    return about_device(path)


def _appliance(
    origin: Origin, name: str, size: int, capacity: int, format_: str, firmware: Firmware
) -> Appliance:
    machine = Machine(
        id="vm",
        name=origin.stem,
        cpu=Cpu(count=2),
        memory=Memory(2 * GIB),
        firmware=FirmwareSettings(firmware, stated=False),
        guest=GuestOs(),
        controllers=(Controller(_CONTROLLER, ControllerModel.AHCI),),
        drives=(Disk(_IMAGE, _IMAGE, _CONTROLLER, boot_order=1),),
        nics=(Nic("nic0", NicModel.E1000, _NETWORK),),
    )
    return Appliance(
        name=origin.stem,
        machines=(machine,),
        images=(DiskImage(_IMAGE, _FILE, capacity, format_),),
        files=(File(_FILE, name, size),),
        networks=(Network(_NETWORK),),
    )


def _assumptions(name: str, firmware: Firmware) -> Finding:
    kind = "UEFI" if firmware is Firmware.UEFI else "BIOS"
    return Finding(
        "KF-150",
        Severity.WARNING,
        "a disk image says nothing about its machine: 2 processors, 2 GiB memory, "
        f"{kind} firmware, a SATA controller and one E1000 adapter are assumed",
        subject=name,
        action="open the machine's OVF or VMX instead, or edit the plan",
    )
