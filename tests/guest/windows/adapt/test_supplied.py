"""Drivers that the user supplies, in whole Windows machines: on the disk, in the hives, for the first start."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from kensho.guest.aims import Aims
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.volumes.scan import scan
from kensho.guest.windows.adapt.steps import adapt_windows
from kensho.guest.windows.adapt.supplied import _starts_already
from kensho.guest.windows.firstboot.scheduler import program_bytes
from kensho.guest.windows.hive import dword, expand_sz
from kensho.guest.windows.inject import Driver
from kensho.model.machine import ControllerModel as C
from tests.guest.images_of import disk_of, run
from tests.guest.windows.adapt import machines
from tests.guest.windows.adapt.machines import CURRENT
from tests.guest.windows.adapt.test_adapt import (
    FIRST_BOOT,
    SERVICES,
    TEN_HIVES,
    Planned,
    aims,
    carry_out,
    changes,
    files_on,
)
from tests.guest.windows.drivers.made import IDS, NET, package
from tests.guest.windows.hives import system_hive
from tests.guest.windows.test_edits import SCSI, text

STORE = "/Windows/Drivers/kensho"


def with_drivers(wanted: Aims, *paths: Path, **options: bool) -> Aims:
    return dataclasses.replace(wanted, drivers=paths, **options)


@pytest.fixture
def cd(tmp_path: Path) -> Path:
    """Return a CD-ROM as virtio-win's, with a driver for disks and one for the network."""
    tree = tmp_path / "tree"
    package(tree / "viostor/2k22/amd64")
    package(tree / "viostor/w7/amd64", targets="NTamd64.6.1", version="01/01/2018,61.0.0.1")
    package(tree / "NetKVM/2k22/amd64", "netkvm", guid=NET, ids=(r"PCI\VEN_1AF4&DEV_1000",))
    (tree / "guest-agent").mkdir()
    (tree / "guest-agent/qemu-ga-x86_64.msi").write_bytes(b"an installer")
    (tree / "virtio-win_license.txt").write_text("some licence")
    run("genisoimage", "-quiet", "-J", "-r", "-o", tmp_path / "virtio-win.iso", tree)
    return tmp_path / "virtio-win.iso"


def by_driver(name: str) -> dict[tuple[str, str, str], object]:
    """Return the service of `made.INF`."""
    path = rf"{SERVICES}\{name}"
    return {
        ("SYSTEM", path, "Type"): (4, "01000000"),
        ("SYSTEM", path, "Start"): (4, "00000000"),
        ("SYSTEM", path, "ErrorControl"): (4, "01000000"),
        ("SYSTEM", path, "Group"): (1, text("SCSI miniport")),
        ("SYSTEM", path, "ImagePath"): (2, text(rf"system32\drivers\{name}.sys")),
        ("SYSTEM", rf"{path}\Parameters\PnpInterface", "5"): (4, "01000000"),
        ("SYSTEM", rf"{path}\Parameters", "BusType"): (4, "0a000000"),
    }


def device_path(*names: str) -> tuple[int, str]:
    places = "".join(rf";%SystemRoot%\Drivers\kensho\{name}" for name in names)
    return 2, text(rf"%SystemRoot%\inf{places}")


