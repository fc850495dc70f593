from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.convert.rules import RULES, Journey, check_all
from kensho.convert.rules.journey import ImageFacts
from kensho.model.appliance import Appliance, StartItem
from kensho.model.finding import Finding, Severity
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Eula,
    Extra,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Memory,
    Nic,
    NicModel,
    OtherDevice,
    Product,
    Property,
    Sound,
)
from kensho.model.units import GIB, TIB
from kensho.platforms import find_platform
from tests.convert.machines import appliance, machine


def findings(source: Appliance, target: str, **facts: object) -> dict[str, Finding]:
    platform = find_platform(target)
    machines = tuple(
        map_machine(m, platform, platform.forms[0], choose_policy(m, platform, Devices.AUTO))
        for m in source.machines
    )
    images = tuple(
        ImageFacts(i.id, f"{i.id}.vmdk", "vmdk", 8 * GIB, GIB, i.capacity)
        for i in source.images
        if i.file
    )
    journey = Journey(
        before=source,
        after=msgspec.structs.replace(source, machines=machines),
        platform=platform,
        form=platform.forms[0],
        images=images,
        space_needed=GIB,
        space_free=None,
    )
    for key, value in facts.items():
        journey = type(journey)(
            **{**{f: getattr(journey, f) for f in journey.__slots__}, key: value}
        )
    return {f.code: f for f in check_all(journey)}


def one(**changes: object) -> Appliance:
    return appliance(msgspec.structs.replace(machine(), **changes))


@pytest.mark.parametrize(
    ("source", "target", "code", "severity"),
    [
        (Appliance("empty"), "kvm", "KF-301", Severity.BLOCKED),
        (appliance(machine(), machine(machine_id="db01")), "kvm", "KF-302", Severity.BLOCKED),
        (appliance(machine(firmware=Firmware.UEFI)), "virtualbox", "KF-310", Severity.WARNING),
        (one(firmware=FirmwareSettings(stated=False)), "kvm", "KF-311", Severity.NOTE),
        (
            one(firmware=FirmwareSettings(Firmware.UEFI, secure_boot=True)),
            "virtualbox",
            "KF-312",
            Severity.WARNING,
        ),
        (one(firmware=FirmwareSettings(tpm=True)), "kvm", "KF-313", Severity.WARNING),
        (one(firmware=FirmwareSettings(nvram="f")), "kvm", "KF-314", Severity.NOTE),
        (appliance(machine()), "kvm", "KF-320", Severity.WARNING),
        (one(drives=(Cdrom("cd", "ide", 0, file="iso"),)), "kvm", "KF-326", Severity.NOTE),
        (appliance(machine()), "kvm", "KF-330", Severity.WARNING),
        (appliance(machine()), "xenserver", "KF-330", Severity.WARNING),
        (
            one(
                drives=(
                    Disk("d", "web01-image0", "c0", boot_order=1),
                    Cdrom("cd", "ide", 0, "f", boot_order=2),
                )
            ),
            "ova",
            "KF-435",
            Severity.NOTE,
        ),
        (appliance(machine()), "ova", "KF-333", Severity.NOTE),
        (appliance(machine()), "proxmox", "KF-334", Severity.NOTE),
        (one(cpu=Cpu(count=5000)), "kvm", "KF-340", Severity.WARNING),
        (one(cpu=Cpu(count=65)), "hyperv", "KF-340", Severity.WARNING),
        (one(memory=Memory(2 * TIB)), "hyperv", "KF-345", Severity.WARNING),
        (one(cpu=Cpu(count=4, cores_per_socket=2)), "hyperv", "KF-341", Severity.NOTE),
        (one(cpu=Cpu(nested_virtualization=True)), "ova", "KF-344", Severity.WARNING),
        (one(memory=Memory(100 * TIB)), "kvm", "KF-345", Severity.WARNING),
        (one(memory=Memory(GIB + 1)), "kvm", "KF-346", Severity.NOTE),
        (
            one(drives=(Disk("d", "web01-image0", "c0", encrypted=True),)),
            "kvm",
            "KF-418",
            Severity.WARNING,
        ),
        (
            one(drives=(Disk("d", "web01-image0", "c0", shared=True, independent=True),)),
            "kvm",
            "KF-325",
            Severity.NOTE,
        ),
        (
            one(drives=(Disk("d", "web01-image0", "c0", shared=True),)),
            "proxmox",
            "KF-324",
            Severity.WARNING,
        ),
        (one(sound=Sound("hda")), "hyperv", "KF-350", Severity.NOTE),
        (one(sound=Sound("hda")), "kvm", "KF-354", Severity.NOTE),
        (one(nics=(Nic("n", connected=False),)), "ova", "KF-335", Severity.WARNING),
        (one(nics=(Nic("n", vlan=7),)), "kvm", "KF-336", Severity.WARNING),
        (appliance(machine()), "vmware", "KF-337", Severity.NOTE),
        (one(nics=(Nic("n", mac="01:00:5e:00:00:01"),)), "kvm", "KF-338", Severity.WARNING),
        (one(name="shop front"), "ova", "KF-372", Severity.NOTE),
        (one(others=(OtherDevice("x", 1),)), "kvm", "KF-352", Severity.WARNING),
        (one(others=(OtherDevice("x", 1, required=False),)), "kvm", "KF-353", Severity.NOTE),
        (appliance(machine()), "kvm", "KF-328", Severity.NOTE),
        (appliance(machine(guest="other")), "kvm", "KF-361", Severity.NOTE),
        (one(eulas=(Eula("be good"),)), "kvm", "KF-365", Severity.WARNING),
        (
            one(products=(Product("p", properties=(Property("ip"),)),)),
            "kvm",
            "KF-366",
            Severity.WARNING,
        ),
        (one(products=(Product("p"),)), "kvm", "KF-367", Severity.NOTE),
        (one(uuid="6e2b9d6c-0000-0000-0000-000000000001"), "hyperv", "KF-370", Severity.NOTE),
        (one(extras=(Extra("vmw", "Config", "<x/>"),)), "kvm", "KF-375", Severity.NOTE),
    ],
)
def test_each_rule_finds_its_case(
    source: Appliance, target: str, code: str, severity: Severity
) -> None:
    assert findings(source, target)[code].severity is severity


