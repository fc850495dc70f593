"""A probe asked again and again until it is answered as it should be, or time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from kensho.proof.probes.agent import command_succeeds
from kensho.proof.probes.answer import Answer, bad
from kensho.proof.probes.http import status_of
from kensho.proof.probes.ssh import banner_of
from kensho.proof.probes.tcp import SILENCE, port_opens
from kensho.proof.probes.words import Kind, Probe

Address = tuple[str, int]  #: a host and a port, from here

NO_WAY = "no address leads to its port"
_ONCE = 20.0  # seconds that one answer may take: an emulated web server's first page does
_PAUSE = 1.0


class ProbeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a probe showed: ``seen`` in words, ``seconds`` from the first try; ``output`` is a command's."""

    name: str
    ok: bool
    seen: str
    seconds: float
    output: str = ""


def run(
    probe: Probe,
    address: Address | None,
    agent: Path | None,
    *,
    seconds: float,
    silence: float = SILENCE,
    answered: Callable[[], bool] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ProbeResult:
    """Ask a probe for up to so many seconds.

    ``address`` leads to the guest's port, ``agent`` is the socket of its agent; a probe that needs one
    that is None fails. Where something between accepts connections for the guest, as a forward does,
    ``answered`` tells whether the guest itself accepted one on that port; None where nothing does. ``silence``
    is as in `port_opens`.
    """
    begun = time.monotonic()
    deadline = begun + seconds
    while True:
        until = min(deadline, time.monotonic() + _ONCE)
        answer = _ask(probe, address, agent, until, silence, answered)
        now = time.monotonic()
        if answer.ok or answer.final or now + _PAUSE >= deadline or stopped():
            return ProbeResult(
                probe.name, answer.ok, answer.seen, round(now - begun, 1), answer.output
            )
        time.sleep(_PAUSE)


def _ask(
    probe: Probe, address: Address | None, agent: Path | None, until: float, silence: float,
    answered: Callable[[], bool] | None,
) -> Answer:  # fmt: skip
    if probe.kind is Kind.AGENT:
        if agent is None:
            return bad("no agent's port was there", final=True)
        return command_succeeds(agent, probe.command, until)
    if address is None:
        return bad(NO_WAY, final=True)
    match probe.kind:
        case Kind.TCP:
            return port_opens(address, until, answered, silence)
        case Kind.SSH:
            return banner_of(address, until)
        case _:
            return status_of(address, probe.path, until, tls=probe.kind is Kind.HTTPS)
