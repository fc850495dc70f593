"""Time kensho against qemu-img on the same images, in alternating runs; outputs are verified.

    python bench/disks.py [IMAGE.raw] [--pairs so,qcow2] [-n 5] [--size 1024] [--work DIR]
        [--sync] [--reflink DIR] [--commands] [--huge] [--all] [--json]

Images are made (of ``--size`` MiB) unless one is given, and warm. Ratios are theirs / ours,
medians of ``-n`` pairs of runs, processor time first: wall time moves by 40 % on a busy machine.
Goals stand behind the ratios; they are reported, not asserted: the exit code is 1 only if an
output is wrong. ``rss`` is the peak memory of one run; ``idle`` what nobody used of the
processors while a pair ran. ``limit``: for codecs the bytes per second, of wall time, beside those of
the bare library on one thread times the processors; for copies the processor time of a bare
copy_file_range beside that of ours.

``--sync`` runs the command `kensho disk convert`, which always makes its result durable, against
the best of qemu-img's modes, each with an fsync. ``--reflink`` is a folder on btrfs or XFS.
Pairs with vmdk-convert are left out unless it is installed (package open-vmdk).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import make_images
from limits import codec_rate, copy_seconds
from measuring import Machine, Spawner, Usage, data_ranges, warm
from pairs import DURABLE_GOAL, PAIRS, QEMU_FORMAT, SHARED, SHARED_GOAL, Pair

# One conversion through the public API, without the fsync that qemu-img does not do either.
CHILD = """
import sys
from kensho.disks import copy_disk, create_disk, open_disk
from kensho.storage import FileSink, FileSource
source, target, fmt, sub, compression, passthrough = sys.argv[1:7]
with FileSource(source) as src, FileSink(target) as sink:
    reader = open_disk(src)
    writer = create_disk(fmt, sub or None, sink, reader.virtual_size, compression=compression)
    copy_disk(reader, writer, passthrough=passthrough or None)
