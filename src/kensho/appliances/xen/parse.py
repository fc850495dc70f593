r"""The language of xl's configuration: ``key = value``, with literals and lists as values.

Source: xl.cfg(5) "Syntax" and libxlu_cfg_l.l of Xen 4.17. xm's files were Python programs; of those
the ones that only assign literals are the same language. Nothing is ever run: anything else is an
error with its line.
"""

from __future__ import annotations

import re

import msgspec

from kensho.model.errors import CorruptError, LimitError

Value = str | int | list["Value"]

_MOST_DEPTH = 8
_MOST_TOKENS = 200_000
_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*|\\\n)|(?P<end>[\n;])
    |(?P<string>\"\"\"(?P<long>.*?)\"\"\"|"(?P<double>(?:[^"\\\n]|\\.)*)"
       |'(?P<single>(?:[^'\\\n]|\\.)*)')
    |(?P<number>-?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})(?![\w.]))
    |(?P<word>[A-Za-z_][A-Za-z0-9_.]{0,80})|(?P<mark>[=\[\],])""",
    re.VERBOSE | re.DOTALL,
)
_OCTAL = re.compile("0[0-7]+", re.ASCII)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class Setting(msgspec.Struct, frozen=True):
    """A value, and the text that says it."""

    value: Value
    text: str


def parse_config(data: bytes, *, path: str) -> dict[str, Setting]:
    """Return the settings of a file, the last of a key counting, as in Xen.

    CorruptError with the line for what is no assignment of literals, LimitError for too much.
    """
    return _Parser(data.decode("utf-8", errors="replace").removeprefix("\ufeff"), path).settings()


class _Parser:
    """A cursor over the tokens; ``kind`` and ``text`` are the one to look at."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._at = 0
        self._start = 0  # of the token to look at
        self._behind = 0  # the end of the one before it
        self._count = 0
        self.kind = ""
        self.value: Value = ""
        self._next()

    def settings(self) -> dict[str, Setting]:
        found: dict[str, Setting] = {}
        while self.kind:
            if self.kind == "end":
                self._next()
                continue
            if self.kind != "word":
                raise self._wrong("is no `key = value`")
            key = str(self.value)
            self._next()
            self._expect("=")
            begin = self._start
            value = self._read(0)
            found[key] = Setting(value, self._text[begin : self._behind])
            if self.kind not in {"", "end"}:
                raise self._wrong("has something behind the value")
        return found

    def _read(self, depth: int) -> Value:
        if self.kind in {"string", "number"}:
            value = self.value
            self._next()
            return value
        if (self.kind, self.value) != ("mark", "["):
            raise self._wrong("has a value that is no text, number or list")
        if depth >= _MOST_DEPTH:
            raise LimitError(f"line {self._line()}: lists in lists in lists", path=self._path)
        self._next()
        items: list[Value] = []
        self._skip_ends()
        while (self.kind, self.value) != ("mark", "]"):
            items.append(self._read(depth + 1))
            self._skip_ends()
            if (self.kind, self.value) == ("mark", ","):
                self._next()
                self._skip_ends()
            elif (self.kind, self.value) != ("mark", "]"):
                raise self._wrong("has a list without its end")
        self._next()
        return items

    def _skip_ends(self) -> None:
        while self.kind == "end":
            self._next()

    def _expect(self, mark: str) -> None:
        if (self.kind, self.value) != ("mark", mark):
            raise self._wrong("is no `key = value`")
        self._next()

    def _next(self) -> None:
        self._behind = self._at
        while True:
            if self._at >= len(self._text):
                self.kind, self.value, self._start = "", "", self._at
                return
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                self._start = self._at
                raise self._wrong(f"has {self._text[self._at : self._at + 20]!r}")
            self._count += 1
            if self._count > _MOST_TOKENS:
                raise LimitError("more settings than any machine has", path=self._path)
            self._start, self._at = self._at, match.end()
            if match.lastgroup != "skip":
                break
        self.kind = "string" if match["string"] is not None else match.lastgroup or ""
        self.value = _value(match)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._start) + 1

    def _wrong(self, what: str) -> CorruptError:
        return CorruptError(
            f"line {self._line()} {what}",
            path=self._path,
            hint="kensho reads assignments of texts, numbers and lists; Python is not run",
        )


def _value(match: re.Match[str]) -> Value:
    if match["number"] is not None:
        digits = match["number"].removeprefix("-")
        base = 16 if "x" in digits.lower() else 8 if _OCTAL.fullmatch(digits) else 10
        return int(match["number"], base)
    if match["string"] is None:
        return match[0]
    if match["long"] is not None:
        return match["long"]
    return _ESCAPE.sub(
        _unescaped, match["double"] if match["double"] is not None else match["single"]
    )


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2]:
        return chr(int(match[2], 8))
    return _ESCAPED.get(match[3], match[3])
