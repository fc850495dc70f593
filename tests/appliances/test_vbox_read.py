"""VirtualBox settings: the machine, its chains of disks, its snapshots, and what is refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vbox_samples import BASE, DELTA, ISO, MACHINE, hardware, registry, storage, vbox

from kensho.appliances import open_package
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.package import Package
from kensho.appliances.virtualbox.read import read_vbox
from kensho.appliances.xmlsafe import parse_xml
from kensho.cli.exits import run
from kensho.convert.source import opened_image
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    PackageError,
    UnsupportedError,
    UsageError,
)
from kensho.model.finding import Severity
from kensho.model.machine import (
    Bus,
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Firmware,
    Floppy,
    Machine,
    NicModel,
    SerialKind,
    SerialPort,
    Usb,
)
from kensho.model.selection import Selection
from kensho.model.units import GIB, MIB
from kensho.platforms import PLATFORMS

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


def opened(folder: Path, data: bytes, name: str = "web.vbox", **choice: str) -> Package:
    path = folder / name
    path.write_bytes(data)
    return open_package(path, Selection(**choice))


def machine_of(folder: Path, data: bytes) -> Machine:
    return opened(folder, data).appliance.machines[0]


def codes(package: Package) -> dict[str, Severity]:
    return {f.code: f.severity for f in package.findings}


def test_every_device(tmp_path: Path) -> None:
    package = opened(tmp_path, vbox(registry() + hardware() + storage()))
    machine = package.appliance.machines[0]
    assert package.kind == "vbox"
    assert (machine.name, machine.uuid, machine.guest.id) == ("web 01", MACHINE, "debian")
    assert (machine.cpu.count, machine.cpu.hot_add, machine.cpu.nested_virtualization) == (
        2,
        True,
        True,
    )
    assert machine.memory.size == 1024 * MIB
    assert machine.firmware.kind is Firmware.BIOS
    assert machine.controllers == (
        Controller("sata0", ControllerModel.AHCI, 0, "AHCI"),
        Controller("ide0", ControllerModel.PIIX4, 0, "PIIX4"),
        Controller("ide1", ControllerModel.PIIX4, 1, "PIIX4"),
    )
    assert machine.drives == (
        Disk("sata0:2", "disk-file1", "sata0", 2, boot_order=2, solid_state=True),
        Cdrom("ide1:0", "ide1", 0, "file2", boot_order=1),
        Floppy("floppy0"),
    )
    assert [f.href for f in package.appliance.files] == ["disk.vdi", "boot.iso"]
    assert [(n.model, n.network, n.mac, n.connected, n.boot_order) for n in machine.nics] == [
        (NicModel.E1000, "NAT", "08:00:27:aa:bb:cc", True, 3),
        (NicModel.VIRTIO, "eth0", "08:00:27:aa:bb:cd", False, None),
        (NicModel.PCNET, "vboxnet0", None, True, None),
        (NicModel.E1000E, "NatNetwork", None, True, None),
        (NicModel.NE2K, "", None, False, None),
        (NicModel.PCNET, "lab", None, True, None),
    ]
    assert machine.serial_ports == (SerialPort("serial0", SerialKind.PIPE, "/p", 0),)
    assert [o.id for o in machine.others] == ["parallel1"]
    assert machine.video is not None
    assert machine.sound is not None
    assert (machine.video.model, machine.video.memory, machine.video.displays) == (
        "vmsvga",
        16 * MIB,
        2,
    )
    assert machine.video.accelerated_3d
    assert machine.sound.model == "hda"
    assert machine.usb == (Usb("ohci"), Usb("xhci"))
    assert codes(package)["KF-127"] is Severity.WARNING
    assert codes(package)["KF-235"] is Severity.NOTE


def test_what_is_not_understood_stays_word_for_word(tmp_path: Path) -> None:
    odd = '<New xmlns:n="urn:n" n:a="1">é</New>'
    content = '<Groups><Group name="/g"/></Groups><ExtraData/>' + hardware(odd)
    machine = machine_of(tmp_path, vbox(content, attributes='snapshotFolder="S"'))
    kept = {e.where: e.text for e in machine.extras if e.dialect == "vbox"}
    assert 'n:a="1">é</New>' in kept["Machine/Hardware/New"]
    assert '<Group name="/g"/>' in kept["Machine/Groups"]
    assert 'hostport="2222"' in kept["Machine/Hardware/Network"]
    assert 'hostPath="/home/me/src"' in kept["Machine/Hardware/SharedFolders"]
    assert kept["Machine/@snapshotFolder"] == "S"
    assert kept["VirtualBox/@version"] == "1.16-linux"
    assert "Machine/ExtraData" not in kept


@pytest.mark.parametrize(
    ("word", "model", "bus"),
    [
        ("PIIX3", ControllerModel.PIIX3, Bus.IDE),
        ("PIIX4", ControllerModel.PIIX4, Bus.IDE),
        ("ICH6", ControllerModel.ICH6, Bus.IDE),
        ("AHCI", ControllerModel.AHCI, Bus.SATA),
        ("LsiLogic", ControllerModel.LSILOGIC, Bus.SCSI),
        ("BusLogic", ControllerModel.BUSLOGIC, Bus.SCSI),
        ("LsiLogicSas", ControllerModel.LSISAS, Bus.SCSI),
        ("NVMe", ControllerModel.NVME, Bus.NVME),
        ("VirtioSCSI", ControllerModel.VIRTIO_SCSI, Bus.SCSI),
    ],
)
def test_controllers(tmp_path: Path, word: str, model: ControllerModel, bus: Bus) -> None:
    package = opened(tmp_path, vbox(registry() + hardware() + storage(controller=word)))
    first = package.appliance.machines[0].controllers[0]
    assert (first.model, first.bus, first.vendor_model) == (model, bus, word)
    assert "KF-234" not in codes(package)


@pytest.mark.parametrize("word", ["USB", "Quantum"])
def test_a_controller_without_an_equal_is_said(tmp_path: Path, word: str) -> None:
    package = opened(tmp_path, vbox(registry() + hardware() + storage(controller=word)))
    assert package.appliance.machines[0].controllers[0].model is ControllerModel.AHCI
    assert codes(package)["KF-234"] is Severity.WARNING


@pytest.mark.parametrize("inside", [True, False], ids=["1.19", "before"])
def test_controllers_are_in_the_hardware_since_1_19(tmp_path: Path, inside: bool) -> None:
    content = hardware(storage()) if inside else hardware() + storage()
    assert len(machine_of(tmp_path, vbox(registry() + content)).drives) == 3


def test_settings_of_virtualbox_2(tmp_path: Path) -> None:
    old = f"""<Hardware><CPU/><Memory RAMSize="256"/>
    <Display VRAMSize="8" MonitorCount="1"/><BIOS><IDEController type="PIIX4"/></BIOS>
    <DVDDrive passthrough="false"><HostDrive src="/dev/cdrom"/></DVDDrive>
    <FloppyDrive enabled="true"/>
    <USBController enabled="true" enabledEhci="true"/>
    <AudioAdapter controller="SB16" driver="OSS"/>
    <Network><Adapter slot="0" enabled="true" type="Am79C973"><HostInterface name="tap0"/>
    </Adapter></Network></Hardware>
    <HardDiskAttachments>
      <HardDiskAttachment hardDisk="{{{BASE}}}" bus="IDE" channel="0" device="1"/>
      <HardDiskAttachment hardDisk="{{{DELTA}}}" bus="SATA" channel="3" device="0"/>
    </HardDiskAttachments>"""
    data = vbox(old, namespace="http://www.innotek.de/VirtualBox-settings")
    package = opened(tmp_path, data)
    machine = package.appliance.machines[0]
    assert [(c.id, c.model) for c in machine.controllers] == [
        ("ide0", ControllerModel.PIIX4),
        ("ide1", ControllerModel.PIIX4),
        ("sata0", ControllerModel.AHCI),
    ]
    assert [d.id for d in machine.drives] == ["ide0:1", "sata0:3", "ide1:0", "floppy0"]
    assert machine.cdroms[0].host_device == "/dev/cdrom"
    assert machine.usb == (Usb("ohci"), Usb("ehci"))
    assert machine.sound is not None
    assert machine.sound.model == "sb16"
    assert machine.nics[0].network == "tap0"
    # The list of media did not travel with the machine then: said, and never a lost disk.
    assert codes(package)["KF-232"] is Severity.ERROR
    assert package.appliance.files[0].href == f"{{{BASE}}}.vdi"


def test_uefi_with_secure_boot_tpm_and_nvram(tmp_path: Path) -> None:
    (tmp_path / "web.nvram").write_bytes(b"x")
    extra = """<Firmware type="EFI64"/><BIOS><NVRAM path="web.nvram"/>
    <SecureBoot enabled="true"/></BIOS><TrustedPlatformModule type="v2_0" location=""/>"""
    package = opened(tmp_path, vbox(hardware(extra)))
    firmware = package.appliance.machines[0].firmware
    assert (firmware.kind, firmware.secure_boot, firmware.tpm) == (Firmware.UEFI, True, True)
    assert firmware.nvram == "nvram"
    assert package.open_file("nvram").size == 1


OVMF = Path("/usr/share/OVMF")


@pytest.mark.skipif(not (OVMF / "OVMF_VARS_4M.ms.fd").exists(), reason="needs ovmf")
@pytest.mark.parametrize(
    ("variables", "on"),
    [("OVMF_VARS_4M.ms.fd", True), ("OVMF_VARS_4M.fd", False), ("OVMF_VARS.ms.fd", True)],
)
def test_secure_boot_by_the_firmware_s_variables(tmp_path: Path, variables: str, on: bool) -> None:
    """Debian's OVMF has variable stores with and without Microsoft's keys."""
    (tmp_path / "web.nvram").write_bytes((OVMF / variables).read_bytes())
    extra = '<Firmware type="EFI"/><BIOS><NVRAM path="web.nvram"/></BIOS>'
    assert machine_of(tmp_path, vbox(hardware(extra))).firmware.secure_boot is on


def test_a_uefi_machine_that_never_ran(tmp_path: Path) -> None:
    extra = '<Firmware type="EFI"><NVRAM path="web.nvram"/></Firmware>'
    package = opened(tmp_path, vbox(hardware(extra)))
    assert package.appliance.machines[0].firmware.nvram is None
    assert codes(package)["KF-145"] is Severity.NOTE


@pytest.mark.parametrize(
    "location", ["/home/a/VMs/web/disk.vdi", "D:\\VMs\\web\\disk.vdi", "./disk.vdi", "../disk.vdi"]
)
def test_a_medium_at_another_hosts_path_is_found_beside(tmp_path: Path, location: str) -> None:
    (tmp_path / "disk.vdi").write_bytes(b"x" * 512)
    package = opened(tmp_path, vbox(registry(location) + hardware() + storage()))
    file = package.appliance.files[0]
    assert package.open_file(file.id).size == 512
    assert ("KF-231" in codes(package)) == (location != "./disk.vdi")
    assert not any(f.code == "KF-201" and f.subject == file.id for f in package.findings)


def test_kinds_of_media(tmp_path: Path) -> None:
    def disk(kind: str) -> Disk:
        return machine_of(tmp_path, vbox(registry(kind=kind) + hardware() + storage())).disks[0]

    assert disk("Shareable").shared
    assert disk("Writethrough").independent
    assert disk("Readonly").read_only
    assert not disk("Normal").shared


def qemu_vdi(path: Path, pattern: bytes, size: int, *, below: bytes = b"") -> None:
    """Make a VDI with ``pattern`` at 1 MiB, ``below`` at 3 MiB; its bytes are qemu-img's."""
    raw = path.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(size)
        file.seek(MIB)
        file.write(pattern)
        file.seek(3 * MIB)
        file.write(below)
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "vdi", raw, path],
        check=True,
        capture_output=True,
    )
    raw.unlink()


