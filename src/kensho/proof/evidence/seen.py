"""What was seen of a start in words: by which drivers it came so far, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.proof.evidence.page_words import lease_words, text
from kensho.proof.trial import Trial
from kensho.proof.watch.serial import NETWORK, SHUTDOWN

_MOST_NAME = 40  # characters of a probe in a table: a command may be a script


def driven_by(trial: Trial) -> dict[str, str]:
    """Return by which drivers, and with which address, milestones were reached that have such."""
    nics = [nic for nic in (trial.inside.nics if trial.inside else ()) if nic.address]
    network = "; ".join(f"{', '.join(nic.drivers)}, {nic.address}" for nic in nics)
    root = ", ".join(trial.inside.drivers) if trial.inside else ""
    return {"root file system": root, NETWORK: network or lease_words(trial)}


def answer_words(trial: Trial) -> str:
    """Return in one line what a guest that came up answered, empty when it was not asked."""
    parts = [f"{_short(told.name)} {'answers' if told.ok else 'fails'}" for told in trial.probes]
    if trial.agent is not None:
        parts.append(f"agent {trial.agent.version}")
    if SHUTDOWN in trial.milestones:
        parts.append("shut down by ACPI")
    return "; ".join((*parts, *(f"{note.what} ({note.code})" for note in trial.notes)))


def _short(name: str) -> str:
    return name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 1]}…"


def answers(trial: Trial) -> str:
    """Return the probes, what the agent said, and what else was not done, as HTML."""
    probes = "".join(
        f'<li><span class="mark {"pass" if told.ok else "fail"}">{text(told.name)}</span> '
        f'{text(told.seen)} <span class="quiet">{told.seconds:.1f} s</span>'
        + (f"<pre>{lines(told.output)}</pre>" if told.output else "")
        for told in trial.probes
    )
    told = "".join(f'<p class="quiet">{text(line)}</p>' for line in _lines(trial))
    return (f'<ul class="answers">{probes}</ul>' if probes else "") + told


def lines(said: str) -> str:
    """Return what a command said as HTML, line by line."""
    return "\n".join(text(line) for line in said.splitlines())


def _lines(trial: Trial) -> Iterator[str]:
    if trial.agent is not None:
        nics = (
            f"{nic.name} {', '.join(nic.addresses) or 'without address'}"
            for nic in trial.agent.interfaces
        )
        system = trial.agent.system or "a system that is not told"
        yield f"guest agent {trial.agent.version} in {system}: {'; '.join(nics) or 'no adapter'}"
    for note in trial.notes:
        yield f"{note.what}: {note.remedy} ({note.code})"
