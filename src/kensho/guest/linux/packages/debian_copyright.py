"""The licences of a Debian package, where its copyright file says them for programs.

Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ ("DEP-5"): stanzas of fields,
the first with Format, each further one with the License of some files, its short name on the field's line.
Files in free words tell nothing here.
"""

from __future__ import annotations

import re

from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import KenshoError

_MOST, _MOST_WORDS = 128 << 10, 300
_FORMAT = re.compile(rb"\s*format(-specification)?:[^\n]*(copyright-format|dep-?5)", re.IGNORECASE)
_LICENCE = re.compile(rb"^license:[ \t]*([!-~][ -~]*)$", re.IGNORECASE | re.MULTILINE)


def licences_of(files: GuestFiles, package: str) -> str:
    """Return the short names of a package's licences, with commas; empty where none is told.

    Of a file, 128 KiB are looked at; what cannot be read is as good as none.
    """
    if "/" in package:
        return ""
    try:
        data = files.head(f"/usr/share/doc/{package}/copyright", _MOST)
    except KenshoError:
        return ""
    if not _FORMAT.match(data):
        return ""
    names = dict.fromkeys(match[1].decode().strip() for match in _LICENCE.finditer(data))
    words = ", ".join(names)
    return words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS].rpartition(", ")[0]
