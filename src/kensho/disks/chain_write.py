"""Write a disk and all it is based on as a chain in another format, beside each other.

The top disk gets the name asked for, those below ``NAME-parent1``, ``NAME-parent2`` and so
on, the lowest the highest number; only VDI are called ``{UUID}.vdi``, as that is how they
are found. All are made under hidden names and put in place together, the lowest first: a
disk never appears before what it is based on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kensho.disks._journal import Journal
from kensho.disks._siblings import demand_readable
from kensho.disks.base import ParentRef
from kensho.disks.chain import links_of
from kensho.disks.chain_copy import copy_chain
from kensho.disks.compare import compare, content_root
from kensho.disks.hashes import forget_hashes
from kensho.disks.registry import create_disk, descriptor_of, open_disk
from kensho.disks.resume import leftovers
from kensho.disks.transfer import Written, check_destination, check_unchanged
from kensho.disks.vdi_write import uuid_for
from kensho.model.errors import UsageError, VerificationError
from kensho.storage.atomic import PendingFile, partial_path
from kensho.storage.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kensho.disks.base import DiskReader, DiskWriter
    from kensho.disks.chain import Link
    from kensho.disks.transfer import How
    from kensho.storage.base import ByteSink


@dataclasses.dataclass(frozen=True, slots=True)
class ChainTarget:
    """What to write: a format, the subformat of the lowest disk and that of all above it."""

    format: str
    base: str
    child: str


_CHILD = "differencing"
#: What a chain can be made of: the name of it → subformats of the lowest disk and of all others.
#: The first one of a format is the usual one.
_CHAINS: dict[str, dict[str, tuple[str, str]]] = {
    "qcow2": {
        name: (name, name)
        for name in ("uncompressed", "compressed", "compressed-zstd", "v2", "v2-compressed")
    },
    "vhd": {"dynamic": ("dynamic", _CHILD), "fixed": ("fixed", _CHILD)},
    "vhdx": {
        "dynamic": ("dynamic", _CHILD),
        "fixed": ("fixed", _CHILD),
        "dynamic-4kn": ("dynamic-4kn", f"{_CHILD}-4kn"),
        "fixed-4kn": ("fixed-4kn", f"{_CHILD}-4kn"),
    },
    "vdi": {"dynamic": ("dynamic", _CHILD), "fixed": ("fixed", _CHILD)},
    "vmdk": {
        "monolithicSparse": ("monolithicSparse", "monolithicSparse"),
        "monolithicFlat": ("monolithicFlat", "monolithicSparse"),
        "vmfsSparse": ("vmfs", "vmfsSparse"),
    },
}


def chain_target(format_: str, subformat: str | None) -> ChainTarget:
    """Return what a chain in that format is made of; UsageError names those there are."""
    known = _CHAINS.get(descriptor_of(format_).name, {})
    if not known:
        raise UsageError(
            f"{format_} knows no disks that are based on others",
            hint=f"keep it as {', '.join(_CHAINS)}, or flatten it",
        )
    for name, (base, child) in known.items():
        if subformat is None or subformat.lower() == name.lower():
            return ChainTarget(format_, base, child)
    raise UsageError(
        f"a chain cannot be kept as {format_} {subformat}", hint=f"known: {', '.join(known)}"
    )


def chain_names(reader: DiskReader, path: Path, target: ChainTarget, how: How) -> tuple[str, ...]:
    """Return the names the disks get, the top one first."""
    names = [path.name]
    for depth in range(1, len(links_of(reader))):
        if target.format == "vdi":
            names.append(f"{{{uuid_for(_identity(how, depth))}}}.vdi")
        else:
            names.append(f"{path.stem}-parent{depth}{path.suffix}")
    return tuple(names)


def write_chain(
    reader: DiskReader,
    path: Path,
    target: ChainTarget,
    how: How,
    *,
    on_copy: Callable[[int, int], None] | None = None,
    on_verify: Callable[[int, int], None] | None = None,
) -> Written:
    """Write all files ``reader`` is made of, the top one to ``path``; see above for the names.

    Errors as ``write_disk``; UsageError too when the format cannot keep this chain.
    Not resumed: a run that was killed begins again.
    """
    if how.identity is None:
        how = dataclasses.replace(how, identity=os.urandom(32))
    names = chain_names(reader, path, target, how)
    links = links_of(reader)
    written: list[str] = []
    with ExitStack() as stack:
        # No other run works on it, and no journal vouches for bytes that go now.
        stack.callback(Journal(leftovers(path)[1], b"chain").remove)

        def pending(name: str) -> ByteSink:
            place = path.with_name(name)
            if place != path:
                demand_readable(name, path)
            if name in written:
                raise UsageError(f"two files would be called {name!r}", path=path)
            check_destination(reader, place, overwrite=how.overwrite)
            written.append(name)
            return stack.enter_context(PendingFile(place)).sink

        # The last one made is the first to get its name.
        sinks = {name: pending(name) for name in names}

        def make(link: Link, identity: str) -> DiskWriter:
            depth = next(n for n, one in enumerate(links) if one is link)
            lowest = depth == len(links) - 1
            return create_disk(
                target.format,
                target.base if lowest else target.child,
                sinks[names[depth]],
                link.layer.virtual_size,
                compression=how.compression,
                identity=_identity(how, depth),
                sibling_sink=pending,
                name=names[depth],
                parent=None if lowest else _parent(names[depth + 1], target.format, identity),
            )

        results = copy_chain(reader, make, threads=how.threads, on_bytes=on_copy)
        check_unchanged(reader)
        if how.verify:
            _verify(reader, path, target, how, on_verify)
        path.unlink(missing_ok=True)  # an old disk must not be seen on top of new ones
    forget_hashes(path)
    root = content_root(reader, threads=how.threads) if how.root else None
    return Written(
        path=str(path),
        format=target.format,
        subformat=target.child,
        virtual_size=reader.virtual_size,
        data_size=sum(result.data_bytes for result in results),
        file_size=sum(path.with_name(name).stat().st_size for name in written),
        files=tuple(written),
        seconds=round(sum(result.seconds for result in results), 3),
        verified=how.verify,
        root=root,
    )


def _parent(name: str, format_: str, identity: str) -> ParentRef:
    if format_ == "qcow2" and ":" in name:
        name = f"./{name}"  # what is before a colon looks like a protocol
    return ParentRef(name, format_, identity)


def _identity(how: How, depth: int) -> bytes:
    return hashlib.sha256(b"%d" % depth + (how.identity or b"")).digest()


def _verify(
    reader: DiskReader,
    path: Path,
    target: ChainTarget,
    how: How,
    on_verify: Callable[[int, int], None] | None,
) -> None:
    with FileSource(partial_path(path), name=str(path)) as source:
        made = open_disk(
            source,
            sibling=lambda name: FileSource(partial_path(path.with_name(name))),
            format=target.format,
        )
        try:
            offset = compare(reader, made, threads=how.threads, on_bytes=on_verify)
            if offset is not None or made.virtual_size < reader.virtual_size:
                raise VerificationError(
                    "what was written does not equal its source"
                    + ("" if offset is None else f", first at byte {offset}")
                )
        finally:
            made.close()
