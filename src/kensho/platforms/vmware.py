"""VMware ESXi, vCenter, Workstation and Fusion: OVA, or a folder with a VMX.

Source: VMware configuration maximums (per-machine) and DSP0243 as VMware reads it
(docs/ovf-dialects.md). Linux has had pvscsi and vmxnet3 since 2.6.33, Windows has neither
in the box, so the compatible choice is LSI SAS and E1000E.
"""

from __future__ import annotations

import msgspec

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel
from kensho.model.units import MIB, TIB
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

CONTROLLERS = (
    ControllerSupport(C.PVSCSI, units=16, most=4, reserved=(7,)),
    ControllerSupport(C.LSISAS, units=16, most=4, reserved=(7,)),
    ControllerSupport(C.LSILOGIC, units=16, most=4, reserved=(7,)),
    ControllerSupport(C.BUSLOGIC, units=16, most=4, reserved=(7,), boots=(Firmware.BIOS,)),
    ControllerSupport(C.AHCI, units=30, most=4),
    ControllerSupport(C.NVME, units=15, most=4),
    ControllerSupport(C.IDE, units=2, most=2),
)
KEEP = frozenset({C.PVSCSI, C.LSISAS, C.LSILOGIC, C.BUSLOGIC, C.AHCI, C.NVME, C.IDE})
NICS = frozenset({NicModel.E1000, NicModel.E1000E, NicModel.VMXNET3, NicModel.PCNET})

CARRIES = Carries(
    serial_ports=4,
    usb=True,
    sound=True,
    video=True,
    floppy=True,
    products=True,
    properties=True,
    eulas=True,
    annotation=True,
    mac=True,
    network_names=True,
    secure_boot=True,
    any_name=False,
)

VMX_CARRIES = msgspec.structs.replace(
    CARRIES,
    products=False,
    properties=False,
    eulas=False,
    uuid=True,
    any_name=True,
    cdrom_image=True,
    guestinfo=True,
)

PLATFORM = Platform(
    name="vmware",
    title="VMware",
    aliases=("esxi", "vsphere", "workstation"),
    forms=(
        Form(
            name="ova",
            title="OVA for VMware",
            disk=DiskFormat("vmdk", "streamOptimized", "vmdk"),
            carries=CARRIES,
            container="kensho.appliances.ova.write:write_vmware_ova",
            suffix="ova",
            several_machines=True,
            next_step="deploy {name}.ova in vCenter, ESXi's host client or Workstation",
        ),
        Form(
            name="vmx",
            title="VMX folder",
            disk=DiskFormat("vmdk", "monolithicSparse", "vmdk"),
            carries=VMX_CARRIES,
            render="kensho.appliances.vmx.write:render",
            next_step="open {name}.vmx in VMware Workstation, Player or Fusion",
        ),
    ),
    controllers=CONTROLLERS,
    native=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.PVSCSI, cdrom=C.AHCI)),
        keep=KEEP,
        nic=NicModel.VMXNET3,
        keep_nics=NICS,
    ),
    compatible=DevicePolicy(
        drives=same_choice(DriveChoice(disk=C.LSISAS, cdrom=C.AHCI)),
        keep=KEEP,
        nic=NicModel.E1000E,
        keep_nics=NICS,
    ),
    most_cpus=768,
    most_memory=24 * TIB,
    most_nics=10,
    memory_step=4 * MIB,
    hardware=("vmx",),
    untested="no VMware product was at hand: read back and checked against the DMTF schema",
)
