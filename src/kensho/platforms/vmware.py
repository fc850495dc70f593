"""VMware ESXi, vCenter, Workstation and Fusion: OVA, or a folder with a VMX.

Sources: "Hardware features available with virtual machine compatibility settings" of vSphere 6.7
to 8.0 and KB 1003746 (versions), VMware's configuration maximums, DSP0243 as VMware reads it
(docs/ovf-dialects.md). Linux has had pvscsi and vmxnet3 since 2.6.33, Windows has neither
in the box: LSI SAS since Vista, E1000E since 8; before, E1000 (XP for x64), the PCnet (XP) and IDE.
"""

from __future__ import annotations

import msgspec

from kensho.model.guest_os import Generation
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel, SerialKind
from kensho.model.units import GIB, MIB
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
from kensho.platforms.words import Vocabulary, only_read, row

#: Virtual hardware. SATA came with 10, NVMe and Secure Boot with 13, the virtual TPM with 14.
_NO_NVME = frozenset({C.NVME})
_NO_SATA = frozenset({C.NVME, C.AHCI})
VERSIONS = (
    Version(name="vmx-08", products="ESXi 5.0, Workstation 8", cpus=32, memory=1011 * GIB, nics=10,
            secure_boot=False, tpm=False, lacks=_NO_SATA),
    Version(name="vmx-09", products="ESXi 5.1, Workstation 9", cpus=64, memory=1011 * GIB, nics=10,
            secure_boot=False, tpm=False, lacks=_NO_SATA),
    Version(name="vmx-10", products="ESXi 5.5, Workstation 10", cpus=64, memory=1011 * GIB, nics=10,
            secure_boot=False, tpm=False, lacks=_NO_NVME),
    Version(name="vmx-11", products="ESXi 6.0, Workstation 11", cpus=128, memory=4080 * GIB, nics=10,
            secure_boot=False, tpm=False, lacks=_NO_NVME),
    Version(name="vmx-12", products="Workstation 12, Fusion 8", cpus=128, memory=4080 * GIB, nics=10,
            secure_boot=False, tpm=False, lacks=_NO_NVME),
    Version(name="vmx-13", products="ESXi 6.5", cpus=128, memory=6128 * GIB, nics=10, tpm=False,
            usual=True),
    Version(name="vmx-14", products="ESXi 6.7, Workstation 14", cpus=128, memory=6128 * GIB, nics=10),
    Version(name="vmx-15", products="ESXi 6.7 U2", cpus=256, memory=6128 * GIB, nics=10),
    Version(name="vmx-16", products="Workstation 15, Fusion 11", cpus=256, memory=6128 * GIB, nics=10),
    Version(name="vmx-17", products="ESXi 7.0", cpus=256, memory=6128 * GIB, nics=10),
    Version(name="vmx-18", products="ESXi 7.0 U1, Workstation 16", cpus=768, memory=24560 * GIB,
            nics=10, usual=True),
    Version(name="vmx-19", products="ESXi 7.0 U2", cpus=768, memory=24560 * GIB, nics=10),
    Version(name="vmx-20", products="ESXi 8.0, Workstation 17", cpus=768, memory=24560 * GIB, nics=10),
    Version(name="vmx-21", products="ESXi 8.0 U2, Workstation 17.5", cpus=768, memory=24560 * GIB,
            nics=10),
    Version(name="vmx-22", products="ESX 9.0, Workstation 25H2", cpus=960, memory=24560 * GIB, nics=10),
)  # fmt: skip

