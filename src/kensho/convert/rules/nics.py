"""Network adapters."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Machine, Nic


def check(journey: Journey) -> Iterator[Finding]:
    """Find adapters that change, lose their address, or go."""
    carries = journey.platform.carries
    for before, after in journey.machines():
        new = {n.id: n for n in after.nics}
        if len(before.nics) > len(after.nics):
            left = ", ".join(n.name or n.id for n in before.nics if n.id not in new)
            yield warning(
                "KF-332",
                f"{journey.platform.title} takes {journey.platform.most_nics} adapters",
                before.name,
                f"left out: {left}",
            )
        for nic in before.nics:
            if nic.id in new and carries.nic_models:
                yield from _model(before, nic, new[nic.id])
        if any(n.mac for n in before.nics) and not carries.mac:
            yield note(
                "KF-333",
                "MAC addresses are not carried over",
                before.name,
                "the target gives new ones; guests that tie settings to a MAC will notice",
            )
        if any(not n.connected for n in before.nics):
            yield note("KF-335", "an adapter is disconnected in the source", before.name)
        networks = sorted({n.network for n in before.nics if n.network})
        if networks and not carries.network_names:
            yield note(
                "KF-334",
                f"the network names ({', '.join(networks)}) have no place in the target",
                before.name,
                "connect the adapters when importing",
            )


def _model(machine: Machine, old: Nic, new: Nic) -> Iterator[Finding]:
    if old.model is not new.model:
        yield warning(
            "KF-330",
            f"adapter {old.name or old.id} changes from {old.vendor_model or old.model} "
            f"to {new.model}",
            machine.name,
            "the guest needs its driver; the interface may get another name",
        )
