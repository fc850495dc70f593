"""Read a VirtualMachine or VirtualMachineInstance of KubeVirt.

Source: https://kubevirt.io/api-reference/ (v1). Defaults are KubeVirt's: one processor, BIOS, Secure
Boot with UEFI unless it is switched off, SATA for a disk and virtio for an adapter of which no more
is said. What is not taken up stays as an `Extra` of dialect ``kubevirt``.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kensho.appliances.kubevirt.keep import kept, left
from kensho.appliances.kubevirt.quantity import whole
from kensho.appliances.kubevirt.values import mapping, number, objects, text
from kensho.appliances.kubevirt.volumes import Claims, locate, volume_of
from kensho.appliances.kubevirt.write import NOTES, OS_NOTE
from kensho.appliances.mac import normal_mac
from kensho.appliances.store import Store
from kensho.model import guest_os
from kensho.model.appliance import DiskImage, File
from kensho.model.finding import Finding, Severity
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Drive,
    Extra,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
    SerialPort,
    Sound,
)
from kensho.model.units import GIB
from kensho.platforms.kubevirt import WORDS
from kensho.platforms.words import meaning

_MOST_CPUS = 8192
_SPEC = ("spec", "template", "spec")
_DOMAIN = (*_SPEC, "domain")
_DEVICES = (*_DOMAIN, "devices")
#: Fields taken up, by object; all others are kept.
_META = frozenset({"name", "annotations", "namespace", "uid", "resourceVersion", "generation"}) | {
    "creationTimestamp", "managedFields", "selfLink", "ownerReferences", "finalizers"
}  # fmt: skip
_TAKEN: dict[tuple[str, ...], frozenset[str]] = {
    ("spec",): frozenset({"template", "runStrategy", "running", "dataVolumeTemplates"}),
    _SPEC: frozenset({"domain", "networks", "volumes"}),
    _DOMAIN: frozenset({"devices", "cpu", "memory", "firmware", "features", "machine"}),
    (*_DOMAIN, "cpu"): frozenset({"cores", "sockets", "threads"}),
    (*_DOMAIN, "memory"): frozenset({"guest"}),
    (*_DOMAIN, "features"): frozenset({"acpi", "smm"}),
    (*_DOMAIN, "firmware"): frozenset({"bootloader", "uuid"}),
    _DEVICES: frozenset(
        {"disks", "interfaces", "tpm", "sound", "rng", "autoattachSerialConsole"}
    ),
}  # fmt: skip


@dataclass(slots=True)
class Found:
    """What the machines of a file are made of; shared, as two may use one volume."""

    images: dict[str, DiskImage] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def read_machine(
    document: Mapping[str, Any], number_: int, claims: Claims, store: Store, found: Found
) -> Machine:
    """Return the machine in a document, a VirtualMachine's; see `as_virtual_machine`."""
    metadata = mapping(document, "metadata")
    name = text(metadata.get("name")) or f"machine{number_}"
    domain = mapping(document, *_DOMAIN)
    devices = mapping(domain, "devices")
    extras: list[Extra] = []
    for place, taken in _TAKEN.items():
        extras += left(mapping(document, *place), taken, *place)
    extras += left(metadata, _META, "metadata")
    annotations = mapping(metadata, "annotations")
    extras += left(annotations, {NOTES}, "metadata", "annotations")
    about = ("spec", "template", "metadata")
    template = mapping(document, *about)
    extras += left(template, {"annotations", "labels", "creationTimestamp"}, *about)
    guest_notes = mapping(template, "annotations")
    extras += left(guest_notes, {OS_NOTE}, *about, "annotations")
    if "instancetype" in mapping(document, "spec"):
        found.findings.append(_instancetype(name))
    drives, controllers = _drives(document, name, claims, store, found, extras)
    return Machine(
        id=name if number_ == 1 else f"{name}-{number_}",
        name=name,
        cpu=_cpu(domain, name, found),
        memory=_memory(domain, name, found),
        firmware=_firmware(domain, devices),
        guest=_guest(text(guest_notes.get(OS_NOTE))),
        uuid=_uuid(text(mapping(domain, "firmware").get("uuid"))),
        controllers=controllers,
        drives=drives,
        nics=_nics(document, devices, extras),
        serial_ports=(SerialPort("serial0"),) if devices.get("autoattachSerialConsole") else (),
        sound=_sound(mapping(devices, "sound")),
        annotation=text(annotations.get(NOTES)),
        extras=tuple(extras),
    )


