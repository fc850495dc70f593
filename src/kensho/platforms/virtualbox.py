"""Oracle VirtualBox: an OVA its importer takes as it is.

Source: VirtualBox user manual, "Importing and exporting virtual machines", and what its
importer accepts (docs/ovf-dialects.md). Firmware cannot be said in the OVF items that the
importer reads; the planner reports it.
"""

from __future__ import annotations

import msgspec

from kensho.model.guest_os import Generation
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel, SerialKind
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

CONTROLLERS = (
    ControllerSupport(C.AHCI, units=30, most=1),
    ControllerSupport(C.IDE, units=2, most=2),
    ControllerSupport(C.LSILOGIC, units=16, most=1, reserved=(7,)),
    ControllerSupport(C.LSISAS, units=8, most=1),
)
#: 7.0 brought Secure Boot and the TPM; settings versions 1.18 (6.1), 1.19 (7.0), 1.20 (7.1) and 1.21.
VERSIONS = (
    Version(name="6.1", products="VirtualBox 6.1", cpus=64, memory=2 * TIB, nics=8,
            secure_boot=False, tpm=False),
    Version(name="7.0", products="VirtualBox 7.0", cpus=64, memory=2 * TIB, nics=8),
    Version(name="7.1", products="VirtualBox 7.1", cpus=64, memory=2 * TIB, nics=8),
    Version(name="7.2", products="VirtualBox 7.2", cpus=64, memory=2 * TIB, nics=8),
)  # fmt: skip

#: Settings files: types of StorageController, Adapter, AudioAdapter (controller) and USB Controller,
#: hostMode of a serial port, as in VirtualBox-settings.xsd. The chip of an adapter without a type is
#: the Am79C973.
VBOX = Vocabulary(
    format="vbox",
    controllers=(
        row(C.AHCI, "AHCI"),
        row(C.PIIX4, "PIIX4"),
        row(C.PIIX3, "PIIX3"),
        row(C.ICH6, "ICH6"),
        row(C.LSILOGIC, "LsiLogic"),
        row(C.LSISAS, "LsiLogicSas"),
        row(C.BUSLOGIC, "BusLogic"),
        row(C.NVME, "NVMe"),
        row(C.VIRTIO_SCSI, "VirtioSCSI"),
        row(C.FLOPPY, "I82078"),
    ),
    nics=(
        row(NicModel.E1000, "82540EM", "82543GC", "82545EM"),
        row(NicModel.PCNET, "Am79C973", "Am79C970A", "Am79C960", ""),
        row(NicModel.VIRTIO, "virtio", "virtio_1.0"),
        row(NicModel.E1000E, "82583V"),
        row(NicModel.NE2K, "NE2000", "NE1000"),
    ),
    sound=(row("hda", "HDA"), row("ac97", "AC97", ""), row("sb16", "SB16")),
    usb=(row("ohci", "OHCI"), row("ehci", "EHCI"), row("xhci", "XHCI")),
    serial=(
        row(SerialKind.DEVICE, "HostDevice"),
        row(SerialKind.FILE, "RawFile"),
        row(SerialKind.PIPE, "HostPipe"),
        row(SerialKind.NETWORK, "TCP"),
    ),
)

#: OVF: ResourceSubType as its importer reads it; it takes any sound card as AC97.
OVF = Vocabulary(
    format="ovf",
    controllers=(
        row(C.AHCI, "AHCI"),
        row(C.PIIX4, "PIIX4"),
        row(C.PIIX3, "PIIX3"),
        row(C.ICH6, "ICH6"),
        row(C.LSILOGIC, "lsilogic"),
        row(C.LSISAS, "lsilogicsas"),
        row(C.BUSLOGIC, "buslogic"),
    ),
    nics=(
        row(NicModel.E1000, "E1000", "82540EM", "82543GC", "82545EM"),
        row(NicModel.PCNET, "PCNet32", "Am79C973", "Am79C970A"),
    ),
    sound=(row("es1371", "ensoniq1371"),),
)

#: What is written as VirtualSystemType, whatever the version.
OVF_HARDWARE = (
    Version(name="virtualbox-2.2", products="all", cpus=64, memory=2 * TIB, nics=8, usual=True),
)

