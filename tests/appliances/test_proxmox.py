from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_machines import HOSTILE, check_golden, disk_machine, placed, with_machine

from kensho.appliances.proxmox.write import render
from kensho.model.errors import UnsupportedError
from kensho.model.machine import Controller, ControllerModel, Extra, Firmware, Floppy, NicModel

FAKE_QM = """#!/bin/bash
printf '%s\\0' "$@" END-OF-CALL >> "$QM_LOG"
while [[ $# -gt 0 ]]; do
  if [[ $1 == --sshkeys ]]; then cat -- "$2" > "$QM_LOG.keys"; fi
  shift
done
"""

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def documents(appliance):
    return render(appliance, placed(appliance))


def run_script(appliance, folder, *arguments):
    """Run the script with a stand-in for qm; return the calls as lists of arguments."""
    script, _config = documents(appliance)
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name in ("qm", "pvesh"):
        tool = bin_folder / name
        tool.write_text(FAKE_QM if name == "qm" else "#!/bin/bash\necho 117\n")
        tool.chmod(0o755)
    work = folder / "a folder"
    work.mkdir()
    for place in placed(appliance).values():
        (work / place.filename).touch()
    path = work / script.name
    path.write_bytes(script.data)
    log = folder / "log"
    log.touch()
    result = subprocess.run(
        ["bash", str(path), *arguments],
        env={"PATH": f"{bin_folder}:{os.environ['PATH']}", "QM_LOG": str(log)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    calls = log.read_bytes().split(b"END-OF-CALL\0")[:-1]
    return [[a.decode() for a in call.split(b"\0")[:-1]] for call in calls], work


@pytest.mark.parametrize(
    ("name", "appliance"),
    [
        ("debian-bios", disk_machine(cdrom=ControllerModel.IDE)),
        (
            "windows-uefi",
            disk_machine(
                guest="win11",
                firmware=Firmware.UEFI,
                secure_boot=True,
                tpm=True,
                disk=ControllerModel.AHCI,
                cdrom=ControllerModel.IDE,
                nic=NicModel.E1000E,
            ),
        ),
    ],
)
def test_golden(name, appliance):
    script, config = documents(appliance)
    assert (script.name, config.name) == ("web01-import.sh", "web01.conf")
    assert script.executable
    check_golden(f"pve/{name}.conf", config.data)
    check_golden(f"pve/{name}-import.sh", script.data)


@needs_bash
@pytest.mark.parametrize("disks", [0, 1, 3])
def test_bash_accepts_the_script(disks, tmp_path):
    script, _config = documents(disk_machine(disks=disks))
    path = tmp_path / "s.sh"
    path.write_bytes(script.data)
    subprocess.run(["bash", "-n", str(path)], check=True)


@needs_bash
def test_the_script_makes_the_machine(tmp_path):
    appliance = disk_machine(
        firmware=Firmware.UEFI, secure_boot=True, tpm=True, cdrom=ControllerModel.IDE
    )
    calls, work = run_script(appliance, tmp_path, "205", "ceph", "vmbr7")
    create, efi, tpm, first, second, cdrom, boot = calls
    assert create[:2] == ["create", "205"]
    options = dict(zip(create[2::2], create[3::2], strict=True))
    assert options["--name"] == "web01"
    assert options["--bios"] == "ovmf"
    assert options["--memory"] == "2048"
    assert options["--net0"] == "virtio=00:50:56:01:02:03,bridge=vmbr7"
    assert options["--net1"] == "virtio,bridge=vmbr7,tag=12,link_down=1"
    assert options["--description"] == "Made for tests"
    assert efi == ["set", "205", "--efidisk0", "ceph:1,efitype=4m,pre-enrolled-keys=1"]
    assert tpm == ["set", "205", "--tpmstate0", "ceph:1,version=v2.0"]
    assert first[:3] == ["set", "205", "--scsi0"]
    assert first[3] == f"ceph:0,import-from={work}/web01-disk1.qcow2,discard=on"
    assert second[2] == "--scsi1"
    assert cdrom[2:] == ["--ide0", "none,media=cdrom"]
    assert boot[2:] == ["--boot", "order=scsi0"]


@needs_bash
def test_parameters_have_defaults(tmp_path):
    calls, _work = run_script(disk_machine(disks=1, cdrom=None), tmp_path)
    assert all(call[1] == "117" for call in calls)
    assert "local-lvm:0" in calls[1][3]


@needs_bash
def test_hostile_text_stays_one_argument(tmp_path):
    appliance = with_machine(disk_machine(), name=HOSTILE, annotation=HOSTILE)
    appliance = msgspec.structs.replace(appliance, name=HOSTILE)
    calls, _work = run_script(appliance, tmp_path)
    options = dict(zip(calls[0][2::2], calls[0][3::2], strict=True))
    assert options["--description"] == HOSTILE
    assert options["--name"].replace("-", "").replace(".", "").isalnum()
    assert len(calls) == 5
    assert not list(tmp_path.rglob("pwned"))


def test_the_configuration_has_one_option_a_line():
    appliance = with_machine(disk_machine(), name=HOSTILE, annotation=HOSTILE)
    _script, config = documents(appliance)
    lines = config.data.decode("ascii").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert len(comments) == 1 + len(HOSTILE.split("\n"))
    keys = [line.split(":", 1)[0] for line in lines if not line.startswith("#")]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys)
    assert all(key.isalnum() for key in keys)


def test_missing_files_stop_the_script(tmp_path):
    script, _config = documents(disk_machine())
    path = tmp_path / "s.sh"
    path.write_bytes(script.data)
    result = subprocess.run(["bash", str(path), "100"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "web01-disk1.qcow2" in result.stderr


@pytest.mark.parametrize(
    "appliance",
    [
        disk_machine(disk=ControllerModel.LSISAS),
        disk_machine(disk=ControllerModel.NVME),
        disk_machine(nic=NicModel.XEN),
        disk_machine(disks=40),
        with_machine(disk_machine(), drives=(Floppy(id="f"),)),
        with_machine(
            disk_machine(cdrom=None),
            controllers=(Controller(id="c0", model=ControllerModel.VIRTIO_SCSI, index=1),),
        ),
        msgspec.structs.replace(disk_machine(), machines=()),
    ],
)
def test_what_proxmox_lacks_is_refused(appliance):
    with pytest.raises(UnsupportedError):
        documents(appliance)


#: What is written back of a hand-edited configuration: whatever one line of it can hold.
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30),
    st.sampled_from(
        ["$(touch pwned)", "`touch pwned`", "a b", "'; touch pwned; '", '"$HOME"', "*"]
    ),
)


@needs_bash
@settings(max_examples=10, deadline=None)
@given(st.fixed_dictionaries({"serial": VALUES, "tags": VALUES, "sku": VALUES, "rate": VALUES}))
def test_options_of_a_hostile_configuration_stay_one_argument(values):
    extras = (
        Extra("pve", "scsi0", f"local:x,serial={values['serial']},size=1G"),
        Extra("pve", "tags", values["tags"]),
        Extra("pve", "smbios1", f"uuid=x,sku={values['sku']}"),
        Extra("pve", "net0", f"virtio,rate={values['rate']}"),
    )
    appliance = with_machine(disk_machine(cdrom=None, disks=1), extras=extras)
    with tempfile.TemporaryDirectory() as folder:
        calls, work = run_script(appliance, Path(folder), "300")
        assert not list(Path(folder).rglob("pwned"))
    create, disk, boot = calls
    assert len(disk) == 4
    options = dict(zip(create[2::2], create[3::2], strict=True))
    if "," not in values["serial"]:
        wanted = f"import-from={work}/web01-disk1.qcow2,discard=on,serial={values['serial']}"
        assert disk[3] == f"local-lvm:0,{wanted}"
    assert options["--tags"] == values["tags"]
    assert options["--net0"].startswith("virtio=00:50:56:01:02:03,bridge=vmbr0,rate=")
    assert boot[2:] == ["--boot", "order=scsi0"]


@needs_bash
def test_a_cloud_init_drive_is_made_anew(tmp_path):
    keys = "ssh-ed25519 AAAA it's me\nssh-ed25519 BBBB $(touch pwned)"
    extras = (
        Extra("pve", "ide0", "local-lvm:vm-101-cloudinit,media=cdrom"),
        Extra("pve", "ciuser", "admin"),
        Extra("pve", "cipassword", "$5$secret"),
        Extra("pve", "ipconfig0", "ip=dhcp"),
        Extra("pve", "sshkeys", quote(keys)),
    )
    appliance = with_machine(disk_machine(cdrom=ControllerModel.IDE, disks=1), extras=extras)
    (create, _disk, cdrom, _boot), _work = run_script(appliance, tmp_path, "300")
    assert cdrom == ["set", "300", "--ide0", "local-lvm:cloudinit"]
    options = dict(zip(create[2::2], create[3::2], strict=True))
    assert (options["--ciuser"], options["--ipconfig0"]) == ("admin", "ip=dhcp")
    assert "--cipassword" not in options
    assert (tmp_path / "log.keys").read_text() == keys  # qm reads them from a file
    assert not list(tmp_path.rglob("pwned"))
    config = documents(appliance)[1].data.decode()
    assert "ide0: local-lvm:vm-100-cloudinit,media=cdrom\n" in config
    assert f"sshkeys: {quote(keys)}\n" in config


@pytest.mark.parametrize(("vlan", "tagged"), [(1, True), (4094, True), (4095, False), (0, False)])
def test_tags_that_proxmox_takes(vlan, tagged):
    appliance = disk_machine()
    nics = (msgspec.structs.replace(appliance.machines[0].nics[0], vlan=vlan),)
    _script, config = documents(with_machine(appliance, nics=nics))
    (line,) = [x for x in config.data.decode().splitlines() if x.startswith("net0")]
    assert (f",tag={vlan}" in line) is tagged
    assert ("tag" in line) is tagged
