"""``kensho disk map``: which ranges hold data, and where."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import msgspec
from cyclopts import Parameter

from kensho.cli.disk.opening import FormatOption, Locator, SnapshotOption, opened_disk
from kensho.cli.render import console, table
from kensho.disks.mapping import Mapped, map_disk
from kensho.model.units import format_bytes


def map_(
    disk: Locator,
    /,
    *,
    format: FormatOption = None,  # noqa: A002
    snapshot: SnapshotOption = None,
    all: Annotated[bool, Parameter(negative="")] = False,  # noqa: A002
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Show which ranges of a disk hold data and where they lie. Only tables are read.

    Parameters
    ----------
    disk
        Path, archive.ova#member or URL.
    all
        Show the ranges without data as well.
    json
        Print a list of all ranges with the fields of `qemu-img map --output=json`.
    """
    with opened_disk(disk, format, snapshot) as reader:
        if json:
            _print_list(map_disk(reader))
            return
        from rich.markup import escape

        rows = table("", "start>", "length>", "", "what", "offset>", "file")
        for m in map_disk(reader):
            if m.data or all:
                what = "compressed" if m.compressed else "data" if m.data else "zero"
                if not m.present:
                    what = "nothing"
                at = "" if m.offset is None else f"{m.offset:#x}"
                size = format_bytes(m.length)
                name = escape(m.file or "")
                rows.add_row(f"{m.start:#x}", f"{m.length:#x}", size, what, at, name)
        console().print(rows)


def _print_list(ranges: Iterable[Mapped]) -> None:
    """Print one range per line as it is found: a map may have millions."""
    out = sys.stdout.buffer
    separator = b"["
    encode = msgspec.json.Encoder().encode
    for m in ranges:
        out.write(separator + encode(m))
        separator = b",\n"
    out.write(b"]\n" if separator != b"[" else b"[]\n")
    out.flush()
