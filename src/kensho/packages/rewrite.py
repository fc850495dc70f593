"""The one way to write an OVF package: archive, folder or pipe, hashed on the way, signed last.

DSP0243 2.1 §5.1-5.3: descriptor, manifest, certificate, then the files in the order of References;
or manifest and certificate at the very end. What can be gone back in (an OVA, a folder) gets them
behind the descriptor, where VMware and VirtualBox look first. A pipe gets them at the end, because
the digests are known only then, unless the caller knows all of them (`PackageFile.digests`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children
from kensho.appliances.paths import plain_name
from kensho.model.errors import LocatorError
from kensho.packages.copying import copy_source
from kensho.packages.rewrite_folder import Folder
from kensho.packages.rewrite_job import (
    ALGORITHMS,
    Job,
    PackageFile,
    Signer,
    WrittenFile,
    WrittenPackage,
    check,
)
from kensho.storage import FileSource, PendingFile, TarWriter
from kensho.storage.pipe import PipeSink

__all__ = [
    "ALGORITHMS",
    "PackageFile",
    "Signer",
    "WrittenFile",
    "WrittenPackage",
    "serialise_descriptor",
    "with_sizes",
    "write_package",
]
_SLACK = 64  # ECDSA signatures differ by a few bytes from one to the next


def write_package(
    target: str | Path,
    *,
    name: str,
    descriptor: bytes,
    files: Sequence[PackageFile],
    algorithm: str | None = "sha256",
    sign: Signer | None = None,
    overwrite: bool = False,
    on_bytes: Callable[[int], None] | None = None,
    mtime: int = 0,
) -> WrittenPackage:
    """Write a package to ``target`` and return what was written.

    ``target`` is ``*.ova`` for an archive, ``-`` for an archive into standard output, else a
    ``*.ovf`` file or a folder. ``name`` is the descriptor's name, with or without ``.ovf``, for all
    targets but ``*.ovf``. The manifest has one digest by ``algorithm`` per file, None leaves it
    out; ``sign`` makes the certificate file. ``on_bytes`` is called with the bytes done since the
    last call; ``mtime`` (seconds since 1970) is in the archive's headers.

    The result appears when it is complete and durable, not before; the target may be where the
    files come from. In a folder a file that is there already and is the source itself stays in its
    place, and manifest and certificate of the package before are removed. UsageError for names
    that clash or a signature without a manifest, UnsafePathError for names outside the package,
    LocatorError when the target is there and ``overwrite`` is false.
    """
    place = str(target)
    if place.lower().endswith(".ovf"):
        name = PurePosixPath(place).name
    stem = name[:-4] if name.lower().endswith(".ovf") else name
    own = name if stem != name else f"{name}.ovf"
    job = Job(stem, own, descriptor, files, algorithm, sign, on_bytes)
    check(job)
    if place == "-":
        return _to_pipe(job, mtime)
    path = Path(place)
    path = path.resolve() if path.is_symlink() else path
    if path.suffix.lower() == ".ova":
        return _to_archive(job, path, mtime, overwrite=overwrite)
    folder = path.parent if path.suffix.lower() == ".ovf" else path
    return _to_folder(job, folder, overwrite=overwrite)


def serialise_descriptor(root: etree._Element) -> bytes:
    """Return a descriptor's bytes: UTF-8, declared, with what stands beside the root element."""
    tree = root.getroottree()
    if tree.docinfo.standalone:
        data = etree.tostring(tree, xml_declaration=True, encoding="UTF-8", standalone=True)
    else:
        data = etree.tostring(tree, xml_declaration=True, encoding="UTF-8")
    return data if data.endswith(b"\n") else data + b"\n"


def with_sizes(root: etree._Element, sizes: Mapping[str, int]) -> None:
    """Make ``ovf:size`` of the References true; ``sizes`` maps file names to bytes."""
    for references in children(root, "References"):
        for element in children(references, "File"):
            href = attribute(element, "href")
            size = sizes.get(plain_name(href), sizes.get(plain_name(unquote(href))))
            if size is not None:
                element.set(_attribute_name(element, "size"), str(size))


