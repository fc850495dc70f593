"""What a platform can be: its devices, limits and the forms its files take.

A platform is data. The planner reads it to map a machine's devices, the rules
read it to say what is lost, the executor reads it to know which writer to call.
A new platform is one file with one `Platform` and one line in the table of
``kensho.platforms``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kensho.model.guest_os import Generation
from kensho.model.machine import Bus, ControllerModel, Firmware, NicModel
from kensho.model.units import MIB
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary

#: How a host caches a disk, in QEMU's words, which are the neutral model's, too.
CACHES = frozenset({"none", "writethrough", "writeback", "directsync", "unsafe"})


class DiskFormat(msgspec.Struct, frozen=True):
    """The image format a platform's disks are written in.

    ``suffix`` is without the dot; one that begins with a hyphen follows the name as it is.
    """

    format: str
    subformat: str
    suffix: str
    size_step: int = 512  #: virtual sizes are rounded up to a multiple of this many bytes


class Carries(msgspec.Struct, frozen=True, kw_only=True):
    """What a form's files can say beside processors, memory, drives and adapters."""

    serial_ports: int = 0  #: how many
    usb: bool = False
    sound: bool = False
    video: bool = False
    floppy: bool = False
    products: bool = False
    properties: bool = False  #: what OVF says in products reaches the guest where it is deployed
    cdrom: bool = True
    cdrom_image: bool = False  #: a CD drive can have an image in it
    guestinfo: bool = False  #: the configuration has values that VMware's tools hand to the guest
    eulas: bool = False
    annotation: bool = False
    most_annotation: int = 0  #: bytes of notes in UTF-8; 0: as many as there are
    uuid: bool = False
    mac: bool = False
    vlan: bool = False
    network_names: bool = False
    disconnected_nics: bool = True
    secure_boot: bool = False
    tpm: bool = False
    cores_per_socket: bool = True
    boot_order: bool = False
    #: Under this firmware the order is one of kinds of device: of disks the first is tried.
    boot_by_kind: tuple[Firmware, ...] = ()
    nvram: str = ""  #: whose variable stores its firmware reads: ``vmware``, ``edk2``, ``edk2-4m``
    cpu_hot_add: bool = False
    memory_hot_add: bool = False
    nested_virtualization: bool = False
    reservations: bool = False  #: reservation and limit of processors and memory
    dynamic_memory: bool = False  #: what a balloon may leave
    most_memory: bool = False  #: with that, the most there may be
    any_name: bool = True  #: False where a machine's name has to be one for DNS
    video_3d: bool = False
    clock: bool = False  #: what the hardware clock shows
    #: Which of `kensho.convert.mapping_facts.DISK_MODES` are written.
    disk_modes: frozenset[str] = frozenset()
    modes_on: Mapping[str, frozenset[Bus]] = {}  #: those that disks on some buses alone have
    caches: frozenset[str] = CACHES  #: the ways of caching it has a word for
    extras: frozenset[str] = frozenset()  #: dialects whose extras are written back
    origin: bool = False  #: the file itself has room for the note of where the machine came from


