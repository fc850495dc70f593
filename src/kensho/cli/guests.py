"""How ``inspect --deep`` shows what is inside a machine's disks."""

from __future__ import annotations

from kensho.cli.render import console, table
from kensho.guest.inspect.facts import GuestReport, SystemFacts
from kensho.model.units import format_bytes


def show_guests(guests: dict[str, GuestReport]) -> None:
    """Print volumes, systems and kernels of each machine."""
    from rich.markup import escape

    out = console()
    for machine, report in guests.items():
        rows = table(
            f"\nInside {escape(machine)}",
            "volume",
            "size>",
            "file system",
            "label",
            "read by",
            "edited by",
        )
        for volume in report.volumes:
            rows.add_row(
                escape(volume.id),
                format_bytes(volume.size),
                volume.kind or "-",
                escape(volume.label or volume.name),
                escape(volume.reader or volume.refusal),
                escape(volume.editor),
            )
        out.print(rows)
        for system in report.systems:
            _show_system(system)


def _show_system(system: SystemFacts) -> None:
    from rich.markup import escape

    out = console()
    title = system.guest.description or system.guest.id
    machine = " ".join(part for part in (system.architecture, system.hostname) if part)
    named = f" ({machine})" if machine else ""
    out.print(f"\n[bold]{escape(title)}[/] on {escape(system.root)}{escape(named)}")
    for name, words in (
        ("boot loaders", system.boot_loaders),
        ("hypervisor tools", system.tools),
        ("networks", [f"{n.style} ({' '.join(n.names)})" if n.names else n.style
                      for n in system.networks]),
    ):  # fmt: skip
        if words:
            out.print(escape(f"{name}: {', '.join(words)}"))
    if system.package_manager:
        count = "?" if system.packages is None else len(system.packages)
        out.print(f"packages: {count} ({system.package_manager})")
    if system.windows is not None and not system.windows.problem:
        edition = " ".join(p for p in (system.windows.edition, system.guest.version) if p)
        out.print(escape(f"edition: {edition}"))
        out.print(escape(f"  starts from: {', '.join(system.windows.controllers) or 'unknown'}"))
    for boot in system.boots:
        if boot.default:
            out.print(escape(f"starts by default ({boot.loader}): {boot.kernel} {boot.arguments}"))
    for kernel in system.kernels:
        made = " ".join(p for p in (kernel.maker, kernel.packing, kernel.problem) if p)
        out.print(
            escape(
                f"kernel {kernel.version}: {kernel.modules} modules, "
                f"initramfs {kernel.initramfs or 'none'} ({made or '-'}, "
                f"{kernel.initramfs_modules} modules)"
            )
        )
        if kernel.controllers:
            out.print(escape(f"  starts from: {', '.join(kernel.controllers)}"))
        if kernel.adapters:
            out.print(escape(f"  has drivers for: {', '.join(kernel.adapters)}"))
