"""Machines as they are tried: their disks with what is changed on them, their adapters, their memory.

Whatever is laid over the disks is in files of ours, and thrown away; the disks are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kensho.convert.adapting import carry_out_guest, patched, plan_guests, recorded
from kensho.convert.events import Listener, Message
from kensho.convert.guests import GuestDisks
from kensho.disks import DiskReader
from kensho.guest.adapt.changes import ChangeSet
from kensho.guest.aims import Aims
from kensho.guest.inspect.facts import GuestReport
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.inspect.kernels import Loaded, load_kernels
from kensho.guest.volumes.luks.device import Key
from kensho.model.appliance import StartItem
from kensho.model.finding import Finding, Severity
from kensho.proof.causes.static import Foretold, foretell
from kensho.proof.inside.overlay import reporting
from kensho.proof.probes import Probe
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.devices import Drive
from kensho.proof.trial import Trial
from kensho.proof.try_out import Limits, Start, Together, try_out

_MEMORY, _MOST_MEMORY = 512 << 20, 2 << 30
_FIRST_MAC = 0x525400123456  # of those that QEMU's own machines have


@dataclass(frozen=True, slots=True)
class Plug:
    """An adapter: its address, and the network it is on; None where it is on none."""

    mac: str
    network: str | None = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A machine's disks as they are to be proven, and what is on them."""

    machine: GuestDisks
    disks: tuple[DiskReader, ...]
    report: GuestReport


@dataclass(frozen=True, slots=True)
class Proven:
    """Machines as they are to be proven, what was changed in them, None for nothing, and findings."""

    machines: tuple[Made, ...]
    changes: ChangeSet | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A machine to be tried. ``memory`` is bytes, ``folder`` a name for its files within a profile's.

    ``kernels`` are those on its disks, ``default_kernel`` the version of the one that starts, empty
    when that is not known; ``reports`` tells that it says on the serial port what it started from.
    ``start`` is its place in the start order, None where it has none; ``probes`` are those of it.
    """

    name: str
    folder: str
    disks: tuple[DiskReader, ...]
    plugs: tuple[Plug, ...]
    memory: int
    kernels: tuple[Loaded, ...] = ()
    default_kernel: str = ""
    reports: bool = False
    start: StartItem | None = None
    probes: tuple[Probe, ...] = ()


@contextmanager
def as_proven(
    machines: Sequence[GuestDisks],
    aims: Aims | None,
    scratch: Path,
    listener: Listener,
    keys: Sequence[Key] = (),
) -> Iterator[Proven]:
    """Give machines as they are to be proven, changed for ``aims``.

    Nothing is changed without aims. Files of ours go to ``scratch``, a folder; ``keys`` open volumes of LUKS.
    """
    if aims is None:
        yield Proven(tuple(_made(machine, machine.readers, keys) for machine in machines))
        return
    planned, findings = plan_guests(machines, aims)
    adapted = {
        guest.disks.id: carry_out_guest(guest, scratch / f"adapted{number}", listener)
        for number, guest in enumerate(planned, 1)
    }
    changes, _ = recorded(tuple(adapted.values()), "", [p.name for p in aims.platforms])
    with ExitStack() as stack:
        made = []
        for machine in machines:
            disks = machine.readers
            if machine.id in adapted:
                pairs = zip(disks, adapted[machine.id].pieces, strict=True)
                disks = tuple(stack.enter_context(patched(below, over)) for below, over in pairs)
            made.append(_made(machine, disks, keys))
        yield Proven(tuple(made), changes, findings)


def _made(machine: GuestDisks, disks: tuple[DiskReader, ...], keys: Sequence[Key]) -> Made:
    return Made(machine, disks, inspect_disks(disks, keys))


@contextmanager
def as_tried(
    made: Sequence[Made],
    memory: int,
    scratch: Path,
    listener: Listener,
    *,
    reports: bool,
    keys: Sequence[Key] = (),
    probes: Sequence[tuple[Probe, ...]] = (),
) -> Iterator[tuple[Guest, ...]]:
    """Give guests to start: with ``reports`` they say what they started from, where that can be had.

    ``memory`` is bytes for each, 0 for what it has itself; ``keys`` open volumes of LUKS, ``probes`` are
    each machine's.
    """
    several = len(made) > 1
    places = folders([one.machine.id for one in made])
    taken: set[str] = set()
    with ExitStack() as stack:
        guests = []
        for number, one in enumerate(made, 1):
            machine, disks, why = one.machine, one.disks, ""
            if reports:
                work = scratch / f"report{number}"
                work.mkdir()
                disks, why = stack.enter_context(reporting(disks, work, keys))
            if why:
                whose = machine.id if several else "the guest"
                listener(Message(f"{whose} does not report: {why}"))
            plugs = plugs_of(machine, number, taken)
            taken |= {plug.mac for plug in plugs}
            guests.append(
                Guest(
                    name=machine.id if several else "",
                    folder=places[number - 1] if several else "",
                    disks=disks,
                    plugs=plugs,
                    memory=memory or memory_of(machine),
                    kernels=tuple(load_kernels(disks, keys)),
                    default_kernel=_default_kernel(one.report),
                    reports=reports and not why,
                    start=machine.start,
                    probes=probes[number - 1] if probes else (),
                )
            )
        yield tuple(guests)


def _default_kernel(report: GuestReport) -> str:
    """Return the version of the kernel that starts by default, empty when that is not known."""
    for system in report.systems:
        for boot in system.boots:
            if boot.default:
                name = boot.kernel.rpartition("/")[2]
                return next((k.version for k in system.kernels if k.image.endswith(name)), "")
    return ""


def foretold_of(guest: Guest, profile: Profile) -> Foretold:
    """Return what a guest's files tell of its start on a profile."""
    return foretell(guest.kernels, guest.default_kernel, profile)


