"""The devices that QEMU makes of a profile are the platform's own, by their ids on the PCI bus.

QEMU tells: it is started with its processor stopped, and asked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kensho.guest.devices import CONTROLLERS, NICS, Pci
from kensho.model.machine import Firmware, NicModel
from kensho.proof.profiles import PROFILES
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.arguments import Wires, find_qemu, find_uefi, qemu_arguments
from kensho.proof.qemu.devices import Drive, machine_of
from kensho.proof.qemu.qmp import Qmp

BOOTED = [row for row in PROFILES if not row.static]
#: Of adapters QEMU has another chip by the same driver; the profile says so.
STANDS_IN = {NicModel.HYPERV_LEGACY: (Pci(0x1011, 0x0019, 0x020000),)}
BRIDGES = {"pc": (0x8086, 0x1237), "q35": (0x8086, 0x29C0)}
#: What a platform has where several do by the same driver.
EXACT = {
    "vmware-ide": (0x8086, 0x100F),
    "virtualbox-sata": (0x8086, 0x100E),
    "kubevirt-virtio": (0x1AF4, 0x1041),
    "kvm-virtio": (0x1AF4, 0x1000),
    "gcp-scsi": (0x1AF4, 0x1004),
}


def asked(row: Profile, folder: Path) -> Iterator[tuple[str, Any]]:
    disk = folder / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    wires = Wires(monitor=folder / "monitor")
    uefi = find_uefi() if row.firmware is Firmware.UEFI else None
    machine = machine_of(row, (Drive(str(disk), "raw"),))
    line = qemu_arguments(machine, qemu=find_qemu(), uefi=uefi, wires=wires)
    process = subprocess.Popen(
        [*line, "-S"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        qmp = Qmp(folder / "monitor", timeout=120, runs=lambda: process.poll() is None)
        for command in ("query-pci", "query-block", "query-status"):
            yield command, qmp.run(command)
        qmp.close()
    finally:
        process.kill()
        _, said = process.communicate()
    assert not said, said  # neither warned


@pytest.mark.parametrize("row", BOOTED, ids=lambda row: row.name)
def test_qemu_builds_these_very_devices(row: Profile, tmp_path: Path) -> None:
    told = dict(asked(row, tmp_path))
    assert told["query-status"]["status"] == "prelaunch"
    ids = {
        (device["id"]["vendor"], device["id"]["device"])
        for bus in told["query-pci"]
        for device in bus["devices"]
    }
    assert BRIDGES[row.board] in ids
    chips = CONTROLLERS[row.controller].chips
    assert ids & {(chip.vendor, chip.device) for chip in chips}
    cards = (*NICS[row.adapter].chips, *STANDS_IN.get(row.adapter, ()))
    assert ids & {(chip.vendor, chip.device) for chip in cards}
    assert ids >= {EXACT[row.name]} if row.name in EXACT else True
    (drive,) = (b for b in told["query-block"] if b.get("inserted") and b["device"] == "drive0")
    assert drive["qdev"]  # it is plugged in
