"""Edits of a hive that remember what they changed, to be shown, recorded and undone."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from kensho.guest.windows.hive import Hive, Value, walk


class Change(msgspec.Struct, frozen=True):
    r"""One change in a hive: of the value ``name`` of ``key``, or of the key itself (None).

    ``before`` is None for what was not there, ``after`` for what is gone. Of a key that was deleted
    each value has a change of its own in front.
    """

    hive: str
    key: str
    name: str | None
    before: Value | None = None
    after: Value | None = None


@dataclass(slots=True)
class Editor:
    """A hive by its name (``SYSTEM``), and what was changed in it so far, in order."""

    name: str
    hive: Hive
    changes: list[Change] = field(default_factory=list)

    def set(self, path: str, *values: Value) -> None:
        """Set values of the key at a path; what is there already is no change."""
        for value in values:
            key = self.hive.find(path)
            before = key.value(value.name) if key is not None else None
            if self.hive.set(path, value):
                self.changes.append(Change(self.name, path, value.name, before, value))

    def delete_value(self, path: str, name: str) -> None:
        """Delete a value, if it is there."""
        key = self.hive.find(path)
        before = key.value(name) if key is not None else None
        if before is not None and self.hive.delete_value(path, name):
            self.changes.append(Change(self.name, path, before.name, before))

    def delete_key(self, path: str) -> None:
        """Delete a key with all below it, if it is there."""
        key = self.hive.find(path)
        if key is None:
            return
        gone = []
        for below, inner in walk(key):
            place = f"{path}\\{below}" if below else path
            gone += [Change(self.name, place, v.name, v) for v in inner.values()]
            gone.append(Change(self.name, place, None))
        self.hive.delete_key(path)
        self.changes += gone
