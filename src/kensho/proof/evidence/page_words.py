"""Words of guests and statements, made fit to be shown: on a page, and in a table of a terminal."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from kensho.proof.trial import Trial

_MOST = 600
_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,40}[A-Za-z]")  #: ECMA-48 control sequences
_TAIL_LINES, _TAIL_BYTES, _MOST_LINE = 40, 64 << 10, 400


def text(words: object, most: int = _MOST) -> str:
    """Return what stands for itself in HTML: escaped, printable, left to right, not without end."""
    whole = str(words)
    clean = "".join(c if c.isprintable() else " " for c in whole[:most])
    return escape(clean + ("…" if len(whole) > most else ""), quote=True)


def end_of_log(path: Path) -> str:
    """Return the last lines of a log as HTML, empty when there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        said = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    lines = [line.rstrip() for line in _COLOURS.sub("", said).split("\n")]
    return "\n".join(text(line, _MOST_LINE) for line in lines[-_TAIL_LINES:])


def root_words(trial: Trial) -> str:
    """Return the root's device and drivers as the guest reported them, else what was told."""
    if trial.inside is not None:
        return f"{trial.inside.root} ({', '.join(trial.inside.drivers)})"
    known = {True: "driver there", False: "no driver in time", None: ""}
    return known[trial.foretold.disk] if not trial.started else ""


def adapter_words(trial: Trial) -> str:
    """Return the adapters' drivers and addresses as the guest reported them, else what was heard or told."""
    if trial.inside is not None:
        parts = (
            f"{n.name}: {', '.join(n.drivers) or 'no driver'} {n.address}"
            for n in trial.inside.nics
        )
        return "; ".join(part.strip() for part in parts) or "none"
    known = {True: "driver there", False: "no driver", None: ""}
    return known[trial.foretold.adapter] if not trial.started else lease_words(trial)


def lease_words(trial: Trial) -> str:
    """Return the addresses that adapters were leased, or said are theirs, as heard on their network."""
    return "; ".join(
        f"{told.mac}: {f'leased {told.lease}' if told.lease else told.addresses[-1]}"
        for told in trial.heard
        if told.lease or told.addresses
    )
