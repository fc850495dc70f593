"""Small boxes as their makers pack them."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from kensho.disks import create_disk
from kensho.storage.file import FileSink

LIBVIRT = b'{"provider": "libvirt", "format": "qcow2", "virtual_size": 1}'
VAGRANTFILE = b"""# -*- mode: ruby -*-
Vagrant.configure("2") do |config|
  config.vm.guest = :debian
  config.vm.base_mac = "080027AABBCC"  # of the first adapter
  config.vm.provider :virtualbox do |v|
    v.memory = 333
    v.customize ["modifyvm", :id, "--firmware", "efi"]
  end
  config.vm.provider "libvirt" do |lv, override|
    lv.memory = 2_048
    lv.cpus = 4
    lv.cputopology :sockets => '2', :cores => '2', :threads => '1'
    lv.disk_bus = 'sata'
    lv.nic_model_type = "e1000"
    lv.loader = "/usr/share/OVMF/OVMF_CODE.fd"
    lv.machine_type = "q#{35}"
    system("touch pwned")
  end
end
`touch pwned`
"""


def disk(path: Path, format_: str = "qcow2", subformat: str = "", mark: bytes = b"\x5a") -> Path:
    """Write a disk of 3 MiB whose second MiB begins with ``mark``."""
    if not subformat:
        subformat = "uncompressed" if format_ == "qcow2" else "monolithicSparse"
    with FileSink(path) as sink:
        writer = create_disk(format_, subformat, sink, 3 << 20)
        writer.commit(writer.encode(1 << 20, memoryview(mark * 65536)))
        writer.finish()
    return path


def box(path: Path, files: Mapping[str, bytes | Path], mode: str = "w") -> Path:
    """Pack files, in their order, as a tar archive."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def gnu_tar(path: Path, folder: Path, *words: str) -> Path:
    """Pack a folder's files with GNU tar, as the tools of libvirt boxes do, or with bsdtar."""
    tar = "bsdtar" if "bsdtar" in words else shutil.which("tar") or "tar"
    words = tuple(word for word in words if word != "bsdtar")
    subprocess.run([tar, "-C", str(folder), "-cf", str(path), *words], check=True)
    return path
