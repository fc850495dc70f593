"""What a guest that came up runs on: the profile's devices by its own report, others, or that is not known."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kensho.guest.devices import CALLED, CONTROLLERS, NICS, Device
from kensho.proof.causes.likely import Cause
from kensho.proof.causes.static import Foretold
from kensho.proof.inside.read import Inside
from kensho.proof.profiles.base import Profile
from kensho.proof.watch.result import BootResult
from kensho.proof.watch.serial import SERVICE

NOT_KNOWN = "KF-978"
_NO_ADAPTER = "another adapter, or a kernel that has the driver"
_BUSES = {"virtio_pci"}  #: that a device of any kind may be on


def hardware_fault(
    profile: Profile, result: BootResult, inside: Inside | None, macs: Collection[str]
) -> Cause | None:
    """Return what is wrong with what a guest runs on that came up and was to report, None when nothing is.

    `NOT_KNOWN` is the code where it does not tell. Probes that are answered and packets of its adapter
    tell as well: its machine has no other controller with a disk, and no other adapter.
    """
    fault = _reported(profile, inside) if inside is not None else _unreported()
    sent = any(told.packets and told.mac in macs for told in result.heard)
    if fault is not None and fault.code == NOT_KNOWN and sent and SERVICE in result.milestones:
        return None
    return fault


def lacking(foretold: Foretold, profile: Profile) -> Cause:
    """Return which drivers a profile that is not started would miss."""
    if foretold.disk:
        what = f"no driver for its adapter ({profile.adapter})"
        return Cause("KF-973", what, _NO_ADAPTER, mends="KF-927")
    # Hardware is named as it names itself (modalias): people know it by the profile's words.
    modules = ", ".join(name for name in foretold.lacking if ":" not in name)
    none = any(":" in name for name in foretold.lacking)
    parts = (
        [f"drivers that are not there in time: {modules or 'all'}"] if modules or not none else []
    )
    parts += [f"the kernel has no driver for {profile.controller}"] if none else []
    remedy = "kensho adapt gives its initramfs the drivers"
    remedy += ", as far as the kernel has them" if none else ""
    if foretold.adapter is False:  # of its own: the root does not wait for it
        parts.append(f"and the kernel has no driver for its adapter ({profile.adapter})")
        remedy += f"; for the adapter: {_NO_ADAPTER}"
    return Cause("KF-960", "; ".join(parts), remedy, mends="KF-925")


def _unreported() -> Cause:
    return Cause(
        NOT_KNOWN, "it asks for a login, and did not report which drivers its root and adapter are on",
        "--timeout gives it longer; --probe shows that its services work, --no-report takes the login alone",
    )  # fmt: skip


def _reported(profile: Profile, inside: Inside) -> Cause | None:
    if not inside.drivers:
        what = f"it came up, and what drives its root is not known: {inside.root or 'unnamed'}"
        remedy = "that is so of a root in memory, or of ZFS; --probe shows that its services work"
        return Cause(NOT_KNOWN, what, remedy)
    if not _driven(inside.drivers, CONTROLLERS[profile.controller]):
        what = f"the root is driven by {', '.join(inside.drivers)}"
        return Cause("KF-972", what, f"a profile of {profile.controller} is meant: report this")
    drivers = [name for nic in inside.nics for name in nic.drivers]
    if not drivers:
        what = f"it came up, and has no driver for its adapter ({profile.adapter})"
        return Cause("KF-973", what, _NO_ADAPTER, mends="KF-927")
    if not _driven(drivers, NICS[profile.adapter]):
        what = f"its adapter is driven by {', '.join(drivers)}"
        return Cause("KF-972", what, f"a profile of {profile.adapter} is meant: report this")
    return None


def _driven(drivers: Iterable[str], device: Device) -> bool:
    """Tell whether one of the drivers, as sysfs calls them, is one of the device's modules."""
    wanted = {name for name in device.linux if name not in _BUSES}
    wanted |= {other for name in wanted for other in CALLED.get(name, ())}
    return not wanted.isdisjoint(name.replace("-", "_") for name in drivers)
