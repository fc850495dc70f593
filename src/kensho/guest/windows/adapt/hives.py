"""The registry hives of a guest, opened once each, edited by all steps and written back together.

A hive is read with its transaction logs. One that was not closed is completed from them; where they
do not complete it, nothing of the guest is changed. The logs of such a hive are emptied when it is
written: what they hold is in it. Those of a hive that was closed stay: Windows does not look at
them as long as the sequence numbers of the hive agree ("Windows registry file format specification",
"Dirty state of a hive"), and the numbers written are later than those of any entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kensho.guest.edit.draft import Draft, printable
from kensho.guest.windows.adapt.names import Names
from kensho.guest.windows.changes import Change, Editor
from kensho.guest.windows.hive import Type, Value, open_hive
from kensho.model.finding import Severity

_MOST = 512 << 20
_LOGS = (".LOG", ".LOG1", ".LOG2")
_MOST_SHOWN = 120  #: characters of a value


@dataclass(slots=True)
class Hives:
    """Hives by their paths, as editors."""

    draft: Draft
    names: Names
    _opened: dict[str, Editor] = field(default_factory=dict)

    def open(self, path: str, name: str) -> Editor:
        """Open a hive, called ``name`` in what is told of it; raises what reading and `open_hive` do."""
        real = self.names.real(path)
        if real not in self._opened:
            data = self.draft.read(real, _MOST)
            logs = [self.draft.read(log, _MOST) for log in self._logs(real)]
            self._opened[real] = Editor(name, open_hive(data, logs, path=real))
        return self._opened[real]

    def _logs(self, real: str) -> list[str]:
        paths = [self.names.real(real + suffix) for suffix in _LOGS]
        return [path for path in paths if self.draft.exists(path)]

    def write_back(self) -> None:
        """Write every hive that was changed to the draft, with the keys that were."""
        for real, editor in self._opened.items():
            if not editor.changes:
                continue
            keys = len({change.key for change in editor.changes})
            why = f"{len(editor.changes)} changes of {keys} keys of {editor.name}"
            details = tuple(shown(change) for change in editor.changes)
            self.draft.write(real, editor.hive.dump(), why, details=details)
            if editor.hive.replayed:
                for log in self._logs(real):
                    self.draft.write(log, b"", f"what it held is in {editor.name} now")
                self.draft.note(
                    "KF-900", Severity.NOTE,
                    f"{editor.name} was not closed: {editor.hive.replayed} writes are in its log alone",
                    "they are taken into the hive", real,
                )  # fmt: skip


def shown(change: Change) -> str:
    r"""Return a change in words: ``SYSTEM\ControlSet001\Services\pciide Start = 0 (was 3)``."""
    place = printable(f"{change.hive}\\{change.key}")
    if change.name is None:
        return f"{place} deleted"
    place += f" {printable(change.name) or '(default)'}"
    if change.after is None:
        return f"{place} deleted (was {_text(change.before)})"
    was = f" (was {_text(change.before)})" if change.before is not None else ""
    return f"{place} = {_text(change.after)}{was}"


def _text(value: Value | None) -> str:
    if value is None:
        return "nothing"
    if value.number is not None:
        return str(value.number)
    if value.type in {Type.SZ, Type.EXPAND_SZ}:
        text = repr(value.text)
    elif value.type == Type.MULTI_SZ:
        text = "[" + ", ".join(map(repr, value.strings)) + "]"
    else:
        text = value.data.hex()
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
