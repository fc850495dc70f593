"""Kill conversions with SIGKILL at random moments; what they leave must resume to the same bytes.

    python bench/kill_resume.py [-n 20] [--formats qcow2,vhdx] [--mib 64] [--seed 1]

Run it with -n 1000 before a release (about ten minutes). Every disk is converted once without
being disturbed, in a child of its own; then again, killed at a random moment of that time and
started again until it ends. So are updates (``update:raw``): of a disk of another source, with its
block hashes. Exit code 1 if a file differs from the undisturbed one (an updated QCOW2: if its
content does) or is visible before it is complete.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = (
    "raw", "qcow2", "vhd", "vhdx", "vdi", "vmdk:monolithicSparse", "vmdk:streamOptimized",
    "update:raw", "update:qcow2",
)  # fmt: skip
UPDATED = {"raw": "sparse", "qcow2": "uncompressed"}

# The child says how far it resumed; EVERY is small, so that there is something to resume.
CHILD = """
import sys
from pathlib import Path
from kensho.disks import open_disk
from kensho.disks.resume import write_disk_file
from kensho.storage import FileSource
source, target, fmt, sub, every = sys.argv[1:6]
print("ready", flush=True)
with FileSource(source) as src:
    write_disk_file(open_disk(src, format="raw"), Path(target), fmt, sub or None, key=b"kill",
                    every=int(every), on_resume=lambda at: print("resumed", at, flush=True))
"""

# An earlier disk and its hashes, then that disk brought up to date.
PREPARE = """
import sys
from pathlib import Path
from kensho.disks import open_disk
from kensho.disks.transfer import How, Target, write_disk
from kensho.storage import FileSource
source, target, fmt, sub = sys.argv[1:5]
with FileSource(source) as src:
    reader = open_disk(src, format="raw")
    write_disk(reader, Path(target), Target(fmt, sub, reader.virtual_size),
               How(root=True, identity=b"kill"))
"""
UPDATE = """
import sys
from pathlib import Path
from kensho.disks import open_disk
from kensho.disks.transfer import Target
from kensho.disks.update import update_disk
from kensho.storage import FileSource
source, target, fmt, sub, every = sys.argv[1:6]
print("ready", flush=True)
with FileSource(source) as src:
    reader = open_disk(src, format="raw")
    done = update_disk(reader, Path(target), Target(fmt, sub, reader.virtual_size))
    if done.finished:
        print("resumed", flush=True)
"""
CONTENT = """
import sys
from kensho.disks import content_root, open_disk
from kensho.storage import FileSource
with FileSource(sys.argv[1]) as src:
    print(content_root(open_disk(src, format=sys.argv[2])))
"""


def make_source(path: Path, total: int, mib: int, seed: int) -> None:
    rng = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(total << 20)
        left = mib << 20
        while left > 0:
            size = min(left, rng.choice((4096, 70_000, 1 << 20, 3 << 20)))
            file.seek(rng.randrange((total << 20) - size) // 512 * 512)
            file.write(rng.randbytes(size))
            left -= size


def start(source: Path, target: Path, form: str, every: int) -> subprocess.Popen[bytes]:
    fmt, _, sub = form.partition(":")
    code = CHILD
    if fmt == "update":
        fmt, sub, code = sub, UPDATED[sub], UPDATE
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(source), str(target), fmt, sub, str(every)],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()  # imports are done: from here on a kill hits the conversion
    return child


def digest(path: Path, form: str) -> str:
    """Return what must be equal: the file, or of a QCOW2 changed in place the content."""
    if form == "update:qcow2":
        command = [sys.executable, "-c", CONTENT, str(path), "qcow2"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.kensho-hashes")


def prepare(old: Path, target: Path, form: str) -> set[str]:
    """Put the disk to be updated at ``target``, if one is; return what may be seen there."""
    kind, _, fmt = form.partition(":")
    if kind != "update":
        return set()
    ready = old.with_name(f"earlier-{fmt}")
    if not ready.exists():
        command = [sys.executable, "-c", PREPARE, str(old), str(ready), fmt, UPDATED[fmt]]
        subprocess.run(command, check=True)
    for source, copy in ((ready, target), (hashes_of(ready), hashes_of(target))):
        shutil.copy(source, copy)
    return {digest(ready, form)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20, help="kills")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--mib", type=int, default=64, help="data in the source")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--work", type=Path, default=None)
    args = parser.parse_args()
    seed = random.randrange(1 << 32) if args.seed is None else args.seed
    rng = random.Random(seed)
    formats = args.formats.split(",")
    every = 2 << 20
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        folder = Path(name)
        source = folder / "source.raw"
        make_source(source, 2 * args.mib, args.mib, seed)
        old = folder / "old.raw"
        make_source(old, 2 * args.mib, args.mib // 3, seed + 1)
        expected: dict[str, tuple[str, float]] = {}
        for form in formats:
            prepare(old, folder / "whole", form)
            begun = time.monotonic()
            if start(source, folder / "whole", form, every).wait():
                return 1
            expected[form] = digest(folder / "whole", form), time.monotonic() - begun
            (folder / "whole").unlink()
            hashes_of(folder / "whole").unlink(missing_ok=True)
        kept = {p.name for p in folder.iterdir()}
        kills = resumed = rounds = 0
        while kills < args.n:
            form = formats[rounds % len(formats)]
            rounds += 1
            target = folder / "disk"
            wanted, seconds = expected[form]
            allowed = prepare(old, target, form) | {wanted}
            for attempt in range(5):
                child = start(source, target, form, every)
                if kills < args.n and attempt < 4:
                    time.sleep(rng.random() * seconds)
                    os.kill(child.pid, signal.SIGKILL)
                output, _ = child.communicate()
                resumed += output.count(b"resumed")
                if child.returncode == 0:
                    break
                kills += 1
                if child.returncode != -signal.SIGKILL:
                    print(f"{form}: exit code {child.returncode}, seed {seed}")
                    return 1
                # Killed behind the rename, the file is complete; before, it is not to be seen.
                if target.exists() and digest(target, form) not in allowed:
                    print(f"{form}: visible and not complete, seed {seed}")
                    return 1
            if digest(target, form) != wanted:
                print(f"{form}: differs from the undisturbed file, seed {seed}")
                return 1
            target.unlink()
            hashes_of(target).unlink(missing_ok=True)
            left = [p.name for p in folder.iterdir() if p.name not in kept]
            if left:
                print(f"{form}: left behind: {left}, seed {seed}")
                return 1
    print(f"{kills} kills with SIGKILL, {resumed} times resumed in the middle, nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
