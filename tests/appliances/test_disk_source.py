from __future__ import annotations

import struct
import uuid
from pathlib import Path

import pytest

from kensho.appliances import open_package
from kensho.disks import create_disk
from kensho.model.errors import FormatError, LocatorError
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.model.units import GIB, MIB
from kensho.storage.file import FileSink

ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"


def disk(path: Path, *types: str, boot_code: bool = False, sector: int = 512) -> Path:
    """Write a sparse raw disk with a GPT of these partition types."""
    mbr = bytearray(512)
    if boot_code:
        mbr[:4] = b"\xebc\x90\x10"
    mbr[450] = 0xEE
    mbr[510:] = b"\x55\xaa"
    header = bytearray(sector)
    header[:8] = b"EFI PART"
    struct.pack_into("<QII", header, 72, 2, 128, 128)
    table = b"".join(uuid.UUID(t).bytes_le + bytes(112) for t in types)
    with path.open("wb") as file:
        file.write(mbr.ljust(sector, b"\0") + header + table)
        file.truncate(4 * MIB)
    return path


@pytest.mark.parametrize(
    ("types", "boot_code", "expected"),
    [
        ((ESP, LINUX), False, Firmware.UEFI),
        ((ESP, BIOS_BOOT), False, Firmware.BIOS),
        ((ESP,), True, Firmware.BIOS),
        ((LINUX,), False, Firmware.BIOS),
        ((), False, Firmware.BIOS),
    ],
)
def test_firmware(
    tmp_path: Path, types: tuple[str, ...], boot_code: bool, expected: Firmware
) -> None:
    package = open_package(disk(tmp_path / "a.img", *types, boot_code=boot_code))
    firmware = package.appliance.machines[0].firmware
    assert (firmware.kind, firmware.stated) == (expected, False)
    package.close()


def test_sectors_of_4096_bytes(tmp_path: Path) -> None:
    package = open_package(disk(tmp_path / "a.img", ESP, sector=4096))
    assert package.appliance.machines[0].firmware.kind is Firmware.UEFI
    package.close()


def test_mbr_with_an_efi_partition(tmp_path: Path) -> None:
    path = disk(tmp_path / "a.img")
    data = bytearray(path.read_bytes())
    data[512:520] = bytes(8)
    data[450] = 0xEF
    data[454:462] = struct.pack("<II", 2048, 2048)
    path.write_bytes(data)
    assert open_package(path).appliance.machines[0].firmware.kind is Firmware.UEFI


def test_the_assumed_machine(tmp_path: Path) -> None:
    package = open_package(disk(tmp_path / "my disk.img", LINUX))
    (machine,) = package.appliance.machines
    assert package.kind == "disk"
    assert package.appliance.name == machine.name == "my disk"
    assert (machine.cpu.count, machine.memory.size) == (2, 2 * GIB)
    assert machine.controllers[0].model is ControllerModel.AHCI
    assert (machine.nics[0].model, machine.nics[0].network) == (NicModel.E1000, "default")
    assert package.appliance.images[0].capacity == 4 * MIB
    assert [(f.code, f.severity) for f in package.findings] == [("KF-150", Severity.WARNING)]
    assert package.open_file("file1").size == 4 * MIB
    package.close()


def test_folder_with_one_disk(tmp_path: Path) -> None:
    disk(tmp_path / "a.img", LINUX)
    assert open_package(tmp_path).kind == "disk"
    disk(tmp_path / "b.img", LINUX)
    with pytest.raises(LocatorError, match=r"a\.img, b\.img"):
        open_package(tmp_path)


def test_folder_with_a_vmdk_of_two_files(tmp_path: Path) -> None:
    (tmp_path / "a-flat.vmdk").write_bytes(bytes(1 << 20))
    (tmp_path / "a-s001.vmdk").write_bytes(b"KDMV" + bytes(508))
    (tmp_path / "a.vmdk").write_text(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        'createType="monolithicFlat"\nRW 2048 FLAT "a-flat.vmdk" 0\n'
        '# RW 1 SPARSE "a-s001.vmdk"\n'
    )
    package = open_package(tmp_path)
    assert package.path.endswith("a.vmdk")
    assert package.appliance.images[0].capacity == 1 << 20
    assert package.open_sibling("a-flat.vmdk").size == 1 << 20
    package.close()


def test_damaged_disk(tmp_path: Path) -> None:
    (tmp_path / "a.qcow2").write_bytes(b"QFI\xfb" + b"\xff" * 200)
    with pytest.raises(FormatError):
        open_package(tmp_path / "a.qcow2")


def test_a_vdi_begins_like_xml_and_is_none(tmp_path: Path) -> None:
    with FileSink(tmp_path / "a.vdi") as sink:
        create_disk("vdi", None, sink, MIB).finish()
    assert (tmp_path / "a.vdi").read_bytes().startswith(b"<<<")
    package = open_package(tmp_path / "a.vdi")
    assert package.kind == "disk"
    package.close()


def test_a_block_device_is_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = disk(tmp_path / "sdz", LINUX)
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    monkeypatch.setattr(Path, "is_block_device", lambda p: p.name == "sdz")
    package = open_package(path)
    assert package.appliance.images[0].capacity == 4 * MIB
    package.close()
