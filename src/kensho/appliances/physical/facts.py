"""What was probed of a machine's hardware, in plain words and numbers.

Sizes are bytes. An empty text or None is "not told"; what could not be read for want of
privilege is in ``Facts.unread``.
"""

from __future__ import annotations

import msgspec

from kensho.model.os_release import OsRelease


class Mount(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mounted file system: ``device`` is the kernel's name, such as ``sda1`` or ``dm-0``."""

    device: str
    place: str
    type: str
    writable: bool


class Partition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A partition as the kernel sees it."""

    name: str
    start: int
    size: int


class BlockDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole block device. ``driver`` is the kernel's driver of its controller.

    ``holders`` are the devices built on it or its partitions (dm-0, md0), all the way up, and
    ``below`` those it is built on. ``hardware`` is false for loop, device-mapper and md devices.
    """

    name: str
    path: str
    size: int
    sector: int = 512
    driver: str = ""
    model: str = ""
    serial: str = ""
    wwid: str = ""
    rotational: bool = False
    removable: bool = False
    read_only: bool = False
    usb: bool = False
    hardware: bool = True
    readable: bool = True
    partitions: tuple[Partition, ...] = ()
    holders: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    encrypted: bool = False  #: a dm-crypt device is among its holders
    multipath: bool = False  #: a dm-multipath device is among its holders

    @property
    def writable_mounts(self) -> tuple[Mount, ...]:
        """The file systems on it that somebody may be writing to."""
        return tuple(m for m in self.mounts if m.writable)

    @property
    def boots(self) -> bool:
        """Tell whether the running system's root is on it."""
        return any(m.place == "/" for m in self.mounts)


class Adapter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network adapter; ``speed`` in Mbit/s, None when there is no link."""

    name: str
    mac: str
    driver: str = ""
    speed: int | None = None


class PciDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A PCI function: ``kind`` is its 24-bit class code."""

    address: str
    kind: int
    vendor: int
    device: int
    driver: str = ""


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A machine: what its hardware and its running system tell."""

    name: str
    cpus: int
    sockets: int
    memory: int
    cpu_model: str = ""
    x86: bool = True
    bits: int = 64
    virtual: bool = False  #: the processor says that a hypervisor is below it
    virtualization: bool = False  #: VT-x or AMD-V is there
    uefi: bool = False
    secure_boot: bool = False
    tpm: str = ""  #: its version, such as ``2``
    vendor: str = ""
    product: str = ""
    uuid: str = ""
    serial: str = ""
    booted: int = 0  #: seconds since 1970
    boot_id: str = ""
    os: OsRelease = OsRelease()
    disks: tuple[BlockDevice, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    virtual_adapters: tuple[str, ...] = ()
    pci: tuple[PciDevice, ...] = ()
    unread: tuple[str, ...] = ()
