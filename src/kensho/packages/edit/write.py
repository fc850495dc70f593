"""Write an edited package: in its place or anew, files untouched but for those the edit is about."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kensho.appliances.ovf.elements import attribute
from kensho.appliances.paths import candidates
from kensho.appliances.store import missing
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import UnsupportedError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.edit.apply import Edited
from kensho.packages.edit.files import references
from kensho.packages.edit.payload import Payload, Watch, materialised, nobody
from kensho.packages.edit.textual import merged
from kensho.packages.files import stated_digests
from kensho.packages.rewrite import (
    PackageFile,
    Signer,
    WrittenPackage,
    refuse_existing,
    serialise_descriptor,
    with_sizes,
    write_package,
)
from kensho.packages.source import OvfPackage

NO_MANIFEST = "none"


def write_edited(
    package: OvfPackage,
    edited: Edited,
    target: str | None,
    *,
    algorithm: str | None = None,
    sign: Signer | None = None,
    overwrite: bool = False,
    watch: Watch = nobody,
) -> WrittenPackage:
    """Write ``edited`` to ``target``, or in place of ``package`` when that is None.

    ``algorithm`` is that of the new manifest, `NO_MANIFEST` for none, None for the one there is.
    What the manifest before says of files that stay is kept, so that an edit does not vouch for
    bytes that nobody checked; ManifestMismatchError when another algorithm makes it look, and
    they differ.
    """
    place = _own_place(package) if target is None else target
    name = (
        package.name if target is None or not place.lower().endswith(".ova") else Path(place).stem
    )
    return write_payload(
        place,
        name=name,
        descriptor=lambda files: _descriptor(edited, files),
        payload=edited.payload,
        package=package,
        algorithm=algorithm,
        sign=sign,
        overwrite=overwrite or target is None,
        watch=watch,
    )


def _counter(meter: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        meter(done, total)

    return count


def _own_place(package: OvfPackage) -> str:
    """Return where a package is; UsageError for a URL, a pipe, or a name that is not a package's."""
    file = Path(package.path)
    if not file.is_file() or file.suffix.lower() != f".{package.kind}":
        raise UsageError(
            "cannot be written in place", path=package.path, hint="name the result with -o"
        )
    return package.path


def write_payload(
    place: str,
    *,
    name: str,
    descriptor: Callable[[list[PackageFile]], bytes],
    payload: Payload,
    package: OvfPackage | None = None,
    algorithm: str | None = None,
    sign: Signer | None = None,
    overwrite: bool = False,
    watch: Watch = nobody,
) -> WrittenPackage:
    """Write a package of these files; ``descriptor`` is asked for when they are all made.

    See `write_edited` for ``algorithm``; ``package`` is where the files that stay come from.
    """
    if place.lower().endswith((".ova", ".ovf")):  # before disks are converted for it
        refuse_existing(Path(place), overwrite=overwrite)
    beside = Path(tempfile.gettempdir()) if place == "-" else _folder(Path(place))
    beside.mkdir(parents=True, exist_ok=True)
    before = {} if package is None else stated_digests(package)
    wanted = _algorithm(package, algorithm, place, before)
    if sign is not None and wanted is None:
        wanted = "sha256"
    with materialised(payload, package, beside, before, watch) as made:
        files = [_compared(file, wanted) for file in made]
        text = descriptor(files)
        if place == "-" or place.lower().endswith(".ova"):
            _refuse_missing(place, text, files)
        return write_package(
            place,
            name=name,
            descriptor=text,
            files=files,
            algorithm=wanted,
            sign=sign,
            overwrite=overwrite,
            on_bytes=_counter(watch("write", place), sum(f.source.size for f in files)),
        )


def lost_signature(package: OvfPackage) -> tuple[Finding, ...]:
    """Return what to say of a package whose bytes change: nothing unless it is signed."""
    if package.certificate is None:
        return ()
    finding = Finding(
        "KF-740",
        Severity.WARNING,
        "the package is signed, and its signature does not fit the result",
        subject=package.path,
        action="left out; sign again with --key",
    )
    return (finding,)


def _descriptor(edited: Edited, files: list[PackageFile]) -> bytes:
    """Return the descriptor with the sizes of new files, known only when they are made."""
    new = {f.name: f.source.size for f in files if edited.payload.files.get(f.name) is not None}
    if not new:
        return edited.after
    with_sizes(edited.root, new)
    return merged(edited.before, edited.serialised, serialise_descriptor(edited.root))


def _folder(path: Path) -> Path:
    return path.parent if path.suffix.lower() in {".ova", ".ovf"} else path


def _algorithm(
    package: OvfPackage | None,
    asked: str | None,
    place: str,
    before: Mapping[str, Mapping[str, str]],
) -> str | None:
    if asked is not None:
        return None if asked == NO_MANIFEST else asked
    used = [name for digests in before.values() for name in digests if name != "md5"]
    if used:
        return max(used, key=lambda a: int(a.removeprefix("sha")) if a != "sha1" else 160)
    # A folder without a manifest is one somebody works in; it does not get one behind his back.
    without = package is not None and package.manifest is None
    in_folder = not place.lower().endswith(".ova") and place != "-"
    return None if without and in_folder else "sha256"


def _refuse_missing(place: str, descriptor: bytes, files: list[PackageFile]) -> None:
    """Raise PackageError when an archive would lack a file that its descriptor lists."""
    names = {file.name for file in files}
    root, _ = parse_xml(descriptor, path=place)
    for element in references(root):
        href = attribute(element, "href")
        with suppress(UnsupportedError):  # at a web address: a reference, no part of the package
            if not any(n in names or f"{n}.000000000" in names for n in candidates(href, place)):
                raise missing(href, place)


def _compared(file: PackageFile, wanted: str | None) -> PackageFile:
    """Believe what the manifest before says if it is all there is to say; else compare the bytes."""
    stated = file.digests or {}
    if wanted is None or set(stated) <= {wanted}:
        return file
    return replace(file, digests=None, expected=stated)
