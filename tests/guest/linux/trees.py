"""Initramfs images and module indexes made small for the tests."""

from __future__ import annotations

import stat
import struct

from kensho.guest.linux.initramfs.cpio import Entry, write_archive

FOLDER, FILE, LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777

MODULES = "usr/lib/modules/6.1.0-9-amd64"

#: What depmod writes for a kernel with a few drivers; the ids are those of the real ones.
INDEX = {
    "modules.dep": """\
kernel/drivers/scsi/scsi_mod.ko:
kernel/drivers/scsi/sd_mod.ko: kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/scsi/vmw_pvscsi.ko: kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/ata/libata.ko.xz: kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/ata/libahci.ko.xz: kernel/drivers/ata/libata.ko.xz kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/ata/ahci.ko.xz: kernel/drivers/ata/libahci.ko.xz kernel/drivers/ata/libata.ko.xz kernel/drivers/scsi/scsi_mod.ko
kernel/drivers/block/virtio_blk.ko.zst: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/net/vmxnet3.ko:
kernel/arch/crc32c-generic.ko:
""",
    "modules.alias": """\
# Aliases extracted from modules themselves.
alias pci:v000015ADd000007C0sv*sd*bc*sc*i* vmw-pvscsi
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias virtio:d00000002v* virtio_blk
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci
alias pci:v000015ADd000007B0sv*sd*bc*sc*i* vmxnet3
alias acpi*:LNRO0005:* virtio_mmio
""",
    "modules.softdep": "# Soft dependencies\nsoftdep ahci pre: crc32c-generic post: nothing_here\n",
    "modules.builtin": "kernel/drivers/nvme/host/nvme.ko\nkernel/drivers/nvme/host/nvme-core.ko\n",
    "modules.builtin.modinfo": "nvme.alias=pci:v*d*sv*sd*bc01sc08i02*\0nvme.license=GPL\0",
}  # fmt: skip


def entry(name: str, data: bytes = b"", mode: int = FILE) -> Entry:
    return Entry(name, mode, memoryview(data))


def debian_base(*modules: str) -> list[Entry]:
    """Return the entries of an initramfs of initramfs-tools on a merged /usr."""
    folders = ["usr", "usr/lib", "usr/lib/modules", MODULES, "conf", "kernel"]
    entries = [entry(folder, mode=FOLDER) for folder in folders]
    entries += [
        entry("lib", b"usr/lib", LINK),
        entry("init", b"#!/bin/sh\n", FILE | 0o111),
        entry("conf/initramfs.conf", b"MODULES=dep\n"),
        entry("conf/modules", b"virtio_blk\n"),
    ]
    made: set[str] = set()
    for module in modules:
        parts = f"{MODULES}/{module}".split("/")
        for count in range(4, len(parts)):
            folder = "/".join(parts[:count])
            if folder not in made and folder not in folders:
                made.add(folder)
                entries.append(entry(folder, mode=FOLDER))
        entries.append(entry(f"{MODULES}/{module}", b"\x7fELF module"))
    return entries


def microcode() -> bytes:
    """Return what is put before an initramfs for the processor."""
    names = ("kernel", "kernel/x86", "kernel/x86/microcode")
    folders = [entry(name, mode=FOLDER) for name in names]
    return write_archive([*folders, entry("kernel/x86/microcode/GenuineIntel.bin", bytes(500))])


def elf(records: bytes) -> bytes:
    """Return a module for x86-64 with these records of ``.modinfo``."""
    names = b"\0.modinfo\0.shstrtab\0"
    head = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 1, 62, 1, 0, 0,
                       64 + len(records) + len(names), 0, 64, 0, 0, 64, 3, 2)  # fmt: skip
    row = struct.Struct("<IIQQQQIIQQ")
    rows = (
        row.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        + row.pack(1, 1, 2, 0, 64, len(records), 0, 0, 1, 0)
        + row.pack(10, 3, 0, 0, 64 + len(records), len(names), 0, 0, 1, 0)
    )
    return head + records + names + rows
