"""``kensho adapt``: guests get what they need to start elsewhere, on overlays over their disks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.disk.opening import FormatOption
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.options import GuestWishes
from kensho.cli.progress import shown
from kensho.cli.render import console, print_findings, print_json, table
from kensho.cli.restoring import restore
from kensho.cli.secrets import read_keys
from kensho.cli.targets import chosen_platforms
from kensho.convert.adapting import PlannedGuest, carry_out_guest, plan_guests, recorded, with_roots
from kensho.convert.events import Listener
from kensho.convert.guests import opened_guests
from kensho.convert.overlays import RECORD, demand_room, out_of_reach, staged, write_result
from kensho.guest.adapt.difference import unified
from kensho.guest.adapt.restore import Way
from kensho.guest.edit.backends import choose
from kensho.guest.edit.placing import VolumeEdits
from kensho.guest.edit.plan import FileEdit
from kensho.model.errors import UsageError
from kensho.model.finding import Finding
from kensho.platforms import PLATFORMS
from kensho.storage.locator import shown as shown_place


def adapt(
    *sources: Locator,
    for_: Annotated[str, Parameter(name="--for")] = "all",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    wishes: GuestWishes = GuestWishes(),  # noqa: B008 - frozen
    machine: str | None = None,
    format: FormatOption = None,  # noqa: A002
    key: Annotated[tuple[str, ...], Flag] = (),
    roots: bool = True,
    dry_run: Annotated[bool, Flag] = False,
    diff: Annotated[bool, Flag] = False,
    undo: Path | None = None,
    replay: Path | None = None,
    in_place: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Change the guests of a machine so that they start elsewhere; its disks are not changed.

    What changes is written to overlays (QCOW2) over the disks, to convert or to start from, with a
    record of every file and block. To undo, delete the overlay; after a copy or a conversion,
    --undo restores from the record.

    Parameters
    ----------
    sources
        An appliance or a disk image, as for `kensho inspect`, or the images of all disks of one
        machine. They are never changed.
    for_
        Targets, with commas: vmware,xen; all by default.
    output
        NAME.qcow2 for one disk, with NAME.changes beside it; or a folder, such as that of the disks.
    machine
        One machine of an appliance with several.
    key
        ID=FILE: what opens a LUKS volume, with ID its name, UUID or all; ID alone asks for it. Repeatable.
    roots
        Record the root of each disk's content before and after, for which it is read whole.
    dry_run
        Show which files would change, and stop.
    diff
        Show how text files would change, too.
    undo
        Take the adaptation in this record back: SOURCES are the disks that were adapted.
    replay
        Make the adaptation in this record again: SOURCES are the disks as they were.
    in_place
        With --undo or --replay: change the disks themselves instead of writing overlays.
    json
        Print one JSON object: kernels, windows, edits, findings, output, outputs, changes.
    """
    if not sources:
        raise UsageError("nothing to adapt", hint="kensho adapt DISK -o NAME.qcow2")
    back = _way_back(undo, replay)
    if back is not None:
        if dry_run or diff:
            raise UsageError("--dry-run and --diff do not go with --undo and --replay")
        record, way = back
        return restore(record, sources, way, output, in_place=in_place, as_json=json)
    if in_place:
        raise UsageError("--in-place is for --undo and --replay")
    if output is None and not dry_run:
        raise UsageError("where to?", hint="-o NAME.qcow2, or --dry-run to see what would change")
    if output is not None:
        demand_room(output)
    aims = wishes.wanted(chosen_platforms(for_, PLATFORMS)).aims(identity=wishes.renews)
    aims = replace(aims, keys=read_keys(key))
    with (
        shown(events=False, quiet=json) as listener,
        opened_guests(sources, machine=machine, format=format) as machines,
    ):
        guests, findings = plan_guests(machines, aims)
        written: tuple[Path, ...] = ()
        if output is not None and not dry_run and any(g.plan.volumes for g in guests):
            targets = [platform.name for platform in aims.platforms]
            written, more = _write(guests, sources, targets, output, listener, roots=roots)
            findings += more
        if json:
            print_json(_as_data(guests, findings, written, diff=diff))
        else:
            _show(guests, findings, written, diff=diff)
    return exits.OK