def set_vdi_ids(path: Path, own: str, parent: str | None) -> None:
    """Write the UUIDs of a VDI (header 1.1: own at 0x188, parent's at 0x1a8; type at 0x4c)."""
    data = bytearray(path.read_bytes())
    data[0x188:0x198] = uuid.UUID(own).bytes_le
    if parent is not None:
        data[0x1A8:0x1B8] = uuid.UUID(parent).bytes_le
        data[0x4C:0x50] = (4).to_bytes(4, "little")
    path.write_bytes(data)


def chain(folder: Path) -> bytes:
    """Make a chain of two disks, and settings with a snapshot of the time before the second."""
    (folder / "Snapshots").mkdir()
    top = folder / "Snapshots" / f"{{{DELTA}}}.vdi"
    qemu_vdi(folder / "disk.vdi", b"base" * 1024, 8 * MIB, below=b"deep" * 1024)
    qemu_vdi(top, b"snap" * 1024, 8 * MIB)
    set_vdi_ids(folder / "disk.vdi", BASE, None)
    set_vdi_ids(top, DELTA, BASE)
    media = registry(delta=f"Snapshots/{{{DELTA}}}.vdi")
    snapshot = f"""<Snapshot uuid="{{{ISO}}}" name="fresh">
      {hardware(memory=512)}{storage(BASE)}</Snapshot>"""
    return vbox(media + hardware() + storage(DELTA) + snapshot)


