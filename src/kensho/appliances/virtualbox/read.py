"""Read VirtualBox's settings of a machine into the neutral model.

Source: VirtualBox-settings.xsd, settings versions 1.3 to 1.20; the namespace is
``http://www.virtualbox.org/`` or, in old files, ``http://www.innotek.de/VirtualBox-settings``.
Elements that are not read, or only in part, stay as `Extra` of dialect ``vbox`` word for word.
"""

from __future__ import annotations

import re
import uuid as uuids

from lxml import etree

from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    child,
    children,
    is_true,
    local,
    text,
)
from kensho.appliances.virtualbox.devices import (
    read_nics,
    read_parallel_ports,
    read_serial_ports,
    read_sound,
    read_usb,
    read_video,
)
from kensho.appliances.virtualbox.drives import read_drives
from kensho.appliances.virtualbox.extras import note_host_side, read_extras
from kensho.appliances.virtualbox.host_side import add_host_side
from kensho.appliances.virtualbox.media import Locate, Media, plain_uuid, read_registry
from kensho.model import guest_os
from kensho.model.appliance import Appliance, File
from kensho.model.errors import PackageError, UnsupportedError, UsageError
from kensho.model.finding import Severity
from kensho.model.machine import (
    Cpu,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
)
from kensho.model.units import MIB

_DEFAULT_MEMORY_MIB = 128  #: what VirtualBox takes where the settings do not say
_MOST_MEMORY_MIB = 1 << 31
_MOST_CPUS = 4096
_LISTED = 20


def read_vbox(
    root: etree._Element,
    *,
    notes: Notes,
    fallback: str,
    snapshot: str | None,
    locate: Locate,
) -> Appliance:
    """Return the machine; ``fallback`` names it when the settings do not.

    UnsupportedError for encrypted settings and for VirtualBox's own list of machines, PackageError
    without a machine, UsageError when there is no snapshot called ``snapshot``.
    """
    machine = _machine_element(root, notes.path)
    snapshots = [e for e in machine.iter() if local(e) == "Snapshot"]
    state = _state(machine, snapshots, snapshot, notes)
    hardware = child(state, "Hardware")
    platform = _platform(state, hardware)
    _refuse_architecture(platform, notes)
    order = _boot_order(hardware)
    media = Media(read_registry(machine, notes.path), locate, notes)
    controllers, drives = read_drives(state, media, order, notes)
    nics, networks = read_nics(hardware, order, notes)
    firmware, nvram = _firmware(hardware, locate, notes)
    name = attribute(machine, "name") or fallback
    read = Machine(
        id="vm",
        name=name,
        cpu=_cpu(hardware, platform, notes),
        memory=_memory(hardware, notes),
        firmware=firmware,
        guest=_guest(machine),
        uuid=_uuid(attribute(hardware, "uuid")) or _uuid(attribute(machine, "uuid")),
        controllers=controllers,
        drives=drives,
        nics=nics,
        serial_ports=read_serial_ports(hardware),
        video=read_video(hardware),
        sound=read_sound(hardware),
        usb=read_usb(hardware),
        others=read_parallel_ports(hardware),
        annotation=text(machine, "Description"),
        extras=read_extras(root, machine, state, notes),
    )
    read = add_host_side(read, machine, hardware)
    note_host_side(state, notes)
    return Appliance(
        name=name,
        machines=(read,),
        images=tuple(media.images.values()),
        files=(*media.files.values(), *nvram),
        networks=networks,
        configuration=snapshot,
    )


def _machine_element(root: etree._Element, path: str) -> etree._Element:
    machine = child(root, "Machine")
    if machine is not None:
        return machine
    if child(root, "MachineEncrypted") is not None:
        raise UnsupportedError(
            "the machine is encrypted by VirtualBox",
            path=path,
            field="MachineEncrypted",
            hint="decrypt it first: VBoxManage encryptvm NAME setencryption --old-password FILE",
        )
    if child(root, "Global") is not None:
        raise UnsupportedError(
            "is VirtualBox's own list of machines",
            path=path,
            field="Global",
            hint="name the .vbox of one machine; this file lists where they are",
        )
    raise PackageError("the settings describe no machine", path=path, field="VirtualBox/Machine")


def _state(
    machine: etree._Element, snapshots: list[etree._Element], wanted: str | None, notes: Notes
) -> etree._Element:
    """Return what to read: the machine as it is now, or a snapshot by name or UUID."""
    names = [attribute(s, "name") for s in snapshots]
    listed = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    if wanted is not None:
        found = [
            s
            for s in snapshots
            if wanted == attribute(s, "name")
            or plain_uuid(wanted) == plain_uuid(attribute(s, "uuid"))
        ]
        if len(found) == 1:
            return found[0]
        fault = f"no snapshot is called {wanted!r}" if not found else f"{wanted!r} is ambiguous"
        raise UsageError(
            fault,
            path=notes.path,
            hint=f"snapshots: {listed}; a UUID says which one" if names else "there are none",
        )
    if snapshots:
        notes.add(
            "KF-230",
            Severity.NOTE,
            f"the machine has snapshots: {listed}",
            action="the current state is read; --configuration NAME reads a snapshot",
        )
    if attribute(machine, "stateFile"):
        notes.add(
            "KF-230",
            Severity.WARNING,
            "the machine is suspended: what is in its memory is in a saved state",
            action="not carried over, as if the power was cut; shut it down before a conversion",
        )
    return machine


