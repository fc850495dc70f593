"""The kernels of a machine's systems, loaded for a verdict; a Windows counts as one."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kensho.disks.base import DiskReader
from kensho.guest.bsd.installed import Bsd, bsd_system, read_bsd
from kensho.guest.inspect.inspect import linux_guest
from kensho.guest.inspect.systems import Opened, System, find_systems
from kensho.guest.linux.boot.configs import started, text_of
from kensho.guest.linux.kernels import Found, find_kernels, load_initramfs, load_kernel
from kensho.guest.linux.verdict import Kernel
from kensho.guest.volumes.luks.device import Key
from kensho.guest.volumes.scan import scan
from kensho.guest.windows.installed import Installed, read_installed, windows_folder
from kensho.model.errors import KenshoError
from kensho.model.machine import GuestOs


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel of the system on the volume ``root``: Linux', or a Windows, or a BSD's.

    All are None with the ``problem`` that hides it. ``guest`` is what the system says it is,
    ``default`` tells that its boot loader starts this one by itself. ``disks`` are the numbers of
    those that the volume is on, from 0.
    """

    root: str
    version: str
    kernel: Kernel | None
    problem: str = ""
    windows: Installed | None = None
    bsd: Bsd | None = None
    guest: GuestOs = GuestOs()  # noqa: RUF009 - frozen
    default: bool = False
    disks: frozenset[int] = frozenset()


def load_kernels(disks: Sequence[DiskReader], keys: Sequence[Key] = ()) -> Iterator[Loaded]:
    """Yield every kernel of every system on these disks, which belong to one machine.

    ``keys`` open volumes of LUKS.
    """
    opened = Opened(scan(disks, keys))
    opened.open_all()
    names = [f"disk{number}" for number in range(1, len(disks) + 1)]
    for system in find_systems(opened):
        view = system.volume.view
        on = view.disks if view is not None else frozenset()
        numbers = frozenset(number for number, name in enumerate(names) if name in on)
        for loaded in _kernels(system):
            yield replace(loaded, disks=numbers)


def _kernels(system: System) -> Iterator[Loaded]:
    folder = windows_folder(system.files)
    if folder:
        yield _windows(system, folder)
        return
    bsd = bsd_system(system.files)
    if bsd:
        yield _bsd(system, read_bsd(system.files, bsd))
        return
    guest, chosen = linux_guest(system.files), _started(system)
    for found in find_kernels(system.files):
        if found.image or found.initramfs:  # modules alone are what a removed kernel leaves
            default = posixpath.basename(found.image) in chosen
            yield replace(_linux(system, found), guest=guest, default=default)


def _started(system: System) -> frozenset[str]:
    """Return the names of the kernels that boot loaders start by themselves; none where not told."""
    try:
        offered = started(system.files, lambda path: text_of(system.files, path))
    except KenshoError:
        return frozenset()
    return frozenset(posixpath.basename(entry.kernel) for entry in offered if entry.default)


def _linux(system: System, found: Found) -> Loaded:
    root = system.volume.id
    try:
        initramfs = load_initramfs(system.files, found) if found.initramfs else None
        kernel = load_kernel(system.files, found, initramfs)
    except KenshoError as error:
        return Loaded(root, found.version, None, error.message)
    if kernel.index.files or kernel.index.builtin:
        return Loaded(root, found.version, kernel)
    return Loaded(root, found.version, None, "its modules' indexes are not there")


def _windows(system: System, folder: str) -> Loaded:
    try:
        found = read_installed(system.files, folder)
    except KenshoError as error:
        return Loaded(system.volume.id, "Windows", None, error.message)
    name = f"{found.version.product or 'Windows'} ({found.version.build})"
    return Loaded(system.volume.id, name, None, windows=found, guest=found.guest)


def _bsd(system: System, found: Bsd) -> Loaded:
    name = found.guest.description
    if found.problem:
        return Loaded(system.volume.id, name, None, f"its kernel is not read: {found.problem}")
    return Loaded(system.volume.id, name, None, bsd=found, guest=found.guest)
