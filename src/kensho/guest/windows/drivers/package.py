"""A driver package on a medium: an INF with what belongs to it, and whether its signature holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from kensho.guest.windows.drivers.catalog import MAX_CATALOG, Catalog, read_catalog
from kensho.guest.windows.drivers.inf import MAX_INF, Inf, read_inf
from kensho.guest.windows.drivers.install import (
    Device,
    Version,
    base_name,
    read_version_section,
    source_folders,
)
from kensho.guest.windows.drivers.media import Media
from kensho.guest.windows.drivers.pe import is_pe, read_pe
from kensho.guest.windows.drivers.signed_data import read_signed
from kensho.model.errors import CorruptError, KenshoError, NotFoundError
from kensho.model.finding import Finding, Severity

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .()+-]{0,99}")


@dataclass(frozen=True, slots=True)
class DriverPackage:
    """An INF of a medium."""

    media: Media
    inf: Inf
    version: Version

    @property
    def name(self) -> str:
        """The INF's name without its suffix, in lower case: ``viostor``."""
        return PurePosixPath(self.inf.path).stem.lower()

    @property
    def folder(self) -> str:
        """The folder that it lies in, empty for the medium's root."""
        parent = PurePosixPath(self.inf.path).parent.as_posix()
        return "" if parent == "." else parent

    def find(self, file: str, architecture: str) -> str:
        """Return where the medium has a file of this package, empty when it has not."""
        below = source_folders(self.inf, architecture).get(file.lower(), "")
        for place in (f"{self.folder}/{below}/{file}", f"{self.folder}/{file}"):
            if ".." not in place.replace("\\", "/").split("/"):
                found = self.media.find(place.replace("\\", "/").replace("//", "/"))
                if found:
                    return found
        return ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A package's files for one architecture, and who vouches for them.

    ``signer`` is empty when nobody does, ``why`` says why not. ``chain`` goes up from the signer.
    ``weak`` are files listed by SHA-1 alone; ``embedded`` those signed in themselves, too.
    """

    files: tuple[tuple[str, bytes], ...]
    signer: str = ""
    chain: tuple[str, ...] = ()
    why: str = ""
    weak: tuple[str, ...] = ()
    embedded: tuple[str, ...] = ()


def read_packages(media: Media) -> tuple[tuple[DriverPackage, ...], tuple[Finding, ...]]:
    """Return the driver packages of a medium by their paths, and what could not be read."""
    packages, findings = [], []
    for path in sorted(media.sizes):
        if not path.lower().endswith(".inf"):
            continue
        try:
            inf = read_inf(media.read(path, MAX_INF), path)
        except KenshoError as error:
            # autorun.inf and the like are no driver's.
            if not isinstance(error, CorruptError) or "no INF" not in error.message:
                findings.append(
                    Finding("KF-912", Severity.WARNING, str(error), media.name, "it is passed over")
                )
            continue
        if inf.lines("Manufacturer"):
            packages.append(DriverPackage(media, inf, read_version_section(inf)))
    return tuple(packages), tuple(findings)


def load(package: DriverPackage, devices: tuple[Device, ...], architecture: str) -> Loaded:
    """Read the files that these devices need, and judge who signed them.

    Raises NotFoundError when the medium lacks one, CorruptError when a driver is for another
    architecture or no driver at all.
    """
    drivers = {s.binary.lower() for device in devices for s in device.services}
    names = dict.fromkeys(
        word for device in devices for word in (*device.files, *(s.binary for s in device.services))
    )
    files = {base_name(package.inf.path): package.media.read(package.inf.path, MAX_INF)}
    for name in names:
        if not name:
            continue
        place = package.find(name, architecture)
        if not place:
            raise NotFoundError(
                f"{name}, which it copies, is not on the medium", path=_place(package)
            )
        files[base_name(place)] = package.media.read(place)
    # All others of the package, too: Plug and Play wants it whole.
    for name in source_folders(package.inf, architecture):
        place = package.find(base_name(name), architecture)
        if place and base_name(place) not in files:
            files[base_name(place)] = package.media.read(place)
    for name, data in files.items():
        if not _PLAIN.fullmatch(name):
            raise CorruptError(f"a driver's file cannot be called {name!r}", path=_place(package))
        if name.lower() in drivers:
            machine = read_pe(data, name).machine
            if machine != architecture:
                raise CorruptError(
                    f"{name} is for {machine}, not for {architecture}", path=_place(package)
                )
    return _judge(package, files, architecture)


def _judge(package: DriverPackage, files: dict[str, bytes], architecture: str) -> Loaded:
    wanted = package.version.catalog(architecture)
    if wanted and not _PLAIN.fullmatch(wanted):
        raise CorruptError(f"a catalogue cannot be called {wanted!r}", path=_place(package))
    place = package.find(wanted, architecture) if wanted else ""
    if not place:
        why = f"its catalogue {wanted} is not there" if wanted else "it names no catalogue"
        return Loaded(tuple(files.items()), why=why)
    data = package.media.read(place, MAX_CATALOG)
    listed = dict(files)
    whole = (*files.items(), (base_name(place), data))
    try:
        catalog = read_catalog(data, base_name(place))
        weak = _weak(catalog, listed)
    except KenshoError as error:
        return Loaded(whole, why=str(error))
    return Loaded(
        whole,
        signer=catalog.signed.signer,
        chain=catalog.signed.chain,
        weak=weak,
        embedded=tuple(name for name, content in listed.items() if _embedded(name, content)),
    )


def _weak(catalog: Catalog, files: dict[str, bytes]) -> tuple[str, ...]:
    """Return the files listed by SHA-1 alone; CorruptError when one is not listed at all."""
    weak = []
    for name, data in files.items():
        algorithm = catalog.lists(data, name)
        if not algorithm:
            raise CorruptError(f"{name} is not what the catalogue lists, or was changed")
        if algorithm == "sha1":
            weak.append(name)
    return tuple(weak)


def _embedded(name: str, data: bytes) -> bool:
    """Tell whether a driver has a signature of its own that holds."""
    if not is_pe(data):
        return False
    program = read_pe(data, name)
    if not program.signature:
        return False
    try:
        signed = read_signed(program.signature, name)
        # SpcIndirectDataContent: what it is, then DigestInfo.
        digest = signed.content.part(1, 0x30).part(1, 0x04).content
    except KenshoError:
        return False
    algorithm = {20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}.get(len(digest), "")
    return bool(algorithm) and program.digest(algorithm) == digest


def _place(package: DriverPackage) -> str:
    return f"{package.media.name}: {package.inf.path}"
