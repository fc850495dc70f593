"""The matrix of `tests.any_to_any`, in part: every form once as A, a few in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import any_to_any as matrix

THROUGH = ("kvm/libvirt", "ova/ova", "vmware/vmx")


@pytest.mark.parametrize("machine", ["bios", "uefi"])
def test_every_form_comes_back_from_others(tmp_path: Path, machine: str) -> None:
    made = matrix.sources(tmp_path, matrix.forms(), machine)
    assert set(THROUGH) <= set(made)
    pairs = []
    for number, (form, path) in enumerate(made.items()):
        through = THROUGH[number % len(THROUGH)]
        pairs.append(matrix.go(machine, form, through, path, tmp_path / f"pair{number}"))
    wrong = [pair for pair in pairs if pair.mark == "!"]
    assert not wrong, matrix.show(wrong, [])


def test_a_difference_is_seen(tmp_path: Path) -> None:
    first = matrix.seed(tmp_path / "a", "bios")
    other = matrix.seed(tmp_path / "b", "bios")
    other.write_text(other.read_text().replace('numvcpus = "4"', 'numvcpus = "2"'))
    (tmp_path / "b" / "disk0.vmdk").write_bytes((tmp_path / "b" / "disk1.vmdk").read_bytes())
    before, after = matrix.facts(first), matrix.facts(other)
    assert {k for k in before | after if before.get(k) != after.get(k)} == {
        "cpu.count",
        "drives.0.image",
    }
    pair = matrix.Pair("bios", "vmware/vmx", "ova/ova", {"cpu.count": (4, 2)})
    assert pair.mark == "!"
    assert "cpu.count" in matrix.show([pair], [])