@needs_qemu
def test_a_chain_is_read_as_one_disk_and_a_snapshot_as_it_was(tmp_path: Path) -> None:
    data = chain(tmp_path)
    for choice, memory, content in (
        ({}, 1024, b"snap"),
        ({"configuration": "fresh"}, 512, b"base"),
        ({"configuration": ISO}, 512, b"base"),
    ):
        package = opened(tmp_path, data, **choice)
        machine = package.appliance.machines[0]
        assert machine.memory.size == memory * MIB
        with opened_image(package, machine.disks[0].image) as disk:
            read = bytearray(4)
            disk.read_into(MIB, read)
            assert bytes(read) == content
        assert ("KF-230" in codes(package)) == (not choice)
        package.close()
    with pytest.raises(UsageError, match="no snapshot is called 'x'") as error:
        opened(tmp_path, data, configuration="x")
    assert "fresh" in error.value.hint


@needs_qemu
def test_every_branch_of_snapshots_has_the_disk_it_had(tmp_path: Path) -> None:
    """Snapshots within snapshots, two of them on one disk: base, a, then b (now) and c beside it."""
    ids = {name: f"{number}" * 8 + "-0000-4000-8000-" + f"{number}" * 12 for number, name in
           enumerate(("base", "a", "b", "c"), 1)}  # fmt: skip
    above = {"base": None, "a": "base", "b": "a", "c": "a"}
    for name, parent in above.items():
        below = b"deep" * 1024 if name == "base" else b""
        qemu_vdi(tmp_path / f"{name}.vdi", name[-1:].encode() * 4096, 8 * MIB, below=below)
        set_vdi_ids(tmp_path / f"{name}.vdi", ids[name], ids[parent] if parent else None)

    def medium(name: str, inner: str = "") -> str:
        kind = ' type="Normal"' if name == "base" else ""
        return f'<HardDisk uuid="{{{ids[name]}}}" location="{name}.vdi" format="VDI"{kind}>{inner}</HardDisk>'

    tree = medium("base", medium("a", medium("b") + medium("c")))
    media = f"<MediaRegistry><HardDisks>{tree}</HardDisks></MediaRegistry>"

    def snapshot(name: str, number: int, inner: str = "") -> str:
        uuid = f"{number:08d}-0000-4000-8000-000000000000"
        held = hardware(memory=100 + number) + storage(ids[name])
        more = f"<Snapshots>{inner}</Snapshots>" if inner else ""
        return f'<Snapshot uuid="{{{uuid}}}" name="of {name}">{held}{more}</Snapshot>'

    inner = snapshot("a", 2, snapshot("b", 3) + snapshot("c", 4))
    data = vbox(media + hardware() + storage(ids["b"]) + snapshot("base", 1, inner))
    for choice, memory, held in (
        ({}, 1024, b"b"),
        ({"configuration": "of base"}, 101, b"e"),
        ({"configuration": "of a"}, 102, b"a"),
        ({"configuration": "of b"}, 103, b"b"),
        ({"configuration": "00000004-0000-4000-8000-000000000000"}, 104, b"c"),
    ):
        package = opened(tmp_path, data, **choice)
        (machine,) = package.appliance.machines
        assert machine.memory.size == memory * MIB
        with opened_image(package, machine.disks[0].image) as disk:
            top, deep = bytearray(4), bytearray(4)
            disk.read_into(MIB, top)
            disk.read_into(3 * MIB, deep)
        assert bytes(top) == held * 4
        assert bytes(deep) == b"deep"
        package.close()


