"""A bootable disk image made in place: partition table, file systems and GRUB for BIOS and UEFI.

Nothing is mounted and no loop device is used: the file systems are written at
their offsets inside the image.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debian import privilege
from shell import run

SECTOR = 512
MIB = 1 << 20
GRUB = Path("/usr/lib/grub")
_GRUB_MODULES = (
    *("part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux"),
    *("serial", "terminal", "echo", "test"),
)

BIOS_BOOT_TYPE = "21686148-6449-6E6F-744E-656564454649"
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
LVM_TYPE = "E6D6D379-F507-44C2-A23C-238F2A3DF928"


@dataclass(frozen=True)
class Partition:
    """A stretch of the disk, in sectors."""

    start: int
    count: int
    kind: str

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.start * SECTOR

    @property
    def end(self) -> int:
        """The first sector after it."""
        return self.start + self.count


BIOS_BOOT = Partition(2048, 2048, BIOS_BOOT_TYPE)
ESP = Partition(BIOS_BOOT.end, 16 * MIB // SECTOR, ESP_TYPE)


def partitions(*wanted: tuple[int, str]) -> tuple[Partition, ...]:
    """Return partitions after the ESP, one behind the other; wanted are mebibytes and types."""
    made: list[Partition] = []
    for size, kind in wanted:
        made.append(Partition((made or [ESP])[-1].end, size * MIB // SECTOR, kind))
    return tuple(made)


def make_disk(disk: Path, parts: Sequence[Partition], disk_id: str) -> None:
    """Make an empty GPT disk with a BIOS boot partition, an ESP and ``parts``."""
    with disk.open("wb") as file:
        file.truncate((parts[-1].end + 2048) * SECTOR)
    table = ["label: gpt", f"label-id: {disk_id}"]
    table += [f"start={p.start}, size={p.count}, type={p.kind}" for p in (BIOS_BOOT, ESP, *parts)]
    run(["sfdisk", "--quiet", disk], stdin="\n".join(table) + "\n")


def make_ext4(disk: Path, part: Partition, folder: Path, fs_uuid: str, label: str) -> None:
    """Make an ext4 with a folder's files in a partition; owners are kept."""
    options = f"offset={part.offset},lazy_itable_init=0,lazy_journal_init=0"
    run(
        [
            *privilege(),
            *("mkfs.ext4", "-q", "-F", "-U", fs_uuid, "-L", label, "-m", "0", "-J", "size=8"),
            *("-E", options, "-d", folder, disk, f"{part.count * SECTOR // 1024}k"),
        ]
    )


def make_boot_loaders(
    disk: Path, work: Path, fs_uuid: str, *, folder: str = "/boot/grub", modules: Sequence[str] = ()
) -> None:
    """Put GRUB on the disk, for BIOS and for UEFI.

    Its configuration is in ``folder`` of the file system ``fs_uuid``, which it finds with
    ``modules`` on top of what GPT and ext4 need.
    """
    early = work / "early.cfg"
    early.write_text(
        f"search --no-floppy --fs-uuid --set=root {fs_uuid}\nset prefix=($root){folder}\nnormal\n"
    )
    core, loader = work / "core.img", work / "BOOTX64.EFI"
    _make_grub("i386-pc", ["biosdisk", *_GRUB_MODULES, *modules], early, core, folder)
    _make_grub("x86_64-efi", ["efi_gop", *_GRUB_MODULES, *modules], early, loader, folder)

    esp = f"{disk}@@{ESP.offset}"
    run(["mformat", "-i", esp, "-T", str(ESP.count), "-v", "ESP", "::"])
    run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI"])
    _embed_bios_grub(disk, core.read_bytes())


def _make_grub(
    platform: str, modules: Sequence[str], early: Path, output: Path, folder: str
) -> None:
    run(
        [
            *("grub-mkimage", "-O", platform, "-d", GRUB / platform, "-p", folder),
            *("-c", early, "-o", output, *modules),
        ]
    )


def _embed_bios_grub(disk: Path, core: bytes) -> None:
    """Put GRUB's first sector into the MBR and the rest into the BIOS boot partition.

    Each part has to know where the next one lies: the boot sector at 0x5c, the
    core's first sector in the block list at its end (0x1f4).
    """
    if len(core) > BIOS_BOOT.count * SECTOR:
        raise ValueError("GRUB's core image does not fit its partition")
    boot = bytearray((GRUB / "i386-pc" / "boot.img").read_bytes()[:440])
    struct.pack_into("<Q", boot, 0x5C, BIOS_BOOT.start)
    patched = bytearray(core)
    struct.pack_into("<Q", patched, 0x1F4, BIOS_BOOT.start + 1)
    with disk.open("r+b") as file:
        file.write(boot)  # the partition table begins at 446 and stays
        file.seek(BIOS_BOOT.offset)
        file.write(patched)
