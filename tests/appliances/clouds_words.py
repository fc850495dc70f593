"""Look through documents that tests get."""

from __future__ import annotations

from collections.abc import Iterator


def strings_of(value: object) -> Iterator[str]:
    """Yield all strings in a value, those of keys not."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_of(inner)
