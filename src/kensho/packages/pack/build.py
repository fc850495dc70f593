"""From a ``Spec`` to a package in memory: mapped to the target, rendered, completed by edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from lxml import etree

from kensho.appliances.image.partitions import firmware_of
from kensho.appliances.names import file_stem
from kensho.appliances.ovf.elements import Notes, attribute
from kensho.appliances.ovf.write import render_descriptor
from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_dialects.virtualbox import VIRTUALBOX
from kensho.appliances.ovf.write_dialects.vmware import VMWARE
from kensho.appliances.package import PlacedDisk
from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.convert.rules import ImageFacts, Journey, check_all
from kensho.disks import open_disk
from kensho.model import guest_os
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.errors import UsageError
from kensho.model.finding import Finding
from kensho.model.machine import (
    Controller,
    Cpu,
    Disk,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
)
from kensho.packages.edit import values as typed
from kensho.packages.edit.apply import set_typed_property
from kensho.packages.edit.files import add_file
from kensho.packages.edit.payload import NewFile, Payload, look_at_disk
from kensho.packages.edit.scope import Scope, machines
from kensho.packages.edit.startup import set_start_order
from kensho.packages.pack.finish import finish_machine
from kensho.packages.pack.spec import DiskSpec, MachineSpec, NicSpec, Spec
from kensho.platforms import Platform, find_form, find_platform
from kensho.storage.locator import open_source, sibling_opener

DIALECTS: dict[str, Dialect] = {"ova": PORTABLE, "vmware": VMWARE, "virtualbox": VIRTUALBOX}
_NETWORK, _CONTROLLER = "VM Network", "controller0"


@dataclass(frozen=True, slots=True)
class Packed:
    """A new package in memory: its name, descriptor (sizes of files come later) and files."""

    name: str
    root: etree._Element
    payload: Payload
    findings: tuple[Finding, ...]


def build_package(
    spec: Spec, target: str | None, base: Path, *, properties: Sequence[str] = ()
) -> Packed:
    """Return the package that ``spec`` describes, for ``target`` or the one it names.

    Files are relative to ``base``; ``properties`` are more of them, as KEY=VALUE+TYPE.
    UsageError for a target that takes no OVF package. Findings of severity ``blocked`` are the
    caller's affair.
    """
    platform = find_platform(target or spec.for_ or "ova")
    if platform.name not in DIALECTS:
        raise UsageError(
            f"{platform.name} takes no OVF package",
            hint=f"pack for {', '.join(DIALECTS)}, then `kensho convert` it",
        )
    specs = spec.machines or (_as_machine(spec),)
    before = _appliance(spec, specs, base)
    after, placed, findings = _mapped(before, platform)
    root = etree.fromstring(render_descriptor(after, placed, DIALECTS[platform.name]))
    payload = Payload()
    for image in before.images:
        file = before.file(image.file)
        if file is not None:
            # A capacity beyond the image's own makes a larger disk of it.
            grown = image.capacity if file.size is not None else None
            convert = image.format != "vmdk streamOptimized" or grown is not None
            new = NewFile(file.href, convert=convert, size=grown)
            payload.files[placed[image.id].filename] = new
    notes = Notes(before.name)
    for own, system in zip(specs, machines(root), strict=True):
        finish_machine(Scope(root, notes, attribute(system, "id")), payload, own, base)
    whole = Scope(root, notes)
    for text in properties:
        set_typed_property(whole, text)
    for name in spec.files:
        add_file(whole, payload, str(base / name))
    if spec.startup:
        set_start_order(whole, spec.startup)
    return Packed(file_stem(before.name), root, payload, (*findings, *notes.findings))


def _as_machine(spec: Spec) -> MachineSpec:
    return MachineSpec(**{n: getattr(spec, n) for n in MachineSpec.__struct_fields__})


def _appliance(spec: Spec, specs: tuple[MachineSpec, ...], base: Path) -> Appliance:
    if spec.machines and _as_machine(spec) != MachineSpec(name=spec.name):
        raise UsageError("with machines: what is of one machine goes there, not on top")
    images: list[DiskImage] = []
    files: list[File] = []
    built = []
    for number, own in enumerate(specs, 1):
        name = own.name or (f"{spec.name}-{number}" if spec.machines else "") or "machine"
        built.append(_machine(own, name, f"m{number}", images, files, base))
    networks = tuple(Network(name, text) for name, text in spec.networks.items())
    return Appliance(
        name=spec.name or built[0].name,
        machines=tuple(built),
        images=tuple(images),
        files=tuple(files),
        networks=networks,
    )


def _machine(
    own: MachineSpec,
    name: str,
    ident: str,
    images: list[DiskImage],
    files: list[File],
    base: Path,
) -> Machine:
    firmware = None if own.firmware is None else Firmware(own.firmware)
    drives = []
    for unit, disk in enumerate(own.disks):
        disk = DiskSpec(image=disk) if isinstance(disk, str) else disk  # noqa: PLW2901
        image, found = _image(disk, len(images) + 1, files, base)
        images.append(image)
        if firmware is None and unit == 0:
            firmware = found
        drives.append(Disk(image.id, image.id, _CONTROLLER, unit, boot_order=unit + 1))
    return Machine(
        id=ident,
        name=name,
        cpu=Cpu(own.cpus, own.cores_per_socket),
        memory=Memory(typed.size(own.memory, "memory")),
        firmware=FirmwareSettings(
            firmware or Firmware.BIOS,
            secure_boot=own.secure_boot,
            stated=own.firmware is not None,
        ),
        guest=GuestOs(own.guest, description=guest_os.get(own.guest).title),
        drives=tuple(drives),
        nics=tuple(_nic(nic, number) for number, nic in enumerate(own.nics)),
    )


def _nic(nic: str | NicSpec, number: int) -> Nic:
    own = NicSpec(network=nic) if isinstance(nic, str) else nic
    mac = typed.mac(own.mac) if own.mac else None
    return Nic(f"nic{number}", network=own.network or _NETWORK, mac=mac, name=own.name)


def _image(
    disk: DiskSpec, number: int, files: list[File], base: Path
) -> tuple[DiskImage, Firmware | None]:
    """Return a disk's image, and the firmware that its partitions are made for."""
    ident = f"disk{number}"
    if not disk.image:
        return DiskImage(ident, None, typed.size(disk.size, "the size of an empty disk")), None
    locator = disk.image if "://" in disk.image else str(base / disk.image)
    facts = look_at_disk(locator)
    capacity = typed.size(disk.size, "size") if disk.size else facts.capacity
    if capacity < facts.capacity:
        raise UsageError(f"{disk.image} has {facts.capacity} bytes, more than {disk.size}")
    grown = capacity if capacity > facts.capacity else None
    files.append(File(f"file{number}", locator, grown))
    form = "vmdk streamOptimized" if facts.ready else ""
    image = DiskImage(ident, f"file{number}", capacity, form, facts.populated)
    return image, _firmware(locator)


