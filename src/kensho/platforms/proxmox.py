"""Proxmox VE: QCOW2 disks, a ``qm`` script and the configuration it makes.

Source: https://pve.proxmox.com/pve-docs/qm.conf.5.html (scsihw, ide, sata, net, limits).
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel
from kensho.model.units import TIB
from kensho.platforms.base import (
    Carries,
    ControllerSupport,
    DevicePolicy,
    DiskFormat,
    DriveChoice,
    Form,
    Platform,
    same_choice,
)

# One ``scsihw`` holds for the whole machine, so there is one SCSI controller of one kind.
CONTROLLERS = (
    ControllerSupport(C.VIRTIO_SCSI, units=31, most=1),
    ControllerSupport(C.VIRTIO_BLK, units=1, most=16),
    ControllerSupport(C.AHCI, units=6, most=1),
    ControllerSupport(C.IDE, units=2, most=2),
    ControllerSupport(C.LSI53C895A, units=7, most=1, boots=(Firmware.BIOS,)),
    ControllerSupport(C.PVSCSI, units=31, most=1, boots=(Firmware.BIOS,)),
    ControllerSupport(C.MEGASAS, units=31, most=1, boots=(Firmware.BIOS,)),
)

NICS = frozenset(
    {NicModel.VIRTIO, NicModel.E1000, NicModel.E1000E, NicModel.RTL8139, NicModel.VMXNET3}
    | {NicModel.PCNET}
)

CARRIES = Carries(
    cdrom_image=True,
    serial_ports=4,
    video=True,
    annotation=True,
    uuid=True,
    mac=True,
    secure_boot=True,
    tpm=True,
    boot_order=True,
    vlan=True,
    any_name=False,
)

PLATFORM = Platform(
    name="proxmox",
    title="Proxmox VE",
    aliases=("pve",),
    forms=(
        Form(
            name="qm",
            title="QCOW2, qm script and configuration",
            disk=DiskFormat("qcow2", "uncompressed", "qcow2"),
            carries=CARRIES,
            render="kensho.appliances.proxmox.write:render",
            next_step="copy the folder to a Proxmox host and run: bash {name}-import.sh",
        ),
    ),
    controllers=CONTROLLERS,
    native=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.VIRTIO_SCSI, cdrom=C.IDE)),
        keep=frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK}),
        nic=NicModel.VIRTIO,
        keep_nics=frozenset({NicModel.VIRTIO}),
    ),
    compatible=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.IDE)),
        keep=frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK, C.AHCI, C.IDE}),
        nic=NicModel.E1000E,
        keep_nics=NICS,
    ),
    most_cpus=512,
    most_memory=4 * TIB,
    most_nics=32,
    hardware=("kvm", "qemu", "engine", "vmx"),
    untested="no Proxmox host was at hand: the script was run against a stand-in for qm",
)
