"""What is in an XVA's tar archive: the metadata, an index of blocks for each disk, other files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kensho.appliances.xmlsafe import MAX_XML
from kensho.appliances.xva.blocks import BlockIndex, block_of
from kensho.model.errors import LimitError, PackageError
from kensho.storage.base import ByteSource
from kensho.storage.tar import TarMember, iterate_members

METADATA = "ova.xml"
_MOST_MEMBERS = 1 << 28  # two for each MiB of 64 TiB, and as many again
_MOST_DISKS = 10_000
_MOST_OTHERS = 100_000  # chunks of 1 GB of an archive of XenServer 3.2


@dataclass(frozen=True, slots=True)
class Archive:
    """The parts of an XVA. ``indexes`` are by reference, ``others`` by name."""

    source: ByteSource
    metadata: bytes
    indexes: Mapping[str, BlockIndex]
    others: Mapping[str, TarMember]


def scan(source: ByteSource) -> Archive:
    """Read all headers of an XVA, once.

    PackageError without ``ova.xml``, LimitError for more disks or files than there can be, and
    what `iterate_members` raises. What is wrong with a disk's blocks is found on opening it.
    """
    indexes: dict[str, BlockIndex] = {}
    others: dict[str, TarMember] = {}
    for member in iterate_members(source, limit=_MOST_MEMBERS, distinct=False):
        if member.type != "file":
            continue
        block = block_of(member.name)
        if block is None:
            if member.name in others:
                raise PackageError(f"two members are called {member.name!r}", path=source.name)
            if len(others) >= _MOST_OTHERS:
                raise LimitError(f"more than {_MOST_OTHERS} files", path=source.name)
            others[member.name] = member
            continue
        ref, number, kind = block
        index = indexes.get(ref)
        if index is None:
            if len(indexes) >= _MOST_DISKS:
                raise LimitError(f"more than {_MOST_DISKS} disks", path=source.name)
            index = indexes[ref] = BlockIndex(ref)
        index.add(member, number, kind, source.name)
    metadata = others.pop(METADATA, None)
    if metadata is None:
        raise PackageError(f"an XVA begins with {METADATA}", path=source.name)
    if metadata.size > MAX_XML:
        raise LimitError(
            f"{METADATA} has {metadata.size} bytes; at most {MAX_XML} are read", path=source.name
        )
    return Archive(source, source.read_at(metadata.offset, metadata.size), indexes, others)
