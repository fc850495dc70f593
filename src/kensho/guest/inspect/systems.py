"""Find the operating systems on a machine's volumes and put their file systems together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kensho.guest.bsd.installed import bsd_system
from kensho.guest.files.base import FileSystem
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.device_names import tell
from kensho.guest.linux.fstab import Line, parse_fstab, volume_of
from kensho.guest.volumes.scan import Volume, Volumes
from kensho.guest.windows.installed import windows_folder
from kensho.model.errors import KenshoError

_RELEASES = ("/etc/os-release", "/usr/lib/os-release")
_OLD_RELEASES = ("/etc/redhat-release", "/etc/debian_version", "/etc/SuSE-release",
                 "/etc/alpine-release")  # fmt: skip
_MAX_FSTAB = 1 << 20


@dataclass(frozen=True, slots=True)
class System:
    """A system: the volume its root is on, its files with what fstab mounts, and fstab itself.

    ``missing`` are lines of fstab whose volume is not here or cannot be read, and why.
    """

    volume: Volume
    files: GuestFiles
    fstab: tuple[tuple[Line, Volume | None], ...]
    missing: tuple[tuple[Line, str], ...] = ()


@dataclass(slots=True)
class Opened:
    """The file systems of a machine, each opened once; ``problems`` by volume."""

    volumes: Volumes
    systems: dict[str, FileSystem] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def open_all(self) -> None:
        """Open what can be; what cannot is in ``problems``."""
        for volume in self.volumes.volumes:
            try:
                self.systems[volume.id] = open_files(volume)
            except KenshoError as error:
                self.problems[volume.id] = error.message


def find_systems(opened: Opened) -> Iterator[System]:
    """Yield the systems found, in the order of the volumes."""
    for volume in opened.volumes.volumes:
        root = opened.systems.get(volume.id)
        if root is not None and _is_root(GuestFiles(root)):
            yield _system(opened, volume, root)


def _is_root(files: GuestFiles) -> bool:
    known = any(files.exists(path) for path in (*_RELEASES, *_OLD_RELEASES))
    return known or bool(windows_folder(files)) or bool(bsd_system(files))


def _system(opened: Opened, volume: Volume, root: FileSystem) -> System:
    mounts: dict[str, FileSystem] = {}
    found: list[tuple[Line, Volume | None]] = []
    missing: list[tuple[Line, str]] = []
    lines = _fstab(GuestFiles(root))
    plain = [(line, volume_of(line, opened.volumes) if line.on_disk else None) for line in lines]
    devices = tell(opened.volumes, volume, plain)
    for line, guessed in plain:
        # A name that moves is told by evidence; where there is none, reading may go by its letter.
        other = devices.volume(line.device, line.type, line.place) or guessed
        found.append((line, other))
        if not line.on_disk or not line.place.startswith("/") or line.place == "/":
            continue
        if other is None:
            if "nofail" not in line.options and "noauto" not in line.options:
                missing.append((line, "no volume of these disks is that"))
        elif other.id in opened.systems:
            mounts[line.place] = opened.systems[other.id]
        else:
            missing.append((line, opened.problems.get(other.id, "it cannot be read")))
    return System(volume, GuestFiles(root, mounts), tuple(found), tuple(missing))


def _fstab(files: GuestFiles) -> tuple[Line, ...]:
    try:
        return parse_fstab(files.read("/etc/fstab", _MAX_FSTAB))
    except KenshoError:
        return ()
