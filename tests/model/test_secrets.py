"""Passwords among vendors' settings are recognised by name, in every spelling a reader keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.convert.plan import Request, make_plan, write_plan
from kensho.convert.run import run_plan
from kensho.model.machine import Extra
from kensho.model.origin import load_origin
from kensho.model.secrets import HIDDEN, hide
from tests.convert.test_returning import VMX, codes, disk, only

SECRET = "s3cr3tPW"


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("cipassword", SECRET),
        ("guestinfo.ovfEnv", f'<Property oe:key="admin" oe:value="{SECRET}"/>'),
        ("vncpasswd", f'"{SECRET}"'),
        ("remotedisplay.vnc.key", SECRET),
        ("RemoteDisplay.vnc.password", SECRET),
        ("args", f"-vnc :1,password={SECRET},x=1"),
        ("/domain/devices/graphics", f"<graphics type='vnc' passwd='{SECRET} two'/>"),
        ("/domain/devices/graphics", f'<graphics passwd="{SECRET}" passwdValidTo="2030"/>'),
        ("x", f'<Property name="VNCPassword" value="{SECRET}"/>'),
        ("x", f'<ExtraDataItem name="VBoxAuthSimple/users/x" value="{SECRET}"/>'),
        ("guestinfo.userdata", f"#cloud-config\npassword: {SECRET}\nuser: x"),
        ("/spec/volumes/-", f'{{"userData": "#cloud-config\\npassword: {SECRET}\\nx: y"}}'),
        ("/spec/volumes/-", f'{{"userData": "{{\\"password\\": \\"{SECRET}\\"}}"}}'),
        ("[snapshot]", f"name: a\ncipassword: {SECRET}\n"),
    ],
)
def test_they_are_hidden(where: str, text: str) -> None:
    hidden = hide(Extra("x", where, text))
    assert SECRET not in hidden.text
    assert HIDDEN in hidden.text
    assert hide(hidden) == hidden


@pytest.mark.parametrize("text", ["", "passwd", "a <passwords/> b", "x=1,y=2", "pass: y"])
def test_other_settings_stay(text: str) -> None:
    assert hide(Extra("x", "tools.syncTime", text)).text == text


def test_they_are_in_nothing_that_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    secret = (
        f'guestinfo.password = "{SECRET}"\nRemoteDisplay.vnc.password = "{SECRET}"\n'
        f'guestinfo.userdata = "password: {SECRET}"\nguestinfo.role = "db"\n'
    )
    (folder / "web.vmx").write_text(VMX + secret)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    for target, form in (("kvm", "libvirt"), ("vmware", "vmx")):
        out = tmp_path / target
        plan = make_plan(Request(source=str(folder / "web.vmx"), target=target, form=form))
        assert "KF-458" in codes(plan)
        run_plan(plan, out)
        write_plan(plan, out / "plan.json")
        for path in out.iterdir():
            assert SECRET.encode() not in path.read_bytes(), path.name
        note = (out / "Web-Server-01.kensho.json").read_bytes()
        assert "guestinfo.password" in {
            e.where for e in load_origin(note, path="x").source.machines[0].extras
        }
    vmx = (tmp_path / "vmware" / "Web-Server-01.vmx").read_text()
    assert 'guestinfo.role = "db"' in vmx
    assert HIDDEN not in vmx
    assert only(tmp_path / "vmware" / "Web-Server-01.vmx").name == "Web Server 01"
