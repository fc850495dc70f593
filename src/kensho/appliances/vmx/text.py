"""The syntax of VMX files: one ``key = "value"`` per line.

VMware has no specification of it. What a value cannot hold is written as ``|XX``, the byte in
hexadecimal, as VMware's products do: the quote, the bar itself and control characters.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Line ends that only some readers see as such, beside the ASCII control characters.
_BREAKS = frozenset("\x85\u2028\u2029")


def escape(text: str) -> str:
    """Return ``text`` as it stands between the quotes of a VMX value: one line, always."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(_escaped(char) for char in plain)


def _escaped(char: str) -> str:
    if char in '"|' or char < " " or char == "\x7f" or char in _BREAKS:
        return "".join(f"|{byte:02X}" for byte in char.encode())
    if "\ud800" <= char <= "\udfff":  # half a character: there is no UTF-8 for it
        return "\ufffd"
    return char


def to_vmx(entries: Iterable[tuple[str, str | int | bool]]) -> bytes:
    """Return the file: UTF-8, LF, keys in the order given. Keys are the caller's own words."""
    return "".join(f'{key} = "{_value(value)}"\n' for key, value in entries).encode()


def _value(value: str | int) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return escape(str(value))
