"""Vendor settings that the neutral model keeps but does not understand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of, how_to_add

_LISTED = 10


def check(journey: Journey) -> Iterator[Finding]:
    """Count what is left out, by dialect, and name what is left out of its own vendor's files."""
    before, after = journey.before, journey.after
    extras = [*before.extras, *(e for m in before.machines for e in m.extras)]
    written = {*after.extras, *(e for m in after.machines for e in m.extras)}
    carried = journey.form.carries.extras
    named: dict[tuple[str, Fate], list[Extra]] = {}
    rest: Counter[str] = Counter()
    for extra in extras:
        fate = fate_of(extra) if extra.dialect in carried else Fate.OWN
        if fate in {Fate.HOST, Fate.HARM}:
            named.setdefault((extra.dialect, fate), []).append(extra)
        elif extra not in written:
            rest[extra.dialect] += 1
    for (dialect, fate), found in sorted(named.items()):
        if fate is Fate.HARM:
            yield warning(
                "KF-454",
                f"not written back, as they make a host do more than run the machine:"
                f" {_listed(found)}",
                action=f"only if you want that: {how_to_add(dialect)}",
            )
        else:
            yield note(
                "KF-455",
                f"not written back, as they are about the old host: {_listed(found)}",
                action=f"where they are right again, {how_to_add(dialect)}",
            )
    for dialect, count in sorted(rest.items()):
        yield note(
            "KF-375",
            f"{count} setting(s) that only {dialect or 'the source'} understands are not in the"
            " target's files",
            action="kept word for word in the JSON report"
            + (" and in the note for the way back" if journey.noted else ""),
        )


def _listed(extras: Iterable[Extra]) -> str:
    places = list(dict.fromkeys(e.where for e in extras))
    more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
    return ", ".join(place[:80] for place in places[:_LISTED]) + more
