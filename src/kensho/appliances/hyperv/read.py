"""Read a machine of Hyper-V from its tree of settings, whichever file that came from.

Sources: as in ``words``. What is not read stays: see ``extras``.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator

import msgspec

from kensho.appliances.hyperv import words
from kensho.appliances.hyperv.devices import Device, read_nics, read_serial_ports
from kensho.appliances.hyperv.drives import Media, read_drives
from kensho.appliances.hyperv.extras import read_extras
from kensho.appliances.hyperv.tree import Key, Place
from kensho.appliances.ovf.elements import Notes
from kensho.model.appliance import Appliance, Network
from kensho.model.errors import PackageError
from kensho.model.finding import Severity
from kensho.model.host_side import HostDevice
from kensho.model.machine import (
    Cpu,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
)
from kensho.model.units import MIB

_MOST_CPUS = 4096
_MOST_MEMORY_MIB = 1 << 31
_DEFAULT_MEMORY_MIB = 1024
_MOST_DEVICES = 4096


def read_configuration(root: Key, notes: Notes, fallback: str, media: Media) -> Appliance:
    """Return the machine; ``fallback`` names it when the settings do not.

    PackageError when the tree describes no machine.
    """
    used: set[int] = set()
    configuration = Place(root, used).at("configuration")
    if configuration is None or configuration.at("settings") is None:
        raise PackageError(
            "describes no machine",
            path=notes.path,
            field="configuration/settings",
            hint="a .vmrs is what a machine was doing; its settings are in the .vmcx beside it",
        )
    devices = tuple(_devices(configuration))
    generation = 2 if configuration.number("properties", "subtype") == 1 else 1
    bios = next((d.settings for d in devices if d.type == words.BIOS and d.settings), None)
    order = _boot_order(bios)
    controllers, drives = read_drives(devices, media, order, notes)
    nics = read_nics(devices, order, notes)
    name = configuration.text("properties", "name") or fallback
    version = configuration.number("properties", "version") or 0
    machine = Machine(
        id="vm",
        name=name,
        cpu=_cpu(configuration, notes),
        memory=_memory(configuration, notes),
        firmware=_firmware(generation, bios, configuration, devices, notes),
        guest=_guest(generation, bios),
        uuid=_uuid(bios.text("bios_guid")) if bios is not None else None,
        controllers=controllers,
        drives=drives,
        nics=nics,
        serial_ports=read_serial_ports(devices),
        host_devices=tuple(_host_devices(devices)),
        annotation=configuration.text("properties", "notes"),
        hardware_versions=(f"hyperv-{version >> 8}.{version & 0xFF}",) if version > 0 else (),
    )
    _note_state(configuration, notes)
    extras = read_extras(configuration, notes)
    return Appliance(
        name=name,
        machines=(msgspec.structs.replace(machine, extras=extras),),
        images=tuple(media.images.values()),
        files=tuple(media.files.values()),
        networks=_networks(nics),
    )


def _devices(configuration: Place) -> Iterator[Device]:
    """Yield the devices in the order of the manifest, behind those that it need not list.

    Up to Windows Server 2012 R2 what every machine of a generation has is not in the manifest.
    """
    manifest = configuration.at("manifest")
    entries = [] if manifest is None else list(manifest.below())
    entries = [e for e in entries if e.key.name.casefold().startswith("vdev")][:_MOST_DEVICES]
    listed = {e.peek("instance").strip("{}").lower() for e in entries}
    for kind in words.NAMES:
        settings = configuration.at(f"_{kind}_")
        if settings is not None and kind not in listed:
            yield Device(kind, kind, words.NAMES[kind], settings)
    for entry in entries:
        instance = entry.peek("instance").strip("{}").lower()
        settings = configuration.at(f"_{instance}_") if instance else None
        yield Device(
            entry.peek("device").strip("{}").lower(), instance, entry.peek("name"), settings
        )


def _cpu(configuration: Place, notes: Notes) -> Cpu:
    place = configuration.at("settings", "processors")
    stated = None if place is None else place.number("count")
    count = _in_range(stated, "processors/count", 1, _MOST_CPUS, notes)
    per_node = (place and place.number("vnuma", "count_per_node", "max")) or count
    nodes = (place and place.number("vnuma", "node_per_socket", "max")) or 1
    return Cpu(
        count=count,
        cores_per_socket=max(1, min(count, per_node * nodes)),
        nested_virtualization=bool(place and place.flag("nested_virtualization", "enabled")),
    )


def _memory(configuration: Place, notes: Notes) -> Memory:
    bank = configuration.at("settings", "memory", "bank")
    stated = None if bank is None else bank.number("size")
    size = _in_range(stated, "memory/bank/size", _DEFAULT_MEMORY_MIB, _MOST_MEMORY_MIB, notes)
    if bank is None or not bank.flag("dynamic_memory_enabled"):
        return Memory(size * MIB)
    # What Hyper-V calls reservation is what the balloon leaves; the machine starts with its size.
    least, most = bank.number("reservation"), bank.number("limit")
    notes.add(
        "KF-477",
        Severity.NOTE,
        f"the machine has dynamic memory, {least} to {most} MiB",
        action="read as its minimum and limit",
    )
    return Memory(
        size * MIB,
        minimum=least * MIB if least is not None and 0 < least <= _MOST_MEMORY_MIB else None,
        limit=most * MIB if most is not None and 0 < most <= _MOST_MEMORY_MIB else None,
    )


def _in_range(stated: int | None, where: str, default: int, most: int, notes: Notes) -> int:
    if stated is not None and 1 <= stated <= most:
        return stated
    notes.add(
        "KF-112",
        Severity.ERROR,
        f"{where} is {stated}" if stated is not None else f"{where} is missing",
        subject=where,
        action=f"{default} is assumed",
    )
    return default


def _firmware(
    generation: int,
    bios: Place | None,
    configuration: Place,
    devices: tuple[Device, ...],
    notes: Notes,
) -> FirmwareSettings:
    if generation == 1:
        return FirmwareSettings(Firmware.BIOS)
    tpm = configuration.flag("security", "settings", "tpm_enabled") or any(
        d.type == words.TPM for d in devices
    )
    if tpm:
        notes.add(
            "KF-475",
            Severity.WARNING,
            "the key protector of the virtual TPM belongs to the host, or to its guardians",
            action="what the TPM holds stays there; have the recovery key of the guest's disks",
        )
    secure = bios is not None and bios.flag("secure_boot_enabled")
    return FirmwareSettings(Firmware.UEFI, secure_boot=secure, tpm=tpm)


def _guest(generation: int, bios: Place | None) -> GuestOs:
    """Return what the keys of Secure Boot say of the guest: nothing else here says anything."""
    if generation == 1 or bios is None or not bios.flag("secure_boot_enabled"):
        return GuestOs()
    # Without a template there are the keys of Windows: others came with version 6.2.
    stated = bios.peek("secure_boot_template_id").strip("{}").lower()
    template = words.TEMPLATES.get(stated, "" if stated else words.TEMPLATES[words.WINDOWS_KEYS])
    guest = words.GUESTS.get(template, "other")
    return GuestOs(guest, vendor=(f"hyperv:{template}",) if template else ())


def _boot_order(bios: Place | None) -> dict[str, int]:
    """Return the place in the boot order by kind of device, of a generation 1 machine."""
    boot = None if bios is None else bios.at("boot")
    order: dict[str, int] = {}
    for place in () if boot is None else boot.below():
        word = place.key.value if isinstance(place.key.value, str) else ""
        kind = words.BOOT.get(word.strip().casefold())
        if kind is not None:
            place.take()
            order.setdefault(kind, len(order) + 1)
    return order


def _note_state(configuration: Place, notes: Notes) -> None:
    count = configuration.number("global_settings", "snapshots", "list", "size")
    if count:
        notes.add(
            "KF-472",
            Severity.NOTE,
            f"the machine has {count} checkpoint(s)",
            action="the current state is read, their differencing disks as one",
        )
    if configuration.text("properties", "type_id").casefold() == "snapshots":
        notes.add(
            "KF-472",
            Severity.NOTE,
            "this is a checkpoint of a machine, not the machine as it is now",
            action="read as it was then",
        )
    if configuration.text("savedstate", "type") or configuration.text("savedstate", "vsvlocation"):
        notes.add(
            "KF-472",
            Severity.WARNING,
            "the machine is in a saved state: what is in its memory is not carried over",
            action="as if the power was cut; start it and shut it down before a conversion",
        )


def _host_devices(devices: tuple[Device, ...]) -> Iterator[HostDevice]:
    for device in devices:
        kind = words.HOST_DEVICES.get(device.type)
        if kind is not None:
            place = device.settings
            host = "" if place is None else place.peek("HostResource")
            path = "" if place is None else place.peek("HostResources", "HostResource", "Instance")
            yield HostDevice(device.instance, kind, path or host or device.name)


def _networks(nics: tuple[Nic, ...]) -> tuple[Network, ...]:
    return tuple(Network(name) for name in dict.fromkeys(n.network for n in nics) if name)


def _uuid(stated: str) -> str | None:
    try:
        return str(uuids.UUID(stated.strip("{}"))) if stated else None
    except ValueError:
        return None
