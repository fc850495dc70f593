"""BSDs on UFS as makefs makes it, with kernels that have their drivers' names in them."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest

from kensho.cli.exits import run as run_cli
from kensho.guest.bsd.drivers import names_in
from kensho.guest.inspect.inspect import inspect_disks
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel as N
from tests.guest.images_of import MIB, disk_of, partitioned, put, run

FREEBSD = (
    b"\x7fELF\0@(#)FreeBSD 13.2-RELEASE releng/13.2 GENERIC\0pci/ahci\0pci/ataintel\0x pci/mpt\0"
)
FREEBSD += b"virtio_pci/virtio_blk\0virtio_pci/vtnet\0pci/em\0"
OPENBSD = (
    b"\x7fELF\0OpenBSD 7.3 (GENERIC.MP) #1125: Sat Mar 25\0ahci\0pciide\0vmwpvs\0vioblk\0vio\0em\0"
)


def disk(tmp_path: Path, files: dict[str, bytes], kind: str = "") -> Path:
    tree = tmp_path / "tree"
    for name, data in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    run("makefs", "-t", "ffs", "-B", "le", "-s", "16m", "-o", "version=2", tmp_path / "ufs", tree)
    path = tmp_path / "disk.img"
    kind = kind or "516e7cb6-6ecf-11d6-8ff8-00022d09712b"
    partitioned(path, f"label: gpt\nstart=2048, size=32768, type={kind}, name=root\n", 20 * MIB)
    put(path, MIB, tmp_path / "ufs")
    return path


def freebsd(tmp_path: Path, root: str) -> Path:
    return disk(
        tmp_path,
        {
            "bin/freebsd-version": b"#!/bin/sh\n",
            "boot/kernel/kernel": FREEBSD,
            "etc/fstab": f"{root} / ufs rw 1 1\n".encode(),
            "etc/rc.conf": b'hostname="box"\nifconfig_em0="DHCP"\nifconfig_em0_ipv6="x"\n',
        },
    )


def test_a_label_starts_wherever_there_is_a_driver(tmp_path: Path) -> None:
    report = inspect_disks([disk_of(freebsd(tmp_path, "/dev/gpt/root"))])
    (found,) = report.systems
    assert (found.guest.id, found.guest.description, found.hostname) == (
        "freebsd13", "FreeBSD 13.2", "box",
    )  # fmt: skip
    (kernel,) = found.kernels
    assert {C.AHCI, C.IDE, C.VIRTIO_BLK} <= set(kernel.controllers)
    assert not {C.LSISAS, C.PVSCSI, C.NVME} & set(kernel.controllers)
    assert kernel.adapters == (N.E1000, N.E1000E, N.VIRTIO)
    assert found.networks[0].names == ("em0",)
    assert found.mounts[0].volume == "disk1p1"
    assert {"KF-941", "KF-809"} <= {f.code for f in report.findings}


def test_a_device_by_its_controller_stays_there(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = freebsd(tmp_path, "/dev/ada0p1")
    (found,) = inspect_disks([disk_of(path)]).systems
    assert C.VIRTIO_BLK not in found.kernels[0].controllers
    assert {C.AHCI, C.IDE} <= set(found.kernels[0].controllers)
    assert found.mounts[0].volume == "disk1p1"
    assert (
        run_cli(["check", str(path), "--for", "kvm,hyperv", "--devices", "native", "--json"]) == 10
    )
    verdicts = json.loads(capsysbinary.readouterr().out)["verdicts"]
    kvm, hyperv = ({v["target"]: v for v in verdicts}[name] for name in ("kvm", "hyperv"))
    assert (kvm["kernel"], kvm["starts"]) == ("FreeBSD 13.2", False)
    assert "ada0" in " ".join(kvm["disk"]["lacking"])
    assert "ahci" in kvm["instead"]
    assert hyperv["kernel"] == "FreeBSD 13.2"


def test_openbsd_in_a_packed_kernel(tmp_path: Path) -> None:
    files = {
        "bsd": gzip.compress(OPENBSD),
        "etc/myname": b"puffy.example.org\n",
        "etc/fstab": b"0123456789abcdef.a / ffs rw 1 1\n",
        "etc/hostname.vio0": b"dhcp\n",
    }
    (found,) = inspect_disks([disk_of(disk(tmp_path, files))]).systems
    assert (found.guest.id, found.guest.version) == ("openbsd", "7.3")
    assert found.hostname == "puffy.example.org"
    assert {C.AHCI, C.PVSCSI, C.VIRTIO_BLK} <= set(found.kernels[0].controllers)
    assert C.NVME not in found.kernels[0].controllers
    assert found.networks[0].names == ("vio0",)


def test_it_is_not_adapted_and_that_is_said(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = freebsd(tmp_path, "/dev/ada0p1")
    assert run_cli(["adapt", str(path), "--dry-run"]) == 12
    said = capsysbinary.readouterr().err.decode()
    assert "FreeBSD 13.2 is not changed" in " ".join(said.split())
    assert "ahci" in said


def test_names_count_as_whole_strings() -> None:
    assert names_in(b"\0vio\0vioblk\0xem\0", frozenset({"vio", "em", "vioblk"})) == {
        "vio",
        "vioblk",
    }


def test_a_pool_is_named(tmp_path: Path) -> None:
    """The label is written as its specification has it, and blkid reads it alike."""

    def pair(name: str, value: str | int) -> bytes:
        key = name.encode().ljust(-(-len(name) // 4) * 4, b"\0")
        if isinstance(value, int):
            body = struct.pack(">IIQ", 8, 1, value)
        else:
            text = value.encode().ljust(-(-len(value) // 4) * 4, b"\0")
            body = struct.pack(">III", 9, 1, len(value)) + text
        size = 12 + len(key) + len(body)
        return struct.pack(">III", size, size, len(name)) + key + body

    label = b"\x01\x01\0\0" + struct.pack(">II", 0, 1)
    label += pair("version", 5000) + pair("name", "zroot") + pair("pool_guid", 1234567890123)
    label += bytes(8)
    raw = bytearray(80 * MIB)
    start = MIB
    for base in (start, start + (256 << 10)):
        raw[base + 0x4000 : base + 0x4000 + len(label)] = label
        for number in range(8):
            struct.pack_into("<Q", raw, base + 0x20000 + number * 1024, 0x00BAB10C)
    path = tmp_path / "disk.img"
    path.write_bytes(raw)
    script = "label: gpt\nstart=2048, size=143360, type=516e7cba-6ecf-11d6-8ff8-00022d09712b\n"
    run("sfdisk", "-q", path, stdin=script)
    told = run("blkid", "-p", "-O", MIB, "-S", 70 * MIB, path)
    assert 'LABEL="zroot"' in told
    assert 'UUID="1234567890123"' in told
    report = inspect_disks([disk_of(path)])
    volume = next(v for v in report.volumes if v.kind == "zfs_member")
    assert (volume.label, volume.uuid) == ("zroot", "1234567890123")
    (finding,) = (f for f in report.findings if f.code == "KF-940")
    assert "FreeBSD" in finding.message
