"""Targets named in one word: ``--for kvm,vmware``."""

from __future__ import annotations

from kensho.model.errors import UsageError
from kensho.platforms import PLATFORMS, Platform, find_platform


def chosen_platforms(text: str, everywhere: tuple[Platform, ...]) -> tuple[Platform, ...]:
    """Return the platforms in a list with commas, each once; ``all`` is ``everywhere``.

    UsageError for a target that starts no machine, such as an image of files.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError("no target", hint="--for kvm,vmware; `kensho platforms` lists them")
    if words == ["all"]:
        return everywhere
    found = {platform.name: platform for platform in map(find_platform, words)}
    for platform in found.values():
        if platform not in PLATFORMS:
            raise UsageError(
                f"{platform.name} starts no machine", hint="`kensho platforms` lists those that do"
            )
    return tuple(found.values())
