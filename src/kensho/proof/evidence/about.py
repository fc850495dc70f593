"""What a proof is of: the files that were read, their licences, and how they were made, as far as told."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec

from kensho.appliances.origin import find_origin
from kensho.appliances.package import PlacedDisk
from kensho.appliances.sniff import is_tar
from kensho.convert.deployment.eulas import eulas_of
from kensho.convert.guests import GuestDisks
from kensho.convert.source import opened
from kensho.model.finding import Finding
from kensho.model.machine import Eula
from kensho.packages.copying import copy_source
from kensho.proof.evidence.portability import Conversion, Host, ProvenDisk
from kensho.proof.private import folders_here, redacted
from kensho.proof.trial import FileRef, file_ref
from kensho.storage import ByteSource
from kensho.storage.locator import scheme_of, shown, split_locator
from kensho.storage.tar import iterate_members

_CHUNK = 4 << 20
_MOST_REPORTS, _MOST_REPORT = 50, 32 << 20


class _Report(msgspec.Struct, frozen=True):
    """What is read of a conversion's report (`kensho.convert.result`)."""

    kensho: str
    target: str
    form: str
    check: str
    disks: tuple[PlacedDisk, ...]
    findings: tuple[Finding, ...] = ()


def name_of(place: str) -> str:
    """Return the name of a file or archive's member, without the folders that lead to it here."""
    outer, mark, member = place.partition("#")
    return f"{outer.rpartition('/')[2]}{mark}{member}"


def disk_name(place: str) -> str:
    """Return a disk's own name, without the archive that it is in."""
    return name_of(place).rpartition("#")[2].rpartition("/")[2]


def licences_of(locators: Sequence[str]) -> tuple[Eula, ...]:
    """Return the licence agreements of an appliance; images of disks have none."""
    if len(locators) != 1:
        return ()
    with opened(locators[0]) as package:
        return eulas_of(package.appliance)


def inputs_of(
    locators: Sequence[str], machines: Sequence[GuestDisks], on_file: Callable[[str], None]
) -> tuple[FileRef, ...]:
    """Return the files that were read by SHA-256: packages, what is in them, disks; each is read whole.

    ``on_file`` is told of each. What was there already when it was opened is what is hashed.
    """
    found: dict[str, FileRef] = {}
    for locator in locators:
        place, member = split_locator(locator)
        if member is None and scheme_of(place) is None:
            on_file(place)
            with closing(find_origin(place).open()) as source:
                found |= _package(source)
    for machine in machines:
        for disk in machine.disks:
            for source in disk.reader.sources:
                if source.name not in found:
                    on_file(source.name)
                    found[source.name] = _whole(source)
    return tuple(found.values())


def conversion_of(locators: Sequence[str], disks: Sequence[ProvenDisk]) -> Conversion | None:
    """Return what kensho's report beside a single input says, if it is about these very disks."""
    place, _ = split_locator(locators[0])
    if len(locators) != 1 or scheme_of(place) is not None or not Path(place).exists():
        return None
    folder = Path(place) if Path(place).is_dir() else Path(place).parent
    roots = {disk.root_before for disk in disks}
    for path in islice(sorted(folder.glob("*.report.json")), _MOST_REPORTS):
        report = _report(path)
        made = {disk.content_root for disk in report.disks} if report is not None else set()
        if report is not None and made and made <= roots:
            return Conversion(
                file_ref(path), report.kensho, report.target, report.form, report.check,
                tuple(redacted(found, folders_here(locators)) for found in report.findings),
            )  # fmt: skip
    return None


def host() -> Host:
    """Return what guests run on here."""
    return Host(
        platform.machine(), os.cpu_count() or 1, f"{platform.system()} {platform.release()}"
    )


def _report(path: Path) -> _Report | None:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_REPORT:
            return None
        return msgspec.json.decode(path.read_bytes(), type=_Report)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # of somebody else, or not to be read: nothing is stated of it


def _whole(source: ByteSource) -> FileRef:
    sha256 = copy_source(source, None, algorithms=("sha256",))["sha256"]
    return FileRef(name_of(shown(source.name)), sha256, source.size)


def _package(source: ByteSource) -> dict[str, FileRef]:
    """Return a file and, of an archive, its members, by what they are opened as; hashed in one pass."""
    if not is_tar(source):
        return {source.name: _whole(source)}
    found: dict[str, FileRef] = {}
    whole = hashlib.sha256()
    with ThreadPoolExecutor(1) as pool:
        at = 0
        for member in list(iterate_members(source, sparse=True)):
            _hash(source, at, member.offset, (whole.update,), pool)
            own = hashlib.sha256()
            at = member.offset + member.stored
            _hash(source, member.offset, at, (whole.update, own.update), pool)
            if member.type == "file" and member.pieces is None:
                name = f"{source.name}#{member.name}"
                found[name] = FileRef(name_of(name), own.hexdigest(), member.size)
        _hash(source, at, source.size, (whole.update,), pool)
    own_name = name_of(source.name)
    return {source.name: FileRef(own_name, whole.hexdigest(), source.size), **found}


def _hash(
    source: ByteSource, start: int, end: int, updates: Sequence[Callable[[bytes], None]],
    pool: ThreadPoolExecutor,
) -> None:  # fmt: skip
    for at in range(start, end, _CHUNK):
        data = source.read_at(at, min(_CHUNK, end - at))
        others = [pool.submit(update, data) for update in updates[1:]]
        updates[0](data)
        for other in others:
            other.result()
