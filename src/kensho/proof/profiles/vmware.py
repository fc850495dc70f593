"""VMware ESXi and Workstation: PVSCSI, LSI Logic SAS, SATA, NVMe, IDE; VMXNET3, E1000E, E1000.

Source: https://knowledge.broadcom.com/external/article/313456 (controllers), Broadcom's "Network adapter
types"; what QEMU has of them: hw/scsi/vmw_pvscsi.c, mptsas.c, hw/net/vmxnet3.c.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile, Smbios

_BIOS = Smbios("Phoenix Technologies LTD", "VMware, Inc.", "VMware Virtual Platform")
_UEFI = Smbios("VMware, Inc.", "VMware, Inc.", "VMware7,1")
_PC = "QEMU's i440FX and PIIX3 for a 440BX and PIIX4"
_Q35 = "q35 for a 440BX with PCI Express ports"
_E1000 = "e1000-82545em"

_OVMF = "Debian's firmware starts from no disk on it (edk2 has the driver switched off)"

PROFILES = (
    Profile(
        name="vmware-pvscsi", platform="vmware", title="ESXi: PVSCSI, VMXNET3, BIOS",
        controller=C.PVSCSI, adapter=N.VMXNET3, smbios=_BIOS, nearest=_PC,
    ),
    Profile(
        name="vmware-lsisas", platform="vmware", title="ESXi: LSI Logic SAS, E1000E, BIOS",
        controller=C.LSISAS, adapter=N.E1000E, smbios=_BIOS, nearest=_PC,
    ),
    Profile(
        name="vmware-sata", platform="vmware", title="ESXi: SATA, E1000E, BIOS",
        controller=C.AHCI, adapter=N.E1000E, board="q35", smbios=_BIOS,
        nearest=f"{_Q35}, Intel's ICH9 for its AHCI",
    ),
    Profile(
        name="vmware-ide", platform="vmware", title="Workstation: IDE, E1000, BIOS",
        controller=C.IDE, adapter=N.E1000, device=_E1000, smbios=_BIOS, nearest=f"{_PC}: the same driver",
    ),
    Profile(
        name="vmware-nvme-uefi", platform="vmware", title="ESXi: NVMe, VMXNET3, UEFI",
        controller=C.NVME, adapter=N.VMXNET3, firmware=Firmware.UEFI, board="q35", smbios=_UEFI,
        nearest=f"{_Q35}, QEMU's NVMe controller for VMware's, edk2 for its firmware",
    ),
    Profile(
        name="vmware-sata-uefi", platform="vmware", title="ESXi: SATA, E1000E, UEFI",
        controller=C.AHCI, adapter=N.E1000E, firmware=Firmware.UEFI, board="q35", smbios=_UEFI,
        nearest=f"{_Q35}, Intel's ICH9 for its AHCI, edk2 for its firmware",
    ),
    Profile(
        name="vmware-pvscsi-uefi", platform="vmware", title="ESXi: PVSCSI, VMXNET3, UEFI",
        controller=C.PVSCSI, adapter=N.VMXNET3, firmware=Firmware.UEFI, board="q35", static=_OVMF,
    ),
    Profile(
        name="vmware-lsilogic", platform="vmware", title="ESXi: LSI Logic Parallel, E1000, BIOS",
        controller=C.LSILOGIC, adapter=N.E1000, static="QEMU has no LSI 53C1030",
    ),
    Profile(
        name="vmware-buslogic", platform="vmware", title="ESXi, Workstation: BusLogic, vlance, BIOS",
        controller=C.BUSLOGIC, adapter=N.PCNET, static="QEMU has no BusLogic BT-958",
    ),
)  # fmt: skip
