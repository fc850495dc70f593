"""Find the operating systems on a machine's volumes and put their file systems together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kensho.disks.partition_table import ESP
from kensho.guest.bsd.installed import bsd_system
from kensho.guest.files.base import FileSystem
from kensho.guest.files.btrfs.reader import Subvolume
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.fstab import Line, parse_fstab, volume_of
from kensho.guest.linux.named_volumes import tell
from kensho.guest.volumes.scan import Volume, Volumes
from kensho.guest.windows.installed import windows_folder
from kensho.model.errors import KenshoError

_RELEASES = ("/etc/os-release", "/usr/lib/os-release")
_OLD_RELEASES = ("/etc/redhat-release", "/etc/debian_version", "/etc/SuSE-release",
                 "/etc/alpine-release")  # fmt: skip
_MAX_FSTAB = 1 << 20
_MAX_LINES = 10_000
#: Where systemd-gpt-auto-generator(8) mounts the ESP when fstab says nothing and there is nothing else.
_AUTOMATIC = ("/efi", "/boot")


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

    def where(self, files: FileSystem, path: str) -> tuple[Volume, str] | None:
        """Return the volume that a file system is on, and where ``path`` of it is on that volume."""
        for volume in self.volumes.volumes:
            known = self.systems.get(volume.id)
            if known is files:
                return volume, path
            if not isinstance(files, Subvolume) or not isinstance(known, Subvolume):
                continue
            if files.is_with(known):
                return volume, f"{files.within}{path}"
        return None


def find_systems(opened: Opened) -> Iterator[System]:
    """Yield the systems found, in the order of the volumes."""
    for volume in opened.volumes.volumes:
        known = opened.systems.get(volume.id)
        for root in _roots(known) if known is not None else ():
            yield _system(opened, volume, root)


def _roots(files: FileSystem) -> Iterator[FileSystem]:
    """Yield the roots of systems on a volume: one at most, whichever subvolume it is on.

    The subvolume that is mounted where none is named comes first, then the one that its own fstab
    names, as what was copied of it has the same fstab.
    """
    if not isinstance(files, Subvolume):
        if _is_root(GuestFiles(files)):
            yield files
        return
    try:
        parts = [files.named(()), *files.children()]
    except KenshoError:
        parts = [files]
    roots = [part for part in parts if _is_root(GuestFiles(part))]
    if roots and roots[0] is not parts[0]:
        roots.sort(key=lambda part: not _is_named(part))
    yield from roots[:1]


def _is_named(part: Subvolume) -> bool:
    lines = [line for line in _fstab(GuestFiles(part)) if line.place == "/"]
    try:
        return any(part.named(line.options).number == part.number for line in lines)
    except KenshoError:
        return False


def _is_root(files: GuestFiles) -> bool:
    known = any(files.exists(path) for path in (*_RELEASES, *_OLD_RELEASES))
    return known or bool(windows_folder(files)) or bool(bsd_system(files))


def _system(opened: Opened, volume: Volume, root: FileSystem) -> System:
    mounts: dict[str, FileSystem] = {}
    found: list[tuple[Line, Volume | None]] = []
    missing: list[tuple[Line, str]] = []
    lines = _fstab(GuestFiles(root))
    volumes = opened.volumes.near(volume)
    plain = [(line, volume_of(line, volumes) if line.on_disk else None) for line in lines]
    devices = tell(volumes, volume, plain)
    mapped = _mapped(GuestFiles(root), volumes)
    for line, guessed in plain:
        # A name that moves is told by evidence; where there is none, reading may go by its letter.
        other = devices.volume(line.device, line.type, line.place) or guessed
        other = other or mapped.get(line.device.removeprefix("/dev/mapper/"))
        found.append((line, other))
        if not line.on_disk or not line.place.startswith("/") or line.place == "/":
            continue
        if other is None:
            if "nofail" not in line.options and "noauto" not in line.options:
                missing.append((line, "no volume of these disks is that"))
        elif other.id in opened.systems:
            try:
                mounts[line.place] = _part(opened.systems[other.id], line)
            except KenshoError as error:
                missing.append((line, error.message))
        else:
            missing.append((line, opened.problems.get(other.id, "it cannot be read")))
    named = {line.place for line, _ in found}
    esp = _esp(opened, volume)
    if esp is not None and esp not in mounts.values():
        place = next((p for p in _AUTOMATIC if p not in named and _is_empty(root, p)), None)
        mounts |= {place: esp} if place else {}
    return System(volume, GuestFiles(root, mounts), tuple(found), tuple(missing))


def _esp(opened: Opened, root: Volume) -> FileSystem | None:
    """Return what is on the only EFI system partition of the disk that the root is on."""
    disk = root.id.partition("p")[0]
    found = [
        opened.systems.get(volume.id)
        for volume in opened.volumes.volumes
        if volume.partition and volume.partition.type == ESP and volume.id.startswith(f"{disk}p")
    ]
    return found[0] if len(found) == 1 else None


def _is_empty(root: FileSystem, place: str) -> bool:
    files = GuestFiles(root)
    return files.exists(place) and not files.names_or_none(place)


def _mapped(files: GuestFiles, volumes: Volumes) -> dict[str, Volume]:
    """Return the volumes that are opened of LUKS, by the names that crypttab(5) gives them."""
    try:
        text = files.read("/etc/crypttab", _MAX_FSTAB).decode("utf-8", "surrogateescape")
    except KenshoError:
        return {}
    found = {}
    for words in (line.split() for line in text.splitlines()[:_MAX_LINES]):
        if len(words) >= 2 and not words[0].startswith("#"):
            below = volume_of(Line(words[1], "none", "crypto_LUKS", ()), volumes)
            inside = volumes.find(f"crypt/{below.id}") if below else None
            if inside is not None:
                found[words[0]] = inside
    return found


def _part(files: FileSystem, line: Line) -> FileSystem:
    """Return what a line mounts of a file system: a subvolume, where it has such."""
    return files.named(line.options) if isinstance(files, Subvolume) else files


def _fstab(files: GuestFiles) -> tuple[Line, ...]:
    try:
        return parse_fstab(files.read("/etc/fstab", _MAX_FSTAB))
    except KenshoError:
        return ()