def _attribute_name(element: etree._Element, name: str) -> str:
    """Return how the element spells the attribute, or would: like its href."""
    keys = [str(key) for key in element.attrib]
    for key in keys:
        if key.rpartition("}")[2] == name:
            return key
    like = next(key for key in keys if key.rpartition("}")[2] == "href")
    return like.removesuffix("href") + name


def _to_archive(job: Job, path: Path, mtime: int, *, overwrite: bool) -> WrittenPackage:
    refuse_existing(path, overwrite=overwrite)
    with PendingFile(path) as pending:
        tar = TarWriter(pending.sink, mtime=mtime)
        tar.add(job.name, job.descriptor)
        # As long as the real ones will be: digests of one algorithm all have one length.
        length = 2 * _digest_size(job.algorithm)
        draft = job.manifest(["0" * length] * len(job.files))
        draft_certificate = job.signed(draft)
        slot = None if draft is None else tar.reserve(job.named(".mf"), len(draft))
        certificate_slot = (
            None
            if draft_certificate is None
            else tar.reserve(job.named(".cert"), len(draft_certificate) + _SLACK)
        )
        digests = [_place(job, file, tar, pending.sink) for file in job.files]
        manifest = job.manifest(digests)
        certificate = job.signed(manifest)
        if slot is not None and manifest is not None:
            slot.fill(manifest)
        if certificate_slot is not None and certificate is not None:
            certificate_slot.fill(certificate, pad=b"\n")
        tar.finish()
        _check_sources(job)
    return job.result(str(path), digests, manifest, certificate)


def _to_pipe(job: Job, mtime: int) -> WrittenPackage:
    pipe = PipeSink()
    tar = TarWriter(pipe, mtime=mtime)
    tar.add(job.name, job.descriptor)
    known = [job.known(file) or "" for file in job.files]
    at_once = all(known) or job.algorithm is None
    digests, manifest, certificate = known, None, None
    if at_once:
        manifest, certificate = _add_manifest(job, tar, digests)
    digests = [_place(job, file, tar, pipe) for file in job.files]
    _check_sources(job)
    if not at_once:
        manifest, certificate = _add_manifest(job, tar, digests)
    tar.finish()
    return job.result("-", digests, manifest, certificate)


def _add_manifest(
    job: Job, tar: TarWriter, digests: Sequence[str]
) -> tuple[bytes | None, bytes | None]:
    manifest = job.manifest(digests)
    certificate = job.signed(manifest)
    if manifest is not None:
        tar.add(job.named(".mf"), manifest)
    if certificate is not None:
        tar.add(job.named(".cert"), certificate)
    return manifest, certificate


def _place(job: Job, file: PackageFile, tar: TarWriter, sink: object) -> str:
    """Write a member and return its digest, which is empty when none is wanted."""
    at = tar.place(file.name, file.source.size)
    found = copy_source(
        file.source,
        sink,  # type: ignore[arg-type]
        at,
        algorithms=job.wanted(file),
        on_bytes=job.on_bytes,
    )
    tar.placed()
    return job.settled(file, found)


def _to_folder(job: Job, folder: Path, *, overwrite: bool) -> WrittenPackage:
    with ExitStack() as stack:
        into = stack.enter_context(Folder(folder, overwrite=overwrite))
        into.refuse([(file.name, file.source) for file in job.files])
        into.refuse([(name, None) for name in job.own_names()])
        digests = []
        for file in job.files:
            copy = partial(
                copy_source, file.source, algorithms=job.wanted(file), on_bytes=job.on_bytes
            )
            found = into.add(file.name, file.source, copy)
            digests.append(job.settled(file, found))
        manifest = job.manifest(digests)
        certificate = job.signed(manifest)
        into.put(job.named(".mf"), manifest)
        into.put(job.named(".cert"), certificate)
        into.put(job.name, job.descriptor)
        _check_sources(job)
    return job.result(str(folder / job.name), digests, manifest, certificate)


def _check_sources(job: Job) -> None:
    for file in job.files:
        if isinstance(file.source, FileSource):
            file.source.check_unchanged()


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise LocatorError when there is a file of that name, unless it is to be replaced."""
    if path.exists() and not overwrite:
        raise LocatorError("there is a file already", path=path, hint="add --overwrite")


def _digest_size(algorithm: str | None) -> int:
    return 0 if algorithm is None else hashlib.new(algorithm, usedforsecurity=False).digest_size
