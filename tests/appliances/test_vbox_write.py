"""VirtualBox settings as a target: what the schema allows, what our reader gets back, whole runs."""

from __future__ import annotations

import random
import uuid
from itertools import product

import msgspec
import pytest
from lxml import etree
from mapped_machines import HOSTILE, disk_machine, placed, with_machine
from vbox_samples import hardware, registry, storage, vbox

from kensho.appliances import open_package
from kensho.appliances.virtualbox.write import render
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.convert.source import opened_image
from kensho.disks import create_disk
from kensho.model.appliance import File, Network
from kensho.model.errors import UnsupportedError
from kensho.model.host_side import Clock
from kensho.model.machine import (
    Cdrom,
    ControllerModel,
    Firmware,
    Floppy,
    NicModel,
    Sound,
    Usb,
)
from kensho.model.units import MIB
from kensho.storage.file import FileSink

NS = "{http://www.virtualbox.org/}"

#: VirtualBox-settings.xsd of 7.1, as far as we write it: required attributes, other attributes,
#: children. TrustedPlatformModule is what 7.0 itself writes; its schema does not have it.
SCHEMA = {
    "VirtualBox": ("version", "", "Machine"),
    "Machine": (
        "name OSType uuid",
        "snapshotFolder",
        "MediaRegistry Description Hardware StorageControllers ExtraData Groups",
    ),
    "Description": ("", "", ""),
    "MediaRegistry": ("", "", "HardDisks DVDImages FloppyImages"),
    "HardDisks": ("", "", "HardDisk"),
    "HardDisk": ("uuid location format type", "", ""),
    "DVDImages": ("", "", "Image"),
    "FloppyImages": ("", "", "Image"),
    "Hardware": (
        "",
        "",
        (
            "CPU Memory Firmware Boot Display BIOS TrustedPlatformModule USB RTC Network UART"
            " AudioAdapter StorageControllers"
        ),
    ),
    "CPU": ("", "count hotplug", "PAE LongMode NestedHWVirt"),
    **dict.fromkeys(("PAE", "LongMode", "NestedHWVirt", "IOAPIC"), ("enabled", "", "")),
    "Memory": ("RAMSize", "", ""),
    "Firmware": ("", "type", ""),
    "Boot": ("", "", "Order"),
    "Order": ("position device", "", ""),
    "Display": ("", "controller VRAMSize monitorCount accelerate3D", ""),
    "BIOS": ("", "", "IOAPIC SmbiosUuidLittleEndian"),
    "SmbiosUuidLittleEndian": ("", "enabled", ""),
    "TrustedPlatformModule": ("type", "location", ""),
    "USB": ("", "", "Controllers"),
    "Controllers": ("", "", "Controller"),
    "Controller": ("name type", "", ""),
    "RTC": ("localOrUTC", "", ""),
    "Network": ("", "", "Adapter"),
    "Adapter": ("slot", "enabled type MACAddress cable", "NAT BridgedInterface InternalNetwork"),
    "NAT": ("", "", ""),
    "BridgedInterface": ("", "name", ""),
    "InternalNetwork": ("", "name", ""),
    "UART": ("", "", "Port"),
    "Port": ("slot enabled IRQ hostMode", "IOBase path server", ""),
    "AudioAdapter": ("driver", "controller enabled enabledOut", ""),
    "StorageControllers": ("", "", "StorageController"),
    "StorageController": (
        "name type PortCount",
        "useHostIOCache Bootable",
        "AttachedDevice",
    ),
    "AttachedDevice": ("", "type port device hotpluggable nonrotational", "Image HostDrive"),
    "Image": ("uuid", "location", ""),
}


def check_schema(root):
    for element in root.iter(etree.Element):
        name = str(element.tag).removeprefix(NS)
        required, others, children = (words.split() for words in SCHEMA[name])
        assert set(required) <= set(element.attrib), name
        assert set(element.attrib) <= {*required, *others}, name
        inside = [str(child.tag).removeprefix(NS) for child in element]
        assert set(inside) <= set(children), name
        if name in {"Machine", "Hardware"}:
            assert len(set(inside)) == len(inside)


