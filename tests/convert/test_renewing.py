"""A copy has an identity of its own, drawn once; a move keeps the old one."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import msgspec
import pytest

from kensho.convert.plan import Request, make_plan, read_plan, write_plan
from kensho.convert.renewing import IdentityPolicy, draw, renew
from kensho.convert.run import run_plan
from kensho.model.appliance import Appliance
from kensho.model.machine import Cpu, Extra, Machine, Memory, Nic
from kensho.platforms import PLATFORMS, find_platform
from tests.convert.test_returning import VMX, codes, disk, go, only

OLD = {"564d1234-5678-9abc-def0-1234567890ab", "00:50:56:01:02:03", "00:50:56:01:02:04"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    own = 'vm.genid = "1"\nvc.uuid = "52 1"\nuuid.location = "56 4d"\n'
    (folder / "web.vmx").write_text(VMX + own)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    return folder / "web.vmx"


def identity(machine: Machine) -> set[str]:
    return {word for word in (machine.uuid, *(n.mac for n in machine.nics)) if word}


def test_a_move_keeps_it(source: Path, tmp_path: Path) -> None:
    plan = go(source, "kvm", tmp_path / "1")
    assert identity(only(tmp_path / "1" / "Web-Server-01.xml")) == OLD
    assert "KF-456" not in codes(plan)


@pytest.mark.parametrize(("target", "form"), [("kvm", None), ("vmware", "vmx"), ("proxmox", None)])
def test_a_copy_has_its_own_and_so_has_the_next(
    source: Path, tmp_path: Path, target: str, form: str | None
) -> None:
    seen: set[str] = set(OLD)
    for number in range(2):
        out = tmp_path / str(number)
        plan = go(source, target, out, form, machine_identity=IdentityPolicy.NEW)
        assert "KF-456" in codes(plan)
        assert not {"KF-333", "KF-338", "KF-370"} & codes(plan)
        suffix = {"kvm": "xml", "proxmox": "conf", "vmware": "vmx"}[target]
        machine = only(out / f"Web-Server-01.{suffix}")
        new = identity(machine)
        assert machine.name == only(source).name or target == "proxmox"
        assert len(new) == 3
        assert not new & seen
        assert new == identity(plan.after.machines[0])
        seen |= new
    text = (out / f"Web-Server-01.{suffix}").read_text()
    assert not re.search(r"vm\.genid|vc\.uuid|uuid\.location", text)


def test_the_plan_has_it_and_a_run_draws_nothing(source: Path, tmp_path: Path) -> None:
    request = Request(source=str(source), target="kvm", machine_identity=IdentityPolicy.NEW)
    write_plan(make_plan(request), tmp_path / "plan.json")
    for out in ("a", "b"):
        run_plan(read_plan(tmp_path / "plan.json"), tmp_path / out)
    names = sorted(p.name for p in (tmp_path / "a").iterdir() if ".report." not in p.name)
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_copy_that_comes_home_is_still_a_copy(source: Path, tmp_path: Path) -> None:
    plan = go(source, "kvm", tmp_path / "1", machine_identity=IdentityPolicy.NEW)
    go(tmp_path / "1" / "Web-Server-01.xml", "vmware", tmp_path / "2", "vmx")
    home = only(tmp_path / "2" / "Web-Server-01.vmx")
    assert identity(home) == identity(plan.after.machines[0])
    # And through a form that says no identity at all.
    plan = go(source, "ova", tmp_path / "3", machine_identity=IdentityPolicy.NEW)
    go(tmp_path / "3" / "Web-Server-01.ova", "vmware", tmp_path / "4", "vmx")
    home = only(tmp_path / "4" / "Web-Server-01.vmx")
    assert len(identity(home)) == 3
    assert not identity(home) & OLD


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.name)
def test_addresses_are_ones_an_adapter_can_have(platform: object) -> None:
    nics = tuple(Nic(f"n{i}", mac="00:0c:29:00:00:01") for i in range(50))
    machine = Machine("vm", "x", Cpu(), Memory(1), nics=nics)
    target = find_platform(platform.name)  # type: ignore[attr-defined]
    appliance = Appliance("x", (machine,))
    (new,) = renew(appliance, draw(appliance, target), None).machines
    macs = [nic.mac or "" for nic in new.nics]
    assert len(set(macs)) == 50
    for mac in macs:
        first = int(mac[:2], 16)
        assert not first & 1
        assert first & 2 or (mac.startswith("00:50:56:") and int(mac[9:11], 16) < 0x40)
    assert uuid.UUID(new.uuid).version == 4


def test_settings_that_are_an_identity() -> None:
    old = "11111111-2222-3333-4444-555555555555"
    extras = (
        Extra("libvirt", "/domain/genid", f"<genid>{old}</genid>"),
        Extra("libvirt", "/domain/sysinfo", "<sysinfo type='smbios'><system><entry name='serial'>1"
              "</entry><entry name='sku'>2</entry></system></sysinfo>"),
        Extra("pve", "vmgenid", old),
        Extra("pve", "smbios1", f"uuid={old},serial=U04x,sku=x"),
        Extra("vmx", "vc.uuid", old),
        Extra("vmx", "ethernet0.generatedAddress", "00:0c:29:00:00:01"),
        Extra("vmx", "tools.syncTime", "TRUE"),
        Extra("pve", "net0", "virtio=00:0C:29:00:00:01,bridge=vmbr0"),
        Extra("vbox", "Machine/Hardware/Network", '<Adapter MACAddress="000C29000001"/>'),
    )  # fmt: skip
    nics = (Nic("n", mac="00:0c:29:00:00:01"),)
    appliance = Appliance("x", (Machine("vm", "x", Cpu(), Memory(1), nics=nics, extras=extras),))
    (new,) = renew(appliance, draw(appliance, PLATFORMS[0]), None).machines
    text = {e.where: e.text for e in new.extras}
    assert old not in "".join(text.values())
    mac = (new.nics[0].mac or "").upper()
    assert text.pop("net0") == f"virtio={mac},bridge=vmbr0"
    assert mac.replace(":", "") in text.pop("Machine/Hardware/Network").upper()
    assert text["smbios1"] == "sku=x"
    assert "serial" not in text["/domain/sysinfo"]
    assert "sku" in text["/domain/sysinfo"]
    assert text["vmgenid"] in text["/domain/genid"]
    assert set(text) == {"/domain/genid", "/domain/sysinfo", "vmgenid", "smbios1", "tools.syncTime"}


OLD_UUID = "564d1234-5678-9abc-def0-1234567890ab"


@pytest.mark.parametrize(
    ("dialect", "where", "text", "kept"),
    [
        ("vmx", "serialNumber", "OLD", None),
        ("vmx", "smbios.assetTag", "OLD", None),
        ("vmx", "vmci0.id", "OLD", None),
        ("vmx", "scsi0.sasWWID", "OLD", None),
        ("vmx", "machine.id", OLD_UUID.upper(), ""),
        ("vmx", "x", "56 4d 12 34 56 78 9a bc-de f0 12 34 56 78 90 ab", ""),
        ("hyperv", "configuration/_x_/bios_serial_number", "OLD", None),
        ("hyperv", "configuration/_x_/chassis/asset_tag", "OLD", None),
        ("xen", "ms_vm_genid", '"11111111-2222-3333-4444-555555555555"', '"'),
        ("pve", "net1", "e1000=00:50:56:01:02:03,firewall=1", ",firewall=1"),
        ("libvirt", "/domain/sysinfo[1]", "<entry name='serial'>OLD</entry><a/>", "<a/>"),
        ("libvirt", "/domain/metadata/x", f"<x id='{OLD_UUID}'/>", "<x id='"),
        ("vmxf", "x.vmxf", '<a/><VCId type="string">OLD</VCId>', "<a/>"),
        (
            "vbox",
            "Machine/ExtraData",
            '<E><ExtraDataItem name="V/efi/0/Config/DmiBoardSerial" value="OLD"/><b/></E>',
            "<E><b/></E>",
        ),
        (
            "vbox",
            "Machine/Hardware/GuestProperties",
            '<GuestProperty name="/VirtualBox/GuestInfo/Net/0/MAC" value="080027AAAAAA"/><x/>',
            "<x/>",
        ),
        (
            "vbox",
            "Machine/Hardware/Network",
            '<Adapter slot="3" enabled="false" MACAddress="080027AAAAAA" type="x"/>',
            'enabled="false" type="x"',
        ),
    ],
)  # fmt: skip
def test_nothing_of_the_old_identity_is_left(
    dialect: str, where: str, text: str, kept: str | None
) -> None:
    nics = (Nic("n", mac="00:50:56:01:02:03"),)
    machine = Machine("vm", "x", Cpu(), Memory(1), uuid=OLD_UUID, nics=nics)
    machine = msgspec.structs.replace(machine, extras=(Extra(dialect, where, text),))
    appliance = Appliance("x", (machine,))
    (new,) = renew(appliance, draw(appliance, PLATFORMS[0]), None).machines
    if kept is None:
        assert new.extras == ()
        return
    (extra,) = new.extras
    assert kept in extra.text
    plain = re.sub("[-: ]", "", extra.text).lower()
    for old in ("OLD", OLD_UUID, "00:50:56:01:02:03", "08:00:27:aa:aa:aa", "11111111"):
        assert re.sub("[-:]", "", old).lower() not in plain


def test_an_adapter_the_way_had_no_place_for_gets_an_address_too(
    source: Path, tmp_path: Path
) -> None:
    go(source, "kvm", tmp_path / "1")
    note = tmp_path / "1" / "Web-Server-01.kensho.json"
    domain = tmp_path / "1" / "Web-Server-01.xml"
    # As if libvirt had had room for one adapter alone.
    text = domain.read_text()
    second = text.rindex("<interface"), text.rindex("</interface>") + len("</interface>")
    domain.write_text(text[: second[0]] + text[second[1] :])
    told = json.loads(note.read_text())
    del told["origin"]["written"]["machines"][0]["nics"][1]
    note.write_text(json.dumps(told))
    go(domain, "ova", tmp_path / "2", machine_identity=IdentityPolicy.NEW)
    go(tmp_path / "2" / "Web-Server-01.ova", "vmware", tmp_path / "3", "vmx")
    home = only(tmp_path / "3" / "Web-Server-01.vmx")
    assert len(home.nics) == 2
    assert len(identity(home)) == 3
    assert not identity(home) & OLD
