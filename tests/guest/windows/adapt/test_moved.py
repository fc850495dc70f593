"""What keeps a Windows that was moved from its disks: drivers held back, filters, policies, letters."""

from __future__ import annotations

import struct

import pytest

from kensho.disks.partition_table import PartitionTable
from kensho.guest.inspect.systems import Opened
from kensho.guest.volumes.scan import Volumes
from kensho.guest.windows.adapt.services import drop_filters
from kensho.guest.windows.hive import (
    Hive,
    Type,
    Value,
    binary,
    dword,
    expand_sz,
    multi_sz,
    open_hive,
    sz,
)
from kensho.guest.windows.inbox import starts_of
from kensho.model.finding import Finding
from kensho.model.machine import ControllerModel as C
from tests.guest.windows.adapt.machines import CURRENT, filled
from tests.guest.windows.adapt.memory import Memory, machine
from tests.guest.windows.adapt.test_notes import CONFIG, adapted, installed, ten
from tests.guest.windows.hives import software_hive, system_hive
from tests.guest.windows.test_edits import edited

SERVICES = rf"{CURRENT}\Services"
DISKS = rf"{CURRENT}\Control\Class\{{4d36e967-e325-11ce-bfc1-08002be10318}}"


def moved(
    system: Hive, software: Hive, *targets: str, **more: bytes
) -> tuple[Hive, tuple[C, ...], dict[str, Finding]]:
    """Adapt a machine twice; returns its SYSTEM hive, controllers and findings of the first time."""
    files = installed(system, software, **more)
    opened = machine(Memory(files))
    ((plan, draft),) = adapted(opened, *targets)
    assert not plan.refused
    files |= {edit.path: edit.content for edit in draft.edits if edit.content is not None}
    ((_, again),) = adapted(machine(Memory(files)), *targets)
    assert again.edits == ()
    found = {finding.code: finding for finding in draft.findings}
    return open_hive(files[f"{CONFIG}/SYSTEM"]), plan.controllers, found


def number(system: Hive, path: str, name: str) -> int | None:
    key = system.find(path)
    value = key.value(name) if key is not None else None
    return value.number if value is not None else None


@pytest.mark.parametrize(
    ("start", "override", "there", "starts"),
    [(0, 3, True, True), (3, None, True, True), (4, None, True, False), (0, 3, False, False)],
)
def test_an_installed_driver_starts_again(
    start: int, override: int | None, there: bool, starts: bool
) -> None:
    system, software = ten()
    path = rf"{SERVICES}\viostor"
    system.set(path, dword("Start", start), expand_sz("ImagePath", r"System32\drivers\viostor.sys"))
    if override is not None:
        system.set(rf"{path}\StartOverride", dword("0", override))
    more = {"/Windows/System32/drivers/viostor.sys": b"x"} if there else {}
    after, controllers, _ = moved(system, software, "kvm", **more)
    assert (C.VIRTIO_BLK in controllers) is starts
    assert (after.find(rf"{path}\StartOverride") is None) is (starts or override is None)
    # no target has its controller: it stays as it is
    _, controllers, _ = moved(system, software, "vmware", **more)
    assert C.VIRTIO_BLK not in controllers


def test_a_number_for_any_configuration_holds_a_driver_back() -> None:
    system = system_hive((10, 0))
    system.set(rf"{SERVICES}\stornvme\StartOverride", dword("0", 0), dword("2", 3))
    system.set(rf"{SERVICES}\stornvme", dword("Start", 0))
    assert starts_of(system, CURRENT)["stornvme"] == 3


def test_a_bus_without_its_file_is_not_started() -> None:
    system, software = ten()
    system.set(rf"{SERVICES}\vpci", dword("Start", 3))
    system.set(rf"{SERVICES}\pci", dword("Start", 3))
    after, _, _ = moved(system, software, "hyperv")
    assert number(after, rf"{SERVICES}\vpci", "Start") == 3
    assert number(after, rf"{SERVICES}\pci", "Start") == 0


def test_filters_that_cannot_be_loaded_go() -> None:
    editor = edited(system_hive((10, 0)))
    for name in ("here", "lost", "elsewhere", "off"):
        editor.hive.set(rf"{SERVICES}\{name}", dword("Start", 0))
    editor.hive.set(rf"{SERVICES}\elsewhere", expand_sz("ImagePath", r"\??\D:\tools\filter.sys"))
    names = ("here", "lost", "elsewhere", "off")
    # what comes behind an empty name is no part of the list
    data = multi_sz("", names).data[:-2] + b"\0\0" + "rest\0".encode("utf-16-le") + b"\0\0"
    editor.hive.set(DISKS, Value("UpperFilters", Type.MULTI_SZ, data))
    editor.hive.delete_value(DISKS, "LowerFilters")
    dropped = drop_filters(
        editor, frozenset({"off"}), lambda file: file != r"System32\drivers\lost.sys"
    )
    assert dropped == ("lost", "off")
    key = editor.hive.find(DISKS)
    value = key.value("UpperFilters") if key is not None else None
    assert value is not None
    assert value.strings == ("here", "elsewhere")


