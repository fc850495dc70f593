"""YAML documents of one's own, read as typed structs; ova-compose's ``!param`` is understood."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from kensho.model.errors import CorruptError, LimitError, LocatorError, UsageError
from kensho.model.yamlsafe import MAX_DOCUMENT, load_all, plain

T = TypeVar("T")


def read_document(path: Path, type_: type[T], parameters: Mapping[str, str] | None = None) -> T:
    """Return a document as ``type_``; CorruptError names the place that does not fit."""
    return as_struct(load_document(path, parameters), type_, path)


def as_struct(value: object, type_: type[T], path: Path) -> T:
    """Return what was loaded as ``type_``."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise CorruptError(
            str(error), path=path, hint="docs/package-editing.md has the names and types"
        ) from None


def load_document(path: Path, parameters: Mapping[str, str] | None = None) -> object:
    """Return the one document in a YAML file as dictionaries, lists and plain values.

    ``!param NAME`` and ``!param NAME=DEFAULT`` stand for ``parameters``, as in ova-compose.
    LocatorError, LimitError, CorruptError with the line, UsageError for a missing parameter.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise LocatorError(error.strerror or "cannot be read", path=path) from None
    if len(data) > MAX_DOCUMENT:
        raise LimitError(f"a document of more than {MAX_DOCUMENT} bytes", path=path)
    given = parameters or {}

    def parameter(text: str) -> object:
        name, sign, default = (part.strip() for part in text.partition("="))
        if name in given:
            return plain(given[name])
        if not sign:
            raise UsageError(
                f"the parameter {name!r} has no value", path=path, hint=f"--param {name}=VALUE"
            )
        return plain(default)

    found = load_all(data, path, {"!param": parameter})
    if len(found) > 1:
        raise CorruptError("not YAML: a second document in one file", path=path)
    return found[0] if found else None
