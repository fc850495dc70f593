"""Adapters' hardware addresses and PCI places: ranges of vendors, names that hang on slots."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.machine import Machine
from kensho.platforms import PLATFORMS, Platform


def check(journey: Journey) -> Iterator[Finding]:
    """Find addresses that the target has rules for, and adapters that change their slot."""
    for before, after in journey.machines():
        if not journey.renewed:
            yield from _addresses(journey.platform, before, after)
        new = {n.id: n for n in after.nics}
        stated = [n for n in before.nics if n.pci_slot is not None and n.id in new]
        # Another model is another device anyway, which a finding of its own says.
        alike = [n for n in stated if n.model is new[n.id].model]
        moved = [n.name or n.id for n in alike if n.pci_slot != new[n.id].pci_slot]
        if moved:
            windows = guest_os.get(before.guest.id).family == "windows"
            yield note(
                "KF-412",
                f"the PCI slots of {', '.join(moved)} are not carried over",
                before.name,
                "Windows takes them for new adapters: fixed addresses stay with the old ones"
                if windows
                else "a Linux that names interfaces by slot (ens192) gives them other names; match"
                " them by address",
            )


def _addresses(platform: Platform, before: Machine, after: Machine) -> Iterator[Finding]:
    macs = [nic.mac.lower() for nic in after.nics if nic.mac]
    outside = [m for m in macs if platform.static_macs and not _is_in(m, platform.static_macs)]
    if outside:
        yield note(
            "KF-411",
            f"{', '.join(outside)}: not of the range {platform.title} has for fixed addresses",
            before.name,
            "kept; where it is refused, leave the address to the target",
        )
    given_out = [m for m in macs if m not in outside and _is_in(m, platform.own_macs)]
    if given_out:
        yield note(
            "KF-411",
            f"{', '.join(given_out)}: {platform.title} itself gives out such addresses",
            before.name,
            "kept; see that no other machine in the network has it",
        )
    local = [m for m in macs if int(m[:2], 16) & 2 and m not in given_out]
    foreign = {
        other.title: m
        for m in macs
        for other in PLATFORMS
        if other.name != platform.name and _is_in(m, (*other.own_macs, *other.static_macs))
    }
    if foreign and not outside:
        yield note(
            "KF-411",
            "the adapters keep addresses of the range of " + ", ".join(sorted(foreign)),
            before.name,
            "rules and licences that go by the address still see the old platform",
        )
    elif local and not outside:
        yield note(
            "KF-411",
            f"{', '.join(local)}: a locally administered address, of nobody's range",
            before.name,
            "kept; see that no other machine in the network has it",
        )


def _is_in(mac: str, ranges: tuple[str, ...]) -> bool:
    """Tell whether an address lies in one of the ranges ``first-last`` or begins with a prefix."""
    for text in ranges:
        first, _, last = text.partition("-")
        last = last or first
        if first <= mac[: len(first)] and mac[: len(last)] <= last:
            return True
    return False
