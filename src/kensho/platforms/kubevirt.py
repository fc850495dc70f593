"""KubeVirt: QCOW2 disks and VirtualMachine manifests, or one container image with the disks.

Sources: https://kubevirt.io/user-guide/ (disks and volumes, virtual hardware, boot from external
source) and the API's OpenAPI. Machines are q35, so there is no IDE; bus ``scsi`` is virtio-scsi.
"""

from __future__ import annotations

import msgspec

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel
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
from kensho.platforms.words import Vocabulary, row

WORDS = Vocabulary(
    format="kubevirt",
    controllers=(
        row(C.VIRTIO_BLK, "virtio"),
        row(C.VIRTIO_SCSI, "scsi"),
        row(C.AHCI, "sata"),
    ),
    nics=(
        row(NicModel.VIRTIO, "virtio"),
        row(NicModel.E1000, "e1000"),
        row(NicModel.E1000E, "e1000e"),
        row(NicModel.RTL8139, "rtl8139"),
        row(NicModel.PCNET, "pcnet"),
        row(NicModel.NE2K, "ne2k_pci"),
    ),
    sound=(row("hda", "ich9"), row("ac97", "ac97")),
)

NICS = frozenset(r.means for r in WORDS.nics)

CARRIES = Carries(
    cdrom=False,
    serial_ports=1,
    sound=True,
    annotation=True,
    most_annotation=64 * 1024,  # all annotations 256 KiB, and kubectl keeps the manifest in one
    uuid=True,
    mac=True,
    network_names=False,
    disconnected_nics=False,
    secure_boot=True,
    tpm=True,
    boot_order=True,
    disk_modes=frozenset({"read_only", "shared", "cache"}),
    caches=frozenset({"none", "writethrough", "writeback"}),
    extras=frozenset({"kubevirt"}),
)
_DISK = DiskFormat("qcow2", "uncompressed", "qcow2")

PLATFORM = Platform(
    name="kubevirt",
    title="KubeVirt",
    aliases=("kubernetes",),
    forms=(
        Form(
            name="datavolumes",
            title="QCOW2, VirtualMachine and DataVolumes, virtctl script",
            disk=_DISK,
            carries=CARRIES,
            render="kensho.appliances.kubevirt.write:render",
            next_step="with kubectl and virtctl set up: bash {name}-kubevirt.sh",
        ),
        Form(
            name="containerdisk",
            title="OCI image with the disks, VirtualMachine, script to push it",
            disk=_DISK,
            # What such a machine writes is gone when it stops.
            carries=msgspec.structs.replace(CARRIES, origin=True),
            container="kensho.appliances.oci.containerdisk:write_containerdisk",
            render="kensho.appliances.oci.containerdisk:render",
            suffix="oci.tar",
            next_step="with skopeo and kubectl set up: bash {name}-kubevirt.sh IMAGE",
        ),
    ),
    controllers=(
        ControllerSupport(C.VIRTIO_BLK, units=1, most=24),
        ControllerSupport(C.VIRTIO_SCSI, units=256, most=1),
        ControllerSupport(C.AHCI, units=6, most=1),
    ),
    native=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.VIRTIO_BLK, cdrom=C.AHCI)),
        keep=frozenset({C.VIRTIO_BLK, C.VIRTIO_SCSI}),
        nic=NicModel.VIRTIO,
        keep_nics=frozenset({NicModel.VIRTIO}),
    ),
    compatible=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.AHCI)),
        keep=frozenset({C.VIRTIO_BLK, C.VIRTIO_SCSI, C.AHCI}),
        nic=NicModel.E1000E,
        keep_nics=NICS,
    ),
    most_cpus=288,
    most_memory=4 * TIB,
    most_nics=24,
    words=(WORDS,),
    hardware=("kvm", "qemu", "engine", "vmx"),
    untested="no Kubernetes was at hand: the manifests' fields were compared with KubeVirt's"
    " OpenAPI, the script was run against stand-ins for kubectl and virtctl",
)
