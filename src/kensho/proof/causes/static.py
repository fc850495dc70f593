"""What is told of a profile without a start: the drivers of the kernel that would be started."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.guest.inspect.kernels import Loaded
from kensho.guest.linux.verdict import judge_controller, judge_nic
from kensho.proof.profiles.base import Profile


class Foretold(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the files tell of a kernel on a profile; None where they tell nothing.

    ``disk`` is whether it finds its root, ``adapter`` whether it drives the adapter; ``lacking`` names
    the modules that the disk lacks, or hardware without a driver. ``system`` is ``linux``, ``windows`` or ``bsd``.
    """

    kernel: str = ""
    disk: bool | None = None
    adapter: bool | None = None
    lacking: tuple[str, ...] = ()
    system: str = ""


def foretell(kernels: Sequence[Loaded], default: str, profile: Profile) -> Foretold:
    """Judge the kernel that starts by default, the newest one where that is not known."""
    loaded = next((k for k in kernels if k.version == default), kernels[-1] if kernels else None)
    if loaded is None:
        return Foretold()
    if loaded.kernel is not None:
        # Some platforms' own drivers take emulated disks over; under QEMU, which has none of that, not.
        where = profile.platform if profile.static else ""
        disk = judge_controller(loaded.kernel, profile.controller, where)
        nic = judge_nic(loaded.kernel, profile.adapter)
        return Foretold(
            loaded.version,
            disk.works if disk else None,
            nic.works if nic else None,
            disk.lacking if disk else (),
            "linux",
        )
    if loaded.windows is not None:
        disks = profile.controller in loaded.windows.controllers
        return Foretold(loaded.version, disks, system="windows")
    if loaded.bsd is not None:
        return Foretold(
            loaded.version,
            profile.controller in loaded.bsd.controllers,
            profile.adapter in loaded.bsd.adapters,
            system="bsd",
        )
    return Foretold(loaded.version)
