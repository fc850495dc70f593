"""YAML from anywhere, read with care (YAML 1.1, PyYAML's safe loader).

No Python objects and no tags but those asked for; size, depth and number of nodes are bounded after
aliases are followed, and a key given twice is an error, not the last one's victory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from kensho.model.errors import CorruptError, LimitError

MAX_DOCUMENT = 1024 * 1024
_MAX_NODES = 100_000
_MAX_DEPTH = 32
_MAX_DOCUMENTS = 1000
_MAX_COMPOSED = 2 * _MAX_NODES  #: keys among them, before aliases are followed
_MAX_DIGITS = 64

#: Makes a value of a scalar with a tag of one's own.
Constructor = Callable[[str], object]


def load_all(
    data: bytes, path: object, tags: Mapping[str, Constructor] | None = None
) -> list[object]:
    """Return the documents as dictionaries, lists and plain values; empty ones are left out.

    LimitError for too much of anything, CorruptError with the line for what is no YAML; ``path``
    is only for the message.
    """
    if len(data) > MAX_DOCUMENT:
        raise LimitError(f"a document of more than {MAX_DOCUMENT} bytes", path=path)
    loader = None
    found: list[object] = []
    try:
        loader = _loader(data, tags or {}, path)
        while loader.check_data():
            value = loader.get_data()
            bound(value, path)
            if value is not None:
                found.append(value)
            if len(found) > _MAX_DOCUMENTS:
                raise LimitError(f"more than {_MAX_DOCUMENTS} documents", path=path)
    except yaml.YAMLError as error:
        raise CorruptError(f"not YAML: {_words(error)}", path=path) from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise CorruptError(f"not YAML: {type(error).__name__}", path=path) from None
    finally:
        if loader is not None:
            loader.dispose()
    return found


def bound(value: object, path: object) -> None:
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


def plain(text: str) -> object:
    """Return a text as YAML reads it: a number, a switch or a text."""
    try:
        value = yaml.load(text, _Numbers)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value if isinstance(value, str | int | float | bool) else text


def whole_characters(text: str) -> str:
    r"""Return a text with U+FFFD for half characters (``\ud800``), which no file can hold."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Numbers(yaml.SafeLoader):
    """The safe loader, for which a number has at most 64 characters: YAML's base 60 has no end."""


def _short(make: Callable[[Any, Any], object]) -> Callable[[Any, Any], object]:
    def construct(loader: Any, node: Any) -> object:
        if len(node.value) > _MAX_DIGITS:
            raise _fault(f"a number of {len(node.value)} characters", node)
        return make(loader, node)

    return construct


_Numbers.add_constructor("tag:yaml.org,2002:int", _short(yaml.SafeLoader.construct_yaml_int))
_Numbers.add_constructor("tag:yaml.org,2002:float", _short(yaml.SafeLoader.construct_yaml_float))


def _loader(data: bytes, tags: Mapping[str, Constructor], path: object) -> Any:
    class Loader(_Numbers):
        """Of one stream: constructors are registered by class."""

        composed = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.composed += 1
            if self.composed > _MAX_COMPOSED:
                raise LimitError(f"more than {_MAX_COMPOSED} keys and values", path=path)
            return super().compose_node(parent, index)

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

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("tag:yaml.org,2002:str", lambda _, node: whole_characters(node.value))
    for tag, make in tags.items():
        Loader.add_constructor(tag, _tagged(make))
    return Loader(data)


def _tagged(make: Constructor) -> Callable[[Any, Any], object]:
    return lambda _, node: make(whole_characters(str(node.value)))


def _fault(problem: str, node: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem
