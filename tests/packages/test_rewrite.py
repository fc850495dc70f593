"""Writing packages, looked at with the standard library's tarfile and hashlib."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile

import pytest
from lxml import etree

from kensho.model.errors import (
    LocatorError,
    ManifestMismatchError,
    TruncatedError,
    UnsafePathError,
    UsageError,
)
from kensho.packages.rewrite import PackageFile, serialise_descriptor, with_sizes, write_package
from kensho.packages.source import opened_ovf
from kensho.storage import FileSource, MemorySource

OVF = b"""<?xml version="1.0"?>
<!-- before --><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:x="urn:x">
  <References><File ovf:href="a%20b.vmdk" ovf:id="a"/><File ovf:href="c.iso" ovf:id="c" ovf:size="1"/></References>
  <x:Kept x:a="1"><![CDATA[<&>]]></x:Kept>
</Envelope><!-- after -->
"""
GIB = 1 << 30


def memory(name, data):
    return PackageFile(name, MemorySource(data, name))


def two():
    return [memory("a b.vmdk", b"disk" * 5000), memory("c.iso", b"")]


def sign(name, manifest):
    return f"signed {name} {hashlib.sha1(manifest).hexdigest()}\n".encode()


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_an_archive_has_descriptor_manifest_certificate_files(tmp_path, algorithm):
    path = tmp_path / "x.ova"
    seen = []
    written = write_package(
        path, name="app", descriptor=OVF, files=two(), algorithm=algorithm, sign=sign,
        on_bytes=seen.append,
    )  # fmt: skip
    found = members(path)
    assert list(found) == ["app.ovf", "app.mf", "app.cert", "a b.vmdk", "c.iso"]
    lines = [
        f"{algorithm.upper()}({n})= {hashlib.new(algorithm, found[n]).hexdigest()}\n"
        for n in ("app.ovf", "a b.vmdk", "c.iso")
    ]
    assert found["app.mf"].decode() == "".join(lines)
    assert found["app.cert"].rstrip(b"\n") == sign("app.mf", found["app.mf"]).rstrip()
    assert sum(seen) == 20000
    assert [(f.name, f.size) for f in written.files] == [
        ("app.ovf", len(OVF)), ("a b.vmdk", 20000), ("c.iso", 0),
    ]  # fmt: skip
    assert written.files[1].digest.hex == hashlib.new(algorithm, b"disk" * 5000).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["x.ova"]


def test_without_manifest(tmp_path):
    write_package(tmp_path / "x.ova", name="a.ovf", descriptor=OVF, files=two(), algorithm=None)
    assert list(members(tmp_path / "x.ova")) == ["a.ovf", "a b.vmdk", "c.iso"]


def test_a_folder_and_its_manifest(tmp_path):
    files = [memory("sub/d.vmdk", b"1"), *two()]
    written = write_package(tmp_path / "new" / "app.ovf", name="z", descriptor=OVF, files=files)
    folder = tmp_path / "new"
    assert written.path == str(folder / "app.ovf")
    assert sorted(p.name for p in folder.rglob("*")) == [
        "a b.vmdk", "app.mf", "app.ovf", "c.iso", "d.vmdk", "sub",
    ]  # fmt: skip
    mf = folder / "app.mf"
    assert (
        mf.read_text().splitlines()[1] == f"SHA256(sub/d.vmdk)= {hashlib.sha256(b'1').hexdigest()}"
    )


def test_the_target_may_be_the_source(tmp_path):
    path = tmp_path / "x.ova"
    write_package(path, name="app", descriptor=OVF, files=two(), sign=sign)
    with opened_ovf(path) as package:
        files = [PackageFile(name, package.store.open(name)) for name in package.files]
        with pytest.raises(LocatorError):
            write_package(path, name="app", descriptor=OVF, files=files)
        write_package(
            path, name="app", descriptor=OVF, files=files, algorithm="sha512", overwrite=True
        )
    found = members(path)
    assert list(found) == ["app.ovf", "app.mf", "a b.vmdk", "c.iso"]
    assert found["a b.vmdk"] == b"disk" * 5000


def test_a_folder_rewritten_in_place_keeps_its_disks_and_loses_its_old_signature(tmp_path):
    write_package(tmp_path, name="app", descriptor=OVF, files=two(), sign=sign)
    disk = tmp_path / "a b.vmdk"
    before = disk.stat()
    with opened_ovf(tmp_path) as package:
        files = [PackageFile(name, package.store.open(name)) for name in package.files]
        write_package(
            tmp_path, name="app", descriptor=OVF, files=files, algorithm="sha1", overwrite=True
        )
    assert (disk.stat().st_ino, disk.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (tmp_path / "app.cert").exists()
    digest = hashlib.sha1(disk.read_bytes()).hexdigest()
    assert f"SHA1(a b.vmdk)= {digest}" in (tmp_path / "app.mf").read_text()


@pytest.mark.parametrize("target", ["x.ova", "new", "new/x.ovf"])
def test_a_failure_leaves_nothing(tmp_path, target):
    class Short(MemorySource):
        def read_into(self, offset, buffer):
            raise TruncatedError("gone")

    files = [memory("a", b"1"), PackageFile("b", Short(b"2"))]
    with pytest.raises(TruncatedError):
        write_package(tmp_path / target, name="x", descriptor=OVF, files=files)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "error"),
    [
        (["app.mf"], UsageError),
        (["a", "a"], UsageError),
        (["../a"], UnsafePathError),
        (["/a"], UnsafePathError),
        (["a\nb"], UnsafePathError),
        (["./a"], UsageError),
    ],
)
def test_names_that_clash_or_lead_out(tmp_path, files, error):
    with pytest.raises(error):
        write_package(
            tmp_path / "x.ova", name="app", descriptor=OVF, files=[memory(n, b"") for n in files]
        )
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_folder_is_not_followed_out(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "out")
    with pytest.raises(UnsafePathError):
        write_package(tmp_path / "in", name="a", descriptor=OVF, files=[memory("sub/d", b"")])
    assert list((tmp_path / "out").iterdir()) == []


def test_known_digests_are_believed(tmp_path):
    files = [PackageFile("a", MemorySource(b"1"), {"sha256": "ab" * 32})]
    write_package(tmp_path / "x.ova", name="x", descriptor=OVF, files=files)
    assert b"SHA256(a)= " + b"ab" * 32 in members(tmp_path / "x.ova")["x.mf"]


def test_the_descriptor_keeps_what_surrounds_its_root():
    root = etree.fromstring(OVF, etree.XMLParser(strip_cdata=False))
    data = serialise_descriptor(root)
    assert data.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<!-- before -->")
    assert b"<!-- after -->" in data
    assert b"<![CDATA[<&>]]>" in data
    assert etree.tostring(etree.fromstring(data), method="c14n") == etree.tostring(
        root, method="c14n"
    )


def test_sizes_are_made_true():
    root = etree.fromstring(OVF)
    with_sizes(root, {"a b.vmdk": 7, "c.iso": 8, "other": 9})
    key = "{http://schemas.dmtf.org/ovf/envelope/1}size"
    assert [f.get(key) for f in root.iter("{*}File")] == ["7", "8"]


def sparse(path, size):
    with path.open("wb") as file:
        file.write(b"begin")
        file.seek(size // 2)
        file.write(b"middle")
        file.truncate(size)
    return path


def test_cot_82_ovirt_374_no_pax_and_the_descriptor_first(tmp_path):
    """COT on Python 3.8 and later wrote PAX headers: "Did not find an .ovf file at the beginning"."""
    path = tmp_path / "x.ova"
    write_package(path, name="x", descriptor=OVF, files=two())
    blob = path.read_bytes()
    assert blob[:6] == b"x.ovf\0"
    assert blob[156:157] == b"0"
    assert blob[257:265] == b"ustar\x0000"
    with tarfile.open(path) as tar:
        assert all(m.type == tarfile.REGTYPE and not m.pax_headers for m in tar)
        assert not tar.pax_headers


def test_coreos_assembler_3787_members_beyond_8_gib(tmp_path):
    """open-vmdk#65, xen-orchestra#7183, #3468 too: GNU base-256, sparse in and sparse out."""
    size = 9 * GIB + 1
    disk = sparse(tmp_path / "big.raw", size)
    path = tmp_path / "x.ova"
    with FileSource(disk) as source:
        write_package(
            path, name="x", descriptor=OVF, files=[PackageFile("big.raw", source)], algorithm=None
        )
    with tarfile.open(path, format=tarfile.GNU_FORMAT) as tar:
        member = tar.getmember("big.raw")
        assert (member.size, member.pax_headers) == (size, {})
        at = member.offset_data
    with path.open("rb") as file:
        header = file.seek(at - 512)
        file.seek(header + 124)
        assert file.read(1) == b"\x80"
        for offset, data in ((0, b"begin"), (size // 2, b"middle"), (size - 1, b"\0")):
            file.seek(at + offset)
            assert file.read(len(data)) == data
    assert path.stat().st_blocks * 512 < 1 << 20
    listed = subprocess.run(["tar", "tvf", path], capture_output=True, text=True, check=True)
    assert str(size) in listed.stdout


PIPE = """
import sys
from pathlib import Path
from kensho.packages.rewrite import PackageFile, write_package
from kensho.storage import FileSource
source = FileSource(sys.argv[1])
known = {"sha256": sys.argv[2]} if sys.argv[2] else None
write_package("-", name="x", descriptor=b"<Envelope/>", files=[PackageFile("d.raw", source, known)])
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(peak, file=sys.stderr)
"""


@pytest.mark.parametrize("known", ["", "ab" * 32])
def test_standard_output_in_one_pass_with_constant_memory(tmp_path, known):
    disk = sparse(tmp_path / "d.raw", GIB // 5)
    with subprocess.Popen(
        [sys.executable, "-c", PIPE, disk, known], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        digests = {}
        with tarfile.open(fileobj=run.stdout, mode="r|") as tar:
            for member in tar:
                reader = tar.extractfile(member)
                digests[member.name] = hashlib.file_digest(reader, "sha256").hexdigest()
        peak = int(run.stderr.read())
    assert run.returncode == 0
    order = ["x.ovf", "x.mf", "d.raw"] if known else ["x.ovf", "d.raw", "x.mf"]
    assert list(digests) == order
    with disk.open("rb") as file:
        assert digests["d.raw"] == hashlib.file_digest(file, "sha256").hexdigest()
    assert peak < 120_000  # KiB


def test_a_hole_at_the_end_of_a_folder_file(tmp_path):
    disk = sparse(tmp_path / "d.raw", 1 << 20)
    with FileSource(disk) as source:
        write_package(tmp_path / "out", name="x", descriptor=OVF, files=[PackageFile("d", source)])
    assert (tmp_path / "out" / "d").read_bytes() == disk.read_bytes()


def test_a_failure_leaves_the_folder_as_it_was(tmp_path):
    write_package(tmp_path, name="app", descriptor=OVF, files=two(), sign=sign)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    files = [
        memory("a b.vmdk", b"new"),
        PackageFile("c.iso", MemorySource(b"x"), None, {"md5": ""}),
    ]
    with pytest.raises(ManifestMismatchError):
        write_package(tmp_path, name="app", descriptor=b"<x/>", files=files, overwrite=True)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("there", ["c.iso", "app.mf", "app.ovf"])
def test_nothing_is_read_when_a_file_is_in_the_way(tmp_path, there):
    class Unread(MemorySource):
        def read_into(self, offset, buffer):
            raise AssertionError

    (tmp_path / there).write_bytes(b"mine")
    files = [PackageFile("a", Unread(b"1")), PackageFile("c.iso", MemorySource(b"2"))]
    with pytest.raises(LocatorError):
        write_package(tmp_path, name="app", descriptor=OVF, files=files)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {there: b"mine"}
