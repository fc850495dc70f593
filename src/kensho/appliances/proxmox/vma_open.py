"""Open a machine from a backup of Proxmox VE: its configuration, and disks read in place.

``vzdump`` adds to ``qemu-server.conf`` a line for each volume it saved:
``#qmdump#map:DRIVE:DEVICE:STORAGE:FORMAT:``. What is not in the backup is not in the machine.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Mapping

import msgspec

from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.proxmox.conf import Conf, parse_conf, properties
from kensho.appliances.proxmox.drives import is_cloud_init, is_drive
from kensho.appliances.proxmox.efi_vars import empty_variables
from kensho.appliances.proxmox.read import read_conf
from kensho.appliances.proxmox.vma import Archive, read_archive
from kensho.appliances.proxmox.vma_disk import Clusters, VmaDisk, index_clusters, read_first
from kensho.appliances.proxmox.vma_note import read_note
from kensho.appliances.proxmox.vma_structs import MEMORY
from kensho.disks.base import DiskReader
from kensho.model.appliance import Appliance
from kensho.model.errors import FormatError, PackageError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Extra
from kensho.model.selection import Selection
from kensho.model.units import MIB
from kensho.storage.base import ByteSource
from kensho.storage.memory import MemorySource
from kensho.storage.spooled import SpooledSource

CONFIG, FIREWALL = "qemu-server.conf", "qemu-server.fw"
_MAP = re.compile(rb"#qmdump#map:(\S+?):(\S+?):[^:\s]*:[^:\s]*:\s*")
_MOST_SMALL = 16 * MIB
_BEGINNING = 4 * MIB
_ADDED = (b"#qmdump#", b"#vzdump#")


def open_vma(origin: Origin, selection: Selection) -> Package:
    """Open a ``.vma``; its disks are indexed when the first one is opened.

    FormatError kinds for a damaged archive, PackageError when it has no configuration, UsageError
    when a snapshot is asked for: a backup has none.
    """
    if selection.configuration is not None:
        raise UsageError("a backup has no snapshots", path=origin.path)
    source = origin.open()
    try:
        archive = read_archive(source)
        if isinstance(source, SpooledSource):
            source.bound(archive.most_bytes)
        appliance, findings = _read(archive, origin)
        appliance = _without_empty_variables(appliance, archive, source)
    except BaseException:
        source.close()
        raise
    opener = _opener(source, archive, appliance)
    return Package(
        "vma",
        origin.path,
        appliance,
        open_file=_small_file(source, archive, appliance, opener),
        open_sibling=_no_file(origin.path),
        findings=findings,
        close=source.close,
        open_image=lambda image_id: opener(_file_of(appliance, image_id)),
    )


def _opener(
    source: ByteSource, archive: Archive, appliance: Appliance
) -> Callable[[str], DiskReader]:
    lock = threading.Lock()
    index: dict[str, Clusters] = {}

    def open_device(file_id: str) -> DiskReader:
        file = appliance.file(file_id)
        device = archive.device(file.href) if file is not None else None
        if device is None:
            raise PackageError(f"the backup has no file {file_id!r}", path=source.name)
        with lock:
            if not index:
                index.update(index_clusters(source, archive))
        return VmaDisk(source, device, index[device.name])

    return open_device


def _file_of(appliance: Appliance, image_id: str) -> str:
    image = appliance.image(image_id)
    return "" if image is None or image.file is None else image.file


def _small_file(
    source: ByteSource,
    archive: Archive,
    appliance: Appliance,
    opener: Callable[[str], DiskReader],
) -> Callable[[str], ByteSource]:
    """Return what opens the EFI disk: a volume that is read as a file."""

    def open_file(file_id: str) -> ByteSource:
        file = appliance.file(file_id)
        device = archive.device(file.href) if file is not None else None
        if device is None or device.size > _MOST_SMALL:
            raise PackageError(f"{file_id!r} is no file of its own", path=source.name)
        content = bytearray(device.size)
        opener(file_id).read_into(0, content)
        return MemorySource(content, f"{source.name}#{device.name}")

    return open_file


def _no_file(path: str) -> Callable[[str], ByteSource]:
    def refuse(name: str) -> ByteSource:
        raise PackageError(f"{name!r} is no file of its own", path=path)

    return refuse


def _read(archive: Archive, origin: Origin) -> tuple[Appliance, tuple[Finding, ...]]:
    path = f"{origin.path}#{CONFIG}"
    data = archive.configs.get(CONFIG)
    if data is None:
        raise PackageError(
            f"the backup has no {CONFIG}", path=origin.path, hint="it is of no virtual machine"
        )
    lines = data.split(b"\n")
    named = {
        match[1].decode(errors="replace"): match[2].decode(errors="replace")
        for match in map(_MAP.fullmatch, lines)
        if match
    }
    own = b"\n".join(b"" if line.startswith(_ADDED) else line for line in lines)
    conf, findings = parse_conf(own, path=path)
    left_out = tuple(_leave_out(conf, archive, named))
    appliance, more = read_conf(
        conf,
        path=path,
        fallback=origin.stem,
        locate=lambda key, _volume: _locate(_device_of(key, archive, named), key),
    )
    appliance = _with_sizes(_with_firewall(appliance, archive), archive)
    note, about_note = read_note(archive.configs, path)
    appliance = msgspec.structs.replace(appliance, origin=note)
    return appliance, (*findings, *left_out, *more, *_about_memory(archive), *about_note)


def _locate(device: str | None, key: str) -> tuple[str, bool]:
    return (key, False) if device is None else (device, True)


def _device_of(key: str, archive: Archive, named: Mapping[str, str]) -> str | None:
    """Return the name of the device a drive was saved as."""
    for name in (named.get(key), f"drive-{key}"):
        if name is not None and archive.device(name) is not None:
            return name
    return None


def _leave_out(conf: Conf, archive: Archive, named: Mapping[str, str]) -> list[Finding]:
    """Take out of the configuration what was not saved; CD drives stay, empty."""
    findings = []
    for key in [key for key in conf.options if is_drive(key)]:
        words = properties(conf.options[key], "file")
        volume = words.get("file", "")
        if words.get("media") == "cdrom":
            made = volume in {"none", "cdrom", ""} or is_cloud_init(volume)
            if not made and _device_of(key, archive, named) is None:
                conf.options[key] = "none,media=cdrom"
                findings.append(
                    Finding(
                        "KF-490",
                        Severity.NOTE,
                        f"{volume}, which is in {key}, is not in the backup",
                        subject=key,
                        action="the drive is empty",
                    )
                )
        elif _device_of(key, archive, named) is None:
            del conf.options[key]
            findings.append(
                Finding(
                    "KF-491",
                    Severity.ERROR,
                    f"{key}, the volume {volume}, is not in the backup",
                    subject=key,
                    action="left out of the machine, as qmrestore does",
                )
            )
    return findings


def _beginning(source: ByteSource) -> ByteSource:
    """Return the first bytes: the header and an extent, without unpacking more than those."""
    if isinstance(source, SpooledSource):
        return MemorySource(source.peek(_BEGINNING), source.name)
    return MemorySource(source.read_at(0, min(_BEGINNING, source.size)), source.name)


def _without_empty_variables(
    appliance: Appliance, archive: Archive, source: ByteSource
) -> Appliance:
    """Return the appliance without an EFI disk that holds nothing, such as kensho's own.

    Only one in the first extent is looked at, where a backup's first volume is.
    """
    machine = appliance.machines[0]
    file = appliance.file(machine.firmware.nvram)
    device = archive.device(file.href) if file is not None else None
    if device is None or device.size > _MOST_SMALL:
        return appliance
    content = None
    with contextlib.suppress(FormatError):  # said when the disks are opened
        content = read_first(_beginning(source), archive, device)
    empty = empty_variables()
    if content is None or content.rstrip(b"\0") != empty.rstrip(b"\0"):
        return appliance
    firmware = msgspec.structs.replace(machine.firmware, nvram=None)
    machine = msgspec.structs.replace(machine, firmware=firmware)
    files = tuple(f for f in appliance.files if f is not file)
    return msgspec.structs.replace(appliance, machines=(machine,), files=files)


def _with_sizes(appliance: Appliance, archive: Archive) -> Appliance:
    """Return the appliance with the sizes that the archive has."""
    sizes = {device.name: device.size for device in archive.devices}
    files = tuple(msgspec.structs.replace(f, size=sizes.get(f.href)) for f in appliance.files)
    by_file = {file.id: file.size for file in files}
    images = tuple(
        msgspec.structs.replace(image, capacity=by_file.get(image.file or ""), format="raw")
        for image in appliance.images
    )
    return msgspec.structs.replace(appliance, files=files, images=images)


def _with_firewall(appliance: Appliance, archive: Archive) -> Appliance:
    rules = archive.configs.get(FIREWALL)
    if rules is None:
        return appliance
    machine = appliance.machines[0]
    extra = Extra("pve", FIREWALL, rules.decode(errors="replace"))
    machine = msgspec.structs.replace(machine, extras=(*machine.extras, extra))
    return msgspec.structs.replace(appliance, machines=(machine,))


def _about_memory(archive: Archive) -> list[Finding]:
    if archive.device(MEMORY) is None:
        return []
    return [
        Finding(
            "KF-492",
            Severity.WARNING,
            "the backup also holds the memory of a machine that ran",
            action="not carried over, as if the power was cut",
        )
    ]
