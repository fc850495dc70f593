"""The front of a package that comes through a pipe: descriptor, manifest and certificate.

DSP0243 §5.3 puts the descriptor first, so that whoever receives a package knows what it is before
its disks arrive. Here nothing behind it is read; `arrival` goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePosixPath
from typing import Literal

from kensho.appliances.assemble import assemble
from kensho.appliances.ovf.manifest import MAX_MANIFEST
from kensho.appliances.ovf.open import manifest_beside, read_descriptor
from kensho.appliances.package import Package
from kensho.appliances.sniff import is_tar, is_xml
from kensho.appliances.store import Store, absent
from kensho.appliances.xmlsafe import MAX_XML
from kensho.model.errors import LimitError, PackageError, TruncatedError, UnsupportedError
from kensho.model.selection import Selection
from kensho.storage import ByteSource, MemorySource
from kensho.storage.forward import ForwardSource
from kensho.storage.pipe import PipeReader
from kensho.storage.tar import TarMember, iterate_members

_BEYOND = "a pipe is read once, and only up to the descriptor"
_LIMITS = {".ovf": MAX_XML, ".mf": MAX_MANIFEST, ".cert": MAX_MANIFEST}
_XML_NAME = "package.ovf"


@dataclass(frozen=True, slots=True)
class Front:
    """What was read of a package: ``store`` holds it, ``name`` in it is the descriptor.

    ``mtime`` is the descriptor's in seconds since 1970 and ``folder`` where it lies in the
    archive. ``behind`` are the members still to come out of ``source``; None when it is none.
    """

    kind: Literal["ova", "ovf"]
    store: Store
    name: str
    mtime: int = 0
    folder: str = ""
    source: ForwardSource | None = None
    behind: Iterator[TarMember] = field(default_factory=lambda: iter(()))


def open_pipe(pipe: PipeReader, selection: Selection) -> Package:
    """Read the descriptor of an OVA or OVF out of ``pipe``; its files cannot be opened.

    UnsupportedError when something else comes, PackageError when no descriptor does.
    """
    return package_of(read_front(pipe), selection)


def package_of(front: Front, selection: Selection) -> Package:
    """Return what the front of a package says of the whole."""
    store, name = front.store, front.name
    appliance, findings = read_descriptor(store, name, selection, fallback=PurePosixPath(name).stem)
    manifest, own, more = manifest_beside(store, name)
    return assemble(
        front.kind,
        store.path,
        appliance,
        store,
        (*findings, *more),
        manifest=manifest,
        own=(name, *own),
    )


def front_of(pipe: PipeReader) -> tuple[Literal["ova", "ovf"], Store, str]:
    """Return the kind, the files read so far, and which of them is the descriptor."""
    front = read_front(pipe)
    return front.kind, front.store, front.name


def read_front(pipe: PipeReader, *, first: bool = False) -> Front:
    """Read up to the first member behind descriptor, manifest and certificate.

    With ``first`` the descriptor has to be the first file: UnsupportedError if it is not, since
    what is before it is gone when it comes.
    """
    head = MemorySource(pipe.peek(1024), pipe.name)
    if is_tar(head):
        return _archive(pipe, first=first)
    if head.size and is_xml(head):
        buffer = bytearray(MAX_XML + 1)
        length = pipe.read_up_to(buffer)
        if length > MAX_XML:
            raise LimitError(f"more than {MAX_XML} bytes of XML", path=pipe.name)
        return Front("ovf", _store(pipe.name, {_XML_NAME: bytes(buffer[:length])}), _XML_NAME)
    if not head.size:
        raise TruncatedError(
            "nothing came through the pipe",
            path=pipe.name,
            hint="look at the exit code of the program that writes into the pipe",
        )
    raise UnsupportedError(
        "is no OVA and no OVF descriptor",
        path=pipe.name,
        hint="`kensho disk convert -` reads raw disks and streamOptimized VMDK from a pipe;"
        " everything else has to be a file or a URL",
    )


def _archive(pipe: PipeReader, *, first: bool) -> Front:
    """Read the descriptor and what of manifest and certificate follows it at once."""
    source = ForwardSource(pipe)
    files: dict[str, bytes] = {}
    descriptor: TarMember | None = None
    behind = iterate_members(source)
    for member in behind:
        name = PurePosixPath(member.name).name
        suffix = PurePosixPath(name).suffix.lower()
        most = _LIMITS.get(suffix)
        if member.type != "file" or name.startswith("._"):  # macOS's copies of attributes
            continue
        if descriptor is None and suffix != ".ovf":
            if first:
                raise _not_first(member.name, pipe.name)
            continue
        if most is None or (suffix == ".ovf" and descriptor is not None):
            behind = chain((member,), behind)
            break
        if member.size > most:
            raise LimitError(f"{name} has {member.size} bytes, at most {most}", path=pipe.name)
        descriptor = descriptor or member
        files[name] = source.read_at(member.offset, member.size)
    if descriptor is None:
        raise PackageError(
            "no .ovf descriptor is in this archive",
            path=pipe.name,
            hint="an OVA holds a descriptor and disk images; check that this is one",
        )
    folder, _, name = descriptor.name.rpartition("/")
    return Front("ova", _store(pipe.name, files), name, descriptor.mtime, folder, source, behind)


def _not_first(name: str, path: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} comes before the descriptor, and what has gone by is gone",
        path=path,
        hint="save the package to a file, or name its URL, and convert that;"
        " in an OVA the descriptor should be the first member (DSP0243 §5.3)",
    )


def _store(path: str, files: dict[str, bytes]) -> Store:
    def size_of(name: str) -> int | None:
        data = files.get(name)
        return None if data is None else len(data)

    def open_name(name: str) -> ByteSource:
        data = files.get(name)
        if data is None:
            raise absent(store, name)
        return MemorySource(data, f"{path}#{name}")

    store = Store(path, size_of, open_name, lambda: None, tuple(files), beyond=_BEYOND)
    return store