def test_a_server_gets_virtio(tmp_path: Path, cd: Path) -> None:
    made = machines.ten(tmp_path)
    (tmp_path / "plain").mkdir()
    (tmp_path / "more").mkdir()
    wanted = aims("vmware", "kvm", "hyperv")
    plain = changes(machines.ten(tmp_path / "plain"), Planned(made, wanted), TEN_HIVES, tmp_path)
    planned = Planned(made, with_drivers(wanted, cd, agents=True))
    found = changes(made, planned, TEN_HIVES, tmp_path)
    inf, root = "viostor.inf", r"DriverDatabase\DriverPackages\viostor.inf_amd64_0000000000000000"
    assert {key: value for key, value in found.items() if key not in plain} == {
        **by_driver("viostor"),
        **FIRST_BOOT,
        ("SOFTWARE", r"Microsoft\Windows\CurrentVersion", "DevicePath"):
            device_path("netkvm", "viostor"),
        ("SYSTEM", rf"DriverDatabase\DriverInfFiles\{inf}", ""):
            (7, text("viostor.inf_amd64_0000000000000000") + "0000"),
        ("SYSTEM", rf"DriverDatabase\DriverInfFiles\{inf}", "Active"):
            (1, text("viostor.inf_amd64_0000000000000000")),
        ("SYSTEM", rf"DriverDatabase\DriverInfFiles\{inf}", "Configurations"):
            (7, text("viostor_conf") + "0000"),
        ("SYSTEM", root, "Version"):
            (3, "00ff0900000000007be9364d25e3ce11bfc108002be10318" + "00" * 24),
        ("SYSTEM", rf"{root}\Configurations\viostor_conf", "ConfigFlags"): (4, "00000000"),
        ("SYSTEM", rf"{root}\Configurations\viostor_conf", "Service"): (1, text("viostor")),
        **{
            key: value
            for identity in IDS
            for key, value in (
                (("SYSTEM", rf"DriverDatabase\DeviceIds\{identity}", inf), (3, "01ff0000")),
                (("SYSTEM", rf"{root}\Descriptors\{identity}", "Configuration"),
                 (1, text("viostor_conf"))),
            )
        },
    }  # fmt: skip
    assert {key: found[key] for key in plain} == plain
    assert C.VIRTIO_BLK in planned.plan.controllers
    assert C.VIRTIO_BLK not in planned.plan.missing
    own, tree = files_on(made, 2), tmp_path / "tree"
    for name, folder in (("viostor", "viostor/2k22/amd64"), ("netkvm", "NetKVM/2k22/amd64")):
        for path in (tree / folder).iterdir():
            assert own.read(f"{STORE}/{name}/{path.name}") == path.read_bytes()
    sys = (tree / "viostor/2k22/amd64/viostor.sys").read_bytes()
    assert own.read("/Windows/System32/drivers/viostor.sys") == sys
    assert not own.exists("/Windows/System32/drivers/netkvm.sys")
    place = "/Windows/kensho/firstboot"
    assert own.read(f"{place}/service.exe") == program_bytes("service64.exe")
    assert own.names(f"{place}/scripts") == (
        "2000-drivers.cmd", "4000-install-qemu-agent.cmd", "9999-auto-restart.cmd",
    )  # fmt: skip
    assert own.read(f"{place}/files/qemu-ga.msi") == b"an installer"
    drivers = own.read(f"{place}/scripts/2000-drivers.cmd").decode("ascii")
    assert r'/add-driver "%SystemRoot%\Drivers\kensho\netkvm\netkvm.inf" /install' in drivers
    assert planned.codes.count("KF-905") == 2
    assert "licence" in planned.finding("KF-911").message
    # a second time, nothing
    assert Planned(made, with_drivers(wanted, cd, agents=True)).edits == {}


def test_windows_7_is_bound_by_hardware_ids(tmp_path: Path, cd: Path) -> None:
    made = machines.seven(tmp_path)
    (tmp_path / "plain").mkdir()
    config = "/Windows/System32/config"
    hives = {"SYSTEM": (2, f"{config}/SYSTEM"), "SOFTWARE": (2, f"{config}/SOFTWARE")}
    plain = changes(machines.seven(tmp_path / "plain"), Planned(made, aims("kvm")), hives, tmp_path)
    planned = Planned(made, with_drivers(aims("kvm"), cd))
    found = changes(made, planned, hives, tmp_path)
    critical = rf"{CURRENT}\Control\CriticalDeviceDatabase"
    assert {key: value for key, value in found.items() if key not in plain} == {
        **by_driver("viostor"),
        **FIRST_BOOT,
        ("SOFTWARE", r"Microsoft\Windows\CurrentVersion", "DevicePath"): device_path("viostor"),
        **{
            ("SYSTEM", critical + "\\" + identity.replace("\\", "#"), name): (1, text(value))
            for identity in IDS
            for name, value in (("Service", "viostor"), ("ClassGUID", SCSI))
        },
    }
    assert "netkvm does not suit this Windows" in planned.finding("KF-906").message
    script = files_on(made, 2).read("/Windows/kensho/firstboot/scripts/2000-drivers.cmd")
    assert b"pnputil.exe -i -a " in script


def test_a_driver_that_is_there_already_stays(tmp_path: Path, cd: Path) -> None:
    made = machines.ten(tmp_path)
    first = Planned(made, with_drivers(aims("kvm"), cd))
    carry_out(made, first, tmp_path)
    package(tmp_path / "newer", version="01/01/2026,200.0", filling=b"newer")
    second = Planned(made, with_drivers(aims("kvm"), tmp_path / "newer"))
    paths = {path for _, path in second.edits}
    assert f"{STORE}/viostor/viostor.sys" in paths
    assert "/Windows/System32/drivers/viostor.sys" not in paths


