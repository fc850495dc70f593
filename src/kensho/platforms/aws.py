"""Amazon EC2: stream-optimized VMDK disks, requests as JSON and a script for the AWS CLI.

Sources: docs.aws.amazon.com, VM Import/Export User Guide (image formats, limitations, operating
systems); Amazon EC2 User Guide (boot modes, NitroTPM, EBS volume limits, instance types);
EC2 API Reference (ImportImage, ImportSnapshot, RegisterImage). On the Nitro system every volume is
an NVMe controller of its own and every adapter an Elastic Network Adapter.
"""

from __future__ import annotations

import msgspec

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

#: Current families that start with BIOS and with UEFI alike; memory in GiB.
SHAPES = tuple(
    Shape(name, cpus, int(memory * GIB))
    for name, cpus, memory in (
        ("t3.nano", 2, 0.5),
        ("t3.micro", 2, 1),
        ("t3.small", 2, 2),
        ("t3.medium", 2, 4),
        ("t3.large", 2, 8),
        ("r5.large", 2, 16),
        ("c5.xlarge", 4, 8),
        ("m5.xlarge", 4, 16),
        ("r5.xlarge", 4, 32),
        ("c5.2xlarge", 8, 16),
        ("m5.2xlarge", 8, 32),
        ("r5.2xlarge", 8, 64),
        ("c5.4xlarge", 16, 32),
        ("m5.4xlarge", 16, 64),
        ("r5.4xlarge", 16, 128),
        ("m5.8xlarge", 32, 128),
        ("r5.8xlarge", 32, 256),
        ("m5.12xlarge", 48, 192),
        ("r5.12xlarge", 48, 384),
        ("m5.16xlarge", 64, 256),
        ("r5.16xlarge", 64, 512),
        ("m5.24xlarge", 96, 384),
        ("r5.24xlarge", 96, 768),
    )
)

CARRIES = Carries(
    cdrom=False,
    cores_per_socket=False,
    disconnected_nics=False,
    annotation=True,
    most_annotation=250,
)
_DISK = DiskFormat("vmdk", "streamOptimized", "vmdk")
_POLICY = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.NVME, cdrom=C.NVME)),
    keep=frozenset({C.NVME}),
    nic=NicModel.ENA,
    keep_nics=frozenset({NicModel.ENA}),
)

PLATFORM = Platform(
    name="aws",
    title="Amazon EC2",
    aliases=("ec2", "amazon"),
    forms=(
        Form(
            name="import-image",
            title="VMDK for VM Import, which changes the guest",
            disk=_DISK,
            carries=CARRIES,
            render="kensho.appliances.clouds.aws:render_import",
            next_step="with the AWS CLI set up: bash {name}-aws.sh BUCKET",
        ),
        Form(
            name="register-image",
            title="VMDK, taken as they are: snapshots and an AMI",
            disk=_DISK,
            carries=msgspec.structs.replace(CARRIES, tpm=True),
            render="kensho.appliances.clouds.aws:render_register",
            next_step="with the AWS CLI set up: bash {name}-aws.sh BUCKET",
        ),
    ),
    # A Nitro machine takes 28 attachments in all, adapters among them; one is left for an adapter.
    controllers=(ControllerSupport(C.NVME, units=1, most=27),),
    native=_POLICY,
    compatible=_POLICY,
    most_cpus=96,
    most_memory=768 * GIB,
    most_nics=15,
    cloud=CloudLimits(
        largest_disk=16 * TIB,
        largest_boot_disk=16 * TIB,
        shapes=SHAPES,
        imports={"import-image": ("linux", "windows")},
        most_imported=21,
        advice={
            "linux": "the kernel and its initrd need the drivers nvme and ena; DHCP on the adapter,"
            " cloud-init for the SSH key",
            "windows": "install AWS NVMe and ENA drivers and EC2Launch before the conversion, or"
            " use --form import-image, which adds them",
            "bsd": "the kernel needs nvme and ena (FreeBSD has both since 11.1)",
        },
    ),
    untested="no AWS account was at hand: the script was run against a stand-in for aws, its"
    " requests were checked by the AWS CLI's own model",
)
