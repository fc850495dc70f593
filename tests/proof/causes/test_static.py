"""What is told of hardware that QEMU lacks: disk and adapter, by the drivers that a platform's guests use."""

from __future__ import annotations

import pytest

from kensho.guest.inspect.kernels import Loaded
from kensho.guest.linux.modules.index import ModuleIndex
from kensho.guest.linux.verdict import Kernel
from kensho.proof.causes.static import Foretold, foretell
from kensho.proof.profiles import profile
from kensho.proof.profiles.base import Profile
from kensho.proof.trial import Outcome, judge_only

BUILT_IN = ("ata_piix", "sd_mod", "hv_netvsc", "mptspi", "e1000")
LATE = ("hv_storvsc", "xen_blkfront")


def told(row: Profile, *in_initramfs: str, built_in: tuple[str, ...] = BUILT_IN) -> Foretold:
    """Judge an old kernel, which has no index of what is built into it: names decide."""
    files = {name: f"kernel/{name}.ko" for name in LATE}
    aliases = {
        "vmbus": (
            ("vmbus:32264132cb86a2449b5c50d1417354f5", "hv_storvsc"),
            ("vmbus:d96361baa104294db60572e2ffb1dc7f", "hv_storvsc"),
        )
    }
    index = ModuleIndex(files, {}, {}, frozenset(built_in), aliases)
    kernel = Kernel("3.10", index, frozenset(in_initramfs))
    return foretell([Loaded("vol1", "3.10", kernel)], "", row)


def test_hyperv_takes_ide_disks_over() -> None:
    """A static row is the real platform's, where ata_piix leaves disks to VMBus; QEMU's has no such bus."""
    row = profile("hyperv-gen1-network")
    assert told(row).disk is False
    assert "hv_storvsc" in told(row).lacking
    assert told(row, "hv_storvsc") == Foretold("3.10", True, True, system="linux")
    assert told(profile("hyperv-gen1")).disk is True


@pytest.mark.parametrize(
    ("disk", "adapter", "outcome", "code"),
    [
        (True, True, Outcome.PASS, ""),
        (True, False, Outcome.FAIL, "KF-973"),
        (False, True, Outcome.FAIL, "KF-960"),
        (False, None, Outcome.FAIL, "KF-960"),
        (True, None, Outcome.UNKNOWN, ""),
        (None, None, Outcome.UNKNOWN, ""),
    ],
)
def test_disk_and_adapter_count(
    disk: bool | None, adapter: bool | None, outcome: Outcome, code: str
) -> None:
    trial = judge_only(profile("vmware-lsilogic"), Foretold("6.1", disk, adapter))
    assert (trial.outcome, trial.started) == (outcome, False)
    assert (trial.cause.code if trial.cause else "") == code
    assert "QEMU has no LSI 53C1030" in trial.reason
    assert ("nothing is known" in trial.reason) is (outcome is Outcome.UNKNOWN)


def test_a_kernel_with_both_drivers() -> None:
    row = profile("vmware-lsilogic")
    assert told(row) == Foretold("3.10", True, True, system="linux")
    without = tuple(name for name in BUILT_IN if name != "e1000")
    assert told(row, built_in=without).adapter is False


def test_an_adapter_without_a_driver_is_not_why_the_root_is_not_found() -> None:
    row = profile("vmware-lsilogic")
    trial = judge_only(row, told(row, built_in=("ata_piix", "sd_mod")))
    assert trial.cause is not None
    disk, adapter = trial.cause.what.split("; and ")
    assert trial.cause.code == "KF-960"
    assert ("LSI" in disk or "lsilogic" in disk, "e1000" in disk) == (True, False), disk
    assert adapter == "the kernel has no driver for its adapter (e1000)"
    assert trial.cause.remedy.endswith(
        "for the adapter: another adapter, or a kernel that has the driver"
    )
    trial = judge_only(row, told(row, built_in=("ata_piix", "sd_mod", "e1000")))
    assert trial.cause is not None
    assert "adapter" not in trial.cause.what + trial.cause.remedy
