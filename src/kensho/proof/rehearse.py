"""What a proof would start, without a start: profiles, machines, memory, and what hinders it here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.convert.guests import GuestDisks
from kensho.model.errors import KenshoError
from kensho.model.machine import Firmware
from kensho.proof.guests import memory_of
from kensho.proof.probes import Probe
from kensho.proof.profiles.base import Profile
from kensho.proof.prove import slots
from kensho.proof.qemu.arguments import find_qemu, find_uefi
from kensho.proof.qemu.devices import demand_places


class Planned(msgspec.Struct, frozen=True):
    """A profile. ``how`` is ``start``, or ``static`` for one that is judged from the guest's files: ``why``."""

    profile: str
    platform: str
    title: str
    how: str
    why: str = ""


class Cast(msgspec.Struct, frozen=True):
    """A machine that is started on each profile: ``memory`` in bytes, ``probes`` by their words."""

    machine: str
    memory: int
    disks: int
    probes: tuple[str, ...] = ()


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done. ``at_once`` is how many profiles are started at a time, at most.

    ``hindrances`` say why what is to be started cannot be, here and now.
    """

    profiles: tuple[Planned, ...]
    machines: tuple[Cast, ...]
    at_once: int
    hindrances: tuple[str, ...]


def rehearse(
    profiles: Sequence[Profile],
    machines: Sequence[GuestDisks],
    memory: int,
    probes: Sequence[tuple[Probe, ...]],
) -> Rehearsal:
    """Return what a proof would do; ``memory`` is bytes for each machine, 0 for what it has itself."""
    started = [profile for profile in profiles if not profile.static]
    memories = [memory or memory_of(machine) for machine in machines]
    hindrances, at_once = [], 0
    try:
        at_once = min(slots(memories), len(started))
    except KenshoError as error:
        hindrances.append(str(error))
    for find, is_needed in (
        (find_qemu, True),
        (find_uefi, any(profile.firmware is Firmware.UEFI for profile in started)),
    ):
        try:
            if is_needed:
                find()
        except KenshoError as error:
            hindrances.append(str(error))
    for profile in started:
        try:
            demand_places(profile, max(len(one.disks) for one in machines))
        except KenshoError as error:
            hindrances.append(f"{profile.name}: {error}")
    return Rehearsal(
        profiles=tuple(
            Planned(p.name, p.platform, p.title, "static" if p.static else "start", p.static)
            for p in profiles
        ),
        machines=tuple(
            Cast(one.id, size, len(one.disks), tuple(probe.name for probe in own))
            for one, size, own in zip(machines, memories, probes, strict=True)
        ),
        at_once=at_once,
        hindrances=tuple(hindrances) if started else (),
    )
