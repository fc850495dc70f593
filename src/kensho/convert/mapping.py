"""Map a machine's devices to what a platform has.

Pure functions from model to model. A drive keeps its controller and unit where the
platform allows both; what has to move goes to the first free place of the policy's
controller. Nothing is judged here: the rules compare before and after.
"""

from __future__ import annotations

import enum
import re

import msgspec

from kensho.convert.mapping_facts import keep_facts
from kensho.model import guest_os
from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    BUS_OF,
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Drive,
    Extra,
    Firmware,
    Floppy,
    Machine,
    Memory,
    Nic,
    NicModel,
)
from kensho.platforms.base import Carries, ControllerSupport, DevicePolicy, Form, Platform
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
    controllers, drives = _place_drives(machine, platform, carries, policy, firmware.kind)
    lacks = platform.bios_nics if firmware.kind is Firmware.UEFI else frozenset()
    if policy.nic in lacks:
        policy = msgspec.structs.replace(policy, nic=platform.compatible.nic)
    policy = msgspec.structs.replace(policy, keep_nics=policy.keep_nics - lacks)
    nics = tuple(_map_nic(nic, carries, policy) for nic in machine.nics[: platform.most_nics])
    memory = _round_memory(machine.memory, platform.memory_step)
    placed = msgspec.structs.replace(machine, drives=drives, memory=memory)
    return msgspec.structs.replace(
        keep_facts(placed, carries),
        firmware=firmware,
        controllers=controllers,
        nics=nics,
        serial_ports=machine.serial_ports[: carries.serial_ports],
        usb=machine.usb if carries.usb else (),
        sound=machine.sound if carries.sound else None,
        products=machine.products if carries.products else (),
        eulas=machine.eulas if carries.eulas else (),
        annotation=machine.annotation if carries.annotation else "",
        uuid=machine.uuid if carries.uuid and is_uuid(machine.uuid) else None,
        others=(),
        extras=written_back(machine.extras, carries),
        hardware_versions=(platform.version,) if platform.version else (),
    )


def written_back(extras: tuple[Extra, ...], carries: Carries) -> tuple[Extra, ...]:
    """Return the vendor's own settings that a target of the same vendor gets again."""
    return tuple(e for e in extras if e.dialect in carries.extras and fate_of(e) is Fate.BACK)


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


class _Slots:
    """The free places of a platform's controllers while drives are being placed."""

    def __init__(self, platform: Platform, firmware: Firmware) -> None:
        self._platform = platform
        self._firmware = firmware
        self._taken: dict[tuple[ControllerModel, int], set[int]] = {}

    def take(self, model: ControllerModel, index: int, unit: int) -> tuple[int, int] | None:
        """Take a place, the wanted one if free, else the first free one; None when full."""
        support = self._platform.support(model, self._firmware)
        if support is None:
            return None
        if self._is_free(support, index, unit):
            return self._mark(model, index, unit)
        for other in range(support.most):
            for candidate in range(support.units):
                if self._is_free(support, other, candidate):
                    return self._mark(model, other, candidate)
        return None

    def controllers(self) -> tuple[Controller, ...]:
        """Return the controllers in use, in the order of the platform's table."""
        order = [c.model for c in self._platform.controllers]
        used = sorted(self._taken, key=lambda key: (order.index(key[0]), key[1]))
        return tuple(Controller(id=controller_id(m, i), model=m, index=i) for m, i in used)

    def _is_free(self, support: ControllerSupport, index: int, unit: int) -> bool:
        if index >= support.most or unit >= support.units or unit in support.reserved:
            return False
        bus = BUS_OF[support.model]
        for (model, taken_index), units in self._taken.items():
            if taken_index == index and BUS_OF[model] is bus:
                return model is support.model and unit not in units
        return True

    def _mark(self, model: ControllerModel, index: int, unit: int) -> tuple[int, int]:
        self._taken.setdefault((model, index), set()).add(unit)
        return index, unit


def controller_id(model: ControllerModel, index: int) -> str:
    """Return the id of a mapped controller: its bus and number, ``scsi0``."""
    return f"{BUS_OF[model].value}{index}"


