"""`kensho adapt --drivers` and `kensho drivers`: drivers for a Windows, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Kensho
from tests.guest.windows.adapt import machines
from tests.guest.windows.drivers.made import package


def test_adapt_takes_drivers(tmp_path: Path, kensho: Kensho) -> None:
    made = machines.ten(tmp_path)
    folder = package(tmp_path / "virtio")
    code, out, err = kensho(
        "adapt", made.path, "--for", "kvm", "--dry-run", "--json", "--drivers", folder
    )
    assert code == 0, err
    told = json.loads(out)
    assert "/Windows/System32/drivers/viostor.sys" in {edit["path"] for edit in told["edits"]}
    assert "KF-905" in {finding["code"] for finding in told["findings"]}
    code, _, err = kensho("adapt", made.path, "--dry-run", "--drivers", tmp_path / "none.iso")
    assert code == 2
    assert "nothing is there" in err


def test_what_is_on_a_medium(tmp_path: Path, kensho: Kensho) -> None:
    package(tmp_path / "cd/a")
    package(tmp_path / "cd/b", "netkvm", targets="NTamd64.10.0...16299,NTarm64.10.0")
    (tmp_path / "cd/b/netkvm.cat").unlink()
    code, out, err = kensho("drivers", tmp_path / "cd", "--json")
    assert code == 0, err
    rows = {row["name"]: row for row in json.loads(out)["drivers"]}
    assert rows["viostor"]["signer"] == "Test Drivers Inc."
    assert rows["viostor"]["targets"] == ["amd64 NT 10.0 and later"]
    assert rows["viostor"]["version"] == "100.94.104.24800 of 2023-07-24"
    assert "PCI\\VEN_1AF4&DEV_1042" in rows["viostor"]["ids"]
    assert rows["netkvm"]["signer"] == ""
    assert "is not there" in rows["netkvm"]["why"]
    assert rows["netkvm"]["targets"] == [
        "arm64 NT 10.0 and later",
        "amd64 NT 10.0 build 16299 and later",
    ]
    code, out, _ = kensho("drivers", tmp_path / "cd")
    assert code == 0
    assert "viostor" in out
    assert kensho("drivers", tmp_path / "none")[0] == 2
