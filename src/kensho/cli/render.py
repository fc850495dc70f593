"""Tables and JSON on standard output."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from kensho.cli.printable import printable
from kensho.model.finding import Finding, Severity
from kensho.model.text import told

_COLOURS = {
    Severity.NOTE: "dim",
    Severity.WARNING: "yellow",
    Severity.ERROR: "red",
    Severity.BLOCKED: "bold red",
}


def print_json(value: object) -> None:
    """Print one object as indented JSON."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(told(value)), indent=2) + b"\n")
    sys.stdout.flush()


def print_json_line(value: object) -> None:
    """Print one object as a line of JSON, at once."""
    sys.stdout.buffer.write(msgspec.json.encode(told(value)) + b"\n")
    sys.stdout.flush()


def console() -> Any:
    """Return a rich console on standard output; honours NO_COLOR, wide when not a terminal.

    What it is given as a text is made `printable`.
    """
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            # rich would end the program with 1; `kensho.cli.exits` knows better.
            raise BrokenPipeError

        def render_str(self, text: str, **how: Any) -> Any:
            return super().render_str(printable(text), **how)

    return Plain(width=None if sys.stdout.isatty() else 120, highlight=False)


def table(title: str, *columns: str) -> Any:
    """Return an empty table with these columns; a name that ends in ``>`` is right-aligned."""
    from rich.table import Table

    result = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for column in columns:
        if column.endswith(">"):
            result.add_column(column[:-1], justify="right", no_wrap=True)
        else:
            result.add_column(column, overflow="fold")
    return result


def print_findings(findings: tuple[Finding, ...]) -> None:
    """Print findings as a table, the most severe first."""
    from rich.markup import escape

    if not findings:
        return
    order = (Severity.BLOCKED, Severity.ERROR, Severity.WARNING, Severity.NOTE)
    rows = table("Findings", "code", "severity", "what", "what is done")
    for finding in sorted(findings, key=lambda f: order.index(f.severity)):
        subject = f"{finding.subject}: " if finding.subject else ""
        colour = _COLOURS[finding.severity]
        rows.add_row(
            escape(finding.code),
            f"[{colour}]{finding.severity}[/]",
            escape(subject + finding.message),
            escape(finding.action),
        )
    console().print(rows)
