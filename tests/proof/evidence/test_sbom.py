"""Bills of materials, judged by CycloneDX' own schema and the package URL library."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from kensho.guest.inspect.facts import GuestReport, SystemFacts, WindowsFacts
from kensho.guest.package import Package
from kensho.guest.windows.listed import Service
from kensho.model.machine import GuestOs
from kensho.proof.evidence.sbom import bill_of_materials


def report(*systems: SystemFacts) -> GuestReport:
    return GuestReport(systems=systems)


DEBIAN = SystemFacts(
    root="disk1p2",
    guest=GuestOs("debian12", version="12", description="Debian GNU/Linux 12"),
    package_manager="dpkg",
    packages=(
        Package("libstdc++6", "12.2.0-14", "amd64"),
        Package("bash", "1:5.2~rc1+b2", "amd64"),
        Package("odd naïve/name?", "1", ""),
        Package("bash", "1:5.2~rc1+b2", "amd64"),
    ),
)
ROCKY = SystemFacts(
    root="rl/root",
    guest=GuestOs("rocky9", version="9.3", description="Rocky Linux 9.3"),
    package_manager="rpm",
    packages=(Package("shadow-utils", "2:4.9-8.el9", "x86_64"),),
)
WINDOWS = SystemFacts(
    root="disk1p3",
    guest=GuestOs("win11", version="10.0.22631", description="Windows 11 Pro"),
    package_manager="Windows",
    packages=(Package("7-Zip 23.01 (x64)", "23.01"),),
)
FULL = SystemFacts(
    root="disk1p2",
    guest=GuestOs("win2022", version="10.0.20348", description="Windows Server 2022"),
    package_manager="Windows",
    packages=(Package("7-Zip", "23.01", "x86", publisher="Igor Pavlov"), Package("", "")),
    windows=WindowsFacts(
        "Windows",
        services=(
            Service("vioscsi", "boot", driver=True, image=r"System32\drivers\vioscsi.sys"),
            Service("Dnscache", "automatic"),
        ),
    ),
)
ALPINE = SystemFacts(
    root="disk1p3",
    guest=GuestOs("alpine", version="3.20", description="Alpine Linux v3.20"),
    package_manager="apk",
    packages=(Package("musl", "1.2.5-r0", "x86_64", "MIT"),),
    cpe="cpe:/o:alpinelinux:alpine_linux:3.20",
)
ARCH = SystemFacts(
    root="disk1p4",
    guest=GuestOs("archlinux", description="Arch Linux"),
    package_manager="pacman",
    packages=(Package("zlib", "1:1.3-1", "x86_64", "Zlib, custom \u202e<x>"),),
    cpe="made up",
)
FREEBSD = SystemFacts(
    root="disk1p5", guest=GuestOs("freebsd", version="14.1"), package_manager="pkg",
    packages=(Package("rsync", "3.3.0", "FreeBSD:14:amd64"),),
)  # fmt: skip
EVERY = (DEBIAN, ROCKY, WINDOWS, FULL, ALPINE, ARCH, FREEBSD)
UNREAD = SystemFacts(root="disk2p1", guest=GuestOs("sles15"), package_manager="rpm", packages=None)


def test_the_schema_takes_it_and_it_is_the_same_each_time() -> None:
    bill = json.dumps(bill_of_materials(report(DEBIAN, ROCKY, WINDOWS, UNREAD)))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert json.dumps(bill_of_materials(report(DEBIAN, ROCKY, WINDOWS, UNREAD))) == bill
    assert json.dumps(bill_of_materials(report(DEBIAN))) != bill


@pytest.mark.parametrize("system", EVERY, ids=lambda s: f"{s.guest.id}-{s.root}")
def test_every_kind_of_guest_is_valid(system: SystemFacts) -> None:
    bill = json.dumps(bill_of_materials(report(system)))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_licences_platforms_publishers_and_drivers_are_told() -> None:
    told = {c["name"]: c for c in bill_of_materials(report(*EVERY))["components"]}
    assert told["musl"]["licenses"] == [{"license": {"name": "MIT", "acknowledgement": "declared"}}]
    assert told["Alpine Linux v3.20"]["cpe"] == "cpe:/o:alpinelinux:alpine_linux:3.20"
    assert "cpe" not in told["Arch Linux"]
    assert told["7-Zip"]["publisher"] == "Igor Pavlov"
    assert told["vioscsi"]["type"] == "device-driver"
    assert {p["name"]: p["value"] for p in told["vioscsi"]["properties"]} == {
        "kensho:kind": "driver", "kensho:start": "boot",
        "kensho:image": r"System32\drivers\vioscsi.sys",
    }  # fmt: skip
    purls = {name: PackageURL.from_string(c["purl"]) for name, c in told.items() if "purl" in c}
    kinds = {name: (p.type, p.namespace, p.version) for name, p in purls.items()}
    assert kinds["musl"] == ("apk", "alpine", "1.2.5-r0")
    assert kinds["zlib"] == ("alpm", "arch", "1:1.3-1")
    assert "rsync" not in kinds  # FreeBSD's packages have no type of their own


def test_package_urls_mean_what_was_installed() -> None:
    bill = bill_of_materials(report(DEBIAN, ROCKY, WINDOWS))
    purls = [PackageURL.from_string(c["purl"]) for c in bill["components"] if "purl" in c]
    assert [(p.type, p.namespace, p.name, p.version) for p in purls] == [
        ("deb", "debian", "libstdc++6", "12.2.0-14"),
        ("deb", "debian", "bash", "1:5.2~rc1+b2"),
        ("deb", "debian", "odd naïve/name?", "1"),
        ("deb", "debian", "bash", "1:5.2~rc1+b2"),
        ("rpm", "rocky", "shadow-utils", "4.9-8.el9"),
    ]
    assert purls[0].qualifiers == {"arch": "amd64", "distro": "debian-12"}
    assert purls[4].qualifiers == {"arch": "x86_64", "distro": "rocky-9.3", "epoch": "2"}


def test_what_is_not_read_is_said() -> None:
    (system,) = bill_of_materials(report(UNREAD))["components"]
    assert "not read" in system["properties"][0]["value"]
