"""``kensho split``: a package per machine of a collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.printable import printable
from kensho.cli.render import print_findings, print_json
from kensho.cli.writing import Writing, record, watched
from kensho.model.errors import UsageError
from kensho.packages.edit.payload import Payload
from kensho.packages.edit.write import lost_signature, write_payload
from kensho.packages.source import demand_whole, opened_ovf
from kensho.packages.split import Part, split_package

if TYPE_CHECKING:
    from kensho.model.finding import Finding


def split(
    package: Locator,
    /,
    *,
    output: Annotated[Path, Parameter(name=["-o", "--output"])] = Path(),
    vm: Annotated[str | None, Parameter(name=["--vm", "--machine"])] = None,
    form: Literal["ova", "ovf"] | None = None,
    writing: Writing = Writing(),  # noqa: B008 - frozen
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Make a package of each machine in a collection, as ESXi, Proxmox and others want it.

    A part has the disks, files and networks of its machine; products and licence agreements of
    the collection go along with each.

    Parameters
    ----------
    package
        OVA, OVF descriptor, folder or URL.
    output
        Folder for the parts.
    vm
        This machine only, by id or name.
    form
        ova for archives, ovf for a folder each; as the package is by default.
    dry_run
        Show what would be made and stop.
    quiet
        Print nothing but errors.
    """
    if output.suffix.lower() in {".ova", ".ovf"} and not output.is_dir():
        raise UsageError(
            "the parts go into a folder", path=output, hint=f"-o {output.parent} --vm NAME"
        )
    results: list[dict[str, Any]] = []
    findings: list[Finding] = []
    sign, judged = writing.signer()
    findings.extend(judged)
    if not dry_run:
        demand_whole(package)
    with opened_ovf(package) as opened:
        findings.extend(() if sign else lost_signature(opened))
        for part in split_package(opened, vm):
            findings.extend(f for f in part.findings if f not in findings)
            target = _target(output, part, form or opened.kind)
            if dry_run:
                results.append({"machine": part.machine, "path": target, "files": part.files})
                continue
            with watched(quiet=quiet or json) as watch:
                written = write_payload(
                    target,
                    name=part.name,
                    descriptor=_constant(part),
                    payload=Payload(dict.fromkeys(part.files)),
                    package=opened,
                    algorithm=writing.algorithm,
                    sign=sign,
                    overwrite=writing.overwrite,
                    watch=watch,
                )
            results.append({"machine": part.machine, **record(written, part.findings)})
    if json:
        print_json({"parts": results, "findings": findings})
    elif not quiet:
        print_findings(tuple(findings))
        for result in results:
            print(
                printable(f"{result['machine']} → {result['path']} ({len(result['files'])} files)")
            )
    return exits.OK


def _constant(part: Part) -> Any:
    return lambda files: part.descriptor  # noqa: ARG005


def _target(folder: Path, part: Part, form: str) -> str:
    if form == "ova":
        return str(folder / f"{part.name}.ova")
    return str(folder / part.name / f"{part.name}.ovf")
