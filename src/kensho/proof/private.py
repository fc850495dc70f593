"""What a statement must not tell: folders of whoever made it, which have names of people and hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kensho.model.finding import Finding
from kensho.storage.locator import scheme_of, split_locator

_FOLDERS = re.compile(r"(?<![\w.:/])~?/(?:[^\s/:;,'\"]+/)+")


def without_folders(words: str) -> str:
    """Return what a program here said, without the folders in front of files' names."""
    return _FOLDERS.sub("", words)


def folders_here(locators: Sequence[str]) -> tuple[str, ...]:
    """Return the folders that messages may name: of the sources, of this process and its user.

    One right below the root is everybody's (`/root`, `/tmp`), and the guest may have it, too.
    """
    places = [split_locator(locator)[0] for locator in locators]
    given = [Path(place).parent for place in places if scheme_of(place) is None]
    own = {*given, *(folder.absolute() for folder in given), Path.cwd(), Path.home()}
    private = {str(f) for f in own if len(f.parts) > 2 or not f.is_absolute()}
    return tuple(sorted(private - {".", ".."}, key=len, reverse=True))


def redacted(found: Finding, folders: Sequence[str]) -> Finding:
    """Return a finding without these folders; what it says of the guest's own stays."""

    def again(words: str) -> str:
        for folder in folders:
            words = words.replace(f"{folder}/", "").replace(folder, "")
        return words

    return msgspec.structs.replace(
        found,
        subject=again(found.subject),
        message=again(found.message),
        action=again(found.action),
    )
