"""A guest booted on a profile's hardware, and what it says of itself on the serial port."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.linux.verdict import Kernel, judge_controller, judge_nic
from kensho.proof.inside.read import Inside, read_report
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.devices import Drive, machine_of
from kensho.proof.watch.boot import boot_machine
from kensho.proof.watch.result import BootResult, Verdict

# A boot takes 20 to 60 s on an idle core; one of a machine that is busy gets less of it.
TIMEOUT = 1200


@dataclass(frozen=True)
class Seen:
    """How a boot ended; ``inside`` is None when the guest did not find its root."""

    result: BootResult
    inside: Inside | None

    @property
    def nics(self) -> tuple[str, ...]:
        """The drivers of all adapters."""
        found = self.inside.nics if self.inside else ()
        return tuple(name for nic in found for name in nic.drivers)

    @property
    def unclear(self) -> bool:
        """Whether it neither reported nor said that there is no root."""
        return self.inside is None and self.result.verdict is not Verdict.FAILED


def boot(
    disk: Path, profile: Profile, log: Path, *, keeps: bool = False, timeout: float = TIMEOUT
) -> Seen:
    """Boot a disk, raw by ``.img`` and else QCOW2; what the guest writes is dropped or kept."""
    kind = "raw" if disk.suffix == ".img" else "qcow2"
    machine = machine_of(profile, (Drive(str(disk), kind, keeps),))
    result = boot_machine(machine, log=log, timeout=timeout)
    return Seen(result, read_report(log.read_text(errors="replace")))


def on_profile(seen: Seen, profile: Profile) -> bool:
    """Tell whether the root is on the profile's controller, by a driver that is made for it."""
    drivers = seen.inside.drivers if seen.inside else ()
    return _of(CONTROLLERS[profile.controller].linux, drivers)


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
