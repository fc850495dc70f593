"""Write a machine for Proxmox VE: a script of ``qm`` commands and the configuration it makes.

Source: https://pve.proxmox.com/pve-docs/qm.conf.5.html; the script is in ``script.py``.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Mapping

from kensho.appliances.mapped import (
    boot_ranks,
    controller_of,
    not_supported,
    only_machine,
    placed_disk,
)
from kensho.appliances.names import dns_name, file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.appliances.proxmox.drives import is_cloud_init
from kensho.appliances.proxmox.extras import had_volume, nic_parts, with_drive_parts, with_options
from kensho.appliances.proxmox.script import DriveLine, efi_options, import_script
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.host_side import Clock
from kensho.model.machine import (
    Cdrom,
    Disk,
    Firmware,
    Machine,
    Nic,
)
from kensho.model.units import GIB, MIB
from kensho.platforms.base import CACHES
from kensho.platforms.proxmox import QM
from kensho.platforms.words import controller_word, word_for

_KEYS = {"virtio": 16, "scsi": 31, "sata": 6, "ide": 4}  #: drives there can be of each
_VLANS = range(1, 4095)  #: VMware's 4095, all of them, is what an adapter without a tag has
#: What the configuration file assumes.
_VMID, STORAGE, _BRIDGE, _ISO_STORAGE = 100, "local-lvm", "vmbr0", "local"
_MADE_BY_KENSHO = (
    "Made by kensho. This is what the import script makes of the machine when it is number"
    f" {_VMID} on {STORAGE} and {_BRIDGE}."
)


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-import.sh`` and ``NAME.conf``.

    Raises UnsupportedError for several machines and for a device Proxmox VE does not have.
    """
    machine = only_machine(appliance, "Proxmox VE")
    stem = file_stem(appliance.name)
    options = _options(machine)
    drives = _drive_lines(appliance, machine, disks)
    nics = _nics(machine)
    boot = _boot_order(machine, drives)
    store = appliance.file(machine.firmware.nvram)
    script = import_script(
        f"{stem}-import.sh", machine, options, drives, nics, boot, store.href if store else ""
    )
    notes = f"{_MADE_BY_KENSHO}\n{machine.annotation}"
    config = _config(machine, options, drives, nics, boot, notes)
    return (
        Document(f"{stem}-import.sh", script.encode(errors="replace"), executable=True),
        Document(f"{stem}.conf", config.encode(errors="replace")),
    )


def archived_config(
    appliance: Appliance, disks: Mapping[str, PlacedDisk]
) -> tuple[str, dict[str, str]]:
    """Return the configuration for a backup, and the id of the image by the key of its drive.

    Raises what `render` does.
    """
    machine = only_machine(appliance, "Proxmox VE")
    drives = _drive_lines(appliance, machine, disks)
    nics = _nics(machine)
    boot = _boot_order(machine, drives)
    text = _config(machine, _options(machine), drives, nics, boot, machine.annotation)
    return text, {line.key: line.placed.image for line in drives if line.placed is not None}


