"""The neutral machine: what every hypervisor means, in nobody's words.

Readers in ``appliances`` produce these structs, platforms say which of them
they can express, writers turn them into a vendor's files. All structs are
frozen; sizes are bytes, frequencies hertz. Field names follow OVF (DSP0243)
and CIM (DSP1041 … DSP1057) where those have a term.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from kensho.model.host_side import Clock, HostDevice, SharedFolder, Snapshot


class Firmware(enum.StrEnum):
    """What the guest's boot loader was installed for."""

    BIOS = "bios"
    UEFI = "uefi"


class Bus(enum.StrEnum):
    """What a drive is attached to, as the guest sees it."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    NVME = "nvme"
    VIRTIO = "virtio"  #: virtio-blk: a disk that is its own PCI function
    XEN = "xen"  #: Xen's paravirtual block device
    FLOPPY = "floppy"


class ControllerModel(enum.StrEnum):
    """Storage controllers, by the chip or interface the guest drives."""

    PIIX3 = "piix3"
    PIIX4 = "piix4"
    ICH6 = "ich6"
    IDE = "ide"  #: an IDE controller of which no more is said
    AHCI = "ahci"
    BUSLOGIC = "buslogic"
    LSILOGIC = "lsilogic"  #: LSI 53C1030, parallel SCSI
    LSI53C895A = "lsi53c895a"
    LSISAS = "lsisas1068"
    MEGASAS = "megasas"
    PVSCSI = "pvscsi"
    VIRTIO_SCSI = "virtio-scsi"
    HYPERV_SCSI = "hyperv-scsi"
    SCSI = "scsi"  #: a SCSI controller of which no more is said
    NVME = "nvme"
    VIRTIO_BLK = "virtio-blk"
    XEN_VBD = "xen-vbd"
    FLOPPY = "floppy"


BUS_OF = {
    ControllerModel.PIIX3: Bus.IDE,
    ControllerModel.PIIX4: Bus.IDE,
    ControllerModel.ICH6: Bus.IDE,
    ControllerModel.IDE: Bus.IDE,
    ControllerModel.AHCI: Bus.SATA,
    ControllerModel.BUSLOGIC: Bus.SCSI,
    ControllerModel.LSILOGIC: Bus.SCSI,
    ControllerModel.LSI53C895A: Bus.SCSI,
    ControllerModel.LSISAS: Bus.SCSI,
    ControllerModel.MEGASAS: Bus.SCSI,
    ControllerModel.PVSCSI: Bus.SCSI,
    ControllerModel.VIRTIO_SCSI: Bus.SCSI,
    ControllerModel.HYPERV_SCSI: Bus.SCSI,
    ControllerModel.SCSI: Bus.SCSI,
    ControllerModel.NVME: Bus.NVME,
    ControllerModel.VIRTIO_BLK: Bus.VIRTIO,
    ControllerModel.XEN_VBD: Bus.XEN,
    ControllerModel.FLOPPY: Bus.FLOPPY,
}


class NicModel(enum.StrEnum):
    """Network adapters, by the chip or interface the guest drives."""

    E1000 = "e1000"
    E1000E = "e1000e"
    VMXNET = "vmxnet"
    VMXNET2 = "vmxnet2"
    VMXNET3 = "vmxnet3"
    PCNET = "pcnet32"
    RTL8139 = "rtl8139"
    VIRTIO = "virtio"
    HYPERV = "hyperv"  #: netvsc, Hyper-V's synthetic adapter
    HYPERV_LEGACY = "hyperv-legacy"  #: DEC 21140, Hyper-V's legacy adapter
    XEN = "xen-vif"
    NE2K = "ne2k"
    SRIOV = "sriov"
    ENA = "ena"  #: Amazon's Elastic Network Adapter
    UNKNOWN = "unknown"  #: not stated, or not known to kensho; see ``vendor_model``


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something vendor-specific, kept word for word.

    ``dialect`` says who understands it (``vmw``, ``vbox``, ``xenovf``, ``vmx`` …),
    ``where`` is the place it came from (an element path or a key) and ``text`` the
    serialised XML element or the value.
    """

    dialect: str
    where: str
    text: str


