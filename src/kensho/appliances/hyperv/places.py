"""Which file here a path on a Hyper-V host means, and where a folder has configurations.

Names are not case-sensitive there. Folders are those of Export-VM: ``Virtual Machines``,
``Virtual Hard Disks`` and ``Snapshots``, whose names no language of Windows translates.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from kensho.appliances.store import Store, find
from kensho.model.errors import UnsafePathError, UnsupportedError

VIRTUAL_MACHINES = frozenset({"virtual machines", "snapshots", "planned virtual machines"})
_DEPTH = 4
_MOST_FILES = 20_000
_PARTS = re.compile(r"[\\/]+")


@dataclass(slots=True)
class Index:
    """The files of an export by their last part, in small letters; names with ``/``."""

    by_name: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All names."""
        return [name for names in self.by_name.values() for name in names]

    def locate(self, path: str, store: Store) -> tuple[str, bool, int]:
        """Return the name that a path of the host means, whether it is there, and its rivals."""
        parts = [part for part in _PARTS.split(path) if part not in {"", ".", ".."}]
        last = parts[-1] if parts else "unnamed"
        found = self.by_name.get(last.casefold(), [])
        if not found:
            return _beside(last, store)
        ranked = sorted(found, key=lambda name: (-_common(name, parts), name.count("/"), name))
        best = [n for n in ranked if _common(n, parts) == _common(ranked[0], parts)]
        return ranked[0], True, len(best) - 1


def is_checkpoint(name: str) -> bool:
    """Tell whether a file of an export is below its folder of checkpoints."""
    return "snapshots" in name.casefold().split("/")[:-1]


def _common(name: str, parts: list[str]) -> int:
    """Return how many parts of two paths are the same, from the last one on."""
    count = 0
    for ours, theirs in zip(reversed(name.split("/")), reversed(parts), strict=False):
        if ours.casefold() != theirs.casefold():
            break
        count += 1
    return count


def _beside(name: str, store: Store) -> tuple[str, bool, int]:
    """Look on a server or in an archive, where folders cannot be listed."""
    try:
        return name, find(store, name) is not None, 0
    except (UnsafePathError, UnsupportedError):
        return "unnamed", False, 0


def index_below(configuration: Path) -> Index:
    """Return the files of the export that a configuration is in."""
    folder = configuration.parent
    root = folder.parent if folder.name.casefold() in VIRTUAL_MACHINES else folder
    return index_of(islice(_files(root, "", _DEPTH), _MOST_FILES))


def index_of(names: Iterable[str]) -> Index:
    """Return the index of files by their names in an export."""
    index = Index()
    for name in names:
        index.by_name.setdefault(name.rpartition("/")[2].casefold(), []).append(name)
    return index


def _files(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    """Yield files by their names below a folder; links to folders are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_file():
            yield prefix + entry.name
        elif depth and entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)


def configurations_in(folder: Path) -> list[Path]:
    """Return the machines' configurations that a folder or an export below it has, by suffix.

    Checkpoints are not among them. An XML file's content has to be looked at by the caller.
    """
    found = _configurations(folder)
    subfolders = _folders(folder)
    for below in subfolders:
        if below.name.casefold() == "virtual machines":
            found += _configurations(below)
    if not found:  # a folder of exports, each of one machine
        for below in subfolders:
            for inner in _folders(below):
                if inner.name.casefold() == "virtual machines":
                    found += _configurations(inner)
    return found


def _configurations(folder: Path) -> list[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_file())
    except OSError:
        return []
    return [e for e in entries if e.suffix.lower() in {".vmcx", ".xml"} and e.name[:2] != "._"]


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(e for e in folder.iterdir() if e.is_dir() and not e.is_symlink())[:1000]
    except OSError:
        return []
