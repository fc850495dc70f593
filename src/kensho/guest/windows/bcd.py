r"""The boot configuration (BCD): which partition each of its entries means.

It is a registry hive: ``Objects\{GUID}\Elements\TYPE`` with a value ``Element``. A device's element has
16 bytes of a GUID of further options and then the device: kind, flags, size (u32 each) and a reserved
word; for a partition (kind 6) 16 bytes of its GUID or of its first byte on the disk (u64), the kind of
disk, its partition style (0 GPT, 1 MBR), and 16 bytes of the disk's GUID or signature. Sources: "BCD
Reference" (BcdLibraryElementTypes, BcdOSLoaderElementTypes) for the numbers;
http://www.mistyprojects.co.uk/documents/BCDEdit/files/device_partition.htm and ReactOS' description of the
boot library (boot/environ/include/bl.h) for the bytes, which Microsoft does not document.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.windows.hive import Hive, Value

BOOT_MANAGER = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
MEMORY_TEST = "{b2721d73-1db4-4c62-bf78-c548a880142d}"
#: The device of the program; that of the system it loads, or of the file it resumes from.
APPLICATION_DEVICE, OS_DEVICE = "11000001", "21000001"
APPLICATION_PATH, DEFAULT_OBJECT = "12000002", "23000003"
GRAPHICS_DISABLED = "16000046"
LOADER, RESUME = 0x10200003, 0x10200004  #: an object's ``Description\Type``
_DEVICE = struct.Struct("<16sIIII16sII16s")
_PARTITION = 6
_GPT, _MBR = 0, 1
_HARD_DISK = 0
_MOST_OBJECTS = 4096


@dataclass(frozen=True, slots=True)
class Reference:
    """A partition that an element means: its GUID or its first byte, and the disk's GUID or signature."""

    gpt: bool
    disk: bytes
    start: int = 0
    partition: bytes = b""


@dataclass(frozen=True, slots=True)
class Element:
    """A device of an object of the BCD; ``path`` is the key's, ``kind`` the object's type."""

    identity: str
    kind: int
    type: str
    path: str
    value: Value
    means: Reference
    application: str  #: the object's path, such as ``\\Windows\\system32\\winload.efi``


def partitions_of(bcd: Hive) -> Iterator[Element]:
    """Yield the devices of all objects that are partitions of hard disks."""
    objects = bcd.find("Objects")
    for number, entry in enumerate(objects.subkeys() if objects is not None else ()):
        if number >= _MOST_OBJECTS:
            return
        description = entry.subkey("Description")
        kind = description.value("Type") if description is not None else None
        for name in (APPLICATION_DEVICE, OS_DEVICE):
            key = entry.find(rf"Elements\{name}")
            value = key.value("Element") if key is not None else None
            means = _reference(value.data) if value is not None else None
            if value is None or means is None:
                continue
            yield Element(
                entry.name.lower(),
                (kind.number or 0) if kind is not None else 0,
                name,
                rf"Objects\{entry.name}\Elements\{name}",
                value,
                means,
                text_of(bcd, entry.name, APPLICATION_PATH),
            )


def text_of(bcd: Hive, identity: str, element: str) -> str:
    """Return the text of an object's element, empty without one."""
    key = bcd.find(rf"Objects\{identity}\Elements\{element}")
    value = key.value("Element") if key is not None else None
    return value.text if value is not None else ""


def _reference(data: bytes) -> Reference | None:
    if len(data) < _DEVICE.size:
        return None
    _, kind, _, _, _, partition, medium, style, disk = _DEVICE.unpack_from(data)
    if kind != _PARTITION or medium != _HARD_DISK:
        return None
    if style == _GPT:
        return Reference(gpt=True, disk=disk, partition=partition)
    if style == _MBR:
        start = int.from_bytes(partition[:8], "little")
        return Reference(gpt=False, disk=disk[:4], start=start)
    return None


def meaning(data: bytes, reference: Reference) -> bytes:
    """Return an element's bytes with another partition in them; all else stays."""
    options, kind, flags, size, reserved, *_ = _DEVICE.unpack_from(data)
    partition = reference.partition or reference.start.to_bytes(8, "little")
    style = _GPT if reference.gpt else _MBR
    head = _DEVICE.pack(
        options, kind, flags, size, reserved, partition.ljust(16, b"\0"), _HARD_DISK, style,
        reference.disk.ljust(16, b"\0"),
    )  # fmt: skip
    return head + data[_DEVICE.size :]
