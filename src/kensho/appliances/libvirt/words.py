"""What libvirt's words mean in the neutral model, as data.

Sources: https://libvirt.org/formatdomain.html; libvirt 9.0 src/conf/domain_conf.c (enumerations) and
src/vmx/vmx.c, src/vbox/vbox_common.c for what those drivers make of them.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel, NicModel, SerialKind

#: Domains that are containers: nothing in them is a machine with disks.
CONTAINERS = frozenset({"lxc", "openvz", "uml"})
#: Domains of VMware's hosts, whose ``lsilogic`` is the 53C1030.
VMWARE = frozenset({"vmware", "vbox"})

#: The bus of a disk that says none, by how its device is called.
BUS_BY_PREFIX = {
    "hd": "ide", "sd": "scsi", "vd": "virtio", "xvd": "xen", "fd": "fdc", "nvme": "nvme",
}  # fmt: skip
#: libvirt's word for a bus, and the controller where it names no model.
BUSES = {
    "ide": ControllerModel.IDE,
    "sata": ControllerModel.AHCI,
    "scsi": ControllerModel.SCSI,
    "virtio": ControllerModel.VIRTIO_BLK,
    "xen": ControllerModel.XEN_VBD,
    "nvme": ControllerModel.NVME,
    "fdc": ControllerModel.FLOPPY,
}
#: Drives per controller where a disk has no address (virDomainDiskDefAssignAddress).
PER_CONTROLLER = {"ide": 4, "sata": 6, "scsi": 7, "fdc": 2}
WIDE_SCSI, WIDE_SCSI_OWN = 15, 7  #: on VMware's hosts, and the unit that the controller itself has
SCSI = {
    "virtio-scsi": ControllerModel.VIRTIO_SCSI,
    "virtio-transitional": ControllerModel.VIRTIO_SCSI,
    "virtio-non-transitional": ControllerModel.VIRTIO_SCSI,
    "lsilogic": ControllerModel.LSI53C895A,
    "lsisas1068": ControllerModel.LSISAS,
    "lsisas1078": ControllerModel.MEGASAS,
    "vmpvscsi": ControllerModel.PVSCSI,
    "buslogic": ControllerModel.BUSLOGIC,
}
IDE = {
    "piix3": ControllerModel.PIIX3,
    "piix4": ControllerModel.PIIX4,
    "ich6": ControllerModel.ICH6,
}
NICS = {
    "virtio": NicModel.VIRTIO,
    "virtio-transitional": NicModel.VIRTIO,
    "virtio-non-transitional": NicModel.VIRTIO,
    "e1000": NicModel.E1000,
    "e1000-82540em": NicModel.E1000,
    "e1000-82544gc": NicModel.E1000,
    "e1000-82545em": NicModel.E1000,
    "82540em": NicModel.E1000,
    "82543gc": NicModel.E1000,
    "82545em": NicModel.E1000,
    "e1000e": NicModel.E1000E,
    "rtl8139": NicModel.RTL8139,
    "vmxnet": NicModel.VMXNET,
    "vmxnet2": NicModel.VMXNET2,
    "vmxnet3": NicModel.VMXNET3,
    "pcnet": NicModel.PCNET,
    "vlance": NicModel.PCNET,
    "am79c970a": NicModel.PCNET,
    "am79c973": NicModel.PCNET,
    "ne2k_pci": NicModel.NE2K,
    "ne2k_isa": NicModel.NE2K,
    "netfront": NicModel.XEN,
}
SERIAL = {
    "dev": SerialKind.DEVICE,
    "file": SerialKind.FILE,
    "pipe": SerialKind.PIPE,
    "tcp": SerialKind.NETWORK,
    "udp": SerialKind.NETWORK,
    "unix": SerialKind.NETWORK,
}
SOUND = {
    "ich6": "hda", "ich7": "hda", "ich9": "hda", "ac97": "ac97", "es1370": "es1371", "sb16": "sb16",
}  # fmt: skip
#: How a USB controller's model begins, or the whole of it.
USB = (
    ("piix3-uhci", "uhci"),
    ("piix4-uhci", "uhci"),
    ("vt82c686b-uhci", "uhci"),
    ("ich9-uhci", "uhci"),
    ("pci-ohci", "ohci"),
    ("ehci", "ehci"),
    ("ich9-ehci", "ehci"),
    ("nec-xhci", "xhci"),
    ("qemu-xhci", "xhci"),
    ("qusb", "xhci"),
)
USB_DEFAULT = "uhci"  #: piix3-uhci, on every x86 board

#: What a disk's driver calls a format, as kensho does.
FORMATS = {"vpc": "vhd", "parallels": "hdd", "aio": "raw"}

#: Bytes in libvirt's units of memory; a unit in lower case decides by its letters alone.
UNITS = {
    "b": 1, "bytes": 1, "byte": 1,
    "kb": 1000, "k": 1 << 10, "kib": 1 << 10,
    "mb": 1000**2, "m": 1 << 20, "mib": 1 << 20,
    "gb": 1000**3, "g": 1 << 30, "gib": 1 << 30,
    "tb": 1000**4, "t": 1 << 40, "tib": 1 << 40,
}  # fmt: skip

#: Devices the guest was given from its host, or shares with it: an importer has to know.
PASSED_THROUGH = frozenset({"hostdev", "filesystem", "shmem", "memory", "smartcard", "vsock"})
