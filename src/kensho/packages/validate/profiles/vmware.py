"""ESXi's host client, vCenter, and Workstation.

Sources. [I] issue threads: families (owncloud-archive/vm#53, nextcloud/vm#556,
librenms/packer-builds#36), OVF 2 items (BlackArch/blackarch#1937, websploit#1), digests
(OpenCTI#1642, vmware/vic#5443, turnkeylinux/tracker#827), spelling of the manifest
(home-assistant/operating-system#826 and #3654), gzip (EMCECS/ECS-CommunityEdition#329), PIIX4
(inverse-inc/packetfence#5522), ExtraConfig (GNS3/gns3-vm#40), collections on a bare host
(glennmatthews/cot#71), properties on a bare host (ansible/ansible#50299), foreign settings
(xcp-ng/xenadmin#202), old VMDK (glennmatthews/cot#65). [D] hardware versions by release: VMware KB
1003746 and "Hardware Features Available with Virtual Machine Compatibility Settings". [F] subtypes:
what VMware's own exporters write into the fixtures of vmware/govmomi.
"""

from dataclasses import replace

from kensho.model.units import GIB, TIB
from kensho.packages.validate.profile import Device, Effect, Family, Feature, Profile

_ACCEPT, _LOSS, _REFUSE = Effect.ACCEPT, Effect.LOSS, Effect.REFUSE

DEVICES = {  # [F]
    1: Device(subtypes=frozenset({"vmware.*"}), other=_REFUSE, none=_REFUSE,
              why="unknown device of the kind Other"),
    3: Device(),
    4: Device(),
    5: Device(subtypes=frozenset(), other=_REFUSE, replacement="",
              why="ResourceSubTypes of IDE controllers are refused (PIIX4)"),
    6: Device(subtypes=frozenset({"lsilogic", "buslogic", "lsilogicsas", "virtualscsi"}),
              other=_REFUSE, replacement="lsilogic", why="unknown SCSI controller"),
    10: Device(subtypes=frozenset({"e1000", "e1000e", "vmxnet", "vmxnet2", "vmxnet3", "pcnet32",
                                   "flexible", "sriovethernetcard", "vmxnet3vrdma"}),
               other=_REFUSE, replacement="E1000", why="unknown network adapter"),
    14: Device(),
    15: Device(),
    16: Device(),
    17: Device(),
    20: Device(subtypes=frozenset({"ahci", "vmware.sata.ahci", "vmware.nvme.controller",
                                   "vmware.nvdimm.*"}),
               other=_REFUSE, none=_REFUSE, replacement="AHCI", why="unknown storage controller"),
    21: Device(),
    22: Device(),
    23: Device(subtypes=frozenset({"vmware.usb.*"}), other=_REFUSE, none=_REFUSE,
               why="USB controllers are vmware.usb.ehci or .xhci there"),
    24: Device(),
    34: Device(),
    # VirtualBox's ensoniq1371 is the sound of the threads about VirtualBox's packages. [I]
    35: Device(subtypes=frozenset({"vmware.*"}), other=_REFUSE, none=_REFUSE,
               why="no support for that sound card"),
}  # fmt: skip

_COMMON = {
    "chunks": Feature(_ACCEPT, "joined by the importer"),
    "gzip": Feature(_REFUSE, "compressed disks are not supported by vSphere"),
    "several-hardware": Feature(_ACCEPT, "the best one that it knows is taken"),
    "options": Feature(_ACCEPT, "one is chosen when deploying"),
    "networks-unlisted": Feature(_REFUSE, "refused by VMware's own tests (NetworkSection/Neg)"),
    "others-required": Feature(_REFUSE, "settings of others that may not be skipped"),
    "extra-config": Feature(_LOSS, "keys that are not on its list are refused one by one"),
    "manifest-spelling": Feature(_REFUSE, "invalid checksum algorithm: a blank, or SHA2-256"),
    "old-vmdk": Feature(_LOSS, "the importer may say that the VMDK's version is too old"),
}

_HOST = Profile(
    name="esxi-6.7",
    title="VMware ESXi and vCenter 6.7",
    basis="issue threads, VMware's documentation and the fixtures of govmomi; not run",
    versions={"0.9": _ACCEPT, "1": _ACCEPT, "2": _REFUSE},
    families=(Family("vmx", 14),),  # [D] 6.7 Update 2 takes 15
    family="vmx-13",
    devices=DEVICES,
    disk_formats=frozenset({"vmdk", "iso"}),
    digests=frozenset({"sha1", "sha256", "sha512"}),
    limits={"cpus": 128, "memory": 6128 * GIB, "nics": 10},  # [D] of hardware version 14
    features={
        **_COMMON,
        "collection": Feature(_REFUSE, "a bare host refuses it; vCenter makes a vApp of it"),
        "properties": Feature(_LOSS, "a bare host drops them; vCenter asks for them"),
    },
)
PROFILES = (
    _HOST,
    replace(
        _HOST,
        name="esxi-7",
        title="VMware ESXi and vCenter 7.0",
        families=(Family("vmx", 17),),  # [D] Update 1 takes 18, Update 2 takes 19
        family="vmx-17",
        limits={"cpus": 256, "memory": 6128 * GIB, "nics": 10},  # [D] of version 17
    ),
    replace(
        _HOST,
        name="esxi-8",
        title="VMware ESXi and vCenter 8.0",
        families=(Family("vmx", 20),),  # [D] Update 2 takes 21
        family="vmx-19",
        digests=frozenset({"sha256", "sha512"}),  # [I] SHA-1 is refused
        limits={"cpus": 768, "memory": 24 * TIB, "nics": 10},  # [D] of version 20
    ),
    replace(
        _HOST,
        name="workstation",
        title="VMware Workstation and Fusion",
        families=(Family("vmx", 21),),  # [D] Workstation 17.5, Fusion 13.5
        family="vmx-19",
        digests=None,
        limits={"nics": 10},
        features=_COMMON,
    ),
)
