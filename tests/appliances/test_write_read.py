"""What the writers write, the readers read back."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from tests.appliances.test_ova_write import SIZES, WRITERS, content, write
from tests.appliances.test_vmx_write import BASE as VMX_BASE
from tests.appliances.test_vmx_write import DISKS as VMX_DISKS
from tests.appliances.written import placed, with_machine

from kensho.appliances.ovf.manifest import check_manifest
from kensho.appliances.ovf.write import render_portable
from kensho.appliances.registry import open_package
from kensho.appliances.vmx.write import render
from kensho.disks import create_disk, open_disk
from kensho.model.appliance import Appliance
from kensho.model.machine import Disk, Firmware, Floppy, Machine, Product, Property
from kensho.model.units import MIB
from kensho.storage.file import FileSink


@dataclasses.dataclass
class Said:
    """What every form says of a machine, free of ids."""

    name: str
    cpus: int
    memory: int
    guest: str
    drives: list[object]
    adapters: list[object]
    annotation: str


def said(appliance: Appliance, machine: Machine, unnamed: str = "") -> Said:
    """Return it; adapters on no network are on the one called ``unnamed``."""
    drives: list[object] = []
    for drive in machine.drives:
        if isinstance(drive, Floppy):
            drives.append("floppy")
            continue
        controller = machine.controller(drive.controller)
        assert controller is not None
        order = [image.id for image in appliance.images]
        image = order.index(drive.image) if isinstance(drive, Disk) else None
        drives.append((controller.bus, controller.index, drive.unit, image))
    return Said(
        name=machine.name,
        cpus=machine.cpu.count,
        memory=machine.memory.size,
        guest=machine.guest.id,
        drives=drives,
        adapters=[(n.model, n.network or unnamed) for n in machine.nics],
        annotation=machine.annotation,
    )


def products(items: tuple[Product, ...]) -> list[tuple[Product, set[Property]]]:
    return [(msgspec.structs.replace(p, properties=()), set(p.properties)) for p in items]


@pytest.mark.parametrize("which", list(WRITERS))
def test_ova(tmp_path, which):
    path = tmp_path / "x.ova"
    write(path, which)
    package = open_package(path)
    before, after = WRITERS[which][1], package.appliance
    # VirtualBox's OVF has no word for the firmware, and that is all that is amiss.
    assert package.findings == ()
    assert package.appliance.machines[0].firmware.stated is (which != "virtualbox")
    assert check_manifest(package) == ()
    for old, new in zip(before.machines, after.machines, strict=True):
        expected = said(before, old, "NAT" if which == "virtualbox" else "VM Network")
        if which == "portable":
            expected.drives.remove("floppy")
        assert said(after, new) == expected
        assert products(new.products) == products(old.products)
        assert [e.text.strip() for e in new.eulas] == [e.text.strip() for e in old.eulas]
        assert new.transports == old.transports
        assert [n.mac for n in new.nics] == [n.mac for n in old.nics]
        if which == "vmware":
            assert [n.connected for n in new.nics] == [n.connected for n in old.nics]
            assert new.cpu == old.cpu
            assert new.video == old.video
            assert new.sound == old.sound
        if which != "virtualbox":
            assert new.firmware == old.firmware
    assert products(after.products) == products(before.products)
    numbers = {m.id: n for n, m in enumerate(after.machines)}
    starts = [(numbers[s.machine], s.order, s.start_delay) for s in after.start_order]
    assert starts == ([(1, 1, 30), (0, 2, 0)] if which == "vmware" else [])
    for image, source in zip(after.images, SIZES, strict=True):
        assert image.file is not None
        reader = open_disk(package.open_file(image.file))
        data = bytearray(reader.virtual_size)
        reader.read_into(0, data)
        reader.close()
        assert data == content(source)
        assert image.capacity == SIZES[source]
        assert image.populated == sum(map(bool, content(source)))
    package.close()


def test_ovf_folder(tmp_path):
    before = with_machine(WRITERS["portable"][1], firmware=VMX_BASE.machines[0].firmware)
    disks = placed(before)
    for document in render_portable(before, disks)[:1]:
        (tmp_path / document.name).write_bytes(document.data)
    for disk in disks.values():
        with FileSink(tmp_path / disk.filename) as sink:
            create_disk("vmdk", "streamOptimized", sink, disk.virtual_size).finish()
            sink.truncate(disk.file_size)
    package = open_package(tmp_path)
    machine = package.appliance.machines[0]
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    package.close()


@pytest.mark.parametrize(
    "name",
    [
        "Web server 01",
        'q"uote | |22 bar\\',
        "two\nlines",
        "Grüße 日本 🙂",
        "a\x85b\u2028c",
        '# x = "y"',
    ],
)
def test_vmx(tmp_path, name):
    before = with_machine(VMX_BASE, name=name, annotation=f"{name}\nand more")
    (document,) = render(before, VMX_DISKS)
    (tmp_path / document.name).write_bytes(document.data)
    for disk in VMX_DISKS.values():
        with FileSink(tmp_path / disk.filename) as sink:
            create_disk("vmdk", "monolithicSparse", sink, MIB).finish()
    package = open_package(tmp_path)
    assert package.findings == ()
    (old,), (new,) = before.machines, package.appliance.machines
    assert said(package.appliance, new) == said(before, old, "bridged")
    assert [c.model for c in new.controllers] == [c.model for c in old.controllers]
    assert (new.cpu, new.firmware, new.uuid) == (old.cpu, old.firmware, old.uuid)
    assert [(n.mac, n.connected) for n in new.nics] == [(n.mac, n.connected) for n in old.nics]
    assert new.sound == old.sound
    package.close()
