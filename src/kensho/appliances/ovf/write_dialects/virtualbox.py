"""OVF 1.x as VirtualBox's importer reads it.

It takes type 20 only as AHCI, SAS as type 6 ``lsilogicsas``, one USB controller of any kind,
and any sound card as AC97; it ignores network names but its own five, MAC addresses, serial
ports and the video adapter. Firmware can only be said in a ``vbox:Machine`` element, and then
the importer reads nothing else, so none is written.
"""

from __future__ import annotations

from kensho.appliances.ovf.write_dialects.base import Device, Dialect, controllers_of, nics_of
from kensho.model.units import MIB
from kensho.platforms.virtualbox import OVF, OVF_HARDWARE

_SOUND = Device(35, "ensoniq1371")
_USB = Device(23)

VIRTUALBOX = Dialect(
    name="virtualbox",
    hardware=OVF_HARDWARE,
    controllers=controllers_of(OVF),
    nics=nics_of(OVF),
    cdrom=Device(15),
    floppy=Device(14),
    usb={"uhci": _USB, "ohci": _USB, "ehci": _USB, "xhci": _USB},
    sound={"es1371": _SOUND, "ac97": _SOUND, "hda": _SOUND, "sb16": _SOUND},
    guest=("vbox",),
    memory_step=MIB,
    network="NAT",
    several_machines=True,
)
