"""What was found in a guest, as data; sizes in bytes, empty is "not found"."""

from __future__ import annotations

import msgspec

from kensho.guest.package import Package
from kensho.guest.windows.listed import Service
from kensho.model.finding import Finding
from kensho.model.machine import ControllerModel, GuestOs, NicModel


class VolumeFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A volume: ``id`` as in ``disk1p2`` or ``vg/root``.

    ``reader`` says how its files are read, ``editor`` how they would be edited, or why not.
    ``type`` and ``name`` are the partition's; ``refusal`` says why its files are not read.
    """

    id: str
    size: int
    kind: str = ""
    label: str = ""
    uuid: str = ""
    type: str = ""
    name: str = ""
    start: int | None = None
    reader: str = ""
    editor: str = ""
    refusal: str = ""


class DiskFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disk: its partition table ``gpt``, ``mbr`` or none, and sectors in bytes."""

    size: int
    format: str
    table: str = ""
    uuid: str = ""
    sector: int = 512


class KernelFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kernel that the guest could start.

    ``initramfs`` is its path, ``maker`` what made that, ``packing`` its compression. ``controllers``
    are those the kernel finds its root on as it is, ``adapters`` those it has a driver for.
    """

    version: str
    image: str = ""
    initramfs: str = ""
    maker: str = ""
    packing: str = ""
    microcode: bool = False
    modules: int = 0
    initramfs_modules: int = 0
    controllers: tuple[ControllerModel, ...] = ()
    adapters: tuple[NicModel, ...] = ()
    problem: str = ""


class BootFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kernel that a boot loader offers: ``arguments`` are its command line, ``config`` the file it is in.

    ``default`` tells of the one that is started by itself.
    """

    loader: str
    title: str
    kernel: str
    arguments: str = ""
    config: str = ""
    initramfs: bool = False
    default: bool = False


class MountFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of fstab: ``device`` as it is written there, ``volume`` which one that is."""

    device: str
    place: str
    type: str
    volume: str = ""


class NetworkFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the guest sets its network up: ``style``, its files, and adapters named in them."""

    style: str
    files: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class WindowsFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Windows alone has. ``controllers`` are those it starts from as it is.

    ``problem`` says why its registry is not read; then the rest is empty.
    """

    folder: str
    edition: str = ""
    server: bool = False
    boot_drivers: tuple[str, ...] = ()
    controllers: tuple[ControllerModel, ...] = ()
    static_addresses: int = 0
    hibernated: bool = False
    hives: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    problem: str = ""


class SystemFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operating system on a volume."""

    root: str
    guest: GuestOs
    architecture: str = ""
    hostname: str = ""
    mounts: tuple[MountFacts, ...] = ()
    kernels: tuple[KernelFacts, ...] = ()
    boot_loaders: tuple[str, ...] = ()
    boots: tuple[BootFacts, ...] = ()
    tools: tuple[str, ...] = ()
    package_manager: str = ""
    packages: tuple[Package, ...] | None = None  #: None where they are not read
    networks: tuple[NetworkFacts, ...] = ()
    windows: WindowsFacts | None = None
    cpe: str = ""  #: what the system calls itself as a platform (CPE_NAME of os-release)


class GuestReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that was found on a machine's disks."""

    disks: tuple[DiskFacts, ...] = ()
    volumes: tuple[VolumeFacts, ...] = ()
    systems: tuple[SystemFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
