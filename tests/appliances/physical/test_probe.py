from __future__ import annotations

import os
from pathlib import Path

import pytest
from hardware import NVME, RAID, SATA, USB, Hardware
from hypothesis import given
from hypothesis import strategies as st

from kensho.appliances.physical.locator import Local, is_local, read_local
from kensho.appliances.physical.machine import machine_of
from kensho.appliances.physical.open import choose, open_local
from kensho.appliances.physical.probe import probe
from kensho.model.errors import LocatorError, UsageError
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.model.os_release import guest_of, parse_os_release
from kensho.model.units import GIB

MIB = 1 << 20


@pytest.fixture
def server(tmp_path: Path) -> Hardware:
    """A UEFI server: a SATA disk with the root on LVM, an NVMe disk, a USB stick, two adapters."""
    hw = Hardware(tmp_path).usual()
    hw.disk(
        "sda", below=SATA, driver="ahci", parts=2, device__model="ST1000", queue__rotational="1"
    )
    hw.disk("nvme0n1", below=NVME, driver="nvme", device__serial="S3X", wwid="eui.0025")
    hw.disk("sdb", below=USB, driver="xhci_hcd", removable="1")
    hw.virtual("dm-0", 4 * MIB, "LVM-abc", "sda2")
    hw.virtual("loop0", MIB, "")
    hw.mount("dm-0", "/")
    hw.mount("sda1", "/boot/efi", "vfat")
    hw.put("sys/firmware/efi/fw_platform_size", "64")
    name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    hw.put(f"sys/firmware/efi/efivars/{name}", b"\6\0\0\0\1")
    hw.put("sys/class/tpm/tpm0/tpm_version_major", "2\n")
    hw.put("sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
    hw.put("sys/class/dmi/id/product_name", "PowerEdge R640\n")
    hw.put("sys/class/dmi/id/product_uuid", "4C4C4544-0043-3510-8052-B4C04F4E4D32\n")
    hw.nic("eno1", "aa:bb:cc:00:00:01", "igb", "0000:03:00.0")
    hw.nic("ens3", "aa:bb:cc:00:00:02", "e1000e", "0000:03:00.1")
    hw.bridge("br0")
    hw.pci("0000:00:02.0", 0x030000)
    hw.pci("0000:00:14.0", 0x0C0330)
    hw.pci("0000:00:1f.3", 0x040300)
    hw.pci("0000:05:00.0", 0x0C0400)
    return hw


def test_a_server(server: Hardware) -> None:
    facts = probe(server.root)
    assert (facts.cpus, facts.sockets, facts.bits, facts.virtualization) == (4, 2, 64, True)
    assert facts.memory == 62 * GIB
    assert (facts.uefi, facts.secure_boot, facts.tpm) == (True, True, "2")
    assert facts.vendor == "Dell Inc."
    by_name = {d.name: d for d in facts.disks}
    assert by_name["sda"].driver == "ahci"
    assert [p.name for p in by_name["sda"].partitions] == ["sda1", "sda2"]
    assert by_name["sda"].holders == ("dm-0",)
    assert {m.place for m in by_name["sda"].mounts} == {"/", "/boot/efi"}
    assert by_name["nvme0n1"].serial == "S3X"
    assert by_name["sdb"].usb
    assert not by_name["loop0"].hardware
    assert [(a.name, a.driver) for a in facts.adapters] == [("eno1", "igb"), ("ens3", "e1000e")]
    assert facts.virtual_adapters == ("br0",)


def test_the_machine_of_a_server(server: Hardware) -> None:
    facts = probe(server.root)
    appliance = machine_of(facts, choose(facts, Local(), server.root))
    machine = appliance.machines[0]
    assert (machine.cpu.count, machine.cpu.cores_per_socket) == (4, 2)
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert machine.uuid == "4c4c4544-0043-3510-8052-b4c04f4e4d32"
    assert machine.guest.id == "debian12"
    assert [c.model for c in machine.controllers] == [ControllerModel.AHCI, ControllerModel.NVME]
    assert [f.href for f in appliance.files] == ["/dev/sda", "/dev/nvme0n1"]  # root's disk first
    assert [n.model for n in machine.nics] == [NicModel.UNKNOWN, NicModel.E1000E]
    assert machine.nics[0].vendor_model == "igb"
    assert [u.model for u in machine.usb] == ["xhci"]
    assert machine.sound is not None
    assert machine.sound.model == "hda"


def test_findings_of_a_server(server: Hardware) -> None:
    package = open_local("local:", server.root)
    codes = {f.code: f for f in package.findings}
    assert codes["KF-520"].severity is Severity.BLOCKED
    assert "/boot/efi" in codes["KF-520"].message
    assert "fsfreeze" in codes["KF-520"].action
    assert "USB" in codes["KF-526"].message
    assert "br0" in codes["KF-527"].message
    assert "igb" in codes["KF-528"].message
    assert "1 Fibre Channel" in codes["KF-529"].message
    assert {"KF-525", "KF-530"} <= codes.keys()
    live = open_local("local:?disk=sda&live", server.root)
    assert {f.code: f for f in live.findings}["KF-520"].severity is Severity.WARNING
    assert live.changing
    other = open_local("local:?disk=/dev/nvme0n1", server.root)
    assert "KF-520" not in {f.code for f in other.findings}
    assert not other.changing


def test_a_disk_mounted_read_only_may_be_copied(tmp_path: Path) -> None:
    hw = Hardware(tmp_path).usual()
    hw.disk("sda", below=SATA, driver="ahci", content=b"\1" * MIB)
    hw.mount("sda1", "/", how="ro")
    package = open_local("local:", hw.root)
    assert "KF-520" not in {f.code for f in package.findings}
    source = package.open_file("file1")
    assert source.read_at(0, 3) == b"\1\1\1"
    package.close()


def test_raid_crypt_and_volumes_over_disks(tmp_path: Path) -> None:
    hw = Hardware(tmp_path).usual()
    hw.disk("sda", below=RAID, driver="megaraid_sas")
    hw.disk("sdb", below=SATA, driver="ahci")
    hw.virtual("dm-1", MIB, "CRYPT-LUKS2-x", "sda1")
    hw.virtual("md0", MIB, "", "sda1", "sdb1")
    found = {f.code: f for f in open_local("local:?disk=sda", hw.root).findings}
    assert "megaraid_sas" in found["KF-522"].message
    assert "encrypted" in found["KF-523"].message
    assert "sdb" in found["KF-524"].message
    both = {f.code for f in open_local("local:", hw.root).findings}
    assert "KF-524" not in both


def test_several_paths_to_one_disk_count_once(tmp_path: Path) -> None:
    hw = Hardware(tmp_path).usual()
    hw.disk("sda", below=SATA, driver="qla2xxx", device__wwid="naa.6001")
    hw.disk("sdb", below=RAID, driver="qla2xxx", device__wwid="naa.6001")
    hw.virtual("dm-0", MIB, "mpath-36001", "sda", "sdb")
    package = open_local("local:", hw.root)
    assert [f.href for f in package.appliance.files] == ["/dev/sda"]
    assert any(f.code == "KF-526" and "another path" in f.message for f in package.findings)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    hw = Hardware(tmp_path).usual()
    hw.disk("sda", below=SATA, driver="ahci")
    facts = probe(hw.root)
    assert facts.unread == ()
    import msgspec

    from kensho.appliances.physical.notes import about_machine

    told = msgspec.structs.replace(facts, unread=("/sys/class/dmi/id/product_uuid",))
    found = [f for f in about_machine(told, facts.disks, named=False) if f.code == "KF-532"]
    assert "UUID" in found[0].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_without_permission(tmp_path: Path) -> None:
    hw = Hardware(tmp_path).usual()
    hw.put("sys/class/dmi/id/product_uuid", "x")
    (hw.root / "sys/class/dmi/id/product_uuid").chmod(0)
    assert probe(hw.root).unread == ("/sys/class/dmi/id/product_uuid",)


def test_locators() -> None:
    assert is_local("local:")
    assert not is_local("local.img")
    assert read_local("local:?disk=/dev/sda&disk=vdb&live") == Local(("/dev/sda", "/dev/vdb"), True)
    with pytest.raises(UsageError, match="disc=x"):
        read_local("local:?disc=x")


def test_no_such_disk_and_partitions(server: Hardware) -> None:
    with pytest.raises(LocatorError, match="no disk of this machine") as caught:
        open_local("local:?disk=/dev/sdz", server.root)
    assert "/dev/nvme0n1" in caught.value.hint
    with pytest.raises(UsageError, match="partition of /dev/sda"):
        open_local("local:?disk=sda2", server.root)


def test_a_machine_without_disks(tmp_path: Path) -> None:
    with pytest.raises(LocatorError, match="no disk of its own"):
        open_local("local:", Hardware(tmp_path).usual().root)


def test_a_link_names_a_volume(server: Hardware) -> None:
    link = server.root / "dev/mapper/vg-root"
    link.parent.mkdir()
    server.put("dev/dm-0", bytes(4 * MIB))
    link.symlink_to("../dm-0")
    package = open_local("local:?disk=/dev/mapper/vg-root&live", server.root)
    assert [f.href for f in package.appliance.files] == ["/dev/dm-0"]
    assert package.appliance.machines[0].controllers[0].model is ControllerModel.AHCI


def test_an_empty_tree_and_odd_files(tmp_path: Path) -> None:
    facts = probe(tmp_path)
    assert (facts.cpus, facts.memory, facts.disks) == (1, 256 * MIB, ())
    hw = Hardware(tmp_path)
    hw.put("proc/meminfo", b"\xff\0MemTotal: many kB")
    hw.put("proc/self/mountinfo", "1 2\n - - -\n" + "x " * 9)
    hw.put("sys/block/sda/size", "-5\n")
    assert probe(tmp_path).cpus == 1


@given(st.binary(max_size=300))
def test_any_os_release(data: bytes) -> None:
    guest_of(parse_os_release(data))


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"', "ubuntu24.04"),
        ('ID="rocky"\nVERSION_ID="9.3"\nID_LIKE="rhel centos fedora"', "rocky9"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=21", "ubuntu"),
        ("ID=nixos\nVERSION_ID=23", "linux"),
        ('ID="sles"\nVERSION_ID="15.5"', "sles15"),
        ("ID=debian\nVERSION_ID=99", "debian"),
    ],
)
def test_os_release(text: str, row: str) -> None:
    assert guest_of(parse_os_release(text.encode())).id == row


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_this_very_machine() -> None:
    facts = probe()
    assert facts.cpus == os.cpu_count()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert pages <= facts.memory <= pages * 1.25 + GIB