"""
QEMU_MODES = ((), ("-t", "writeback"), ("-t", "none"))


class Bench:
    """The inputs, made as they are needed, and the rows printed so far."""

    def __init__(self, work: Path, image: Path | None, args: argparse.Namespace) -> None:
        self.work = work
        self.args = args
        self.spawner = Spawner(work / "bytecode")
        self.good = True
        self._inputs = {} if image is None else {"raw": image}
        self._limits: dict[tuple[str, str, str], float] = {}

    def input(self, name: str) -> Path:
        """Return an input: ``raw``, ``fragments``, ``noise``, or ``raw`` in another format."""
        path = self._inputs.get(name)
        if path is not None:
            return path
        path = self.work / f"input.{name}"
        size = self.args.size
        if name == "raw":
            make_images.filesystem(path, size)
        elif name == "fragments":
            make_images.fragments(path, size, self.input("raw"))
        elif name == "noise":
            make_images.noise(path, size // 4)
        elif name == "huge":
            make_images.huge(path, size, self.input("raw"))
        else:
            form = ["vmdk", "-o", "subformat=streamOptimized"] if name == "so" else [_qemu(name)]
            self.spawner.run(
                ["qemu-img", "convert", "-f", "raw", "-O", *form, str(self.input("raw")), str(path)]
            )
        self._inputs[name] = path
        return path

    def pair(
        self, name: str, pair: Pair, folder: Path, *, goal: float | None = None, sync: bool = False
    ) -> None:
        """Measure one row."""
        if not shutil.which(pair.peer):
            print(f"{name:18} left out: {pair.peer} is not installed", flush=True)
            return
        source = self.input(pair.source)
        ours, theirs = folder / "ours", folder / "theirs"
        us = [sys.executable, "-c", CHILD, str(source), str(ours), pair.format, pair.subformat,
              pair.compression, pair.passthrough]  # fmt: skip
        if sync:
            us = [sys.executable, "-m", "kensho", "disk", "convert", "-q", "--overwrite", "--to", pair.format,
                  "--format", _source_format(pair), str(source), str(ours)]  # fmt: skip
        modes = QEMU_MODES if sync else ((),)
        peers = [self._peer(pair, source, theirs, mode) for mode in modes]
        warm(source)
        self.spawner.run(us)
        runs: list[list[Usage]] = [[] for _ in range(1 + len(peers))]
        machine = Machine()
        for _ in range(self.args.n):
            for number, args in enumerate([us, *peers]):
                out = theirs if number else ours
                out.unlink(missing_ok=True)
                runs[number].append(self.spawner.run(args, out if sync else None))
        # What beats all of qemu-img's modes beats the best.
        best = min(runs[1:], key=lambda r: statistics.median(u.wall for u in r))
        self.row(name, pair, goal, runs[0], best, (ours, theirs), source, machine)

    def _peer(self, pair: Pair, source: Path, theirs: Path, mode: tuple[str, ...]) -> list[str]:
        if pair.peer != "qemu-img":
            return [pair.peer, *pair.qemu, str(source), str(theirs)]
        form = _qemu(_source_format(pair))
        return ["qemu-img", "convert", *mode, "-f", form, *pair.qemu, str(source), str(theirs)]

    def row(
        self, name: str, pair: Pair, goal: float | None, us: list[Usage], them: list[Usage],
        files: tuple[Path, Path], source: Path, machine: Machine,
    ) -> None:  # fmt: skip
        """Print one row, and check the output."""
        median = statistics.median
        both = list(zip(us, them, strict=True))
        sizes = [path.stat().st_blocks / 2048 for path in files]
        record: dict[str, Any] = {
            "pair": name,
            "cpu": [median(u.cpu for u in us), median(u.cpu for u in them)],
            "cpu_ratio": median(t.cpu / u.cpu for u, t in both),
            "cpu_goal": pair.cpu if goal is None else None,
            "wall": [median(u.wall for u in us), median(u.wall for u in them)],
            "wall_ratio": median(t.wall / u.wall for u, t in both),
            "wall_goal": pair.wall if goal is None else goal,
            "rss": [max(u.rss for u in us), max(u.rss for u in them)],
            "size": sizes,
            "idle": machine.idle(),
            "load": os.getloadavg()[0],
            "limit": self._limit(
                pair, source, median(u.wall for u in us), median(u.cpu for u in us)
            ),
        }
        same = self._same(pair, files[0], source)
        record["identical"] = same
        self.good &= same
        for path in files:
            path.unlink()
        if self.args.json:
            print(json.dumps(record), flush=True)
            return
        size_goal = " (<=)" if pair.not_larger else ""
        print(
            f"{name:18} cpu {_versus(record['cpu'], record['cpu_ratio'], record['cpu_goal'])}"
            f"  wall {_versus(record['wall'], record['wall_ratio'], record['wall_goal'])}"
            f"  rss {record['rss'][0]:3.0f}/{record['rss'][1]:3.0f} MiB"
            f"  size {sizes[0]:.0f}/{sizes[1]:.0f}{size_goal}"
            f"  limit {record['limit']}  idle {record['idle']} %  load {record['load']:.1f}"
            + ("" if same else "  WRONG: it differs from its source"),
            flush=True,
        )

    def _same(self, pair: Pair, ours: Path, source: Path) -> bool:
        judge = [
            "qemu-img",
            "compare",
            "-q",
            "-f",
            _qemu(pair.format),
            "-F",
            _qemu(_source_format(pair)),
        ]
        if pair.source == "huge":  # of which qemu-img reads every hole
            judge = [sys.executable, "-m", "kensho", "disk", "compare"]
        done = subprocess.run([*judge, ours, source], stdout=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def _limit(self, pair: Pair, source: Path, wall: float, cpu: float) -> str:
        if not pair.limit:
            return "-"
        raw = source if pair.source in {"raw", "fragments", "noise"} else self.input("raw")
        key = (pair.limit, pair.compression, str(raw))
        if pair.limit == "copy":
            if key not in self._limits:
                self._limits[key] = copy_seconds(raw, self.work / "limit")
            return f"{100 * self._limits[key] / cpu:.0f} % of copy_file_range"
        if key not in self._limits:
            self._limits[key] = codec_rate(raw, pair.limit, pair.compression)
        data = sum(end - start for start, end in data_ranges(raw))
        most = self._limits[key] * (os.cpu_count() or 1)
        return f"{data / wall / 1e6:.0f} of {most / 1e6:.0f} MB/s"

    def command(self, name: str, goal: float, *args: str) -> None:
        """Print how long a whole command takes, start of the interpreter included."""
        runs = []
        for _ in range(self.args.n + 1):
            (self.work / "ours").unlink(missing_ok=True)
            runs.append(self.spawner.run([sys.executable, "-m", "kensho", *args]))
        cpu, wall = (
            statistics.median(getattr(u, what) for u in runs[1:]) for what in ("cpu", "wall")
        )
        rss = max(u.rss for u in runs)
        if self.args.json:
            print(
                json.dumps(
                    {
                        "command": name,
                        "cpu": cpu,
                        "wall": wall,
                        "wall_goal": goal / 1000,
                        "rss": rss,
                    }
                )
            )
            return
        print(
            f"{name:18} cpu {1000 * cpu:.0f} ms  wall {1000 * wall:.0f} ms (goal {goal:.0f})  rss {rss:.0f} MiB"
        )

    def commands(self) -> None:
        """Print what the shortest commands take."""
        tiny, hole = self.work / "tiny.raw", self.work / "hole.raw"
        make_images.hole(tiny, 1)
        make_images.hole(hole, 10 << 10)
        for source in (tiny, hole):
            for suffix in ("qcow2", "vmdk"):
                target = self.work / f"ours.{suffix}"
                self.command(f"{source.stem} to {suffix}", 150, "disk", "convert", "-q", "--overwrite", str(source),
                             str(target))  # fmt: skip
        self.command("--help", 120, "--help")

    def huge(self) -> None:
        """Measure a QCOW2 of 64 TiB with ``--size`` MiB scattered over it."""
        for format_ in ("qcow2", "vhdx"):
            pair = Pair("huge", format_, "", ("-O", format_))
            self.pair(f"huge-{format_}", pair, self.work)


def _qemu(name: str) -> str:
    return QEMU_FORMAT.get(name, name)


def _source_format(pair: Pair) -> str:
    kind = {"so": "vmdk", "huge": "qcow2"}.get(pair.source, pair.source)
    return kind if kind in {"vmdk", "qcow2", "vhdx", "vhd", "vdi"} else "raw"


def _versus(seconds: list[float], ratio: float, goal: float | None) -> str:
    wanted = "" if goal is None else f" (goal {goal:g})"
    return f"{seconds[0]:6.2f} /{seconds[1]:6.2f} s = {ratio:5.2f} x{wanted}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the images made")
    parser.add_argument("--pairs", help=f"of {','.join(PAIRS)}")
    parser.add_argument("--sync", action="store_true", help="durable copies instead")
    parser.add_argument("--reflink", type=Path, help="a folder on btrfs or XFS: shared copies too")
    parser.add_argument("--commands", action="store_true", help="the shortest commands too")
    parser.add_argument("--huge", action="store_true", help="a disk of 64 TiB too")
    parser.add_argument("--all", action="store_true", help="all of it but --sync and --reflink")
    parser.add_argument("--json", action="store_true", help="a line of JSON per row")
    parser.add_argument("-n", type=int, default=5, help="runs of each side")
    parser.add_argument("--work", type=Path, default=None, help="folder for images and outputs")
    args = parser.parse_args()
    rows = args.pairs.split(",") if args.pairs else list(PAIRS) if args.all else []
    if not rows and not (args.commands or args.huge or args.reflink):
        rows = ["so", "so-raw", "raw-raw", "qcow2", "vhdx", "vhd", "vdi"]
    if not args.json:
        print(f"ours / theirs, medians of {args.n} on {os.cpu_count()} processors, warm input")
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        bench = Bench(Path(work), args.image, args)
        for name in rows:
            goal = DURABLE_GOAL if args.sync else None
            bench.pair(
                f"{name}+sync" if args.sync else name,
                PAIRS[name],
                Path(work),
                goal=goal,
                sync=args.sync,
            )
        if args.reflink:
            _shared(bench, args.reflink)
        if args.commands or args.all:
            bench.commands()
        if args.huge or args.all:
            bench.huge()
    sys.exit(0 if bench.good else 1)


def _shared(bench: Bench, folder: Path) -> None:
    """Measure copies whose blocks can be shared; source and target lie in ``folder``."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        inside = Path(name) / "input.raw"
        subprocess.run(["cp", "--sparse=always", bench.input("raw"), inside], check=True)
        bench._inputs = {"raw": inside}  # noqa: SLF001
        os.sync()
        for row in SHARED:
            before = shutil.disk_usage(name).used
            writer = PAIRS[row]
            target = Path(name) / "new"
            bench.spawner.run(
                [
                    sys.executable,
                    "-c",
                    CHILD,
                    str(inside),
                    str(target),
                    writer.format,
                    "",
                    "fast",
                    "",
                ]
            )
            os.sync()
            new = (shutil.disk_usage(name).used - before) >> 20
            target.unlink()
            print(f"{row}: {new} MiB of new blocks (goal 20)", file=sys.stderr)
            pair = dataclasses.replace(writer, limit="")
            bench.pair(f"{row}+reflink", pair, Path(name), goal=SHARED_GOAL)


if __name__ == "__main__":
    main()
