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
    """Return the machine that a word begins with, by id, else by name, and the rest of it."""
    ids = [machine.id for machine in machines]
    names = [machine.machine.name if machine.machine else "" for machine in machines]
    for words in (ids, names):
        found = [n for n, name in enumerate(words) if name and word.startswith(f"{name}=")]
        if found:
            longest = max(len(words[n]) for n in found)
            first, *others = [n for n in found if len(words[n]) == longest]
            if others:
                raise UsageError(
                    f"several machines are called {words[first]!r}", hint=f"ids: {', '.join(ids)}"
                )
            return first, word[longest + 1 :]
    if len(machines) == 1:
        return 0, word
    raise UsageError(
        f"{word[:80]!r} does not say of which machine",
        hint=f"MACHINE={word[:80]}; machines: {', '.join(ids)}",
    )
