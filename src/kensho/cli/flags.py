"""Kinds of options that every verb may have; nothing that takes time to import."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Flag = Parameter(negative="")
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object.")]