@needs_qemu
@pytest.mark.parametrize("named", [False, True], ids=["all", "--machine"])
def test_convert_a_chain(tmp_path: Path, named: bool) -> None:
    (tmp_path / "web.vbox").write_bytes(chain(tmp_path))
    out = tmp_path / "out"
    choice = ["--machine", "web 01"] if named else []
    assert run(["convert", str(tmp_path / "web.vbox"), "--to", "kvm", "-o", str(out), *choice]) == 0
    raw = tmp_path / "raw"
    disk = next(out.glob("*.qcow2"))
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    data = raw.read_bytes()
    assert len(data) == 8 * MIB
    assert data[MIB : MIB + 4096] == b"snap" * 1024
    assert data[3 * MIB : 3 * MIB + 4096] == b"deep" * 1024


@needs_qemu
def test_convert_to_kvm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qemu_vdi(tmp_path / "disk.vdi", b"kensho" * 4096, GIB // 16)
    (tmp_path / "boot.iso").write_bytes(b"\0" * 65536)
    source = tmp_path / "web.vbox"
    source.write_bytes(vbox(registry() + hardware() + storage()))
    out = tmp_path / "out"
    assert run(["convert", str(source), "--to", "kvm", "-o", str(out)]) == 0, capsys.readouterr()
    disks = list(out.glob("*.qcow2"))
    assert len(disks) == 1
    assert list(out.glob("*.xml"))
    compared = subprocess.run(
        ["qemu-img", "compare", "-f", "vdi", "-F", "qcow2", tmp_path / "disk.vdi", disks[0]],
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr


@needs_qemu
def test_an_encrypted_disk_blocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qemu_vdi(tmp_path / "disk.vdi", b"kensho", 4 * MIB)
    key = '<Property name="CRYPT/KeyId" value="mine"/><Property name="CRYPT/KeyStore" value="U0NORQ"/>'
    media = registry().replace("</HardDisk>", key + "</HardDisk>")
    source = tmp_path / "web.vbox"
    source.write_bytes(vbox(media + hardware() + storage()))
    found = codes(open_package(source))
    assert found["KF-233"] is Severity.BLOCKED
    out = tmp_path / "out"
    assert run(["convert", str(source), "--to", "kvm", "-o", str(out)]) == 10
    assert not out.exists()


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (
            b'<VirtualBox version="1.19-linux"><MachineEncrypted/></VirtualBox>',
            UnsupportedError,
            "encrypted",
        ),
        (
            b'<VirtualBox version="1.12"><Global/></VirtualBox>',
            UnsupportedError,
            "list of machines",
        ),
        (b'<VirtualBox version="1.12"/>', PackageError, "no machine"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]>\n<VirtualBox>&x;</VirtualBox>', CorruptError, "type"),
        (vbox(registry(delta="x.vdi").replace(DELTA, BASE)), CorruptError, "have the UUID"),
        (vbox("")[:-20], CorruptError, "XML"),
    ],
)
def test_refused(tmp_path: Path, data: bytes, kind: type[KenshoError], words: str) -> None:
    with pytest.raises(kind, match=words):
        opened(tmp_path, data)


