"""Where evidence lies: a folder, or an archive that a package carries. Both are files by name."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kensho.appliances.origin import find_origin
from kensho.appliances.proof_file import proofs_among
from kensho.appliances.store import Store, folder_store, tar_store
from kensho.model.errors import CorruptError, LimitError, LocatorError, UsageError
from kensho.proof.profiles import PROFILES
from kensho.storage import ByteSource, read_members

CERTIFICATE, STATEMENT = "certificate.json", "statement.json"
BILL, PAGE = "sbom.cdx.json", "index.html"
_DEEPEST = 3  #: folders of a file of a proof, below and with the proof's own: profile, machine
_MOST_FILES = 10_000
_MOST_TEXT = 64 << 20
_MOST_PADDING = 1 << 20  #: archives end in zeros, of 10 KiB as tar makes them


@dataclass(frozen=True, slots=True)
class Place:
    """Evidence as files: ``names`` is all that is there, ``certificate`` what the signed statement is called."""

    path: str
    store: Store
    names: tuple[str, ...]
    certificate: str = CERTIFICATE

    def read(self, name: str) -> bytes | None:
        """Return a small file's bytes, None when it is not there; LimitError above 64 MiB."""
        size = self.store.size_of(name)
        if size is None:
            return None
        if size > _MOST_TEXT:
            raise LimitError(
                f"{name} has {size} bytes; at most {_MOST_TEXT} are read", path=self.path
            )
        with closing(self.store.open(name)) as source:
            return source.read_at(0, source.size)


def is_evidence(path: Path) -> bool:
    """Tell whether a path is a statement, signed or beside it, or a folder with one."""
    if path.is_dir():
        return (path / CERTIFICATE).is_file() or (path / STATEMENT).is_file()
    try:
        if not path.is_file():
            return False
        if path.name == STATEMENT:
            return True
        with path.open("rb") as file:
            head = file.read(4096).lstrip()
    except OSError:
        return False
    return head.startswith(b"{") and b'"payload"' in head


def refuse_part(path: Path) -> None:
    """Raise UsageError for a page, log, picture or folder of a proof: it is checked and carried as a whole.

    It has to be there, and to have a name that files of a proof have.
    """
    whole = path.absolute()
    own = {BILL, PAGE, *(row.name for row in PROFILES)}
    above = list(whole.parents)[:_DEEPEST] if whole.exists() else []
    for folder in above:
        if whole.relative_to(folder).parts[0] in own and is_evidence(folder):
            hint = f"name the whole: {shlex.quote(os.path.relpath(folder))}"
            raise UsageError("is part of a proof", path=path, hint=hint)


@contextmanager
def opened_evidence(path: Path) -> Iterator[Place]:
    """Give the evidence in a folder, beside a certificate, or in an archive that was taken out of a package.

    UsageError when none is there.
    """
    if is_packed_evidence(path):
        with opened_archive(find_origin(path).open()) as place:
            yield place
    else:
        with opened_folder(path) as place:
            yield place


def is_packed_evidence(path: Path) -> bool:
    """Tell whether a path is a proof as packages carry it, by its name."""
    return bool(proofs_among([path.name])) and path.is_file()


@contextmanager
def opened_folder(path: Path) -> Iterator[Place]:
    """Give the evidence in a folder, or beside a certificate. UsageError when none is there."""
    folder = path if path.is_dir() else path.parent
    certificate = CERTIFICATE if path.is_dir() or path.name == STATEMENT else path.name
    if not is_evidence(path):
        raise UsageError("is no proof", path=path, hint="name a folder that `kensho prove` wrote")
    store = folder_store(folder, str(path))
    try:
        yield Place(str(path), store, tuple(_names(folder)), certificate)
    finally:
        store.close()


@contextmanager
def opened_archive(archive: ByteSource) -> Iterator[Place]:
    """Give the evidence in an archive, which it closes; raises what reading tar does."""
    with closing(archive):
        found = read_members(archive)
        _demand_end(archive, max((m.offset + m.stored for m in found), default=0))
        members = {m.name: m for m in found if m.type == "file"}
        yield Place(archive.name, tar_store(archive, members), tuple(members))


def _demand_end(archive: ByteSource, end: int) -> None:
    """Raise CorruptError for what lies behind the last member: some programs would read it, too."""
    size = archive.size - end
    if size > _MOST_PADDING or archive.read_at(end, size).strip(b"\0"):
        raise CorruptError("has bytes behind its end", path=archive.name, offset=end)


def _names(folder: Path) -> Iterator[str]:
    """Yield what is in a folder, links not followed; LimitError for more than a proof can have."""

    def found() -> Iterator[str]:
        for path, folders, names in os.walk(folder):
            folders.sort()
            links = [name for name in folders if (Path(path) / name).is_symlink()]
            there = (Path(path) / name for name in (*names, *links))
            yield from sorted(file.relative_to(folder).as_posix() for file in there)

    try:
        names = list(islice(found(), _MOST_FILES + 1))
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=folder) from None
    if len(names) > _MOST_FILES:
        raise LimitError(f"more than {_MOST_FILES} files", path=folder)
    yield from names
