"""Map a machine's devices to what a platform has.

Pure functions from model to model. Nothing is judged here: the rules compare before and after.
"""

from __future__ import annotations

import enum
import re

import msgspec

from kensho.convert.mapping_drives import place_drives
from kensho.convert.mapping_facts import keep_facts
from kensho.model import guest_os
from kensho.model.machine import (
    Cdrom,
    Disk,
    Drive,
    Extra,
    Firmware,
    Machine,
    Memory,
    Nic,
    NicModel,
)
from kensho.model.secrets import HIDDEN
from kensho.platforms.base import Carries, DevicePolicy, Form, Platform
from kensho.platforms.extras import Fate, fate_of


class Devices(enum.StrEnum):
    """Which devices to give a machine on its new platform."""

    AUTO = "auto"  #: what the platform's table has for the guest's generation
    NATIVE = "native"  #: what performs best there
    COMPATIBLE = "compatible"  #: what needs the fewest drivers
    FALLBACK = "fallback"  #: what any guest boots from, nothing kept: slow, and a way in


class DeviceRow(msgspec.Struct, frozen=True):
    """One line of the device map; empty ``target`` means that the device is left out."""

    kind: str
    device: str
    source: str
    target: str


_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_BRINGS_DRIVERS = frozenset({"linux", "bsd"})


def choose_policy(machine: Machine, platform: Platform, devices: Devices) -> DevicePolicy:
    """Return the policy that ``devices`` means for this guest on this platform."""
    if devices is Devices.FALLBACK:
        spare = platform.fallback or platform.compatible
        return msgspec.structs.replace(spare, keep=frozenset(), keep_nics=frozenset({spare.nic}))
    if devices is Devices.AUTO:
        if (chosen := platform.guests.get(guest_os.generation(machine.guest.id))) is not None:
            return chosen
        family = guest_os.get(machine.guest.id).family
        devices = Devices.NATIVE if family in _BRINGS_DRIVERS else Devices.COMPATIBLE
    return platform.native if devices is Devices.NATIVE else platform.compatible


def map_machine(machine: Machine, platform: Platform, form: Form, policy: DevicePolicy) -> Machine:
    """Return the machine with the platform's firmware, controllers, adapters and devices.

    Raises UnsupportedError when the drives do not fit on the platform at all.
    """
    firmware = machine.firmware
    if firmware.kind not in form.firmware:
        firmware = msgspec.structs.replace(firmware, kind=form.firmware[0])
    carries = form.carries
    # Every vendor's Secure Boot and virtual TPM come with UEFI alone.
    uefi = firmware.kind is Firmware.UEFI
    firmware = msgspec.structs.replace(
        firmware,
        secure_boot=firmware.secure_boot and carries.secure_boot and uefi,
        tpm=firmware.tpm and carries.tpm and uefi,
        nvram=None,
    )
    controllers, drives = place_drives(machine, platform, carries, policy, firmware.kind)
    lacks = platform.bios_nics if firmware.kind is Firmware.UEFI else frozenset()
    if policy.nic in lacks:
        policy = msgspec.structs.replace(policy, nic=platform.compatible.nic)
    policy = msgspec.structs.replace(policy, keep_nics=policy.keep_nics - lacks)
    nics = tuple(_map_nic(nic, carries, policy) for nic in machine.nics[: platform.most_nics])
    memory = _round_memory(machine.memory, platform.memory_step)
    placed = msgspec.structs.replace(machine, controllers=controllers, drives=drives, memory=memory)
    return msgspec.structs.replace(
        keep_facts(placed, carries),
        firmware=firmware,
        nics=nics,
        serial_ports=machine.serial_ports[: carries.serial_ports],
        usb=machine.usb if carries.usb else (),
        sound=machine.sound if carries.sound else None,
        products=machine.products if carries.products else (),
        eulas=machine.eulas if carries.eulas else (),
        annotation=_notes(machine.annotation, carries),
        uuid=machine.uuid if carries.uuid and is_uuid(machine.uuid) else None,
        others=(),
        extras=written_back(machine.extras, carries),
        hardware_versions=(platform.version,) if platform.version else (),
    )


def _notes(text: str, carries: Carries) -> str:
    """Return as much of the notes as the target takes."""
    if not carries.annotation or not carries.most_annotation:
        return text if carries.annotation else ""
    data = text.encode(errors="replace")
    if len(data) <= carries.most_annotation:
        return text
    return data[: carries.most_annotation].decode(errors="ignore")


def written_back(extras: tuple[Extra, ...], carries: Carries) -> tuple[Extra, ...]:
    """Return the vendor's own settings that a target of the same vendor gets again."""
    return tuple(
        e
        for e in extras
        if e.dialect in carries.extras and fate_of(e) is Fate.BACK and HIDDEN not in e.text
    )


def _map_nic(nic: Nic, carries: Carries, policy: DevicePolicy) -> Nic:
    model = nic.model if nic.model in policy.keep_nics else policy.nic
    return msgspec.structs.replace(
        nic,
        model=model,
        vendor_model="",
        mac=nic.mac if carries.mac and is_unicast_mac(nic.mac) else None,
        vlan=nic.vlan if carries.vlan else None,
        connected=nic.connected or not carries.disconnected_nics,
        pci_slot=None,
    )


def _round_memory(memory: Memory, step: int) -> Memory:
    return msgspec.structs.replace(memory, size=max(step, memory.size // step * step))


def is_unicast_mac(mac: str | None) -> bool:
    """Tell whether an adapter can have this address (IEEE 802: the group bit is not set)."""
    return mac is not None and _MAC.fullmatch(mac) is not None and not int(mac[:2], 16) & 1


def is_uuid(text: str | None) -> bool:
    """Tell whether ``text`` is a UUID in its usual spelling."""
    return text is not None and _UUID.fullmatch(text) is not None


def device_rows(before: Machine, after: Machine) -> tuple[DeviceRow, ...]:
    """Return the device map of a machine: every drive and adapter, and where it went."""
    new_drives = {d.id: d for d in after.drives}
    new_nics = {n.id: n for n in after.nics}
    rows = [
        DeviceRow("firmware", "", before.firmware.kind.value, after.firmware.kind.value),
        *(
            DeviceRow(
                "disk" if isinstance(d, Disk) else "cdrom" if isinstance(d, Cdrom) else "floppy",
                d.name or d.id,
                place_of(before, d),
                place_of(after, new_drives[d.id]) if d.id in new_drives else "",
            )
            for d in before.drives
        ),
        *(
            DeviceRow(
                "nic",
                nic.name or nic.id,
                nic.vendor_model if nic.model is NicModel.UNKNOWN else nic.model.value,
                new_nics[nic.id].model.value if nic.id in new_nics else "",
            )
            for nic in before.nics
        ),
    ]
    return tuple(rows)


def place_of(machine: Machine, drive: Drive) -> str:
    """Return where a drive is in words: ``ahci 0:1``; empty when it is on no controller."""
    controller = machine.controller(drive.controller)
    if controller is None:
        return ""
    name = controller.vendor_model or controller.model.value
    return f"{name} {controller.index}:{drive.unit}"
