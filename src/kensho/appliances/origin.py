"""Where a package is: a local file, a URL or an archive's member, and the files beside it."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kensho.appliances.folder import descriptor_in
from kensho.appliances.store import Store, folder_store, web_store
from kensho.model.errors import LocatorError
from kensho.storage import ByteSource, FileSource
from kensho.storage.locator import open_source, scheme_of, shown, split_locator


@dataclass(frozen=True, slots=True)
class Origin:
    """One file to read a machine from.

    ``path`` is how errors call it, ``name`` its own name; ``open`` opens it, ``beside`` returns
    the files of its folder, itself among them. Both are called once, by who closes what they give.
    """

    path: str
    name: str
    open: Callable[[], ByteSource]
    beside: Callable[[], Store]

    @property
    def stem(self) -> str:
        """The name without its suffix: what a machine without a name is called."""
        return PurePosixPath(self.name).stem


def find_origin(locator: str | Path) -> Origin:
    """Return what is at ``locator``: a path, a folder with one machine, a URL, ``archive#member``.

    ``-`` is the file that standard input is. LocatorError when a folder has no machine or several, or nothing can be named like that.
    """
    text = os.fspath(locator)
    if not text:
        raise LocatorError("an empty name")
    try:
        place, member = split_locator(text)
    except (OSError, ValueError) as error:
        raise LocatorError(f"cannot be read: {_reason(error)}", path=text) from None
    if text == "-":
        return _local("/dev/stdin")  # a link to the file itself, so others are beside it
    if scheme_of(text) is not None or member is not None:
        return _distant(text, member or urllib.parse.unquote(urllib.parse.urlsplit(place).path))
    return _local(text)


def _distant(text: str, path: str) -> Origin:
    name = PurePosixPath(path).name
    if not name:
        raise LocatorError("names no file", path=shown(text))
    return Origin(shown(text), name, lambda: open_source(text), lambda: web_store(text, name))


def _local(text: str) -> Origin:
    path = Path(text)
    try:
        if path.is_dir():
            path = descriptor_in(path)
        if path.is_symlink():
            path = path.resolve()  # the other files are beside the real one
        os.fspath(path).encode()
    except (OSError, ValueError) as error:
        raise LocatorError(f"cannot be read: {_reason(error)}", path=text) from None
    return Origin(
        str(path),
        path.name,
        lambda: FileSource(path),
        lambda: folder_store(path.parent, str(path)),
    )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "the name is not UTF-8; rename it, or link to it under another name"
    return getattr(error, "strerror", None) or str(error)
