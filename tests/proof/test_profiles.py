"""Profiles name devices that QEMU has and that kensho knows what to say about."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.model.machine import Firmware
from kensho.platforms import PLATFORMS
from kensho.proof.profiles import DISTINCT, PROFILES, profile
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu import devices
from kensho.proof.qemu.arguments import Wires, qemu_arguments
from kensho.proof.qemu.devices import Drive, machine_of
from kensho.proof.watch.boot import boot_machine
from kensho.proof.watch.result import Verdict
from tests.proof.watch.test_boot import printing


def test_names_are_unique_and_devices_known() -> None:
    assert len({row.name for row in PROFILES}) == len(PROFILES)
    for row in PROFILES:
        assert profile(row.name) is row
        assert row.platform in {platform.name for platform in PLATFORMS}
        assert row.static or (
            row.controller in devices.CONTROLLERS and row.adapter in devices.ADAPTERS
        )
        assert row.controller in CONTROLLERS
        assert row.adapter in NICS


@pytest.mark.parametrize(("keeps", "word"), [(False, "snapshot=on"), (True, "snapshot=off")])
def test_what_a_guest_writes_is_dropped_unless_it_is_to_be_kept(keeps: bool, word: str) -> None:
    machine = machine_of(profile("vmware-pvscsi"), (Drive("a.qcow2", "qcow2", keeps),))
    (drive,) = [text for text in qemu_arguments(machine) if text.startswith("if=none")]
    assert word in drive.split(",")


def test_every_platform_has_a_row_for_each_firmware_it_starts_by() -> None:
    """Else `--on` has nothing to say of a machine, because its firmware is another."""
    for platform in PLATFORMS:
        if platform.name == "ova":  # a package for any of them
            continue
        rows = {row.firmware for row in PROFILES if row.platform == platform.name}
        says = {kind for form in platform.forms for kind in form.firmware}
        boots = {kind for c in platform.controllers for kind in c.boots or () if kind in c.firmware}
        assert rows >= says & boots, platform.name


def test_the_same_hardware_is_the_same() -> None:
    def hardware(row: Profile) -> tuple[object, ...]:
        return row.controller, row.adapter, row.firmware, row.board, row.device, row.smbios

    for row in PROFILES:
        if row.same_as:
            assert not row.static
            assert row.same_as in {other.name for other in DISTINCT}
            assert hardware(row) == hardware(profile(row.same_as))
    started = [hardware(row) for row in DISTINCT if not row.static]
    assert len(set(started)) == len(started)


def test_static_rows_are_of_what_qemu_lacks() -> None:
    for row in PROFILES:
        if row.static:
            lacks = row.controller not in devices.CONTROLLERS or row.adapter not in devices.ADAPTERS
            assert lacks or row.name == "vmware-pvscsi-uefi", row.name
            assert not row.nearest


def test_a_profiles_names_are_told_to_the_guest() -> None:
    machine = machine_of(profile("vmware-pvscsi"), (Drive("a.qcow2", "qcow2"),))
    line = qemu_arguments(machine)
    assert "type=1,manufacturer=VMware,, Inc.,product=VMware Virtual Platform" in line
    assert line[line.index("-cpu") + 1].endswith(",tcg-cpuid=off")
    kvm = qemu_arguments(machine, wires=Wires(accelerator="kvm"))
    assert kvm[kvm.index("-cpu") + 1] == "host,kvm=off"
    assert "-smbios" not in qemu_arguments(machine_of(profile("kvm-virtio"), ()))


def test_hyperv_is_not_named_where_its_bus_is_not() -> None:
    """By its name Linux leaves IDE disks to VMBus, and would find none."""
    assert all(not row.smbios for row in PROFILES if row.platform in {"hyperv", "azure"})


@pytest.mark.boot
@pytest.mark.parametrize(
    # UEFI starts no boot sector; tests.guests boots on it. The same hardware is started once.
    "row",
    [row for row in DISTINCT if row.firmware is Firmware.BIOS and not row.static],
    ids=lambda row: row.name,
)
def test_the_firmware_starts_from_the_disk(row: Profile, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(printing("tiny login: ").ljust(1 << 20, b"\0"))
    result = boot_machine(
        machine_of(row, (Drive(str(disk), "raw"),)), log=tmp_path / "log", timeout=300
    )
    assert result.verdict is Verdict.LOGIN, result