def as_virtual_machine(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a VirtualMachineInstance as the VirtualMachine that would make it."""
    if document.get("kind") != "VirtualMachineInstance":
        return dict(document)
    metadata = mapping(document, "metadata")
    template = {"metadata": {}, "spec": mapping(document, "spec")}
    return {"metadata": metadata, "spec": {"template": template}}


def _instancetype(name: str) -> Finding:
    return Finding(
        "KF-508",
        Severity.WARNING,
        "the machine's size is in an instance type of the cluster",
        subject=name,
        action="what the manifest itself says is read; `virtctl expand vm NAME` writes it out",
    )


def _cpu(domain: Mapping[str, Any], name: str, found: Found) -> Cpu:
    cpu = mapping(domain, "cpu")
    parts = []
    for key in ("sockets", "cores", "threads"):
        parts.append(number(cpu.get(key), _MOST_CPUS))
        if parts[-1] is None and cpu.get(key) is not None and cpu[key] != 0:
            found.findings.append(
                Finding(
                    "KF-112",
                    Severity.ERROR,
                    f"cpu.{key} is {str(cpu[key])[:60]!r}",
                    subject=name,
                    action="read as if it was not there",
                )
            )
    if not any(parts):
        resources = mapping(domain, "resources")
        for kind in ("limits", "requests"):
            count = whole(mapping(resources, kind).get("cpu"))
            if count and count <= _MOST_CPUS:
                return Cpu(count=count)
    sockets, cores, threads = (part or 1 for part in parts)
    per_socket = min(cores * threads, _MOST_CPUS)
    return Cpu(count=min(sockets * per_socket, _MOST_CPUS), cores_per_socket=per_socket)


def _memory(domain: Mapping[str, Any], name: str, found: Found) -> Memory:
    resources = mapping(domain, "resources")
    for value in (
        mapping(domain, "memory").get("guest"),
        mapping(resources, "requests").get("memory"),
        mapping(resources, "limits").get("memory"),
    ):
        size = whole(value)
        if size:
            return Memory(size)
    found.findings.append(
        Finding(
            "KF-112",
            Severity.ERROR,
            "the manifest says nothing usable about memory",
            subject=name,
            action="1 GiB is assumed",
        )
    )
    return Memory(GIB)


def _firmware(domain: Mapping[str, Any], devices: Mapping[str, Any]) -> FirmwareSettings:
    loader = mapping(domain, "firmware", "bootloader")
    uefi = "efi" in loader
    tpm = "tpm" in devices and mapping(devices, "tpm").get("enabled") is not False
    secure = uefi and mapping(loader, "efi").get("secureBoot") is not False
    return FirmwareSettings(Firmware.UEFI if uefi else Firmware.BIOS, secure_boot=secure, tpm=tpm)


def _guest(word: str) -> GuestOs:
    if not word:
        return GuestOs()
    known = next((row.id for row in guest_os.TABLE if row.id == word), None)
    osinfo = guest_os.from_vendor("osinfo", f"http://unknown/{word}")
    return GuestOs(id=known or osinfo or "other", vendor=(f"kubevirt:{word}",))


def _uuid(value: str) -> str | None:
    try:
        return str(uuids.UUID(value)) if value else None
    except ValueError:
        return None


def _sound(value: Mapping[str, Any]) -> Sound | None:
    if not value:
        return None
    word = text(value.get("model")) or "ich9"
    return Sound(meaning(WORDS.sound, word) or word)


def _drives(
    document: Mapping[str, Any],
    machine: str,
    claims: Claims,
    store: Store,
    found: Found,
    extras: list[Extra],
) -> tuple[tuple[Drive, ...], tuple[Controller, ...]]:
    spec = mapping(document, *_SPEC)
    volumes = {text(v.get("name")): v for v in objects(spec.get("volumes"))}
    drives: list[Drive] = []
    controllers: dict[str, Controller] = {}
    units: dict[str, int] = {}
    used: set[str] = set()
    for value in objects(mapping(document, *_DEVICES).get("disks")):
        name = text(value.get("name"))
        volume = volume_of(volumes.get(name, {}), claims)
        used.add(name)
        if name not in volumes or not volume.is_disk:
            extras.append(kept(value, *_DEVICES, "disks", "-"))
            if name in volumes:
                extras.append(kept(volumes[name], *_SPEC, "volumes", "-"))
            found.findings.append(_not_a_disk(machine, name, volume.kind))
            continue
        extras += left(
            value,
            {"name", "disk", "lun", "cdrom", "bootOrder", "shareable", "cache"},
            *(*_DEVICES, "disks", name),
        )
        kind = next((k for k in ("disk", "lun", "cdrom") if k in value), "disk")
        target = mapping(value, kind)
        controller = _place(text(target.get("bus")) or "sata", controllers, units)
        unit = units[controller] - 1 if controllers[controller].model is not _BLK else 0
        order = number(value.get("bootOrder"), 1 << 16)
        place, there = _open(volume, store, found, machine)
        if kind == "cdrom":
            drives.append(Cdrom(name, controller, unit, place, boot_order=order))
            continue
        image = f"image-{place}" if place else f"image-{machine}-{name}"
        # A claim may be larger than the image in it; the image decides, where there is one.
        capacity = None if place is not None and there else volume.capacity
        found.images[image] = DiskImage(image, place, capacity)
        drives.append(
            Disk(
                name,
                image,
                controller,
                unit,
                boot_order=order,
                read_only=target.get("readonly") is True,
                shared=value.get("shareable") is True,
                cache=text(value.get("cache")),
                nonpersistent=volume.kind == "ephemeral",
            )
        )
    for name, value in volumes.items():
        if name not in used:
            extras.append(kept(value, *_SPEC, "volumes", "-"))
    return tuple(drives), tuple(controllers.values())


_BLK = ControllerModel.VIRTIO_BLK


def _place(bus: str, controllers: dict[str, Controller], units: dict[str, int]) -> str:
    """Return the id of the controller a drive of this bus is on, added when it is new."""
    model = meaning(WORDS.controllers, bus)
    if model is None:  # usb, which the neutral model has no disks on
        bus, model = "sata", ControllerModel.AHCI
    index = sum(c.model is _BLK for c in controllers.values()) if model is _BLK else 0
    name = f"{bus}{index}"
    controllers.setdefault(name, Controller(name, model, index, vendor_model=bus))
    units[name] = units.get(name, 0) + 1
    return name


def _open(volume: Any, store: Store, found: Found, machine: str) -> tuple[str | None, bool]:
    """Return the id of the volume's file, None for a blank one, and whether it is there."""
    if volume.blank:
        return None, True
    name, there = locate(volume, store)
    identity = f"file-{name}"
    found.files.setdefault(identity, File(identity, name))
    if not there:
        found.findings.append(
            Finding(
                "KF-509",
                Severity.WARNING,
                f"the volume {volume.name or name!r} ({volume.kind}) is in the cluster; no file of its name"
                " is beside the manifest",
                subject=machine,
                action=f"put it there as {name}: virtctl vmexport download, or skopeo for an image",
            )
        )
    return identity, there


def _not_a_disk(machine: str, name: str, kind: str) -> Finding:
    what = f"is made by KubeVirt ({kind})" if kind else "has no volume"
    return Finding(
        "KF-510",
        Severity.NOTE if kind else Severity.ERROR,
        f"the disk {name!r} {what}",
        subject=machine,
        action="left out of the machine, kept as text for KubeVirt",
    )


def _nics(
    document: Mapping[str, Any], devices: Mapping[str, Any], extras: list[Extra]
) -> tuple[Nic, ...]:
    networks = {text(n.get("name")): n for n in objects(mapping(document, *_SPEC).get("networks"))}
    nics = []
    for value in objects(devices.get("interfaces")):
        name = text(value.get("name"))
        word = text(value.get("model")) or "virtio"
        model = meaning(WORDS.nics, word) or NicModel.UNKNOWN
        taken = {"name", "model", "macAddress", "bootOrder", "masquerade", "bridge", "state"}
        extras += left(value, taken, *_DEVICES, "interfaces", name)
        network = networks.get(name, {})
        attached = text(mapping(network, "multus").get("networkName"))
        nics.append(
            Nic(
                name,
                NicModel.SRIOV if "sriov" in value else model,
                attached or ("pod" if "pod" in network else name),
                normal_mac(text(value.get("macAddress"))),
                connected=text(value.get("state")) not in {"down", "absent"},
                boot_order=number(value.get("bootOrder"), 1 << 16),
                vendor_model=word,
            )
        )
    return tuple(nics)
