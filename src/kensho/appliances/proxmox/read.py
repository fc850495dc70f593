"""Read a machine of Proxmox VE from its ``qemu-server/VMID.conf``.

Source: https://pve.proxmox.com/pve-docs/qm.conf.5.html. Every option that is not taken up, or only
in part, stays as an `Extra` of dialect ``pve``; so do snapshots and pending changes. Nothing in
the file is ever run or expanded, ``args`` and ``hookscript`` least of all.
"""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Iterator, Mapping

from kensho.appliances.mac import normal_mac
from kensho.appliances.proxmox.conf import Conf, properties
from kensho.appliances.proxmox.drives import Drives, Locate, is_drive, read_drives
from kensho.appliances.proxmox.host_side import add_host_side
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
    Nic,
    NicModel,
    SerialKind,
    SerialPort,
    Sound,
    Video,
)
from kensho.model.units import MIB
from kensho.platforms.proxmox import QM
from kensho.platforms.words import meaning

_DEFAULT_MEMORY_MIB = 512
_MOST_MEMORY_MIB = 1 << 31
_MOST_CPUS = 8192
_MADE_BY_KENSHO = "Made by kensho. This is what the import script makes of the machine"
#: Options read to the last word. ``boot`` and ``bootdisk`` are in the order of the devices.
_READ = frozenset({"name", "sockets", "cores", "bios", "boot", "bootdisk", "ostype", "memory"})
#: Devices of the host, by the beginning of their key.
_HOST_DEVICES = re.compile(r"(?:hostpci|usb|parallel|unused|virtiofs)[0-9]+", re.ASCII)


