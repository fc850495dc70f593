"""``kensho adapt``: a Linux guest gets the drivers it needs elsewhere, on an overlay over its disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.disk.opening import FormatOption, opened_disk
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.render import console, print_findings, print_json, table
from kensho.cli.targets import chosen_platforms
from kensho.disks.overlay.backing import backing_of
from kensho.guest.adapt.carry_out import carry_out, write_overlay
from kensho.guest.adapt.plan import AdaptPlan, plan_adaptation
from kensho.guest.aims import Aims
from kensho.model.errors import LocatorError, UsageError
from kensho.platforms import PLATFORMS


def adapt(
    disk: Locator,
    /,
    *,
    for_: Annotated[str, Parameter(name="--for")] = "all",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    format: FormatOption = None,  # noqa: A002
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Give a Linux guest the drivers to find its disk elsewhere; the disk itself is not changed.

    The drivers go into the initramfs of every kernel, and the guest is told to keep them there. What
    changes is written to a QCOW2 over the disk, to convert or to start from; to undo, delete it.

    Parameters
    ----------
    disk
        The disk that the guest starts from: a path or archive.ova#member. It is never changed.
    for_
        Targets, with commas: vmware,xen; all by default.
    output
        QCOW2 for what changes; it must not be there yet.
    dry_run
        Show which files would change, and stop.
    json
        Print one JSON object: kernels, edits, findings, output.
    """
    if output is None and not dry_run:
        raise UsageError("where to?", hint="-o NAME.qcow2, or --dry-run to see what would change")
    if output is not None and os.path.lexists(output):
        raise LocatorError("is there already", path=output, hint="remove it, or name another file")
    aims = Aims(chosen_platforms(for_, PLATFORMS))
    with opened_disk(disk, format, None) as reader:
        plan = plan_adaptation((reader,), aims)
        if output is not None and not dry_run and plan.volumes:
            with tempfile.TemporaryDirectory(dir=output.parent, prefix=".adapt-") as folder:
                pieces = [piece for _, piece in carry_out(plan, Path(folder))]
                write_overlay(pieces, reader, backing_of(disk, reader, output), output)
    written = str(output) if output is not None and not dry_run and plan.volumes else ""
    if json:
        print_json(
            {
                "kernels": plan.kernels,
                "edits": [
                    {
                        "volume": v.volume.id,
                        "path": e.path,
                        "size": len(e.content or b""),
                        "why": e.why,
                    }
                    for v in plan.volumes
                    for e in v.edits
                ],
                "findings": plan.findings,
                "output": written,
            }
        )
    else:
        _show(plan, written)
    return exits.OK


def _show(plan: AdaptPlan, written: str) -> None:
    from rich.markup import escape

    rows = table("", "volume", "file", "what is done")
    for volume in plan.volumes:
        for edit in volume.edits:
            rows.add_row(escape(volume.volume.id), escape(edit.path), escape(edit.why))
    if plan.volumes:
        console().print(rows)
    else:
        console().print("nothing has to change")
    print_findings(plan.findings)
    if written:
        console().print(f"written: {escape(written)}", highlight=False)
