"""The text of LVM2's metadata: ``key = value``, ``section { … }``, lists, strings, comments.

Grammar: lvm.conf(5), "SETTINGS"; libdm's config parser. Values are int, float, str and lists of
these. Sizes and depth are bounded; nothing is interpreted.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from kensho.model.errors import CorruptError

Value: TypeAlias = "int | float | str | list[Value]"
Section: TypeAlias = "dict[str, Value | Section]"

_TOKEN = re.compile(
    r"""[\s\0]+ | \#[^\n]* | (?P<text>"(?:[^"\\]|\\.)*") | (?P<number>[+-]?\d+(?:\.\d+)?)(?![\w-])
    | (?P<name>[A-Za-z0-9_.+-]+) | (?P<mark>[{}=\[\],])""",
    re.VERBOSE,
)
_DEEPEST = 16


def parse_lvm_text(text: str, path: str) -> Section:
    """Return the sections and values; CorruptError, with the place, when it is no such text."""
    return _Parser(text, path).section(0)


class _Parser:
    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._at = 0
        self._ahead: tuple[str, str] | None = None

    def section(self, depth: int) -> Section:
        if depth > _DEEPEST:
            raise self._wrong("sections too deep in each other")
        found: Section = {}
        while True:
            kind, word = self._next()
            if kind == "end" and depth == 0:
                return found
            if word == "}" and kind == "mark" and depth:
                return found
            if kind not in {"name", "text", "number"}:
                raise self._wrong(f"a name was expected, not {word[:20]!r}")
            name = _unquoted(word)
            kind, mark = self._next()
            if (kind, mark) == ("mark", "{"):
                found[name] = self.section(depth + 1)
            elif (kind, mark) == ("mark", "="):
                found[name] = self._value(0)
            else:
                raise self._wrong(f"= or {{ was expected behind {name[:20]!r}")

    def _value(self, depth: int) -> Value:
        kind, word = self._next()
        match kind:
            case "text":
                return _unquoted(word)
            case "number":
                return float(word) if "." in word else int(word[:20])
            case "name":
                return word
            case "mark" if word == "[" and depth < _DEEPEST:
                return self._list(depth)
        raise self._wrong(f"a value was expected, not {word[:20]!r}")

    def _list(self, depth: int) -> list[Value]:
        found: list[Value] = []
        while True:
            kind, word = self._next()
            if (kind, word) == ("mark", "]"):
                return found
            if (kind, word) == ("mark", ","):
                continue
            self._ahead = (kind, word)
            found.append(self._value(depth + 1))

    def _next(self) -> tuple[str, str]:
        if self._ahead is not None:
            token, self._ahead = self._ahead, None
            return token
        while self._at < len(self._text):
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                raise self._wrong(f"unexpected {self._text[self._at]!r}")
            self._at = match.end()
            if match.lastgroup is not None:
                return match.lastgroup, match[0]
        return "end", ""

    def _wrong(self, message: str) -> CorruptError:
        return CorruptError(
            f"LVM metadata: {message}", path=self._path, offset=self._at, field="metadata"
        )


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word
