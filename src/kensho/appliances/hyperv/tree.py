"""Hyper-V's settings as a tree of keys, the same for its binary files and its XML.

``configuration/settings/processors/count`` is an integer in both; a list is a key repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kensho.appliances.ovf.elements import is_true

Value = int | float | str | bytes | bool

DIALECT = "hyperv"  #: of the extras that hold what of the tree is not read


@dataclass(frozen=True, slots=True)
class Key:
    """A key: a node with ``children``, or a ``value``; ``kind`` is the word the XML has for it.

    ``kind`` is ``node``, ``integer``, ``double``, ``string``, ``bytes`` or ``bool``.
    """

    name: str
    kind: str = "node"
    value: Value | None = None
    children: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A key to read from; ``used`` collects, for the whole tree, what was read of it."""

    key: Key
    used: set[int]

    def at(self, *names: str) -> Place | None:
        """Return the key below, by names that are not case-sensitive; the first where several are."""
        key: Key | None = self.key
        for name in names:
            wanted = name.casefold()
            children = () if key is None else key.children
            key = next((c for c in children if c.name.casefold() == wanted), None)
        return None if key is None else Place(key, self.used)

    def below(self) -> Iterator[Place]:
        """Yield the keys directly below."""
        return (Place(child, self.used) for child in self.key.children)

    def take(self) -> None:
        """Note that this key was read, and everything below it."""
        self.used.add(id(self.key))

    def peek(self, *names: str) -> str:
        """Return a value as text, empty when there is none or it is bytes; it is not noted."""
        found = self.at(*names)
        value = None if found is None else found.key.value
        return "" if value is None or isinstance(value, bytes) else str(value).strip()

    def text(self, *names: str) -> str:
        """Return a value as text, empty when there is none or it is bytes."""
        found = self.at(*names)
        if found is not None and not isinstance(found.key.value, bytes | None):
            found.take()
        return self.peek(*names)

    def number(self, *names: str) -> int | None:
        """Return a value as a number, None when there is none or it is no number."""
        found = self.at(*names)
        value = None if found is None else found.key.value
        if found is None or isinstance(value, bytes | float) or value is None:
            return None
        if isinstance(value, str):
            digits = value.strip()
            if not (digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) < 20):
                return None
            value = int(digits)
        found.take()
        return int(value)

    def flag(self, *names: str) -> bool:
        """Return a value as a truth; False when there is none."""
        return is_true(self.text(*names))

    def data(self, *names: str) -> bytes:
        """Return a value of bytes, empty when there is none."""
        found = self.at(*names)
        if found is None or not isinstance(found.key.value, bytes):
            return b""
        found.take()
        return found.key.value


def unread(key: Key, used: set[int]) -> Key | None:
    """Return the tree without what was read, None when nothing is left.

    Nodes that were empty to begin with say nothing, so they are left out, too.
    """
    if id(key) in used:
        return None
    if key.kind != "node":
        return key
    left = tuple(k for child in key.children if (k := unread(child, used)) is not None)
    return Key(key.name, children=left) if left else None
