"""``kensho drivers``: what a medium with drivers for Windows has."""

from __future__ import annotations

from pathlib import Path

from kensho.cli.flags import Json
from kensho.cli.render import console, print_findings, print_json, table
from kensho.guest.windows.drivers.listing import list_drivers
from kensho.model.errors import UsageError


def drivers(*media: Path, json: Json = False) -> None:
    """Show the drivers for `kensho adapt --drivers`: versions, for which Windows, who signed them.

    Parameters
    ----------
    media
        CD-ROM images such as virtio-win.iso, folders, .zip, .msi or .cab.
    json
        Print one JSON object: drivers, findings.
    """
    if not media:
        raise UsageError("no medium is named", hint="kensho drivers virtio-win.iso")
    found, findings = list_drivers(media)
    if json:
        print_json({"drivers": found, "findings": findings})
        return
    from rich.markup import escape

    rows = table("", "driver", "class", "version", "for", "signed by")
    for one in found:
        signer = one.signer or f"not signed: {one.why}"
        words = (one.path, one.class_name, one.version, "; ".join(one.targets), signer)
        rows.add_row(*(escape(word) for word in words))
    console().print(rows if found else "no drivers")
    print_findings(findings)
