"""Google Compute Engine: ``disk.raw`` in a tar.gz each and a script for gcloud.

Sources: cloud.google.com, "Manually import boot disks" (format, whole GiB, 64 bits, ACPI),
"Create custom images" (guest OS features), "Machine types", "Shielded VM". Disks are on virtio-scsi
(or NVMe in newer families), adapters are virtio-net or gVNIC.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel
from kensho.model.units import GIB, TIB
from kensho.platforms.base import (
    Carries,
    CloudLimits,
    ControllerSupport,
    DevicePolicy,
    DiskFormat,
    DriveChoice,
    Form,
    Platform,
    Shape,
    same_choice,
)

SHAPES = tuple(
    Shape(name, cpus, int(memory * GIB))
    for name, cpus, memory in (
        ("e2-micro", 2, 1),
        ("e2-small", 2, 2),
        ("e2-medium", 2, 4),
        ("e2-standard-2", 2, 8),
        ("e2-highmem-2", 2, 16),
        ("e2-highcpu-4", 4, 4),
        ("e2-standard-4", 4, 16),
        ("e2-highmem-4", 4, 32),
        ("e2-highcpu-8", 8, 8),
        ("e2-standard-8", 8, 32),
        ("e2-highmem-8", 8, 64),
        ("e2-highcpu-16", 16, 16),
        ("e2-standard-16", 16, 64),
        ("e2-highmem-16", 16, 128),
        ("e2-standard-32", 32, 128),
        ("n2-highmem-32", 32, 256),
        ("n2-standard-48", 48, 192),
        ("n2-highmem-48", 48, 384),
        ("n2-standard-64", 64, 256),
        ("n2-highmem-64", 64, 512),
        ("n2-standard-96", 96, 384),
        ("n2-standard-128", 128, 512),
        ("n2-highmem-128", 128, 864),
    )
)

_POLICY = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.VIRTIO_SCSI, cdrom=C.VIRTIO_SCSI)),
    keep=frozenset({C.VIRTIO_SCSI}),
    nic=NicModel.VIRTIO,
    keep_nics=frozenset({NicModel.VIRTIO}),
)

PLATFORM = Platform(
    name="gcp",
    title="Google Compute Engine",
    aliases=("google", "gce"),
    forms=(
        Form(
            name="images",
            title="disk.raw in tar.gz and gcloud script",
            disk=DiskFormat("gcp", "tar.gz", "tar.gz", size_step=GIB),
            carries=Carries(
                cdrom=False,
                cores_per_socket=False,
                disconnected_nics=False,
                annotation=True,
                most_annotation=250,
                secure_boot=True,
                tpm=True,
            ),
            render="kensho.appliances.clouds.gcp:render",
            next_step="with gcloud set up: bash {name}-gcp.sh BUCKET ZONE",
        ),
    ),
    controllers=(ControllerSupport(C.VIRTIO_SCSI, units=128, most=1),),
    native=_POLICY,
    compatible=_POLICY,
    most_cpus=128,
    most_memory=864 * GIB,
    most_nics=8,
    cloud=CloudLimits(
        largest_disk=10 * TIB,  # of an image made from a tar.gz
        largest_boot_disk=2 * TIB,
        shapes=SHAPES,
        advice={
            "linux": "the initrd needs virtio_scsi and virtio_net; DHCP on the adapter, an MTU of"
            " 1460; the guest environment sets SSH keys",
            "windows": "install Google's virtio drivers before the conversion; licences are to be"
            " brought along",
            "bsd": "the kernel needs virtio_scsi and vtnet",
        },
    ),
    untested="no Google Cloud project was at hand: the script was run against a stand-in for"
    " gcloud",
)
