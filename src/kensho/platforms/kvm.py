"""KVM through libvirt: QCOW2 disks and a domain XML.

Sources: https://libvirt.org/formatdomain.html and the enumerations of libvirt's
src/conf/domain_conf.c (words); maximal CPUs of the machine types as libvirt's
tests/domaincapsdata have them (versions); QEMU's hw/ for the devices. libvirt's ``lsilogic`` is
the LSI 53C895A, not the 53C1030 that VMware means by that word, so it is not offered as a stand-in.
"""

from __future__ import annotations

from kensho.model.guest_os import Generation
from kensho.model.machine import Bus, Firmware, NicModel, SerialKind
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
from kensho.platforms.words import Vocabulary, only_read, row

#: QEMU. q35 takes 288 processors since 2.11, 1024 since 8.1 and 4096 since 9.2; the TPM's emulator
#: came with 2.11, Secure Boot needs SMM, which q35 has had since 2.4.
VERSIONS = (
    Version(name="qemu-4", products="QEMU 4.2, RHEL 8, Ubuntu 20.04", cpus=288, memory=4 * TIB,
            nics=24),
    Version(name="qemu-6", products="QEMU 6.2, RHEL 9, Ubuntu 22.04", cpus=288, memory=4 * TIB,
            nics=24),
    Version(name="qemu-7", products="QEMU 7.2, Debian 12", cpus=288, memory=4 * TIB, nics=24),
    Version(name="qemu-8", products="QEMU 8.2, Ubuntu 24.04", cpus=1024, memory=4 * TIB, nics=24),
    Version(name="qemu-9", products="QEMU 9.1, RHEL 10", cpus=1024, memory=4 * TIB, nics=24),
    Version(name="qemu-10", products="QEMU 10, Debian 13", cpus=4096, memory=4 * TIB, nics=24),
)  # fmt: skip

#: libvirt: the bus of a disk and the model of its controller; models of adapters, sound cards and
#: USB controllers; the type of a serial port. A SCSI controller without a model is an LSI on x86.
LIBVIRT = Vocabulary(
    format="libvirt",
    controllers=(
        row(
            C.VIRTIO_SCSI,
            "scsi:virtio-scsi",
            "scsi:virtio-transitional",
            "scsi:virtio-non-transitional",
        ),
        row(C.VIRTIO_BLK, "virtio:"),
        row(C.LSISAS, "scsi:lsisas1068"),
        row(C.LSI53C895A, "scsi:lsilogic", "scsi:", "scsi:auto"),
        row(C.MEGASAS, "scsi:lsisas1078"),
        row(C.PVSCSI, "scsi:vmpvscsi"),
        row(C.AHCI, "sata:"),
        row(C.IDE, "ide:"),
        row(C.PIIX3, "ide:piix3"),
        row(C.PIIX4, "ide:piix4"),
        row(C.ICH6, "ide:ich6"),
        only_read(C.BUSLOGIC, "scsi:buslogic"),
        only_read(C.XEN_VBD, "xen:"),
        only_read(C.NVME, "nvme:"),
        only_read(C.FLOPPY, "fdc:"),
    ),
    nics=(
        row(NicModel.VIRTIO, "virtio", "virtio-transitional", "virtio-non-transitional"),
        row(
            NicModel.E1000,
            "e1000",
            "e1000-82540em",
            "e1000-82544gc",
            "e1000-82545em",
            "82540em",
            "82543gc",
            "82545em",
        ),
        row(NicModel.E1000E, "e1000e"),
        row(NicModel.RTL8139, "rtl8139"),
        row(NicModel.VMXNET3, "vmxnet3"),
        row(NicModel.PCNET, "pcnet", "vlance", "am79c970a", "am79c973"),
        row(NicModel.NE2K, "ne2k_pci", "ne2k_isa"),
        only_read(NicModel.VMXNET, "vmxnet"),
        only_read(NicModel.VMXNET2, "vmxnet2"),
        only_read(NicModel.XEN, "netfront"),
    ),
    sound=(
        row("hda", "ich9", "ich6", "ich7"),
        row("ac97", "ac97"),
        row("es1371", "es1370"),
        row("sb16", "sb16"),
    ),
    usb=(
        row(
            "uhci",
            "piix3-uhci",
            "piix4-uhci",
            "vt82c686b-uhci",
            "ich9-uhci1",
            "ich9-uhci2",
            "ich9-uhci3",
        ),
        row("ohci", "pci-ohci"),
        row("ehci", "ehci", "ich9-ehci1"),
        row("xhci", "qemu-xhci", "nec-xhci", "qusb1", "qusb2"),
    ),
    serial=(
        row(SerialKind.DEVICE, "dev"),
        row(SerialKind.FILE, "file"),
        row(SerialKind.PIPE, "pipe"),
        row(SerialKind.NETWORK, "tcp", "udp", "unix"),
    ),
)

