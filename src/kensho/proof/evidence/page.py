"""The proof as one HTML page: the table, what each guest said, its pictures. It loads nothing else.

There is no script in it, and its own policy (CSP) allows none: what a guest or a statement says is
text, shortened, without control characters and without those that turn the writing round.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path

from kensho.model.finding import Finding, Severity
from kensho.model.units import format_bytes
from kensho.proof.evidence.page_trials import details, row, starts
from kensho.proof.evidence.page_words import text
from kensho.proof.evidence.portability import Foreseen, Portability, earlier_words
from kensho.proof.trial import Outcome

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_MOST_ROWS = 2000


def render_page(evidence: Portability, folder: Path) -> str:
    """Return the page; pictures and logs are read from the profiles' folders in ``folder``."""
    style = files(__package__).joinpath("page.css").read_text("utf-8")
    longest = max((max((t.seconds, *t.milestones.values())) for t in evidence.trials), default=0)
    rows = "".join(row(trial, longest) for trial in evidence.trials)
    trials = "".join(
        details(trial, folder / trial.place, longest) for trial in starts(evidence.trials)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(evidence.source)}: proof</title><style>{style}</style></head><body>"
        f"<header><h1>{text(evidence.source)}</h1>{_summary(evidence)}</header><main>"
        '<section><h2>Where it starts</h2><table class="matrix"><thead><tr><th>profile<th>outcome'
        "<th>root on<th>adapter<th>time<th>what was seen</tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
        f"{_unshown(evidence)}"
        f"{f'<section><h2>What was seen</h2>{trials}</section>' if trials else ''}"
        f"{_subjects(evidence)}{_changes(evidence)}{_findings(evidence)}{_conditions(evidence)}"
        "</main></body></html>\n"
    )


def _summary(evidence: Portability) -> str:
    unit = "starts" if any(t.machine for t in evidence.trials) else "profiles"
    started = [t for t in evidence.trials if t.started]
    judged = [t for t in evidence.trials if t.how == "static"]
    lost = sum(t.how == "not started" for t in evidence.trials)
    came = sum(t.outcome is Outcome.PASS for t in started)
    words = []
    if started:
        kind = "pass" if came == len(started) else "fail"
        words.append(
            f'<span class="mark {kind}">{came} of {len(started)}</span> {unit} passed under QEMU'
        )
    if judged:
        good = sum(t.outcome is Outcome.PASS for t in judged)
        words.append(
            f'<span class="mark">{good} of {len(judged)}</span> judged from files alone have their drivers'
        )
    if lost:
        words.append(f'<span class="mark unknown">{lost}</span> could not be started here')
    guest = "as kensho adapt changes it" if evidence.targets else "as it is"
    return (
        f'<p class="lead">{"; ".join(words)}.</p><p class="quiet">The guest {guest}. '
        f"{text(evidence.made)}, kensho {text(evidence.kensho)}"
        f"{', ' + text(evidence.qemu) if evidence.qemu else ''}.</p>"
    )


def _unshown(evidence: Portability) -> str:
    unsaid = "".join(f"<li>{text(words)}</li>" for words in evidence.untested)
    return f"<section><h2>What this does not show</h2><ul>{unsaid}</ul></section>" if unsaid else ""


def _subjects(evidence: Portability) -> str:
    disks = "".join(
        f"<tr><td>{text(disk.machine)}<td>{text(disk.file)}<td class=n>{format_bytes(disk.size)}"
        f"<td><code>{text(disk.root_after or disk.problem)}</code>"
        + (
            f'<br><span class="quiet">before it was changed:</span> <code>{text(disk.root_before)}</code>'
            if disk.root_before != disk.root_after
            else ""
        )
        + "</tr>"
        for disk in evidence.disks
    )
    inputs = "".join(
        f"<tr><td>{text(part.name)}<td class=n>{format_bytes(part.size)}<td><code>{text(part.sha256)}</code></tr>"
        for part in evidence.inputs[:_MOST_ROWS]
    )
    return (
        '<section><h2>What was proven</h2><p class="quiet">Disks by the root of what a guest reads from'
        " them, the same in whatever format they are (docs/integrity.md).</p>"
        f'<table class="wide"><tr><th>machine<th>disk<th>size<th>root of its content</tr>{disks}</table>'
        + (
            f'<details><summary>the files that were read ({len(evidence.inputs)})</summary><table class="wide">'
            f"<tr><th>file<th>size<th>SHA-256</tr>{inputs}</table></details>"
            if inputs
            else ""
        )
        + "</section>"
    )


