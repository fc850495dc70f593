"""What a run says while it works; the command line shows it, prints it as JSON, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kensho.model.progress import Progress


class Step(msgspec.Struct, frozen=True, tag="step", tag_field="event"):
    """A part of the work begins: ``phase`` is what, ``subject`` on what."""

    phase: str
    subject: str


class Message(msgspec.Struct, frozen=True, tag="message", tag_field="event"):
    """Something the user should know, such as that an earlier run is resumed."""

    text: str


class Moved(msgspec.Struct, frozen=True, tag="progress", tag_field="event"):
    """Progress of the current step."""

    progress: Progress


Event = Step | Message | Moved
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
    del event
