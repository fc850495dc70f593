"""Network adapters."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.mapping import is_unicast_mac
from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Machine, Nic


def check(journey: Journey) -> Iterator[Finding]:
    """Find adapters that change, lose their address, or go."""
    carries = journey.form.carries
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
            if nic.id in new:
                yield from _model(before, nic, new[nic.id], ready=before.id in journey.connecting)
        if any(n.mac for n in before.nics) and not carries.mac and not journey.renewed:
            yield note(
                "KF-333",
                "MAC addresses are not carried over",
                before.name,
                "the target gives new ones; guests that tie settings to a MAC will notice",
            )
        for nic in before.nics:
            yield from _settings(before, nic, new.get(nic.id))
        if any(n.mac for n in before.nics) and carries.mac and not journey.renewed:
            yield from _addresses(before)
        named = {n.network for n in before.nics if n.network}
        networks = sorted(named - {n.network for n in before.nics if n.target_network})
        if networks and not carries.network_names:
            yield note(
                "KF-334",
                f"the network names ({', '.join(networks)}) have no place in the target",
                before.name,
                "connect the adapters when importing",
            )
        elif networks:
            yield note(
                "KF-337",
                f"the adapters ask for the networks {', '.join(networks)}",
                before.name,
                "have networks of these names there, or connect the adapters after the import",
            )


def _settings(machine: Machine, old: Nic, new: Nic | None) -> Iterator[Finding]:
    name = old.name or old.id
    if new is not None and not old.connected and new.connected:
        yield warning(
            "KF-335",
            f"adapter {name} is disconnected in the source, which the target cannot say",
            machine.name,
            "connected after the import; disconnect it there",
        )
    if new is not None and old.vlan and not new.vlan:
        yield warning(
            "KF-336",
            f"VLAN {old.vlan} of adapter {name} has no place in the target",
            machine.name,
            "set it after the import",
        )


def _addresses(machine: Machine) -> Iterator[Finding]:
    for nic in machine.nics:
        if nic.mac is not None and not is_unicast_mac(nic.mac):
            yield warning(
                "KF-338",
                f"{nic.mac!r} is no address that adapter {nic.name or nic.id} can have",
                machine.name,
                "the target gives a new one",
            )


def _model(machine: Machine, old: Nic, new: Nic, *, ready: bool) -> Iterator[Finding]:
    if old.model is not new.model:
        yield warning(
            "KF-330",
            f"adapter {old.name or old.id} changes from {old.vendor_model or old.model} "
            f"to {new.model}",
            machine.name,
            f"the guest needs its driver{', and has it' if ready else ''}; "
            "the interface may get another name",
        )
