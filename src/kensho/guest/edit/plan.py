"""Edits of a guest's files as data: planned, shown to the user, carried out by a back end."""

from __future__ import annotations

import msgspec


class FileEdit(msgspec.Struct, frozen=True):
    """What is to become of one file. No part of ``path`` but the last is a symbolic link.

    ``content`` None deletes what is there, a link itself and not what it leads to; with a ``target``
    it becomes a symbolic link to that. Bytes are written into the file that is there, or a new one:
    ``mode``, ``uid`` and ``gid`` are those of a new file; one that is there keeps its own. ``why`` is a
    sentence for the user, ``details`` are the changes within a file that has an inside of its own,
    such as the keys of a registry hive.
    """

    path: str
    content: bytes | None
    why: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    target: str = ""
    details: tuple[str, ...] = ()
