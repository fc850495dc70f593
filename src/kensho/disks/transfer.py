"""Write a disk in another format to its place: under a hidden name, synced, verified, renamed.

Also what goes into a pipe. Which disk to write is a ``Target``, as ``target_for`` or
``kensho.disks.cloud`` make it; this module only carries it out.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kensho.disks._journal import Journal
from kensho.disks._siblings import demand_readable
from kensho.disks.compare import compare, content_root
from kensho.disks.copy import copy_disk
from kensho.disks.from_pipe import PipedDisk
from kensho.disks.hashes import CHANGEABLE, HashLog, facts_of, forget_hashes, hashes_path
from kensho.disks.registry import FORMATS, create_disk, descriptor_of, open_disk
from kensho.disks.resume import leftovers, pending_disk
from kensho.model.errors import LocatorError, NoSpaceError, UsageError, VerificationError
from kensho.storage.atomic import PendingFile, partial_path
from kensho.storage.file import FileSource
from kensho.storage.locator import ArchiveMember

if TYPE_CHECKING:
    from collections.abc import Callable

    from kensho.disks.base import DiskReader, DiskWriter
    from kensho.disks.content import Keep
    from kensho.disks.copy import CopyResult
    from kensho.storage.base import ByteSink
    from kensho.storage.pipe import PipeSink

#: What can be written from front to back, and so into a pipe.
STREAMED = {("raw", "sparse"), ("vmdk", "streamOptimized"), ("vhd", "fixed"), ("gcp", "tar.gz")}


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What to write: registry names (or ``gcp``), and the size the new disk gets."""

    format: str
    subformat: str
    virtual_size: int


@dataclasses.dataclass(frozen=True, slots=True)
class How:
    """How to write: only ``compression``, ``identity`` and ``passthrough`` change what is written."""

    compression: str = "fast"
    threads: int | None = None
    overwrite: bool = False
    verify: bool = False
    root: bool = False
    identity: bytes | None = None
    key: bytes | None = None  # of the source, see ``source_key``; None: never resume
    passthrough: str | None = None  # carry compressed blocks as they are, see ``copy_disk``


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written; sizes in bytes. ``root`` is the content's Merkle root, if asked for."""

    path: str
    format: str
    subformat: str
    virtual_size: int
    data_size: int
    file_size: int
    files: tuple[str, ...]
    seconds: float
    verified: bool
    root: str | None = None


def target_for(name: str, format_: str | None, subformat: str | None, size: int) -> Target:
    """Return what to write to a file called ``name``: the format asked for, else its suffix's.

    UsageError when neither says, or the subformat cannot be written.
    """
    if format_ == "gcp":
        raise UsageError("gcp is a shape, not a format", hint="--for gcp makes it of whole GiB")
    descriptor = descriptor_of(format_ or _format_of(name))
    known = (*descriptor.writers, *descriptor.folder_writers)
    if not known:
        raise UsageError(f"{descriptor.name} is read, not written")
    chosen = next((k for k in known if subformat and k.lower() == subformat.lower()), None)
    if subformat is not None and chosen is None:
        raise UsageError(
            f"{descriptor.name} has no writable subformat {subformat!r}",
            hint="known: " + ", ".join(known),
        )
    return Target(descriptor.name, chosen or known[0], size)


def write_disk(
    reader: DiskReader,
    path: Path,
    target: Target,
    how: How,
    *,
    on_copy: Callable[[int, int], None] | None = None,
    on_verify: Callable[[int, int], None] | None = None,
    on_resume: Callable[[int], None] | None = None,
) -> Written:
    """Write ``reader`` as ``target`` to ``path``; nothing is there before it is complete.

    With ``how.key`` a run that was killed is gone on with, in formats that allow it;
    ``on_resume`` gets the offset from which that is. With ``how.root`` the block hashes of
    what can be updated later (``kensho.disks.update``) are put beside it.
    UsageError when ``path`` is one of the reader's own files or is there already,
    VerificationError when ``how.verify`` finds that it does not read back the same.
    """
    check_destination(reader, path, overwrite=how.overwrite)
    check_destination(reader, hashes_path(path), overwrite=True)
    is_folder = target.subformat in descriptor_of(target.format).folder_writers
    hashed = how.root and (target.format, target.subformat) in CHANGEABLE
    log = HashLog(path) if hashed else None
    keep = log.add if log else None
    try:
        if how.key is None or is_folder:
            result = _write_at_once(reader, path, target, how, keep, on_copy, on_verify)
        else:
            result = _write_resumed(
                reader, path, target, how, how.key, keep, on_copy, on_verify, on_resume
            )
        if log is not None and result.root is not None:
            what = (target.format, target.subformat, result.virtual_size)
            log.commit(facts_of(path, *what, result.root))
        else:
            forget_hashes(path)  # of what was there before
    except NoSpaceError as error:
        if error.path is None:  # the kernel moved it
            raise NoSpaceError(error.message, path=path) from None
        raise
    finally:
        if log is not None:
            log.discard()
    return result


