"""Read Hyper-V's binary configuration (`.vmcx`, since Windows Server 2016) into a tree of keys.

Source: OpenVMM's description of HyperVStorage files (github.com/microsoft/openvmm, MIT): two headers
of which the newer one counts, a log of writes not yet carried out, object tables that say where key
tables are, and key tables (``vmcx_keys``). Nothing is written: a log is applied to what is read.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from kensho.appliances.hyperv import _structs as on_disk
from kensho.appliances.hyperv.tree import Key
from kensho.appliances.hyperv.vmcx_keys import Table, read_keys
from kensho.model.errors import CorruptError, LimitError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.storage import ByteSource, MemorySource

MAX_TABLES = 8192  #: of objects and of keys; a machine has about ten
MAX_TABLE = 1 << 20
MAX_KEYS = 32 << 20  #: bytes of all key tables
MAX_LOG = 16 << 20  #: bytes of all writes in the log
MAX_APPLIED = 64 << 20  #: bytes of a file whose log is applied; a configuration has below 1 MiB
_MAX_LOG_ENTRIES = 8192
_APPLY_LOG = "start and stop the machine once on its host, or export it there with Export-VM"


@dataclass(frozen=True, slots=True)
class View:
    """The file to read from; ``path`` is what errors call it."""

    source: ByteSource
    path: str

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Return exactly these bytes; CorruptError when they are not all in the file."""
        if offset < 0 or offset + length > self.source.size:
            raise CorruptError(
                f"{what} is said to be {length} bytes here, the file has {self.source.size}",
                path=self.path,
                offset=offset,
            )
        return self.source.read_at(offset, length)


@dataclass(frozen=True, slots=True)
class _Header:
    offset: int
    sequence: int
    version: int
    log: int
    log_head: int


@dataclass(slots=True)
class Faults:
    """Checksums that do not fit, counted: what they are of is read all the same, and said."""

    path: str
    count: int = 0
    first: str = ""

    def add(self, what: str, offset: int) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or f"{what} at {offset:#x}"


def read_storage(source: ByteSource) -> tuple[Key, tuple[Finding, ...]]:
    """Return the keys below a root without a name, and what was noticed.

    CorruptError with the offset of a structure that contradicts the file, UnsupportedError for
    another version of the format and for a log that cannot be applied, LimitError for tables
    beyond any machine's.
    """
    view = View(source, source.name)
    faults = Faults(source.name)
    header = _header(view)
    findings = []
    if writes := _log(view, header):
        view = _applied(view, writes)
        _header(view)
        findings.append(
            Finding(
                "KF-471",
                Severity.NOTE,
                f"the file was not closed: {len(writes)} writes are in its log",
                subject=source.name,
                action="applied to what is read; the file stays as it is",
            )
        )
    tables = _key_tables(view, faults)
    root = read_keys(tables, view.read, faults)
    if faults.count:
        findings.append(
            Finding(
                "KF-470",
                Severity.ERROR,
                f"{faults.count} structures of the file are damaged; the first is {faults.first}",
                subject=source.name,
                action="read as far as they can be; check the machine, or export it again",
            )
        )
    return root, tuple(findings)


def _header(view: View) -> _Header:
    """Return the newer one of the valid headers."""
    path = view.path
    found = []
    for offset in on_disk.HEADERS:
        if view.source.size < offset + on_disk.HEADER.size:
            continue
        data = view.read(offset, on_disk.HEADER.size, "the header")
        mark, crc, sequence, version, _, _, _, log, _, log_head = on_disk.HEADER.unpack(data)
        if mark == on_disk.HEADER_SIGNATURE and crc == on_disk.checksum(data, 4):
            found.append(_Header(offset, sequence, version, log, log_head))
    if not found:
        raise CorruptError(
            "neither of the two headers is whole", path=path, offset=0, field="header",
            hint="the file is damaged; export the machine again with Export-VM",
        )  # fmt: skip
    newest = found[-1]
    if len(found) == 2:
        first, second = found
        # The sequence has 16 bits, so it begins anew some day.
        newest = first if (first.sequence - second.sequence) & 0xFFFF < 0x8000 else second
    if newest.version != on_disk.VERSION:
        number = f"{newest.version >> 8}.{newest.version & 0xFF}"
        raise UnsupportedError(
            f"is version {number} of the format; 4.0 is read",
            path=path,
            offset=newest.offset + 10,
            field="FormatVersion",
            hint="export the machine from a host with a current Windows: Export-VM",
        )
    return newest


