"""Devices that a guest finds its disks on: all that it needs, not the first one alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from kensho.convert.adaptation import Wanted
from kensho.convert.judging import judge
from kensho.convert.mapping import Devices
from kensho.convert.plan import Request, make_plan
from kensho.convert.source import opened
from kensho.model.machine import ControllerModel
from kensho.platforms import find_platform
from tests.cli.small_guest import guest_machine, guest_tree
from tests.guest.images_of import MIB, ext
from tests.guest.linux.trees import MODULES

#: A kernel with IDE in it, built without Hyper-V's disks: with them it would leave IDE's to that driver.
IDE_IN_KERNEL = {
    "modules.builtin": "kernel/drivers/ata/ata_piix.ko\nkernel/drivers/scsi/sd_mod.ko\n"
    "kernel/drivers/scsi/scsi_mod.ko\n",
    "modules.builtin.modinfo": "ata_piix.alias=pci:v00008086d00007010sv*sd*bc*sc*i*\0"
    "ata_piix.alias=pci:v00008086d00007111sv*sd*bc*sc*i*\0",
}


def machine(folder: Path) -> Path:
    """Make a machine with its root on the second disk."""
    source = guest_machine(folder)
    tree = guest_tree(folder / "again", boot=True)
    for name, text in IDE_IN_KERNEL.items():
        (tree / "root" / MODULES / name).write_text(text)
    (folder / "root.img").unlink()
    ext(folder / "root.img", tree / "root", "-t", "ext4", size=32 * MIB)
    shutil.rmtree(tree)
    return source


def test_the_disk_with_the_root_counts_too(tmp_path: Path) -> None:
    source = machine(tmp_path / "in")
    with opened(str(source)) as package:
        (told,) = judge(package, (find_platform("hyperv"),), Devices.NATIVE)
        (chosen,) = judge(package, (find_platform("hyperv"),))
    assert told.starts is False
    assert told.disk is not None
    assert told.disk.model == ControllerModel.HYPERV_SCSI
    # Both disks go where it drives them, and that is what a conversion does as well.
    assert chosen.starts is True
    plan = make_plan(Request(source=str(source), target="hyperv"))
    (after,) = plan.after.machines
    assert {c.model for c in after.controllers if c.id in {d.controller for d in after.disks}} == {
        ControllerModel.IDE
    }
    assert "KF-923" in {finding.code for finding in plan.findings}


def test_adapt_is_named_only_where_it_has_a_driver_to_give(tmp_path: Path) -> None:
    source = str(guest_machine(tmp_path / "in"))

    def action(**wanted: object) -> str:
        plan = make_plan(Request(source=source, **wanted))  # type: ignore[arg-type]
        return next(f.action for f in plan.findings if f.code in {"KF-923", "KF-925"})

    # AHCI is among its modules; no kernel of it has one for Hyper-V.
    compatible = Devices.COMPATIBLE
    assert "--adapt gives it the driver" in action(target="kvm", devices=compatible)
    assert action(target="hyperv") == "it needs a kernel that has one"
    wanted = Wanted(platforms=("hyperv",))
    assert action(target="hyperv", adapt=wanted) == "it needs a kernel that has one"
