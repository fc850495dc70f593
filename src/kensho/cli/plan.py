"""``kensho plan``: what a conversion will do, before it does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.cli.flags import Locator
from kensho.cli.options import Flag, Json, Wishes
from kensho.cli.render import console, print_findings, print_json, table
from kensho.cli.secrets import read_keys
from kensho.convert.plan import Plan, make_plan, without_login, write_plan
from kensho.model.errors import PlanBlockedError
from kensho.model.units import format_bytes
from kensho.platforms import find_platform
from kensho.storage.locator import shown


def plan(
    source: Locator,
    /,
    *,
    to: Annotated[str, Parameter(name="--to")],
    wishes: Wishes = Wishes(),  # noqa: B008 - frozen
    output: Annotated[Path | None, Parameter(name=["-o", "--output"])] = None,
    into: Path | None = None,
    key: Annotated[tuple[str, ...], Flag] = (),
    json: Json = False,
) -> int:
    """Show findings, the device map, bytes to move and space needed. Nothing is converted.

    Exit code 10 when something forbids the conversion.

    Parameters
    ----------
    source
        OVA, OVF, VMX, .vbox, XVA, VMA, Vagrant box, file of Hyper-V, libvirt, Xen, Proxmox VE or
        KubeVirt, a folder with one, a disk image, or local: for this machine; a path, a URL or
        ARCHIVE#MEMBER, or - for an OVA from a pipe, of which no disk is read.
    to
        Target platform; `kensho platforms` lists them.
    output
        Keep the plan in this file; `kensho convert FILE` runs it. A login in the source's URL is in
        it alone, and then only its owner can read it.
    into
        The folder the result will go to, to see whether it fits.
    key
        ID=FILE: passphrase or key file of a LUKS volume, by its name, UUID or all; FILE is asked for
        when left out. Repeatable; no plan holds it.
    """
    made = make_plan(wishes.request(source, to), out=into, keys=read_keys(key))
    if output is not None:
        write_plan(made, output)
    if json:
        print_json(without_login(made))
    else:
        show_plan(made)
    return PlanBlockedError.exit_code if made.blocked else 0


def show_plan(plan: Plan) -> None:
    """Print a plan for people."""
    from rich.markup import escape

    out = console()
    title = find_platform(plan.target).title
    out.print(f"[bold]{escape(shown(plan.request.source))}[/] → [bold]{title}[/] ({plan.form})\n")
    rows = table("Devices", "kind", "device", "source", "target")
    for row in plan.devices:
        rows.add_row(*map(escape, (row.kind, row.device, row.source, row.target or "left out")))
    out.print(rows)
    disks = table("Disks", "source", "format", "size>", "data>", "target")
    for step in plan.disks:
        disks.add_row(
            escape(step.source or "empty"),
            escape(step.source_format),
            format_bytes(step.virtual_size),
            format_bytes(step.data_size),
            escape(step.filename),
        )
    out.print(disks)
    if plan.adaptation is not None:
        rows = table("Changes of the guests", "volume", "file", "what is done")
        for change in plan.adaptation.steps:
            what = "\n".join((change.why, *(f"  {detail}" for detail in change.details)))
            rows.add_row(*map(escape, (change.volume, change.path, what)))
        out.print(rows if plan.adaptation.steps else "no guest has to change")
    print_findings(plan.findings)
    out.print(
        f"to read: {format_bytes(plan.bytes_to_read)}, "
        f"space needed: up to {format_bytes(plan.space_needed)}"
    )
    if plan.blocked:
        out.print("[bold red]blocked:[/] nothing can be converted until the above is mended")
