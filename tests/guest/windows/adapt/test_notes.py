"""What is found in a Windows and not changed; hives that were not closed; several of them; damage."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from kensho.guest.aims import Aims
from kensho.guest.edit.draft import Draft
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.windows.adapt.steps import WindowsPlan, adapt_windows
from kensho.guest.windows.hive import Hive, binary, dword, multi_sz, open_hive, sz
from kensho.model.finding import Finding, Severity
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Cpu, Machine, Nic
from kensho.model.machine import Memory as Ram
from kensho.platforms import find_platform
from tests.guest.images_of import run, tool
from tests.guest.windows.adapt.machines import CURRENT, adapter, bcd_hive, filled, mbr_device
from tests.guest.windows.adapt.memory import Memory, machine
from tests.guest.windows.hive.logs import make_dirty, new_log, old_log
from tests.guest.windows.hives import software_hive, system_hive

CONFIG = "/Windows/System32/config"
DRIVERS = ("atapi", "intelide", "pciide", "pciidex", "msahci", "storahci", "stornvme", "LSI_SAS",
           "LSI_SCSI", "vmbus", "storvsc", "symmpi", "fvevol", "pci")  # fmt: skip


def installed(system: Hive, software: Hive, **more: bytes) -> dict[str, bytes]:
    return {
        f"{CONFIG}/SYSTEM": system.dump(),
        f"{CONFIG}/SOFTWARE": software.dump(),
        "/Windows/System32/winload.exe": b"x",
        **{f"/Windows/System32/drivers/{name}.sys": b"x" for name in DRIVERS},
        **more,
    }


def ten() -> tuple[Hive, Hive]:
    letter = struct.pack("<IQ", 0xB3EBA8F1, 1 << 20)
    software = software_hive(19045, "Windows 10 Pro", "6.3")
    software.set(r"Microsoft\Windows NT\CurrentVersion", sz("SystemRoot", r"C:\Windows"))
    return filled(system_hive((10, 0)), letter=letter), software


def adapted(opened: Opened, *targets: str) -> list[tuple[WindowsPlan, Draft]]:
    aims = Aims(tuple(find_platform(name) for name in targets or ("kvm",)))
    return [adapt_windows(system, opened, aims) for system in find_systems(opened)]


def findings(files: dict[str, bytes], **options: tuple[str, ...]) -> dict[str, Finding]:
    ((plan, draft),) = adapted(machine(Memory(files), **options))
    assert not plan.refused
    return {finding.code: finding for finding in draft.findings}


def test_what_has_to_be_known_before() -> None:
    system, software = ten()
    quiet = findings(installed(system, software))
    assert set(quiet) == {"KF-889", "KF-891", "KF-897", "KF-887"}  # there is no BCD on this disk
    session = rf"{CURRENT}\Control\Session Manager"
    system.set(session, multi_sz("PendingFileRenameOperations", (r"\??\C:\x",)))
    system.set(rf"{CURRENT}\Control\TimeZoneInformation", dword("RealTimeIsUniversal", 1))
    system.set(rf"{CURRENT}\Services\SomeScanner", sz("Group", "FSFilter Anti-Virus"))
    system.set(rf"{CURRENT}\Services\WdFilter", sz("Group", "FSFilter Anti-Virus"))
    restrictions = r"Policies\Microsoft\Windows\DeviceInstall\Restrictions"
    software.set(restrictions, dword("DenyUnspecified", 1), dword("DenyDeviceIDs", 0))
    servicing = r"Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending"
    software.create(servicing)
    files = installed(system, software, **{"/Windows/WinSxS/pending.xml": b"<x/>"})
    found = findings(files, types=("07", "42", "07"), kinds=("vfat", "", "BitLocker"))
    assert set(found) == {*quiet, "KF-892", "KF-893", "KF-894", "KF-898"}
    for word in ("pending.xml", "PendingFileRenameOperations", "RebootPending"):
        assert word in found["KF-892"].message
    assert found["KF-893"].message.endswith(
        "the policy DenyUnspecified, the virus scanner SomeScanner"
    )
    assert (found["KF-898"].subject, found["KF-898"].message[-9:]) == ("disk1p3", "BitLocker")


@pytest.mark.parametrize(
    ("hal", "severity"),
    [
        ("acpiapic_mp", None), ("acpiapic_up", Severity.NOTE), ("acpipic_up", Severity.NOTE),
        ("e_isa_up", Severity.WARNING), ("mps_mp", Severity.WARNING),
    ],
)  # fmt: skip
def test_the_hal_of_xp(hal: str, severity: Severity | None) -> None:
    system = system_hive((5, 1), architecture="x86")
    place = rf"{CURRENT}\Control\Class\{{4D36E966-E325-11CE-BFC1-08002BE10318}}\0000"
    system.set(place, sz("MatchingDeviceId", hal))
    found = findings(installed(system, software_hive(2600, "Microsoft Windows XP", "5.1")))
    assert (found["KF-895"].severity if "KF-895" in found else None) == severity


def test_hives_that_were_not_closed() -> None:
    system, software = ten()
    before = system.dump()
    system.set(rf"{CURRENT}\Services\pciide", dword("Start", 3))
    system.create("AddedAtTheVeryEnd")
    sequence = struct.unpack_from("<I", before, 4)[0]
    closed = open_hive(before)
    closed.set(rf"{CURRENT}\Services\pciide", dword("Start", 3))
    closed.create("AddedAtTheVeryEnd")
    files = installed(open_hive(before), software)
    files[f"{CONFIG}/SYSTEM"] = make_dirty(before)
    files[f"{CONFIG}/SYSTEM.LOG1"] = new_log(before, closed.dump(), sequence)
    files[f"{CONFIG}/SYSTEM.LOG2"] = b""
    ((plan, draft),) = adapted(machine(Memory(files)))
    assert not plan.refused
    edits = {edit.path: edit for edit in draft.edits}
    result = open_hive(edits[f"{CONFIG}/SYSTEM"].content or b"")
    assert result.find("AddedAtTheVeryEnd") is not None
    assert edits[f"{CONFIG}/SYSTEM.LOG1"].content == b""
    assert f"{CONFIG}/SYSTEM.LOG2" not in edits  # empty as it is
    assert "KF-900" in {finding.code for finding in draft.findings}
    files |= {edit.path: edit.content or b"" for edit in draft.edits}
    ((_, again),) = adapted(machine(Memory(files)))
    assert again.edits == ()


def test_a_log_of_an_older_windows() -> None:
    before = system_hive((6, 1)).dump()
    after = open_hive(before)
    after.create("AddedAtTheVeryEnd")
    files = installed(open_hive(before), software_hive(7601, "Windows 7 Professional", "6.1"))
    files[f"{CONFIG}/SYSTEM"] = make_dirty(before)
    files[f"{CONFIG}/SYSTEM.LOG"] = old_log(before, after.dump())
    ((plan, draft),) = adapted(machine(Memory(files)))
    assert not plan.refused
    result = {edit.path: edit.content for edit in draft.edits}
    assert open_hive(result[f"{CONFIG}/SYSTEM"] or b"").find("AddedAtTheVeryEnd") is not None


def test_two_windows_on_a_disk() -> None:
    """Each gets its own drivers, and what they share is changed the same way by both."""
    system, software = ten()
    old = software_hive(7601, "Windows 7 Professional", "6.1")
    old.set(r"Microsoft\Windows NT\CurrentVersion", sz("SystemRoot", r"C:\Windows"))
    letter = struct.pack("<IQ", 0xB3EBA8F1, 2 << 20)
    first = installed(filled(system_hive((6, 1)), letter=letter), old)
    gone = mbr_device(7 << 20, 0xDEAD)
    bcd = bcd_hive(mbr_device(7 << 20, 0xDEAD), gone, r"\Windows\System32\winload.exe")
    opened = machine(
        Memory({"/Boot/BCD": bcd.dump()}), Memory(first), Memory(installed(system, software))
    )
    plans = adapted(opened)
    assert [plan.name for plan, _ in plans] == [
        "Windows 7 Professional (7601)",
        "Windows 10 Pro (19045)",
    ]
    shared = [
        edit.content for _, draft in plans for edit in draft.edits if edit.path.endswith("BCD")
    ]
    assert len(shared) == 2
    assert shared[0] == shared[1]
    # of the two, nobody can tell which one the loader was for: only the boot manager's is put right
    for plan, draft in plans:
        told = [f.action for f in draft.findings if f.code == "KF-889"]
        assert told.count("it is on disk1p1 now") == 1, plan
        assert sum("give all disks" in action for action in told) == 4


def test_a_letter_of_another_partition() -> None:
    system, software = ten()
    system.set("MountedDevices", binary(r"\DosDevices\C:", b"DMIO:ID:" + bytes(16)))
    assert "KF-888" in findings(installed(system, software))


def test_damage_leaves_all_as_it_is_or_nothing() -> None:
    """Whatever is in its hives, a Windows is adapted whole or refused: nothing else is raised."""
    system, software = ten()
    bcd = bcd_hive(mbr_device(1 << 20), mbr_device(1 << 20), r"\Windows\System32\winload.exe")
    files = installed(system, software, **{"/Boot/BCD": bcd.dump()})
    hives = (f"{CONFIG}/SYSTEM", f"{CONFIG}/SOFTWARE", "/Boot/BCD")
    chance = random.Random(6)
    refused = whole = 0
    for _ in range(60):
        name = chance.choice(hives)
        data = bytearray(files[name])
        for _ in range(chance.choice((1, 3, 20))):
            at = chance.randrange(4096, len(data))
            data[at] = chance.choice((0, 0xFF, chance.randrange(256)))
        ((plan, draft),) = adapted(machine(Memory({**files, name: bytes(data)})))
        if plan.refused:
            refused += 1
            assert draft.edits == ()
        else:
            whole += 1
            assert any(edit.path.endswith("SYSTEM") for edit in draft.edits)
    assert refused
    assert whole


def test_a_driver_out_of_a_cabinet_of_xp(tmp_path: Path) -> None:
    """Of two cabinets the service pack's is newer; what is in none is said."""
    system = system_hive((5, 1), architecture="x86")
    files = installed(system, software_hive(2600, "Microsoft Windows XP", "5.1"))
    for name in ("intelide", "pciidex", "symmpi"):
        del files[f"/Windows/System32/drivers/{name}.sys"]
    tool("cabextract")
    for cabinet, content in (("driver.cab", b"old"), ("sp3.cab", b"new")):
        folder = tmp_path / cabinet.replace(".", "-")
        folder.mkdir()
        names = ("intelide.sys", "PCIIDEX.SYS", "other.sys")
        for name in names:
            (folder / name).write_bytes(content)
        run("gcab", "-c", "-z", "-n", tmp_path / cabinet, *(folder / name for name in names))
        files[f"/Windows/Driver Cache/i386/{cabinet}"] = (tmp_path / cabinet).read_bytes()
    ((plan, draft),) = adapted(machine(Memory(files)), "vmware")
    edits = {edit.path.lower(): edit.content for edit in draft.edits}
    assert edits["/windows/system32/drivers/intelide.sys"] == b"new"
    assert edits["/windows/system32/drivers/pciidex.sys"] == b"new"
    assert C.IDE in plan.controllers
    assert "other.sys" not in str(list(edits))
    (lacking,) = (f for f in draft.findings if f.code == "KF-886")
    assert lacking.message.startswith("symmpi cannot be enabled")


