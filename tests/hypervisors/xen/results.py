"""What kensho makes of an appliance of VMware's for Xen and XenServer, one folder for each trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import appliance
from kensho.cli.exits import run
from shell import run as command
from tests.hypervisors.xen.xva import unpack

NAME = appliance.NAME
CACHE = Path(__file__).parents[3] / ".cache" / "demo"
IMAGES = "/var/lib/xen/images"
_MAC = "00:50:56:12:34:56"
_MEMORY = "384MiB"
#: Without firmware: Xen runs the kernel that pygrub reads from its disk; its initramfs speaks on Xen's console.
_PV = ('type="pv"', 'bootloader="pygrub"', 'extra="console=hvc0"')
#: Firmware reads by AHCI instead of IDE, whose programmed input takes minutes where all is emulated twice.
#: Without a serial port, on which each letter costs as much; Xen's own console is there as well.
_HVM = ('hdtype="ahci"', 'serial="none"')
#: Here GRUB is the host's, and reads the guest's own configuration.
_PVH = ('type="pvh"', 'kernel="/usr/lib/grub-xen/grub-i386-xen_pvh.bin"')


@dataclass(frozen=True)
class Try:
    """A target of `kensho convert`, and settings of xl that come after those of the result.

    What is not ``adapted`` has to fail: the guest was made for another hypervisor. On an idle machine it
    takes a fifth of the ``seconds`` that it is given.
    """

    title: str
    target: str
    settings: tuple[str, ...] = ()
    adapted: bool = True
    seconds: int = 900


TRIALS = {
    "xl-pv-before": Try("xl result, not adapted, paravirtual", "xen", _PV, adapted=False),
    "xl-pv": Try("xl result, paravirtual by pygrub", "xen", _PV),
    "xva-pv": Try("XVA, paravirtual by pygrub", "xenserver", _PV),
    "xl-pvh": Try("xl result, PVH by GRUB for Xen", "xen", _PVH),
    "xl-hvm": Try("xl result: HVM, SeaBIOS", "xen", _HVM, seconds=1800),
    "xva-hvm": Try("XVA: HVM, SeaBIOS", "xenserver", _HVM, seconds=1800),
}
USUAL = tuple(name for name, wanted in TRIALS.items() if wanted.settings != _HVM)


def make(work: Path, trials: Path, names: Sequence[str]) -> None:
    """Make an appliance of VMware's, convert it, and lay out a folder for each trial in ``trials``."""
    trials.mkdir()
    ova = work / f"{NAME}.ova"
    _kensho(
        *("pack", appliance.build_as_made(CACHE), "-o", ova, "--for", "vmware", "--name", NAME),
        *("--guest", "debian12", "--cpus", "1", "--memory", _MEMORY),
        *("--network", "lan", "--nic-type", "VmxNet3", "--set", f"nic-macs={_MAC}"),
    )
    for name in names:
        wanted, folder = TRIALS[name], trials / name
        folder.mkdir()
        converted = work / f"{wanted.target}-{wanted.adapted}"
        if not converted.exists():
            how = ("--adapt",) if wanted.adapted else ()
            _kensho("convert", ova, "--to", wanted.target, *how, "-o", converted)
        if wanted.target == "xen":
            config = folder / f"{NAME}.cfg"
            for file in (config.name, *(p.name for p in converted.glob("*.img"))):
                # A copy each: a guest writes to its disk, and it has few blocks for its size.
                command(["cp", "--sparse=always", converted / file, folder / file])
        else:
            config = unpack(converted / f"{NAME}.xva", folder, IMAGES)
        described = {
            "name": NAME,
            "config": config.name,
            "with": wanted.settings,
            "seconds": wanted.seconds,
        }
        (folder / "trial.json").write_text(json.dumps(described))


def _kensho(*words: str | Path) -> None:
    argv = [str(word) for word in words]
    code = run(argv)
    if code:
        raise SystemExit(f"kensho {' '.join(argv)} ended with {code}")