@pytest.mark.parametrize(
    ("image", "override", "stays"),
    [
        (r"\SystemRoot\System32\DriverStore\viostor.sys", None, True),
        (r"System32\DriverStore\viostor.sys", None, True),
        (r"System32\DriverStore\none.sys", None, False),
        (r"System32\DriverStore\viostor.sys", 3, False),
    ],
)
def test_a_driver_in_the_driver_store(
    tmp_path: Path, image: str, override: int | None, stays: bool
) -> None:
    hive = system_hive((10, 0))
    path = rf"{SERVICES}\viostor"
    hive.set(path, dword("Start", 0), expand_sz("ImagePath", image))
    if override is not None:
        hive.set(rf"{path}\StartOverride", dword("0", override))
    there = "/Windows/System32/DriverStore/viostor.sys"
    guest = SimpleNamespace(
        registry=SimpleNamespace(hive=hive), folder="/Windows", exists=lambda path: path == there
    )
    assert _starts_already(guest, Driver("viostor", IDS)) is stays  # type: ignore[arg-type]


def test_what_is_not_signed_changes_nothing(tmp_path: Path) -> None:
    made = machines.ten(tmp_path)
    folder = package(tmp_path / "p")
    (folder / "viostor.cat").unlink()
    plain = Planned(made, aims("kvm"))
    planned = Planned(made, with_drivers(aims("kvm"), folder))
    assert planned.edits == plain.edits
    assert "KF-907" in planned.codes
    told = Planned(made, with_drivers(aims("kvm"), folder, unsigned_drivers=True))
    assert "KF-914" in told.codes
    assert ("disk1p2", "/Windows/System32/drivers/viostor.sys") in told.edits


def test_tools_are_removed_when_that_is_asked_for(tmp_path: Path) -> None:
    made = machines.ten(tmp_path)
    name = ("disk1p2", "/Windows/kensho/firstboot/scripts/5000-remove-tools.cmd")
    planned = Planned(made, dataclasses.replace(aims("kvm"), remove_tools=True))
    assert b"VMware Tools" in (planned.edits[name].content or b"")
    at_home = Planned(made, dataclasses.replace(aims("kvm", "vmware"), remove_tools=True))
    assert b"VMware Tools" not in (at_home.edits[name].content or b"")
    assert name not in Planned(made, aims("kvm")).edits


def test_several_disks_are_brought_online(tmp_path: Path) -> None:
    made = machines.ten(tmp_path)
    (tmp_path / "data.img").write_bytes(bytes(8 << 20))
    opened = Opened(scan([disk_of(made.path), disk_of(tmp_path / "data.img")]))
    opened.open_all()
    (system,) = find_systems(opened)
    _, draft = adapt_windows(system, opened, aims("kvm"))
    (script,) = [
        edit for edit in draft.edits if edit.path.endswith(".cmd") and "/scripts/" in edit.path
    ]
    assert script.path.endswith("3000-disks-online.cmd")
    assert b"san policy=OnlineAll" in (script.content or b"")


def test_an_agent_that_no_medium_has(tmp_path: Path) -> None:
    planned = Planned(machines.ten(tmp_path), dataclasses.replace(aims("kvm"), agents=True))
    assert "KF-917" in planned.codes


def test_a_medium_that_is_none_leaves_windows_as_it_is(tmp_path: Path) -> None:
    made = machines.ten(tmp_path)
    (tmp_path / "x.iso").write_bytes(bytes(50000))
    planned = Planned(made, with_drivers(aims("kvm"), tmp_path / "x.iso"))
    assert planned.edits == {}
    assert "no CD-ROM image" in planned.finding("KF-885").message


def test_xp_finds_drivers_by_device_path_alone(tmp_path: Path) -> None:
    made = machines.xp(tmp_path)
    package(tmp_path / "p", targets="NTx86.5.1", architecture="x86")
    planned = Planned(made, with_drivers(aims("kvm"), tmp_path / "p"))
    carry_out(made, planned, tmp_path)
    own = files_on(made, 1)
    assert own.exists("/WINDOWS/system32/drivers/viostor.sys")
    assert own.exists("/WINDOWS/Drivers/kensho/viostor/viostor.inf")
    assert not own.exists("/WINDOWS/kensho/firstboot")  # there is nothing to run
    assert C.VIRTIO_BLK in planned.plan.controllers
