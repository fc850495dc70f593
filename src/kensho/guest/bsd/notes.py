"""What is said of a BSD wherever one is met."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.model.finding import Finding, Severity
from kensho.model.machine import ControllerModel


def left_alone(title: str, controllers: Sequence[ControllerModel], root: str) -> Finding:
    """Return the finding that a BSD is not changed, and which controllers it starts from."""
    names = ", ".join(controllers) or "no controller that is known"
    return Finding(
        "KF-941", Severity.NOTE, f"{title} is not changed; as it is, it starts from {names}",
        root, "choose one of those for the target; kensho check tells which it would be",
    )  # fmt: skip
