"""Small files below a root: /proc and /sys of this machine, or of a test."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 4 << 20


class Tree:
    """Reads below ``root``; ``unread`` collects what is there and may not be read.

    Everything read is bounded, and whatever is missing or odd is an empty answer: a probe that
    fails over one file would be of no use to anybody.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unread: list[str] = []

    def data(self, path: str) -> bytes:
        """Return a file's bytes, empty when it cannot be read."""
        try:
            with (self.root / path).open("rb") as file:
                return file.read(_MOST)
        except PermissionError:
            self.unread.append(f"/{path}")
        except (OSError, ValueError):
            pass
        return b""

    def text(self, path: str) -> str:
        """Return a file's text in one line, printable characters only."""
        text = self.data(path).decode("utf-8", "replace").strip()
        return "".join(c if c.isprintable() else " " for c in text)

    def number(self, path: str, base: int = 10) -> int | None:
        """Return the number a file has, None when it has none."""
        try:
            return int(self.text(path), base)
        except ValueError:
            return None

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a folder, sorted; none when it cannot be read."""
        try:
            return tuple(sorted(entry.name for entry in (self.root / path).iterdir()))
        except PermissionError:
            self.unread.append(f"/{path}")
        except OSError:
            pass
        return ()

    def has(self, path: str) -> bool:
        """Tell whether there is such a file or folder."""
        return os.path.lexists(self.root / path)

    def real(self, path: str) -> str:
        """Return what links at ``path`` lead to, relative to the root where that is below it."""
        base = os.path.realpath(self.root)
        real = os.path.realpath(self.root / path)
        return os.path.relpath(real, base) if real.startswith(base.rstrip("/") + "/") else real

    def link(self, path: str) -> str:
        """Return the last name of what the link at ``path`` points to, empty when it is none."""
        try:
            return os.path.basename(os.readlink(self.root / path))  # noqa: PTH115,PTH119
        except OSError:
            return ""
