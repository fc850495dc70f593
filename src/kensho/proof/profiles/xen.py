"""XenServer, XCP-ng and Xen: a PIIX3 board with IDE and RTL8139 for guests without Xen's drivers.

Source: Xen's QEMU device model (tools/libs/light/libxl_dm.c: ``xenfv``, ide, rtl8139 or e1000); names in SMBIOS:
tools/firmware/hvmloader/smbios.c.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile, Smbios

_NAMES = Smbios("Xen", "Xen", "HVM domU")
_UNPLUGGED = (
    "without Xen's platform device (5853:0001): there a Linux with Xen's drivers unplugs disk and adapter and takes "
    "its own, see {}"
)
_FRONT_ENDS = "QEMU without Xen has no block and network back ends for Xen's drivers"

PROFILES = (
    Profile(
        name="xenserver-hvm", platform="xenserver", title="XenServer: HVM, IDE, RTL8139, BIOS",
        controller=C.IDE, adapter=N.RTL8139, smbios=_NAMES, nearest=_UNPLUGGED.format("xenserver-pv"),
    ),
    Profile(
        name="xen-hvm-e1000", platform="xen", title="Xen: HVM, IDE, E1000, BIOS",
        controller=C.IDE, adapter=N.E1000, smbios=_NAMES, nearest=_UNPLUGGED.format("xen-pvhvm"),
    ),
    Profile(
        name="xen-pvhvm", platform="xen", title="Xen: HVM with Xen's drivers, BIOS",
        controller=C.XEN_VBD, adapter=N.XEN, static=_FRONT_ENDS,
    ),
    Profile(
        name="xen-pvhvm-uefi", platform="xen", title="Xen: HVM with Xen's drivers, UEFI",
        controller=C.XEN_VBD, adapter=N.XEN, firmware=Firmware.UEFI, static=_FRONT_ENDS,
    ),
    Profile(
        name="xenserver-pv", platform="xenserver", title="XenServer: PV drivers, BIOS",
        controller=C.XEN_VBD, adapter=N.XEN, static=_FRONT_ENDS,
    ),
    Profile(
        name="xenserver-pv-uefi", platform="xenserver", title="XenServer: PV drivers, UEFI",
        controller=C.XEN_VBD, adapter=N.XEN, firmware=Firmware.UEFI, static=_FRONT_ENDS,
    ),
)  # fmt: skip
