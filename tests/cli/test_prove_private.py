"""A statement does not tell whose machine it was made on."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Kensho
from tests.guest.windows.adapt import machines
from tests.guest.windows.drivers.made import package


def test_where_supplied_drivers_lie_is_nobodys_business(tmp_path: Path, kensho: Kensho) -> None:
    made = machines.ten(tmp_path)
    drivers = package(tmp_path / "of-alice/virtio")
    proof = tmp_path / "proof"
    code, _, err = kensho(
        "prove", made.path, "--on", "xenserver-pv,kvm", "--adapt", "--drivers", drivers, "-o", proof,
        "--memory", 1 << 22,
    )  # fmt: skip
    assert proof.is_dir(), err
    assert code == 15
    told = (proof / "statement.json").read_text()
    assert "KF-905" in {found["code"] for found in json.loads(told)["predicate"]["findings"]}
    assert "of-alice" not in told
    assert str(tmp_path) not in told + (proof / "index.html").read_text()
