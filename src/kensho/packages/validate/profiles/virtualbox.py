"""Oracle VirtualBox 6 and 7, ``VBoxManage import``.

Sources. [S] src/VBox/Main/xml/ovfreader.cpp and src-server/ApplianceImplImport.cpp: 6.1 in
pop-os/virtualbox at 0c8f1c0, 7.x in VirtualBox/virtualbox at 4908d8d (memory units, ResourceTypes,
controllers' subtypes, parents of disks and CDs, host resources; units of capacities and networks are
not read, collections are flattened, configurations and bounds are not looked at, chunks are not
joined). [I] ResourceType 32768: AlmaLinux/cloud-images#303, gusztavvargadr/packer#497.
"""

from dataclasses import replace

from kensho.packages.validate.profile import Device, Effect, Feature, Profile

_ACCEPT, _LOSS, _REFUSE = Effect.ACCEPT, Effect.LOSS, Effect.REFUSE

_DEVICES = {
    3: Device(),
    4: Device(),
    5: Device(subtypes=frozenset({"piix3", "piix4", "ich6"}), other=_LOSS, why="becomes PIIX4"),
    # The words are compared as they are; others become LsiLogic.
    6: Device(subtypes=frozenset({"lsilogic", "buslogic", "lsilogicsas"}), other=_LOSS,
              why="becomes LsiLogic, for which the guest may have no driver"),
    10: Device(subtypes=frozenset({"pcnet32", "e1000", "vmxnet3", "virtio"}), other=_LOSS,
               why="becomes VirtualBox's usual adapter"),
    14: Device(),
    15: Device(),
    17: Device(),
    20: Device(subtypes=frozenset({"ahci", "vmware.sata.ahci"}), other=_REFUSE, none=_REFUSE,
               replacement="AHCI", why="only SATA (AHCI) controllers are read"),
    23: Device(),
    35: Device(),
}  # fmt: skip

_SIX = Profile(
    name="virtualbox-6",
    title="Oracle VirtualBox 6",
    basis="source of its importer, 6.1 at 0c8f1c0; not run",
    versions={"0.9": _ACCEPT, "1": _ACCEPT, "2": _ACCEPT},
    devices=_DEVICES,
    memory_units=frozenset({"MegaBytes", "MB", "byte * 2^20"}),
    disk_formats=frozenset({"vmdk", "iso"}),
    limits={"cpus": 64, "nics": 8},  # as platforms/virtualbox.py
    features={
        "collection": Feature(_LOSS, "the machines are imported one by one"),
        "start-order": Feature(_LOSS, "not read"),
        "several-hardware": Feature(_LOSS, "all of them are read into one machine"),
        "options": Feature(_LOSS, "the items of all options are read: devices are doubled"),
        "ranges": Feature(_LOSS, "limits are read as devices"),
        "chunks": Feature(_REFUSE, "chunks are not joined"),
        "urls": Feature(_REFUSE, "not fetched"),
        "capacity-units": Feature(_ACCEPT, "the unit is not read; the image decides"),
        "drive-parents": Feature(_REFUSE, "a disk or CD drive whose parent is no controller"),
        "ids-no-numbers": Feature(_REFUSE, "InstanceIDs are read as numbers"),
        "no-guest": Feature(_REFUSE, "the guest system's number is demanded"),
        "properties": Feature(_LOSS, "not read"),
        "uefi": Feature(_LOSS, "the firmware is not read: the machine gets BIOS and may not boot"),
        "vbox-machine": Feature(_ACCEPT, "they are read in place of the hardware items"),
        "others-required": Feature(_ACCEPT, ""),
    },
)
_SEVEN_DEVICES = {
    **_DEVICES,
    20: Device(
        subtypes=frozenset(
            {
                *("ahci", "vmware.sata.ahci", "virtioscsi", "virtio-scsi"),
                *("nvme", "vmware.nvme.controller"),
            }
        ),
        other=_REFUSE,
        none=_REFUSE,
        replacement="AHCI",
        why="only AHCI, VirtioSCSI and NVMe controllers are read",
    ),
}
PROFILES = (
    _SIX,
    replace(
        _SIX,
        name="virtualbox-7",
        title="Oracle VirtualBox 7",
        basis="source of its importer, 7.x at 4908d8d; not run",
        devices=_SEVEN_DEVICES,
        memory_units=frozenset(
            {"MegaBytes", "MB", "byte * 2^20", "GigaBytes", "GB", "byte * 2^30"}
        ),
        features={k: v for k, v in _SIX.features.items() if k != "ids-no-numbers"},
    ),
)
