"""Xen with its own toolstack: disks and a configuration for xl, or a domain for libvirt's libxl.

Sources: xl.cfg(5) and xl-disk-configuration(5) of Xen 4.17 (words); limits of an HVM guest: HVM_MAX_VCPUS
of xen/include/public/hvm/hvm_info_table.h, MAX_NICS of QEMU, memory as in "Xen Project Release
Features" of https://wiki.xenproject.org. Guests run as HVM with
an emulated IDE chip and adapter beside Xen's own devices, for firmware and for guests without
drivers; a guest that was paravirtualized stays so.
"""

from __future__ import annotations

import msgspec

from kensho.model.guest_os import Generation
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
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary, only_read, row

VERSIONS = (
    Version(name="xen-4.14", products="Xen 4.14, Debian 11", cpus=128, memory=TIB, nics=8,
            secure_boot=False, tpm=False),
    Version(name="xen-4.17", products="Xen 4.17, Debian 12", cpus=128, memory=TIB, nics=8,
            secure_boot=False, tpm=False),
    Version(name="xen-4.20", products="Xen 4.20, Debian 13", cpus=128, memory=TIB, nics=8,
            secure_boot=False, tpm=False),
)  # fmt: skip

#: xl: how a drive's name begins, an adapter's model, a sound card, the version of USB, a display.
XL = Vocabulary(
    format="xen",
    controllers=(row(C.XEN_VBD, "xvd"), row(C.IDE, "hd"), row(C.LSI53C895A, "sd")),
    nics=(
        row(NicModel.XEN, "vif", "netfront"),
        row(NicModel.RTL8139, "rtl8139"),
        row(NicModel.E1000, "e1000"),
        row(NicModel.PCNET, "pcnet"),
        row(NicModel.NE2K, "ne2k_pci"),
        only_read(NicModel.VIRTIO, "virtio-net"),
    ),
    sound=(row("hda", "hda", "all"), row("ac97", "ac97"), row("es1371", "es1370"), row("sb16", "sb16")),
    usb=(row("uhci", "1"), row("ehci", "2"), row("xhci", "3")),
    video=(row("vga", "stdvga"), row("cirrus", "cirrus"), row("qxl", "qxl")),
)  # fmt: skip

DRIVES = same_choice(DriveChoice(disk=C.XEN_VBD, cdrom=C.IDE))
KEEP = frozenset({C.XEN_VBD, C.IDE, C.LSI53C895A})
NICS = frozenset({NicModel.XEN, NicModel.RTL8139, NicModel.E1000, NicModel.PCNET, NicModel.NE2K})


def _policy(nic: NicModel) -> DevicePolicy:
    return DevicePolicy(drives=DRIVES, keep=KEEP, nic=nic, keep_nics=NICS)


CARRIES = Carries(
    serial_ports=4,
    usb=True,
    sound=True,
    video=True,
    uuid=True,
    mac=True,
    disconnected_nics=False,
    cores_per_socket=False,
    boot_order=True,
    boot_by_kind=(Firmware.BIOS, Firmware.UEFI),
    nested_virtualization=True,
    dynamic_memory=True,
    clock=True,
    disk_modes=frozenset({"read_only"}),
    extras=frozenset({"xen"}),
)

DOMAIN = msgspec.structs.replace(
    CARRIES, annotation=True, disk_modes=frozenset({"read_only", "shared"})
)

_NEXT = "copy the disks to /var/lib/xen/images, then: xl create {name}.cfg"

PLATFORM = Platform(
    name="xen",
    title="Xen (xl)",
    aliases=("xl", "libxl"),
    forms=(
        Form(
            name="xl",
            title="raw disks and xl configuration",
            disk=DiskFormat("raw", "sparse", "img"),
            carries=CARRIES,
            render="kensho.appliances.xen.write:render",
            next_step=_NEXT,
        ),
        Form(
            name="xl-qcow2",
            title="QCOW2 and xl configuration",
            disk=DiskFormat("qcow2", "uncompressed", "qcow2"),
            carries=CARRIES,
            render="kensho.appliances.xen.write:render",
            next_step=_NEXT,
        ),
        Form(
            name="libvirt",
            title="raw disks and libvirt domain XML (libxl)",
            disk=DiskFormat("raw", "sparse", "img"),
            carries=DOMAIN,
            render="kensho.appliances.xen.write_domain:render",
            next_step="copy the disks to /var/lib/libvirt/images, then:"
            " virsh -c xen:///system define {name}.xml",
        ),
    ),
    controllers=(
        ControllerSupport(C.XEN_VBD, units=256, most=1),
        ControllerSupport(C.IDE, units=2, most=2),
        ControllerSupport(C.LSI53C895A, units=7, most=1, boots=()),
    ),
    native=_policy(NicModel.XEN),
    compatible=_policy(NicModel.E1000),
    fallback=DevicePolicy(
        drives=DRIVES,
        keep=frozenset({C.XEN_VBD, C.IDE}),
        nic=NicModel.RTL8139,
        keep_nics=frozenset({NicModel.RTL8139}),
    ),
    guests={
        Generation.WINDOWS_XP: _policy(NicModel.RTL8139),
        Generation.LINUX_OLD: _policy(NicModel.RTL8139),
    },
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(XL,),
    # The first one tells whose an OVF package is: XenServer's own is xenserver's.
    hardware=("dmtf:xen", "hvm", "xen", "301", "vmx"),
    untested="libvirt's libxl, Windows, UEFI, a processor of Xen's own: Xen 4.17 with xl started a Debian 12, emulated",
)
