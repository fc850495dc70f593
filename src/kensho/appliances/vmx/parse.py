"""VMware's dictionary files (VMX): lines of ``key = "value"``.

VMware publishes no specification; libvirt's docs/drvesx.html.in, VMware's own files and the
corpus agree on: ``#`` comments, keys without regard to case, values in double quotes with ``|``
and two hexadecimal digits for a byte that would not fit (``|22`` is a quote, ``|7C`` the bar),
``.encoding`` naming the character set of the values, UTF-8 where it is missing.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kensho.model.errors import LimitError
from kensho.model.finding import Finding, Severity

MAX_VMX = 4 * 1024 * 1024
_LINE = re.compile(r'([^\s=#"][^=\s]*)\s*=\s*(.*)', re.DOTALL)
_MOST_FINDINGS = 100
#: Blanks within a line only: over line ends, a file of empty lines would take hours.
_ENCODING = re.compile(
    rb'^[ \t]*\.encoding[ \t]*=[ \t]*"?([A-Za-z0-9._-]+)"?', re.MULTILINE | re.IGNORECASE
)
_ESCAPE = re.compile(r"\|([0-9A-Fa-f]{2})")
#: Python's codecs that are no character sets.
_NOT_TEXT = frozenset({"unicode-escape", "raw-unicode-escape", "punycode", "idna", "utf-7"})
_ENCODINGS = {"windows-1252": "cp1252", "shift_jis": "cp932", "gbk": "gb18030"}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Values by key in lower case; ``spelling`` keeps the keys as they are written."""

    values: Mapping[str, str]
    spelling: Mapping[str, str]

    def get(self, key: str, default: str = "") -> str:
        """Return a value by its key in lower case."""
        return self.values.get(key, default)

    def is_true(self, key: str, *, default: bool = False) -> bool:
        """Return a truth value; VMware writes TRUE and FALSE."""
        value = self.values.get(key, "").strip().lower()
        return value in {"true", "yes", "on", "1"} if value else default


def read_dictionary(data: bytes, *, path: str) -> tuple[Dictionary, tuple[Finding, ...]]:
    """Read a dictionary; LimitError above `MAX_VMX` bytes. The last of two equal keys counts."""
    if len(data) > MAX_VMX:
        raise LimitError(f"{len(data)} bytes of VMX; at most {MAX_VMX} are read", path=path)
    findings: list[Finding] = []

    def note(code: str, message: str, action: str) -> None:
        if len(findings) < _MOST_FINDINGS:  # a file that is no VMX at all would fill memory
            findings.append(Finding(code, Severity.WARNING, message, path, action))

    values: dict[str, str] = {}
    spelling: dict[str, str] = {}
    if b"\0" in data:  # what a host leaves that went down while it wrote
        note("KF-141", f"{data.count(0)} zero bytes are in it", "left out")
    text, encoding = _decode(data.replace(b"\0", b""), path, findings)
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        read = _read_line(line.strip())
        if read is None:
            note("KF-141", f'line {number} is not key = "value": {line.strip()[:60]!r}', "ignored")
            continue
        spelled, raw, is_clean = read
        key = spelled.lower()
        value = _unescape(raw, encoding)
        if not is_clean:
            note(
                "KF-141",
                f"line {number} has no quotes where they belong: {line.strip()[:60]!r}",
                f"read as {value[:60]!r}",
            )
        if key in values and values[key] != value:
            note(
                "KF-142",
                f"{spelled} is given twice, as {values[key][:60]!r} and {value[:60]!r}",
                "the last one counts",
            )
        values[key] = value
        spelling[key] = spelled
    return Dictionary(values, spelling), tuple(findings)


def _read_line(line: str) -> tuple[str, str, bool] | None:
    """Return (key, value as it is written, whether its quotes are right) of a stripped line."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    rest = match[2]
    if not rest.startswith('"'):
        return match[1], rest.partition("#")[0].strip(), True
    value, quote, after = rest[1:].partition('"')
    if quote and (not after.strip() or after.lstrip().startswith("#")):
        return match[1], value, True
    inner, quote, _ = rest[1:].rpartition('"')  # quotes in it that should be |22, or none behind
    return match[1], inner if quote else rest[1:], False


def _decode(data: bytes, path: str, findings: list[Finding]) -> tuple[str, str]:
    data = data.removeprefix(codecs.BOM_UTF8)
    match = _ENCODING.search(data)
    name = match[1].decode().lower() if match else "utf-8"
    try:
        encoding = codecs.lookup(_ENCODINGS.get(name, name)).name
        if encoding.replace("_", "-") not in _NOT_TEXT and _is_ascii_below(encoding):
            return data.decode(encoding), encoding
    except (LookupError, UnicodeError):
        pass
    try:
        text, encoding = data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = data.decode("latin-1"), "latin-1"
    if match is not None or encoding != "utf-8":
        findings.append(
            Finding(
                "KF-140",
                Severity.WARNING,
                f"the text is not the {name} it should be",
                subject=path,
                action=f"read as {encoding}",
            )
        )
    return text, encoding


def _is_ascii_below(encoding: str) -> bool:
    """Tell whether ASCII is itself in it: the file's own keys, which said so, are."""
    return b".encoding".decode(encoding) == ".encoding"


def _unescape(value: str, encoding: str) -> str:
    if "|" not in value:
        return value
    # Escapes are bytes: several of them may make up one character.
    try:
        raw = _ESCAPE.sub(lambda m: chr(0xDC00 + int(m[1], 16)), value)
        parts = re.split(r"([\udc00-\udcff]+)", raw)
        return "".join(_bytes_of(p).decode(encoding) if _is_raw(p) else p for p in parts)
    except UnicodeDecodeError:
        return _ESCAPE.sub(lambda m: chr(int(m[1], 16)), value)


def _is_raw(part: str) -> bool:
    return bool(part) and 0xDC00 <= ord(part[0]) <= 0xDCFF


def _bytes_of(part: str) -> bytes:
    return bytes(ord(char) - 0xDC00 for char in part)
