"""``kensho convert``: do it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kensho.appliances.ova.arrival import Arrival
from kensho.cli import exits
from kensho.cli.flags import Locator
from kensho.cli.options import Flag, Json, Wishes
from kensho.cli.plan import show_plan
from kensho.cli.progress import shown
from kensho.cli.render import console, print_findings, print_json, print_json_line, table
from kensho.cli.secrets import read_keys
from kensho.convert.arriving import PIPE, arriving
from kensho.convert.deployed import demand_licences, licences_settled, with_acceptance
from kensho.convert.plan import (
    Plan,
    check_runnable,
    looks_like_plan,
    make_plan,
    read_plan,
    without_login,
)
from kensho.convert.result import Result
from kensho.convert.rules.space import NO_SPACE
from kensho.convert.run import Options, run_plan
from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import (
    EulaNotAcceptedError,
    NoSpaceError,
    NotFoundError,
    PlanBlockedError,
    UsageError,
)
from kensho.model.finding import Severity, at_least
from kensho.model.units import format_bytes, format_seconds
from kensho.platforms import find_form, find_platform


def convert(
    source: Locator,
    /,
    *,
    to: Annotated[str | None, Parameter(name="--to")] = None,
    output: Annotated[Path, Parameter(name=["-o", "--output"])] = Path(),
    wishes: Wishes = Wishes(),  # noqa: B008 - frozen
    compression: Literal["fast", "balanced", "small"] = "fast",
    threads: int | None = None,
    overwrite: Annotated[bool, Flag] = False,
    verify: bool = True,
    manifest: bool = True,
    strict: Annotated[bool, Flag] = False,
    key: Annotated[tuple[str, ...], Flag] = (),
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    events: Annotated[bool, Flag] = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Convert a machine, or run a plan that was made before.

    An interrupted conversion leaves nothing that looks finished. The same command keeps the
    disks that were complete; a result that is one file (OVA, XVA) is made anew.

    Parameters
    ----------
    source
        OVA, OVF, VMX, .vbox, XVA, VMA, Vagrant box, file of Hyper-V, libvirt, Xen, Proxmox VE or
        KubeVirt, a folder with one, a disk image, local: for this machine, or a plan: a path, a
        URL, ARCHIVE#MEMBER, or - for an OVA from a pipe.
    to
        Target platform; `kensho platforms` lists them. Not needed with a plan.
    output
        Folder for the result; made if it is not there.
    compression
        For formats that compress: speed against size.
    threads
        Worker threads; as many as there are processors by default.
    overwrite
        Replace a result that is there already.
    verify
        Read the result back and compare it with the source.
    manifest
        Check the source's digests first, when it has a manifest.
    strict
        Exit with 3 when there are warnings.
    key
        ID=FILE: passphrase or key file of a LUKS volume, by its name, UUID or all; FILE is asked for
        when left out. Repeatable; no plan holds it.
    dry_run
        Show the plan and stop.
    events
        Print progress and the result as lines of JSON.
    quiet
        Print nothing but errors.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: at least one is needed")
    arrival = arriving() if source == PIPE and to is not None else None
    keys = read_keys(key)
    plan = _plan(source, to, output, wishes, arrival, keys)
    settings = wishes.settings()
    if dry_run and json:
        print_json(without_login(plan))
        return _dry_code(plan)
    if dry_run:
        show_plan(plan)
    _check(plan, output)
    if dry_run:
        return exits.OK
    options = Options(
        overwrite=overwrite,
        verify=verify,
        check_manifest=manifest,
        compression=compression,
        threads=threads,
    )
    with shown(events=events, quiet=quiet or json) as listener:
        result = run_plan(
            plan,
            output,
            options=options,
            settings=settings,
            listener=listener,
            arrival=arrival,
            keys=keys,
        )
    with suppress(KeyboardInterrupt):  # too late: it is done
        if json:
            print_json(result)
        elif events:
            print_json_line({"event": "result", "result": result})
        elif not quiet:
            _show(result)
    return exits.WARNINGS if strict and at_least(result.findings, Severity.WARNING) else exits.OK


def _plan(
    source: str,
    to: str | None,
    output: Path,
    wishes: Wishes,
    arrival: Arrival | None,
    keys: Sequence[Key],
) -> Plan:
    if looks_like_plan(Path(source)):
        if to is not None or not wishes.fit_a_plan():
            raise UsageError(
                "a plan says all that is to be done",
                path=source,
                hint="leave out --to and the options that plan takes, but for passwords"
                " (--property KEY=…) and --accept-eula",
            )
        return with_acceptance(read_plan(Path(source)), accepted=wishes.accept_eula)
    if to is None:
        if source.endswith(".json") and not Path(source).exists():
            raise NotFoundError("there is no such plan", path=source)
        raise UsageError("no target", hint="add --to PLATFORM; `kensho platforms` lists them")
    return make_plan(wishes.request(source, to), out=output, arrival=arrival, keys=keys)


def _check(plan: Plan, output: Path) -> None:
    for finding in plan.blocked:
        if finding.code == NO_SPACE:
            raise NoSpaceError(finding.message, path=output)
    check_runnable(plan)
    demand_licences(plan)


def _dry_code(plan: Plan) -> int:
    """Return what a run would exit with; the plan itself says why."""
    if any(finding.code == NO_SPACE for finding in plan.blocked):
        return NoSpaceError.exit_code
    if plan.blocked:
        return PlanBlockedError.exit_code
    return exits.OK if licences_settled(plan) else EulaNotAcceptedError.exit_code


def _show(result: Result) -> None:
    from rich.markup import escape

    print_findings(result.findings)
    rows = table("Files", "file", "size>")
    for file in result.files:
        rows.add_row(escape(file.name), format_bytes(file.bytes))
    out = console()
    out.print(rows)
    step = find_form(find_platform(result.target), result.form).next_step
    torn = any(finding.code == "KF-520" for finding in result.findings)
    same = "identical to what was read" if torn else "identical to the source"
    if result.plan.adaptation is not None and result.plan.adaptation.steps:
        same += f" with {len(result.plan.adaptation.steps)} files of its guests changed"
    check = same if result.check == "ok" else "not verified"
    read = sum(d.data_size for d in result.disks)
    written = sum(f.bytes for f in result.files)
    out.print(
        f"\n{format_bytes(read)} of data → {format_bytes(written)} in "
        f"{format_seconds(result.seconds)}; {check}"
    )
    out.print(
        f"report: {escape(result.report)}\nnext:   {escape(step.format(name=result.plan.name))}"
    )
