"""A guest's files by path: links followed inside the guest, other volumes mounted where they belong.

A path is the guest's own, beginning with ``/``; nothing here ever touches the files of the machine
that kensho runs on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kensho.guest.files.base import FileSystem, Kind, Stat
from kensho.model.errors import CorruptError, KenshoError, LimitError, NotFoundError

_MAX_LINKS = 40  #: as Linux follows at most
_MAX_NAMES = 4_000_000  #: of one directory
_KEPT = 256  #: directories
_MAX_DEPTH = 2048


@dataclass(frozen=True, slots=True)
class Found:
    """A file met by `GuestFiles.walk`.

    ``path`` is the guest's, ``target`` a symbolic link's, ``link`` the path of an earlier name of
    the same file (a hard link), else empty.
    """

    path: str
    stat: Stat
    target: str
    link: str
    _fs: FileSystem

    def data(self) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of a regular file in ascending order; what is between is a hole."""
        return self._fs.data(self.stat.node)

    def xattrs(self) -> Mapping[str, bytes]:
        """Return the extended attributes, as getxattr(2) gives them."""
        return self._fs.xattrs(self.stat.node)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node reached: its file system and the path without links."""

    fs: FileSystem
    node: int
    path: str


class GuestFiles:
    """The files below a root file system, with others mounted in it: ``{"/boot": …}``.

    Methods raise NotFoundError when there is no such file, and what the file system raises.
    Closing the disks below ends it.
    """

    def __init__(self, root: FileSystem, mounts: Mapping[str, FileSystem] | None = None) -> None:
        self.root = root
        self.mounts = {m.rstrip("/"): fs for m, fs in (mounts or {}).items() if m != "/"}
        self._kept: dict[tuple[int, int], dict[str, int]] = {}

    def _names(self, fs: FileSystem, node: int) -> dict[str, int]:
        key = (id(fs), node)
        if key in self._kept:
            return self._kept[key]
        names: dict[str, int] = {}
        for name, child in fs.entries(node):
            names.setdefault(name.casefold() if fs.folds_case else name, child)
            if len(names) > _MAX_NAMES:
                raise LimitError(f"more than {_MAX_NAMES} names in a directory")
        if len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = names
        return names

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file, links followed; damage on the way is no file."""
        try:
            self._reach(path)
        except KenshoError:
            return False
        return True

    def stat(self, path: str, *, follow: bool = True) -> Stat:
        """Return a file's facts; those of a link itself unless ``follow``."""
        place = self._reach(path, follow=follow)
        return place.fs.stat(place.node)

    def real(self, path: str) -> str:
        """Return the path without links."""
        return self._reach(path).path

    def settled(self, path: str) -> str:
        """Return the path without links; the last names may be of files that are not there."""
        known, rest = path.rstrip("/"), ""
        while known and not self.exists(known):
            known, _, name = known.rpartition("/")
            rest = f"/{name}{rest}"
        return (self.real(known or "/").rstrip("/") + rest) or "/"

    def mount_of(self, whole: str) -> tuple[FileSystem, str]:
        """Return the file system that a path without links is in, and the path within."""
        mounts = (m for m in self.mounts if whole == m or whole.startswith(f"{m}/"))
        mount = max(mounts, key=len, default="")
        return self.mounts.get(mount, self.root), whole[len(mount) :] or "/"

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted."""
        place = self._reach(path)
        found = []
        for name, _ in place.fs.entries(place.node):
            found.append(name)
            if len(found) > _MAX_NAMES:
                raise LimitError(f"more than {_MAX_NAMES} names in a directory", path=path)
        return tuple(sorted(found))

    def names_or_none(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, none when there is no such directory."""
        try:
            return self.names(path)
        except KenshoError:
            return ()

    def read(self, path: str, limit: int = 16 << 20) -> bytes:
        """Return a regular file's bytes, holes as zeros; LimitError when there are more than ``limit``."""
        place = self._reach(path)
        facts = place.fs.stat(place.node)
        if facts.kind is not Kind.FILE:
            raise NotFoundError(f"is a {facts.kind}, not a file", path=path)
        if facts.size > limit:
            raise LimitError(f"{facts.size} bytes; at most {limit} are read", path=path)
        content = bytearray(facts.size)
        for offset, piece in place.fs.data(place.node):
            content[offset : offset + len(piece)] = piece
        return bytes(content[: facts.size])

    def head(self, path: str, length: int) -> bytes:
        """Return the first bytes of a regular file, fewer when it is shorter."""
        place = self._reach(path)
        facts = place.fs.stat(place.node)
        content = bytearray(min(length, facts.size))
        for offset, piece in place.fs.data(place.node):
            if offset >= len(content):
                break
            content[offset : offset + len(piece)] = piece[: len(content) - offset]
        return bytes(content[:length])

    def data(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of a file in ascending order; what lies between is a hole."""
        place = self._reach(path)
        return place.fs.data(place.node)

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points to."""
        place = self._reach(path, follow=False)
        return place.fs.target(place.node)

    def xattrs(self, path: str) -> Mapping[str, bytes]:
        """Return a file's extended attributes; a link's own."""
        place = self._reach(path, follow=False)
        return place.fs.xattrs(place.node)

    def walk(self, path: str = "/", *, mounts: bool = True) -> Iterator[Found]:
        """Yield everything below ``path`` and itself, parents first, names sorted.

        Each directory is met once: CorruptError when one contains itself. ``mounts`` goes into
        the mounted file systems; without, the directories they hide are what is seen there.
        """
        start = self._reach(path)
        seen: dict[tuple[int, int], str] = {}
        stack = [start]
        while stack:
            place = stack.pop()
            facts = place.fs.stat(place.node)
            key = (id(place.fs), place.node)
            link = seen.get(key, "")
            if facts.kind is Kind.DIRECTORY and link:
                raise CorruptError(f"the directory is also at {link}", path=place.path)
            if facts.kind is Kind.DIRECTORY or facts.links > 1:
                seen.setdefault(key, place.path)
            target = place.fs.target(place.node) if facts.kind is Kind.SYMLINK else ""
            yield Found(place.path, facts, target, link, place.fs)
            if facts.kind is Kind.DIRECTORY:
                stack.extend(self._children(place, mounts=mounts))

    def _children(self, place: _Place, *, mounts: bool) -> list[_Place]:
        base = place.path.rstrip("/")
        if base.count("/") > _MAX_DEPTH:
            raise LimitError("directories too deep in each other", path=place.path[:200])
        found = []
        for name, node in place.fs.entries(place.node):
            path = f"{base}/{name}"
            mounted = self.mounts.get(path) if mounts else None
            found.append(
                _Place(place.fs, node, path)
                if mounted is None
                else _Place(mounted, mounted.root, path)
            )
            if len(found) > _MAX_NAMES:
                raise LimitError(f"more than {_MAX_NAMES} names in a directory", path=place.path)
        found.sort(key=lambda child: child.path, reverse=True)
        return found

    def _reach(self, path: str, *, follow: bool = True) -> _Place:
        """Return what is at a path. Links lead wherever they do inside the guest, never outside."""
        trail = [_Place(self.root, self.root.root, "/")]
        wanted = [part for part in reversed(path.split("/")) if part not in {"", "."}]
        links = 0
        while wanted:
            name = wanted.pop()
            if name == "..":
                trail = trail[:-1] or trail
                continue
            here = self._step(trail[-1], name, path)
            facts = here.fs.stat(here.node)
            if facts.kind is Kind.SYMLINK and (wanted or follow):
                links += 1
                if links > _MAX_LINKS:
                    raise CorruptError("links that never end", path=path)
                target = here.fs.target(here.node)
                if target.startswith("/"):
                    trail = trail[:1]
                parts = [part for part in reversed(target.split("/")) if part not in {"", "."}]
                wanted.extend(parts)
                continue
            trail.append(here)
        return trail[-1]

    def _step(self, place: _Place, name: str, path: str) -> _Place:
        below = f"{place.path.rstrip('/')}/{name}"
        mounted = self.mounts.get(below)
        if mounted is not None:
            return _Place(mounted, mounted.root, below)
        if place.fs.stat(place.node).kind is not Kind.DIRECTORY:
            raise NotFoundError(f"{place.path} is no directory", path=path)
        key = name.casefold() if place.fs.folds_case else name
        node = self._names(place.fs, place.node).get(key)
        if node is None:
            raise NotFoundError("there is no such file in the guest", path=path)
        return _Place(place.fs, node, below)
