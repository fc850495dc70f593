"""What no machine has: a file that says so is refused before its parts are compared with each other."""

from __future__ import annotations

from kensho.model.errors import LimitError

MOST_DRIVES = 1024  #: no hypervisor gives one machine more


def check_drives(count: int, path: str) -> None:
    """Raise LimitError for more drives than any machine has."""
    if count > MOST_DRIVES:
        raise LimitError(
            f"{count} drives; at most {MOST_DRIVES} are read",
            path=path,
            hint="no hypervisor has as many in one machine; check where the file came from",
        )
