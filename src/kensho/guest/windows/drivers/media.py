"""Where drivers come from: a CD-ROM image, a folder, a zip archive, an installer package, a cabinet."""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from kensho.guest.files.base import Kind
from kensho.guest.files.iso9660 import open_iso9660
from kensho.guest.files.tree import GuestFiles
from kensho.guest.windows.drivers.unpack import unpack_cab, unpack_msi
from kensho.model.errors import (
    CorruptError,
    LimitError,
    NotFoundError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.storage.file import FileSource

MAX_FILE = 64 << 20  #: of one driver
_MAX_FILES = 200_000


@dataclass(frozen=True)
class Media:
    """A medium with drivers: ``sizes`` of its files by path, with ``/`` and without one in front."""

    name: str
    sizes: Mapping[str, int]
    _read: Callable[[str], bytes]

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {path.lower(): path for path in sorted(self.sizes, reverse=True)}

    def find(self, path: str) -> str:
        """Return a file's path as it is written, found whatever the case; empty when there is none."""
        return self._folded.get(path.replace("\\", "/").strip("/").lower(), "")

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """Return a file's bytes; NotFoundError, LimitError, and what the medium raises."""
        if path not in self.sizes:
            raise NotFoundError("is not on the medium", path=f"{self.name}: {path}")
        if self.sizes[path] > limit:
            raise LimitError(
                f"{self.sizes[path]} bytes; at most {limit} are read", path=f"{self.name}: {path}"
            )
        return self._read(path)


@contextmanager
def open_media(path: Path) -> Iterator[Media]:
    """Open a medium by what it is. UnsupportedError, saying what is read, for anything else."""
    if path.is_dir():
        yield _folder(path, str(path))
        return
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise NotFoundError("nothing is there", path=path) from None
    except OSError as error:
        raise NotFoundError(f"cannot be read: {error.strerror}", path=path) from None
    if head[:4] == b"PK\x03\x04":
        with _zip(path) as media:
            yield media
    elif head == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" or head[:4] == b"MSCF":
        with tempfile.TemporaryDirectory(prefix="kensho-drivers-") as folder:
            (unpack_cab if head[:4] == b"MSCF" else unpack_msi)(path, Path(folder))
            yield _folder(Path(folder), str(path))
    elif head[:2] == b"MZ":
        raise UnsupportedError(
            "is a program, which is not run to get at its drivers",
            path=path,
            hint="unpack it on a Windows (setup64.exe /a for VMware Tools), and name the folder",
        )
    else:
        with FileSource(path) as source:
            yield _iso(source, str(path))


def _folder(root: Path, name: str) -> Media:
    sizes: dict[str, int] = {}
    for folder, _, names in os.walk(root):  # links to folders are not followed
        for file in names:
            whole = Path(folder, file)
            facts = whole.lstat()
            if stat.S_ISREG(facts.st_mode):
                sizes[whole.relative_to(root).as_posix()] = facts.st_size
            if len(sizes) > _MAX_FILES:
                raise LimitError(f"more than {_MAX_FILES} files", path=name)

    def read(path: str) -> bytes:
        with (root / path).open("rb") as file:
            return file.read(sizes[path])

    return Media(name, sizes, read)


#: What zipfile raises for archives that are none; RuntimeError for encrypted members, and
#: NotImplementedError, one of those, for compressions and versions that it does not know.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError)


@contextmanager
def _zip(path: Path) -> Iterator[Media]:
    try:
        archive = zipfile.ZipFile(path)
    except _ZIP_ERRORS as error:
        raise CorruptError(f"is no whole zip archive: {error}", path=path) from None
    with archive:
        infos = {}
        for info in archive.infolist():
            member = PurePosixPath(info.filename.replace("\\", "/"))
            if member.is_absolute() or ".." in member.parts:
                raise UnsafePathError(f"{info.filename[:200]!r} leads out of it", path=path)
            if info.filename and not info.filename.endswith("/"):
                infos[member.as_posix()] = info
            if len(infos) > _MAX_FILES:
                raise LimitError(f"more than {_MAX_FILES} files", path=path)

        def read(member: str) -> bytes:
            info = infos[member]
            try:
                with archive.open(info) as file:
                    return file.read(info.file_size)
            except _ZIP_ERRORS as error:
                raise CorruptError(
                    f"cannot be unpacked: {error}", path=f"{path}: {member}"
                ) from None

        yield Media(str(path), {name: i.file_size for name, i in infos.items()}, read)


@dataclass(frozen=True, slots=True)
class _View:
    """A file as what file systems are read from."""

    source: FileSource

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def size(self) -> int:
        return self.source.size

    def read(self, offset: int, length: int) -> bytes:
        return self.source.read_at(offset, length)


def _iso(source: FileSource, name: str) -> Media:
    files = GuestFiles(open_iso9660(_View(source)))
    sizes: dict[str, int] = {}
    for number, found in enumerate(files.walk()):
        if number > _MAX_FILES:
            raise LimitError(f"more than {_MAX_FILES} files", path=name)
        if found.stat.kind is Kind.FILE:
            sizes[found.path.lstrip("/")] = found.stat.size
    return Media(name, sizes, lambda path: files.read(f"/{path}", MAX_FILE))