def source_key(reader: DiskReader, *choices: str | None) -> bytes | None:
    """Return what tells ``reader``'s files, as they are now, from all others.

    ``choices`` say how they are read: as which format, which snapshot. None when it cannot
    be told, as of a pipe or a device, behind whose name and time may be other bytes now.
    """
    seen: list[tuple[str, int, object]] = []
    for source in reader.sources:
        below = source.kernel_file()
        if below is not None:
            status = os.fstat(below[0])
            if not stat.S_ISREG(status.st_mode):
                return None
            seen.append((source.name, source.size, (status.st_ino, status.st_mtime_ns)))
        elif stamp := getattr(source, "stamp", ""):
            seen.append((source.name, source.size, stamp))
        else:
            return None
    return repr((seen, reader.virtual_size, choices)).encode() if seen else None


def _write_at_once(
    reader: DiskReader,
    path: Path,
    target: Target,
    how: How,
    keep: Keep | None,
    on_copy: Callable[[int, int], None] | None,
    on_verify: Callable[[int, int], None] | None,
) -> Written:
    with ExitStack() as stack:
        # No other run works on it, and no journal vouches for bytes that go now.
        stack.callback(Journal(leftovers(path)[1], b"at once").remove)
        _forget_lost(path)
        main = stack.enter_context(PendingFile(path))
        names = [path.name]

        def beside(name: str) -> ByteSink:
            demand_readable(name, path)
            check_destination(reader, path.with_name(name), overwrite=how.overwrite)
            names.append(name)
            return stack.enter_context(PendingFile(path.with_name(name))).sink

        writer = begin_disk(main.sink, target, how, beside, path.name)
        result = _copy(reader, writer, how, on_copy, keep=keep)
        if how.verify:
            _verify(reader, partial_path(path), target, how, result, on_verify)
        if len(names) > 1:  # it gets its name last: until then none may be seen with new files
            path.unlink(missing_ok=True)
    sizes = [path.with_name(name).stat().st_size for name in names]
    return _written(str(path), target, result, sum(sizes), tuple(names), how, writer)


def _write_resumed(
    reader: DiskReader,
    path: Path,
    target: Target,
    how: How,
    key: bytes,
    keep: Keep | None,
    on_copy: Callable[[int, int], None] | None,
    on_verify: Callable[[int, int], None] | None,
    on_resume: Callable[[int], None] | None,
) -> Written:
    whole = key + repr((target, how.compression, how.identity)).encode()
    try:
        with pending_disk(
            path, whole, lambda sink: begin_disk(sink, target, how, None, path.name)
        ) as pending:
            _forget_lost(path)
            if pending.start and on_resume is not None:
                on_resume(pending.start)
            result = _copy(reader, pending.writer, how, on_copy, pending.start, keep)
            if pending.start and how.root:
                # The part copied before was not hashed in this run: the source is read once more.
                root = content_root(reader, threads=how.threads, keep=keep)
                check_unchanged(reader)
                result = dataclasses.replace(result, content_root=root)
            if how.verify:
                _verify(reader, partial_path(path), target, how, result, on_verify)
    except VerificationError:
        for left in leftovers(path):  # nothing to go on with
            left.unlink(missing_ok=True)
        raise
    result = dataclasses.replace(result, data_bytes=result.data_bytes + pending.done)
    size = path.stat().st_size
    return _written(str(path), target, result, size, (path.name,), how, pending.writer)


def _forget_lost(path: Path) -> None:
    """Remove the hashes of a disk that is no more, lest the one begun pass for an update of it."""
    if not path.exists():
        hashes_path(path).unlink(missing_ok=True)


