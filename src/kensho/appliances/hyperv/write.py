"""Write a machine for Hyper-V: a PowerShell script that makes it from VHDX files.

Source: https://learn.microsoft.com/powershell/module/hyper-v/ (New-VM and the Set-, Add- and
Enable- commands used). Generation 1 is BIOS: it starts from IDE, and its DVD drive is on IDE.
Generation 2 is UEFI: everything is on SCSI. The file has a byte order mark and CRLF, without
which Windows PowerShell 5.1 reads it as the machine's old code page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.appliances.hyperv import words
from kensho.appliances.hyperv.script import FOOT, HEAD
from kensho.appliances.mapped import (
    boot_ranks,
    controller_of,
    not_supported,
    only_machine,
    placed_disk,
)
from kensho.appliances.names import file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.machine import Cdrom, Disk, Firmware, Machine, Nic, NicModel
from kensho.model.powershell import literal
from kensho.model.units import MIB
from kensho.platforms.hyperv import POWERSHELL, VERSIONS
from kensho.platforms.words import controller_word

_MOST_COM_PORTS = 2
_ALL_VLANS = 4095  #: VMware's word for a trunk


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-import.ps1``.

    Raises UnsupportedError for several machines and for a device that this generation of
    virtual machine does not have.
    """
    machine = only_machine(appliance, "Hyper-V")
    stem = file_stem(appliance.name)
    script = f"{stem}-import.ps1"
    files = [placed_disk(disk, disks).filename for disk in machine.disks]
    files += [file.href for file in appliance.files]
    generation = 2 if machine.firmware.kind is Firmware.UEFI else 1
    name = " ".join("".join(c if c.isprintable() else " " for c in machine.name).split())
    chosen = next((v.name for v in VERSIONS if v.name in machine.hardware_versions), "")
    values = {
        "NAME": literal(name[:100] or stem),
        "FILES": ", ".join(map(literal, files)),
        "GENERATION": str(generation),
        "SCRIPT": script,
        "VERSION": literal(chosen),
    }
    # In one pass: a machine may be called @FILES@.
    head = re.sub("@([A-Z]+)@", lambda match: values.get(match[1], match[0]), HEAD)
    lines = [
        *_processors_and_memory(machine),
        *_firmware(machine, generation),
        *_drives(appliance, machine, disks, generation),
        *_nics(machine, generation),
        *_com_ports(machine, stem),
        *_boot_order(machine, generation),
        *_notes(machine),
    ]
    body = "".join(f"    {line}\n" if line else "\n" for line in lines)
    services = "".join(f"        {line}\n" for line in _services())
    foot = FOOT.replace("@SERVICES@", services)
    text = (head + body + foot).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return (Document(script, b"\xef\xbb\xbf" + text.encode(errors="replace")),)


def _services() -> list[str]:
    """Return the integration services, with what a host does by default: no files from the host."""
    return [
        f"{literal(guid)} = {literal('off' if guid == words.GUEST_FILES else 'on')}"
        for guid in words.SERVICES
    ]


def _processors_and_memory(machine: Machine) -> list[str]:
    memory = machine.memory
    size = _stepped(memory.size)
    dynamic, limits = "false", ""
    if memory.minimum is not None:
        least = _stepped(max(min(memory.minimum, memory.size), 32 * MIB))
        most = _stepped(max(memory.limit or memory.size, memory.size))
        dynamic, limits = "true", f" -MinimumBytes {least} -MaximumBytes {most}"
    nested = " -ExposeVirtualizationExtensions $true" if machine.cpu.nested_virtualization else ""
    movable = "-CompatibilityForMigrationEnabled $CompatibleProcessor.IsPresent"
    return [
        "# Processors and memory.",
        f"Set-VMProcessor -VM $vm -Count {machine.cpu.count}{nested} {movable}",
        f"Set-VMMemory -VM $vm -DynamicMemoryEnabled ${dynamic} -StartupBytes {size}{limits}",
    ]


