"""The portability report: what was asked, found, changed and made, as one HTML page.

The page carries its own style, loads nothing, and prints. The JSON beside it is the
`Result` itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from kensho.convert.plan import Plan
from kensho.convert.result import Result
from kensho.model.finding import Finding, Severity
from kensho.model.units import format_bytes, format_seconds
from kensho.platforms import find_form, find_platform

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --note: #57606a; --warning: #9a6700;
  --error: #cf222e; --blocked: #cf222e; --ok: #1a7f37; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.lead { color: var(--note); margin-top: 0; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; } td.n { text-align: right; white-space: nowrap; }
code { font-size: .9em; overflow-wrap: anywhere; } code.id { white-space: nowrap; }
.note { color: var(--note); } .warning { color: var(--warning); } .ok { color: var(--ok); }
.error, .blocked { color: var(--error); } .small { font-size: .85rem; color: var(--note); }
"""


def report_names(name: str, target: str, form: str) -> tuple[str, str]:
    """Return the names of the HTML and the JSON report of a result."""
    stem = f"{name}.{target}-{form}.report"
    return f"{stem}.html", f"{stem}.json"


def render_html(result: Result) -> str:
    """Return the report of a run as one self-contained page."""
    plan = result.plan
    platform = find_platform(plan.target)
    form = find_form(platform, plan.form)
    changed = plan.adaptation is not None and plan.adaptation.steps
    check = (
        "every byte of the result was read back and equals the source"
        + (" with the changes of the guests" if changed else "")
        if result.check == "ok"
        else "the result was not read back"
    )
    return _page(
        f"{plan.name} → {platform.title}",
        f"{form.title}, from <code>{escape(plan.request.source)}</code> ({plan.source_kind})",
        _findings(result.findings),
        _machines(plan),
        _devices(plan),
        _guests(plan),
        _table(
            "Files",
            ("file", "size", "SHA-256"),
            (
                (
                    f"<code>{escape(f.name)}</code>",
                    format_bytes(f.bytes),
                    f"<code>{f.sha256}</code>",
                )
                for f in result.files
            ),
        ),
        _disks(result),
        _licences(result),
        f"<h2>Check</h2><p class='{'ok' if result.check == 'ok' else 'warning'}'>{check}.</p>"
        f"<p>Took {format_seconds(result.seconds)}.</p>",
        f"<h2>Next</h2><p><code>{escape(form.next_step.format(name=plan.name))}</code></p>"
        f"<p class='small'>What kensho's developers could not try: {escape(platform.untested)}.</p>",
    )


def _page(title: str, lead: str, *parts: str) -> str:
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>"
        f"<h1>{escape(title)}</h1><p class='lead'>{lead}</p>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _findings(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return "<h2>Findings</h2><p class='ok'>None: the target can say all of it.</p>"
    order = (Severity.BLOCKED, Severity.ERROR, Severity.WARNING, Severity.NOTE)
    ranked = sorted(findings, key=lambda f: order.index(f.severity))
    return _table(
        "Findings",
        ("code", "severity", "about", "what", "what is done"),
        (
            (
                f"<code class='id'>{f.code}</code>",
                f"<span class='{f.severity}'>{f.severity}</span>",
                escape(f.subject),
                escape(f.message),
                escape(f.action),
            )
            for f in ranked
        ),
    )


def _machines(plan: Plan) -> str:
    return _table(
        "Machines",
        ("name", "processors", "memory", "firmware", "guest"),
        (
            (
                escape(m.name),
                str(m.cpu.count),
                format_bytes(m.memory.size),
                m.firmware.kind.upper(),
                escape(m.guest.description or m.guest.id),
            )
            for m in plan.after.machines
        ),
    )


def _devices(plan: Plan) -> str:
    return _table(
        "Devices",
        ("kind", "device", "source", "target"),
        (
            (r.kind, escape(r.device), escape(r.source), escape(r.target) or "left out")
            for r in plan.devices
        ),
    )


def _guests(plan: Plan) -> str:
    if plan.adaptation is None:
        return ""
    if not plan.adaptation.steps:
        return "<h2>Changes of the guests</h2><p class='ok'>Nothing had to change.</p>"
    return _table(
        "Changes of the guests",
        ("machine", "volume", "file", "what is done", "by", "SHA-256"),
        (
            (
                escape(step.machine),
                escape(step.volume),
                f"<code>{escape(step.path)}</code>",
                "<br>".join(map(escape, (step.why, *step.details))),
                escape(step.editor),
                f"<code>{step.sha256}</code>",
            )
            for step in plan.adaptation.steps
        ),
    )


def _disks(result: Result) -> str:
    return _table(
        "Disks",
        ("disk", "format", "virtual size", "data", "file", "content root (BLAKE3)"),
        (
            (
                f"<code>{escape(d.filename)}</code>",
                f"{d.format} {d.subformat}",
                format_bytes(d.virtual_size),
                format_bytes(d.data_size),
                format_bytes(d.file_size),
                f"<code>{d.content_root}</code>",
            )
            for d in result.disks
        ),
    )


def _licences(result: Result) -> str:
    made = result.eula
    if made is None:
        return ""
    return _table(
        "Licence agreements",
        ("licence", "SHA-256 of the text", "accepted by", "at"),
        (
            (
                escape(licence.info) or "licence agreement",
                f"<code>{licence.sha256}</code>",
                escape(made.accepted_by),
                f"<code>{made.at}</code>",
            )
            for licence in made.licences
        ),
    )


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return ""
    header = "".join(f"<th scope='col'>{h}</th>" for h in head)
    return f"<h2>{title}</h2><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
