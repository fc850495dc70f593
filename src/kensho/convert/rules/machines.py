"""How many machines there are, and how they start together."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, blocked, warning
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Find appliances that the form cannot hold."""
    machines = journey.before.machines
    if not machines:
        yield blocked("KF-301", "the source describes no machine", action="nothing to convert")
    if len(machines) > 1 and not journey.form.several_machines:
        names = ", ".join(m.id for m in machines)
        yield blocked(
            "KF-302",
            f"{len(machines)} machines, and {journey.form.title} holds one",
            action=f"convert them one by one with --machine: {names}",
        )
    if len(machines) > 1 and journey.before.start_order and not journey.form.several_machines:
        yield warning(
            "KF-303",
            "the start order of the machines has no place in the target",
            action="left out; it is in the report",
        )
