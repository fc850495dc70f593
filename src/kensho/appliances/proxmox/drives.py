"""The drives of a Proxmox VE configuration, and where their volumes are found.

Source: https://pve.proxmox.com/pve-docs/qm.conf.5.html (ide, sata, scsi, virtio, scsihw) and
https://pve.proxmox.com/pve-docs/chapter-pvesm.html (volumes: ``STORAGE:NAME``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kensho.appliances.proxmox.conf import properties
from kensho.model.appliance import DiskImage, File
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Cdrom, Controller, ControllerModel, Disk, Drive
from kensho.platforms.proxmox import QM
from kensho.platforms.words import meaning

_KEY = re.compile(r"(ide|sata|scsi|virtio)([0-9]{1,2})", re.ASCII)
_BUSES = ("ide", "sata", "scsi", "virtio")
_CLOUD_INIT = re.compile(r"[^:,]+:(?:.*/)?(?:cloudinit|vm-[0-9]+-cloudinit(?:\.\w+)?)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15})(?:\.0+)?([KMGT]?)", re.ASCII)
_SCALE = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
#: Options of a drive that the neutral model has, or that hold for the volume only.
_READ = frozenset({"file", "media", "size", "ssd", "ro", "cache", "iops", "mbps"})

#: Looks a volume up: its key and name; returns the file's name and whether it is there.
Locate = Callable[[str, str], tuple[str, bool]]


@dataclass(slots=True)
class Drives:
    """What was read; ``partly`` are keys with options that are kept as text."""

    controllers: dict[str, Controller] = field(default_factory=dict)
    drives: list[Drive] = field(default_factory=list)
    images: list[DiskImage] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    partly: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def is_drive(key: str) -> bool:
    """Tell whether an option is a drive, such as ``scsi0``."""
    return _KEY.fullmatch(key) is not None


def is_cloud_init(volume: str) -> bool:
    """Tell whether a volume is the CD that Proxmox VE makes of cloud-init options."""
    return _CLOUD_INIT.fullmatch(volume) is not None


def read_drives(options: Mapping[str, str], order: Mapping[str, int], locate: Locate) -> Drives:
    """Read all drives; ``order`` is the boot order by key, from 1."""
    found = Drives()
    keys = [(_BUSES.index(m[1]), int(m[2]), k) for k in options if (m := _KEY.fullmatch(k))]
    for bus, number, key in sorted(keys):
        _read_drive(found, key, _BUSES[bus], number, options, order.get(key), locate)
    return found


def _read_drive(
    found: Drives,
    key: str,
    bus: str,
    number: int,
    options: Mapping[str, str],
    boot: int | None,
    locate: Locate,
) -> None:
    words = properties(options[key], "file")
    controller, unit = _place(found, bus, number, options.get("scsihw", "lsi"))
    if words.keys() - _READ:
        found.partly.add(key)
    volume = words.get("file", "")
    if words.get("media") == "cdrom":
        if volume in {"none", ""}:
            found.drives.append(Cdrom(key, controller, unit, boot_order=boot))
        elif is_cloud_init(volume):
            found.partly.add(key)
            found.drives.append(Cdrom(key, controller, unit, boot_order=boot))
            found.findings.append(
                Finding(
                    "KF-493",
                    Severity.NOTE,
                    f"{key} is a CD that Proxmox VE makes of the machine's cloud-init options",
                    subject=key,
                    action="empty at other targets: give the guest its settings with --property,"
                    " or a CD of your own",
                )
            )
        elif volume == "cdrom":
            found.drives.append(Cdrom(key, controller, unit, host_device="cdrom", boot_order=boot))
        else:
            file = _file(found, key, volume, locate)
            found.drives.append(Cdrom(key, controller, unit, file, boot_order=boot))
        return
    if volume in {"none", ""}:
        found.findings.append(
            Finding(
                "KF-116",
                Severity.ERROR,
                f"{key} is a disk without a volume",
                subject=key,
                action="left out of the machine",
            )
        )
        return
    file = _file(found, key, volume, locate)
    capacity = _size(words.get("size", ""))
    found.images.append(DiskImage(f"disk-{key}", file, capacity))
    found.drives.append(
        Disk(
            key,
            f"disk-{key}",
            controller,
            unit,
            boot_order=boot,
            read_only=words.get("ro") == "1",
            solid_state=words.get("ssd") == "1",
            nonpersistent=words.get("snapshot") == "1",
            cache=words.get("cache", ""),
            iops=int(iops)
            if re.fullmatch("[1-9][0-9]{0,8}", iops := words.get("iops", ""))
            else None,
            bandwidth=_mbps(words.get("mbps", "")),
        )
    )


def _place(found: Drives, bus: str, number: int, scsihw: str) -> tuple[str, int]:
    """Return the id of the controller, added when it is new, and the place on it."""
    match bus:
        case "ide":  # two on each of two channels
            model, index, unit = ControllerModel.IDE, number // 2, number % 2
        case "virtio":
            model, index, unit = ControllerModel.VIRTIO_BLK, number, 0
        case "sata":
            model, index, unit = ControllerModel.AHCI, 0, number
        case _:
            model = meaning(QM.controllers, f"scsi:{scsihw}") or ControllerModel.SCSI
            index, unit = 0, number
    name = f"{bus}-{index}"
    word = scsihw if bus == "scsi" else ""
    found.controllers.setdefault(name, Controller(name, model, index, word))
    return name, unit


def _file(found: Drives, key: str, volume: str, locate: Locate) -> str:
    name, there = locate(key, volume)
    if not there:
        found.findings.append(
            Finding(
                "KF-237",
                Severity.WARNING,
                f"{key} is the volume {volume}, which is in a storage of the Proxmox VE host",
                subject=key,
                action=f"looked for as {name} beside the configuration, where it is not; export"
                " it there: qemu-img convert -O qcow2 $(pvesm path VOLUME) FILE",
            )
        )
    file = f"file-{key}"
    found.files.append(File(file, name))
    return file


def _mbps(text: str) -> int | None:
    """Return bytes a second; Proxmox VE counts in MiB, and in parts of one."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text, re.ASCII):
        return None
    return round(float(text) * _SCALE["M"]) or None


def _size(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _SCALE[match[2]] or None if match else None
