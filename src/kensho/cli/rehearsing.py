"""``kensho prove --dry-run``: what would be started is shown, and nothing is."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.cli.render import console, print_findings, print_json, table
from kensho.model.finding import Finding
from kensho.model.machine import Eula
from kensho.model.units import format_bytes
from kensho.proof.rehearse import Rehearsal


def show_rehearsal(
    planned: Rehearsal,
    licences: Sequence[Eula],
    findings: Sequence[Finding],
    *,
    accepted: bool,
    as_json: bool,
) -> None:
    """Print it: profiles, machines, licences to accept, what hinders it."""
    if as_json:
        told = [one.info for one in licences]
        print_json({"dry_run": planned, "licences": told, "findings": findings})
        return
    from rich.markup import escape

    rows = table("", "profile", "platform", "how", "hardware", "why")
    for row in planned.profiles:
        rows.add_row(row.profile, row.platform, row.how, row.title, row.why)
    out = console()
    out.print(rows)
    for one in planned.machines:
        asked = f", probes: {', '.join(one.probes)}" if one.probes else ""
        disks = "1 disk" if one.disks == 1 else f"{one.disks} disks"
        words = f"{one.machine}: {format_bytes(one.memory)} of memory, {disks}{asked}"
        out.print(escape(words), soft_wrap=True)
    starts = sum(row.how == "start" for row in planned.profiles)
    out.print(f"{starts} starts, at most {planned.at_once} at once" if starts else "no start")
    if licences and starts:
        state = "accepted" if accepted else "to accept: kensho eula shows them, --accept-eula"
        out.print(f"{len(licences)} licence agreements, {state}")
    for words in planned.hindrances:
        out.print(escape(f"hindered: {words}"), soft_wrap=True)
    print_findings(tuple(findings))