POLICY = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.IDE)),
    keep=frozenset({C.AHCI, C.IDE, C.LSILOGIC, C.LSISAS}),
    nic=NicModel.E1000,
    keep_nics=frozenset({NicModel.E1000, NicModel.PCNET}),
)


def _choice(disk: C, nic: NicModel) -> DevicePolicy:
    return DevicePolicy(
        drives=same_choice(DriveChoice(disk=disk, cdrom=C.IDE)),
        keep=POLICY.keep,
        nic=nic,
        keep_nics=POLICY.keep_nics,
    )


#: XP has drivers for IDE and the PCnet, its x64 for the E1000; so has an old Linux.
GUESTS = {
    Generation.WINDOWS_XP: _choice(C.IDE, NicModel.PCNET),
    Generation.WINDOWS_XP_64: _choice(C.IDE, NicModel.E1000),
    Generation.LINUX_OLD: _choice(C.IDE, NicModel.E1000),
}

CARRIES = Carries(
    origin=True,
    usb=True,
    sound=True,
    floppy=True,
    products=True,
    eulas=True,
    annotation=True,
    network_names=True,
    disconnected_nics=False,
    cores_per_socket=False,
    any_name=False,
)

#: What its OVF says, and the address and firmware that the Vagrantfile sets.
VAGRANT_CARRIES = msgspec.structs.replace(
    CARRIES, products=False, eulas=False, mac=True, nested_virtualization=True
)

#: Controllers that the OVA's importer does not know. VirtualBox's BIOS starts from neither of the last two.
ONLY_SETTINGS = (
    ControllerSupport(C.BUSLOGIC, units=16, most=1, reserved=(7,)),
    ControllerSupport(C.NVME, units=255, most=1, boots=(Firmware.UEFI,)),
    ControllerSupport(C.VIRTIO_SCSI, units=256, most=1, boots=(Firmware.UEFI,)),
)

#: Settings beside disks say what the OVA's importer does not read; the firmware's keys are not in them.
SETTINGS = Carries(
    usb=True,
    sound=True,
    floppy=True,
    video=True,
    serial_ports=4,
    annotation=True,
    uuid=True,
    mac=True,
    tpm=True,
    boot_order=True,
    boot_by_kind=(Firmware.BIOS, Firmware.UEFI),
    cdrom_image=True,
    cores_per_socket=False,
    cpu_hot_add=True,
    nested_virtualization=True,
    clock=True,
    video_3d=True,
    disk_modes=frozenset({"read_only", "independent", "solid_state"}),
    extras=frozenset({"vbox"}),
)

PLATFORM = Platform(
    name="virtualbox",
    title="Oracle VirtualBox",
    aliases=("vbox",),
    forms=(
        Form(
            name="ova",
            title="OVA for VirtualBox",
            disk=DiskFormat("vmdk", "streamOptimized", "vmdk"),
            carries=CARRIES,
            container="kensho.appliances.ova.write:write_virtualbox_ova",
            suffix="ova",
            firmware=(Firmware.BIOS,),
            several_machines=True,
            next_step="VBoxManage import {name}.ova",
        ),
        Form(
            name="vagrant",
            title="Vagrant box for VirtualBox",
            disk=DiskFormat("vmdk", "streamOptimized", "vmdk"),
            carries=VAGRANT_CARRIES,
            container="kensho.appliances.vagrant.write:write_virtualbox_box",
            suffix="box",
            next_step="vagrant box add --name {name} {name}.box, then: vagrant init {name}",
        ),
        Form(
            name="vbox",
            title="VirtualBox settings and VDI disks",
            disk=DiskFormat("vdi", "dynamic", "vdi"),
            controllers=ONLY_SETTINGS,
            nics=frozenset({NicModel.VIRTIO}),
            carries=SETTINGS,
            render="kensho.appliances.virtualbox.write:render",
            next_step="put the folder where it is to stay and run: VBoxManage registervm {name}.vbox",
        ),
    ),
    controllers=CONTROLLERS,
    native=POLICY,
    compatible=POLICY,
    fallback=_choice(C.IDE, NicModel.E1000),
    guests=GUESTS,
    own_macs=("08:00:27",),
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(VBOX, OVF),
    hardware=("virtualbox", "vmx"),
    untested="VirtualBox was not at hand: checked against schemas and its importer's rules",
)
