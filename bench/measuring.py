"""Run a program and say what it took; warm files; what else the machine does meanwhile."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KENSHO = str(Path(sys.executable).with_name("kensho"))


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """Seconds, and peak memory in MiB, of one run; ``wall`` with the fsync if one was asked for."""

    wall: float
    cpu: float
    rss: float


def medians(usages: Iterable[Usage]) -> Usage:
    """Return what runs took, each figure on its own."""
    rows = [(usage.wall, usage.cpu, usage.rss) for usage in usages]
    return Usage(*(statistics.median(figures) for figures in zip(*rows, strict=True)))


class Spawner:
    """The small process of ``spawn.py`` that starts what is measured."""

    def __init__(self, bytecode: Path) -> None:
        # An installed package has its bytecode compiled; a checkout may be set up not to.
        self._environment = dict(os.environ, PYTHONPYCACHEPREFIX=str(bytecode))
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("spawn.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: list[str], sync: Path | None = None, fine: tuple[int, ...] = (0,)
    ) -> Usage:
        """Run a program, and fsync ``sync`` behind it. SystemExit when its code is not ``fine``."""
        found = shutil.which(arguments[0]) or arguments[0]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps([[found, *arguments[1:]], self._environment]),
            file=self._process.stdin,
            flush=True,
        )
        wall, user, system, peak, code = json.loads(self._process.stdout.readline())
        if code not in fine:
            raise SystemExit(f"failed with {code}: {arguments}")
        begun = time.monotonic()
        if sync is not None:
            with sync.open("rb") as output:
                os.fsync(output.fileno())
        return Usage(wall + time.monotonic() - begun, user + system, peak / 1024)


def demo(*, as_made: bool = False) -> Path:
    """Build the demo's guest, or find it; ``as_made`` for one hypervisor by its maker."""
    sys.path.insert(0, str(ROOT / "demo"))
    import appliance

    build = appliance.build_as_made if as_made else appliance.build
    return build(ROOT / ".cache" / "demo")


def data_ranges(path: Path) -> list[tuple[int, int]]:
    """Return (start, end) of what is no hole in the file."""
    found = []
    with path.open("rb") as source:
        at, size = 0, path.stat().st_size
        while at < size:
            try:
                at = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(source.fileno(), at, os.SEEK_HOLE)
            found.append((at, end))
            at = end
    return found


def warm(path: Path) -> None:
    """Bring the data, not the holes, into the page cache."""
    ranges = data_ranges(path)
    with path.open("rb") as source:
        for start, end in ranges:
            for at in range(start, end, 4 << 20):
                os.pread(source.fileno(), min(4 << 20, end - at), at)


class Machine:
    """What the whole machine did since this was made."""

    def __init__(self) -> None:
        self._idle, self._all = _ticks()

    def idle(self) -> int:
        """Return the percentage of all processors that nobody used."""
        idle, total = _ticks()
        return 100 * (idle - self._idle) // max(1, total - self._all)


def _ticks() -> tuple[int, int]:
    numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)
