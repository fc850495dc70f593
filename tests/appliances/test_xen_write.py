"""Configurations for xl: read back by Xen's own parser and by kensho's, and the corpus' as they were."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import xlutil
from hypothesis import given, settings
from hypothesis import strategies as st
from libvirt_facts import corpus_folder
from mapped_machines import HOSTILE, disk_machine, placed, with_machine

from kensho.appliances import open_package
from kensho.appliances.mapped import boot_ranks
from kensho.appliances.xen.parse import parse_config
from kensho.appliances.xen.quote import quoted, value_text
from kensho.appliances.xen.vdevs import device_names
from kensho.appliances.xen.write import render
from kensho.appliances.xen.write_domain import render as render_domain
from kensho.convert.mapping import map_machine
from kensho.convert.returning import home_policy
from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Extra,
    Firmware,
    NicModel,
    Usb,
    Video,
)
from kensho.platforms import find_platform

XEN = find_platform("xen")
LIBRARY = xlutil.load()
needs_xl = pytest.mark.skipif(LIBRARY is None, reason="no libxlutil here")


def xen_machine(**changes):
    chosen = {"disk": ControllerModel.XEN_VBD, "cdrom": ControllerModel.IDE, "nic": NicModel.XEN}
    return disk_machine(**(chosen | changes))


def written(appliance):
    (document,) = render(appliance, placed(appliance))
    return document.data


def read(data):
    return {k: s.value for k, s in parse_config(data, path="a.cfg").items()}


def test_a_configuration():
    appliance = xen_machine(guest="win2k22", firmware=Firmware.UEFI)
    found = read(written(appliance))
    assert (found["type"], found["bios"], found["viridian"]) == ("hvm", "ovmf", 1)
    assert (found["memory"], found["maxmem"], found["vcpus"]) == (2048, 2048, 4)
    assert found["disk"][0].startswith("format=qcow2, vdev=xvda, access=rw, target=/var/lib/xen/")
    assert [d.split("vdev=")[1].split(",")[0] for d in found["disk"]] == ["xvda", "xvdb", "hdc"]
    assert found["vif"][0] == "mac=00:50:56:01:02:03,bridge=xenbr0,type=vif"
    assert found["boot"] == "c"


@needs_xl
@pytest.mark.parametrize("firmware", list(Firmware))
def test_xl_reads_the_same(firmware):
    appliance = with_machine(
        xen_machine(firmware=firmware, nic=NicModel.E1000),
        usb=(Usb("xhci"),),
        video=Video("cirrus", 8 << 20),
    )
    data = written(appliance)
    ours, theirs = read(data), xlutil.Config(LIBRARY, data)
    for key, value in ours.items():
        if isinstance(value, list):
            assert theirs.texts(key) == value
        elif isinstance(value, int):
            assert theirs.number(key) == value
        else:
            assert theirs.text(key) == value
    first, second, cd = [theirs.disk(text) for text in ours["disk"]]
    assert (first.vdev, first.readwrite, first.is_cdrom) == (b"xvda", 1, 0)
    assert first.pdev_path == b"/var/lib/xen/images/web01-disk1.qcow2"
    assert second.vdev == b"xvdb"
    assert (cd.is_cdrom, cd.readwrite) == (1, 0)


_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@needs_xl
@settings(max_examples=200, deadline=None)
@given(_TEXTS | st.sampled_from([HOSTILE, "a'b\"c\\", "${x}", "\\x41", "\\"]))
def test_every_text_stays_one_text(text):
    data = f"a = {quoted(text)}\nb = {value_text([text, 'z'])}\n".encode()
    found = xlutil.Config(LIBRARY, data)
    assert found.text("a") == text
    assert found.texts("b") == [text, "z"]
    assert read(data) == {"a": text, "b": [text, "z"]}


@needs_xl
def test_hostile_names_and_settings():
    machine = xen_machine().machines[0]
    nics = tuple(
        msgspec.structs.replace(nic, network=HOSTILE, target_network="br0,script=/tmp/x")
        for nic in machine.nics
    )
    extras = (
        Extra("xen", "on_crash", '"preserve"'),
        Extra("xen", "rtc_timeoffset", "-3600"),
        Extra("xen", "viridian", "[ 'a', \"b\" ]"),
        Extra("xen", "tsc_mode", '"x"\ndevice_model_override = "/tmp/evil"'),
        Extra("xen", "device_model_override", '"/tmp/evil"'),
        Extra("xen", "device_model_args", '["-x"]'),
        Extra("xen", "vif/0", "script=/tmp/evil"),
        Extra("xen", "vif/1", "rate=10Mb/s,ip=1 2,backend=net"),
        Extra("xen", "name", '"other"'),
        Extra("xen", "pv/type", '"pv"'),
        Extra("xen", "pv/bootloader", '"/tmp/evil"'),
        Extra("xen", "pv/bootloader_args", '"--evil"'),
        Extra("xen", "a b", "1"),
        Extra("xen", "Name", "1"),
        Extra("vmx", "evil", "1"),
    )
    data = written(with_machine(xen_machine(), name=HOSTILE, nics=nics, extras=extras))
    found = xlutil.Config(LIBRARY, data)
    name = found.text("name")
    assert 'rm -rf "$HOME"; `x` $(touch pwned)' in name
    assert "/" not in name
    assert "\n" not in name
    assert found.texts("vif")[0].split(",")[1] == "bridge=xenbr0"
    assert found.texts("vif")[1].endswith(",rate=10Mb/s,backend=net")
    assert (found.text("on_crash"), found.number("rtc_timeoffset")) == ("preserve", -3600)
    assert found.texts("viridian") == ["a", "b"]
    assert b"evil" not in data
    assert set(read(data)) >= {"name", "disk", "vif"}


def test_a_letter_is_given_once():
    base = xen_machine(disks=1).machines[0]
    controllers = (
        Controller("x", ControllerModel.XEN_VBD),
        Controller("i0", ControllerModel.IDE),
        Controller("i1", ControllerModel.IDE, 1),
        Controller("s", ControllerModel.LSI53C895A),
    )
    drives = (
        Disk("a", "img0", "i0", 0),
        Disk("b", "img0", "x", 0, boot_order=1),
        Disk("c", "img0", "x", 25),
        Cdrom("d", "i1", 1),
        Disk("e", "img0", "i1", 1),
        Disk("f", "img0", "s", 0),
        Disk("g", "img0", "x", 26),
    )
    machine = msgspec.structs.replace(base, controllers=controllers, drives=drives)
    assert device_names(machine) == {
        "b": "xvda", "a": "hdb", "c": "xvdz", "e": "hdd", "d": "hdc", "f": "sda", "g": "xvdaa",
    }  # fmt: skip


@pytest.mark.parametrize(
    "appliance",
    [
        disk_machine(disks=1, disk=ControllerModel.AHCI, nic=NicModel.XEN),
        xen_machine(nic=NicModel.VMXNET3),
        msgspec.structs.replace(xen_machine(), machines=()),
    ],
)
def test_what_xen_lacks_is_refused(appliance):
    with pytest.raises(UnsupportedError):
        written(appliance)


def facts(path: Path):
    """Return what a configuration says of its machine, disks by their places."""
    package = open_package(path)
    package.close()
    (m,) = package.appliance.machines
    models = {c.id: (c.model, c.index) for c in m.controllers}
    ranks = boot_ranks(m)
    firmware = msgspec.structs.replace(m.firmware, nvram=None, stated=True)
    return {
        "machine": (m.name, m.uuid, m.cpu, m.memory, firmware),
        "drives": sorted(
            (models[d.controller], d.unit, type(d).__name__, ranks.get(d.id),
             d.read_only if isinstance(d, Disk) else True)
            for d in m.drives if isinstance(d, Disk | Cdrom)
        ),
        "nics": [(n.model, n.mac, n.network or "xenbr0") for n in m.nics],
        "sound": m.sound,
        "clock": m.clock,
        "usb": len(m.usb) > 0,
        "type": [e.text for e in m.extras if e.where.startswith("pv/")],
        "kept": {(e.where, *map(str, parse_config(f"a = {e.text}".encode(), path="").values()))
                 for e in m.extras if e.where in {"on_crash", "pae", "timer_mode", "cpuid"}},
    }  # fmt: skip


def corpus():
    folder = corpus_folder()
    if not (folder / "MANIFEST.csv").exists():
        return []
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as table:
        names = [row["path"] for row in csv.DictReader(table)]
    return [folder / n for n in names if "configdata/" in n and n.endswith(".cfg")]


@needs_xl
def test_the_corpus_is_written_as_it_was_read(tmp_path):
    paths = corpus()
    if not paths:
        pytest.skip("no corpus beside the repository (KENSHO_CORPUS)")
    for path in paths:
        package = open_package(path)
        appliance = package.appliance
        form = XEN.form()
        machine = map_machine(appliance.machines[0], XEN, form, home_policy(XEN))
        mapped = msgspec.structs.replace(appliance, machines=(machine,))
        data = written(mapped)
        xlutil.Config(LIBRARY, data)
        copy = tmp_path / path.name
        copy.write_bytes(data)
        assert facts(copy) == facts(path), path.name
    assert len(paths) > 30


def domain(appliance):
    (document,) = render_domain(appliance, placed(appliance))
    return document.data


DOMAINS = [
    xen_machine(),
    xen_machine(firmware=Firmware.UEFI, guest="win2k22", nic=NicModel.E1000),
    with_machine(xen_machine(), usb=(Usb("ehci"),), video=Video("cirrus", 1 << 20), name=HOSTILE),
    with_machine(
        xen_machine(),
        annotation=HOSTILE,
        extras=(
            Extra("xen", "pv/type", '"pv"'),
            Extra("xen", "pv/bootloader", '"pygrub"'),
            Extra("xen", "pv/kernel", '"/boot/a--b"'),
        ),
    ),
    with_machine(xen_machine(), extras=(Extra("xen", "pv/type", '"pvh"'),)),
]


@pytest.mark.parametrize("number", range(len(DOMAINS)))
def test_a_domain_is_valid_and_says_what_xl_is_told(tmp_path, number):
    appliance = DOMAINS[number]
    path = tmp_path / "web01.xml"
    path.write_bytes(domain(appliance))
    tool = shutil.which("virt-xml-validate")
    if tool is None:
        pytest.skip("no virt-xml-validate here")
    run = subprocess.run([tool, path, "domain"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (tmp_path / "xl.cfg").write_bytes(written(appliance))
    package, config = open_package(path), open_package(tmp_path / "xl.cfg")
    (one,), (other,) = package.appliance.machines, config.appliance.machines
    assert [(d.id, d.unit) for d in one.drives] == [(d.id, d.unit) for d in other.drives]
    assert [(n.model, n.network) for n in one.nics] == [(n.model, n.network) for n in other.nics]
    assert (one.firmware.kind, one.cpu.count, one.memory.size, one.clock or "utc") == (
        other.firmware.kind, other.cpu.count, other.memory.size, other.clock or "utc"
    )  # fmt: skip
    assert (one.video, one.usb) == (other.video, other.usb)
