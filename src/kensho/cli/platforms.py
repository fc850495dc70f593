"""``kensho platforms``: where a machine can go."""

from __future__ import annotations

from collections.abc import Iterable

from kensho.cli.flags import Json
from kensho.cli.render import console, print_json, table
from kensho.model.machine import Firmware
from kensho.model.units import format_bytes
from kensho.platforms import IMAGES, PLATFORMS, Platform, find_platform
from kensho.platforms.base import DevicePolicy
from kensho.platforms.words import Row, Vocabulary


def platforms(name: str | None = None, /, *, json: Json = False) -> None:
    """List the targets: forms, disk formats, firmware, controllers and adapters.

    Parameters
    ----------
    name
        One of them: its versions, the devices for each kind of guest, its words for devices.
    """
    if json:
        print_json((*PLATFORMS, *IMAGES) if name is None else find_platform(name))
    elif name is None:
        _list_all()
    else:
        _show(find_platform(name))


def _list_all() -> None:
    rows = table("", "--to", "--form", "result", "disks", "firmware", "controllers")
    for platform in (*PLATFORMS, *IMAGES):
        for number, form in enumerate(platform.forms):
            first = number == 0
            rows.add_row(
                platform.name if first else "",
                form.name,
                form.title,
                f"{form.disk.format} {form.disk.subformat}".strip(),
                ", ".join(f.upper() for f in form.firmware),
                ", ".join(dict.fromkeys(c.model.value for c in platform.controllers))
                if first and platform not in IMAGES
                else "",
            )
    console().print(rows)
    console().print("\nNot tried on the real thing:")
    for platform in (*PLATFORMS, *IMAGES):
        console().print(f"  {platform.title}: {platform.untested}")
    console().print("\nkensho platforms NAME shows versions, choices by guest and words.")


def _show(platform: Platform) -> None:
    out = console()
    also = f"; also {', '.join(platform.aliases)}" if platform.aliases else ""
    out.print(f"[bold]{platform.title}[/] (--to {platform.name}{also})\n")
    limits = table("Limits", "--to-version", "products", "CPUs>", "memory>", "NICs>", "lacks")
    for version in platform.versions:
        lacks = [m.value for m in version.lacks]
        lacks += ["Secure Boot"] * (not version.secure_boot) + ["TPM"] * (not version.tpm)
        limits.add_row(
            version.name,
            version.products,
            str(version.cpus),
            format_bytes(version.memory),
            str(version.nics),
            ", ".join(sorted(lacks)),
        )
    if not platform.versions:
        memory = format_bytes(platform.most_memory)
        limits.add_row("", "", str(platform.most_cpus), memory, str(platform.most_nics), "")
    out.print(limits)
    controllers = table("Controllers", "controller", "most>", "drives each>", "boots under")
    for support in platform.controllers:
        controllers.add_row(
            support.model.value,
            str(support.most),
            str(support.units - len(support.reserved)),
            ", ".join(f.upper() for f in support.boots if f in support.firmware),
        )
    out.print(controllers)
    choices = table("What a guest gets", "guest", "disks", "CD drives", "adapters")
    policies = [*((g.value, p) for g, p in platform.guests.items())]
    policies += [("other Linux, BSD", platform.native), ("all others", platform.compatible)]
    policies += [("--devices fallback", platform.fallback or platform.compatible)]
    for guest, policy in policies:
        choices.add_row(guest, *_places(policy), policy.nic.value)
    out.print(choices)
    for vocabulary in platform.words:
        _words(vocabulary)
    out.print(f"Not tried on the real thing: {platform.untested}")


def _places(policy: DevicePolicy) -> tuple[str, str]:
    """Return where disks and CD drives go, under BIOS and UEFI where that differs."""
    disks, cdroms = [], []
    for firmware in Firmware:
        choice = policy.drives[firmware]
        boot = choice.boot_disk
        text = choice.disk.value if boot in {None, choice.disk} else f"{boot}, then {choice.disk}"
        disks.append(text)
        cdroms.append(choice.cdrom.value)
    return " / ".join(dict.fromkeys(disks)), " / ".join(dict.fromkeys(cdroms))


def _words(vocabulary: Vocabulary) -> None:
    rows = table(f"Words of {vocabulary.format}", "", "means", "written", "read, too")
    for kind, entries in (
        ("controller", vocabulary.controllers),
        ("adapter", vocabulary.nics),
        ("sound", vocabulary.sound),
        ("USB", vocabulary.usb),
        ("video", vocabulary.video),
        ("serial port", vocabulary.serial),
    ):
        for row in _as_text(entries):
            rows.add_row(kind, *row)
    console().print(rows)


def _as_text(rows: Iterable[Row[str]]) -> Iterable[tuple[str, str, str]]:
    for row in rows:
        written = row.words[:1] if row.written else ()
        others = row.words[len(written) :]
        yield (
            row.means,
            "".join(written),
            ", ".join(word or "(none)" for word in others),
        )
