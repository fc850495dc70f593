"""Names found in a package: only files in the package's own folder may be meant by them."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from kensho.model.errors import UnsafePathError, UnsupportedError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def safe_name(name: str, path: object) -> str:
    """Return ``name`` as a relative path with ``/`` below the package's folder.

    UnsafePathError for absolute names, drive letters, ``..``, backslashes and control
    characters. ``path`` is only for the message.
    """
    parts = name.split("/")
    if (
        not name
        or name.startswith("/")
        or name[1:2] == ":"
        or "\\" in name
        or ".." in parts
        or any(ord(char) < 0x20 or ord(char) == 0x7F for char in name)
    ):
        raise UnsafePathError(
            f"refers to a file outside the package's folder: {name!r}", path=path, field="href"
        )
    kept = [part for part in parts if part not in {"", "."}]
    if not kept:
        raise UnsafePathError(f"is not the name of a file: {name!r}", path=path, field="href")
    return "/".join(kept)


def plain_name(name: str) -> str:
    """Return a relative name without ``./`` and doubled slashes; nothing is checked."""
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def candidates(href: str, path: object) -> tuple[str, ...]:
    """Return the names a reference may mean, verbatim first, then with ``%xx`` decoded.

    UnsupportedError for URLs, UnsafePathError for names that lead out of the folder.
    """
    url = _URL.match(href)
    if url is not None:
        raise UnsupportedError(
            f"the file is not part of the package but at {href}",
            path=path,
            field="href",
            hint="--fetch allows that it is read from there"
            if is_web_address(href)
            else f"fetch it, put it beside the descriptor and change the href; "
            f"{url[1].lower()} references are not followed",
        )
    verbatim = safe_name(href, path)
    decoded = safe_name(unquote(href), path)
    return (verbatim,) if decoded == verbatim else (verbatim, decoded)


def is_web_address(name: str) -> bool:
    """Tell whether a name is an http or https URL."""
    return name.lower().startswith(("http://", "https://"))


def below(base: str, url: str) -> str | None:
    """Return the name of ``url`` relative to the folder ``base`` on the same server.

    None when it is somewhere else, or ``base`` is empty. The name may still have to be checked.
    """
    try:
        ours, theirs = urlsplit(base), urlsplit(url)
        same = (ours.scheme.lower(), ours.hostname, ours.port) == (
            theirs.scheme.lower(),
            theirs.hostname,
            theirs.port,
        )
    except ValueError:  # no URL after all
        return None
    folder = unquote(ours.path) + "/"
    path = unquote(theirs.path)
    if not base or not same or not path.startswith(folder) or theirs.query or theirs.fragment:
        return None
    return path[len(folder) :] or None
