"""Programmatic units: DSP0004 3.0 Annex D (Annex C in 2.x), as OVF uses them.

::

    programmatic-unit = [ sign ] unit-element *( ( "*" / "/" ) unit-element )
    unit-element      = number / [ prefix ] base-unit [ "^" exponent ]
    number            = floatingpoint-number / base "^" exponent

So ``byte * 2^20``, ``2^20 * byte``, ``mebibyte`` and ``1.5 * kilobyte * 4`` are units. Exporters also
write ``Bytes``, ``MegaBytes`` (OVF 0.9, VirtualBox), ``MB`` (XenCenter) and the like; those words
are binary, which is what their writers mean.
"""

from __future__ import annotations

import re
from fractions import Fraction

import msgspec

_MAX_FACTOR = 10**30  #: beyond any size; also bounds the work a hostile exponent can ask for
_MOST_ELEMENTS = 32
_POWER = re.compile(r"([1-9]\d{0,11})\s*\^\s*([+-]?\d{1,3})", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{0,18})?", re.ASCII)
_WORD = re.compile(r"([A-Za-z]+)(?:\s*\^\s*([+-]?\d))?", re.ASCII)
_OPERATOR = re.compile(r"\s*([*/])\s*")

_SMALL = ("deci", "centi", "milli", "micro", "nano", "pico", "femto", "atto", "zepto", "yocto")
_SMALL_POWERS = (1, 2, 3, 6, 9, 12, 15, 18, 21, 24)
_LARGE = ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
_DECIMAL: dict[str, Fraction] = {
    "deca": Fraction(10),
    "hecto": Fraction(100),
    **{name: Fraction(1000**n) for n, name in enumerate(_LARGE, 1)},
    **{name: Fraction(1, 10**power) for name, power in zip(_SMALL, _SMALL_POWERS, strict=True)},
}
_BINARY: dict[str, Fraction] = {
    name: Fraction(1024**n)
    for n, name in enumerate(("kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi"), 1)
}
_STEPS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
#: Base units of DSP0004 that sizes, speeds and shares of machines are given in.
_BASES = ("byte", "bit", "hertz", "second", "count", "percent")


class Unit(msgspec.Struct, frozen=True):
    """``factor`` base units, e.g. (``byte``, 1048576); quotients are written ``bit / second``.

    ``standard`` is False when the text is a usual word and no DSP0004 unit.
    """

    base: str
    factor: int
    standard: bool = True


def parse_unit(text: str) -> Unit | None:
    """Return the unit ``text`` names, None when it names none with a whole factor."""
    parts = _OPERATOR.split(text.strip())
    if len(parts) > 2 * _MOST_ELEMENTS:
        return None
    factor = Fraction(1)
    powers: dict[str, int] = {}
    standard = True
    for operator, element in zip(["*", *parts[1::2]], parts[::2], strict=True):
        read = _element(element)
        if read is None:
            return None
        value, base, power, is_standard = read
        if value == 0:
            return None
        sign = 1 if operator == "*" else -1
        factor *= value**sign
        standard = standard and is_standard
        if base:
            powers[base] = powers.get(base, 0) + sign * power
        if max(factor.numerator, factor.denominator) > _MAX_FACTOR:
            return None
    name = _name(powers)
    if name is None or factor.denominator != 1:
        return None
    return Unit(name, factor.numerator, standard)


def _name(powers: dict[str, int]) -> str | None:
    """Return the one base there is, or ``bit / second``; None for anything else."""
    above = [base for base, power in powers.items() if power > 0]
    below = [base for base, power in powers.items() if power < 0]
    if len(above) != 1 or len(below) > 1 or any(abs(power) > 1 for power in powers.values()):
        return None
    return " / ".join((*above, *below))


def _element(text: str) -> tuple[Fraction, str, int, bool] | None:
    """Return an element as (factor, base unit or nothing, its power, whether DSP0004 knows it)."""
    power = _POWER.fullmatch(text)
    if power is not None:
        number, exponent = int(power[1]), int(power[2])
        if number > 1 and abs(exponent) > 100:
            return None
        return Fraction(number) ** exponent, "", 0, True
    if _NUMBER.fullmatch(text):
        return Fraction(text.removesuffix(".")), "", 0, True
    word = _WORD.fullmatch(text)
    unit = _base(word[1]) if word is not None else None
    if word is None or unit is None:
        return None
    factor, base, standard = unit
    times = int(word[2] or 1)
    return factor**times, base, times, standard


def _base(word: str) -> tuple[Fraction, str, bool] | None:
    lower = word.lower()
    for base in _BASES:
        if lower in {base, f"{base}s"}:
            return Fraction(1), base, word == base
        for table in (_DECIMAL, _BINARY):
            for prefix, factor in table.items():
                if lower in {prefix + base, f"{prefix}{base}s"}:
                    standard = word == prefix + base
                    return _meant(prefix, base, factor, standard=standard), base, standard
    return _abbreviated(lower)


def _meant(prefix: str, base: str, factor: Fraction, *, standard: bool) -> Fraction:
    # DSP0004 3.0 allows ``kilobyte``; ``MegaBytes`` is OVF 0.9's word and means 2^20.
    if base == "byte" and not standard and prefix in _LARGE:
        return Fraction(1024 ** (_LARGE.index(prefix) + 1))
    return factor


def _abbreviated(lower: str) -> tuple[Fraction, str, bool] | None:
    """Read ``MB``, ``MiB``, ``b``, ``MHz`` and the like."""
    match = re.fullmatch(r"([kmgtpe]?)(i?b|hz)", lower)
    if match is None:
        return None
    step = _STEPS.get(match[1], 0)
    if match[2] == "hz":
        return Fraction(1000**step), "hertz", False
    if match[2] == "ib" and not step:
        return None
    return Fraction(1024**step), "byte", False
