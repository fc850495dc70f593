"""An OVA that arrives: its descriptor first, then each file once, in the archive's order.

DSP0243 §5.3 allows the manifest behind the descriptor or at the very end. Every file is hashed on
its way: with what the manifest names or, before there is one, with all that one may name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from kensho.appliances.assemble import assemble
from kensho.appliances.ova.pipe import package_of, read_front
from kensho.appliances.ova.vouching import Vouching
from kensho.appliances.ovf.manifest import (
    MAX_MANIFEST,
)
from kensho.appliances.ovf.open import manifest_beside
from kensho.appliances.package import Package
from kensho.appliances.store import Store, absent, missing
from kensho.model.errors import (
    KenshoError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.finding import Finding
from kensho.model.selection import Selection
from kensho.storage import ByteSource, MemorySource
from kensho.storage.pipe import ForwardBytes, PipeReader
from kensho.storage.tar import BLOCK, TarMember

#: What to do where a pipe does not do.
ELSEWHERE = "save the package to a file, or name its URL, and convert that"

_CHUNK = 1 << 18
FIRST_CHUNK = ".000000000"


@dataclass(slots=True)
class _Passing:
    """The file that is going by: ``done`` bytes of it are gone."""

    name: str
    member: TarMember
    hashes: Mapping[str, Any]
    done: int = 0
    opened: bool = False


class Arrival:
    """The package in a pipe, its files to come; not for threads.

    Raises what `read_front` does, and UnsupportedError for a descriptor without an archive.
    """

    def __init__(self, pipe: PipeReader) -> None:
        front = read_front(pipe, first=True)
        if front.source is None:
            raise UnsupportedError(
                "a descriptor alone came through the pipe, without its disks",
                path=pipe.name,
                hint="pipe the whole OVA, or name the descriptor's file",
            )
        self._pipe = pipe
        self._front = front
        self._source = front.source
        self._passing: _Passing | None = None
        self._awaited: frozenset[str] = frozenset()
        self._sizes = {name: front.store.size_of(name) or 0 for name in front.store.names}
        self._texts = {name: _bytes_of(front.store, name) for name in front.store.names}
        self._vouching = Vouching(pipe.name)
        self._end = 0  # of the last member, padded

    @property
    def mtime(self) -> int:
        """When the descriptor was changed, as the archive says, in seconds since 1970."""
        return self._front.mtime

    @property
    def descriptor(self) -> tuple[str, bytes]:
        """The descriptor's name and bytes."""
        return self._front.name, self._texts[self._front.name]

    def package(self, selection: Selection) -> Package:
        """Return the package as its front describes it; may be asked for again."""
        return replace(package_of(self._front, selection), arrival=self)

    def begin(self, package: Package, awaited: frozenset[str], *, check: bool) -> None:
        """Say which files are awaited, and whether the manifest is checked.

        If so, what is here already is, and the rest when it has gone by: ManifestMismatchError.
        """
        self._awaited = awaited
        self._vouching.begin(package.manifest, check=check)
        for name, data in self._texts.items():
            hashes = self._vouching.hashes(name)
            for running in hashes.values():
                running.update(data)
            self._vouching.note(name, len(data), hashes)

    @property
    def current(self) -> str | None:
        """The file that comes next or is going by, relative to the descriptor."""
        return None if self._passing is None else self._passing.name

    def advance(self) -> str | None:
        """Let the current file go by and return the next one's name; None at the end."""
        self.let_by()
        prefix = f"{self._front.folder}/" if self._front.folder else ""
        for member in self._front.behind:
            self._end = member.offset + -(-member.size // BLOCK) * BLOCK
            name = member.name.removeprefix(prefix)
            if member.type != "file" or not member.name.startswith(prefix):
                continue
            self._passing = _Passing(name, member, self._vouching.hashes(name))
            if PurePosixPath(name).suffix.lower() in {".mf", ".cert"}:
                self._texts[name] = self._small(member)
                self.let_by()
                continue
            return name
        self._demand_end()
        return None

    @property
    def is_open(self) -> bool:
        """Tell whether the current file was given to somebody."""
        return self._passing is not None and self._passing.opened

    def open(self, names: Collection[str], chunk: int | None = None) -> ForwardBytes:
        """Return the bytes of the file that has one of ``names``, to be read once.

        If it is the first chunk of ``chunk`` bytes of a file, the others are read on behind it.

        UnsupportedError when another one that is awaited comes first, as it would be lost, or the
        file has gone by; PackageError when it does not come.
        """
        while self.current not in names:
            if self.current in self._awaited:
                raise UnsupportedError(
                    f"{self.current} comes before {min(names)}, which is needed first",
                    path=self._pipe.name,
                    hint=ELSEWHERE,
                )
            if self.advance() is None:
                raise self.lost(min(names))
        passing = self._passing
        if passing is None or passing.opened:
            raise self.lost(min(names))
        passing.opened = True
        self._awaited -= {*names}
        name = f"{self._pipe.name}#{passing.name}"
        stem = passing.name.removesuffix(FIRST_CHUNK)
        if chunk is None or stem == passing.name:
            return ForwardBytes(self._fill, name)
        return ForwardBytes(self._joined(stem, chunk), name)

    def size(self) -> int:
        """Return the size of the current file in bytes."""
        return 0 if self._passing is None else self._passing.member.size

    def lost(self, name: str) -> KenshoError:
        """Return the error for a file that is not to come any more."""
        if name in self._sizes:
            return UnsupportedError(
                f"{name} has gone by and is wanted again", path=self._pipe.name, hint=ELSEWHERE
            )
        return missing(name, self._pipe.name)

    def let_by(self) -> None:
        """Read the current file to its end; ManifestMismatchError when it is not what it should be."""
        passing = self._passing
        if passing is None:
            return
        buffer = memoryview(bytearray(min(_CHUNK, max(1, passing.member.size))))
        while self._fill(buffer):
            pass
        self._passing = None
        self._sizes[passing.name] = passing.member.size
        self._vouching.note(passing.name, passing.member.size, passing.hashes)

    def finish(self, package: Package) -> tuple[Finding, ...]:
        """Let by what is left and return what only shows at the end, beyond ``package``'s findings.

        TruncatedError when the archive has no end, ManifestMismatchError by a manifest that was
        last, and what `advance` raises.
        """
        while self.advance() is not None:
            pass
        store = self._everything()
        manifest, own, odd = manifest_beside(store, self._front.name)
        whole = assemble(
            "ova",
            store.path,
            package.appliance,
            store,
            odd,
            manifest=package.manifest or manifest,
            own=(self._front.name, *own),
        )
        found = [finding for finding in whole.findings if finding not in package.findings]
        return (*found, *self._vouching.judged(whole, store))

    def _everything(self) -> Store:
        """Return all files that went by, of which only the small texts can be opened."""
        path = self._pipe.name

        def open_name(name: str) -> ByteSource:
            data = self._texts.get(name)
            if data is None:
                raise absent(store, name)
            return MemorySource(data, f"{path}#{name}")

        store = Store(path, self._sizes.get, open_name, lambda: None, tuple(self._sizes))
        return store

    def _fill(self, view: memoryview) -> int:
        passing = self._passing
        if passing is None:
            return 0
        part = view[: min(len(view), passing.member.size - passing.done)]
        if part:
            self._source.read_into(passing.member.offset + passing.done, part)
            passing.done += len(part)
            for running in passing.hashes.values():
                running.update(part)
        return len(part)

    def _joined(self, stem: str, chunk: int) -> Callable[[memoryview], int]:
        """Return what reads the chunks of a file as they follow each other (DSP0243 §7.1).

        The whole is hashed as well: a manifest may be about that.
        """
        number = total = 0
        whole = self._vouching.hashes(stem)

        def fill(view: memoryview) -> int:
            nonlocal number, total
            done = 0
            while done < len(view) and self.is_open and self._passing is not None:
                got = self._fill(view[done:])
                for running in whole.values():
                    running.update(view[done : done + got])
                done, total = done + got, total + got
                if got:
                    continue
                number += 1
                is_last = self._passing.member.size != chunk
                if is_last or self.advance() != f"{stem}.{number:09d}":
                    self._vouching.note_whole(stem, total, whole)
                    break
                self._passing.opened = True
            return done

        return fill

    def _small(self, member: TarMember) -> bytes:
        if member.size > MAX_MANIFEST:
            raise LimitError(
                f"{member.name} has {member.size} bytes, at most {MAX_MANIFEST}",
                path=self._pipe.name,
            )
        buffer = bytearray(member.size)
        self._fill(memoryview(buffer))
        return bytes(buffer)

    def _demand_end(self) -> None:
        """Read the pipe to its end, so that nobody's write fails; it may not end in the archive."""
        if self._source.position <= self._end:
            raise TruncatedError(
                "the archive has no end mark: the pipe was cut, or its writer is careless",
                path=self._pipe.name,
                offset=self._source.position,
                hint="look at the exit code of the program that writes into the pipe; a file"
                " without an end mark is read all the same",
            )
        buffer = bytearray(_CHUNK)
        while self._pipe.read_up_to(buffer):
            pass


def _bytes_of(store: Store, name: str) -> bytes:
    source = store.open(name)
    return source.read_at(0, source.size)
