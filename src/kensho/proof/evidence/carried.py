"""A proof carried inside the package that it is about: put into an archive, compared with its disks.

The statement speaks of disks by the roots of their content and not of files, so it can lie in the
package, whose manifest and signature then cover it, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kensho.appliances import Package
from kensho.appliances.proof_file import proofs_among
from kensho.convert.source import opened, opened_image
from kensho.disks.compare import content_root
from kensho.model.errors import KenshoError, UsageError, VerificationError
from kensho.packages.copying import copy_source
from kensho.packages.source import opened_ovf
from kensho.proof.evidence.about import disk_name
from kensho.proof.evidence.check import Looked, read_evidence
from kensho.proof.evidence.place import (
    STATEMENT,
    Place,
    is_evidence,
    opened_archive,
    opened_folder,
)
from kensho.proof.evidence.portability import Portability, files_of
from kensho.storage.file import FileSink
from kensho.storage.tar_write import TarWriter


@contextmanager
def opened_proof(locator: str) -> Iterator[Place]:
    """Give the evidence in a folder, or in a package that carries it; UsageError without one."""
    if is_evidence(Path(locator)):
        with opened_folder(Path(locator)) as place:
            yield place
        return
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


def pack_proof(place: Place, into: Path, at: dt.datetime) -> Portability:
    """Write the evidence as a tar archive to a new file, and return what it claims.

    What nobody vouches for is left out. UsageError when it contradicts itself, or a file is missing.
    """
    evidence = read_evidence(place, at)
    own = [name for name in (place.certificate, STATEMENT) if place.store.size_of(name) is not None]
    names = [*own, *(name for name, _ in files_of(evidence))]
    with FileSink(into) as sink:
        tar = TarWriter(sink)
        for name in dict.fromkeys(names):
            if place.store.size_of(name) is None:
                raise UsageError(f"{name} is missing", path=place.path, hint="prove it again")
            with closing(place.store.open(name)) as source:
                copy_source(source, sink, tar.place(name, source.size))
                tar.placed()
        tar.finish()
    return evidence


def demand_same(evidence: Portability, locator: str) -> None:
    """Raise VerificationError unless a package's disks are those that were proven; each is read whole."""
    found = disks_in(locator)
    roots = {looked.root for looked in found}
    for disk in evidence.disks:
        if disk.root_after in roots:
            continue
        if disk.root_before in roots:
            raise VerificationError(
                f"was proven as kensho adapt would change it, and {disk.file} here is as it was",
                path=locator,
                hint="kensho convert --adapt it first, then prove the result and carry that proof",
            )
        have = "; ".join(f"{one.name} {one.root or one.why}" for one in found)
        raise VerificationError(
            f"the proof is of other disks: {disk.file} with the root {disk.root_after}",
            path=locator,
            hint=f"here there are: {have}",
        )


def disks_in(locator: str) -> tuple[Looked, ...]:
    """Return the disks of a package's machines with their roots; what cannot be read says why."""
    with opened(locator) as package:
        return tuple(_looked(package))


def _looked(package: Package) -> Iterator[Looked]:
    for image in dict.fromkeys(d.image for m in package.appliance.machines for d in m.disks):
        file = package.appliance.file(getattr(package.appliance.image(image), "file", None))
        name = disk_name(file.href) if file is not None else image
        try:
            with opened_image(package, image) as reader:
                yield Looked(name, content_root(reader))
        except KenshoError as error:
            yield Looked(name, "", f"cannot be read: {error.message}")
