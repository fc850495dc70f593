"""``kensho disk flatten``: a chain of disks as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kensho.cli.disk.convert import convert
from kensho.cli.disk.opening import FormatOption, Locator, SnapshotOption, opened_disk
from kensho.cli.flags import Flag, Json
from kensho.disks.registry import FORMATS


def flatten(
    source: Locator,
    target: Locator,
    /,
    *,
    to: Annotated[str | None, Parameter(name="--to")] = None,
    subformat: str | None = None,
    compression: Literal["fast", "balanced", "small"] | None = None,
    format: FormatOption = None,  # noqa: A002
    snapshot: SnapshotOption = None,
    threads: int | None = None,
    overwrite: Annotated[bool, Flag] = False,
    verify: Annotated[bool, Flag] = False,
    hash: Annotated[bool, Flag] = False,  # noqa: A002
    json: Json = False,
    events: Annotated[bool, Flag] = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Write a disk and all the disks it is based on as one that stands alone.

    As `kensho disk convert`, but the result has the format of the topmost disk unless its
    suffix or --to says another one.

    Parameters
    ----------
    source
        The topmost disk of the chain.
    target
        The file to write.
    to
        Format of the result.
    subformat
        Variant of the format.
    compression
        Speed against size, for formats that compress.
    threads
        Worker threads; as many as there are processors by default.
    overwrite
        Replace a file that is there already.
    verify
        Read the result back and compare it with the source before it gets its name.
    hash
        Compute the Merkle root of the content (docs/integrity.md).
    events
        Print progress and the result as lines of JSON.
    quiet
        Print nothing but errors.
    """
    suffix = Path(target).suffix.lower()
    if to is None and not any(suffix in d.suffixes for d in FORMATS):
        with opened_disk(source, format, snapshot) as reader:
            to = reader.format
    return convert(
        source,
        target,
        to=to,
        subformat=subformat,
        compression=compression,
        format=format,
        snapshot=snapshot,
        threads=threads,
        overwrite=overwrite,
        verify=verify,
        hash=hash,
        json=json,
        events=events,
        quiet=quiet,
    )
