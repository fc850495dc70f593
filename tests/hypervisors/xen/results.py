"""What kensho makes of an appliance of VMware's for Xen and XenServer, one folder for each trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.cli.exits import run
from shell import run as command
from tests.hypervisors.xen.xva import unpack

NAME = "kensho-demo"
IMAGES = "/var/lib/xen/images"
_MAC = "00:50:56:12:34:56"
_MEMORY = "384MiB"
#: Started without firmware: Xen runs its kernel, which pygrub, or GRUB for Xen, reads from its disk.
_PV = ('type="pv"', 'bootloader="pygrub"')
_PVH = ('type="pvh"', 'kernel="/usr/lib/grub-xen/grub-i386-xen_pvh.bin"')


@dataclass(frozen=True)
class Try:
    """A target of `kensho convert`, and settings of xl that come after those of the result."""

    title: str
    target: str
    settings: tuple[str, ...] = ()


TRIALS = {
    "xl-pv": Try("xl result, paravirtual by pygrub", "xen", _PV),
    "xl-hvm": Try("xl result as it is: HVM, SeaBIOS", "xen"),
    "xva-pv": Try("XVA, paravirtual by pygrub", "xenserver", _PV),
    "xva-hvm": Try("XVA: HVM, SeaBIOS", "xenserver"),
    "xl-pvh": Try("xl result, PVH by GRUB for Xen", "xen", _PVH),
}


def make(disk: Path, work: Path, trials: Path, names: Sequence[str], *, seconds: int) -> None:
    """Make an appliance of a disk, convert it, and lay out a folder for each trial in ``trials``."""
    ova = work / f"{NAME}.ova"
    trials.mkdir()
    _kensho(
        *("pack", disk, "-o", ova, "--for", "vmware", "--name", NAME, "--guest", "debian12"),
        *("--cpus", "1", "--memory", _MEMORY, "--network", "lan", "--nic-type", "VmxNet3"),
        *("--set", f"nic-macs={_MAC}"),
    )
    for name in names:
        wanted, folder = TRIALS[name], trials / name
        folder.mkdir()
        converted = work / wanted.target
        if not converted.exists():
            _kensho("convert", ova, "--to", wanted.target, "--adapt", "-o", converted)
        if wanted.target == "xen":
            config = folder / f"{NAME}.cfg"
            for file in (config.name, *(p.name for p in converted.glob("*.img"))):
                # A copy each: a guest writes to its disk, and it has few blocks for its size.
                command(["cp", "--sparse=always", converted / file, folder / file])
        else:
            config = unpack(converted / f"{NAME}.xva", folder, IMAGES)
        described = {
            "name": NAME, "config": config.name, "with": wanted.settings, "seconds": seconds,
        }  # fmt: skip
        (folder / "trial.json").write_text(json.dumps(described))


def _kensho(*words: str | Path) -> None:
    argv = [str(word) for word in words]
    code = run(argv)
    if code:
        raise SystemExit(f"kensho {' '.join(argv)} ended with {code}")
