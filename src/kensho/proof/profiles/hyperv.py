"""Hyper-V and Azure: generation 1 with IDE and the legacy adapter, generation 2 on VMBus alone.

Generation 1 is an i440BX with a PIIX4 (8086:7192, 8086:7111), whose legacy adapter is a DEC 21140 (1011:0009). It is
not called "Virtual Machine" here: by that name Linux' ata_piix leaves the disks to VMBus, which QEMU has none
on (drivers/ata/ata_piix.c, ``piix_ignore_devices_quirk``).

Source: https://learn.microsoft.com/windows-server/virtualization/hyper-v/plan/should-i-create-a-generation-1-or-2-virtual-machine-in-hyper-v
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile

_VMBUS = "QEMU has a VMBus bridge, and neither a disk nor an adapter on it"

PROFILES = (
    Profile(
        name="hyperv-gen1", platform="hyperv", title="Hyper-V generation 1: IDE, legacy adapter",
        controller=C.IDE, adapter=N.HYPERV_LEGACY,
        nearest="PIIX3 for a PIIX4, a DEC 21143 for the 21140; a Linux with Hyper-V's drivers takes the disk "
        "by VMBus there: hyperv-gen1-network tells of that",
    ),
    Profile(
        name="hyperv-gen2-firmware", platform="hyperv", title="Hyper-V generation 2: its firmware alone",
        controller=C.NVME, adapter=N.E1000E, firmware=Firmware.UEFI, board="q35",
        nearest="disk and adapter are stand-ins that Hyper-V does not have: it shows that the guest "
        "starts by UEFI; its devices are told by hyperv-gen2",
    ),
    Profile(
        name="hyperv-gen1-network", platform="hyperv", title="Hyper-V generation 1: IDE, VMBus adapter",
        controller=C.IDE, adapter=N.HYPERV, static=_VMBUS,
    ),
    Profile(
        name="hyperv-gen2", platform="hyperv", title="Hyper-V generation 2: VMBus, UEFI",
        controller=C.HYPERV_SCSI, adapter=N.HYPERV, firmware=Firmware.UEFI, static=_VMBUS,
    ),
    Profile(
        name="azure-gen1", platform="azure", title="Azure generation 1: IDE, VMBus adapter, BIOS",
        controller=C.IDE, adapter=N.HYPERV, static=_VMBUS,
    ),
    Profile(
        name="azure-gen2", platform="azure", title="Azure generation 2: VMBus, UEFI",
        controller=C.HYPERV_SCSI, adapter=N.HYPERV, firmware=Firmware.UEFI, static=_VMBUS,
    ),
)  # fmt: skip
