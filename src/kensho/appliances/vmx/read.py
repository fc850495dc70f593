"""Read a VMX into the neutral machine.

Keys as VMware Workstation and ESXi write them; libvirt's src/vmx and VMware's knowledge base
describe the devices. Every key that is not taken up stays as an `Extra` of dialect ``vmx``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kensho.appliances.vmx.boot import with_boot_order
from kensho.appliances.vmx.devices import read_nics, read_others, read_serial_ports
from kensho.appliances.vmx.drives import read_drives
from kensho.appliances.vmx.encryption import is_partly_encrypted, refuse_encrypted
from kensho.appliances.vmx.host_side import add_host_side
from kensho.appliances.vmx.keys import Keys
from kensho.appliances.vmx.parse import Dictionary
from kensho.model import guest_os
from kensho.model.appliance import Appliance, File, Network
from kensho.model.finding import Finding, Severity
from kensho.model.machine import (
    Cpu,
    Extra,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
)
from kensho.model.units import MIB

_DEFAULT_MEMORY = 32 * MIB  #: what VMware takes where memsize is missing
_MOST_CPUS = 4096
_MOST_MEMORY_MIB = 1 << 31
_MHZ = 1_000_000
_DIGITS = 4  #: of the version of the virtual hardware
_MOST_SHARE = 1 << 40
_NAME_ESCAPE = re.compile(r"%(25|2f|5c)", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{32}")

#: Looks a disk's file name up: returns the name to use and whether the file is there.
Locate = Callable[[str], tuple[str, bool]]


def read_vmx(
    dictionary: Dictionary, *, path: str, fallback: str, locate: Locate
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Read a machine; ``fallback`` names it if displayName is missing.

    UnsupportedError when the configuration is encrypted.
    """
    refuse_encrypted(dictionary, path)
    keys = Keys(dictionary, path)
    if is_partly_encrypted(dictionary):
        keys.note(
            "KF-465",
            Severity.WARNING,
            "the machine is encrypted in part: what its virtual TPM and firmware keep, perhaps"
            " its disks",
            action="the settings are read; disks that are encrypted are refused when they are read",
        )
    drives = read_drives(keys, locate)
    nics = read_nics(keys)
    others = read_others(keys)
    name = display_name(keys.take("displayname")) or fallback
    files = list(drives.files)
    firmware = _firmware(keys, files, locate)
    cpu = _cpu(keys)
    memory = _memory(keys)
    machine = Machine(
        id="vm",
        name=name,
        cpu=cpu,
        memory=memory,
        firmware=firmware,
        guest=_guest(keys),
        uuid=_uuid(keys),
        controllers=drives.controllers,
        drives=drives.drives,
        nics=nics,
        serial_ports=read_serial_ports(keys),
        video=others.video,
        sound=others.sound,
        usb=others.usb,
        others=others.others,
        annotation=keys.take("annotation"),
        hardware_versions=_hardware_version(keys),
        extras=_extras(keys),
    )
    machine = with_boot_order(add_host_side(machine, keys), keys)
    networks = dict.fromkeys(nic.network for nic in nics if nic.network)
    appliance = Appliance(
        name=name,
        machines=(machine,),
        images=drives.images,
        files=tuple(files),
        networks=tuple(Network(network) for network in networks),
    )
    return appliance, tuple(keys.findings)


def display_name(text: str) -> str:
    """Return a name without the escapes that vSphere's API demands for three characters."""
    return _NAME_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def _cpu(keys: Keys) -> Cpu:
    count = keys.number("numvcpus", 1, 1, _MOST_CPUS)
    cores = keys.number("cpuid.corespersocket", 1, 1, _MOST_CPUS)
    hot_add = keys.take_true("vcpu.hotadd")
    nested = keys.take_true("vhv.enable")
    return Cpu(
        count=count,
        cores_per_socket=cores if count % cores == 0 else 1,
        hot_add=hot_add,
        nested_virtualization=nested,
        reservation_hz=_share(keys, "sched.cpu.min", _MHZ),
        limit_hz=_share(keys, "sched.cpu.max", _MHZ),
    )


def _memory(keys: Keys) -> Memory:
    size = keys.number("memsize", 0, 1, _MOST_MEMORY_MIB)
    if not size:
        keys.note(
            "KF-112",
            Severity.WARNING,
            "the machine's memory is not given",
            action="32 MiB is assumed, VMware's default",
        )
    return Memory(
        size * MIB or _DEFAULT_MEMORY,
        reservation=_share(keys, "sched.mem.min", MIB),
        limit=_share(keys, "sched.mem.max", MIB),
        hot_add=keys.take_true("mem.hotadd"),
    )


def _share(keys: Keys, key: str, unit: int) -> int | None:
    """Return a reservation or limit; 0, -1 and ``unlimited`` say that there is none."""
    text = keys.peek(key).lower()
    if text in {"", "-1", "unlimited"}:
        keys.take(key)
        return None
    return keys.number(key, 0, 0, _MOST_SHARE) * unit or None


def _firmware(keys: Keys, files: list[File], locate: Locate) -> FirmwareSettings:
    word = keys.take("firmware").lower()
    kind = Firmware.UEFI if word == "efi" else Firmware.BIOS
    secure = keys.take_true("uefi.secureboot.enabled")
    # Fusion and Workstation write "software" there, for a TPM of theirs.
    automatic = keys.take("managedvm.autoaddvtpm").lower() not in {"", "false", "0"}
    tpm = keys.take_true("vtpm.present") or automatic
    nvram = keys.take("nvram")
    file_id = None
    if nvram:
        name, there = locate(nvram)
        if there:
            file_id = "nvram"
            files.append(File(file_id, name))
        else:  # usual for a machine that never ran
            keys.note(
                "KF-145",
                Severity.NOTE,
                f"the firmware's settings, {nvram}, are not there",
                action="the guest starts with the firmware's defaults",
            )
    # A VMX without the key means BIOS: this is VMware's own default, not an assumption.
    return FirmwareSettings(kind, secure and kind is Firmware.UEFI, tpm, file_id)


def _guest(keys: Keys) -> GuestOs:
    word = keys.take("guestos")
    if not word:
        return GuestOs()
    return GuestOs(
        id=guest_os.from_vendor("vmx", word) or "other",
        description=keys.take("guestosaltname"),
        vendor=(f"vmx:{word}",),
    )


def _uuid(keys: Keys) -> str | None:
    plain = re.sub(r"[\s-]", "", keys.take("uuid.bios")).lower()
    if not _HEX.fullmatch(plain):
        return None
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _hardware_version(keys: Keys) -> tuple[str, ...]:
    version = keys.take("virtualhw.version")
    is_number = version.isascii() and version.isdigit() and len(version) <= _DIGITS
    return (f"vmx-{int(version):02d}",) if is_number else ()


def _extras(keys: Keys) -> tuple[Extra, ...]:
    for key in (".encoding", "config.version"):
        keys.take(key)
    return tuple(Extra("vmx", key, value) for key, value in keys.rest())
