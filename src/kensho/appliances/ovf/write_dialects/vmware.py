"""OVF as VMware's ovftool, vCenter and ESXi write and read it.

Subtypes and configuration keys are those of ovftool's own exports.
"""

from __future__ import annotations

from kensho.appliances.ovf.write_dialects.base import Device, Dialect
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel
from kensho.model.units import MIB
from kensho.platforms.vmware import VERSIONS

#: VMware refuses to start a machine whose memory is no multiple of it.
MEMORY_STEP = 4 * MIB
#: What its display adapter has at most, in bytes and screens.
MOST_VIDEO_MEMORY, MOST_DISPLAYS = 128 * MIB, 10

VMWARE = Dialect(
    name="vmware",
    hardware=VERSIONS,
    controllers={
        C.PVSCSI: Device(6, "VirtualSCSI"),
        C.LSISAS: Device(6, "lsilogicsas"),
        C.LSILOGIC: Device(6, "lsilogic"),
        C.BUSLOGIC: Device(6, "buslogic"),
        C.AHCI: Device(20, "vmware.sata.ahci"),
        C.NVME: Device(20, "vmware.nvme.controller"),
        C.IDE: Device(5),
    },
    nics={
        NicModel.E1000: Device(10, "E1000"),
        NicModel.E1000E: Device(10, "E1000e"),
        NicModel.VMXNET3: Device(10, "VmxNet3"),
        NicModel.PCNET: Device(10, "PCNet32"),
    },
    cdrom=Device(15, "vmware.cdrom.remotepassthrough"),
    floppy=Device(14, "vmware.floppy.remotedevice"),
    serial=Device(21, "vmware.serialport.device"),
    video=Device(24),
    # One adapter of VMware's is UHCI and EHCI together.
    usb={
        "uhci": Device(23, "vmware.usb.ehci"),
        "ohci": Device(23, "vmware.usb.ehci"),
        "ehci": Device(23, "vmware.usb.ehci"),
        "xhci": Device(23, "vmware.usb.xhci"),
    },
    sound={
        "hda": Device(1, "vmware.soundcard.hdaudio"),
        "es1371": Device(1, "vmware.soundcard.ensoniq1371"),
        "sb16": Device(1, "vmware.soundcard.sb16"),
    },
    guest=("vmw",),
    config=frozenset(
        {
            "firmware",
            "bootOptions.efiSecureBootEnabled",
            "coresPerSocket",
            "ehciEnabled",
            "enable3DSupport",
            "numDisplays",
            "slotInfo.pciSlotNumber",
            "videoRamSizeInKB",
        }
    ),
    memory_step=MEMORY_STEP,
    network="VM Network",
    says_disconnected=True,
    several_machines=True,
)
