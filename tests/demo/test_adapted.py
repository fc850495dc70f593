"""The demo's Debian with drivers for virtio alone: it starts elsewhere after `kensho adapt`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import appliance
from kensho.cli.exits import run
from kensho.disks import open_disk
from kensho.guest.adapt.carry_out import write_overlay
from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.kernels import find_kernels, load_index, load_initramfs
from kensho.guest.linux.modules.index import module_name
from kensho.guest.volumes.scan import scan
from kensho.proof.boot import BootResult, Verdict, boot_domain
from kensho.storage import FileSource

VIRTIO = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ext4", "crc32c_generic")
DOMAIN = """\
<domain type='kvm'><name>guest</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><devices>
<controller type='scsi' index='0' model='{controller}'/>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{disk}'/><target dev='sda' bus='scsi'/></disk></devices></domain>
"""


def narrow(source: Path, path: Path) -> Path:
    """Make an overlay in which the guest's initramfs has the drivers for virtio alone."""
    with FileSource(source) as file:
        disk = open_disk(file)
        opened = Opened(scan([disk]))
        opened.open_all()
        (system,) = find_systems(opened)
        (kernel,) = find_kernels(system.files)
        image = load_initramfs(system.files, kernel)
        kept = set(load_index(system.files, kernel.modules).closure(VIRTIO))
        entries = [
            entry
            for name, entry in image.files.items()
            if ".ko" not in name or module_name(name) in kept
        ]
        content = pack(write_archive(entries), image.codec)
        edit = FileEdit(kernel.initramfs, content, "drivers for virtio alone")
        work = path.with_suffix(".work")
        work.mkdir()
        changes = [piece for _, piece in pieces(edit_volume(system.volume, (edit,), work))]
        write_overlay(changes, disk, (source.name, "raw"), path)
    return path


def boot(disk: Path, controller: str, folder: Path) -> BootResult:
    folder.mkdir()
    xml = folder / "guest.xml"
    xml.write_text(DOMAIN.format(disk=disk, controller=controller))
    return boot_domain(xml, log=folder / "serial.log", timeout=400)


@pytest.mark.boot
def test_a_guest_for_virtio_alone_starts_on_other_controllers(tmp_path: Path) -> None:
    built = appliance.build(Path(appliance.__file__).parents[1] / ".cache" / "demo")
    source = tmp_path / "guest.img"  # beside its overlays: none outside a folder is read
    subprocess.run(["cp", "--sparse=always", built, source], check=True)
    before = narrow(source, tmp_path / "before.qcow2")
    after = tmp_path / "after.qcow2"
    assert run(["adapt", str(before), "--for", "vmware", "-o", str(after)]) == 0
    subprocess.run(["qemu-img", "check", "-q", str(after)], check=True)
    failed = boot(before, "vmpvscsi", tmp_path / "before")
    assert failed.verdict is Verdict.FAILED, failed
    assert "root" in failed.reason
    # The same flags: a failure before proves nothing unless the guest starts on them after.
    for controller in ("vmpvscsi", "lsisas1068"):
        started = boot(after, controller, tmp_path / controller)
        assert started.verdict is Verdict.LOGIN, started
