"""Give networks the names they have at the target: ``--network A=B``.

A wrong name is an error with the right ones, never a silent fall-back to some network
(vmware/govmomi#1807).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import msgspec

from kensho.model.appliance import Appliance, Network
from kensho.model.errors import UsageError

NetworkMap = tuple[tuple[str, str], ...]
_ALL = "*"


def read_network(text: str) -> tuple[str, str]:
    """Read ``NAME=TARGET``; UsageError when one of them is missing."""
    name, equals, target = text.rpartition("=")
    if not equals or not name.strip() or not target.strip():
        raise UsageError(
            f"not NAME=TARGET: {text!r}",
            field="--network",
            hint='for example --network "VM Network=br0"; *=br0 is for all',
        )
    return name.strip(), target.strip()


def map_networks(appliance: Appliance, names: Sequence[tuple[str, str]]) -> Appliance:
    """Return the appliance on other networks; ``*`` stands for all that are not named.

    A name fits in any case. UsageError names all that fit nothing, with the valid names.
    """
    if not names:
        return appliance
    known = _known(appliance)
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    targets: dict[str, str] = {}
    faults = []
    for name, target in names:
        if name == _ALL and _ALL not in known:
            continue
        found = name if name in known else folded.get(name.casefold())
        if found is None:
            close = difflib.get_close_matches(name.casefold(), list(folded), n=1)
            meant = f", did you mean {folded[close[0]]!r}?" if close else ""
            faults.append(f"there is no network {name!r}{meant}")
        else:
            targets[found] = target
    if faults:
        listed = ", ".join(map(repr, known)) or "none"
        raise UsageError("; ".join(faults), field="--network", hint=f"networks: {listed}")
    for name, target in names:
        if name == _ALL and _ALL not in known:
            targets = dict.fromkeys(known, target) | targets
    networks = {targets.get(n.name, n.name): n.description for n in reversed(appliance.networks)}
    return msgspec.structs.replace(
        appliance,
        networks=tuple(Network(*pair) for pair in reversed(networks.items())),
        machines=tuple(
            msgspec.structs.replace(
                machine,
                nics=tuple(
                    msgspec.structs.replace(
                        nic,
                        network=targets.get(nic.network, nic.network),
                        target_network=targets.get(nic.network, ""),
                    )
                    for nic in machine.nics
                ),
            )
            for machine in appliance.machines
        ),
    )


def _known(appliance: Appliance) -> tuple[str, ...]:
    names = [n.name for n in appliance.networks]
    names += [nic.network for m in appliance.machines for nic in m.nics]
    return tuple(dict.fromkeys(name for name in names if name))