def test_all_disks_of_a_btrfs_are_in_use(tmp_path: Path) -> None:
    machine = Hardware(tmp_path).usual()
    machine.disk("sda", below=SATA, driver="ahci")
    machine.disk("sdb", below=SATA.replace("ata1", "ata2"), driver="ahci")
    for part in ("sda1", "sdb1"):
        machine.put(f"sys/fs/btrfs/0b1f8d2e/devices/{part}", "")
    machine.mount("sda1", "/data", "btrfs")  # all that mountinfo names
    package = open_local("local:", tmp_path)
    blocked = {f.subject for f in package.findings if f.code == "KF-520"}
    assert blocked == {"sda", "sdb"}


def test_sectors_of_4096_bytes_are_said(tmp_path: Path) -> None:
    machine = Hardware(tmp_path).usual()
    machine.disk("sda", below=SATA, driver="ahci", queue__logical_block_size="4096\n")
    package = open_local("local:", tmp_path)
    assert "KF-534" in {f.code for f in package.findings}


def test_one_number_on_disks_of_different_sizes_is_no_path(tmp_path: Path) -> None:
    machine = Hardware(tmp_path).usual()
    machine.disk("sda", below=SATA, driver="ahci", wwid="t10.ATA x\n")
    other = SATA.replace("ata1", "ata2")
    machine.disk("sdb", below=other, driver="ahci", wwid="t10.ATA x\n", size=16 << 20)
    assert len(open_local("local:", tmp_path).appliance.images) == 2


def test_mounts_of_the_machine_count_where_there_are_others_of_our_own(tmp_path: Path) -> None:
    machine = Hardware(tmp_path).usual()
    machine.disk("sda", below=SATA, driver="ahci")
    machine.mount("sda1", "/")
    all_of_them = (tmp_path / "proc/self/mountinfo").read_text()
    machine.put("proc/1/mountinfo", all_of_them)
    assert open_local("local:", tmp_path).findings
    machine.put("proc/self/mountinfo", "")
    (finding,) = [f for f in open_local("local:", tmp_path).findings if f.code == "KF-520"]
    assert finding.message.count("(/)") == 1