def _place_drives(
    machine: Machine,
    platform: Platform,
    carries: Carries,
    policy: DevicePolicy,
    firmware: Firmware,
) -> tuple[tuple[Controller, ...], tuple[Drive, ...]]:
    slots = _Slots(platform, firmware)
    boot_disk = machine.boot_disk()
    placed: list[Drive] = []
    few = policy.drives[firmware].disk is ControllerModel.IDE
    for drive in _in_order(machine, boot_disk, cds_first=few):
        if isinstance(drive, Floppy):
            if carries.floppy:
                placed.append(msgspec.structs.replace(drive, file=None))
            continue
        if isinstance(drive, Cdrom) and not carries.cdrom:
            continue
        candidates = (
            *_candidates(drive, machine, policy, firmware, is_boot=drive is boot_disk),
            *_spares(platform, drive, firmware),
        )
        source = machine.controller(drive.controller)
        for model in candidates:
            if drive is boot_disk and not _boots(platform, model, firmware):
                continue
            # A place means something to the guest only on the bus it was on.
            stays = source is not None and source.bus is BUS_OF[model]
            index, unit = (source.index, drive.unit) if source and stays else (0, 0)
            place = slots.take(model, index, unit)
            if place is not None:
                placed.append(_moved(drive, controller_id(model, place[0]), place[1], carries))
                break
        else:
            raise UnsupportedError(
                f"{platform.title} has no room for drive {drive.id} of {machine.name}",
                field=drive.id,
                hint="remove drives from the source or choose another target",
            )
    order = {drive.id: position for position, drive in enumerate(machine.drives)}
    placed.sort(key=lambda drive: order[drive.id])
    return slots.controllers(), tuple(placed)


def _in_order(machine: Machine, boot_disk: Disk | None, *, cds_first: bool) -> list[Drive]:
    """Return the drives, the boot disk first so that nothing takes its place.

    Of IDE's four places CD drives get theirs before other disks, which can be elsewhere.
    """
    rest = [d for d in machine.drives if d is not boot_disk]
    rest.sort(key=lambda d: isinstance(d, Cdrom) is not cds_first)
    return ([boot_disk] if boot_disk else []) + rest


def _candidates(
    drive: Disk | Cdrom,
    machine: Machine,
    policy: DevicePolicy,
    firmware: Firmware,
    *,
    is_boot: bool,
) -> tuple[ControllerModel, ...]:
    """Return the controllers to try for a drive, best first."""
    choice = policy.drives[firmware]
    wanted = choice.cdrom if isinstance(drive, Cdrom) else choice.disk
    if is_boot and choice.boot_disk is not None:
        wanted = choice.boot_disk
    source = machine.controller(drive.controller)
    candidates = [wanted, choice.disk, choice.cdrom]
    if source is not None:
        kept = _as_platform_names_it(source.model, policy)
        may_keep = kept is not None and not (is_boot and choice.boot_disk not in {None, kept})
        fits_cd = not isinstance(drive, Cdrom) or kept in _TAKES_CDS
        if kept is not None and may_keep and fits_cd:
            candidates.insert(0, kept)
    return tuple(dict.fromkeys(candidates))


def _spares(
    platform: Platform, drive: Disk | Cdrom, firmware: Firmware
) -> tuple[ControllerModel, ...]:
    """Return where a drive goes when the policy's controllers are full, or not in this version."""
    policies = [platform.compatible] + ([platform.fallback] if platform.fallback else [])
    choices = [policy.drives[firmware] for policy in policies]
    return tuple(c.cdrom if isinstance(drive, Cdrom) else c.disk for c in choices)


_IDE = frozenset({ControllerModel.PIIX3, ControllerModel.PIIX4, ControllerModel.ICH6})
_TAKES_CDS = frozenset(
    {ControllerModel.IDE, ControllerModel.AHCI, ControllerModel.HYPERV_SCSI}
    | {ControllerModel.XEN_VBD, ControllerModel.VIRTIO_SCSI}
)


def _as_platform_names_it(model: ControllerModel, policy: DevicePolicy) -> ControllerModel | None:
    """Return the controller to keep; a guest drives every PIIX and ICH IDE chip alike."""
    if model in _IDE:
        model = ControllerModel.IDE
    return model if model in policy.keep else None


def _boots(platform: Platform, model: ControllerModel, firmware: Firmware) -> bool:
    support = platform.support(model, firmware)
    return support is not None and firmware in support.boots


def _moved(drive: Disk | Cdrom, controller: str, unit: int, carries: Carries) -> Disk | Cdrom:
    order = drive.boot_order if carries.boot_order else None
    if isinstance(drive, Cdrom):
        return msgspec.structs.replace(
            drive, controller=controller, unit=unit, file=None, host_device="", boot_order=order
        )
    return msgspec.structs.replace(drive, controller=controller, unit=unit, boot_order=order)


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