def _way_back(undo: Path | None, replay: Path | None) -> tuple[Path, Way] | None:
    """Return the record to go by, and which way; None where an adaptation is to be made."""
    if undo is not None and replay is not None:
        raise UsageError("--undo or --replay, not both")
    if undo is not None:
        return undo, Way.UNDO
    return (replay, Way.REPLAY) if replay is not None else None


def _write(
    guests: Sequence[PlannedGuest],
    sources: Sequence[str],
    targets: Sequence[str],
    output: Path,
    listener: Listener,
    *,
    roots: bool,
) -> tuple[tuple[Path, ...], tuple[Finding, ...]]:
    with staged(output) as folder:
        adapted = [
            carry_out_guest(guest, folder / f"machine{number}", listener)
            for number, guest in enumerate(guests, 1)
        ]
        changes, disks = recorded(adapted, " ".join(map(shown_place, sources)), targets)
        if roots:
            changes = with_roots(changes, disks, listener)
        written = write_result(adapted, changes, disks, output, folder, listener)
        return written, tuple(out_of_reach(adapted, output))


def _as_data(
    guests: Sequence[PlannedGuest],
    findings: tuple[Finding, ...],
    written: tuple[Path, ...],
    *,
    diff: bool,
) -> dict[str, object]:
    record = [str(path) for path in written if path.suffix == RECORD]
    overlays = [str(path) for path in written if path.suffix != RECORD]
    return {
        "kernels": [kernel for guest in guests for kernel in guest.plan.kernels],
        "windows": [windows for guest in guests for windows in guest.plan.windows],
        "edits": [
            _edit(guest, volume, edit, diff=diff)
            for guest in guests
            for volume in guest.plan.volumes
            for edit in volume.edits
        ],
        "findings": findings,
        "output": overlays[0] if overlays else "",
        "outputs": overlays,
        "changes": record[0] if record else "",
    }


def _edit(
    guest: PlannedGuest, volume: VolumeEdits, edit: FileEdit, *, diff: bool
) -> dict[str, object]:
    return {
        "machine": guest.disks.id,
        "volume": volume.volume.id,
        "path": edit.path,
        "deleted": edit.content is None and not edit.target,
        "size": len(edit.content or b""),
        "why": edit.why,
        "details": edit.details,
        "editor": choose(volume.volume).name,
        **({"diff": unified(volume.files, edit)} if diff else {}),
    }


def _show(
    guests: Sequence[PlannedGuest],
    findings: tuple[Finding, ...],
    written: tuple[Path, ...],
    *,
    diff: bool,
) -> None:
    from rich.markup import escape

    out = console()
    for guest in guests:
        title = f"Files of {escape(guest.disks.id)}" if len(guests) > 1 else ""
        rows = table(title, "volume", "file", "what is done")
        for volume in guest.plan.volumes:
            for edit in volume.edits:
                what = "\n".join((edit.why, *(f"  {detail}" for detail in edit.details)))
                rows.add_row(escape(volume.volume.id), escape(edit.path), escape(what))
        if guest.plan.volumes:
            out.print(rows)
        for volume in guest.plan.volumes:
            editor = choose(volume.volume)
            out.print(escape(f"{volume.volume.id} is changed by {editor.name}: {editor.why}"))
        if diff:
            texts = (unified(v.files, edit) for v in guest.plan.volumes for edit in v.edits)
            out.print("\n".join(filter(None, texts)), markup=False, soft_wrap=True)
    if not any(guest.plan.volumes for guest in guests):
        out.print("nothing has to change")
    print_findings(findings)
    for path in written:
        out.print(f"written: {escape(str(path))}", soft_wrap=True)
