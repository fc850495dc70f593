"""Proxmox VE's import, and virt-v2v for KVM.

Sources. [S] src/PVE/GuestImport/OVF.pm of proxmox/pve-storage at 0c56bad; virt-v2v at 71376bd,
input/OVF.ml and input/parse_ova.ml. [I] digests: libguestfs/virt-v2v#18.
"""

from kensho.packages.validate.profile import Device, Effect, Feature, Profile

_ACCEPT, _LOSS, _REFUSE = Effect.ACCEPT, Effect.LOSS, Effect.REFUSE

PROFILES = (
    Profile(
        name="proxmox",
        title="Proxmox VE",
        basis="source of PVE::GuestImport::OVF at 0c56bad; not run",
        versions={"0.9": _REFUSE, "1": _ACCEPT, "2": _REFUSE},
        devices={
            3: Device(),
            4: Device(),
            5: Device(),
            6: Device(),
            10: Device(subtypes=frozenset({"e1000", "e1000e", "vmxnet3"}), other=_LOSS,
                       none=_LOSS, why="becomes e1000"),
            17: Device(),
            20: Device(),
            24: Device(),
            **{n: Device(effect=_LOSS, why="not read") for n in (1, 14, 15, 16, 21, 22, 23, 35)},
        },
        unknown_device=_LOSS,
        disk_formats=frozenset({"vmdk", "qcow2"}),
        features={
            "collection": Feature(_REFUSE, "only a VirtualSystem right in the Envelope is read"),
            "several-machines": Feature(_REFUSE, "the values of all machines run together"),
            "doubled": Feature(_REFUSE, "the numbers are written one behind the other"),
            "memory-not-mib": Feature(_REFUSE, "the number is read as MiB whatever the unit"),
            "host-spelling": Feature(_LOSS, "such disks are left out"),
            "disk-parents": Feature(_LOSS, "such disks are left out"),
            "disk-ids": Feature(_LOSS, "such disks are left out"),
            "empty-disks": Feature(_LOSS, "such disks are left out"),
            "hidden-disks": Feature(_LOSS, "such disks are left out"),
            "file-names": Feature(_REFUSE, "only plain names are taken"),
            "gzip": Feature(_REFUSE, "not unpacked"),
            "chunks": Feature(_REFUSE, "chunks are not joined"),
            "urls": Feature(_REFUSE, "not fetched"),
            "parents": Feature(_REFUSE, "not read"),
            "no-name": Feature(_LOSS, "the machine gets a made-up name"),
            "properties": Feature(_LOSS, "not read"),
            "licences": Feature(_LOSS, "not shown"),
        },
    ),
    Profile(
        name="kvm",
        title="virt-v2v (KVM, libvirt)",
        basis="source of virt-v2v at 71376bd and issue threads; not run",
        versions={"0.9": _REFUSE, "1": _ACCEPT, "2": _REFUSE},
        digests=frozenset({"sha1", "sha256"}),
        features={
            "collection": Feature(_REFUSE, "only a VirtualSystem right in the Envelope is read"),
            "several-machines": Feature(_LOSS, "the disks of all machines go into one"),
            "several-hardware": Feature(_LOSS, "all of them are read into one machine"),
            "options": Feature(_LOSS, "the first item counts, whatever its option"),
            "memory-not-mib": Feature(_REFUSE, "the number is read as MiB whatever the unit"),
            "empty-disks": Feature(_REFUSE, "a disk without a file"),
            "hidden-disks": Feature(_LOSS, "such disks are left out"),
            "chunks": Feature(_REFUSE, "one chunk is read as the disk"),
            "urls": Feature(_REFUSE, "not fetched"),
            "parents": Feature(_REFUSE, "not read"),
            "properties": Feature(_LOSS, "not read"),
            "licences": Feature(_LOSS, "not shown"),
        },
    ),
)  # fmt: skip
