from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.convert.mapping import Devices, choose_policy, device_rows, map_machine
from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Firmware,
    Floppy,
    Machine,
    NicModel,
)
from kensho.platforms import PLATFORMS, find_form, find_platform
from kensho.platforms.chosen import at
from kensho.platforms.versions import find
from tests.convert.machines import machine


def mapped(source: Machine, target: str, devices: Devices = Devices.AUTO) -> Machine:
    platform = find_platform(target)
    return map_machine(
        source, platform, platform.forms[0], choose_policy(source, platform, devices)
    )


def model_of(result: Machine, drive_id: str) -> ControllerModel:
    drive = next(d for d in result.drives if d.id == drive_id)
    controller = result.controller(drive.controller)
    assert controller is not None
    return controller.model


def test_linux_gets_paravirtual_devices_on_kvm() -> None:
    result = mapped(machine(guest="debian12"), "kvm")
    assert model_of(result, "disk0") is ControllerModel.VIRTIO_SCSI
    assert result.nics[0].model is NicModel.VIRTIO


def test_windows_gets_devices_it_has_drivers_for_on_kvm() -> None:
    result = mapped(machine(guest="win2k22"), "kvm")
    assert model_of(result, "disk0") is ControllerModel.AHCI
    assert result.nics[0].model is NicModel.E1000  # the same chip exists, so it stays


def test_unknown_guest_is_treated_like_one_without_drivers() -> None:
    assert model_of(mapped(machine(guest="other"), "kvm"), "disk0") is ControllerModel.AHCI


def test_devices_option_overrides_the_guest() -> None:
    result = mapped(machine(guest="win2k22"), "kvm", Devices.NATIVE)
    assert model_of(result, "disk0") is ControllerModel.VIRTIO_SCSI
    result = mapped(machine(guest="debian12"), "kvm", Devices.COMPATIBLE)
    assert model_of(result, "disk0") is ControllerModel.AHCI


def test_a_controller_the_target_has_stays_with_its_units() -> None:
    result = mapped(machine(controller=ControllerModel.LSILOGIC, disks=3), "vmware")
    assert [d.unit for d in result.disks] == [0, 1, 2]
    assert model_of(result, "disk2") is ControllerModel.LSILOGIC


def test_hyperv_generation_1_boots_from_ide_and_puts_the_rest_on_scsi() -> None:
    result = mapped(machine(disks=3, controller=ControllerModel.PVSCSI), "hyperv")
    assert model_of(result, "disk0") is ControllerModel.IDE
    assert model_of(result, "disk1") is ControllerModel.HYPERV_SCSI
    assert model_of(result, "cd0") is ControllerModel.IDE


def test_hyperv_generation_2_has_no_ide() -> None:
    result = mapped(machine(firmware=Firmware.UEFI), "hyperv")
    assert {c.model for c in result.controllers} == {ControllerModel.HYPERV_SCSI}


def test_hyperv_boot_disk_that_sits_on_scsi_moves_to_ide() -> None:
    result = mapped(machine(controller=ControllerModel.HYPERV_SCSI), "hyperv")
    assert model_of(result, "disk0") is ControllerModel.IDE


def test_the_boot_disk_is_the_one_with_the_lowest_order() -> None:
    source = machine(disks=2)
    drives = tuple(
        msgspec.structs.replace(d, boot_order=2 - n) if isinstance(d, Disk) else d
        for n, d in enumerate(source.drives)
    )
    result = mapped(msgspec.structs.replace(source, drives=drives), "hyperv")
    assert model_of(result, "disk1") is ControllerModel.IDE
    assert model_of(result, "disk0") is ControllerModel.HYPERV_SCSI


def test_virtualbox_cannot_say_uefi() -> None:
    assert mapped(machine(firmware=Firmware.UEFI), "virtualbox").firmware.kind is Firmware.BIOS


def test_reserved_scsi_unit_7_is_not_used() -> None:
    result = mapped(machine(controller=ControllerModel.VIRTIO_SCSI, disks=10), "vmware")
    units = [d.unit for d in result.disks]
    assert 7 not in units
    assert len(set(units)) == 10


def test_a_floppy_without_a_place_disappears_from_the_map_visibly() -> None:
    source = machine()
    source = msgspec.structs.replace(source, drives=(*source.drives, Floppy("fd0")))
    result = mapped(source, "kvm")
    assert not any(isinstance(d, Floppy) for d in result.drives)
    row = next(r for r in device_rows(source, result) if r.kind == "floppy")
    assert row.target == ""


def test_too_many_disks_are_refused_by_name() -> None:
    source = machine(disks=60)
    with pytest.raises(UnsupportedError, match="room"):
        mapped(source, "ova")


controllers = st.sampled_from([m for m in ControllerModel if m is not ControllerModel.FLOPPY])


