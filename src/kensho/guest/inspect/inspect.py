"""Look into a machine's disks: everything that can be told without starting it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress

from kensho.disks.base import DiskReader
from kensho.guest.bsd.installed import Bsd, bsd_system, read_bsd
from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.edit.backends import how
from kensho.guest.files.open import BACKENDS
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.facts import (
    BootFacts,
    DiskFacts,
    GuestReport,
    KernelFacts,
    MountFacts,
    NetworkFacts,
    SystemFacts,
    VolumeFacts,
    WindowsFacts,
)
from kensho.guest.inspect.notes import notes_of
from kensho.guest.inspect.systems import Opened, System, find_systems
from kensho.guest.linux.boot.configs import started, text_of
from kensho.guest.linux.kernels import Found, find_kernels, load_initramfs, load_kernel
from kensho.guest.linux.packages.installed import installed_packages, manager_of
from kensho.guest.linux.software import (
    architecture,
    boot_loaders,
    hypervisor_tools,
    networks,
)
from kensho.guest.linux.verdict import judge_controller, judge_nic
from kensho.guest.package import Package
from kensho.guest.volumes.luks.device import Key
from kensho.guest.volumes.scan import Volume, scan
from kensho.guest.windows.installed import hives_of, read_installed, windows_folder
from kensho.model.errors import KenshoError
from kensho.model.machine import GuestOs
from kensho.model.os_release import OsRelease, guest_of, parse_os_release
from kensho.model.text import told

_MAX_RELEASE = 1 << 16
_NARROW = frozenset({"i386", "arm"})


def inspect_disks(disks: Sequence[DiskReader], keys: Sequence[Key] = ()) -> GuestReport:
    """Return what is on these disks, which belong to one machine; ``keys`` open volumes of LUKS.

    Damage and what is not read become findings. Only what cannot be read of a disk at all raises.
    """
    volumes = scan(disks, keys)
    opened = Opened(volumes)
    opened.open_all()
    systems = tuple(find_systems(opened))
    esps = tuple(GuestFiles(fs) for fs in opened.systems.values() if fs.kind == "vfat")
    facts = tuple(_system(system, esps) for system in systems)
    report = GuestReport(
        disks=tuple(
            DiskFacts(
                disk.virtual_size,
                disk.format,
                table.scheme if table else "",
                table.uuid if table else "",
                table.sector if table else 512,
            )
            for disk, table in zip(disks, volumes.tables, strict=True)
        ),
        volumes=tuple(_volume(volume, opened) for volume in volumes.volumes),
        systems=facts,
        findings=tuple(notes_of(opened, systems, facts)),
    )
    return told(report)


def _volume(volume: Volume, opened: Opened) -> VolumeFacts:
    part = volume.partition
    backend = BACKENDS.get(volume.content.kind)
    return VolumeFacts(
        id=volume.id,
        size=volume.size,
        kind=volume.content.kind,
        label=volume.content.label,
        uuid=volume.content.uuid,
        type=part.type if part else "",
        name=part.name if part else "",
        start=part.start if part else None,
        reader=backend.why if backend and volume.id in opened.systems else "",
        editor=how(volume) if volume.id in opened.systems else "",
        refusal=opened.problems.get(volume.id, "") if volume.content.kind != "swap" else "",
    )


def _system(system: System, esps: Sequence[GuestFiles]) -> SystemFacts:
    files = system.files
    folder = windows_folder(files)
    if folder:
        return _windows(system, folder, esps)
    bsd = bsd_system(files)
    if bsd:
        return _bsd(system, read_bsd(files, bsd), esps)
    machine = architecture(files)
    manager, packages = _packages(files)
    return SystemFacts(
        root=system.volume.id,
        guest=linux_guest(files),
        architecture=machine,
        hostname=_line(files, "/etc/hostname"),
        mounts=_mounts(system),
        kernels=tuple(_kernel(files, found) for found in find_kernels(files)),
        boot_loaders=boot_loaders(files, esps),
        boots=tuple(
            BootFacts(b.loader, b.title, b.kernel, b.arguments, b.config, b.initrd, b.default)
            for b in started(files, lambda path: text_of(files, path))
        ),
        tools=hypervisor_tools(files),
        package_manager=manager,
        packages=packages,
        networks=tuple(itertools.starmap(NetworkFacts, networks(files))),
        cpe=_release(files).cpe,
    )


def _windows(system: System, folder: str, esps: Sequence[GuestFiles]) -> SystemFacts:
    loaders = boot_loaders(system.files, esps)
    try:
        found = read_installed(system.files, folder)
    except KenshoError as error:
        return SystemFacts(
            system.volume.id,
            GuestOs("windows", description="Windows"),
            boot_loaders=loaders,
            windows=WindowsFacts(folder, problem=error.message),
        )
    return SystemFacts(
        root=system.volume.id,
        guest=found.guest,
        architecture=found.version.architecture,
        hostname=found.hostname,
        boot_loaders=loaders,
        tools=found.tools,
        windows=WindowsFacts(
            folder,
            found.version.edition,
            found.version.server,
            found.boot_drivers,
            found.controllers,
            found.static_addresses,
            found.hibernated,
            hives_of(system.files, folder),
            found.services,
        ),
        package_manager="Windows",
        packages=found.programs,
    )


def _bsd(system: System, found: Bsd, esps: Sequence[GuestFiles]) -> SystemFacts:
    manager, packages = _packages(system.files)
    return SystemFacts(
        root=system.volume.id,
        guest=found.guest,
        architecture=architecture(system.files),
        hostname=found.hostname,
        mounts=_mounts(system),
        kernels=(
            KernelFacts(
                found.version, found.kernel,
                controllers=found.controllers, adapters=found.adapters, problem=found.problem,
            ),
        ),
        boot_loaders=boot_loaders(system.files, esps),
        tools=hypervisor_tools(system.files),
        package_manager=manager,
        packages=packages,
        networks=(NetworkFacts("rc.conf", (), found.networks),) if found.networks else (),
    )  # fmt: skip


def _mounts(system: System) -> tuple[MountFacts, ...]:
    return tuple(
        MountFacts(line.device, line.place, line.type, volume.id if volume else "")
        for line, volume in system.fstab
        if line.on_disk
    )


def linux_guest(files: GuestFiles) -> GuestOs:
    """Return what a Linux says it is."""
    bits = 32 if architecture(files) in _NARROW else 64
    release = _release(files)
    if release != OsRelease():
        return guest_of(release, bits)
    for path in ("/etc/redhat-release", "/etc/SuSE-release"):
        text = _line(files, path)
        if text:
            return GuestOs("linux", description=text)
    version = _line(files, "/etc/debian_version")
    return guest_of(parse_os_release(f"ID=debian\nVERSION_ID={version}".encode()), bits)


def _release(files: GuestFiles) -> OsRelease:
    """Return what os-release says, nothing where there is none to be read."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        with suppress(KenshoError):
            return parse_os_release(files.read(path, _MAX_RELEASE))
    return OsRelease()


