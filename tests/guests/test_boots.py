"""Guests for virtio alone start elsewhere after `kensho adapt`, and keep to it. All of it: `make boot-matrix`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.proof.boot import Verdict
from kensho.proof.profiles import profile
from tests import boot_matrix
from tests.boot_matrix import AFTER, BEFORE
from tests.guests import recipe
from tests.guests.boots import boot, on_profile, predicted
from tests.guests.overlays import adapted, beside, empty, kernels_of, starting
from tests.guests.settings import REBUILT, entry

pytestmark = pytest.mark.boot


def test_small_matrix(tmp_path: Path) -> None:
    """A failure before counts where the generic guest starts, on the same hardware."""
    asked = (
        ("generic", "vmware-pvscsi,vmware-nvme-uefi,vmware-lsisas,vmware-sata", BEFORE),
        ("initramfs-tools", "vmware-pvscsi,vmware-nvme-uefi", f"{BEFORE},{AFTER}"),
        ("dracut", "vmware-sata", f"{BEFORE},{AFTER}"),
        ("dracut", "vmware-pvscsi", AFTER),
        ("lvm", "vmware-lsisas", f"{BEFORE},{AFTER}"),
    )
    cells = []
    for number, (name, on, states) in enumerate(asked):
        folder = tmp_path / str(number)
        folder.mkdir()
        hardware = [profile(word) for word in on.split(",")]
        cells += boot_matrix.cells([name], hardware, states.split(","), folder, ["first"])
    rows = tuple(boot_matrix.boot_all(cells, tmp_path, jobs=2))
    assert [row.words for row in rows if row.wrong] == []
    assert len(rows) == 13


@pytest.mark.parametrize(
    ("name", "elsewhere"), [("initramfs-tools", "vmware-sata"), ("dracut", "vmware-pvscsi")]
)
def test_rebuilt_by_the_guest_itself_it_starts_elsewhere(
    name: str, elsewhere: str, tmp_path: Path
) -> None:
    """The guest's own maker of the initramfs has what it needs to keep the drivers."""
    disk = adapted(beside(recipe.build(recipe.guest(name)), tmp_path), tmp_path / "adapted.qcow2")
    version = next(iter(kernels_of(disk)))
    rebuilding = starting(disk, entry(version, "rebuild"), tmp_path / "rebuilding.qcow2")
    rebuilt = empty(rebuilding, tmp_path / "rebuilt.qcow2")
    log = tmp_path / "rebuild.log"
    boot(rebuilt, profile("kvm-virtio"), log, keeps=True, timeout=900)
    assert REBUILT in log.read_text(errors="replace")
    on = profile(elsewhere)
    before, after = kernels_of(disk)[version], kernels_of(rebuilt)[version]
    assert before.in_initramfs != after.in_initramfs
    assert predicted(after, on) == (True, True)
    probing = starting(rebuilt, entry(version, "probe"), tmp_path / "probing.qcow2")
    seen = boot(probing, on, tmp_path / "probe.log")
    assert seen.inside is not None, seen
    assert on_profile(seen, on)


def test_adapted_it_starts_where_it_came_from(tmp_path: Path) -> None:
    """To the login, with all of its system."""
    guest = recipe.guest("initramfs-tools")
    disk = adapted(beside(recipe.build(guest), tmp_path), tmp_path / "adapted.qcow2")
    version = next(v for v in kernels_of(disk) if recipe.flavour(v) == guest.kernels[0])
    full = starting(disk, entry(version, "full"), tmp_path / "full.qcow2")
    seen = boot(full, profile("kvm-virtio"), tmp_path / "full.log")
    assert seen.result.verdict is Verdict.LOGIN, seen
    assert on_profile(seen, profile("virtio-blk"))
