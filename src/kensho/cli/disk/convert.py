"""``kensho disk convert``: a disk in another format."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.disk.opening import FormatOption, Locator, SnapshotOption, opened_once, warn
from kensho.cli.flags import Flag, Json
from kensho.cli.progress import shown
from kensho.cli.render import print_json, print_json_line
from kensho.convert.events import Listener, Message, Moved, Step
from kensho.disks import DiskReader
from kensho.disks.chain import links_of
from kensho.disks.cloud import target_for_cloud
from kensho.disks.from_pipe import PipedDisk
from kensho.disks.mapping import data_bytes
from kensho.disks.transfer import (
    How,
    Target,
    Written,
    check_destination,
    source_key,
    target_for,
    write_disk,
    write_stream,
)
from kensho.model.errors import UsageError
from kensho.model.progress import Meter
from kensho.model.units import format_bytes, format_seconds
from kensho.storage.pipe import PipeSink

_SIZE = re.compile(r"(\d+)\s*([KMGT]?)(i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def convert(
    source: Locator,
    target: Locator,
    /,
    *,
    to: Annotated[str | None, Parameter(name="--to")] = None,
    subformat: str | None = None,
    cloud: Annotated[Literal["azure", "gcp", "aws"] | None, Parameter(name="--for")] = None,
    compression: Literal["fast", "balanced", "small"] | None = None,
    passthrough: Literal["checked", "blind"] | None = None,
    format: FormatOption = None,  # noqa: A002
    snapshot: SnapshotOption = None,
    size: str | None = None,
    threads: int | None = None,
    overwrite: Annotated[bool, Flag] = False,
    verify: Annotated[bool, Flag] = False,
    hash: Annotated[bool, Flag] = False,  # noqa: A002
    update: Annotated[bool, Flag] = False,
    chain: Literal["flatten", "keep"] = "flatten",
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    events: Annotated[bool, Flag] = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Write a disk, with all it is based on, in another format.

    The result appears under its name when it is complete and safe on the disk, not before. The
    same command goes on where a killed one stopped.

    Parameters
    ----------
    source
        Path, archive.ova#member, URL, or - for a raw disk or VMDK stream from a pipe.
    target
        The file to write, or - for a pipe.
    to
        Format of the result; by default what the target's suffix says.
    subformat
        Variant of the format; a VMDK is streamOptimized by default.
    cloud
        The shape a cloud takes: azure (fixed VHD of whole MiB), gcp (disk.raw in a tar.gz),
        aws (raw, VMDK, VHD or VHDX).
    compression
        Speed against size, for formats that compress; makes a QCOW2 a compressed one.
    passthrough
        Carry compressed blocks over as they are, between streamOptimized VMDK and QCOW2: with
        every checksum verified, or not looked into. QEMU reads such a QCOW2, some others do not.
    size
        Size of a raw disk that comes from a pipe, such as 10G.
    threads
        Worker threads; as many as there are processors by default.
    overwrite
        Replace a file that is there already.
    verify
        Read the result back and compare it with the source before it gets its name.
    hash
        Compute the Merkle root of the content (docs/integrity.md), and keep the hashes of its
        blocks in TARGET.kensho-hashes if such a target can be updated.
    update
        Write only what changed since an earlier run with --hash or --update; the first run
        writes all of it.
    chain
        What becomes of a disk that is based on others: one that stands alone, or, with keep, a
        chain again, of files beside each other.
    dry_run
        Show what would be done and stop.
    events
        Print progress and the result as lines of JSON.
    quiet
        Print nothing but errors.
    """
    if target == "-" and (json or events):
        raise UsageError("standard output cannot hold both the disk and JSON", path="-")
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: at least one is needed")
    if to == "qcow2" or (to is None and target.endswith((".qcow2", ".qcow"))):
        subformat = subformat or ("compressed" if compression or passthrough else None)
    with opened_once(source, format, snapshot, _bytes(size)) as reader:
        how = How(
            compression=compression or "fast",
            threads=threads,
            overwrite=overwrite,
            verify=verify,
            root=hash or update,
            identity=_identity(reader, target),
            key=source_key(reader, format, snapshot),
            passthrough=passthrough,
        )
        if passthrough and (update or chain == "keep"):
            raise UsageError("--passthrough goes without --update and --chain keep")
        if chain == "keep" and len(links_of(reader)) > 1:
            from kensho.cli.disk import keeping  # others need not wait for it

            if update or cloud is not None or target == "-":
                raise UsageError("--chain keep goes without --update, --for and a pipe")
            fmt = to or _target(None, target, None, None, reader.virtual_size).format
            return keeping.run(
                source,
                reader,
                Path(target),
                keeping.chain_target(fmt, subformat),
                how,
                dry_run=dry_run,
                json=json,
                events=events,
                quiet=quiet,
            )
        if update:
            from kensho.cli.disk import updating  # others need not wait for it

            if updating.is_wanted(target, overwrite=overwrite, dry_run=dry_run):
                written = updating.kind_of(target)
                if cloud is None and to in {None, written[0]}:
                    to, subformat = written[0], subformat or written[1]
                what = _target(cloud, target, to, subformat, reader.virtual_size)
                return updating.run(
                    source,
                    reader,
                    Path(target),
                    what,
                    threads=threads,
                    verify=verify,
                    json=json,
                    events=events,
                    quiet=quiet,
                )
        what = _target(cloud, target, to, subformat, reader.virtual_size)
        if update:
            updating.demand_changeable(Path(target), what.format, what.subformat)
        return run(
            source,
            reader,
            target,
            what,
            how,
            dry_run=dry_run,
            json=json,
            events=events,
            quiet=quiet,
        )


