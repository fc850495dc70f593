"""File systems made of a folder without mounting them, and a volume group around one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from debian import privilege
from shell import run
from tests.guest.lvm_disks import MIB, dashed, metadata_area

EXTENT = 4 * MIB
_GROUP = """\
vg {{
id = "{group}"
seqno = 2
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = 8192
max_lv = 0
max_pv = 0
metadata_copies = 0

physical_volumes {{

pv0 {{
id = "{pv}"
device = "/dev/sda3"

status = ["ALLOCATABLE"]
flags = []
dev_size = {sectors}
pe_start = 2048
pe_count = {extents}
}}
}}

logical_volumes {{

root {{
id = "{lv}"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 2

segment1 {{
start_extent = 0
extent_count = {first}

type = "striped"
stripe_count = 1

stripes = [
"pv0", {second}
]
}}
segment2 {{
start_extent = {first}
extent_count = {second}

type = "striped"
stripe_count = 1

stripes = [
"pv0", 0
]
}}
}}
}}
}}
contents = "Text Format Volume Group"
version = 1
description = ""
creation_host = "guest"
creation_time = 1700000000
"""


def copy_into(source: Path, disk: Path, offset: int, start: int = 0, length: int = -1) -> None:
    """Copy a stretch of a file into a disk at ``offset``; zeros are left out."""
    with source.open("rb") as file, disk.open("r+b") as out:
        end = source.stat().st_size if length < 0 else start + length
        for at in range(start, end, MIB):
            file.seek(at)
            data = file.read(min(MIB, end - at))
            if data.count(0) != len(data):
                out.seek(offset + at - start)
                out.write(data)


def put_into_group(volume: Path, disk: Path, offset: int, size: int) -> None:
    """Make a physical volume of a partition with one volume ``vg/root``, in two parts out of order."""
    count = volume.stat().st_size // EXTENT
    first = count // 3
    second = count - first
    text = _GROUP.format(
        group=dashed("g" * 32),
        pv=dashed("p" * 32),
        lv=dashed("l" * 32),
        sectors=size // 512,
        extents=(size - MIB) // EXTENT,
        first=first,
        second=second,
    )
    with disk.open("r+b") as out:
        out.seek(offset)
        out.write(metadata_area("p" * 32, text, size))
    start = offset + MIB
    copy_into(volume, disk, start + second * EXTENT, 0, first * EXTENT)
    copy_into(volume, disk, start, first * EXTENT, second * EXTENT)


def make_xfs(volume: Path, size: int, folder: Path, fs_uuid: str) -> None:
    """Make an XFS of a folder's files, by a prototype (mkfs.xfs(8))."""
    proto = volume.with_suffix(".proto")
    lines = ["/", "0 0", "d--755 0 0", *_members(folder), "$"]
    proto.write_text("\n".join(lines) + "\n")
    with volume.open("wb") as file:
        file.truncate(size)
    run([*privilege(), "mkfs.xfs", "-q", "-m", f"uuid={fs_uuid}", "-p", proto, volume])


def _members(folder: Path) -> list[str]:
    """Return the lines of what is in a folder: name, mode, owner, and what it is made of."""
    lines: list[str] = []
    for path in sorted(folder.iterdir()):
        about = path.lstat()
        mode = about.st_mode
        bits = ("u" if mode & stat.S_ISUID else "-") + ("g" if mode & stat.S_ISGID else "-")
        tail = f"{bits}{mode & 0o777:03o} {about.st_uid} {about.st_gid}"
        if stat.S_ISLNK(mode):
            lines.append(f"{path.name} l{tail} {path.readlink()}")
        elif stat.S_ISDIR(mode):
            lines += [f"{path.name} d{tail}", *_members(path), "$"]
        elif stat.S_ISREG(mode):
            lines.append(f"{path.name} -{tail} {path}")
        elif stat.S_ISCHR(mode):
            number = f"{os.major(about.st_rdev)} {os.minor(about.st_rdev)}"
            lines.append(f"{path.name} c{tail} {number}")
    return lines


def make_btrfs(volume: Path, size: int, folder: Path, fs_uuid: str) -> None:
    """Make a btrfs of a folder's files (mkfs.btrfs(8)); ValueError when it takes more room."""
    with volume.open("wb") as file:
        file.truncate(size)
    run([*privilege(), "mkfs.btrfs", "-q", "-U", fs_uuid, "--rootdir", folder, volume])
    if volume.stat().st_size > size:  # it takes what it estimates, whatever there is
        raise ValueError(f"the btrfs takes {volume.stat().st_size} bytes")
