"""Machines of Hyper-V: both kinds of configuration, exported folders, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hyperv_samples import BIOS, GUEST, adapter, as_xml, drive, gen1, gen2
from vmcx_builder import build_vmcx

from kensho.appliances import open_package
from kensho.convert.source import opened_image
from kensho.disks import create_disk, open_disk
from kensho.disks.chain_write import chain_target, write_chain
from kensho.disks.transfer import How
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    LocatorError,
    PackageError,
    UnsupportedError,
    UsageError,
)
from kensho.model.host_side import HostDevice, HostDeviceKind, Snapshot
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Firmware,
    FirmwareSettings,
    Floppy,
    Memory,
    Nic,
    NicModel,
    SerialKind,
    SerialPort,
)
from kensho.model.selection import Selection
from kensho.model.units import GIB, MIB
from kensho.storage import FileSource, MemorySink

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


def opened(folder: Path, data: bytes, name: str = "m.vmcx"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return open_package(path)


def codes(package):
    return {f.code for f in package.findings}


@pytest.fixture(params=["vmcx", "xml"])
def written(request):
    return build_vmcx if request.param == "vmcx" else as_xml


def test_generation_1(tmp_path, written):
    package = opened(tmp_path, written(gen1()))
    machine = package.appliance.machines[0]
    assert package.kind == "hyperv"
    assert (machine.name, machine.annotation) == ("old web", "first\nsecond")
    assert machine.uuid == GUEST.lower()
    assert (machine.cpu.count, machine.memory) == (2, Memory(1536 * MIB))
    assert machine.firmware == FirmwareSettings(Firmware.BIOS)
    assert machine.controllers == (
        Controller("ide0", ControllerModel.IDE, 0),
        Controller("ide1", ControllerModel.IDE, 1),
        Controller("scsi0", ControllerModel.HYPERV_SCSI, 0),
    )
    assert machine.drives == (
        Disk("ide0:0", "disk-file1", "ide0", 0, boot_order=2),
        Cdrom("ide1:0", "ide1", 0, "file2", boot_order=1),
        Disk("scsi0:0", "disk-file3", "scsi0", 0),
    )
    assert [n.model for n in machine.nics] == [NicModel.HYPERV, NicModel.HYPERV_LEGACY]
    assert machine.nics[0].mac == "00:15:5d:01:07:dc"
    assert machine.nics[1].mac == "00:15:5d:01:07:dd"
    assert [n.network for n in machine.nics] == ["External", "PXE"]
    assert [n.boot_order for n in machine.nics] == [None, 3]
    assert machine.serial_ports == (SerialPort("serial1", SerialKind.PIPE, r"\\.\pipe\web", 1),)
    assert {"KF-472", "KF-473", "KF-474"} <= codes(package)


def test_devices_that_the_manifest_does_not_list(tmp_path, written):
    """As in what Windows Server 2012 R2 wrote."""
    whole = opened(tmp_path, written(gen1())).appliance
    tree = gen1()
    settings = dict(tree[0][1])
    settings["manifest"] = [
        (name, entry)
        for name, entry in settings["manifest"]
        if not isinstance(entry, list) or "Microsoft" not in dict(entry)["name"]
    ]
    short = opened(tmp_path, written([("configuration", list(settings.items()))])).appliance
    assert short == whole


@pytest.mark.parametrize(
    ("template", "guest", "word"),
    [
        ("1734c6e8-3154-4dda-ba5f-a874cc483422", "other", "MicrosoftWindows"),
        ("272E7447-90A4-4563-A4B9-8E4AB00526CE", "linux", "MicrosoftUEFICertificateAuthority"),
        ("00000000-0000-0000-0000-000000000000", "other", ""),
    ],
)
def test_the_keys_of_secure_boot_say_what_the_guest_is(tmp_path, written, template, guest, word):
    tree = gen2()
    bios = dict(tree[0][1])[f"_{BIOS}_"]
    bios[2] = ("secure_boot_template_id", template)
    machine = opened(tmp_path, written(tree)).appliance.machines[0]
    assert machine.guest.id == guest
    assert machine.guest.vendor == ((f"hyperv:{word}",) if word else ())


def test_generation_2(tmp_path, written):
    package = opened(tmp_path, written(gen2()))
    machine = package.appliance.machines[0]
    assert machine.firmware == FirmwareSettings(Firmware.UEFI, secure_boot=True, tpm=True)
    assert machine.memory == Memory(2 * GIB, minimum=GIB, limit=4 * GIB)
    assert (machine.cpu.count, machine.cpu.nested_virtualization) == (4, True)
    assert [d.shared for d in machine.disks] == [False, True]
    assert machine.nics == (
        Nic(
            "55225880-49c0-4438-9ce2-5a01402fd8cb",
            NicModel.HYPERV,
            mac="00:15:5d:01:07:de",
            connected=False,
            name="LAN",
        ),
    )
    assert machine.host_devices == (
        HostDevice(
            "9a2b0f5e-0000-4000-8000-0123456789ab", HostDeviceKind.PCI, "Virtual Pci Express Port"
        ),
    )
    assert {"KF-474", "KF-475", "KF-476", "KF-477"} <= codes(package)


def test_both_files_say_the_same(tmp_path):
    for tree in (gen1(), gen2()):
        both = [opened(tmp_path, write(tree)) for write in (build_vmcx, as_xml)]
        assert both[0].appliance == both[1].appliance
        assert both[0].findings == both[1].findings


def test_what_is_not_read_stays_word_for_word(tmp_path, written):
    extra = ("site", [("Owner", "a & <b>"), ("empty", []), ("number", 2**63 + 1), ("raw", b"\0\1")])
    listed = ("list", [("Id", 1), ("Id", 2)])
    machine = opened(tmp_path, written(gen2(extra, listed))).appliance.machines[0]
    texts = {e.where: e.text for e in machine.extras}
    assert {e.dialect for e in machine.extras} == {"hyperv"}
    site = {where.rpartition("/")[2]: t for where, t in texts.items() if "/site/" in where}
    assert site == {
        "Owner": '<Owner type="string">a &amp; &lt;b&gt;</Owner>',
        "number": f'<number type="integer">{2**63 + 1}</number>',
        "raw": '<raw type="bytes">AAE=</raw>',
    }
    assert texts["configuration/list"] == (
        '<list><Id type="integer">1</Id><Id type="integer">2</Id></list>'
    )
    assert "Virtual Pci Express Port" in texts["configuration/manifest/vdev005/name"]
    assert "configuration/manifest/vdev002/name" not in texts
    assert "1734c6e8" in texts[f"configuration/_{BIOS}_/secure_boot_template_id"]
    assert "configuration/settings/processors/count" not in texts


def test_odd_values_are_told_and_assumed(tmp_path, written):
    broken = [("configuration", [
        ("properties", [("name", ""), ("subtype", 0), ("type_id", "")]),
        ("settings", [("processors", [("count", 0)]), ("memory", [("bank", [("size", "many")])])]),
    ])]  # fmt: skip
    package = opened(tmp_path, written(broken), "fallback.vmcx")
    machine = package.appliance.machines[0]
    assert machine.name == "fallback"
    assert (machine.cpu.count, machine.memory.size) == (1, GIB)
    assert codes(package) == {"KF-112"}


def test_a_bad_address_is_told(tmp_path, written):
    tree = gen2()
    tree[0][1][-1] = (tree[0][1][-1][0], adapter("nonsense", "LAN", "net"))
    package = opened(tmp_path, written(tree))
    assert package.appliance.machines[0].nics[0].mac is None
    assert "KF-127" in codes(package)


def test_media_of_the_host_and_floppies(tmp_path, written):
    tree = gen1(
        ("_8f0d2762-0b00-4e04-af4f-19010527cb93_x", []),
        ("_unknown_", []),
    )
    for number, (name, _) in enumerate(tree[0][1]):
        if name.startswith("_8f0d2762"):
            floppy = [("controller0", [("drive0", drive("VFD", r"A:\boot.vfd"))])]
            tree[0][1][number] = (name, floppy)
        if name.startswith("_83f8638b"):
            ide = [("controller0", [("drive0", drive("ISO", r"\\.\CDROM0")),
                                    ("drive1", drive("VHD", r"D:\x\set.vhds"))])]  # fmt: skip
            tree[0][1][number] = (name, ide)
    machine = opened(tmp_path, written(tree)).appliance.machines[0]
    assert machine.cdroms[0].host_device == r"\\.\CDROM0"
    assert machine.disks[0].shared
    assert next(d for d in machine.drives if isinstance(d, Floppy)).file is not None


# Folders.


def export(folder: Path, tree, *, name: str = "GUID", write=build_vmcx) -> Path:
    """Make an export with empty disks; return the configuration."""
    suffix = "vmcx" if write is build_vmcx else "xml"
    (folder / "Virtual Machines").mkdir(parents=True)
    (folder / "Virtual Hard Disks").mkdir()
    for disk in ("SYS.VHDX", "data.vhdx", "disk.vhdx", "more.vhdx"):
        sink = MemorySink()
        create_disk("vhdx", None, sink, 3 * MIB).finish()
        (folder / "Virtual Hard Disks" / disk).write_bytes(sink.data)
    path = folder / "Virtual Machines" / f"{name}.{suffix}"
    path.write_bytes(write(tree))
    return path


def test_an_export_is_opened_by_folder_or_file(tmp_path, written):
    path = export(tmp_path / "web", gen1(), write=written)
    (path.parent / "GUID.vmgs").write_bytes(b"state")
    (tmp_path / "web" / "Snapshots").mkdir()
    (tmp_path / "web" / "Snapshots" / "OLD.vmcx").write_bytes(build_vmcx(gen1(name="before")))
    for place in (tmp_path / "web", path.parent, path, tmp_path):
        package = open_package(place)
        hrefs = [f.href for f in package.appliance.files]
        assert hrefs == ["Virtual Hard Disks/SYS.VHDX", "Setup.ISO", "Virtual Hard Disks/data.vhdx"]
        for image in package.appliance.images:
            with opened_image(package, image.id) as reader:
                assert reader.virtual_size == 3 * MIB
        assert "KF-475" in codes(package)
        assert package.appliance.machines[0].snapshots == (Snapshot("before", "OLD"),)
        package.close()
    (tmp_path / "web" / "Snapshots" / "BAD.xml").write_bytes(b"<configuration")
    checkpoint = open_package(tmp_path / "web" / "Snapshots" / "OLD.vmcx")
    assert checkpoint.appliance.machines[0].snapshots == ()
    assert open_package(path).appliance.machines[0].snapshots[0] == Snapshot("BAD", "BAD")
    assert checkpoint.appliance.name == "before"
    assert checkpoint.appliance.files[0].href == "Virtual Hard Disks/SYS.VHDX"


def test_several_machines_are_a_choice(tmp_path):
    for name in ("a", "b"):
        export(tmp_path / name, gen1(name=name))
    with pytest.raises(LocatorError, match=r"several machines.*a/Virtual Machines/GUID\.vmcx") as e:
        open_package(tmp_path)
    assert str(tmp_path / "a" / "Virtual Machines" / "GUID.vmcx") in e.value.hint


def test_the_path_that_fits_best_is_taken(tmp_path):
    path = export(tmp_path, gen1())
    other = tmp_path / "Old Web"
    other.mkdir()
    (other / "sys.vhdx").write_bytes((tmp_path / "Virtual Hard Disks" / "SYS.VHDX").read_bytes())
    assert open_package(path).appliance.files[0].href == "Old Web/sys.vhdx"
    other.rename(tmp_path / "copy")
    package = open_package(path)
    assert "several files here could be" in next(
        f.message for f in package.findings if f.code == "KF-473"
    )


def test_no_path_leads_outside(tmp_path):
    (tmp_path / "secret.vhdx").write_bytes(b"x")
    tree = gen2()
    scsi = [("controller0", [("drive0", drive("VHD", "../../secret.vhdx")),
                             ("drive1", drive("VHD", r"\\server\share\..\..")),
                             ("drive2", drive("ISO", "C:secret\x01.iso"))])]  # fmt: skip
    tree[0][1][-2] = (tree[0][1][-2][0], scsi)
    folder = tmp_path / "deep" / "Virtual Machines"
    package = opened(folder, build_vmcx(tree))
    (folder.parent / "link.vhdx").symlink_to(tmp_path / "secret.vhdx")
    for file in package.appliance.files:
        with pytest.raises(KenshoError):
            package.open_file(file.id)
    tree[0][1][-2] = (tree[0][1][-2][0], [("controller0", [("drive0", drive("VHD", "link.vhdx"))])])
    linked = opened(folder, build_vmcx(tree))
    assert "KF-217" in codes(linked)


@needs_qemu
@pytest.mark.parametrize("format_", ["vhdx", "vhd"])
def test_differencing_disks_of_a_checkpoint_are_one_disk(tmp_path, format_):
    raw = tmp_path / "raw.img"
    raw.write_bytes(b"base" * MIB)
    for command in (
        "qemu-img create -q -f qcow2 -b raw.img -F raw mid.qcow2",
        "qemu-io -f qcow2 -c 'write -P 0x41 1M 64k' mid.qcow2",
    ):
        subprocess.run(command, shell=True, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    disks = tmp_path / "web" / "Virtual Hard Disks"
    disks.mkdir(parents=True)
    with FileSource(tmp_path / "mid.qcow2") as source:
        reader = open_disk(source, sibling=lambda name: FileSource(tmp_path / name))
        write_chain(reader, disks / f"disk.a{format_}", chain_target(format_, None), How())
    # As a host with checkpoints elsewhere has it, and with the letters of another file system.
    (tmp_path / "web" / "Snapshots").mkdir()
    (disks / f"disk.a{format_}").rename(tmp_path / "web" / "Snapshots" / f"disk.a{format_}")
    (parent,) = disks.iterdir()
    parent.rename(disks / parent.name.upper())
    tree = gen2()
    scsi = [("controller0", [("drive0", drive("VHD", rf"C:\x\DISK.a{format_}"))])]
    tree[0][1][-2] = (tree[0][1][-2][0], scsi)
    package = opened(tmp_path / "web" / "Virtual Machines", build_vmcx(tree))
    with opened_image(package, package.appliance.images[0].id) as disk:
        got = bytearray(64 * 1024)
        disk.read_into(MIB, got)
        assert bytes(got) == b"A" * len(got)
        disk.read_into(0, got)
        assert got.startswith(b"basebase")


# Refusals.


def test_a_runtime_state_is_named(tmp_path):
    state = build_vmcx([("configuration", [("properties", [("version", 2304)])])])
    with pytest.raises(PackageError, match="no machine") as caught:
        opened(tmp_path, state, "m.vmrs")
    assert ".vmcx" in caught.value.hint


def test_a_checkpoint_is_a_file_of_its_own(tmp_path):
    opened(tmp_path, build_vmcx(gen1()))
    with pytest.raises(UsageError, match="one state"):
        open_package(tmp_path / "m.vmcx", Selection(configuration="before"))


ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE configuration [
<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>
<configuration><properties><name type="string">&b;&f;</name><type_id type="string"/></properties>
<settings/></configuration>"""


def test_xml_attacks_are_refused(tmp_path):
    with pytest.raises(CorruptError, match="document type"):
        opened(tmp_path, ENTITIES, "m.xml")
    deep = b"<a>" * 200 + b"</a>" * 200
    with pytest.raises(LimitError):
        opened(tmp_path, b"<configuration><logical_id />" + deep + b"</configuration>", "m.xml")


def test_other_xml_with_such_a_root_is_not_taken(tmp_path):
    net = b"<?xml version='1.0'?><configuration><appSettings/></configuration>"
    with pytest.raises(KenshoError) as caught:
        opened(tmp_path, net, "app.config")
    assert "some program" in str(caught.value)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "app.xml").write_bytes(net)
    with pytest.raises(LocatorError):
        open_package(tmp_path / "only")


def test_a_pointer_instead_of_a_file_is_named(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 81920\n"
    with pytest.raises(UnsupportedError, match="Git LFS"):
        opened(tmp_path, pointer)
    with pytest.raises(CorruptError, match=r"\.vmcx"):
        opened(tmp_path, bytes(8192))
