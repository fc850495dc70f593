from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tarfile

import msgspec
import pytest
from lxml import etree
from tests.appliances.written import appliance_for, two_machines

from kensho.appliances.ova import write as ova_write
from kensho.appliances.ovf.sections.parts import OVF
from kensho.appliances.package import DiskJob
from kensho.disks import open_disk
from kensho.disks.copy import copy_disk
from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel, Nic, NicModel
from kensho.model.units import MIB
from kensho.storage.file import FileSink, FileSource

SIZES = {"img0": 9 * MIB, "img1": 3 * MIB + 512}
BASE = appliance_for(ControllerModel.AHCI, NicModel.E1000)
WRITERS = {
    "portable": (ova_write.write_portable_ova, BASE),
    "vmware": (ova_write.write_vmware_ova, two_machines(ControllerModel.PVSCSI, NicModel.VMXNET3)),
    "virtualbox": (ova_write.write_virtualbox_ova, BASE),
}


def content(image: str) -> bytes:
    """Return a disk with a hole, and data up to its very last byte."""
    data = bytearray(SIZES[image])
    data[MIB : 2 * MIB] = hashlib.shake_256(image.encode()).digest(MIB)
    data[-512:] = b"\xa5" * 512
    return bytes(data)


def job(image: str) -> DiskJob:
    def copy(writer):
        data, step = content(image), writer.granularity
        for at in range(0, len(data), step):
            run = data[at : at + step]
            if any(run):
                writer.commit(writer.encode(at, memoryview(run)))
        writer.finish()
        return sum(map(bool, data))

    return DiskJob(image, SIZES[image], copy)


def write(path, which="portable", *, name="web 01", appliance=None, jobs=None):
    function, base = WRITERS[which]
    with FileSink(path) as sink:
        return function(
            sink,
            appliance or base,
            # Given in the wrong order on purpose.
            jobs or [job("img1"), job("img0")],
            name=name,
            timestamp=1_700_000_000,
            compression="fast",
        )


@pytest.mark.parametrize("which", list(WRITERS))
def test_members_manifest_and_descriptor_agree(tmp_path, which):
    path = tmp_path / "x.ova"
    placed = write(path, which)
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        files = {m.name: tar.extractfile(m).read() for m in members}
    assert list(files) == ["web-01.ovf", "web-01.mf", "web-01-disk1.vmdk", "web-01-disk2.vmdk"]
    assert [p.filename for p in placed] == list(files)[2:]
    assert [p.image for p in placed] == ["img0", "img1"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.type) for m in members} == {
        (1_700_000_000, 0, 0, "", tarfile.REGTYPE)
    }
    assert b"PaxHeader" not in path.read_bytes()
    lines = files["web-01.mf"].decode().split("\n")
    listed = [n for n in files if n != "web-01.mf"]
    assert lines == [
        *(f"SHA256({n})= {hashlib.sha256(files[n]).hexdigest()}" for n in listed),
        "",
    ]
    root = etree.fromstring(files["web-01.ovf"])
    stated = {
        f.get(f"{{{OVF}}}href"): int(f.get(f"{{{OVF}}}size")) for f in root.iter(f"{{{OVF}}}File")
    }
    assert stated == {p.filename: p.file_size for p in placed}
    assert stated == {n: len(files[n]) for n in stated}
    capacities = [int(d.get(f"{{{OVF}}}capacity")) for d in root.iter(f"{{{OVF}}}Disk")]
    assert capacities == list(SIZES.values())
    assert [p.data_size for p in placed] == [
        sum(map(bool, content(image))) for image in ("img0", "img1")
    ]


def test_same_input_same_bytes(tmp_path):
    write(tmp_path / "a.ova")
    write(tmp_path / "b.ova")
    assert (tmp_path / "a.ova").read_bytes() == (tmp_path / "b.ova").read_bytes()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", 'x" y\n', "Grüße", "日本", "-rf", ".hidden", "n" * 300, ""]
)
def test_member_names_are_flat_and_plain(tmp_path, name):
    write(tmp_path / "x.ova", name=name)
    with tarfile.open(tmp_path / "x.ova") as tar:
        names = tar.getnames()
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", n) and len(n) < 100 for n in names)
    assert [n.rpartition(".")[2] for n in names] == ["ovf", "mf", "vmdk", "vmdk"]


def test_refused_before_any_disk_is_read(tmp_path):
    machine = msgspec.structs.replace(BASE.machines[0], nics=(Nic(id="n", model=NicModel.VIRTIO),))
    appliance = msgspec.structs.replace(BASE, machines=(machine,))

    def copy(writer):
        raise AssertionError

    with pytest.raises(UnsupportedError):
        write(
            tmp_path / "x.ova",
            appliance=appliance,
            jobs=[DiskJob(i, SIZES[i], copy) for i in SIZES],
        )
    assert (tmp_path / "x.ova").stat().st_size == 0


def test_odd_size_is_stated_as_written(tmp_path):
    def copy(writer):
        writer.finish()
        return 0

    (disk,) = write(
        tmp_path / "x.ova",
        appliance=msgspec.structs.replace(
            BASE,
            images=BASE.images[:1],
            machines=(
                msgspec.structs.replace(BASE.machines[0], drives=BASE.machines[0].drives[:1]),
            ),
        ),
        jobs=[DiskJob("img0", 999, copy)],
    )
    assert disk.virtual_size == 1024
    with tarfile.open(tmp_path / "x.ova") as tar:
        assert b'ovf:capacity="1024"' in tar.extractfile("web-01.ovf").read()


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_qemu_reads_the_disks(tmp_path):
    placed = write(tmp_path / "x.ova")
    with tarfile.open(tmp_path / "x.ova") as tar:
        for disk in placed:
            (tmp_path / "disk.vmdk").write_bytes(tar.extractfile(disk.filename).read())
            subprocess.run(
                ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", "disk.vmdk", "disk.raw"],
                cwd=tmp_path,
                check=True,
                capture_output=True,
            )
            raw = (tmp_path / "disk.raw").read_bytes()
            assert raw == content(disk.image)


def test_a_truncated_package_is_not_taken_for_whole(tmp_path):
    def copy(writer):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write(tmp_path / "x.ova", jobs=[DiskJob(i, SIZES[i], copy) for i in SIZES])
    data = (tmp_path / "x.ova").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert not tar.extractfile("web-01.ovf").read().strip(b"\0")


def test_the_copy_engine_gives_the_same_disk(tmp_path):
    """Nothing is written twice: the engine finishes the disk, the package does not again."""

    def engine(image):
        (tmp_path / image).write_bytes(content(image))

        def copy(writer):
            with FileSource(tmp_path / image) as source:
                copy_disk(open_disk(source, format="raw"), writer)
            return sum(map(bool, content(image)))

        return DiskJob(image, SIZES[image], copy)

    write(tmp_path / "a.ova")
    write(tmp_path / "b.ova", jobs=[engine(image) for image in SIZES])
    assert (tmp_path / "a.ova").read_bytes() == (tmp_path / "b.ova").read_bytes()
