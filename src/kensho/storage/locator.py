"""From what a user types to bytes: one opener for every place a source may be.

A locator is a path, ``archive.ova#member``, a URL with or without ``#member``, or
``-`` for standard input when that is a file. A new kind of place is one line in
``SCHEMES`` and one module, imported when it is used.
"""

from __future__ import annotations

import importlib
import os
import stat
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kensho.model.errors import LocatorError, PackageError, UnsafePathError, UnsupportedError
from kensho.storage import gzip
from kensho.storage.file import FileSource
from kensho.storage.tar import read_members
from kensho.storage.window import WindowSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from kensho.storage.base import ByteSource

#: URL scheme → ``module:function`` of a URL without fragment.
SCHEMES = {
    "http": "kensho.storage.http:open_http",
    "https": "kensho.storage.http:open_http",
    "s3": "kensho.storage.objects:open_object",
    "gs": "kensho.storage.objects:open_object",
    "az": "kensho.storage.objects:open_object",
}


_MAX_UNPACKED = 4 << 40  # of a tar.gz; Google Cloud's have a disk of at most 2 TiB

#: Files that stand for the whole folder they are in: that of a Parallels ``.hdd``.
MAIN_FILES = ("DiskDescriptor.xml",)


class ArchiveMember(WindowSource):
    """A member of an archive that was opened for it alone: closing it closes the archive."""

    __slots__ = ()

    @property
    def stamp(self) -> str:
        """What changes when the archive does, for places that say so."""
        return getattr(self._source, "stamp", "")

    def check_unchanged(self) -> None:
        """Raise CorruptError if the archive, a file here, was written to since it was opened."""
        if isinstance(self._source, FileSource):
            self._source.check_unchanged()

    def close(self) -> None:
        """Close the archive; closing twice is allowed."""
        self._source.close()


def open_source(locator: str | os.PathLike[str]) -> ByteSource:
    """Open the bytes at ``locator`` for random access; the caller closes them.

    LocatorError when nothing is there or it cannot be read, PackageError when an
    archive has no such member, UnsupportedError for places that cannot be read at
    any offset: a pipe, a web server that knows no ranges.
    """
    place, member = split_locator(locator)
    source = _open_place(place)
    return source if member is None else _member(source, member)


def split_locator(locator: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Return the place itself and the archive member in it, None when it is meant whole.

    A file whose own name has a ``#`` is found before an archive with a member; a folder
    with one of ``MAIN_FILES`` stands for that.
    """
    text = os.fspath(locator)
    if scheme_of(text) is not None:
        place, mark, member = text.partition("#")
        return place, urllib.parse.unquote(member) if mark else None
    if "#" not in text or os.path.lexists(text):
        mains = (Path(text) / name for name in MAIN_FILES if text)
        return next((str(main) for main in mains if main.is_file()), text), None
    at = text.find("#")
    while at >= 0:
        if Path(text[:at]).is_file():
            return text[:at], text[at + 1 :]
        at = text.find("#", at + 1)
    return text, None


def scheme_of(locator: str) -> str | None:
    """Return the URL scheme of a locator in lowercase, None for a path."""
    scheme, mark, _ = locator.partition("://")
    return scheme.lower() if mark and scheme.isalnum() else None


def is_pipe(fd: int = 0) -> bool:
    """Tell whether a file descriptor, standard input by default, can only be read once.

    LocatorError when it is closed.
    """
    try:
        return not stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        raise LocatorError("standard input is closed", path="-") from None


def shown(locator: str) -> str:
    """Return a locator as messages show it: a URL without login and query, which may be secrets."""
    if scheme_of(locator) is None:
        return locator
    place, mark, member = locator.partition("#")
    parts = urllib.parse.urlsplit(place)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")
    return f"{urllib.parse.urlunsplit(bare)}{mark}{member}"


def sibling_opener(locator: str | os.PathLike[str]) -> Callable[[str], ByteSource]:
    """Return what opens a file beside ``locator`` by its relative name.

    Names are taken as they are: callers refuse those that lead elsewhere. A link that
    leads out of the folder is refused here (UnsafePathError).
    """
    place, member = split_locator(locator)
    if member is not None:
        folder = member.rpartition("/")[0]
        return lambda name: _member(_open_place(place), f"{folder}/{name}" if folder else name)
    if scheme_of(place) is not None:
        return lambda name: _open_place(_beside(place, name))
    root = Path(place).resolve().parent

    def beside(name: str) -> ByteSource:
        target = root / name
        try:
            inside = target.resolve().is_relative_to(root)
        except (OSError, RuntimeError, ValueError):  # a loop of links, or a NUL
            inside = False
        if not inside:
            raise UnsafePathError(f"a link leads out of the folder: {name!r}", path=place)
        return FileSource(target)

    return beside


def _open_place(place: str) -> ByteSource:
    if place == "-":
        return _standard_input()
    scheme = scheme_of(place)
    if scheme is None:
        return FileSource(place)
    target = SCHEMES.get(scheme)
    if target is None:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise LocatorError(f"{scheme}:// is not read", path=place, hint=f"known: {known}")
    module, _, function = target.partition(":")
    opener = getattr(importlib.import_module(module), function)
    return cast("ByteSource", opener(place))


def _standard_input() -> ByteSource:
    if is_pipe():
        raise UnsupportedError(
            "a pipe can only be read once, from front to back",
            path="-",
            hint="`kensho disk convert -` reads raw disks and streamOptimized VMDK from a pipe",
        )
    return FileSource("/dev/stdin", name="-")


def _member(source: ByteSource, name: str) -> ByteSource:
    try:
        if source.read_at(0, min(len(gzip.MAGIC), source.size)) == gzip.MAGIC:  # a tar.gz
            source = gzip.GzipSource(source, _MAX_UNPACKED)
        members = read_members(source)
        for member in members:
            if member.name == name and member.type == "file":
                return ArchiveMember(source, member.offset, member.size, f"{source.name}#{name}")
    except BaseException:
        source.close()
        raise
    source.close()
    names = ", ".join(m.name for m in members[:20] if m.type == "file")
    raise PackageError(
        f"the archive has no member {name!r}", path=source.name, hint=f"it has: {names}"
    )


def _beside(url: str, name: str) -> str:
    """Return the URL of a file in the same folder; the query, a signature maybe, is kept."""
    parts = urllib.parse.urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    return urllib.parse.urlunsplit(parts._replace(path=f"{folder}/{urllib.parse.quote(name)}"))