def _line(files: GuestFiles, path: str) -> str:
    """Return the first line of a small file, printable characters only; empty without one."""
    try:
        text = files.read(path, _MAX_RELEASE).decode("utf-8", "replace").strip()
    except KenshoError:
        return ""
    return "".join(c for c in text.partition("\n")[0] if c.isprintable())[:200]


def _packages(files: GuestFiles) -> tuple[str, tuple[Package, ...] | None]:
    """Return the package manager and its packages, None where its database is not read."""
    try:
        return installed_packages(files)
    except KenshoError:
        return manager_of(files), None


def _kernel(files: GuestFiles, found: Found) -> KernelFacts:
    problem = ""
    initramfs = None
    if found.initramfs:
        try:
            initramfs = load_initramfs(files, found)
        except KenshoError as error:
            problem = error.message
    try:
        kernel = load_kernel(files, found, initramfs)
    except KenshoError as error:
        return KernelFacts(found.version, found.image, found.initramfs, problem=error.message)
    # Without the initramfs, or the indexes, there is nothing to tell a verdict from.
    known = not problem and (kernel.index.files or kernel.index.builtin)
    return KernelFacts(
        version=found.version,
        image=found.image,
        initramfs=found.initramfs,
        maker=initramfs.maker if initramfs else "",
        packing=(initramfs.codec or "none") if initramfs else "",
        microcode=_has_microcode(initramfs.files) if initramfs else False,
        modules=len(kernel.index.files),
        initramfs_modules=len(kernel.in_initramfs),
        controllers=tuple(
            model for model in CONTROLLERS if known and (v := judge_controller(kernel, model)) and v.works
        ),
        adapters=tuple(model for model in NICS if known and (v := judge_nic(kernel, model)) and v.works),
        problem=problem,
    )  # fmt: skip


def _has_microcode(names: Iterable[str]) -> bool:
    return any(name.startswith("kernel/x86/microcode/") for name in names)
