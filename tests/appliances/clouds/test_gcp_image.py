from __future__ import annotations

import shutil
import subprocess
import tarfile

import pytest

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.convert.source import opened_image
from kensho.disks import open_disk
from kensho.model.errors import KenshoError, PackageError
from kensho.model.units import GIB, MIB
from kensho.storage import FileSource

CONTENT = {
    0: b"\xeb\x63\x90\0boot" * 150,
    3 * MIB + 512: b"middle" * 4000,
    9 * MIB - 700: b"end" * 200,
}


def raw_disk(path, size=9 * MIB, content=CONTENT):
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in content.items():
            file.seek(offset)
            file.write(data)
    return path


def pack(folder, *options, name="image.tar.gz"):
    raw_disk(folder / "disk.raw")
    subprocess.run(["tar", *options, "-cf", name, "disk.raw"], cwd=folder, check=True)
    return folder / name


def bytes_of(path):
    package = open_package(path)
    try:
        assert package.kind == "gcp"
        (image,) = package.appliance.images
        with opened_image(package, image.id) as reader:
            buffer = bytearray(reader.virtual_size)
            for extent in reader.extents():
                view = memoryview(buffer)[extent.start : extent.start + extent.length]
                reader.read_into(extent.start, view)
            return bytes(buffer)
    finally:
        package.close()


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
@pytest.mark.parametrize(
    "options",
    [
        ("--format=oldgnu", "-z", "-S"),
        ("--format=oldgnu", "-z"),
        ("--format=oldgnu", "-S"),
        ("--format=gnu", "-z"),
        ("--format=ustar", "-z"),
    ],
)
def test_what_tar_packs_is_read(tmp_path, options):
    path = pack(tmp_path, *options)
    assert bytes_of(path) == (tmp_path / "disk.raw").read_bytes()


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
def test_many_pieces_need_more_than_the_header(tmp_path):
    content = {n * 128 * 1024: bytes([n + 1]) * 4096 for n in range(60)}
    raw_disk(tmp_path / "disk.raw", 8 * MIB, content)
    command = ["tar", "--format=oldgnu", "-S", "-z", "-cf", "i.tar.gz", "disk.raw"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert bytes_of(tmp_path / "i.tar.gz") == (tmp_path / "disk.raw").read_bytes()


def test_a_converted_machine_is_what_google_takes(tmp_path):
    source = raw_disk(tmp_path / "web.raw")
    plan = make_plan(Request(str(source), "gcp"), out=tmp_path / "out")
    result = run_plan(plan, tmp_path / "out")
    assert result.check == "ok"
    path = tmp_path / "out" / "web-disk1.tar.gz"
    with tarfile.open(path) as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.size) == ("disk.raw", GIB)
    with FileSource(path) as packed, FileSource(source) as raw:
        made = open_disk(packed, format="gcp")
        assert made.virtual_size == GIB
        assert plan.disks[0].virtual_size == GIB
        head = bytearray(raw.size)
        made.read_into(0, head)
        assert bytes(head) == raw.read_at(0, raw.size)
    package = open_package(path)
    package.close()
    assert package.kind == "gcp"


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
def test_damage_is_said(tmp_path):
    data = bytearray(pack(tmp_path, "--format=oldgnu", "-S").read_bytes())
    for at, value in ((386, b"77777777777\0"), (398, b"7777777777x\0"), (483, b"\0" * 12)):
        bad = bytearray(data)
        bad[at : at + 12] = value
        bad[148:156] = b"%06o\0 " % (sum(bad[:512]) - sum(bad[148:156]) + 8 * 32)
        path = tmp_path / f"bad{at}.tar"
        path.write_bytes(bad)
        with pytest.raises(KenshoError):
            bytes_of(path)
    short = tmp_path / "short.tar"
    short.write_bytes(data[:8000])
    with pytest.raises(KenshoError):
        bytes_of(short)


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
def test_another_archive_is_not_taken_for_one(tmp_path):
    (tmp_path / "disk.txt").write_text("x")
    subprocess.run(["tar", "-czf", "x.tar.gz", "disk.txt"], cwd=tmp_path, check=True)
    with pytest.raises(PackageError):
        open_package(tmp_path / "x.tar.gz")


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_what_the_guest_wrote_is_no_format(tmp_path):
    command = ["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "disk.raw", "9M"]
    subprocess.run(command, check=True)
    content = (tmp_path / "disk.raw").read_bytes()
    with tarfile.open(tmp_path / "image.tar.gz", "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.add(tmp_path / "disk.raw", "disk.raw")
    assert bytes_of(tmp_path / "image.tar.gz") == content
