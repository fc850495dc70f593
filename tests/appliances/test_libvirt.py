from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from lxml import etree
from mapped_machines import (
    HOSTILE,
    check_golden,
    disk_machine,
    many_libvirt_machines,
    placed,
    with_machine,
)

from kensho.appliances.libvirt.write import IMAGES_FOLDER, render
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import UnsupportedError, UsageError
from kensho.model.host_side import Clock
from kensho.model.machine import ControllerModel, Extra, Firmware, Floppy, NicModel


def domain(appliance):
    (document,) = render(appliance, placed(appliance))
    root, findings = parse_xml(document.data, path=document.name)
    assert findings == ()
    return root


def machines_with_modes():
    """Return machines whose disks have every mode that the writer says, on every bus."""
    modes = {"cache": "writethrough", "iops": 400, "bandwidth": 1 << 20, "solid_state": True}
    for model in (ControllerModel.VIRTIO_SCSI, ControllerModel.VIRTIO_BLK, ControllerModel.AHCI):
        source = disk_machine(disk=model, cdrom=None)
        for more in ({"read_only": True}, {"shared": True}):
            drives = tuple(
                msgspec.structs.replace(d, **modes, **more) for d in source.machines[0].drives
            )
            yield with_machine(source, drives=drives, clock=Clock.LOCAL)


