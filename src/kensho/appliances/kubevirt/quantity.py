"""Kubernetes quantities, such as ``2Gi``, as whole numbers.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal

from kensho.model.units import GIB, MIB

_QUANTITY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)(m|[kKMGTPE]i?|[eE][0-9]{1,2})?", re.ASCII)
_SCALE = {
    "": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60,
}  # fmt: skip
_MOST = 1 << 62


def whole(value: object) -> int | None:
    """Return a quantity rounded up to a whole number, None when it is none or beyond reason."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    number, unit = Decimal(match[1]), match[2] or ""
    if unit == "m":
        number /= 1000
    elif unit[:1] in {"e", "E"} and unit[1:].isdigit():
        number *= Decimal(10) ** int(unit[1:])
    else:
        number *= _SCALE[unit.replace("ki", "Ki")]
    found = int(number.to_integral_value(rounding="ROUND_CEILING"))
    return found if found <= _MOST else None


def quantity(size: int) -> str:
    """Return a number of bytes in the largest unit that says it exactly."""
    if size % GIB == 0 and size:
        return f"{size // GIB}Gi"
    return f"{size // MIB}Mi" if size % MIB == 0 and size else str(size)
