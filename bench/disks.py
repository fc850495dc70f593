"""Time kensho against qemu-img on one image, in alternating runs; outputs are verified.

    python bench/disks.py IMAGE.raw [--pairs so,qcow2,raw] [-n 5] [--sync]
    python bench/disks.py --size 1024 --pairs all     # makes its image first

The input is warm; ratios are theirs / ours, processor time first: wall time moves by 40 % on a busy
machine. ``idle`` is what nobody used of the processors while a pair ran, ``load`` what others
wanted when it ended. ``rss`` is an upper bound: the kernel never reports less for a child than this
script held when it was started. ``--sync`` counts the fsync of the output. Goals are not asserted; the exit
code is 1 only if an output is wrong. Pairs with vmdk-convert are left out if it is not installed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# One conversion through the public API, in a child of its own so that its memory can be told.
CHILD = """
import sys
from kensho.disks import copy_disk, create_disk, open_disk
from kensho.storage import FileSink, FileSource
source, target, fmt, sub, compression = sys.argv[1:6]
with FileSource(source) as src, FileSink(target) as sink:
    reader = open_disk(src)
    writer = create_disk(fmt, sub or None, sink, reader.virtual_size, compression=compression)
    copy_disk(reader, writer)
"""

# name: (input, our format, our subformat, compression, qemu-img's arguments)
PAIRS = {
    "so": ("raw", "vmdk", "streamOptimized", "fast",
           ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    "so-small": ("raw", "vmdk", "streamOptimized", "small",
                 ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    "qcow2": ("raw", "qcow2", "", "fast", ["-O", "qcow2"]),
    "qcow2c": ("raw", "qcow2", "compressed", "fast", ["-O", "qcow2", "-c", "-m", "16", "-W"]),
    "raw": ("so", "raw", "", "fast", ["-O", "raw"]),
    "vhdx": ("raw", "vhdx", "", "fast", ["-O", "vhdx"]),
    "vhd": ("raw", "vhd", "", "fast", ["-O", "vpc", "-o", "force_size=on"]),
    "vdi": ("raw", "vdi", "", "fast", ["-O", "vdi"]),
    "qcow2z": ("raw", "qcow2", "compressed-zstd", "fast",
               ["-O", "qcow2", "-c", "-o", "compression_type=zstd", "-m", "16", "-W"]),
    "so-qcow2": ("so", "qcow2", "", "fast", ["-O", "qcow2"]),
    "so-vhdx": ("so", "vhdx", "", "fast", ["-O", "vhdx"]),
    "so-qcow2c": ("so", "qcow2", "compressed", "fast", ["-O", "qcow2", "-c", "-m", "16", "-W"]),
    "rawraw": ("raw", "raw", "", "fast", ["-O", "raw"]),
}  # fmt: skip
# Against open-vmdk's vmdk-convert instead of qemu-img: (input, level)
OTHERS = {"so-vmdk-convert": ("so", ["-c", "1", "-n", "2"]),
          "so-small-vmdk-convert": ("so-small", ["-c", "6", "-n", "2"])}  # fmt: skip
QEMU_FORMAT = {"vhd": "vpc"}


def run(
    args: list[str], environment: dict[str, str] | None = None, sync: Path | None = None
) -> tuple[float, float, int]:
    """Return (wall seconds, cpu seconds, peak KiB) of a child process and the fsync of ``sync``."""
    started = time.monotonic()
    child = subprocess.Popen(args, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    if sync is not None:
        with sync.open("rb") as output:
            os.fsync(output.fileno())
    wall = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"failed: {args}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def warm(path: Path) -> None:
    """Bring the data, not the holes, into the page cache."""
    with path.open("rb") as source:
        at, size = 0, path.stat().st_size
        while at < size:
            try:
                at = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(source.fileno(), at, os.SEEK_HOLE)
            while at < end:
                at += len(os.pread(source.fileno(), min(4 << 20, end - at), at)) or end


def idle_and_all() -> tuple[int, int]:
    """Return the ticks all processors were idle, and all ticks, since the machine started."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def measure(name: str, image: Path, work: Path, repeats: int, *, sync: bool) -> bool:
    other = OTHERS.get(name)
    if other and not shutil.which("vmdk-convert"):
        print(f"{name:12} left out: vmdk-convert is not installed")
        return True
    kind, fmt, sub, compression, qemu_args = PAIRS[other[0] if other else name]
    source, source_format = image, "raw"
    if kind == "so":
        source, source_format = work / "source.vmdk", "vmdk"
        if not source.exists():
            run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o",
                 "subformat=streamOptimized", str(image), str(source)])  # fmt: skip
    ours, theirs = work / "ours", work / "theirs"
    us = [sys.executable, "-c", CHILD, str(source), str(ours), fmt, sub, compression]
    them = ["qemu-img", "convert", "-f", source_format, *qemu_args, str(source), str(theirs)]
    if other:
        them = ["vmdk-convert", *other[1], str(source), str(theirs)]
    warm(source)
    # An installed package has its bytecode compiled; a checkout may be set up not to.
    environment = dict(os.environ, PYTHONPYCACHEPREFIX=str(work / "bytecode"))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    run(us, environment)
    our_runs, their_runs = [], []
    idle, ticks = idle_and_all()
    for _ in range(repeats):
        for args, out, runs in ((us, ours, our_runs), (them, theirs, their_runs)):
            out.unlink(missing_ok=True)
            runs.append(run(args, environment, out if sync else None))
    a, b = (
        [statistics.median(column) for column in zip(*r, strict=True)]
        for r in (our_runs, their_runs)
    )
    wall = statistics.median(t[0] / o[0] for o, t in zip(our_runs, their_runs, strict=True))
    cpu = statistics.median(t[1] / o[1] for o, t in zip(our_runs, their_runs, strict=True))
    now, all_now = idle_and_all()
    sizes = [path.stat().st_blocks / 2048 for path in (ours, theirs)]
    print(f"{name:12} cpu {a[1]:6.2f} / {b[1]:6.2f} s = {cpu:5.2f} x   wall {a[0]:6.2f} / {b[0]:6.2f} s"
          f" = {wall:5.2f} x   rss {a[2] / 1024:4.0f} / {b[2] / 1024:4.0f} MiB"
          f"   size {sizes[0]:.0f} / {sizes[1]:.0f} MiB   idle {100 * (now - idle) // (all_now - ticks)} %"
          f"   load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    same = subprocess.run(
        ["qemu-img", "compare", "-q", "-f", QEMU_FORMAT.get(fmt, fmt), "-F", "raw", ours, image],
        check=False,
    )
    if same.returncode:
        print(f"{name:9} WRONG: qemu-img compare says {same.returncode}")
    return same.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the image made without one")
    parser.add_argument("--pairs", default="so,qcow2,raw", help=f"all, or of {','.join(PAIRS)}")
    parser.add_argument("--sync", action="store_true", help="count the fsync of the output")
    parser.add_argument("-n", type=int, default=5, help="runs of each side")
    parser.add_argument("--work", type=Path, default=None, help="folder for the outputs")
    args = parser.parse_args()
    names = [*PAIRS, *OTHERS] if args.pairs == "all" else args.pairs.split(",")
    durable = ", fsync counted" if args.sync else ""
    print(f"ours / theirs, medians of {args.n} on {os.cpu_count()} processors, warm input{durable}")
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        image = args.image
        if image is None:
            from make_images import filesystem

            image = Path(work) / "ext4.raw"
            filesystem(image, args.size)
        good = [measure(name, image, Path(work), args.n, sync=args.sync) for name in names]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