class ControllerSupport(msgspec.Struct, frozen=True):
    """A storage controller the platform has.

    ``units`` drives fit on each of ``most`` controllers; ``reserved`` units are the
    controller's own. ``boots`` lists the firmware that can boot from it, ``firmware``
    the one under which it exists at all, and ``cdroms`` the one under which it takes CD drives, if
    it is of a kind that does.
    """

    model: ControllerModel
    units: int
    most: int
    reserved: tuple[int, ...] = ()
    boots: tuple[Firmware, ...] = (Firmware.BIOS, Firmware.UEFI)
    firmware: tuple[Firmware, ...] = (Firmware.BIOS, Firmware.UEFI)
    cdroms: tuple[Firmware, ...] = (Firmware.BIOS, Firmware.UEFI)


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One way a platform takes a machine: a folder of files, or a single container file.

    ``render`` names a function of the type `kensho.appliances.package.Renderer`,
    ``container`` one of the type `Container`; one is set, or both: then there are documents beside
    the container, the first of which is not the machine's file. Both are
    written ``module:function`` and imported only when needed.
    """

    name: str
    title: str
    disk: DiskFormat
    render: str = ""
    container: str = ""
    prefix: str = ""  #: of the container file's name, where the importer wants one
    suffix: str = ""  #: of the container file
    disk_folder: str = ""  #: where the disks are in a result with folders; ``{name}`` is the stem
    several_machines: bool = False
    firmware: tuple[Firmware, ...] = (Firmware.BIOS, Firmware.UEFI)  #: that its files can say
    #: What only this form can say, beside the platform's own: kept, never chosen.
    controllers: tuple[ControllerSupport, ...] = ()
    nics: frozenset[NicModel] = frozenset()
    carries: Carries
    next_step: str = ""  #: what the user does with the result; ``{name}`` is the stem

    def disk_name(self, stem: str, plain: str) -> str:
        """Return the name of a disk in the result, with ``/`` where it is in a folder."""
        return f"{self.disk_folder.format(name=stem)}/{plain}" if self.disk_folder else plain

    def container_name(self, stem: str) -> str:
        """Return the name of the container file."""
        return f"{self.prefix}{stem}.{self.suffix}"


class DriveChoice(msgspec.Struct, frozen=True):
    """Where drives go that cannot stay where they are, under one firmware.

    ``boot_disk`` overrides ``disk`` for the disk the machine starts from.
    """

    disk: ControllerModel
    cdrom: ControllerModel
    boot_disk: ControllerModel | None = None


class DevicePolicy(msgspec.Struct, frozen=True):
    """A set of choices: ``native`` devices perform best, ``compatible`` ones need least.

    ``keep`` lists the controllers, ``keep_nics`` the adapters that stay as they are.
    """

    drives: Mapping[Firmware, DriveChoice]
    keep: frozenset[ControllerModel]
    nic: NicModel
    keep_nics: frozenset[NicModel]
    keep_cds: frozenset[ControllerModel] = frozenset()  #: where a CD stays that is seldom there


class Shape(msgspec.Struct, frozen=True):
    """A size of machine that a cloud sells; memory in bytes."""

    name: str
    cpus: int
    memory: int


class CloudLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a cloud does not take, or decides itself. Sizes in bytes; ``advice`` is for the guest.

    ``shapes`` has the sizes of machine, smallest first; where there are none, the user names one.
    ``imports`` lists the families of guests that the cloud's own import changes and accepts, by the
    name of the form; a form that is not in it takes any guest as it is.
    """

    largest_disk: int
    largest_boot_disk: int
    shapes: tuple[Shape, ...] = ()
    bits: tuple[int, ...] = (64,)
    imports: Mapping[str, tuple[str, ...]] = {}
    most_imported: int = 0  #: disks the import of those forms takes; 0: no limit of its own
    advice: Mapping[str, str] = {}  #: by family of guest: linux, windows, bsd …

    def shape_for(self, cpus: int, memory: int) -> Shape | None:
        """Return the first shape that is large enough, the largest when none is, None without any."""
        enough = (s for s in self.shapes if s.cpus >= cpus and s.memory >= memory)
        return next(enough, self.shapes[-1] if self.shapes else None)


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """A hypervisor, or a package format that stands for several.

    ``guests`` has the choice for a generation of guests; ``native`` is used for other guests that
    are known to bring the drivers (Linux, BSD), ``compatible`` for all the rest, unless the user
    says otherwise. ``fallback`` boots whatever the guest is (without one, ``compatible`` does), with nothing
    kept of the source. ``versions`` are listed oldest first; the limits are those of the newest.
    ``version`` is the one that was chosen, see `chosen.at`.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    forms: tuple[Form, ...]
    controllers: tuple[ControllerSupport, ...]
    native: DevicePolicy
    compatible: DevicePolicy
    fallback: DevicePolicy | None = None
    guests: Mapping[Generation, DevicePolicy] = {}
    memory_step: int = MIB  #: memory is a multiple of this many bytes
    most_cpus: int
    most_memory: int
    most_nics: int
    #: Addresses it gives out itself, and those it takes as fixed ones (none listed: any), as the
    #: beginning of an address or ``first-last``.
    own_macs: tuple[str, ...] = ()
    static_macs: tuple[str, ...] = ()
    #: Limits of machines with a BIOS where they are others; 0: the same.
    bios_cpus: int = 0
    bios_memory: int = 0
    #: Adapters that exist under BIOS alone.
    bios_nics: frozenset[NicModel] = frozenset()
    versions: tuple[Version, ...] = ()
    version: str = ""
    words: tuple[Vocabulary, ...] = ()
    #: VirtualSystemTypes an OVF package may have for it, best first; see `Selection.families`.
    hardware: tuple[str, ...] = ()
    cloud: CloudLimits | None = None
    untested: str  #: what could not be tried, in words for the user

    def limits(self, firmware: Firmware) -> tuple[int, int]:
        """Return how many processors and bytes of memory a machine can have."""
        if firmware is Firmware.BIOS:
            return self.bios_cpus or self.most_cpus, self.bios_memory or self.most_memory
        return self.most_cpus, self.most_memory

    def form(self, name: str | None = None) -> Form | None:
        """Return the form with that name, the first one when no name is given."""
        if name is None:
            return self.forms[0]
        return next((f for f in self.forms if f.name == name), None)

    def support(self, model: ControllerModel, firmware: Firmware) -> ControllerSupport | None:
        """Return what the platform offers of a controller under a firmware, None when nothing."""
        return next(
            (c for c in self.controllers if c.model is model and firmware in c.firmware), None
        )


def same_choice(choice: DriveChoice) -> Mapping[Firmware, DriveChoice]:
    """Use one choice under either firmware."""
    return {Firmware.BIOS: choice, Firmware.UEFI: choice}
