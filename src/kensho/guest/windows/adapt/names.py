"""Paths as a Windows' directories spell them: whatever writes them may tell upper from lower case."""

from __future__ import annotations

from dataclasses import dataclass, field

from kensho.guest.files.tree import GuestFiles


@dataclass(slots=True)
class Names:
    """The names of a guest's files; each directory is listed once."""

    files: GuestFiles
    _known: dict[str, dict[str, str]] = field(default_factory=dict)

    def real(self, path: str) -> str:
        """Return a path as it is spelt on the disk; what is not there stays as it was asked for."""
        found = ""
        for part in path.strip("/").split("/"):
            found += "/" + self._in(found or "/").get(part.casefold(), part)
        return found

    def below(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, none when there is no such one."""
        return tuple(self._in(path).values())

    def _in(self, folder: str) -> dict[str, str]:
        if folder not in self._known:
            names = self.files.names_or_none(folder)
            self._known[folder] = {name.casefold(): name for name in names}
        return self._known[folder]
