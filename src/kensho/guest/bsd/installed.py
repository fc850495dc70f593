"""What is told of an installed FreeBSD, OpenBSD or NetBSD, and which controllers it starts from.

A controller serves when the kernel has a driver for it and fstab's root keeps its name there: labels,
DUIDs and the like do, ``/dev/da0p2`` does not on another kind of controller.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from kensho.guest.bsd.drivers import SYSTEMS, Drivers, names_in
from kensho.guest.files.tree import GuestFiles
from kensho.model import guest_os
from kensho.model.errors import KenshoError, LimitError
from kensho.model.machine import ControllerModel, GuestOs, NicModel

_KERNELS = {"freebsd": "/boot/kernel/kernel", "openbsd": "/bsd", "netbsd": "/netbsd"}
_VERSION = {
    "freebsd": re.compile(rb"FreeBSD (\d+\.\d+)-[A-Z]"),
    "openbsd": re.compile(rb"OpenBSD (\d+\.\d+)[ -]"),
    "netbsd": re.compile(rb"NetBSD (\d+\.\d+)[ _(.]"),
}
_TITLES = {"freebsd": "FreeBSD", "openbsd": "OpenBSD", "netbsd": "NetBSD"}
#: Files that tell the systems apart where the kernel is not where it should be.
_MARKS = {
    "freebsd": ("/bin/freebsd-version", "/etc/freebsd-update.conf"),
    "openbsd": ("/etc/myname", "/usr/sbin/syspatch"),
    "netbsd": ("/etc/release", "/rescue/init"),
}
_MOST_KERNEL = 256 << 20
_MOST_TEXT = 1 << 20
_IFCONFIG = re.compile(r"^[ \t]*ifconfig_([a-z]+\d+)(?:_\w+)?=", re.MULTILINE)
_NIC = re.compile(r"[a-z]+\d+")


@dataclass(frozen=True, slots=True)
class Bsd:
    """A BSD: ``system`` is freebsd, openbsd or netbsd; ``version`` is its kernel's.

    ``controllers`` are those it starts from as it is, ``adapters`` those it has a driver for,
    ``networks`` the interfaces its files name; ``moving`` is the root's device when fstab calls it by
    its controller. ``problem`` says why the kernel is not read; then the former two are empty.
    """

    system: str
    version: str
    kernel: str
    hostname: str
    controllers: tuple[ControllerModel, ...]
    adapters: tuple[NicModel, ...]
    networks: tuple[str, ...]
    moving: str = ""
    problem: str = ""

    @property
    def guest(self) -> GuestOs:
        """The nearest row of ``kensho.model.guest_os``."""
        major = self.version.partition(".")[0]
        known = {row.id for row in guest_os.TABLE}
        row = next(r for r in (f"{self.system}{major}", self.system) if r in known)
        title = f"{_TITLES[self.system]} {self.version}".strip()
        return GuestOs(row, version=self.version, description=title)


def bsd_system(files: GuestFiles) -> str:
    """Return ``freebsd``, ``openbsd`` or ``netbsd`` for its root, empty for another's."""
    for system, kernel in _KERNELS.items():
        if files.exists(kernel) and any(files.exists(mark) for mark in _MARKS[system]):
            return system
    return "freebsd" if files.exists("/bin/freebsd-version") else ""


def read_bsd(files: GuestFiles, system: str) -> Bsd:
    """Return what the files of a BSD's root tell."""
    drivers, path = SYSTEMS[system], _KERNELS[system]
    moving = _moving(files, drivers)
    try:
        kernel, problem = _kernel(files, path), ""
    except KenshoError as error:
        kernel, problem = b"", error.message
    wanted = {n for c in drivers.controllers.values() for n in c.drivers}
    wanted |= {n for names in drivers.adapters.values() for n in names}
    found = names_in(kernel, frozenset(wanted))
    version = _VERSION[system].search(kernel)
    return Bsd(
        system=system,
        version=version[1].decode() if version else "",
        kernel=path,
        hostname=_hostname(files, system),
        controllers=tuple(
            model
            for model, controller in drivers.controllers.items()
            if found.intersection(controller.drivers)
            and (not moving or moving.rstrip("0123456789") in controller.disks)
        ),
        adapters=tuple(m for m, names in drivers.adapters.items() if found.intersection(names)),
        networks=_networks(files, system),
        moving=moving,
        problem=problem,
    )


def _kernel(files: GuestFiles, path: str) -> bytes:
    data = files.read(path, _MOST_KERNEL)
    if data[:2] != b"\x1f\x8b":
        return data
    unpacker = zlib.decompressobj(31)
    try:
        data = unpacker.decompress(data, _MOST_KERNEL)
    except zlib.error:
        return b""
    if unpacker.unconsumed_tail:
        raise LimitError(f"a kernel of more than {_MOST_KERNEL} bytes", path=path)
    return data


def _moving(files: GuestFiles, drivers: Drivers) -> str:
    """Return the disk that fstab names for the root by its controller, such as ``da0``."""
    for line in _text(files, "/etc/fstab").splitlines():
        words = line.split()
        if len(words) >= 2 and words[1] == "/":
            match = drivers.moving.fullmatch(words[0])
            return match[1] if match else ""
    return ""


def _hostname(files: GuestFiles, system: str) -> str:
    if system == "openbsd":
        return _text(files, "/etc/myname").strip().partition("\n")[0][:200]
    match = re.search(
        r"^[ \t]*hostname=[\"']?([\w.-]+)", _text(files, "/etc/rc.conf"), re.MULTILINE
    )
    return match[1][:200] if match else ""


def _networks(files: GuestFiles, system: str) -> tuple[str, ...]:
    names = dict.fromkeys(_IFCONFIG.findall(_text(files, "/etc/rc.conf")))
    prefix = {"openbsd": "hostname.", "netbsd": "ifconfig."}.get(system)
    if prefix:
        etc = (n.removeprefix(prefix) for n in files.names_or_none("/etc") if n.startswith(prefix))
        names |= dict.fromkeys(name for name in etc if _NIC.fullmatch(name))
    return tuple(name for name in names if not name.startswith("lo"))


def _text(files: GuestFiles, path: str) -> str:
    try:
        return files.read(path, _MOST_TEXT).decode("utf-8", "replace")
    except KenshoError:
        return ""
