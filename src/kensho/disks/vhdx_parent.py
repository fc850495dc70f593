"""The parent locator of a differencing VHDX.

Spec: [MS-VHDX] sections 2.6.2.6 to 2.6.2.6.3. The parent is known by the DataWriteGuid
of its header, which changes whenever its content does.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid
from typing import TYPE_CHECKING

from kensho.disks._windows_names import moved_names
from kensho.model.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    from kensho.disks.base import DiskReader

_TYPE = uuid.UUID("b04aefb7-d19e-4a81-b789-25b8e9445913").bytes_le
_HEADER = struct.Struct("<16s2xH")
_ENTRY = struct.Struct("<IIHH")
_PATHS = ("relative_path", "volume_path", "absolute_win32_path")
_NONE = str(uuid.UUID(int=0))


@dataclasses.dataclass(frozen=True, slots=True)
class ParentLink:
    """Names the parent may have here, best first, and the GUIDs it may have."""

    names: tuple[str, ...]
    guids: tuple[str, ...]


def read_link(raw: bytes, path: str) -> ParentLink:
    """Return what the locator item ``raw`` says; CorruptError if it names no parent."""

    def corrupt(message: str) -> CorruptError:
        return CorruptError(message, path=path, field="Parent Locator")

    if len(raw) < _HEADER.size:
        raise corrupt("a differencing disk without a parent locator")
    kind, count = _HEADER.unpack_from(raw)
    if kind != _TYPE:
        raise UnsupportedError(f"parent locator type {uuid.UUID(bytes_le=kind)}", path=path)
    if _HEADER.size + count * _ENTRY.size > len(raw):
        raise corrupt(f"{count} entries do not fit")
    values: dict[str, str] = {}
    for number in range(count):
        fields = _ENTRY.unpack_from(raw, _HEADER.size + number * _ENTRY.size)
        key_at, value_at, key_length, value_length = fields
        if max(key_at + key_length, value_at + value_length) > len(raw):
            raise corrupt("an entry is out of bounds")
        key = raw[key_at : key_at + key_length].decode("utf-16-le", "replace")
        values[key] = raw[value_at : value_at + value_length].decode("utf-16-le", "replace")
    linkages = (_guid(values.get(key, "")) for key in ("parent_linkage", "parent_linkage2"))
    guids = tuple(guid for guid in linkages if guid not in {"", _NONE})
    names = moved_names(values[key] for key in _PATHS if key in values)
    if not guids or not names:
        raise corrupt("a differencing disk that names no parent")
    return ParentLink(names, guids)


def check_link(link: ParentLink, below: DiskReader, sector: int, path: str) -> None:
    """Raise CorruptError unless ``below``, opened alone, is the parent ``link`` means."""
    where = below.sources[0].name
    if below.format != "vhdx":
        raise CorruptError(f"its parent {where} is not a VHDX but {below.format}", path=path)
    if below.details["identity"] not in link.guids:
        raise CorruptError(
            f"{where} is not its parent, or was changed since: DataWriteGuid"
            f" {below.details['identity']} instead of {' or '.join(link.guids)}",
            path=path,
            field="parent_linkage",
            hint="take the parent as it was; data of a changed one do not fit together",
        )
    if below.details["logical_sector_bytes"] != sector:
        raise CorruptError(
            f"its parent {where} has sectors of another size", path=path, field="LogicalSectorSize"
        )


def pack_link(name: str, guid: str) -> bytes:
    """Return the locator item for the parent of that relative ``name`` and DataWriteGuid."""
    pairs = {"parent_linkage": "{" + guid + "}", "relative_path": ".\\" + name.replace("/", "\\")}
    head = _HEADER.pack(_TYPE, len(pairs))
    at = _HEADER.size + len(pairs) * _ENTRY.size
    table = body = b""
    for key, value in pairs.items():
        raw_key, raw_value = key.encode("utf-16-le"), value.encode("utf-16-le")
        table += _ENTRY.pack(at, at + len(raw_key), len(raw_key), len(raw_value))
        body += raw_key + raw_value
        at += len(raw_key) + len(raw_value)
    return head + table + body


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text.strip("\0 ")))
    except ValueError:
        return ""
