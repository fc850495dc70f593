"""``kensho edit``: change an OVF package without converting it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json, Locator
from kensho.cli.render import print_findings, print_json
from kensho.cli.writing import Out, Writing, record, watched
from kensho.model.errors import UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.edit.apply import Edited, apply_edits
from kensho.packages.edit.edits import Edits
from kensho.packages.edit.payload import NewFile
from kensho.packages.edit.textual import unified
from kensho.packages.edit.write import lost_signature, write_edited
from kensho.packages.source import OvfPackage, demand_whole, opened_ovf

Texts = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What to change; docs/package-editing.md has every name.

    Parameters
    ----------
    set_
        NAME=VALUE: cpus, memory, firmware, product.version, nic-types, config.KEY …
    vm
        The machine, by id or name, where there are several.
    configuration
        Change the values of this configuration only. Repeatable.
    add_configuration
        ID[,label=…,description=…].
    remove_configuration
        A configuration with all that is in it alone.
    remove_other_configurations
        All configurations but those named by --configuration.
    add_controller
        ide, scsi, sata or nvme[,subtype=…].
    remove_controller
        scsi1 and the like, with nothing attached.
    nic
        add,network=…,type=…,mac=…,name=… · NUMBER,network=… · NUMBER,remove.
    network
        OLD=NEW renames or maps, *=NEW maps all, NAME[,description=…] adds.
    remove_network
        A network no adapter is on.
    prune_networks
        Remove every network no adapter is on.
    property_
        KEY=VALUE[+TYPE].
    remove_property
        A property by its key.
    config_file
        Lines of a router's configuration as properties: FILE[,prefix=ios-config].
    add_disk
        FILE[,controller=scsi0,unit=1,type=disk|cdrom,name=…] of any format, or size=20GiB.
    replace_disk
        ID=FILE.
    remove_disk
        A disk by its id or file, with its drive.
    add_file
        FILE[,name=…,id=…].
    replace_file
        ID=FILE.
    inject
        FILE[,name=iosxe_config.txt] on a CD-ROM of its own. Repeatable.
    remove_file
        A file by id or name, with the disk and drive it is in.
    eula
        Text file with the licence agreement, instead of those there are.
    add_eula
        Text file with one more licence agreement.
    remove_eulas
        Remove all licence agreements.
    startup
        Start order of a collection: db+30,app+guest,web.
    ovf_version
        Write the descriptor in this version of OVF; findings say what it cannot express.
    script
        YAML file with the same names, instead of options.
    """

    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = ()
    vm: Annotated[str | None, Parameter(name=["--vm", "--machine"])] = None
    configuration: Texts = ()
    add_configuration: Texts = ()
    remove_configuration: Texts = ()
    remove_other_configurations: Annotated[bool, Flag] = False
    add_controller: Texts = ()
    remove_controller: Texts = ()
    nic: Texts = ()
    network: Texts = ()
    remove_network: Texts = ()
    prune_networks: Annotated[bool, Flag] = False
    property_: Annotated[
        tuple[str, ...], Parameter(name="--property", negative="", show_default=False)
    ] = ()
    remove_property: Texts = ()
    config_file: str | None = None
    add_disk: Texts = ()
    replace_disk: Texts = ()
    remove_disk: Texts = ()
    add_file: Texts = ()
    replace_file: Texts = ()
    inject: Texts = ()
    remove_file: Texts = ()
    eula: str | None = None
    add_eula: Texts = ()
    remove_eulas: Annotated[bool, Flag] = False
    startup: str | None = None
    ovf_version: Annotated[Literal[1, 2] | None, Parameter(name="--ovf-version")] = None
    script: Path | None = None

    def edits(self) -> tuple[Edits, Path]:
        """Return the edits and the folder that file names in them are relative to."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        own["set"] = settings(own.pop("set_"))
        own["property"] = own.pop("property_")
        own["startup"] = tuple(part for part in (self.startup or "").split(",") if part)
        del own["script"]
        edits = Edits(**own)
        if self.script is None:
            return edits, Path()
        if edits != Edits():
            raise UsageError("a script says all that is to be done", path=self.script)
        from kensho.packages.pack.documents import read_document

        return read_document(self.script, Edits), self.script.parent


def edit(
    package: Locator,
    /,
    *,
    changes: Changes = Changes(),
    proof: str | None = None,
    output: Out = None,
    in_place: Annotated[bool, Flag] = False,
    writing: Writing = Writing(),  # noqa: B008 - frozen
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Change an OVF package: hardware, networks, properties, texts, disks and files.

    Everything the options are not about stays as it is, comments and vendors' XML included.

    Parameters
    ----------
    package
        OVA, OVF descriptor, or the folder with it.
    proof
        A folder that `kensho prove` wrote, or a package that carries one: taken in, if these disks are
        those that were proven; `kensho verify` checks it there.
    in_place
        Replace the package itself; it is complete at every moment.
    dry_run
        Show the descriptor's difference and stop.
    quiet
        Print nothing but errors.
    """
    edits, base = changes.edits()
    if edits == Edits() and proof is None:
        raise UsageError(
            "nothing to change", hint="such as --set memory=8GiB; `kensho edit --help` has all"
        )
    if not dry_run and (output is None) == (not in_place):
        raise UsageError(
            "where should the result go?",
            hint="-o NEW.ova writes it anew, --in-place replaces the package",
        )
    if json and output == "-":
        raise UsageError("standard output cannot hold both the package and JSON", path="-")
    if not dry_run:
        demand_whole(package)
    with opened_ovf(package) as opened, ExitStack() as stack:
        more: tuple[tuple[str, NewFile, int], ...] = ()
        if proof is not None:
            from kensho.cli.carrying import packed_proof

            more = stack.enter_context(
                packed_proof(proof, opened, package, edits, quiet=quiet or json)
            )
        edited = apply_edits(opened, edits, base, more=more)
        diff = unified(edited.before, edited.after, opened.name)
        sign, judged = writing.signer()
        findings = _findings(opened, edited, signed=sign is not None, in_place=in_place)
        if dry_run:
            _show_dry(edited, findings, diff, as_json=json)
            return exits.OK
        with watched(quiet=quiet or json) as watch:
            written = write_edited(
                opened,
                edited,
                output,
                algorithm=writing.algorithm,
                sign=sign,
                overwrite=writing.overwrite,
                watch=watch,
            )
    findings = (*findings, *judged)
    if json:
        print_json({**record(written, findings), "diff": diff})
    elif not quiet and output != "-":
        print_findings(findings)
        print(f"{written.path}: {len(diff.splitlines())} lines of difference in the descriptor")
    return exits.OK


def settings(texts: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE options as a dictionary, in the order given."""
    result: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set {text!r}: no value", hint="--set NAME=VALUE")
        result.pop(name, None)
        result[name] = value
    return result


def _findings(
    package: OvfPackage, edited: Edited, *, signed: bool, in_place: bool
) -> tuple[Finding, ...]:
    """Return what the edit found, and what is lost by writing it."""
    findings = [*edited.findings, *(() if signed else lost_signature(package))]
    if in_place and package.kind == "ovf":
        findings += [
            Finding(
                "KF-744",
                Severity.NOTE,
                "no longer part of the package",
                subject=name,
                action="the file itself stays in the folder",
            )
            for name in package.files
            if name not in edited.payload.files
        ]
    return tuple(findings)


def _show_dry(edited: Edited, findings: tuple[Finding, ...], diff: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"diff": diff, "files": list(edited.payload.files), "findings": findings})
        return
    print(diff, end="")
    print_findings(findings)
