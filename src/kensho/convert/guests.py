"""The disks that guests are on, opened: all of a machine together, as LVM and /boot need them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kensho.appliances import Package
from kensho.convert.source import opened, opened_image, select_machine
from kensho.disks import DiskReader, open_disk
from kensho.disks.overlay.backing import backing_of
from kensho.model.appliance import StartItem
from kensho.model.errors import UnsupportedError
from kensho.model.machine import Machine
from kensho.model.selection import Selection
from kensho.storage.locator import open_source, scheme_of, sibling_opener, split_locator

_QEMU_HAS = frozenset({"raw", "qcow2", "qed", "vmdk", "vhd", "vhdx", "vdi"})
_VM = "vm"  #: what a machine is called of which nothing is known
_ALONE = "disk"  #: what the registry calls a disk image without a machine


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A disk of a machine, open: ``image`` is its id in the package, ``place`` what it is read from."""

    image: str
    place: str
    reader: DiskReader


@dataclass(frozen=True, slots=True)
class GuestDisks:
    """A machine and its disks, in its order. ``machine`` is None where nothing is known of it.

    ``start`` is its place in the appliance's start order, None where that names it not.
    """

    id: str
    machine: Machine | None
    disks: tuple[GuestDisk, ...]
    start: StartItem | None = None

    @property
    def readers(self) -> tuple[DiskReader, ...]:
        """The disks alone."""
        return tuple(disk.reader for disk in self.disks)


@contextmanager
def opened_guests(
    locators: Sequence[str],
    *,
    machine: str | None = None,
    format: str | None = None,  # noqa: A002
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Iterator[tuple[GuestDisks, ...]]:
    """Open the disks of an appliance's machines, or of several images that are one machine's.

    ``format`` is what images are, where that is not to be guessed. Raises what opening them raises, and UnsupportedError for what comes once or is written to.
    """
    with ExitStack() as stack:
        if format is not None:
            alone = tuple(_image(locator, format, stack) for locator in locators)
            yield (GuestDisks(_VM, None, alone),)
            return
        packages = [stack.enter_context(opened(locator, selection)) for locator in locators]
        for package, locator in zip(packages, locators, strict=True):
            _refuse_moving(package, locator)
        if len(packages) == 1:
            chosen = select_machine(packages[0].appliance, machine).machines
            yield tuple(guests_of(packages[0], chosen, stack, locators[0]))
            return
        several = [p.path for p in packages if p.kind != _ALONE]
        if several:
            raise UnsupportedError(
                "is a machine; several sources have to be disk images", path=several[0]
            )
        disks = tuple(
            _disk(package, package.appliance.machines[0].disks[0].image, locator, stack)
            for package, locator in zip(packages, locators, strict=True)
        )
        yield (GuestDisks(_VM, None, disks),)


def guests_of(
    package: Package, machines: Sequence[Machine], stack: ExitStack, locator: str = ""
) -> Iterator[GuestDisks]:
    """Yield the machines of an open package with their disks, which ``stack`` closes.

    ``locator`` is what the package was opened from.
    """
    alone = package.kind == _ALONE
    order = {item.machine: item for item in package.appliance.start_order}
    for machine in machines:
        disks = tuple(
            _disk(package, disk.image, locator if alone else "", stack) for disk in machine.disks
        )
        yield GuestDisks(machine.id, None if alone else machine, disks, order.get(machine.id))


def _disk(package: Package, image: str, locator: str, stack: ExitStack) -> GuestDisk:
    reader = stack.enter_context(opened_image(package, image))
    known = package.appliance.image(image)
    file = package.appliance.file(known.file) if known is not None else None
    names = [source.name for source in reader.sources]
    if known is not None and known.parent is not None:
        names = []  # the disk below it is told by the descriptor alone
    place = locator or (names[0] if names else file.href if file else image)
    return GuestDisk(image, place, reader)


def _image(locator: str, format: str, stack: ExitStack) -> GuestDisk:  # noqa: A002
    source = open_source(locator)
    stack.callback(source.close)
    reader = open_disk(source, sibling=sibling_opener(locator), format=format)
    stack.callback(reader.close)
    return GuestDisk("", locator, reader)


def _refuse_moving(package: Package, locator: str) -> None:
    if package.arrival is not None or package.changing:
        raise UnsupportedError(
            "is read once, or written to meanwhile: its guest cannot be changed",
            path=locator,
            hint="convert it to files first, then adapt those",
        )


def backing_for(disk: GuestDisk, overlay: Path) -> tuple[str, str]:
    """Return what an overlay records of the disk below it; see `backing_of`.

    UnsupportedError for a disk that QEMU could not find or read there: blocks of a backup, one that
    is packed.
    """
    reader = disk.reader
    place, _ = split_locator(disk.place)
    if scheme_of(place) is None and not _is_plain(place, reader):
        raise UnsupportedError(
            "no overlay can be based on this disk: it is no file that QEMU reads",
            path=disk.place,
            hint="copy it with kensho disk convert first; kensho convert --adapt writes the machine"
            " anew with changes of its guest in it",
        )
    return backing_of(disk.place, reader, overlay)


def _is_plain(place: str, reader: DiskReader) -> bool:
    """Tell whether a disk's own bytes are in the file at ``place``, in a format that QEMU has."""
    held = reader.sources[0].kernel_file() if reader.sources else None
    if held is None or reader.format not in _QEMU_HAS:
        return False
    try:
        found = Path(place).stat()
    except OSError:
        return False
    own = os.fstat(held[0])
    return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)
