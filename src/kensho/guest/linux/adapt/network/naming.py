"""Which adapter of the machine is meant by which name in the guest's configuration.

Where configuration does not tie a name to an address, the machine's adapters do: by the slot that is
in a name such as ens192, or by their order, when there are exactly as many as there are names. Between
two possibilities nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kensho.guest.linux.adapt.network.configured import Configured, natural
from kensho.model.machine import Nic

_SLOT = re.compile(r"ens(\d+)")  # of VMware, whose slot numbers the machine's file has
_BY_BUS = re.compile(r"eth\d+|enp\d+s\d+")  # in the order of where adapters are


@dataclass(frozen=True, slots=True)
class Naming:
    """``names`` by address; ``alone`` is the name of the only adapter, whose address is not known.

    ``unknown`` are names that were found to belong to no adapter, or to one of several.
    """

    names: dict[str, str]
    alone: str = ""
    unknown: tuple[str, ...] = ()


def name_adapters(configured: Configured, nics: Sequence[Nic] | None) -> Naming:
    """Return the adapters' names; ``nics`` None where the machine is not known."""
    if nics is None:
        names = dict(configured.known)
        return Naming(names, unknown=_without(configured.names, names.values()))
    there = {nic.mac.lower() for nic in nics if nic.mac}
    names = {mac: name for mac, name in configured.known.items() if mac in there}
    left = list(_without(configured.names, names.values()))
    free = [
        nic
        for nic in nics
        if not nic.mac or not (nic.mac.lower() in names or nic.mac.lower() in configured.nameless)
    ]
    pairs: list[tuple[str, Nic]] = []
    for name in list(left):
        slot = _SLOT.fullmatch(name)
        at = [nic for nic in free if slot and _slot(nic) == int(slot[1])]
        if len(at) == 1:
            pairs.append((name, at[0]))
            left.remove(name)
            free.remove(at[0])
    if len(left) == len(free) and len({re.sub(r"\d+", "", name) for name in left}) == 1:
        if all(map(_BY_BUS.fullmatch, left)) and all(nic.pci_slot is not None for nic in free):
            free.sort(key=_place)
        pairs += zip(sorted(left, key=natural), free, strict=True)
        left = []
    names |= {nic.mac.lower(): name for name, nic in pairs if nic.mac}
    lacking = [name for name, nic in pairs if not nic.mac]
    if len(nics) == 1 and lacking:
        return Naming(names, alone=lacking[0])
    return Naming(names, unknown=(*lacking, *left))


def _place(nic: Nic) -> tuple[int, int]:
    """Return VMware's slot and the function in it, the order of the buses: 1184 is function 1 of 160."""
    return divmod(nic.pci_slot or 0, 1 << 10)[::-1]


def _slot(nic: Nic) -> int | None:
    """Return the number that the guest sees of the slot: function 1 of 160 is 161."""
    return None if nic.pci_slot is None else sum(_place(nic))


def _without(names: Sequence[str], taken: Iterable[str]) -> tuple[str, ...]:
    known = set(taken)
    return tuple(name for name in names if name not in known)
