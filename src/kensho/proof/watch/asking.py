"""What is asked of a guest that came up, while it runs: its agent, and the probes of a user."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from kensho.model.errors import ProofError
from kensho.proof.probes import SILENCE, Address, Kind, Probe, ProbeResult
from kensho.proof.probes import run as run_probe
from kensho.proof.qemu.agent import AgentSeen, look
from kensho.proof.watch.network import Network

_LEAST = 10.0  # seconds of the time that are left for a guest which says no address
_LOOK = 1.0


class Questions(msgspec.Struct, frozen=True):
    """What to ask. All of it is over ``seconds`` after the guest came up.

    ``agent`` is asked for without a probe of it, too. A port that keeps a connection open for ``silence``
    seconds waits to be spoken to.
    """

    probes: tuple[Probe, ...] = ()
    agent: bool = False
    seconds: float = 60
    silence: float = SILENCE

    @property
    def needs_agent(self) -> bool:
        """Whether an agent has to have its port."""
        return self.agent or any(probe.kind is Kind.AGENT for probe in self.probes)


class Asked(msgspec.Struct, frozen=True):
    """What was answered: ``agent`` is None, and ``silence`` says why, where it does not answer.

    ``stopping`` is what it said when it was asked to shut down.
    """

    agent: AgentSeen | None = None
    silence: str = ""
    probes: tuple[ProbeResult, ...] = ()
    stopping: str = ""


def ask(
    questions: Questions, network: Network, agent: Path | None, stopped: Callable[[], bool]
) -> Asked:
    """Ask a guest, all at once; ``agent`` is the socket of its agent, None where it has no port for one."""
    deadline = time.monotonic() + questions.seconds
    with ThreadPoolExecutor(len(questions.probes) + 1) as pool:
        looked = None
        if agent is not None and questions.needs_agent:
            looked = pool.submit(look, agent, deadline)
        waiting: dict[Probe, Future[ProbeResult]] = {}
        for probe in questions.probes:
            if probe.kind is Kind.AGENT:
                waiting[probe] = pool.submit(
                    run_probe, probe, None, agent, seconds=questions.seconds, stopped=stopped
                )
        forwards = _forwards(questions, network, deadline, stopped)
        for probe in questions.probes:
            if probe.kind is not Kind.AGENT:
                waiting[probe] = pool.submit(
                    run_probe, probe, forwards[probe.port], None, seconds=deadline - time.monotonic(),
                    silence=questions.silence, answered=_acceptance(network, probe.port), stopped=stopped,
                )  # fmt: skip
        results = tuple(_own(waiting[p].result(), p, network) for p in questions.probes)
        if looked is None:
            return Asked(probes=results)
        try:
            return Asked(looked.result(), probes=results)
        except ProofError as error:
            return Asked(silence=error.message, probes=results)


def _own(result: ProbeResult, probe: Probe, network: Network) -> ProbeResult:
    if not result.ok or probe.kind is Kind.AGENT or network.is_answering(probe.port):
        return result
    seen = f"another machine answers at its address: {result.seen}"
    return msgspec.structs.replace(result, ok=False, seen=seen)


def _acceptance(network: Network, port: int) -> Callable[[], bool]:
    return lambda: network.accepted(port)


def _forwards(
    questions: Questions, network: Network, deadline: float, stopped: Callable[[], bool]
) -> dict[int, Address | None]:
    """Return what leads to each port of the guest, once it is known by which address it goes."""
    ports = {probe.port for probe in questions.probes if probe.kind is not Kind.AGENT}
    if not ports:
        return {}
    found = network.address()
    while found is None and time.monotonic() < deadline - _LEAST and not stopped():
        time.sleep(_LOOK)
        found = network.address()
    found = found or network.usual
    if found is None:
        return dict.fromkeys(ports)
    adapter, address = found
    led = {port: network.forward(adapter, address, port) for port in ports}
    return {port: ("127.0.0.1", here) if here else None for port, here in led.items()}
