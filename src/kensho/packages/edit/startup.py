"""StartupSection (DSP0243 §9.7): the order in which machines start, and delays in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.appliances.ovf.elements import attribute, children
from kensho.model.errors import UsageError
from kensho.packages.edit.scope import SYSTEMS, Scope, contents, kind, sections
from kensho.packages.edit.tree import add, section, set_attribute
from kensho.packages.edit.values import count, unknown

PLACE = ("Info", "Name", "ResourceAllocationSection", "ProductSection", "Section")


def set_start_order(scope: Scope, steps: Sequence[str]) -> None:
    """Start the machines in this order; ``db+30`` waits 30 seconds, ``db+guest`` for its tools.

    Machines that are not named keep what they have; one that has nothing starts at any time.
    """
    top = next((c for c in contents(scope.root) if kind(c) == "VirtualSystemCollection"), None)
    if top is None:
        raise UsageError("one machine has no start order", hint="it is for collections")
    known = [attribute(e, "id") for e in children(top) if kind(e) in SYSTEMS]
    found = sections(top, "StartupSection")
    into = (
        found[0]
        if found
        else section(top, "StartupSection", "The order in which the machines start", PLACE)
    )
    there = {attribute(i, "id"): i for i in children(into, "Item")}
    for order, step in enumerate(steps, 1):
        ident, *delays = step.split("+")
        if ident not in known:
            raise unknown(f"there is no machine {ident!r}", ident, known)
        item = there.get(ident)
        if item is None:
            item = add(into, "Item", id=ident)
        set_attribute(item, "order", str(order))
        for delay in delays:
            if delay == "guest":
                set_attribute(item, "waitingForGuest", "true")
            else:
                set_attribute(item, "startDelay", str(count(delay, f"start of {ident}", 0)))
