"""An installed package or program, as its manager has it."""

from __future__ import annotations

import msgspec


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """An installed package: ``version`` with epoch and release, as the manager writes it.

    ``license`` and ``publisher`` are the package's own words, empty where the manager keeps none.
    """

    name: str
    version: str
    architecture: str = ""
    license: str = ""
    publisher: str = ""
