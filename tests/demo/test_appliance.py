from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import appliance
import disk_image
from kensho.proof.watch.boot import boot_domain
from kensho.proof.watch.result import Verdict

DOMAIN = """\
<domain type='kvm'><name>demo</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>
<os{firmware}><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='{disk}'/><target dev='{dev}' bus='{bus}'/></disk>
<interface type='network'><model type='{nic}'/></interface></devices></domain>
"""


def test_a_built_appliance_is_used_again(tmp_path, monkeypatch):
    monkeypatch.setattr(appliance, "_install_debian", lambda *_: None)
    monkeypatch.setattr(appliance, "_put_back", lambda *_: None)
    monkeypatch.setattr(appliance, "_make_disk", lambda _work, disk, _uuid: disk.touch())
    first = appliance.build(tmp_path)
    monkeypatch.setattr(appliance, "_make_disk", None)
    assert appliance.build(tmp_path) == first
    as_made = appliance.build_as_made(tmp_path)
    assert as_made != first
    assert {*tmp_path.iterdir()} == {first, as_made}


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(appliance, "_install_debian", lambda *_: None)
    with pytest.raises(Exception, match="mkfs"):
        appliance.build(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_partitions_do_not_overlap():
    parts = (disk_image.BIOS_BOOT, disk_image.ESP, appliance.ROOT)
    ends = [part.end for part in parts]
    assert all(end <= part.start for end, part in zip(ends, parts[1:], strict=False))


@pytest.fixture(scope="module")
def disk() -> Path:
    return appliance.build(Path(appliance.__file__).parents[1] / ".cache" / "demo")


@pytest.mark.boot
@pytest.mark.parametrize(
    ("firmware", "dev", "bus", "nic"),
    [("", "vda", "virtio", "virtio"), (" firmware='efi'", "sda", "sata", "e1000e")],
    ids=["BIOS, virtio", "UEFI, SATA"],
)
def test_the_appliance_boots(disk, tmp_path, firmware, dev, bus, nic):
    xml = tmp_path / "demo.xml"
    xml.write_text(DOMAIN.format(firmware=firmware, disk=disk, dev=dev, bus=bus, nic=nic))
    before = subprocess.run(["sha256sum", disk], capture_output=True, check=True).stdout
    result = boot_domain(xml, log=tmp_path / "serial.log", timeout=1200)
    assert result.verdict is Verdict.LOGIN, result
    assert list(result.milestones) == [
        "firmware",
        "boot loader",
        "kernel",
        "root file system",
        "user space",
        "login",
    ]
    assert subprocess.run(["sha256sum", disk], capture_output=True, check=True).stdout == before
