"""Opening a package as its files."""

from __future__ import annotations

import io
import tarfile

import pytest
from lxml import etree

from kensho.model.errors import LocatorError, UnsupportedError
from kensho.packages.source import opened_ovf

DESCRIPTOR = b"""<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <!-- kept -->
  <References><File ovf:id="b" ovf:href="b.vmdk"/><File ovf:id="a" ovf:href="a%20disk.vmdk"/>
  <File ovf:id="c" ovf:href="gone.vmdk"/><File ovf:id="d" ovf:href="../outside"/></References>
</Envelope>
"""


def test_a_folder(tmp_path):
    (tmp_path / "app.ovf").write_bytes(DESCRIPTOR)
    (tmp_path / "app.mf").write_bytes(b"SHA1(app.ovf)= 00\n")
    (tmp_path / "a disk.vmdk").write_bytes(b"1")
    (tmp_path / "b.vmdk").write_bytes(b"22")
    with opened_ovf(tmp_path) as package:
        assert (package.kind, package.name, package.data) == ("ovf", "app.ovf", DESCRIPTOR)
        assert package.files == ("b.vmdk", "a disk.vmdk")
        assert package.manifest == b"SHA1(app.ovf)= 00\n"
        assert package.certificate is None
        assert b"<!-- kept -->" in etree.tostring(package.root)


def test_an_archive(tmp_path):
    path = tmp_path / "app.ova"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in (("app.ovf", DESCRIPTOR), ("app.cert", b"x"), ("b.vmdk", b"22")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with opened_ovf(path) as package:
        assert (package.kind, package.name, package.files) == ("ova", "app.ovf", ("b.vmdk",))
        assert (package.manifest, package.certificate) == (None, b"x")


def test_what_is_no_package(tmp_path):
    with pytest.raises(LocatorError), opened_ovf(tmp_path / "none.ova"):
        pass
    (tmp_path / "disk.img").write_bytes(bytes(512))
    with pytest.raises(UnsupportedError), opened_ovf(tmp_path / "disk.img"):
        pass


def test_chunks_are_files_and_web_addresses_are_not(tmp_path):
    files = (
        b'<File ovf:id="a" ovf:href="a.vmdk" ovf:chunkSize="2" ovf:size="3"/>'
        b'<File ovf:id="b" ovf:href="http://127.0.0.1:1/b.vmdk"/>'
    )
    text = DESCRIPTOR.replace(b"<References>", b"<References>" + files)
    (tmp_path / "app.ovf").write_bytes(text)
    (tmp_path / "a.vmdk.000000000").write_bytes(b"12")
    (tmp_path / "a.vmdk.000000001").write_bytes(b"3")
    (tmp_path / "b.vmdk").write_bytes(b"22")
    with opened_ovf(tmp_path) as package:
        assert package.files == ("a.vmdk.000000000", "a.vmdk.000000001", "b.vmdk")
