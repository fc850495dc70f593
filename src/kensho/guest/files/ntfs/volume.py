"""The boot sector, the master file table, and attributes put together of several records."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.files.base import PIECE
from kensho.guest.files.ntfs import record as r
from kensho.guest.files.ntfs.lznt1 import unpack
from kensho.guest.files.ntfs.record import Attribute, Record, parse_record
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

_MAX_LIST = 1 << 18
_MAX_PARTS = 4096
_MAX_SMALL = 1 << 20  #: bytes of an attribute that is read as a whole


@dataclass(frozen=True, slots=True)
class File:
    """All of a file: its first record, and its attributes with those of the others."""

    record: Record
    attributes: tuple[Attribute, ...]

    def find(self, kind: int, name: str = "") -> Attribute | None:
        """Return an attribute, its parts joined; None when there is none."""
        parts = [a for a in self.attributes if a.type == kind and a.name == name]
        return joined(parts) if parts else None


class Volume:
    """An NTFS volume; numbers of records are those of the master file table."""

    def __init__(self, view: Readable) -> None:
        self.view = view
        boot = view.read(0, 512)
        sector, per = struct.unpack_from("<HB", boot, 11)
        total, table = struct.unpack_from("<QQ", boot, 40)
        self.cluster = sector * (1 << min(256 - per, 13) if per > 128 else per)
        if (
            sector not in {512, 1024, 2048, 4096}
            or not per
            or 128 < per < 243
            or self.cluster & (self.cluster - 1)
            or self.cluster > 1 << 21
        ):
            raise CorruptError("NTFS: the boot sector makes no sense", path=view.name, offset=0)
        self.clusters = min(total * sector, view.size) // self.cluster
        self.record_size = _size(boot[64], self.cluster)
        if boot[3:7] != b"NTFS" or total * sector > view.size or self.record_size not in {
            512, 1024, 2048, 4096,
        }:  # fmt: skip
            raise CorruptError("NTFS: the boot sector makes no sense", path=view.name, offset=0)
        first = parse_record(
            view.read(table * self.cluster, self.record_size), view.name, table * self.cluster
        )
        self._table = _needed(File(first, first.attributes).find(r.DATA), view.name)
        # a table in many pieces has a list of records, which its first piece has to hold
        if any(a.type == r.LIST for a in first.attributes):
            self._table = _needed(self.file(0).find(r.DATA), view.name)

    def read_record(self, number: int) -> Record:
        """Return a record of the table; CorruptError when there is no such one."""
        at = number * self.record_size
        if at + self.record_size > self._table.size:
            raise CorruptError(f"NTFS: there is no record {number}", path=self.view.name)
        return parse_record(self.span(self._table, at, self.record_size), self.view.name, at)

    def file(self, number: int) -> File:
        """Return a file by the number of its first record; CorruptError when it is not in use."""
        first = self.read_record(number)
        if not first.in_use or first.base:
            raise CorruptError(f"NTFS: record {number} is no file's", path=self.view.name)
        listed = next((a for a in first.attributes if a.type == r.LIST), None)
        if listed is None:
            return File(first, first.attributes)
        attributes = list(first.attributes)
        for other in _others(self.small(listed, _MAX_LIST), number, self.view.name):
            part = self.read_record(other)
            if not part.in_use or part.base != number:
                raise CorruptError(f"NTFS: record {other} is another file's", path=self.view.name)
            attributes.extend(part.attributes)
        return File(first, tuple(attributes))

    def small(self, attribute: Attribute, most: int = _MAX_SMALL) -> bytes:
        """Return an attribute's value; LimitError when it is larger than ``most`` bytes."""
        if attribute.value is not None:
            return attribute.value
        if attribute.size > most:
            raise LimitError(f"NTFS: {attribute.size} bytes of one attribute", path=self.view.name)
        value = bytearray(attribute.size)
        for offset, piece in self.pieces(attribute):
            value[offset : offset + len(piece)] = piece
        return bytes(value[: attribute.size])

    def span(self, attribute: Attribute, start: int, length: int) -> bytes:
        """Return bytes of an attribute that is not compressed and has no holes there."""
        if attribute.value is not None:
            return attribute.value[start : start + length]
        at, parts = 0, []
        for cluster, count in attribute.runs:
            end = at + count * self.cluster
            if start < end and length > 0:
                if cluster is None or cluster + count > self.clusters:
                    break
                take = min(length, end - start)
                parts.append(self.view.read(cluster * self.cluster + start - at, take))
                start += take
                length -= take
            at = end
        if length:
            raise CorruptError("NTFS: a part of a file is nowhere", path=self.view.name)
        return b"".join(parts)

    def pieces(self, attribute: Attribute) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of an attribute's value; what lies between is a hole."""
        if attribute.flags & r.ENCRYPTED:
            raise UnsupportedError("the file is encrypted (EFS)", path=self.view.name)
        if attribute.value is not None:
            yield 0, attribute.value
            return
        self._check(attribute)
        end = min(attribute.size, attribute.initialized)
        source = self._packed if attribute.flags & r.COMPRESSED and attribute.unit else self._plain
        for offset, piece in source(attribute):
            if offset >= end:
                return
            yield offset, piece[: end - offset]

    def _check(self, attribute: Attribute) -> None:
        used = 0
        for cluster, count in attribute.runs:
            if cluster is not None:
                used += count
                if cluster + count > self.clusters or used > self.clusters:
                    raise CorruptError("NTFS: a run is nowhere", path=self.view.name)

    def _plain(self, attribute: Attribute) -> Iterator[tuple[int, bytes]]:
        at = 0
        step = max(1, PIECE // self.cluster)
        for cluster, count in attribute.runs:
            for n in range(0, count if cluster is not None else 0, step):
                take = min(step, count - n)
                place = ((cluster or 0) + n) * self.cluster
                yield at + n * self.cluster, self.view.read(place, take * self.cluster)
            at += count * self.cluster

    def _packed(self, attribute: Attribute) -> Iterator[tuple[int, bytes]]:
        """Yield units of clusters: packed where some are holes, plain where none is."""
        unit, size = attribute.unit, attribute.unit * self.cluster
        pending: list[tuple[int | None, int]] = []
        held = number = 0
        for cluster, count in attribute.runs:
            rest = count
            place = cluster
            while rest:
                if place is None and not held and rest >= unit:  # whole units of nothing
                    number += rest // unit
                    rest %= unit
                    continue
                take = min(rest, unit - held)
                pending.append((place, take))
                held += take
                rest -= take
                place = None if place is None else place + take
                if held == unit:
                    yield number * size, self._unit(pending, size)
                    pending, held, number = [], 0, number + 1
        if pending:
            yield number * size, self._unit(pending, size)

    def _unit(self, runs: list[tuple[int | None, int]], size: int) -> bytes:
        data = b"".join(
            self.view.read(cluster * self.cluster, count * self.cluster)
            for cluster, count in runs
            if cluster is not None
        )
        if all(cluster is not None for cluster, _ in runs):
            return data
        return unpack(data, size, self.view.name) if data else bytes(size)


def joined(parts: list[Attribute]) -> Attribute:
    """Return an attribute of its parts; sizes are said in the first one alone."""
    if len(parts) == 1 or parts[0].value is not None:
        return parts[0]
    parts.sort(key=lambda part: part.first)
    runs: list[tuple[int | None, int]] = []
    at = 0
    for part in parts:
        if part.value is not None or part.first != at:
            raise CorruptError("NTFS: a part of a file is missing")
        runs.extend(part.runs)
        at += sum(count for _, count in part.runs)
    head = parts[0]
    return Attribute(
        head.type, head.name, head.flags, None, 0, tuple(runs), head.size, head.initialized,
        head.unit,
    )  # fmt: skip


def _others(listed: bytes, own: int, name: str) -> Iterator[int]:
    seen = {own}
    at = 0
    while at + 26 <= len(listed):
        (length,) = struct.unpack_from("<H", listed, at + 4)
        number = struct.unpack_from("<Q", listed, at + 16)[0] & ((1 << 48) - 1)
        if length < 26:
            raise CorruptError("NTFS: a list of records makes no sense", path=name)
        if number not in seen:
            seen.add(number)
            if len(seen) > _MAX_PARTS:
                raise LimitError(f"NTFS: a file in more than {_MAX_PARTS} records", path=name)
            yield number
        at += length


def _needed(attribute: Attribute | None, name: str) -> Attribute:
    if attribute is None or attribute.value is not None:
        raise CorruptError("NTFS: the master file table is nowhere", path=name)
    return attribute


def _size(byte: int, cluster: int) -> int:
    return 1 << (256 - byte) if byte > 128 else byte * cluster
