"""``kensho merge``: several packages as one collection of machines."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.appliances.ovf.elements import Notes
from kensho.cli import exits
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.render import print_findings, print_json
from kensho.cli.writing import Writing, record, show_draft, watched
from kensho.model.errors import UsageError
from kensho.packages.edit.scope import Scope
from kensho.packages.edit.startup import set_start_order
from kensho.packages.edit.write import lost_signature, write_payload
from kensho.packages.merge import merge_packages
from kensho.packages.source import demand_whole, opened_ovf


def merge(
    *packages: Locator,
    output: Annotated[str, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)],
    name: str | None = None,
    startup: str | None = None,
    writing: Writing = Writing(),  # noqa: B008 - frozen
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Put the machines of several packages into one, as a collection.

    Ids and file names are made unique; networks of one name become one network. The machines
    start in the order of the packages, unless these or --startup say otherwise.

    Parameters
    ----------
    packages
        Two or more: OVA, OVF descriptor, folder or URL.
    output
        NAME.ova, NAME.ovf, a folder, or - for an archive into a pipe.
    name
        Name of the collection; that of the result by default.
    startup
        Start order: db+30,app+guest,web.
    dry_run
        Print the descriptor and stop.
    quiet
        Print nothing but errors.
    """
    if json and output == "-":
        raise UsageError("standard output cannot hold both the package and JSON", path="-")
    stem = Path(output).stem if output != "-" else "appliance"
    sign, judged = writing.signer()
    if not dry_run:
        demand_whole(*packages)
    with ExitStack() as stack:
        opened = [stack.enter_context(opened_ovf(package)) for package in packages]
        merged = merge_packages(opened, name or stem)
        if startup:
            steps = tuple(part for part in startup.split(",") if part)
            set_start_order(Scope(merged.root, Notes(output)), steps)
        lost = () if sign else tuple(f for package in opened for f in lost_signature(package))
        if dry_run:
            show_draft(merged.descriptor(), merged.payload, (*merged.findings, *lost), as_json=json)
            return exits.OK
        with watched(quiet=quiet or json) as watch:
            written = write_payload(
                output,
                name=stem,
                descriptor=lambda files: merged.descriptor({f.name: f.source.size for f in files}),
                payload=merged.payload,
                algorithm=writing.algorithm,
                sign=sign,
                overwrite=writing.overwrite,
                watch=watch,
            )
    findings = (*merged.findings, *lost, *judged)
    if json:
        print_json(record(written, findings))
    elif not quiet and output != "-":
        print_findings(findings)
        print(f"{written.path}: {len(written.files)} files")
    return exits.OK
