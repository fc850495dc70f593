"""A guest booted on a profile's hardware, and what it says of itself on the serial port."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.linux.verdict import Kernel, judge_controller, judge_nic
from kensho.proof.boot import BootResult, Verdict, boot_machine
from kensho.proof.devices import Drive, machine_of
from kensho.proof.profiles.base import Profile
from tests.guests.settings import MARK

# A boot takes 20 to 60 s on an idle core.
TIMEOUT = 400
_REPORT = re.compile(
    rf"{MARK} kernel=(\S+) firmware=(\w+) root=(\S+) drivers=(\S*) nets=\[ ?(.*?) ?\]"
)


@dataclass(frozen=True)
class Seen:
    """How a boot ended; all but ``result`` is empty when the guest did not find its root."""

    result: BootResult
    kernel: str = ""
    firmware: str = ""
    root: str = ""
    drivers: tuple[str, ...] = ()
    nics: tuple[str, ...] = ()  #: drivers of adapters

    @property
    def found_root(self) -> bool:
        """Whether the guest's own program on its root file system reported."""
        return bool(self.root)

    @property
    def unclear(self) -> bool:
        """Whether it neither reported nor said that there is no root."""
        return not self.found_root and self.result.verdict is not Verdict.FAILED


def boot(
    disk: Path, profile: Profile, log: Path, *, keeps: bool = False, timeout: float = TIMEOUT
) -> Seen:
    """Boot a disk, raw by ``.img`` and else QCOW2; what the guest writes is dropped or kept."""
    kind = "raw" if disk.suffix == ".img" else "qcow2"
    machine = machine_of(profile, (Drive(str(disk), kind, keeps),))
    result = boot_machine(machine, log=log, timeout=timeout)
    told = _REPORT.search(log.read_text(errors="replace"))
    if told is None:
        return Seen(result)
    kernel, firmware, root, drivers, nets = told.groups()
    nics = tuple(word for net in nets.split() for word in net.partition("=")[2].split(","))
    return Seen(result, kernel, firmware, root, tuple(drivers.split(",")), nics)


def on_profile(seen: Seen, profile: Profile) -> bool:
    """Tell whether the root is on the profile's controller, by a driver that is made for it."""
    return _of(CONTROLLERS[profile.controller].linux, seen.drivers)


def adapter_driven(seen: Seen, profile: Profile) -> bool:
    """Tell whether the profile's adapter has a driver."""
    return _of(NICS[profile.adapter].linux, seen.nics)


def _of(modules: tuple[str, ...], drivers: tuple[str, ...]) -> bool:
    # Drivers' names are those of their modules but for hyphens (virtio-pci is virtio_pci).
    return not {name.replace("-", "_") for name in drivers}.isdisjoint(modules)


def predicted(kernel: Kernel, profile: Profile) -> tuple[bool, bool]:
    """Return what is told without a boot: whether the root is found, whether the adapter is driven."""
    disk = judge_controller(kernel, profile.controller)
    nic = judge_nic(kernel, profile.adapter)
    assert disk is not None
    assert nic is not None
    return disk.works, nic.works
