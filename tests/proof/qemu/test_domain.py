from __future__ import annotations

from pathlib import Path

import pytest

from kensho.model.errors import CorruptError, FormatError, LocatorError, UnsupportedError
from kensho.model.machine import Firmware
from kensho.proof.qemu.domain import read_domain
from kensho.proof.qemu.machine import BootNic, QemuMachine
from tests.proof.domains import disk, domain


@pytest.fixture
def read(tmp_path: Path):
    (tmp_path / "disk.img").touch()

    def read_text(text: str) -> QemuMachine:
        path = tmp_path / "guest.xml"
        path.write_text(text)
        return read_domain(path)

    return read_text


def test_a_plain_domain(read, tmp_path):
    machine = read(domain(disk()))
    assert (machine.name, machine.board, machine.vcpus) == ("guest", "pc", 1)
    assert machine.memory == 64 << 20
    assert machine.firmware is Firmware.BIOS
    (drive,) = machine.disks
    assert drive.path == str(tmp_path / "disk.img")
    assert (drive.format, drive.bus, drive.boot_order) == ("raw", "virtio", 1)


@pytest.mark.parametrize(
    ("machine", "board"),
    [("", "pc"), ("pc", "pc"), ("pc-i440fx-9.0", "pc"), ("q35", "q35"), ("pc-q35-8.2", "q35")],
)
def test_versions_of_machine_types_are_dropped(read, machine, board):
    assert read(domain(machine=machine)).board == board


@pytest.mark.parametrize(
    ("os", "extra"),
    [
        ("<os firmware='efi'>", ""),
        ("<os>", "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader>"),
    ],
)
def test_both_ways_to_ask_for_uefi(read, os, extra):
    assert read(domain(os=os, extra=extra)).firmware is Firmware.UEFI


@pytest.mark.parametrize(
    ("unit", "text", "size"),
    [
        ("KiB", "1048576", 1 << 30),
        ("MiB", " 2048\n", 2 << 30),
        ("G", "1", 1 << 30),
        ("GB", "1", 10**9),
        ("bytes", "4096", 4096),
    ],
)
def test_memory_units(read, unit, text, size):
    xml = domain().replace("unit='MiB'>64<", f"unit='{unit}'>{text}<")
    assert read(xml).memory == size


def test_memory_without_unit_is_kib(read):
    assert read(domain().replace("unit='MiB'>64<", ">65536<")).memory == 64 << 20


@pytest.mark.parametrize(
    ("dev", "bus", "controller", "unit"),
    [
        ("vda", "virtio", 0, 0),
        ("hdc", "ide", 0, 2),
        ("sdb", "sata", 0, 1),
        ("sdh", "sata", 1, 1),
        ("sdg", "scsi", 0, 6),
        ("sdh", "scsi", 1, 0),
    ],
)
def test_a_drive_without_address_is_placed_by_its_name(read, dev, bus, controller, unit):
    (drive,) = read(domain(disk(dev, bus))).disks
    assert (drive.controller, drive.unit) == (controller, unit)


@pytest.mark.parametrize(
    ("bus", "address", "place"),
    [
        ("ide", "controller='0' bus='1' target='0' unit='1'", (0, 3)),
        ("sata", "controller='1' bus='0' target='0' unit='4'", (1, 4)),
        ("scsi", "controller='2' bus='0' target='3' unit='0'", (2, 3)),
        ("scsi", "controller='0' bus='0' target='0' unit='5'", (0, 5)),
    ],
)
def test_an_address_wins(read, bus, address, place):
    xml = disk("sda", bus).replace("</disk>", f"<address type='drive' {address}/></disk>")
    (drive,) = read(domain(xml)).disks
    assert (drive.controller, drive.unit) == place


@pytest.mark.parametrize(
    ("model", "device"),
    [
        ("virtio-scsi", "virtio-scsi-pci"),
        ("lsilogic", "lsi53c895a"),
        ("lsisas1068", "mptsas1068"),
        ("vmpvscsi", "pvscsi"),
        ("auto", "lsi53c895a"),
    ],
)
def test_scsi_controllers(read, model, device):
    controller = f"<controller type='scsi' index='0' model='{model}'/>"
    assert read(domain(controller + disk("sda", "scsi"))).scsi_controllers == ((0, device),)


