"""Quoting for PowerShell. Source: about_Quoting_Rules of its documentation."""

from __future__ import annotations

import re

#: PowerShell takes the typographic single quotes for the plain one, as CharTraits.cs shows.
_SINGLE_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")


def literal(text: str) -> str:
    """Return ``text`` as a single-quoted literal, in which PowerShell expands nothing."""
    return "'" + _SINGLE_QUOTES.sub(r"\g<0>\g<0>", text.replace("\0", "")) + "'"
