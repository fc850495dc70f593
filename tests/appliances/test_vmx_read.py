from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.appliances.ovf_samples import codes

from kensho.appliances import Package, open_package
from kensho.appliances.vmx.parse import MAX_VMX, read_dictionary
from kensho.model.errors import LimitError, PackageError, UnsupportedError
from kensho.model.machine import Bus, ControllerModel, Firmware, NicModel, SerialKind
from kensho.model.units import GIB, MIB

BASE = '.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "13"\n'
FULL = (
    BASE
    + r"""displayName = "Web |22one|22"
guestOS = "debian12-64"
guestOSAltName = "Debian"
memsize = "2048"
numvcpus = "4"
cpuid.coresPerSocket = "2"
vcpu.hotadd = "TRUE"
mem.hotadd = "TRUE"
vhv.enable = "TRUE"
firmware = "efi"
uefi.secureBoot.enabled = "TRUE"
vtpm.present = "TRUE"
nvram = "web.nvram"
uuid.bios = "42 00 93 72 17 da be 73-77 9d 00 7c cf 1b d2 28"
annotation = "first|0Asecond"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0.pciSlotNumber = "160"
scsi0:0.present = "TRUE"
scsi0:0.deviceType = "scsi-hardDisk"
scsi0:0.fileName = "web.vmdk"
scsi0:0.mode = "independent-persistent"
scsi0:1.present = "FALSE"
scsi0:1.fileName = "gone.vmdk"
sata0.present = "TRUE"
sata0:1.present = "TRUE"
sata0:1.deviceType = "cdrom-image"
sata0:1.fileName = "tools.iso"
nvme0.present = "TRUE"
nvme0:0.present = "TRUE"
nvme0:0.fileName = "fast.vmdk"
ide1:0.present = "TRUE"
ide1:0.deviceType = "atapi-cdrom"
ide1:0.fileName = "auto detect"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.networkName = "VM Network"
ethernet0.addressType = "vpx"
ethernet0.generatedAddress = "00:50:56:80:b3:81"
ethernet0.pciSlotNumber = "192"
ethernet1.present = "TRUE"
ethernet1.virtualDev = "e1000"
ethernet1.connectionType = "nat"
ethernet1.addressType = "static"
ethernet1.address = "00:50:56:00:00:01"
ethernet1.startConnected = "FALSE"
ethernet2.present = "FALSE"
serial0.present = "TRUE"
serial0.fileType = "pipe"
serial0.fileName = "com1"
floppy0.present = "TRUE"
floppy0.fileType = "file"
floppy0.fileName = "boot.flp"
sound.present = "TRUE"
sound.virtualDev = "hdaudio"
usb.present = "TRUE"
ehci.present = "TRUE"
usb_xhci.present = "TRUE"
svga.vramSize = "8388608"
parallel0.present = "TRUE"
parallel0.fileName = "/dev/parport0"
hpet0.present = "TRUE"
"""
)


def opened(folder: Path, text: str, *names: str) -> Package:
    for name in names:
        (folder / name).write_bytes(b"KDMV")
    path = folder / "web.vmx"
    path.write_text(text, encoding="utf-8")
    return open_package(path)


