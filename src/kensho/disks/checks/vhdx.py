"""Check VHDX: both headers, both region tables, log, block table. Spec: [MS-VHDX] 2.2 to 2.6."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from kensho.disks._structs import vhdx as s
from kensho.disks.checks.common import Fault, Grade, used_twice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource

_MAX_REGIONS = 2047
_NAMES = {s.BAT_REGION: "the block table", s.METADATA_REGION: "the metadata"}


def check(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:
    """Yield the faults of a VHDX that could be opened."""
    name = source.name
    own = [(0, s.MIB, "headers and region tables")]
    best: s.Header | None = None
    for place in s.HEADER_PLACES:
        raw = source.read_at(place, s.PAGE)
        header = s.Header(*s.HEADER.unpack_from(raw))
        if header.signature != b"head" or not s.checksum_good(raw):
            yield Fault(Grade.HARMLESS, "one of the two headers is damaged", name, place)
        elif best is None or header.sequence > best.sequence:
            best = header
    if best is not None:
        if any(best.log_guid):
            yield Fault(
                Grade.HARMLESS, "not closed cleanly: its log is still to be replayed", name,
                best.log_offset, "LogGuid",
            )  # fmt: skip
        own.append((best.log_offset, best.log_offset + best.log_length, "the log"))
    tables = [source.read_at(place, s.KIB64) for place in s.REGION_PLACES]
    good = [raw for raw in tables if raw.startswith(b"regi") and s.checksum_good(raw)]
    for place, raw in zip(s.REGION_PLACES, tables, strict=True):
        if raw not in good:
            yield Fault(Grade.HARMLESS, "one of the two region tables is damaged", name, place)
    if len(good) == 2 and good[0] != good[1]:
        yield Fault(Grade.CORRUPT, "the region tables differ", name, s.REGION_PLACES[1])
    if good:
        own += _regions(good[0])
    spans = sorted(own)
    for (_, end, first), (start, _, second) in itertools.pairwise(spans):
        if start < end:
            yield Fault(Grade.CORRUPT, f"used twice: for {first} and for {second}", name, start)
    if source.size % s.MIB:
        yield Fault(Grade.HARMLESS, f"{source.size} bytes are not whole MiB", name, source.size)
    if best is not None and not any(best.log_guid):
        # With a pending log the tables in the file are not the ones that count.
        yield from used_twice(layer, own)


def _regions(raw: bytes) -> list[tuple[int, int, str]]:
    _, _, count, _ = s.REGION_HEADER.unpack_from(raw)
    found = []
    for number in range(min(count, _MAX_REGIONS)):
        at = s.REGION_HEADER.size + number * s.REGION_ENTRY.size
        guid, offset, length, _ = s.REGION_ENTRY.unpack_from(raw, at)
        found.append((offset, offset + length, _NAMES.get(guid, f"region {guid.hex()}")))
    return found
