"""Whatever a machine has: what the target does not get, a finding tells; what it gets, is written."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.appliances import open_package
from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.convert.rules import ImageFacts, Journey, check_all
from kensho.model.appliance import Appliance, DiskImage, Network
from kensho.model.errors import KenshoError, UnsupportedError
from kensho.model.host_side import Clock
from kensho.model.machine import (
    BUS_OF,
    Bus,
    Cdrom,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Drive,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
    SerialPort,
    Sound,
    Usb,
    Video,
)
from kensho.model.units import GIB, MIB
from kensho.platforms import IMAGES, PLATFORMS, Form, Platform
from kensho.platforms.chosen import in_form
from tests.appliances.mapped_machines import placed

FORMS = [(p, f) for p in PLATFORMS if p not in IMAGES for f in p.forms]
#: Which findings tell of a difference, by what differs.
TOLD = {
    "cpu.cores_per_socket": "KF-341", "cpu.reservation_hz": "KF-342", "cpu.limit_hz": "KF-342",
    "cpu.hot_add": "KF-343", "cpu.nested_virtualization": "KF-344", "cpu.model": "KF-426",
    "cpu.pinned": "KF-427", "cpu.numa_nodes": "KF-427", "cpu.limit_percent": "KF-342",
    "memory.size": "KF-346", "memory.reservation": "KF-347", "memory.limit": "KF-347",
    "memory.hot_add": "KF-348", "memory.minimum": "KF-428", "memory.huge_pages": "KF-429",
    "firmware.kind": "KF-310", "firmware.secure_boot": "KF-312", "firmware.tpm": "KF-313",
    "uuid": "KF-370", "annotation": "KF-371", "watchdog": "KF-424", "clock": "KF-425",
    "serial_ports": "KF-350", "video": "KF-350", "sound": "KF-350", "usb": "KF-350",
    "drive": "KF-320 KF-321 KF-328 KF-500", "drive.boot_order": "KF-431 KF-435 KF-500",
    "drive.read_only": "KF-325", "drive.independent": "KF-325", "drive.solid_state": "KF-325",
    "drive.shared": "KF-324", "drive.nonpersistent": "KF-415", "drive.cache": "KF-417",
    "drive.iops": "KF-416", "drive.bandwidth": "KF-416", "drive.encrypted": "KF-418",
    "nic": "KF-332", "nic.model": "KF-330", "nic.mac": "KF-333 KF-338",
    "nic.connected": "KF-335", "nic.vlan": "KF-336", "nic.pci_slot": "KF-412 KF-330",
    "nic.boot_order": "KF-431 KF-435",
}  # fmt: skip
_NOTHING = (None, "", False, 0, ())


def any_machine(random: Random) -> Machine:
    """Return a machine with any of what a machine can have."""
    one, chance = random.choice, lambda p: random.random() < p
    models = [m for m in ControllerModel if m is not ControllerModel.FLOPPY]
    controllers = [Controller(f"c{n}", one(models), n) for n in range(random.randint(1, 3))]
    units = {Bus.IDE: 2, Bus.VIRTIO: 1}
    places = [(c.id, u) for c in controllers for u in range(units.get(BUS_OF[c.model], 5))]
    random.shuffle(places)
    orders = random.sample(range(1, 30), 20) if chance(0.5) else [None] * 20
    disks = min(len(places), random.randint(1, 4))
    drives: list[Drive] = [
        Disk(
            f"d{n}", f"img{n}", *places.pop(), boot_order=orders.pop(), read_only=chance(0.2),
            independent=chance(0.2), shared=chance(0.2), solid_state=chance(0.2),
            nonpersistent=chance(0.2), cache=one(["", "none", "unsafe"]),
            iops=one([None, 100]), bandwidth=one([None, MIB]), encrypted=chance(0.1),
        )
        for n in range(disks)
    ]  # fmt: skip
    cds = places[: random.randint(0, 2)]
    drives += [Cdrom(f"cd{n}", *p, boot_order=orders.pop()) for n, p in enumerate(cds)]
    kind = one(list(Firmware))
    uefi = kind is Firmware.UEFI
    return Machine(
        id="vm",
        name="web01",
        cpu=Cpu(
            4, one([1, 2, 4]), one([None, 10**9]), one([None, 10**9]), chance(0.3), chance(0.3),
            one(["", "host-passthrough"]), chance(0.2), one([0, 2]), one([None, 150]),
        ),
        memory=Memory(
            one([GIB, 513 * MIB, GIB + 4096]), one([None, MIB]), one([None, 4 * GIB]), chance(0.3),
            one([None, 64 * MIB]), chance(0.2),
        ),
        firmware=FirmwareSettings(kind, uefi and chance(0.5), uefi and chance(0.5)),
        guest=GuestOs(one(["debian12", "win2k22", "winxp-32", "linux2.6", "freebsd14", "other"])),
        uuid=one([None, "564d1234-5678-9abc-def0-1234567890ab"]),
        controllers=tuple(controllers),
        drives=tuple(drives),
        nics=tuple(
            Nic(
                f"n{n}", one(list(NicModel)), "lan", one([None, f"00:50:56:00:00:{n:02x}"]),
                chance(0.8), orders.pop(), vlan=one([None, 12]), pci_slot=one([None, 192]),
            )
            for n in range(one([0, 1, 2, 9]))
        ),
        serial_ports=tuple(SerialPort(f"s{n}") for n in range(one([0, 1, 5]))),
        video=one([None, Video("vga", 16 * MIB)]),
        sound=one([None, Sound("hda")]),
        usb=one([(), (Usb("xhci"),)]),
        clock=one([None, *Clock]),
        watchdog=one(["", "i6300esb"]),
        annotation=one(["", "two\nlines"]),
    )  # fmt: skip


def usual_clock(machine: Machine) -> Clock:
    return Clock.LOCAL if machine.guest.id.startswith("win") else Clock.UTC


def lost(before: Machine, after: Machine) -> dict[str, Any]:
    """Return what is not there any more, by its name in ``TOLD``; where from and what it was."""
    found: dict[str, Any] = {}

    def compare(old: Any, new: Any, name: str, fields: tuple[str, ...]) -> None:
        for field in fields:
            value = getattr(old, field)
            if value not in _NOTHING and value != getattr(new, field):
                found[f"{name}{field}"] = value

    compare(before.cpu, after.cpu, "cpu.", tuple(f for f in Cpu.__struct_fields__ if f != "count"))
    compare(before.memory, after.memory, "memory.", Memory.__struct_fields__)
    compare(before.firmware, after.firmware, "firmware.", ("kind", "secure_boot", "tpm"))
    compare(before, after, "", ("uuid", "annotation", "watchdog"))
    if before.clock not in {None, after.clock, usual_clock(before)}:
        found["clock"] = before.clock
    for name in ("serial_ports", "video", "sound", "usb"):
        if getattr(before, name) and not getattr(after, name):
            found[name] = getattr(before, name)
    drives = {d.id: d for d in after.drives}
    for drive in before.drives:
        new = drives.get(drive.id)
        if new is None or place(before, drive) != place(after, new):
            found["drive"] = drive.id
        if new is not None:
            fields = (f for f in drive.__struct_fields__ if f in {n[6:] for n in TOLD})
            compare(drive, new, "drive.", tuple(fields))
    nics = {n.id: n for n in after.nics}
    for nic in before.nics:
        if nic.id not in nics:
            found["nic"] = nic.id
            continue
        compare(nic, nics[nic.id], "nic.", ("model", "mac", "vlan", "pci_slot", "boot_order"))
        if nics[nic.id].connected and not nic.connected:
            found["nic.connected"] = nic.id
    orders = [d for d in (*before.drives, *before.nics) if d.boot_order is not None]
    bootable = [d for d in orders if not isinstance(d, Cdrom)]
    if len(bootable) < 2:  # nothing to choose between; an empty CD drive starts nothing
        found = {k: v for k, v in found.items() if not k.endswith(".boot_order")}
    return found


def place(machine: Machine, drive: Drive) -> tuple[str, int, int]:
    controller = machine.controller(drive.controller)
    assert controller is not None
    model = "ide" if controller.bus is Bus.IDE else controller.model.value
    return (model, controller.index, drive.unit)


def journey(machine: Machine, platform: Platform, form: Form, devices: Devices) -> Journey:
    before = Appliance(
        "web01", (machine,), tuple(DiskImage(d.image, d.image) for d in machine.disks),
        networks=(Network("lan"),),
    )  # fmt: skip
    there = in_form(platform, form)
    after = map_machine(machine, there, form, choose_policy(machine, there, devices))
    images = tuple(ImageFacts(d.image, d.image, "raw", GIB, MIB, GIB) for d in machine.disks)
    changed = msgspec.structs.replace(before, machines=(after,))
    return Journey(before, changed, there, form, images, GIB, None)


@settings(max_examples=40, deadline=None)
@given(random=st.randoms(use_true_random=False), devices=st.sampled_from(list(Devices)))
def test_what_is_lost_is_told(random: Random, devices: Devices) -> None:
    machine = any_machine(random)
    for platform, form in FORMS:
        try:
            trip = journey(machine, platform, form, devices)
        except UnsupportedError:
            continue
        codes = {f.code for f in check_all(trip)}
        gone = lost(machine, trip.after.machines[0])
        silent = {k: v for k, v in gone.items() if not codes & set(TOLD[k].split())}
        assert not silent, (platform.name, form.name)


#: Said in kinds of device, or by the reader in another word.
_OTHERWISE = {"drive.boot_order", "nic.boot_order", "drive", "cpu.cores_per_socket", "clock"}
#: VirtualBox's read-only disks have no part in snapshots, and Hyper-V's serial ports are always there.
_BY_FORM = {"vbox": {"drive.independent"}, "export": {"serial_ports"}}


@pytest.mark.parametrize(
    ("name", "form"),
    [("vmware", "vmx"), ("virtualbox", "vbox"), ("kvm", "libvirt"), ("proxmox", "qm"),
     ("hyperv", "export"), ("xen", "xl"), ("xen", "libvirt"), ("kubevirt", "datavolumes")],
)  # fmt: skip
@settings(max_examples=5, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_what_is_planned_is_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, form: str, random: Random
) -> None:
    machine = any_machine(random)
    platform, target = next((p, f) for p, f in FORMS if (p.name, f.name) == (name, form))
    try:
        trip = journey(machine, platform, target, Devices.AUTO)
    except UnsupportedError:
        return
    if any(f.severity == "blocked" for f in check_all(trip)):
        return
    (planned,) = trip.after.machines
    module, _, function = target.render.partition(":")
    render = getattr(importlib.import_module(module), function)
    folder = tmp_path_factory.mktemp("written")
    found: Machine | None = None
    for document in render(trip.after, placed(trip.after, target.disk.suffix)):
        path = folder / document.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document.data)
        found = found or read(path)
    assert found is not None
    # Names of drives on Xen say places in their own way.
    gone = lost(planned, alike(found, planned, in_order=name in {"kubevirt", "xen"}))
    assert not gone.keys() - _OTHERWISE - _BY_FORM.get(form, set())


def read(path: Path) -> Machine | None:
    with contextlib.suppress(KenshoError):
        package = open_package(path)
        package.close()
        return next(iter(package.appliance.machines), None)
    return None


def alike(found: Machine, planned: Machine, *, in_order: bool) -> Machine:
    """Return what was read with the ids of what was planned: drives are paired by place."""
    ids = {place(planned, d): d.id for d in planned.drives}
    listed = [d.id for d in planned.drives]
    drives = tuple(
        msgspec.structs.replace(d, id=listed[n] if in_order else ids.get(place(found, d), f"?{n}"))
        for n, d in enumerate(found.drives)
    )
    nics = zip(found.nics, planned.nics, strict=True)
    return msgspec.structs.replace(
        found, drives=drives, nics=tuple(msgspec.structs.replace(n, id=p.id) for n, p in nics)
    )
