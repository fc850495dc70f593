"""Microsoft Hyper-V: VHDX disks and a PowerShell script that makes the machine.

Source: https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/ (generation 1
or 2, maximums). Generation 1 is BIOS and boots from IDE only; generation 2 is UEFI and has
no IDE, no floppy and no legacy adapter.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel
from kensho.model.units import MIB, TIB
from kensho.platforms.base import (
    Carries,
    ControllerSupport,
    DevicePolicy,
    DiskFormat,
    DriveChoice,
    Form,
    Platform,
)

CONTROLLERS = (
    ControllerSupport(C.IDE, units=2, most=2, firmware=(Firmware.BIOS,)),
    ControllerSupport(C.HYPERV_SCSI, units=64, most=4, boots=(Firmware.UEFI,)),
)

DRIVES = {
    Firmware.BIOS: DriveChoice(disk=C.HYPERV_SCSI, cdrom=C.IDE, boot_disk=C.IDE),
    Firmware.UEFI: DriveChoice(disk=C.HYPERV_SCSI, cdrom=C.HYPERV_SCSI),
}
# The synthetic adapter has been in the Linux kernel since 3.x, in FreeBSD since 10 and in
# Windows since Vista, so it is right for every guest that Hyper-V supports at all.
POLICY = DevicePolicy(
    drives=DRIVES,
    keep=frozenset({C.HYPERV_SCSI, C.IDE}),
    nic=NicModel.HYPERV,
    keep_nics=frozenset({NicModel.HYPERV, NicModel.HYPERV_LEGACY}),
)

CARRIES = Carries(
    cdrom_image=True,
    serial_ports=2,
    annotation=True,
    mac=True,
    network_names=True,
    secure_boot=True,
    tpm=True,
    boot_order=True,
    vlan=True,
    cores_per_socket=False,
)

PLATFORM = Platform(
    name="hyperv",
    title="Microsoft Hyper-V",
    aliases=("hyper-v",),
    forms=(
        Form(
            name="powershell",
            title="VHDX and PowerShell import script",
            disk=DiskFormat("vhdx", "dynamic", "vhdx"),
            carries=CARRIES,
            render="kensho.appliances.hyperv.write:render",
            next_step="copy the folder to a Hyper-V host and run: .\\{name}-import.ps1",
        ),
    ),
    controllers=CONTROLLERS,
    native=POLICY,
    compatible=POLICY,
    most_cpus=1024,
    most_memory=12 * TIB,
    most_nics=8,
    memory_step=2 * MIB,
    hardware=("hyperv", "microsoft", "301", "vmx"),
    untested="no Hyper-V host and no PowerShell was at hand: the script has not been run",
)