def _stepped(size: int) -> int:
    """Return a size of memory as it comes there: in steps of 2 MiB."""
    return -(-size // (2 * MIB)) * 2 * MIB


def _firmware(machine: Machine, generation: int) -> list[str]:
    if generation == 1:
        return []  # no secure boot and no TPM there
    lines = ["", "# Firmware."]
    if machine.firmware.secure_boot:
        lines.append(
            "Set-VMFirmware -VM $vm -EnableSecureBoot On -SecureBootTemplate"
            f" {literal(_template(machine))}"
        )
    else:
        lines.append("Set-VMFirmware -VM $vm -EnableSecureBoot Off")
    if machine.firmware.tpm:
        lines += [
            "# A trusted platform module, empty: what was sealed in the old one is not in it.",
            "Set-VMKeyProtector -VM $vm -NewLocalKeyProtector",
            "Enable-VMTPM -VM $vm",
        ]
    return lines


def _template(machine: Machine) -> str:
    """Return whose keys the firmware starts with: those it had on Hyper-V, else by the guest."""
    stated = {w.removeprefix("hyperv:") for w in machine.guest.vendor if w.startswith("hyperv:")}
    known = [name for name in words.TEMPLATES.values() if name in stated]
    windows = guest_os.get(machine.guest.id).family == "windows"
    own = "MicrosoftWindows" if windows else "MicrosoftUEFICertificateAuthority"
    return known[0] if known else own


def _drives(
    appliance: Appliance, machine: Machine, disks: Mapping[str, PlacedDisk], generation: int
) -> list[str]:
    lines = ["", "# Drives, each at the place it had or was given."]
    most = -1
    for number, drive in enumerate(machine.drives):
        if not isinstance(drive, Disk | Cdrom):
            raise not_supported("Hyper-V", drive, "floppy")
        controller = controller_of(machine, drive)
        kind = controller_word(POWERSHELL.controllers, controller.model)
        if kind is None or (kind == "IDE" and generation == 2):
            raise not_supported(f"Hyper-V generation {generation}", drive, controller.model.value)
        if kind == "SCSI":
            most = max(most, controller.index)
        place = f"-ControllerNumber {controller.index} -ControllerLocation {drive.unit}"
        if isinstance(drive, Cdrom):
            if kind == "SCSI" and generation == 1:
                raise not_supported("Hyper-V generation 1", drive, "DVD drive on SCSI")
            inserted = appliance.file(drive.file)
            path = f" -Path (Join-Path $PSScriptRoot {literal(inserted.href)})" if inserted else ""
            lines.append(f"$drive{number} = Add-VMDvdDrive -VM $vm {place}{path} -Passthru")
        else:
            path = f"(Join-Path $PSScriptRoot {literal(placed_disk(drive, disks).filename)})"
            lines.append(
                f"$drive{number} = Add-VMHardDiskDrive -VM $vm -ControllerType {kind} {place}"
                f" -Path {path} -Passthru"
            )
    if most >= 0:
        lines[2:2] = [
            f"while (@(Get-VMScsiController -VM $vm).Count -lt {most + 1}) {{",
            "    Add-VMScsiController -VM $vm",
            "}",
        ]
    return lines


def _nics(machine: Machine, generation: int) -> list[str]:
    lines = ["", "# Network adapters, each named after the network it was on."]
    for number, nic in enumerate(machine.nics):
        if nic.model not in {NicModel.HYPERV, NicModel.HYPERV_LEGACY}:
            raise not_supported("Hyper-V", nic, nic.model.value)
        legacy = nic.model is NicModel.HYPERV_LEGACY
        if legacy and generation == 2:
            raise UnsupportedError(
                f"Hyper-V generation 2 has no legacy adapter for {nic.id!r}", field=nic.id
            )
        lines.append(
            f"$nic{number} = Add-VMNetworkAdapter -VM $vm"
            f" -Name {literal(_adapter_name(nic, number))}"
            f"{' -IsLegacy $true' if legacy else ''}{_mac(nic)} -Passthru"
        )
        lines.append(f"Set-VMNetworkAdapter -VMNetworkAdapter $nic{number} -MacAddressSpoofing Off")
        if nic.connected and nic.target_network:
            lines.append(
                f"Connect-VMNetworkAdapter -VMNetworkAdapter $nic{number}"
                f" -SwitchName {literal(nic.target_network)}"
            )
        elif nic.connected:
            lines.append(f"Connect-Adapter -Adapter $nic{number} -Network {literal(nic.network)}")
        if nic.vlan == _ALL_VLANS:
            lines.append(
                f"Set-VMNetworkAdapterVlan -VMNetworkAdapter $nic{number} -Trunk"
                " -AllowedVlanIdList '1-4094' -NativeVlanId 0"
            )
        elif nic.vlan and 0 < nic.vlan < _ALL_VLANS:
            lines.append(
                f"Set-VMNetworkAdapterVlan -VMNetworkAdapter $nic{number} -Access"
                f" -VlanId {nic.vlan}"
            )
    return lines


def _adapter_name(nic: Nic, number: int) -> str:
    parts = "".join(c if c.isprintable() else " " for c in nic.network).split()
    return " ".join(parts) or f"Network Adapter {number + 1}"


def _mac(nic: Nic) -> str:
    digits = (nic.mac or "").replace(":", "").upper()
    return f" -StaticMacAddress {literal(digits)}" if re.fullmatch("[0-9A-F]{12}", digits) else ""


def _com_ports(machine: Machine, stem: str) -> list[str]:
    count = min(len(machine.serial_ports), _MOST_COM_PORTS)
    if count == 0:
        return []
    lines = ["", "# Serial ports, as named pipes of the host."]
    for number in range(1, count + 1):
        pipe = literal(f"\\\\.\\pipe\\{stem}-com{number}")
        lines.append(f"Set-VMComPort -VM $vm -Number {number} -Path {pipe}")
    return lines


def _boot_order(machine: Machine, generation: int) -> list[str]:
    ranks = boot_ranks(machine)
    ordered = sorted(ranks, key=ranks.__getitem__)
    lines = ["", "# What to start from."]
    if generation == 2:
        variables = {d.id: f"$drive{n}" for n, d in enumerate(machine.drives)}
        variables |= {nic.id: f"$nic{n}" for n, nic in enumerate(machine.nics)}
        if not ordered:
            return []
        devices = ", ".join(variables[device] for device in ordered)
        return [*lines, f"Set-VMFirmware -VM $vm -BootOrder {devices}"]
    # Generation 1 orders kinds of devices, and all four must be named.
    kinds = {d.id: "CD" if isinstance(d, Cdrom) else "IDE" for d in machine.drives}
    kinds |= {nic.id: "LegacyNetworkAdapter" for nic in machine.nics}
    names = [*(kinds[device] for device in ordered), "IDE", "CD", "LegacyNetworkAdapter", "Floppy"]
    order = ", ".join(map(literal, dict.fromkeys(names)))
    return [*lines, f"Set-VMBios -VM $vm -StartupOrder @({order})"]


def _notes(machine: Machine) -> list[str]:
    if not machine.annotation.strip():
        return []
    return ["", "# Notes.", f"Set-VM -VM $vm -Notes {literal(machine.annotation)}"]
