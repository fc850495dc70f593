"""LVM2: physical volumes by their labels, logical volumes as ranges of them.

On-disk format: LVM2's lib/format_text/layout.h and lib/label/label.h; the text is vgcfgbackup(8)'s.
Linear and striped segments, and the first leg of a mirror, are mapped by arithmetic; thin pools,
snapshots, caches, parity RAID and VDO are named and refused.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kensho.guest.volumes.lvm_text import Section, Value, parse_lvm_text
from kensho.guest.volumes.view import CachedDisk, Segment, View
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

_LABEL, _TYPE = b"LABELONE", b"LVM2 001"
_MDA_MAGIC = b" LVM2 x[5A%r0N*>"
_MDA_HEADER = 512
_CRC_START = 0xF597A6CF
_MAX_AREAS = 16
_MAX_TEXT = 16 << 20
_MAX_SEGMENTS = 100_000
_MAX_STRIPES = 128
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class PhysicalVolume:
    """A disk or partition of a volume group: its id, where it lies, the group's metadata if here.

    ``start`` is the volume's first byte on the disk.
    """

    id: str
    disk: CachedDisk
    start: int
    size: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class LogicalVolume:
    """A logical volume: its bytes, or why they cannot be had."""

    group: str
    name: str
    size: int
    view: View | None = None
    refusal: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    extent: int  #: bytes
    sequence: int
    lvs: Mapping[str, Section]
    places: Mapping[str, tuple[CachedDisk, int]]  #: physical volume → disk, first extent's byte
    missing: tuple[str, ...] = field(default=())


def read_pv(disk: CachedDisk, start: int, size: int) -> PhysicalVolume:
    """Return the physical volume in a range of a disk; CorruptError when there is none."""
    for sector in range(4):
        head = disk.read(start + sector * _SECTOR, _SECTOR)
        if head[:8] == _LABEL and head[24:32] == _TYPE:
            return _read_pv(disk, start, size, sector, head)
    raise CorruptError(
        "LVM: the label of the physical volume is gone", path=disk.name, offset=start
    )


def _read_pv(disk: CachedDisk, start: int, size: int, sector: int, head: bytes) -> PhysicalVolume:
    (crc,) = struct.unpack_from("<I", head, 16)
    (offset,) = struct.unpack_from("<I", head, 20)
    if _crc(head[20:]) != crc:
        raise CorruptError(
            "LVM: the label's checksum is wrong", path=disk.name, offset=start + sector * _SECTOR
        )
    if offset + 40 > _SECTOR:
        raise CorruptError("LVM: the label points nowhere", path=disk.name, offset=start)
    identity = head[offset : offset + 32].decode("ascii", "replace")
    areas = _areas(head, offset + 40)
    text = ""
    for area, length in areas[1]:
        text = _metadata(disk, start, size, area, length) or text
        if text:
            break
    return PhysicalVolume(identity, disk, start, size, text)


def written_id(identity: str) -> str:
    """Return an id as LVM writes it: 6, 4, 4, 4, 4, 4 and 6 characters."""
    ends = (0, 6, 10, 14, 18, 22, 26, 32)
    return "-".join(identity[a:b] for a, b in itertools.pairwise(ends))


def _areas(head: bytes, at: int) -> list[list[tuple[int, int]]]:
    """Return the data areas and the metadata areas, each (offset, bytes)."""
    lists: list[list[tuple[int, int]]] = [[], []]
    for found in lists:
        while at + 16 <= len(head) and len(found) < _MAX_AREAS:
            offset, length = struct.unpack_from("<QQ", head, at)
            at += 16
            if not offset:
                break
            found.append((offset, length))
    return lists


def _metadata(disk: CachedDisk, start: int, size: int, area: int, length: int) -> str:
    """Return the newest text of a metadata area, empty when it has none."""
    if area + _MDA_HEADER > size:
        raise CorruptError("LVM: the metadata area is not on the volume", path=disk.name)
    header = disk.read(start + area, _MDA_HEADER)
    (crc,) = struct.unpack_from("<I", header)
    if header[4:20] != _MDA_MAGIC or _crc(header[4:]) != crc:
        raise CorruptError(
            "LVM: the metadata area's header is damaged", path=disk.name, offset=start + area
        )
    offset, used, checksum, flags = struct.unpack_from("<QQII", header, 40)
    if not offset or flags & 1:
        return ""
    if used > _MAX_TEXT or not _MDA_HEADER <= offset < length or used > length:
        raise LimitError(f"LVM: {used} bytes of metadata", path=disk.name, offset=start + area)
    first = min(used, length - offset)  # the area is a ring behind its header
    data = disk.read(start + area + offset, first)
    data += disk.read(start + area + _MDA_HEADER, used - first)
    if _crc(data) != checksum:
        raise CorruptError(
            "LVM: the metadata's checksum is wrong", path=disk.name, offset=start + area + offset
        )
    return data.decode("utf-8", "replace")


def logical_volumes(pvs: Sequence[PhysicalVolume]) -> tuple[LogicalVolume, ...]:
    """Return the visible logical volumes of all groups that these physical volumes tell of."""
    groups: dict[str, _Group] = {}
    for pv in pvs:
        if not pv.text:
            continue
        for name, section in parse_lvm_text(pv.text, pv.disk.name).items():
            if isinstance(section, dict):
                group = _group(name, section, pvs, pv.disk.name)
                identity = str(section.get("id", name))
                known = groups.get(identity)
                if known is None or group.sequence > known.sequence:
                    groups[identity] = group
    return tuple(lv for group in groups.values() for lv in _volumes(group))


def _group(name: str, section: Section, pvs: Sequence[PhysicalVolume], path: str) -> _Group:
    by_id = {pv.id: pv for pv in reversed(pvs)}  # of twins the first
    extent = _number(section, "extent_size", path) * _SECTOR
    if extent <= 0:
        raise CorruptError("LVM: extents of no bytes", path=path, field="extent_size")
    places: dict[str, tuple[CachedDisk, int]] = {}
    missing = []
    for pv_name, told in _sections(section, "physical_volumes"):
        found = by_id.get(str(told.get("id", "")).replace("-", ""))
        if found is None:
            missing.append(pv_name)
        else:
            first = found.start + _number(told, "pe_start", path) * _SECTOR
            places[pv_name] = (found.disk, first)
    lvs = dict(_sections(section, "logical_volumes"))
    return _Group(name, extent, _number(section, "seqno", path), lvs, places, tuple(missing))


def _volumes(group: _Group) -> Iterator[LogicalVolume]:
    # A snapshot shows what its origin has, but for what was kept of it before it was changed.
    parts = (segment for lv in group.lvs.values() for _, segment in _segments(lv))
    origins = {str(part["origin"]) for part in parts if "origin" in part}
    for name, lv in group.lvs.items():
        status = lv.get("status")
        if not isinstance(status, list) or "VISIBLE" not in status:
            continue
        extents = sum(_number(s, "extent_count", name) for _, s in _segments(lv))
        size = extents * group.extent
        identity = str(lv.get("id", ""))
        try:
            mapped = _map(group, name, 0)
            view = View(
                list(map(_copied, mapped) if name in origins else mapped), f"{group.name}/{name}"
            )
        except (UnsupportedError, CorruptError, LimitError) as error:
            yield LogicalVolume(group.name, name, size, None, error.message, identity)
            continue
        yield LogicalVolume(group.name, name, size, view, uuid=identity)


def _copied(segment: Segment) -> Segment:
    legs = tuple((disk.as_copied(), place) for disk, place in segment.legs)
    return replace(segment, legs=legs)


def _map(group: _Group, name: str, depth: int) -> Iterator[Segment]:
    lv = group.lvs.get(name)
    if lv is None or depth > 2:
        raise CorruptError(f"LVM: {name} is not described", field=name)
    segments = sorted((s for _, s in _segments(lv)), key=lambda s: _number(s, "start_extent", name))
    if not segments:
        raise CorruptError("LVM: a volume without segments", field=name)
    if len(segments) > _MAX_SEGMENTS:
        raise LimitError(f"LVM: {len(segments)} segments", field=name)
    for segment in segments:
        kind = str(segment.get("type", ""))
        start = _number(segment, "start_extent", name) * group.extent
        length = _number(segment, "extent_count", name) * group.extent
        if kind == "striped":
            yield _striped(group, segment, start, length, name)
        elif kind in {"mirror", "raid1"} and len(segments) == 1:
            yield from map(_copied, _map(group, _first_leg(segment, kind), depth + 1))
        else:
            raise UnsupportedError(f"LVM: a {kind[:30]!r} segment is not mapped", field=name)


def _striped(group: _Group, segment: Section, start: int, length: int, name: str) -> Segment:
    stripes = segment.get("stripes")
    count = _number(segment, "stripe_count", name)
    if not isinstance(stripes, list) or not 0 < count <= _MAX_STRIPES or len(stripes) != 2 * count:
        raise CorruptError("LVM: stripes that are none", field=name)
    legs = []
    for pv, extent in zip(stripes[::2], stripes[1::2], strict=True):
        if pv not in group.places or not isinstance(extent, int) or extent < 0:
            lost = ", ".join(group.missing) or str(pv)
            raise UnsupportedError(f"LVM: the physical volume {lost} is not here", field=name)
        disk, first = group.places[str(pv)]
        legs.append((disk, first + extent * group.extent))
    stripe = _number(segment, "stripe_size", name) * _SECTOR if count > 1 else 0
    if count > 1 and (stripe <= 0 or length % (stripe * count)):
        raise CorruptError("LVM: stripes that do not fill the segment", field=name)
    return Segment(start, length, tuple(legs), stripe)


def _first_leg(segment: Section, kind: str) -> str:
    legs = segment.get("raids" if kind == "raid1" else "mirrors")
    if not isinstance(legs, list) or len(legs) < 2:
        raise CorruptError("LVM: a mirror without legs")
    return str(legs[1] if kind == "raid1" else legs[0])


def _segments(lv: Section) -> Iterator[tuple[str, Section]]:
    for name, section in lv.items():
        if name.startswith("segment") and isinstance(section, dict):
            yield name, section


def _sections(section: Section, name: str) -> Iterator[tuple[str, Section]]:
    inner = section.get(name)
    if isinstance(inner, dict):
        for key, value in inner.items():
            if isinstance(value, dict):
                yield key, value


def _number(section: Section, name: str, path: str) -> int:
    value: Value | Section | None = section.get(name)
    if not isinstance(value, int) or not 0 <= value < 1 << 56:
        raise CorruptError("LVM: a number is missing or absurd", path=path, field=name)
    return value


def _crc(data: bytes) -> int:
    """Return LVM's checksum: CRC-32 with a start of its own and no complement at the end."""
    return zlib.crc32(data, _CRC_START ^ 0xFFFF_FFFF) ^ 0xFFFF_FFFF
