"""Which of its control sets Windows starts with.

Source: https://learn.microsoft.com/windows-hardware/drivers/install/hklm-system-select-registry-key
(``Select``). ``CurrentControlSet`` is a link that only a running Windows has.
"""

from __future__ import annotations

from kensho.guest.windows.hive import Hive
from kensho.model.errors import CorruptError


def control_sets(system: Hive) -> tuple[str, ...]:
    """Return the keys of the sets that are started with, the current one first.

    Raises CorruptError for a SYSTEM hive without one.
    """
    select = system.find("Select")
    numbers = []
    for name in ("Current", "Default"):
        value = select.value(name) if select is not None else None
        if value is not None and value.number:
            numbers.append(value.number)
    sets = dict.fromkeys(f"ControlSet{number:03}" for number in numbers)
    found = tuple(name for name in sets if system.find(name) is not None)
    if not found:
        raise CorruptError(
            "the SYSTEM hive names no control set that is there",
            path=system.cells.path,
            hint="is it the hive of an installed Windows? RegBack may have a whole one",
        )
    return found
