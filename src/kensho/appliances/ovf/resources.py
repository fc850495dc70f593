"""What OVF exporters call controllers and adapters (ResourceSubType, DSP0243 §8.3).

A subtype may be a list of alternatives, best first, divided by blanks or commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from kensho.model.machine import BUS_OF, Bus
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel as N
from kensho.platforms import virtualbox, vmware
from kensho.platforms.words import Row, Vocabulary, row

T = TypeVar("T")
M = TypeVar("M", bound=str)

#: What others than VMware and VirtualBox write: oVirt, QEMU's front ends, tools.
_OTHERS = Vocabulary(
    format="ovf",
    controllers=(
        row(C.VIRTIO_SCSI, "virtio", "virtio-scsi", "virtioscsi"),
        row(C.AHCI, "sata"),
        row(C.NVME, "nvme"),
    ),
    nics=(
        row(N.PCNET, "pcnet"),
        row(N.RTL8139, "rtl8139"),
        row(N.VIRTIO, "virtio", "virtio-net"),
        row(N.NE2K, "ne2k"),
    ),
    sound=(row("ac97", "ac97"), row("sb16", "sb16"), row("hda", "hda", "hdaudio", "ich6")),
    usb=(row("ehci", "ehci"), row("xhci", "xhci"), row("uhci", "uhci"), row("ohci", "ohci")),
)
_ALL = (vmware.OVF, virtualbox.OVF, _OTHERS)


def _read(rows: Iterable[Row[M]]) -> dict[str, M]:
    """Return what the words of rows mean, in lower case; the first row of a word counts."""
    found: dict[str, M] = {}
    for one in rows:
        for word in filter(None, one.words):
            found.setdefault(word.lower(), one.means)
    return found


def _controllers(*buses: Bus) -> dict[str, C]:
    return _read(r for v in _ALL for r in v.controllers if BUS_OF[r.means] in buses)


IDE: Mapping[str, C] = {**_controllers(Bus.IDE), "virtio": C.VIRTIO_BLK}
SCSI: Mapping[str, C] = _controllers(Bus.SCSI)
STORAGE: Mapping[str, C] = _controllers(Bus.SATA, Bus.NVME, Bus.SCSI)
NICS: Mapping[str, N] = _read(r for v in _ALL for r in v.nics)
SOUND: Mapping[str, str] = _read(r for v in _ALL for r in v.sound)
USB: Mapping[str, str] = _read(r for v in _ALL for r in v.usb)


def alternatives(subtype: str) -> tuple[str, ...]:
    """Return the words of a subtype in lower case."""
    return tuple(word for word in re.split(r"[\s,;]+", subtype.lower()) if word)


def lookup(table: Mapping[str, T], subtype: str) -> T | None:
    """Return what the first known word of ``subtype`` means, None when none is known."""
    return next((table[word] for word in alternatives(subtype) if word in table), None)
