"""What a terminal shows and does not act upon: names in a guest or a package are others' words."""

from __future__ import annotations

import unicodedata

#: Control characters, what turns the direction of writing, what is no character, ends of lines of other kinds.
_ACTING = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    """Return a text with a mark for every character that a terminal would act upon; its lines stay lines."""
    if text.isprintable():
        return text
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in _ACTING else "\ufffd"
        for c in text.replace("\r\n", "\n")
    )
