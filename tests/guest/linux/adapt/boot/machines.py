"""Machines with real disks: partitions, file systems and swap made by their own tools."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit.draft import Draft
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.linux.adapt.guest import LinuxGuest
from tests.guest.images_of import MIB, ext, partitioned, put, run, volumes_of
from tests.guest.linux.adapt.making import aims_for

PART = 4 * MIB
ROOT = "11111111-2222-4333-8444-555555555555"
SWAP = "99999999-8888-4777-8666-555555555555"
DATA = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
#: The type of an EFI system partition, and of any other.
_TYPES = {"gpt": ("uefi", "linux"), "dos": ("ef", "83")}
_numbers = itertools.count()


@dataclass(frozen=True)
class Part:
    """A partition: ``kind`` as blkid says, what is in it, its UUID, where it says it was mounted."""

    kind: str
    tree: Path | None = None
    uuid: str = ""
    mounted: str = ""


def root(tree: Path, kind: str = "ext4") -> Part:
    return Part(kind, tree, ROOT)


def make_disk(folder: Path, *parts: Part, label: str = "gpt") -> Path:
    """Make a disk of 4 MiB partitions, from number 1 on."""
    path = folder / f"disk{next(_numbers)}.img"
    script = f"label: {label}\n"
    if label == "dos":
        script += "label-id: 0xc0ffee01\n"
    for number, part in enumerate(parts):
        kind = _TYPES[label][part.kind != "vfat"]
        script += f"start={2048 + number * PART // 512}, size={PART // 512}, type={kind}\n"
    partitioned(path, script, 2 * MIB + len(parts) * PART)
    for number, part in enumerate(parts):
        if part.kind:
            put(path, MIB + number * PART, _filled(folder, part))
    return path


def make_whole(folder: Path, part: Part) -> Path:
    """Make a disk without partitions."""
    return _filled(folder, part)


def _filled(folder: Path, part: Part) -> Path:
    image = folder / f"part{next(_numbers)}.img"
    if part.kind.startswith("ext"):
        options = ["-t", part.kind, *(("-U", part.uuid) if part.uuid else ())]
        more = ("-M", part.mounted) if part.mounted else ()
        return ext(image, part.tree, *options, *more, size=PART)
    with image.open("wb") as file:
        file.truncate(PART)
    if part.kind == "swap":
        run("mkswap", "-q", "-U", part.uuid or SWAP, image)
    elif part.kind == "crypto_LUKS":
        run("cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", 1000,
            "--uuid", part.uuid or DATA, image, "-", stdin="secret")  # fmt: skip
    elif part.kind == "vfat":
        run("mkfs.vfat", "-i", "C0FFEE42", image)
        for entry in sorted(part.tree.iterdir()) if part.tree else ():
            run("mcopy", "-s", "-i", image, entry, "::")
    return image


def guest_on(*disks: Path) -> LinuxGuest:
    """Return the first system on disks."""
    opened = Opened(volumes_of(*disks))
    opened.open_all()
    system = next(iter(find_systems(opened)))
    return LinuxGuest(system, opened, aims_for(), Draft(system.files, system.volume.id))


def carry_out(draft: Draft, tree: Path) -> None:
    """Do the planned edits in the tree that the file system was made from."""
    for edit in draft.edits:
        path = tree / edit.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        if edit.content is None:
            path.unlink()
        else:
            path.write_bytes(edit.content)


def tree_of(folder: Path, **files: str) -> Path:
    """Return a tree with an os-release and files, whose names have ``__`` for a slash."""
    tree = folder / f"tree{next(_numbers)}"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
    (tree / "usr/lib/systemd").mkdir(parents=True)
    (tree / "usr/lib/systemd/systemd").touch()
    for name, text in files.items():
        path = tree / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return tree
