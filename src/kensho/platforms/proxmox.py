"""Proxmox VE: QCOW2 disks, a ``qm`` script and the configuration it makes.

Source: https://pve.proxmox.com/pve-docs/qm.conf.5.html (scsihw, ide, sata, net, audio0, limits) and
the release notes (7.1: virtual TPM, 7.2: import-from); QEMU's versions for what they emulate.
"""

from __future__ import annotations

import msgspec

from kensho.model.guest_os import Generation
from kensho.model.machine import Bus, Firmware, NicModel
from kensho.model.machine import ControllerModel as C
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
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary, row

VERSIONS = (
    Version(name="7", products="Proxmox VE 7.2 to 7.4, QEMU 6 and 7", cpus=288, memory=4 * TIB, nics=32),
    Version(name="8", products="Proxmox VE 8, QEMU 8 and 9", cpus=512, memory=4 * TIB, nics=32),
    Version(name="9", products="Proxmox VE 9, QEMU 10", cpus=512, memory=4 * TIB, nics=32),
)  # fmt: skip

#: qm.conf(5): the prefix of a drive's key and ``scsihw``, the model of ``netN``, ``audio0``'s device.
QM = Vocabulary(
    format="qm",
    controllers=(
        row(C.VIRTIO_SCSI, "scsi:virtio-scsi-pci", "scsi:virtio-scsi-single"),
        row(C.VIRTIO_BLK, "virtio:"),
        row(C.LSI53C895A, "scsi:lsi"),
        row(C.PVSCSI, "scsi:pvscsi"),
        row(C.MEGASAS, "scsi:megasas"),
        row(C.AHCI, "sata:"),
        row(C.IDE, "ide:"),
    ),
    nics=(
        row(NicModel.VIRTIO, "virtio"),
        row(NicModel.E1000, "e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em"),
        row(NicModel.E1000E, "e1000e"),
        row(NicModel.RTL8139, "rtl8139"),
        row(NicModel.VMXNET3, "vmxnet3"),
        row(NicModel.PCNET, "pcnet"),
        row(NicModel.NE2K, "ne2k_pci", "ne2k_isa"),
    ),
    sound=(row("hda", "ich9-intel-hda", "intel-hda"), row("ac97", "AC97")),
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

COMPATIBLE = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.IDE)),
    keep=frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK, C.AHCI, C.IDE}),
    nic=NicModel.E1000E,
    keep_nics=NICS,
)


def _choice(disk: C, nic: NicModel) -> DevicePolicy:
    return DevicePolicy(
        drives=same_choice(DriveChoice(disk=disk, cdrom=C.IDE)),
        keep=COMPATIBLE.keep,
        nic=nic,
        keep_nics=NICS,
    )


#: XP has drivers for IDE and the RTL8139, its x64 for the E1000; Vista brought AHCI, 8 the 82574L.
GUESTS = {
    Generation.WINDOWS_XP: _choice(C.IDE, NicModel.RTL8139),
    Generation.WINDOWS_XP_64: _choice(C.IDE, NicModel.E1000),
    Generation.WINDOWS_VISTA: _choice(C.AHCI, NicModel.E1000),
    Generation.LINUX_OLD: _choice(C.IDE, NicModel.E1000),
    Generation.SOLARIS: _choice(C.AHCI, NicModel.E1000),
}

CARRIES = Carries(
    extras=frozenset({"pve"}),
    nvram="edk2-4m",
    cdrom_image=True,
    serial_ports=4,
    video=True,
    annotation=True,
    most_annotation=8192,  # PVE::QemuServer: a longer description is refused
    uuid=True,
    mac=True,
    secure_boot=True,
    tpm=True,
    boot_order=True,
    clock=True,
    disk_modes=frozenset({"read_only", "solid_state", "cache", "iops", "bandwidth"}),
    modes_on={
        "read_only": frozenset({Bus.SCSI, Bus.VIRTIO}),
        "solid_state": frozenset({Bus.SCSI, Bus.SATA, Bus.IDE}),
    },
    vlan=True,
    any_name=False,
)

#: A backup has nothing beside it, and an EFI disk without keys.
IN_A_BACKUP = msgspec.structs.replace(
    CARRIES, cdrom_image=False, secure_boot=False, nvram="", origin=True
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
        Form(
            name="vma",
            title="Proxmox VE backup (VMA, Zstandard)",
            disk=DiskFormat("vma", "", ""),
            carries=IN_A_BACKUP,
            container="kensho.appliances.proxmox.vma_write:write_zstd_vma",
            prefix="vzdump-qemu-",  # qmrestore reads nothing else
            suffix="vma.zst",
            next_step="qmrestore vzdump-qemu-{name}.vma.zst VMID --storage STORAGE",
        ),
        Form(
            name="vma-plain",
            title="Proxmox VE backup (VMA, not compressed)",
            disk=DiskFormat("vma", "", ""),
            carries=IN_A_BACKUP,
            container="kensho.appliances.proxmox.vma_write:write_plain_vma",
            prefix="vzdump-qemu-",
            suffix="vma",
            next_step="qmrestore vzdump-qemu-{name}.vma VMID --storage STORAGE",
        ),
    ),
    controllers=CONTROLLERS,
    native=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.VIRTIO_SCSI, cdrom=C.IDE)),
        keep=frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK}),
        nic=NicModel.VIRTIO,
        keep_nics=frozenset({NicModel.VIRTIO}),
    ),
    compatible=COMPATIBLE,
    fallback=_choice(C.IDE, NicModel.E1000),
    guests=GUESTS,
    own_macs=("bc:24:11",),
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(QM,),
    hardware=("kvm", "qemu", "engine", "vmx"),
    untested="no Proxmox host was at hand: the script was run against a stand-in for qm",
)