def test_a_full_machine(tmp_path: Path) -> None:
    package = opened(tmp_path, FULL, "web.vmdk", "fast.vmdk", "tools.iso", "boot.flp", "web.nvram")
    (machine,) = package.appliance.machines
    assert package.kind == "vmx"
    assert package.findings == ()
    assert machine.name == 'Web "one"'
    assert machine.annotation == "first\nsecond"
    assert (machine.guest.id, machine.guest.vendor) == ("debian12", ("vmx:debian12-64",))
    assert (machine.cpu.count, machine.cpu.cores_per_socket) == (4, 2)
    assert machine.cpu.hot_add
    assert machine.cpu.nested_virtualization
    assert machine.memory.size == 2 * GIB
    assert machine.memory.hot_add
    firmware = machine.firmware
    assert (firmware.kind, firmware.secure_boot, firmware.tpm) == (Firmware.UEFI, True, True)
    assert firmware.nvram == "nvram"
    assert machine.uuid == "42009372-17da-be73-779d-007ccf1bd228"
    assert machine.hardware_versions == ("vmx-13",)
    assert [(c.id, c.model) for c in machine.controllers] == [
        ("scsi0", ControllerModel.PVSCSI),
        ("sata0", ControllerModel.AHCI),
        ("nvme0", ControllerModel.NVME),
        ("ide1", ControllerModel.PIIX4),
    ]
    assert machine.controllers[0].pci_slot == 160
    assert [d.id for d in machine.drives] == ["scsi0:0", "sata0:1", "nvme0:0", "ide1:0", "floppy0"]
    assert machine.disks[0].independent
    assert machine.cdroms[0].file is not None
    assert (machine.cdroms[1].file, machine.cdroms[1].host_device) == (None, "")
    first, second = machine.nics
    assert (first.model, first.network, first.mac, first.pci_slot) == (
        NicModel.VMXNET3,
        "VM Network",
        "00:50:56:80:b3:81",
        192,
    )
    assert (second.network, second.mac, second.connected) == ("nat", "00:50:56:00:00:01", False)
    assert [n.name for n in package.appliance.networks] == ["VM Network", "nat"]
    assert machine.serial_ports[0].kind is SerialKind.PIPE
    assert machine.sound is not None
    assert machine.sound.model == "hda"
    assert [u.model for u in machine.usb] == ["uhci", "ehci", "xhci"]
    assert machine.video is not None
    assert machine.video.memory == 8 * MIB
    assert machine.others[0].name == "/dev/parport0"
    assert ("hpet0.present", "TRUE") in {(e.where, e.text) for e in machine.extras}
    assert package.open_file(package.appliance.images[0].file or "").read_at(0, 4) == b"KDMV"
    package.close()


def test_case_comments_order_and_duplicates(tmp_path: Path) -> None:
    text = BASE + '# memsize = "1"\nMEMSIZE = "64"\nnumVCPUs="2"  # two\nmemSize = 128\nnonsense\n'
    package = opened(tmp_path, text)
    (machine,) = package.appliance.machines
    assert machine.memory.size == 128 * MIB
    assert machine.cpu.count == 2
    assert codes(package.findings) == {"KF-141", "KF-142"}


def test_defaults(tmp_path: Path) -> None:
    package = opened(tmp_path, BASE)
    (machine,) = package.appliance.machines
    assert machine.name == "web"
    assert machine.memory.size == 32 * MIB
    assert machine.firmware.kind is Firmware.BIOS
    assert machine.firmware.stated
    assert codes(package.findings) == {"KF-112"}


@pytest.mark.parametrize(
    "name",
    [
        "/vmfs/volumes/5458b680/web/disk.vmdk",
        "D:\\\\Virtual Machines\\\\web\\\\disk.vmdk",
        "[datastore1] web/disk.vmdk",
        "../other/disk.vmdk",
    ],
)
def test_absolute_disk_names_are_looked_up_beside(tmp_path: Path, name: str) -> None:
    text = BASE + f'memsize = "64"\nscsi0:0.present = "TRUE"\nscsi0:0.fileName = "{name}"\n'
    package = opened(tmp_path, text, "disk.vmdk")
    expected = "KF-143" if not name.startswith("[") else "KF-201"
    assert expected in codes(package.findings)
    if expected == "KF-143":
        assert package.open_file("file1").size == 4
        assert package.appliance.machines[0].controllers[0].bus is Bus.SCSI
    package.close()


def test_absolute_disk_name_that_is_nowhere(tmp_path: Path) -> None:
    text = (
        BASE
        + 'memsize = "64"\nide0:0.present = "TRUE"\nide0:0.fileName = "/vmfs/volumes/x/a.vmdk"\n'
    )
    package = opened(tmp_path, text)
    assert codes(package.findings) == {"KF-143", "KF-201"}
    with pytest.raises(PackageError):
        package.open_file("file1")


