"""``kensho fix``: mend what the standard and targets complain of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.printable import printable
from kensho.cli.render import print_findings, print_json
from kensho.cli.validate import For, exit_code, show_verdicts, show_violations
from kensho.cli.writing import Out, Writing
from kensho.model.errors import UsageError
from kensho.packages.edit.textual import unified
from kensho.packages.source import opened_ovf
from kensho.packages.validate.fix import Mended, mend
from kensho.packages.validate.profiles.table import profiles_of
from kensho.packages.validate.rule import Mode
from kensho.packages.validate.write_fixed import algorithm_for, write_fixed


def fix(
    package: Locator,
    /,
    *,
    output: Out = None,
    for_: For = "",
    mode: Mode = Mode.SPEC,
    diff: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
    writing: Writing = Writing(),  # noqa: B008 - frozen
) -> int:
    """Mend an OVF package and write it anew, with a new manifest; the package itself stays.

    Says what was changed and what is left. The exit code is that of `kensho validate` for what is
    left.

    Parameters
    ----------
    package
        OVA, OVF descriptor, the folder with it, or a URL.
    for_
        Targets that shall take it, divided by commas, as for `kensho validate`.
    mode
        What to mend: everything that is an error or a warning in this mode.
    diff
        Show the difference of the descriptors.
    dry_run
        Show what would be done and stop.
    quiet
        Print nothing but errors.
    """
    if output is None and not dry_run:
        raise UsageError("where should the result go?", hint="-o NEW.ova, or --dry-run")
    if output == "-" and json:
        raise UsageError("standard output cannot hold both the package and JSON", path="-")
    if package == "-":
        raise UsageError("mending needs the whole package, a pipe has it once", path="-")
    profiles = profiles_of(for_)
    with opened_ovf(package) as opened:
        mended = mend(opened, profiles, mode)
        if not dry_run and output is not None:
            asked = writing.algorithm
            algorithm = None if asked == "none" else asked or algorithm_for(profiles)
            sign, judged = writing.signer()
            write_fixed(
                opened,
                mended,
                output,
                algorithm=algorithm,
                sign=sign,
                overwrite=writing.overwrite,
            )
        else:
            judged = ()
        name = opened.name
    findings = mended.findings
    if writing.key is not None:
        findings = tuple(f for f in findings if f.code != "KF-740")
    difference = unified(mended.before, mended.after, name) if diff or json else ""
    if json:
        print_json(
            {
                "path": package,
                "output": None if dry_run else output,
                "changes": mended.changes,
                "findings": (*findings, *judged),
                "left": mended.left,
                "verdicts": mended.verdicts,
                "diff": difference,
            }
        )
    elif not quiet and output != "-":
        _show(mended, difference, "" if dry_run else str(Path(output or "")))
        print_findings((*findings, *judged))
    return exit_code(mended.left, mended.verdicts, mode)


def _show(mended: Mended, difference: str, output: str) -> None:
    for change in mended.changes:
        line = f"line {change.line}: " if change.line else ""
        print(printable(f"{change.code} {line}{change.problem}\n    {change.done}"))
    print(f"{len(mended.changes)} mended" + (f", written to {output}" if output else ""))
    print(printable(difference), end="")
    print("\nleft:")
    show_violations(mended.left, notes=False)
    show_verdicts(mended.verdicts)