@pytest.mark.skipif(shutil.which("virt-xml-validate") is None, reason="needs virt-xml-validate")
def test_libvirts_own_schema_accepts_every_machine(tmp_path):
    appliances = [*many_libvirt_machines(), *machines_with_modes()]
    assert len(appliances) > 70
    schema = next(Path("/usr/share/libvirt/schemas").glob("domain.rng"), None)
    if schema is None:
        pytest.skip("needs libvirt's schemas")
    # One process per file takes seconds; the same schema in this process does not.
    validator = etree.RelaxNG(etree.parse(str(schema)))
    for number, appliance in enumerate(appliances):
        (document,) = render(appliance, placed(appliance))
        tree = etree.fromstring(document.data)
        assert validator.validate(tree), f"{number}: {validator.error_log}"
    path = tmp_path / document.name
    path.write_bytes(document.data)
    subprocess.run(["virt-xml-validate", str(path), "domain"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("name", "appliance"),
    [
        ("debian-bios", disk_machine()),
        (
            "windows-uefi",
            disk_machine(
                guest="win2k22",
                firmware=Firmware.UEFI,
                secure_boot=True,
                tpm=True,
                disk=ControllerModel.AHCI,
                nic=NicModel.E1000E,
            ),
        ),
    ],
)
def test_golden(name, appliance):
    (document,) = render(appliance, placed(appliance))
    assert document.name == "web01.xml"
    check_golden(f"libvirt/{name}.xml", document.data)


def test_rendering_twice_gives_the_same_bytes():
    appliance = disk_machine()
    assert render(appliance, placed(appliance)) == render(appliance, placed(appliance))


def test_a_hostile_name_is_one_line_of_text():
    appliance = with_machine(disk_machine(), name=HOSTILE)
    root = domain(msgspec.structs.replace(appliance, name=HOSTILE))
    name = root.findtext("name")
    assert "\n" not in name
    assert "/" not in name
    assert 'rm -rf "$HOME"; `x` $(touch pwned)' in name
    assert [child.tag for child in root if isinstance(child.tag, str)].count("name") == 1


def test_a_name_with_a_slash_is_kept_as_title():
    root = domain(with_machine(disk_machine(), name="a/b"))
    assert root.findtext("name") == "a-b"
    assert root.findtext("title") == "a/b"


def test_disks_lie_in_the_images_folder_and_have_addresses():
    root = domain(disk_machine(disk=ControllerModel.VIRTIO_SCSI))
    disks = root.findall("devices/disk[@device='disk']")
    assert [d.find("source").get("file") for d in disks] == [
        f"{IMAGES_FOLDER}/web01-disk1.qcow2",
        f"{IMAGES_FOLDER}/web01-disk2.qcow2",
    ]
    assert [d.find("address").get("unit") for d in disks] == ["0", "1"]
    names = [t.get("dev") for t in root.findall("devices/disk/target")]
    assert len(set(names)) == len(names) == 3


def test_sas_disks_have_targets_and_names():
    root = domain(disk_machine(disk=ControllerModel.LSISAS))
    disks = root.findall("devices/disk[@device='disk']")
    assert [d.find("address").get("target") for d in disks] == ["0", "1"]
    wwns = [d.findtext("wwn") for d in disks]
    assert len(set(wwns)) == 2
    assert all(w.startswith("5000c500") and len(w) == 16 for w in wwns)


def test_ide_means_the_old_board_and_two_channels():
    root = domain(disk_machine(disk=ControllerModel.IDE, cdrom=None))
    assert root.find("os/type").get("machine") == "pc"
    where = root.findall("devices/disk/address")
    assert [(a.get("controller"), a.get("bus"), a.get("unit")) for a in where] == [
        ("0", "0", "0"),
        ("0", "0", "1"),
    ]


def test_uefi_secure_boot_and_tpm():
    root = domain(disk_machine(firmware=Firmware.UEFI, secure_boot=True, tpm=True))
    assert root.find("os").get("firmware") == "efi"
    assert root.find("os/firmware/feature[@name='secure-boot']").get("enabled") == "yes"
    assert root.find("features/smm").get("state") == "on"
    assert root.find("devices/tpm").get("model") == "tpm-crb"


def test_windows_gets_local_time_and_enlightenments():
    root = domain(disk_machine(guest="win2k22"))
    assert root.find("clock").get("offset") == "localtime"
    assert root.find("features/hyperv/stimer") is not None
    root = domain(disk_machine(guest="debian12"))
    assert root.find("clock").get("offset") == "utc"
    assert root.find("features/hyperv") is None


def test_an_uneven_topology_becomes_sockets():
    topology = domain(disk_machine(cpus=(5, 2))).find("cpu/topology")
    assert (topology.get("sockets"), topology.get("cores")) == ("5", "1")


def test_network_names_stay_in_the_metadata():
    root = domain(disk_machine())
    networks = root.findall("metadata/{urn:kensho:libvirt:1}networks/*")
    assert [n.get("name") for n in networks] == ["VM Network", "Backup"]
    assert networks[1].get("vlan") == "12"
    assert root.findall("devices/interface")[1].find("link").get("state") == "down"


def test_the_boot_disk_comes_first_unless_the_source_says_otherwise():
    root = domain(disk_machine())
    (boot,) = root.findall("devices/disk/boot")
    assert boot.get("order") == "1"
    appliance = disk_machine()
    drives = [
        msgspec.structs.replace(d, boot_order={"d1": 7, "cd": 3}.get(d.id))
        for d in appliance.machines[0].drives
    ]
    root = domain(with_machine(appliance, drives=tuple(drives)))
    orders = {d.find("target").get("dev"): d.find("boot") for d in root.findall("devices/disk")}
    found = {name: b.get("order") for name, b in orders.items() if b is not None}
    assert sorted(found.values()) == ["1", "2"]


@pytest.mark.parametrize(
    "appliance",
    [
        disk_machine(disk=ControllerModel.LSILOGIC),
        disk_machine(disk=ControllerModel.NVME),
        disk_machine(nic=NicModel.HYPERV),
        with_machine(disk_machine(), drives=(Floppy(id="f"),)),
        with_machine(disk_machine(), controllers=()),
        msgspec.structs.replace(disk_machine(), machines=disk_machine().machines * 2),
    ],
)
def test_what_libvirt_lacks_is_refused(appliance):
    with pytest.raises(UnsupportedError):
        render(appliance, placed(appliance))


def test_a_disk_without_a_place_is_refused():
    with pytest.raises(UsageError, match="img0"):
        render(disk_machine(), {})


def test_the_guests_agent_has_its_port_once():
    """Found with a live libvirt: an agent that finds no port never starts."""
    channel = (
        "<channel type='unix'><target type='virtio' name='{}'/>"
        "<address type='virtio-serial' controller='0' bus='0' port='1'/></channel>"
    )
    names = ("org.qemu.guest_agent.0", "org.spice")
    kept = tuple(
        Extra("libvirt", f"/domain/devices/channel[{n}]", channel.format(name))
        for n, name in enumerate(names, 1)
    )
    root = domain(with_machine(disk_machine(), extras=kept))
    assert [e.get("name") for e in root.findall("devices/channel/target")] == list(names)
    bare = disk_machine(disk=ControllerModel.AHCI, nic=NicModel.E1000E)
    assert domain(bare).find("devices/channel") is None
