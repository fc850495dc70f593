"""The software bill of materials of a guest: CycloneDX 1.6 in JSON (ECMA-424).

One component for each system and each of its packages, with a package URL (ECMA-427, purl-spec) where
the package's manager has a type of its own, its licence in the package's own words, and the system's own
CPE; of a Windows also its drivers and services. The same guest gives the same bytes: there is neither a
time nor a random serial number in it.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from kensho import __version__
from kensho.guest.inspect.facts import GuestReport, SystemFacts
from kensho.guest.package import Package

SPEC_VERSION = "1.6"
_CPE = re.compile(r"cpe:(/[aho]:|2\.3:[aho]:)[!-~]+")  #: CPE 2.2's URI, 2.3's formatted string
#: Package managers: the purl type, and the namespace where it is not the distribution's id.
_PURL = {
    "dpkg": ("deb", ""),
    "rpm": ("rpm", ""),
    "apk": ("apk", ""),
    "pacman": ("alpm", "arch"),
}


def bill_of_materials(report: GuestReport) -> dict[str, object]:
    """Return the bill as what JSON is made of. Systems whose packages are not read are said to be so."""
    components: list[dict[str, object]] = []
    for system in report.systems:
        components.append(_system(system))
        components += _packages(system)
        components += _services(system)
    content = msgspec.json.encode(components)
    identity = uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(content).hexdigest())
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{identity}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "kensho", "version": __version__}]
            }
        },
        "components": components,
    }


def _system(system: SystemFacts) -> dict[str, object]:
    name = system.guest.description or system.guest.id
    found: dict[str, object] = {
        "type": "operating-system",
        "bom-ref": f"os:{system.root}",
        "name": name,
        "version": system.guest.version or "unknown",
    }
    if _CPE.fullmatch(system.cpe):
        found["cpe"] = system.cpe
    if system.packages is None:
        why = f"the database of {system.package_manager or 'its packages'} is not read"
        found["properties"] = [{"name": "kensho:packages", "value": why}]
    return found


def _packages(system: SystemFacts) -> Iterator[dict[str, object]]:
    seen: dict[str, int] = {}
    for package in system.packages or ():
        reference = f"{system.root}/{package.name}@{package.version}/{package.architecture}"
        seen[reference] = seen.get(reference, 0) + 1
        again = f"#{seen[reference]}" if seen[reference] > 1 else ""
        component: dict[str, object] = {
            "type": "application" if system.package_manager == "Windows" else "library",
            "bom-ref": reference + again,
            "name": package.name,
            "version": package.version,
        }
        purl = _purl(system, package)
        if purl:
            component["purl"] = purl
        if package.publisher:
            component["publisher"] = package.publisher
        if package.license:
            licence = {"name": package.license, "acknowledgement": "declared"}
            component["licenses"] = [{"license": licence}]
        yield component


def _services(system: SystemFacts) -> Iterator[dict[str, object]]:
    """Yield the drivers and services of a Windows; which version a file is of is not read."""
    for service in system.windows.services if system.windows is not None else ():
        words = (("start", service.start), ("image", service.image))
        yield {
            "type": "device-driver" if service.driver else "application",
            "bom-ref": f"{system.root}/service/{service.name}",
            "name": service.name,
            "properties": [
                {"name": "kensho:kind", "value": "driver" if service.driver else "service"},
                *({"name": f"kensho:{name}", "value": value} for name, value in words if value),
            ],
        }


def _purl(system: SystemFacts, package: Package) -> str:
    """Return ``pkg:deb/debian/bash@5.2?arch=amd64&distro=debian-12``, empty where there is no type."""
    if system.package_manager not in _PURL or not package.version:
        return ""
    kind, namespace = _PURL[system.package_manager]
    distribution = system.guest.id.rstrip("0123456789.")
    version, epoch = package.version, ""
    if kind == "rpm":  # where the epoch is a qualifier of its own
        before, mark, after = version.partition(":")
        version, epoch = (after, before) if mark else (version, "")
    release = f"{distribution}-{system.guest.version}" if system.guest.version else ""
    qualifiers = {"arch": package.architecture, "distro": release, "epoch": epoch}
    query = "&".join(f"{k}={_encoded(v)}" for k, v in qualifiers.items() if v)
    name = f"{_encoded(namespace or distribution)}/{_encoded(package.name)}@{_encoded(version)}"
    return f"pkg:{kind}/{name}" + (f"?{query}" if query else "")


def _encoded(text: str) -> str:
    return quote(text, safe=".-_~:")
