"""``kensho environment``: what a deployed machine is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from kensho.appliances.ovfenv.environment import PlatformFacts, environment_of
from kensho.appliances.ovfenv.formats import TEXTS, EnvironmentFormat, left_out, render
from kensho.appliances.ovfenv.known import understand
from kensho.appliances.ovfenv.nocloud import render_nocloud
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.render import console, print_json
from kensho.convert.deployment.properties import all_properties, assign, demand
from kensho.convert.deployment.settings import read_all_settings, resolve
from kensho.convert.plan import with_values
from kensho.convert.source import opened, select_machine
from kensho.model.errors import LocatorError, UsageError
from kensho.model.selection import Selection
from kensho.storage.atomic import PendingFile, partial_path

if TYPE_CHECKING:
    from kensho.model.appliance import Appliance

_SEED_IMAGE = ".iso"


def environment(
    source: Locator,
    /,
    *,
    format: EnvironmentFormat = EnvironmentFormat.XML,  # noqa: A002
    output: Annotated[
        str | None, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)
    ] = None,
    machine: str | None = None,
    configuration: str | None = None,
    property: Annotated[tuple[str, ...], Flag] = (),  # noqa: A002
    properties: Path | None = None,
    platform: str = "kensho",
    overwrite: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Write the OVF environment of a machine, for guests on platforms that do not.

    All properties that need a value must have one. The file holds passwords in clear text and can
    be read by its owner alone.

    Parameters
    ----------
    source
        OVA, OVF descriptor, a folder with one of them, or a URL.
    format
        xml: ovf-env.xml; iso: CD-ROM image with it; guestinfo: line for a VMX file; nocloud: seed
        for cloud-init, an image (FILE.iso) or a folder; ignition: JSON for CoreOS and Flatcar.
    output
        File to write; - and nothing mean standard output, which images need named.
    machine
        One machine of an appliance with several.
    configuration
        Deployment option, where a package has several.
    property
        KEY=VALUE, KEY=@env:NAME or KEY=@file:PATH; KEY also as class.key.instance. Repeatable.
    properties
        File of properties: lines of KEY=VALUE, or YAML or JSON by its suffix.
    platform
        What the guest is told of where it runs.
    overwrite
        Replace a file that is there already.
    dry_run
        Check everything and write nothing.
    """
    given = resolve(read_all_settings(property, properties))
    with opened(source, with_values(Selection(configuration=configuration), given)) as package:
        assigned = assign(package.appliance, given)
    whole = assigned.appliance
    chosen = select_machine(whole, _only(whole, machine))
    demand(assigned, chosen)
    told = environment_of(whole, chosen.machines[0].id, PlatformFacts(kind=platform))
    known = understand(whole, chosen.machines[0])
    if output is None and format not in TEXTS and not dry_run:
        raise UsageError(f"{format} is an image", hint="name a file with -o")
    if json and output in {None, "-"} and not dry_run:
        raise UsageError(
            "standard output cannot hold both the environment and JSON", hint="name a file with -o"
        )
    if format is EnvironmentFormat.NOCLOUD and output and not output.endswith(_SEED_IMAGE):
        files = {f"{output}/{name}": data for name, data in render_nocloud(told, known)}
        files = files if output != "-" else {"-": render(format, told, known)}
    else:
        files = {output or "-": render(format, told, known)}
    secret = any(place in assigned.secrets and prop.value for place, prop in all_properties(whole))
    for name, data in () if dry_run else files.items():
        _write(name, data, overwrite=overwrite, private=secret)
    notes = left_out(format, known)
    if json:
        print_json(_record(str(format), told.machine, files, notes))
        return
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if dry_run or output not in {None, "-"}:
        for name, data in files.items():
            console().print(f"{name}: {len(data)} bytes", markup=False)


def _record(
    format: str,  # noqa: A002
    machine: str,
    files: dict[str, bytes],
    notes: tuple[str, ...],
) -> dict[str, Any]:
    listed = [{"name": name, "bytes": len(data)} for name, data in files.items()]
    return {"format": format, "machine": machine, "files": listed, "left_out": notes}


def _only(appliance: Appliance, machine: str | None) -> str:
    if machine is not None:
        return machine
    if len(appliance.machines) != 1:
        names = ", ".join(m.id for m in appliance.machines)
        raise UsageError(
            f"{len(appliance.machines)} machines; each has its own environment",
            hint=f"add --machine: {names}" if names else "the package describes no machine",
        )
    return appliance.machines[0].id


def _write(name: str, data: bytes, *, overwrite: bool, private: bool) -> None:
    if name == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    path = Path(name)
    if path.exists() and not overwrite:
        raise UsageError("there already", path=path, hint="use --overwrite or another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with PendingFile(path) as pending:
            if private:
                partial_path(path).chmod(0o600)
            pending.sink.append(data)
    except OSError as error:
        raise LocatorError(f"cannot be written: {error.strerror}", path=path) from None
