"""The portable OVA: one package for VMware, VirtualBox, Proxmox, Xen Orchestra and virt-v2v.

The profile ``portable-1`` is described in docs/ovf-dialects.md: OVF 1.x, one machine, AHCI or
LSI Logic, E1000, streamOptimized VMDK, SHA-256 manifest, and nothing that an importer has to
understand beyond that.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel
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
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary, row

#: What is written as VirtualSystemType. vmx-10 is the oldest with AHCI; Secure Boot came with vmx-13.
HARDWARE = (
    Version(name="vmx-10 vmx-13 virtualbox-2.2", products="all", cpus=64, memory=TIB, nics=8,
            secure_boot=False, usual=True),
    Version(name="vmx-13 virtualbox-2.2", products="all", cpus=128, memory=6 * TIB, nics=8,
            usual=True),
)  # fmt: skip

#: The subtypes that every importer knows. VMware refuses an IDE controller with one.
OVF = Vocabulary(
    format="ovf",
    controllers=(row(C.AHCI, "AHCI"), row(C.LSILOGIC, "lsilogic"), row(C.IDE, "")),
    nics=(row(NicModel.E1000, "E1000"),),
)

POLICY = DevicePolicy(
    drives=same_choice(DriveChoice(disk=C.AHCI, cdrom=C.IDE)),
    keep=frozenset({C.AHCI, C.LSILOGIC, C.IDE}),
    nic=NicModel.E1000,
    keep_nics=frozenset({NicModel.E1000}),
)

CARRIES = Carries(
    origin=True,
    products=True,
    properties=True,
    eulas=True,
    annotation=True,
    network_names=True,
    disconnected_nics=False,
    any_name=False,
    secure_boot=True,
)

PLATFORM = Platform(
    name="ova",
    title="portable OVA (portable-1)",
    aliases=("portable", "portable-1"),
    forms=(
        Form(
            name="ova",
            title="OVA, profile portable-1",
            disk=DiskFormat("vmdk", "streamOptimized", "vmdk"),
            carries=CARRIES,
            container="kensho.appliances.ova.write:write_portable_ova",
            suffix="ova",
            next_step="import {name}.ova where you like, or convert it again",
        ),
    ),
    controllers=(
        ControllerSupport(C.AHCI, units=30, most=1),
        ControllerSupport(C.LSILOGIC, units=15, most=1, reserved=(7,)),
        ControllerSupport(C.IDE, units=2, most=2),
    ),
    native=POLICY,
    compatible=POLICY,
    words=(OVF,),
    most_cpus=64,
    most_memory=2 * TIB,
    most_nics=8,
    memory_step=4 * MIB,
    hardware=("vmx", "virtualbox"),
    untested="no importer was at hand: checked against the DMTF schema and the profile's rules",
)
