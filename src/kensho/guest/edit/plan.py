"""Edits of a guest's files as data: planned here, shown to the user, carried out by a back end."""

from __future__ import annotations

import msgspec


class FileEdit(msgspec.Struct, frozen=True):
    """What is to become of one file; ``path`` is the guest's, links in it are followed.

    ``content`` None deletes the file. ``mode``, ``uid`` and ``gid`` are those of a new file; one that
    is there keeps its own. ``why`` is a sentence for the user.
    """

    path: str
    content: bytes | None
    why: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
