"""``kensho disk check``: structural faults."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.disk.opening import FormatOption, Locator, refuse_packages
from kensho.cli.flags import Flag, Json
from kensho.cli.progress import shown
from kensho.cli.render import console, print_json, table
from kensho.convert.events import Moved
from kensho.disks.check import Checked, check_disk
from kensho.disks.checks.common import Grade
from kensho.model.progress import Meter
from kensho.storage.locator import open_source, sibling_opener

_COLOURS = {Grade.CORRUPT: "red", Grade.HARMLESS: "yellow", Grade.UNCHECKED: "dim"}


def check(
    disk: Locator,
    /,
    *,
    data: Annotated[bool, Flag] = False,
    format: FormatOption = None,  # noqa: A002
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Look for structural faults of a disk file and say where they are. Nothing is changed.

    Exit code 0 when there are none, 3 when the content is whole all the same (space is wasted,
    a spare copy is damaged), 1 when what is read may be wrong.

    Parameters
    ----------
    disk
        Path, archive.ova#member or URL.
    data
        Read and decode all data as well: checksums of compressed blocks, unreadable sectors.
    quiet
        Print nothing; only the exit code tells.
    """
    source = open_source(disk)
    try:
        if format is None:
            refuse_packages(source)
        with shown(events=False, quiet=quiet or json) as listener:
            meter = Meter(disk, "read", lambda progress: listener(Moved(progress)))
            found = check_disk(
                source, sibling=sibling_opener(disk), format=format, data=data, on_bytes=meter
            )
    finally:
        source.close()
    if json:
        print_json(
            {
                "path": disk,
                "format": found.format,
                "subformat": found.subformat,
                "result": found.worst or "sound",
                "data_read": found.data_read,
                "faults": found.faults,
                "more": found.more,
            }
        )
    elif not quiet:
        _show(disk, found)
    if found.worst is Grade.CORRUPT:
        return exits.FAILURE
    return exits.OK if found.worst is None else exits.WARNINGS


def _show(disk: str, found: Checked) -> None:
    from rich.markup import escape

    if not found.faults:
        what = "tables and data" if found.data_read else "tables"
        print(f"{disk}: {found.format} {found.subformat}: no faults in its {what}")
        return
    rows = table("", "", "file", "offset>", "what")
    for fault in found.faults:
        at = "" if fault.offset is None else f"{fault.offset:#x}"
        field = f"\\[{escape(fault.field)}] " if fault.field else ""
        colour = _COLOURS[fault.grade]
        rows.add_row(
            f"[{colour}]{fault.grade}[/]", escape(fault.path), at, field + escape(fault.message)
        )
    console().print(rows)
    if found.more:
        print(f"and {found.more} more")
