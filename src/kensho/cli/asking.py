"""What a guest that came up is asked, as options of `kensho prove`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from kensho.cli.flags import Amount, Flag
from kensho.convert.guests import GuestDisks
from kensho.proof.causes.unanswered import PowerOff
from kensho.proof.probes import Probe
from kensho.proof.together.asked import probes_of
from kensho.proof.watch.asking import Questions


@Parameter(name="*")
@dataclass(frozen=True)
class Asks:
    """What is asked of a guest that came up.

    Parameters
    ----------
    probe
        What has to answer: tcp:22, http:80/health, https:443/, ssh:22, or 'agent:COMMAND' for a command
        inside that has to end with 0. Of several machines it names one: web=http:80/health. Repeatable.
    probe_timeout
        Seconds for probes to be answered, counted from when the guest came up; by default 60 where
        emulation runs as on an idle machine, more where it is slower.
    ask_agent
        Give the guest a port for QEMU's agent, and keep what it says. A probe of it does that, too.
    shutdown
        ask: a guest that came up is asked by ACPI to shut down, and it is said whether it does; require:
        one that does not fails; skip: its power is cut.
    """

    probe: Annotated[tuple[str, ...], Flag] = ()
    probe_timeout: Annotated[float, Amount] = 0
    ask_agent: Annotated[bool, Flag] = False
    shutdown: PowerOff = PowerOff.ASK

    @property
    def questions(self) -> Questions:
        """The questions, without the probes."""
        return Questions((), self.ask_agent, self.probe_timeout)

    def probes_of(self, machines: Sequence[GuestDisks]) -> tuple[tuple[Probe, ...], ...]:
        """Return each machine's probes. UsageError for one that is none, or names no machine."""
        return probes_of(self.probe, machines)

    def in_words(self, probes: Sequence[tuple[Probe, ...]]) -> tuple[str, ...]:
        """Return what was asked for, for the statement."""
        words = [f"probe: {word}" for word in dict.fromkeys(self.probe)]
        if any(Questions(own, self.ask_agent).needs_agent for own in probes):
            words.append("the guest's agent is asked")
        return (*words, f"shutdown by ACPI: {self.shutdown.value}")
