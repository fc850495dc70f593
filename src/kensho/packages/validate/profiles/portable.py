"""A package that VMware, VirtualBox, Proxmox, Xen Orchestra, virt-v2v and govc all take.

No importer: a lint, the intersection of the others' profiles. XenCenter's own dialect (VHD disks
under number 19, GUIDs) cannot be had at the same time.
"""

from kensho.packages.validate.profile import Device, Effect, Family, Feature, Profile

_ACCEPT, _LOSS, _REFUSE = Effect.ACCEPT, Effect.LOSS, Effect.REFUSE
_SOME = "some importers refuse it"
_NICS = frozenset({"e1000"})

PROFILES = (
    Profile(
        name="portable-1",
        title="portable to most importers",
        basis="the intersection of the other profiles",
        versions={"0.9": _REFUSE, "1": _ACCEPT, "2": _REFUSE},
        # vmx-13 is ESXi 6.5's, the oldest that anybody still runs; VirtualBox reads any.
        families=(Family("vmx", 13),),
        family="vmx-10 vmx-13 virtualbox-2.2",
        devices={
            3: Device(),
            4: Device(),
            5: Device(subtypes=frozenset(), other=_REFUSE, replacement="",
                      why="VMware refuses a subtype of an IDE controller"),
            6: Device(subtypes=frozenset({"lsilogic"}), other=_LOSS,
                      why="only lsilogic is known to all"),
            10: Device(subtypes=_NICS, other=_LOSS, none=_LOSS,
                       why="only E1000 is known to all; others become what the importer likes"),
            14: Device(),
            15: Device(),
            17: Device(),
            20: Device(subtypes=frozenset({"ahci"}), other=_REFUSE, none=_REFUSE,
                       replacement="AHCI", why="only AHCI is known to all"),
        },
        memory_units=frozenset({"byte * 2^20"}),
        disk_formats=frozenset({"vmdk"}),
        digests=frozenset({"sha1", "sha256"}),
        features={
            "collection": Feature(_REFUSE, "bare ESXi, Proxmox and virt-v2v want one machine"),
            "several-machines": Feature(_REFUSE, "bare ESXi and Xen Orchestra want one machine"),
            "several-hardware": Feature(_REFUSE, "each importer picks another one"),
            "options": Feature(_REFUSE, "VirtualBox and Proxmox take the items of all options"),
            "ranges": Feature(_REFUSE, "VirtualBox and virt-v2v take limits for devices"),
            "gzip": Feature(_REFUSE, "vSphere and Proxmox do not unpack"),
            "chunks": Feature(_REFUSE, "VirtualBox and virt-v2v do not join"),
            "urls": Feature(_REFUSE, _SOME),
            "parents": Feature(_REFUSE, "VMware's importers only know these"),
            "empty-disks": Feature(_REFUSE, "Proxmox and virt-v2v leave them out or fail"),
            "no-capacity": Feature(_REFUSE, "XenCenter fails"),
            "capacity-units": Feature(_LOSS, "VirtualBox reads bytes whatever the unit"),
            "variable-capacity": Feature(_REFUSE, "it is resolved by VMware only"),
            "file-names": Feature(_LOSS, "Proxmox and tar of old want plain names"),
            "disk-ids": Feature(_LOSS, "Proxmox leaves such disks out"),
            "encoding": Feature(_LOSS, "not everybody reads other encodings than UTF-8"),
            "no-sizes": Feature(_LOSS, "progress and space are unknown to the importer"),
            "no-name": Feature(_LOSS, "Proxmox names the machine as it likes"),
            "drive-parents": Feature(_REFUSE, "VirtualBox refuses, Proxmox leaves it out"),
            "addresses": Feature(_LOSS, "Xen Orchestra orders disks by it alone"),
            "host-spelling": Feature(_REFUSE, "Proxmox leaves such disks out"),
            "nics-unallocated": Feature(_LOSS, "Xen Orchestra leaves such adapters out"),
            "networks-unlisted": Feature(_REFUSE, "VMware refuses"),
            "ids-no-numbers": Feature(_REFUSE, "VirtualBox 6 reads numbers"),
            "unordered": Feature(_LOSS, "the schema refuses it"),
            "vmw-required": Feature(_REFUSE, "importers of others have to refuse it"),
            "others-required": Feature(_REFUSE, "importers of others have to refuse it"),
            "manifest-spelling": Feature(_REFUSE, "vSphere refuses it"),
            "old-vmdk": Feature(_LOSS, "importers have refused it as too old"),
            "properties": Feature(_ACCEPT, "VMware's importers only ask for them"),
        },
    ),
)  # fmt: skip
