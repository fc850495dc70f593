"""``kensho adapt --undo`` and ``--replay``: a recorded adaptation taken back, or made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from kensho.cli import exits
from kensho.cli.progress import shown
from kensho.cli.render import console, print_json
from kensho.convert.adapting import meter
from kensho.convert.events import Listener, Step
from kensho.convert.guests import GuestDisk, opened_guests
from kensho.convert.overlays import demand_room, staged, write_overlays
from kensho.guest.adapt.changes import RecordedChanges
from kensho.guest.adapt.restore import Step as Restored
from kensho.guest.adapt.restore import Way, name_again, numbers_of, plan_restore, write_in_place
from kensho.model.errors import LocatorError, UnsupportedError, UsageError
from kensho.storage.atomic import partial_path


def restore(
    path: Path,
    sources: Sequence[str],
    way: Way,
    output: Path | None,
    *,
    in_place: bool,
    as_json: bool,
) -> int:
    """Carry out the record at ``path`` one way, onto overlays or in place; return the exit code."""
    if (output is None) is not in_place:
        raise UsageError("where to?", hint="-o NAME.qcow2 or a folder for overlays, or --in-place")
    if output is not None:
        demand_room(output, record=False)
    with shown(events=False, quiet=as_json) as listener, closing(RecordedChanges(path)) as record:
        if in_place:
            written = _in_place(record, sources, way, listener)
        else:
            assert output is not None
            written = _onto_overlays(record, sources, way, output, listener)
        roots = {
            change.file: change.root_before if way is Way.UNDO else change.root_after
            for change in record.changes.disks
            if change.runs
        }
    if as_json:
        print_json({"way": way.value, "written": [str(p) for p in written], "roots": roots})
        return exits.OK
    out = console()
    if not written:
        out.print("nothing has to change: the disks are so already")
    for name in written:
        out.print(f"written: {name}", markup=False, soft_wrap=True)
    return exits.OK


def _onto_overlays(
    record: RecordedChanges, sources: Sequence[str], way: Way, output: Path, listener: Listener
) -> tuple[Path, ...]:
    with staged(output) as folder, opened_guests(sources) as machines:
        given = [disk for machine in machines for disk in machine.disks]
        disks, steps = _planned(record, given, way, folder, listener)
        if not steps:
            return ()
        made = [(disks[step.number], step.pieces) for step in steps]
        return write_overlays(made, output, folder, listener)


def _in_place(
    record: RecordedChanges, sources: Sequence[str], way: Way, listener: Listener
) -> tuple[Path, ...]:
    files = [_file(source) for source in sources]
    with staged(record.path) as folder:
        # One that was killed has left its disk under the hidden name.
        names = [str(file if file.exists() else partial_path(file)) for file in files]
        with opened_guests(names) as machines:
            given = [disk for machine in machines for disk in machine.disks]
            if [disk.place for disk in given] != names:
                raise UsageError("--in-place is for disk images, each named", hint="or use -o")
            disks, steps = _planned(record, given, way, folder, listener)
        by_image = {
            disks[number].place: files[names.index(disks[number].place)] for number in disks
        }
        written = []
        for step in steps:
            disk = disks[step.number]
            path = by_image[disk.place]
            listener(Step("write", path.name))
            write_in_place(path, disk.reader, step)
            written.append(path)
        # Or it was killed when all was written, and its name was still to come.
        written += [file for file in files if file not in written and name_again(file)]
        return tuple(written)


def _planned(
    record: RecordedChanges,
    given: Sequence[GuestDisk],
    way: Way,
    folder: Path,
    listener: Listener,
) -> tuple[dict[int, GuestDisk], tuple[Restored, ...]]:
    disks = dict(zip(numbers_of(record, len(given)), given, strict=True))
    readers = {number: disk.reader for number, disk in disks.items()}

    def count(name: str) -> Callable[[int, int], None]:
        listener(Step("hash", name))
        return meter(listener, "hash", Path(name).name)

    return disks, plan_restore(record, readers, way, folder, count)


def _file(source: str) -> Path:
    path = Path(source)
    if not path.is_file() and not partial_path(path).is_file():
        raise LocatorError("there is no such file to change in place", path=source)
    if path.is_symlink():
        raise UnsupportedError("is a link", path=source, hint="name the disk itself, or use -o")
    return path
