"""An installed package or program, as its manager has it."""

from __future__ import annotations

import msgspec


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """An installed package: ``version`` with epoch and release, as the manager writes it."""

    name: str
    version: str
    architecture: str = ""