def read_conf(
    conf: Conf, *, path: str, fallback: str, locate: Locate
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Return the machine, named ``fallback`` when it has no name, and what was noticed."""
    options = conf.options
    order = _boot_order(options)
    drives = read_drives(options, order, locate)
    findings = [*drives.findings]
    nics = tuple(_nics(options, order, findings))
    store = _variables(options, locate)
    name = options.get("name") or fallback
    machine = Machine(
        id="vm",
        name=name,
        cpu=_cpu(options, findings),
        memory=_memory(options, findings),
        firmware=_firmware(options, store),
        guest=_guest(options),
        uuid=_uuid(properties(options.get("smbios1", ""), "uuid").get("uuid", "")),
        controllers=tuple(drives.controllers.values()),
        drives=tuple(drives.drives),
        nics=nics,
        serial_ports=tuple(_serial_ports(options)),
        video=_video(options),
        sound=_sound(options),
        annotation=_annotation(conf.description),
        extras=tuple(_extras(conf, drives)),
    )
    machine = add_host_side(machine, options, _snapshots(conf))
    findings.extend(_about_sections(conf, path))
    findings.extend(_about_host_devices(options))
    networks = dict.fromkeys(nic.network for nic in nics if nic.network)
    appliance = Appliance(
        name=name,
        machines=(machine,),
        images=tuple(drives.images),
        files=(*drives.files, *store),
        networks=tuple(Network(network) for network in networks),
    )
    return appliance, tuple(findings)


def _number(
    options: Mapping[str, str], text: str, key: str, default: int, most: int, notes: list[Finding]
) -> int:
    if key not in options:
        return default
    if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) and 1 <= int(text) <= most:
        return int(text)
    notes.append(
        Finding(
            "KF-112",
            Severity.ERROR,
            f"{key} is {options[key]!r}",
            subject=key,
            action=f"{default} is assumed",
        )
    )
    return default


def _cpu(options: Mapping[str, str], findings: list[Finding]) -> Cpu:
    sockets = _number(options, options.get("sockets", ""), "sockets", 1, _MOST_CPUS, findings)
    cores = _number(options, options.get("cores", ""), "cores", 1, _MOST_CPUS, findings)
    hotplug = options.get("hotplug", "").split(",")
    return Cpu(count=sockets * cores, cores_per_socket=cores, hot_add="cpu" in hotplug)


def _memory(options: Mapping[str, str], findings: list[Finding]) -> Memory:
    text = properties(options.get("memory", ""), "current").get("current", "")
    size = _number(options, text, "memory", _DEFAULT_MEMORY_MIB, _MOST_MEMORY_MIB, findings)
    return Memory(size * MIB, hot_add="memory" in options.get("hotplug", "").split(","))


def _variables(options: Mapping[str, str], locate: Locate) -> tuple[File, ...]:
    """Return the EFI disk where it is at hand; without it the firmware starts with its defaults."""
    volume = properties(options.get("efidisk0", ""), "file").get("file", "")
    if options.get("bios") != "ovmf" or not volume:
        return ()
    name, there = locate("efidisk0", volume)
    return (File("efidisk0", name),) if there else ()


def _firmware(options: Mapping[str, str], store: tuple[File, ...]) -> FirmwareSettings:
    # seabios is Proxmox VE's own default, not an assumption.
    uefi = options.get("bios") == "ovmf"
    efi = properties(options.get("efidisk0", ""), "file")
    return FirmwareSettings(
        Firmware.UEFI if uefi else Firmware.BIOS,
        secure_boot=uefi and efi.get("pre-enrolled-keys") == "1",
        tpm="tpmstate0" in options,
        nvram=store[0].id if store else None,
    )


def _guest(options: Mapping[str, str]) -> GuestOs:
    word = options.get("ostype", "")
    if not word:
        return GuestOs()
    return GuestOs(id=guest_os.from_vendor("pve", word) or "other", vendor=(f"pve:{word}",))


def _uuid(text: str) -> str | None:
    try:
        return str(uuids.UUID(text)) if text else None
    except ValueError:
        return None


def _numbered(options: Mapping[str, str], prefix: str) -> list[tuple[int, str]]:
    found = ((re.fullmatch(rf"{prefix}([0-9]{{1,3}})", key, re.ASCII), key) for key in options)
    return sorted((int(match[1]), key) for match, key in found if match)


def _nics(
    options: Mapping[str, str], order: Mapping[str, int], findings: list[Finding]
) -> Iterator[Nic]:
    for _, key in _numbered(options, "net"):
        words = properties(options[key], "model")
        # The model's name is a key of its own when the address is its value.
        model = words.get("model") or next((w for w in words if meaning(QM.nics, w)), "")
        stated = words.get("macaddr") or words.get(model, "")
        mac = normal_mac(stated)
        if stated and mac is None:
            findings.append(
                Finding(
                    "KF-127",
                    Severity.WARNING,
                    f"adapter {key} has {stated!r} as its address",
                    subject=key,
                    action="ignored; the adapter gets a new MAC address",
                )
            )
        tag = words.get("tag", "")
        yield Nic(
            id=key,
            model=meaning(QM.nics, model) or NicModel.UNKNOWN,
            network=words.get("bridge", ""),
            mac=mac,
            connected=words.get("link_down") != "1",
            boot_order=order.get(key),
            vendor_model=model,
            vlan=int(tag)
            if re.fullmatch(r"[0-9]{1,4}", tag, re.ASCII) and 0 < int(tag) < 4095
            else None,
        )


def _serial_ports(options: Mapping[str, str]) -> Iterator[SerialPort]:
    for number, key in _numbered(options, "serial"):
        value = options[key]
        if value == "socket":  # one that Proxmox VE makes: its consoles connect to it
            yield SerialPort(key, index=number)
        else:
            yield SerialPort(key, SerialKind.DEVICE, value, number)


def _video(options: Mapping[str, str]) -> Video | None:
    words = properties(options.get("vga", ""), "type")
    kind, memory = words.get("type", "std"), words.get("memory", "")
    size = int(memory) * MIB if re.fullmatch(r"[0-9]{1,5}", memory, re.ASCII) else 0
    return None if kind == "std" and not size else Video(kind, size or None)


def _sound(options: Mapping[str, str]) -> Sound | None:
    word = properties(options.get("audio0", ""), "device").get("device", "")
    return Sound(meaning(QM.sound, word) or word) if word else None


def _boot_order(options: Mapping[str, str]) -> dict[str, int]:
    """Return the place in the boot order, from 1, by key."""
    words = properties(options.get("boot", ""), "legacy")
    if "order" in words:
        keys = [key for key in words["order"].split(";") if key]
        return {key: place for place, key in enumerate(dict.fromkeys(keys), 1)}
    # Before 6.3: letters for the first floppy, disk, CD drive and adapter, and ``bootdisk``.
    media = {k: "media=cdrom" in options[k] for k in options if is_drive(k)}
    first = {
        "c": options.get("bootdisk") or next((k for k, cd in sorted(media.items()) if not cd), ""),
        "d": next((k for k, cd in sorted(media.items()) if cd), ""),
        "n": next((key for _, key in _numbered(options, "net")), ""),
    }
    letters = words.get("legacy", "c" if "bootdisk" in options else "")
    keys = [first[letter] for letter in letters if first.get(letter)]
    return {key: place for place, key in enumerate(dict.fromkeys(keys), 1)}


def _annotation(description: list[str]) -> str:
    lines = description
    if lines and lines[0].startswith(_MADE_BY_KENSHO):
        lines = lines[1:]
    return "\n".join(lines)


def _extras(conf: Conf, drives: Drives) -> Iterator[Extra]:
    for key, value in conf.options.items():
        if key in _READ or (is_drive(key) and key not in drives.partly):
            continue
        if key == "scsihw" and any(name.startswith("scsi") for name in drives.controllers):
            continue
        yield Extra("pve", key, value)
    for name, text in conf.sections.items():
        yield Extra("pve", f"[{name}]", text)


def _snapshots(conf: Conf) -> list[str]:
    return [n for n in conf.sections if n.upper() != "PENDING" and ":" not in n]


def _about_sections(conf: Conf, path: str) -> Iterator[Finding]:
    pending = [name for name in conf.sections if name.upper() == "PENDING"]
    snapshots = _snapshots(conf)
    if snapshots:
        yield Finding(
            "KF-236",
            Severity.NOTE,
            f"the machine has snapshots: {', '.join(snapshots[:20])}",
            subject=path,
            action="the current state is read; qm clone VMID NEW --snapname NAME makes one of them"
            " a machine",
        )
    if pending:
        yield Finding(
            "KF-236",
            Severity.WARNING,
            "changes wait for the machine's next start",
            subject=path,
            action="the options are read as they were before; restart the machine to have them",
        )


def _about_host_devices(options: Mapping[str, str]) -> Iterator[Finding]:
    for key in options:
        if _HOST_DEVICES.fullmatch(key):
            what = "a volume that no drive uses" if key.startswith("unused") else "of the host"
            yield Finding(
                "KF-239",
                Severity.WARNING,
                f"{key} is {what}: {options[key]}",
                subject=key,
                action="left out of the machine, kept as text",
            )
