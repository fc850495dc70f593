"""Passwords among a vendor's own settings: never in a plan, a report or a note.

Recognised by the name they go by, as `password` of a remote screen or of cloud-init; what calls a
password otherwise is not known to be one.
"""

from __future__ import annotations

import re

import msgspec

from kensho.model.appliance import Appliance
from kensho.model.machine import Extra

HIDDEN = "(password-left-out)"  #: a setting with this in it is no setting any more
_WORD = r"(?:passw(?:or)?d|passphrase)"
#: The last has the values of all OVF properties, whichever of them is a password.
_PLACE = re.compile(rf"(?i).*(?:{_WORD}[^/.]*|vnc\.key|guestinfo\.ovfenv)")
_VALUE = r"(\"[^\"]*\"|'[^']*'|[^\s,<>\"'\\]+)"
#: ``passwd="x"``, ``password=x``, ``"password": "x"``, ``password: x``, and VirtualBox's properties.
_IN_TEXT = re.compile(
    rf"(?i)({_WORD}\\?[\"']?\s*[:=]\s*\\?|name=[\"'][^\"']*{_WORD}[\"']\s+value="
    rf"|name=[\"']VBoxAuthSimple/users/[^\"']*[\"']\s+value=){_VALUE}"
)


def hide(extra: Extra) -> Extra:
    """Return a setting without the passwords in it."""
    if not extra.text:
        return extra
    if _PLACE.fullmatch(extra.where):
        return msgspec.structs.replace(extra, text=HIDDEN)
    text = _IN_TEXT.sub(_hidden, extra.text)
    return extra if text == extra.text else msgspec.structs.replace(extra, text=text)


def _hidden(found: re.Match[str]) -> str:
    quote = found[2][0] if found[2][0] in "\"'" else ""
    return f"{found[1]}{quote}{HIDDEN}{quote}"


def hide_all(appliance: Appliance) -> tuple[Appliance, tuple[str, ...]]:
    """Return an appliance without passwords in its settings, and where there were some."""
    places: list[str] = []

    def hidden(extras: tuple[Extra, ...]) -> tuple[Extra, ...]:
        safe = tuple(map(hide, extras))
        places.extend(new.where for old, new in zip(extras, safe, strict=True) if old != new)
        return safe

    machines = tuple(
        msgspec.structs.replace(m, extras=hidden(m.extras)) for m in appliance.machines
    )
    whole = msgspec.structs.replace(appliance, machines=machines, extras=hidden(appliance.extras))
    return whole, tuple(dict.fromkeys(places))
