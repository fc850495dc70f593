"""A vendor's own settings: written back for the same vendor, where they can do no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.appliances.vmx.extras import kept
from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of
from tests.convert.test_returning import VMX, codes, disk, go, only

HARMFUL = {
    "RemoteDisplay.vnc.enabled": "TRUE",
    "RemoteDisplay.vnc.port": "5900",
    "debugStub.listen.guest64.remote": "TRUE",
    "sharedFolder0.hostPath": "/",
    "isolation.tools.hgfs.disable": "FALSE",
    "pciPassthru0.present": "TRUE",
    "serial0.pipe.endPoint": "server",
}
OF_THE_HOST = {
    "extendedConfigFile": "web.vmxf",
    "sched.swap.derivedName": "/vmfs/volumes/x.vswp",
    "workingDir": "/tmp",
    "checkpoint.vmState": "/etc/passwd",
    "uuid.location": "56 4d",
}
HARMLESS = {
    "sched.cpu.shares": "high",
    "tools.syncTime": "FALSE",
    "disk.EnableUUID": "TRUE",
    "isolation.tools.copy.disable": "TRUE",
    "vm.genid": "123",
    "guestinfo.role": 'a|b"c\n',
    "scsi0:0.writeThrough": "TRUE",
}


def _lines(settings: dict[str, str]) -> str:
    quoted = {
        k: v.replace("|", "|7C").replace('"', "|22").replace("\n", "|0A")
        for k, v in settings.items()
    }
    return "".join(f'{key} = "{value}"\n' for key, value in quoted.items())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    gone = {"scsi2:5.writeThrough": "TRUE", "parallel0.present": "TRUE"}
    text = VMX + _lines(HARMFUL | OF_THE_HOST | HARMLESS | gone)
    (folder / "web.vmx").write_text(text)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    return folder / "web.vmx"


def _written(path: Path) -> dict[str, str]:
    return {e.where: e.text for e in only(path).extras}


@pytest.mark.parametrize("way", [(), ("kvm",), ("proxmox", "ova")])
def test_a_vmx_comes_home_with_its_settings(
    source: Path, tmp_path: Path, way: tuple[str, ...]
) -> None:
    here = source
    for number, target in enumerate(way):
        out = tmp_path / str(number)
        go(here, target, out)
        suffix = {"kvm": "xml", "proxmox": "conf", "ova": "ova"}[target]
        here = out / f"Web-Server-01.{suffix}"
    plan = go(here, "vmware", tmp_path / "home", "vmx")
    written = _written(tmp_path / "home")
    assert {k: v for k, v in written.items() if k in HARMLESS} == HARMLESS
    assert not set(written) & (HARMFUL.keys() | OF_THE_HOST.keys() | {"scsi2:5.writeThrough"})
    said = {f.code: f.message for f in plan.findings}
    assert all(key in said["KF-454"] for key in HARMFUL)
    assert all(key in said["KF-455"] for key in OF_THE_HOST)


def test_settings_of_others_are_counted(source: Path, tmp_path: Path) -> None:
    plan = go(source, "kvm", tmp_path / "1")
    assert "KF-375" in codes(plan)
    assert not {"KF-454", "KF-455"} & codes(plan)


def test_what_is_written_has_the_word_and_keys_are_keys() -> None:
    written = [("memsize", 512), ("scsi0.present", True), ("scsi1.present", False)]
    extras = [
        Extra("vmx", "MemSize", "1"),
        Extra("vmx", "a = 1\nb", "2"),
        Extra("pve", "args", "x"),
        Extra("vmx", "remotedisplay.vnc.enabled", "TRUE"),
        Extra("vmx", "scsi0.x", "1"),
        Extra("vmx", "scsi1.x", "1"),
        Extra("vmx", "Once", "1"),
        Extra("vmx", "once", "2"),
    ]
    assert list(kept(extras, written)) == [("scsi0.x", "1"), ("Once", "1")]


def test_a_dialect_without_rows_is_its_writers_business() -> None:
    assert fate_of(Extra("unheard of", "x", "y")) is Fate.BACK