class Cpu(msgspec.Struct, frozen=True, omit_defaults=True):
    """Virtual processors. ``count`` is the number the guest sees, all sockets together.

    ``model`` is the source's word for the kind of processor, such as ``host-passthrough`` or
    ``Skylake-Server``; ``numa_nodes`` is 0 where the source does not say. ``limit_percent`` is what
    all of them together may use, 100 being one processor of the host.
    """

    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    cores_per_socket: Annotated[int, msgspec.Meta(ge=1)] = 1
    reservation_hz: int | None = None
    limit_hz: int | None = None
    hot_add: bool = False
    nested_virtualization: bool = False
    model: str = ""
    pinned: bool = False  #: bound to processors of the host
    numa_nodes: int = 0
    limit_percent: int | None = None

    @property
    def sockets(self) -> int:
        """Sockets needed for ``count`` processors, rounded up."""
        return -(-self.count // max(1, self.cores_per_socket))


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Main memory in bytes. ``minimum`` is what a balloon in the guest may leave of it."""

    size: Annotated[int, msgspec.Meta(ge=1)]
    reservation: int | None = None
    limit: int | None = None
    hot_add: bool = False
    minimum: int | None = None
    huge_pages: bool = False  #: backed by huge pages of the host


class FirmwareSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Firmware and what hangs on it; ``nvram`` is the id of a file in the appliance."""

    kind: Firmware = Firmware.BIOS
    secure_boot: bool = False
    tpm: bool = False
    nvram: str | None = None
    stated: bool = True  #: False when the source does not say and ``kind`` is an assumption


class Controller(msgspec.Struct, frozen=True, omit_defaults=True):
    """A storage controller; ``index`` is its number among those of its bus."""

    id: str
    model: ControllerModel
    index: int = 0
    vendor_model: str = ""
    pci_slot: int | None = None

    @property
    def bus(self) -> Bus:
        """The bus this controller offers."""
        return BUS_OF[self.model]


class Disk(msgspec.Struct, frozen=True, omit_defaults=True, tag="disk"):
    """A hard disk: position ``unit`` on ``controller``, content in ``image``.

    ``image`` is the id of a `DiskImage`; ``boot_order`` counts from 1, None means
    that the source does not say. ``independent`` disks have no part in snapshots, those that are
    ``nonpersistent`` forget what was written when the machine stops; ``cache`` is the source's word
    for how its host caches, ``iops`` and ``bandwidth`` (bytes per second) are limits.
    """

    id: str
    image: str
    controller: str
    unit: int = 0
    boot_order: int | None = None
    name: str = ""
    read_only: bool = False
    independent: bool = False
    shared: bool = False
    solid_state: bool = False
    required: bool = True  #: the source cannot do without it (ovf:required)
    nonpersistent: bool = False
    cache: str = ""
    iops: int | None = None
    bandwidth: int | None = None
    encrypted: bool = False  #: by the hypervisor, not by the guest


class Cdrom(msgspec.Struct, frozen=True, omit_defaults=True, tag="cdrom"):
    """A CD/DVD drive; ``file`` is the id of the inserted image in the appliance."""

    id: str
    controller: str
    unit: int = 0
    file: str | None = None
    host_device: str = ""
    boot_order: int | None = None
    name: str = ""


class Floppy(msgspec.Struct, frozen=True, omit_defaults=True, tag="floppy"):
    """A floppy drive."""

    id: str
    controller: str = ""
    unit: int = 0
    file: str | None = None
    name: str = ""


Drive = Disk | Cdrom | Floppy


class Nic(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network adapter on the network named ``network``; ``mac`` as ``aa:bb:cc:dd:ee:ff``."""

    id: str
    model: NicModel = NicModel.UNKNOWN
    network: str = ""
    mac: str | None = None
    connected: bool = True
    boot_order: int | None = None
    name: str = ""
    vendor_model: str = ""
    vlan: int | None = None
    pci_slot: int | None = None
    target_network: str = ""  #: what the user plugs it into at the target; "" leaves it to that


class SerialKind(enum.StrEnum):
    """Where a serial or parallel port ends on the host."""

    NONE = "none"
    DEVICE = "device"
    FILE = "file"
    PIPE = "pipe"
    NETWORK = "network"


class SerialPort(msgspec.Struct, frozen=True, omit_defaults=True):
    """A serial port; ``target`` is the vendor's text for a file, pipe or URI."""

    id: str
    kind: SerialKind = SerialKind.NONE
    target: str = ""
    index: int = 0


class Video(msgspec.Struct, frozen=True, omit_defaults=True):
    """The display adapter; ``memory`` in bytes, None when not stated."""

    model: str = ""
    memory: int | None = None
    displays: int = 1
    accelerated_3d: bool = False


class Sound(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sound card: ``hda``, ``ac97``, ``es1371``, ``sb16`` or the vendor's word."""

    model: str = ""


class Usb(msgspec.Struct, frozen=True, omit_defaults=True):
    """A USB controller by its interface: ``uhci``, ``ohci``, ``ehci`` or ``xhci``."""

    model: str = "ehci"


class OtherDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device the neutral model has no struct for; ``type`` is CIM's ResourceType number."""

    id: str
    type: int | None = None
    name: str = ""
    subtype: str = ""
    required: bool = True


class GuestOs(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the guest is said to be. ``id`` is a key of ``kensho.model.guest_os``.

    ``cim`` and ``vendor`` keep what the source said: the CIM OsType number, and ids as
    ``dialect:value`` such as ``vmw:debian11_64Guest``.
    """

    id: str = "other"
    cim: int | None = None
    version: str = ""
    description: str = ""
    vendor: tuple[str, ...] = ()


class Property(msgspec.Struct, frozen=True, omit_defaults=True):
    """An OVF product property (DSP0243 §9.5.1)."""

    key: str
    type: str = "string"
    value: str = ""
    user_configurable: bool = False
    password: bool = False
    qualifiers: str = ""
    label: str = ""
    description: str = ""
    category: str = ""


class Product(msgspec.Struct, frozen=True, omit_defaults=True):
    """An OVF product: who made what is inside, and how it is configured."""

    name: str = ""
    vendor: str = ""
    version: str = ""
    full_version: str = ""
    product_url: str = ""
    vendor_url: str = ""
    app_url: str = ""
    class_: str = msgspec.field(default="", name="class")
    instance: str = ""
    info: str = ""
    properties: tuple[Property, ...] = ()


class Eula(msgspec.Struct, frozen=True, omit_defaults=True):
    """A licence text that has to be accepted."""

    text: str
    info: str = ""


class HardwareSection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of several descriptions of a machine's hardware (DSP0243 §8); ``chosen`` was read."""

    id: str = ""
    types: tuple[str, ...] = ()
    info: str = ""
    chosen: bool = False


class Range(msgspec.Struct, frozen=True, omit_defaults=True):
    """The values that a setting of a device may have, in the source's ``units`` (DSP0243 §8.4).

    ``setting`` is CIM's name, such as VirtualQuantity; None is no limit but the value read.
    """

    device: str
    setting: str
    minimum: int | None = None
    maximum: int | None = None
    units: str = ""


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One virtual machine."""

    id: str
    name: str
    cpu: Cpu
    memory: Memory
    firmware: FirmwareSettings = FirmwareSettings()
    guest: GuestOs = GuestOs()
    uuid: str | None = None
    controllers: tuple[Controller, ...] = ()
    drives: tuple[Drive, ...] = ()
    nics: tuple[Nic, ...] = ()
    serial_ports: tuple[SerialPort, ...] = ()
    video: Video | None = None
    sound: Sound | None = None
    usb: tuple[Usb, ...] = ()
    others: tuple[OtherDevice, ...] = ()
    host_devices: tuple[HostDevice, ...] = ()
    shared_folders: tuple[SharedFolder, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    clock: Clock | None = None  #: None where the source does not say
    watchdog: str = ""  #: the source's word for its model
    products: tuple[Product, ...] = ()
    eulas: tuple[Eula, ...] = ()
    annotation: str = ""
    hardware_versions: tuple[str, ...] = ()  #: VirtualSystemType of the source, e.g. ``vmx-13``
    hardware_sections: tuple[HardwareSection, ...] = ()  #: empty unless there are several
    ranges: tuple[Range, ...] = ()
    transports: tuple[str, ...] = ()  #: how OVF properties reach the guest: ``iso``, …
    extras: tuple[Extra, ...] = ()

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The hard disks, in the order of the source."""
        return tuple(d for d in self.drives if isinstance(d, Disk))

    @property
    def cdroms(self) -> tuple[Cdrom, ...]:
        """The CD/DVD drives, in the order of the source."""
        return tuple(d for d in self.drives if isinstance(d, Cdrom))

    def controller(self, controller_id: str) -> Controller | None:
        """Return the controller with that id, None when there is none."""
        return next((c for c in self.controllers if c.id == controller_id), None)

    def boot_disk(self) -> Disk | None:
        """Return the disk tried first: lowest boot order, else the first one."""
        disks = self.disks
        ordered = [d for d in disks if d.boot_order is not None]
        return min(ordered, key=lambda d: d.boot_order or 0) if ordered else next(iter(disks), None)
