"""Grain directory and tables of a sparse VMDK extent, and their redundant copy.

Spec: VMware Virtual Disk Format 5.0, "Hosted Sparse Extents": all of it may be there
twice. The copy is used where the primary one cannot be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO
from kensho.disks._structs import vmdk as s
from kensho.disks._tables import has_repeats, is_zero, read_table, zero_table
from kensho.model.errors import CorruptError, FormatError, LimitError, TruncatedError
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    import array

    from kensho.storage.base import ByteSource

_MAX_DIRECTORY = 1 << 23  # entries


class GrainTables:
    """Where the grains of an extent are; ``findings`` grow as damage is met."""

    __slots__ = ("_directories", "_header", "_source", "findings")

    def __init__(self, source: ByteSource, header: s.SparseHeader) -> None:
        self._source = source
        self._header = header
        self.findings: tuple[Finding, ...] = ()
        try:
            primary = _read_directory(source, header, header.gd_offset)
        except FormatError:
            if not header.flags & s.FLAG_REDUNDANT:
                raise
            try:
                copy = _read_directory(source, header, header.rgd_offset)
            except FormatError:
                copy = None
            if copy is None:
                raise
            self._directories = [copy]
            self._found("the grain directory is damaged", "its redundant copy is used")
            return
        self._directories = [primary]
        if header.flags & s.FLAG_REDUNDANT and header.rgd_offset != header.gd_offset:
            try:
                self._directories.append(_read_directory(source, header, header.rgd_offset))
            except FormatError:
                self._found("the redundant grain directory is damaged", "the primary one is used")

    def load(self, number: int) -> array.array[int] | None:
        """Return where the grains of one table are, None if there are none."""
        raw = self._raw(number, 0)
        if len(self._directories) == 1:
            if isinstance(raw, FormatError):
                raise raw
            return self._places(number, 0, raw)
        copy = self._raw(number, 1)
        if not isinstance(raw, FormatError) and raw == copy:
            return self._places(number, 0, raw)
        # An empty primary table beside one that is not has been wiped: grains are never taken back.
        order = [(0, raw), (1, copy)]
        if not isinstance(raw, FormatError) and is_zero(raw):
            order.reverse()
        problem: FormatError | None = None
        for which, data in order:
            try:
                if isinstance(data, FormatError):
                    raise data
                places = self._places(number, which, data)
            except FormatError as error:
                problem = problem or error
                continue
            used = "the redundant copy is used" if which else "the primary one is used"
            self._found("a grain table and its redundant copy differ", used)
            return places
        assert problem is not None
        raise problem

    def _raw(self, number: int, which: int) -> bytes | FormatError:
        """Return the bytes of one copy of a table, empty if there is none, or what is wrong."""
        sector = self._directories[which][number]
        if sector == 0:
            return b""
        try:
            return self._source.read_at(sector * s.SECTOR, self._header.entries_per_gt * 4)
        except FormatError as error:
            return error

    def _places(self, number: int, which: int, raw: bytes) -> array.array[int] | None:
        if is_zero(raw):
            return None
        header = self._header
        grain, size = header.grain_size * s.SECTOR, header.capacity * s.SECTOR
        compressed = header.flags & s.FLAG_COMPRESSED
        zeroed = 1 if header.flags & s.FLAG_ZERO_GRAINS else -1
        # A compressed grain has at least its header; a plain one all its bytes but those
        # behind the capacity, which some writers leave out of the file.
        limit = self._source.size
        first = number * header.entries_per_gt
        entries = read_table(raw, "I")
        out = zero_table("q", len(entries))
        for i, entry in enumerate(entries):
            if entry == 0:
                out[i] = HOLE
            elif entry == zeroed:
                out[i] = ZERO
            else:
                place = entry * s.SECTOR
                length = s.GRAIN_HEADER.size
                if not compressed:
                    length = max(0, min(grain, size - (first + i) * grain))
                if place + length > limit:
                    raise TruncatedError(
                        f"grain {first + i} should be at {place:#x}, behind the end of the file",
                        path=self._source.name,
                        offset=self._directories[which][number] * s.SECTOR + 4 * i,
                        field="grain table entry",
                    )
                out[i] = place
        return out

    def _found(self, what: str, action: str) -> None:
        finding = Finding("KF-407", Severity.WARNING, what, self._source.name, action)
        if finding not in self.findings:
            self.findings = (*self.findings, finding)


def _read_directory(source: ByteSource, header: s.SparseHeader, sector: int) -> array.array[int]:
    covered = header.grain_size * header.entries_per_gt
    count = -(-header.capacity // covered)
    if count > _MAX_DIRECTORY:
        raise LimitError(f"grain directory of {count} entries", path=source.name, field="capacity")
    at = sector * s.SECTOR
    directory = read_table(source.read_at(at, count * 4), "I")
    if has_repeats(directory):
        raise CorruptError("two directory entries share a grain table", path=source.name, offset=at)
    return directory
