"""The files of a package, in a folder, an archive or on a web server, opened in place by name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kensho.appliances.paths import below, candidates, is_web_address, safe_name
from kensho.model.errors import (
    KenshoError,
    LimitError,
    LocatorError,
    NotFoundError,
    PackageError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.storage import ByteSource, FileSource, TarMember
from kensho.storage.locator import open_source, shown, sibling_opener
from kensho.storage.tar import open_member

_MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Store:
    """Files by name, relative to the descriptor's folder.

    ``size_of`` is None for a file that is not there, ``open`` raises PackageError for it; both
    raise UnsafePathError for what lies outside. ``names`` lists what is there, or is empty where
    other files may lie beside the package's own. ``base`` is the folder's URL when it is on a web
    server, ``fetch`` allows other web addresses, and ``beyond`` says why files that are not here
    cannot be had at all, as in a pipe. ``named`` are absolute paths that a hypervisor's own file
    names, and may; a package's never may. ``entries`` lists what is in a folder of the package, where
    that can be told; empty when there is no such folder.
    """

    path: str
    size_of: Callable[[str], int | None]
    open: Callable[[str], ByteSource]
    close: Callable[[], None]
    names: tuple[str, ...] = ()
    base: str = ""
    fetch: bool = False
    beyond: str = ""
    named: frozenset[str] = frozenset()
    entries: Callable[[str], tuple[str, ...]] = lambda _: ()


def folder_store(folder: Path, path: str) -> Store:
    """Return the files below ``folder``; ``path`` names the package in errors."""
    opened: list[ByteSource] = []
    root = folder.resolve()

    def locate(name: str) -> Path:
        target = root / safe_name(name, path)
        try:
            inside = target.resolve().is_relative_to(root)
        except (OSError, RuntimeError):  # a loop of links
            inside = False
        if not inside:
            raise UnsafePathError(f"a link leads out of the folder: {name!r}", path=path)
        return target

    def size_of(name: str) -> int | None:
        target = locate(name)
        try:
            if target.is_block_device():  # whose own status says 0
                with FileSource(target) as device:
                    return device.size
            return target.stat().st_size if target.is_file() else None
        except LocatorError:
            return None
        except OSError:
            return None

    def open_name(name: str) -> ByteSource:
        if size_of(name) is None:
            raise missing(name, path)
        source = FileSource(os.fspath(folder / safe_name(name, path)))
        opened.append(source)
        return source

    def entries(name: str) -> tuple[str, ...]:
        try:
            with os.scandir(locate(name)) as found:
                return tuple(entry.name for entry in islice(found, _MOST_ENTRIES))
        except OSError:
            return ()

    return Store(path, size_of, open_name, lambda: _close_all(opened), entries=entries)


def _close_all(opened: list[ByteSource]) -> None:
    while opened:
        opened.pop().close()


def web_store(locator: str, name: str) -> Store:
    """Return the files beside a URL or an archive's member; ``name`` is that file's own."""
    beside = sibling_opener(locator)
    path = shown(locator)
    sizes: dict[str, int | None] = {}
    opened: list[ByteSource] = []

    def open_name(wanted: str) -> ByteSource:
        safe = safe_name(wanted, path)
        try:
            source = open_source(locator) if safe == name else beside(safe)
        except (NotFoundError, PackageError):
            raise missing(wanted, path) from None
        sizes[safe] = source.size
        opened.append(source)
        return source

    def size_of(wanted: str) -> int | None:
        safe = safe_name(wanted, path)
        if safe not in sizes:
            try:
                open_name(safe).close()
            except PackageError:
                sizes[safe] = None
        return sizes[safe]

    is_plain = is_web_address(locator) and "#" not in locator
    base = path.rpartition("/")[0] if is_plain else ""
    return Store(path, size_of, open_name, lambda: _close_all(opened), base=base)


def fetching(store: Store) -> Store:
    """Return the store with every web address that a package may name as a file in it."""
    sizes: dict[str, int | None] = {}
    opened: list[ByteSource] = []

    def open_name(name: str) -> ByteSource:
        if not is_web_address(name):
            return store.open(name)
        opened.append(open_source(name))
        return opened[-1]

    def close() -> None:
        _close_all(opened)
        store.close()

    def size_of(name: str) -> int | None:
        if not is_web_address(name):
            return store.size_of(name)
        if name not in sizes:
            try:
                source = open_source(name)
            except NotFoundError:
                sizes[name] = None
            else:
                sizes[name] = source.size
                source.close()
        return sizes[name]

    return dataclasses.replace(store, size_of=size_of, open=open_name, close=close, fetch=True)


def tar_store(archive: ByteSource, files: Mapping[str, TarMember]) -> Store:
    """Return an archive's members as files by the names given.

    Closing the store closes the archive.
    """

    def size_of(name: str) -> int | None:
        member = files.get(safe_name(name, archive.name))
        return None if member is None else member.size

    def open_name(name: str) -> ByteSource:
        member = files.get(safe_name(name, archive.name))
        if member is None:
            raise missing(name, archive.name)
        return open_member(archive, member)

    return Store(archive.name, size_of, open_name, archive.close, tuple(files))


def find(store: Store, href: str) -> str | None:
    """Return the stored name that ``href`` means, None when no such file is there.

    UnsupportedError for addresses that are not fetched, UnsafePathError for names outside the
    package. A full address below the package's own is a name like any other.
    """
    if href in store.named:
        return href if store.size_of(href) is not None else None
    if is_web_address(href):
        inner = below(store.base, href)
        if inner is not None:
            return find(store, inner)
        if store.fetch:
            return href if store.size_of(href) is not None else None
    names = candidates(href, store.path)
    return next((name for name in names if store.size_of(name) is not None), None)


def open_file(store: Store, href: str) -> ByteSource:
    """Open the file that ``href`` means; PackageError when it is missing, and what `find` raises."""
    name = find(store, href)
    if name is None:
        raise absent(store, href)
    return store.open(name)


def absent(store: Store, name: str) -> KenshoError:
    """Return the error for a file that the store does not have."""
    if store.beyond:
        return UnsupportedError(
            f"{name} is further on in the package; {store.beyond}",
            path=store.path,
            hint="save the package to a file, or name its URL, and use that",
        )
    return missing(name, store.path)


def missing(name: str, path: str) -> PackageError:
    """Return the error for a file that is not there."""
    return PackageError(
        f"the file {name!r} is missing",
        path=path,
        hint="put all files of the package into one folder, or fetch the package again",
    )


def read_text_file(store: Store, name: str, limit: int) -> bytes:
    """Return a small file's bytes; LimitError when it has more than ``limit``."""
    source = store.open(name)
    try:
        if source.size > limit:
            raise LimitError(
                f"{source.size} bytes; at most {limit} are read",
                path=source.name,
                hint="a descriptor this large is not a descriptor; check where it came from",
            )
        return source.read_at(0, source.size)
    finally:
        source.close()
