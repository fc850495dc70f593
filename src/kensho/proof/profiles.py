"""Hypervisors' virtual hardware as far as QEMU has it: what a guest meets there.

Each row is a board, a controller and an adapter that stand for those of a hypervisor. There is no
QEMU device for Hyper-V's SCSI and network, Xen's PV drivers and LSI's 53c1030 (VMware's ``lsilogic``),
and Debian's OVMF starts from no disk on pvscsi or LSI SAS: what is told of them is told by
`kensho.guest.linux.verdict` alone.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.proof.machine import BootDisk, BootNic, QemuMachine

_MEMORY = 512 << 20


class Profile(msgspec.Struct, frozen=True):
    """Hardware to boot on: ``bus`` and ``board`` as `QemuMachine` has them.

    ``scsi`` and ``nic`` are QEMU's names of the devices, ``controller`` and ``adapter`` what they
    are in the neutral model.
    """

    name: str
    stands_for: str
    controller: ControllerModel
    bus: str
    adapter: NicModel
    nic: str
    board: str = "pc"
    firmware: Firmware = Firmware.BIOS
    scsi: str = ""


PROFILES: tuple[Profile, ...] = (
    Profile(
        "virtio-blk",
        "KVM",
        ControllerModel.VIRTIO_BLK,
        "virtio",
        NicModel.VIRTIO,
        "virtio-net-pci",
    ),
    Profile(
        "virtio-scsi",
        "KVM",
        ControllerModel.VIRTIO_SCSI,
        "scsi",
        NicModel.VIRTIO,
        "virtio-net-pci",
        scsi="virtio-scsi-pci",
    ),
    Profile(
        "virtio-uefi",
        "KVM",
        ControllerModel.VIRTIO_BLK,
        "virtio",
        NicModel.VIRTIO,
        "virtio-net-pci",
        "q35",
        Firmware.UEFI,
    ),
    Profile(
        "pvscsi",
        "VMware",
        ControllerModel.PVSCSI,
        "scsi",
        NicModel.VMXNET3,
        "vmxnet3",
        scsi="pvscsi",
    ),
    Profile(
        "lsi-sas",
        "VMware, VirtualBox",
        ControllerModel.LSISAS,
        "scsi",
        NicModel.E1000E,
        "e1000e",
        scsi="mptsas1068",
    ),
    Profile("ahci", "VMware", ControllerModel.AHCI, "sata", NicModel.E1000E, "e1000e", "q35"),
    Profile("ahci-pc", "VirtualBox", ControllerModel.AHCI, "sata", NicModel.E1000, "e1000"),
    Profile("ide", "VMware", ControllerModel.IDE, "ide", NicModel.E1000, "e1000"),
    Profile("ide-xen", "XenServer HVM", ControllerModel.IDE, "ide", NicModel.RTL8139, "rtl8139"),
    Profile(
        "ide-hyperv", "Hyper-V gen 1", ControllerModel.IDE, "ide", NicModel.HYPERV_LEGACY, "tulip"
    ),
    Profile("ide-pcnet", "VirtualBox", ControllerModel.IDE, "ide", NicModel.PCNET, "pcnet"),
    Profile(
        "nvme-uefi",
        "VMware",
        ControllerModel.NVME,
        "nvme",
        NicModel.VMXNET3,
        "vmxnet3",
        "q35",
        Firmware.UEFI,
    ),
    Profile(
        "ahci-uefi",
        "VMware, VirtualBox",
        ControllerModel.AHCI,
        "sata",
        NicModel.E1000E,
        "e1000e",
        "q35",
        Firmware.UEFI,
    ),
    Profile(
        "53c895a",
        "old QEMU",
        ControllerModel.LSI53C895A,
        "scsi",
        NicModel.E1000,
        "e1000",
        scsi="lsi53c895a",
    ),
    Profile(
        "megasas",
        "old QEMU",
        ControllerModel.MEGASAS,
        "scsi",
        NicModel.E1000,
        "e1000",
        scsi="megasas",
    ),
)


def profile(name: str) -> Profile:
    """Return the profile of that name; KeyError when there is none."""
    return {row.name: row for row in PROFILES}[name]


def machine_of(
    profile: Profile, disk: Path, disk_format: str, *, keeps: bool = False
) -> QemuMachine:
    """Return the machine that starts from a disk on this hardware; ``disk_format`` is QEMU's word."""
    drive = BootDisk(path=str(disk), format=disk_format, bus=profile.bus, boot_order=1, keeps=keeps)
    return QemuMachine(
        name=profile.name,
        board=profile.board,
        firmware=profile.firmware,
        vcpus=1,
        memory=_MEMORY,
        disks=(drive,),
        nics=(BootNic(device=profile.nic, mac="52:54:00:12:34:56"),),
        scsi_controllers=((0, profile.scsi),) if profile.scsi else (),
    )
