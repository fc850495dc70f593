"""``kensho inspect``: what is in there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kensho.appliances.proof_file import proofs_of
from kensho.cli.flags import Flag, OptionalLocator
from kensho.cli.render import console, print_findings, print_json, table
from kensho.model.appliance import Appliance, json_schema
from kensho.model.errors import UsageError
from kensho.model.machine import Cdrom, Disk, Machine
from kensho.model.selection import Selection
from kensho.model.units import format_bytes

if TYPE_CHECKING:
    from rich.console import Console

    from kensho.appliances import Package
    from kensho.guest.inspect.facts import GuestReport


def inspect(
    source: OptionalLocator = None,
    /,
    *,
    configuration: str | None = None,
    hardware: str | None = None,
    locale: str | None = None,
    fetch: Annotated[bool, Flag] = False,
    deep: Annotated[bool, Flag] = False,
    key: Annotated[tuple[str, ...], Flag] = (),
    json: Annotated[bool, Flag] = False,
    schema: Annotated[bool, Flag] = False,
) -> None:
    """Show the machines, disks and networks of an appliance, and what is odd about it.

    Parameters
    ----------
    source
        OVA, OVF, VMX, .vbox, XVA, VMA, Vagrant box, file of Hyper-V, libvirt, Xen, Proxmox VE or
        KubeVirt, a folder with one, a disk image, or local: for this machine; a path, a URL,
        ARCHIVE#MEMBER, or - for standard input, of which only the descriptor is read.
    configuration
        Deployment option to read, where a package has several; its default otherwise. Of a
        VirtualBox, VMware or XenServer machine, a snapshot by name or id; its current state otherwise.
    hardware
        Hardware section to read, by id or type such as vmx-10, where a machine has several.
    locale
        Language of the texts, such as de-DE.
    fetch
        Look at files at web addresses that a package names outside its own place.
    deep
        Look into the disks: partitions, file systems, systems, kernels, what they start from.
    key
        ID=FILE: what opens a LUKS volume, with ID its name, UUID or all; ID alone asks for it. Repeatable.
    json
        Print one JSON object: kind, path, selection, manifest, proofs, findings, appliance; guests with --deep.
    schema
        Print the JSON Schema of the appliance and stop.
    """
    if schema:
        print_json(json_schema())
        return
    if source is None:
        raise UsageError("nothing to inspect", hint="kensho inspect app.ova")
    from kensho.convert.source import opened

    selection = Selection(
        configuration=configuration, hardware=hardware, locale=locale, fetch=fetch
    )
    with opened(source, selection) as package:
        guests = _guests(package, key) if deep else {}
        if json:
            print_json(
                {
                    "kind": package.kind,
                    "path": package.path,
                    "selection": selection,
                    "manifest": package.manifest,
                    "proofs": proofs_of(package.appliance),
                    "findings": package.findings,
                    "appliance": package.appliance,
                    **({"guests": guests} if deep else {}),
                }
            )
            return
        _show(package.appliance, package.kind)
        if deep:
            from kensho.cli.guests import show_guests

            show_guests(guests)
        within = tuple(finding for report in guests.values() for finding in report.findings)
        print_findings((*package.findings, *within))


def _guests(package: Package, words: tuple[str, ...]) -> dict[str, GuestReport]:
    from kensho.cli.secrets import read_keys
    from kensho.convert.looking import look_into

    return dict(look_into(package, read_keys(words)))


def _show(appliance: Appliance, kind: str) -> None:
    from rich.markup import escape

    from kensho.cli.properties import properties_table

    out = console()
    out.print(f"[bold]{escape(appliance.name)}[/] ({kind})")
    for machine in appliance.machines:
        firmware = machine.firmware.kind.upper() + ("" if machine.firmware.stated else " (assumed)")
        out.print(
            f"\n[bold]{escape(machine.name)}[/]: {machine.cpu.count} CPU, "
            f"{format_bytes(machine.memory.size)}, {firmware}, "
            f"guest {escape(machine.guest.description or machine.guest.id)}"
        )
        out.print(_devices(machine, appliance))
    _show_choices(appliance, out)
    if appliance.origin is not None:
        came = " ".join(filter(None, (appliance.origin.kind, appliance.origin.platform)))
        out.print(escape(f"\na note says where it came from: {came}"))
    products = [*appliance.products, *(p for m in appliance.machines for p in m.products)]
    for product in products:
        if product.name:
            out.print(escape(f"\nproduct: {product.name} {product.version} {product.vendor}"))
    for proof in proofs_of(appliance):
        out.print(escape(f"\nit carries a proof, {proof}; `kensho verify` checks it"))
    eulas = [*appliance.eulas, *(e for m in appliance.machines for e in m.eulas)]
    if eulas:
        out.print(f"licence agreements: {len(eulas)}; `kensho eula` shows them")
    out.print()
    properties = properties_table(appliance)
    if properties is not None:
        out.print(properties)


def _show_choices(appliance: Appliance, out: Console) -> None:
    """Show what can be chosen: deployment options, hardware, languages."""
    from rich.markup import escape

    if appliance.configurations:
        out.print("\nconfigurations (--configuration):")
    for option in appliance.configurations:
        mark = "*" if option.id == appliance.configuration else " "
        words = ", ".join(word for word in (option.label, option.description) if word)
        out.print(escape(f" {mark} {option.id}{': ' if words else ''}{words}"))
    for machine in appliance.machines:
        if machine.hardware_sections:
            out.print(f"\nhardware of {escape(machine.name)} (--hardware):")
        for section in machine.hardware_sections:
            names = " ".join(word for word in (section.id, *section.types) if word)
            out.print(escape(f" {'*' if section.chosen else ' '} {names or section.info or '-'}"))
    if len(appliance.languages) > 1:
        out.print(escape(f"\nlanguages (--locale): {', '.join(appliance.languages)}"))


def _devices(machine: Machine, appliance: Appliance) -> object:
    from rich.markup import escape

    rows = table("", "device", "model", "place", "what")
    for drive in machine.drives:
        controller = machine.controller(drive.controller)
        model = (controller.vendor_model or controller.model.value) if controller else ""
        place = f"{controller.bus}{controller.index}:{drive.unit}" if controller else ""
        what = ""
        if isinstance(drive, Disk):
            image = appliance.image(drive.image)
            file = appliance.file(image.file) if image else None
            size = format_bytes(image.capacity) if image and image.capacity else ""
            what = " ".join(part for part in (size, file.href if file else "empty") if part)
        elif drive.file:
            file = appliance.file(drive.file)
            what = file.href if file else ""
        kind = (
            "disk" if isinstance(drive, Disk) else "cdrom" if isinstance(drive, Cdrom) else "floppy"
        )
        rows.add_row(kind, escape(model), place, escape(what))
    for nic in machine.nics:
        rows.add_row(
            "nic",
            escape(nic.vendor_model or nic.model.value),
            nic.mac or "",
            escape(nic.network) + ("" if nic.connected else " (disconnected)"),
        )
    for device in machine.host_devices:
        rows.add_row("host's", device.kind.value, "", escape(device.name))
    for folder in machine.shared_folders:
        rows.add_row("shared folder", "", "", escape(folder.name))
    for snapshot in machine.snapshots:
        rows.add_row("snapshot", "", "", escape(snapshot.name))
    return rows
