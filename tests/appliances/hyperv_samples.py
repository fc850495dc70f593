"""Settings of machines as Hyper-V keeps them, as trees for both of its files."""

from __future__ import annotations

import base64
from xml.sax.saxutils import escape

from vmcx_builder import Tree

BIOS = "ac6b8dc1-3257-4a70-b1b2-a9c9215659ad"
IDE = "83f8638b-8dca-4152-9eda-2ca8b33039b4"
SCSI = "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
NIC = "2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778"
SERIAL = "8e3a359f-559a-4b6a-98a9-1690a6100ed7"
FLOPPY = "8f0d2762-0b00-4e04-af4f-19010527cb93"
TPM = "736e6aa9-a3f8-49c0-9550-a963214d259a"
MOUSE = "58f75a6d-d949-4320-99e1-a2a2576d581c"
PCIE = "2fcc454e-a36a-4c77-bb5e-a2d75a51f02c"
#: An emulated adapter's device; readers go by its keys, so the type is one they do not know.
LEGACY = "11111111-2222-3333-4444-555555555555"

SCSI1 = "D7A36E9B-9256-4F0D-BE2C-3A13887F7B03"
NIC1 = "55225880-49C0-4438-9CE2-5A01402FD8CB"
GUEST = "7FFEE066-9755-4950-9A16-4C94AC67AD00"


def drive(kind: str, path: str = "", **more: object) -> Tree:
    return [("pathname", path), ("type", kind), *more.items()]


def manifest(*devices: tuple[str, str, str]) -> Tree:
    entries: Tree = [("size", len(devices)), ("version", 260)]
    for number, (kind, instance, name) in enumerate(devices, 1):
        entry = [("device", kind), ("flags", 1), ("instance", instance), ("name", name)]
        entries.append((f"vdev{number:03}", entry))
    return entries


def memory(size: int, *, least: int = 512, most: int = 1048576, dynamic: bool = False) -> Tree:
    bank = [("dynamic_memory_enabled", dynamic), ("limit", most), ("priority", 5000),
            ("reservation", least), ("size", size), ("target_memory_buffer", 20)]  # fmt: skip
    return [("bank", bank), ("vnuma", [("max_size_per_node", 6610)])]


def processors(count: int, *, nested: bool = False) -> Tree:
    numa = [("count_per_node", [("max", 4)]), ("node_per_socket", [("max", 1)])]
    return [("count", count), ("limit", 100000), ("nested_virtualization", [("enabled", nested)]),
            ("vnuma", numa), ("weight", 100)]  # fmt: skip


def gen1(*extra: tuple[str, object], name: str = "old web", version: int = 0x0500) -> Tree:
    """Return a generation 1 machine: disk, DVD, SCSI disk, synthetic and legacy adapter, COM 2."""
    settings = [("global", [("logical_id", GUEST)]), ("memory", memory(1536)),
                ("processors", processors(2))]  # fmt: skip
    bios = [("VDEVVersion", 512), ("bios_guid", f"{{{GUEST}}}"),
            ("boot", [("device0", "Optical"), ("device1", "HardDrive"), ("device2", "Network"),
                      ("device3", "Floppy")]), ("num_lock", True)]  # fmt: skip
    ide = [
        ("VDEVVersion", 1280),
        ("controller0", [("drive0", drive("VHD", r"D:\VMs\Old Web\sys.vhdx", iops_limit=0)),
                         ("drive1", drive("NONE"))]),
        ("controller1", [("drive0", drive("ISO", r"D:\iso\Setup.ISO")),
                         ("drive1", drive("NONE"))]),
    ]  # fmt: skip
    scsi = [("ChannelInstanceGuid", "{x}"), ("controller0", [
        ("drive0", drive("VHD", r"D:\VMs\Old Web\data.vhdx")),
        ("drive3", drive("HDD", "PHYSICALDRIVE2"))])]  # fmt: skip
    card = [("friendly_name", "Legacy"), ("is_attached", True),
            ("mac_address", bytes.fromhex("00155d0107dd")), ("mac_address_is_static", True),
            ("virtual_switch_name", "{sw}"), ("Connection", [("AltSwitchName", "PXE")])]  # fmt: skip
    serial = [("port0", [("connection", "")]), ("port1", [("connection", r"\\.\pipe\web")])]
    tree: Tree = [
        ("properties", [("global_id", GUEST), ("name", name), ("notes", "first\nsecond"),
                        ("subtype", 0), ("type_id", "Virtual Machines"), ("version", version)]),
        ("settings", settings),
        ("global_settings", [("snapshots", [("list", [("size", 2)])]),
                             ("power", [("host_startup", [("action", 1)])])]),
        ("manifest", manifest(
            (BIOS, BIOS.upper(), "Microsoft Virtual BIOS"),
            (MOUSE, MOUSE.upper(), "Microsoft Synthetic Mouse"),
            (IDE, IDE.upper(), "Microsoft Emulated IDE Controller"),
            (SCSI, SCSI1, "Synthetic SCSI Controller"),
            (FLOPPY, FLOPPY.upper(), "Microsoft Emulated Floppy Controller"),
            (NIC, NIC1, "Synthetic Ethernet Port"),
            (LEGACY, LEGACY.upper(), "Ethernet Port"),
            (SERIAL, SERIAL.upper(), "Microsoft Emulated Serial Controller"))),
        (f"_{BIOS}_", bios), (f"_{MOUSE}_", [("VDEVVersion", 512)]), (f"_{IDE}_", ide),
        (f"_{SCSI1.lower()}_", scsi),
        (f"_{FLOPPY}_", [("controller0", [("drive0", drive("VFD"))])]),
        (f"_{NIC1.lower()}_", adapter("00-15-5D-01-07-DC", "Network Adapter", "External")),
        (f"_{LEGACY}_", [("ethernet_card0", card)]), (f"_{SERIAL}_", serial), *extra,
    ]  # fmt: skip
    return [("configuration", tree)]


