"""The adaptation of guests as a part of a plan: which files change and why, not their bytes.

A run plans it again from the disks, and does nothing when it would be another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from kensho.convert.adapting import Macs, PlannedGuest
from kensho.convert.mapping import is_unicast_mac
from kensho.convert.renewing import Renewed
from kensho.guest.aims import Aims
from kensho.guest.edit.backends import choose
from kensho.guest.linux.adapt.kernel_plan import KernelPlan
from kensho.guest.windows.adapt.steps import WindowsPlan
from kensho.model.errors import CorruptError
from kensho.model.machine import Machine
from kensho.platforms import Form, find_platform


class AdaptStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of one file: its new ``size`` and ``sha256``, empty when it goes or is a link.

    ``editor`` is the program that changes the files of its ``volume``; ``details`` are the changes
    within the file.
    """

    machine: str
    volume: str
    path: str
    why: str
    editor: str
    size: int = 0
    sha256: str = ""
    target: str = ""
    details: tuple[str, ...] = ()


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the user wants of the guests; none of it without ``platforms``. See `Aims`."""

    platforms: tuple[str, ...] = ()
    agents: bool = False
    seed: bool = False
    drivers: tuple[str, ...] = ()
    unsigned_drivers: bool = False
    remove_tools: bool = False

    def aims(self, *, identity: bool) -> Aims:
        """Return it as what plans adaptations understands."""
        return Aims(
            tuple(map(find_platform, self.platforms)),
            identity=identity,
            agents=self.agents,
            seed=self.seed,
            drivers=tuple(map(Path, self.drivers)),
            unsigned_drivers=self.unsigned_drivers,
            remove_tools=self.remove_tools,
        )


class Adaptation(msgspec.Struct, frozen=True):
    """All that is to be changed of the guests.

    ``kernels`` and ``windows`` say what they start from then; ``macs`` are the addresses that the
    adapters of each machine will have, see `Aims.macs`.
    """

    platforms: tuple[str, ...]
    steps: tuple[AdaptStep, ...]
    kernels: tuple[KernelPlan, ...] = ()
    windows: tuple[WindowsPlan, ...] = ()
    macs: Macs = {}


def new_addresses(machines: Iterable[Machine], form: Form, drawn: Mapping[str, Renewed]) -> Macs:
    """Return the addresses that do not stay: of each machine, old ones and the new, empty if unknown.

    ``drawn`` are those of a copy.
    """
    found: dict[str, dict[str, str]] = {}
    for machine in machines:
        new = drawn[machine.id].macs if machine.id in drawn else {}
        for nic in machine.nics:
            now = new.get(nic.id, nic.mac) if form.carries.mac else None
            now = now if is_unicast_mac(now) else None
            if nic.mac and (now or "").lower() != nic.mac.lower():
                found.setdefault(machine.id, {})[nic.mac.lower()] = (now or "").lower()
    return found


def demand_addresses(macs: Macs, before: Sequence[Machine], after: Sequence[Machine]) -> None:
    """Raise CorruptError unless machines have the addresses ``after`` that guests are changed for."""
    mapped = {(m.id, nic.id): nic for m in after for nic in m.nics}
    for machine in before:
        for nic in machine.nics:
            new = mapped.get((machine.id, nic.id))
            if new is None or not is_unicast_mac(nic.mac):
                continue
            old = nic.mac.lower() if nic.mac else ""
            if macs.get(machine.id, {}).get(old, old) != (new.mac or "").lower():
                raise CorruptError(
                    f"adapter {nic.name or nic.id} is to have {new.mac or 'an address of the target'},"
                    " and its guest is changed for another address",
                    field=f"after.{machine.id}.nics",
                    hint="make the plan again; addresses in it are not to be edited with --adapt",
                )


def described(guests: Iterable[PlannedGuest], aims: Aims, macs: Macs) -> Adaptation:
    """Return planned edits as data."""
    steps: list[AdaptStep] = []
    kernels: list[KernelPlan] = []
    windows: list[WindowsPlan] = []
    for guest in guests:
        kernels += guest.plan.kernels
        windows += guest.plan.windows
        for volume in guest.plan.volumes:
            editor = choose(volume.volume).name
            for edit in volume.edits:
                content = edit.content
                steps.append(
                    AdaptStep(
                        machine=guest.disks.id,
                        volume=volume.volume.id,
                        path=edit.path,
                        why=edit.why,
                        editor=editor,
                        size=len(content or b""),
                        sha256=hashlib.sha256(content).hexdigest() if content is not None else "",
                        target=edit.target,
                        details=edit.details,
                    )
                )
    names = tuple(platform.name for platform in aims.platforms)
    return Adaptation(names, tuple(steps), tuple(kernels), tuple(windows), macs)


def demand_same(planned: Adaptation, now: Adaptation, source: str) -> None:
    """Raise CorruptError, naming the first file, unless what is to be changed is what was planned."""
    if planned == now:
        return
    known = set(planned.steps)
    odd = next((s for s in now.steps if s not in known), None)
    raise CorruptError(
        "the guest is to be changed in another way than was planned"
        + (f": {odd.path}" if odd is not None else ""),
        path=source,
        hint="make the plan again, with this version of kensho",
    )
