"""``kensho disk convert --update``: only what changed since an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kensho.cli import exits
from kensho.cli.disk.opening import warn
from kensho.cli.progress import shown
from kensho.cli.render import print_json, print_json_line
from kensho.convert.events import Listener, Message, Moved, Step
from kensho.disks import DiskReader
from kensho.disks.in_place import demand_changeable
from kensho.disks.transfer import Target
from kensho.disks.update import Updated, is_updatable, update_disk, written_as
from kensho.model.errors import UsageError
from kensho.model.progress import Meter
from kensho.model.units import format_bytes, format_seconds

__all__ = ["demand_changeable", "is_wanted", "kind_of", "run"]

_BLOCK = 1 << 16


def is_wanted(target: str, *, overwrite: bool, dry_run: bool) -> bool:
    """Return whether there is something to update; if not, all is written.

    UsageError for what an update cannot be.
    """
    if target == "-":
        raise UsageError("what goes into a pipe cannot be updated", path="-")
    if overwrite:
        raise UsageError("--update changes the file that is there, --overwrite replaces it")
    if not is_updatable(Path(target)):
        return False
    if dry_run:
        raise UsageError(
            "what an update would write is only known when it is done",
            hint="`kensho disk compare` says whether there is anything to do",
        )
    return True


def kind_of(target: str) -> tuple[str, str]:
    """Return format and subformat of the disk as it was written."""
    facts = written_as(Path(target))
    return facts.format, facts.subformat


def run(
    source: str,
    reader: DiskReader,
    path: Path,
    target: Target,
    *,
    threads: int | None,
    verify: bool,
    json: bool,
    events: bool,
    quiet: bool,
) -> int:
    """Update ``path`` with progress and the result shown as asked for."""
    with shown(events=events, quiet=quiet or json) as listener:
        if not path.exists():
            listener(Message("finishing an update that was interrupted: all of it is compared"))
        result = update_disk(
            reader,
            path,
            target,
            threads=threads,
            verify=verify,
            on_check=_meter(listener, "check", path.name),
            on_bytes=_meter(listener, "compare", path.name),
            on_verify=_meter(listener, "verify", path.name),
        )
    names = result.__struct_fields__
    facts = {
        "source": source,
        **{n: getattr(result, n) for n in names},
        "findings": reader.warnings,
    }
    if json:
        print_json(facts)
    elif events:
        print_json_line({"event": "result", "result": facts})
    elif not quiet:
        warn(reader)
        _show(result)
    return exits.OK


def _meter(listener: Listener, phase: str, subject: str) -> Callable[[int, int], None]:
    """Return a meter of a phase that is announced once it has begun, if ever."""
    begun: list[Meter] = []

    def move(done: int, total: int) -> None:
        if not begun:
            listener(Step(phase, subject))
            begun.append(Meter(subject, phase, lambda progress: listener(Moved(progress))))
        begun[0](done, total)

    return move


def _show(result: Updated) -> None:
    print(
        f"{result.path}: {format_bytes(result.blocks_written * _BLOCK)} written of"
        f" {format_bytes(result.blocks_compared * _BLOCK)} compared"
        f" in {format_seconds(result.seconds)}"
        + ("; identical to the source" if result.verified else "")
    )
    print(f"root: {result.root}")
