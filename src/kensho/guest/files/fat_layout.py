"""Where the parts of a FAT12, FAT16 or FAT32 file system are, and whether it was unmounted.

Spec: Microsoft FAT32 File System Specification 1.03 (fatgen103): the BPB, and the two flags in the
table's second entry; the state byte is Linux' (include/uapi/linux/msdos_fs.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

ENTRY = 32
_MAX_CLUSTERS = 1 << 28
_STATE_AT = {12: 0x25, 16: 0x25, 32: 0x41}
_DIRTY = 0x1


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes and places in bytes; ``bits`` is 12, 16 or 32, ``tables`` their number."""

    bits: int
    cluster: int
    clusters: int
    table: int
    table_size: int
    root: int
    root_size: int
    root_cluster: int
    data: int
    tables: int
    sector: int
    information: int  #: the byte of FAT32's counts (FSInfo), 0 without one


def read_geometry(view: Readable) -> Geometry:
    """Return what the boot sector says; CorruptError when it makes no sense."""
    boot = view.read(0, 512)
    sector, per_cluster, reserved, tables, roots, small = struct.unpack_from("<HBHBHH", boot, 11)
    (table_small,) = struct.unpack_from("<H", boot, 22)
    total, table_large = struct.unpack_from("<II", boot, 32)
    (root_cluster,) = struct.unpack_from("<I", boot, 44)
    table_sectors = table_small or table_large
    sectors = small or total
    sane = (
        sector in {512, 1024, 2048, 4096}
        and per_cluster
        and not per_cluster & (per_cluster - 1)
        and reserved
        and tables
        and table_sectors
        and sectors
    )
    root_sectors = -(-roots * ENTRY // sector) if sane else 0
    first = reserved + tables * table_sectors + root_sectors
    if not sane or first >= sectors or sectors * sector > view.size:
        raise CorruptError("a FAT's boot sector makes no sense", path=view.name, offset=0)
    clusters = (sectors - first) // per_cluster
    if not table_small and struct.unpack_from("<H", boot, 40)[0] & 0x8F > 0x80:
        raise UnsupportedError("its tables are no copies of each other", path=view.name)
    bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
    if not table_small:
        bits = 32
    table_size = table_sectors * sector
    if clusters > _MAX_CLUSTERS or (clusters + 2) * bits > table_size * 8 + 8 * sector:
        raise CorruptError("a FAT's table is too small", path=view.name, offset=22)
    return Geometry(
        bits=bits,
        cluster=per_cluster * sector,
        clusters=clusters,
        table=reserved * sector,
        table_size=table_size,
        root=(reserved + tables * table_sectors) * sector,
        root_size=root_sectors * sector,
        root_cluster=root_cluster,
        data=first * sector,
        tables=tables,
        sector=sector,
        information=_information(boot, reserved) * sector if bits == 32 else 0,
    )


def _information(boot: bytes, reserved: int) -> int:
    (sector,) = struct.unpack_from("<H", boot, 48)
    return int(sector) if 0 < sector < reserved else 0


def is_dirty(view: Readable, geometry: Geometry) -> bool:
    """Tell whether the file system was mounted for writing when its disk was copied."""
    state, signature = view.read(_STATE_AT[geometry.bits], 2)
    if signature in {0x28, 0x29} and state & _DIRTY:
        return True
    if geometry.bits == 12:
        return False  # has no room for the flag
    size = geometry.bits // 8
    second = int.from_bytes(view.read(geometry.table + size, size), "little")
    return not second >> (15 if geometry.bits == 16 else 27) & 1
