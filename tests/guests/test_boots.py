"""Guests for virtio alone start elsewhere after `kensho adapt`, and keep to it. All of it: `make boot-matrix`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.proof.profiles import profile
from kensho.proof.watch.result import Verdict
from tests import boot_matrix
from tests.boot_matrix import AFTER, BEFORE, REBUILT
from tests.guests import recipe
from tests.guests.boots import boot, on_profile
from tests.guests.overlays import adapted, beside, kernels_of, starting
from tests.guests.settings import entry

pytestmark = pytest.mark.boot
PORT = "console=ttyS0,115200"


def test_small_matrix(tmp_path: Path) -> None:
    """A failure before counts where the generic guest starts, on the same hardware."""
    asked = (
        ("generic", "vmware-pvscsi,vmware-nvme-uefi,vmware-lsisas,vmware-sata", BEFORE),
        ("initramfs-tools", "vmware-pvscsi,vmware-nvme-uefi", f"{BEFORE},{AFTER}"),
        ("dracut", "vmware-sata", f"{BEFORE},{AFTER}"),
        ("dracut", "vmware-pvscsi", AFTER),
        ("lvm", "vmware-lsisas", f"{BEFORE},{AFTER}"),
        ("initramfs-tools", "vmware-sata", REBUILT),
    )
    cells = []
    for number, (name, on, states) in enumerate(asked):
        folder = tmp_path / str(number)
        folder.mkdir()
        hardware = [profile(word) for word in on.split(",")]
        cells += boot_matrix.cells([name], hardware, states.split(","), folder, ["first"])
    rows = tuple(boot_matrix.boot_all(cells, tmp_path, jobs=2))
    assert [row.words for row in rows if row.wrong] == []
    assert len(rows) == 14


def test_adapted_it_starts_where_it_came_from(tmp_path: Path) -> None:
    """To the login, with all of its system; a kernel that is quiet says nothing in the middle of its report."""
    guest = recipe.guest("initramfs-tools")
    disk = adapted(beside(recipe.build(guest), tmp_path), tmp_path / "adapted.qcow2")
    version = next(v for v in kernels_of(disk) if recipe.flavour(v) == guest.kernels[0])
    full = starting(disk, entry(version, "full"), tmp_path / "full.qcow2", (PORT, f"{PORT} quiet"))
    seen = boot(full, profile("kvm-virtio"), tmp_path / "full.log")
    assert seen.result.verdict is Verdict.LOGIN, seen
    assert on_profile(seen, profile("kvm-virtio"))
