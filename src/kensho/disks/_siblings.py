"""Names of other files found inside a disk: keep them in the disk's own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.errors import UnsafePathError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

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


def demand_readable(name: str, path: Path) -> None:
    """Raise UsageError when ``path`` could not be read again, as it will refer to ``name``."""
    try:
        same = safe_name(name, str(path)) == name
    except UnsafePathError:
        same = False
    if not same:
        raise UsageError(
            f"a disk of several files cannot be called {path.name!r}: {name!r} would not be found",
            path=path,
            hint="leave out backslashes, control characters and a colon at the second place",
        )
