"""VirtualBox: AHCI, PIIX4 IDE, LSI Logic; PRO/1000 MT or PCnet.

Source: its manual, chapters 5 and 6; src/VBox/Devices for ids: the board is an i440FX with a PIIX3 unless ICH9 is
chosen, the IDE a PIIX4 (8086:7111), AHCI an ICH8M (8086:2829), the PRO/1000 MT Desktop an 82540EM.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile, Smbios

_NAMES = Smbios("innotek GmbH", "innotek GmbH", "VirtualBox")
_AHCI = "an ICH9's AHCI for its ICH8M's: the same driver"

PROFILES = (
    Profile(
        name="virtualbox-sata", platform="virtualbox", title="VirtualBox: AHCI, PRO/1000 MT, BIOS",
        controller=C.AHCI, adapter=N.E1000, smbios=_NAMES, nearest=_AHCI,
    ),
    Profile(
        name="virtualbox-ide", platform="virtualbox", title="VirtualBox: PIIX4 IDE, PCnet, BIOS",
        controller=C.IDE, adapter=N.PCNET, smbios=_NAMES, nearest="PIIX3 for PIIX4: the same driver",
    ),
    Profile(
        name="virtualbox-uefi", platform="virtualbox", title="VirtualBox: AHCI, PRO/1000 MT, UEFI",
        controller=C.AHCI, adapter=N.E1000, firmware=Firmware.UEFI, board="q35", smbios=_NAMES,
        nearest=f"q35 for its i440FX, {_AHCI}, another build of edk2",
    ),
    Profile(
        name="virtualbox-lsisas", platform="virtualbox", title="VirtualBox: LSI Logic SAS, PRO/1000 MT, BIOS",
        controller=C.LSISAS, adapter=N.E1000, smbios=_NAMES,
    ),
    Profile(
        name="virtualbox-lsilogic", platform="virtualbox", title="VirtualBox: LSI Logic, PRO/1000 MT, BIOS",
        controller=C.LSILOGIC, adapter=N.E1000, static="QEMU has no LSI 53C1030",
    ),
)  # fmt: skip
