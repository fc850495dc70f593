"""What OVF exporters call controllers and adapters (ResourceSubType, DSP0243 §8.3).

A subtype may be a list of alternatives, best first, divided by blanks or commas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel as N

T = TypeVar("T")

IDE: Mapping[str, C] = {
    "piix3": C.PIIX3,
    "piix4": C.PIIX4,
    "ich6": C.ICH6,
    "virtio": C.VIRTIO_BLK,
}
SCSI: Mapping[str, C] = {
    "buslogic": C.BUSLOGIC,
    "lsilogic": C.LSILOGIC,
    "lsilogicsas": C.LSISAS,
    "lsisas": C.LSISAS,
    "lsisas1068": C.LSISAS,
    "virtualscsi": C.PVSCSI,
    "pvscsi": C.PVSCSI,
    "virtio": C.VIRTIO_SCSI,
    "virtio-scsi": C.VIRTIO_SCSI,
    "virtioscsi": C.VIRTIO_SCSI,
}
STORAGE: Mapping[str, C] = {
    "ahci": C.AHCI,
    "vmware.sata.ahci": C.AHCI,
    "sata": C.AHCI,
    "nvme": C.NVME,
    "vmware.nvme.controller": C.NVME,
    **SCSI,
}
NICS: Mapping[str, N] = {
    "e1000": N.E1000,
    "e1000e": N.E1000E,
    "vmxnet": N.VMXNET,
    "vmxnet2": N.VMXNET2,
    "vmxnet3": N.VMXNET3,
    "vmxnet3vrdma": N.VMXNET3,
    "pcnet32": N.PCNET,
    "pcnet": N.PCNET,
    "flexible": N.PCNET,
    "rtl8139": N.RTL8139,
    "virtio": N.VIRTIO,
    "virtio-net": N.VIRTIO,
    "sriovethernetcard": N.SRIOV,
    "ne2k": N.NE2K,
    "82540em": N.E1000,
    "82543gc": N.E1000,
    "82545em": N.E1000,
    "am79c973": N.PCNET,
    "am79c970a": N.PCNET,
}
SOUND: Mapping[str, str] = {
    "ensoniq1371": "es1371",
    "vmware.soundcard.hdaudio": "hda",
    "vmware.soundcard.ensoniq1371": "es1371",
    "vmware.soundcard.sb16": "sb16",
    "ac97": "ac97",
    "sb16": "sb16",
    "hda": "hda",
    "hdaudio": "hda",
    "ich6": "hda",
}
USB: Mapping[str, str] = {
    "vmware.usb.ehci": "ehci",
    "vmware.usb.xhci": "xhci",
    "ehci": "ehci",
    "xhci": "xhci",
    "uhci": "uhci",
    "ohci": "ohci",
}


def alternatives(subtype: str) -> tuple[str, ...]:
    """Return the words of a subtype in lower case."""
    return tuple(word for word in re.split(r"[\s,;]+", subtype.lower()) if word)


def lookup(table: Mapping[str, T], subtype: str) -> T | None:
    """Return what the first known word of ``subtype`` means, None when none is known."""
    return next((table[word] for word in alternatives(subtype) if word in table), None)
