"""The kernels of a machine's Linux systems, loaded for a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kensho.disks.base import DiskReader
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.linux.kernels import find_kernels, load_initramfs, load_kernel
from kensho.guest.linux.verdict import Kernel
from kensho.guest.volumes.scan import scan
from kensho.model.errors import KenshoError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kernel of the system on the volume ``root``; None with the ``problem`` that hides it."""

    root: str
    version: str
    kernel: Kernel | None
    problem: str = ""


def load_kernels(disks: Sequence[DiskReader]) -> Iterator[Loaded]:
    """Yield every kernel of every Linux system on these disks, which belong to one machine."""
    opened = Opened(scan(disks))
    opened.open_all()
    for system in find_systems(opened):
        for found in find_kernels(system.files):
            if not found.image and not found.initramfs:
                continue  # modules alone are what a removed kernel leaves behind
            root = system.volume.id
            try:
                initramfs = load_initramfs(system.files, found) if found.initramfs else None
                kernel = load_kernel(system.files, found, initramfs)
            except KenshoError as error:
                yield Loaded(root, found.version, None, error.message)
                continue
            if kernel.index.files or kernel.index.builtin:
                yield Loaded(root, found.version, kernel)
            else:
                yield Loaded(root, found.version, None, "its modules' indexes are not there")
