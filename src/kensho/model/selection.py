"""What the user chooses of a package that offers a choice: DSP0243 leaves it to deployment."""

from __future__ import annotations

import msgspec


class Selection(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The choices that decide what is read. Everything left out is the package's own default.

    ``configuration`` is the id of a deployment option, or the name or id of a snapshot of a
    VirtualBox, VMware or XenServer machine; ``hardware`` the id of a
    VirtualHardwareSection or a VirtualSystemType, and without one ``families`` are the types
    that the target likes, best first (a type fits when it begins with the word, as ``vmx`` fits
    ``vmx-13``); ``locale`` is the language of texts, as in ``de-DE``; ``fetch`` allows files to
    be fetched from the web addresses a package names; ``properties`` are (key, value), the key
    plain or as ``class.key.instance``.
    """

    configuration: str | None = None
    hardware: str | None = None
    families: tuple[str, ...] = ()
    locale: str | None = None
    fetch: bool = False
    properties: tuple[tuple[str, str], ...] = ()
