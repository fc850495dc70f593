"""Labels of new files where the guest has SELinux.

Files that are rewritten keep their label, and new ones get that of their folder when they are written,
which is what the kernel gives a file that a program makes there. A relabel of everything at the next
start (selinux(8), ``/.autorelabel``), which takes a start more, is asked for only where a folder has no
label to take.
"""

from __future__ import annotations

import re

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity

_LABEL = "security.selinux"
_ACTIVE = re.compile(r"^[ \t]*SELINUX=[ \t]*(?:enforcing|permissive)\b", re.MULTILINE)
_NEITHER = (b":unlabeled_t:", b":file_t:")


def plan_labels(guest: LinuxGuest) -> None:
    """Ask for a relabel where a new file cannot be labelled by its folder (KF-879)."""
    draft = guest.draft
    if not _ACTIVE.search(draft.text("/etc/selinux/config")) or not _labelled(draft, "/etc"):
        return
    bare = [edit.path for edit in draft.edits if _is_new(draft, edit.path)
            and not _labelled(draft, _above(draft, edit.path))]  # fmt: skip
    if bare:
        draft.write("/.autorelabel", b"", "SELinux labels all files at the next start")
        draft.note(
            "KF-879", Severity.NOTE, f"{bare[0]} is in a folder without a label of SELinux",
            "all files are labelled at the next start, which takes a start more",
        )  # fmt: skip


def _is_new(draft: Draft, path: str) -> bool:
    return not draft.files.exists(path)


def _above(draft: Draft, path: str) -> str:
    while path and not draft.files.exists(path):
        path = path.rpartition("/")[0]
    return path or "/"


def _labelled(draft: Draft, path: str) -> bool:
    try:
        label = draft.files.xattrs(draft.files.real(path)).get(_LABEL, b"")
    except KenshoError:
        return False
    return bool(label) and not any(word in label for word in _NEITHER)
