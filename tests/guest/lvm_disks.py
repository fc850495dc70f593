"""Physical volumes of LVM2 made byte by byte: lvm's own tools need device-mapper and root."""

from __future__ import annotations

import struct

MIB = 1 << 20


def crc(data: bytes) -> int:
    """Bitwise, unlike the code under test: LVM2's calc_crc with its initial value."""
    value = 0xF597A6CF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value


def group_text(
    pvs: list[list[str]], segments: list[tuple[int, int, list[str | int]]], stripe: int = 0
) -> str:
    """Return metadata of a group ``vg`` with a volume ``root``; extents of 1 MiB."""
    physical = "\n".join(
        f'pv{n} {{\nid = "{dashed(str(n) * 32)}"\nstatus = ["ALLOCATABLE"]\npe_start = 2048\n'
        f"pe_count = 8\n}}"
        for n in range(len(pvs))
    )
    parts = "\n".join(
        f'segment{n} {{\nstart_extent = {start}\nextent_count = {count}\ntype = "striped"\n'
        f"stripe_count = {len(stripes) // 2}\n"
        + (f"stripe_size = {stripe}\n" if stripe else "")
        + "stripes = ["
        + ", ".join(f'"{s}"' if isinstance(s, str) else str(s) for s in stripes)
        + "]\n}"
        for n, (start, count, stripes) in enumerate(segments, 1)
    )
    return f"""vg {{
id = "zzzzzz-zzzz-zzzz-zzzz-zzzz-zzzz-zzzzzz"
seqno = 3
format = "lvm2" # informational
extent_size = 2048
physical_volumes {{
{physical}
}}
logical_volumes {{
root {{
id = "rrrrrr-rrrr-rrrr-rrrr-rrrr-rrrr-rrrrrr"
status = ["READ", "WRITE", "VISIBLE"]
segment_count = {len(segments)}
{parts}
}}
}}
}}
contents = "Text Format Volume Group"
version = 1
"""


def dashed(identity: str) -> str:
    ends = (6, 10, 14, 18, 22, 26, 32)
    return "-".join(identity[a:b] for a, b in zip((0, *ends), ends, strict=False))


def physical_volume(identity: str, text: str, size: int) -> bytearray:
    """Return a physical volume whose extents are empty."""
    return metadata_area(identity, text, size).ljust(size, b"\0")


def metadata_area(identity: str, text: str, size: int) -> bytearray:
    """Return the first 1 MiB of a physical volume: label in sector 1, metadata from 4 KiB."""
    disk = bytearray(MIB)
    header = identity.encode() + struct.pack("<Q", size)
    header += struct.pack("<QQQQ", MIB, 0, 0, 0) + struct.pack("<QQQQ", 4096, MIB - 4096, 0, 0)
    label = bytearray(512)
    label[:8], label[24:32] = b"LABELONE", b"LVM2 001"
    struct.pack_into("<Q", label, 8, 1)
    struct.pack_into("<I", label, 20, 32)
    label[32 : 32 + len(header)] = header
    struct.pack_into("<I", label, 16, crc(label[20:]))
    disk[512:1024] = label
    data = text.encode() + b"\0"
    area = bytearray(512)
    area[4:20] = b" LVM2 x[5A%r0N*>"
    struct.pack_into("<IQQ", area, 20, 1, 4096, MIB - 4096)
    # so near to the end of the ring that it goes round
    at = MIB - 4096 - 100
    struct.pack_into("<QQII", area, 40, at, len(data), crc(data), 0)
    struct.pack_into("<I", area, 0, crc(area[4:]))
    disk[4096:4608] = area
    disk[4096 + at : MIB] = data[:100]
    disk[4608 : 4608 + len(data) - 100] = data[100:]
    return disk
