"""Which driver a Windows gets, out of media as vendors make them, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.guest.windows.drivers.choose import plan_drivers
from kensho.guest.windows.drivers.plan import DriverPlan
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import UsageError
from kensho.model.finding import Severity
from tests.guest.windows.drivers.made import CTL, IDS, NET, ctl, inf, package, signed

XP = WindowsVersion(5, 1, 2600, architecture="x86")
SEVEN = WindowsVersion(6, 1, 7601, architecture="amd64")
TEN = WindowsVersion(10, 0, 19045, architecture="amd64")
ELEVEN = WindowsVersion(10, 0, 22631, architecture="amd64")
SERVER = WindowsVersion(10, 0, 20348, server=True, architecture="amd64")
TEN_32 = WindowsVersion(10, 0, 19045, architecture="x86")


def codes(plan: DriverPlan) -> list[str]:
    return [finding.code for finding in plan.findings]


def test_a_medium_for_many(tmp_path: Path) -> None:
    """The INF decides, not the folder: the one in w11 is for Windows 7 here."""
    cd = tmp_path / "cd"
    package(cd / "viostor/w7/amd64", targets="NTamd64.6.1", version="01/01/2018,61.0.0.1")
    package(cd / "viostor/w10/amd64", version="07/24/2023,100.0.0.1", filling=b"ten")
    package(cd / "viostor/w10/x86", targets="NTx86.10.0", architecture="x86")
    package(cd / "viostor/w11/amd64", targets="NTamd64.6.1", version="01/01/2019,61.0.0.2")
    package(cd / "NetKVM/w10/amd64", "netkvm", guid=NET, ids=(r"PCI\VEN_1AF4&DEV_1000",))
    (cd / "virtio-win_license.txt").write_text("some licence")
    (cd / "autorun.inf").write_text("[autorun]\nopen=setup.exe\n")
    for windows, origins in {
        TEN: ["NetKVM/w10/amd64/netkvm.inf", "viostor/w10/amd64/viostor.inf"],
        SEVEN: ["viostor/w11/amd64/viostor.inf"],
        TEN_32: ["viostor/w10/x86/viostor.inf"],
        XP: [],
    }.items():
        plan = plan_drivers((cd,), windows)
        assert [d.origin.partition(": ")[2] for d in plan.drivers] == origins
        assert codes(plan)[0] == "KF-911"
    plan = plan_drivers((cd, cd), TEN)
    assert codes(plan) == ["KF-911", "KF-905", "KF-905"]
    netkvm, viostor = plan.drivers
    assert viostor.version == "100.0.0.1 of 2023-07-24"
    assert viostor.signer == "Test Drivers Inc."
    assert [name for name, _ in viostor.files] == ["viostor.inf", "viostor.sys", "viostor.cat"]
    (boot,) = viostor.boot
    assert (boot.service, boot.sys, boot.ids) == ("viostor", "viostor.sys", IDS)
    assert netkvm.boot == ()
    assert "Test Drivers Inc. ← Test Root" in plan.findings[-1].message
    assert "is not" in plan.findings[-1].action  # verified to a trusted root
    old = plan_drivers((cd,), XP)
    assert [(f.code, f.severity) for f in old.findings[1:]] == [
        ("KF-906", Severity.WARNING), ("KF-906", Severity.WARNING),
    ]  # fmt: skip
    assert "amd64 NT 10.0 and later, and not for x86 NT 5.1 build 2600" in old.findings[1].message


def test_folders_decide_between_equals_alone(tmp_path: Path) -> None:
    cd = tmp_path / "cd"
    for folder in ("2k16", "2k19", "2k22", "2k25", "w10", "w11"):
        package(cd / folder / "amd64", filling=folder.encode())
    for windows, folder in {TEN: "w10", ELEVEN: "w11", SERVER: "2k22"}.items():
        (driver,) = plan_drivers((cd,), windows).drivers
        assert f"{folder}/amd64" in driver.origin
    package(cd / "2k12/amd64", version="07/25/2023,1.0")
    (driver,) = plan_drivers((cd,), TEN).drivers
    assert "2k12/amd64" in driver.origin


def test_one_inf_for_two_processors(tmp_path: Path) -> None:
    """The driver's own header says which folder is which."""
    cd = tmp_path / "cd"
    both = inf(targets="NTamd64.10.0,NTx86.10.0")
    package(cd / "a", text=both, architecture="x86")
    package(cd / "b", text=both, architecture="amd64")
    for windows, folder in {TEN: "b", TEN_32: "a"}.items():
        plan = plan_drivers((cd,), windows)
        assert [d.origin.partition(": ")[2] for d in plan.drivers] == [f"{folder}/viostor.inf"]
    lone = plan_drivers((cd / "a",), TEN)
    assert lone.drivers == ()
    assert codes(lone) == ["KF-908"]
    assert "viostor.sys is for x86, not for amd64" in lone.findings[0].message


@pytest.mark.parametrize("file", ["viostor.sys", "viostor.inf", "viostor.cat", "none", "foreign"])
def test_drivers_that_were_changed(tmp_path: Path, file: str) -> None:
    folder = package(tmp_path / "p")
    if file == "none":
        (folder / "viostor.cat").unlink()
    elif file == "foreign":
        (folder / "viostor.cat").write_bytes(signed(CTL, ctl({"x": b"other"})))
    else:
        data = bytearray((folder / file).read_bytes())
        data[-40 if file != "viostor.sys" else 600] ^= 0x20
        (folder / file).write_bytes(data)
    plan = plan_drivers((folder,), TEN)
    assert plan.drivers == ()
    assert codes(plan) == ["KF-907"]
    assert plan.findings[0].severity is Severity.ERROR
    told = plan_drivers((folder,), TEN, allow_unsigned=True)
    assert [d.signer for d in told.drivers] == [""]
    assert codes(told) == ["KF-914"]


