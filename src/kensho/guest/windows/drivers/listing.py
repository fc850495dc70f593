"""What a medium with drivers has, for people and for programs: `kensho drivers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from kensho.guest.windows.drivers.install import devices_for
from kensho.guest.windows.drivers.media import open_media
from kensho.guest.windows.drivers.package import DriverPackage, load, read_packages
from kensho.guest.windows.drivers.targets import Target, all_models
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import KenshoError
from kensho.model.finding import Finding

_ANY_BUILD = 14310  #: the first that decorations can name


class Listed(msgspec.Struct, frozen=True):
    """A driver package; ``targets`` in words, ``ids`` are hardware ids, ``services`` their drivers.

    ``signer`` is empty where nobody vouches for it or a file is missing; ``why`` says so.
    """

    medium: str
    path: str
    name: str
    provider: str
    class_name: str
    version: str
    targets: tuple[str, ...]
    ids: tuple[str, ...]
    services: tuple[str, ...]
    signer: str
    why: str


def list_drivers(paths: Sequence[Path]) -> tuple[tuple[Listed, ...], tuple[Finding, ...]]:
    """Return the drivers of media by their paths, and what could not be read."""
    found: list[Listed] = []
    findings: list[Finding] = []
    for path in dict.fromkeys(paths):
        with open_media(path) as media:
            packages, odd = read_packages(media)
            findings += odd
            found += map(_listed, packages)
    return tuple(found), tuple(findings)


def _listed(package: DriverPackage) -> Listed:
    targets = sorted({m.target for rows in all_models(package.inf) for m in rows if m.lines})
    ids: dict[str, None] = {}
    services: dict[str, None] = {}
    signers: dict[str, None] = {}
    why: dict[str, None] = {}
    for target in targets:
        windows = _windows(target)
        devices = devices_for(package.inf, windows)
        for device in devices:
            ids |= dict.fromkeys(device.ids)
            services |= dict.fromkeys(service.name for service in device.services)
        try:
            loaded = load(package, devices, windows.architecture)
        except KenshoError as error:
            why[error.message] = None
            continue
        (signers if loaded.signer else why)[loaded.signer or loaded.why] = None
    return Listed(
        medium=package.media.name,
        path=package.inf.path,
        name=package.name,
        provider=package.version.provider,
        class_name=package.version.class_name,
        version=package.version.text,
        targets=tuple(dict.fromkeys(map(str, targets))),
        ids=tuple(ids),
        services=tuple(services),
        signer=", ".join(signers),
        why="; ".join(why),
    )


def _windows(target: Target) -> WindowsVersion:
    """Return a Windows that a decoration is for."""
    return WindowsVersion(
        *max(target.version, (5, 1)),
        build=max(target.build, _ANY_BUILD),
        server=target.product > 1,
        architecture=target.architecture or "x86",
    )
