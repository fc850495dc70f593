"""``portable-1``: one descriptor for VMware, VirtualBox, Proxmox, Xen Orchestra and virt-v2v.

Only what all of them read. VMware's words are added where all others skip them: the guest's
name as an attribute, the firmware and the cores per socket as elements nobody is required to
understand. VirtualBox's word for the guest is not: a version that does not know it refuses
the whole package.
"""

from __future__ import annotations

from kensho.appliances.ovf.write_dialects.base import Device, Dialect, controllers_of, nics_of
from kensho.model.units import MIB
from kensho.platforms.portable import HARDWARE, OVF

PORTABLE = Dialect(
    name="portable-1",
    hardware=HARDWARE,
    controllers=controllers_of(OVF),
    nics=nics_of(OVF),
    cdrom=Device(15),
    guest=("vmw",),
    config=frozenset({"firmware", "bootOptions.efiSecureBootEnabled", "coresPerSocket"}),
    memory_step=4 * MIB,
    network="VM Network",
    several_machines=False,
)
