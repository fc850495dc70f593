"""Options of Proxmox VE that only it has come back: in the script and in the configuration."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest
from tests.convert.test_returning import codes, disk, go, only

from kensho.appliances.package import PlacedDisk
from kensho.appliances.proxmox.write import render
from kensho.model.machine import Extra

CONF = """\
agent: 1,fstrim_cloned_disks=1
args: -device evil
balloon: 512
bios: ovmf
boot: order=scsi0
cores: 2
cpu: x86-64-v2-AES,flags=+aes
efidisk0: local:100/vm-100-disk-9.qcow2,efitype=4m,pre-enrolled-keys=1,size=4M
hookscript: local:snippets/evil.sh
hostpci0: 0000:01:00.0
hotplug: disk,network
machine: pc-q35-8.1
memory: 2048
name: web
net0: virtio=BC:24:11:00:00:01,bridge=vmbr7,firewall=1,mtu=9000,tag=5
net1: e1000=BC:24:11:00:00:02,bridge=vmbr1,queues=4
numa: 0
onboot: 1
ostype: l26
scsi0: local:100/a.vmdk,cache=writeback,iothread=1,size=1M
scsi1: local:100/b.vmdk,backup=0,size=1M
scsihw: virtio-scsi-pci
serial0: /dev/ttyS0
smbios1: uuid=11111111-2222-3333-4444-555555555555,serial=U04x,base64=1
sockets: 2
startup: order=2
tags: a;b
vga: qxl,memory=32
vmgenid: 99999999-2222-3333-4444-555555555555
watchdog: model=i6300esb,action=reset
"""
BACK = {
    "agent": "1,fstrim_cloned_disks=1",
    "balloon": "512",
    "cpu": "x86-64-v2-AES,flags=+aes",
    "hotplug": "disk,network",
    "machine": "pc-q35-8.1",
    "numa": "0",
    "onboot": "1",
    "startup": "order=2",
    "tags": "a;b",
    "vga": "qxl,memory=32",
    "vmgenid": "99999999-2222-3333-4444-555555555555",
    "watchdog": "model=i6300esb,action=reset",
    "smbios1": "uuid=11111111-2222-3333-4444-555555555555,serial=U04x,base64=1",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "100.conf").write_text(CONF)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    return folder / "100.conf"


def _options(text: str) -> dict[str, str]:
    lines = (line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {key: value for key, value in lines}  # noqa: C416 - dict() wants pairs


@pytest.mark.parametrize("way", [(), ("vmware", "ova")])
def test_they_come_home(source: Path, tmp_path: Path, way: tuple[str, ...]) -> None:
    here = source
    for number, target in enumerate(way):
        go(here, target, tmp_path / str(number))
        here = tmp_path / str(number) / "web.ova"
    plan = go(here, "proxmox", tmp_path / "home")
    options = _options((tmp_path / "home" / "web.conf").read_text())
    assert {k: options.get(k) for k in BACK} == BACK
    assert options["net0"] == "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,mtu=9000,tag=5"
    model = "e1000" if way else "virtio"  # without a note devices are chosen anew
    assert options["net1"] == f"{model}=BC:24:11:00:00:02,bridge=vmbr0,queues=4"
    assert ",cache=writeback,iothread=1," in options["scsi0"]
    assert ",backup=0," in options["scsi1"]
    assert not {"args", "hookscript", "hostpci0"} & options.keys()
    assert options.get("serial0") == "socket"
    script = shlex.split((tmp_path / "home" / "web-import.sh").read_text(), comments=True)
    assert {k: script[script.index(f"--{k}") + 1] for k in BACK} == BACK
    assert not {"--args", "--hookscript", "--hostpci0"} & set(script)
    (said,) = [f.message for f in plan.findings if f.code == "KF-454"]
    assert all(key in said for key in ("args", "hookscript", "hostpci0", "serial0"))


def test_what_is_hostile_stays_one_argument(source: Path, tmp_path: Path) -> None:
    plan = go(source, "proxmox", tmp_path / "1")
    hostile = (
        Extra("pve", "tags", 'a\'; rm -rf "$HOME"; `x` $(x)'),
        Extra("pve", "startup", "order=1\nhookscript: x"),
        Extra("pve", "agent\n", "1"),
        Extra("pve", "args", "-evil"),
        Extra("pve", "net0", "virtio,firewall=$(x),mtu=1\n2"),
    )
    (machine,) = plan.after.machines
    machine = msgspec.structs.replace(machine, extras=hostile)
    placed: dict[str, PlacedDisk] = {
        step.image: msgspec.convert(
            msgspec.to_builtins(step) | {"file_size": 1}, type=PlacedDisk, strict=False
        )
        for step in plan.disks
    }
    script, conf = render(msgspec.structs.replace(plan.after, machines=(machine,)), placed)
    words = shlex.split(script.data.decode(), comments=True)
    assert words[words.index("--tags") + 1] == hostile[0].text
    assert "--startup" not in words
    assert "--args" not in words
    assert not [
        line for line in conf.data.decode().splitlines() if line.startswith(("hook", "args"))
    ]


def test_only_what_is_there_is_said(source: Path, tmp_path: Path) -> None:
    plan = go(source, "kvm", tmp_path / "1")
    assert "KF-454" not in codes(plan)
    assert only(source).extras


def test_a_property_is_said_once(source: Path, tmp_path: Path) -> None:
    # Proxmox VE: "duplicate key in comma-separated list property"; nothing was imported.
    conf = CONF.replace("iothread=1", "iops=100,mbps=3.5,iops_rd=7,iothread=1")
    source.write_text(conf)
    go(source, "proxmox", tmp_path / "home")
    options = _options((tmp_path / "home" / "web.conf").read_text())
    for key in ("scsi0", "scsi1", "net0", "net1", "smbios1"):
        names = [part.partition("=")[0] for part in options[key].split(",")]
        assert len(names) == len(set(names)), options[key]
    assert ",cache=writeback,iops=100,mbps=3.5,iops_rd=7,iothread=1," in options["scsi0"]


def test_an_option_is_said_once_and_as_it_is_now(source: Path, tmp_path: Path) -> None:
    # Proxmox VE refuses a property string with a key twice.
    text = source.read_text().replace(
        "cache=writeback", "cache=writeback,iops=100,mbps=2,mbps_rd=1"
    )
    source.write_text(text)
    go(source, "proxmox", tmp_path / "1")
    conf = tmp_path / "1" / "web.conf"
    first = conf.read_text()
    conf.write_text(first.replace("cache=writeback", "cache=none"))
    go(conf, "proxmox", tmp_path / "2")
    second = (tmp_path / "2" / "web.conf").read_text()
    for written, cache in ((first, "writeback"), (second, "none")):
        options = _options(written)["scsi0"].split(",")
        names = [option.partition("=")[0] for option in options[1:]]
        assert len(set(names)) == len(names), options
        assert {f"cache={cache}", "iops=100", "mbps=2", "mbps_rd=1", "iothread=1"} <= set(options)
