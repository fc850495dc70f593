"""``kensho disk convert --chain keep``: a chain of disks as a chain in another format."""

from __future__ import annotations

from pathlib import Path

from kensho.cli import exits
from kensho.cli.disk.convert import meter, show_result
from kensho.cli.progress import shown
from kensho.cli.render import print_json
from kensho.disks import DiskReader
from kensho.disks.chain import links_of
from kensho.disks.chain_write import ChainTarget, chain_names, chain_target, write_chain
from kensho.disks.transfer import How, check_destination

__all__ = ["chain_target", "run"]


def run(
    source: str,
    reader: DiskReader,
    path: Path,
    target: ChainTarget,
    how: How,
    *,
    dry_run: bool,
    json: bool,
    events: bool,
    quiet: bool,
) -> int:
    """Write the chain to ``path`` and beside it, with progress and the result shown as asked for."""
    if dry_run:
        _show_plan(source, reader, path, target, how, json=json)
        return exits.OK
    with shown(events=events, quiet=quiet or json) as listener:
        result = write_chain(
            reader,
            path,
            target,
            how,
            on_copy=meter(listener, "copy", path.name),
            on_verify=meter(listener, "verify", path.name) if how.verify else None,
        )
    show_result(source, reader, result, json=json, events=events, quiet=quiet)
    return exits.OK


def _show_plan(
    source: str, reader: DiskReader, path: Path, target: ChainTarget, how: How, *, json: bool
) -> None:
    names = chain_names(reader, path, target, how)
    for name in names:
        check_destination(reader, path.with_name(name), overwrite=how.overwrite)
    layers = [
        {
            "source": link.name or source,
            "source_format": link.layer.format,
            "source_subformat": link.layer.subformat,
            "path": str(path.with_name(name)),
            "format": target.format,
            "subformat": target.child if link is not links_of(reader)[-1] else target.base,
            "virtual_size": link.layer.virtual_size,
        }
        for link, name in zip(links_of(reader), names, strict=True)
    ]
    if json:
        print_json({"source": source, "chain": layers, "findings": reader.warnings})
        return
    for layer in layers:
        print(f"{layer['source']} ({layer['source_format']} {layer['source_subformat']})")
        print(f"→ {layer['path']} ({layer['format']} {layer['subformat']})")
