"""XenCenter and Xen Orchestra.

Sources. [S] XenCenter: XenOvfApi and XenModel of xenserver/xenadmin at b210cd2 (known types, disks
by number 19 or 17, ``Import.cs``); Xen Orchestra: packages/xo-vmdk-to-vhd/src/ova-read.js of
vatesfr/xen-orchestra at 9ef5389. [I] missing capacity: xcp-ng/xenadmin#107; prefix:
vatesfr/xen-orchestra#3962; capacity that is the file's size: vatesfr/xen-orchestra#6824.
"""

from kensho.packages.validate.profile import Device, Effect, Family, Feature, Profile

_ACCEPT, _LOSS, _REFUSE = Effect.ACCEPT, Effect.LOSS, Effect.REFUSE

PROFILES = (
    Profile(
        name="xencenter",
        title="XenCenter and XCP-ng Center",
        basis="source of XenOvfApi at b210cd2 and issue threads; not run",
        versions={"0.9": _REFUSE, "1": _ACCEPT, "2": _REFUSE},
        families=(Family("hvm-3.0-"), Family("xen-3.0-"), Family("vmx", 7), Family("301"),
                  Family("dmtf:xen:"), Family("virtualbox-2.2")),
        other_family=_ACCEPT,  # it warns
        disk_formats=frozenset({"vhd", "vmdk", "iso"}),
        features={
            "no-capacity": Feature(_REFUSE, "a null reference ends the import"),
            "chunks": Feature(_REFUSE, "chunks are not joined"),
            "urls": Feature(_REFUSE, "not fetched"),
            "properties": Feature(_LOSS, "not read"),
            "options": Feature(_LOSS, "the items of all options are read"),
            "uefi": Feature(_LOSS, "VMware's setting is not read: the machine gets BIOS"),
        },
    ),
    Profile(
        name="xcp-ng",
        title="Xen Orchestra (XCP-ng, XenServer)",
        basis="source of xo-vmdk-to-vhd at 9ef5389 and issue threads; not run",
        versions={"0.9": _LOSS, "1": _ACCEPT, "2": _ACCEPT},
        devices={  # all others are not looked at
            number: Device(effect=_LOSS, why="not read")
            for number in (1, 14, 15, 16, 21, 22, 23, 35)
        } | {number: Device() for number in (3, 4, 5, 6, 10, 17, 20, 24, 33)},
        unknown_device=_LOSS,
        features={
            "collection": Feature(_REFUSE, "only a VirtualSystem right in the Envelope is read"),
            "several-machines": Feature(_REFUSE, "only one machine is read"),
            "several-hardware": Feature(_REFUSE, "only one VirtualHardwareSection is read"),
            "no-disks": Feature(_REFUSE, "a DiskSection is demanded"),
            "no-system": Feature(_REFUSE, "System is demanded"),
            "options": Feature(_LOSS, "the last item of a kind counts, whatever its option"),
            "doubled": Feature(_LOSS, "the last item counts"),
            "xo-units": Feature(_REFUSE, "such a unit is not understood"),
            "nics-unallocated": Feature(_LOSS, "such adapters are left out"),
            "addresses": Feature(_LOSS, "disks are ordered by it alone; their order changes"),
            "hidden-disks": Feature(_LOSS, "such disks are left out"),
            "disk-suffixes": Feature(_REFUSE, "only members called .vmdk or .vmdk.gz are read"),
            "chunks": Feature(_REFUSE, "chunks are not joined"),
            "urls": Feature(_REFUSE, "not fetched"),
            "parents": Feature(_REFUSE, "not read"),
            "empty-disks": Feature(_REFUSE, "a disk without a file"),
            "prefixed": Feature(_ACCEPT, "older versions did not read a prefix"),
            "properties": Feature(_LOSS, "not read"),
            "licences": Feature(_LOSS, "not shown"),
            "uefi": Feature(_LOSS, "the firmware is not read: the machine may not boot"),
        },
    ),
)  # fmt: skip
