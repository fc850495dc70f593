"""The drivers of the BSDs' kernels, and what their disks are called.

A kernel is one file with its drivers' names in it as C strings, which is where they are looked for:
FreeBSD's ``DRIVER_MODULE`` leaves bus and driver (``pci/ahci``), OpenBSD's and NetBSD's ``cfdriver`` the
driver's name alone. Sources: sys/dev of each, their man pages in section 4, and the GENERIC
configurations. Modules that a boot loader adds are not seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel as N


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller's drivers, any of which will do, and what a disk on it is called."""

    drivers: tuple[str, ...]
    disks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers of one system. ``moving`` matches a device of fstab that goes by its controller."""

    controllers: Mapping[C, Controller]
    adapters: Mapping[N, tuple[str, ...]]
    moving: re.Pattern[str]


_F_ATA = Controller(("pci/ataintel", "pci/ata"), ("ada", "ad"))
_F_FUSION = Controller(("pci/mpt",), ("da",))
_FREEBSD = Drivers(
    {
        **dict.fromkeys((C.PIIX3, C.PIIX4, C.ICH6, C.IDE), _F_ATA),
        C.AHCI: Controller(("pci/ahci",), ("ada",)),
        C.LSILOGIC: _F_FUSION,
        C.LSISAS: _F_FUSION,
        C.LSI53C895A: Controller(("pci/sym",), ("da",)),
        C.BUSLOGIC: Controller(("pci/bt",), ("da",)),
        C.MEGASAS: Controller(("pci/mfi",), ("mfid",)),
        C.PVSCSI: Controller(("pci/pvscsi",), ("da",)),
        C.NVME: Controller(("pci/nvme",), ("nda", "nvd")),
        C.VIRTIO_BLK: Controller(("virtio_pci/virtio_blk", "virtio_pci/vtblk"), ("vtbd",)),
        C.VIRTIO_SCSI: Controller(("virtio_pci/virtio_scsi", "virtio_pci/vtscsi"), ("da",)),
        C.HYPERV_SCSI: Controller(("vmbus/storvsc",), ("da",)),
        C.XEN_VBD: Controller(("xenbusb_front/xbd",), ("xbd", "ada")),
    },
    {
        **dict.fromkeys((N.E1000, N.E1000E), ("pci/em",)),
        N.VMXNET3: ("pci/vmx",),
        N.PCNET: ("pci/le", "pci/pcn"),
        N.RTL8139: ("pci/re",),
        N.VIRTIO: ("virtio_pci/vtnet", "virtio_pci/virtio_net"),
        N.HYPERV: ("vmbus/hn",),
        N.HYPERV_LEGACY: ("pci/de",),
        N.XEN: ("xenbusb_front/xn",),
        N.ENA: ("pci/ena",),
        N.NE2K: ("pci/ed",),
    },
    re.compile(r"/dev/((?:ada?|da|vtbd|nda|nvd|mfid|xbd)\d+)(?:[sp]\d+)?[a-h]?"),
)


def _sd(*drivers: str) -> Controller:
    return Controller(drivers, ("sd",))


_O_IDE = Controller(("pciide",), ("wd",))
_OPENBSD = Drivers(
    {
        **dict.fromkeys((C.PIIX3, C.PIIX4, C.ICH6, C.IDE), _O_IDE),
        **dict.fromkeys((C.LSILOGIC, C.LSISAS), _sd("mpi")),
        C.AHCI: _sd("ahci"),
        C.LSI53C895A: _sd("siop"),
        C.MEGASAS: _sd("mfi"),
        C.PVSCSI: _sd("vmwpvs"),
        C.NVME: _sd("nvme"),
        C.VIRTIO_BLK: _sd("vioblk"),
        C.VIRTIO_SCSI: _sd("vioscsi"),
        C.HYPERV_SCSI: _sd("hvs"),
        C.XEN_VBD: _sd("xbf"),
    },
    {
        **dict.fromkeys((N.E1000, N.E1000E), ("em",)),
        N.VMXNET3: ("vmx",),
        N.PCNET: ("pcn",),
        N.RTL8139: ("re",),
        N.VIRTIO: ("vio",),
        N.HYPERV: ("hvn",),
        N.HYPERV_LEGACY: ("dc", "de"),
        N.XEN: ("xnf",),
        N.NE2K: ("ne",),
    },
    re.compile(r"/dev/((?:wd|sd)\d+)[a-p]"),
)
_N_IDE = Controller(("piixide", "pciide"), ("wd",))
_NETBSD = Drivers(
    {
        **dict.fromkeys((C.PIIX3, C.PIIX4, C.ICH6, C.IDE), _N_IDE),
        **dict.fromkeys((C.LSILOGIC, C.LSISAS), _sd("mpt")),
        C.AHCI: Controller(("ahcisata",), ("wd",)),
        C.LSI53C895A: _sd("esiop", "siop"),
        C.BUSLOGIC: _sd("bha"),
        C.MEGASAS: _sd("mfi"),
        C.PVSCSI: _sd("pvscsi"),
        C.NVME: Controller(("nvme",), ("ld",)),
        C.VIRTIO_SCSI: _sd("vioscsi"),
    },
    {
        **dict.fromkeys((N.E1000, N.E1000E), ("wm",)),
        N.VMXNET3: ("vmx",),
        N.PCNET: ("pcn",),
        N.RTL8139: ("re",),
        N.VIRTIO: ("vioif",),
        N.HYPERV: ("hvn",),
        N.HYPERV_LEGACY: ("tlp",),
        N.NE2K: ("ne",),
        N.ENA: ("ena",),
    },
    re.compile(r"/dev/((?:wd|sd|ld|xbd)\d+)[a-p]"),
)

SYSTEMS: dict[str, Drivers] = {"freebsd": _FREEBSD, "openbsd": _OPENBSD, "netbsd": _NETBSD}


def names_in(kernel: bytes, names: frozenset[str]) -> frozenset[str]:
    """Return those of ``names`` that are in a kernel as whole C strings."""
    words = b"|".join(sorted((re.escape(name.encode()) for name in names), reverse=True))
    return frozenset(m[1].decode() for m in re.finditer(rb"(?<=\0)(" + words + rb")(?=\0)", kernel))
