"""What a differencing VHD says about its parent.

Spec: Microsoft "Virtual Hard Disk Image Format Specification" 1.0 (2006), "Dynamic Disk
Header Format" and "Implementing a Differencing Hard Disk". It does not give the byte
order of the paths: Windows writes UTF-16 little endian, others big endian. Nor does it
say which of the parent's times is recorded: VirtualBox takes that of the footer, Xen
that of the file, Windows writes none.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kensho.disks._structs import vhd as s
from kensho.disks._windows_names import moved_names
from kensho.model.errors import CorruptError

if TYPE_CHECKING:
    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource

_MAX_PATH = 1 << 16  # 32767 characters of UTF-16, and the NUL
_ORDER = (b"W2ru", b"MacX", b"W2ku", b"Wi2r", b"Wi2k", b"Mac ")


@dataclasses.dataclass(frozen=True, slots=True)
class ParentLink:
    """Names the parent may have here, best first, its UUID, and its time or 0."""

    names: tuple[str, ...]
    uuid: bytes
    timestamp: int


def read_link(source: ByteSource, header: s.DynamicHeader, at: int) -> ParentLink:
    """Return what ``header``, read from offset ``at``, says; CorruptError if it names no parent."""
    paths: dict[bytes, str] = {}
    for locator in s.unpack_locators(header.parent_locators):
        if locator.platform not in _ORDER or locator.length > _MAX_PATH:
            continue
        raw = source.read_at(locator.offset, locator.length)
        paths.setdefault(locator.platform, _text(locator.platform, raw))
    ordered = [paths[platform] for platform in _ORDER if platform in paths]
    ordered.append(header.parent_name.decode("utf-16-be", "replace").split("\0")[0])
    names = moved_names(ordered)
    if not names:
        raise CorruptError(
            "a differencing disk that names no parent",
            path=source.name,
            offset=at,
            field="parent locators",
        )
    return ParentLink(names, header.parent_uuid, header.parent_timestamp)


def _text(platform: bytes, raw: bytes) -> str:
    if platform == b"MacX":
        url = raw.decode("utf-8", "replace").split("\0")[0]
        return unquote(url.removeprefix("file://").removeprefix("localhost"))
    order = "utf-16-be" if raw[:1] == b"\0" else "utf-16-le"
    return raw[: len(raw) // 2 * 2].decode(order, "replace").split("\0")[0]


def check_link(link: ParentLink, below: DiskReader, path: str) -> None:
    """Raise CorruptError unless ``below``, opened alone, is the parent ``link`` means."""
    where = below.sources[0].name
    if below.format != "vhd":
        raise CorruptError(f"its parent {where} is not a VHD but {below.format}", path=path)
    found = str(below.details["identity"])
    if found != link.uuid.hex():
        raise CorruptError(
            f"{where} is not its parent: UUID {found} instead of {link.uuid.hex()}",
            path=path,
            field="parent unique id",
            hint="find the file this one was made from; an exchanged parent means wrong data",
        )
    # The footer's time is not after the file's, so whichever was recorded, this is too late.
    if 0 < link.timestamp < int(below.details["timestamp"]):
        raise CorruptError(
            f"its parent {where} was changed since",
            path=path,
            field="parent time stamp",
            hint="take the parent as it was; data of a changed one do not fit together",
        )
