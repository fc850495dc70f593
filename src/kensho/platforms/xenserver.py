"""XenServer and XCP-ng: one XVA file with the machine and its disks.

Source: https://docs.xenserver.com/en-us/xenserver/8/system-requirements/configuration-limits
(per-machine maximums; those of XCP-ng 8.2 and 8.3 are at https://docs.xcp-ng.org). Guests run as HVM; disks and adapters are attached as Xen's
paravirtual devices with an emulated IDE disk and RTL8139 standing in until the guest's own
drivers take over.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel
from kensho.model.units import GIB, MIB
from kensho.platforms.base import (
    Carries,
    ControllerSupport,
    DevicePolicy,
    DiskFormat,
    DriveChoice,
    Form,
    Platform,
    same_choice,
)
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary, row

#: The virtual TPM came with XenServer 8 and XCP-ng 8.3, 64 virtual processors with XenServer 8.
VERSIONS = (
    Version(name="xcp-ng-8.2", products="XCP-ng 8.2, Citrix Hypervisor 8.2", cpus=32,
            memory=1536 * GIB, nics=7, tpm=False),
    Version(name="xcp-ng-8.3", products="XCP-ng 8.3", cpus=64, memory=1536 * GIB, nics=7),
    Version(name="xenserver-8", products="XenServer 8", cpus=64, memory=1536 * GIB, nics=7),
)  # fmt: skip

#: What XAPI's platform map calls a display.
XVA = Vocabulary(format="xva", video=(row("vga", "std"), row("cirrus", "cirrus")))

POLICY = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.XEN_VBD, cdrom=C.XEN_VBD)),
    keep=frozenset({C.XEN_VBD}),
    nic=NicModel.XEN,
    keep_nics=frozenset({NicModel.XEN}),
)

CARRIES = Carries(
    annotation=True,
    uuid=True,
    mac=True,
    network_names=True,
    secure_boot=True,
    disk_modes=frozenset({"read_only", "shared"}),
    boot_order=True,
    boot_by_kind=(Firmware.BIOS, Firmware.UEFI),
    video=True,
    nested_virtualization=True,
    dynamic_memory=True,
    most_memory=True,
    extras=frozenset({"xva"}),
    origin=True,
)

PLATFORM = Platform(
    name="xenserver",
    title="XenServer / XCP-ng",
    aliases=("xcp-ng",),
    forms=(
        Form(
            name="xva",
            title="XVA",
            disk=DiskFormat("xva", "", "", size_step=MIB),
            carries=CARRIES,
            container="kensho.appliances.xva.write:write_xva",
            suffix="xva",
            next_step="xe vm-import filename={name}.xva (preserve=true keeps MAC addresses and UUID)",
        ),
        Form(
            name="xva-xxhash",
            title="XVA with XXH64 checksums (XenServer 8, XCP-ng 8.3)",
            disk=DiskFormat("xva", "", "", size_step=MIB),
            carries=CARRIES,
            container="kensho.appliances.xva.write:write_xva_xxhash",
            suffix="xva",
            next_step="xe vm-import filename={name}.xva (preserve=true keeps MAC addresses and UUID)",
        ),
    ),
    # 255 VBDs are allowed; device names beyond xvdp need guest tools of some age.
    controllers=(ControllerSupport(C.XEN_VBD, units=255, most=1),),
    native=POLICY,
    compatible=POLICY,
    own_macs=("00:16:3e",),
    most_cpus=VERSIONS[-1].cpus,
    most_memory=VERSIONS[-1].memory,
    most_nics=VERSIONS[-1].nics,
    versions=VERSIONS,
    words=(XVA,),
    hardware=("hvm", "xen", "dmtf:xen", "301", "vmx"),
    untested="no XenServer was at hand: the XVA was unpacked and compared, and so started by Xen, not imported",
)
