"""Elements that only libvirt has come back to their places, and the schema takes the result."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree
from tests.convert.test_returning import codes, disk, go

from kensho.appliances.libvirt.extras import add_extras
from kensho.model.machine import Cpu, Extra, Machine, Memory
from kensho.platforms.extras import Fate, fate_of

DOMAIN = """\
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
  <metadata>
    <app:owner xmlns:app='urn:example:app'>me &amp; you</app:owner>
  </metadata>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static' cpuset='0-1'>4</vcpu>
  <cputune><vcpupin vcpu='0' cpuset='1'/></cputune>
  <sysinfo type='smbios'>
    <system>
      <entry name='serial'>SN-1</entry>
      <entry name='uuid'>11111111-2222-3333-4444-555555555555</entry>
    </system>
  </sysinfo>
  <os><type arch='x86_64' machine='pc-q35-6.2'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/><vmport state='off'/><hyperv><relaxed state='on'/></hyperv></features>
  <cpu mode='custom' match='exact' check='partial'>
    <model fallback='allow'>Haswell-noTSX</model>
    <topology sockets='2' dies='1' cores='2' threads='1'/>
  </cpu>
  <clock offset='localtime'><timer name='hpet' present='no'/></clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>preserve</on_crash>
  <pm><suspend-to-mem enabled='no'/></pm>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='vmdk'/><source file='a.vmdk'/><target dev='sda' bus='sata'/>
      <address type='drive' controller='0' bus='0' target='0' unit='2'/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/><source network='default'/><model type='e1000e'/>
    </interface>
    <input type='keyboard' bus='ps2'/>
    <channel type='unix'>
      <source mode='bind' path='/run/evil'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
      <address type='virtio-serial' controller='0' bus='0' port='1'/>
    </channel>
    <graphics type='vnc' port='5901' listen='0.0.0.0' passwd='geheim'/>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>
    </hostdev>
    <filesystem type='mount'><source dir='/'/><target dir='root'/></filesystem>
    <watchdog model='i6300esb' action='reset'>
      <address type='pci' domain='0x0000' bus='0x10' slot='0x01' function='0x0'/>
    </watchdog>
    <memballoon model='none'/>
    <rng model='virtio'><backend model='random'>/dev/random</backend></rng>
    <panic model='isa'/>
  </devices>
  <qemu:commandline><qemu:arg value='-evil'/></qemu:commandline>
</domain>
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "web.xml").write_text(DOMAIN)
    disk(folder / "a.vmdk")
    return folder / "web.xml"


def _plain(element: etree._Element | None) -> str:
    assert element is not None
    text = etree.tostring(element, method="c14n", exclusive=True, with_tail=False).decode()
    return "".join(text.split())


@pytest.mark.parametrize("way", [(), ("vmware",), ("proxmox", "ova")])
def test_they_come_home(source: Path, tmp_path: Path, way: tuple[str, ...]) -> None:
    here = source
    for number, target in enumerate(way):
        go(here, target, tmp_path / str(number))
        suffix = "conf" if target == "proxmox" else "ova"
        here = tmp_path / str(number) / f"web.{suffix}"
    plan = go(here, "kvm", tmp_path / "home")
    path = tmp_path / "home" / "web.xml"
    now, then = etree.parse(path).getroot(), etree.fromstring(DOMAIN)
    for name in (
        *("genid", "clock", "on_poweroff", "on_reboot", "on_crash", "pm", "cpu"),
        *("features/vmport", "features/hyperv", "sysinfo/system/entry[@name='serial']"),
        *("devices/memballoon", "devices/panic", "devices/rng"),
    ):
        assert _plain(now.find(name)) == _plain(then.find(name)), name
    assert now.find("metadata/{urn:example:app}owner") is not None
    assert now.find("os/smbios").get("mode") == "sysinfo"  # type: ignore[union-attr]
    assert [e.get("name") for e in now.findall("devices/channel/target")] == [
        "org.qemu.guest_agent.0"
    ]
    assert now.find("devices/channel/source") is None
    assert now.find("devices/watchdog") is not None
    text = path.read_text()
    for gone in ("evil", "hostdev", "filesystem", "0.0.0.0", "geheim", "vcpupin"):
        assert gone not in text
    said = {f.code: f.message for f in plan.findings}
    for place in ("qemu:commandline", "hostdev", "filesystem", "graphics"):
        assert place in said["KF-454"]
    assert "cputune" in said["KF-455"]
    if shutil.which("virt-xml-validate"):
        done = subprocess.run(
            ["virt-xml-validate", path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr + text


def test_what_contradicts_the_machine_stays_away(source: Path, tmp_path: Path) -> None:
    go(source, "vmware", tmp_path / "1", "vmx")
    vmx = tmp_path / "1" / "web.vmx"
    vmx.write_text(vmx.read_text().replace('numvcpus = "4"', 'numvcpus = "6"'))
    plan = go(vmx, "kvm", tmp_path / "2")
    cpu = etree.parse(tmp_path / "2" / "web.xml").getroot().find("cpu")
    assert cpu is not None
    assert cpu.get("mode") == "host-model"
    assert "KF-453" in codes(plan)


HARM = [
    "<sysinfo type='fwcfg'><entry name='x' file='/etc/shadow'/></sysinfo>",
    "<sysinfo type='smbios'><x file='/etc/shadow'/></sysinfo>",
]


@pytest.mark.parametrize("text", HARM)
def test_a_file_of_the_host_never_gets_into_the_guest(text: str) -> None:
    assert fate_of(Extra("libvirt", "/domain/sysinfo", text)) is Fate.HARM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<cpu",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><cpu>&x;</cpu>",
        "<cpu><topology sockets='99999999999' cores='x'/></cpu>",
        "<cpu/>",
    ],
)
def test_hostile_text_changes_nothing(text: str) -> None:
    root = etree.fromstring("<domain><cpu mode='a'/><devices/></domain>")
    before = etree.tostring(root)
    extras = (Extra("libvirt", "/domain/cpu", text),)
    add_extras(root, Machine("vm", "x", Cpu(), Memory(1), extras=extras))
    assert etree.tostring(root) == before
