"""A proof that the source carries: it is about its disks, and lies in its package alone."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.proof_file import proofs_of
from kensho.convert.rules.journey import Journey, note
from kensho.model.finding import Finding


def check(journey: Journey) -> Iterator[Finding]:
    """Say that the proof stays behind."""
    for name in proofs_of(journey.before):
        yield note(
            "KF-986",
            "the package carries a proof, which is not in the result",
            subject=name,
            action="kensho edit RESULT.ova --proof SOURCE.ova puts it there where the disks are the same",
        )
