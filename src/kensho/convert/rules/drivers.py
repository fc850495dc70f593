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
from kensho.model.machine import Floppy, Machine, NicModel

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
#: Xen shows the first disks as emulated IDE disks too, until the guest's own driver takes over, and
#: XenServer an emulated adapter for each of its own.
_STAND_INS: dict[str, frozenset[C | NicModel]] = {
    "xenserver": frozenset({C.XEN_VBD, NicModel.XEN}),
    "xen": frozenset({C.XEN_VBD}),
}
_EMULATED_BY_XEN = 4


def _far_drives(machine: Machine) -> list[str]:
    """Return the drives behind those that Xen's emulated chip has."""
    own = {c.id for c in machine.controllers if c.model is C.XEN_VBD}
    drives = [d for d in machine.drives if not isinstance(d, Floppy) and d.controller in own]
    return [d.name or d.id for d in drives if d.unit >= _EMULATED_BY_XEN]


def check(journey: Journey) -> Iterator[Finding]:
    """Find devices that need a driver the guest may not have."""
    for before, after in journey.machines():
        row = guest_os.get(after.guest.id)
        new: set[C | NicModel] = {c.model for c in after.controllers}
        new |= {n.model for n in after.nics}
        new -= {c.model for c in before.controllers}
        new -= {n.model for n in before.nics}
        lacks = LACKS.get(guest_os.generation(row.id), frozenset())
        stand_ins = _STAND_INS.get(journey.platform.name, frozenset())
        missing = sorted(model.value for model in (new & lacks) - stand_ins)
        if C.XEN_VBD in new & lacks & stand_ins and (far := _far_drives(after)):
            yield warning(
                "KF-486",
                f"{', '.join(far)}: Xen shows a guest without Xen's drivers its first"
                f" {_EMULATED_BY_XEN} drives only",
                after.name,
                "install Xen's drivers (XenServer's tools) in the guest; it boots without them",
            )
        if missing:
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
