"""Show a run while it works: bars on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kensho.cli.printable import printable
from kensho.cli.render import print_json_line
from kensho.convert.events import Event, Listener, Message, Moved, Step, ignore
from kensho.model.progress import Meter


@contextmanager
def shown(*, events: bool, quiet: bool) -> Iterator[Listener]:
    """Give a listener that shows a run in the way that fits where the output goes."""
    if events:
        yield print_json_line
    elif quiet:
        yield ignore
    elif sys.stderr.isatty():
        with _bars() as listener:
            yield listener
    else:
        yield _lines


@contextmanager
def counted(
    subject: str, phase: str, total: int, *, quiet: bool = False
) -> Iterator[Callable[[int], None]]:
    """Give what takes the bytes done since the last call; shown on a terminal only.

    ``total`` is 0 when it is not known.
    """
    if quiet or total <= 0 or not sys.stderr.isatty():
        yield lambda _: None
        return
    with shown(events=False, quiet=False) as listener:
        meter = Meter(subject, phase, lambda progress: listener(Moved(progress)))
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            meter(min(done, total), total)

        yield count


def _lines(event: Event) -> None:
    match event:
        case Step(phase=phase, subject=subject):
            print(printable(f"{phase}: {subject}"), file=sys.stderr)
        case Message(text=text):
            print(printable(text), file=sys.stderr)
        case _:
            pass


@contextmanager
def _bars() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.table import Column

    whole = Column(no_wrap=True)

    bars = Progress(
        TextColumn("{task.description}", table_column=whole),
        TextColumn(
            "{task.fields[subject]}", markup=False, table_column=Column(no_wrap=True, max_width=26)
        ),
        BarColumn(bar_width=10),
        DownloadColumn(binary_units=True, table_column=whole),
        TransferSpeedColumn(table_column=whole),
        TimeRemainingColumn(compact=True, table_column=whole),
        console=Console(stderr=True),
    )
    with bars:
        yield _bar_listener(bars)


def _bar_listener(bars: Any) -> Callable[[Event], None]:
    tasks: dict[str, Any] = {}

    def listen(event: Event) -> None:
        match event:
            case Moved(progress=p):
                key = f"{p.phase} {p.subject}"
                if key not in tasks:
                    tasks[key] = bars.add_task(p.phase, total=p.total, subject=printable(p.subject))
                bars.update(tasks[key], completed=p.done, total=p.total)
            case Message(text=text):
                bars.console.print(printable(text), highlight=False, markup=False)
            case _:
                pass

    return listen