CONTROLLERS = (
    ControllerSupport(C.VIRTIO_SCSI, units=256, most=8),
    ControllerSupport(C.VIRTIO_BLK, units=1, most=24),
    ControllerSupport(C.AHCI, units=6, most=4),
    ControllerSupport(C.IDE, units=2, most=2, firmware=(Firmware.BIOS,)),
    ControllerSupport(C.LSISAS, units=8, most=4, boots=(Firmware.BIOS,)),
    ControllerSupport(C.LSI53C895A, units=7, most=4, boots=(Firmware.BIOS,)),
    ControllerSupport(C.PVSCSI, units=16, most=4, reserved=(7,), boots=(Firmware.BIOS,)),
)

NICS = frozenset(
    {NicModel.VIRTIO, NicModel.E1000, NicModel.E1000E, NicModel.RTL8139, NicModel.VMXNET3}
    | {NicModel.PCNET}
)

NATIVE = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.VIRTIO_SCSI, cdrom=C.AHCI)),
    keep=frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK}),
    nic=NicModel.VIRTIO,
    keep_nics=frozenset({NicModel.VIRTIO}),
)
COMPATIBLE = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.AHCI)),
    keep=frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK, C.AHCI, C.IDE, C.LSISAS}),
    nic=NicModel.E1000E,
    keep_nics=NICS,
)


def _choice(bios: C, uefi: C, nic: NicModel) -> DevicePolicy:
    drives = {
        Firmware.BIOS: DriveChoice(disk=bios, cdrom=bios),
        Firmware.UEFI: DriveChoice(disk=uefi, cdrom=uefi),
    }
    return DevicePolicy(drives=drives, keep=COMPATIBLE.keep, nic=nic, keep_nics=NICS)


#: XP has drivers for IDE and the RTL8139, its x64 for the E1000; Vista brought AHCI, 8 the 82574L.
GUESTS = {
    Generation.WINDOWS_XP: _choice(C.IDE, C.AHCI, NicModel.RTL8139),
    Generation.WINDOWS_XP_64: _choice(C.IDE, C.AHCI, NicModel.E1000),
    Generation.WINDOWS_VISTA: _choice(C.AHCI, C.AHCI, NicModel.E1000),
    Generation.LINUX_OLD: _choice(C.IDE, C.AHCI, NicModel.E1000),
    Generation.SOLARIS: _choice(C.AHCI, C.AHCI, NicModel.E1000),
}
FALLBACK = _choice(C.IDE, C.AHCI, NicModel.E1000)

CARRIES = Carries(
    extras=frozenset({"libvirt"}),
    cdrom_image=True,
    serial_ports=4,
    usb=True,
    sound=True,
    video=True,
    annotation=True,
    uuid=True,
    mac=True,
    secure_boot=True,
    tpm=True,
    boot_order=True,
    nested_virtualization=True,
    clock=True,
    disk_modes=frozenset({"read_only", "shared", "solid_state", "cache", "iops", "bandwidth"}),
    modes_on={"solid_state": frozenset({Bus.SCSI, Bus.SATA, Bus.IDE})},
)

#: A box: processors, memory, one bus, one adapter, firmware; its first disk is the boot disk.
VAGRANT_CARRIES = Carries(
    annotation=True,
    nested_virtualization=True,
    disconnected_nics=False,
    cdrom=False,
    boot_order=True,
    origin=True,
)

PLATFORM = Platform(
    name="kvm",
    title="KVM (libvirt)",
    aliases=("libvirt", "qemu"),
    forms=(
        Form(
            name="libvirt",
            title="QCOW2 and libvirt domain XML",
            disk=DiskFormat("qcow2", "uncompressed", "qcow2"),
            carries=CARRIES,
            render="kensho.appliances.libvirt.write:render",
            next_step="copy the .qcow2 to /var/lib/libvirt/images, then: virsh define {name}.xml",
        ),
        Form(
            name="vagrant",
            title="Vagrant box for libvirt",
            disk=DiskFormat("qcow2", "compressed", "img"),
            carries=VAGRANT_CARRIES,
            container="kensho.appliances.vagrant.write:write_libvirt_box",
            suffix="box",
            next_step="vagrant box add --name {name} {name}.box, then: vagrant init {name}",
        ),
    ),
    controllers=CONTROLLERS,
    native=NATIVE,
    compatible=COMPATIBLE,
    fallback=FALLBACK,
    guests=GUESTS,
    own_macs=("52:54:00",),
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(LIBVIRT,),
    hardware=("kvm", "qemu", "engine", "vmx"),
    untested="defined, started and shut down by libvirt 9.0 with an emulated processor; not with KVM",
)