def try_guest(
    profile: Profile,
    guest: Guest,
    drives: Sequence[Drive],
    folder: Path,
    limits: Limits,
    *,
    on_event: Callable[[str], None],
    stopped: Callable[[], bool],
    together: Together | None = None,
) -> Trial:
    """Boot a guest on a profile, as `try_out` does; ``folder`` is the profile's."""
    start = Start(
        drives=drives, macs=[plug.mac for plug in guest.plugs], memory=guest.memory,
        folder=folder / guest.folder, reports=guest.reports, foretold=foretold_of(guest, profile),
    )  # fmt: skip
    questions = msgspec.structs.replace(limits.questions, probes=guest.probes)
    limits = msgspec.structs.replace(limits, questions=questions)
    trial = try_out(profile, start, limits, on_event=on_event, stopped=stopped, together=together)
    return msgspec.structs.replace(trial, machine=guest.name, folder=guest.folder)


def plugs_of(
    machine: GuestDisks, number: int, taken: Collection[str] = frozenset()
) -> tuple[Plug, ...]:
    """Return a machine's adapters; one of QEMU's where nothing is known of it, ``number`` counts from 1.

    An adapter whose address the source leaves to its platform, or that another machine has ``taken``,
    gets one that no other has here.
    """
    first = _FIRST_MAC + 256 * (number - 1)
    if machine.machine is None:
        return (Plug(_mac(first)),)
    found = [
        Plug(
            nic.mac if nic.mac and nic.mac not in taken else _mac(first + n),
            nic.network if nic.connected else None,
        )
        for n, nic in enumerate(machine.machine.nics)
    ]
    return tuple(found) or (Plug(_mac(first), None),)


def clashes(machines: Sequence[GuestDisks]) -> tuple[Finding, ...]:
    """Return KF-982 for adapters that have the address of another machine's."""
    owners: dict[str, str] = {}
    found = []
    for machine in machines:
        macs = [nic.mac for nic in machine.machine.nics if nic.mac] if machine.machine else []
        for mac in macs:
            owner = owners.setdefault(mac, machine.id)
            if owner != machine.id:
                found.append(
                    Finding("KF-982", Severity.WARNING, f"has the address of {owner}'s adapter: {mac}",
                            machine.id, "it gets another one while both are tried together")
                )  # fmt: skip
    return tuple(found)


def _mac(number: int) -> str:
    return number.to_bytes(6, "big").hex(":")


def memory_of(machine: GuestDisks) -> int:
    """Return the bytes of memory that a machine is tried with unless somebody says it."""
    known = machine.machine.memory.size if machine.machine is not None else 0
    return min(known, _MOST_MEMORY) or _MEMORY


def folders(names: Sequence[str]) -> tuple[str, ...]:
    """Return ids of machines as names of folders, each another one, also where case is not told apart."""
    found: list[str] = []
    for name in names:
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)
        stem, number = plain[:64] or "machine", 1
        while (made := stem if number == 1 else f"{stem}-{number}").lower() in map(
            str.lower, found
        ):
            number += 1
        found.append(made)
    return tuple(found)
