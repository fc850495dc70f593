from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kensho.model.errors import ToolMissingError
from kensho.model.machine import Firmware
from kensho.proof.qemu import arguments as qemu
from kensho.proof.qemu.machine import BootDisk, BootNic, QemuMachine


def machine(*disks: BootDisk, **changes: object) -> QemuMachine:
    settings = {
        "name": "guest",
        "board": "pc",
        "firmware": Firmware.BIOS,
        "vcpus": 2,
        "memory": 1 << 30,
        "disks": disks,
        "nics": (),
    }
    return QemuMachine(**(settings | changes))


def drive(bus: str, **changes: object) -> BootDisk:
    return BootDisk(**({"path": "/d.qcow2", "format": "qcow2", "bus": bus} | changes))


def values(line: list[str], option: str) -> list[str]:
    return [line[i + 1] for i, word in enumerate(line) if word == option]


def test_the_frame():
    line = qemu.qemu_arguments(machine())
    assert line[0] == "qemu-system-x86_64"
    assert values(line, "-accel") == ["tcg"]
    assert values(line, "-M") == ["pc"]
    assert values(line, "-smp") == ["2"]
    assert values(line, "-m") == ["1024M"]
    assert "-nodefaults" in line
    assert "-no-reboot" in line


def test_an_address_adds_no_option() -> None:
    nic = BootNic(device="e1000", mac="52:54:00:00:00:01,romfile=/etc/passwd")
    devices = values(qemu.qemu_arguments(machine(nics=(nic,))), "-device")
    assert devices == ["e1000,netdev=net0,romfile=,mac=52:54:00:00:00:01,,romfile=/etc/passwd"]


def test_memory_can_be_capped():
    assert values(qemu.qemu_arguments(machine(), max_memory=256 << 20), "-m") == ["256M"]
    assert values(qemu.qemu_arguments(machine(), max_memory=4 << 30), "-m") == ["1024M"]


def test_images_are_never_written():
    line = qemu.qemu_arguments(machine(drive("virtio"), drive("ide", cdrom=True)))
    assert values(line, "-drive") == [
        "if=none,id=drive0,format=qcow2,snapshot=on,file=/d.qcow2",
        "if=none,id=drive1,format=qcow2,media=cdrom,readonly=on,file=/d.qcow2",
    ]


@pytest.mark.parametrize(
    ("disk", "changes", "devices"),
    [
        (drive("virtio", boot_order=1), {}, ["virtio-blk-pci,drive=drive0,bootindex=1"]),
        (drive("nvme"), {}, ["nvme,drive=drive0,serial=drive0"]),
        (drive("ide", unit=3), {}, ["ide-hd,bus=ide.1,unit=1,drive=drive0"]),
        (drive("sata", unit=2), {"board": "q35"}, ["ide-hd,bus=ide.2,drive=drive0"]),
        (drive("sata"), {}, ["ich9-ahci,id=sata0", "ide-hd,bus=sata0.0,drive=drive0"]),
        (
            drive("sata", cdrom=True, path=None, controller=1),
            {"board": "q35"},
            ["ich9-ahci,id=sata1", "ide-cd,bus=sata1.0"],
        ),
        (
            drive("scsi", unit=3, serial="A1"),
            {"scsi_controllers": ((0, "virtio-scsi-pci"),)},
            [
                "virtio-scsi-pci,id=scsi0",
                "scsi-hd,bus=scsi0.0,scsi-id=3,drive=drive0,serial=A1",
            ],
        ),
        (
            drive("scsi"),
            {"scsi_controllers": ((0, "mptsas1068"),)},
            [
                "mptsas1068,id=scsi0",
                "scsi-hd,bus=scsi0.0,scsi-id=0,wwn=0x5000c50000000000,drive=drive0",
            ],
        ),
    ],
)
def test_drives(disk, changes, devices):
    assert values(qemu.qemu_arguments(machine(disk, **changes)), "-device") == devices


def test_a_comma_in_a_path_does_not_begin_an_option():
    line = qemu.qemu_arguments(machine(drive("virtio", path="/a,readonly=off.img"), name="x,y"))
    assert values(line, "-drive")[0].endswith("file=/a,,readonly=off.img")
    assert values(line, "-name") == ["guest=x,,y"]


def test_network_cards_reach_nothing():
    nics = (BootNic(device="e1000", mac="52:54:00:00:00:01"), BootNic(device="vmxnet3"))
    line = qemu.qemu_arguments(machine(nics=nics))
    assert values(line, "-netdev") == [
        "user,id=net0,restrict=on,net=10.0.2.0/24",
        "user,id=net1,restrict=on,net=10.0.3.0/24",
    ]
    assert values(line, "-device") == [
        "e1000,netdev=net0,romfile=,mac=52:54:00:00:00:01",
        "vmxnet3,netdev=net1,romfile=",
    ]


def test_uefi():
    guest = machine(firmware=Firmware.UEFI)
    drives = values(qemu.qemu_arguments(guest, uefi=("/code.fd", "/vars.fd")), "-drive")
    assert drives == [
        "if=pflash,unit=0,format=raw,readonly=on,file=/code.fd",
        "if=pflash,unit=1,format=raw,snapshot=on,file=/vars.fd",
    ]
    with pytest.raises(ValueError, match="UEFI"):
        qemu.qemu_arguments(guest)


def test_missing_programs_say_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(ToolMissingError) as caught:
        qemu.find_qemu()
    assert "qemu-system-x86" in caught.value.hint
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    with pytest.raises(ToolMissingError) as caught:
        qemu.find_uefi()
    assert "ovmf" in caught.value.hint