def _changes(evidence: Portability) -> str:
    if not evidence.changes:
        return ""
    rows = "".join(
        f"<tr><td>{text(change.volume)}<td><code>{text(change.path)}</code><td>{text(change.why)}</tr>"
        for change in evidence.changes[:_MOST_ROWS]
    )
    return (
        f"<section><h2>What was changed in the guest</h2><p>{len(evidence.changes)} files, for "
        f"{text(', '.join(evidence.targets))}. <code>statement.json</code> has the digests before and after.</p>"
        f"<details open><summary>the files</summary><table><tr><th>volume<th>file<th>why</tr>{rows}</table>"
        "</details></section>"
    )


def _findings(evidence: Portability) -> str:
    made = evidence.conversion
    found = [
        *(("", f) for f in evidence.findings),
        *((f"made for {made.target}" if made else "", f) for f in (made.findings if made else ())),
        *((f"plan for {one.target}", f) for one in evidence.foreseen for f in one.findings),
        *(
            (f"plan for {one.target}", _without_plan(one))
            for one in evidence.foreseen
            if one.problem
        ),
    ]
    if not found:
        return ""
    rows = "".join(
        f"<tr><td>{text(where)}<td class=n>{text(f.code)}<td>{text(f.severity)}<td>"
        f"{text(f'{f.subject}: {f.message}' if f.subject else f.message)}<td>{text(f.action)}</tr>"
        for where, f in found[:_MOST_ROWS]
    )
    return (
        '<section><h2>Findings</h2><table class="wide"><tr><th>where<th>code<th>severity<th>what<th>what is done</tr>'
        f"{rows}</table></section>"
    )


def _without_plan(plan: Foreseen) -> Finding:
    return Finding("", Severity.BLOCKED, f"there is no plan: {plan.problem}")


def _conditions(evidence: Portability) -> str:
    """Return how it was made: plan, host, licences, conversion, signer."""
    rows = [("asked for", words) for words in evidence.plan]
    if evidence.earlier:
        rows.append(("taken over", earlier_words(evidence)))
    if evidence.conversion is not None:
        made = evidence.conversion
        rows.append(
            (
                "made by",
                f"kensho {made.kensho} for {made.target} ({made.form}); its check: {made.check}",
            )
        )
    rows += [
        ("licence accepted", f"{one.info or 'licence agreement'}, SHA-256 {one.sha256}")
        for one in evidence.accepted_eulas
    ]
    if evidence.host is not None:
        host = evidence.host
        rows.append(("host", f"{host.system}, {host.architecture}, {host.processors} processors"))
    if evidence.sbom is not None:
        rows.append(("bill of materials", f"{evidence.sbom.name}, SHA-256 {evidence.sbom.sha256}"))
    if evidence.signers is not None:
        rows.append(("signed with the key", evidence.signers.keyid))
        rows += [("certificate, SHA-256", digest) for digest in evidence.signers.certificates]
    else:
        rows.append(("signed", "by nobody"))
    body = "".join(f"<tr><th>{escape(name)}<td>{text(words)}</tr>" for name, words in rows)
    return (
        f"<section><h2>How it was made</h2><table>{body}</table>"
        '<p class="quiet">This page is no proof by itself: <code>kensho verify</code> checks the signature,'
        " the files and the disks, offline.</p></section>"
    )
