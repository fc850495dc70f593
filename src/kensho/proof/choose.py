"""Which profiles are tried: those named, of those named by platform the ones a machine can start by."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.appliances.image.partitions import starts_by
from kensho.convert.guests import GuestDisks
from kensho.model.errors import UsageError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Firmware
from kensho.platforms import find_platform
from kensho.proof.profiles import DISTINCT, PROFILES, profile
from kensho.proof.profiles.base import Profile


class Choice(msgspec.Struct, frozen=True):
    """Profiles to try, in order, and the names of those that are tried whatever the firmware is."""

    profiles: tuple[Profile, ...]
    named: frozenset[str] = frozenset()

    @property
    def platforms(self) -> str:
        """The platforms, each once, with commas."""
        return ",".join(dict.fromkeys(row.platform for row in self.profiles))

    @property
    def starts(self) -> bool:
        """Whether a guest is started on any of them."""
        return any(not row.static for row in self.profiles)


def choose(words: str) -> Choice:
    """Return profiles by their own names, and all of the platforms named; ``all`` is every profile.

    UsageError for names of neither, and of platforms without a profile.
    """
    names = [word.strip().lower() for word in words.split(",") if word.strip()]
    if not names:
        raise UsageError("no profile", hint="--on vmware,kvm; --on list shows them")
    known = {row.name for row in PROFILES}
    found: dict[str, Profile] = {}
    for name in names:
        if name in known:
            found[name] = profile(name)
            continue
        rows = DISTINCT if name == "all" else _of_platform(name)
        found |= {row.name: row for row in rows}
    return Choice(tuple(found.values()), frozenset(names) & known)


def _of_platform(name: str) -> tuple[Profile, ...]:
    try:
        platform = find_platform(name).name
    except UsageError:
        raise UsageError(
            f"there is no platform or profile {name!r}", hint="kensho prove --on list shows them"
        ) from None
    rows = tuple(row for row in PROFILES if row.platform == platform)
    if not rows:
        raise UsageError(f"there is no profile for {platform}", hint="--on list shows them")
    return rows


def suitable(choice: Choice, machines: Sequence[GuestDisks]) -> Choice:
    """Keep the profiles of the firmware that all machines start by, and those that were named.

    UsageError when none is left.
    """
    firmware = {machine.id: _starts_by(machine) for machine in machines}
    common = frozenset(Firmware).intersection(*firmware.values())
    found = tuple(p for p in choice.profiles if p.name in choice.named or p.firmware in common)
    if found:
        return Choice(found, choice.named)
    if not common:
        kinds = "; ".join(f"{name} by {_words(kinds)}" for name, kinds in firmware.items())
        raise UsageError(
            f"no firmware starts all of its machines: {kinds}",
            hint="name a profile itself, or one machine with --machine",
        )
    raise UsageError(
        f"no profile there has the firmware it starts by: {_words(common)}",
        hint="name a profile itself",
    )


def other_firmware(choice: Choice, machines: Sequence[GuestDisks]) -> tuple[Finding, ...]:
    """Return KF-983 for machines that state another firmware than profiles which were named have."""
    found = []
    starts = [p for p in choice.profiles if not p.static]
    for machine in machines:
        own = machine.machine.firmware if machine.machine is not None else None
        names = [p.name for p in starts if own is not None and own.kind != p.firmware]
        if own is not None and own.stated and names:
            words = f"states {own.kind.value} as its firmware, which {', '.join(names)} have not"
            action = (
                "it is tried there all the same: what comes up is not the machine as it is stated"
            )
            found.append(Finding("KF-983", Severity.WARNING, words, machine.id, action))
    return tuple(found)


def _starts_by(machine: GuestDisks) -> frozenset[Firmware]:
    if machine.machine is not None and machine.machine.firmware.stated:
        return frozenset({machine.machine.firmware.kind})
    return frozenset(starts_by(machine.readers[0]) if machine.readers else Firmware)


def _words(kinds: frozenset[Firmware]) -> str:
    return ", ".join(sorted(kind.value for kind in kinds))
