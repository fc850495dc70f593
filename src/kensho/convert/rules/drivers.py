"""Drivers that the guest must bring for its new devices.

The guest is not looked into and not changed yet; this says what has to be true.
"""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel

#: Devices for which Windows has no driver of its own.
NOT_IN_WINDOWS = frozenset({C.VIRTIO_SCSI, C.VIRTIO_BLK, C.PVSCSI, C.XEN_VBD})
NICS_NOT_IN_WINDOWS = frozenset({NicModel.VIRTIO, NicModel.VMXNET3, NicModel.XEN, NicModel.ENA})
#: Xen shows every disk as an emulated IDE disk too, until the guest's own driver takes over.
_HAS_STAND_IN = frozenset({"xenserver"})


def check(journey: Journey) -> Iterator[Finding]:
    """Find devices that need a driver the guest may not have."""
    for before, after in journey.machines():
        family = guest_os.get(after.guest.id).family
        buses = {c.model for c in after.controllers} - {c.model for c in before.controllers}
        nics = {n.model for n in after.nics} - {n.model for n in before.nics}
        if family == "windows":
            missing = sorted(m.value for m in buses & NOT_IN_WINDOWS)
            missing += sorted(n.value for n in nics & NICS_NOT_IN_WINDOWS)
            if missing and journey.platform.name not in _HAS_STAND_IN:
                yield warning(
                    "KF-360",
                    f"Windows has no driver of its own for {', '.join(missing)}",
                    after.name,
                    "install it in the guest first, or plan with --devices compatible",
                )
        elif family == "other":
            yield note(
                "KF-361",
                "the source does not say what the guest is",
                after.name,
                "devices are chosen that need the fewest drivers; --devices native overrides",
            )