def settings(appliance):
    (document,) = render(appliance, placed(appliance, "vdi"))
    root = etree.fromstring(document.data)
    check_schema(root)
    return document, root


def back(folder, appliance):
    document, _ = settings(appliance)
    path = folder / document.name
    path.write_bytes(document.data)
    for disk in placed(appliance, "vdi").values():
        (folder / disk.filename).touch()
    package = open_package(path)
    package.close()
    return package.appliance


@pytest.mark.parametrize(
    ("disk", "nic", "firmware"),
    [
        *product(
            (
                ControllerModel.AHCI,
                ControllerModel.IDE,
                ControllerModel.LSILOGIC,
                ControllerModel.LSISAS,
            ),
            (NicModel.E1000, NicModel.PCNET, NicModel.VIRTIO),
            Firmware,
        )
    ],
)
def test_our_reader_gets_the_machine_back(tmp_path, disk, nic, firmware):
    appliance = disk_machine(
        disk=disk,
        cdrom=ControllerModel.IDE if disk is not ControllerModel.IDE else ControllerModel.AHCI,
        nic=nic,
        firmware=firmware,
        tpm=firmware is Firmware.UEFI,
    )
    appliance = with_machine(appliance, sound=Sound("hda"), usb=(Usb("ehci"), Usb("xhci")))
    (machine,) = appliance.machines
    found = back(tmp_path, appliance)
    (read,) = found.machines
    assert (read.name, read.uuid, read.memory) == (machine.name, machine.uuid, machine.memory)
    assert (read.firmware.kind, read.firmware.tpm) == (firmware, machine.firmware.tpm)
    assert (read.cpu.count, read.guest.id) == (4, machine.guest.id)
    assert (read.annotation, read.sound, read.usb) == ("Made for tests", Sound("hda"), machine.usb)
    assert len(read.serial_ports) == 1
    assert [(n.model, n.mac, n.connected) for n in read.nics] == [
        (nic, "00:50:56:01:02:03", True),
        (nic, None, False),
    ]
    models = {c.id: c.model for c in read.controllers}
    bus = {d.id: models[d.controller] for d in read.drives}
    wanted = {c.id: c.model for c in machine.controllers}
    for d, old in zip(read.disks, machine.disks, strict=True):
        assert d.unit == old.unit
        same = wanted[old.controller]
        ide = {ControllerModel.IDE: ControllerModel.PIIX4}
        assert bus[d.id] is ide.get(same, same)
    assert [d.boot_order for d in read.disks] == [1, None]
    assert [f.href for f in found.files if f.href.endswith(".vdi")] == [
        "web01-disk1.vdi",
        "web01-disk2.vdi",
    ]


def test_ide_has_one_controller_with_two_channels(tmp_path):
    appliance = disk_machine(disk=ControllerModel.IDE, cdrom=None, nic=NicModel.E1000)
    (machine,) = appliance.machines
    second = msgspec.structs.replace(machine.controllers[0], id="c9", index=1)
    drives = (
        machine.drives[0],
        msgspec.structs.replace(machine.drives[1], controller="c9", unit=0),
    )
    appliance = with_machine(appliance, controllers=(machine.controllers[0], second), drives=drives)
    _, root = settings(appliance)
    (controller,) = root.iter(f"{NS}StorageController")
    assert (controller.get("type"), controller.get("PortCount")) == ("PIIX4", "2")
    assert [(d.get("port"), d.get("device")) for d in controller] == [("0", "0"), ("1", "0")]
    (read,) = back(tmp_path, appliance).machines
    assert [read.controller(d.controller).index for d in read.disks] == [0, 1]


def test_images_in_drives_are_listed(tmp_path):
    appliance = disk_machine(disk=ControllerModel.AHCI, nic=NicModel.E1000, cdrom=None)
    (machine,) = appliance.machines
    drives = (*machine.drives, Cdrom("cd", "c0", 5, "iso"), Floppy("fd", file="img"))
    appliance = with_machine(appliance, drives=drives)
    appliance = msgspec.structs.replace(
        appliance, files=(File("iso", "boot.iso"), File("img", "boot.img"))
    )
    for name in ("boot.iso", "boot.img"):
        (tmp_path / name).touch()
    found = back(tmp_path, appliance)
    (read,) = found.machines
    assert found.file(read.cdroms[0].file).href == "boot.iso"
    assert [found.file(d.file).href for d in read.drives if isinstance(d, Floppy)] == ["boot.img"]


