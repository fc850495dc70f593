"""VMware's settings in OVF come back in OVF, but for what could do harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.appliances.written import appliance_for, placed, with_machine
from tests.convert.test_returning import codes, disk, go, only

from kensho.appliances.ovf.write import render_descriptor
from kensho.appliances.ovf.write_dialects import VMWARE
from kensho.appliances.ovf.write_extras import kept_settings
from kensho.model.machine import ControllerModel, Extra, NicModel
from kensho.model.units import MIB

WHERE = "VirtualSystem[x]/VirtualHardwareSection/ExtraConfig"


def _extra(kind: str, key: str, value: str) -> str:
    return f'<vmw:{kind} ovf:required="true" vmw:key="{key}" vmw:value="{value}"/>'


SETTINGS = "".join(
    [
        _extra("Config", "tools.syncTimeWithHost", "false"),
        _extra("Config", "powerOpInfo.powerOffType", "soft"),
        _extra("ExtraConfig", "disk.EnableUUID", "TRUE"),
        _extra("ExtraConfig", "RemoteDisplay.vnc.enabled", "TRUE"),
        _extra("ExtraConfig", "sched.swap.dir", "/vmfs/volumes/x"),
    ]
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    appliance = with_machine(
        appliance_for(ControllerModel.PVSCSI, NicModel.VMXNET3), products=(), eulas=()
    )
    text = render_descriptor(appliance, placed(appliance), VMWARE).decode()
    (folder / "web.ovf").write_text(
        text.replace("</VirtualHardwareSection>", f"{SETTINGS}</VirtualHardwareSection>")
    )
    for one in placed(appliance).values():
        disk(folder / one.filename, MIB)
    return folder / "web.ovf"


@pytest.mark.parametrize("way", [None, "kvm"])
def test_they_come_home(source: Path, tmp_path: Path, way: str | None) -> None:
    here = source
    if way is not None:
        go(here, way, tmp_path / "way")
        (here,) = (tmp_path / "way").glob("*.xml")
    plan = go(here, "vmware", tmp_path / "home")
    (back,) = (tmp_path / "home").glob("*.ova")
    kept = [e.text for e in only(back).extras if e.dialect == "vmw"]
    for key in ("tools.syncTimeWithHost", "powerOpInfo.powerOffType", "disk.EnableUUID"):
        (text,) = [t for t in kept if key in t]
        assert 'required="false"' in text
    assert not [t for t in kept if "vnc" in t or "swap" in t]
    assert {"KF-454", "KF-455"} <= codes(plan)


@pytest.mark.parametrize(
    "text",
    [
        '<vmw:ExtraConfig xmlns:vmw="http://www.vmware.com/schema/ovf" vmw:key="remotedisplay&#46;vnc.port" vmw:value="1"/>',
        "<vmw:ExtraConfig xmlns:vmw='http://www.vmware.com/schema/ovf' vmw:key='pciPassthru0.present' vmw:value='TRUE'/>",
        "<vmw:Other xmlns:vmw='http://www.vmware.com/schema/ovf' vmw:key='a' vmw:value='1'/>",
        "<vmw:Config",
        "<Config key='a' value='1'/>",
        "",
    ],
)
def test_disguises_and_damage_are_left_out(text: str) -> None:
    assert list(kept_settings([Extra("vmw", WHERE, text)], ())) == []
