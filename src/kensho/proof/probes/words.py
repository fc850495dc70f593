"""Probes in words: ``tcp:22``, ``http:80/health``, ``https:443/``, ``ssh:22``, ``agent:COMMAND``."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

import msgspec

from kensho.model.errors import UsageError

_MOST, _LONGEST = 32, 1024
_PORT = re.compile(r"([0-9]{1,5})(/.*)?")
_HINT = "tcp:22, http:80/health, https:443/, ssh:22, 'agent:systemctl is-system-running'"


class Kind(enum.StrEnum):
    """What is asked: a port, a status of HTTP, a banner of SSH, a command through the guest's agent."""

    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    SSH = "ssh"
    AGENT = "agent"


class Probe(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question. ``name`` is as it was asked; ``port`` is the guest's, ``path`` HTTP's."""

    name: str
    kind: Kind
    port: int = 0
    path: str = ""
    command: str = ""


def parse(words: Sequence[str]) -> tuple[Probe, ...]:
    """Return the probes, each once. UsageError for a word that is none."""
    found = dict.fromkeys(_probe(word) for word in words)
    if len(found) > _MOST:
        raise UsageError(f"{len(found)} probes are more than {_MOST}")
    return tuple(found)


def _probe(word: str) -> Probe:
    name, _, rest = word.partition(":")
    if name not in set(Kind) or len(word) > _LONGEST or not word.isprintable():
        raise UsageError(f"no probe: {word[:80]!r}", hint=_HINT)
    kind = Kind(name)
    if kind is Kind.AGENT:
        if not rest.strip():
            raise UsageError("agent: has no command", hint=_HINT)
        return Probe(word, kind, command=rest.strip())
    match = _PORT.fullmatch(rest)
    if match is None or not 0 < int(match[1]) < 1 << 16:
        raise UsageError(f"{word!r} has no port from 1 to 65535", hint=_HINT)
    path = match[2] or ""
    if kind not in {Kind.HTTP, Kind.HTTPS}:
        if path:
            raise UsageError(f"{word!r}: only http and https have a path", hint=_HINT)
        return Probe(word, kind, int(match[1]))
    if not path.isascii() or " " in path:
        raise UsageError(f"{word!r}: what is not ASCII is written as %XX in a path", hint=_HINT)
    return Probe(word, kind, int(match[1]), path or "/")
