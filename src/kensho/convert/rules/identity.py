"""What tells a machine from another one: UUID and notes."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Find identities that the target cannot say."""
    for before, after in journey.machines():
        if before.uuid and not after.uuid:
            yield note(
                "KF-370",
                "the machine's UUID is not carried over",
                before.name,
                "software licensed by UUID will notice",
            )
        if before.annotation and not after.annotation:
            yield note("KF-371", "the notes are not carried over", before.name, "in the report")
