from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from kensho.guest.files.base import Kind
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import KenshoError, NotFoundError
from tests.guest.images_of import MIB, files_of, run, tool, volumes_of

#: mformat's options, and the size: FAT12, FAT16 and FAT32.
SIZES = {"12": (2 * MIB, ()), "16": (16 * MIB, ("-c", "2")), "32": (64 * MIB, ("-F",))}
LARGE = bytes(range(256)) * 1000


def fat(path: Path, bits: str) -> Path:
    """Make a FAT with mtools alone, with names of all kinds."""
    size, options = SIZES[bits]
    with path.open("wb") as file:
        file.truncate(size)
    tool("mformat")
    heads = ("-T", size // 512, "-h", 4, "-s", 16)
    run("mformat", "-i", path, "-v", "ESP", *heads, *options, "::")
    folder = path.parent / "files"
    folder.mkdir(exist_ok=True)
    (folder / "large").write_bytes(LARGE)
    (folder / "small").write_bytes(b"boot")
    run("mmd", "-i", path, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", path, folder / "small", "::/EFI/BOOT/BOOTX64.EFI")
    run("mcopy", "-i", path, folder / "large", "::/a long name with späces.and.dots")
    run("mcopy", "-i", path, folder / "small", "::/lower.txt")
    for n in range(8):
        run("mcopy", "-i", path, folder / "small", f"::/EFI/a-long-name-{n:03}")
    run("mcopy", "-i", path, folder / "small", "::/gone")
    run("mdel", "-i", path, "::/gone")
    return path


@pytest.mark.parametrize("bits", SIZES)
def test_names_and_data(bits: str, tmp_path: Path) -> None:
    path = fat(tmp_path / "fat.img", bits)
    (volume,) = volumes_of(path).volumes
    assert (volume.content.kind, volume.content.label) == ("vfat", "ESP")
    files = GuestFiles(open_files(volume))
    assert files.names("/") == ("EFI", "a long name with späces.and.dots", "lower.txt")
    assert files.read("/efi/boot/bootx64.efi") == b"boot"
    assert files.read("/a long name with späces.and.dots") == LARGE
    assert len(files.names("/EFI")) == 9
    assert files.stat("/EFI").kind is Kind.DIRECTORY
    assert files.stat("/lower.txt").mtime > 1_600_000_000 * 10**9
    assert {f.path for f in files.walk("/EFI/BOOT")} == {"/EFI/BOOT", "/EFI/BOOT/BOOTX64.EFI"}
    with pytest.raises(NotFoundError):
        files.read("/gone")


def test_damage_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    path = fat(tmp_path / "fat.img", "16")
    whole = path.read_bytes()
    used = [at for at in range(0, len(whole), 512) if any(whole[at : at + 512])][:200]
    chance = random.Random(16)
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(10):
            damaged[chance.choice(used) + chance.randrange(512)] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            files = GuestFiles(files_of(path))
            for found in files.walk():
                if found.stat.kind is Kind.FILE:
                    sum(len(piece) for _, piece in found.data())
        except KenshoError:
            continue


def test_a_chain_that_never_ends(tmp_path: Path) -> None:
    path = fat(tmp_path / "fat.img", "16")
    data = bytearray(path.read_bytes())
    table = int.from_bytes(data[14:16], "little") * 512
    size = int.from_bytes(data[22:24], "little") * 512
    for at in range(table + 4, table + size, 2):
        data[at : at + 2] = b"\3\0"
    path.write_bytes(data)
    files = GuestFiles(files_of(path))
    with contextlib.suppress(KenshoError):
        for found in files.walk():
            if found.stat.kind is Kind.FILE:
                assert sum(len(piece) for _, piece in found.data()) == found.stat.size
