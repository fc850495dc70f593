"""The front of a package that comes through a pipe: descriptor, manifest and certificate.

DSP0243 §5.3 puts the descriptor first, so that whoever receives a package knows what it is before
its disks arrive. Here nothing behind it is read; what needs the disks has to have a file or a URL.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from kensho.appliances.assemble import assemble
from kensho.appliances.ovf.manifest import MAX_MANIFEST
from kensho.appliances.ovf.open import manifest_beside, read_descriptor
from kensho.appliances.package import Package
from kensho.appliances.sniff import is_tar, is_xml
from kensho.appliances.store import Store, absent
from kensho.appliances.xmlsafe import MAX_XML
from kensho.model.errors import LimitError, PackageError, UnsupportedError
from kensho.model.selection import Selection
from kensho.storage import ByteSource, MemorySource
from kensho.storage.forward import ForwardSource
from kensho.storage.pipe import PipeReader
from kensho.storage.tar import iterate_members

_BEYOND = "a pipe is read once, and only up to the descriptor"
_LIMITS = {".ovf": MAX_XML, ".mf": MAX_MANIFEST, ".cert": MAX_MANIFEST}
_XML_NAME = "package.ovf"


def open_pipe(pipe: PipeReader, selection: Selection) -> Package:
    """Read the descriptor of an OVA or OVF out of ``pipe``; its files cannot be opened.

    UnsupportedError when something else comes, PackageError when no descriptor does.
    """
    kind, store, name = front_of(pipe)
    appliance, findings = read_descriptor(store, name, selection, fallback=PurePosixPath(name).stem)
    manifest, own, more = manifest_beside(store, name)
    return assemble(
        kind,
        store.path,
        appliance,
        store,
        (*findings, *more),
        manifest=manifest,
        own=(name, *own),
    )


def front_of(pipe: PipeReader) -> tuple[Literal["ova", "ovf"], Store, str]:
    """Return the kind, the files read so far, and which of them is the descriptor."""
    head = MemorySource(pipe.peek(1024), pipe.name)
    if is_tar(head):
        files = _members(pipe)
        name = next(name for name in files if name.lower().endswith(".ovf"))
        return "ova", _store(pipe.name, files), name
    if head.size and is_xml(head):
        buffer = bytearray(MAX_XML + 1)
        length = pipe.read_up_to(buffer)
        if length > MAX_XML:
            raise LimitError(f"more than {MAX_XML} bytes of XML", path=pipe.name)
        return "ovf", _store(pipe.name, {_XML_NAME: bytes(buffer[:length])}), _XML_NAME
    raise UnsupportedError(
        "is no OVA and no OVF descriptor",
        path=pipe.name,
        hint="`kensho disk convert -` reads raw disks and streamOptimized VMDK from a pipe;"
        " everything else has to be a file or a URL",
    )


def _members(pipe: PipeReader) -> dict[str, bytes]:
    """Return the descriptor and what of manifest and certificate follows it at once."""
    source = ForwardSource(pipe)
    files: dict[str, bytes] = {}
    for member in iterate_members(source):
        name = PurePosixPath(member.name).name
        suffix = PurePosixPath(name).suffix.lower()
        most = _LIMITS.get(suffix)
        if member.type != "file" or most is None or (suffix != ".ovf" and not files):
            if files:
                break
            continue
        if suffix == ".ovf" and files:
            break
        if member.size > most:
            raise LimitError(f"{name} has {member.size} bytes, at most {most}", path=pipe.name)
        files[name] = source.read_at(member.offset, member.size)
    if not files:
        raise PackageError(
            "no .ovf descriptor is in this archive",
            path=pipe.name,
            hint="an OVA holds a descriptor and disk images; check that this is one",
        )
    return files


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
