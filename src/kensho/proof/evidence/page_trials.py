"""Trials on the page: a row of the table for each, and for those that were started what was seen."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from kensho.proof.evidence.page_words import adapter_words, end_of_log, root_words, text
from kensho.proof.evidence.seen import answer_words, answers, driven_by
from kensho.proof.trial import Outcome, Trial

_WORDS = {"pass": "came up", "fail": "did not come up", "unknown": "not known"}
_HOW = {"booted": "", "static": "judged from files", "not started": "not started here"}
_JUDGED = {"pass": "has drivers", "fail": "lacks a driver", "unknown": "not known"}
_MOST_PICTURE = 8 << 20


def starts(trials: Sequence[Trial]) -> Iterator[Trial]:
    """Yield the trials that were started."""
    return (trial for trial in trials if trial.started)


def row(trial: Trial, longest: float) -> str:
    """Return a trial's row of the table; ``longest`` is the time that fills the bar, in seconds."""
    said = trial.reason
    if trial.cause is not None:
        said = f"{trial.cause.what}: {trial.cause.remedy} ({trial.cause.code})"
        said += "" if trial.started else f"; {trial.reason}"
    answered = answer_words(trial)
    said += f"; {answered}" if answered else ""
    name = text(_title(trial))
    if trial.started:
        name = f'<a href="#{text(trial.place)}">{name}</a>'
    time = (
        f"<span class=n>{trial.seconds:.0f} s</span>{_bar(trial, longest)}" if trial.started else ""
    )
    cells = (
        ("profile", name),
        ("outcome", f'{_outcome(trial)} <span class="quiet">{_HOW[trial.how]}</span>'),
        ("root on", text(root_words(trial))),
        ("adapter", text(adapter_words(trial))),
        ("time", time),
        ("seen", text(said)),
    )
    return "<tr>" + "".join(f'<td data-of="{of}"><div>{what}</div>' for of, what in cells) + "</tr>"


def details(trial: Trial, folder: Path, longest: float) -> str:
    """Return what was seen of a start: its milestones, pictures, the network, the end of its log."""
    by = driven_by(trial)
    steps = "".join(
        f"<li>{text(name)} <b class=n>{at:.1f} s</b>"
        + (f' <span class="quiet">{text(by[name])}</span>' if by.get(name) else "")
        for name, at in trial.milestones.items()
    )
    said = text(trial.reason)
    if trial.cause is not None:
        cause = trial.cause
        said = f'<span class="fail">{text(cause.what)}</span>. {text(cause.remedy)} ({text(cause.code)})'
        said += f"<pre>{text(cause.evidence)}</pre>" if cause.evidence else ""
    log = end_of_log(folder / "serial.log")
    shut = "" if trial.outcome is Outcome.PASS else " open"
    tail = f"<details{shut}><summary>the end of what it said on its serial port</summary><pre>{log}</pre></details>"
    return (
        f'<article id="{text(trial.place)}"><header><h3>{text(_title(trial))}</h3>{_outcome(trial)}'
        f'<span class="quiet">{text(trial.accelerator)}, {trial.seconds:.0f} s</span></header>'
        f"<div>{said}</div>{_bar(trial, longest)}<ul class=steps>{steps}</ul>{answers(trial)}{_network(trial)}"
        f'<div class="shots">{"".join(_shots(trial, folder))}</div>{tail if log else ""}</article>'
    )


def _title(trial: Trial) -> str:
    return f"{trial.title}: {trial.machine}" if trial.machine else trial.title


def _outcome(trial: Trial) -> str:
    words = _WORDS if trial.started else _JUDGED
    kind = trial.outcome.value
    said = words[kind]
    if trial.outcome is Outcome.FAIL and trial.came_up:
        said = "came up, and fails"
    elif trial.undriven:
        said = "came up, drivers unknown"
    return f'<span class="mark {kind}">{said}</span>'


def _bar(trial: Trial, longest: float) -> str:
    """Return the times between milestones as a bar, the same scale for all."""
    if not longest or not trial.milestones:
        return ""
    parts, last = [], 0.0
    for number, (name, at) in enumerate(sorted(trial.milestones.items(), key=lambda item: item[1])):
        at = min(at, longest)  # noqa: PLW2901
        shade = 1 - 0.12 * (number % 6)
        parts.append(
            f'<i title="{text(name)}" style="left:{last / longest:.2%};width:{(at - last) / longest:.2%};'
            f'opacity:{shade:.2f}"></i>'
        )
        last = at
    return f'<div class="bar">{"".join(parts)}</div>'


def _network(trial: Trial) -> str:
    inside = trial.inside
    words = []
    if inside is not None:
        words.append(
            f"kernel {inside.kernel}, started by {inside.firmware}, root {root_words(trial)}"
        )
        words.append(f"adapters {adapter_words(trial)}")
        if inside.failed:
            words.append(f"failed in it: {', '.join(inside.failed)}")
    if trial.machine:
        words.append(f"started {trial.began:.0f} s after the first machine was")
    if trial.met:
        words.append(f"exchanged packets with {', '.join(trial.met)}")
    return "".join(f'<p class="quiet">{text(word)}</p>' for word in words)


def _shots(trial: Trial, folder: Path) -> Iterator[str]:
    for shot in trial.screenshots:
        path = folder / shot.file
        if path.is_file() and path.stat().st_size <= _MOST_PICTURE:
            data = base64.b64encode(path.read_bytes()).decode()
            words = text(f"{shot.when}, {shot.at:.0f} s")
            yield (
                f'<figure><img alt="the screen: {words}" src="data:image/png;base64,{data}">'
                f"<figcaption>{words}</figcaption></figure>"
            )
