"""Read VDI: dynamic, fixed and differencing.

Source: see ``_structs/vdi.py``. Version 1.1 headers; those of 2005 (version 0) are
refused, as no VirtualBox since 1.1 writes them. A differencing image has the UUID of its
parent but not its name, which only VirtualBox's own settings know; snapshots are
called ``{UUID}.vdi``.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap, check_disk_range, fill_zero
from kensho.disks._file_holes import without_file_holes
from kensho.disks._structs import vdi as s
from kensho.disks._tables import read_table, zero_table
from kensho.disks.base import ParentRef
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.extent import Extent
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 1 << 50
_MAX_BLOCK = 1 << 28
_PAGE = 16384  # block map entries read at a time
_FREE_PAGE = b"\xff" * (4 * _PAGE)


class VdiDisk:
    """A VDI open for reading."""

    __slots__ = (
        "_header",
        "_map",
        "_name",
        "details",
        "parent",
        "parent_names",
        "sources",
        "subformat",
    )

    format = "vdi"
    warnings: tuple[Finding, ...] = ()

    def __init__(self, source: ByteSource, header: s.Header, blocks: BlockMap) -> None:
        self._name = source.name
        self._map = blocks
        self.sources = (source,)
        self._header = header
        self.subformat = "fixed" if header.image_type == s.FIXED else "dynamic"
        self.parent = None
        self.parent_names: tuple[str, ...] = ()
        if any(header.uuid_parent):
            self.subformat = "differencing"
            text = str(uuid.UUID(bytes_le=header.uuid_parent))
            self.parent_names = (f"{{{text}}}.vdi", f"{text}.vdi")
            self.parent = ParentRef(
                self.parent_names[0],
                "vdi",
                _identity(header.uuid_parent, header.uuid_parent_modify),
            )
        self.details: Mapping[str, str | int] = {
            "block_bytes": header.block_size,
            "blocks_allocated": header.blocks_allocated,
            "identity": _identity(header.uuid_create, header.uuid_modify),
        }

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._map.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return without_file_holes(self._map.extents(start, end), self.sources[0])

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        check_disk_range(self._name, self.virtual_size, offset, len(view))
        for extent in self._map.extents(offset, offset + len(view)):
            part = view[extent.start - offset : extent.end - offset]
            if extent.kind is Kind.DATA:
                self.sources[0].read_into(extent.file_offset, part)
            else:
                fill_zero(part)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:
        """Raise CorruptError unless ``below`` is the parent this one was made from."""
        where = below.sources[0].name
        if below.format != "vdi" or self.parent is None:
            raise CorruptError(f"its parent {where} is not a VDI", path=self._name)
        recorded, _, link = self.parent.identity.partition(":")
        found, _, modified = str(below.details["identity"]).partition(":")
        if found != recorded:
            raise CorruptError(
                f"{where} is not its parent: UUID {found} instead of {recorded}",
                path=self._name,
                field="uuidLinkage",
            )
        if any(self._header.uuid_parent_modify) and modified != link:
            raise CorruptError(
                f"its parent {where} was changed since",
                path=self._name,
                field="uuidParentModify",
                hint="take the parent as it was; data of a changed one do not fit together",
            )
        return ()

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


def open_vdi(source: ByteSource, sibling: SiblingOpener | None = None) -> VdiDisk:  # noqa: ARG001
    """Open a VDI alone, without its parent; UnsupportedError for undo images."""
    raw = source.read_at(0, s.SIZE)
    signature, version = s.unpack_pre(raw)
    if signature != s.SIGNATURE:
        raise CorruptError("no VDI signature", path=source.name, offset=64, field="signature")
    if version >> 16 != 1:
        raise UnsupportedError(f"VDI version {version:#x}", path=source.name, field="version")
    header = s.unpack_header(raw)
    _check(source, header)
    return VdiDisk(source, header, _block_map(source, header))


def _identity(own: bytes, modified: bytes) -> str:
    """Return what a child records of its parent: its UUID and that of its last change."""
    return f"{own.hex()}:{modified.hex()}"


def _check(source: ByteSource, header: s.Header) -> None:
    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=s.PRE_SIZE, field=field)

    if header.image_type == s.UNDO:
        raise UnsupportedError(
            "an undo image: most of its data are in another file",
            path=source.name,
            hint="clone the disk in VirtualBox, which merges it",
        )
    if header.image_type not in {s.DYNAMIC, s.FIXED, s.DIFF}:
        raise corrupt(f"image type {header.image_type}", "type")
    if (header.image_type == s.DIFF) != any(header.uuid_parent):
        raise corrupt("image type and parent UUID disagree", "uuidLinkage")
    if header.disk_size > _MAX_SIZE:
        raise LimitError(f"a disk of {header.disk_size} bytes", path=source.name, field="cbDisk")
    block = header.block_size
    if not s.SECTOR <= block <= _MAX_BLOCK or block & (block - 1):
        raise corrupt(f"block size {block}", "cbBlock")
    if header.block_extra > _MAX_BLOCK:
        raise corrupt(f"{header.block_extra} extra bytes per block", "cbBlockExtra")
    if header.blocks < -(-header.disk_size // block):
        raise corrupt(f"{header.blocks} blocks do not hold {header.disk_size} bytes", "cBlocks")
    if header.blocks_offset < s.PRE_SIZE or header.blocks_offset + 4 * header.blocks > source.size:
        raise TruncatedError(
            "the block map is behind the end of the file",
            path=source.name,
            offset=header.blocks_offset,
        )


def _block_map(source: ByteSource, header: s.Header) -> BlockMap:
    block, size = header.block_size, header.disk_size
    stride = block + header.block_extra
    count = -(-size // block)

    def load(page: int) -> array.array[int] | None:
        first = page * _PAGE
        number = min(_PAGE, count - first)
        at = header.blocks_offset + 4 * first
        raw = source.read_at(at, 4 * number)
        if raw == _FREE_PAGE[: len(raw)]:
            return None
        entries = read_table(raw, "I")
        out = zero_table("q", number)
        for i, entry in enumerate(entries):
            if entry >= s.ZERO:
                out[i] = HOLE if entry == s.FREE else ZERO
                continue
            place = header.data_offset + entry * stride + header.block_extra
            if place + min(block, size - (first + i) * block) > source.size:
                raise TruncatedError(
                    f"block {first + i} should be at {place:#x}, behind the end of the file",
                    path=source.name,
                    offset=at + 4 * i,
                    field="block map",
                )
            out[i] = place
        return out

    return BlockMap(size, block, _PAGE, load, keep=16)
