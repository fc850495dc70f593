"""``kensho pack``: a new OVF package from a YAML file or from disk images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json
from kensho.cli.render import print_findings, print_json
from kensho.cli.writing import Writing, record, show_draft, watched
from kensho.model.errors import PlanBlockedError, UsageError
from kensho.model.finding import Finding, Severity, at_least
from kensho.packages.edit.payload import payload_of
from kensho.packages.edit.textual import merged
from kensho.packages.edit.write import lost_signature, write_payload
from kensho.packages.pack.build import Packed, build_package
from kensho.packages.pack.documents import as_struct, load_document
from kensho.packages.pack.spec import MOST_CPUS, DiskSpec, NicSpec, Spec
from kensho.packages.rewrite import (
    PackageFile,
    WrittenPackage,
    serialise_descriptor,
    with_sizes,
)
from kensho.packages.source import opened_ovf

_YAML, _OVF = (".yaml", ".yml"), (".ovf", ".ova")
Texts = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Machine:
    """The machine around disk images; a YAML file says all this itself.

    Parameters
    ----------
    name
        Name of the machine; that of the result by default.
    cpus
        Virtual processors; 2 by default.
    memory
        Such as 4GiB; 2GiB by default.
    firmware
        By default what the first disk's partitions are made for.
    guest
        Guest OS, e.g. debian12 or win2k22.
    network
        An adapter on this network. Repeatable.
    nic_type
        Type of the adapters; the target's usual one by default.
    cdrom
        ISO image in a drive. Repeatable.
    eula
        Text file with the licence agreement. Repeatable.
    property_
        KEY=VALUE[+TYPE]. Repeatable.
    annotation
        Notes.
    set_
        Any setting of `kensho edit --set`: product.version=2 …. Repeatable.
    """

    name: str = ""
    cpus: int | None = None
    memory: str | None = None
    firmware: Literal["bios", "uefi"] | None = None
    guest: str | None = None
    network: Texts = ()
    nic_type: str = ""
    cdrom: Texts = ()
    eula: Texts = ()
    property_: Annotated[
        tuple[str, ...], Parameter(name="--property", negative="", show_default=False)
    ] = ()
    annotation: str = ""
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = ()

    def spec(self, disks: tuple[str, ...], name: str) -> Spec:
        """Return the appliance around these disks."""
        from kensho.cli.edit import settings

        cpus = 2 if self.cpus is None else self.cpus
        if not 1 <= cpus <= MOST_CPUS:
            raise UsageError(f"--cpus {cpus}: from 1 to {MOST_CPUS}")
        return Spec(
            name=self.name or name,
            cpus=cpus,
            memory=self.memory or "2GiB",
            firmware=self.firmware,
            guest=self.guest or "other",
            disks=tuple(_disk(disk) for disk in disks),
            nics=tuple(NicSpec(network=n, type=self.nic_type) for n in self.network),
            cdroms=self.cdrom,
            eula=self.eula,
            annotation=self.annotation,
            set=dict(settings(self.set_)),
        )


def pack(
    *sources: str,
    output: Annotated[str, Parameter(name=["-o", "--output"], allow_leading_hyphen=True)],
    target: Annotated[str | None, Parameter(name="--for")] = None,
    param: Texts = (),
    machine: Machine = Machine(),
    writing: Writing = Writing(),  # noqa: B008 - frozen
    dry_run: Annotated[bool, Flag] = False,
    json: Json = False,
    quiet: Annotated[bool, Parameter(name=["-q", "--quiet"], negative="")] = False,
) -> int:
    """Make an OVF package: from a YAML file, kensho's or ova-compose's, or from disk images.

    Disks may be of any format; they become streamOptimized VMDK, as OVF importers want them. An
    OVF descriptor with its files is wrapped into an archive as it is.

    Parameters
    ----------
    sources
        One YAML file or OVF descriptor; or disk images in their order, and sizes (20GiB) for empty disks.
    output
        NAME.ova, NAME.ovf, a folder, or - for an archive into a pipe.
    target
        Whose words to write: ova (portable, the default), vmware or virtualbox.
    param
        NAME=VALUE for !param in an ova-compose file. Repeatable.
    dry_run
        Print the descriptor and stop.
    quiet
        Print nothing but errors.
    """
    if json and output == "-":
        raise UsageError("standard output cannot hold both the package and JSON", path="-")
    stem = "machine" if output == "-" else Path(output).stem
    if len(sources) == 1 and sources[0].lower().endswith(_OVF):
        if machine != Machine() or target or param:
            raise UsageError("a package says all itself", hint="`kensho edit` changes it")
        return _wrap(sources[0], output, writing, dry_run=dry_run, json=json, quiet=quiet)
    packed = _packed(sources, target, param, machine, stem)
    blocked = at_least(packed.findings, Severity.BLOCKED)
    if blocked:
        raise PlanBlockedError(f"{blocked[0].code}: {blocked[0].message}", path=output)
    sign, judged = writing.signer()
    if dry_run:
        show_draft(serialise_descriptor(packed.root), packed.payload, packed.findings, as_json=json)
        return exits.OK

    def descriptor(files: list[PackageFile]) -> bytes:
        with_sizes(packed.root, {file.name: file.source.size for file in files})
        return serialise_descriptor(packed.root)

    with watched(quiet=quiet or json) as watch:
        written = write_payload(
            output,
            name=packed.name if output == "-" or not output.lower().endswith(".ova") else stem,
            descriptor=descriptor,
            payload=packed.payload,
            algorithm=writing.algorithm or "sha256",
            sign=sign,
            overwrite=writing.overwrite,
            watch=watch,
        )
    _show(written, (*packed.findings, *judged), output, json=json, quiet=quiet)
    return exits.OK


def _wrap(
    source: str, output: str, writing: Writing, *, dry_run: bool, json: bool, quiet: bool
) -> int:
    """Put an existing descriptor and its files into another form; only sizes are made true."""
    sign, judged = writing.signer()
    with opened_ovf(source) as package:
        before = serialise_descriptor(package.root)
        sizes = {name: package.store.size_of(name) or 0 for name in package.files}
        with_sizes(package.root, sizes)
        descriptor = merged(package.data, before, serialise_descriptor(package.root))
        if dry_run:
            show_draft(descriptor, payload_of(package), judged, as_json=json)
            return exits.OK
        findings = (*(() if sign else lost_signature(package)), *judged)
        with watched(quiet=quiet or json) as watch:
            written = write_payload(
                output,
                name=Path(output if output.lower().endswith(_OVF) else package.name).stem,
                descriptor=lambda files: descriptor,  # noqa: ARG005
                payload=payload_of(package),
                package=package,
                algorithm=writing.algorithm,
                sign=sign,
                overwrite=writing.overwrite,
                watch=watch,
            )
    _show(written, findings, output, json=json, quiet=quiet)
    return exits.OK


def _show(
    written: WrittenPackage,
    findings: tuple[Finding, ...],
    output: str,
    *,
    json: bool,
    quiet: bool,
) -> None:
    if json:
        print_json(record(written, findings))
    elif not quiet and output != "-":
        print_findings(findings)
        print(f"{written.path}: {len(written.files)} files")


def _packed(
    sources: tuple[str, ...],
    target: str | None,
    param: tuple[str, ...],
    machine: Machine,
    stem: str,
) -> Packed:
    if not sources:
        raise UsageError("nothing to pack", hint="name a YAML file or disk images")
    if not sources[0].lower().endswith(_YAML):
        if param:
            raise UsageError("--param is for ova-compose files")
        return build_package(
            machine.spec(sources, stem), target, Path(), properties=machine.property_
        )
    if len(sources) > 1 or machine != Machine():
        raise UsageError("a YAML file says all there is to say", path=sources[0])
    return _from_yaml(Path(sources[0]), target, param)


def _from_yaml(path: Path, target: str | None, param: tuple[str, ...]) -> Packed:
    from kensho.packages.pack.compose import Compose, build_composed, is_compose

    parameters = dict(p.partition("=")[::2] for p in param)
    document = load_document(path, parameters)
    if not is_compose(document):
        return build_package(as_struct(document, Spec, path), target, path.parent)
    if target not in {None, "vmware", "esxi", "vsphere", "workstation"}:
        raise UsageError(
            "an ova-compose file is in VMware's words",
            path=path,
            hint=f"pack it, then `kensho convert --to {target}`",
        )
    return build_composed(as_struct(document, Compose, path), path.parent, document)


def _disk(source: str) -> DiskSpec:
    """Return an empty disk for ``20GiB``, an image for everything else."""
    if source[:1].isdigit() and source[-1:] in "bB" and not Path(source).exists():
        return DiskSpec(size=source)
    return DiskSpec(image=source)
