"""Guests made by recipe, booted on the hardware of each hypervisor, before and after `kensho adapt`.

    python -m tests.boot_matrix [--guests NAME,…] [--on PROFILE,…] [--states STATE,…]
        [--kernels first|others] [--jobs N] [--out FOLDER]

Each cell is a boot under QEMU's emulation, and has to agree with what `kensho check` tells without
one: whether the root file system is found, by which driver, and whether the adapter has one. Guests
for virtio alone have to fail elsewhere before, on the same hardware where the generic guest starts,
and to start after, and when they have made their own initramfs anew (state ``rebuilt``). A boot that ends unclear is tried once more, which is said. Logs are kept in
``out/boot-matrix``, which is emptied first. Exit code 1 when a cell is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.linux.verdict import Kernel
from kensho.model.machine import ControllerModel
from kensho.proof.profiles import PROFILES, profile
from kensho.proof.profiles.base import Profile
from tests.guests import recipe
from tests.guests.boots import Seen, adapter_driven, boot, on_profile, predicted
from tests.guests.overlays import adapted, beside, kernels_of, starting
from tests.guests.rebuild import rebuilt
from tests.guests.settings import entry

OUT = Path(__file__).parents[1] / "out" / "boot-matrix"
BEFORE, AFTER = "before", "after"
REBUILT = "rebuilt"  #: after, and the guest has made its own initramfs anew
# Where a guest's other kernels are booted, and what it has rebuilt: once on each kind of hardware.
_FEW = (
    "kvm-virtio",
    "vmware-pvscsi",
    "vmware-lsisas",
    "vmware-sata",
    "vmware-nvme-uefi",
    "vmware-ide",
)
KERNELS = ("first", "others")
_BUSES = {"sd", "pcieport", "virtio-pci"}  #: above or below the driver that counts
_VIRTIO = (ControllerModel.VIRTIO_BLK, ControllerModel.VIRTIO_SCSI)
_HEAD = ("guest", "kernel", "hardware", "state", "root", "disk driver", "adapter driver", "s", "")


@dataclass(frozen=True)
class Cell:
    """One boot to make: a disk on hardware. ``wanted`` is None where both ends are right."""

    guest: str
    kernel: Kernel
    state: str
    disk: Path
    on: Profile
    wanted: bool | None


@dataclass(frozen=True)
class Row:
    """What a cell showed; ``wrong`` says what should not be so."""

    cell: Cell
    seen: Seen
    wrong: str
    again: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The row of the table."""
        cell, seen = self.cell, self.seen
        inside = seen.inside
        found = f"{inside.root} ({inside.firmware})" if inside else "not found"
        known = [n for n in inside.drivers if n not in _BUSES] if inside else []
        nics = [n for n in seen.nics if n not in _BUSES]
        notes = [word for word, told in ((self.wrong, True), ("second try", self.again)) if told]
        return (
            *(cell.guest, cell.kernel.version, cell.on.name, cell.state, found),
            *(" ".join(dict.fromkeys(known)), " ".join(dict.fromkeys(nics))),
            *(f"{seen.result.seconds:.0f}", ", ".join(word for word in notes if word)),
        )


def cells(
    names: Iterable[str],
    on: Iterable[Profile],
    states: Iterable[str],
    folder: Path,
    kernels: Sequence[str] = KERNELS,
) -> Iterator[Cell]:
    """Make the disks in ``folder``, and yield what there is to boot."""
    hardware = tuple(on)
    for name in names:
        guest = recipe.guest(name)
        for state, disk in _disks(guest, tuple(states), folder):
            for version, kernel in kernels_of(disk).items():
                first = _first(guest, version)
                if KERNELS[not first] not in kernels or (state == REBUILT and not first):
                    continue
                path = folder / f"{name}-{state}-{version}.qcow2"
                started = starting(disk, entry(version, "probe"), path)
                few = not first or state == REBUILT
                for row in (row for row in hardware if not few or row.name in _FEW):
                    wanted = _wanted(guest, version, state, row)
                    yield Cell(name, kernel, state, started, row, wanted)


