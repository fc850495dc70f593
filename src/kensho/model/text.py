"""Names of others that are no text: as they can be told to people and in JSON."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")


def told(value: _T) -> _T:
    """Return a struct, or lists and the like, with a mark (U+FFFD) for each surrogate in their texts.

    Surrogates stand for bytes that are no UTF-8 in names of Linux, and are in names of Windows as they
    are; neither JSON nor a terminal takes them. What has none comes back as it is.
    """
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        plain = _marked(msgspec.to_builtins(value))
        return msgspec.convert(plain, type(value)) if isinstance(value, msgspec.Struct) else plain
    return value


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, dict):
        return {_marked(key): _marked(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(part) for part in value]
    return value
