"""VirtualBox: AHCI or PIIX4 IDE, PRO/1000 MT or PCnet. Source: its manual, chapters 5 and 6."""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile

PROFILES = (
    Profile(
        name="virtualbox-sata", platform="virtualbox", title="VirtualBox: AHCI, PRO/1000 MT, BIOS",
        controller=C.AHCI, adapter=N.E1000,
    ),
    Profile(
        name="virtualbox-ide", platform="virtualbox", title="VirtualBox: PIIX4 IDE, PCnet, BIOS",
        controller=C.IDE, adapter=N.PCNET, nearest="PIIX3 for PIIX4: the same driver",
    ),
    Profile(
        name="virtualbox-uefi", platform="virtualbox", title="VirtualBox: AHCI, PRO/1000 MT, UEFI",
        controller=C.AHCI, adapter=N.E1000, firmware=Firmware.UEFI, board="q35",
    ),
)  # fmt: skip
