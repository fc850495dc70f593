"""What is kept of a manifest word for word, and put back where nothing contradicts it.

A place is a JSON pointer (RFC 6901); ``-`` at its end appends to a list, as in RFC 6902. The text is
JSON, so that it stays what it was whatever YAML would make of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kensho.appliances.kubevirt.values import text
from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of

DIALECT = "kubevirt"
_MOST_TEXT = 256 * 1024
#: The API refuses an instance type beside processors and memory, which are always written.
_NEVER_BACK = frozenset({"/spec/instancetype"})


def pointer(*keys: str) -> str:
    """Return a place as a JSON pointer."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def left(
    value: Mapping[str, Any], taken: frozenset[str] | set[str], *place: str
) -> Iterator[Extra]:
    """Yield the fields of an object that were not taken up."""
    for key, inner in value.items():
        if key not in taken:
            yield kept(inner, *place, str(key))


def kept(value: object, *place: str) -> Extra:
    """Return one value to keep."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return Extra(DIALECT, pointer(*place), text[:_MOST_TEXT])


def put_back(document: dict[str, Any], extras: Iterable[Extra]) -> None:
    """Put what was kept into a manifest, unless it says something there itself.

    Named members of lists (disks, volumes, networks) are appended unless one has their name.
    """
    for extra in extras:
        if extra.dialect != DIALECT or extra.where in _NEVER_BACK:
            continue
        keys = [k.replace("~1", "/").replace("~0", "~") for k in extra.where.split("/")[1:]]
        try:
            value = json.loads(extra.text)
        except (ValueError, RecursionError):
            continue
        plain = Extra(DIALECT, pointer(*keys), json.dumps(value, ensure_ascii=False))
        if keys and fate_of(plain) is Fate.BACK:
            _put(document, keys, value)


def _put(at: dict[str, Any], keys: list[str], value: Any) -> None:
    *way, last = keys
    for number, key in enumerate(way):
        after = way[number + 1] if number + 1 < len(way) else last
        inner = at.setdefault(key, [] if after == "-" else {})
        if after == "-":
            if isinstance(inner, list):
                names = {text(m.get("name")) for m in inner if isinstance(m, dict)}
                if not isinstance(value, dict) or text(value.get("name")) not in names:
                    inner.append(value)
            return
        if not isinstance(inner, dict):
            return
        at = inner
    at.setdefault(last, value)
