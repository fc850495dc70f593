"""The devices that hypervisors show a guest, by the ids its drivers are bound with.

One row for each controller and adapter of the neutral model: what Linux calls a modalias and
Windows a hardware id are both made of it. Sources: the device tables of Linux' drivers (named in
``linux``), QEMU's hw/, VMware KB 1010398 and VirtualBox' src/VBox/Devices for the ids; class codes
are the PCI Code and ID Assignment Specification's.
"""

from __future__ import annotations

from dataclasses import dataclass

from kensho.model.machine import ControllerModel, NicModel


@dataclass(frozen=True, slots=True)
class Pci:
    """A PCI function; ``kind`` is class, subclass and interface in one number."""

    vendor: int
    device: int
    kind: int
    subsystem_vendor: int = 0
    subsystem: int = 0

    @property
    def modalias(self) -> str:
        """What Linux looks drivers up by."""
        return (
            f"pci:v{self.vendor:08X}d{self.device:08X}"
            f"sv{self.subsystem_vendor:08X}sd{self.subsystem:08X}"
            f"bc{self.kind >> 16:02X}sc{self.kind >> 8 & 255:02X}i{self.kind & 255:02X}"
        )


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the drivers it takes.

    ``chips`` are the PCI functions it can be, on whatever platform; every one of them has to be
    driven. ``buses`` are modaliases on top of that (or instead: Xen and Hyper-V have no PCI
    device for it). ``linux`` names the modules, for kernels whose index does not tell what is
    built in; ``upper`` is what makes a disk of it. ``under`` is what the bus needs and ``beside`` what is
    of use in an initramfs (a keyboard for a passphrase), where the kernel has these as modules.
    """

    chips: tuple[Pci, ...]
    linux: tuple[str, ...]
    buses: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def modaliases(self) -> tuple[str, ...]:
        """What Linux looks all of its drivers up by."""
        return (*(chip.modalias for chip in self.chips), *self.buses)


_SCSI, _IDE, _AHCI, _NVME, _RAID, _SAS = 0x010000, 0x01018A, 0x010601, 0x010802, 0x010400, 0x010700
_ETHERNET = 0x020000
_DISK = ("sd_mod",)

_VIRTIO_BLK = (Pci(0x1AF4, 0x1001, _SCSI, 0x1AF4, 2), Pci(0x1AF4, 0x1042, _SCSI, 0x1AF4, 0x1100))
_VIRTIO_SCSI = (Pci(0x1AF4, 0x1004, _SCSI, 0x1AF4, 8), Pci(0x1AF4, 0x1048, _SCSI, 0x1AF4, 0x1100))
_VIRTIO_NET = (
    Pci(0x1AF4, 0x1000, _ETHERNET, 0x1AF4, 1),
    Pci(0x1AF4, 0x1041, _ETHERNET, 0x1AF4, 0x1100),
)
_PIIX3 = Pci(0x8086, 0x7010, _IDE)
_PIIX4 = Pci(0x8086, 0x7111, _IDE)
_ICH6 = Pci(0x8086, 0x266F, _IDE)

CONTROLLERS: dict[ControllerModel, Device] = {
    ControllerModel.PIIX3: Device((_PIIX3,), ("ata_piix",), upper=_DISK),
    ControllerModel.PIIX4: Device((_PIIX4,), ("ata_piix",), upper=_DISK),
    ControllerModel.ICH6: Device((_ICH6,), ("ata_piix",), upper=_DISK),
    ControllerModel.IDE: Device((_PIIX3, _PIIX4), ("ata_piix",), upper=_DISK),
    ControllerModel.AHCI: Device(
        (Pci(0x15AD, 0x07E0, _AHCI), Pci(0x8086, 0x2922, _AHCI), Pci(0x8086, 0x2829, _AHCI)),
        ("ahci",),
        upper=_DISK,
    ),
    ControllerModel.BUSLOGIC: Device((Pci(0x104B, 0x1040, _SCSI),), ("BusLogic",), upper=_DISK),
    ControllerModel.LSILOGIC: Device((Pci(0x1000, 0x0030, _SCSI),), ("mptspi",), upper=_DISK),
    ControllerModel.LSI53C895A: Device((Pci(0x1000, 0x0012, _SCSI),), ("sym53c8xx",), upper=_DISK),
    ControllerModel.LSISAS: Device((Pci(0x1000, 0x0054, _SAS),), ("mptsas",), upper=_DISK),
    ControllerModel.MEGASAS: Device((Pci(0x1000, 0x0060, _RAID),), ("megaraid_sas",), upper=_DISK),
    ControllerModel.PVSCSI: Device((Pci(0x15AD, 0x07C0, _SAS),), ("vmw_pvscsi",), upper=_DISK),
    ControllerModel.VIRTIO_SCSI: Device(
        _VIRTIO_SCSI,
        ("virtio_pci", "virtio_scsi"),
        buses=("virtio:d00000008v00001AF4",),
        upper=_DISK,
    ),
    ControllerModel.HYPERV_SCSI: Device(
        (),
        ("hv_storvsc",),
        buses=("vmbus:d96361baa104294db60572e2ffb1dc7f",),
        upper=_DISK,
        beside=("hyperv_keyboard",),
    ),
    ControllerModel.NVME: Device(
        (Pci(0x15AD, 0x07F0, _NVME), Pci(0x1B36, 0x0010, _NVME), Pci(0x80EE, 0x4E56, _NVME)),
        ("nvme",),
    ),
    ControllerModel.VIRTIO_BLK: Device(
        _VIRTIO_BLK, ("virtio_pci", "virtio_blk"), buses=("virtio:d00000002v00001AF4",)
    ),
    ControllerModel.XEN_VBD: Device(
        (),
        ("xen_blkfront",),
        buses=("xen:vbd",),
        under=("xen_platform_pci",),  # a module up to 3.x
    ),
}

#: Drivers that match a whole class of devices and refuse those that are not meant for them:
#: ata_generic without its all_generic_ide, pata_acpi without a method of the firmware's, 8139too
#: where the revision is QEMU's.
REFUSING = frozenset({"ata_generic", "pata_acpi", "8139too"})

#: What sysfs calls the drivers of modules of another name, and drivers of old kernels for the same device:
#: Linux' drivers/xen/xenbus (the first of a driver's ids), drivers/ide/piix.c and generic.c, ata_generic.c,
#: drivers/net/ethernet/dec/tulip/de4x5.c.
CALLED: dict[str, tuple[str, ...]] = {
    "xen_blkfront": ("vbd",),
    "xen_netfront": ("vif",),
    "ata_piix": ("PIIX_IDE", "PCI_IDE", "ata_generic", "pata_acpi"),
    "tulip": ("de4x5",),
}

_EMULATED = (
    ControllerModel.PIIX3, ControllerModel.PIIX4, ControllerModel.ICH6, ControllerModel.IDE
)  # fmt: skip
#: The emulated controllers of platforms whose own driver takes the disks off them, wherever the
#: kernel was built with it, as a module too: ata_piix leaves disks alone on Hyper-V (its
#: prefer_ms_hyperv), and Xen is told to unplug them (arch/x86/xen/platform-pci-unplug.c).
_HYPERV_IDE = Device(
    (), ("hv_storvsc",), buses=("vmbus:32264132cb86a2449b5c50d1417354f5",), upper=_DISK
)
TAKEN_OVER: dict[str, dict[ControllerModel, Device]] = {
    **dict.fromkeys(("hyperv", "azure"), dict.fromkeys(_EMULATED, _HYPERV_IDE)),
    **dict.fromkeys(
        ("xen", "xenserver"),
        dict.fromkeys(
            (*_EMULATED, ControllerModel.LSI53C895A), CONTROLLERS[ControllerModel.XEN_VBD]
        ),
    ),
}

NICS: dict[NicModel, Device] = {
    NicModel.E1000: Device(
        (Pci(0x8086, 0x100F, _ETHERNET), Pci(0x8086, 0x100E, _ETHERNET)), ("e1000",)
    ),
    NicModel.E1000E: Device((Pci(0x8086, 0x10D3, _ETHERNET),), ("e1000e",)),
    NicModel.VMXNET3: Device((Pci(0x15AD, 0x07B0, _ETHERNET),), ("vmxnet3",)),
    NicModel.ENA: Device((Pci(0x1D0F, 0xEC20, _ETHERNET),), ("ena",)),
    NicModel.PCNET: Device((Pci(0x1022, 0x2000, _ETHERNET),), ("pcnet32",)),
    # Revision 20h, which is QEMU's, is the C+ that has a driver of its own.
    NicModel.RTL8139: Device((Pci(0x10EC, 0x8139, _ETHERNET),), ("8139cp",)),
    NicModel.VIRTIO: Device(
        _VIRTIO_NET, ("virtio_pci", "virtio_net"), buses=("virtio:d00000001v00001AF4",)
    ),
    NicModel.HYPERV: Device((), ("hv_netvsc",), buses=("vmbus:635161f83edfc546913ff2d2f965ed0e",)),
    NicModel.HYPERV_LEGACY: Device((Pci(0x1011, 0x0009, _ETHERNET),), ("tulip",)),
    NicModel.XEN: Device((), ("xen_netfront",), buses=("xen:vif",)),
    NicModel.NE2K: Device((Pci(0x10EC, 0x8029, _ETHERNET),), ("ne2k_pci",)),
}
