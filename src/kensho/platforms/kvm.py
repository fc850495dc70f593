"""KVM through libvirt: QCOW2 disks and a domain XML.

Source: https://libvirt.org/formatdomain.html (controllers, interface models, firmware).
libvirt's ``lsilogic`` is the LSI 53C895A, not the 53C1030 that VMware means by that
word, so it is not offered as a stand-in.
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

CARRIES = Carries(
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
    ),
    controllers=CONTROLLERS,
    native=NATIVE,
    compatible=COMPATIBLE,
    most_cpus=288,
    most_memory=4 * TIB,
    most_nics=24,
    hardware=("kvm", "qemu", "engine", "vmx"),
    untested="booted under QEMU without KVM; not defined in a running libvirt",
)
