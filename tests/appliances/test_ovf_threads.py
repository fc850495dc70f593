"""What went wrong for others, by the thread it was reported in: here it goes right."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest
from lxml import etree
from tests.appliances.ovf_samples import (
    CPU,
    DISK,
    NIC,
    SCSI,
    codes,
    envelope,
    hardware,
    item,
    package_folder,
    read,
    system,
    tar,
)
from tests.images import MIB, ovf, raw_disk

from kensho.appliances import open_package
from kensho.appliances.ovf.manifest import check_manifest
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.disks import create_disk, open_disk
from kensho.disks.copy import copy_disk
from kensho.model.errors import CorruptError, KenshoError, PlanBlockedError, TruncatedError
from kensho.storage import FileSink, FileSource

OVF2 = "http://schemas.dmtf.org/ovf/envelope/2"


def test_virt_v2v_18_the_manifest_of_an_ovf_2_package(tmp_path: Path) -> None:
    text = envelope().replace("http://schemas.dmtf.org/ovf/envelope/1", OVF2).encode()
    disk = b"KDMV" + bytes(5000)
    digests = (hashlib.sha256(text).hexdigest(), hashlib.sha256(disk).hexdigest())
    manifest = f"SHA256 (a.ovf) = {digests[0]}\r\nSHA256(disk1.vmdk)={digests[1].upper()}\r\n"
    members = [("a.ovf", text), ("a.mf", manifest.encode()), ("disk1.vmdk", disk)]
    package = open_package(tar(tmp_path / "a.ova", members))
    assert package.manifest is not None
    assert [d[0].hex for d in package.manifest.values()] == list(digests)
    assert check_manifest(package) == ()
    package.close()


ODD = [
    envelope("<VirtualSystem/>"),
    envelope('<VirtualSystem ovf:id=""><VirtualHardwareSection/></VirtualSystem>'),
    envelope("<VirtualSystemCollection><VirtualSystemCollection/></VirtualSystemCollection>"),
    envelope(system(hardware("<Item/><StorageItem/><EthernetPortItem/>"))),
    envelope(
        sections="<DiskSection><Disk/></DiskSection><NetworkSection><Network/></NetworkSection>"
    ),
    envelope(references="<References><File/></References>"),
    envelope(system("<ProductSection><Property/><Category/></ProductSection><EulaSection/>")),
    envelope(sections="<DeploymentOptionSection><Configuration/></DeploymentOptionSection>"),
    envelope(after="<Strings><Msg/></Strings><Strings ovf:fileRef='x'/>"),
    "<Envelope/>",
]


@pytest.mark.parametrize("text", ODD)
def test_govmomi_670_no_descriptor_makes_it_crash(tmp_path: Path, text: str) -> None:
    try:
        package = open_package(package_folder(tmp_path, text))
    except KenshoError:
        return
    package.close()


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_coreos_assembler_3787_open_vmdk_65_members_beyond_8_gib(
    tmp_path: Path, style: int
) -> None:
    path = tmp_path / "a.ova"
    descriptor = envelope().encode()
    size = 9 << 30
    with path.open("wb") as file:
        for name, length in (("a.ovf", len(descriptor)), ("disk1.vmdk", size)):
            info = tarfile.TarInfo(name)
            info.size = length
            file.write(info.tobuf(style))
            if name == "a.ovf":
                file.write(descriptor + bytes(-length % 512))
        start = file.tell()
        file.seek(size - 4, 1)
        file.write(b"last")
        file.truncate(start + size + 1024)
    package = open_package(path)
    source = package.open_file("file1")
    assert (source.size, source.read_at(size - 4, 4)) == (size, b"last")
    assert codes(package.findings) == set()
    package.close()


@pytest.mark.parametrize("prefix", ["ovf", "ns0", None])
def test_xen_orchestra_3962_the_prefix_is_nobodys_business(prefix: str | None) -> None:
    old = etree.fromstring(envelope().encode())
    uri = old.nsmap[None]
    others = {name: found for name, found in old.nsmap.items() if found != uri}
    new = etree.Element(old.tag, nsmap={**others, prefix: uri})
    new.extend(list(old))
    etree.cleanup_namespaces(new)
    text = etree.tostring(new, encoding="unicode")
    assert f"<{prefix}:Disk " in text or prefix is None
    assert "<Disk " not in text or prefix is None
    appliance, findings = read(text)
    (machine,) = appliance.machines
    assert [d.image for d in machine.disks] == ["vmdisk1"]
    assert machine.nics[0].network == "lan"
    assert codes(findings) == set()


def vmdk(folder: Path, size: int) -> Path:
    raw = raw_disk(folder / "a.img", size=size)
    with FileSource(raw) as source, FileSink(folder / "a.vmdk") as sink:
        copy_disk(
            open_disk(source, format="raw"), create_disk("vmdk", "streamOptimized", sink, size)
        )
    return folder / "a.vmdk"


def test_xen_orchestra_6824_the_disk_knows_its_size_better_than_the_descriptor(
    tmp_path: Path,
) -> None:
    disk = vmdk(tmp_path, 8 * MIB)
    path = tmp_path / "a.ovf"
    path.write_text(ovf({"a.vmdk": disk.stat().st_size}))  # as Oracle's exports had it
    plan = make_plan(Request(str(path), "kvm"))
    assert plan.disks[0].virtual_size == 8 * MIB
    (finding,) = [f for f in plan.findings if f.code == "KF-323"]
    assert finding.severity == "warning"


def test_forklift_1667_megabytes_are_a_unit() -> None:
    memory = item(2, 4, VirtualQuantity=4096, AllocationUnits="MegaBytes")
    appliance, findings = read(envelope(system(hardware(CPU + memory + SCSI + DISK + NIC))))
    assert appliance.machines[0].memory.size == 4096 * MIB
    assert codes(findings) == {"KF-111"}


def test_forklift_7845_an_empty_or_cut_disk_is_no_success(tmp_path: Path) -> None:
    disk = vmdk(tmp_path, 8 * MIB)
    path = tmp_path / "a.ovf"
    path.write_text(ovf({"a.vmdk": 8 * MIB}))
    whole = disk.read_bytes()
    for data in (b"", whole[:-1024], whole[: len(whole) // 2]):
        disk.write_bytes(data)
        with pytest.raises((PlanBlockedError, CorruptError, TruncatedError)):
            run_plan(make_plan(Request(str(path), "kvm")), tmp_path / "out")
        assert not list((tmp_path / "out").glob("*.qcow2"))