def write_stream(
    reader: DiskReader,
    sink: PipeSink,
    target: Target,
    how: How,
    *,
    on_copy: Callable[[int, int], None] | None = None,
) -> Written:
    """Write ``reader`` as ``target`` into a pipe. UsageError for what needs to go back."""
    if (target.format, target.subformat) not in STREAMED:
        known = ", ".join(f"{f} {s}" for f, s in sorted(STREAMED))
        raise UsageError(
            f"{target.format} {target.subformat} cannot be written into a pipe",
            hint=f"these can: {known}",
        )
    writer = begin_disk(sink, target, how, None, "disk")
    result = _copy(reader, writer, how, on_copy)
    sink.flush()
    return _written(sink.name, target, result, sink.position, (), how, writer)


def check_destination(reader: DiskReader, path: Path, *, overwrite: bool) -> None:
    """Raise UsageError when ``path`` is a file ``reader`` reads, or is there and may not be.

    LocatorError for what is no plain file, as a device is: it would be replaced; and when
    there is no folder for it.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise LocatorError(
                "there is no such folder", path=path.parent, hint="make it first"
            ) from None
        return
    except (OSError, ValueError) as error:
        raise LocatorError(f"cannot be written: {error}", path=path) from None
    for source in reader.sources:
        below = source.kernel_file()
        if below is None:
            continue
        own = os.fstat(below[0])
        if (own.st_dev, own.st_ino) == (status.st_dev, status.st_ino):
            raise UsageError("source and target are the same file", path=path)
    if not stat.S_ISREG(status.st_mode):
        raise LocatorError(
            "is not a file", path=path, hint="write into a file, or use - and redirect it"
        )
    if not overwrite:
        raise UsageError("is there already", path=path, hint="add --overwrite to replace it")


def check_unchanged(reader: DiskReader) -> None:
    """Raise CorruptError if a file ``reader`` reads was written to since it was opened."""
    for source in reader.sources:
        if isinstance(source, FileSource | ArchiveMember):
            source.check_unchanged()


def begin_disk(
    sink: object,
    target: Target,
    how: How,
    beside: Callable[[str], ByteSink] | None,
    name: str,
) -> DiskWriter:
    """Begin ``target`` in ``sink``; see ``create_disk`` for ``beside`` and ``name``."""
    return create_disk(
        target.format,
        target.subformat,
        sink,  # type: ignore[arg-type]
        target.virtual_size,
        compression=how.compression,
        identity=how.identity,
        sibling_sink=beside,
        name=name,
    )


def _copy(
    reader: DiskReader,
    writer: DiskWriter,
    how: How,
    on_copy: Callable[[int, int], None] | None,
    start: int = 0,
    keep: Keep | None = None,
) -> CopyResult:
    # What comes through a pipe cannot be read again; its root stands in for it.
    root = (how.root and not start) or (how.verify and isinstance(reader, PipedDisk))
    result = copy_disk(
        reader,
        writer,
        threads=how.threads,
        on_bytes=on_copy,
        root=root,
        keep=keep,
        start=start,
        passthrough=how.passthrough,
    )
    check_unchanged(reader)  # before the result gets its name
    return result


def _verify(
    reader: DiskReader,
    path: Path,
    target: Target,
    how: How,
    result: CopyResult,
    on_verify: Callable[[int, int], None] | None,
) -> None:
    with FileSource(path) as source:
        made = open_disk(
            source,
            sibling=lambda name: FileSource(partial_path(path.with_name(name))),
            format=target.format,
        )
        try:
            if result.content_root is not None:
                found = content_root(made, threads=how.threads, on_bytes=on_verify)
                same = found == result.content_root
                where = ""
            else:
                offset = compare(reader, made, threads=how.threads, on_bytes=on_verify)
                same = offset is None
                where = f", first at byte {offset}"
            if made.virtual_size < reader.virtual_size or not same:
                raise VerificationError(f"what was written does not equal its source{where}")
        finally:
            made.close()


def _written(
    path: str,
    target: Target,
    result: CopyResult,
    file_size: int,
    names: tuple[str, ...],
    how: How,
    writer: DiskWriter,
) -> Written:
    return Written(
        path=path,
        format=target.format,
        subformat=target.subformat,
        virtual_size=writer.virtual_size,
        data_size=result.data_bytes,
        file_size=file_size,
        files=names,
        seconds=round(result.seconds, 3),
        verified=how.verify,
        root=result.content_root,
    )


def _format_of(name: str) -> str:
    suffix = Path(name).suffix.lower()
    found = [d.name for d in FORMATS if suffix and suffix in d.suffixes]
    if not found:
        raise UsageError(
            f"the name {name!r} does not say which format to write",
            hint="add --to: " + ", ".join(d.name for d in FORMATS if d.writers or d.folder_writers),
        )
    return "raw" if "raw" in found else found[0]