def _platform(state: etree._Element, hardware: etree._Element | None) -> etree._Element | None:
    """Return Platform, new with 1.20: the schema has it beside Hardware, some files in it."""
    inside = child(hardware, "Platform")
    return child(state, "Platform") if inside is None else inside


def _refuse_architecture(platform: etree._Element | None, notes: Notes) -> None:
    word = attribute(platform, "architecture")
    if word.lower() not in {"", "x86", "none"}:
        notes.add(
            "KF-234",
            Severity.BLOCKED,
            f"the machine's processor is {word}",
            action="it can be inspected; what kensho writes is for x86",
        )


def _boot_order(hardware: etree._Element | None) -> dict[str, int]:
    order: dict[str, int] = {}
    entries = children(child(hardware, "Boot"), "Order")
    for entry in sorted(entries, key=lambda e: attribute(e, "position").zfill(4)):
        word = attribute(entry, "device")
        if word not in {"", "None"}:
            order.setdefault(word, len(order) + 1)
    return order


def _cpu(hardware: etree._Element | None, platform: etree._Element | None, notes: Notes) -> Cpu:
    element = child(hardware, "CPU")
    if element is None:
        element = child(platform, "CPU")
    count = 1
    if stated := attribute(element, "count"):
        count = _number(stated, "CPU/@count", 1, _MOST_CPUS, notes)
    nested = any(
        local(e) == "NestedHWVirt" and is_true(attribute(e, "enabled"))
        for place in (element, platform)
        if place is not None
        for e in place.iter()
    )
    return Cpu(
        count=count,
        cores_per_socket=count,  # VirtualBox shows its guests one socket
        hot_add=is_true(attribute(element, "hotplug")),
        nested_virtualization=nested,
    )


def _memory(hardware: etree._Element | None, notes: Notes) -> Memory:
    stated = attribute(child(hardware, "Memory"), "RAMSize")
    where = "Memory/@RAMSize"
    return Memory(_number(stated, where, _DEFAULT_MEMORY_MIB, _MOST_MEMORY_MIB, notes) * MIB)


def _number(stated: str, where: str, default: int, most: int, notes: Notes) -> int:
    if re.fullmatch(r"[0-9]{1,12}", stated, re.ASCII) and 1 <= int(stated) <= most:
        return int(stated)
    notes.add(
        "KF-112",
        Severity.ERROR,
        f"{where} is {stated!r}" if stated else f"{where} is missing",
        subject=where,
        action=f"{default} is assumed",
    )
    return default


def _firmware(
    hardware: etree._Element | None, locate: Locate, notes: Notes
) -> tuple[FirmwareSettings, tuple[File, ...]]:
    # BIOS is VirtualBox's own default, not an assumption. Secure boot is in the NVRAM file,
    # which open.py looks into; early releases of 7.0 wrote it as an element too.
    settings = child(hardware, "Firmware")
    kind = Firmware.UEFI if _kind(settings).startswith("EFI") else Firmware.BIOS
    secure = tpm = False
    path = ""
    for element in () if hardware is None else hardware.iter():
        match local(element):
            case "SecureBoot":
                secure = secure or is_true(attribute(element, "enabled"))
            case "TrustedPlatformModule":
                tpm = tpm or attribute(element, "type").lower() not in {"", "none"}
            case "NVRAM":
                path = path or attribute(element, "path")
    files: tuple[File, ...] = ()
    if path and kind is Firmware.UEFI:
        name, there = locate(path)
        if there:
            files = (File("nvram", name),)
        else:  # usual for a machine that never ran
            notes.add(
                "KF-145",
                Severity.NOTE,
                f"the firmware's settings, {path}, are not there",
                action="the guest starts with the firmware's defaults",
            )
    nvram = files[0].id if files else None
    return FirmwareSettings(kind, secure and kind is Firmware.UEFI, tpm, nvram), files


def _kind(element: etree._Element | None) -> str:
    return attribute(element, "type").upper()


def _guest(machine: etree._Element) -> GuestOs:
    word = attribute(machine, "OSType")
    if not word:
        return GuestOs()
    return GuestOs(id=guest_os.from_vendor("vbox", word) or "other", vendor=(f"vbox:{word}",))


def _uuid(stated: str) -> str | None:
    try:
        return str(uuids.UUID(plain_uuid(stated))) if stated else None
    except ValueError:
        return None
