"""Vendor settings that the neutral model keeps but does not understand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Count what is left out, by dialect."""
    extras = [*journey.before.extras, *(e for m in journey.before.machines for e in m.extras)]
    for dialect, count in sorted(Counter(e.dialect for e in extras).items()):
        yield note(
            "KF-375",
            f"{count} setting(s) that only {dialect or 'the source'} understands are left out",
            action="kept word for word in the JSON report",
        )
