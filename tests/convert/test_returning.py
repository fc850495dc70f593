"""A machine that comes home is what it was, with what was changed on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.appliances import open_package
from kensho.convert.plan import Plan, Request, make_plan
from kensho.convert.returning import merge_extras
from kensho.convert.run import run_plan
from kensho.disks import create_disk
from kensho.model.appliance import Appliance, Provenance
from kensho.model.errors import CorruptError, LimitError, UnsupportedError
from kensho.model.machine import Extra, Firmware, Machine, NicModel, Product, Property
from kensho.model.origin import MAX_NOTE, dump_origin, load_origin
from kensho.model.units import MIB
from kensho.storage.file import FileSink

VMX = """\
.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "19"
displayName = "Web Server 01"
guestOS = "debian11-64"
firmware = "efi"
uefi.secureBoot.enabled = "TRUE"
memsize = "2048"
numvcpus = "4"
cpuid.coresPerSocket = "2"
scsi0.present = "TRUE"
scsi0.virtualDev = "lsilogic"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "a.vmdk"
scsi0:3.present = "TRUE"
scsi0:3.fileName = "b.vmdk"
sata0.present = "TRUE"
sata0:1.present = "TRUE"
sata0:1.deviceType = "cdrom-raw"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "e1000e"
ethernet0.networkName = "VM Network"
ethernet0.addressType = "static"
ethernet0.address = "00:50:56:01:02:03"
ethernet1.present = "TRUE"
ethernet1.virtualDev = "vmxnet3"
ethernet1.networkName = "Backup"
ethernet1.addressType = "static"
ethernet1.address = "00:50:56:01:02:04"
ethernet1.startConnected = "FALSE"
uuid.bios = "56 4d 12 34 56 78 9a bc-de f0 12 34 56 78 90 ab"
annotation = "hello"
sched.cpu.shares = "high"
svga.vramSize = "8388608"
"""


def disk(path: Path, size: int = MIB) -> None:
    with FileSink(path) as sink:
        writer = create_disk("vmdk", "monolithicSparse", sink, size)
        writer.finish()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "web.vmx").write_text(VMX)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk", 2 * MIB)
    return folder / "web.vmx"


def go(source: Path, target: str, out: Path, form: str | None = None, **wishes: object) -> Plan:
    plan = make_plan(Request(source=str(source), target=target, form=form, **wishes))  # type: ignore[arg-type]
    run_plan(plan, out)
    return plan


def read(path: Path) -> Appliance:
    package = open_package(path)
    package.close()
    return package.appliance


def only(path: Path) -> Machine:
    (machine,) = read(path).machines
    return machine


def devices(machine: Machine) -> dict[str, object]:
    models = {c.id: (c.model, c.index) for c in machine.controllers}
    return {
        "name": machine.name,
        "cpu": machine.cpu,
        "memory": machine.memory,
        "firmware": (machine.firmware.kind, machine.firmware.secure_boot),
        "guest": machine.guest.id,
        "uuid": machine.uuid,
        "drives": [(type(d).__name__, models.get(d.controller), d.unit) for d in machine.drives],
        "nics": [(n.model, n.network, n.mac, n.connected) for n in machine.nics],
        "video": machine.video,
        "sound": machine.sound,
        "serial": len(machine.serial_ports),
        "annotation": machine.annotation,
    }


def codes(plan: Plan) -> set[str]:
    return {finding.code for finding in plan.findings}


@pytest.mark.parametrize(
    ("target", "main"),
    [
        ("kvm", "Web-Server-01.xml"),
        ("proxmox", "Web-Server-01.conf"),
        ("ova", "Web-Server-01.ova"),
        ("virtualbox", "Web-Server-01.ova"),
    ],
)
def test_there_and_back(source: Path, tmp_path: Path, target: str, main: str) -> None:
    go(source, target, tmp_path / "there")
    plan = go(tmp_path / "there" / main, "vmware", tmp_path / "back", "vmx")
    assert devices(only(tmp_path / "back")) == devices(only(source))
    assert "KF-450" in codes(plan)
    assert "KF-453" not in codes(plan)


def test_through_several(source: Path, tmp_path: Path) -> None:
    go(source, "kvm", tmp_path / "1")
    go(tmp_path / "1" / "Web-Server-01.xml", "ova", tmp_path / "2")
    go(tmp_path / "2" / "Web-Server-01.ova", "proxmox", tmp_path / "3")
    go(tmp_path / "3" / "Web-Server-01.conf", "vmware", tmp_path / "4", "vmx")
    assert devices(only(tmp_path / "4")) == devices(only(source))


def test_what_was_changed_on_the_way_wins(source: Path, tmp_path: Path) -> None:
    go(source, "kvm", tmp_path / "1")
    domain = tmp_path / "1" / "Web-Server-01.xml"
    text = domain.read_text()
    text = text.replace(">2097152<", ">4194304<").replace("hello", "changed")
    domain.write_text(text.replace("00:50:56:01:02:04", "00:50:56:01:02:05"))
    go(domain, "ova", tmp_path / "2")  # and the change is in the next note, too
    plan = go(tmp_path / "2" / "Web-Server-01.ova", "vmware", tmp_path / "3", "vmx")
    expected = devices(only(source)) | {"annotation": "changed"}
    back = only(tmp_path / "3")
    assert back.memory.size == 4096 * MIB
    assert [n.mac for n in back.nics] == ["00:50:56:01:02:03", "00:50:56:01:02:05"]
    different = {"memory", "nics"}
    assert {k: v for k, v in devices(back).items() if k not in different} == {
        k: v for k, v in expected.items() if k not in different
    }
    assert [n.model for n in back.nics] == [NicModel.E1000E, NicModel.VMXNET3]
    assert "KF-450" in codes(plan)


def test_a_disk_less_and_one_more(source: Path, tmp_path: Path) -> None:
    go(source, "proxmox", tmp_path / "1")
    conf = tmp_path / "1" / "Web-Server-01.conf"
    lines = [line for line in conf.read_text().splitlines() if not line.startswith("scsi3:")]
    assert len(lines) < len(conf.read_text().splitlines())
    conf.write_text("\n".join([*lines, "sata4: local:100/new.vmdk,size=1M"]) + "\n")
    disk(tmp_path / "1" / "new.vmdk")
    plan = go(conf, "vmware", tmp_path / "2", "vmx")
    back = only(tmp_path / "2")
    places = [(back.controller(d.controller).model.value, d.unit) for d in back.disks]  # type: ignore[union-attr]
    assert places == [("lsilogic", 0), ("ahci", 4)]
    (said,) = [f.message for f in plan.findings if f.code == "KF-453"]
    assert "scsi0:3 is gone" in said
    assert "sata4 is new" in said


def test_a_note_of_another_machine_is_ignored(source: Path, tmp_path: Path) -> None:
    go(source, "kvm", tmp_path / "1")
    domain = tmp_path / "1" / "Web-Server-01.xml"
    text = re.sub("<uuid>.*</uuid>", "", domain.read_text())
    domain.write_text(
        re.sub("<name>.*</name>\\s*<title>.*</title>|<name>.*</name>", "<name>other</name>", text)
    )
    plan = make_plan(Request(source=str(domain), target="vmware", form="vmx"))
    assert {"KF-451"} == codes(plan) & {"KF-450", "KF-451"}
    assert plan.after.origin is not None
    assert plan.after.origin.kind == "libvirt"


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[1]",
        b'{"kensho_origin": 99}',
        b'{"kensho_origin": 1, "origin": {}}',
        b'{"kensho_origin": 1, "origin": ' + b'{"source":' * 20_000,
        b" " * (MAX_NOTE + 1),
        b"\xff\xfe",
    ],
)
def test_a_damaged_note_is_a_finding(source: Path, tmp_path: Path, note: bytes) -> None:
    source.with_name("web.kensho.json").write_bytes(note)
    plan = make_plan(Request(source=str(source), target="kvm"))
    assert "KF-452" in codes(plan)
    with pytest.raises((CorruptError, LimitError, UnsupportedError)):
        load_origin(note, path="note")


def test_without_a_note(source: Path, tmp_path: Path) -> None:
    go(source, "kvm", tmp_path / "1", origin=False)
    assert not list((tmp_path / "1").glob("*.kensho.json"))
    go(source, "ova", tmp_path / "2", origin=False)
    assert read(tmp_path / "2" / "Web-Server-01.ova").origin is None


def test_a_note_has_no_passwords_and_is_ascii() -> None:
    secret = Property("k", value="s3cret\u2028", password=True)
    open_ = Property("o", value="\u00e4\ufffe\x01", type="string")
    typed = Property("p", value="s3cret", type="password")
    appliance = Appliance("a", products=(Product(properties=(secret, open_, typed)),))
    text = dump_origin(Provenance(kind="ova", source=appliance, written=appliance))
    assert "s3cret" not in text
    assert text.isascii()
    assert not {c for c in text if ord(c) < 0x20}
    back = load_origin(text, path="x").source
    assert back.products[0].properties[1] == open_
    assert json.loads(text)["kensho_origin"] == 1


def test_extras_of_three_versions() -> None:
    def e(where: str, text: str) -> Extra:
        return Extra("vmx", where, text)

    source = (e("kept", "1"), e("edited", "1"), e("removed", "1"), e("never written", "1"))
    written = (e("kept", "1"), e("edited", "1"), e("removed", "1"), e("ours", "x"), e("hidden", ""))
    now = (e("kept", "1"), e("edited", "2"), e("ours", "x"), e("hidden", "secret"), e("added", "3"))
    assert merge_extras(now, written, source) == (
        e("kept", "1"),
        e("edited", "2"),
        e("never written", "1"),
        e("added", "3"),
    )


def test_what_the_user_said_stays_said(source: Path, tmp_path: Path) -> None:
    wishes = {"name": "other", "firmware": Firmware.BIOS, "guest": "win2k19"}
    go(source, "kvm", tmp_path / "1", **wishes)
    go(tmp_path / "1" / "other.xml", "vmware", tmp_path / "2", "vmx")
    home = only(tmp_path / "2" / "other.vmx")
    assert (home.name, home.firmware.kind, home.guest.id) == ("other", Firmware.BIOS, "win2k19")


def test_a_rehearsal_leaves_nothing(source: Path, tmp_path: Path) -> None:
    go(source, "ova", tmp_path / "1")
    assert sorted(p.name.partition(".")[2] for p in (tmp_path / "1").iterdir()) == [
        "ova",
        "ova-ova.report.html",
        "ova-ova.report.json",
    ]
    origin = read(tmp_path / "1" / "Web-Server-01.ova").origin
    assert origin is not None
    assert not [i for i in origin.written.images if i.capacity is not None]


def test_a_note_is_a_source_of_what_only_the_platform_reads(source: Path, tmp_path: Path) -> None:
    go(source, "hyperv", tmp_path / "1", "powershell")
    plan = go(tmp_path / "1", "vmware", tmp_path / "2", "vmx")
    assert devices(only(tmp_path / "2")) == devices(only(source))
    assert {"KF-450", "KF-457"} <= codes(plan)


def test_disks_in_archives_are_no_disks_of_a_note(source: Path, tmp_path: Path) -> None:
    go(source, "kvm", tmp_path / "1")
    (tmp_path / "1" / "Web-Server-01-disk1.qcow2").write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(UnsupportedError):
        open_package(tmp_path / "1" / "Web-Server-01.kensho.json")


def _mutated(value: object, draw: st.DrawFn) -> object:
    """Return JSON with one thing in it changed, whatever and wherever."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 9)):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = draw(st.sampled_from(keys))
        copy = value.copy()
        copy[key] = _mutated(copy[key], draw)
        return copy
    if isinstance(value, list):
        return value + value if draw(st.booleans()) else []
    words = ["scsi0", "scsi0:0", "scsi0:3", "uefi", "bios", "ide", "nvme", "xen-vbd", "", "\0<&"]
    alike: dict[type, st.SearchStrategy[object]] = {
        str: st.sampled_from(words),
        int: st.integers(-3, 70),
        bool: st.booleans(),
    }
    return draw(
        alike.get(type(value), st.none()) if draw(st.integers(0, 5)) else st.text(max_size=5)
    )


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("travelled")
    (folder / "web.vmx").write_text(VMX)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk", 2 * MIB)
    go(folder / "web.vmx", "kvm", folder / "1")
    return folder / "1"


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_note_somebody_changed_never_stops_a_conversion(
    travelled: Path, data: st.DataObject
) -> None:
    path = travelled / "Web-Server-01.kensho.json"
    good = path.read_bytes()
    note: object = json.loads(good)
    for _ in range(data.draw(st.integers(1, 4))):
        note = _mutated(note, data.draw)  # type: ignore[arg-type]
    try:
        path.write_text(json.dumps(note))
        plan = make_plan(Request(source=str(travelled), target="vmware", form="vmx"))
    finally:
        path.write_bytes(good)
    assert not plan.blocked
    (machine,) = plan.after.machines
    assert len(machine.disks) == 2


def test_slots_odd_memory_and_a_cd_on_scsi_are_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    more = (
        'scsi0.pciSlotNumber = "16"\nethernet0.pciSlotNumber = "33"\nguestOSAltName = "Deb"\n'
        'scsi0:5.present = "TRUE"\nscsi0:5.deviceType = "cdrom-raw"\n'
    )
    (folder / "web.vmx").write_text(VMX.replace('"2048"', '"2052"') + more)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    go(folder / "web.vmx", "hyperv", tmp_path / "1", "powershell")
    go(tmp_path / "1", "vmware", tmp_path / "2", "vmx")
    first, home = only(folder / "web.vmx"), only(tmp_path / "2")
    assert devices(home) == devices(first)
    assert [n.pci_slot for n in home.nics] == [33, None]
    assert home.controllers[0].pci_slot == 16
    assert home.guest.description == "Deb"
