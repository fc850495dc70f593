"""The exported form of Hyper-V: folders and XML, read back to what was written."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from hyperv_samples import NIC1, gen1, gen2
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_machines import HOSTILE, disk_machine, placed, with_machine
from test_hyperv_read import export
from vmcx_builder import build_vmcx

from kensho.appliances import open_package
from kensho.appliances.hyperv.export import render
from kensho.appliances.hyperv.tree import Key
from kensho.appliances.hyperv.xml_tree import document, from_xml
from kensho.appliances.xmlsafe import parse_xml
from kensho.convert.plan import Request, make_plan, read_plan, write_plan
from kensho.convert.run import Options, run_plan
from kensho.model.errors import KenshoError, UnsafePathError, UnsupportedError, UsageError
from kensho.model.machine import (
    ControllerModel,
    Extra,
    Firmware,
    Memory,
    NicModel,
    SerialKind,
    SerialPort,
)
from kensho.model.units import GIB

GEN1 = disk_machine(disk=ControllerModel.IDE, cdrom=None, nic=NicModel.HYPERV)
GEN2 = disk_machine(
    disk=ControllerModel.HYPERV_SCSI,
    cdrom=ControllerModel.HYPERV_SCSI,
    nic=NicModel.HYPERV,
    firmware=Firmware.UEFI,
    secure_boot=True,
    guest="win2k22",
)


def written(folder: Path, appliance):
    (made,) = render(appliance, placed(appliance, "vhdx"))
    path = folder / PurePosixPath(made.name).name
    path.write_bytes(made.data)
    return open_package(path).appliance


def facts(machine):
    """Return what both sides of the journey must have in common."""
    return {
        "cpu": machine.cpu.count,
        "memory": machine.memory,
        "firmware": (machine.firmware.kind, machine.firmware.secure_boot),
        "drives": [(type(d), machine.controller(d.controller).model,
                    machine.controller(d.controller).index, d.unit) for d in machine.drives],
        "nics": [(n.model, n.network, n.mac, n.connected) for n in machine.nics],
        "serial": [(p.index, p.target) for p in machine.serial_ports],
        "text": (machine.name, machine.annotation, machine.uuid),
    }  # fmt: skip


@pytest.mark.parametrize("appliance", [GEN1, GEN2])
def test_what_is_written_is_read_back(tmp_path, appliance):
    machine = appliance.machines[0]
    machine = msgspec.structs.replace(
        machine,
        memory=Memory(2 * GIB, minimum=GIB, limit=4 * GIB),
        serial_ports=(SerialPort("s1", SerialKind.PIPE, r"\\.\pipe\x", 1),)
        if machine.firmware.kind is Firmware.BIOS
        else (),
    )
    again = written(tmp_path, msgspec.structs.replace(appliance, machines=(machine,)))
    assert facts(again.machines[0]) == facts(machine)


def test_hostile_texts_come_back(tmp_path):
    nics = tuple(msgspec.structs.replace(n, network=HOSTILE) for n in GEN2.machines[0].nics)
    hostile = with_machine(GEN2, name=HOSTILE, annotation=HOSTILE, nics=nics)
    machine = written(tmp_path, hostile).machines[0]
    # XML cannot carry the bell, and ends lines with LF.
    plain = HOSTILE.replace("\x07", "\ufffd").replace("\r\n", "\n")
    assert (machine.name, machine.annotation, machine.nics[0].network) == (plain, plain, plain)


TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=40
)
LEAVES = st.one_of(
    st.builds(lambda v: Key("a", "string", v), TEXTS),
    st.builds(lambda v: Key("b", "integer", v), st.integers(-(2**63), 2**64 - 1)),
    st.builds(lambda v: Key("c", "bytes", v), st.binary(max_size=40)),
    st.builds(lambda v: Key("d", "bool", v), st.booleans()),
)
TREES = st.recursive(
    LEAVES, lambda k: st.builds(lambda c: Key("n", children=tuple(c)), st.lists(k, max_size=4))
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_any_tree_comes_back_from_xml(tree):
    root = Key("configuration", children=(tree,))
    element, findings = parse_xml(document(root), path="t.xml")
    assert from_xml(element, "t.xml") == root
    assert findings == ()


def convert(source: Path, out: Path, **options):
    plan = make_plan(Request(str(source), "hyperv", form="export"), out=out)
    return plan, run_plan(plan, out, options=Options(**options))


def test_the_whole_journey(tmp_path):
    tree = gen2(("global_settings", [("power", [("host_shutdown", [("delay", 30)])])]))
    export(tmp_path / "in", tree)
    plan, result = convert(tmp_path / "in", tmp_path / "out")
    folder = tmp_path / "out" / "new"
    names = [o.name for o in result.files]
    assert names[:2] == [f"new/Virtual Hard Disks/new-disk{n}.vhdx" for n in (1, 2)]
    assert re.fullmatch(r"new/Virtual Machines/[0-9A-F-]{36}\.xml", names[2])
    assert re.fullmatch(r"new/Virtual Machines/[0-9A-F-]{36}\.kensho\.json", names[3])
    assert all((tmp_path / "out" / name).is_file() for name in names)
    back = open_package(folder)
    before, after = open_package(tmp_path / "in").appliance.machines[0], back.appliance.machines[0]
    assert after.nics[0].id == NIC1.lower()
    assert after.memory == before.memory
    assert back.appliance.origin is not None
    assert "<delay" in "".join(e.text for e in after.extras)
    assert "KF-201" not in {f.code for f in back.findings}
    assert after.firmware == msgspec.structs.replace(before.firmware, tpm=False)
    with pytest.raises(UsageError, match="there already"):
        run_plan(plan, tmp_path / "out")
    run_plan(plan, tmp_path / "out", options=Options(overwrite=True))


def test_a_link_in_the_result_is_not_followed(tmp_path):
    export(tmp_path / "in", gen2())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="leads out"):
        convert(tmp_path / "in", tmp_path / "out")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_plan_that_was_tampered_with_is_refused(tmp_path):
    export(tmp_path / "in", gen2())
    plan = make_plan(Request(str(tmp_path / "in"), "hyperv", form="export"))
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json").disks == plan.disks
    for evil in ("../x", "new/Virtual Machines/x", "new/Virtual Hard Disks/../x", "/x"):
        step = msgspec.structs.replace(plan.disks[0], filename=evil)
        write_plan(msgspec.structs.replace(plan, disks=(step,)), tmp_path / "plan.json")
        with pytest.raises(UnsafePathError):
            read_plan(tmp_path / "plan.json")


def test_a_legacy_adapter_is_blocked_not_lost(tmp_path):
    export(tmp_path / "in", gen1())
    plan = make_plan(Request(str(tmp_path / "in"), "hyperv", form="export"))
    assert "KF-478" in {f.code for f in plan.blocked}
    legacy = disk_machine(disk=ControllerModel.IDE, cdrom=None, nic=NicModel.HYPERV_LEGACY)
    with pytest.raises(UnsupportedError, match="legacy adapter"):
        render(legacy, placed(legacy, "vhdx"))


@pytest.mark.parametrize(
    ("guest", "codes"),
    [("win7", {"KF-479"}), ("win10-32", {"KF-479"}), ("debian12", {"KF-478"}), ("win11", set())],
)
def test_findings_about_generation_and_keys(tmp_path, guest, codes):
    export(tmp_path / "in", gen2())
    request = Request(str(tmp_path / "in"), "hyperv", form="export", guest=guest)
    found = {f.code for f in make_plan(request).findings}
    assert found & {"KF-478", "KF-479"} == codes


def test_extras_that_were_edited_do_no_harm(tmp_path):
    bad = (
        Extra("hyperv", "configuration/settings/x", "<not xml"),
        Extra("hyperv", "configuration/settings/memory/bank/size", '<size type="integer">1</size>'),
        Extra("hyperv", "configuration/settings/memory/bank/size/deep", "<deep/>"),
        Extra("hyperv", "configuration/_00000000-0000-0000-0000-000000000000_/a", "<a/>"),
        Extra("hyperv", "configuration/global_settings/debug/a", "<a/>"),
        Extra("hyperv", "configuration/settings/processors/a b/c", "<c/>"),
        Extra("hyperv", "configuration/settings/processors//c", "<c/>"),
        Extra("hyperv", "settings", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        Extra("hyperv", "configuration/settings/processors/kept", '<kept type="bool">True</kept>'),
    )
    again = written(tmp_path, with_machine(GEN2, extras=bad)).machines[0]
    assert [e.where for e in again.extras if "kept" in e.where] == [
        "configuration/settings/processors/kept"
    ]
    assert again.memory.size == GEN2.machines[0].memory.size
    assert not [e for e in again.extras if "0000" in e.where or "debug" in e.where]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 4000), st.integers(0, 400))
def test_damaged_xml_never_crashes(tmp_path_factory, new, place, gone):
    (made,) = render(GEN1, placed(GEN1, "vhdx"))
    data = made.data[:place] + new + made.data[place + gone :]
    path = tmp_path_factory.mktemp("x") / "m.xml"
    path.write_bytes(data)
    with suppress(KenshoError):
        open_package(path).close()


def test_the_vmcx_of_a_machine_and_its_export_agree(tmp_path):
    """A tree that a host wrote goes through the writer and keeps its facts."""
    (tmp_path / "m.vmcx").write_bytes(build_vmcx(gen2()))
    machine = open_package(tmp_path / "m.vmcx").appliance.machines[0]
    appliance = msgspec.structs.replace(GEN2, machines=(machine,))
    images = {d.image: placed(GEN2, "vhdx")["img0"] for d in machine.disks}
    (made,) = render(appliance, images)
    (tmp_path / "g.xml").write_bytes(made.data)
    again = open_package(tmp_path / "g.xml").appliance.machines[0]
    assert facts(again) == facts(machine)