def _firmware(locator: str) -> Firmware:
    source = open_source(locator)
    try:
        reader = open_disk(source, sibling=sibling_opener(locator))
        try:
            return firmware_of(reader)
        finally:
            reader.close()
    finally:
        source.close()


def _usual_devices(machine: Machine, platform: Platform) -> Machine:
    """Give a new machine the devices that suit its guest on the target best."""
    policy = choose_policy(machine, platform, Devices.AUTO)
    firmware = machine.firmware.kind
    choice = policy.drives[firmware]
    support = platform.support(choice.disk, firmware)
    reserved = () if support is None else support.reserved
    units = (n for n in range(10_000) if n not in reserved)
    drives = (msgspec.structs.replace(d, unit=next(units)) for d in machine.drives)
    return msgspec.structs.replace(
        machine,
        controllers=(Controller(_CONTROLLER, choice.disk),) if machine.drives else (),
        drives=tuple(drives),
        nics=tuple(msgspec.structs.replace(n, model=policy.nic) for n in machine.nics),
    )


def _mapped(
    before: Appliance, platform: Platform
) -> tuple[Appliance, dict[str, PlacedDisk], tuple[Finding, ...]]:
    form = find_form(platform, None)
    before = msgspec.structs.replace(
        before, machines=tuple(_usual_devices(m, platform) for m in before.machines)
    )
    if len(before.machines) > 1 and not form.several_machines:
        raise UsageError(
            f"{platform.title} holds one machine", hint="--for vmware, or a YAML file each"
        )
    after = msgspec.structs.replace(
        before,
        machines=tuple(
            map_machine(m, platform, form, choose_policy(m, platform, Devices.AUTO))
            for m in before.machines
        ),
    )
    stem = file_stem(before.name)
    stored = [i for i in before.images if i.file is not None]
    placed = {
        image.id: PlacedDisk(
            image=image.id,
            filename=f"{stem}-disk{number}.vmdk",
            format="vmdk",
            subformat="streamOptimized",
            virtual_size=image.capacity or 0,
            file_size=0,
            data_size=image.populated or 0,
        )
        for number, image in enumerate(stored, 1)
    }
    facts = tuple(
        ImageFacts(i.id, i.id, i.format, i.capacity or 0, i.populated or 0, i.capacity)
        for i in before.images
    )
    journey = Journey(before, after, platform, form, facts, 0, None)
    return after, placed, check_all(journey)
