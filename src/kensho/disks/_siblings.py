"""Names of other files found inside a disk: keep them in the disk's own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.errors import UnsafePathError

if TYPE_CHECKING:
    from kensho.disks.base import SiblingOpener
    from kensho.storage.base import ByteSource


def safe_name(name: str, path: str) -> str:
    """Return ``name`` as a relative POSIX path below the disk's folder.

    Windows separators are understood. UnsafePathError for absolute names, drive
    letters, ``..``, empty parts and control characters; ``path`` is only for the message.
    """
    relative = name.replace("\\", "/")
    parts = relative.split("/")
    if (
        not name
        or relative.startswith("/")
        or relative[1:2] == ":"
        or any(part in {"", ".."} for part in parts)
        or any(ord(char) < 0x20 for char in name)
    ):
        raise UnsafePathError(f"refers to a file outside its folder: {name!r}", path=path)
    return "/".join(part for part in parts if part != ".") or name


def safe_sibling(opener: SiblingOpener, path: str) -> SiblingOpener:
    """Wrap ``opener`` so that it only ever sees safe names."""

    def opened(name: str) -> ByteSource:
        return opener(safe_name(name, path))

    return opened
