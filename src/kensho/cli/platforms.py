"""``kensho platforms``: where a machine can go."""

from __future__ import annotations

from kensho.cli.options import Json
from kensho.cli.render import console, print_json, table
from kensho.platforms import PLATFORMS


def platforms(*, json: Json = False) -> None:
    """List the targets: forms, disk formats, firmware, controllers and adapters."""
    if json:
        print_json(PLATFORMS)
        return
    rows = table("", "--to", "--form", "result", "disks", "firmware", "controllers")
    for platform in PLATFORMS:
        for number, form in enumerate(platform.forms):
            first = number == 0
            rows.add_row(
                platform.name if first else "",
                form.name,
                form.title,
                f"{form.disk.format} {form.disk.subformat}".strip(),
                ", ".join(f.upper() for f in form.firmware),
                ", ".join(dict.fromkeys(c.model.value for c in platform.controllers))
                if first
                else "",
            )
    console().print(rows)
    console().print("\nNot tried on the real thing:")
    for platform in PLATFORMS:
        console().print(f"  {platform.title}: {platform.untested}")
