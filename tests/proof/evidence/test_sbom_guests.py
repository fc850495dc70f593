"""Bills of materials of guests as they lie on disks, each judged by CycloneDX' own schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.windows.hive import dword, sz
from kensho.proof.evidence.sbom import bill_of_materials
from tests.guest.images_of import disk_of, ext
from tests.guest.inspect.test_inspect_bsd import freebsd
from tests.guest.inspect.test_inspect_windows import windows
from tests.guest.linux.packages.test_packages import MANAGERS
from tests.guest.windows.hives import software_hive, system_hive

DISTRIBUTIONS = {"dpkg": "debian", "apk": "alpine", "pacman": "arch"}


def linux(manager: str, folder: Path) -> Path:
    release = (
        f'ID={DISTRIBUTIONS[manager]}\nPRETTY_NAME="x"\nCPE_NAME="cpe:2.3:o:a:b:1:*:*:*:*:*:*:*"\n'
    )
    tree = folder / "tree"
    for name, text in {**MANAGERS[manager][0], "etc/os-release": release, "etc/fstab": "",
                       "bin/sh": "x"}.items():  # fmt: skip
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return ext(folder / "root.img", tree)


def a_windows(folder: Path) -> Path:
    system = system_hive((10, 0))
    system.set(r"ControlSet001\Services\Dnscache", dword("Start", 2), dword("Type", 0x20))
    software = software_hive(20348, "Windows Server 2022 Standard", "6.3")
    key = r"Microsoft\Windows\CurrentVersion\Uninstall\7-Zip"
    software.set(key, sz("DisplayName", "7-Zip"), sz("Publisher", "Igor Pavlov"))
    return windows(folder, system=system.dump(), software=software.dump())


GUESTS: dict[str, Callable[[Path], Path]] = {
    **{name: (lambda folder, name=name: linux(name, folder)) for name in DISTRIBUTIONS},
    "Windows": a_windows,
    "FreeBSD": lambda folder: freebsd(folder, "/dev/gpt/root"),
}  # fmt: skip


@pytest.mark.parametrize("kind", GUESTS)
def test_the_bill_of_a_guest_is_valid(kind: str, tmp_path: Path) -> None:
    report = inspect_disks([disk_of(GUESTS[kind](tmp_path))])
    bill = bill_of_materials(report)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    components = bill["components"]
    assert components[0]["type"] == "operating-system"
    references = [component["bom-ref"] for component in components]
    assert len(set(references)) == len(references)
    if kind in DISTRIBUTIONS:
        (package,) = (PackageURL.from_string(c["purl"]) for c in components if "purl" in c)
        assert package.name == MANAGERS[kind][1].name
        assert components[0]["cpe"].startswith("cpe:2.3:o:a:b")
    if kind == "Windows":
        kinds = {c["name"]: c["type"] for c in components}
        assert (kinds["7-Zip"], kinds["atapi"], kinds["Dnscache"]) == (
            "application", "device-driver", "application",
        )  # fmt: skip