def test_networks_of_virtualbox_go_back_to_what_they_were():
    appliance = disk_machine(disk=ControllerModel.AHCI, nic=NicModel.E1000, cdrom=None)
    networks = (
        Network("VM Network", "bridged to the host's interface"),
        Network("Backup", "VirtualBox internal network"),
    )
    _, root = settings(msgspec.structs.replace(appliance, networks=networks))
    first, second = root.iter(f"{NS}Adapter")
    assert first.find(f"{NS}BridgedInterface").get("name") == "VM Network"
    assert second.find(f"{NS}InternalNetwork").get("name") == "Backup"
    _, root = settings(appliance)
    assert [a[0].tag for a in root.iter(f"{NS}Adapter")] == [f"{NS}NAT"] * 2


def test_6_1_has_older_settings():
    appliance = disk_machine(
        disk=ControllerModel.AHCI, nic=NicModel.E1000, cdrom=None, firmware=Firmware.UEFI, tpm=True
    )
    _, root = settings(with_machine(appliance, hardware_versions=("6.1",)))
    assert root.get("version") == "1.18-linux"
    assert root.find(f"{NS}Machine/{NS}StorageControllers") is not None
    assert root.find(f".//{NS}TrustedPlatformModule") is None
    _, root = settings(appliance)
    assert root.get("version") == "1.19-linux"
    assert root.find(f"{NS}Machine/{NS}Hardware/{NS}StorageControllers") is not None


def test_hostile_names_stay_text(tmp_path):
    appliance = with_machine(
        disk_machine(disk=ControllerModel.AHCI, nic=NicModel.E1000, cdrom=None),
        name=HOSTILE,
        annotation=HOSTILE,
    )
    document, root = settings(appliance)
    machine = root.find(f"{NS}Machine")
    assert "/" not in machine.get("name")
    assert not set('\\:*?"<>|\n\r') & set(machine.get("name"))
    assert "rm -rf" in machine.get("name")
    assert document.name == "web01.vbox"


def test_what_it_does_not_have_is_said():
    with pytest.raises(UnsupportedError, match="virtio-blk"):
        settings(disk_machine(disk=ControllerModel.VIRTIO_BLK, nic=NicModel.E1000))
    with pytest.raises(UnsupportedError, match="vmxnet3"):
        settings(disk_machine(disk=ControllerModel.AHCI, nic=NicModel.VMXNET3, cdrom=None))


def vdi(path, content):
    with FileSink(path) as sink:
        writer = create_disk("vdi", "dynamic", sink, len(content))
        writer.commit(writer.encode(0, memoryview(content)))
        writer.finish()


EXTRA = """
<HID Pointing="USBTablet" Keyboard="PS2Keyboard"/>
<Paravirt provider="KVM"/>"""
MORE = """
<ExtraData><ExtraDataItem name="GUI/LastCloseAction" value="PowerOff"/></ExtraData>
<Groups><Group name="/lab"/></Groups>"""