def test_a_machine_the_target_can_say_whole_has_no_warnings() -> None:
    source = appliance(machine(controller=ControllerModel.PVSCSI, nic=NicModel.VMXNET3))
    result = findings(source, "vmware")
    assert not [f for f in result.values() if f.severity is not Severity.NOTE]


def test_windows_on_native_devices_is_told_about_drivers() -> None:
    platform = find_platform("kvm")
    source = appliance(machine(guest="win2k22"))
    moved = map_machine(source.machines[0], platform, platform.forms[0], platform.native)
    journey = Journey(
        before=source,
        after=msgspec.structs.replace(source, machines=(moved,)),
        platform=platform,
        form=platform.forms[0],
        images=(),
        space_needed=0,
        space_free=None,
    )
    codes = {f.code for f in check_all(journey)}
    assert "KF-360" in codes


def test_the_image_is_believed_rather_than_the_descriptor() -> None:
    facts = (ImageFacts("web01-image0", "a.vmdk", "vmdk", 9 * GIB, GIB, 8 * GIB),)
    assert "KF-323" in findings(appliance(machine()), "kvm", images=facts)


@pytest.mark.parametrize(
    ("size", "target", "code"),
    [(0, "kvm", "KF-306"), (1000, "kvm", "KF-329"), (3 * GIB + 512, "xenserver", "KF-329")],
)
def test_odd_disk_sizes(size: int, target: str, code: str) -> None:
    facts = (ImageFacts("web01-image0", "a.img", "raw", size, 0, None),)
    assert code in findings(appliance(machine()), target, images=facts)


def test_windows_that_had_the_device_already_needs_no_warning() -> None:
    source = appliance(
        machine(guest="win2k22", controller=ControllerModel.PVSCSI, nic=NicModel.VMXNET3)
    )
    assert "KF-360" not in findings(source, "vmware")


def test_a_hardware_version_is_not_dropped_in_silence() -> None:
    assert "KF-374" in findings(one(hardware_versions=("vmx-19",)), "vmware")


def test_too_little_space_blocks() -> None:
    result = findings(appliance(machine()), "kvm", space_free=5)
    assert result["KF-390"].severity is Severity.BLOCKED


def test_start_order_is_not_lost_in_silence() -> None:
    source = appliance(machine(), machine(machine_id="db01"))
    source = msgspec.structs.replace(source, start_order=(StartItem("db01", 1),))
    assert "KF-303" in findings(source, "kvm")


def test_every_code_is_documented() -> None:
    root = Path(__file__).parents[2]
    rows = [
        code
        for name in ("docs/findings.md", "docs/validation.md")
        for code in re.findall(r"^\| (KF-\d+) ", (root / name).read_text(), re.MULTILINE)
    ]
    documented = set(rows)
    assert len(documented) == len(rows), "a code has one meaning"
    used = {
        code
        for path in (root / "src").rglob("*.py")
        for code in re.findall(r'"(KF-\d+)"', path.read_text())
    }
    assert used == documented


