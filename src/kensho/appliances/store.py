"""The files of a package, in a folder or in a tar archive, opened in place by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.appliances.paths import candidates, safe_name
from kensho.model.errors import LimitError, PackageError, UnsafePathError
from kensho.storage import ByteSource, FileSource, TarMember, WindowSource


@dataclass(frozen=True, slots=True)
class Store:
    """Files by name, relative to the descriptor's folder.

    ``size_of`` is None for a file that is not there, ``open`` raises PackageError for it; both
    raise UnsafePathError for what lies outside. ``names`` lists what is there, or is empty where
    other files may lie beside the package's own.
    """

    path: str
    size_of: Callable[[str], int | None]
    open: Callable[[str], ByteSource]
    close: Callable[[], None]
    names: tuple[str, ...] = ()


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
            there = target.is_file() or target.is_block_device()
            return target.stat().st_size if there else None
        except OSError:
            return None

    def open_name(name: str) -> ByteSource:
        if size_of(name) is None:
            raise missing(name, path)
        source = FileSource(os.fspath(folder / safe_name(name, path)))
        opened.append(source)
        return source

    def close() -> None:
        while opened:
            opened.pop().close()

    return Store(path, size_of, open_name, close)


def tar_store(archive: ByteSource, members: Sequence[TarMember], base: str) -> Store:
    """Return an archive's members as files; names are relative to the folder ``base`` in it.

    Closing the store closes the archive.
    """
    prefix = f"{base}/" if base else ""
    inside = {m.name[len(prefix) :]: m for m in members if m.name.startswith(prefix)}
    files = {name: m for name, m in inside.items() if m.type == "file"}

    def size_of(name: str) -> int | None:
        member = files.get(safe_name(name, archive.name))
        return None if member is None else member.size

    def open_name(name: str) -> ByteSource:
        member = files.get(safe_name(name, archive.name))
        if member is None:
            raise missing(name, archive.name)
        return WindowSource(archive, member.offset, member.size, f"{archive.name}#{member.name}")

    return Store(archive.name, size_of, open_name, archive.close, tuple(files))


def find(store: Store, href: str) -> str | None:
    """Return the stored name that ``href`` means, None when no such file is there.

    UnsupportedError for URLs, UnsafePathError for names outside the package.
    """
    names = candidates(href, store.path)
    return next((name for name in names if store.size_of(name) is not None), None)


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
