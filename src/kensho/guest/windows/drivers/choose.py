"""Which of the supplied drivers a Windows gets: by the INF's own words, signature and processor.

Of those that suit, the newest DriverVer wins, as Windows ranks drivers of equal merit
(https://learn.microsoft.com/windows-hardware/drivers/install/how-setup-ranks-drivers); the names of
folders (``w10``, ``2k19``) decide between equal ones only.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from kensho.guest.windows.drivers.install import Device, Service, devices_for
from kensho.guest.windows.drivers.media import Media, open_media
from kensho.guest.windows.drivers.notes import about, licences, some
from kensho.guest.windows.drivers.package import DriverPackage, Loaded, load, read_packages
from kensho.guest.windows.drivers.plan import ChosenDriver, DriverPlan
from kensho.guest.windows.drivers.targets import Target, all_models, models_for
from kensho.guest.windows.inject import BOOT_CLASSES, Driver, check_driver, is_pci
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import KenshoError, LimitError, UsageError
from kensho.model.finding import Finding, Severity

_MAX_TOTAL = 512 << 20
_NET = "{4D36E972-E325-11CE-BFC1-08002BE10318}"
#: Names of folders on virtio-win's CD-ROM: by NT's version, or (since NT 10) by the first build.
_FOLDERS = {
    (5, 1): ("xp", "xp"), (5, 2): ("2k3", "2k3"), (6, 0): ("2k8", "vista"), (6, 1): ("2k8r2", "w7"),
    (6, 2): ("2k12", "w8"), (6, 3): ("2k12r2", "w8.1"),
}  # fmt: skip
_SERVERS = ((26100, "2k25"), (20348, "2k22"), (17763, "2k19"), (0, "2k16"))
_FIRST_BUILD_OF_11 = 22000


def plan_drivers(
    paths: Sequence[Path], windows: WindowsVersion, *, allow_unsigned: bool = False
) -> DriverPlan:
    """Choose drivers out of media (`open_media`) for a Windows.

    Raises what `open_media` raises; a driver that is broken or does not suit is a finding.
    """
    if not paths:
        return DriverPlan()
    if not windows.architecture:
        raise UsageError(
            "the architecture of this Windows is not known, so that no driver can be chosen"
        )
    findings: list[Finding] = []
    agent = b""
    with ExitStack() as stack:
        groups: dict[tuple[str, str], list[DriverPackage]] = {}
        for path in dict.fromkeys(paths):
            media = stack.enter_context(open_media(path))
            packages, odd = read_packages(media)
            findings += odd
            if not packages:
                findings.append(
                    Finding("KF-906", Severity.WARNING, "there is no driver in it", media.name,
                            "name a CD-ROM image, folder, .zip, .msi or .cab that has INF files")
                )  # fmt: skip
            findings += licences(media) if packages else ()
            for package in packages:
                key = (package.version.provider.lower(), package.name)
                groups.setdefault(key, []).append(package)
            agent = agent or _agent(media, windows.architecture)
        chosen: list[ChosenDriver] = []
        for key in sorted(groups, key=lambda key: (key[1], key[0])):
            found = _choose(groups[key], windows, findings, allow_unsigned=allow_unsigned)
            if found is not None:
                chosen.append(_named(found, chosen))
            if sum(len(data) for driver in chosen for _, data in driver.files) > _MAX_TOTAL:
                raise LimitError(f"the drivers that suit have more than {_MAX_TOTAL} bytes")
    drivers = _without_rivals(chosen, findings)
    return DriverPlan(drivers, tuple(findings), agent)


def _agent(media: Media, architecture: str) -> bytes:
    """Return QEMU's guest agent from virtio-win's CD-ROM, empty when it is not there."""
    name = {"amd64": "qemu-ga-x86_64.msi", "x86": "qemu-ga-i386.msi"}.get(architecture, "")
    place = media.find(f"guest-agent/{name}") if name else ""
    return media.read(place) if place else b""


def why_not(package: DriverPackage, windows: WindowsVersion) -> str:
    """Say why a driver does not suit a Windows; empty when it does."""
    if devices_for(package.inf, windows):
        return ""
    if models_for(package.inf, windows):
        return "its INF names devices, but not how to install them"
    targets = [models.target for rows in all_models(package.inf) for models in rows]
    ours = f"{windows.architecture} NT {windows.major}.{windows.minor} build {windows.build}"
    if any(target.fits(windows) for target in targets):
        return f"its INF excludes {ours}"
    words = ", ".join(dict.fromkeys(map(str, sorted(targets)))) or "nothing"
    return f"it is for {words}, and not for {ours}"


def _choose(
    packages: list[DriverPackage],
    windows: WindowsVersion,
    findings: list[Finding],
    *,
    allow_unsigned: bool,
) -> ChosenDriver | None:
    """Return the best of the packages that are one driver, which are on the media for many."""
    ranked = sorted(
        (
            (_rank(p, windows), devices, p)
            for p in packages
            if (devices := devices_for(p.inf, windows))
        ),
        key=lambda row: row[0],
        reverse=True,
    )
    refused: list[str] = []
    for _, devices, package in ranked:
        subject = f"{package.media.name}: {package.inf.path}"
        try:
            loaded = load(package, devices, windows.architecture)
            driver = _chosen(package, devices, loaded)
            for boot in driver.boot:
                check_driver(boot)
        except KenshoError as error:
            refused.append(f"{package.inf.path}: {error.message}")
            continue
        if not loaded.signer and not allow_unsigned:
            findings.append(
                Finding("KF-907", Severity.ERROR, f"{package.name} is not signed: {loaded.why}", subject,
                        "it is not used; get it anew from its maker, or use --allow-unsigned-drivers")
            )  # fmt: skip
            continue
        findings += about(driver, loaded, windows, subject)
        return driver
    if refused:
        findings.append(
            Finding("KF-908", Severity.ERROR, f"{packages[0].name} cannot be used: {some(refused)}",
                    packages[0].media.name, "it is left out")
        )  # fmt: skip
    elif not ranked:
        reasons = list(dict.fromkeys(why_not(package, windows) for package in packages))
        matters = packages[0].version.class_guid in {*BOOT_CLASSES, _NET}
        findings.append(
            Finding("KF-906", Severity.WARNING if matters else Severity.NOTE,
                    f"{packages[0].name} does not suit this Windows: {some(reasons)}",
                    packages[0].media.name, "it is left out")
        )  # fmt: skip
    return None


def _rank(package: DriverPackage, windows: WindowsVersion) -> tuple[object, ...]:
    targets = [models.target for models in models_for(package.inf, windows)]
    known = {part.lower() for part in PurePosixPath(package.inf.path).parts[:-1]}
    return (
        package.version.date,
        package.version.version,
        max(targets, default=Target()),
        len(known & _folder_names(windows)),
    )


def _folder_names(windows: WindowsVersion) -> frozenset[str]:
    """Return the names of folders that are for this Windows."""
    if windows.nt >= (10, 0):
        server = next(name for build, name in _SERVERS if windows.build >= build)
        client = "w11" if windows.build >= _FIRST_BUILD_OF_11 else "w10"
    else:
        server, client = _FOLDERS.get(windows.nt, ("", ""))
    return frozenset({server if windows.server else client, windows.architecture})


def _chosen(package: DriverPackage, devices: tuple[Device, ...], loaded: Loaded) -> ChosenDriver:
    return ChosenDriver(
        name=package.name,
        inf=loaded.files[0][0],
        origin=f"{package.media.name}: {package.inf.path}",
        version=package.version.text,
        class_name=package.version.class_name,
        class_guid=package.version.class_guid,
        signer=loaded.signer,
        ids=tuple(dict.fromkeys(word for device in devices for word in device.ids)),
        files=loaded.files,
        boot=_boot_drivers(package, devices),
    )


def _boot_drivers(package: DriverPackage, devices: tuple[Device, ...]) -> tuple[Driver, ...]:
    """Return the drivers for disk controllers on PCI, which Windows can start from by itself.

    What sits on a bus of its own (Xen's) needs that bus' driver first, which Plug and Play installs.
    """
    if package.version.class_guid not in BOOT_CLASSES:
        return ()
    found: dict[str, tuple[Service, dict[str, None]]] = {}
    for device in devices:
        for service in device.services:
            ids = dict.fromkeys(word for word in device.ids if is_pci(word))
            if service.own and service.binary.lower().endswith(".sys") and ids:
                found.setdefault(service.name, (service, {}))[1].update(ids)
    return tuple(
        Driver(
            service=service.name,
            ids=tuple(ids),
            file=service.binary,
            class_guid=package.version.class_guid,
            group=service.group or "SCSI miniport",
            error_control=service.error_control,
            values=service.values,
        )
        for service, ids in found.values()
    )


def _named(driver: ChosenDriver, others: list[ChosenDriver]) -> ChosenDriver:
    """Return the driver with a name that is free for a folder: of plain characters, and its own."""
    plain = re.sub(r"[^a-z0-9_-]", "_", driver.name)[:32] or "driver"
    taken = {other.name for other in others}
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain}-{count}"
    return dataclasses.replace(driver, name=name)


def _without_rivals(
    chosen: list[ChosenDriver], findings: list[Finding]
) -> tuple[ChosenDriver, ...]:
    """Let one driver alone start with the kernel for a hardware id or by a service's name."""
    taken: dict[str, str] = {}
    found = []
    for driver in chosen:
        free = []
        for boot in driver.boot:
            words = (boot.service.lower(), boot.sys.lower(), *boot.ids)
            rival = next((taken[word] for word in words if word in taken), "")
            if rival:
                findings.append(
                    Finding("KF-909", Severity.WARNING,
                            f"{driver.name} and {rival} are for the same device; {rival} is started with",
                            driver.origin, "supply one of them alone")
                )  # fmt: skip
                continue
            taken |= dict.fromkeys(words, driver.name)
            free.append(boot)
        found.append(dataclasses.replace(driver, boot=tuple(free)))
    return tuple(found)
