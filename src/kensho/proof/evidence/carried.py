"""A proof carried inside the package that it is about: put into an archive, compared with its disks.

The statement speaks of disks by the roots of their content and not of files, so it can lie in the
package, whose manifest and signature then cover it, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from kensho.appliances import Package
from kensho.appliances.proof_file import proofs_among
from kensho.convert.adapting import meter
from kensho.convert.events import Listener, Step
from kensho.convert.source import opened, opened_image
from kensho.disks.compare import content_root
from kensho.model.errors import KenshoError, UsageError, VerificationError
from kensho.packages.source import opened_ovf
from kensho.proof.evidence.about import disk_name
from kensho.proof.evidence.check import Looked, compare_disks, read_evidence
from kensho.proof.evidence.place import (
    STATEMENT,
    Place,
    is_evidence,
    is_packed_evidence,
    opened_archive,
    opened_evidence,
    refuse_part,
)
from kensho.proof.evidence.portability import Portability, files_of
from kensho.storage import ByteSource, MemorySource
from kensho.storage.base import ReadBuffer
from kensho.storage.joined import JoinedSource
from kensho.storage.tar_write import TarWriter


@contextmanager
def opened_proof(locator: str) -> Iterator[Place]:
    """Give the evidence in a folder, or in a package that carries it or did; UsageError without one."""
    if is_evidence(Path(locator)) or is_packed_evidence(Path(locator)):
        with opened_evidence(Path(locator)) as place:
            yield place
        return
    refuse_part(Path(locator))
    if Path(locator).is_dir() and not list(Path(locator).glob("*.ovf")):
        raise UsageError(
            "is no proof", path=locator, hint="name a folder that `kensho prove` wrote"
        )
    with opened_ovf(locator) as package:
        names = proofs_among(package.files)
        if not names:
            raise UsageError("carries no proof", path=locator, hint="kensho prove makes one")
        if len(names) > 1:
            raise UsageError(f"carries several proofs: {', '.join(names)}", path=locator)
        with opened_archive(package.store.open(names[0])) as place:
            yield place


def packed(place: Place, at: dt.datetime) -> tuple[Portability, ByteSource]:
    """Return what the evidence claims, and the evidence as a tar archive, read from where it lies.

    What nobody vouches for is left out. UsageError when it contradicts itself, or a file is missing.
    The archive is read while the place is open, and closed by the caller.
    """
    evidence = read_evidence(place, at)
    own = [name for name in (place.certificate, STATEMENT) if place.store.size_of(name) is not None]
    names = [*own, *(name for name, _ in files_of(evidence))]
    parts = _Parts()
    tar = TarWriter(parts)
    for name in dict.fromkeys(names):
        size = place.store.size_of(name)
        if size is None:
            raise UsageError(f"{name} is missing", path=place.path, hint="prove it again")
        tar.place(name, size)
        parts.add(size, partial(place.store.open, name))
        tar.placed()
    tar.finish()
    return evidence, JoinedSource(parts.sizes, lambda number: parts.openers[number](), place.path)


class _Parts:
    """Where `TarWriter` writes headers to; the files between them are only named."""

    def __init__(self) -> None:
        self.position = 0
        self.sizes: list[int] = []
        self.openers: list[Callable[[], ByteSource]] = []

    def add(self, size: int, opener: Callable[[], ByteSource]) -> None:
        if size:
            self.sizes.append(size)
            self.openers.append(opener)
            self.position += size

    def append(self, data: ReadBuffer) -> None:
        held = bytes(data)
        self.add(len(held), lambda: MemorySource(held))

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        raise NotImplementedError  # of members whose size is known, nothing is written twice

    def advance_to(self, offset: int) -> None:
        assert offset == self.position


def demand_same(evidence: Portability, locator: str, listener: Listener) -> None:
    """Raise VerificationError unless a package's disks are those that were proven; each is read whole."""
    if not any(disk.root_after for disk in evidence.disks):
        raise VerificationError(
            "the proof is of no disk that could be read whole",
            path=locator,
            hint="mend the disk, and prove it again",
        )
    found = disks_in(locator, listener)
    wrong = next(
        (p for p in compare_disks(evidence, found, whole=True) if p.state == "mismatch"), None
    )
    if wrong is None:
        return
    before = {disk.root_before for disk in evidence.disks if disk.root_before != disk.root_after}
    if wrong.found in before:
        raise VerificationError(
            f"was proven as kensho adapt would change it, and {wrong.name} here is as it was",
            path=locator,
            hint="kensho convert --adapt it first, then prove the result and carry that proof",
        )
    have = "; ".join(f"{one.name} {one.root or one.why}" for one in found)
    root = f"; one of root {wrong.expected} was proven" if wrong.expected else ""
    raise VerificationError(
        f"the proof is of other disks: {wrong.name}{f': {wrong.why}' if wrong.why else ''}{root}",
        path=locator,
        hint=f"here there are: {have}",
    )


def disks_in(locator: str, listener: Listener) -> tuple[Looked, ...]:
    """Return the disks of a package's machines with their roots; what cannot be read says why."""
    with opened(locator) as package:
        return tuple(_looked(package, listener))


def _looked(package: Package, listener: Listener) -> Iterator[Looked]:
    roots: dict[str, Looked] = {}
    for machine in package.appliance.machines:
        for disk in machine.disks:
            if disk.image not in roots:
                roots[disk.image] = _root(package, disk.image, listener)
            yield replace(roots[disk.image], machine=machine.id)


def _root(package: Package, image: str, listener: Listener) -> Looked:
    file = package.appliance.file(getattr(package.appliance.image(image), "file", None))
    name = disk_name(file.href) if file is not None else image
    listener(Step("hash", name))
    try:
        with opened_image(package, image) as reader:
            return Looked(name, content_root(reader, on_bytes=meter(listener, "hash", name)))
    except KenshoError as error:
        return Looked(name, "", f"cannot be read: {error.message}")
