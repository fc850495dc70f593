"""Which machine a probe is of: ``web=http:80/health``, and plain ``http:80/`` where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.convert.guests import GuestDisks
from kensho.model.errors import UsageError
from kensho.proof.probes import Probe, parse


def probes_of(
    words: Sequence[str], machines: Sequence[GuestDisks]
) -> tuple[tuple[Probe, ...], ...]:
    """Return the probes of each machine, in the machines' order; see `parse` for the words.

    UsageError for a word that is no probe, or of several machines names none.
    """
    own: list[list[str]] = [[] for _ in machines]
    for word in words:
        number, rest = _whose(word, machines)
        own[number].append(rest)
    return tuple(map(parse, own))


def _whose(word: str, machines: Sequence[GuestDisks]) -> tuple[int, str]:
    """Return the machine that a word begins with, by id or name, and the rest of it."""
    for number, machine in enumerate(machines):
        names = {machine.id, machine.machine.name if machine.machine else ""}
        for name in names - {""}:
            if word.startswith(f"{name}="):
                return number, word.removeprefix(f"{name}=")
    if len(machines) == 1:
        return 0, word
    known = ", ".join(machine.id for machine in machines)
    raise UsageError(
        f"{word[:80]!r} does not say of which machine",
        hint=f"MACHINE={word[:80]}; machines: {known}",
    )
