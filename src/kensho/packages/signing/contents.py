"""What is really in a package, hashed in one pass from front to back: archive, folder, URL, pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from kensho.appliances.origin import find_origin
from kensho.appliances.ovf.elements import attribute, children
from kensho.appliances.ovf.manifest import MAX_MANIFEST, read_manifest
from kensho.appliances.ovf.open import refuse_other
from kensho.appliances.package import Digest
from kensho.appliances.paths import plain_name
from kensho.appliances.sniff import is_tar, is_xml, refuse_empty
from kensho.appliances.store import Store, find, read_text_file
from kensho.appliances.whole_packed import unpacked
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.errors import KenshoError, LimitError, PackageError, UnsupportedError
from kensho.packages.copying import copy_source
from kensho.packages.signing.certificate import MAX_CERTIFICATE
from kensho.storage import ByteSource, MemorySource, WindowSource
from kensho.storage.forward import ForwardSource
from kensho.storage.locator import is_pipe
from kensho.storage.pipe import PipeReader
from kensho.storage.tar import iterate_members

#: What is computed of a file before it is known what the manifest says of it.
_ANY = ("md5", "sha1", "sha256", "sha384", "sha512")
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
    if locator == "-" and is_pipe():
        pipe = PipeReader()
        if not is_tar(MemorySource(pipe.peek(1024))):
            raise UnsupportedError("is no OVA", path=pipe.name, hint="unpack it: zcat x.gz |")
        return _archive(ForwardSource(pipe), on_bytes)
    origin = find_origin(locator)
    with closing(origin.open()) as source:
        origin, head = unpacked(origin, source) or (origin, source)
        refuse_empty(head)
        archive, xml = is_tar(head), is_xml(head)
    if archive:
        with closing(origin.open()) as source:
            return _archive(source, on_bytes)
    if not xml:
        raise UnsupportedError(
            "is no OVF package", path=origin.path, hint="name an OVA or an OVF descriptor"
        )
    store = origin.beside()
    try:
        return _folder(store, origin.name, on_bytes)
    finally:
        store.close()


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
        if member.size > limit >= 0 and limit != MAX_XML:
            raise LimitError(
                f"{member.size} bytes; at most {limit} are read",
                path=window.name,
                offset=member.offset,
            )
        if member.size <= limit:
            texts[member.name] = window.read_at(0, member.size)
            window = MemorySource(texts[member.name], window.name)
            if member.name.lower().endswith(".mf"):
                ahead = _merged(ahead, _relative(member.name, texts[member.name]))
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


def _folder(store: Store, name: str, on_bytes: Callable[[int], None] | None) -> Contents:
    texts: dict[str, bytes] = {}
    stem = PurePosixPath(name).stem
    for text, suffix in ((name, ".ovf"), (f"{stem}.mf", ".mf"), (f"{stem}.cert", ".cert")):
        if text == name or store.size_of(text) is not None:
            texts[text] = read_text_file(store, text, _TEXTS[suffix])
    _refuse_other(texts[name], f"{store.path}/{name}")
    manifest = _relative("", texts.get(f"{stem}.mf", b""))
    files: dict[str, Held] = {}
    for wanted in dict.fromkeys((*texts, *manifest, *_references(texts[name]))):
        held = _hash(store, wanted, _algorithms(manifest, wanted), on_bytes)
        if held is not None:
            files[held.name] = held
    return _contents(store.path, name, files, texts)


def _refuse_other(descriptor: bytes, path: str) -> None:
    """Raise UnsupportedError for XML that is of something else; what is broken has digests all the same."""
    try:
        root, _ = parse_xml(descriptor, path=path)
    except KenshoError:
        return
    refuse_other(root, path)


def _hash(
    store: Store,
    name: str,
    algorithms: Iterable[str],
    on_bytes: Callable[[int], None] | None,
) -> Held | None:
    """Hash a file beside the descriptor; None when it is not there or not of the package."""
    try:
        found = find(store, name)
    except (PackageError, UnsupportedError):  # outside the package, or at a web address
        return None
    if found is None:
        return None
    with closing(store.open(found)) as source:
        digests = copy_source(source, None, algorithms=algorithms, on_bytes=on_bytes)
        return Held(found, source.size, None, digests)


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
    """Find the manifest wherever it is in the archive, so that each file is hashed once.

    All of them, as which one counts depends on the descriptor.
    """
    found: Digests | None = None
    for member in iterate_members(source):
        if member.name.lower().endswith(".mf") and member.size <= MAX_MANIFEST:
            data = source.read_at(member.offset, member.size)
            found = _merged(found, _relative(member.name, data))
    return found


def _merged(one: Digests | None, other: Digests) -> Digests:
    names = {*(one or {}), *other}
    return {name: ((one or {}).get(name, ()) + other.get(name, ())) for name in names}


def _relative(name: str, data: bytes) -> Digests:
    """Return a manifest's digests by names as the archive has them."""
    digests, _ = read_manifest(data, path=name)
    folder = name.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    return {f"{prefix}{plain_name(n)}": d for n, d in digests.items()}


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