#: VMX: ``scsiN.virtualDev`` behind the key's own prefix, ``ethernetN.virtualDev``,
#: ``sound.virtualDev``, ``serialN.fileType``, and the key of a USB controller; as VMware's products
#: write them and libvirt's src/vmx/vmx.c reads them. ``vmxnet2`` is libvirt's word for an adapter of
#: the kind ``vmxnet`` with ``features = "15"``.
VMX = Vocabulary(
    format="vmx",
    controllers=(
        row(C.PVSCSI, "scsi:pvscsi"),
        row(C.LSISAS, "scsi:lsisas1068"),
        row(C.LSILOGIC, "scsi:lsilogic", "scsi:"),
        row(C.BUSLOGIC, "scsi:buslogic"),
        row(C.AHCI, "sata:"),
        row(C.NVME, "nvme:"),
        row(C.PIIX4, "ide:"),
    ),
    nics=(
        row(NicModel.E1000, "e1000"),
        row(NicModel.E1000E, "e1000e"),
        row(NicModel.VMXNET, "vmxnet"),
        row(NicModel.VMXNET2, "vmxnet2"),
        row(NicModel.VMXNET3, "vmxnet3"),
        row(NicModel.PCNET, "vlance"),
        row(NicModel.SRIOV, "sriov"),
    ),
    sound=(row("hda", "hdaudio"), row("es1371", "es1371", ""), row("sb16", "sb16")),
    usb=(row("uhci", "usb"), row("ehci", "ehci"), row("xhci", "usb_xhci")),
    serial=(
        row(SerialKind.DEVICE, "device"),
        row(SerialKind.FILE, "file"),
        row(SerialKind.PIPE, "pipe"),
        row(SerialKind.NETWORK, "network"),
    ),
)

#: OVF: ResourceSubType as ovftool and vCenter write it. An IDE controller has none.
OVF = Vocabulary(
    format="ovf",
    controllers=(
        row(C.PVSCSI, "VirtualSCSI", "pvscsi"),
        row(C.LSISAS, "lsilogicsas", "lsisas", "lsisas1068"),
        row(C.LSILOGIC, "lsilogic"),
        row(C.BUSLOGIC, "buslogic"),
        row(C.AHCI, "vmware.sata.ahci"),
        row(C.NVME, "vmware.nvme.controller"),
        row(C.IDE, ""),
    ),
    nics=(
        row(NicModel.E1000, "E1000"),
        row(NicModel.E1000E, "E1000e"),
        row(NicModel.VMXNET3, "VmxNet3", "vmxnet3vrdma"),
        row(NicModel.PCNET, "PCNet32", "flexible"),
        only_read(NicModel.VMXNET, "vmxnet"),
        only_read(NicModel.VMXNET2, "vmxnet2"),
        only_read(NicModel.SRIOV, "sriovethernetcard"),
    ),
    sound=(
        row("hda", "vmware.soundcard.hdaudio"),
        row("es1371", "vmware.soundcard.ensoniq1371"),
        row("sb16", "vmware.soundcard.sb16"),
    ),
    usb=(row("ehci", "vmware.usb.ehci"), row("xhci", "vmware.usb.xhci")),
)

CONTROLLERS = (
    ControllerSupport(C.PVSCSI, units=16, most=4, reserved=(7,)),
    ControllerSupport(C.LSISAS, units=16, most=4, reserved=(7,)),
    ControllerSupport(C.LSILOGIC, units=16, most=4, reserved=(7,)),
    ControllerSupport(C.BUSLOGIC, units=16, most=4, reserved=(7,), boots=(Firmware.BIOS,)),
    ControllerSupport(C.AHCI, units=30, most=4),
    ControllerSupport(C.NVME, units=15, most=4),
    ControllerSupport(C.IDE, units=2, most=2),
)
KEEP = frozenset({C.PVSCSI, C.LSISAS, C.LSILOGIC, C.BUSLOGIC, C.AHCI, C.NVME, C.IDE})
NICS = frozenset({NicModel.E1000, NicModel.E1000E, NicModel.VMXNET3, NicModel.PCNET})

CARRIES = Carries(
    origin=True,
    extras=frozenset({"vmw"}),
    serial_ports=4,
    usb=True,
    sound=True,
    video=True,
    floppy=True,
    products=True,
    properties=True,
    eulas=True,
    annotation=True,
    mac=True,
    network_names=True,
    secure_boot=True,
    any_name=False,
    video_3d=True,
)

COMPATIBLE = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.LSISAS, cdrom=C.AHCI)),
    keep=KEEP,
    nic=NicModel.E1000E,
    keep_nics=NICS,
)