def test_a_filter_that_is_disabled_goes_with_it() -> None:
    system, software = ten()
    classes = rf"{CURRENT}\Control\Class\{{4D36E97B-E325-11CE-BFC1-08002BE10318}}"
    system.set(rf"{SERVICES}\prl_boot", dword("Start", 0))
    system.set(classes, multi_sz("UpperFilters", ("PRL_boot",)))
    after, _, _ = moved(system, software, "kvm", **{"/Windows/System32/drivers/prl_boot.sys": b"x"})
    key = after.find(classes)
    assert key is not None
    assert key.value("UpperFilters") is None


@pytest.mark.parametrize(
    ("policy", "cluster", "after"), [(1, False, 1), (2, False, 2), (3, False, 1), (4, False, 1),
                                     (3, True, 3)]
)  # fmt: skip
def test_disks_that_windows_keeps_offline(policy: int, cluster: bool, after: int) -> None:
    system, software = ten()
    path = rf"{SERVICES}\partmgr\Parameters"
    system.set(path, dword("SanPolicy", policy))
    if cluster:
        system.set(rf"{SERVICES}\ClusSvc", dword("Start", 2))
    hive, _, found = moved(system, software)
    assert number(hive, path, "SanPolicy") == after
    assert ("KF-903" in found) is (policy != after)


@pytest.mark.parametrize(("policy", "cluster"), [(None, False), (2, False), (2, True)])
def test_several_disks_are_online_from_the_first_start_on(
    policy: int | None, cluster: bool
) -> None:
    system, software = ten()
    path = rf"{SERVICES}\partmgr\Parameters"
    if policy is not None:
        system.set(path, dword("SanPolicy", policy))
    if cluster:
        system.set(rf"{SERVICES}\ClusSvc", dword("Start", 2))
    opened = machine(Memory(installed(system, software)))
    tables = (*opened.volumes.tables, PartitionTable("mbr", (), "11111111"))
    opened = Opened(Volumes(opened.volumes.volumes, tables), dict(opened.systems))
    ((_, draft),) = adapted(opened)
    hive = open_hive(draft.read(f"{CONFIG}/SYSTEM", 1 << 24))
    assert number(hive, path, "SanPolicy") == (2 if cluster else 1)


def test_intels_driver_for_processors() -> None:
    for nt, build, after in (((5, 1), 2600, 4), ((6, 1), 7601, 1)):
        letter = struct.pack("<IQ", 0xB3EBA8F1, 1 << 20)
        system = filled(system_hive(nt), letter=letter)
        system.set(rf"{SERVICES}\intelppm", dword("Start", 1))
        software = software_hive(build, "Windows", "{}.{}".format(*nt))
        hive, _, found = moved(system, software)
        assert number(hive, rf"{SERVICES}\intelppm", "Start") == after
        assert ("KF-904" in found) is (after == 4)


def test_azure_calls_the_bus_by_another_name() -> None:
    for build, current, known, told in (
        (9600, "6.3", False, True), (9600, "6.3", True, False), (17763, "10.0", False, False),
    ):  # fmt: skip
        letter = struct.pack("<IQ", 0xB3EBA8F1, 1 << 20)
        system = filled(system_hive((10, 0)), letter=letter)
        if known:
            system.create(rf"{CURRENT}\Enum\ACPI\MSFT1000\0")
        _, draft = adapted(
            machine(Memory(installed(system, software_hive(build, "Windows", current)))), "azure"
        )[0]
        assert any("MSFT1000" in finding.message for finding in draft.findings) is told


def test_windows_own_volume_has_one_letter() -> None:
    system, software = ten()
    own = struct.pack("<IQ", 0xB3EBA8F1, 1 << 20)
    system.set(
        "MountedDevices",
        binary(r"\DosDevices\C:", struct.pack("<IQ", 0x11111111, 1 << 20)),
        binary(r"\DosDevices\E:", own),
        binary(r"\DosDevices\F:", b"another"),
        binary(r"\??\Volume{00000000-0000-0000-0000-000000000000}", own),
    )
    software.set(r"Microsoft\Windows NT\CurrentVersion", sz("SystemRoot", r"C:\Windows"))
    hive, _, _ = moved(system, software)
    key = hive.find("MountedDevices")
    assert key is not None
    assert {value.name: value.data for value in key.values()} == {
        r"\DosDevices\C:": own,
        r"\DosDevices\F:": b"another",
        r"\??\Volume{00000000-0000-0000-0000-000000000000}": own,
    }
