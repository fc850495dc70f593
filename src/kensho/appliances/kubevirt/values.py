"""Fields of a manifest, which may be of any type a hand has typed."""

from __future__ import annotations

from typing import Any


def mapping(value: object, *keys: str) -> dict[str, Any]:
    """Return the object at a path below a value, an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; anything else is left out."""
    return [mapping(v) for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a plain value as text, empty for anything else."""
    return str(value) if isinstance(value, str | int | float) and value is not True else ""


def number(value: object, most: int) -> int | None:
    """Return a whole number from 1 to ``most``, None for anything else."""
    ok = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
    return value if ok and isinstance(value, int) else None
