"""Drivers that the guest must bring for its new devices.

The guest is not looked into here; this says what has to be true. Sources for what a guest has in
the box: Microsoft's lists of in-box drivers (LSI SAS and AHCI since Vista, 82574L since 8), and
Linux: virtio_scsi 3.4, vmw_pvscsi and vmxnet3 2.6.33, hv_storvsc and hv_netvsc 3.2, nvme 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.guest_os import Generation
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel

_PARAVIRTUAL: frozenset[C | NicModel] = frozenset(
    {C.VIRTIO_SCSI, C.VIRTIO_BLK, C.PVSCSI, C.XEN_VBD}
    | {NicModel.VIRTIO, NicModel.VMXNET3, NicModel.XEN, NicModel.ENA}
)
_HYPERV: frozenset[C | NicModel] = frozenset({C.HYPERV_SCSI, NicModel.HYPERV})
_AFTER_XP: frozenset[C | NicModel] = frozenset({C.AHCI, C.NVME, C.LSISAS, NicModel.E1000E})
#: Devices of which a guest has no driver of its own.
LACKS: dict[Generation, frozenset[C | NicModel]] = {
    Generation.WINDOWS_XP: _PARAVIRTUAL | _HYPERV | _AFTER_XP | {NicModel.E1000},
    Generation.WINDOWS_XP_64: _PARAVIRTUAL | _HYPERV | _AFTER_XP | {NicModel.PCNET},
    Generation.WINDOWS_VISTA: _PARAVIRTUAL | {C.NVME, NicModel.E1000E},
    Generation.WINDOWS: _PARAVIRTUAL,
    Generation.LINUX_OLD: (_PARAVIRTUAL - {C.VIRTIO_BLK, NicModel.VIRTIO}) | _HYPERV | {C.NVME},
    Generation.SOLARIS: _PARAVIRTUAL | _HYPERV,
}
#: Xen shows every disk as an emulated IDE disk too, until the guest's own driver takes over.
_HAS_STAND_IN = frozenset({"xenserver"})


def check(journey: Journey) -> Iterator[Finding]:
    """Find devices that need a driver the guest may not have."""
    for before, after in journey.machines():
        row = guest_os.get(after.guest.id)
        new: set[C | NicModel] = {c.model for c in after.controllers}
        new |= {n.model for n in after.nics}
        new -= {c.model for c in before.controllers}
        new -= {n.model for n in before.nics}
        lacks = LACKS.get(guest_os.generation(row.id), frozenset())
        missing = sorted(model.value for model in new & lacks)
        if missing and journey.platform.name not in _HAS_STAND_IN:
            is_windows = row.family == "windows"
            yield warning(
                "KF-360" if is_windows else "KF-434",
                f"{'Windows' if is_windows else row.title} has no driver of its own for "
                f"{', '.join(missing)}",
                after.name,
                "install it in the guest first, or plan with --devices compatible or fallback",
            )
        if row.family == "other":
            yield note(
                "KF-361",
                "the source does not say what the guest is",
                after.name,
                "devices are chosen that need the fewest drivers; --devices native overrides",
            )
