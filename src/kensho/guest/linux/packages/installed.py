"""The packages of whatever manager a guest has: a row for each, asked in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.packages.debian_copyright import licences_of
from kensho.guest.linux.packages.rpm import packages_of_bdb, packages_of_ndb, packages_of_sqlite
from kensho.guest.linux.packages.sqlite import rows
from kensho.guest.package import Package

_MOST = 256 << 20
_MOST_DESC = 1 << 20
_MOST_WORDS = 300
_MOST_COPYRIGHTS = 10_000


def installed_packages(files: GuestFiles) -> tuple[str, tuple[Package, ...]]:
    """Return the package manager and its packages, by name; empty where there is none.

    Raises what reading its database does.
    """
    for manager, path, reads in _DATABASES:
        if files.exists(path):
            found = reads(files.read(path, _MOST))
            return manager, _licensed(files, found) if manager == "dpkg" else found
    for manager, folder, listed in _FOLDERS:
        names = files.names_or_none(folder)
        if names:
            return manager, tuple(listed(files, folder, names))
    return "", ()


def manager_of(files: GuestFiles) -> str:
    """Return the package manager whose database is there, whether it can be read or not."""
    return next((manager for manager, path, _ in _DATABASES if files.exists(path)), "")


def _dpkg(data: bytes) -> tuple[Package, ...]:
    stanzas = (_fields(part) for part in data.decode("utf-8", "replace").split("\n\n"))
    return _sorted(
        Package(fields["Package"], fields.get("Version", ""), fields.get("Architecture", ""))
        for fields in stanzas
        if fields.get("Status", "").endswith(" installed") and "Package" in fields
    )


def _licensed(files: GuestFiles, packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """Return packages with the licences that lie in files of their own, of the first of them."""
    known = tuple(
        msgspec.structs.replace(package, license=licences_of(files, package.name))
        for package in packages[:_MOST_COPYRIGHTS]
    )
    return known + packages[_MOST_COPYRIGHTS:]


def _fields(stanza: str) -> dict[str, str]:
    """Return the fields of one stanza, what goes on over several lines left out."""
    return {
        key: value.strip()
        for line in stanza.splitlines()
        if not line.startswith((" ", "\t"))
        for key, _, value in (line.partition(":"),)
    }


def _apk(data: bytes) -> tuple[Package, ...]:
    stanzas = (_fields(part) for part in data.decode("utf-8", "replace").split("\n\n"))
    return _sorted(
        Package(f["P"], f.get("V", ""), f.get("A", ""), _words(f.get("L", "")))
        for f in stanzas
        if "P" in f
    )


def _words(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_MOST_WORDS]


def _pkg(data: bytes) -> tuple[Package, ...]:
    found = rows(data, "packages", "name", "version", "arch")
    return _sorted(Package(*(str(word) for word in row)) for row in found)


def _pacman(files: GuestFiles, folder: str, names: tuple[str, ...]) -> Iterator[Package]:
    for name in names:
        path = f"{folder}/{name}/desc"
        if files.exists(path):
            text = files.read(path, _MOST_DESC).decode("utf-8", "replace")
            fields = dict(re.findall(r"^%(NAME|VERSION|ARCH)%\n(.*)$", text, re.MULTILINE))
            licences = re.search(r"^%LICENSE%\n((?:.+\n?)+)", text, re.MULTILINE)
            yield Package(
                fields.get("NAME", name),
                fields.get("VERSION", ""),
                fields.get("ARCH", ""),
                _words(", ".join(licences[1].splitlines())) if licences else "",
            )


def _by_name(_: GuestFiles, __: str, names: tuple[str, ...]) -> Iterator[Package]:
    """Yield packages that are folders called name-version."""
    for name in names:
        match = re.fullmatch(r"(.+)-(\d[^-]*)", name)
        if match:
            yield Package(match[1], match[2])


def _sorted(packages: Iterator[Package]) -> tuple[Package, ...]:
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))


_Reads = Callable[[bytes], tuple[Package, ...]]
_DATABASES: tuple[tuple[str, str, _Reads], ...] = (
    ("dpkg", "/var/lib/dpkg/status", _dpkg),
    ("apk", "/lib/apk/db/installed", _apk),
    ("apk", "/usr/lib/apk/db/installed", _apk),
    ("rpm", "/usr/lib/sysimage/rpm/rpmdb.sqlite", packages_of_sqlite),
    ("rpm", "/var/lib/rpm/rpmdb.sqlite", packages_of_sqlite),
    ("rpm", "/usr/lib/sysimage/rpm/Packages.db", packages_of_ndb),
    ("rpm", "/var/lib/rpm/Packages.db", packages_of_ndb),
    ("rpm", "/var/lib/rpm/Packages", packages_of_bdb),
    ("pkg", "/var/db/pkg/local.sqlite", _pkg),
)
_Lists = Callable[[GuestFiles, str, tuple[str, ...]], Iterator[Package]]
_FOLDERS: tuple[tuple[str, str, _Lists], ...] = (
    ("pacman", "/var/lib/pacman/local", _pacman),
    ("pkg_add", "/var/db/pkg", _by_name),
    ("pkgin", "/usr/pkg/pkgdb", _by_name),
)
