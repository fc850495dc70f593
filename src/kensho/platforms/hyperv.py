"""Microsoft Hyper-V: VHDX disks and a PowerShell script that makes the machine.

Sources: https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/ (generation 1
or 2, maximums) and …/deploy/upgrade-virtual-machine-version (configuration versions). Generation 1 is BIOS and boots from IDE only; generation 2 is UEFI and has
no IDE, no floppy and no legacy adapter.
"""

from __future__ import annotations

from kensho.model.guest_os import Generation
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
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary, row

#: Configuration versions, with the maximums of generation 2. The virtual TPM came with 8.0.
VERSIONS = (
    Version(name="5.0", products="Windows Server 2012 R2", cpus=64, memory=TIB, nics=8, tpm=False),
    Version(name="8.0", products="Windows Server 2016, Windows 10", cpus=240, memory=12 * TIB, nics=8),
    Version(name="9.0", products="Windows Server 2019", cpus=240, memory=12 * TIB, nics=8),
    Version(name="10.0", products="Windows Server 2022, Windows 11", cpus=1024, memory=12 * TIB, nics=8),
    Version(name="12.0", products="Windows Server 2025", cpus=2048, memory=240 * TIB, nics=8),
)  # fmt: skip

#: The script: ``-ControllerType``, and whether an adapter is ``-IsLegacy``.
POWERSHELL = Vocabulary(
    format="powershell",
    controllers=(row(C.IDE, "IDE"), row(C.HYPERV_SCSI, "SCSI")),
    nics=(row(NicModel.HYPERV, "synthetic"), row(NicModel.HYPERV_LEGACY, "legacy")),
)

CONTROLLERS = (
    ControllerSupport(C.IDE, units=2, most=2, firmware=(Firmware.BIOS,)),
    # Of a generation 1 machine it takes disks alone.
    ControllerSupport(
        C.HYPERV_SCSI, units=64, most=4, boots=(Firmware.UEFI,), cdroms=(Firmware.UEFI,)
    ),
)

DRIVES = {
    Firmware.BIOS: DriveChoice(disk=C.HYPERV_SCSI, cdrom=C.IDE, boot_disk=C.IDE),
    Firmware.UEFI: DriveChoice(disk=C.HYPERV_SCSI, cdrom=C.HYPERV_SCSI),
}
# Guests from before it had them drive neither the SCSI controller nor the synthetic adapter.
OLD_DRIVES = {
    Firmware.BIOS: DriveChoice(disk=C.IDE, cdrom=C.IDE),
    Firmware.UEFI: DRIVES[Firmware.UEFI],
}
# The synthetic adapter has been in the Linux kernel since 3.x, in FreeBSD since 10 and in
# Windows since Vista, so it is right for every guest that Hyper-V supports at all.
POLICY = DevicePolicy(
    drives=DRIVES,
    keep=frozenset({C.HYPERV_SCSI, C.IDE}),
    nic=NicModel.HYPERV,
    keep_nics=frozenset({NicModel.HYPERV, NicModel.HYPERV_LEGACY}),
)

OLD = DevicePolicy(
    drives=OLD_DRIVES,
    keep=POLICY.keep,
    nic=NicModel.HYPERV_LEGACY,
    keep_nics=POLICY.keep_nics,
)

CARRIES = Carries(
    cdrom_image=True,
    serial_ports=2,
    annotation=True,
    mac=True,
    network_names=True,
    secure_boot=True,
    tpm=True,
    nested_virtualization=True,
    dynamic_memory=True,
    most_memory=True,
    boot_order=True,
    boot_by_kind=(Firmware.BIOS,),
    vlan=True,
    cores_per_socket=False,
)

#: What configuration version 5.0 can say: no TPM, no nested virtualization; how it says a VLAN is
#: not published.
EXPORTED = Carries(
    serial_ports=2,
    annotation=True,
    uuid=True,
    mac=True,
    network_names=True,
    secure_boot=True,
    boot_order=True,
    boot_by_kind=(Firmware.BIOS, Firmware.UEFI),
    dynamic_memory=True,
    most_memory=True,
    cores_per_socket=False,
    extras=frozenset({"hyperv"}),
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
        Form(
            name="export",
            title="VHDX and XML as exported by Windows Server 2012 R2, for hosts up to 2019",
            disk=DiskFormat("vhdx", "dynamic", "vhdx"),
            disk_folder="{name}/Virtual Hard Disks",
            carries=EXPORTED,
            render="kensho.appliances.hyperv.export:render",
            next_step="on Windows Server 2012 R2 to 2019: Import-VM -Copy -GenerateNewId -Path"
            " (Get-Item '.\\{name}\\Virtual Machines\\*.xml').FullName",
        ),
    ),
    controllers=CONTROLLERS,
    native=POLICY,
    compatible=POLICY,
    fallback=OLD,
    guests=dict.fromkeys(
        (
            Generation.WINDOWS_XP,
            Generation.WINDOWS_XP_64,
            Generation.LINUX_OLD,
            Generation.SOLARIS,
        ),
        OLD,
    ),
    # Generation 1, whatever the version.
    bios_cpus=64,
    bios_memory=TIB,
    bios_nics=frozenset({NicModel.HYPERV_LEGACY}),
    own_macs=("00:15:5d",),
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(POWERSHELL,),
    memory_step=2 * MIB,
    hardware=("hyperv", "microsoft", "301", "vmx"),
    untested="no Hyper-V host and no PowerShell was at hand: the script has not been run",
)