def _choice(disk: C, cdrom: C, nic: NicModel) -> DevicePolicy:
    drives = same_choice(DriveChoice(disk=disk, cdrom=cdrom))
    return msgspec.structs.replace(COMPATIBLE, drives=drives, nic=nic)


#: VMware's own recommendations for new machines (Guest OS Compatibility Guide).
GUESTS = {
    Generation.WINDOWS_XP: _choice(C.IDE, C.IDE, NicModel.PCNET),
    Generation.WINDOWS_XP_64: _choice(C.IDE, C.IDE, NicModel.E1000),
    Generation.WINDOWS_VISTA: _choice(C.LSISAS, C.AHCI, NicModel.E1000),
    Generation.LINUX_OLD: _choice(C.LSILOGIC, C.IDE, NicModel.E1000),
    Generation.BSD: _choice(C.LSISAS, C.AHCI, NicModel.E1000),
    Generation.SOLARIS: _choice(C.LSILOGIC, C.IDE, NicModel.E1000),
}

VMX_CARRIES = msgspec.structs.replace(
    CARRIES,
    products=False,
    properties=False,
    eulas=False,
    origin=False,
    extras=frozenset({"vmx"}),
    uuid=True,
    any_name=True,
    cdrom_image=True,
    guestinfo=True,
    nvram="vmware",
    boot_order=True,
    cpu_hot_add=True,
    memory_hot_add=True,
    nested_virtualization=True,
    reservations=True,
    disk_modes=frozenset({"independent", "nonpersistent"}),
)

PLATFORM = Platform(
    name="vmware",
    title="VMware",
    aliases=("esxi", "vsphere", "workstation"),
    forms=(
        Form(
            name="ova",
            title="OVA for VMware",
            disk=DiskFormat("vmdk", "streamOptimized", "vmdk"),
            carries=CARRIES,
            container="kensho.appliances.ova.write:write_vmware_ova",
            suffix="ova",
            several_machines=True,
            next_step="deploy {name}.ova in vCenter, ESXi's host client or Workstation",
        ),
        Form(
            name="vmx",
            title="VMX folder",
            disk=DiskFormat("vmdk", "monolithicSparse", "vmdk"),
            carries=VMX_CARRIES,
            render="kensho.appliances.vmx.write:render",
            next_step="open {name}.vmx in VMware Workstation, Player or Fusion",
        ),
        Form(
            name="esxi",
            title="folder for an ESXi datastore",
            disk=DiskFormat("raw", "sparse", "-flat.vmdk"),
            carries=VMX_CARRIES,
            render="kensho.appliances.vmx.esxi:render_esxi",
            next_step="copy the folder to a datastore, its holes too, then on the host:"
            " vim-cmd solo/registervm /vmfs/volumes/DATASTORE/{name}/{name}.vmx",
        ),
        Form(
            name="vagrant",
            title="Vagrant box for VMware",
            disk=DiskFormat("vmdk", "monolithicSparse", "vmdk"),
            carries=msgspec.structs.replace(
                VMX_CARRIES, nvram="", guestinfo=False, cdrom_image=False, origin=True
            ),
            container="kensho.appliances.vagrant.write:write_vmware_box",
            suffix="box",
            next_step="vagrant box add --name {name} {name}.box, then: vagrant init {name}",
        ),
    ),
    controllers=CONTROLLERS,
    native=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.PVSCSI, cdrom=C.AHCI)),
        keep=KEEP,
        nic=NicModel.VMXNET3,
        keep_nics=NICS,
    ),
    compatible=COMPATIBLE,
    fallback=_choice(C.IDE, C.IDE, NicModel.E1000),
    guests=GUESTS,
    own_macs=("00:0c:29", "00:50:56:80-00:50:56:bf", "00:05:69"),
    static_macs=("00:50:56:00-00:50:56:3f",),
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(VMX, OVF),
    memory_step=4 * MIB,
    hardware=("vmx",),
    untested="no VMware product was at hand: read back and checked against the DMTF schema",
)