def test_devices_that_cannot_be(tmp_path: Path) -> None:
    text = (
        BASE + 'memsize = "x"\nnumvcpus = "0"\nscsi0:0.present = "TRUE"\n'
        'scsi0:1.present = "TRUE"\nscsi0:1.deviceType = "scsi-passthru"\n'
        'ethernet0.present = "TRUE"\nethernet0.address = "nonsense"\n'
        'scsi0.virtualDev = "strange"\nscsi0.present = "TRUE"\n'
    )
    package = opened(tmp_path, text)
    (machine,) = package.appliance.machines
    assert machine.controllers[0].model is ControllerModel.SCSI
    assert not machine.drives
    assert codes(package.findings) == {"KF-112", "KF-116", "KF-127", "KF-144"}


def test_encrypted(tmp_path: Path) -> None:
    text = BASE + 'encryption.keySafe = "vmware:key/x"\nencryption.data = "x"\n'
    with pytest.raises(UnsupportedError, match="encrypted"):
        opened(tmp_path, text)


def test_nvram_that_is_not_there(tmp_path: Path) -> None:
    package = opened(tmp_path, BASE + 'memsize = "64"\nnvram = "web.nvram"\n')
    assert codes(package.findings) == {"KF-145"}
    assert package.appliance.machines[0].firmware.nvram is None


def test_shared_disk(tmp_path: Path) -> None:
    text = BASE + 'scsi0.sharedBus = "virtual"\nscsi0:0.fileName = "a.vmdk"\n'
    assert opened(tmp_path, text).appliance.machines[0].disks[0].shared


@pytest.mark.parametrize(
    ("data", "expected", "finding"),
    [
        ('.encoding = "windows-1252"\nname = "Gr\xfc\xdfe"\n'.encode("cp1252"), "Grüße", None),
        ('.encoding = "Shift_JIS"\nname = "表示|7C"\n'.encode("cp932"), "表示|", None),
        ('.encoding = "GBK"\nname = "中"\n'.encode("gbk"), "中", None),
        ('.encoding = "UTF-8"\nname = "Gr\xfc"\n'.encode("latin-1"), "Grü", "KF-140"),
        ('.encoding = "klingon"\nname = "ü"\n'.encode(), "ü", "KF-140"),
        (b'.encoding = "unicode_escape"\nname = "\\ud800"\n', "\\ud800", "KF-140"),
        (b'\xef\xbb\xbfname = "a|C3|BCb|7C|22"\r\n', 'aüb|"', None),
        (b'name = "a|FFb"', "aÿb", None),
        (b"name = bare words", "bare words", None),
        (b'name = ""', "", None),
    ],
)
def test_dictionary(data: bytes, expected: str, finding: str | None) -> None:
    dictionary, findings = read_dictionary(data, path="a.vmx")
    assert dictionary.get("name") == expected
    assert codes(findings) == ({finding} if finding else set())


@pytest.mark.parametrize("line", [b"\n", b" \r\n", b'a = "|22\n'])
def test_a_file_of_little_lines_is_read_in_no_time(line: bytes) -> None:
    """Empty lines took hours: blanks before .encoding were looked for across line ends."""
    dictionary, _ = read_dictionary(line * (MAX_VMX // len(line) // 4), path="a.vmx")
    assert len(dictionary.values) <= 1


def test_size_limit() -> None:
    with pytest.raises(LimitError):
        read_dictionary(b"\n" * (MAX_VMX + 1), path="a.vmx")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_dictionary(data: bytes) -> None:
    dictionary, _ = read_dictionary(data, path="a.vmx")
    for value in dictionary.values.values():
        value.encode()


def test_a_drive_that_is_not_said_to_be_present(tmp_path: Path) -> None:
    (tmp_path / "a.vmx").write_text(BASE + 'scsi0:0.fileName = "a.vmdk"\n')
    package = open_package(tmp_path / "a.vmx")
    assert [d.id for d in package.appliance.machines[0].disks] == ["scsi0:0"]
    assert "KF-151" in codes(package.findings)