def test_without_a_registry() -> None:
    files = installed(*ten())
    del files[f"{CONFIG}/SYSTEM"]
    ((plan, draft),) = adapted(machine(Memory(files)))
    assert plan.refused
    assert [(f.code, f.subject) for f in draft.findings] == [("KF-885", f"{CONFIG}/SYSTEM")]


def test_addresses_for_the_first_start() -> None:
    system, software = ten()
    adapter(system, 7, "10.0.0.5", device=r"PCI\VEN_15AD&DEV_07B0\FF565000B702A3FE00")
    opened = machine(Memory(installed(system, software)))
    (found,) = find_systems(opened)

    def codes(*macs: str, drawn: str = "", copy: bool = False) -> set[str]:
        nics = tuple(Nic(id=mac, mac=mac) for mac in macs)
        one = Machine(id="w", name="w", cpu=Cpu(), memory=Ram(1 << 30), nics=nics)
        anew = {drawn: ""} if drawn else {}
        aims = Aims((find_platform("kvm"),), one, macs=anew, identity=copy)
        _, draft = adapt_windows(found, opened, aims)
        return {finding.code for finding in draft.findings}

    assert "KF-896" in codes("00:50:56:a3:02:b7", drawn="00:50:56:a3:02:b7")
    assert "KF-902" in codes(copy=True)
    assert "KF-902" not in codes()

    assert "KF-896" not in codes("00:50:56:00:00:01", "00:50:56:a3:02:b7")
    assert "KF-896" in codes("00:50:56:00:00:01", "00:50:56:00:00:02")
    assert "KF-896" not in codes("00:50:56:00:00:01")  # the one there is
    assert "KF-896" in codes()
    # an adapter that is gone had the same address: the one there is has it now
    adapter(system, 8, "10.0.0.5")
    opened = machine(Memory(installed(system, software)))
    (found,) = find_systems(opened)
    assert "KF-896" not in codes("00:50:56:00:00:01")
    adapter(system, 9, "10.0.0.9")
    opened = machine(Memory(installed(system, software)))
    (found,) = find_systems(opened)
    assert "KF-896" in codes("00:50:56:00:00:01")


