"""Where a disk made on Windows may have its parent, once the files were moved here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kensho.disks._siblings import safe_name
from kensho.model.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Iterable


def moved_names(paths: Iterable[str]) -> tuple[str, ...]:
    """Return names to try for the ``paths`` recorded, best first, each once.

    Relative ones as they are if they stay below the folder; then the last part of each,
    as files that lay in several folders are often brought into one. What is found
    under such a name is the parent only if its identity is right.
    """
    found: dict[str, None] = {}
    last: dict[str, None] = {}
    for path in paths:
        plain = path.rstrip("\0")
        with contextlib.suppress(UnsafePathError):
            found[safe_name(plain, "")] = None
        name = plain.replace("\\", "/").rpartition("/")[2]
        if name not in {"", ".", ".."} and ":" not in name and name.isprintable():
            last[name] = None
    return tuple(found | last)