def test_an_older_signed_one_beats_a_newer_that_was_changed(tmp_path: Path) -> None:
    package(tmp_path / "new", version="01/01/2025,2.0")
    package(tmp_path / "old", version="01/01/2020,1.0")
    (tmp_path / "new/viostor.cat").unlink()
    plan = plan_drivers((tmp_path,), TEN)
    assert [d.version for d in plan.drivers] == ["1.0 of 2020-01-01"]
    assert codes(plan) == ["KF-907", "KF-905"]


def test_signatures_that_windows_may_refuse(tmp_path: Path) -> None:
    package(tmp_path / "weak", hashed="sha1", embedded=False)
    assert codes(plan_drivers((tmp_path / "weak",), TEN)) == ["KF-905", "KF-910", "KF-913"]
    package(tmp_path / "net", "netkvm", guid=NET, embedded=False)
    assert codes(plan_drivers((tmp_path / "net",), TEN)) == ["KF-905"]


def test_files_that_are_missing(tmp_path: Path) -> None:
    folder = package(tmp_path / "p")
    (folder / "viostor.sys").unlink()
    plan = plan_drivers((folder,), TEN)
    assert codes(plan) == ["KF-908"]
    assert "viostor.sys, which it copies, is not on the medium" in plan.findings[0].message


def test_xen_cannot_be_started_from_at_once(tmp_path: Path) -> None:
    package(tmp_path, "xenvbd", ids=(r"XENBUS\VEN_XP0001&DEV_VBD&REV_08000009",))
    plan = plan_drivers((tmp_path,), TEN)
    assert [d.boot for d in plan.drivers] == [()]
    assert codes(plan) == ["KF-905", "KF-916"]


def test_all_files_of_a_package_come_along(tmp_path: Path) -> None:
    """Plug and Play installs from them: what co-installers copy, and all that the medium has."""
    text = inf().decode("utf-16")
    text = text.replace("[Strings]", "[viostor_inst.CoInstallers]\r\nCopyFiles = co\r\n"
                        "[co]\r\nco_1.2.dll,co.dll\r\n[Strings]", 1)  # fmt: skip
    text = text.replace(
        "viostor.sys = 1,,", "viostor.sys = 1,,\r\nco.dll = 1,\r\nhelp.txt = 1,\r\nno.pdb = 1", 1
    )
    folder = package(tmp_path, text=text.encode("utf-16"))
    assert codes(plan_drivers((folder,), TEN)) == ["KF-908"]
    (folder / "co.dll").write_bytes(b"a library")
    (folder / "help.txt").write_bytes(b"help")
    assert codes(plan_drivers((folder,), TEN)) == ["KF-907"]  # it is not in the catalogue
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".cat"}
    (folder / "viostor.cat").write_bytes(signed(CTL, ctl(files)))
    (driver,) = plan_drivers((folder,), TEN).drivers
    assert {name for name, _ in driver.files} == {*files, "viostor.cat"}


def test_rivals(tmp_path: Path) -> None:
    package(tmp_path / "a", "astor")
    package(tmp_path / "b", "bstor")
    plan = plan_drivers((tmp_path,), TEN)
    assert [len(d.boot) for d in plan.drivers] == [1, 0]
    assert codes(plan)[-1] == "KF-909"


def test_one_name_of_two_vendors(tmp_path: Path) -> None:
    other = inf(ids=(r"PCI\VEN_9999&DEV_0001",)).decode("utf-16").replace("Test, Inc.", "Other")
    package(tmp_path / "a")
    package(tmp_path / "b", text=other.encode("utf-16"))
    plan = plan_drivers((tmp_path,), TEN)
    assert [d.name for d in plan.drivers] == ["viostor", "viostor-2"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"%12%\viostor.sys", r"%12%\..\..\evil\x:y.sys"),
        ("AddService = viostor", r"AddService = ..\evil"),
        ("viostor.cat", "c:at.cat"),
        (r"PCI\VEN_1AF4&DEV_1042", r"PCI\VEN_1AF4&DEV_1042\..\..\x"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path: Path, old: str, new: str) -> None:
    text = inf().decode("utf-16")
    assert old in text
    folder = package(tmp_path / "p", text=text.replace(old, new).encode("utf-16"))
    plan = plan_drivers((folder,), TEN, allow_unsigned=True)
    for driver in plan.drivers:
        assert {name for name, _ in driver.files} <= {"viostor.inf", "viostor.sys", "viostor.cat"}
        assert all(boot.service == "viostor" for boot in driver.boot)
        assert all(identity.count("\\") == 1 for boot in driver.boot for identity in boot.ids)


def test_the_guest_agent_beside(tmp_path: Path) -> None:
    package(tmp_path / "viostor")
    (tmp_path / "guest-agent").mkdir()
    (tmp_path / "guest-agent/qemu-ga-x86_64.msi").write_bytes(b"an installer")
    assert plan_drivers((tmp_path,), TEN).agent == b"an installer"
    assert plan_drivers((tmp_path,), TEN_32).agent == b""


def test_nothing_there(tmp_path: Path) -> None:
    assert plan_drivers((), TEN) == DriverPlan()
    assert codes(plan_drivers((tmp_path,), TEN)) == ["KF-906"]
    (tmp_path / "bad.inf").write_bytes(b"[Version\n")
    assert codes(plan_drivers((tmp_path,), TEN)) == ["KF-912", "KF-906"]
    with pytest.raises(UsageError):
        plan_drivers((tmp_path,), WindowsVersion(10, 0, 19045))
