"""INF files: sections of lines, strings put in.

Spec: https://learn.microsoft.com/windows-hardware/drivers/install/general-syntax-rules-for-inf-files
and ``inf-strings-section``: quotes, ``%tokens%``, continued lines, sections of one name merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kensho.model.errors import CorruptError, LimitError

MAX_INF = 4 << 20
_MAX_LINES = 200_000
_MAX_FIELD = 4096  #: characters after substitution, as the specification has it
_MAX_TEXT = 16 * MAX_INF  #: characters of all fields then
_TOKEN = re.compile(r"%([^%]*)%")
_LINE_END = re.compile(r"\r\n|\r|\n")
_ENGLISH = ("strings", "strings.0009", "strings.0409")


@dataclass(frozen=True, slots=True)
class Line:
    """``key = value, value`` or ``value, value`` (``key`` is empty then); quotes and tokens gone."""

    key: str
    values: tuple[str, ...]

    def value(self, index: int) -> str:
        """Return a value, empty when there is none."""
        return self.values[index] if index < len(self.values) else ""


@dataclass(frozen=True, slots=True)
class Inf:
    """``sections`` by their names in lower case."""

    path: str
    sections: Mapping[str, tuple[Line, ...]]

    def lines(self, section: str) -> tuple[Line, ...]:
        """Return the lines of a section, none when there is no such one."""
        return self.sections.get(section.lower(), ())

    def entries(self, section: str, key: str) -> tuple[Line, ...]:
        """Return the lines of a section that have this key."""
        return tuple(line for line in self.lines(section) if line.key.lower() == key.lower())

    def entry(self, section: str, key: str) -> str:
        """Return the first value of a key, empty when it is not there."""
        return next((line.value(0) for line in self.entries(section, key)), "")


def read_inf(data: bytes, path: str) -> Inf:
    """Parse an INF; LimitError when it is too large, CorruptError when it is none."""
    if len(data) > MAX_INF:
        raise LimitError(f"{len(data)} bytes; an INF has at most {MAX_INF}", path=path)
    raw: dict[str, list[list[str]]] = {}
    keyed: dict[str, list[bool]] = {}
    section = None
    for count, (line, number) in enumerate(_logical(_decode(data))):
        if count > _MAX_LINES:
            raise LimitError(f"more than {_MAX_LINES} lines", path=path)
        if line.startswith("["):
            name, bracket, _ = line[1:].partition("]")
            if not bracket:
                raise CorruptError(
                    "a section's name does not end", path=path, field=f"line {number}"
                )
            section = name.strip().strip('"').lower()
            raw.setdefault(section, [])
            keyed.setdefault(section, [])
        elif section is not None:
            fields, has_key = _fields(line)
            raw[section].append(fields)
            keyed[section].append(has_key)
    if "version" not in raw:
        raise CorruptError("is no INF: it has no section [Version]", path=path)
    strings = _strings(raw, keyed)
    room = _MAX_TEXT

    def whole(field: str) -> str:
        nonlocal room
        text = _put_in(field, strings)
        room -= len(text)
        if room < 0:
            raise LimitError(f"more than {_MAX_TEXT} characters with its strings put in", path=path)
        return text

    return Inf(
        path,
        {
            name: tuple(
                _line([whole(field) for field in fields], has_key=has_key)
                for fields, has_key in zip(lines, keyed[name], strict=True)
            )
            for name, lines in raw.items()
        },
    )


def _line(fields: list[str], *, has_key: bool) -> Line:
    return Line(fields[0], tuple(fields[1:])) if has_key else Line("", tuple(fields))


def _decode(data: bytes) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _logical(text: str) -> Iterator[tuple[str, int]]:
    """Yield lines without comments, continued ones joined, with the number of their last part."""
    kept = ""
    for number, line in enumerate(_LINE_END.split(text.replace("\0", "")), 1):
        bare = _without_comment(line).rstrip()
        # A backslash continues a line; one within quotes does not.
        if bare.endswith("\\") and _balanced(bare):
            kept += bare[:-1]
            if len(kept) > 64 * _MAX_FIELD:
                raise LimitError("a line that never ends", field=f"line {number}")
            continue
        whole = (kept + bare).strip()
        kept = ""
        if whole:
            yield whole, number
    if kept.strip():
        yield kept.strip(), 0


def _balanced(text: str) -> bool:
    return text.count('"') % 2 == 0


def _without_comment(line: str) -> str:
    if '"' not in line:
        return line.partition(";")[0]
    quoted = False
    for place, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            return line[:place]
    return line


def _fields(line: str) -> tuple[list[str], bool]:
    """Split at the first ``=`` and at commas, both outside of quotes; quotes are taken off."""
    if '"' not in line:
        key, equals, rest = line.partition("=")
        comma = "," in key  # then it is a value with an equals sign in it
        words = (line if comma else rest if equals else key).split(",")
        plain = [word.strip() for word in words]
        return ([key.strip(), *plain], True) if equals and not comma else (plain, False)
    fields: list[str] = []
    field: list[str] = []
    solid = 0  # characters of the field that are not blanks at its end
    quoted = has_key = False
    place = 0
    while place < len(line):
        character = line[place]
        place += 1
        if character == '"':
            if quoted and line[place : place + 1] == '"':
                field.append('"')
                place += 1
            else:
                quoted = not quoted
            solid = len(field)
        elif not quoted and (character == "," or (character == "=" and not fields and not has_key)):
            has_key = has_key or character == "="
            fields.append("".join(field[:solid]))
            field, solid = [], 0
        elif quoted or not character.isspace():
            field.append(character)
            solid = len(field)
        elif field:
            field.append(character)
    return [*fields, "".join(field[:solid])], has_key


def _strings(raw: Mapping[str, list[list[str]]], keyed: Mapping[str, list[bool]]) -> dict[str, str]:
    """Return the tokens; those of English where the plain section lacks them."""
    found: dict[str, str] = {}
    others = sorted(name for name in raw if name.startswith("strings."))
    for name in dict.fromkeys((*_ENGLISH, *others)):
        for fields, has_key in zip(raw.get(name, ()), keyed.get(name, ()), strict=True):
            if has_key and len(fields) > 1:
                found.setdefault(fields[0].strip("%").lower(), fields[1])
    return found


def _put_in(field: str, strings: Mapping[str, str]) -> str:
    """Replace ``%token%``; ``%%`` is a percent sign; what is no token, such as ``%12%``, stays."""
    if "%" not in field:
        return field

    def one(match: re.Match[str]) -> str:
        name = match[1].lower()
        return "%" if not name else strings.get(name, match[0])

    return _TOKEN.sub(one, field[:_MAX_FIELD])[:_MAX_FIELD]
