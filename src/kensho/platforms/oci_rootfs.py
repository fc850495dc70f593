"""A guest's root file system as an OCI image: no machine any more, so every device may be there.

Nothing of the machine is carried over; one finding says so instead of one for each device.
"""

from __future__ import annotations

from kensho.model.machine import BUS_OF, ControllerModel, NicModel
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

FORMAT = "files"  #: what stands for a disk format where there are no disks
_POLICY = DevicePolicy(
    drives=same_choice(
        DriveChoice(disk=ControllerModel.VIRTIO_BLK, cdrom=ControllerModel.VIRTIO_BLK)
    ),
    keep=frozenset(BUS_OF),
    nic=NicModel.VIRTIO,
    keep_nics=frozenset(NicModel),
)

PLATFORM = Platform(
    name="oci-rootfs",
    title="OCI image of the root file system",
    aliases=("rootfs",),
    forms=(
        Form(
            name="image",
            title="root file system of a Linux guest as an OCI image",
            disk=DiskFormat(FORMAT, "", ""),
            carries=Carries(
                serial_ports=64,
                usb=True,
                sound=True,
                video=True,
                annotation=True,
                uuid=True,
                mac=True,
                vlan=True,
                secure_boot=True,
                tpm=True,
                boot_order=True,
            ),
            container="kensho.convert.rootfs:write_rootfs",
            suffix="oci.tar",
            next_step="skopeo copy oci-archive:{name}.oci.tar docker://IMAGE, or podman load",
        ),
    ),
    controllers=tuple(ControllerSupport(model, units=256, most=256) for model in BUS_OF),
    native=_POLICY,
    compatible=_POLICY,
    most_cpus=8192,
    most_memory=1024 * TIB,
    most_nics=256,
    untested="images were unpacked with umoci and read by skopeo, a shell of a Debian in one was run by"
    " chroot; no container engine started one",
)
