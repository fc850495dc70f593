"""An initramfs as the kernel sees it: archives one after the other, the later ones on top.

Spec: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst; microcode before the
rest: Documentation/arch/x86/microcode.rst. What makes it is told by the files in it: Debian's
initramfs-tools, dracut, Arch's mkinitcpio, Alpine's mkinitfs, SUSE's mkinitrd before dracut.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from kensho.guest.linux.initramfs.codecs import MOST, codec_of, unpack
from kensho.guest.linux.initramfs.cpio import MAGICS, MOST_ENTRIES, Entry, read_archive
from kensho.model.errors import CorruptError, LimitError

_MOST_MEMBERS = 64
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Segment:
    """One member: ``codec`` is None for a plain archive; offset and size in the file, bytes."""

    codec: str | None
    offset: int
    size: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Initramfs:
    """A whole initramfs: its bytes, and in ``files`` what is there when all members are unpacked."""

    data: bytes
    segments: tuple[Segment, ...]
    files: dict[str, Entry]

    @property
    def codec(self) -> str | None:
        """What the last member is compressed with: the kernel can read that for sure."""
        return self.segments[-1].codec if self.segments else None

    @property
    def maker(self) -> str:
        """``initramfs-tools``, ``dracut``, ``mkinitcpio``, ``mkinitrd`` (SUSE's), ``mkinitfs`` or ``""``."""
        for name, marks in _MAKERS:
            if any(mark in self.files for mark in marks):
                return name
        init = self.get("init")
        return "mkinitfs" if init and _ALPINE in bytes(init.data) else ""

    @property
    def asks_hardware(self) -> bool:
        """Tell whether it loads whatever drivers the hardware asks for, by modules.alias.

        Others load a list that was made with them, and nothing that is added: nash of Red Hat 5,
        booster, what people write themselves.
        """
        if self.maker and self.maker not in {
            "mkinitcpio",
            "mkinitrd",
        }:  # udev can be left out of these
            return True
        names = {posixpath.basename(name) for name in self.files}
        if names & {"udevd", "systemd-udevd"}:
            return any(
                name.endswith(".rules") and _ASKS.search(bytes(entry.data))
                for name, entry in self.files.items()
            )
        scripts = (self.get("etc/mdev.conf"), self.get("init"))
        return any(e is not None and _ASKS.search(bytes(e.data[:_MOST_SCRIPT])) for e in scripts)

    @property
    def uses_network(self) -> bool:
        """Tell whether it brings a network up, as to be unlocked from afar or for a root that is there."""
        return any(posixpath.basename(name) in _NETWORKED for name in self.files)

    def real(self, path: str) -> str:
        """Return where a path leads when the links in it are followed; it need not exist."""
        done, rest, hops = "", path.strip("/").split("/"), 0
        while rest:
            part = rest.pop(0)
            if part in {"", "."}:
                continue
            if part == "..":
                done = posixpath.dirname(done)
                continue
            here = f"{done}/{part}" if done else part
            entry = self.files.get(here)
            target = entry.link if entry else None
            if target is None:
                done = here
                continue
            hops += 1
            if hops > _MOST_LINKS:
                return "/".join([here, *rest])
            done = "" if target.startswith("/") else done
            rest = target.strip("/").split("/") + rest
        return done

    def get(self, path: str) -> Entry | None:
        """Return the file at a path, links followed; None when there is none."""
        return self.files.get(self.real(path))


_MAKERS = (
    # Red Hat 6's has a file for the folder of those after it.
    ("dracut", ("usr/lib/dracut", "lib/dracut", "lib/dracut-lib.sh", "lib/dracut-lib")),
    ("initramfs-tools", ("conf/initramfs.conf",)),
    ("mkinitcpio", ("init_functions", "buildconfig")),  # the latter with systemd within, too
    ("mkinitrd", ("run_all.sh", "mkinitrd.config")),  # SUSE's
)
_ALPINE = b"Alpine Init"
_ASKS = re.compile(rb"\bmodalias\b", re.IGNORECASE)
#: dropbear, clevis and Tang; dracut's three ways to a network.
_NETWORKED = frozenset(
    {
        "dropbear",
        "tinysshd",
        "clevis-decrypt-tang",
        "netroot",
        "nm-initrd-generator",
        "systemd-networkd",
    }
)
_MOST_SCRIPT = 1 << 20
_MOST_ARCHIVES = 10_000  #: within one member
_NOT_ZERO = re.compile(rb"[^\0]")


def open_initramfs(data: bytes, path: str = "") -> Initramfs:
    """Take an initramfs apart; ``path`` is for messages.

    Raises CorruptError for what is none or is damaged, LimitError for one that unpacks to too
    much, UnsupportedError for a compression that is not read.
    """
    view = memoryview(data)
    segments: list[Segment] = []
    place, total = 0, 0
    while True:
        place = _after_zeros(data, place)
        if place == len(data):
            break
        if len(segments) == _MOST_MEMBERS:
            raise LimitError(f"has more than {_MOST_MEMBERS} members", path=path, offset=place)
        segment, unpacked = _segment(view, place, path)
        total += unpacked
        if total > MOST:
            raise LimitError(f"unpacks to more than {MOST} bytes", path=path)
        segments.append(segment)
        place += segment.size
    if not segments:
        raise CorruptError("is no initramfs: there is nothing in it", path=path)
    files: dict[str, Entry] = {}
    for segment in segments:
        for entry in segment.entries:
            files[entry.name] = entry
    return Initramfs(data, tuple(segments), files)


def _segment(view: memoryview, place: int, path: str) -> tuple[Segment, int]:
    rest = view[place:]
    if bytes(rest[:6]) in MAGICS:
        entries, size = read_archive(rest, path)
        return Segment(None, place, size, tuple(entries)), size
    codec = codec_of(rest)
    if codec is None:
        raise CorruptError(
            "is no initramfs: neither a cpio archive nor compressed", path=path, offset=place
        )
    unpacked, size = unpack(rest, codec, path)
    return Segment(codec, place, size, tuple(_entries(unpacked, path))), len(unpacked)


def _entries(unpacked: bytes, path: str) -> list[Entry]:
    """Return the entries of all archives within one member."""
    view = memoryview(unpacked)
    entries: list[Entry] = []
    place = 0
    for _ in range(_MOST_ARCHIVES):
        place = _after_zeros(unpacked, place)
        if place == len(view):
            return entries
        found, size = read_archive(view[place:], path)
        entries += found
        if len(entries) > MOST_ENTRIES:
            break
        place += size
    raise LimitError(f"more than {_MOST_ARCHIVES} archives or {MOST_ENTRIES} files", path=path)


def _after_zeros(data: bytes, place: int) -> int:
    found = _NOT_ZERO.search(data, place)
    return found.start() if found else len(data)
