"""What an edit changes in a text file, as a unified diff for people."""

from __future__ import annotations

import difflib

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import KenshoError

_MOST = 1 << 18


def unified(files: GuestFiles, edit: FileEdit) -> str:
    """Return the diff of a file and what it becomes; empty when either is no text, or is long."""
    if edit.target or edit.content is None or not _is_text(edit.content):
        return ""
    try:
        before = files.read(edit.path, _MOST) if files.exists(edit.path) else b""
    except KenshoError:
        return ""
    if not _is_text(before):
        return ""
    lines = difflib.unified_diff(
        _lines(before), _lines(edit.content), f"a{edit.path}", f"b{edit.path}", lineterm=""
    )
    return "\n".join(lines)


def _is_text(data: bytes) -> bool:
    if len(data) > _MOST or b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines(data: bytes) -> list[str]:
    return data.decode().split("\n")[: None if not data.endswith(b"\n") else -1]
