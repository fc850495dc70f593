"""What libvirt's words mean beside those for devices, which `kensho.platforms.kvm` has.

Sources: https://libvirt.org/formatdomain.html; libvirt 9.0 src/conf/domain_conf.c (enumerations) and
src/vmx/vmx.c, src/vbox/vbox_common.c for what those drivers make of them.
"""

from __future__ import annotations

#: Domains that are containers: nothing in them is a machine with disks.
CONTAINERS = frozenset({"lxc", "openvz", "uml"})
#: Domains of VMware's hosts, whose ``lsilogic`` is the 53C1030.
VMWARE = frozenset({"vmware", "vbox"})

#: The bus of a disk that says none, by how its device is called.
BUS_BY_PREFIX = {
    "hd": "ide", "sd": "scsi", "vd": "virtio", "xvd": "xen", "fd": "fdc", "nvme": "nvme",
}  # fmt: skip
#: Drives per controller where a disk has no address (virDomainDiskDefAssignAddress).
PER_CONTROLLER = {"ide": 4, "sata": 6, "scsi": 7, "fdc": 2}
WIDE_SCSI, WIDE_SCSI_OWN = 15, 7  #: on VMware's hosts, and the unit that the controller itself has
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
