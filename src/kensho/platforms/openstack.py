"""OpenStack: QCOW2 disks, image properties and a script for the OpenStack client.

Source: https://docs.openstack.org/glance/latest/admin/useful-image-properties.html (hw_disk_bus,
hw_scsi_model, hw_vif_model, hw_firmware_type, hw_machine_type, os_secure_boot, hw_tpm_version).
One ``hw_disk_bus`` holds for the whole machine, so all disks are on one kind of controller.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel
from kensho.model.units import TIB
from kensho.platforms.base import (
    Carries,
    CloudLimits,
    ControllerSupport,
    DevicePolicy,
    DiskFormat,
    DriveChoice,
    Form,
    Platform,
    same_choice,
)
from kensho.platforms.words import Vocabulary, row

#: hw_disk_bus and hw_scsi_model, hw_vif_model.
PROPERTIES = Vocabulary(
    format="image properties",
    controllers=(row(C.VIRTIO_SCSI, "scsi:virtio-scsi"), row(C.AHCI, "sata:")),
    nics=(
        row(NicModel.VIRTIO, "virtio"),
        row(NicModel.E1000, "e1000"),
        row(NicModel.E1000E, "e1000e"),
        row(NicModel.RTL8139, "rtl8139"),
        row(NicModel.VMXNET3, "vmxnet3"),
        row(NicModel.PCNET, "pcnet"),
    ),
)
NICS = frozenset(
    {NicModel.VIRTIO, NicModel.E1000, NicModel.E1000E, NicModel.RTL8139, NicModel.VMXNET3}
    | {NicModel.PCNET}
)

PLATFORM = Platform(
    name="openstack",
    title="OpenStack (KVM)",
    aliases=("nova",),
    forms=(
        Form(
            name="images",
            title="QCOW2, image properties and openstack script",
            disk=DiskFormat("qcow2", "uncompressed", "qcow2"),
            carries=Carries(
                cdrom=False,
                disconnected_nics=False,
                annotation=True,
                most_annotation=250,
                mac=True,
                secure_boot=True,
                tpm=True,
            ),
            render="kensho.appliances.clouds.openstack:render",
            next_step="with the OpenStack client set up: bash {name}-openstack.sh FLAVOR NETWORK",
        ),
    ),
    controllers=(
        ControllerSupport(C.VIRTIO_SCSI, units=256, most=1),
        ControllerSupport(C.AHCI, units=6, most=1),
    ),
    native=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.VIRTIO_SCSI, cdrom=C.VIRTIO_SCSI)),
        keep=frozenset({C.VIRTIO_SCSI}),
        nic=NicModel.VIRTIO,
        keep_nics=frozenset({NicModel.VIRTIO}),
    ),
    compatible=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.AHCI)),
        keep=frozenset({C.AHCI}),
        nic=NicModel.E1000E,
        keep_nics=NICS,
    ),
    words=(PROPERTIES,),
    most_cpus=288,
    most_memory=4 * TIB,
    most_nics=26,
    cloud=CloudLimits(
        largest_disk=64 * TIB,
        largest_boot_disk=64 * TIB,
        bits=(32, 64),
        advice={"linux": "cloud-init sets SSH keys and the adapters"},
    ),
    untested="no OpenStack was at hand: the script was run against a stand-in for the client",
)
