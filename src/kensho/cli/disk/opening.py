"""Open what a disk verb was given: a path, an archive's member, a URL, a pipe."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from kensho.cli import flags
from kensho.cli.disk.of_package import disk_of_package
from kensho.disks import DiskReader, detect, open_disk
from kensho.disks.chain import links_of
from kensho.disks.from_pipe import open_pipe
from kensho.model.errors import KenshoError, UnsupportedError, UsageError
from kensho.storage import ByteSource, FileSource, read_members
from kensho.storage.locator import ArchiveMember, open_source, sibling_opener
from kensho.storage.pipe import PipeReader

#: Text, an archive, compressed or a byte order mark, by the first byte; boot code has other ones.
_MAYBE_PACKAGE = re.compile(rb"[\t\n\r -~]|\x1f\x8b|\xfd7z|\x89LZO|\xef\xbb|\xff\xfe|\xfe\xff")

Locator: TypeAlias = flags.Locator
FormatOption = Annotated[
    str | None,
    Parameter(
        name=["-f", "--format"],
        help="Read it as this format instead of what its first bytes say.",
    ),
]
SnapshotOption = Annotated[
    str | None, Parameter(name="--snapshot", help="Read this internal snapshot, by id or name.")
]


@contextmanager
def opened_disk(
    locator: str,
    format: str | None = None,  # noqa: A002
    snapshot: str | None = None,
) -> Iterator[DiskReader]:
    """Open a disk with all it is based on, for random access, and close it afterwards.

    LocatorError and FormatError kinds; a package where a disk is wanted is an
    UnsupportedError that names its disks. CorruptError when the file changed meanwhile.
    """
    if format is None and snapshot is None and (found := disk_of_package(locator)) is not None:
        with closing(found[0]), closing(found[1]):
            yield found[1]
        return
    source = open_source(locator)
    try:
        if format is None:
            refuse_packages(source)
        reader = open_disk(
            source, sibling=sibling_opener(locator), format=format, snapshot=snapshot
        )
        try:
            yield reader
        finally:
            reader.close()
        if isinstance(source, FileSource | ArchiveMember):
            source.check_unchanged()
    finally:
        source.close()


@contextmanager
def opened_once(
    locator: str,
    format: str | None = None,  # noqa: A002
    snapshot: str | None = None,
    size: int | None = None,
) -> Iterator[DiskReader]:
    """Open a disk to be read from front to back once: as ``opened_disk``, and from a pipe."""
    if locator == "-" and not stat.S_ISREG(os.fstat(0).st_mode):
        yield open_pipe(PipeReader(), size=size, format=format)
        return
    with opened_disk(locator, format, snapshot) as reader:
        if size is not None and size != reader.virtual_size:
            raise UsageError(
                f"--size is for raw disks from a pipe; this one has {reader.virtual_size} bytes",
                path=locator,
            )
        yield reader


def chain_of(reader: DiskReader) -> list[dict[str, str | int]]:
    """Return the disks below ``reader``, nearest first."""
    return [
        {
            "name": link.name,
            "format": link.layer.format,
            "subformat": link.layer.subformat,
            "virtual_size": link.layer.virtual_size,
        }
        for link in links_of(reader)[1:]
    ]


def warn(reader: DiskReader) -> None:
    """Tell a person what is odd about a disk, where it is in nobody's way."""
    for finding in reader.warnings:
        subject = f"{finding.subject}: " if finding.subject else ""
        action = f" ({finding.action})" if finding.action else ""
        print(f"{finding.code}: {subject}{finding.message}{action}", file=sys.stderr)


def refuse_packages(source: ByteSource) -> None:
    """Raise UnsupportedError for what is plainly no disk: an archive, compressed, XML."""
    head = source.read_at(0, min(512, source.size))
    if not _MAYBE_PACKAGE.match(head) or any(c.confidence >= 90 for c in detect(source)):
        return
    from kensho.appliances.registry import REFUSED
    from kensho.appliances.sniff import is_tar, is_vma, is_xml, is_xva

    if head.startswith(b"\x1f\x8b") and source.name.lower().endswith((".tar.gz", ".tgz")):
        raise UnsupportedError(
            "is an archive, not a disk",
            path=source.name,
            hint=f"name the disk in it, such as {source.name}#disk.raw",
        )
    for refused in REFUSED:
        if head.startswith(refused.magic):
            raise UnsupportedError(f"is {refused.title}", path=source.name, hint=refused.hint)
    for is_one, what, example in (
        (is_xva, "an export of a machine (XVA)", "Ref:12"),
        (is_vma, "a backup of Proxmox VE (VMA)", "disk-scsi0"),
    ):
        if is_one(source):
            raise UnsupportedError(
                f"is {what}, not a disk",
                path=source.name,
                hint="name the disk in it by its id, as `kensho inspect --json` has it: "
                f"{source.name}#{example}",
            )
    if is_tar(source):
        raise UnsupportedError(
            "is an archive, not a disk", path=source.name, hint=_members_hint(source)
        )
    if is_xml(source):
        raise UnsupportedError(
            "is a text in XML, not a disk",
            path=source.name,
            hint="`kensho inspect` shows a machine and names its disks",
        )


def _members_hint(source: ByteSource) -> str:
    try:
        names = [m.name for m in read_members(source) if m.type == "file"]
    except KenshoError:
        return "if it is a raw disk all the same, say --format raw"
    disks = [n for n in names if not n.lower().endswith((".ovf", ".mf", ".cert", ".xml"))]
    return "name the disk in it: " + ", ".join(f"{source.name}#{n}" for n in disks[:10])
