"""Kinds of options that every verb may have; nothing that takes time to import."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

_MOST = 1 << 31  # what sleeps, sockets and shifts of ours take

Flag = Parameter(negative="")
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object.")]


def _no_option(_: type, value: str | None) -> None:
    if value is not None and value.startswith("-") and value != "-":
        raise ValueError(f"unknown option {value}; a file of that name is ./{value}")


def _amount(_: type, value: float) -> None:
    if not 0 <= value < _MOST:  # nor is what is no number
        raise ValueError(f"has to be from 0 to {_MOST - 1}")


#: A number of seconds or MiB.
Amount = Parameter(validator=_amount)
_LOCATOR = Parameter(allow_leading_hyphen=True, validator=_no_option)
#: A path, archive.ova#member or URL; ``-`` is one too and no option.
Locator = Annotated[str, _LOCATOR]
OptionalLocator = Annotated[str | None, _LOCATOR]
