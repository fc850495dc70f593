"""Oracle VirtualBox: an OVA its importer takes as it is.

Source: VirtualBox user manual, "Importing and exporting virtual machines", and what its
importer accepts (docs/ovf-dialects.md). Firmware cannot be said in the OVF items that the
importer reads; the planner reports it.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware, NicModel
from kensho.model.units import TIB
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

CONTROLLERS = (
    ControllerSupport(C.AHCI, units=30, most=1),
    ControllerSupport(C.IDE, units=2, most=2),
    ControllerSupport(C.LSILOGIC, units=16, most=1, reserved=(7,)),
    ControllerSupport(C.LSISAS, units=8, most=1),
)
#: What is written as VirtualSystemType, whatever the version.
OVF_HARDWARE = (
    Version(name="virtualbox-2.2", products="all", cpus=64, memory=2 * TIB, nics=8, usual=True),
)

POLICY = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.IDE)),
    keep=frozenset({C.AHCI, C.IDE, C.LSILOGIC, C.LSISAS}),
    nic=NicModel.E1000,
    keep_nics=frozenset({NicModel.E1000, NicModel.PCNET}),
)

CARRIES = Carries(
    usb=True,
    sound=True,
    floppy=True,
    products=True,
    eulas=True,
    annotation=True,
    network_names=True,
    disconnected_nics=False,
    cores_per_socket=False,
    any_name=False,
)

PLATFORM = Platform(
    name="virtualbox",
    title="Oracle VirtualBox",
    aliases=("vbox",),
    forms=(
        Form(
            name="ova",
            title="OVA for VirtualBox",
            disk=DiskFormat("vmdk", "streamOptimized", "vmdk"),
            carries=CARRIES,
            container="kensho.appliances.ova.write:write_virtualbox_ova",
            suffix="ova",
            firmware=(Firmware.BIOS,),
            several_machines=True,
            next_step="VBoxManage import {name}.ova",
        ),
    ),
    controllers=CONTROLLERS,
    native=POLICY,
    compatible=POLICY,
    most_cpus=64,
    most_memory=2 * TIB,
    most_nics=8,
    hardware=("virtualbox", "vmx"),
    untested="VirtualBox was not at hand: checked against the DMTF schema and its importer's rules",
)
