"""One HTML page over all results."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from kensho.model.units import format_bytes
from results import Boot, Outcome

TAIL_LINES = 40
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[ -/]*[@-~]|[@-Z\\-_])|[\x00-\x08\x0b-\x1f]")

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #c62828; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem; border-bottom: 1px solid var(--line); }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
pre { background: #8881; padding: 1rem; overflow-x: auto; font-size: .8rem; }
summary { cursor: pointer; }
"""


def write_page(path: Path, outcomes: Sequence[Outcome], boot: Boot) -> Path:
    """Write the page and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(_row(outcome, path.parent) for outcome in outcomes)
    details = "\n".join(_details(outcome) for outcome in outcomes)
    path.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>kensho demo</title><style>{STYLE}</style></head><body>
<h1>One appliance, every hypervisor</h1>
<div class="scroll"><table>
<tr><th>source<th>target<th>files<th>size<th>seconds<th>findings<th>check<th>other programs
<th>report</tr>
{rows}
</table></div>
<h2>Boot of the KVM result</h2>
{_boot(boot)}
<h2>What other programs say</h2>
{details}
</body></html>
""",
        encoding="utf-8",
    )
    return path


def _row(outcome: Outcome, folder: Path) -> str:
    colour = "good" if outcome.ok else "bad"
    cells = [f"<td>{escape(outcome.source)}<td>{escape(outcome.target.title)}"]
    if outcome.result is None:
        cells.append('<td colspan="5">')
    else:
        cells.append(
            f'<td class="number">{len(outcome.file_names)}'
            f'<td class="number">{format_bytes(outcome.size)}'
            f'<td class="number">{outcome.result["seconds"]:.1f}'
            f"<td>{escape(outcome.findings)}<td>{outcome.check}"
        )
    cells.append(f'<td class="{colour}">{escape(outcome.verdict)}')
    link = ""
    if outcome.result is not None:
        where = os.path.relpath(outcome.result["report"], folder)
        link = f'<a href="{escape(where, quote=True)}">report</a>'
    return f"<tr>{''.join(cells)}<td>{link}</tr>"


def _details(outcome: Outcome) -> str:
    words = {True: ("good", "ok"), False: ("bad", "FAILED"), None: ("", "not checked")}
    lines = [
        f'<li><span class="{words[check.ok][0]}">{words[check.ok][1]}</span> '
        f"{escape(check.name)}: {escape(check.detail)}"
        for check in outcome.checks
    ]
    if outcome.error:
        lines.append(f'<li class="bad"><pre>{escape(outcome.error)}</pre>')
    title = f"{outcome.source} → {outcome.target.title}: {outcome.verdict}"
    opened = "" if outcome.ok else " open"
    return f"<details{opened}><summary>{escape(title)}</summary><ul>{''.join(lines)}</ul></details>"


def _boot(boot: Boot) -> str:
    colour = "good" if boot.ok else "bad"
    text = f'<p class="{colour}">{escape(boot.title)}</p>'
    if boot.result is None:
        return text
    seen = "".join(f"<li>{escape(n)} after {s:.1f} s" for n, s in boot.result.milestones.items())
    log = Path(boot.result.log)
    lines = _ESCAPES.sub("", log.read_text(errors="replace").replace("\r", "")).splitlines()
    tail = "\n".join([line for line in lines if line.strip()][-TAIL_LINES:])
    return (
        f"{text}<ol>{seen}</ol><p>The end of its serial port's output"
        f' (<a href="{escape(log.name, quote=True)}">all of it</a>):</p><pre>{escape(tail)}</pre>'
    )