def _disks(guest: recipe.Guest, states: Sequence[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield a guest's disks; the generic guest, which is the control, is never adapted."""
    pristine = beside(recipe.build(guest), folder)
    if guest.initramfs == "most" or BEFORE in states:
        yield BEFORE, pristine
    if guest.initramfs == "most" or set(states) <= {BEFORE}:
        return
    after = adapted(pristine, folder / f"{guest.name}-after.qcow2")
    if AFTER in states:
        yield AFTER, after
    if REBUILT in states:
        version = next(v for v in kernels_of(pristine) if _first(guest, v))
        path = folder / f"{guest.name}-rebuilt.qcow2"
        yield REBUILT, rebuilt(after, version, path, path.with_suffix(".log"))


def _first(guest: recipe.Guest, version: str) -> bool:
    return recipe.flavour(version) == guest.kernels[0]


def _wanted(guest: recipe.Guest, version: str, state: str, on: Profile) -> bool | None:
    """Return whether the root has to be found; None for the clouds' kernel, which lacks drivers."""
    if on.controller in _VIRTIO or guest.initramfs == "most":
        return True
    if recipe.flavour(version) == recipe.CLOUD:
        return None
    return state != BEFORE


def boot_all(wanted: Iterable[Cell], logs: Path, jobs: int) -> Iterator[Row]:
    """Boot the cells, so many at a time; the serial logs go to ``logs``."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda cell: _boot(cell, logs), wanted)


def _boot(cell: Cell, logs: Path) -> Row:
    """Boot once, and a second time when the first did not show whether the root is found."""
    stem = f"{cell.guest}-{cell.kernel.version}-{cell.on.name}-{cell.state}"
    again = False
    seen = boot(cell.disk, cell.on, logs / f"{stem}.log")
    if seen.unclear:
        again = True
        seen = boot(cell.disk, cell.on, logs / f"{stem}-2.log")
    return Row(cell, seen, _wrong(cell, seen), again)


def _wrong(cell: Cell, seen: Seen) -> str:
    disk, nic = predicted(cell.kernel, cell.on)
    if seen.unclear:
        return f"WRONG: {seen.result.reason}"
    found = seen.inside is not None
    if cell.wanted is not None and found is not cell.wanted:
        return "WRONG: its root is " + ("found" if found else "not found")
    if found is not disk:
        return f"WRONG: kensho check says {'starts' if disk else 'does not start'}"
    if seen.inside is None:
        return ""
    if seen.inside.kernel != cell.kernel.version:
        return f"WRONG: kernel {seen.inside.kernel}"
    if not on_profile(seen, cell.on):
        return "WRONG: not by this controller's driver"
    if adapter_driven(seen, cell.on) is not nic:
        return f"WRONG: kensho check says the adapter has {'a' if nic else 'no'} driver"
    return ""


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [_HEAD, tuple("-" * max(len(word), 1) for word in _HEAD), *(row.words for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(_HEAD))]
    return "\n".join(
        "| " + " | ".join(word.ljust(w) for word, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _hardware() -> tuple[str, ...]:
    """Return a profile for each hardware that QEMU has; platforms may have one in common."""
    found: dict[tuple[object, ...], str] = {}
    for row in PROFILES:
        if not row.static:
            key = (row.controller, row.adapter, row.firmware, row.board)
            found.setdefault(key, row.name)
    return tuple(found.values())


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="boot_matrix")
    guests = [guest.name for guest in recipe.GUESTS if guest.root == "ext4"]
    parser.add_argument("--guests", default=",".join(guests))
    parser.add_argument("--on", default=",".join(_hardware()))
    parser.add_argument("--states", default=f"{BEFORE},{AFTER},{REBUILT}")
    parser.add_argument("--kernels", choices=KERNELS, action="append")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the cells that are asked for, all by default."""
    asked = _arguments(arguments)
    out: Path = asked.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    start = time.monotonic()
    hardware = [profile(name) for name in asked.on.split(",")]
    wanted = tuple(
        cells(
            asked.guests.split(","),
            hardware,
            asked.states.split(","),
            out,
            asked.kernels or KERNELS,
        )
    )
    rows: list[Row] = []
    for row in boot_all(wanted, out, asked.jobs):
        rows.append(row)
        sys.stdout.write(f"{len(rows)}/{len(wanted)} {' '.join(row.words)}\n")
        sys.stdout.flush()
        (out / "table.md").write_text(f"{table(rows)}\n")
    wrong = sum(bool(row.wrong) for row in rows)
    sys.stdout.write(f"\n{table(rows)}\n\n{len(rows)} boots, {wrong} wrong, ")
    sys.stdout.write(f"{time.monotonic() - start:.0f} s\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