@given(
    data=st.lists(st.tuples(controllers, st.integers(0, 3), st.integers(0, 15)), max_size=6),
    firmware=st.sampled_from(Firmware),
    guest=st.sampled_from(
        ["debian12", "win2k22", "win7", "winxp-32", "linux2.6", "other", "freebsd14"]
    ),
    target=st.sampled_from([p.name for p in PLATFORMS]),
    devices=st.sampled_from(Devices),
)
def test_every_drive_lands_on_a_place_of_its_own_that_exists(
    data: list[tuple[ControllerModel, int, int]],
    firmware: Firmware,
    guest: str,
    target: str,
    devices: Devices,
) -> None:
    base = machine(firmware=firmware, guest=guest)
    source = msgspec.structs.replace(
        base,
        controllers=tuple(
            Controller(f"c{n}", model, index) for n, (model, index, _) in enumerate(data)
        ),
        drives=(
            *(Disk(f"d{n}", f"i{n}", f"c{n}", unit) for n, (_, _, unit) in enumerate(data)),
            Cdrom("cd", "c0" if data else "nowhere"),
        ),
    )
    platform = find_platform(target)
    result = mapped(source, target, devices)
    places = [(d.controller, d.unit) for d in result.drives]
    left_out = 0 if find_form(platform, None).carries.cdrom else 1
    assert len(set(places)) == len(places) == len(source.drives) - left_out
    ids = {c.id for c in result.controllers}
    assert {c for c, _ in places} <= ids
    assert len(ids) == len(result.controllers)
    for drive in result.drives:
        controller = result.controller(drive.controller)
        assert controller is not None
        support = platform.support(controller.model, result.firmware.kind)
        assert support is not None
        assert controller.index < support.most
        assert drive.unit < support.units
        assert drive.unit not in support.reserved
    boot = result.boot_disk()
    if boot is not None:
        model = model_of(result, boot.id)
        support = platform.support(model, result.firmware.kind)
        assert support is not None
        assert result.firmware.kind in support.boots


VERSIONED = [(p.name, v.name) for p in PLATFORMS for v in p.versions]


@given(
    models=st.lists(st.tuples(controllers, st.integers(0, 15)), min_size=1, max_size=5),
    nic=st.sampled_from(NicModel),
    firmware=st.sampled_from(Firmware),
    guest=st.sampled_from(["debian12", "win2k22", "winxp-32", "linux2.6", "other"]),
    where=st.sampled_from(VERSIONED),
    devices=st.sampled_from(Devices),
)
def test_a_version_never_gets_what_it_lacks(
    models: list[tuple[ControllerModel, int]],
    nic: NicModel,
    firmware: Firmware,
    guest: str,
    where: tuple[str, str],
    devices: Devices,
) -> None:
    newest = find_platform(where[0])
    version = find(newest.versions, where[1])
    assert version is not None
    platform = at(newest, version.name)
    base = machine(firmware=firmware, guest=guest, nic=nic)
    source = msgspec.structs.replace(
        base,
        controllers=tuple(Controller(f"c{n}", m, 0) for n, (m, _) in enumerate(models)),
        drives=(
            *(Disk(f"d{n}", f"i{n}", f"c{n}", unit) for n, (_, unit) in enumerate(models)),
            Cdrom("cd", "c0", 1),
        ),
    )
    for form in platform.forms:
        result = map_machine(source, platform, form, choose_policy(source, platform, devices))
        had = {c.model for c in result.controllers} | {n.model for n in result.nics}
        assert not had & version.lacks
        assert version.secure_boot or not result.firmware.secure_boot
        assert {d.id for d in result.disks} == {d.id for d in source.disks}
        assert result.hardware_versions == (version.name,)


def test_cd_drives_are_where_firmware_and_version_have_them() -> None:
    # VMware's virtual hardware had no SATA before version 10; no CD drive goes to SCSI there.
    platform = at(find_platform("vmware"), "vmx-08")
    source = machine(controller=ControllerModel.PVSCSI)
    for devices in Devices:
        policy = choose_policy(source, platform, devices)
        result = map_machine(source, platform, platform.forms[0], policy)
        assert model_of(result, "cd0") is ControllerModel.IDE
    # Hyper-V's generation 1 takes CD drives on IDE alone: its disks make room.
    drives = (*machine(disks=1).disks, *(Cdrom(f"cd{n}", "c0", n) for n in range(1, 4)))
    full = msgspec.structs.replace(source, drives=drives)
    assert {model_of(mapped(full, "hyperv"), f"cd{n}") for n in (1, 2, 3)} == {ControllerModel.IDE}
    more = msgspec.structs.replace(source, drives=(*drives, Cdrom("cd4", "c0", 4)))
    with pytest.raises(UnsupportedError, match="cd4"):
        mapped(more, "hyperv")
