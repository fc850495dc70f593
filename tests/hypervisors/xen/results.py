"""What kensho makes of an appliance of VMware's for Xen and XenServer, one folder for each trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import appliance
from kensho.cli.exits import run
from shell import run as command
from tests.guests import recipe
from tests.guests.overlays import beside, edited, kernels_of, starting
from tests.guests.settings import entry
from tests.hypervisors.xen.xva import unpack

DEMO, KVM_ONLY = appliance.NAME, "kvm-only"
CACHE = Path(__file__).parents[3] / ".cache"
IMAGES = "/var/lib/xen/images"
_MAC = "00:50:56:12:34:56"
_MEMORY = "384MiB"
#: Started without firmware: Xen runs its kernel, which pygrub, or GRUB for Xen, reads from its disk.
_PV = ('type="pv"', 'bootloader="pygrub"')
_PVH = ('type="pvh"', 'kernel="/usr/lib/grub-xen/grub-i386-xen_pvh.bin"')


#: What an administrator wrote on KVM: the adapter there is ens3.
_NETWORK = (
    "/etc/systemd/network/20-lan.network",
    b"[Match]\nName=ens3\n\n[Network]\nDHCP=yes\n",
)


@dataclass(frozen=True)
class Try:
    """A guest, a target of `kensho convert`, and settings of xl that come after those of the result.

    A guest that is not ``adapted`` has to fail, for want of ``without``.
    """

    title: str
    target: str
    settings: tuple[str, ...] = ()
    guest: str = DEMO
    adapted: bool = True


TRIALS = {
    "xl-pv": Try("xl result, paravirtual by pygrub", "xen", _PV),
    "xva-pv": Try("XVA, paravirtual by pygrub", "xenserver", _PV),
    "kvm-only-before": Try("of KVM, not adapted", "xen", _PV, KVM_ONLY, adapted=False),
    "kvm-only-pv": Try("of KVM, adapted", "xen", _PV, KVM_ONLY),
    "xl-pvh": Try("xl result, PVH by GRUB for Xen", "xen", _PVH),
    "xl-hvm": Try("xl result as it is: HVM, SeaBIOS", "xen"),
    "xva-hvm": Try("XVA: HVM, SeaBIOS", "xenserver"),
}


def make(work: Path, trials: Path, names: Sequence[str], *, seconds: int) -> None:
    """Make an appliance of each guest, convert it, and lay out a folder for each trial in ``trials``."""
    trials.mkdir()
    for guest in {TRIALS[name].guest for name in names}:
        _kensho(
            *("pack", _disk(guest, work), "-o", work / f"{guest}.ova", "--for", "vmware"),
            *("--name", guest, "--guest", "debian12", "--cpus", "1", "--memory", _MEMORY),
            *("--network", "lan", "--nic-type", "VmxNet3", "--set", f"nic-macs={_MAC}"),
        )
    for name in names:
        wanted, folder = TRIALS[name], trials / name
        folder.mkdir()
        converted = work / f"{wanted.guest}-{wanted.target}-{wanted.adapted}"
        if not converted.exists():
            how = ("--adapt",) if wanted.adapted else ()
            ova = work / f"{wanted.guest}.ova"
            _kensho("convert", ova, "--to", wanted.target, *how, "-o", converted)
        if wanted.target == "xen":
            config = folder / f"{wanted.guest}.cfg"
            for file in (config.name, *(p.name for p in converted.glob("*.img"))):
                # A copy each: a guest writes to its disk, and it has few blocks for its size.
                command(["cp", "--sparse=always", converted / file, folder / file])
        else:
            config = unpack(converted / f"{wanted.guest}.xva", folder, IMAGES)
        described = {
            "name": wanted.guest,
            "config": config.name,
            "with": wanted.settings,
            "seconds": seconds,
        }
        (folder / "trial.json").write_text(json.dumps(described))


def _disk(guest: str, work: Path) -> Path:
    """Return a guest's disk: the demo's, or one that KVM's drivers alone start, with its adapter's name there."""
    if guest == DEMO:
        return appliance.build(CACHE / "demo")
    made = recipe.guest("initramfs-tools")
    disk = beside(recipe.build(made, CACHE / "guests"), work)
    version = next(v for v in kernels_of(disk) if recipe.flavour(v) == made.kernels[0])
    started = starting(disk, entry(version, "full"), work / "started.qcow2")
    return edited(started, _NETWORK[0], lambda _: _NETWORK[1], work / f"{guest}.qcow2")


def _kensho(*words: str | Path) -> None:
    argv = [str(word) for word in words]
    code = run(argv)
    if code:
        raise SystemExit(f"kensho {' '.join(argv)} ended with {code}")
