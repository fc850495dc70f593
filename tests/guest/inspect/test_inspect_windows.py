"""A Windows by its files, on FAT as XP allowed: made by mtools, where NTFS takes FUSE."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kensho.cli.exits import run as run_cli
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.package import Package
from kensho.guest.windows.hive import dword, multi_sz, sz
from kensho.guest.windows.listed import Service
from kensho.model.machine import ControllerModel
from tests.guest.images_of import MIB, disk_of, run
from tests.guest.windows.hives import software_hive, system_hive


def windows(tmp_path: Path, *, system: bytes, software: bytes, sleeping: bool = False) -> Path:
    path = tmp_path / "windows.img"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    run("mformat", "-i", path, "-F", "-T", 131072, "-h", 4, "-s", 16, "::")
    run("mmd", "-i", path, "::/WINDOWS", "::/WINDOWS/system32", "::/WINDOWS/system32/config")
    for name, data in (("SYSTEM", system), ("SOFTWARE", software)):
        (tmp_path / name).write_bytes(data)
        run("mcopy", "-i", path, tmp_path / name, f"::/WINDOWS/system32/config/{name}")
    (tmp_path / "hiberfil.sys").write_bytes((b"hibr" if sleeping else b"wake") + bytes(4096))
    run("mcopy", "-i", path, tmp_path / "hiberfil.sys", "::/hiberfil.sys")
    return path


def test_windows_11(tmp_path: Path) -> None:
    system = system_hive((10, 0))
    name = r"ControlSet001\Control\ComputerName\ComputerName"
    system.set(name, sz("ComputerName", "DESKTOP-1"))
    interface = r"ControlSet001\Services\Tcpip\Parameters\Interfaces\{1}"
    system.set(interface, dword("EnableDHCP", 0), multi_sz("IPAddress", ("10.0.0.5",)))
    system.set(r"ControlSet001\Services\vioscsi", dword("Start", 0))
    software = software_hive(22631, "Windows 10 Pro", "6.3")
    uninstall = r"Microsoft\Windows\CurrentVersion\Uninstall"
    for number, name, hidden in ((1, "7-Zip 23.01 (x64)", 0), (2, "A part of Windows", 1)):
        key = rf"{uninstall}\{{{number}}}"
        software.set(
            key, sz("DisplayName", name), sz("DisplayVersion", "23.01"),
            dword("SystemComponent", hidden), sz("Publisher", "Igor Pavlov"),
        )  # fmt: skip
    path = windows(tmp_path, system=system.dump(), software=software.dump(), sleeping=True)
    report = inspect_disks([disk_of(path)])
    (found,) = report.systems
    assert (found.guest.id, found.guest.description) == ("win11", "Windows 11 Pro")
    assert found.guest.version == "10.0.22631"
    assert (found.architecture, found.hostname) == ("amd64", "DESKTOP-1")
    assert found.tools == ("parallels", "vmware")
    facts = found.windows
    assert facts is not None
    assert (facts.edition, facts.server, facts.static_addresses) == ("Professional", False, 1)
    # Setup left storahci and IDE overridden, as hives.py has it; what a vendor supplied starts
    assert facts.controllers == (ControllerModel.VIRTIO_SCSI,)
    assert "storahci" not in facts.boot_drivers
    assert "atapi" in facts.boot_drivers
    assert found.packages == (Package("7-Zip 23.01 (x64)", "23.01", publisher="Igor Pavlov"),)
    assert [path.rpartition("/")[2] for path in facts.hives] == ["SOFTWARE", "SYSTEM"]
    atapi = Service("atapi", "boot", driver=True, image=r"System32\drivers\atapi.sys")
    assert atapi in facts.services
    codes = {f.code for f in report.findings}
    assert {"KF-809", "KF-811"} <= codes
    assert "KF-806" not in codes


def test_check(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    system = system_hive((6, 1))
    for service in ("intelide", "pciide"):
        system.set(rf"ControlSet001\Services\{service}", dword("Start", 0))
    software = software_hive(7601, "Windows 7 Professional", "6.1")
    path = windows(tmp_path, system=system.dump(), software=software.dump())
    assert run_cli(["check", str(path), "--for", "hyperv,kvm", "--json"]) == 0
    hyperv, kvm = json.loads(capsysbinary.readouterr().out)["verdicts"]
    assert (hyperv["kernel"], hyperv["starts"]) == ("Windows 7 Professional (7601)", True)
    assert (kvm["starts"], kvm["disk"]["model"]) == (True, "ide")  # what it starts from is chosen
    compatible = ["--for", "kvm", "--devices", "compatible", "--json"]
    assert run_cli(["check", str(path), *compatible]) == 10
    (kvm,) = json.loads(capsysbinary.readouterr().out)["verdicts"]
    assert (kvm["starts"], kvm["disk"]["model"]) == (False, "ahci")  # msahci waits on demand
    assert "ide" in kvm["instead"]
    # Said as "ahci: lacks …".
    assert kvm["disk"]["lacking"] == ["a driver for ahci that starts with Windows"]


@pytest.mark.parametrize(
    ("nt", "build", "product", "current", "server", "row"),
    [
        ((5, 1), 2600, "Microsoft Windows XP", "5.1", False, "winxp"),
        ((6, 1), 7601, "Windows 7 Professional", "6.1", False, "win7"),
        ((6, 1), 7601, "Windows Server 2008 R2 Standard", "6.1", True, "win2k8r2"),
        ((10, 0), 20348, "Windows Server 2022 Standard", "6.3", True, "win2k22"),
        ((10, 0), 26100, "Windows Server 2025 Standard", "6.3", True, "win2k25"),
    ],
)
def test_versions(
    nt: tuple[int, int],
    build: int,
    product: str,
    current: str,
    server: bool,
    row: str,
    tmp_path: Path,
) -> None:
    system, software = system_hive(nt), software_hive(build, product, current, server=server)
    path = windows(tmp_path, system=system.dump(), software=software.dump())
    report = inspect_disks([disk_of(path)])
    assert report.systems[0].guest.id == row
    assert "KF-811" not in {f.code for f in report.findings}


def test_a_damaged_registry(tmp_path: Path) -> None:
    software = software_hive(22631, "Windows 10 Pro", "6.3").dump()
    path = windows(tmp_path, system=b"regf" + bytes(8192), software=software)
    report = inspect_disks([disk_of(path)])
    assert report.systems[0].windows is not None
    assert report.systems[0].windows.problem
    assert "KF-812" in {f.code for f in report.findings}