def test_a_whole_run_and_what_virtualbox_alone_understands(tmp_path):
    content = random.Random(1).randbytes(MIB) + bytes(MIB)
    vdi(tmp_path / "disk.vdi", content)
    (tmp_path / "boot.iso").write_bytes(b"iso")
    path = tmp_path / "web.vbox"
    path.write_bytes(vbox(registry() + MORE + hardware(EXTRA) + storage()))
    plan = make_plan(Request(str(path), "virtualbox", "vbox"))
    out = tmp_path / "out"
    result = run_plan(plan, out)
    assert result.check == "ok"
    root = etree.parse(out / "web-01.vbox").getroot()
    (medium,) = root.iter(f"{NS}HardDisk")
    header = (out / medium.get("location")).read_bytes()[392:408]
    assert medium.get("uuid") == f"{{{uuid.UUID(bytes_le=header)}}}"
    (image,) = root.findall(f".//{NS}AttachedDevice[@type='HardDisk']/{NS}Image")
    assert image.get("uuid") == medium.get("uuid")
    # What only VirtualBox understands is back; what reaches out to the host is not.
    assert root.find(f".//{NS}ExtraDataItem").get("name") == "GUI/LastCloseAction"
    assert root.find(f".//{NS}Group").get("name") == "/lab"
    assert root.find(f".//{NS}HID").get("Pointing") == "USBTablet"
    assert root.find(f".//{NS}Paravirt").get("provider") == "KVM"
    assert root.find(f".//{NS}GuestProperty").get("value") == "b"
    assert root.find(f".//{NS}SharedFolder") is None
    assert root.find(f".//{NS}Forwarding") is None
    codes = {f.code for f in plan.findings}
    assert {"KF-454"} <= codes
    package = open_package(out / "web-01.vbox")
    with opened_image(package, package.appliance.images[0].id) as reader:
        whole = bytearray(reader.virtual_size)
        reader.read_into(0, whole)
    assert bytes(whole) == content
    (machine,) = package.appliance.machines
    assert machine.cpu.nested_virtualization
    assert machine.cpu.hot_add
    assert machine.video.displays == 2
    package.close()


def test_old_namespaces_do_not_come_back(tmp_path):
    vdi(tmp_path / "disk.vdi", b"x" * MIB)
    path = tmp_path / "web.vbox"
    data = vbox(
        registry() + MORE + hardware(EXTRA) + storage(),
        namespace="http://www.innotek.de/VirtualBox-settings",
    )
    path.write_bytes(data)
    run_plan(make_plan(Request(str(path), "virtualbox", "vbox")), tmp_path / "out")
    assert b"innotek" not in (tmp_path / "out" / "web-01.vbox").read_bytes()


def test_devices_that_only_settings_can_say_stay(tmp_path):
    """An OVA's importer knows no NVMe, VirtIO SCSI or VirtIO adapter; VirtualBox itself does."""
    vdi(tmp_path / "disk.vdi", b"x" * MIB)
    path = tmp_path / "web.vbox"
    efi = '<Firmware type="EFI"/>'
    for word, model in (
        ("NVMe", ControllerModel.NVME),
        ("VirtioSCSI", ControllerModel.VIRTIO_SCSI),
        ("BusLogic", ControllerModel.BUSLOGIC),
    ):
        path.write_bytes(vbox(registry() + hardware(efi) + storage(controller=word)))
        plan = make_plan(Request(str(path), "virtualbox", "vbox"))
        (machine,) = plan.after.machines
        assert machine.controller(machine.disks[0].controller).model is model
        assert machine.nics[1].model is NicModel.VIRTIO
        (machine,) = make_plan(Request(str(path), "virtualbox", "ova")).after.machines
        assert machine.controller(machine.disks[0].controller).model is ControllerModel.AHCI
        assert machine.nics[1].model is NicModel.E1000
    path.write_bytes(vbox(registry() + hardware() + storage(controller="NVMe")))
    (machine,) = make_plan(Request(str(path), "virtualbox", "vbox")).after.machines
    assert machine.controller(machine.disks[0].controller).model is ControllerModel.AHCI


def test_modes_of_disks_and_the_clock_are_written(tmp_path):
    appliance = disk_machine(disk=ControllerModel.AHCI, nic=NicModel.E1000, cdrom=None)
    (machine,) = appliance.machines
    first, second = machine.drives
    change = msgspec.structs.replace
    drives = (change(first, read_only=True, solid_state=True), change(second, independent=True))
    appliance = with_machine(appliance, drives=drives, clock=Clock.LOCAL)
    (read,) = back(tmp_path, appliance).machines
    assert [(d.read_only, d.solid_state, d.independent) for d in read.disks] == [
        (True, True, False),
        (False, False, True),
    ]
    assert read.clock is Clock.LOCAL
