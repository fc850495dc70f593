"""Ruby string literals, for the Vagrantfile: written, and read without running anything.

Source: https://docs.ruby-lang.org/en/3.1/syntax/literals_rdoc.html (Strings).
"""

from __future__ import annotations

import re

_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) - frozenset('"\\#')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b", "s": " ", "a": "\a", "b": "\b"}
_ESCAPE = re.compile(
    r"\\(u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{1,2})|.)", re.DOTALL
)
_LITERAL = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|:([A-Za-z_]\w*)""", re.DOTALL)


def quote(text: str) -> str:
    """Return ``text`` as one double-quoted literal of plain ASCII on one line.

    Nothing in it is interpolated; half characters, which no Ruby string has, become U+FFFD.
    """
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _PLAIN:
        return char
    if "\ud800" <= char <= "\udfff":
        char = "\ufffd"
    return f"\\u{{{ord(char):X}}}"


def read_literal(source: str) -> str | None:
    """Return the text of a string or symbol literal; None when it is more than that."""
    match = _LITERAL.fullmatch(source.strip())
    if match is None:
        return None
    if match[1] is not None:
        return re.sub(r"\\([\\'])", r"\1", match[1])
    if match[2] is None:
        return match[3]
    if re.search(r"(?<!\\)(?:\\\\)*#[{$@]", match[2]):
        return None  # interpolation: only Ruby knows
    try:
        return _ESCAPE.sub(_unescaped, match[2])
    except ValueError:  # no such character
        return None


def _unescaped(match: re.Match[str]) -> str:
    digits = match[2] or match[3] or match[4]
    if digits is None:
        return _ESCAPES.get(match[1], match[1])
    code = int(digits, 16)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(digits)
    return chr(code)
