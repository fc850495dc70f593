"""Whole machines with Windows adapted, and every key compared with what is meant to change."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kensho.cli.exits import run as run_cli
from kensho.guest.adapt.plan import plan_adaptation
from kensho.guest.aims import Aims
from kensho.guest.edit.backends import BACKENDS, lacking
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.volumes.scan import scan
from kensho.guest.windows.adapt.services import drop_filters
from kensho.guest.windows.adapt.steps import adapt_windows
from kensho.guest.windows.hive import dword, multi_sz, open_hive
from kensho.guest.windows.installed import read_installed
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Cpu, Machine, Memory, Nic
from kensho.platforms import find_platform
from tests.guest.images_of import disk_of, put, run, tool
from tests.guest.windows.adapt import machines
from tests.guest.windows.adapt.machines import CURRENT, LOADER, MANAGER, RESUMER, Made
from tests.guest.windows.adapt.ntfs import mounted, write_tree
from tests.guest.windows.drivers.made import IDS, package
from tests.guest.windows.hive.oracles import Tree, by_hivex, keys_by_regipy
from tests.guest.windows.hives import system_hive
from tests.guest.windows.test_edits import SCSI, differences, edited, text

IDE = "{4D36E96A-E325-11CE-BFC1-08002BE10318}"
BOOT, NEVER, ZERO = (4, "00000000"), (4, "04000000"), (4, "00000000")


def aims(*names: str, mac: str = "") -> Aims:
    machine = None
    if mac:
        nics = tuple(Nic(id=one, mac=one) for one in mac.split())
        machine = Machine(id="w", name="w", cpu=Cpu(), memory=Memory(1 << 30), nics=nics)
    return Aims(tuple(find_platform(name) for name in names), machine)


class Planned:
    """A plan for a disk's Windows: edits by the volume's number and the path there."""

    def __init__(self, made: Made, wanted: Aims) -> None:
        opened = Opened(scan([disk_of(made.path)]))
        opened.open_all()
        (system,) = find_systems(opened)
        self.plan, self.draft = adapt_windows(system, opened, wanted)
        self.edits: dict[tuple[str, str], FileEdit] = {}
        for edit in self.draft.edits:
            files, within = self.draft.files.mount_of(edit.path)
            (volume,) = (name for name, fs in opened.systems.items() if fs is files)
            self.edits[volume, within] = edit

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.draft.findings]

    def finding(self, code: str) -> Finding:
        (found,) = (finding for finding in self.draft.findings if finding.code == code)
        return found


def carry_out(made: Made, planned: Planned, folder: Path) -> None:
    """Write the edits with ntfs-3g and mtools, which know nothing of kensho."""
    for number, (volume, offset) in made.volumes.items():
        files = {
            path: edit.content
            for (name, path), edit in planned.edits.items()
            if name == f"disk1p{number}"
        }
        if not files:
            continue
        assert all(content is not None for content in files.values())
        if volume.suffix == ".ntfs":
            with mounted(volume) as place:
                write_tree(place, {path: content or b"" for path, content in files.items()})
        else:
            for path, content in files.items():
                make_folders(volume, path)
                (folder / "file").write_bytes(content or b"")
                run("mcopy", "-o", "-i", volume, folder / "file", f"::{path}")
        put(made.path, offset, volume)


def make_folders(volume: Path, path: str) -> None:
    parts = path.split("/")[1:-1]
    for n in range(1, len(parts) + 1):
        command = [tool("mmd"), "-D", "s", "-i", str(volume), "::/" + "/".join(parts[:n])]
        subprocess.run(command, capture_output=True)  # it fails where there is one


def files_on(made: Made, number: int) -> GuestFiles:
    volume = scan([disk_of(made.path)]).find(f"disk1p{number}")
    assert volume is not None
    return GuestFiles(open_files(volume))


def trees(made: Made, hives: dict[str, tuple[int, str]], folder: Path) -> dict[str, Tree]:
    return {
        name: by_hivex(files_on(made, number).read(path), folder)
        for name, (number, path) in hives.items()
    }


def changes(
    made: Made, planned: Planned, hives: dict[str, tuple[int, str]], folder: Path
) -> dict[tuple[str, str, str], object]:
    """Carry a plan out; return what hivex sees changed in the hives on the disk."""
    before = trees(made, hives, folder)
    carry_out(made, planned, folder)
    after = trees(made, hives, folder)
    for name, (number, path) in hives.items():
        seen = keys_by_regipy(files_on(made, number).read(path), folder)
        assert seen == {key: len(values) for key, values in after[name].items()}
    return {
        (name, key, value): now
        for name in hives
        for (key, value), now in differences(before[name], after[name]).items()
    }


CLASS = rf"{CURRENT}\Control\Class\{{4d36e967-e325-11ce-bfc1-08002be10318}}"
SERVICES, CRITICAL = rf"{CURRENT}\Services", rf"{CURRENT}\Control\CriticalDeviceDatabase"
FILTERS = (7, text("fvevol") + "0000")


def bound(identity: str, service: str, guid: str) -> dict[tuple[str, str, str], object]:
    return {
        ("SYSTEM", rf"{CRITICAL}\{identity}", "Service"): (1, text(service)),
        ("SYSTEM", rf"{CRITICAL}\{identity}", "ClassGUID"): (1, text(guid)),
    }


#: The service that runs the script for the static address.
FIRST_BOOT: dict[tuple[str, str, str], object] = {
    ("SYSTEM", rf"{SERVICES}\kensho-firstboot", name): value
    for name, value in {
        "Type": (4, "10000000"),
        "Start": (4, "02000000"),
        "ErrorControl": ZERO,
        "ImagePath": (2, text(r'"%SystemRoot%\kensho\firstboot\service.exe"')),
        "ObjectName": (1, text("LocalSystem")),
        "DisplayName": (1, text("kensho first boot")),
        "Description": (
            1,
            text("Finishes the move of this machine, once, and then removes itself."),
        ),
        "DependOnService": (7, text("RpcSs") + "0000"),
    }.items()
}
SEVEN_KEYS: dict[tuple[str, str, str], object] = {
    **FIRST_BOOT,
    **{
        ("SYSTEM", rf"{SERVICES}\{name}", "Start"): BOOT
        for name in ("intelide", "pciide", "msahci", "LSI_SAS", "LSI_SCSI", "vmbus", "storvsc")
    },
    **bound("Primary_IDE_Channel", "atapi", IDE),
    **bound("Secondary_IDE_Channel", "atapi", IDE),
    **bound("*PNP0600", "atapi", IDE),
    **bound("PCI#VEN_8086&DEV_7010", "intelide", IDE),
    **bound("PCI#VEN_8086&DEV_7111", "intelide", IDE),
    **bound("PCI#VEN_8086&DEV_266F", "intelide", IDE),
    **bound("PCI#CC_0101", "pciide", IDE),
    **bound("PCI#CC_0106", "msahci", IDE),
    **bound("PCI#VEN_1000&DEV_0054", "LSI_SAS", SCSI),
    **bound("PCI#VEN_1000&DEV_0030", "LSI_SCSI", SCSI),
    ("SYSTEM", rf"{SERVICES}\VMTools", "Start"): NEVER,
    ("SYSTEM", rf"{SERVICES}\prl_strg", "Start"): NEVER,
    ("SYSTEM", CLASS, "LowerFilters"): FILTERS,
    ("SYSTEM", rf"{CURRENT}\Control\CrashControl", "AutoReboot"): ZERO,
}


def test_windows_7_on_mbr(tmp_path: Path) -> None:
    made = machines.seven(tmp_path)
    planned = Planned(made, aims("kvm", "hyperv", "virtualbox", mac="00:50:56:a3:02:b7"))
    config = "/Windows/System32/config"
    hives = {"SYSTEM": (2, f"{config}/SYSTEM"), "SOFTWARE": (2, f"{config}/SOFTWARE"),
             "BCD": (1, "/Boot/BCD")}  # fmt: skip
    assert changes(made, planned, hives, tmp_path) == SEVEN_KEYS
    # what says where Windows is was right, and stays bit for bit
    assert planned.codes == ["KF-891", "KF-887"]


CONFIG = "/Windows/System32/config"
TEN_HIVES = {"SYSTEM": (2, f"{CONFIG}/SYSTEM"), "SOFTWARE": (2, f"{CONFIG}/SOFTWARE"),
             "BCD": (1, "/EFI/Microsoft/Boot/BCD")}  # fmt: skip


def test_windows_server_2022_on_gpt(tmp_path: Path) -> None:
    made = machines.ten(tmp_path)
    planned = Planned(made, aims("vmware", "kvm", "hyperv"))
    gone = {
        ("SYSTEM", rf"{SERVICES}\{name}\StartOverride", what): None
        for name in ("storahci", "intelide", "pciide", "pci")
        for what in ("0", "<key>")
    }
    assert changes(made, planned, TEN_HIVES, tmp_path) == {
        **{
            ("SYSTEM", rf"{SERVICES}\{name}", "Start"): BOOT
            for name in ("stornvme", "LSI_SAS", "vmbus", "storvsc")
        },
        **gone,
        # VMware is one of the targets: its tools stay
        ("SYSTEM", rf"{SERVICES}\prl_strg", "Start"): NEVER,
        ("SYSTEM", CLASS, "LowerFilters"): FILTERS,
        ("SYSTEM", rf"{CURRENT}\Control\CrashControl", "AutoReboot"): ZERO,
        ("BCD", rf"Objects\{LOADER}\Elements\16000046", "Element"): None,
        ("BCD", rf"Objects\{LOADER}\Elements\16000046", "<key>"): None,
    }
    esp, own = files_on(made, 1), files_on(made, 2)
    assert esp.read("/EFI/Boot/bootx64.efi") == machines.EFI
    # a driver that was not in place comes from Windows' own store
    assert own.read("/Windows/System32/drivers/stornvme.sys") == b"from the store"
    installed = read_installed(own, "/Windows")
    assert installed.controllers == planned.plan.controllers
    assert {C.AHCI, C.NVME, C.LSISAS, C.HYPERV_SCSI, C.IDE} <= set(installed.controllers)
    assert set(planned.plan.missing) >= {C.PVSCSI, C.VIRTIO_BLK, C.VIRTIO_SCSI}
    assert C.XEN_VBD in installed.controllers  # as IDE or NVMe, until Xen's own drivers are there
    notes = {f.subject: f.action for f in planned.draft.findings if f.code == "KF-887"}
    assert set(notes) == {"vmware", "kvm"}  # Hyper-V's best is in the box
    assert "beside it" in notes["kvm"]
    for path in (f"{CONFIG}/SYSTEM", "/EFI/Microsoft/Boot/BCD"):
        (edit,) = (e for (_, name), e in planned.edits.items() if name == path)
        assert edit.details
    system = planned.edits["disk1p2", f"{CONFIG}/SYSTEM"].details
    assert rf"SYSTEM\{SERVICES}\stornvme Start = 0 (was 3)" in system
    assert rf"SYSTEM\{SERVICES}\pci\StartOverride deleted" in system


def service(name: str, below: dict[str, tuple[str, int]]) -> dict[tuple[str, str, str], object]:
    """Row 1 of the list: the service of a supplied driver."""
    path = rf"{SERVICES}\{name}"
    return {
        ("SYSTEM", path, "Type"): (4, "01000000"),
        ("SYSTEM", path, "Start"): BOOT,
        ("SYSTEM", path, "ErrorControl"): (4, "01000000"),
        ("SYSTEM", path, "Group"): (1, text("SCSI miniport")),
        ("SYSTEM", path, "ImagePath"): (2, text(rf"system32\drivers\{name}.sys")),
        **{
            ("SYSTEM", rf"{path}\{key}", value): (4, number.to_bytes(4, "little").hex())
            for key, (value, number) in below.items()
        },
    }


VIOSTOR = service("viostor", {"Parameters": ("BusType", 10), r"Parameters\PnpInterface": ("5", 1)})
PLACE = r"%SystemRoot%\inf;%SystemRoot%\Drivers\kensho\viostor"
DEVICE_PATH = {
    ("SOFTWARE", r"Microsoft\Windows\CurrentVersion", "DevicePath"): (2, text(PLACE)),
}


def test_a_supplied_driver_up_to_windows_7(tmp_path: Path) -> None:
    made = machines.seven(tmp_path)
    package(tmp_path / "cd/viostor/w7/amd64", targets="NTamd64.6.1")
    targets = ("kvm", "hyperv", "virtualbox")
    wanted = replace(aims(*targets, mac="00:50:56:a3:02:b7"), drivers=(tmp_path / "cd",))
    planned = Planned(made, wanted)
    hives = {"SYSTEM": (2, f"{CONFIG}/SYSTEM"), "SOFTWARE": (2, f"{CONFIG}/SOFTWARE")}
    ids = {
        key: value
        for i in IDS
        for key, value in bound(i.replace("\\", "#"), "viostor", SCSI).items()
    }
    assert changes(made, planned, hives, tmp_path) == {
        **SEVEN_KEYS, **VIOSTOR, **DEVICE_PATH, **ids,
    }  # fmt: skip
    scripts = {path.rpartition("/")[2] for _, path in planned.edits if "/scripts/" in path}
    assert scripts == {
        "2000-drivers.cmd", "2500-addresses-0.cmd", "9999-auto-restart.cmd",
    }  # fmt: skip
    assert Planned(made, wanted).edits == {}


@pytest.mark.parametrize("make", [machines.seven, machines.ten, machines.xp])
def test_the_second_time_nothing_changes(make: Callable[[Path], Made], tmp_path: Path) -> None:
    made = make(tmp_path)
    wanted = aims("kvm", "hyperv", "virtualbox", mac="00:50:56:a3:02:b7")
    first = Planned(made, wanted)
    again = Planned(made, wanted)
    assert first.edits == again.edits  # and the same bytes
    carry_out(made, first, tmp_path)
    second = Planned(made, wanted)
    assert second.edits == {}
    assert second.plan == first.plan


def test_windows_xp(tmp_path: Path) -> None:
    made = machines.xp(tmp_path)
    planned = Planned(made, aims("kvm"))
    config = "/WINDOWS/system32/config"
    hives = {"SYSTEM": (1, f"{config}/system"), "SOFTWARE": (1, f"{config}/software")}
    settings = r"Policies\Microsoft\Windows\DeviceInstall\Settings"
    assert changes(made, planned, hives, tmp_path) == {
        **bound("Primary_IDE_Channel", "atapi", IDE),
        **bound("Secondary_IDE_Channel", "atapi", IDE),
        **bound("*PNP0600", "atapi", IDE),
        **bound("PCI#VEN_8086&DEV_7010", "intelide", IDE),
        **bound("PCI#VEN_8086&DEV_7111", "intelide", IDE),
        **bound("PCI#VEN_8086&DEV_266F", "intelide", IDE),
        **bound("PCI#CC_0101", "pciide", IDE),
        # what KB 314082 has of the services, where Setup left nothing of it
        ("SYSTEM", rf"{SERVICES}\atapi", "Group"): (1, text("SCSI miniport")),
        ("SYSTEM", rf"{SERVICES}\atapi", "Tag"): (4, "19000000"),
        ("SYSTEM", rf"{SERVICES}\intelide", "Start"): BOOT,
        ("SYSTEM", rf"{SERVICES}\intelide", "Group"): (1, text("System Bus Extender")),
        ("SYSTEM", rf"{SERVICES}\intelide", "Tag"): (4, "04000000"),
        ("SYSTEM", rf"{SERVICES}\intelide", "ImagePath"):
            (2, text(r"System32\drivers\intelide.sys")),
        ("SYSTEM", rf"{SERVICES}\pciide", "Type"): (4, "01000000"),
        ("SYSTEM", rf"{SERVICES}\pciide", "Start"): BOOT,
        ("SYSTEM", rf"{SERVICES}\pciide", "ErrorControl"): (4, "01000000"),
        ("SYSTEM", rf"{SERVICES}\pciide", "Group"): (1, text("System Bus Extender")),
        ("SYSTEM", rf"{SERVICES}\pciide", "Tag"): (4, "03000000"),
        ("SYSTEM", rf"{SERVICES}\pciide", "ImagePath"):
            (2, text(r"System32\drivers\pciide.sys")),
        ("SYSTEM", rf"{SERVICES}\VMTools", "Start"): NEVER,
        ("SYSTEM", rf"{SERVICES}\prl_strg", "Start"): NEVER,
        ("SYSTEM", CLASS, "LowerFilters"): FILTERS,
        ("SYSTEM", rf"{CURRENT}\Control\CrashControl", "AutoReboot"): ZERO,
        ("SOFTWARE", settings, "SuppressNewHWUI"): (4, "01000000"),
    }  # fmt: skip
    assert C.IDE in planned.plan.controllers
    # its static address and its machine's adapters are not known to belong together
    assert "10.0.0.6" in planned.finding("KF-896").message
    assert not {"KF-895", "KF-899", "KF-901", "KF-889"} & set(planned.codes)


def test_xp_without_its_drivers(tmp_path: Path) -> None:
    drivers = ("atapi", "intelide", "pciide")
    arc = "scsi(0)disk(0)rdisk(0)partition(1)"
    made = machines.xp(tmp_path, drivers=drivers, heads=255, arc=arc)
    with mounted(made.volumes[1][0]) as place:
        (place / "hiberfil.sys").write_bytes(b"\0" * 5000)  # there, and nothing asleep in it
    put(made.path, made.volumes[1][1], made.volumes[1][0])
    planned = Planned(made, aims("kvm"))
    assert "counts 255 heads, and a BIOS counts 64" in planned.finding("KF-899").message
    assert "multi(0)" in planned.finding("KF-901").action
    found = planned.finding("KF-886")
    assert "intelide, pciide cannot be enabled" in found.message
    assert "pciidex.sys" in found.message
    assert "driver.cab" in found.action
    tree = open_hive(planned.edits["disk1p1", "/WINDOWS/system32/config/system"].content or b"")
    assert tree.find(rf"{SERVICES}\pciide") is None
    assert not {C.IDE, C.PIIX3} & set(planned.plan.controllers)


def refusal(made: Made) -> Finding:
    planned = Planned(made, aims("kvm"))
    assert planned.edits == {}
    assert planned.plan.refused
    (finding,) = planned.draft.findings
    assert (finding.code, finding.severity) == ("KF-885", Severity.ERROR)
    with pytest.raises(UnsupportedError, match="nothing can be adapted"):
        plan_adaptation([disk_of(made.path)], aims("kvm"))
    return finding


def test_what_is_refused(tmp_path: Path) -> None:
    made = machines.xp(tmp_path)
    volume, offset = made.volumes[1]
    awake = volume.read_bytes()

    def write(name: str, content: bytes) -> None:
        with mounted(volume) as place:
            (place / name).write_bytes(content)
        put(made.path, offset, volume)

    write("hiberfil.sys", b"hibr" + bytes(5000))
    found = refusal(made)
    assert "hibernated" in found.message
    assert "powercfg /h off" in found.action
    volume.write_bytes(awake)  # ntfs-3g refuses the other one, too

    config = "WINDOWS/system32/config"
    with mounted(volume) as place:
        whole = (place / config / "system").read_bytes()
    write(f"{config}/system", whole[:4096] + bytes(4096) + whole[8192:])
    assert refusal(made).subject == "/WINDOWS/system32/config/SYSTEM".replace("SYSTEM", "system")
    dirty = bytearray(whole)
    struct.pack_into("<I", dirty, 4, 77)  # begun to be written, and never done
    write(f"{config}/system", bytes(dirty))
    assert "shut it down cleanly" in refusal(made).action
    write(f"{config}/system", whole)
    assert "AutoReboot" in Planned(made, aims("kvm")).finding("KF-897").action
    with made.path.open("r+b") as disk:
        disk.seek(446 + 4)
        disk.write(b"\x42")  # a partition of the Logical Disk Manager
    assert "dynamic disk" in refusal(made).message
    with made.path.open("r+b") as disk:
        disk.seek(446 + 4)
        disk.write(b"\x07")
    run("ntfslabel", volume, "x")
    mark_dirty(volume)
    put(made.path, offset, volume)
    assert "not unmounted cleanly" in refusal(made).message


def mark_dirty(volume: Path) -> None:
    """Set the flag that Windows sets while a volume is in use (NTFS $VOLUME_INFORMATION)."""
    data = bytearray(volume.read_bytes())
    (cluster,) = struct.unpack_from("<Q", data, 0x30)
    record = cluster * data[13] * 512 + 3 * 1024
    at = record + struct.unpack_from("<H", data, record + 20)[0]
    while (kind := struct.unpack_from("<I", data, at)[0]) != 0x70:
        assert kind != 0xFFFFFFFF
        at += struct.unpack_from("<I", data, at + 4)[0]
    data[at + struct.unpack_from("<H", data, at + 20)[0] + 10] |= 1
    volume.write_bytes(data)


def test_partitions_that_are_others_now(tmp_path: Path) -> None:
    """A disk with a signature of its own: Windows' letter and its boot configuration follow."""
    made = machines.seven(tmp_path)
    with made.path.open("r+b") as disk:
        disk.seek(440)
        disk.write(struct.pack("<I", 0x11223344))
    planned = Planned(made, aims("kvm", "hyperv", "virtualbox", mac="00:50:56:a3:02:b7"))
    hives = {"SYSTEM": (2, f"{CONFIG}/SYSTEM"), "BCD": (1, "/Boot/BCD")}
    one, two = made.volumes[1][1], made.volumes[2][1]
    system = (3, machines.mbr_device(one, 0x11223344).hex())
    windows = (3, machines.mbr_device(two, 0x11223344).hex())
    letter = struct.pack("<IQ", 0x11223344, two).hex()
    expected = {
        **SEVEN_KEYS,
        ("SYSTEM", "MountedDevices", r"\DosDevices\C:"): (3, letter),
        ("BCD", rf"Objects\{MANAGER}\Elements\11000001", "Element"): system,
        ("BCD", rf"Objects\{LOADER}\Elements\11000001", "Element"): windows,
        ("BCD", rf"Objects\{LOADER}\Elements\21000001", "Element"): windows,
    }
    assert changes(made, planned, hives, tmp_path) == expected
    assert planned.codes.count("KF-888") == 1
    # the program that resumes is not on this disk: nobody can tell what its entry means
    unknown = [f for f in planned.draft.findings if f.code == "KF-889" and "give all" in f.action]
    assert len(unknown) == 2
    assert RESUMER not in str(planned.edits["disk1p1", "/Boot/BCD"].details)


