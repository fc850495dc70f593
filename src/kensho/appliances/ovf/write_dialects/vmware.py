"""OVF as VMware's ovftool, vCenter and ESXi write and read it.

Subtypes and configuration keys are those of ovftool's own exports.
"""

from __future__ import annotations

from kensho.appliances.ovf.write_dialects.base import Device, Dialect, controllers_of, nics_of
from kensho.model.units import MIB
from kensho.platforms.vmware import OVF, VERSIONS

#: VMware refuses to start a machine whose memory is no multiple of it.
MEMORY_STEP = 4 * MIB
#: What its display adapter has at most, in bytes and screens.
MOST_VIDEO_MEMORY, MOST_DISPLAYS = 128 * MIB, 10

VMWARE = Dialect(
    name="vmware",
    hardware=VERSIONS,
    controllers=controllers_of(OVF),
    nics=nics_of(OVF),
    cdrom=Device(15, "vmware.cdrom.remotepassthrough"),
    floppy=Device(14, "vmware.floppy.remotedevice"),
    serial=Device(21, "vmware.serialport.device"),
    video=Device(24),
    usb={r.means: Device(23, r.words[0]) for r in OVF.usb}
    # One adapter of VMware's is UHCI and EHCI together.
    | dict.fromkeys(("uhci", "ohci"), Device(23, OVF.usb[0].words[0])),
    sound={r.means: Device(1, r.words[0]) for r in OVF.sound},
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
