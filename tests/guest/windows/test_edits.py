"""Edits of a Windows' hives, read back by hivex and compared key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Hive, dword, new_hive, open_hive, sz
from kensho.guest.windows.inbox import enable_in_box
from kensho.guest.windows.inject import Driver, register
from kensho.guest.windows.services import disable_services
from kensho.guest.windows.version import WindowsVersion, read_version
from kensho.model.errors import CorruptError, UsageError
from kensho.model.machine import ControllerModel as C
from tests.guest.windows.hive.oracles import Tree, by_hivex
from tests.guest.windows.hive.samples import SECURITY, tree_of
from tests.guest.windows.hives import CLASS, software_hive, system_hive

XP = WindowsVersion(5, 1, 2600, "Microsoft Windows XP", architecture="x86")
SEVEN = WindowsVersion(6, 1, 7601, "Windows 7 Professional", architecture="amd64")
TEN = WindowsVersion(10, 0, 19045, "Windows 10 Pro", architecture="amd64")
SCSI = "{4D36E97B-E325-11CE-BFC1-08002BE10318}"


def text(value: str) -> str:
    return (value.encode("utf-16-le") + b"\0\0").hex()


def edited(hive: Hive) -> Editor:
    return Editor("SYSTEM", open_hive(hive.dump(), path="SYSTEM"))


def differences(before: Tree, after: Tree) -> dict[tuple[str, str], object]:
    """Return what hivex sees changed: (key, value) to what is there now."""
    found: dict[tuple[str, str], object] = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key, {}), after.get(key, {})
        for name in old.keys() | new.keys():
            if old.get(name) != new.get(name):
                found[key, name] = new.get(name)
        if key not in after:
            found[key, "<key>"] = None
    return found


@pytest.mark.parametrize(
    ("software", "expected"),
    [
        (software_hive(2600, "Microsoft Windows XP", "5.1"), (5, 1, False, "Microsoft Windows XP")),
        (software_hive(9600, "Windows Server 2012 R2", "6.3", server=True),
         (6, 3, True, "Windows Server 2012 R2")),
        (software_hive(22631, "Windows 10 Pro", "6.3"), (10, 0, False, "Windows 11 Pro")),
        (software_hive(26100, "Windows Server 2025", "6.3", server=True),
         (10, 0, True, "Windows Server 2025")),
    ],
)  # fmt: skip
def test_versions(software: Hive, expected: tuple[int, int, bool, str]) -> None:
    version = read_version(software, system_hive((10, 0)))
    assert (version.major, version.minor, version.server, version.product) == expected
    assert version.architecture == "amd64"


def test_windows_10_starts_from_all_controllers(tmp_path: Path) -> None:
    hive = system_hive((10, 0))
    before = by_hivex(hive.dump(), tmp_path)
    editor = edited(hive)
    assert set(enable_in_box(editor, TEN).controllers) == {
        C.IDE, C.PIIX3, C.PIIX4, C.ICH6, C.AHCI, C.NVME, C.LSISAS, C.HYPERV_SCSI,
    }  # fmt: skip
    boot = (4, "00000000")
    services = r"ControlSet001\Services"
    assert differences(before, by_hivex(editor.hive.dump(), tmp_path)) == {
        (rf"{services}\stornvme", "Start"): boot,
        (rf"{services}\LSI_SAS", "Start"): boot,
        (rf"{services}\vmbus", "Start"): boot,
        (rf"{services}\storvsc", "Start"): boot,
        **{
            (rf"{services}\{name}\StartOverride", what): None
            for name in ("storahci", "intelide", "pciide")
            for what in ("0", "<key>")
        },
    }


def test_windows_xp_and_7_are_bound_by_hardware_ids(tmp_path: Path) -> None:
    editor = edited(system_hive((5, 1)))
    served = enable_in_box(editor, XP).controllers
    assert C.LSILOGIC in served
    assert C.AHCI not in served
    tree = by_hivex(editor.hive.dump(), tmp_path)
    critical = r"ControlSet001\Control\CriticalDeviceDatabase"
    assert tree[rf"{critical}\PCI#VEN_8086&DEV_7111"]["Service"] == (1, text("intelide"))
    assert tree[rf"{critical}\Primary_IDE_Channel"]["Service"] == (1, text("atapi"))
    assert tree[rf"{critical}\PCI#VEN_1000&DEV_0030"] == {
        "Service": (1, text("symmpi")),
        "ClassGUID": (1, text(SCSI)),
    }
    seven = edited(system_hive((6, 1)))
    assert {C.AHCI, C.LSISAS, C.LSILOGIC, C.HYPERV_SCSI} <= set(
        enable_in_box(seven, SEVEN).controllers
    )
    tree = by_hivex(seven.hive.dump(), tmp_path)
    assert tree[rf"{critical}\PCI#CC_0106"]["Service"] == (1, text("msahci"))


def test_a_driver_that_is_not_there_is_not_enabled() -> None:
    hive = system_hive((10, 0))
    hive.delete_key(r"ControlSet001\Services\vmbus")
    editor = edited(hive)
    assert C.HYPERV_SCSI not in enable_in_box(editor, TEN).controllers
    assert editor.hive.find(r"ControlSet001\Services\vmbus") is None


VIOSTOR = Driver(
    "viostor", (r"PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00", r"PCI\VEN_1AF4&DEV_1042&REV_01")
)


def test_a_supplied_driver_since_windows_8(tmp_path: Path) -> None:
    hive = system_hive((10, 0))
    before = by_hivex(hive.dump(), tmp_path)
    editor = edited(hive)
    register(editor, TEN, VIOSTOR)
    package = "viostor.inf_amd64_0000000000000000"
    database = "DriverDatabase"
    root = rf"{database}\DriverPackages\{package}"
    version = "00ff0900000000007be9364d25e3ce11bfc108002be10318" + "00" * 24
    assert differences(before, by_hivex(editor.hive.dump(), tmp_path)) == {
        **_service("ControlSet001", "viostor"),
        (rf"{database}\DriverInfFiles\viostor.inf", ""): (7, text(package) + "0000"),
        (rf"{database}\DriverInfFiles\viostor.inf", "Active"): (1, text(package)),
        (rf"{database}\DriverInfFiles\viostor.inf", "Configurations"):
            (7, text("viostor_conf") + "0000"),
        (root, "Version"): (3, version),
        (rf"{root}\Configurations\viostor_conf", "ConfigFlags"): (4, "00000000"),
        (rf"{root}\Configurations\viostor_conf", "Service"): (1, text("viostor")),
        **{
            key: value
            for identity in VIOSTOR.ids
            for key, value in (
                ((rf"{database}\DeviceIds\{identity}", "viostor.inf"), (3, "01ff0000")),
                ((rf"{root}\Descriptors\{identity}", "Configuration"),
                 (1, text("viostor_conf"))),
            )
        },
    }  # fmt: skip


def _service(control_set: str, name: str) -> dict[tuple[str, str], object]:
    path = rf"{control_set}\Services\{name}"
    return {
        (path, "Type"): (4, "01000000"),
        (path, "Start"): (4, "00000000"),
        (path, "ErrorControl"): (4, "01000000"),
        (path, "Group"): (1, text("SCSI miniport")),
        (path, "ImagePath"): (2, text(rf"system32\drivers\{name}.sys")),
    }


def test_a_supplied_driver_up_to_windows_7(tmp_path: Path) -> None:
    hive = system_hive((6, 1))
    before = by_hivex(hive.dump(), tmp_path)
    editor = edited(hive)
    register(editor, SEVEN, VIOSTOR)
    critical = r"ControlSet001\Control\CriticalDeviceDatabase"
    assert differences(before, by_hivex(editor.hive.dump(), tmp_path)) == {
        **_service("ControlSet001", "viostor"),
        **{
            (critical + "\\" + identity.replace("\\", "#"), name): (1, text(value))
            for identity in VIOSTOR.ids
            for name, value in (("Service", "viostor"), ("ClassGUID", SCSI))
        },
    }


@pytest.mark.parametrize("driver", [Driver(r"..\evil", ()), Driver("ok", (r"PCI\VEN_1\..",))])
def test_names_that_are_none(driver: Driver) -> None:
    editor = edited(system_hive((10, 0)))
    with pytest.raises(UsageError):
        register(editor, TEN, driver)
    assert editor.changes == []


def test_services_of_the_old_platform_stay_and_do_not_start(tmp_path: Path) -> None:
    hive = system_hive((10, 0))
    before = by_hivex(hive.dump(), tmp_path)
    editor = edited(hive)
    assert disable_services(editor, ["vmware", "parallels"]) == ("prl_strg", "VMTools")
    assert differences(before, by_hivex(editor.hive.dump(), tmp_path)) == {
        (r"ControlSet001\Services\VMTools", "Start"): (4, "04000000"),
        (r"ControlSet001\Services\prl_strg", "Start"): (4, "04000000"),
        (CLASS, "LowerFilters"): (7, text("fvevol") + "0000"),
    }
    other = edited(hive)
    assert disable_services(other, ["vmware"]) == ("VMTools",)
    assert [c.key for c in other.changes] == [r"ControlSet001\Services\VMTools"]


def test_the_second_time_nothing_changes() -> None:
    editor = edited(system_hive((10, 0)))
    for _ in range(2):
        enable_in_box(editor, TEN)
        register(editor, TEN, VIOSTOR)
        disable_services(editor, ["vmware", "parallels"])
        once = editor.hive.dump()
        again = edited(open_hive(once))
        enable_in_box(again, TEN)
        register(again, TEN, VIOSTOR)
        disable_services(again, ["vmware", "parallels"])
        assert again.changes == []
        assert again.hive.dump() == once


def test_changes_tell_what_to_put_back() -> None:
    hive = system_hive((10, 0))
    before = tree_of(hive)
    editor = edited(hive)
    enable_in_box(editor, TEN)
    register(editor, TEN, VIOSTOR)
    for change in reversed(editor.changes):
        if change.name is None:
            editor.hive.create(change.key)
        elif change.before is None:
            editor.hive.delete_value(change.key, change.name)
        else:
            editor.hive.set(change.key, change.before)
    after = {key: values for key, values in tree_of(editor.hive).items() if values or key in before}
    assert after == before


def test_control_sets_that_are_started_with() -> None:
    hive = system_hive((10, 0))
    assert control_sets(hive) == ("ControlSet001",)
    hive.set("Select", dword("Default", 2))
    assert control_sets(hive) == ("ControlSet001", "ControlSet002")
    with pytest.raises(CorruptError):
        control_sets(new_hive(security=SECURITY))
    with pytest.raises(CorruptError):
        read_version(new_hive(security=SECURITY), hive)
    odd = software_hive(2600, "x", "not a version")
    with pytest.raises(CorruptError):
        read_version(odd, hive)
    hive.set("Select", sz("Current", "one"), dword("Default", 9))
    with pytest.raises(CorruptError):
        control_sets(hive)
