"""``kensho diff``: what differs between two OVF packages."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.printable import printable
from kensho.cli.render import print_json
from kensho.packages.diff import Change, compare_packages
from kensho.packages.edit.textual import unified
from kensho.packages.source import demand_whole, opened_ovf

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def diff(
    a: Locator,
    b: Locator,
    /,
    *,
    descriptor: Annotated[bool, Flag] = False,
    content: bool = True,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Show what differs between two OVF packages; exit code 0 when nothing does, 1 otherwise.

    Devices, properties, networks and files are matched by their names and ids; order, comments
    and spelling are no difference.

    Parameters
    ----------
    a
        OVA, OVF descriptor, folder or URL.
    b
        The one to compare it with: the same.
    descriptor
        Show the unified diff of the descriptors' text instead.
    content
        Read files of equal size too; without, only their sizes count.
    quiet
        Print nothing; only the exit code tells.
    """
    if not descriptor:  # the files of a pipe would all be missing
        demand_whole(a, b)
    with opened_ovf(a) as one, opened_ovf(b) as other:
        if descriptor:
            text = unified(one.data, other.data, one.name, other.name)
            if json:
                print_json({"identical": not text, "diff": text})
            elif not quiet:
                print(text, end="")
            return exits.FAILURE if text else exits.OK
        changes = compare_packages(one, other, content=content)
    if json:
        print_json({"identical": not changes, "changes": changes})
    elif not quiet:
        for change in changes:
            print(printable(_line(change)))
        if not changes:
            print("no difference" if content else "no difference (file contents were not read)")
    return exits.FAILURE if changes else exits.OK


def _line(change: Change) -> str:
    title = f" ({change.title})" if change.title and change.title not in change.subject else ""
    line = f"{_SIGNS[change.kind]} {change.subject}{title}"
    if change.field:
        before = "nothing" if change.before is None else repr(change.before)
        after = "nothing" if change.after is None else repr(change.after)
        line += f": {change.field} {before} → {after}"
    return line
