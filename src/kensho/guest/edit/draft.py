"""A guest's files with the changes that are planned so far: what the steps of an adaptation work on.

Steps read through the draft, so that a later one sees what an earlier one wrote; the disks are only
read. What comes of it all is ``edits``, ``findings`` and ``early``.
"""

from __future__ import annotations

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import Kind
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import KenshoError, NotFoundError
from kensho.model.finding import Finding, Severity

_MOST = 16 << 20


class Draft:
    """Changes of one system's files. Paths are the guest's; links in them are followed.

    ``early`` holds files to be added to every initramfs: paths without a leading slash; ``crypt_words``
    devices in copies of crypttab that one has, and what to call them instead. Reading raises what `GuestFiles` raises.
    """

    def __init__(self, files: GuestFiles, subject: str) -> None:
        self.files = files
        self.subject = subject  #: of findings: the volume that the root is on
        self.findings: list[Finding] = []
        self.early: dict[str, bytes] = {}
        self.crypt_words: dict[str, str] = {}
        self._edits: dict[str, FileEdit] = {}

    @property
    def edits(self) -> tuple[FileEdit, ...]:
        """The edits planned, one for each file, in the order they came up."""
        return tuple(self._edits.values())

    def exists(self, path: str) -> bool:
        """Tell whether there will be such a file or directory."""
        planned = self._edits.get(self.files.settled(path))
        if planned is not None:
            return planned.content is not None or bool(planned.target)
        return self.files.exists(path) or any(e.startswith(f"{path}/") for e in self._edits)

    def read(self, path: str, limit: int = _MOST) -> bytes:
        """Return a file's bytes as they will be; NotFoundError, LimitError."""
        planned = self._edits.get(self.files.settled(path))
        if planned is None:
            return self.files.read(path, limit)
        if planned.content is None:
            raise NotFoundError("is deleted by an earlier step", path=path)
        return planned.content

    def text(self, path: str) -> str:
        """Return a text file, empty when there is none; bytes that are not UTF-8 survive `write`."""
        try:
            return self.read(path).decode("utf-8", "surrogateescape")
        except KenshoError:
            return ""

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names that will be in a directory, sorted; none when there is no such one."""
        folder = self.files.settled(path).rstrip("/")
        found = set(self.files.names_or_none(path))
        for edit in self._edits.values():
            above, _, name = edit.path.rpartition("/")
            if above == folder:
                gone = edit.content is None and not edit.target
                found = found - {name} if gone else found | {name}
        return tuple(sorted(found))

    def write(
        self,
        path: str,
        content: bytes | str,
        why: str,
        *,
        mode: int = 0o644,
        owner: tuple[int, int] = (0, 0),
        details: tuple[str, ...] = (),
    ) -> None:
        """Plan a file's content; nothing when it is that already.

        ``mode`` and ``owner`` (uid, gid) are those of a new file. A text may hold what `text` gave
        for bytes that are not UTF-8.
        """
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        real = self.files.settled(path)
        known = self._edits.pop(real, None)
        if self._has(real, data):
            return
        reasons = [known.why] if known is not None and known.content is not None else []
        reasons += [why] if why not in reasons else []
        more = known.details if known is not None else ()
        self._edits[real] = FileEdit(
            real, data, "; ".join(reasons), mode, *owner, details=(*more, *details)
        )

    def _has(self, real: str, data: bytes) -> bool:
        try:
            facts = self.files.stat(real, follow=False)
        except NotFoundError:
            return False
        if facts.kind is not Kind.FILE or facts.size != len(data):
            return False
        return self.files.read(real, len(data)) == data

    def delete(self, path: str, why: str) -> None:
        """Plan that a file, or a link itself, is deleted; nothing when there is none."""
        real = self._itself(path)
        self._edits.pop(real, None)
        try:
            self.files.stat(real, follow=False)
        except NotFoundError:
            return
        self._edits[real] = FileEdit(real, None, why)

    def link(self, path: str, target: str, why: str) -> None:
        """Plan a symbolic link in the place of whatever is there; nothing when it is that already."""
        real = self._itself(path)
        self._edits.pop(real, None)
        try:
            if self.files.readlink(real) == target:
                return
        except KenshoError:
            pass  # no link yet
        self._edits[real] = FileEdit(real, None, why, mode=0o777, target=target)

    def take(self, *edits: FileEdit) -> None:
        """Take up edits that were planned without a draft."""
        for edit in edits:
            if edit.content is None:
                self.delete(edit.path, edit.why)
            else:
                owner = (edit.uid, edit.gid)
                self.write(edit.path, edit.content, edit.why, mode=edit.mode, owner=owner)

    def note(
        self, code: str, severity: Severity, what: str, action: str, subject: str = ""
    ) -> None:
        """Add a finding: ``action`` is what was done, or what the user can do.

        Names of the guest's may be in either: what is no character to be printed becomes a mark.
        """
        subject = printable(subject or self.subject)
        self.findings.append(Finding(code, severity, printable(what), subject, printable(action)))

    def _itself(self, path: str) -> str:
        above, _, name = path.rstrip("/").rpartition("/")
        return f"{self.files.settled(above or '/').rstrip('/')}/{name}"


def printable(text: str) -> str:
    """Return a text that a terminal shows and does not act upon."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