def test_xen_filters_go_where_xen_is_not(tmp_path: Path) -> None:
    editor = edited(system_hive((10, 0)))
    bus = rf"{CURRENT}\Control\Class\{{4D36E96A-E325-11CE-BFC1-08002BE10318}}"
    editor.hive.set(bus, multi_sz("UpperFilters", ("XENFILT", "partmgr", "gone")))
    editor.hive.set(rf"{SERVICES}\xenfilt", dword("Start", 0))
    editor.hive.set(rf"{SERVICES}\partmgr", dword("Start", 0))
    editor.hive.set(rf"{SERVICES}\fvevol", dword("Start", 0))
    assert drop_filters(editor, frozenset()) == ("gone",)
    assert drop_filters(editor, frozenset({"xenfilt"})) == ("XENFILT",)
    assert by_hivex(editor.hive.dump(), tmp_path)[bus]["UpperFilters"] == (
        7, text("partmgr") + "0000",
    )  # fmt: skip


def test_bitlocker_is_named(tmp_path: Path) -> None:
    made = machines.xp(tmp_path)
    with made.path.open("r+b") as disk:
        disk.seek(made.volumes[1][1] + 3)
        disk.write(b"-FVE-FS-")
    with pytest.raises(UnsupportedError) as caught:
        plan_adaptation([disk_of(made.path)], aims("kvm"))
    assert "BitLocker" in (caught.value.hint or "")
    assert caught.value.path == "disk1p1"


