"""``kensho disk info``: what a disk is."""

from __future__ import annotations

from typing import Any

from kensho.cli.disk.opening import FormatOption, Locator, SnapshotOption, chain_of, opened_disk
from kensho.cli.flags import Json
from kensho.cli.render import console, print_findings, print_json, table
from kensho.disks import DiskReader
from kensho.disks.mapping import data_bytes
from kensho.model.units import format_bytes


def info(
    disk: Locator,
    /,
    *,
    format: FormatOption = None,  # noqa: A002
    snapshot: SnapshotOption = None,
    json: Json = False,
) -> None:
    """Show a disk's format, sizes, details, the disks it is based on, and what is odd about it.

    Parameters
    ----------
    disk
        Path, archive.ova#member or URL.
    """
    with opened_disk(disk, format, snapshot) as reader:
        facts = _facts(disk, reader)
        if json:
            print_json({**facts, "findings": reader.warnings})
            return
        _show(facts)
        print_findings(reader.warnings)


def _facts(locator: str, reader: DiskReader) -> dict[str, Any]:
    return {
        "path": locator,
        "format": reader.format,
        "subformat": reader.subformat,
        "virtual_size": reader.virtual_size,
        "data_size": data_bytes(reader),
        "file_size": sum(source.size for source in reader.sources),
        "files": [source.name for source in reader.sources],
        "details": dict(reader.details),
        "chain": chain_of(reader),
    }


def _show(facts: dict[str, Any]) -> None:
    from rich.markup import escape

    rows = table("", "", "")
    rows.show_header = False
    rows.add_row("disk", escape(facts["path"]))
    rows.add_row("format", f"{facts['format']} {facts['subformat']}".strip())
    for label, key in (("size", "virtual_size"), ("data", "data_size"), ("files", "file_size")):
        rows.add_row(label, f"{format_bytes(facts[key])} ({facts[key]} bytes)")
    if len(facts["files"]) > 1:
        rows.add_row("", escape("\n".join(facts["files"])))
    for key, value in facts["details"].items():
        rows.add_row(escape(key), escape(str(value)))
    for below in facts["chain"]:
        rows.add_row("based on", escape(f"{below['name']} ({below['format']})"))
    console().print(rows)
