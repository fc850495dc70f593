"""Settings in a note that are not what their place says: no writer says them to a hypervisor."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from kensho.appliances.hyperv import export as hyperv
from kensho.appliances.kubevirt import write as kubevirt
from kensho.appliances.libvirt import write as libvirt
from kensho.appliances.proxmox import write as proxmox
from kensho.appliances.virtualbox import write as virtualbox
from kensho.appliances.vmx import write as vmx
from kensho.appliances.xen import write as xen
from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.model.machine import Extra
from kensho.platforms import find_form, find_platform
from kensho.platforms.extras import Fate, fate_of
from tests.appliances.mapped_machines import disk_machine, placed, with_machine
from tests.convert.test_returning import codes, go, only, source

__all__ = ["source"]
QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
EVIL = "/tmp/evil"
SMUGGLED = [
    ("libvirt", "/domain/clock", f"<qemu:commandline {QEMU}><qemu:arg value='{EVIL}'/></qemu:commandline>"),
    ("libvirt", "/domain/pm", f"<bootloader>{EVIL}</bootloader>"),
    ("libvirt", "/domain/devices/watchdog", f"<emulator>{EVIL}</emulator>"),
    ("libvirt", "/domain/devices/panic", f"<filesystem><driver path='{EVIL}'/></filesystem>"),
    ("libvirt", "/domain/devices/channel", f" <channel type='file' path='{EVIL}'/>"),
    ("libvirt", "/domain/devices/channel", f"<channel type='unix'><log file='{EVIL}'/></channel>"),
    (
        "libvirt",
        "/domain/sysinfo",
        f"<sysinfo x=\" type='smbios'\" type='fwcfg'><entry name='a' file ='{EVIL}'/></sysinfo>",
    ),
    (
        "libvirt",
        "/domain/devices/rng",
        f"<rng model='virtio'><backend model='random'>{EVIL}</backend ></rng>",
    ),
    (
        "vbox",
        "Machine/ExtraData",
        f"<ExtraData><ExtraDataItem name='&#86;BoxInternal/P/Path' value='{EVIL}'/></ExtraData>",
    ),
    ("vbox", "Machine/Hardware/HID", f"<RemoteDisplay a='{EVIL}'/>"),
    ("vbox", "Machine/Hardware/BIOS", f"<BIOS><NVRAM path='{EVIL}'/></BIOS>"),
    (
        "hyperv",
        "configuration/global_settings/power/x",
        f"<debug type='string'>{EVIL}</debug>",
    ),
    ("vmx", "nvram", EVIL),
    ("vmx", "suspend.directory", EVIL),
    ("vmx", "tmpDirectory", EVIL),
    ("vmx", 'a = "b"\nserial0.fileName', EVIL),
    ("vmx", "sound.fileName", EVIL),
    ("vmx", "answer.msg.serial.file.open", EVIL),
    ("pve", "hookscript", EVIL),
    ("pve", "args", EVIL),
    ("pve", "tags\nargs", EVIL),
    ("pve", "tags", f"a\nargs: {EVIL}"),
    ("pve", "scsi0", f"local:x,import-from={EVIL}"),
    ("pve", "rng0", f"max_bytes=1,source={EVIL}"),
    ("xen", "pv/bootloader", f'"{EVIL}/pygrub"'),
    ("xen", "device_model_override", f'"{EVIL}"'),
    ("xen", "cpuid", f'"a"\ndevice_model_override = "{EVIL}"'),
    ("xen", "vif/0", f"script={EVIL}"),
    ("kubevirt", "/metadata/annotations/hooks.kubevirt.io~1hookSidecars", f'["{EVIL}"]'),
    ("kubevirt", "/spec/template/metadata", f'{{"annotations": {{"hooks.kubevirt.io/hookSidecars": "{EVIL}"}}}}'),
    ("kubevirt", "/spec/template/spec/volumes/-", f'{{"name": "x", "\\u0068ostDisk": {{"path": "{EVIL}"}}}}'),
    ("kubevirt", "/spec/template/spec/volumes/-", f'{{"name": "x", "serviceAccount": {{"n": "{EVIL}"}}}}'),
    ("kubevirt", "/spec/template/spec/domain/devices/hostDevices", f'[{{"deviceName": "{EVIL}"}}]'),
]  # fmt: skip
WRITERS = {
    "libvirt": ("kvm", "libvirt", libvirt.render),
    "vbox": ("virtualbox", "vbox", virtualbox.render),
    "hyperv": ("hyperv", "export", hyperv.render),
    "vmx": ("vmware", "vmx", vmx.render),
    "pve": ("proxmox", "qm", proxmox.render),
    "xen": ("xen", "xl", xen.render),
    "kubevirt": ("kubevirt", "datavolumes", kubevirt.render),
}


@pytest.mark.parametrize(("dialect", "where", "text"), SMUGGLED)
def test_nothing_is_smuggled_in(dialect: str, where: str, text: str) -> None:
    target, name, render = WRITERS[dialect]
    platform = find_platform(target)
    form = find_form(platform, name)
    kind = Extra("xen", "pv/type", '"pv"')
    source = with_machine(disk_machine(cdrom=None), extras=(kind, Extra(dialect, where, text)))
    (machine,) = source.machines
    policy = choose_policy(machine, platform, Devices.AUTO)
    mapped = map_machine(machine, platform, form, policy)
    # Whatever the mapping let through, and all of it: the writers look for themselves, too.
    for extras in (mapped.extras, machine.extras if dialect != "vbox" else ()):
        whole = msgspec.structs.replace(
            source, machines=(msgspec.structs.replace(mapped, extras=extras),)
        )
        for document in render(whole, placed(whole)):
            assert EVIL.encode() not in document.data


def test_boot_loaders_of_xen_itself_come_back() -> None:
    for path in ("pygrub", "/usr/bin/pygrub", "/usr/lib/xen-4.17/bin/pygrub"):
        assert fate_of(Extra("xen", "pv/bootloader", f'"{path}"')) is Fate.BACK


def test_a_note_that_somebody_wrote_gets_nothing_run(source: Path, tmp_path: Path) -> None:
    go(source, "kvm", tmp_path / "1")
    note = tmp_path / "1" / "Web-Server-01.kensho.json"
    told = json.loads(note.read_text())
    told["origin"] |= {"kind": "libvirt", "platform": "kvm"}
    told["origin"]["source"]["machines"][0]["extras"] = [
        {"dialect": dialect, "where": where, "text": text} for dialect, where, text in SMUGGLED
    ]
    note.write_text(json.dumps(told))
    for number, (target, name, _) in enumerate(WRITERS.values()):
        out = tmp_path / f"out{number}"
        plan = go(tmp_path / "1" / "Web-Server-01.xml", target, out, name)
        assert "KF-450" in codes(plan)
        for path in out.rglob("*"):
            if path.is_file() and not path.name.endswith((".json", ".html", ".qcow2", ".vhdx")):
                assert EVIL.encode() not in path.read_bytes(), path
    assert only(tmp_path / "out0" / "Web-Server-01.xml").name == "Web Server 01"
