"""Rules that compare the descriptor with the package's files."""

from __future__ import annotations

import pytest

from kensho.packages.source import opened_ovf
from kensho.packages.validate.engine import validate
from kensho.packages.validate.rule import Mode
from kensho.packages.validate.subject import package_subject
from tests.packages.validate.samples import SIZE, changed, package, vmdk, zipped

FILE = '<File ovf:href="disk1.vmdk" ovf:id="file1" ovf:size="@SIZE@"/>'


def found(path, mode=Mode.STRICT):
    with opened_ovf(path) as opened:
        return {v.code: v for v in validate(package_subject(opened), mode)}


@pytest.mark.parametrize("ova", [False, True])
def test_a_good_package_has_no_fault(tmp_path, ova):
    assert found(package(tmp_path, ova=ova)) == {}


def test_a_wrong_size(tmp_path):
    path = package(tmp_path, changed(("@SIZE@", "77")), manifest=None)
    assert found(path)["KF-624"].severity == "error"


@pytest.mark.parametrize("mode", list(Mode))
def test_a_missing_file_is_an_error_in_every_mode(tmp_path, mode):
    assert found(package(tmp_path, files={}), mode)["KF-625"].severity == "error"


@pytest.mark.parametrize(
    ("sizes", "fault"),
    [((10, 5), False), ((10, 11), True), ((9, 5), True), ((10, 4), True), ((), True)],
)
def test_chunks(tmp_path, sizes, fault):
    text = changed((FILE, FILE.replace("@SIZE@", "15").replace("/>", ' ovf:chunkSize="10"/>')))
    chunks = {f"disk1.vmdk.{n:09d}": bytes(size) for n, size in enumerate(sizes)}
    assert ("KF-627" in found(package(tmp_path, text, files=chunks))) == fault


def test_gzip_that_is_none(tmp_path):
    text = changed((FILE, FILE.replace("/>", ' ovf:compression="gzip"/>')))
    good = package(tmp_path / "a", text, files={"disk1.vmdk": zipped(b"x")})
    bad = package(tmp_path / "b", text, files={"disk1.vmdk": b"xx"})
    assert "KF-626" not in found(good)
    assert "KF-626" in found(bad)


def test_the_image_is_larger_than_said(tmp_path):
    violation = found(package(tmp_path, size=2 * SIZE))["KF-635"]
    assert str(2 * SIZE) in violation.message


def test_a_compressed_image_is_larger_than_said(tmp_path):
    disk = zipped(vmdk(tmp_path / "x.vmdk", 2 * SIZE))
    text = changed((FILE, FILE.replace("/>", ' ovf:compression="gzip"/>')))
    assert "KF-635" in found(package(tmp_path, text, files={"disk1.vmdk": disk}))


def test_the_image_is_of_another_format(tmp_path):
    qcow = b"QFI\xfb\0\0\0\3" + bytes(12) + b"\0\0\0\x10" + (1 << 20).to_bytes(8, "big")
    path = package(tmp_path, files={"disk1.vmdk": qcow + bytes(200_000)})
    codes = found(path)
    assert "KF-636" in codes or "KF-639" in codes


def test_the_image_cannot_be_read(tmp_path):
    data = vmdk(tmp_path / "x.vmdk")
    assert "KF-639" in found(package(tmp_path, files={"disk1.vmdk": data[:600]}))


def test_an_old_stream(tmp_path):
    data = bytearray(vmdk(tmp_path / "x.vmdk"))
    data[4] = 1
    assert "KF-637" in found(package(tmp_path, files={"disk1.vmdk": bytes(data)}))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("what is this", "KF-690"),
        ("SHA256 (test.ovf)= " + "0" * 64, "KF-691"),
        ("SHA2-256(test.ovf)= " + "0" * 64, "KF-691"),
        ("SHA1(gone.vmdk)= " + "0" * 40, "KF-693"),
        ("SHA1(../gone.vmdk)= " + "0" * 40, "KF-693"),
        ("SHA1(disk1.vmdk)= " + "0" * 40, "KF-692"),
    ],
)
def test_manifests(tmp_path, line, code):
    path = package(tmp_path, manifest=None)
    (tmp_path / "test.mf").write_text(f"# first\n\n{line}\n")
    violation = found(path)[code]
    assert violation.file == "test.mf"
    assert violation.line in {0, 3}


def test_the_descriptor_is_not_first(tmp_path):
    import io
    import tarfile

    path = tmp_path / "x.ova"
    with tarfile.open(path, "w") as archive:
        for name, data in (("disk1.vmdk", b"1"), ("test.ovf", changed().encode())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert "KF-695" in found(path)
