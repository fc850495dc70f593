"""Hyper-V's names for devices and settings, as data; both directions come from here.

Sources: configurations that Export-VM wrote (github.com/mwrock/packer-templates); the manifests of
real machines and the keys in them (github.com/Justsenger/ExHyperV, VmcxSchema); the settings of a
worker process by name (AttachmentType, BiosLoader, SyntheticNic, EmulatedNic …).
"""

from __future__ import annotations

from kensho.model.host_side import HostDeviceKind

# Device types in ``configuration/manifest/vdevNNN/device``; settings are in ``_INSTANCE_``.
BIOS = "ac6b8dc1-3257-4a70-b1b2-a9c9215659ad"
IDE = "83f8638b-8dca-4152-9eda-2ca8b33039b4"
SCSI = "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
FLOPPY = "8f0d2762-0b00-4e04-af4f-19010527cb93"
NIC = "2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778"
SERIAL = "8e3a359f-559a-4b6a-98a9-1690a6100ed7"
TPM = "736e6aa9-a3f8-49c0-9550-a963214d259a"

#: What every machine has, and the services for the guest: nothing of it is a choice to carry over.
PLATFORM = {
    "197f74e3-b84b-46de-8ae6-82f1cd181cdc": "Microsoft Synthetic Keyboard",
    "35b0b12f-a0d7-482f-80a0-f52f1ab3da2e": "Microsoft Emulated SuperIo Device",
    "4d42d9f7-6531-4f6c-9e46-1f0477876104": "Microsoft Emulated ISA Bus",
    "4d46d139-7821-4dc4-98a3-01e98a586a44": "Microsoft Emulated Speaker Device",
    "58f75a6d-d949-4320-99e1-a2a2576d581c": "Microsoft Synthetic Mouse",
    "655bc5c5-a784-46b7-81bc-e26328f7eb0e": "Microsoft Emulated I8042 Controller",
    "6c5addb9-a11a-4e8e-84cb-e6208201db63": "Microsoft RDV Component",
    "72682fc4-040a-430a-be0b-224574b953fe": "Microsoft Emulated IoAPIC",
    "7d80d3db-61ee-4879-8879-5609f1100ad0": "Microsoft Emulated Video S3",
    "84535fad-4d98-4a6a-bdcd-21d5720dc430": "Microsoft Emulated PCI Bus",
    "87045ce9-5323-438f-93bb-1e83dcbce18e": "Microsoft Emulated DMA Controller",
    "917bd8cb-3bb6-4124-9383-b7d21ac07f79": "Microsoft Guest Runtime State",
    "9cb98db1-4d09-4538-a192-2d3d8c0b6cdb": "Microsoft Rdp Encoder",
    "9ed5fd4b-40c3-4de3-8597-98ecd17035da": "Microsoft Synthetic Rdp Device",
    "9edd1639-9bca-40dc-b3a2-07c828da60b5": "Microsoft Emulated PIC",
    "a28e4d02-3323-4148-9569-565930a5cb39": "Microsoft Emulated PIT",
    "ba8735ef-e3a9-4f1b-badd-dbf3a5909915": "Microsoft Video Monitor",
    "bc12c717-8898-4688-8ee4-2cd14894f8ea": "Microsoft Hyper-V Activation Component",
    "d41a1872-3740-41ce-a1ee-4522ab82f991": "Microsoft VmBus",
    "db8b9818-b4bb-4725-b99d-b4612716b6b4": "Microsoft Emulated Power Management Device",
    "de6cdc86-e1fb-4940-801b-c3c1a26c4da4": "Microsoft Input Management Device",
    "deaeeed3-4119-4b44-95cf-a73604b76971": "Microsoft Synthetic Debug Device",
    "e3c82929-edb4-475e-85a4-29aaa2a30c2d": "Microsoft Dynamic Memory Controller",
    "e51b7ef6-4a7f-4780-aaae-d4b291aacd2e": "Microsoft Emulated Real Time Clock",
    "f3cf6965-e8d3-44a9-9b7d-a04245ea7525": "Microsoft Synthetic Video",
}
#: Integration services by the last part of their Id, which is not translated as their names are.
GUEST_FILES = "6c09bb55-d683-4da0-8931-c9bf705f6480"
SERVICES = {
    "2497f4de-e9fa-4204-80e4-4b75c46419c0": "Microsoft Time Synchronization Component",
    "2a34b1c2-fd73-4043-8a5b-dd2159bc743f": "Microsoft Key-Value Pair Exchange Component",
    "5ced1297-4598-4915-a5fc-ad21bb4d02a4": "Microsoft VSS Component",
    GUEST_FILES: "Microsoft Guest Interface Component",
    "84eaae65-2f2e-45f5-9bb5-0e857dc8eb47": "Microsoft Heartbeat Component",
    "9f8233ac-be49-4c79-8ee3-e7e1985b2077": "Microsoft Shutdown Component",
}
NAMES = {
    BIOS: "Microsoft Virtual BIOS",
    IDE: "Microsoft Emulated IDE Controller",
    SCSI: "Synthetic SCSI Controller",
    FLOPPY: "Microsoft Emulated Floppy Controller",
    NIC: "Synthetic Ethernet Port",
    SERIAL: "Microsoft Emulated Serial Controller",
    TPM: "Microsoft Virtual TPM Device",
}
#: Parts of the host that the guest has to itself: assigned, partitioned, or a Fibre Channel port.
HOST_DEVICES = {
    "2fcc454e-a36a-4c77-bb5e-a2d75a51f02c": HostDeviceKind.PCI,
    "99dcd00c-fbd6-42d3-9dfd-1b5ad7058f61": HostDeviceKind.GPU,
    "2f9bcc4a-0069-4af3-b76b-6fd0be528cda": HostDeviceKind.SCSI,
}

# What is in a drive (``controllerN/driveN/type``).
DISK, OPTICAL, PHYSICAL, DISKETTE = "VHD", "ISO", "HDD", "VFD"
EMPTY = frozenset({"", "NONE"})

#: Kinds of devices in a generation 1 machine's boot order (``boot/deviceN``), also as numbers.
BOOT = {"optical": "cdrom", "harddrive": "disk", "network": "nic", "floppy": "floppy"}
BOOT_WORDS = {"cdrom": "Optical", "disk": "HardDrive", "nic": "Network", "floppy": "Floppy"}

#: Secure Boot's keys, by ``secure_boot_template_id`` and as Set-VMFirmware calls them.
WINDOWS_KEYS = "1734c6e8-3154-4dda-ba5f-a874cc483422"
TEMPLATES = {
    WINDOWS_KEYS: "MicrosoftWindows",
    "272e7447-90a4-4563-a4b9-8e4ab00526ce": "MicrosoftUEFICertificateAuthority",
    "4292ae2b-ee2c-42b5-a969-dd8f8689f6f3": "OpenSourceShieldedVM",
}
#: What a guest is that starts with these keys, as no Hyper-V file names the guest itself. Which
#: Windows it is they do not tell.
GUESTS = {"MicrosoftUEFICertificateAuthority": "linux"}

#: The feature of a switch port that is its VLAN; how its bytes are laid out is not published.
VLAN_FEATURE = "952c5004-4465-451c-8cb8-fa9ab382b773"
