"""Room for the result."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, blocked
from kensho.model.finding import Finding
from kensho.model.units import format_bytes

NO_SPACE = "KF-390"


def check(journey: Journey) -> Iterator[Finding]:
    """Find a target folder that is too small."""
    if journey.space_free is not None and journey.space_free < journey.space_needed:
        yield blocked(
            NO_SPACE,
            f"up to {format_bytes(journey.space_needed)} are needed, "
            f"{format_bytes(journey.space_free)} are free",
            action="free space there or choose another folder with -o",
        )
