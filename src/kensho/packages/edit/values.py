"""What users type: sizes, switches, addresses, names with ``{N}`` in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from kensho.appliances.mac import normal_mac
from kensho.model.errors import UsageError
from kensho.model.units import GIB, KIB, MIB, TIB

_SIZE = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))?\s*([KMGTP]?)(i?B)?", re.IGNORECASE)
_STEPS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB, "P": TIB * 1024}
_WILDCARD = re.compile(r"\{(\d{1,9})\}")
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
MAX_SIZE = 2**63 - 1


def size(text: str, what: str) -> int:
    """Return bytes of ``8GiB``, ``4096M``, ``1.5T``; units are binary, as hypervisors count.

    UsageError without a unit: COT guesses there, and a guess makes a machine of 4 KiB.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{what}: not a size: {text!r}", hint="such as 512MiB, 8GiB or 1.5TiB")
    if not match[3] and not match[4]:
        raise UsageError(
            f"{what}: {text!r} has no unit", hint=f"say {text.strip()}MiB or {text.strip()}GiB"
        )
    factor: int = _STEPS[match[3].upper()]
    fraction = int(match[2] or 0) * factor // 10 ** len(match[2] or "")
    result: int = int(match[1]) * factor + fraction
    if not 0 < result <= MAX_SIZE:
        raise UsageError(f"{what}: {text!r} is out of range")
    return result


def count(text: str, what: str, least: int = 1, most: int = 2**31 - 1) -> int:
    """Return a number of things."""
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit()) or not least <= int(plain[:11]) <= most:
        raise UsageError(f"{what}: not a number from {least} to {most}: {text!r}")
    return int(plain)


def switch(text: str, what: str) -> bool:
    """Return what ``true``, ``on``, ``no`` … mean."""
    plain = text.strip().lower()
    if plain not in _TRUE | _FALSE:
        raise UsageError(f"{what}: neither true nor false: {text!r}")
    return plain in _TRUE


def mac(text: str) -> str:
    """Return a MAC address as ``aa:bb:cc:dd:ee:ff``."""
    normal = normal_mac(text)
    if normal is None:
        raise UsageError(f"not a MAC address: {text!r}", hint="such as 00:50:56:aa:bb:cc")
    return normal


def spread(names: Sequence[str], length: int) -> list[str]:
    """Return ``length`` names; the last one is a pattern that goes on where names run out.

    ``eth{0}`` counts from 0: eth0, eth1, …; a last name without ``{N}`` is repeated.
    """
    result = [_WILDCARD.sub(lambda m: m[1], name) for name in names[:length]]
    if names and length > len(names):
        pattern = names[-1]
        result.extend(_counted(pattern, n) for n in range(1, length - len(names) + 1))
    return result


def _counted(pattern: str, step: int) -> str:
    return _WILDCARD.sub(lambda match: str(int(match[1]) + step), pattern)


def pairs(text: str, known: Iterable[str], what: str) -> dict[str, str]:
    r"""Return ``a=1,b=2`` as a dictionary; a word without ``=`` gets an empty value.

    UsageError for a key that is not in ``known``. A comma in a value is written ``\,``.
    """
    keys = tuple(known)
    result: dict[str, str] = {}
    for part in re.split(r"(?<!\\),", text):
        key, _, value = part.partition("=")
        key = key.strip()
        if key not in keys:
            raise unknown(f"{what}: {key!r} is not known", key, keys)
        result[key] = value.strip().replace("\\,", ",")
    return result


def unknown(message: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is none of ``known``, with the nearest and the list."""
    names = [k for k in dict.fromkeys(known) if k]
    folded = {k.lower(): k for k in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    guess = f"did you mean {folded[near[0]]!r}? " if near else ""
    listed = ", ".join(names[:40]) + (" …" if len(names) > 40 else "")
    return UsageError(message, hint=f"{guess}there is: {listed}" if names else "there is none")