def _options(machine: Machine) -> dict[str, str]:
    """Return the options of qm.conf(5) that are no drives and no adapters."""
    cpu, uefi = machine.cpu, machine.firmware.kind is Firmware.UEFI
    cores = cpu.cores_per_socket if cpu.count % max(1, cpu.cores_per_socket) == 0 else 1
    options = {
        "name": dns_name(machine.name),
        "ostype": guest_os.to_vendor(machine.guest.id, "pve"),
        "memory": str(-(-machine.memory.size // MIB)),
        "sockets": str(cpu.count // cores),
        "cores": str(cores),
        "cpu": "host",  # the default, kvm64, lacks what RHEL 9 and others need to start
        "bios": "ovmf" if uefi else "seabios",
        "vga": "std",
    }
    if uefi:
        options["machine"] = "q35"
    if machine.clock is not None:
        options["localtime"] = str(int(machine.clock is Clock.LOCAL))
    if machine.video is not None and machine.video.memory:
        options["vga"] = f"std,memory={min(max(machine.video.memory // MIB, 4), 512)}"
    words = (controller_word(QM.controllers, c.model) or "" for c in machine.controllers)
    kinds = {word.partition(":")[2] for word in words} - {""}
    if len(kinds) > 1:
        raise UnsupportedError(f"Proxmox VE has one kind of SCSI controller, not {sorted(kinds)}")
    for kind in kinds:
        options["scsihw"] = kind
    if machine.uuid is not None:
        with contextlib.suppress(ValueError):  # not a UUID: Proxmox VE makes one
            options["smbios1"] = f"uuid={uuid.UUID(machine.uuid)}"
    for number in range(min(len(machine.serial_ports), 4)):
        options[f"serial{number}"] = "socket"
    return with_options(options, machine)


def _drive_lines(
    appliance: Appliance, machine: Machine, disks: Mapping[str, PlacedDisk]
) -> list[DriveLine]:
    lines = []
    for drive in machine.drives:
        if not isinstance(drive, Disk | Cdrom):
            raise not_supported("Proxmox VE", drive, "floppy")
        key = _key(machine, drive)
        if isinstance(drive, Cdrom):
            file = appliance.file(drive.file)
            made = file is None and is_cloud_init(had_volume(machine, key))
            lines.append(DriveLine(key, None, "media=cdrom", file.href if file else "", made))
            continue
        options = ["discard=on"]
        if drive.cache in CACHES:
            options.append(f"cache={drive.cache}")
        if drive.iops:
            options.append(f"iops={drive.iops}")
        if drive.bandwidth:
            options.append(f"mbps={max(1, drive.bandwidth * 1000 // MIB) / 1000:.10g}")
        if drive.solid_state and not key.startswith("virtio"):
            options.append("ssd=1")
        if drive.read_only and key.startswith(("virtio", "scsi")):
            options.append("ro=1")
        options = with_drive_parts(options, key, machine)
        lines.append(DriveLine(key, placed_disk(drive, disks), ",".join(options)))
    return lines


def _key(machine: Machine, drive: Disk | Cdrom) -> str:
    """Return the key of a drive, such as ``scsi0``; its number is its place."""
    controller = controller_of(machine, drive)
    word = controller_word(QM.controllers, controller.model)
    if word is None:
        raise not_supported("Proxmox VE", drive, controller.model.value)
    prefix = word.partition(":")[0]
    match prefix:
        case "ide":
            number = 2 * controller.index + drive.unit
        case "virtio":
            number = controller.index + drive.unit
        case _:
            number = drive.unit if controller.index == 0 else _KEYS[prefix]
    if number >= _KEYS[prefix]:
        raise UnsupportedError(
            f"drive {drive.id!r} is at {prefix} {controller.index}:{drive.unit}; Proxmox VE has"
            f" {_KEYS[prefix]} places there",
            field=drive.id,
        )
    return f"{prefix}{number}"


def _nics(machine: Machine) -> list[tuple[str, str, str]]:
    return [_nic(nic, nic_parts(number, machine)) for number, nic in enumerate(machine.nics)]


def _nic(nic: Nic, more: str) -> tuple[str, str, str]:
    """Return a network option in parts: before the bridge, the bridge if it is given, the rest."""
    model = word_for(QM.nics, nic.model)
    if model is None:
        raise not_supported("Proxmox VE", nic, nic.model.value)
    if nic.mac is not None and re.fullmatch(
        r"[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}", nic.mac
    ):
        model += f"={nic.mac.upper()}"
    tail = more + (f",tag={nic.vlan}" if nic.vlan in _VLANS else "")
    if nic.target_network and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", nic.target_network):
        raise UnsupportedError(f"not the name of a bridge: {nic.target_network!r}", field=nic.id)
    return f"{model},bridge=", nic.target_network, tail + ("" if nic.connected else ",link_down=1")


def _boot_order(machine: Machine, drives: list[DriveLine]) -> str:
    """Return the value of ``boot``: device keys, first first."""
    ranks = boot_ranks(machine)
    keys = dict(zip((d.id for d in machine.drives), (line.key for line in drives), strict=True))
    keys |= {nic.id: f"net{number}" for number, nic in enumerate(machine.nics)}
    return "order=" + ";".join(keys[device] for device in sorted(ranks, key=ranks.__getitem__))


def _config(
    machine: Machine,
    options: dict[str, str],
    drives: list[DriveLine],
    nics: list[tuple[str, str, str]],
    boot: str,
    notes: str,
) -> str:
    """Return the configuration as ``qm config`` would show it after the script has run."""
    lines = dict(options)
    volumes = 0
    if machine.firmware.kind is Firmware.UEFI:
        lines["efidisk0"] = f"{_volume(volumes)},{efi_options(machine)},size=4M"
        volumes += 1
    if machine.firmware.tpm:
        lines["tpmstate0"] = f"{_volume(volumes)},size=4M,version=v2.0"
        volumes += 1
    for line in drives:
        if line.placed is None:
            source = f"{_ISO_STORAGE}:iso/{line.inserted}" if line.inserted else "none"
            source = f"{STORAGE}:vm-{_VMID}-cloudinit" if line.made else source
            lines[line.key] = f"{source},{line.options}"
            continue
        size = _size(line.placed.virtual_size)
        lines[line.key] = f"{_volume(volumes)},{line.options},size={size}"
        volumes += 1
    lines |= {
        f"net{n}": f"{before}{bridge or _BRIDGE}{after}"
        for n, (before, bridge, after) in enumerate(nics)
    }
    if boot != "order=":
        lines["boot"] = boot
    lines_of_notes = notes.rstrip().split("\n") if notes.strip() else []
    comment = "".join(f"#{_encoded(text)}\n" for text in lines_of_notes)
    return comment + "".join(f"{key}: {lines[key]}\n" for key in sorted(lines))


def _volume(number: int) -> str:
    return f"{STORAGE}:vm-{_VMID}-disk-{number}"


def _size(size: int) -> str:
    return f"{size // GIB}G" if size % GIB == 0 else f"{-(-size // MIB)}M"


def _encoded(text: str) -> str:
    """Return a line of a description as the file holds it: percent-encoded where it matters."""
    data = text.encode(errors="replace")
    return "".join(chr(b) if 0x20 <= b < 0x7F and b not in b":%" else f"%{b:02X}" for b in data)