def test_windows_2000_is_too_old() -> None:
    system = system_hive((5, 1), architecture="x86")
    files = installed(system, software_hive(2195, "Microsoft Windows 2000", "5.0"))
    ((plan, draft),) = adapted(machine(Memory(files)))
    assert "Windows 2000 is not adapted" in plan.refused
    assert draft.edits == ()


def test_names_that_a_terminal_would_act_upon() -> None:
    system, software = ten()
    system.set(rf"{CURRENT}\Services" + "\\evil\x1b]0;x\x07", sz("Group", "FSFilter Anti-Virus"))
    bus = rf"{CURRENT}\Control\Class\{{4D36E96A-E325-11CE-BFC1-08002BE10318}}"
    system.set(bus, multi_sz("UpperFilters", ("bad\x1b[31m",)))
    ((_, draft),) = adapted(machine(Memory(installed(system, software))))
    texts = [text for f in draft.findings for text in (f.message, f.action, f.subject)]
    texts += [text for edit in draft.edits for text in edit.details]
    assert any("evil\ufffd" in text for text in texts)
    assert all(text.isprintable() for text in texts)


def test_a_boot_ini_of_nothing_but_line_ends_takes_no_time() -> None:
    software = software_hive(2600, "Microsoft Windows XP", "5.1")
    system = system_hive((5, 1), architecture="x86")
    ini = b"\n" * (1 << 19) + b" default=scsi(0)disk(0)rdisk(0)partition(1)\\WINDOWS\n"
    assert "KF-901" in findings(installed(system, software, **{"/boot.ini": ini}))