def test_arm_is_blocked_and_can_be_inspected(tmp_path: Path) -> None:
    package = opened(tmp_path, vbox(hardware('<Platform architecture="ARM"/>')))
    assert codes(package)["KF-234"] is Severity.BLOCKED


def test_suspended(tmp_path: Path) -> None:
    package = opened(tmp_path, vbox(hardware(), attributes='stateFile="Snapshots/x.sav"'))
    assert codes(package)["KF-230"] is Severity.WARNING


def test_numbers_that_are_none(tmp_path: Path) -> None:
    text = vbox(registry() + hardware() + storage()).decode()
    for old, new in (
        ('count="2"', 'count="0"'),
        ('RAMSize="1024"', 'RAMSize="99999999999999999999"'),
        ('port="2"', 'port="-5"'),
        ('VRAMSize="16"', 'VRAMSize="x"'),
    ):
        assert old in text
        text = text.replace(old, new)
    package = opened(tmp_path, text.encode())
    machine = package.appliance.machines[0]
    assert (machine.cpu.count, machine.memory.size) == (1, 128 * MIB)
    assert codes(package)["KF-112"] is Severity.ERROR


def test_names_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "passwd").write_text("secret")
    package = opened(folder, vbox(registry("../passwd") + hardware() + storage()))
    with pytest.raises(PackageError):
        package.open_file(package.appliance.files[0].id)


