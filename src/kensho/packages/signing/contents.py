"""What is really in a package, hashed in one pass from front to back: archive, folder, URL, pipe."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from kensho.appliances.folder import descriptor_in
from kensho.appliances.ovf.elements import attribute, children
from kensho.appliances.ovf.manifest import MAX_MANIFEST, read_manifest
from kensho.appliances.package import Digest
from kensho.appliances.paths import candidates
from kensho.appliances.sniff import is_tar
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.errors import KenshoError, LocatorError, PackageError, UnsupportedError
from kensho.packages.copying import copy_source
from kensho.packages.signing.certificate import MAX_CERTIFICATE
from kensho.storage import ByteSource, MemorySource, WindowSource
from kensho.storage.forward import ForwardSource
from kensho.storage.locator import open_source, scheme_of, sibling_opener
from kensho.storage.pipe import PipeReader
from kensho.storage.tar import iterate_members

#: What is computed of a file before it is known what the manifest says of it.
_ANY = ("sha1", "sha256", "sha384", "sha512")
_ALONE = ("sha256",)  #: of a file the manifest does not name
_TEXTS = {".ovf": MAX_XML, ".mf": MAX_MANIFEST, ".cert": MAX_CERTIFICATE}

Digests = Mapping[str, tuple[Digest, ...]]


@dataclass(frozen=True, slots=True)
class Held:
    """A file as it is: size in bytes, where it starts in the archive, digests by algorithm."""

    name: str
    size: int
    offset: int | None
    digests: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contents:
    """A package's files by name relative to its descriptor, and the small ones' bytes.

    ``manifest`` and ``certificate`` are names, None when there is none. ``wanted`` are the names
    the descriptor refers to.
    """

    path: str
    descriptor: str
    manifest: str | None
    certificate: str | None
    files: Mapping[str, Held]
    texts: Mapping[str, bytes]
    wanted: tuple[str, ...] = ()


def read_contents(locator: str, on_bytes: Callable[[int], None] | None = None) -> Contents:
    """Hash all files of the package at ``locator``, each with what its manifest has of it.

    A pipe (``-``) is read once; files that come before the manifest are hashed with every
    algorithm a manifest may have. LocatorError, PackageError without a descriptor, and what reading
    a tar archive raises.
    """
    if locator == "-" and not stat.S_ISREG(os.fstat(0).st_mode):
        return _archive(ForwardSource(PipeReader(0, "-")), on_bytes)
    if scheme_of(locator) is None and Path(locator).is_dir():
        locator = os.fspath(descriptor_in(Path(locator)))
    with closing(open_source(locator)) as source:
        if is_tar(source):
            return _archive(source, on_bytes)
        path = urlsplit(locator).path if scheme_of(locator) else locator
        name = PurePosixPath(unquote(path) if scheme_of(locator) else path).name
        if not name.lower().endswith(".ovf"):
            raise UnsupportedError(
                "is no OVF package", path=locator, hint="name an OVA or an OVF descriptor"
            )
    return _folder(locator, name, on_bytes)


def _archive(source: ByteSource, on_bytes: Callable[[int], None] | None) -> Contents:
    ahead = None if isinstance(source, ForwardSource) else _manifest_ahead(source)
    files: dict[str, Held] = {}
    texts: dict[str, bytes] = {}
    for member in iterate_members(source):
        if member.type != "file":
            continue
        window: ByteSource = WindowSource(
            source, member.offset, member.size, f"{source.name}#{member.name}"
        )
        limit = _TEXTS.get(PurePosixPath(member.name).suffix.lower(), -1)
        if member.size <= limit:
            texts[member.name] = window.read_at(0, member.size)
            window = MemorySource(texts[member.name], window.name)
            if ahead is None and member.name.lower().endswith(".mf"):
                ahead = _relative(member.name, texts[member.name])
        algorithms = _algorithms(ahead, member.name)
        digests = copy_source(window, None, algorithms=algorithms, on_bytes=on_bytes)
        files[member.name] = Held(member.name, member.size, member.offset, digests)
    return _archived(source.name, files, texts)


def _archived(path: str, files: Mapping[str, Held], texts: Mapping[str, bytes]) -> Contents:
    names = [n for n in files if _is_descriptor(n)]
    if not names:
        raise PackageError(
            "no .ovf descriptor is in this archive",
            path=path,
            hint="an OVA holds a descriptor and disk images; check that this is one",
        )
    descriptor = min(names, key=lambda name: name.count("/"))
    folder, _, name = descriptor.rpartition("/")
    prefix = f"{folder}/" if folder else ""
    inside = {n[len(prefix) :]: held for n, held in files.items() if n.startswith(prefix)}
    own = {n[len(prefix) :]: data for n, data in texts.items() if n.startswith(prefix)}
    return _contents(path, name, inside, own)


def _is_descriptor(name: str) -> bool:
    return name.lower().endswith(".ovf") and not PurePosixPath(name).name.startswith("._")


def _folder(locator: str, name: str, on_bytes: Callable[[int], None] | None) -> Contents:
    opener = sibling_opener(locator)
    texts: dict[str, bytes] = {}
    stem = PurePosixPath(name).stem
    for text, suffix in ((name, ".ovf"), (f"{stem}.mf", ".mf"), (f"{stem}.cert", ".cert")):
        try:
            source = opener(text)
        except LocatorError:
            if text == name:
                raise
            continue
        with closing(source):
            if source.size <= _TEXTS[suffix]:
                texts[text] = source.read_at(0, source.size)
    manifest = _relative("", texts.get(f"{stem}.mf", b""))
    files: dict[str, Held] = {}
    for wanted in dict.fromkeys((name, *texts, *manifest, *_references(texts.get(name, b"")))):
        held = _hash(wanted, opener, _algorithms(manifest, wanted), on_bytes)
        if held is not None:
            files[held.name] = held
    return _contents(locator, name, files, texts)


def _hash(
    name: str,
    opener: Callable[[str], ByteSource],
    algorithms: Iterable[str],
    on_bytes: Callable[[int], None] | None,
) -> Held | None:
    """Hash a file beside the descriptor; None when it is not there or not of the package."""
    for candidate in _candidates(name):
        try:
            source = opener(candidate)
        except (LocatorError, PackageError, UnsupportedError):
            continue
        with closing(source):
            digests = copy_source(source, None, algorithms=algorithms, on_bytes=on_bytes)
            return Held(candidate, source.size, None, digests)
    return None


def _candidates(name: str) -> tuple[str, ...]:
    try:
        return candidates(name, "manifest")
    except (PackageError, UnsupportedError):  # outside the package, or at a URL
        return ()


def _contents(
    path: str, descriptor: str, files: Mapping[str, Held], texts: Mapping[str, bytes]
) -> Contents:
    stem = PurePosixPath(descriptor).stem
    manifest = _own(texts, stem, ".mf")
    signed = PurePosixPath(manifest).stem if manifest else stem
    certificate = _own(texts, signed, ".cert")
    wanted = tuple(_references(texts.get(descriptor, b"")))
    return Contents(path, descriptor, manifest, certificate, files, texts, wanted)


def _own(texts: Mapping[str, bytes], stem: str, suffix: str) -> str | None:
    """Return the file of that name, else the only one with that suffix."""
    if f"{stem}{suffix}" in texts:
        return f"{stem}{suffix}"
    others = [n for n in texts if n.lower().endswith(suffix) and "/" not in n]
    return others[0] if len(others) == 1 else None


def _manifest_ahead(source: ByteSource) -> Digests | None:
    """Find the manifest wherever it is in the archive, so that each file is hashed once."""
    for member in iterate_members(source):
        if member.name.lower().endswith(".mf") and member.size <= MAX_MANIFEST:
            return _relative(member.name, source.read_at(member.offset, member.size))
    return None


def _relative(name: str, data: bytes) -> Digests:
    """Return a manifest's digests by names as the archive has them."""
    digests, _ = read_manifest(data, path=name)
    folder = name.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    return {f"{prefix}{n.removeprefix('./')}": d for n, d in digests.items()}


def _algorithms(manifest: Digests | None, name: str) -> tuple[str, ...]:
    if manifest is None:
        return _ANY
    stated = manifest.get(name) or next(
        (digests for other, digests in manifest.items() if unquote(other) == name), ()
    )
    return tuple(dict.fromkeys(d.algorithm for d in stated)) or _ALONE


def _references(descriptor: bytes) -> Iterator[str]:
    """Yield the hrefs of the descriptor, as far as it can be read."""
    try:
        root, _ = parse_xml(descriptor, path="descriptor")
    except KenshoError:
        return
    for references in children(root, "References"):
        for file in children(references, "File"):
            href = attribute(file, "href")
            if href:
                yield href
