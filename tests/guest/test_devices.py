"""Ids on Hyper-V's bus, from the GUIDs of Linux' include/linux/hyperv.h and from a kernel's own index."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from kensho.guest.devices import CONTROLLERS, NICS, TAKEN_OVER
from kensho.guest.linux.modules.index import read_index
from kensho.model.machine import ControllerModel, NicModel

GUIDS = {
    "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f": CONTROLLERS[ControllerModel.HYPERV_SCSI],
    "32412632-86cb-44a2-9b5c-50d1417354f5": TAKEN_OVER["hyperv"][ControllerModel.IDE],
    "f8615163-df3e-46c5-913f-f2d2f965ed0e": NICS[NicModel.HYPERV],
}


@pytest.mark.parametrize("guid", GUIDS)
def test_the_bus_has_guids_as_their_bytes(guid: str) -> None:
    assert GUIDS[guid].buses == (f"vmbus:{uuid.UUID(guid).bytes_le.hex()}",)


def test_a_distributions_kernel_knows_every_device() -> None:
    """Debian's, wherever this machine has one: whatever is emulated or paravirtual has a driver."""
    found = [p for p in Path("/lib/modules").glob("*-amd64") if "cloud" not in p.name]
    folder = next((p for p in found if (p / "modules.alias").exists()), None)
    if folder is None:
        pytest.skip("no kernel of Debian's is installed")
    names = ("modules.dep", "modules.alias", "modules.softdep", "modules.builtin")
    texts = {name: (folder / name).read_text() for name in names}
    info = (folder / "modules.builtin.modinfo").read_bytes()
    index = read_index(texts | {"modules.builtin.modinfo": info.decode(errors="replace")})
    taken = (device for row in TAKEN_OVER.values() for device in row.values())
    for device in (*CONTROLLERS.values(), *NICS.values(), *taken):
        for modalias in device.modaliases:
            assert index.drivers(modalias), modalias
