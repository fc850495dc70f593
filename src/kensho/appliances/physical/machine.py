"""From probed hardware to the neutral machine. One table per kind of device."""

from __future__ import annotations

import uuid

import msgspec

from kensho.appliances.physical.facts import BlockDevice, Facts
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.machine import (
    BUS_OF,
    Bus,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Extra,
    Firmware,
    FirmwareSettings,
    Machine,
    Memory,
    Nic,
    NicModel,
    Sound,
    Usb,
    Video,
)
from kensho.model.os_release import guest_of

DIALECT = "physical"  #: of the extras

_M = ControllerModel
#: Linux driver of a controller → the neutral controller that is nearest to it.
CONTROLLERS = {
    "ahci": _M.AHCI,
    "ata_piix": _M.PIIX4,
    "BusLogic": _M.BUSLOGIC,
    "hv_storvsc": _M.HYPERV_SCSI,
    "megaraid_sas": _M.MEGASAS,
    "mptsas": _M.LSISAS,
    "mpt2sas": _M.LSISAS,
    "mpt3sas": _M.LSISAS,
    "mptspi": _M.LSILOGIC,
    "nvme": _M.NVME,
    "sym53c8xx": _M.LSI53C895A,
    "vbd": _M.XEN_VBD,
    "virtio_blk": _M.VIRTIO_BLK,
    "virtio_scsi": _M.VIRTIO_SCSI,
    "vmw_pvscsi": _M.PVSCSI,
}
#: Drivers of RAID controllers: their disks are the controller's own, made of others.
RAID = frozenset(
    {"3w-9xxx", "3w-sas", "aacraid", "arcmsr", "cciss", "hpsa", "hptiop", "ips", "isci",
     "megaraid_mbox", "megaraid_sas", "mpi3mr", "smartpqi", "vmd"}
)  # fmt: skip
#: Linux driver of an adapter → the neutral adapter; all others are named by their driver.
ADAPTERS = {
    "8139cp": NicModel.RTL8139,
    "8139too": NicModel.RTL8139,
    "e1000": NicModel.E1000,
    "e1000e": NicModel.E1000E,
    "hv_netvsc": NicModel.HYPERV,
    "pcnet32": NicModel.PCNET,
    "tulip": NicModel.HYPERV_LEGACY,
    "vif": NicModel.XEN,
    "virtio_net": NicModel.VIRTIO,
    "vmxnet3": NicModel.VMXNET3,
    "xen-netfront": NicModel.XEN,
}
#: PCI class 0c03, by its programming interface (PCI Code and ID Assignment 1.11 §1.13).
_USB = {0x00: "uhci", 0x10: "ohci", 0x20: "ehci", 0x30: "xhci"}
_SOUND = {0x0401: "ac97", 0x0403: "hda"}
_DISPLAY = 0x03
_ONE_EACH = frozenset({Bus.NVME, Bus.VIRTIO})  #: a controller of these has one disk
_UNITS = 30  #: disks per controller, as many as any that is known here takes


def machine_of(facts: Facts, disks: tuple[BlockDevice, ...]) -> Appliance:
    """Return the machine with these of its disks; files are named by the devices' paths."""
    # The disk of the running system is the one to start from; others keep the kernel's order.
    ordered = sorted(disks, key=lambda disk: not disk.boots)
    controllers, places = _controllers(ordered)
    machine = Machine(
        id="vm",
        name=facts.name,
        cpu=Cpu(
            count=facts.cpus,
            cores_per_socket=max(1, facts.cpus // facts.sockets),
            nested_virtualization=False,
        ),
        memory=Memory(facts.memory),
        firmware=FirmwareSettings(
            Firmware.UEFI if facts.uefi else Firmware.BIOS,
            secure_boot=facts.secure_boot,
            tpm=bool(facts.tpm),
        ),
        guest=guest_of(facts.os, facts.bits),
        uuid=_uuid(facts.uuid),
        controllers=controllers,
        drives=tuple(
            Disk(
                f"disk{n}",
                f"disk{n}",
                controller,
                unit,
                boot_order=1 if n == 1 else None,
                name=disk.name,
                solid_state=not disk.rotational,
            )
            for n, (disk, (controller, unit)) in enumerate(zip(ordered, places, strict=True), 1)
        ),
        nics=tuple(
            Nic(
                f"nic{n}",
                ADAPTERS.get(adapter.driver, NicModel.UNKNOWN),
                adapter.name,
                adapter.mac,
                name=adapter.name,
                vendor_model="" if adapter.driver in ADAPTERS else adapter.driver,
            )
            for n, adapter in enumerate(facts.adapters)
        ),
        video=Video() if any(d.kind >> 16 == _DISPLAY for d in facts.pci) else None,
        sound=next((Sound(_SOUND[k]) for d in facts.pci if (k := d.kind >> 8) in _SOUND), None),
        usb=tuple(
            Usb(word)
            for word in dict.fromkeys(
                _USB.get(d.kind & 0xFF, "") for d in facts.pci if d.kind >> 8 == 0x0C03
            )
            if word
        ),
        annotation=_annotation(facts),
        extras=(Extra(DIALECT, "facts", msgspec.json.encode(facts).decode()),),
    )
    return Appliance(
        name=facts.name,
        machines=(machine,),
        images=tuple(
            DiskImage(f"disk{n}", f"file{n}", disk.size, "raw") for n, disk in enumerate(ordered, 1)
        ),
        files=tuple(File(f"file{n}", disk.path) for n, disk in enumerate(ordered, 1)),
        networks=tuple(Network(adapter.name) for adapter in facts.adapters),
    )


def model_of(disk: BlockDevice) -> ControllerModel:
    """Return the controller nearest to the one a disk hangs on; AHCI where there is none."""
    if disk.driver in CONTROLLERS:
        return CONTROLLERS[disk.driver]
    if not disk.hardware or not disk.driver:
        return ControllerModel.AHCI
    if disk.driver in RAID or disk.driver.endswith(("scsi", "fc", "sas")):
        return ControllerModel.SCSI
    return ControllerModel.AHCI


def _controllers(
    disks: list[BlockDevice],
) -> tuple[tuple[Controller, ...], list[tuple[str, int]]]:
    """Return the controllers these disks need, and each disk's controller and unit."""
    made: list[Controller] = []
    taken: dict[str, int] = {}
    places: list[tuple[str, int]] = []
    for disk in disks:
        model = model_of(disk)
        bus = BUS_OF[model]
        fits = [
            c
            for c in made
            if (c.model, c.vendor_model) == (model, disk.driver)
            and taken[c.id] < (4 if bus is Bus.IDE else _UNITS)
            and bus not in _ONE_EACH
        ]
        if not fits:
            index = sum(c.bus is bus for c in made)
            fits = [Controller(f"{bus}{index}", model, index, vendor_model=disk.driver)]
            made.extend(fits)
            taken[fits[0].id] = 0
        places.append((fits[0].id, taken[fits[0].id]))
        taken[fits[0].id] += 1
    return tuple(made), places


def _uuid(text: str) -> str | None:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return str(found) if found.int not in {0, (1 << 128) - 1} else None  # makers' blanks


def _annotation(facts: Facts) -> str:
    words = " ".join(word for word in (facts.vendor, facts.product) if word)
    cpu = f"{facts.cpu_model}, {facts.sockets} socket(s)" if facts.cpu_model else ""
    return "; ".join(part for part in (words, cpu) if part)