def adapter(mac: str, name: str, switch: str, *more: tuple[str, object]) -> Tree:
    return [("FriendlyName", name), ("IsConnected", bool(switch)), ("MacAddress", mac),
            ("MacAddressIsStatic", False), ("SwitchName", "438B7B13-6180-4155-B7BF-08709CCF234D"),
            ("VDEVVersion", 256), ("Connection", [("AltSwitchName", switch), *more])]  # fmt: skip


def gen2(*extra: tuple[str, object], version: int = 0x0900, secure: bool = True) -> Tree:
    """Return a generation 2 machine: two SCSI disks, DVD, vTPM, dynamic memory, a PCIe device."""
    settings = [("memory", memory(2048, least=1024, most=4096, dynamic=True)),
                ("processors", processors(4, nested=True))]  # fmt: skip
    bios = [("bios_guid", f"{{{GUEST}}}"), ("secure_boot_enabled", secure),
            ("secure_boot_template_id", "1734c6e8-3154-4dda-ba5f-a874cc483422"),
            ("nvram", b"\x01\x02\x03")]  # fmt: skip
    scsi = [("controller0", [
        ("drive0", drive("VHD", r"C:\ClusterStorage\v1\New\disk.vhdx")),
        ("drive1", drive("VHD", r"C:\ClusterStorage\v1\New\more.vhdx",
                         persistent_reservations_supported=True)),
        ("drive2", drive("ISO"))])]  # fmt: skip
    vlan = ("Feature_952C5004-4465-451C-8CB8-FA9AB382B773", [("Flags", 0)])
    tree: Tree = [
        ("properties", [("name", "new"), ("subtype", 1), ("version", version),
                        ("type_id", "Virtual Machines")]),
        ("settings", settings),
        ("security", [("settings", [("tpm_enabled", True)])]),
        ("manifest", manifest(
            (BIOS, BIOS.upper(), "Microsoft Virtual BIOS"),
            (SCSI, SCSI1, "Synthetic SCSI Controller"), (NIC, NIC1, "Synthetic Ethernet Port"),
            (TPM, TPM.upper(), "Microsoft Virtual TPM Device"),
            (PCIE, "9A2B0F5E-0000-4000-8000-0123456789AB", "Virtual Pci Express Port"))),
        (f"_{BIOS}_", bios), (f"_{SCSI1.lower()}_", scsi),
        (f"_{NIC1.lower()}_", adapter("00155D0107DE", "LAN", "", vlan)), *extra,
    ]  # fmt: skip
    return [("configuration", tree)]


def as_xml(tree: Tree) -> bytes:
    """Return a tree as the XML of older hosts: UTF-16, types as attributes."""
    head = '<?xml version="1.0" encoding="UTF-16" standalone="yes"?>\r\n'
    return b"\xff\xfe" + (head + _elements(tree)).encode("utf-16-le")


def _elements(tree: Tree) -> str:
    return "".join(f"<{n}{_type(v)}>{_text(v)}</{n}>" for n, v in tree)


def _type(value: object) -> str:
    kinds = {bool: "bool", int: "integer", str: "string", bytes: "bytes", float: "double"}
    return "" if isinstance(value, list) else f' type="{kinds[type(value)]}"'


def _text(value: object) -> str:
    if isinstance(value, list):
        return _elements(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else escape(str(value))
