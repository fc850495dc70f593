"""Make disk images to measure with: real files in ext4, noise, a hole, fragments. No root needed.

python bench/make_images.py OUT [--size 1024]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
TREES = ("/usr/share", "/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/lib/python3")


def filesystem(path: Path, size: int) -> None:
    """An ext4 of ``size`` MiB, about a third of it real files."""
    tree = path.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    budget = size * MIB // 3
    for source in sorted(p for root in TREES for p in Path(root).rglob("*") if p.is_file()):
        if source.is_symlink() or not os.access(source, os.R_OK):
            continue
        length = source.stat().st_size
        if length > budget:
            continue
        target = tree / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        budget -= length
    path.unlink(missing_ok=True)
    subprocess.run(
        ["mkfs.ext4", "-q", "-d", tree, "-E", "hash_seed=11111111-1111-1111-1111-111111111111",
         "-U", "11111111-1111-1111-1111-111111111111", path, f"{size}M"],
        check=True,
    )  # fmt: skip
    shutil.rmtree(tree)


def noise(path: Path, size: int) -> None:
    """``size`` MiB that do not compress."""
    rng = random.Random(1)
    with path.open("wb") as out:
        for _ in range(size):
            out.write(rng.randbytes(MIB))


def hole(path: Path, size: int) -> None:
    """``size`` MiB of nothing."""
    with path.open("wb") as out:
        out.truncate(size * MIB)


def fragments(path: Path, size: int, donor: Path) -> None:
    """A disk of 64 times ``size`` MiB with ``size`` MiB of the donor's data in pieces of 256 KiB."""
    rng = random.Random(2)
    with donor.open("rb") as source, path.open("wb") as out:
        out.truncate(64 * size * MIB)
        for piece in _pieces(source.fileno(), size, rng):
            out.seek(rng.randrange(0, (64 * size * MIB) // 4096 - 64) * 4096)
            out.write(piece)


def huge(path: Path, size: int, donor: Path) -> None:
    """A QCOW2 of 64 TiB with ``size`` MiB of the donor's data in pieces of 256 KiB."""
    from kensho.disks import create_disk
    from kensho.storage import FileSink

    rng = random.Random(3)
    count = 4 * size
    step = (64 << 40) // count
    with donor.open("rb") as source, FileSink(path) as sink:
        writer = create_disk("qcow2", None, sink, 64 << 40)
        for number, piece in enumerate(_pieces(source.fileno(), size, rng)):
            at = number * step + rng.randrange(0, step - MIB) // 65536 * 65536
            writer.commit(writer.encode(at, memoryview(piece)))
        writer.finish()


def _pieces(source: int, size: int, rng: random.Random) -> Iterator[bytes]:
    """Yield ``size`` MiB in pieces of 256 KiB out of what is no hole."""
    piece = 256 << 10
    ranges = [(low, high) for low, high in _data(source) if high - low >= piece]
    weights = [high - low for low, high in ranges]
    for low, high in rng.choices(ranges, weights, k=4 * size):
        yield os.pread(source, piece, rng.randrange(low, high - piece + 1) // 4096 * 4096)


def _data(source: int) -> Iterator[tuple[int, int]]:
    at, size = 0, os.fstat(source).st_size
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(source, at, os.SEEK_HOLE)
        yield at, end
        at = end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the ext4 image")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    filesystem(args.out / "ext4.raw", args.size)
    noise(args.out / "noise.raw", args.size // 4)
    hole(args.out / "hole.raw", args.size * 4)
    fragments(args.out / "fragments.raw", args.size, args.out / "ext4.raw")


if __name__ == "__main__":
    main()