def run(
    source: str,
    reader: DiskReader,
    path: str,
    target: Target,
    how: How,
    *,
    dry_run: bool = False,
    json: bool = False,
    events: bool = False,
    quiet: bool = False,
) -> int:
    """Write ``reader`` to ``path`` with progress and the result shown as asked for."""
    if dry_run:
        _show_plan(source, reader, path, target, how, json=json)
        return exits.OK
    with shown(events=events, quiet=quiet or json) as listener:
        if path == "-":
            if how.verify:
                raise UsageError("what went into a pipe cannot be read back", path="-")
            copy = meter(listener, "copy", source)
            result = write_stream(reader, PipeSink(), target, how, on_copy=copy)
        else:
            result = write_disk(
                reader,
                Path(path),
                target,
                how,
                on_copy=meter(listener, "copy", Path(path).name),
                on_verify=meter(listener, "verify", Path(path).name) if how.verify else None,
                on_resume=lambda start: listener(
                    Message(f"resuming: the first {format_bytes(start)} are there")
                ),
            )
    if path == "-":
        if not quiet:
            warn(reader)
        return exits.OK
    show_result(source, reader, result, json=json, events=events, quiet=quiet)
    return exits.OK


def show_result(
    source: str, reader: DiskReader, result: Written, *, json: bool, events: bool, quiet: bool
) -> None:
    """Print what was written as asked for, and what is odd about the source."""
    facts = {"source": source, **_record(result), "findings": reader.warnings}
    if json:
        print_json(facts)
    elif events:
        print_json_line({"event": "result", "result": facts})
    elif not quiet:
        warn(reader)
        _show(result)


def _target(
    cloud: str | None, target: str, to: str | None, subformat: str | None, size: int
) -> Target:
    if cloud is not None:
        return target_for_cloud(cloud, target, to, subformat, size)
    if target == "-" and to is None:
        raise UsageError("a pipe has no name that says which format to write", hint="add --to")
    return target_for(target, to, subformat, size)


def _identity(reader: DiskReader, target: str) -> bytes:
    """Return what identifiers in the result are made from: the same run makes the same bytes."""
    seed = repr(
        (
            [(source.name, source.size) for source in reader.sources],
            reader.virtual_size,
            Path(target).name,
        )
    )
    return hashlib.sha256(seed.encode()).digest()


def meter(listener: Listener, phase: str, subject: str) -> Meter:
    """Announce a phase and return what moves it on."""
    listener(Step(phase, subject))
    return Meter(subject, phase, lambda progress: listener(Moved(progress)))


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise UsageError(f"not a size: {text!r}", hint="bytes, or a number with K, M, G or T")
    return int(match[1]) * _UNITS[match[2].upper()]


def _record(result: Written) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__struct_fields__}


def _show_plan(
    source: str, reader: DiskReader, path: str, target: Target, how: How, *, json: bool
) -> None:
    if path != "-":
        check_destination(reader, Path(path), overwrite=how.overwrite)
    data = None if isinstance(reader, PipedDisk) else data_bytes(reader)
    if json:
        print_json(
            {
                "source": source,
                "source_format": reader.format,
                "source_subformat": reader.subformat,
                "path": path,
                "format": target.format,
                "subformat": target.subformat,
                "virtual_size": target.virtual_size,
                "data_size": data,
                "findings": reader.warnings,
            }
        )
        return
    size = format_bytes(target.virtual_size) + (f", {format_bytes(data)} of data" if data else "")
    print(f"{source} ({reader.format} {reader.subformat})")
    print(f"→ {path} ({target.format} {target.subformat}), {size}")


def _show(result: Written) -> None:
    rate = result.data_size / result.seconds if result.seconds > 0 else 0.0
    print(
        f"{result.path}: {result.format} {result.subformat}, {format_bytes(result.file_size)}"
        f" from {format_bytes(result.data_size)} of data in {format_seconds(result.seconds)}"
        f" ({format_bytes(rate)}/s)" + ("; identical to the source" if result.verified else "")
    )
    for name in result.files[1:]:
        print(f"  with {name}")
    if result.root:
        print(f"root: {result.root}")
