"""What a guest that came up is asked, as options of `kensho prove`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from kensho.cli.flags import Flag
from kensho.proof.asking import Questions
from kensho.proof.probes import parse
from kensho.proof.unanswered import PowerOff


@Parameter(name="*")
@dataclass(frozen=True)
class Asks:
    """What is asked of a guest that came up.

    Parameters
    ----------
    probe
        What has to answer: tcp:22, http:80/health, https:443/, ssh:22, or 'agent:COMMAND' for a command
        inside that has to end with 0. Repeatable.
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
    probe_timeout: float = 0
    ask_agent: Annotated[bool, Flag] = False
    shutdown: PowerOff = PowerOff.ASK

    @property
    def questions(self) -> Questions:
        """The questions. UsageError for a probe that is none."""
        return Questions(parse(self.probe), self.ask_agent, self.probe_timeout)

    @property
    def in_words(self) -> tuple[str, ...]:
        """What was asked for, for the statement."""
        words = [f"probe: {probe.name}" for probe in self.questions.probes]
        if self.questions.needs_agent:
            words.append("the guest's agent is asked")
        return (*words, f"shutdown by ACPI: {self.shutdown.value}")