def test_a_scsi_controller_that_is_only_implied(read):
    assert read(domain(disk("sda", "scsi"))).scsi_controllers == ((0, "lsi53c895a"),)


def test_network_cards(read):
    machine = read(
        domain(
            "<interface type='network'><mac address='52:54:00:01:02:03'/>"
            "<model type='e1000e'/></interface><interface type='user'/>"
        )
    )
    assert machine.nics == (
        BootNic(device="e1000e", mac="52:54:00:01:02:03"),
        BootNic(device="rtl8139"),
    )


def test_boot_order_of_the_drives_wins_over_the_os_element(read):
    first, second = disk("vda"), disk("vdb").replace("</disk>", "<boot order='1'/></disk>")
    drives = read(domain(first + second, extra="<boot dev='hd'/>")).disks
    assert [drive.boot_order for drive in drives] == [None, 1]


def test_boot_order_of_the_os_element(read):
    cdrom = disk("sda", "sata").replace("device='disk'", "device='cdrom'")
    drives = read(domain(disk() + cdrom, extra="<boot dev='cdrom'/><boot dev='hd'/>")).disks
    assert [(drive.cdrom, drive.boot_order) for drive in drives] == [(False, 2), (True, 1)]


def test_an_empty_cdrom_drive(read):
    xml = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    (drive,) = read(domain(xml)).disks
    assert drive.cdrom
    assert drive.path is None
    assert drive.boot_order is None


def test_what_is_left_out_is_told(read):
    floppy = "<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>"
    assert read(domain(floppy + "<hostdev mode='subsystem'/>")).left_out == (
        "disk (floppy)",
        "hostdev",
    )


@pytest.mark.parametrize(
    "xml",
    [
        domain(machine="virt"),
        domain().replace("x86_64", "aarch64"),
        domain(disk("sda", "usb")),
        domain(disk("hda", "ide"), machine="q35"),
        domain(disk().replace("type='file'", "type='network'")),
        domain("<interface type='user'><model type='netfront'/></interface>"),
        domain("<controller type='scsi' index='0' model='ibmvscsi'/>"),
    ],
)
def test_what_qemu_on_x86_has_not_is_refused(read, xml):
    with pytest.raises(UnsupportedError) as caught:
        read(xml)
    assert caught.value.path is not None


@pytest.mark.parametrize(
    "xml",
    [
        domain().replace(">64<", ">-1<"),
        domain().replace(">64<", ">0<"),
        domain().replace("unit='MiB'", "unit='furlong'"),
        domain().replace("<memory unit='MiB'>64</memory>", ""),
        domain("<controller type='scsi' index='one' model='lsilogic'/>"),
        "<!DOCTYPE domain [<!ENTITY a 'b'>]>" + domain(),
        "not XML",
    ],
)
def test_damaged_domains(read, xml):
    with pytest.raises(CorruptError):
        read(xml)


def test_another_document(read):
    with pytest.raises(FormatError, match="<network>"):
        read("<network/>")


def test_missing_files(read, tmp_path):
    with pytest.raises(LocatorError, match=r"gone\.img"):
        read(domain(disk().replace("disk.img", "gone.img")))
    with pytest.raises(LocatorError):
        read_domain(tmp_path / "nothing.xml")


def test_a_disk_beside_the_domain_wins_over_the_path_it_is_meant_for(read, tmp_path):
    (drive,) = read(domain(disk().replace("disk.img", "/var/lib/libvirt/images/disk.img"))).disks
    assert drive.path == str(tmp_path / "disk.img")


def test_an_absolute_path_holds_otherwise(read, tmp_path):
    other = tmp_path / "other" / "far.img"
    other.parent.mkdir()
    other.touch()
    (drive,) = read(domain(disk().replace("disk.img", str(other)))).disks
    assert drive.path == str(other)


@pytest.mark.parametrize("digits", ["9" * 5000, "²", "-1", ""])
def test_numbers_that_are_none(read, digits):
    with pytest.raises(CorruptError, match="is not a number above zero"):
        read(domain().replace(">64<", f">{digits}<"))
