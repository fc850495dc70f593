"""YAML documents read with care (YAML 1.1, PyYAML's safe loader) into typed structs.

No Python objects, no custom tags but ova-compose's ``!param``; size, depth and number of nodes are
bounded after aliases are followed, and a key given twice is an error, not the last one's victory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from kensho.model.errors import CorruptError, LimitError, LocatorError, UsageError

MAX_DOCUMENT = 1024 * 1024
_MAX_NODES = 100_000
_MAX_DEPTH = 32

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
    loader = None
    try:
        loader = _loader(data, parameters or {}, path)
        value: object = loader.get_single_data()
    except yaml.YAMLError as error:
        raise CorruptError(f"not YAML: {_words(error)}", path=path) from None
    except (RecursionError, ValueError, UnicodeDecodeError) as error:
        raise CorruptError(f"not YAML: {type(error).__name__}", path=path) from None
    finally:
        if loader is not None:
            loader.dispose()
    _bound(value, path)
    return value


def _loader(data: bytes, parameters: Mapping[str, str], path: Path) -> Any:
    class Loader(yaml.SafeLoader):
        """Of one document: constructors are registered by class."""

    def mapping(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
        own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key, count in Counter(own).items() if count > 1), None)
        if twice is not None:
            raise _fault(f"the key {twice!r} twice", node)
        if "<<" in own:  # chains of merges grow without bound
            raise _fault("merge keys (<<) are not read", node)
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool):
                raise _fault("a key that is no plain value", key_node)
            result[key] = loader.construct_object(value_node, deep=True)
        return result

    def parameter(_: Loader, node: yaml.ScalarNode) -> object:
        name, sign, default = (part.strip() for part in str(node.value).partition("="))
        if name in parameters:
            return _plain(parameters[name])
        if not sign:
            raise UsageError(
                f"the parameter {name!r} has no value", path=path, hint=f"--param {name}=VALUE"
            )
        return _plain(default)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("!param", parameter)
    return Loader(data)


def _fault(problem: str, node: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _plain(text: str) -> object:
    """Return a parameter's value as YAML reads it: a number, a switch or a text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _bound(value: object, path: Path) -> None:
    """Refuse what aliases blow up, or that contains itself."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    seen = 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > _MAX_DEPTH or seen > _MAX_NODES:
            raise LimitError("too deep or too large once aliases are followed", path=path)
        if isinstance(item, dict):
            waiting.extend((v, depth + 1) for v in item.values())
        elif isinstance(item, list | tuple | set):
            waiting.extend((v, depth + 1) for v in item)


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem
