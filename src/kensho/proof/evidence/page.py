"""The proof as one HTML page: the table, what each guest said, its pictures. It loads nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path

from kensho.proof.evidence.portability import Portability
from kensho.proof.trial import Outcome, Trial

_TAIL = 30
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --pass: #1a7f37; --fail: #cf222e; --note: #57606a; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } td.n { text-align: right; white-space: nowrap; }
.pass { color: var(--pass); } .fail { color: var(--fail); font-weight: 600; } .note { color: var(--note); }
.shots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
figure img { width: 22rem; max-width: 100%; border: 1px solid var(--line); display: block; }
pre { background: #8881; padding: .8rem; overflow-x: auto; font-size: .8rem; }
"""


def render_page(evidence: Portability, folder: Path) -> str:
    """Return the page; pictures and logs are read from the profiles' folders in ``folder``."""
    passed = sum(t.outcome is Outcome.PASS for t in evidence.trials)
    rows = "".join(_row(trial) for trial in evidence.trials)
    unit = "starts" if any(t.machine for t in evidence.trials) else "profiles"
    details = "".join(_details(trial, folder / trial.place) for trial in evidence.trials)
    unsaid = "".join(f"<li>{escape(words)}</li>" for words in evidence.untested)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(evidence.source)}: proof</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(evidence.source)}: {passed} of {len(evidence.trials)} {unit}</h1>"
        f'<p class="note">kensho {escape(evidence.kensho)}, {escape(evidence.made)}, '
        f"{escape(evidence.qemu)}</p>"
        '<div class="scroll"><table><tr><th>profile<th>how<th>outcome<th>root on<th>adapter'
        f"<th>seconds<th>what was seen</tr>{rows}</table></div>"
        f"<h2>What this does not show</h2><ul>{unsaid}</ul>{details}</body></html>\n"
    )


def _row(trial: Trial) -> str:
    kind = trial.outcome.value if trial.outcome is not Outcome.UNKNOWN else "note"
    said = trial.reason
    if trial.cause is not None:
        said = f"{trial.cause.what}: {trial.cause.remedy} ({trial.cause.code})"
        said += "" if trial.started else f"; {trial.reason}"
    root, adapter = root_words(trial), adapter_words(trial)
    seconds = f"{trial.seconds:.0f}" if trial.started else ""
    name = f'<a href="#{escape(trial.place, quote=True)}">{escape(_title(trial))}</a>'
    return (
        f"<tr><td>{name}<td>{trial.how}"
        f'<td class="{kind}">{trial.outcome.value}<td>{escape(root)}<td>{escape(adapter)}'
        f'<td class="n">{seconds}<td>{escape(said)}</tr>'
    )


def _title(trial: Trial) -> str:
    return f"{trial.title}: {trial.machine}" if trial.machine else trial.title


def root_words(trial: Trial) -> str:
    """Return the root's device and drivers as the guest reported them, else what was told."""
    if trial.inside is not None:
        return f"{trial.inside.root} ({', '.join(trial.inside.drivers)})"
    known = {True: "driver there", False: "no driver in time", None: ""}
    return known[trial.foretold.disk] if not trial.started else ""


def adapter_words(trial: Trial) -> str:
    """Return the adapters' drivers and addresses as the guest reported them, else what was told."""
    if trial.inside is not None:
        parts = (
            f"{n.name}: {', '.join(n.drivers) or 'no driver'} {n.address}"
            for n in trial.inside.nics
        )
        return "; ".join(part.strip() for part in parts) or "none"
    known = {True: "driver there", False: "no driver", None: ""}
    return known[trial.foretold.adapter] if not trial.started else ""


def _details(trial: Trial, folder: Path) -> str:
    if not trial.started:
        return ""
    marks = ", ".join(f"{name} {at:.1f} s" for name, at in trial.milestones.items())
    shots = "".join(_shots(trial, folder))
    tail = ""
    log = folder / "serial.log"
    if log.is_file():
        lines = log.read_text("utf-8", "replace").splitlines()[-_TAIL:]
        clean = "\n".join("".join(c for c in line if c.isprintable()) for line in lines)
        tail = f"<details><summary>the end of its log</summary><pre>{escape(clean)}</pre></details>"
    return (
        f'<h2 id="{escape(trial.place, quote=True)}">{escape(_title(trial))}</h2>'
        f'<p class="note">{escape(marks)}</p><div class="shots">{shots}</div>{tail}'
    )


def _shots(trial: Trial, folder: Path) -> Iterator[str]:
    for shot in trial.screenshots:
        path = folder / shot.file
        if path.is_file():
            data = base64.b64encode(path.read_bytes()).decode()
            words = f"{shot.when}, {shot.at:.0f} s"
            yield (
                f'<figure><img alt="{escape(words, quote=True)}" src="data:image/png;base64,{data}">'
                f"<figcaption>{escape(words)}</figcaption></figure>"
            )
