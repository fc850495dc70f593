"""Programmatic units: DSP0004 Annex C, as OVF uses them for sizes and frequencies.

``byte * 2^20`` is a base unit times modifiers. Exporters also write ``byte*1024*1024``,
``byte * 2 ^ 30``, ``MegaBytes`` (OVF 0.9, VirtualBox), ``MB`` (XenCenter) and the like; the
words are binary, which is what their writers mean.
"""

from __future__ import annotations

import re

import msgspec

_MAX_FACTOR = 10**30  #: beyond any size; also bounds the work a hostile exponent can ask for
_MODIFIER = re.compile(r"(\d{1,12})(?:\s*\^\s*([+-]?\d{1,3}))?")
_OPERATOR = re.compile(r"\s*([*/])\s*")

_DECIMAL = {"kilo": 10**3, "mega": 10**6, "giga": 10**9, "tera": 10**12, "peta": 10**15}
_BINARY = {"kibi": 2**10, "mebi": 2**20, "gibi": 2**30, "tebi": 2**40, "pebi": 2**50}
_STEPS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


class Unit(msgspec.Struct, frozen=True):
    """``factor`` base units, e.g. (``byte``, 1048576).

    ``standard`` is False when the text is a usual word and no DSP0004 unit.
    """

    base: str
    factor: int
    standard: bool = True


def parse_unit(text: str) -> Unit | None:
    """Return the unit ``text`` names, None when it names none with a whole factor."""
    parts = _OPERATOR.split(text.strip())
    base = _base(parts[0])
    if base is None:
        return None
    above, below = base.factor, 1
    for operator, word in zip(parts[1::2], parts[2::2], strict=True):
        modifier = _MODIFIER.fullmatch(word)
        if modifier is None:
            return None
        number, exponent = int(modifier[1]), int(modifier[2] or 1)
        if number == 0 or (number > 1 and abs(exponent) > 100):
            return None
        value = number ** abs(exponent)
        if (operator == "*") == (exponent >= 0):
            above *= value
        else:
            below *= value
        if above > _MAX_FACTOR or below > _MAX_FACTOR:
            return None
    if above % below:
        return None
    return Unit(base.base, above // below, base.standard)


def _base(word: str) -> Unit | None:
    lower = word.lower()
    for name in ("byte", "hertz", "bit"):
        if lower in {name, f"{name}s"}:
            return Unit(name, 1, standard=word == name)
        for prefixes in (_DECIMAL, _BINARY):
            for prefix, factor in prefixes.items():
                if lower == prefix + name:
                    return _prefixed(word, name, prefix, factor)
                if lower == f"{prefix}{name}s":
                    return _prefixed(word, name, prefix, factor)
    return _abbreviated(lower)


def _prefixed(word: str, name: str, prefix: str, factor: int) -> Unit:
    # DSP0004 3.0 allows ``kilobyte``; ``MegaBytes`` is OVF 0.9's word and means 2^20.
    standard = word == prefix + name
    if name == "byte" and not standard and prefix in _DECIMAL:
        factor = 2 ** (10 * _STEPS[prefix[0]])
    return Unit(name, factor, standard)


def _abbreviated(lower: str) -> Unit | None:
    """Read ``MB``, ``MiB``, ``M``, ``b``, ``MHz`` and the like."""
    match = re.fullmatch(r"([kmgtp]?)(i?b|hz)", lower)
    if match is None:
        return None
    step = _STEPS.get(match[1], 0)
    if match[2] == "hz":
        return Unit("hertz", 1000**step, standard=False)
    if match[2] == "ib" and not step:
        return None
    return Unit("byte", 1024**step, standard=False)
