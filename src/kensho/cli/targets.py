"""Targets named in one word: ``--for kvm,vmware``."""

from __future__ import annotations

from kensho.model.errors import UsageError
from kensho.platforms import Platform, find_platform


def chosen_platforms(text: str, everywhere: tuple[Platform, ...]) -> tuple[Platform, ...]:
    """Return the platforms in a list with commas, each once; ``all`` is ``everywhere``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError("no target", hint="--for kvm,vmware; `kensho platforms` lists them")
    if words == ["all"]:
        return everywhere
    return tuple({platform.name: platform for platform in map(find_platform, words)}.values())