SAMPLE = vbox(registry(delta="d.vdi") + hardware('<Firmware type="EFI"/>') + storage(DELTA))


@settings(deadline=None)
@given(st.data())
def test_changed_settings_are_read_or_refused(data: st.DataObject) -> None:
    """Cut, doubled and overwritten text gives a machine or a typed error, never another one."""
    text = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text) - 1))
        end = min(len(text), start + data.draw(st.integers(0, 40)))
        new = data.draw(
            st.sampled_from([b"", b"9" * 30, b"-1", b'"', b"<x/>", bytes(text[start:end]) * 2])
        )
        text[start:end] = new
    notes = Notes("p")
    try:
        root, _ = parse_xml(bytes(text), path="p")
        read_vbox(root, notes=notes, fallback="f", snapshot=None, locate=lambda name: (name, False))
    except KenshoError:
        pass


def test_a_folder_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "web.vbox").write_bytes(vbox(registry() + hardware() + storage()))
    assert run(["inspect", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_the_corpus_opens() -> None:
    corpus = Path(os.environ.get("KENSHO_CORPUS", Path(__file__).parents[3] / "shared/corpus"))
    if not (corpus / "MANIFEST.csv").exists():
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    with (corpus / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["kind"] == "vbox"]
    wanted = [corpus / r["path"] for r in rows if r["expected"] != "reject-or-warn"]
    # Fetched without Git LFS, a file is only a pointer and holds no settings.
    wanted = [p for p in wanted if not p.read_bytes().startswith(b"version https://git-lfs")]
    assert len(wanted) >= 4
    for path in wanted:
        package = open_package(path)
        assert len(package.appliance.machines[0].disks) == 2
        assert codes(package)["KF-230"] is Severity.NOTE


@needs_qemu
@pytest.mark.parametrize("target", [platform.name for platform in PLATFORMS])
@pytest.mark.parametrize("controller", ["AHCI", "PIIX4", "LsiLogicSas", "NVMe", "VirtioSCSI"])
def test_every_target_can_plan_it(tmp_path: Path, target: str, controller: str) -> None:
    qemu_vdi(tmp_path / "disk.vdi", b"x", 4 * MIB)
    (tmp_path / "boot.iso").write_bytes(b"\0" * 65536)
    source = tmp_path / "web.vbox"
    source.write_bytes(vbox(registry() + hardware() + storage(controller=controller)))
    assert run(["plan", str(source), "--to", target, "-o", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("inside", [True, False], ids=["in Hardware", "beside it"])
def test_platform_of_1_20_has_the_processors(tmp_path: Path, inside: bool) -> None:
    platform = """<Platform architecture="x86"><CPU count="6"/><RTC localOrUTC="UTC"/>
      <x86><CPU><NestedHWVirt enabled="true"/></CPU></x86></Platform>"""
    cpu = '<CPU count="2" hotplug="true"><NestedHWVirt enabled="true"/><PAE enabled="true"/></CPU>'
    held = hardware(platform if inside else "").replace(cpu, "")
    machine = machine_of(
        tmp_path, vbox(registry() + held + ("" if inside else platform) + storage())
    )
    assert machine.cpu.count == 6
    assert machine.cpu.nested_virtualization