def _log(view: View, header: _Header) -> list[tuple[int, bytes]]:
    """Return the writes in the log that are still to be carried out: offset in the file, bytes."""
    path = view.path
    if header.log == 0:
        return []
    data = view.read(header.log, on_disk.LOG.size, "the log")
    fields = on_disk.LOG.unpack(data)
    mark, crc, count = int(fields[0]), int(fields[1]), int(fields[2])
    if mark != on_disk.LOG_SIGNATURE or crc != on_disk.checksum(data, 4):
        raise CorruptError("the log has no valid header", path=path, offset=header.log, field="log")
    if count > _MAX_LOG_ENTRIES:
        raise LimitError(f"{count} writes in the log", path=path, offset=header.log, field="log")
    start = header.log + on_disk.LOG.size
    writes: list[tuple[int, bytes]] = []
    total = 0
    for number in range(count):
        at = start + number * on_disk.LOG_ENTRY.size
        entry = view.read(at, on_disk.LOG_ENTRY.size, "an entry of the log")
        crc, target, size, inside, data_crc = on_disk.LOG_ENTRY.unpack(entry)
        if crc != on_disk.checksum(entry, 0):
            raise _stuck(path, at, "an entry of the log is damaged")
        total += size
        if total > MAX_LOG or target + size > view.source.size:
            raise _stuck(path, at, "an entry of the log leads out of the file")
        written = _written(view, header, inside, size, data_crc)
        writes.append((target, written))
    return writes


def _written(view: View, header: _Header, inside: int, size: int, crc: int) -> bytes:
    """Return the bytes of a write, of which the checksum tells where ``inside`` counts from."""
    for start in (header.log, header.log + header.log_head):
        if start + inside + size <= view.source.size:
            data = view.read(start + inside, size, "what the log wrote")
            if zlib.crc32(data) == crc:
                return data
    raise _stuck(view.path, header.log, "what the log wrote is damaged")


def _applied(view: View, writes: list[tuple[int, bytes]]) -> View:
    """Return the file as it is with the writes, in memory."""
    size = view.source.size
    if size > MAX_APPLIED:
        raise _stuck(view.path, 0, f"has {size} bytes, too many to apply the log in memory")
    data = bytearray(view.read(0, size, "the file"))
    for target, written in writes:
        data[target : target + len(written)] = written
    return View(MemorySource(data, view.path), view.path)


def _stuck(path: str, offset: int, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"the file was not closed and {reason}", path=path, offset=offset, field="log",
        hint=_APPLY_LOG,
    )  # fmt: skip


def _key_tables(view: View, faults: Faults) -> list[Table]:
    """Follow the object tables; return the key tables, the newer one of two with one number."""
    path = view.path
    found: dict[int, tuple[int, Table]] = {}
    wanted = [on_disk.OBJECTS]
    seen: set[int] = set()
    total = 0
    while wanted:
        place = wanted.pop()
        if place in seen:
            raise CorruptError("the object tables run in a circle", path=path, offset=place)
        seen.add(place)
        for at, kind, offset, size in _objects(view, place, faults):
            if len(seen) + len(found) > MAX_TABLES:
                raise LimitError(f"more than {MAX_TABLES} tables", path=path, offset=at)
            if kind == on_disk.MORE_OBJECTS:
                wanted.append(offset)
            elif kind == on_disk.KEY_TABLE:
                total += size
                if size > MAX_TABLE or total > MAX_KEYS:
                    raise LimitError(f"key tables of {total} bytes", path=path, offset=at)
                number, sequence, table = _key_table(view, offset, size, faults)
                if number not in found or (sequence - found[number][0]) & 0xFFFF < 0x8000:
                    found[number] = sequence, table
    return [table for _, table in found.values()]


def _objects(view: View, place: int, faults: Faults) -> list[tuple[int, int, int, int]]:
    """Return where, kind, offset and size of each object that one table lists."""
    path = view.path
    mark, count = on_disk.OBJECT_TABLE.unpack(
        view.read(place, on_disk.OBJECT_TABLE.size, "an object table")
    )
    if mark != on_disk.OBJECTS_SIGNATURE:
        raise CorruptError("no object table is here", path=path, offset=place, field="signature")
    if count > MAX_TABLE // on_disk.OBJECT.size:
        raise LimitError(f"an object table of {count} entries", path=path, offset=place)
    start = place + on_disk.OBJECT_TABLE.size
    data = view.read(start, count * on_disk.OBJECT.size, "an object table")
    found = []
    for number in range(count):
        entry = data[number * on_disk.OBJECT.size :][: on_disk.OBJECT.size]
        kind, crc, offset, size, _ = on_disk.OBJECT.unpack(entry)
        at = start + number * on_disk.OBJECT.size
        if kind in {on_disk.MORE_OBJECTS, on_disk.KEY_TABLE}:
            if crc != on_disk.checksum(entry, 1):
                faults.add("an object's entry", at)
            found.append((at, kind, offset, size))
    return found


def _key_table(view: View, offset: int, size: int, faults: Faults) -> tuple[int, int, Table]:
    path = view.path
    if size < on_disk.KEYS.size:
        raise CorruptError(f"a key table of {size} bytes", path=path, offset=offset)
    data = view.read(offset, size, "a key table")
    mark, number, sequence, crc = on_disk.KEYS.unpack_from(data)
    if mark != on_disk.KEYS_SIGNATURE:
        raise CorruptError("no key table is here", path=path, offset=offset, field="signature")
    if crc != on_disk.checksum(data[: on_disk.KEYS.size], 6):
        faults.add("a key table's header", offset)
    return number, sequence, Table(number, offset, data)
