"""Microsoft Azure: fixed VHDs of whole MiB, an ARM template and a script for the Azure CLI.

Sources: learn.microsoft.com, "Prepare a Windows VHD or VHDX to upload to Azure" and "Information
for non-endorsed distributions" (fixed VHD, sizes of whole MiB, Hyper-V drivers), "Upload a VHD to
Azure", "Azure support for Generation 2 VMs", "Trusted Launch". Generation 1 is BIOS, its boot disk
is on IDE; generation 2 is UEFI, everything is on SCSI.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel
from kensho.model.units import GIB, MIB
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
)

#: Sizes that take both generations; memory in GiB.
SHAPES = tuple(
    Shape(name, cpus, memory * GIB)
    for name, cpus, memory in (
        ("Standard_B1s", 1, 1),
        ("Standard_B1ms", 1, 2),
        ("Standard_B2s", 2, 4),
        ("Standard_D2s_v5", 2, 8),
        ("Standard_E2s_v5", 2, 16),
        ("Standard_F4s_v2", 4, 8),
        ("Standard_D4s_v5", 4, 16),
        ("Standard_E4s_v5", 4, 32),
        ("Standard_F8s_v2", 8, 16),
        ("Standard_D8s_v5", 8, 32),
        ("Standard_E8s_v5", 8, 64),
        ("Standard_F16s_v2", 16, 32),
        ("Standard_D16s_v5", 16, 64),
        ("Standard_E16s_v5", 16, 128),
        ("Standard_D32s_v5", 32, 128),
        ("Standard_E32s_v5", 32, 256),
        ("Standard_D48s_v5", 48, 192),
        ("Standard_E48s_v5", 48, 384),
        ("Standard_D64s_v5", 64, 256),
        ("Standard_E64s_v5", 64, 512),
        ("Standard_D96s_v5", 96, 384),
        ("Standard_E96s_v5", 96, 672),
    )
)

_POLICY = DevicePolicy(
    drives={
        Firmware.BIOS: DriveChoice(disk=C.HYPERV_SCSI, cdrom=C.HYPERV_SCSI, boot_disk=C.IDE),
        Firmware.UEFI: DriveChoice(disk=C.HYPERV_SCSI, cdrom=C.HYPERV_SCSI),
    },
    keep=frozenset({C.HYPERV_SCSI}),
    nic=NicModel.HYPERV,
    keep_nics=frozenset({NicModel.HYPERV}),
)

PLATFORM = Platform(
    name="azure",
    title="Microsoft Azure",
    forms=(
        Form(
            name="managed-disks",
            title="VHD, ARM template and az script",
            disk=DiskFormat("vhd", "fixed", "vhd", size_step=MIB),
            carries=Carries(
                cdrom=False,
                cores_per_socket=False,
                disconnected_nics=False,
                annotation=True,
                most_annotation=250,
                secure_boot=True,
                tpm=True,
            ),
            render="kensho.appliances.clouds.azure:render",
            next_step="with az and azcopy set up: bash {name}-azure.sh RESOURCE_GROUP LOCATION"
            " SUBNET_ID",
        ),
    ),
    controllers=(
        ControllerSupport(C.HYPERV_SCSI, units=64, most=1, boots=(Firmware.UEFI,)),
        ControllerSupport(C.IDE, units=1, most=1, firmware=(Firmware.BIOS,)),
    ),
    native=_POLICY,
    compatible=_POLICY,
    most_cpus=96,
    most_memory=672 * GIB,
    most_nics=8,
    cloud=CloudLimits(
        largest_disk=2040 * GIB,  # the largest VHD; managed disks take more
        largest_boot_disk=2040 * GIB,
        shapes=SHAPES,
        advice={
            "linux": "the initrd needs hv_vmbus, hv_storvsc and hv_netvsc, the kernel line"
            " console=ttyS0; DHCP on the adapter; the Azure agent or cloud-init is wanted",
            "windows": "DHCP, Remote Desktop and the firewall have to be open before the"
            " conversion; the Azure agent can be installed afterwards",
            "bsd": "FreeBSD has the Hyper-V drivers; the Azure agent is in its ports",
        },
    ),
    untested="no Azure subscription was at hand: the script was run against stand-ins for az and"
    " azcopy",
)
