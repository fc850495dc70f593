"""Kinds of options that every verb may have; nothing that takes time to import."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Flag = Parameter(negative="")
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object.")]


def _no_option(_: type, value: str | None) -> None:
    if value is not None and value.startswith("-") and value != "-":
        raise ValueError(f"unknown option {value}")


_LOCATOR = Parameter(allow_leading_hyphen=True, validator=_no_option)
#: A path, archive.ova#member or URL; ``-`` is one too and no option.
Locator = Annotated[str, _LOCATOR]
OptionalLocator = Annotated[str | None, _LOCATOR]
