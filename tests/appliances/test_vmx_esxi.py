"""Folders for ESXi: a VMX, and disks of plain data with a descriptor."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.appliances.vagrant.boxes import disk

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.convert.source import opened_image
from kensho.disks import content_root, open_disk
from kensho.storage import FileSource

VMX = """config.version = "8"
virtualHW.version = "13"
displayName = "Web"
guestOS = "debian12-64"
memsize = "1024"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0:0.fileName = "a.vmdk"
scsi0:1.fileName = "b.vmdk"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.networkName = "VM Network"
"""


def test_disks_are_described_beside_their_data(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "web.vmx").write_text(VMX, encoding="utf-8")
    sources = [disk(tmp_path / "in" / f"{n}.vmdk", "vmdk", mark=n.encode()) for n in "ab"]
    plan = make_plan(Request(source=str(tmp_path / "in" / "web.vmx"), target="vmware", form="esxi"))
    out = tmp_path / "out"
    result = run_plan(plan, out)
    names = {f.name for f in result.files}
    assert {"Web.vmx", "Web-disk1.vmdk", "Web-disk1-flat.vmdk", "Web-disk2-flat.vmdk"} <= names
    assert "productCompatibility" not in (out / "Web.vmx").read_text()
    package = open_package(out / "Web.vmx")
    assert [i.format for i in package.appliance.images] == ["", ""]
    for image, source in zip(package.appliance.images, sources, strict=True):
        with opened_image(package, image.id) as reader, FileSource(source) as original:
            assert (reader.format, reader.subformat) == ("vmdk", "vmfs")
            assert content_root(reader) == content_root(open_disk(original))
    package.close()
    assert (out / "Web-disk1-flat.vmdk").stat().st_blocks * 512 < 1 << 20


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_qemu_reads_them(tmp_path: Path) -> None:
    image = disk(tmp_path / "web.qcow2")
    plan = make_plan(Request(source=str(image), target="vmware", form="esxi"))
    run_plan(plan, tmp_path / "out")
    words = ["qemu-img", "compare", str(tmp_path / "out" / "web-disk1.vmdk"), str(image)]
    assert b"identical" in subprocess.run(words, check=True, capture_output=True).stdout
