"""Write a mended package: files as they are, but for those that are unpacked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from kensho.appliances.ovf.elements import Notes, attribute, children
from kensho.appliances.ovf.references import read_files
from kensho.appliances.packed import open_content
from kensho.model.appliance import File
from kensho.packages.copying import check_digests
from kensho.packages.files import complete_files, stated_digests
from kensho.packages.rewrite import (
    ALGORITHMS,
    PackageFile,
    Signer,
    WrittenPackage,
    serialise_descriptor,
    with_sizes,
    write_package,
)
from kensho.packages.source import OvfPackage
from kensho.packages.validate.fix import Mended
from kensho.packages.validate.profile import Profile
from kensho.packages.validate.rules.references import stored
from kensho.packages.validate.subject import package_subject, subject_of
from kensho.storage import ByteSource
from kensho.storage.digest import digest_source


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of the result: its name, its names in the package, what is unpacked or joined."""

    name: str
    stored: tuple[str, ...]
    content: File | None = None


def algorithm_for(profiles: Sequence[Profile]) -> str:
    """Return the digest that all targets read; SHA-256 where they leave the choice."""
    allowed = set(ALGORITHMS)
    for profile in profiles:
        allowed &= profile.digests or allowed
    order = ("sha256", "sha512", "sha384", "sha1")
    return next((a for a in order if a in allowed), "sha256")


def write_fixed(
    package: OvfPackage,
    mended: Mended,
    target: str,
    *,
    algorithm: str | None = "sha256",
    sign: Signer | None = None,
    overwrite: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> WrittenPackage:
    """Write ``mended`` to ``target`` with a new manifest.

    What the manifest before vouches for is compared first: ManifestMismatchError when it differs,
    so that a damaged package does not get a good manifest. PackageError when a file is missing,
    UnsafePathError when one lies outside the package.
    """
    complete_files(package)  # a package without one of them would look complete
    stated = stated_digests(package)
    with ExitStack() as stack:
        files: list[PackageFile] = []
        for entry in _sources(package, mended):
            for name in entry.stored:
                _check(package, name, stated.get(name, {}))
            source: ByteSource = (
                package.store.open(entry.stored[0])
                if entry.content is None
                else open_content(package.store, entry.content, None)
            )
            stack.callback(source.close)
            files.append(PackageFile(entry.name, source))
        descriptor = _descriptor(mended, files)
        path = Path(target)
        stem = path.stem if path.suffix.lower() == ".ova" else package.name
        return write_package(
            target,
            name=stem,
            descriptor=descriptor,
            files=files,
            algorithm=algorithm,
            sign=sign,
            overwrite=overwrite,
            on_bytes=on_bytes,
        )


def _descriptor(mended: Mended, files: Sequence[PackageFile]) -> bytes:
    """Return the descriptor, with other sizes where files were unpacked or sizes were wrong."""
    wanted = {f.name: f.source.size for f in files}
    said = {
        attribute(f, "href"): attribute(f, "size")
        for r in children(mended.root, "References")
        for f in children(r, "File")
    }
    wrong = {n: size for n, size in wanted.items() if said.get(n, str(size)) != str(size)}
    if not wrong:
        return mended.after
    with_sizes(mended.root, wrong)
    return serialise_descriptor(mended.root)


def _sources(package: OvfPackage, mended: Mended) -> Iterator[_Source]:
    """Yield the files in the order of the package; unpacked and joined ones by their new names."""
    before = package_subject(package)
    after = subject_of(mended.root, package.name)
    models = {f.href: f for f in read_files(package.root, Notes(package.path))}
    changed: dict[str, _Source] = {}
    names = list(package.files)
    for old, new in zip(before.files, after.files, strict=False):
        href = attribute(old, "href")
        parts = tuple(_chunks(package, href)) if attribute(old, "chunkSize") else ()
        parts = parts or tuple(n for n in (stored(before, old),) if n is not None)
        same = all(attribute(old, n) == attribute(new, n) for n in ("compression", "chunkSize"))
        if not same and parts and href in models:
            made = _Source(attribute(new, "href"), parts, models[href])
            changed.update(dict.fromkeys(parts, made))
        names += [p for p in parts if p not in names]  # chunks: package.files has whole files
    done: set[str] = set()
    for name in dict.fromkeys(names):
        entry = changed.get(name, _Source(name, (name,)))
        if entry.name not in done:
            done.add(entry.name)
            yield entry


def _chunks(package: OvfPackage, href: str) -> Iterator[str]:
    number = 0
    while package.store.size_of(f"{href}.{number:09d}") is not None:
        yield f"{href}.{number:09d}"
        number += 1


def _check(package: OvfPackage, name: str, stated: Mapping[str, str]) -> None:
    if not stated:
        return
    with closing(package.store.open(name)) as source:
        found = digest_source(source, stated)
        check_digests(name, found, stated, source.size, package.path)