def test_the_whole_way(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """From the command line, by kensho's own back ends, onto an overlay that `check` then likes."""
    for backend in BACKENDS:
        if backend.kinds & {"ntfs", "vfat"} and lacking(backend):
            pytest.skip(lacking(backend))
    made = machines.ten(tmp_path)
    before = made.path.read_bytes()
    overlay = tmp_path / "adapted.qcow2"
    targets = "vmware,kvm,hyperv,xenserver"
    assert run_cli(["check", str(made.path), "--for", targets]) == 10
    capsysbinary.readouterr()
    assert run_cli(["adapt", str(made.path), "--for", targets, "--dry-run"]) == 0
    told = b" ".join(capsysbinary.readouterr().out.split())
    assert b"stornvme" in told
    assert b"(was 3)" in told
    assert run_cli(["adapt", str(made.path), "--for", targets, "-o", str(overlay)]) == 0
    assert run_cli(["check", str(overlay), "--for", targets]) == 0
    assert made.path.read_bytes() == before
    assert run_cli(["disk", "convert", str(overlay), str(tmp_path / "flat.img")]) == 0
    flat = Made(tmp_path / "flat.img")
    planned = Planned(made, aims("vmware", "kvm", "hyperv", "xenserver"))
    for (volume, path), edit in planned.edits.items():
        assert files_on(flat, int(volume[-1])).read(path) == edit.content
    capsysbinary.readouterr()
    assert run_cli(["adapt", str(overlay), "--for", targets, "--dry-run"]) == 0
    assert b"nothing has to change" in capsysbinary.readouterr().out