def test_the_table_lists_every_rule_file() -> None:
    folder = Path(__file__).parents[2] / "src/kensho/convert/rules"
    files = {p.stem for p in folder.glob("*.py")} - {"__init__", "journey"}
    assert files == {rule.__module__.rpartition(".")[2] for rule in RULES}


def test_xen_shows_four_drives_to_a_guest_without_drivers() -> None:
    def with_disks(count: int, guest: str) -> Appliance:
        base = appliance(machine(guest=guest))
        (one,) = base.machines
        first = one.disks[0]
        disks = tuple(
            msgspec.structs.replace(first, id=f"d{n}", name="", unit=n) for n in range(count)
        )
        return appliance(msgspec.structs.replace(one, drives=disks))

    for target in ("xen", "xenserver"):
        assert "d4" in findings(with_disks(5, "win2k22"), target)["KF-486"].message
        assert "KF-486" not in findings(with_disks(4, "win2k22"), target)
        assert "KF-486" not in findings(with_disks(5, "debian12"), target)
        assert "KF-360" not in findings(with_disks(2, "win2k22"), target)


def test_an_order_among_disks_is_none_where_kinds_are_tried() -> None:
    drives = (
        Disk("a", "web01-image0", "c0", 0, boot_order=2),
        Disk("b", "web01-image1", "c0", 1, boot_order=1),
    )
    source = one(drives=drives, controllers=(Controller("c0", ControllerModel.XEN_VBD),))
    assert "tries the first disk, a" in findings(source, "xenserver")["KF-431"].message
    assert not {"KF-431", "KF-435"} & set(findings(source, "kvm"))
    swapped = (*(msgspec.structs.replace(d, boot_order=3 - (d.boot_order or 0)) for d in drives),)
    said = findings(one(drives=swapped, controllers=source.machines[0].controllers), "xenserver")
    assert "KF-431" not in said
    assert said["KF-435"].severity is Severity.NOTE


@pytest.mark.parametrize(
    ("target", "model", "code", "told", "mode"),
    [
        ("proxmox", ControllerModel.AHCI, "KF-325", True, {"read_only": True}),
        ("proxmox", ControllerModel.VIRTIO_SCSI, "KF-325", False, {"read_only": True}),
        ("proxmox", ControllerModel.VIRTIO_BLK, "KF-325", True, {"solid_state": True}),
        ("kvm", ControllerModel.VIRTIO_BLK, "KF-325", True, {"solid_state": True}),
        ("kvm", ControllerModel.AHCI, "KF-325", False, {"solid_state": True}),
        ("kubevirt", ControllerModel.VIRTIO_BLK, "KF-417", True, {"cache": "unsafe"}),
        ("kubevirt", ControllerModel.VIRTIO_BLK, "KF-417", False, {"cache": "none"}),
    ],
)
def test_modes_that_not_every_disk_can_have(
    target: str, model: ControllerModel, code: str, told: bool, mode: dict[str, Any]
) -> None:
    disk = Disk("d", "web01-image0", "c0", **mode)
    source = one(guest=GuestOs("win2k22"), drives=(disk,), controllers=(Controller("c0", model),))
    assert (code in findings(source, target)) is told


def test_the_most_memory_there_may_be_is_said_or_told() -> None:
    source = one(memory=Memory(GIB, minimum=GIB // 2, limit=2 * GIB))
    assert "KF-347" in findings(source, "xen")
    assert "KF-347" not in findings(source, "hyperv")


@pytest.mark.parametrize(
    ("target", "most"),
    [
        ("proxmox", 8192),
        ("kubevirt", 65536),
        ("aws", 250),
        ("azure", 250),
        ("gcp", 250),
        ("openstack", 250),
    ],
)
def test_notes_longer_than_the_target_takes_are_cut_and_said(target: str, most: int) -> None:
    # Proxmox VE refuses such a description, and clouds got the beginning without a word.
    platform = find_platform(target)
    for text, whole in (("n" * most, True), ("\u00e9" * most, False)):
        source = one(annotation=text)
        m = source.machines[0]
        policy = choose_policy(m, platform, Devices.AUTO)
        written = map_machine(m, platform, platform.forms[0], policy).annotation
        assert (written == text) is whole
        assert text.startswith(written)
        assert len(written.encode()) == most
        assert ("KF-371" in findings(source, target)) is not whole
